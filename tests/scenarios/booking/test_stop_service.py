from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import pytest
from psycopg import AsyncConnection

from citycare.kernel import fhir
from citycare.kernel.context import Actor, Context, Grant, Role
from citycare.kit import clock
from citycare.kit.errors import AppError
from citycare.scenarios.booking.model.core import (
    Booking,
    BookingUnknown,
    Claim,
    PeriodWrong,
    Pool,
    SlotStopped,
)
from citycare.scenarios.booking.model.schedule import Clinic, ClinicUnknown
from citycare.scenarios.booking.model.stop import NothingToStop, ReasonMissing, StopPlan
from citycare.scenarios.booking.service import book, clinics, finder, schedule, stop

from .city import BONES, CHEN, WANG, clinic, named, template

MONDAY = date(2026, 11, 23)
HIGHER = clinic("瑞金医院", "心血管内科", "高明", fee_fen=9_900)
LOWER = clinic("瑞金医院", "心血管内科", "罗宁", title="主治医师")
DAY = clock.bounds(MONDAY)


async def rows(cx: Context, query: str, **parameters: object) -> list[dict[str, Any]]:
    return await (await cx.db.execute(query, parameters)).fetchall()


async def fill(cx: Context, of: Clinic, day: date, count: int, first: int = 0) -> list[Booking]:
    """Book the first `count` public places of a clinic on a day, each for another person."""
    free = await rows(
        cx,
        "SELECT s.id FROM booking.slot s JOIN booking.place p ON p.slot_id = s.id"
        " WHERE s.clinic_id = %(clinic)s AND s.starts_at >= %(from)s AND s.starts_at < %(to)s"
        " ORDER BY s.starts_at, p.number LIMIT %(count)s",
        **{"clinic": of.id, "from": clock.bounds(day)[0], "to": clock.bounds(day)[1]},
        count=count,
    )
    claims = [
        Claim(row["id"], named("person", first + n), Pool.PUBLIC, cx.actor, cx.channel, "r")
        for n, row in enumerate(free)
    ]
    made = await book.book_many(cx, claims)
    assert len(made) == count
    assert all(isinstance(one, Booking) for one in made), made
    return [one for one in made if isinstance(one, Booking)]


@pytest.fixture
async def heart(cx: Context) -> Context:
    """Chen on Mondays (60 places) and Thursdays (12); Wang, dearer Gao and junior Luo Mondays."""
    doctors = [CHEN, WANG, HIGHER, LOWER]
    await clinics.save_clinics(cx, doctors)
    await schedule.save_templates(
        cx,
        [
            template(CHEN, 1, capacity=10),
            template(CHEN, 4, capacity=2),
            template(WANG, 1, capacity=2),
            template(HIGHER, 1, capacity=20),
            template(LOWER, 1, capacity=20),
        ],
    )
    ids = [one.id for one in doctors]
    await schedule.make_slots(cx, MONDAY, MONDAY + timedelta(days=6), clinic_ids=ids)
    return cx


async def test_forty_people_get_an_equal_or_better_place_or_the_head_of_the_list(
    heart: Context,
) -> None:
    cx = heart
    booked = await fill(cx, CHEN, MONDAY, 40)
    plan = await stop.stop_clinic(cx, CHEN.id, *DAY, "医生外出会诊")
    assert (plan.affected, len(plan.replaced), len(plan.waiting)) == (40, 24, 16)
    new = await rows(
        cx,
        "SELECT n.*, o.state AS old_state, c.fee_fen, c.title, c.organisation_id AS place,"
        " o.starts_at AS was_at FROM booking.booking n"
        " JOIN booking.booking o ON o.id = n.follows JOIN booking.clinic c ON c.id = n.clinic_id",
    )
    assert len(new) == 24
    for one in new:
        assert (one["state"], one["source"]) == ("booked", "replacement")
        assert (one["old_state"], one["title"]) == ("stopped", "主任医师")
        assert one["fee_fen"] <= CHEN.fee_fen
        assert one["place"] == CHEN.organisation_id
        assert timedelta(hours=-4) < one["starts_at"] - one["was_at"] <= timedelta(days=7)
    waiting = await rows(cx, "SELECT * FROM booking.wait WHERE state = 'waiting' AND ahead")
    persons = {one["person_id"] for one in new} | {one["person_id"] for one in waiting}
    assert len(waiting) == 16
    assert persons == {one.person_id for one in booked}
    told = await rows(cx, "SELECT person_id, kind FROM booking.message")
    assert {one["person_id"] for one in told} == persons
    assert len(told) == 40


