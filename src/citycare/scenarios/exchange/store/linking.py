"""Statements on how far the record has been looked through for Patients that are somebody known."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg.rows import class_row

from citycare.kit.db import Connection

MARK = "SELECT since::text, target::text, rid FROM exchange.linking"
LOCK_MARK = f"{MARK} FOR UPDATE SKIP LOCKED"
MOVE = """
    UPDATE exchange.linking
       SET since = %(since)s::pg_snapshot, target = %(target)s::pg_snapshot, rid = %(rid)s
"""


@dataclass(frozen=True, slots=True)
class Mark:
    """How far it is; see migration 0026. `since`: None where nothing has been looked at."""

    since: str | None
    target: str | None
    rid: int


async def peek_mark(db: Connection) -> Mark:
    """Return how far the record has been looked through."""
    async with db.cursor(row_factory=class_row(Mark)) as cursor:
        found = await (await cursor.execute(MARK)).fetchone()
    assert found is not None
    return found


async def lock_mark(db: Connection) -> Mark | None:
    """Take the mark till the end of the transaction; None while another worker has it."""
    async with db.cursor(row_factory=class_row(Mark)) as cursor:
        return await (await cursor.execute(LOCK_MARK.encode())).fetchone()


async def move_mark(
    db: Connection, since: str | None, target: str | None = None, rid: int = 0
) -> None:
    """Write down how far it is; the mark is locked by the caller."""
    await db.execute(MOVE, {"since": since, "target": target, "rid": rid})
