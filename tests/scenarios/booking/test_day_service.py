"""The day at the clinic: what is noted, what is taken back, and what a missed visit costs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from citycare.kernel import events
from citycare.kernel.context import Channel, Context, Role
from citycare.kit.db import Database
from citycare.scenarios.booking import tasks
from citycare.scenarios.booking.model.core import (
    AlreadyBooked,
    Booking,
    Hold,
    OnHold,
    State,
    WrongState,
)
from citycare.scenarios.booking.model.day import NotToday
from citycare.scenarios.booking.service import book, day, figures, holds, lists
from tests.conftest import NOW
from tests.scenarios.booking.conftest import (
    acting,
    appointment,
    committed,
    make_person,
    open_slot,
    resident,
    staff,
)

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
NOTED = NOW + timedelta(minutes=40)
COUNTED = NOW + timedelta(hours=5)


def at(cx: Context, now: Any, role: Role = Role.CLINICIAN) -> Context:
    """Somebody of the clinic at another instant."""
    return replace(acting(cx, staff(role), Channel.HOSPITAL), now=now)


async def seat(cx: Context, person: UUID, days: int = 0) -> Booking:
    """Book a window that begins in half an hour, on that day."""
    slot = await open_slot(cx, starts_at=NOW + 30 * MINUTE + days * DAY)
    return await book.book(acting(cx, resident(person)), slot.id, person)


async def told(cx: Context, person: UUID) -> list[str]:
    rows = await lists.list_messages(acting(cx, resident(person)), person)
    return sorted(row["kind"] for row in rows)


async def counted(cx: Context, booking: Booking) -> int:
    cursor = await cx.db.execute(
        "SELECT count(*) AS n FROM events.event WHERE name = 'booking.no_show'"
        " AND facts->>'booking' = %(id)s",
        {"id": str(booking.id)},
    )
    row = await cursor.fetchone()
    return int(row["n"]) if row else 0


async def hold_of(cx: Context, person: UUID) -> Hold | None:
    return await holds.current(acting(cx, resident(person)), person)


async def test_a_missed_visit_costs_the_same_whether_a_hand_or_the_clock_noted_it(
    cx: Context,
) -> None:
    by_hand, by_clock = await make_person(cx), await make_person(cx)
    ends = {}
    for person in (by_hand, by_clock):
        for days in range(3):
            ends[person] = await seat(cx, person, days)
            if person == by_hand:
                noted = at(cx, NOTED + days * DAY)
                await day.mark(noted, ends[person].id, State.NO_SHOW)
                later = replace(cx, now=COUNTED + days * DAY)
                assert await holds.count_missed(later, ends[person].id)
    assert await holds.mark_no_shows(replace(cx, now=COUNTED + 2 * DAY)) == 3
    after = replace(cx, now=COUNTED + 2 * DAY)
    for person, last in ends.items():
        assert await told(after, person) == ["hold", "missed", "missed", "missed"]
        hold = await hold_of(after, person)
        assert hold is not None
        assert last.id in hold.no_shows
        assert await counted(cx, last) == 1
        assert (await appointment(cx, last.id))["status"] == "noshow"


async def test_nothing_is_counted_that_the_clinic_took_back_in_time(cx: Context) -> None:
    person = await make_person(cx)
    booking = await seat(cx, person)
    await day.mark(at(cx, NOTED), booking.id, State.NO_SHOW)
    assert await told(cx, person) == []
    await day.mark(at(cx, NOTED + MINUTE), booking.id, State.BOOKED)
    await day.mark(at(cx, NOTED + 2 * MINUTE), booking.id, State.ARRIVED)
    assert not await holds.count_missed(replace(cx, now=COUNTED), booking.id)
    assert await told(cx, person) == []
    assert await counted(cx, booking) == 0


async def test_a_job_counts_it_when_the_hours_of_grace_are_over(database: Database) -> None:
    async def miss(cx: Context) -> tuple[UUID, Booking]:
        person = await make_person(cx)
        booking = await seat(cx, person)
        await day.mark(at(cx, NOTED), booking.id, State.NO_SHOW)
        return person, booking

    person, booking = await committed(database, miss)
    await events.drain(database, jobs=tasks.JOBS, now=NOTED + 2 * MINUTE)
    assert await committed(database, lambda cx: counted(cx, booking)) == 0
    await events.drain(database, jobs=tasks.JOBS, now=COUNTED)
    assert await committed(database, lambda cx: counted(cx, booking)) == 1
    assert await committed(database, lambda cx: told(cx, person)) == ["missed"]


async def test_who_came_after_all_gets_the_pause_lifted_and_is_told(cx: Context) -> None:
    person = await make_person(cx)
    made = [await seat(cx, person, days) for days in range(3)]
    evening = COUNTED + 2 * DAY
    assert await holds.mark_no_shows(replace(cx, now=evening)) == 3
    next_week = await open_slot(cx, starts_at=NOW + 7 * DAY)
    me = replace(acting(cx, resident(person)), now=evening)
    with pytest.raises(OnHold):
        await book.book(me, next_week.id, person)
    await day.mark(at(cx, evening), made[2].id, State.ARRIVED)
    assert await hold_of(me, person) is None
    assert "hold_corrected" in await told(me, person)
    assert (await book.book(me, next_week.id, person)).state is State.BOOKED


async def test_a_pause_that_stands_without_the_visit_stays(cx: Context) -> None:
    person = await make_person(cx)
    made = [await seat(cx, person, days) for days in range(4)]
    evening = COUNTED + 3 * DAY
    assert await holds.mark_no_shows(replace(cx, now=evening)) == 4
    await day.mark(at(cx, evening), made[3].id, State.ARRIVED)
    assert await hold_of(replace(cx, now=evening), person) is not None


async def test_seen_is_taken_back_only_on_purpose_and_on_the_day(cx: Context) -> None:
    booking = await seat(cx, await make_person(cx))
    doctor = at(cx, NOW + 10 * MINUTE)
    await day.mark(doctor, booking.id, State.ARRIVED)
    await day.mark(at(cx, NOTED), booking.id, State.FULFILLED)
    with pytest.raises(WrongState):  # an old page still shows the button of who has come
        await day.mark(at(cx, NOTED), booking.id, State.ARRIVED)
    with pytest.raises(NotToday):
        await day.mark(at(cx, NOTED + DAY), booking.id, State.ARRIVED, unseen=True)
    waits = await day.mark(at(cx, NOTED), booking.id, State.ARRIVED, unseen=True)
    assert waits.state is State.ARRIVED
    assert (await appointment(cx, booking.id))["status"] == "arrived"
    with pytest.raises(NotToday):
        await day.mark(at(cx, NOTED + DAY), booking.id, State.BOOKED)
    await day.mark(at(cx, NOTED), booking.id, State.BOOKED)


async def test_taking_back_never_makes_a_second_booking_in_one_window(cx: Context) -> None:
    person = await make_person(cx)
    booking = await seat(cx, person)
    early = at(cx, NOW + 5 * MINUTE)
    await day.mark(early, booking.id, State.ARRIVED)
    await day.mark(early, booking.id, State.FULFILLED)
    other = await open_slot(
        cx, starts_at=booking.starts_at, clinic_changes={"department_code": "08"}
    )
    await book.book(replace(acting(cx, resident(person)), now=early.now), other.id, person)
    with pytest.raises(AlreadyBooked):
        await day.mark(early, booking.id, State.ARRIVED, unseen=True)


async def test_the_wait_is_from_arriving_to_seen_and_only_of_those_known(cx: Context) -> None:
    operator = acting(cx, staff(Role.OPERATOR, None))
    assert await figures.waits_by_hour(operator, NOW.date()) == []
    for arrives, seen in ((0, 40), (10, 60), (20, None)):
        booking = await seat(cx, await make_person(cx))
        await day.mark(at(cx, NOW + arrives * MINUTE), booking.id, State.ARRIVED)
        if seen is not None:
            await day.mark(at(cx, NOW + seen * MINUTE), booking.id, State.FULFILLED)
    untimed = await seat(cx, await make_person(cx))
    await cx.db.execute(
        "UPDATE booking.booking SET state = 'fulfilled', ended_at = %(now)s WHERE id = %(id)s",
        {"id": untimed.id, "now": NOTED},
    )
    [hour] = await figures.waits_by_hour(operator, NOW.date())
    assert (hour.hour, hour.people, hour.minutes) == (9, 2, 45)
