"""Interviews as rows. JSON is written and read by the record's own reader: numbers keep places."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import dict_row

from citycare.kernel.fhir import dumps, loads
from citycare.kit.db import Connection
from citycare.scenarios.preconsult.model import By, Count, Interview, State

JSON = ("response", "provenance", "told", "sent", "sent_provenance")
PLAIN = (
    *("appointment_id", "person_id", "questionnaire", "state", "revision", "seconds"),
    *("answered_by", "created_at", "updated_at", "completed_at"),
)
COLUMNS = ", ".join((*PLAIN, *(f"{name}::text AS {name}" for name in JSON)))
ADD = """
    INSERT INTO preconsult.interview
           (appointment_id, person_id, questionnaire, state, revision, seconds, answered_by,
            created_at, updated_at, completed_at, response, provenance, told)
    VALUES (%(appointment_id)s, %(person_id)s, %(questionnaire)s, %(state)s, %(revision)s,
            %(seconds)s, %(answered_by)s, %(created_at)s, %(updated_at)s, %(completed_at)s,
            %(response)s::jsonb, %(provenance)s::jsonb, %(told)s::jsonb)
        ON CONFLICT (appointment_id) DO NOTHING
"""
FIND = f"SELECT {COLUMNS} FROM preconsult.interview WHERE appointment_id = %(appointment)s"
LOCK = FIND + " FOR UPDATE"
KEEP = """
    UPDATE preconsult.interview
       SET questionnaire = %(questionnaire)s, response = %(response)s::jsonb,
           provenance = %(provenance)s::jsonb, state = %(state)s, revision = %(revision)s,
           seconds = %(seconds)s, answered_by = %(answered_by)s, sent = %(sent)s::jsonb,
           sent_provenance = %(sent_provenance)s::jsonb, updated_at = %(updated_at)s,
           completed_at = %(completed_at)s
     WHERE appointment_id = %(appointment_id)s
"""
COUNT = """
    SELECT split_part(questionnaire, '|', 1) AS url, count(*) AS begun, count(sent) AS sent
      FROM preconsult.interview GROUP BY 1
"""


def _row(one: Interview) -> dict[str, Any]:
    values = {name: getattr(one, name) for name in PLAIN}
    written = {name: getattr(one, name) for name in JSON}
    return values | {
        name: None if value is None else dumps(dict(value)) for name, value in written.items()
    }


def _interview(row: dict[str, Any]) -> Interview:
    read = {name: None if row[name] is None else loads(row[name]) for name in JSON}
    return Interview(
        **{**row, **read, "state": State(row["state"]), "answered_by": By(row["answered_by"])}
    )


async def add(db: Connection, one: Interview) -> None:
    """Add an interview; where the visit has one by now, that stays (the first to begin wins)."""
    await db.execute(ADD, _row(one))


async def find(db: Connection, appointment_id: UUID, *, lock: bool = False) -> Interview | None:
    """Return a visit's interview, locked against another page saving at the same moment if asked.

    With the lock the second of two waits, then reads what the first has kept and adds to it.
    """
    async with db.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(LOCK if lock else FIND, {"appointment": appointment_id})
        row = await cursor.fetchone()
    return _interview(row) if row else None


async def keep(db: Connection, one: Interview) -> None:
    """Keep an interview. The row is locked by `find(lock=True)` in the same transaction."""
    await db.execute(KEEP, _row(one))


async def count(db: Connection) -> Sequence[Count]:
    """Count interviews by questionnaire, whatever its version."""
    async with db.cursor(row_factory=dict_row) as cursor:
        rows = await (await cursor.execute(COUNT)).fetchall()
    return [Count(row["url"], row["begun"], row["sent"]) for row in rows]


SAVED = """
    SELECT coalesce(sum(seconds_saved), 0) AS seconds
      FROM (SELECT DISTINCT ON (appointment_id) seconds_saved
              FROM preconsult.review WHERE decided_at >= %(since)s
             ORDER BY appointment_id, decided_at DESC, id) AS newest
"""


async def seconds_saved(db: Connection, since: datetime) -> int:
    """Add up what the newest review of each visit saved since an instant."""
    async with db.cursor(row_factory=dict_row) as cursor:
        row = await (await cursor.execute(SAVED, {"since": since})).fetchone()
    return int(row["seconds"]) if row else 0
