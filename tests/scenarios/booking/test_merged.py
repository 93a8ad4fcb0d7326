"""Two records of one person are made one: what stands under the old id is theirs as before."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

import pytest

from citycare.kernel import identity
from citycare.kernel.context import Channel, Context, Role
from citycare.kit import ids
from citycare.kit.db import Database
from citycare.kit.errors import AppError
from citycare.scenarios.booking.model.core import (
    AlreadyBooked,
    Booking,
    Claim,
    Hold,
    OnHold,
    Pool,
)
from citycare.scenarios.booking.model.schedule import NewSlot
from citycare.scenarios.booking.service import book, desk, lists, wait
from citycare.scenarios.booking.store import holds as hold_store
from citycare.scenarios.booking.store import places as place_store
from tests.conftest import NOW
from tests.scenarios.booking.conftest import (
    HOSPITAL,
    acting,
    committed,
    make_person,
    open_slot,
    resident,
    staff,
)


async def merged_with_a_visit(cx: Context, slot: NewSlot) -> tuple[UUID, UUID]:
    """Somebody known twice, who booked and waits under the record that is merged away."""
    kept, old = await make_person(cx), await make_person(cx)
    me = acting(cx, resident(old))
    await book.book(me, slot.id, old)
    today = NOW.date()
    await wait.join(me, old, slot.clinic.id, today, today + timedelta(days=3))
    await identity.merge(cx, kept, old, "同一人建了两次档")
    return kept, old


async def test_the_person_goes_on_seeing_what_was_booked_under_the_old_id(
    cx: Context, slot: NewSlot
) -> None:
    kept, old = await merged_with_a_visit(cx, slot)
    me = acting(cx, resident(kept))
    for asked in (kept, old):
        [row] = (await lists.list_mine(me, asked, upcoming=True)).items
        assert row["person_id"] == old
        [entry] = await lists.list_waits(me, asked)
        assert entry["person_id"] == old
    assert not (await lists.list_mine(me, kept, upcoming=False)).items


async def test_a_clerk_sees_it_at_the_window_and_a_stranger_does_not(
    cx: Context, slot: NewSlot
) -> None:
    kept, _ = await merged_with_a_visit(cx, slot)
    clerk = acting(cx, staff(Role.CLERK), Channel.WINDOW)
    assert len((await lists.list_mine(clerk, kept, upcoming=True)).items) == 1
    customer = await desk.customer(clerk, kept, HOSPITAL)
    assert (len(customer.bookings), len(customer.waits)) == (1, 1)
    elsewhere = acting(cx, staff(Role.CLERK, UUID(int=9)), Channel.WINDOW)
    assert (await lists.list_mine(elsewhere, kept, upcoming=True)).items == []


@pytest.mark.parametrize("asked", ["kept", "old"])
async def test_what_stands_under_either_id_counts_against_the_limits(
    cx: Context, slot: NewSlot, asked: str
) -> None:
    kept, old = await merged_with_a_visit(cx, slot)
    me = acting(cx, resident(kept))
    with pytest.raises(AlreadyBooked):
        await book.book(me, slot.id, {"kept": kept, "old": old}[asked])


async def test_two_claims_of_one_batch_under_both_ids_are_one_persons(cx: Context) -> None:
    slot = await open_slot(cx)
    kept, old = await make_person(cx), await make_person(cx)
    await identity.merge(cx, kept, old, "同一人建了两次档")
    actor = resident(kept)
    claims = [
        Claim(slot.id, one, Pool.PUBLIC, actor, Channel.PHONE, "request") for one in (old, kept)
    ]
    first, second = await book.book_many(cx, claims)
    assert isinstance(first, Booking)
    assert isinstance(second, AlreadyBooked)


async def test_a_pause_stands_under_either_id(cx: Context, slot: NewSlot) -> None:
    kept, old = await make_person(cx), await make_person(cx)
    await identity.merge(cx, kept, old, "同一人建了两次档")
    pause = Hold(ids.new(), old, cx.now, cx.now + timedelta(days=9), [], None, None, None, "")
    await hold_store.add(cx.db, pause)
    with pytest.raises(OnHold):
        await book.book(acting(cx, resident(kept)), slot.id, kept)


async def test_who_was_seen_under_the_old_id_may_use_the_places_of_follow_ups(
    cx: Context, slot: NewSlot
) -> None:
    kept, _ = await merged_with_a_visit(cx, slot)
    await cx.db.execute("UPDATE booking.booking SET state = 'fulfilled', ended_at = now()")
    again = await open_slot(
        cx, clinic=slot.clinic, shares={Pool.FOLLOWUP: 1}, starts_at=NOW + timedelta(days=3)
    )
    made = await book.book(acting(cx, resident(kept)), again.id, kept, Pool.FOLLOWUP)
    assert made.pool is Pool.FOLLOWUP


@pytest.mark.race
@pytest.mark.parametrize("guarded", [True, False])
async def test_bookings_under_both_ids_at_once_wait_for_each_other(
    database: Database, monkeypatch: pytest.MonkeyPatch, *, guarded: bool
) -> None:
    """The control locks the ids as they were asked for: then both get a place."""
    if not guarded:
        plain = place_store.LOCK_PERSONS.replace("FROM merged", "FROM merged WHERE false")
        assert plain != place_store.LOCK_PERSONS
        monkeypatch.setattr(place_store, "LOCK_PERSONS", plain)

    async def prepare(cx: Context) -> tuple[list[NewSlot], UUID, UUID]:
        kept, old = await make_person(cx), await make_person(cx)
        await identity.merge(cx, kept, old, "同一人建了两次档")
        return [await open_slot(cx), await open_slot(cx)], kept, old

    slots, kept, old = await committed(database, prepare)
    both_in = asyncio.Barrier(2)

    async def press(slot: NewSlot, person: UUID) -> Booking | AppError:
        claim = Claim(slot.id, person, Pool.PUBLIC, resident(kept), Channel.PHONE, "request")

        async def work(cx: Context) -> Booking | AppError:
            outcome = (await book.book_many(cx, [claim]))[0]
            with suppress(TimeoutError, asyncio.BrokenBarrierError):
                await asyncio.wait_for(both_in.wait(), 0.5)
            return outcome

        return await committed(database, work)

    outcomes = await asyncio.gather(press(slots[0], old), press(slots[1], kept))
    assert sum(isinstance(one, Booking) for one in outcomes) == (1 if guarded else 2)
