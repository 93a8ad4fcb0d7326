"""Jobs of booking: what happens because time passes."""

from __future__ import annotations

from datetime import timedelta

from citycare.kernel.context import Context, policy
from citycare.kernel.events import Periodic
from citycare.kit import clock
from citycare.scenarios.booking.service import holds, schedule, stop, wait

FURTHEST_DAYS = 14  # follow-up places are released up to this much before the horizon


async def tick(cx: Context) -> None:
    """Each minute: unused reserved places turn public, unanswered offers move on."""
    await schedule.give_back_due(cx)
    await wait.expire_offers(cx)
    await stop.settle_replacements(cx)


async def mark_no_shows(cx: Context) -> None:
    """Each ten minutes: windows long over without arrival are no-shows."""
    await holds.mark_no_shows(cx)


async def extend_schedules(cx: Context) -> None:
    """Each night: windows are made from the templates, up to the furthest release day."""
    days = int(await policy.value(cx, "booking.horizon_days")) + FURTHEST_DAYS
    today = clock.day_of(cx.now)
    await schedule.make_slots(cx, today, today + timedelta(days=days))


PERIODICS = (
    Periodic("booking.tick", "* * * * *", tick),
    Periodic("booking.no_shows", "*/10 * * * *", mark_no_shows),
    Periodic("booking.extend_schedules", "30 17 * * *", extend_schedules),  # 1:30 in the city
)
