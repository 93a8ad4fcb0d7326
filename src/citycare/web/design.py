"""What the /design pages show: every component in every state, fed by made-up people.

`screen(name, lang)` gives the page and its template. Operator only; nothing here is real.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from citycare.kit.clock import at
from citycare.kit.money import Money
from citycare.web import parts as p
from citycare.web.shell import Lang

TODAY = date(2026, 11, 22)
SCREENS = {
    "parts": "design/parts.html",
    "home": "design/home.html",
    "choose": "design/choose.html",
    "question": "design/question.html",
    "form": "design/form.html",
    "confirm": "design/confirm.html",
    "clinic": "design/clinic.html",
    "slip": "design/slip.html",
    "error": "error.html",
}


@dataclass(frozen=True, slots=True)
class Say:
    """Demo words in both languages; they are content, so not in the catalogue."""

    lang: Lang

    def __call__(self, zh: str, en: str) -> str:
        """Return the words of the language."""
        return zh if self.lang == "zh" else en


@dataclass(frozen=True, slots=True, kw_only=True)
class DesignPage:
    """Demo content, one field a component."""

    screens: tuple[p.Link, ...]
    next_step: p.NextStep
    next_calm: p.NextStep
    doors: tuple[p.Door, ...]
    days: tuple[p.Day, ...]
    chips: tuple[p.Chip, ...]
    all_chips: tuple[p.Chip, ...]
    doctors: tuple[p.Doctor, ...]
    bookings: tuple[p.Booking, ...]
    links: tuple[p.Link, ...]
    facts: tuple[p.Fact, ...]
    trail: tuple[p.Step, ...]
    question: str
    answers: tuple[p.Option, ...]
    more: p.Link
    kpis: tuple[p.Kpi, ...]
    columns: tuple[p.Column, ...]
    rows: tuple[p.Row, ...]
    record: tuple[p.Fact, ...]
    charts: tuple[p.Chart, ...]
    suggestions: tuple[p.Link, ...]
    filters: tuple[p.Option, ...]
    long_name: str


def screen(name: str, lang: Lang) -> tuple[str, DesignPage | p.ErrorPage]:
    """Return template and page of one screen; KeyError when there is none of that name."""
    template = SCREENS[name]
    say = Say(lang)
    return template, _error(say) if name == "error" else _page(say)


def _page(say: Say) -> DesignPage:
    return DesignPage(
        screens=tuple(p.Link(label=one, href=f"/design/{one}") for one in SCREENS),
        next_step=_next_step(say),
        next_calm=_next_calm(say),
        doors=_doors(say),
        days=_days(),
        chips=_chips("8:00", "8:30", "9:00", "9:30", "10:00", "10:30"),
        all_chips=_all_chips(),
        doctors=_doctors(say),
        bookings=_bookings(say),
        links=_links(say),
        facts=_facts(say),
        trail=_trail(say),
        question=say(
            "胸口闷的时候，胳膊或下巴疼吗？",
            "When your chest feels tight, does your arm or jaw hurt?",
        ),
        answers=_answers(say),
        more=p.Link(label=say("全部", "All"), href="#"),
        kpis=_kpis(say),
        columns=_columns(say),
        rows=_rows(say),
        record=_record(say),
        charts=_charts(say),
        suggestions=_suggestions(say),
        filters=_filters(say),
        long_name=say(
            "阿卜杜热合曼·买买提吐尔逊江",
            "Wolfeschlegelsteinhausenbergerdorff-Fotheringay-Smythe, Maximiliana",
        ),
    )


def _time(clock: str, days: int = 0) -> datetime:
    hour, minute = clock.split(":")
    start = at(TODAY + timedelta(days=days), datetime.min.time())
    return start + timedelta(hours=int(hour), minutes=int(minute))


def _next_step(say: Say) -> p.NextStep:
    done, now, later = p.StepState.DONE, p.StepState.NOW, p.StepState.LATER
    names = (
        (say("到院", "Arrive"), done),
        (say("看诊", "See the doctor"), done),
        (say("抽血", "Blood test"), now),
        (say("看报告", "Hear the result"), later),
        (say("取药", "Collect medicine"), later),
    )
    return p.NextStep(
        where=say("现在 · 瑞金医院 门诊楼 3 层", "Now · Ruijin Hospital, outpatients, floor 3"),
        title=say("去 3 号抽血窗口，前面 2 人", "Go to blood test window 3: 2 people before you"),
        note=say(
            "约 9:42 轮到您，走过去 1 分钟", "Your turn at about 9:42, one minute’s walk from here"
        ),
        action=p.Action(label=say("带我过去", "Show me the way"), href="#", icon="route"),
        steps=tuple(p.Step(label=label, state=state) for label, state in names),
    )


def _next_calm(say: Say) -> p.NextStep:
    return p.NextStep(
        where=say("您现在没有预约", "You have no bookings"),
        title=say("哪里不舒服？先说给我们听", "What is wrong? Tell us first"),
        note=say("答 3–5 个问题，告诉您看哪一科", "3–5 questions, then we say which clinic fits"),
        action=p.Action(label=say("开始", "Start"), href="#"),
        calm=True,
    )


def _doors(say: Say) -> tuple[p.Door, ...]:
    return (
        p.Door(label=say("我不舒服", "I feel unwell"), href="#", icon="pulse"),
        p.Door(label=say("预约挂号", "Book a visit"), href="#", icon="booking"),
        p.Door(
            label=say("报告和病历", "Reports and records"),
            href="#",
            icon="report",
            count=say("1 份新的", "1 new"),
        ),
        p.Door(label=say("费用和票据", "Fees and receipts"), href="#", icon="fee"),
    )


def _days() -> tuple[p.Day, ...]:
    made = [
        p.Day(on=TODAY, href="#", state=p.DayState.FULL, is_today=True),
        p.Day(on=TODAY + timedelta(days=1), href="#", left=46, selected=True),
    ]
    made += [
        p.Day(on=TODAY + timedelta(days=n), href="#", left=left)
        for n, left in ((2, 12), (3, 88), (4, 90))
    ]
    made += [
        p.Day(on=TODAY + timedelta(days=5), href="#", state=p.DayState.CLOSED),
        p.Day(on=TODAY + timedelta(days=6), href="#", state=p.DayState.UNOPENED),
    ]
    return tuple(made)


def _chips(*clocks: str) -> tuple[p.Chip, ...]:
    lefts = (4, 2, 1, 0, 5, 6)
    states = (p.ChipState.FREE, p.ChipState.FREE, p.ChipState.FEW, p.ChipState.FULL)
    return tuple(
        p.Chip(
            starts_at=_time(clock, 1),
            href="#",
            left=lefts[n],
            state=states[n] if n < len(states) else p.ChipState.FREE,
            position=3 if n == len(states) - 1 else 0,
            selected=n == 1,
        )
        for n, clock in enumerate(clocks)
    )


def _all_chips() -> tuple[p.Chip, ...]:
    return (
        *_chips("8:00", "8:30", "9:00", "9:30"),
        p.Chip(starts_at=_time("10:00", 1), href="#", state=p.ChipState.DRAW, entrants=128),
        p.Chip(starts_at=_time("10:30", 1), state=p.ChipState.UNOPENED, opens_at=_time("7:00", 1)),
        p.Chip(starts_at=_time("11:00", 1), state=p.ChipState.STOPPED),
        p.Chip(starts_at=_time("11:30", 1), state=p.ChipState.FULL),
    )


def _doctors(say: Say) -> tuple[p.Doctor, ...]:
    return (
        p.Doctor(
            name=say("陈立", "Chen Li"),
            title=say("主任医师", "Chief physician"),
            good_at=say("高血压、心悸", "High blood pressure, palpitations"),
            place=say("瑞金医院", "Ruijin Hospital"),
            metres=2100,
            fee=Money(5000),
            href="#",
        ),
        p.Doctor(
            name=say("王芳", "Wang Fang"),
            title=say("副主任医师", "Associate chief physician"),
            note=say("您上次看过", "You saw her last time"),
            place=say("静安区市北医院", "Shibei Hospital, Jing’an"),
            metres=830,
            fee=Money(2500),
            tag=say("近", "Near"),
            href="#",
        ),
        p.Doctor(
            name=say("心血管内科 普通门诊", "Cardiology, general clinic"),
            place=say("曹家渡街道社区卫生服务中心", "Caojiadu community health centre"),
            metres=460,
            fee=Money(1250),
        ),
    )


def _bookings(say: Say) -> tuple[p.Booking, ...]:
    return (
        p.Booking(
            starts_at=_time("8:30", 4),
            ends_at=_time("9:00", 4),
            href="#",
            place=say("陈立医生 · 心血管内科 · 瑞金医院", "Dr Chen Li · Cardiology · Ruijin"),
            note=say("预问诊还差 2 题", "2 questions left to answer beforehand"),
        ),
        p.Booking(
            starts_at=_time("14:00", 9),
            ends_at=_time("14:30", 9),
            href="#",
            place=say("摇号 · 皮肤科 · 华山医院", "Draw · Dermatology · Huashan"),
            tag=p.Tag(text=say("明天 12:00 出结果", "Result tomorrow 12:00"), tone=p.Tone.SOON),
        ),
        p.Booking(
            starts_at=_time("9:00", -12),
            ends_at=_time("9:30", -12),
            href="#",
            place=say("王芳医生 · 全科 · 市北医院", "Dr Wang Fang · General · Shibei"),
            tag=p.Tag(text=say("看过了", "Done"), tone=p.Tone.GRAY),
            ended=True,
        ),
    )


def _links(say: Say) -> tuple[p.Link, ...]:
    return (
        p.Link(
            label=say("血脂四项", "Blood lipids"),
            note=say("10月30日 市北医院", "30 Oct, Shibei Hospital"),
            href="#",
            icon="document",
            tag=p.Tag(text=say("偏高 1 项", "1 high"), tone=p.Tone.SOON),
        ),
        p.Link(label=say("心电图", "ECG"), note=say("11月12日", "12 Nov"), href="#", icon="pulse"),
        p.Link(label=say("改到别的日子", "Move to another day"), href="#"),
    )


def _facts(say: Say) -> tuple[p.Fact, ...]:
    return (
        p.Fact(name=say("谁", "Who"), text=say("林秀英（母亲）", "Lin Xiuying (mother)")),
        p.Fact(
            name=say("时间", "When"), text=say("11月23日 周一 8:30–9:00", "Mon 23 Nov 8:30–9:00")
        ),
        p.Fact(
            name=say("地方", "Where"),
            text=say("瑞金医院 门诊楼 3 层 12 诊室", "Ruijin, outpatients, floor 3, room 12"),
        ),
        p.Fact(
            name=say("费用", "Cost"),
            text=say("50 元，医保后约 15 元", "¥50, about ¥15 after insurance"),
            tag=p.Tag(text=say("到院付", "Pay there"), tone=p.Tone.GRAY),
        ),
    )


def _trail(say: Say) -> tuple[p.Step, ...]:
    return (
        p.Step(
            label=say("已约上", "Booked"), state=p.StepState.DONE, note=say("昨天 20:14", "20:14")
        ),
        p.Step(
            label=say("答 2 道预问诊题", "Answer 2 questions"),
            state=p.StepState.NOW,
            note=say("约 1 分钟，周一 8:00 前", "one minute, before Mon 8:00"),
        ),
        p.Step(label=say("到院签到", "Check in"), note=say("8:10–8:30", "8:10–8:30")),
    )


def _answers(say: Say) -> tuple[p.Option, ...]:
    return (
        p.Option(value="yes", label=say("疼", "Yes")),
        p.Option(value="no", label=say("不疼", "No"), selected=True),
        p.Option(
            value="unsure",
            label=say("说不清", "Not sure"),
            note=say("没关系，医生会再问", "Never mind, the doctor will ask again"),
        ),
    )


def _kpis(say: Say) -> tuple[p.Kpi, ...]:
    return (
        p.Kpi(number="18", label=say("已预约", "booked")),
        p.Kpi(number="7", label=say("已到", "arrived")),
        p.Kpi(number="3", label=say("已看", "seen")),
        p.Kpi(number="11", unit=say("分", "min"), label=say("平均等候", "mean wait")),
    )


def _columns(say: Say) -> tuple[p.Column, ...]:
    return (
        p.Column(label=say("号", "No.")),
        p.Column(label=say("姓名", "Name")),
        p.Column(label=say("来源", "From")),
        p.Column(label=say("预问诊", "Questions")),
        p.Column(label=say("状态", "State")),
        p.Column(label=""),
    )


def _row(who: tuple[str, str], number: str, came: str, tag: p.Tag, state: str) -> p.Row:
    cells = (
        p.Cell(text=number),
        p.Cell(text=who[0], note=who[1]),
        p.Cell(text=came),
        p.Cell(tag=tag),
        p.Cell(text=state),
        p.Cell(),
    )
    return p.Row(cells=cells, href="#", lead=1)


def _rows(say: Say) -> tuple[p.Row, ...]:
    done = p.Tag(text=say("已完成", "Done"))
    first = say("首诊", "First visit")
    call = p.Action(label=say("叫号", "Call"), href="#", key="c", post=True)
    chosen = p.Row(
        cells=(
            p.Cell(text="5"),
            p.Cell(text=say("林秀英", "Lin Xiuying"), note=say("女 67", "F 67")),
            p.Cell(text=first),
            p.Cell(tag=done),
            p.Cell(text=say("等候 8 分", "8 min")),
            p.Cell(action=call),
        ),
        href="#",
        lead=1,
        selected=True,
        group="8:30–9:00",
    )
    lacking = p.Tag(text=say("差 2 题", "2 left"), tone=p.Tone.SOON)
    unneeded = p.Tag(text=say("不需要", "Not needed"), tone=p.Tone.GRAY)
    urgent = p.Tag(text=say("请先看", "See first"), tone=p.Tone.DANGER)
    return (
        chosen,
        _row(
            (say("周建国", "Zhou Jianguo"), say("男 58", "M 58")),
            "6",
            say("社区转诊", "Referred"),
            lacking,
            say("在抽血", "Blood test"),
        ),
        _row(
            (say("何敏", "He Min"), say("女 41", "F 41")),
            "7",
            say("复诊", "Follow-up"),
            unneeded,
            say("路上，约 9:25 到", "On the way, 9:25"),
        ),
        _row(
            (say("沈洁", "Shen Jie"), say("女 33 · 孕 24 周", "F 33 · 24 weeks")),
            "9",
            first,
            urgent,
            say("已到", "Arrived"),
        ),
    )


def _record(say: Say) -> tuple[p.Fact, ...]:
    return (
        p.Fact(
            name=say("既往", "History"),
            text=say(
                "高血压 12 年，2 型糖尿病 5 年", "Hypertension 12 years, type 2 diabetes 5 years"
            ),
        ),
        p.Fact(
            name=say("用药", "Medicines"),
            text=say("缬沙坦 80 mg 每日 1 次；二甲双胍", "Valsartan 80 mg once daily; metformin"),
        ),
        p.Fact(
            name=say("过敏", "Allergy"),
            text=say("青霉素（皮疹，1998）", "Penicillin (rash, 1998)"),
            tag=p.Tag(text=say("注意", "Mind"), tone=p.Tone.DANGER),
        ),
        p.Fact(
            name=say("互认", "Accepted"),
            text=say("心电图 11-12 市北医院；血脂 10-30", "ECG 12 Nov Shibei; lipids 30 Oct"),
        ),
    )


def _charts(say: Say) -> tuple[p.Chart, ...]:
    days = [say("周一", "Mon"), say("周二", "Tue"), say("周三", "Wed"), say("周四", "Thu")]
    places = p.Chart(
        title=say("每天放出和用掉的号", "Places released and used a day"),
        kind="bar",
        columns=(say("日子", "Day"), say("放出", "Released"), say("用掉", "Used")),
        rows=tuple(
            p.ChartRow(name=name, values=pair)
            for name, pair in zip(
                days, ((1240, 1197), (1310, 1302), (1190, 1021), (1288, 1240)), strict=True
            )
        ),
        source=say("预约记录", "booking records"),
        as_of=datetime(2026, 11, 22, 1, 12, tzinfo=UTC),
        sentence=say("周三有 169 个号没人用", "169 places went unused on Wednesday"),
    )
    waits = p.Chart(
        title=say("签到后等候，中位数", "Wait after check-in, median"),
        kind="line",
        columns=(say("钟点", "Hour"), say("分钟", "Minutes")),
        rows=tuple(
            p.ChartRow(name=f"{hour}:00", values=(value,))
            for hour, value in ((8, 21), (9, 18), (10, 14), (11, 9))
        ),
        source=say("分诊叫号", "queue calls"),
        as_of=datetime(2026, 11, 22, 4, 0, tzinfo=UTC),
    )
    return places, waits


def _suggestions(say: Say) -> tuple[p.Link, ...]:
    return (
        p.Link(label=say("心血管内科", "Cardiology"), note=say("12 家医院", "12 sites"), href="#"),
        p.Link(label=say("陈立", "Chen Li"), note=say("心血管内科 · 瑞金", "Ruijin"), href="#"),
    )


def _filters(say: Say) -> tuple[p.Option, ...]:
    names = (
        say("离我近", "Near me"),
        say("今天有号", "Free today"),
        say("看过的医生", "Seen before"),
        say("社区也能看", "Community centres"),
    )
    return tuple(p.Option(value="#", label=name, selected=n == 0) for n, name in enumerate(names))


def _error(say: Say) -> p.ErrorPage:
    return p.ErrorPage(
        status=409,
        title=say("这个时间刚被别人约走了", "Someone has just taken this time"),
        words=say(
            "您的号没有变，也没有扣钱。前后还有 9:00 和 10:00。",
            "Nothing of yours changed and nothing was charged. 9:00 and 10:00 are still free.",
        ),
        code="booking.slot_unavailable",
        request_id="0193f2",
        action=p.Action(label=say("看还有的时间", "See what is free"), href="#"),
    )
