"""Booking and stopping at the same moment: nobody ends up in a window that is stopped."""

import asyncio
import contextlib
from datetime import UTC, date, datetime, time
from uuid import UUID

import psycopg
import pytest

from citycare.kernel.context import SYSTEM, Channel, Context
from citycare.kit import clock
from citycare.kit.db import Database
from citycare.kit.errors import AppError
from citycare.scenarios.booking.model.core import SlotHeld
from citycare.scenarios.booking.service import book, clinics, schedule, stop
from citycare.scenarios.booking.store import places as place_store
from citycare.scenarios.booking.store import stop as stop_store

from .city import CHEN, WANG, named, template
from .conftest import committed, open_slot

NOW = datetime(2026, 11, 22, 1, tzinfo=UTC)
MONDAY = date(2026, 11, 23)
CROWD = 24
TRIES_MAX = 50
IN_STOPPED = """
    SELECT count(*) AS n FROM booking.booking b JOIN booking.slot s ON s.id = b.slot_id
     WHERE s.state = 'stopped' AND b.state IN ('booked', 'arrived')
"""
TWICE = """
    SELECT count(*) AS n FROM (SELECT slot_id, number FROM booking.booking
     WHERE state = 'booked' GROUP BY 1, 2 HAVING count(*) > 1) AS double
"""


async def stopped(database: Database) -> int:
    """Stop the clinic; where somebody is just being booked for, again at once, as it says."""
    period = clock.at(MONDAY, time(8)), clock.at(MONDAY, time(9))
    held: list[SlotHeld] = []
    while len(held) < TRIES_MAX:
        try:
            async with database.transaction() as db:
                cx = Context(db, SYSTEM, NOW, "stop", Channel.HOSPITAL, "test")
                return (await stop.stop_clinic(cx, CHEN.id, *period, "停电")).affected
        except SlotHeld as error:
            held.append(error)
    raise held[-1]


async def race(
    database: Database,
    refusals: tuple[type[Exception], ...] = (AppError,),
    *,
    crowd_size: int = CROWD,
    wait_s: float = 0.05,
) -> dict[str, int]:
    """Let a crowd book while the clinic is stopped; count who is where they must not be.

    The stop begins while the first booking is made but not yet committed; bookings stay open until
    it is through, at most `wait_s`.
    """
    inside, through = asyncio.Event(), asyncio.Event()
    async with database.transaction() as db:
        cx = Context(db, SYSTEM, NOW, "make", Channel.PHONE, "test")
        await clinics.save_clinics(cx, [CHEN, WANG])
        morning = {"starts": time(8), "ends": time(9), "capacity": CROWD}
        templates = [template(CHEN, 1, **morning), template(WANG, 1, capacity=3)]  # type: ignore[arg-type]
        await schedule.save_templates(cx, templates)
        await schedule.make_slots(cx, MONDAY, MONDAY, clinic_ids=[CHEN.id, WANG.id])
        found = await db.execute(
            "SELECT id FROM booking.slot WHERE clinic_id = %(c)s ORDER BY id", {"c": CHEN.id}
        )
        slots = [row["id"] for row in await found.fetchall()]

    async def one(number: int, slot: UUID) -> bool:
        try:
            async with database.transaction() as db:
                cx = Context(db, SYSTEM, NOW, f"r{number}", Channel.PHONE, "test")
                await book.book(cx, slot, named("person", number))
                inside.set()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(through.wait(), wait_s)
        except refusals:
            return False
        return True

    async def stopping() -> int:
        await inside.wait()
        try:
            return await stopped(database)
        finally:
            through.set()

    crowd = [one(number, slots[number % 2]) for number in range(crowd_size)]
    affected, *booked = await asyncio.gather(stopping(), *crowd)
    counts = await misplaced(database)
    return counts | {"affected": affected, "booked": sum(booked)}


async def misplaced(database: Database) -> dict[str, int]:
    counts = {}
    async with database.autocommit() as db:
        for name, query in (("in_stopped", IN_STOPPED), ("twice", TWICE)):
            row = await (await db.execute(query)).fetchone()
            counts[name] = row["n"] if row else -1
    return counts


async def booked_late(database: Database, monkeypatch: pytest.MonkeyPatch, *, busy: bool) -> None:
    """Stop a window whose only booking came after its people were read; it must lock them."""
    person = named("person", 1)
    slot = await committed(database, lambda cx: open_slot(cx, clinic=CHEN))
    await committed(database, lambda cx: book.book(cx, slot.id, person))

    async def nobody_yet(*_: object) -> list[UUID]:
        return []

    monkeypatch.setattr(stop_store, "persons_in", nobody_yet)

    async def run(cx: Context) -> None:
        window = slot.window
        await stop.stop_clinic(cx, CHEN.id, window.starts_at, window.ends_at, "停电")
        async with database.transaction() as other:
            assert not await place_store.try_lock_persons(other, [person])

    async with database.transaction() as elsewhere:
        if busy:
            await place_store.lock_persons(elsewhere, [person])
        await committed(database, run)


async def test_who_books_while_the_stop_begins_is_locked_too(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await booked_late(database, monkeypatch, busy=False)


async def test_a_stop_does_not_wait_for_a_person_while_it_holds_windows(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SlotHeld):
        await booked_late(database, monkeypatch, busy=True)


@pytest.mark.race
async def test_nobody_is_left_in_a_stopped_window(database: Database) -> None:
    result = await race(database)
    assert (result["in_stopped"], result["twice"]) == (0, 0)
    assert result["affected"] == result["booked"]


@pytest.mark.race
async def test_control_without_the_slot_lock_somebody_is_left_behind(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlocked = place_store.LOCK_SLOTS.replace("FOR NO KEY UPDATE", "")
    monkeypatch.setattr(place_store, "LOCK_SLOTS", unlocked)
    # Fewer than there are connections, so that the stop gets one while all of them are open.
    result = await race(database, (AppError, psycopg.Error), crowd_size=8, wait_s=1)
    assert result["in_stopped"] > 0