async def test_the_record_and_the_listeners_learn_of_it(heart: Context) -> None:
    cx = heart
    old = (await fill(cx, CHEN, MONDAY, 1))[0]
    plan = await stop.stop_clinic(cx, CHEN.id, *DAY, "停电")
    assert (await fhir.get(cx, "Appointment", str(old.id)))["status"] == "cancelled"
    assert (await fhir.get(cx, "Slot", str(old.slot_id)))["status"] == "busy-unavailable"
    new = (await rows(cx, "SELECT booking_id FROM booking.replacement"))[0]["booking_id"]
    assert (await fhir.get(cx, "Appointment", str(new)))["status"] == "booked"
    facts = await rows(cx, "SELECT facts FROM events.event WHERE name = 'booking.stopped'")
    assert [one["facts"]["booking"] for one in facts] == [str(old.id)]
    assert len(plan.slots) == 6


async def test_nobody_can_book_what_is_stopped(heart: Context) -> None:
    cx = heart
    await stop.stop_clinic(cx, CHEN.id, *DAY, "停电")
    slot = (await rows(cx, "SELECT id FROM booking.slot WHERE state = 'stopped' LIMIT 1"))[0]
    with pytest.raises(SlotStopped):
        await book.book(cx, slot["id"], named("person", 1))
    items = (await finder.find_clinics(cx, "陈静 下周一")).items
    assert [item.next_starts_at for item in items] == [None]
    with pytest.raises(NothingToStop):
        await stop.stop_clinic(cx, CHEN.id, *DAY, "停电")


async def test_a_preview_tells_the_same_and_writes_nothing(heart: Context) -> None:
    cx = heart
    await fill(cx, CHEN, MONDAY, 30)
    before = await stop.preview_stop(cx, CHEN.id, *DAY)
    assert await rows(cx, "SELECT 1 FROM booking.booking WHERE state <> 'booked'") == []
    after = await stop.stop_clinic(cx, CHEN.id, *DAY, "停电")

    def told(plan: StopPlan) -> list[tuple[UUID, UUID, int]]:
        return [(one.booking.id, one.option.slot.id, one.number) for one in plan.replaced]

    assert told(before) == told(after)
    assert len(before.waiting) == 30 - 24


async def test_only_the_windows_in_the_period_are_stopped(heart: Context) -> None:
    cx = heart
    period = clock.at(MONDAY, time(9)), clock.at(MONDAY, time(10))
    plan = await stop.stop_clinic(cx, CHEN.id, *period, "手术")
    starts = [one.starts_at.astimezone(clock.CITY).time() for one in plan.slots]
    assert starts == [time(9), time(9, 30)]


async def test_the_number_of_statements_does_not_grow_with_people(heart: Context) -> None:
    cx = heart
    await fill(cx, CHEN, MONDAY, 40)
    few = clock.at(MONDAY, time(9, 30)), clock.at(MONDAY, time(10))  # 10 people
    rest = clock.at(MONDAY, time(8)), clock.at(MONDAY, time(9, 30))  # 30, of whom 16 must wait
    counts = []
    for period in (few, rest):
        with statements(cx.db) as count:
            await stop.stop_clinic(cx, CHEN.id, *period, "手术")
        counts.append(len(count))
    assert counts[0] <= counts[1] <= counts[0] + 2  # the first time nobody has to wait


@contextmanager
def statements(db: AsyncConnection[Any]) -> Iterator[list[str]]:
    """Collect the statements sent on a connection."""
    sent: list[str] = []
    execute = db.execute

    async def counted(query: Any, *args: Any, **more: Any) -> Any:
        sent.append(str(query))
        return await execute(query, *args, **more)

    db.execute = counted  # type: ignore[method-assign]
    try:
        yield sent
    finally:
        db.execute = execute  # type: ignore[method-assign]


async def test_an_offer_made_in_a_stopped_window_is_withdrawn_to_the_head(heart: Context) -> None:
    cx = heart
    slot = (await rows(cx, "SELECT id FROM booking.slot WHERE clinic_id = %(c)s", c=CHEN.id))[0]
    await cx.db.execute(
        "UPDATE booking.place SET state = 'offered' WHERE slot_id = %(s)s AND number = 1",
        {"s": slot["id"]},
    )
    await cx.db.execute(
        "INSERT INTO booking.wait (id, person_id, clinic_id, from_day, to_day, state, channel,"
        " created_at, offer_slot_id, offer_number, offer_until) VALUES (%(id)s, %(id)s, %(c)s,"
        " '2026-11-22', '2026-11-30', 'offered', 'phone', now(), %(s)s, 1, now())",
        {"id": named("waiter"), "c": CHEN.id, "s": slot["id"]},
    )
    await stop.stop_clinic(cx, CHEN.id, cx.now, cx.now + timedelta(days=9), "停电")
    entry = (await rows(cx, "SELECT state, ahead, offer_slot_id FROM booking.wait"))[0]
    assert entry == {"state": "waiting", "ahead": True, "offer_slot_id": None}
    assert [one["kind"] for one in await rows(cx, "SELECT kind FROM booking.message")] == [
        "offer_withdrawn"
    ]


