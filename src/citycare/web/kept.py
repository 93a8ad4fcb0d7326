"""Forms kept while their writer signs in again: nothing typed is lost to an expired session.

The fields are sealed with the web key, belong to one browser, and are not found after an hour.
Then they are swept out, at most 200 at a time, when other forms are kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from citycare.kit import ids
from citycare.kit.db import Connection
from citycare.web.edge.seal import Sealer

LIFE = timedelta(hours=1)
PER_VISITOR_MAX = 5
SWEPT_MAX = 200


@dataclass(frozen=True, slots=True)
class KeptForm:
    """Where a form was going and what stood in it."""

    action: str
    fields: tuple[tuple[str, str], ...]


SWEEP = """
    DELETE FROM web.kept_form WHERE id IN (
        SELECT id FROM web.kept_form WHERE created_at < %(before)s
         ORDER BY created_at, id LIMIT %(most)s)
"""
CROWD = """
    DELETE FROM web.kept_form WHERE id IN (
        SELECT id FROM web.kept_form WHERE visitor_hash = %(visitor)s
         ORDER BY created_at DESC OFFSET %(keep)s)
"""
ADD = """
    INSERT INTO web.kept_form (id, visitor_hash, sealed, created_at)
    VALUES (%(id)s, %(visitor)s, %(sealed)s, %(now)s)
"""
GET = """
    SELECT sealed FROM web.kept_form
     WHERE id = %(id)s AND visitor_hash = %(visitor)s AND created_at >= %(before)s
"""


async def keep(
    db: Connection,
    sealer: Sealer,
    now: datetime,
    visitor: str,
    *,
    action: str,
    fields: Sequence[tuple[str, str]],
) -> UUID:
    """Keep a form for this browser; its oldest ones and stale ones of anybody go."""
    form_id = ids.new()
    parameters = {
        "id": form_id,
        "visitor": _hash(visitor),
        "sealed": sealer.seal(f"kept/{visitor}", [action, list(fields)], now, LIFE),
        "now": now,
        "before": now - LIFE,
        "keep": PER_VISITOR_MAX - 1,
        "most": SWEPT_MAX,
    }
    for statement in (SWEEP, CROWD, ADD):
        await db.execute(statement, parameters)
    return form_id


async def find(
    db: Connection, sealer: Sealer, now: datetime, visitor: str, form_id: UUID
) -> KeptForm | None:
    """Return a form kept for this browser, or None when it is gone."""
    parameters = {"id": form_id, "visitor": _hash(visitor), "before": now - LIFE}
    row = await (await db.execute(GET, parameters)).fetchone()
    value = row and sealer.open(f"kept/{visitor}", row["sealed"], now)
    if not value:
        return None
    return KeptForm(value[0], tuple((name, text) for name, text in value[1]))


def _hash(visitor: str) -> bytes:
    return hashlib.sha256(visitor.encode()).digest()
