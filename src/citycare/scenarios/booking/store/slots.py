"""Reading windows: the public list of open places, and one window with its clinic."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import sql

from citycare.kit.db import Connection, Row
from citycare.scenarios.booking.model.core import Pool, SlotFilter

OPEN = """
    SELECT s.id, s.clinic_id, s.starts_at, s.ends_at, s.release, s.capacity, p.open,
           c.organisation_id, c.organisation_name, c.organisation_short, c.district,
           c.department_code, c.department_name, c.practitioner_id,
           c.practitioner_name, c.title, c.kind, c.room, c.fee_fen
      FROM booking.slot AS s
      JOIN booking.clinic AS c ON c.id = s.clinic_id
      JOIN LATERAL (
           SELECT count(*) FILTER (WHERE opens_at <= %(now)s) AS open
             FROM booking.place
            WHERE slot_id = s.id AND state = 'free' AND pool = %(pool)s) AS p ON p.open > 0
     WHERE s.has_free AND s.state = 'open' AND s.starts_at >= %(from)s AND s.starts_at < %(to)s
       AND {filters}
     ORDER BY s.starts_at, s.id
     LIMIT %(count)s
"""


# A filter that is not asked for is left out of the text, so that the planner sees which index fits.
CLAUSES = {
    "department": sql.SQL("s.department_code = %(department)s"),
    "practitioner": sql.SQL("s.practitioner_id = %(practitioner)s"),
    "organisation": sql.SQL("s.organisation_id = %(organisation)s"),
    "district": sql.SQL("s.district = %(district)s"),
    "clinic": sql.SQL("s.clinic_id = %(clinic)s"),
}
AFTER = sql.SQL("(s.starts_at, s.id) > (%(after)s, %(after_id)s)")


async def list_open(
    db: Connection,
    wanted: SlotFilter,
    now: datetime,
    after: tuple[datetime, UUID] | None,
    count: int,
) -> list[Row]:
    """Return windows with an open place in the pool, by time, keyset-paged."""
    asked = asdict(wanted)
    clauses = [clause for name, clause in CLAUSES.items() if asked[name] is not None]
    if after is not None:
        clauses.append(AFTER)
    filters = sql.SQL(" AND ").join(clauses) if clauses else sql.SQL("true")
    parameters: dict[str, Any] = {
        **asked,
        "from": max(wanted.starts_from, now),
        "to": wanted.starts_to,
        "now": now,
        "after": after[0] if after else None,
        "after_id": after[1] if after else None,
        "count": count,
    }
    cursor = await db.execute(sql.SQL(OPEN).format(filters=filters), parameters)
    return await cursor.fetchall()


CARDS = """
    SELECT s.id, s.clinic_id, s.starts_at, s.ends_at, s.release, s.state, s.capacity, s.free,
           c.organisation_id, c.organisation_name, c.organisation_short, c.district,
           c.department_code, c.department_name, c.practitioner_id, c.practitioner_name,
           c.title, c.kind, c.room, c.fee_fen, c.latitude, c.longitude
      FROM booking.slot AS s
      JOIN booking.clinic AS c ON c.id = s.clinic_id
     WHERE s.id = ANY(%(ids)s)
"""


async def cards(db: Connection, ids: Collection[UUID]) -> list[Row]:
    """Return windows with what a card shows."""
    return await (await db.execute(CARDS, {"ids": list(ids)})).fetchall()


# A place that somebody had, or that a lottery left over, opens at a random moment: nobody is told
# which, or a script that reads it would be the first there.
OF_CLINIC = """
    SELECT s.id, s.clinic_id, s.starts_at, s.ends_at, s.state, s.release, s.capacity,
           CASE WHEN s.queue_until > %(now)s THEN s.queue_id END AS queue_id,
           count(p.number) FILTER (WHERE p.opens_at <= %(now)s) AS open,
           min(p.opens_at) FILTER (
               WHERE p.opens_at > %(now)s
                 AND NOT EXISTS (SELECT FROM booking.draw_slot AS d WHERE d.slot_id = s.id)
                 AND NOT EXISTS (SELECT FROM booking.booking AS b
                                  WHERE b.clinic_id = s.clinic_id AND b.starts_at = s.starts_at
                                    AND b.slot_id = s.id AND b.number = p.number)
           ) AS first_opens_at
      FROM booking.slot AS s
      LEFT JOIN booking.place AS p
             ON p.slot_id = s.id AND p.state = 'free' AND p.pool = ANY(%(pools)s::booking.pool[])
     WHERE s.clinic_id = ANY(%(clinics)s) AND s.starts_at >= %(from)s AND s.starts_at < %(to)s
     GROUP BY s.id
     ORDER BY s.starts_at
     LIMIT %(count)s
"""


async def of_clinics(
    db: Connection,
    clinics: Sequence[UUID],
    bounds: tuple[datetime, datetime],
    pools: Sequence[Pool],
    now: datetime,
    count: int,
) -> list[Row]:
    """Return all windows of clinics between two instants, full ones too, with open places.

    `first_opens_at`: when the first place that has not been released yet is; None: there is none.
    """
    parameters = {
        "clinics": list(clinics),
        "from": bounds[0],
        "to": bounds[1],
        "pools": [pool.value for pool in pools],
        "now": now,
        "count": count,
    }
    return await (await db.execute(OF_CLINIC, parameters)).fetchall()
