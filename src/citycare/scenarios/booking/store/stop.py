"""Stopping windows, and what becomes of the people in them. Every statement is for all at once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from psycopg.rows import class_row

from citycare.kit import ids
from citycare.kit.db import Connection, Row
from citycare.scenarios.booking.model.core import Booking, Slot
from citycare.scenarios.booking.model.stop import OpenReplacement, Replacement, Why
from citycare.scenarios.booking.store.bookings import COLUMNS, booking_of

OPTIONS_MAX = 2_000
SLOT = """s.id, s.clinic_id, s.organisation_id, s.department_code, s.practitioner_id,
    s.starts_at, s.ends_at, s.state, s.release, s.capacity, s.free"""

SLOTS = f"""
    SELECT {SLOT} FROM booking.slot AS s
     WHERE s.clinic_id = %(clinic)s AND s.state = 'open'
       AND s.starts_at >= %(from)s - interval '60 minutes' AND s.ends_at > %(from)s
       AND s.starts_at < %(to)s
     ORDER BY s.starts_at
"""


async def slots_between(
    db: Connection, clinic_id: UUID, span: tuple[datetime, datetime]
) -> list[Slot]:
    """Return the open windows of a clinic that lie, at least in part, in a period."""
    async with db.cursor(row_factory=class_row(Slot)) as cursor:
        await cursor.execute(SLOTS, {"clinic": clinic_id, "from": span[0], "to": span[1]})
        return await cursor.fetchall()


PERSONS = """
    SELECT DISTINCT person_id FROM booking.booking
     WHERE slot_id = ANY(%(slots)s) AND clinic_id = %(clinic)s AND starts_at >= %(from)s
       AND state IN ('booked', 'arrived')
"""
AFFECTED = f"""
    SELECT {COLUMNS} FROM booking.booking AS b
     WHERE b.slot_id = ANY(%(slots)s) AND b.clinic_id = %(clinic)s AND b.starts_at >= %(from)s
       AND b.state IN ('booked', 'arrived')
     ORDER BY b.id
"""
LIST_SLOTS = f"SELECT {SLOT} FROM booking.slot AS s WHERE s.id = ANY(%(slots)s) ORDER BY s.id"


def _within(slots: Sequence[Slot]) -> dict[str, Any]:
    return {
        "slots": [one.id for one in slots],
        "clinic": slots[0].clinic_id,
        "from": min(one.starts_at for one in slots),
    }


async def persons_in(db: Connection, slots: Sequence[Slot]) -> list[UUID]:
    """Return who holds a place in these windows of one clinic, to lock them before the slots."""
    rows = await (await db.execute(PERSONS, _within(slots))).fetchall()
    return [row["person_id"] for row in rows]


async def affected(db: Connection, slots: Sequence[Slot], *, lock: bool) -> list[Booking]:
    """Read the bookings in these windows of one clinic, locked against change if asked."""
    query = AFFECTED + ("FOR NO KEY UPDATE" if lock else "")
    rows = await (await db.execute(query, _within(slots))).fetchall()
    return [booking_of(row) for row in rows]


async def list_slots(db: Connection, ids_: Collection[UUID]) -> dict[UUID, Slot]:
    """Read windows without a lock, for a preview."""
    async with db.cursor(row_factory=class_row(Slot)) as cursor:
        await cursor.execute(LIST_SLOTS, {"slots": list(ids_)})
        return {slot.id: slot async for slot in cursor}


# Two index scans: the same doctor's windows, and the department's on the half-days that stop.
OPTIONS = """
    SELECT s.id, s.clinic_id, c.practitioner_id, c.organisation_id, c.department_code, c.kind,
           c.title, c.fee_fen
      FROM (SELECT id, clinic_id, starts_at FROM booking.slot
             WHERE organisation_id = %(organisation)s AND starts_at >= %(earliest)s
               AND starts_at < %(latest)s AND state = 'open' AND has_free
               AND (clinic_id = %(clinic)s OR practitioner_id = %(practitioner)s)
             UNION
            SELECT id, clinic_id, starts_at FROM booking.slot
             WHERE organisation_id = %(organisation)s AND starts_at >= %(first)s
               AND starts_at < %(last)s AND state = 'open' AND has_free
               AND department_code = %(department)s) AS s
      JOIN booking.clinic AS c ON c.id = s.clinic_id
     WHERE s.id <> ALL(%(stopped)s) AND s.starts_at >= %(earliest)s
       AND c.active AND c.fee_fen <= %(fee)s
     ORDER BY s.starts_at, s.id
     LIMIT %(most)s
"""


async def options(db: Connection, **parameters: Any) -> list[Row]:
    """Return windows that might take people, at most 2,000: id and what their clinic is."""
    cursor = await db.execute(OPTIONS, parameters | {"most": OPTIONS_MAX})
    return await cursor.fetchall()


MARK = "UPDATE booking.slot SET state = 'stopped' WHERE id = ANY(%(slots)s)"
CLOSE = """
    UPDATE booking.place AS p SET state = 'free', opens_at = s.ends_at
      FROM booking.slot AS s
     WHERE s.id = p.slot_id AND p.slot_id = ANY(%(slots)s)
"""
END = """
    UPDATE booking.booking SET state = 'stopped', ended_at = %(now)s, reason = %(reason)s
     WHERE id = ANY(%(bookings)s)
"""
WITHDRAW = """
    UPDATE booking.wait
       SET state = 'waiting', ahead = true, offer_slot_id = NULL, offer_number = NULL,
           offer_until = NULL
     WHERE state = 'offered' AND offer_slot_id = ANY(%(slots)s)
 RETURNING person_id, clinic_id
