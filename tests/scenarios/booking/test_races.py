"""Many at once, on a database of their own. Each race has a control that must fail."""

import asyncio
from uuid import UUID

import pytest
from psycopg.errors import CheckViolation, UniqueViolation
from psycopg.rows import class_row

from citycare.kernel.context import Channel, Context
from citycare.kit import ids
from citycare.kit.db import Connection, Database
from citycare.kit.errors import AppError
from citycare.scenarios.booking.model.core import Pool, Slot, SlotUnavailable, TooManyBookings
from citycare.scenarios.booking.model.schedule import NewSlot
from citycare.scenarios.booking.service import book
from citycare.scenarios.booking.store import places as place_store
from tests.conftest import NOW
from tests.scenarios.booking.conftest import committed, make_person, open_slot, resident

pytestmark = pytest.mark.race
CROWD = 16


@pytest.fixture
async def last_place(database: Database) -> NewSlot:
    """A window with one place, committed."""
    return await committed(database, lambda cx: open_slot(cx, shares={Pool.PUBLIC: 1}))


@pytest.fixture
async def crowd(database: Database) -> list[UUID]:
    """People, committed."""

    async def make(cx: Context) -> list[UUID]:
        return [await make_person(cx) for _ in range(CROWD)]

    return await committed(database, make)


async def press(database: Database, slot_id: UUID, person: UUID) -> object:
    """Book in a transaction of one's own; return the booking or the refusal."""
    try:
        async with database.transaction() as db:
            cx = Context(db, resident(person), NOW, f"race-{ids.new()}", Channel.PHONE, "booking")
            return await book.book(cx, slot_id, person)
    except (AppError, UniqueViolation) as error:
        return error


async def race(database: Database, presses: list[tuple[UUID, UUID]]) -> list[object]:
    return await asyncio.gather(*(press(database, slot, person) for slot, person in presses))


async def test_the_last_place_goes_to_exactly_one(
    database: Database, last_place: NewSlot, crowd: list[UUID]
) -> None:
    outcomes = await race(database, [(last_place.id, person) for person in crowd])
    assert sum(not isinstance(one, Exception) for one in outcomes) == 1
    assert sum(isinstance(one, SlotUnavailable) for one in outcomes) == CROWD - 1


async def unlocked_slots(db: Connection, slots: list[UUID]) -> dict[UUID, Slot]:
    """`lock_slots` without its lock: everybody decides on what they saw first."""
    query = place_store.LOCK_SLOTS.replace("FOR NO KEY UPDATE", "")
    async with db.cursor(row_factory=class_row(Slot)) as cursor:
        await cursor.execute(query, {"slots": list(slots)})
        found = {slot.id: slot async for slot in cursor}
    await asyncio.sleep(0.05)
    return found


async def test_control_without_the_lock_people_are_refused_who_need_not_be(
    database: Database, crowd: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the lock two decide on the same number; then one of them is stopped.

    The guarded UPDATE and the unique index do that. Nothing is sold twice even so, but with
    places left for all somebody goes away empty: the lock is what keeps that from happening, and
    this shows that the race is real.
    """
    slot = await committed(database, lambda cx: open_slot(cx, shares={Pool.PUBLIC: CROWD}))
    monkeypatch.setattr(place_store, "lock_slots", unlocked_slots)
    outcomes = await race(database, [(slot.id, person) for person in crowd])
    assert sum(isinstance(one, Exception) for one in outcomes) > 0


async def test_with_the_lock_everybody_gets_a_place_while_there_are_enough(
    database: Database, crowd: list[UUID]
) -> None:
    slot = await committed(database, lambda cx: open_slot(cx, shares={Pool.PUBLIC: CROWD}))
    outcomes = await race(database, [(slot.id, person) for person in crowd])
    assert not [one for one in outcomes if isinstance(one, Exception)]


@pytest.fixture
async def same_hour(database: Database) -> list[UUID]:
    """Six windows of six departments, all tomorrow at 8:30."""

    async def make(cx: Context) -> list[UUID]:
        codes = [f"1{n}" for n in range(6)]
        return [(await open_slot(cx, clinic_changes={"department_code": c})).id for c in codes]

    return await committed(database, make)


async def test_one_person_pressing_everywhere_at_once_gets_one_window(
    database: Database, same_hour: list[UUID], crowd: list[UUID]
) -> None:
    outcomes = await race(database, [(slot, crowd[0]) for slot in same_hour])
    assert sum(not isinstance(one, Exception) for one in outcomes) == 1


async def test_control_without_the_lock_on_the_person_limits_are_passed(
    database: Database, crowd: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(_db: Connection, _persons: object) -> dict[UUID, set[UUID]]:
        await asyncio.sleep(0.02)
        return {}

    async def make(cx: Context) -> list[UUID]:
        return [(await open_slot(cx, starts_at=NOW.replace(hour=hour))).id for hour in range(2, 8)]

    slots = await committed(database, make)
    outcomes = await race(database, [(slot, crowd[0]) for slot in slots])
    assert sum(not isinstance(one, Exception) for one in outcomes) == 1
    assert any(isinstance(one, TooManyBookings) for one in outcomes)
    monkeypatch.setattr(place_store, "lock_persons", nothing)
    outcomes = await race(database, [(slot, crowd[1]) for slot in slots])
    assert sum(not isinstance(one, Exception) for one in outcomes) > 1


async def test_places_that_do_not_add_up_are_refused_by_the_database(
    database: Database, last_place: NewSlot
) -> None:
    async def add(cx: Context) -> None:
        await cx.db.execute(
            "INSERT INTO booking.place (slot_id, number, pool, opens_at)"
            " VALUES (%s, 2, 'public', now())",
            [last_place.id],
        )

    with pytest.raises(CheckViolation):
        await committed(database, add)
