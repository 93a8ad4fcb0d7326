"""Places kept for somebody stay theirs, whichever way one asks for them."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID

import pytest

from citycare.kernel import consent
from citycare.kernel.context import Context, Role
from citycare.scenarios.booking.model.core import (
    Pool,
    PoolClosed,
    SlotUnavailable,
    State,
    Wait,
)
from citycare.scenarios.booking.model.draw import Draw, DrawRequest, Keys
from citycare.scenarios.booking.model.schedule import NewSlot
from citycare.scenarios.booking.service import book, draw, wait
from tests.conftest import NOW
from tests.scenarios.booking.conftest import (
    HOSPITAL,
    acting,
    make_person,
    open_slot,
    resident,
    staff,
)

KEYS = Keys(b"\x01" * 32, b"\x02" * 32, b"\x03" * 32)
DAY = timedelta(days=1)
YOUNG = date(1996, 2, 29)


async def wait_for(cx: Context, slot: NewSlot, person: UUID, pool: Pool) -> Wait:
    today = NOW.date()
    return await wait.join(cx, person, slot.clinic.id, today, today + 5 * DAY, pool)


async def test_only_elders_wait_for_the_places_of_elders(cx: Context) -> None:
    slot = await open_slot(cx)
    young, old = await make_person(cx, YOUNG), await make_person(cx)
    with pytest.raises(PoolClosed):
        await wait_for(acting(cx, resident(young)), slot, young, Pool.ELDER)
    assert (await wait_for(acting(cx, resident(old)), slot, old, Pool.ELDER)).pool is Pool.ELDER


async def test_only_who_was_seen_here_waits_for_places_of_a_follow_up(cx: Context) -> None:
    slot = await open_slot(cx)
    person = await make_person(cx)
    me = acting(cx, resident(person))
    with pytest.raises(PoolClosed):
        await wait_for(me, slot, person, Pool.FOLLOWUP)
    booking = await book.book(me, slot.id, person)
    for state in (State.ARRIVED, State.FULFILLED):
        await book.set_state(acting(cx, staff(Role.CLINICIAN)), booking.id, state)
    assert (await wait_for(me, slot, person, Pool.FOLLOWUP)).state == "waiting"


@pytest.mark.parametrize("pool", [Pool.REFERRAL, Pool.ONSITE])
async def test_nobody_waits_by_themselves_for_referrals_or_on_site(cx: Context, pool: Pool) -> None:
    slot = await open_slot(cx)
    person = await make_person(cx)
    with pytest.raises(PoolClosed):
        await wait_for(acting(cx, resident(person)), slot, person, pool)


async def open_draw(cx: Context, pool: Pool) -> tuple[Draw, NewSlot]:
    slot = await open_slot(cx, clinic_changes={"release": "draw"}, shares={pool: 2})
    new = draw.NewDraw(HOSPITAL, "长者号", NOW - DAY, NOW + timedelta(hours=2), [slot.id], pool)
    return await draw.open_draw(cx, KEYS, new), slot


async def enter(cx: Context, person: UUID, into: tuple[Draw, NewSlot]) -> DrawRequest:
    me = acting(cx, resident(person))
    return await draw.request_places(me, KEYS, into[0].id, person, [into[1].id])


async def test_only_elders_enter_a_draw_for_elders(cx: Context) -> None:
    drawn = await open_draw(cx, Pool.ELDER)
    assert await enter(cx, await make_person(cx), drawn)
    with pytest.raises(PoolClosed):
        await enter(cx, await make_person(cx, YOUNG), drawn)


async def test_everybody_enters_a_draw_for_the_public(cx: Context) -> None:
    drawn = await open_draw(cx, Pool.PUBLIC)
    assert await enter(cx, await make_person(cx, YOUNG), drawn)


async def test_a_moved_booking_stays_in_its_pool_or_becomes_an_ordinary_one(cx: Context) -> None:
    person = await make_person(cx)
    me = acting(cx, resident(person))
    both = {Pool.PUBLIC: 1, Pool.ELDER: 1}
    old = await open_slot(cx, shares={Pool.ELDER: 1})
    kept = await open_slot(cx, shares=both, starts_at=NOW + 2 * DAY)
    ordinary = await open_slot(cx, shares={Pool.PUBLIC: 1}, starts_at=NOW + 3 * DAY)
    first = await book.book(me, old.id, person, Pool.ELDER)
    second = await book.reschedule(me, first.id, kept.id)
    third = await book.reschedule(me, second.id, ordinary.id)
    assert (second.pool, third.pool) == (Pool.ELDER, Pool.PUBLIC)
    nothing = await open_slot(cx, shares={Pool.ONSITE: 1}, starts_at=NOW + 4 * DAY)
    with pytest.raises(SlotUnavailable):
        await book.reschedule(me, third.id, nothing.id)


async def test_a_resident_moves_what_her_doctor_booked_to_an_ordinary_place(cx: Context) -> None:
    person = await make_person(cx)
    referral = await open_slot(cx, shares={Pool.REFERRAL: 1})
    both = {Pool.PUBLIC: 1, Pool.REFERRAL: 1}
    other = await open_slot(cx, shares=both, starts_at=NOW + 2 * DAY)
    care = consent.CareRow(person, HOSPITAL, None, "test", NOW - DAY, NOW + DAY)
    await consent.open_care(cx, [care])
    doctor = staff(Role.COMMUNITY_GP)
    made = await book.book(acting(cx, doctor), referral.id, person, Pool.REFERRAL)
    moved = await book.reschedule(acting(cx, resident(person)), made.id, other.id)
    assert moved.pool is Pool.PUBLIC