"""


async def stop(
    db: Connection,
    slots: Collection[UUID],
    bookings: Collection[UUID],
    now: datetime,
    reason: str,
) -> list[Row]:
    """Stop locked windows: bookings end, places close, offers made in them are withdrawn.

    A closed place opens when its window is over, so nothing can take it. Returns whose offer
    was withdrawn; they are now at the head of the list.
    """
    parameters = {
        "slots": list(slots),
        "bookings": list(bookings),
        "now": now,
        "reason": reason,
    }
    await db.execute(END, parameters)
    await db.execute(CLOSE, parameters)
    await db.execute(MARK, parameters)
    return await (await db.execute(WITHDRAW, parameters)).fetchall()


ADD = """
    INSERT INTO booking.replacement (booking_id, replaces, person_id, why, answer_until)
    SELECT * FROM unnest(%(booking)s::uuid[], %(replaces)s::uuid[], %(person)s::uuid[],
                         %(why)s::text[], %(until)s::timestamptz[])
"""


async def add_replacements(
    db: Connection, made: Sequence[tuple[Booking, Replacement, datetime]]
) -> None:
    """Note which booking replaces which, and until when it may be answered."""
    parameters = {
        "booking": [booking.id for booking, _, _ in made],
        "replaces": [one.booking.id for _, one, _ in made],
        "person": [booking.person_id for booking, _, _ in made],
        "why": [one.why for _, one, _ in made],
        "until": [until for _, _, until in made],
    }
    await db.execute(ADD, parameters)


# Who loses several visits stands once, for the longest of the spans, since the first of them.
AHEAD = """
    INSERT INTO booking.wait (id, person_id, clinic_id, from_day, to_day, pool, state, channel,
                              acted_by, created_at, ahead)
    SELECT DISTINCT ON (w.person_id) w.id, w.person_id, %(clinic)s, %(from)s, w.to_day, 'public',
           'waiting', w.channel, %(acted_by)s, min(w.since) OVER (PARTITION BY w.person_id), true
      FROM unnest(%(ids)s::uuid[], %(persons)s::uuid[], %(to)s::date[], %(channels)s::text[],
                  %(since)s::timestamptz[]) AS w (id, person_id, to_day, channel, since)
     ORDER BY w.person_id, w.to_day DESC
        ON CONFLICT (person_id, clinic_id) WHERE state IN ('waiting', 'offered')
        DO UPDATE SET ahead = true, from_day = LEAST(wait.from_day, excluded.from_day),
                      to_day = GREATEST(wait.to_day, excluded.to_day)
"""


async def wait_ahead(
    db: Connection,
    bookings: Sequence[tuple[Booking, date]],
    today: date,
    acted_by: UUID | None,
) -> None:
    """Put people at the head of the waiting list until a day, since when they had booked.

    Who waits there already goes to the head, for that span and their own.
    """
    parameters = {
        "clinic": bookings[0][0].clinic_id,
        "from": today,
        "acted_by": acted_by,
        "ids": [ids.new() for _ in bookings],
        "persons": [one.person_id for one, _ in bookings],
        "to": [day for _, day in bookings],
        "channels": [one.channel for one, _ in bookings],
        "since": [one.created_at for one, _ in bookings],
    }
    await db.execute(AHEAD, parameters)


ANSWER = """
    UPDATE booking.replacement SET answer = %(answer)s, answered_at = %(now)s
     WHERE booking_id = %(booking)s AND answer IS NULL
 RETURNING person_id
"""
GET = """
    SELECT booking_id, replaces, person_id, why, answer_until FROM booking.replacement
     WHERE booking_id = %(booking)s
"""
OPEN = """
    SELECT booking_id, replaces, person_id, why, answer_until FROM booking.replacement
     WHERE person_id = %(person)s AND answer IS NULL AND answer_until > %(now)s
     ORDER BY answer_until, booking_id
"""
CLOSE_DUE = """
    UPDATE booking.replacement SET answer = 'unanswered', answered_at = %(now)s
     WHERE booking_id IN (SELECT booking_id FROM booking.replacement
                           WHERE answer IS NULL AND answer_until <= %(now)s
                           ORDER BY answer_until LIMIT %(count)s FOR UPDATE SKIP LOCKED)
"""


def _open(row: Row) -> OpenReplacement:
    return OpenReplacement(**{**row, "why": Why(row["why"])})


async def find_replacement(db: Connection, booking_id: UUID) -> OpenReplacement | None:
    """Return the replacement a booking is, answered or not, or None."""
    row = await (await db.execute(GET, {"booking": booking_id})).fetchone()
    return _open(row) if row else None


REPLACED_BY = "SELECT booking_id FROM booking.replacement WHERE replaces = %(booking)s"


async def replaced_by(db: Connection, booking_id: UUID) -> UUID | None:
    """Return the booking that was made in place of a stopped one, or None."""
    row = await (await db.execute(REPLACED_BY, {"booking": booking_id})).fetchone()
    return row["booking_id"] if row else None


async def answer(db: Connection, booking_id: UUID, said: str, now: datetime) -> bool:
    """Note the answer; False when it was answered before."""
    parameters = {"booking": booking_id, "answer": said, "now": now}
    return (await (await db.execute(ANSWER, parameters)).fetchone()) is not None


async def list_open(db: Connection, person_id: UUID, now: datetime) -> list[OpenReplacement]:
    """Return the replacements a person may still answer."""
    rows = await (await db.execute(OPEN, {"person": person_id, "now": now})).fetchall()
    return [_open(row) for row in rows]


async def close_due(db: Connection, now: datetime, count: int) -> int:
    """Settle replacements nobody answered in time; return how many."""
    return (await db.execute(CLOSE_DUE, {"now": now, "count": count})).rowcount
