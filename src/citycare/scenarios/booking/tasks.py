"""Jobs of booking: what happens because time passes."""

from __future__ import annotations

from citycare.kernel.context import Context
from citycare.scenarios.booking.service import holds, schedule, wait


async def tick(cx: Context) -> None:
    """Each minute: unused reserved places turn public, unanswered offers move on."""
    await schedule.give_back_due(cx)
    await wait.expire_offers(cx)


async def mark_no_shows(cx: Context) -> None:
    """Each ten minutes: windows long over without arrival are no-shows."""
    await holds.mark_no_shows(cx)
