"""What the scheduler looks at: a week of windows, who was stopped, what a draw can take."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from citycare.kit.db import Connection, Row

WINDOWS = """
    SELECT s.id, s.starts_at, s.ends_at, s.state, s.release, s.capacity, s.free, s.busy, p.pools
      FROM booking.slot AS s
      JOIN LATERAL (
           SELECT jsonb_object_agg(q.pool, jsonb_build_array(q.busy, q.places)) AS pools
             FROM (SELECT pool, count(*) FILTER (WHERE state <> 'free') AS busy,
                          count(*) AS places
                     FROM booking.place WHERE slot_id = s.id GROUP BY pool) AS q) AS p ON true
     WHERE s.clinic_id = %(clinic)s AND s.starts_at >= %(from)s AND s.starts_at < %(to)s
     ORDER BY s.starts_at
     LIMIT %(count)s
"""


async def windows(
    db: Connection, clinic_id: UUID, bounds: tuple[datetime, datetime], count: int
) -> list[Row]:
    """Return the windows of a clinic with [taken, all] places of each pool."""
    parameters = {"clinic": clinic_id, "from": bounds[0], "to": bounds[1], "count": count}
    return await (await db.execute(WINDOWS, parameters)).fetchall()


SET_RELEASE = "UPDATE booking.clinic SET release = %(release)s WHERE id = %(clinic)s"


async def set_release(db: Connection, clinic_id: UUID, release: str) -> None:
    """Say how windows made from now on are released; those there keep their own way."""
    await db.execute(SET_RELEASE, {"clinic": clinic_id, "release": release})


STOPPED = """
    SELECT b.id, b.person_id, b.starts_at, s.ends_at, b.number, b.ended_at, b.reason,
           n.id AS new_id, n.state AS new_state, n.starts_at AS new_starts_at,
           t.ends_at AS new_ends_at, c.department_name AS new_department,
           c.practitioner_name AS new_doctor, c.title AS new_title, r.why, r.answer,
           r.answer_until
      FROM booking.booking AS b
      JOIN booking.slot AS s ON s.id = b.slot_id
      LEFT JOIN booking.replacement AS r ON r.replaces = b.id
      LEFT JOIN booking.booking AS n ON n.id = r.booking_id
      LEFT JOIN booking.slot AS t ON t.id = n.slot_id
      LEFT JOIN booking.clinic AS c ON c.id = n.clinic_id
     WHERE b.clinic_id = %(clinic)s AND b.state = 'stopped'
       AND b.starts_at >= %(from)s AND b.starts_at < %(to)s
     ORDER BY b.starts_at, b.number, b.id
     LIMIT %(count)s
"""


async def stopped(
    db: Connection, clinic_id: UUID, bounds: tuple[datetime, datetime], count: int
) -> list[Row]:
    """Return the bookings a stop ended, each with the one that took its place, if any."""
    parameters = {"clinic": clinic_id, "from": bounds[0], "to": bounds[1], "count": count}
    return await (await db.execute(STOPPED, parameters)).fetchall()


FOR_DRAW = """
    SELECT s.id, s.clinic_id, s.starts_at, s.ends_at, p.places
      FROM booking.slot AS s
      JOIN LATERAL (
           SELECT count(*) AS places FROM booking.place
            WHERE slot_id = s.id AND state = 'free' AND pool = 'public') AS p ON p.places > 0
     WHERE s.organisation_id = %(organisation)s AND s.clinic_id = ANY(%(clinics)s)
       AND s.release = 'draw' AND s.state = 'open'
       AND s.starts_at >= %(from)s AND s.starts_at < %(to)s
       AND NOT EXISTS (SELECT FROM booking.draw_slot AS d WHERE d.slot_id = s.id)
     ORDER BY s.starts_at, s.id
     LIMIT %(count)s
"""


async def for_draw(
    db: Connection,
    organisation_id: UUID,
    clinics: Collection[UUID],
    bounds: tuple[datetime, datetime],
    count: int,
) -> list[Row]:
    """Return the windows a new draw could take: by draw, open, with public places, in no draw."""
    parameters = {
        "organisation": organisation_id,
        "clinics": list(clinics),
        "from": bounds[0],
        "to": bounds[1],
        "count": count,
    }
    return await (await db.execute(FOR_DRAW, parameters)).fetchall()
