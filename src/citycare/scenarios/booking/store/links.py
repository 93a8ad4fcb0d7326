"""Everything that is published about clinics and windows, streamed from the server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

from psycopg.rows import dict_row

from citycare.kit.db import Connection, Row

BATCH = 1_000

ORGANISATIONS = """
    SELECT DISTINCT ON (organisation_id) organisation_id, organisation_name, district,
           latitude, longitude
      FROM booking.clinic WHERE active ORDER BY organisation_id
"""
CLINICS = """
    SELECT id, organisation_id, department_code, department_name, practitioner_name, title
      FROM booking.clinic WHERE active ORDER BY id
"""
SLOTS = """
    SELECT s.id, s.clinic_id, s.starts_at, s.ends_at,
           (SELECT count(*) FROM booking.place p
             WHERE p.slot_id = s.id AND p.state = 'free' AND p.pool = 'public'
               AND p.opens_at <= %(now)s) AS open
      FROM booking.slot AS s
     WHERE s.starts_at >= %(now)s AND s.starts_at < %(to)s AND s.state = 'open'
       AND s.release = 'first_come'
     ORDER BY s.starts_at, s.id
"""


async def organisations(db: Connection) -> AsyncIterator[Row]:
    """Yield each organisation that has clinics."""
    async with db.cursor("link_organisations", row_factory=dict_row) as cursor:
        cursor.itersize = BATCH
        await cursor.execute(ORGANISATIONS)
        async for row in cursor:
            yield row


async def clinics(db: Connection) -> AsyncIterator[Row]:
    """Yield each clinic."""
    async with db.cursor("link_clinics", row_factory=dict_row) as cursor:
        cursor.itersize = BATCH
        await cursor.execute(CLINICS)
        async for row in cursor:
            yield row


async def slots(db: Connection, now: datetime, to: datetime) -> AsyncIterator[Row]:
    """Yield the windows to come with their open public places."""
    async with db.cursor("link_slots", row_factory=dict_row) as cursor:
        cursor.itersize = BATCH
        await cursor.execute(SLOTS, {"now": now, "to": to})
        async for row in cursor:
            yield row
