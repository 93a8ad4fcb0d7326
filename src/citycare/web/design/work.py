"""What the professional screens show."""

from __future__ import annotations

from datetime import UTC, datetime

from citycare.web import parts as p
from citycare.web.design.say import Say


def kpis(say: Say) -> tuple[p.Kpi, ...]:
    """Return the morning's numbers."""
    return (
        p.Kpi(number="18", label=say("已预约", "booked")),
        p.Kpi(number="7", label=say("已到", "arrived")),
        p.Kpi(number="3", label=say("已看", "seen")),
        p.Kpi(number="11", unit=say("分", "min"), label=say("平均等候", "mean wait")),
    )


def columns(say: Say) -> tuple[p.Column, ...]:
    """Return the columns of the list of the day."""
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


def rows(say: Say) -> tuple[p.Row, ...]:
    """Return the list of the day, the first one chosen."""
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


def record(say: Say) -> tuple[p.Fact, ...]:
    """Return what a doctor sees first."""
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


def charts(say: Say) -> tuple[p.Chart, ...]:
    """Return one chart of bars and one of a line."""
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
