"""Places kept for somebody stay theirs, whichever way one asks for them."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID

import pytest

from citycare.kernel.context import Context, Role
from citycare.scenarios.booking.model.core import Pool, PoolClosed, State, Wait
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
