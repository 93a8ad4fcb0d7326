"""The chart booking puts on the operator's first page."""

from __future__ import annotations

from starlette.requests import Request

from citycare.kernel.context import Context
from citycare.kit import clock
from citycare.scenarios.booking.pages.words import words_of
from citycare.scenarios.booking.service import figures
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