async def test_who_loses_two_visits_at_once_stands_on_the_list_once_for_both(
    heart: Context,
) -> None:
    cx = heart
    await stop.stop_clinic(cx, WANG.id, *DAY, "停电")  # nobody else can take them
    thursday = MONDAY + timedelta(days=3)
    [monday], [_] = await fill(cx, CHEN, MONDAY, 1), await fill(cx, CHEN, thursday, 1)
    later = clock.at(MONDAY + timedelta(days=5), time(8))
    await cx.db.execute(
        "INSERT INTO booking.wait (id, person_id, clinic_id, from_day, to_day, state, channel,"
        " created_at) VALUES (%(id)s, %(person)s, %(c)s, %(day)s, %(day)s, 'waiting', 'phone',"
        " now())",
        {"id": named("w"), "person": monday.person_id, "c": CHEN.id, "day": later.date()},
    )
    plan = await stop.stop_clinic(cx, CHEN.id, DAY[0], later, "住院")
    assert [one.person_id for one in plan.waiting] == [monday.person_id] * 2
    [entry] = await rows(cx, "SELECT ahead, from_day, to_day FROM booking.wait")
    assert entry == {
        "ahead": True,
        "from_day": clock.day_of(cx.now),
        "to_day": thursday + timedelta(days=14),
    }


async def test_a_replacement_can_be_kept_and_lapses_into_the_booking(heart: Context) -> None:
    cx = heart
    await fill(cx, CHEN, MONDAY, 3)
    await stop.stop_clinic(cx, CHEN.id, *DAY, "停电")
    person = named("person", 0)
    offered = (await stop.list_open_replacements(cx, person))[0]
    await stop.accept_replacement(cx, offered.booking_id)
    await stop.accept_replacement(cx, offered.booking_id)
    assert await stop.list_open_replacements(cx, person) == []
    second = (await stop.list_open_replacements(cx, named("person", 1)))[0]
    await book.cancel(cx, second.booking_id)
    later = replace(cx, now=cx.now + timedelta(days=2))
    assert await stop.settle_replacements(later) == 1
    states = await rows(cx, "SELECT state FROM booking.booking WHERE source = 'replacement'")
    assert sorted(one["state"] for one in states) == ["booked", "booked", "cancelled"]
    answers = await rows(cx, "SELECT answer FROM booking.replacement ORDER BY answer")
    assert [one["answer"] for one in answers] == ["accepted", "cancelled", "unanswered"]
    with pytest.raises(BookingUnknown):
        await stop.accept_replacement(cx, named("nothing"))


@pytest.mark.parametrize(
    ("of", "first", "last", "reason", "error"),
    [
        (BONES.id, DAY[0], DAY[1], "停电", ClinicUnknown),
        (CHEN.id, DAY[1], DAY[0], "停电", PeriodWrong),
        (CHEN.id, DAY[0], DAY[0] + timedelta(days=99), "停电", PeriodWrong),
        (CHEN.id, DAY[0] - timedelta(days=9), DAY[0] - timedelta(days=8), "停电", PeriodWrong),
        (CHEN.id, DAY[0], DAY[1], "  ", ReasonMissing),
        (CHEN.id, DAY[1], DAY[1] + timedelta(hours=1), "停电", NothingToStop),
    ],
)
async def test_wrong_stops_change_nothing(
    heart: Context,
    of: UUID,
    first: datetime,
    last: datetime,
    reason: str,
    error: type[AppError],
) -> None:
    with pytest.raises(error):
        await stop.stop_clinic(heart, of, first, last, reason)
    assert await rows(heart, "SELECT 1 FROM booking.slot WHERE state = 'stopped'") == []


async def test_only_the_clinics_own_schedulers_may_stop_it(heart: Context) -> None:
    stranger = Actor(UUID(int=9), None, (Grant(Role.SCHEDULER, BONES.organisation_id),))
    ours = Actor(UUID(int=8), None, (Grant(Role.SCHEDULER, CHEN.organisation_id),))
    with pytest.raises(AppError):
        await stop.stop_clinic(replace(heart, actor=stranger), CHEN.id, *DAY, "停电")
    plan = await stop.stop_clinic(replace(heart, actor=ours), CHEN.id, *DAY, "停电")
    assert len(plan.slots) == 6
