"""Dialogues as rows."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from citycare.kit.db import Connection
from citycare.scenarios.triage.model.dialogue import Answer, Dialogue, State
from citycare.scenarios.triage.model.entries import Urgency

COLUMNS = """id, person_id, account_id, text, age_years, sex, answers, advice, knowledge, urgency,
             department_code, state, channel, created_at, updated_at, history, proposed"""
ADD = f"""
    INSERT INTO triage.dialogue ({COLUMNS})
    VALUES (%(id)s, %(person_id)s, %(account_id)s, %(text)s, %(age_years)s, %(sex)s, %(answers)s,
            %(advice)s, %(knowledge)s, %(urgency)s, %(department_code)s, %(state)s, %(channel)s,
            %(created_at)s, %(updated_at)s, %(history)s,
            %(proposed)s)
"""
FIND = f"SELECT {COLUMNS} FROM triage.dialogue WHERE id = %(id)s"
LOCK = FIND + " FOR UPDATE"
KEEP = """
    UPDATE triage.dialogue
       SET answers = %(answers)s, advice = %(advice)s, knowledge = %(knowledge)s,
           urgency = %(urgency)s, department_code = %(department_code)s, state = %(state)s,
           updated_at = %(updated_at)s
     WHERE id = %(id)s
"""
FORGET = """
    DELETE FROM triage.dialogue
     WHERE id IN (SELECT id FROM triage.dialogue
                   WHERE person_id IS NULL AND updated_at < %(before)s
                   ORDER BY updated_at LIMIT %(count)s)
"""
LAST = f"""
    SELECT {COLUMNS} FROM triage.dialogue
     WHERE person_id = %(person)s AND created_at >= %(since)s
     ORDER BY created_at DESC LIMIT 1
"""


def _row(one: Dialogue) -> dict[str, Any]:
    values = {name: getattr(one, name) for name in Dialogue.__dataclass_fields__}
    values["answers"] = Jsonb([asdict(answer) for answer in one.answers])
    values["advice"] = Jsonb(dict(one.advice))
    values["history"] = Jsonb(list(one.history))
    values["proposed"] = Jsonb(list(one.proposed))
    return values


def _dialogue(row: dict[str, Any]) -> Dialogue:
    answers = tuple(
        Answer(one["question"], tuple(one["findings"]), tuple(one["yes"]), one["unsure"])
        for one in row["answers"]
    )
    made = {
        "answers": answers,
        "urgency": Urgency(row["urgency"]),
        "state": State(row["state"]),
        "history": tuple(row["history"]),
        "proposed": tuple(row["proposed"]),
    }
    return Dialogue(**{**row, **made})


async def add(db: Connection, one: Dialogue) -> None:
    """Add a dialogue."""
    await db.execute(ADD, _row(one))


async def find(db: Connection, dialogue_id: UUID, *, lock: bool = False) -> Dialogue | None:
    """Return a dialogue, locked against a second answer at the same moment if asked."""
    async with db.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(LOCK if lock else FIND, {"id": dialogue_id})
        row = await cursor.fetchone()
    return _dialogue(row) if row else None


async def keep(db: Connection, one: Dialogue) -> None:
    """Keep a turn. The row is locked by `find(lock=True)` in the same transaction."""
    await db.execute(KEEP, _row(one))


async def find_last(db: Connection, person_id: UUID, since: datetime) -> Dialogue | None:
    """Return a person's newest dialogue since an instant."""
    async with db.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(LAST, {"person": person_id, "since": since})
        row = await cursor.fetchone()
    return _dialogue(row) if row else None


async def forget(db: Connection, before: datetime, count: int) -> int:
    """Delete up to `count` dialogues of nobody that were last touched before an instant."""
    cursor = await db.execute(FORGET, {"before": before, "count": count})
    return cursor.rowcount
