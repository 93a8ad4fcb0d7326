"""Which windows have filled or freed since the record was last told."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from citycare.kit.db import Connection, Row

CHANGED = """
    SELECT id, clinic_id, starts_at, ends_at, capacity, free
      FROM booking.slot
     WHERE state = 'open' AND has_free <> told_free AND starts_at > %(now)s
     ORDER BY starts_at, id
     LIMIT %(count)s
       FOR NO KEY UPDATE SKIP LOCKED
"""


async def take_changed(db: Connection, now: datetime, count: int) -> Sequence[Row]:
    """Return and lock windows to come of which the record says the wrong thing.

    A partial index holds just these. A window that somebody is booking at this moment is left for
    the next look: nobody waits for anybody. Locks go windows first, then the record, as in a stop,
    so the two cannot wait for each other in a circle.
    """
    return await (await db.execute(CHANGED, {"now": now, "count": count})).fetchall()


TOLD = "UPDATE booking.slot SET told_free = has_free WHERE id = ANY(%(slots)s)"


async def mark_told(db: Connection, slots: Collection[UUID]) -> None:
    """Note that the record now says of these locked windows what is so."""
    await db.execute(TOLD, {"slots": list(slots)})
