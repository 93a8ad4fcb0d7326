"""The charts booking puts on the operator's first page."""

from __future__ import annotations

from starlette.requests import Request

from citycare.kernel.context import Context
from citycare.kit import clock
from citycare.scenarios.booking.service import figures
from citycare.web.manner import words_of
from citycare.web.parts import Chart, ChartRow


async def today(request: Request, cx: Context) -> Chart:
    """Draw how full each hour of today is."""
    words = words_of(request)
    hours = await figures.by_hour(cx, clock.day_of(cx.now))
    busy, free = sum(one.busy for one in hours), sum(one.free for one in hours)
    return Chart(
        title=words("今天每小时的号"),
        kind="bar",
        columns=(words("时间"), words("已约"), words("还空")),
        rows=tuple(
            ChartRow(
                name=f"{one.hour}:00",
                values=(one.busy, one.free),
                written=(f"{one.busy:,}", f"{one.free:,}"),
            )
            for one in hours
        ),
        source=words("全市开放的号源，停诊的不算"),
        as_of=cx.now,
        sentence=words("已约 %(busy)s 个，还空 %(free)s 个。", busy=f"{busy:,}", free=f"{free:,}")
        if hours
        else words("今天没有开放的号。"),
    )


async def waits(request: Request, cx: Context) -> Chart:
    """Draw how long people of each hour of today were there until they were seen."""
    words = words_of(request)
    hours = await figures.waits_by_hour(cx, clock.day_of(cx.now))
    people = sum(one.people for one in hours)
    sentence = words("还没有人看完，或者没有记报到，所以没有数。")
    if people:
        minutes = int(sum(one.seconds for one in hours) / people / figures.MINUTE_S + 0.5)
        sentence = words("平均 %(minutes)s 分钟，按 %(n)s 人算。", minutes=minutes, n=f"{people:,}")
    return Chart(
        title=words("今天从报到到看完"),
        kind="bar",
        columns=(words("约在几点"), words("平均多久")),
        rows=tuple(
            ChartRow(
                name=f"{one.hour}:00",
                values=(one.minutes,),
                written=(
                    words("%(minutes)s 分钟（%(n)s 人）", minutes=one.minutes, n=f"{one.people:,}"),
                ),
            )
            for one in hours
        ),
        source=words("医院记的报到和看完，含看诊时间；没有记报到的不算"),
        as_of=cx.now,
        sentence=sentence,
    )
