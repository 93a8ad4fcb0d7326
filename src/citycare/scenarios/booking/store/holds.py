"""Pauses after no-shows, appeals, and messages to people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import orjson
from psycopg.rows import class_row

from citycare.kit import ids
from citycare.kit.db import Connection, Row
from citycare.scenarios.booking.model.core import Hold

ADD = """
    INSERT INTO booking.hold (id, person_id, starts_at, ends_at, no_shows)
    VALUES (%(id)s, %(person_id)s, %(starts_at)s, %(ends_at)s, %(no_shows)s)
"""


async def add(db: Connection, hold: Hold) -> None:
    """Pause a person."""
    await db.execute(ADD, {name: getattr(hold, name) for name in Hold.__dataclass_fields__})


COLUMNS = """id, person_id, starts_at, ends_at, no_shows, appeal, appealed_at, decision,
    decision_reason"""
CURRENT = f"""
    SELECT {COLUMNS} FROM booking.hold
     WHERE person_id = %(person)s AND ends_at > %(now)s AND decision IS DISTINCT FROM 'lifted'
     ORDER BY ends_at DESC LIMIT 1
"""


async def current(db: Connection, person_id: UUID, now: datetime) -> Hold | None:
    """Return a person's pause in force, or None."""
    async with db.cursor(row_factory=class_row(Hold)) as cursor:
        await cursor.execute(CURRENT, {"person": person_id, "now": now})
        return await cursor.fetchone()


APPEAL = """
    UPDATE booking.hold SET appeal = %(text)s, appealed_at = %(now)s
     WHERE id = %(id)s AND decision IS NULL
 RETURNING person_id
"""


async def appeal(db: Connection, hold_id: UUID, text: str, now: datetime) -> UUID | None:
    """Note an appeal; return whose, or None when it was decided already."""
    row = await (await db.execute(APPEAL, {"id": hold_id, "text": text, "now": now})).fetchone()
    return row["person_id"] if row else None


DECIDE = """
    UPDATE booking.hold
       SET decision = %(decision)s, decision_reason = %(reason)s, decided_by = %(by)s,
           decided_at = %(now)s
     WHERE id = %(id)s AND decision IS NULL
 RETURNING person_id
"""


async def decide(
    db: Connection, hold_id: UUID, decision: str, reason: str, by: UUID | None, now: datetime
) -> UUID | None:
    """Lift or keep a pause; return whose, or None when it was decided already."""
    parameters = {"id": hold_id, "decision": decision, "reason": reason, "by": by, "now": now}
    row = await (await db.execute(DECIDE, parameters)).fetchone()
    return row["person_id"] if row else None


APPEALS = f"""
    SELECT {COLUMNS} FROM booking.hold
     WHERE appeal IS NOT NULL AND decision IS NULL ORDER BY appealed_at LIMIT %(count)s
"""


async def open_appeals(db: Connection, count: int) -> list[Hold]:
    """Return appeals that wait for a decision, oldest first."""
    async with db.cursor(row_factory=class_row(Hold)) as cursor:
        await cursor.execute(APPEALS, {"count": count})
        return await cursor.fetchall()


TELL = """
    INSERT INTO booking.message (id, person_id, kind, facts, created_at)
    SELECT * FROM unnest(%(ids)s::uuid[], %(persons)s::uuid[], %(kinds)s::text[],
                         %(facts)s::jsonb[], %(at)s::timestamptz[])
"""


async def tell(
    db: Connection, messages: Sequence[tuple[UUID, str, Mapping[str, object]]], now: datetime
) -> None:
    """Leave messages (person, kind, facts) in people's boxes, in one statement."""
    parameters = {
        "ids": [ids.new() for _ in messages],
        "persons": [person for person, _, _ in messages],
        "kinds": [kind for _, kind, _ in messages],
        "facts": [orjson.dumps(facts, default=str).decode() for _, _, facts in messages],
        "at": [now] * len(messages),
    }
    await db.execute(TELL, parameters)


MESSAGES = """
    SELECT id, kind, facts, created_at, read_at FROM booking.message
     WHERE person_id = %(person)s ORDER BY created_at DESC, id DESC LIMIT %(count)s
"""
READ = """
    UPDATE booking.message SET read_at = %(now)s WHERE person_id = %(person)s AND read_at IS NULL
"""


async def messages(db: Connection, person_id: UUID, count: int) -> list[Row]:
    """Return a person's newest messages."""
    return await (await db.execute(MESSAGES, {"person": person_id, "count": count})).fetchall()


async def mark_read(db: Connection, person_id: UUID, now: datetime) -> None:
    """Note that a person has seen their messages."""
    await db.execute(READ, {"person": person_id, "now": now})
