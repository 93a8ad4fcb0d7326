"""Queues and tickets of first come."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from citycare.kit.db import Connection, Row
from citycare.scenarios.booking.model.draw import Ticket

ADD = """
    INSERT INTO booking.queue (id, opens_at, rate_per_s, use_s, gather_s, advanced_at)
    VALUES (%(id)s, %(opens_at)s, %(rate)s, %(use_s)s, %(gather_s)s, %(opens_at)s)
        ON CONFLICT (id) DO NOTHING
"""
GET = "SELECT * FROM booking.queue WHERE id = %(queue)s"
TRY_LOCK = f"{GET} FOR UPDATE SKIP LOCKED"
OPEN = "SELECT id FROM booking.queue WHERE opens_at > %(since)s ORDER BY id LIMIT %(count)s"


async def add(
    db: Connection, queue_id: UUID, opens_at: datetime, rate_per_s: int, use_s: int, gather_s: int
) -> None:
    """Open a queue; a second time changes nothing."""
    parameters = {
        "id": queue_id,
        "opens_at": opens_at,
        "rate": rate_per_s,
        "use_s": use_s,
        "gather_s": gather_s,
    }
    await db.execute(ADD, parameters)


async def find(db: Connection, queue_id: UUID) -> Row | None:
    """Return a queue."""
    return await (await db.execute(GET, {"queue": queue_id})).fetchone()


async def try_lock(db: Connection, queue_id: UUID) -> Row | None:
    """Return a queue for advancing it, or None while somebody else does."""
    return await (await db.execute(TRY_LOCK, {"queue": queue_id})).fetchone()


async def list_open(db: Connection, since: datetime, count: int) -> list[UUID]:
    """Return the queues that opened after an instant, or will."""
    rows = await (await db.execute(OPEN, {"since": since, "count": count})).fetchall()
    return [row["id"] for row in rows]


JOIN = """
    INSERT INTO booking.queue_ticket AS t (queue_id, person_id, second, tie)
    SELECT %(queue)s, n.person_id, n.second, n.tie
      FROM unnest(%(persons)s::uuid[], %(seconds)s::bigint[], %(ties)s::bigint[])
           AS n (person_id, second, tie)
     ORDER BY n.person_id
        ON CONFLICT (queue_id, person_id) DO UPDATE
       SET second = excluded.second, tie = excluded.tie, position = NULL, admitted_at = NULL,
           used_at = NULL
     WHERE t.used_at IS NOT NULL OR t.admitted_at <= %(spent)s
"""


async def join(
    db: Connection, queue_id: UUID, tickets: Collection[Ticket], spent: datetime
) -> None:
    """Write tickets in one statement. Who has one keeps it, unless it is used or ran out.

    The primary key holds one ticket a person, however many devices ask; rows go in by person, so
    that two batches cannot wait for each other.
    """
    parameters = {
        "queue": queue_id,
        "persons": [ticket.person_id for ticket in tickets],
        "seconds": [ticket.second for ticket in tickets],
        "ties": [ticket.tie for ticket in tickets],
        "spent": spent,
    }
    await db.execute(JOIN, parameters)


TICKETS = """
    SELECT t.person_id, t.second, t.tie, t.position, t.admitted_at, t.used_at
      FROM booking.queue_ticket AS t
     WHERE t.queue_id = %(queue)s AND t.person_id = ANY(%(persons)s)
"""


async def tickets_of(db: Connection, queue_id: UUID, persons: Collection[UUID]) -> dict[UUID, Row]:
    """Return the tickets these persons have in a queue."""
    cursor = await db.execute(TICKETS, {"queue": queue_id, "persons": list(persons)})
    return {row["person_id"]: row for row in await cursor.fetchall()}


RANK = """
    UPDATE booking.queue_ticket AS t SET position = %(ranked)s::int + r.position
      FROM (SELECT person_id, row_number() OVER (ORDER BY second, tie, person_id)::int AS position
              FROM booking.queue_ticket
             WHERE queue_id = %(queue)s AND position IS NULL AND second < %(second)s) AS r
     WHERE t.queue_id = %(queue)s AND t.person_id = r.person_id
"""
ADMIT = """
    UPDATE booking.queue_ticket SET admitted_at = %(now)s
     WHERE queue_id = %(queue)s AND position > %(after)s AND position <= %(to)s
       AND admitted_at IS NULL
"""
MOVE_ON = """
    UPDATE booking.queue
       SET ranked = %(ranked)s, ranked_to = %(second)s, admitted = %(admitted)s,
           advanced_at = %(advanced_at)s
     WHERE id = %(queue)s
"""


async def rank(db: Connection, queue_id: UUID, ranked: int, second: int) -> int:
    """Give positions after `ranked` to tickets of seconds that are over; return how many."""
    parameters = {"queue": queue_id, "ranked": ranked, "second": second}
    return (await db.execute(RANK, parameters)).rowcount


async def move_on(
    db: Connection,
    queue: Row,
    *,
    ranked: int,
    admitted: int,
    used: timedelta,
    now: datetime,
) -> None:
    """Let people in up to a position, and note how far the queue is."""
    parameters = {
        "queue": queue["id"],
        "now": now,
        "after": queue["admitted"],
        "to": admitted,
        "ranked": ranked,
        "second": int(now.timestamp()),
        "admitted": admitted,
        "advanced_at": queue["advanced_at"] + used,
    }
    if admitted > queue["admitted"]:
        await db.execute(ADMIT, parameters)
    await db.execute(MOVE_ON, parameters)


SPEND = """
    UPDATE booking.queue_ticket SET used_at = %(now)s
     WHERE queue_id = %(queue)s AND person_id = ANY(%(persons)s)
       AND admitted_at IS NOT NULL AND used_at IS NULL
"""


async def spend(db: Connection, queue_id: UUID, persons: Sequence[UUID], now: datetime) -> int:
    """Use tickets up; the guard lets each be used once. Return how many were."""
    parameters = {"queue": queue_id, "persons": list(persons), "now": now}
    return (await db.execute(SPEND, parameters)).rowcount
