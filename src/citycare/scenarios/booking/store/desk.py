"""What the window clerk sees: places that can be given now, and a person's bookings here."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from psycopg import sql

from citycare.kit.db import Connection, Row
from citycare.scenarios.booking.model.core import Pool

OFFERS = """
    SELECT s.id, s.clinic_id, s.starts_at, s.ends_at, p.pool, p.open, c.organisation_id,
           c.organisation_short, c.department_code, c.department_name, c.practitioner_id,
           c.practitioner_name, c.title, c.room, c.fee_fen
      FROM booking.slot AS s
      JOIN booking.clinic AS c ON c.id = s.clinic_id
      JOIN LATERAL (
           SELECT f.pool::text AS pool, count(*) AS open
             FROM booking.place AS f
            WHERE f.slot_id = s.id AND f.state = 'free' AND f.opens_at <= %(now)s
              AND f.pool = ANY(%(pools)s::booking.pool[])
              AND (s.release <> 'draw' OR f.pool <> 'public')
              AND (f.pool <> 'onsite' OR s.starts_at < %(tomorrow)s)
            GROUP BY f.pool
            ORDER BY array_position(%(pools)s::text[], f.pool::text)
            LIMIT 1) AS p ON true
     WHERE s.organisation_id = %(organisation)s AND s.has_free AND s.state = 'open'
       AND s.starts_at > %(from)s AND s.starts_at < %(to)s AND {filters}
     ORDER BY s.starts_at, s.id
     LIMIT %(count)s
"""
ANY_CLINIC = sql.SQL("true")
OF_CLINICS = sql.SQL("s.clinic_id = ANY(%(clinics)s)")


async def offers(
    db: Connection,
    organisation_id: UUID,
    pools: Sequence[Pool],
    span: tuple[datetime, datetime],
    *,
    now: datetime,
    tomorrow: datetime,
    clinics: Collection[UUID] | None = None,
    count: int,
) -> list[Row]:
    """Return windows with a place open now in the first of these pools that has one, by time.

    `tomorrow` ends the day on which on-site places may be given.
    """
    filters = OF_CLINICS if clinics is not None else ANY_CLINIC
    parameters = {
        "organisation": organisation_id,
        "pools": [str(pool) for pool in pools],
        "from": max(span[0], now),
        "to": span[1],
        "now": now,
        "tomorrow": tomorrow,
        "clinics": list(clinics or ()),
        "count": count,
    }
    return await (await db.execute(sql.SQL(OFFERS).format(filters=filters), parameters)).fetchall()


HERE = """
    SELECT b.id, b.slot_id, b.number, b.pool, b.state, b.starts_at, b.source, b.channel,
           b.clinic_id, s.ends_at, c.department_name, c.practitioner_name, c.title, c.room,
           c.organisation_short
      FROM booking.booking AS b
      JOIN booking.slot AS s ON s.id = b.slot_id
      JOIN booking.clinic AS c ON c.id = b.clinic_id
     WHERE b.person_id = ANY(%(known_as)s) AND b.organisation_id = %(organisation)s
       AND b.state <> 'moved' AND b.starts_at > %(since)s
     ORDER BY b.state NOT IN ('booked', 'arrived'), abs(extract(epoch FROM b.starts_at - %(now)s))
     LIMIT %(count)s
"""


async def bookings_here(
    db: Connection,
    known_as: Collection[UUID],
    organisation_id: UUID,
    *,
    since: datetime,
    now: datetime,
    count: int,
) -> list[Row]:
    """Return a person's bookings in one organisation: open ones first, then what lies nearest."""
    parameters = {
        "known_as": list(known_as),
        "organisation": organisation_id,
        "since": since,
        "now": now,
        "count": count,
    }
    return await (await db.execute(HERE, parameters)).fetchall()


HELD_IN = """
    SELECT id FROM booking.booking
     WHERE person_id = %(person)s AND slot_id = %(slot)s AND state IN ('booked', 'arrived')
"""


async def held_in(db: Connection, person_id: UUID, slot_id: UUID) -> UUID | None:
    """Return the booking a person already holds in a window, if any."""
    row = await (await db.execute(HELD_IN, {"person": person_id, "slot": slot_id})).fetchone()
    return row["id"] if row else None
