"""What a clinic sees of its day: which clinics run, who was here before, one person's visits."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from citycare.kit.db import Connection, Row

CLINICS = """
    SELECT c.id, c.department_name, c.practitioner_id, c.practitioner_name, c.title, c.room,
           c.organisation_id, c.organisation_short, min(s.starts_at) AS starts_at,
           max(s.ends_at) AS ends_at, sum(s.capacity) AS capacity, sum(s.busy) AS busy,
           bool_and(s.state = 'stopped') AS stopped
      FROM booking.slot AS s
      JOIN booking.clinic AS c ON c.id = s.clinic_id
     WHERE s.organisation_id = %(organisation)s
       AND s.starts_at >= %(from)s AND s.starts_at < %(to)s
     GROUP BY c.id
     ORDER BY c.department_name, c.practitioner_name, c.id
     LIMIT %(count)s
"""


async def clinics_on(
    db: Connection, organisation_id: UUID, bounds: tuple[datetime, datetime], count: int
) -> list[Row]:
    """Return the clinics of an organisation that have windows between two instants."""
    parameters = {
        "organisation": organisation_id,
        "from": bounds[0],
        "to": bounds[1],
        "count": count,
    }
    return await (await db.execute(CLINICS, parameters)).fetchall()


SEEN_HERE = """
    SELECT DISTINCT person_id FROM booking.booking
     WHERE person_id = ANY(%(persons)s) AND state = 'fulfilled'
       AND organisation_id = %(organisation)s AND department_code = %(department)s
       AND starts_at < %(before)s
"""


async def seen_here(
    db: Connection,
    persons: Collection[UUID],
    organisation_id: UUID,
    department: str,
    before: datetime,
) -> frozenset[UUID]:
    """Return who of these was seen in this department of this organisation before an instant."""
    parameters = {
        "persons": list(persons),
        "organisation": organisation_id,
        "department": department,
        "before": before,
    }
    cursor = await db.execute(SEEN_HERE, parameters)
    return frozenset(row["person_id"] for row in await cursor.fetchall())


VISITS = """
    SELECT b.id, b.starts_at, b.state, b.number, s.ends_at, c.department_name, c.title,
           c.practitioner_name, c.organisation_short
      FROM booking.booking AS b
      JOIN booking.slot AS s ON s.id = b.slot_id
      JOIN booking.clinic AS c ON c.id = b.clinic_id
     WHERE b.person_id = %(person)s AND b.organisation_id = %(organisation)s
       AND b.department_code = %(department)s AND b.starts_at < %(before)s
       AND b.state <> 'moved'
     ORDER BY b.starts_at DESC, b.id DESC
     LIMIT %(count)s
"""


async def visits_here(
    db: Connection,
    person_id: UUID,
    organisation_id: UUID,
    department: str,
    before: datetime,
    count: int,
) -> list[Row]:
    """Return a person's latest bookings in one department before an instant, newest first."""
    parameters = {
        "person": person_id,
        "organisation": organisation_id,
        "department": department,
        "before": before,
        "count": count,
    }
    return await (await db.execute(VISITS, parameters)).fetchall()


MARK = """
    SELECT count(*) AS bookings,
           coalesce(md5(string_agg(id::text || state, ',' ORDER BY id)), '') AS mark
      FROM booking.booking
     WHERE clinic_id = %(clinic)s AND starts_at >= %(from)s AND starts_at < %(to)s
"""


async def mark_of(db: Connection, clinic_id: UUID, bounds: tuple[datetime, datetime]) -> str:
    """Return a text that is another one as soon as anything on the day's list has changed."""
    parameters = {"clinic": clinic_id, "from": bounds[0], "to": bounds[1]}
    row = await (await db.execute(MARK, parameters)).fetchone()
    return f"{row['bookings']}-{row['mark'][:12]}" if row else ""


STATES = """
    SELECT starts_at, state, arrived_at, ended_at FROM booking.booking
     WHERE clinic_id = %(clinic)s AND starts_at >= %(from)s AND starts_at < %(to)s
       AND state <> 'moved'
     LIMIT %(count)s
"""


async def states_of(
    db: Connection, clinic_id: UUID, bounds: tuple[datetime, datetime], count: int
) -> list[Row]:
    """Return the times and states of the bookings of a clinic, without the people."""
    parameters = {"clinic": clinic_id, "from": bounds[0], "to": bounds[1], "count": count}
    return await (await db.execute(STATES, parameters)).fetchall()


CARED = """
    SELECT DISTINCT ON (b.person_id) b.person_id, b.id, b.starts_at, b.state, b.pool, s.ends_at,
           c.department_name, c.practitioner_name, c.organisation_short
      FROM booking.booking AS b
      JOIN booking.slot AS s ON s.id = b.slot_id
      JOIN booking.clinic AS c ON c.id = b.clinic_id
     WHERE b.person_id = ANY(%(persons)s) AND b.state = 'booked' AND b.starts_at > %(now)s
     ORDER BY b.person_id, b.starts_at
"""


async def next_of(db: Connection, persons: Collection[UUID], now: datetime) -> dict[UUID, Row]:
    """Return the next booking of each of these people, if there is one."""
    rows = await (await db.execute(CARED, {"persons": list(persons), "now": now})).fetchall()
    return {row["person_id"]: row for row in rows}
