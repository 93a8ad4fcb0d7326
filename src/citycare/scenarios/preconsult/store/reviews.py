"""What doctors decided and ordered, as rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import dict_row

from citycare.kit.db import Connection
from citycare.scenarios.preconsult.model import Review, State

NAMES = tuple(Review.__dataclass_fields__)
COLUMNS = ", ".join(NAMES)
VALUES = ", ".join(f"%({name})s" for name in NAMES)
ADD = f"""
    INSERT INTO preconsult.review ({COLUMNS}) VALUES ({VALUES})
        ON CONFLICT (id) DO NOTHING RETURNING id
"""
NEWEST = f"""
    SELECT {COLUMNS} FROM preconsult.review WHERE appointment_id = %(appointment)s
     ORDER BY decided_at DESC, id DESC LIMIT 1
"""
BY_ID = f"SELECT {COLUMNS} FROM preconsult.review WHERE id = %(id)s"
ORDER = """
    INSERT INTO preconsult.ordered (appointment_id, suggestion, test, account_id, ordered_at)
    SELECT %(appointment)s, wanted.suggestion, wanted.test, %(account)s, %(now)s
      FROM unnest(%(suggestions)s::text[], %(tests)s::text[]) AS wanted (suggestion, test)
        ON CONFLICT (appointment_id, suggestion, test) DO NOTHING
 RETURNING suggestion, test
"""
ORDERED = """
    SELECT suggestion, test FROM preconsult.ordered
     WHERE appointment_id = %(appointment)s ORDER BY ordered_at, suggestion, test
"""


def _review(row: dict[str, Any]) -> Review:
    return Review(**{**row, "decision": State(row["decision"])})


async def add(db: Connection, one: Review) -> bool:
    """Add a review; False: this very one is there already (the same form sent twice)."""
    values = {name: getattr(one, name) for name in NAMES}
    return await (await db.execute(ADD, values)).fetchone() is not None


async def find(db: Connection, review_id: UUID) -> Review | None:
    """Return a review by the key of its form."""
    async with db.cursor(row_factory=dict_row) as cursor:
        row = await (await cursor.execute(BY_ID, {"id": review_id})).fetchone()
    return _review(row) if row else None


async def find_newest(db: Connection, appointment_id: UUID) -> Review | None:
    """Return what holds now of a visit's reviews."""
    async with db.cursor(row_factory=dict_row) as cursor:
        row = await (await cursor.execute(NEWEST, {"appointment": appointment_id})).fetchone()
    return _review(row) if row else None


async def order(
    db: Connection,
    appointment_id: UUID,
    wanted: Sequence[tuple[str, str]],
    account_id: UUID | None,
    now: datetime,
) -> list[tuple[str, str]]:
    """Note (suggestion, test) as ordered; return those that were not yet: each is ordered once."""
    values = {
        "appointment": appointment_id,
        "suggestions": [one[0] for one in wanted],
        "tests": [one[1] for one in wanted],
        "account": account_id,
        "now": now,
    }
    rows = await (await db.execute(ORDER, values)).fetchall()
    return [(row["suggestion"], row["test"]) for row in rows]


async def list_ordered(db: Connection, appointment_id: UUID) -> list[tuple[str, str]]:
    """Return the (suggestion, test) ordered for a visit."""
    rows = await (await db.execute(ORDERED, {"appointment": appointment_id})).fetchall()
    return [(row["suggestion"], row["test"]) for row in rows]
