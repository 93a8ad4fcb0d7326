"""What the resident screens show."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from citycare.kit.clock import at
from citycare.kit.money import Money
from citycare.web import parts as p
from citycare.web.design.say import Say

TODAY = date(2026, 11, 22)


def _time(clock: str, days: int = 0) -> datetime:
    hour, minute = clock.split(":")
    start = at(TODAY + timedelta(days=days), datetime.min.time())
    return start + timedelta(hours=int(hour), minutes=int(minute))


def next_step(say: Say) -> p.NextStep:
    """Return a visit under way."""
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


def next_calm(say: Say) -> p.NextStep:
    """Return a day with nothing on."""
    return p.NextStep(
        where=say("您现在没有预约", "You have no bookings"),
        title=say("哪里不舒服？先说给我们听", "What is wrong? Tell us first"),
        note=say("答 3–5 个问题，告诉您看哪一科", "3–5 questions, then we say which clinic fits"),
        action=p.Action(label=say("开始", "Start"), href="#"),
        calm=True,
    )


def doors(say: Say) -> tuple[p.Door, ...]:
    """Return the four doors."""
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


def days() -> tuple[p.Day, ...]:
    """Return a week with every state of a day."""
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


def chips(*clocks: str) -> tuple[p.Chip, ...]:
    """Return windows, the second one chosen."""
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


def all_chips() -> tuple[p.Chip, ...]:
    """Return a window in every state."""
    return (
        *chips("8:00", "8:30", "9:00", "9:30"),
        p.Chip(starts_at=_time("10:00", 1), href="#", state=p.ChipState.DRAW, entrants=128),
        p.Chip(starts_at=_time("10:30", 1), state=p.ChipState.UNOPENED, opens_at=_time("7:00", 1)),
        p.Chip(starts_at=_time("11:00", 1), state=p.ChipState.STOPPED),
        p.Chip(starts_at=_time("11:30", 1), state=p.ChipState.FULL),
    )


def doctors(say: Say) -> tuple[p.Doctor, ...]:
    """Return three clinics to choose from."""
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


def bookings(say: Say) -> tuple[p.Booking, ...]:
    """Return one to come, one in a draw, one done."""
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


def links(say: Say) -> tuple[p.Link, ...]:
    """Return rows that lead somewhere."""
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


def facts(say: Say) -> tuple[p.Fact, ...]:
    """Return what a booking is."""
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


def trail(say: Say) -> tuple[p.Step, ...]:
    """Return steps with words."""
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


def answers(say: Say) -> tuple[p.Option, ...]:
    """Return the answers to a question."""
    return (
        p.Option(value="yes", label=say("疼", "Yes")),
        p.Option(value="no", label=say("不疼", "No"), selected=True),
        p.Option(
            value="unsure",
            label=say("说不清", "Not sure"),
            note=say("没关系，医生会再问", "Never mind, the doctor will ask again"),
        ),
    )


def suggestions(say: Say) -> tuple[p.Link, ...]:
    """Return what a search box suggests."""
    return (
        p.Link(label=say("心血管内科", "Cardiology"), note=say("12 家医院", "12 sites"), href="#"),
        p.Link(label=say("陈立", "Chen Li"), note=say("心血管内科 · 瑞金", "Ruijin"), href="#"),
    )


def filters(say: Say) -> tuple[p.Option, ...]:
    """Return filters, the first one on."""
    names = (
        say("离我近", "Near me"),
        say("今天有号", "Free today"),
        say("看过的医生", "Seen before"),
        say("社区也能看", "Community centres"),
    )
    return tuple(p.Option(value="#", label=name, selected=n == 0) for n, name in enumerate(names))


def error(say: Say) -> p.ErrorPage:
    """Return a refusal."""
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
