"""Jobs of booking: what happens because time passes.

`PERIODICS` are jobs in one transaction each, which locks windows once, in the order of ids: in two
steps it could meet a batch of bookings. `run_draws`, `advance_queues` and `publish_windows`
are not: a draw takes a minute in many transactions, the others come more often than jobs should.
The worker calls them again and again; each answers how many seconds it wants to be left alone.
Killed or run twice, they lose nothing.
"""

from __future__ import annotations

from uuid import UUID

from citycare.kernel.context import Context
from citycare.kernel.events import Job, Periodic
from citycare.kit import clock
from citycare.kit.db import Database
from citycare.scenarios.booking.model.draw import Keys
from citycare.scenarios.booking.service import (
    draw,
    draw_run,
    holds,
    queue,
    schedule,
    status,
    stop,
    wait,
)

DRAWS_S = 60.0
EACH_MINUTE = "* * * * *"
WINDOWS_S, WINDOWS_MORE_S = 5.0, 0.5
read_keys = draw.read_keys


async def open_queues(cx: Context) -> None:
    """Each minute: queues of releases that are near open."""
    await queue.open_due(cx)


async def give_back(cx: Context) -> None:
    """Each minute: unused reserved places turn public."""
    await schedule.give_back_due(cx)


async def expire_offers(cx: Context) -> None:
    """Each minute: unanswered offers move on."""
    await wait.expire_offers(cx)


async def settle_replacements(cx: Context) -> None:
    """Each minute: unanswered replacements stand."""
    await stop.settle_replacements(cx)


async def mark_no_shows(cx: Context) -> None:
    """Each ten minutes: windows long over without arrival are no-shows."""
    await holds.mark_no_shows(cx)


async def count_missed(cx: Context, booking: str) -> None:
    """Hours after a window: a visit the clinic noted as missed counts, if it still stands so."""
    await holds.count_missed(cx, UUID(booking))


async def forget_queues(cx: Context) -> None:
    """Each night: queues that are long over are deleted, with who stood in them."""
    await queue.forget_old(cx)


async def extend_schedules(cx: Context) -> None:
    """Each night: a job is asked for, for each house that has templates."""
    await schedule.extend_later(cx)


async def extend_schedule(cx: Context, organisation: str) -> None:
    """For one house: windows are made from the templates, up to the furthest release day."""
    today, last = clock.day_of(cx.now), await schedule.furthest_day(cx)
    await schedule.make_slots(cx, today, last, organisation_id=UUID(organisation))


async def run_draws(database: Database, keys: Keys) -> float:
    """Run the draws whose time has come, however long it takes; no transaction is held meanwhile.

    Returns the seconds until the next look.
    """
    await draw_run.run_due(database, keys)
    return DRAWS_S


async def advance_queues(database: Database) -> float:
    """Let the next people in, each second while a queue is open; otherwise hardly ever look.

    Returns the seconds until the next look.
    """
    return await queue.advance_all(database)


async def publish_windows(cx: Context) -> float:
    """Tell the record which windows filled or freed: each five seconds, in steps of 100 windows.

    Returns the seconds until the next look; at most 200 windows a second, so that a large draw or
    release does not take a processor for it.
    """
    count = await status.publish_changed(cx)
    return WINDOWS_MORE_S if count == status.BATCH else WINDOWS_S


JOBS = (Job(holds.COUNT, count_missed), Job(schedule.EXTEND, extend_schedule))
PERIODICS = (
    Periodic("booking.open_queues", EACH_MINUTE, open_queues),
    Periodic("booking.give_back", EACH_MINUTE, give_back),
    Periodic("booking.expire_offers", EACH_MINUTE, expire_offers),
    Periodic("booking.settle_replacements", EACH_MINUTE, settle_replacements),
    Periodic("booking.no_shows", "*/10 * * * *", mark_no_shows),
    Periodic("booking.extend_schedules", "30 17 * * *", extend_schedules),  # 1:30 in the city
    Periodic("booking.forget_queues", "50 17 * * *", forget_queues),
)
