"""A place that comes back: nobody is told the minute, and nothing brings it forward."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from citycare.kernel.context import Context
from citycare.kit import clock
from citycare.kit.db import Row
from citycare.scenarios.booking.model.core import Pool
from citycare.scenarios.booking.model.schedule import NewSlot
from citycare.scenarios.booking.service import book, lists, schedule
from tests.conftest import NOW
from tests.scenarios.booking.conftest import acting, make_person, open_slot, resident

MINUTE = timedelta(minutes=1)


async def given_back(cx: Context, slot: NewSlot, pool: Pool = Pool.PUBLIC) -> None:
    """Somebody books a place of the window and cancels it."""
    person = await make_person(cx)
    me = acting(cx, resident(person))
    booking = await book.book(me, slot.id, person, pool)
    await book.cancel(me, booking.id)


async def shown(cx: Context, slot: NewSlot) -> Row:
    day = clock.day_of(slot.window.starts_at)
    windows = await lists.windows_of(cx, [slot.clinic.id], day, (Pool.PUBLIC,))
    [row] = windows[slot.clinic.id]
    return row


async def opens_at(cx: Context, slot_id: UUID) -> datetime:
    cursor = await cx.db.execute(
        "SELECT opens_at FROM booking.place WHERE slot_id = %(slot)s", {"slot": slot_id}
    )
    row = await cursor.fetchone()
    assert row is not None
    at: datetime = row["opens_at"]
    return at


async def test_a_window_not_released_yet_says_when_it_opens(cx: Context) -> None:
    release = NOW + 60 * MINUTE
    slot = await open_slot(cx, opens_at=release)
    row = await shown(cx, slot)
    assert (row["open"], row["first_opens_at"]) == (0, release)


async def test_a_returned_place_says_nothing_of_the_minute_it_opens(cx: Context) -> None:
    slot = await open_slot(cx, shares={Pool.PUBLIC: 1})
    await given_back(cx, slot)
    assert await opens_at(cx, slot.id) > NOW
    row = await shown(cx, slot)
    assert (row["open"], row["first_opens_at"]) == (0, None)
    later = await shown(replace(cx, now=NOW + 121 * MINUTE), slot)
    assert later["open"] == 1


async def test_turning_public_does_not_bring_a_returned_place_forward(cx: Context) -> None:
    slot = await open_slot(cx, shares={Pool.ELDER: 1})
    await cx.db.execute(
        "UPDATE booking.place SET gives_back_at = %(at)s WHERE slot_id = %(slot)s",
        {"at": NOW + MINUTE, "slot": slot.id},
    )
    await given_back(cx, slot, Pool.ELDER)
    chosen = await opens_at(cx, slot.id)
    assert await schedule.give_back_due(replace(cx, now=NOW + MINUTE)) == 1
    assert await opens_at(cx, slot.id) == chosen
