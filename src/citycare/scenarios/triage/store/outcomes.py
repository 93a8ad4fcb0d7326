"""What was found after dialogues, as rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row, dict_row

from citycare.kit.db import Connection
from citycare.scenarios.triage.model.outcome import Outcome, Tally, Waiting

WAITING = """
    SELECT d.id AS dialogue_id, d.person_id, d.age_years, d.created_at,
           ARRAY(SELECT e ->> 'code' FROM jsonb_array_elements(d.advice -> 'departments') e)
               AS departments
      FROM triage.dialogue d
      LEFT JOIN triage.outcome o ON o.dialogue_id = d.id
     WHERE d.person_id IS NOT NULL AND d.state <> 'stopped' AND o.diagnosis IS NULL
       AND d.created_at >= %(since)s AND (o.looked_at IS NULL OR o.looked_at < %(before)s)
     ORDER BY o.looked_at NULLS FIRST, d.created_at, d.id
     LIMIT %(count)s
"""
LOOKED = """
    INSERT INTO triage.outcome (dialogue_id, looked_at)
    SELECT unnest(%(ids)s::uuid[]), %(now)s
        ON CONFLICT (dialogue_id) DO UPDATE SET looked_at = excluded.looked_at
"""
FOUND = """
    UPDATE triage.outcome
       SET diagnosis = %(diagnosis)s, organisation = %(organisation)s,
           department_code = %(department_code)s, first_right = %(first_right)s,
           three_right = %(three_right)s
     WHERE dialogue_id = %(dialogue_id)s AND diagnosis IS NULL
"""
TALLIES = """
    SELECT date_trunc('month', d.created_at AT TIME ZONE 'Asia/Shanghai')::date AS month,
           d.department_code, o.organisation, count(*) AS count,
           count(*) FILTER (WHERE o.first_right) AS first_right,
           count(*) FILTER (WHERE o.three_right) AS three_right
      FROM triage.outcome o JOIN triage.dialogue d ON d.id = o.dialogue_id
     WHERE o.diagnosis IS NOT NULL AND d.created_at >= %(since)s
     GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""


async def find_waiting(
    db: Connection, since: datetime, before: datetime, count: int
) -> list[Waiting]:
    """Return dialogues of persons since an instant, not looked at after `before`."""
    async with db.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(WAITING, {"since": since, "before": before, "count": count})
        rows = await cursor.fetchall()
    return [Waiting(**{**row, "departments": tuple(row["departments"])}) for row in rows]


async def note_looked(db: Connection, dialogue_ids: Sequence[UUID], now: datetime) -> None:
    """Note that these were looked at, found or not."""
    await db.execute(LOOKED, {"ids": list(dialogue_ids), "now": now})


async def keep(db: Connection, found: Sequence[Outcome]) -> None:
    """Keep what was found; the first diagnosis stays."""
    for one in found:
        values = {name: getattr(one, name) for name in Outcome.__dataclass_fields__}
        await db.execute(FOUND, values)


async def list_tallies(db: Connection, since: datetime) -> list[Tally]:
    """Count outcomes by month, department and organisation."""
    async with db.cursor(row_factory=class_row(Tally)) as cursor:
        await cursor.execute(TALLIES, {"since": since})
        return await cursor.fetchall()
