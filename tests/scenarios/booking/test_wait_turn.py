"""Whose turn it is: by day, then by lot; the position shown is the order of the offers."""

from dataclasses import replace
from datetime import date, timedelta
from random import Random
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from citycare.kernel.context import Context
from citycare.kit import clock, ids
from citycare.scenarios.booking.model.core import Pool, Wait
from citycare.scenarios.booking.model.schedule import NewSlot
from citycare.scenarios.booking.rules import wait as rules
from citycare.scenarios.booking.service import lists, wait
from citycare.scenarios.booking.store import waits as store
from tests.conftest import NOW
from tests.scenarios.booking.conftest import acting, make_person, open_slot, resident

TODAY = clock.day_of(NOW)
CLINIC = UUID(int=0xC11)
DAYS = st.dates(date(2020, 1, 1), date(2040, 1, 1))


@given(st.uuids(), st.uuids(), DAYS)
def test_a_lot_fits_its_column(person: UUID, clinic: UUID, day: date) -> None:
    assert -(2**63) <= rules.lot(person, clinic, day) < 2**63


@given(st.uuids(), st.uuids(), st.uuids(), DAYS, st.integers(1, 400))
def test_a_later_day_never_stands_before_an_earlier_one(
    early: UUID, late: UUID, clinic: UUID, day: date, days: int
) -> None:
    after = day + timedelta(days=days)
    assert rules.turn(early, clinic, day) < rules.turn(late, clinic, after)
    assert rules.turn(late, clinic, after, ahead=True) < rules.turn(early, clinic, day)


def test_who_is_first_on_the_day_says_nothing_about_the_turn() -> None:
    """The mean rank of the first 100 of 1,000 who join on a day is that of all: 499.5 ± 4 σ."""
    people = [ids.derive("person", n) for n in range(1_000)]
    order = sorted(people, key=lambda one: rules.turn(one, CLINIC, TODAY))
    rank = {one: position for position, one in enumerate(order)}
    assert abs(sum(rank[one] for one in people[:100]) / 100 - 499.5) < 4 * 28.9


def test_another_clinic_or_day_is_another_lot() -> None:
    people = [ids.derive("person", n) for n in range(1_000)]
    here, there, tomorrow = (
        [rules.lot(one, clinic, day) for one in people]
        for clinic, day in (
            (CLINIC, TODAY),
            (UUID(int=2), TODAY),
            (CLINIC, TODAY + timedelta(days=1)),
        )
    )
    for other in (there, tomorrow):
        agree = sum((a < 0) == (b < 0) for a, b in zip(here, other, strict=True))
        assert abs(agree - 500) < 4 * 16


async def joined(cx: Context, slot: NewSlot, person: UUID, days_ago: int = 0) -> Wait:
    them = replace(acting(cx, resident(person)), now=NOW - timedelta(days=days_ago))
    return await wait.join(them, person, slot.clinic.id, TODAY, TODAY + timedelta(days=3))


async def position(cx: Context, person: UUID) -> int:
    [row] = await lists.list_waits(acting(cx, resident(person)), person)
    return int(row["position"])


async def test_the_database_draws_the_lot_of_the_rule(cx: Context, slot: NewSlot) -> None:
    for days_ago in range(3):
        person = await make_person(cx)
        entry = await joined(cx, slot, person, days_ago)
        row = await (
            await cx.db.execute(
                "SELECT joined_on, lot FROM booking.wait WHERE id = %(id)s", {"id": entry.id}
            )
        ).fetchone()
        day = TODAY - timedelta(days=days_ago)
        assert row == {"joined_on": day, "lot": rules.lot(person, slot.clinic.id, day)}


async def test_the_position_shown_is_the_order_of_the_offers(cx: Context, slot: NewSlot) -> None:
    dice = Random(20261122)
    people = {await make_person(cx): dice.randint(0, 2) for _ in range(12)}
    for person, days_ago in people.items():
        await joined(cx, slot, person, days_ago)
    ahead = dice.choice(sorted(people))
    await cx.db.execute(
        "UPDATE booking.wait SET ahead = true WHERE person_id = %(person)s", {"person": ahead}
    )
    positions = {one: await position(cx, one) for one in people}
    shown = sorted(people, key=lambda one: positions[one])
    by_rule = sorted(
        people,
        key=lambda one: rules.turn(
            one, slot.clinic.id, TODAY - timedelta(days=people[one]), ahead=one == ahead
        ),
    )
    offered = []
    starts_at = slot.window.starts_at
    for _ in people:
        entry = await store.next_waiting(
            cx.db, slot.clinic.id, Pool.PUBLIC, clock.day_of(starts_at), starts_at, NOW
        )
        assert entry is not None
        offered.append(entry.person_id)
        await store.settle(cx.db, entry.id, "declined")
    assert shown == by_rule == offered
    assert offered[0] == ahead


async def test_leaving_and_joining_again_gains_nothing(cx: Context, slot: NewSlot) -> None:
    people = [await make_person(cx) for _ in range(8)]
    entries = {one: await joined(cx, slot, one) for one in people}
    before = {one: await position(cx, one) for one in people}
    for one in people[:4]:
        await wait.leave(acting(cx, resident(one)), entries[one].id)
        await joined(cx, slot, one)
    assert {one: await position(cx, one) for one in people} == before


async def test_one_is_told_before_joining_how_many_stand_before_one(
    cx: Context, slot: NewSlot
) -> None:
    for days_ago in (0, 0, 0, 0, 1, 1):
        await joined(cx, slot, await make_person(cx), days_ago)
    me = await make_person(cx)
    other = await open_slot(cx)
    clinics = [slot.clinic.id, other.clinic.id]
    before = await lists.waiting_lengths(cx, clinics, me)
    assert 2 <= before[slot.clinic.id] <= 6
    assert await lists.waiting_lengths(cx, clinics) == {slot.clinic.id: 6}
    await joined(cx, slot, me)
    assert await position(cx, me) == before[slot.clinic.id] + 1


async def test_who_wants_another_day_or_pool_does_not_stand_before_me(
    cx: Context, slot: NewSlot
) -> None:
    me, later, elder = [await make_person(cx) for _ in range(3)]
    soon = TODAY + timedelta(days=5)
    yesterday = NOW - timedelta(days=1)
    for person, first, pool in ((later, soon, Pool.PUBLIC), (elder, TODAY, Pool.ELDER)):
        them = replace(acting(cx, resident(person)), now=yesterday)
        await wait.join(them, person, slot.clinic.id, first, soon, pool)
    await joined(cx, slot, me)
    assert await position(cx, me) == 1
