"""Which booking a dialogue led to, as rows."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from citycare.kit.db import Connection

ADD = """
    INSERT INTO triage.led_to (booking_id, dialogue_id, created_at)
    SELECT %(booking)s, d.id, %(now)s FROM triage.dialogue AS d
     WHERE d.id = %(dialogue)s AND d.person_id = ANY(%(persons)s::uuid[])
        ON CONFLICT (booking_id) DO NOTHING
"""
FIND = "SELECT dialogue_id FROM triage.led_to WHERE booking_id = %(booking)s"


async def add(
    db: Connection, booking_id: UUID, dialogue_id: UUID, persons: list[UUID], now: datetime
) -> None:
    """Note that a dialogue led to a booking; nothing where it is about somebody else."""
    parameters = {"booking": booking_id, "dialogue": dialogue_id, "persons": persons, "now": now}
    await db.execute(ADD, parameters)


async def find(db: Connection, booking_id: UUID) -> UUID | None:
    """Return the dialogue that led to a booking."""
    row = await (await db.execute(FIND, {"booking": booking_id})).fetchone()
    return row["dialogue_id"] if row else None
