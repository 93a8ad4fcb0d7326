"""Draws as a resident looks at them: the windows one may wish for, one's requests, what came."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from citycare.kit.db import Connection, Row

WINDOWS_MAX = 200
ENTRANTS_MAX = 10_000

OF_SLOT = "SELECT draw_id FROM booking.draw_slot WHERE slot_id = %(slot)s"
WINDOWS = """
    SELECT s.id, s.clinic_id, s.starts_at, s.ends_at, s.state, c.practitioner_name,
           c.department_name, c.organisation_short,
           (SELECT count(*) FROM booking.place AS p
             WHERE p.slot_id = s.id AND p.pool = d.pool AND p.state = 'free') AS places
      FROM booking.draw AS d
      JOIN booking.draw_slot AS ds ON ds.draw_id = d.id
      JOIN booking.slot AS s ON s.id = ds.slot_id
      JOIN booking.clinic AS c ON c.id = s.clinic_id
     WHERE d.id = %(draw)s AND (s.clinic_id = %(clinic)s OR s.id = ANY(%(also)s))
     ORDER BY s.starts_at, s.id LIMIT %(count)s
"""
ENTRANTS = """
    SELECT count(*) AS n
      FROM (SELECT 1 FROM booking.draw_request
             WHERE draw_id = %(draw)s AND withdrawn_at IS NULL LIMIT %(count)s) AS r
"""
ENTRIES = """
    SELECT r.draw_id, d.name, d.state, d.closes_at, s.id AS slot_id, s.starts_at, s.ends_at,
           c.practitioner_name, c.department_name, c.organisation_short,
           coalesce(w.wish, 0) AS wish
      FROM booking.draw_request AS r
      JOIN booking.draw AS d ON d.id = r.draw_id
      LEFT JOIN booking.draw_result AS w
             ON d.state = 'done' AND w.draw_id = d.id AND w.public_id = r.public_id AND w.wish > 0
      JOIN booking.draw_slot AS ds ON ds.draw_id = d.id AND ds.n = coalesce(w.n, r.wish1)
      JOIN booking.slot AS s ON s.id = ds.slot_id
      JOIN booking.clinic AS c ON c.id = s.clinic_id
     WHERE r.person_id = %(person)s AND r.withdrawn_at IS NULL
       AND (d.done_at IS NULL OR d.done_at > %(since)s)
     ORDER BY d.closes_at DESC, d.id LIMIT %(count)s
"""
BOOKED = """
    SELECT id FROM booking.booking
     WHERE person_id = %(person)s AND slot_id = %(slot)s AND source = 'draw'
     ORDER BY created_at DESC LIMIT 1
"""


async def draw_of(db: Connection, slot_id: UUID) -> UUID | None:
    """Return the draw a window is in, if it is in one."""
    row = await (await db.execute(OF_SLOT, {"slot": slot_id})).fetchone()
    return row["draw_id"] if row else None


async def windows(
    db: Connection, draw_id: UUID, clinic_id: UUID, also: Collection[UUID]
) -> list[Row]:
    """Return a clinic's windows in a draw with their places, and these others of the draw."""
    parameters = {"draw": draw_id, "clinic": clinic_id, "also": list(also), "count": WINDOWS_MAX}
    return await (await db.execute(WINDOWS, parameters)).fetchall()


async def entrants(db: Connection, draw_id: UUID) -> int:
    """Count who has entered, up to ENTRANTS_MAX: nobody waits for a count of a million."""
    cursor = await db.execute(ENTRANTS, {"draw": draw_id, "count": ENTRANTS_MAX})
    row = await cursor.fetchone()
    return int(row["n"]) if row else 0


async def entries(db: Connection, person_id: UUID, since: datetime, count: int) -> list[Row]:
    """Return a person's requests under way or settled since then, with the window won or wished."""
    parameters = {"person": person_id, "since": since, "count": count}
    return await (await db.execute(ENTRIES, parameters)).fetchall()


async def booking_of(db: Connection, person_id: UUID, slot_id: UUID) -> UUID | None:
    """Return the booking that a draw gave a person in a window."""
    cursor = await db.execute(BOOKED, {"person": person_id, "slot": slot_id})
    row = await cursor.fetchone()
    return row["id"] if row else None
