"""Queues and tickets of first come."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from citycare.kit.db import Connection, Row, uuids
from citycare.scenarios.booking.model.queue import Ticket
from citycare.scenarios.booking.rules.queue import Held

# Windows of queued clinics that release public places soon and have had no queue yet. Who has had
# one keeps it, so this looks only at what is still to come.
COMING = """
    SELECT s.clinic_id, p.opens_at, array_agg(DISTINCT s.id) AS slots,
           min(c.queue_rate_per_s) AS rate_per_s
      FROM booking.clinic AS c
      JOIN booking.slot AS s ON s.clinic_id = c.id AND s.starts_at > %(now)s
      JOIN booking.place AS p ON p.slot_id = s.id
     WHERE c.queued AND c.active AND (%(clinic)s::uuid IS NULL OR c.id = %(clinic)s)
       AND s.queue_id IS NULL AND s.state = 'open' AND s.release = 'first_come'
       AND p.pool = 'public' AND p.opens_at > %(now)s AND p.opens_at <= %(until)s
     GROUP BY s.clinic_id, p.opens_at
"""
ADD = """
    INSERT INTO booking.queue (id, clinic_id, opens_at, ends_at, rate_per_s, use_s, gather_s,
                               advanced_at)
    SELECT q.id, q.clinic_id, q.opens_at, q.ends_at, q.rate_per_s, %(use_s)s, %(gather_s)s,
           q.opens_at
      FROM unnest(%(ids)s::uuid[], %(clinics)s::uuid[], %(opens)s::timestamptz[],
                  %(ends)s::timestamptz[], %(rates)s::int[])
           AS q (id, clinic_id, opens_at, ends_at, rate_per_s)
        ON CONFLICT (id) DO NOTHING
"""
MARK = """
    UPDATE booking.slot AS s SET queue_id = q.id, queue_until = q.ends_at
      FROM unnest(%(slots)s::uuid[], %(queues)s::uuid[]) AS m (slot_id, queue_id)
      JOIN booking.queue AS q ON q.id = m.queue_id
     WHERE s.id = m.slot_id AND s.queue_id IS NULL
"""


async def list_coming(
    db: Connection, now: datetime, until: datetime, clinic_id: UUID | None
) -> list[Row]:
    """Return the releases until an instant that want a queue: clinic, instant, windows, pace."""
    parameters = {"now": now, "until": until, "clinic": clinic_id}
    return await (await db.execute(COMING, parameters)).fetchall()


async def add(
    db: Connection,
    queues: Sequence[tuple[UUID, UUID, datetime, datetime, int]],
    *,
    use_s: int,
    gather_s: int,
) -> None:
    """Open queues (id, clinic, opening, end, people a second); a second time changes nothing."""
    parameters = {
        "ids": [id_ for id_, _, _, _, _ in queues],
        "clinics": [clinic for _, clinic, _, _, _ in queues],
        "opens": [opens for _, _, opens, _, _ in queues],
        "ends": [ends for _, _, _, ends, _ in queues],
        "rates": [rate for _, _, _, _, rate in queues],
        "use_s": use_s,
        "gather_s": gather_s,
    }
    await db.execute(ADD, parameters)


async def mark(db: Connection, windows: Sequence[tuple[UUID, UUID]]) -> None:
    """Put locked windows (slot, queue) under their queue."""
    slots, queues = [slot for slot, _ in windows], [queue for _, queue in windows]
    await db.execute(MARK, {"slots": slots, "queues": queues})


QUEUED = "UPDATE booking.clinic SET queued = %(queued)s WHERE id = %(clinic)s"
PACE = "UPDATE booking.clinic SET queue_rate_per_s = %(rate)s WHERE id = %(clinic)s"
PACE_OPEN = """
    UPDATE booking.queue SET rate_per_s = %(rate)s
     WHERE clinic_id = %(clinic)s AND ends_at > %(now)s
"""
HOW = "SELECT queued, queue_rate_per_s FROM booking.clinic WHERE id = %(clinic)s"
OF_CLINIC = """
    SELECT * FROM booking.queue
     WHERE clinic_id = %(clinic)s AND ends_at > %(now)s ORDER BY opens_at LIMIT 1
"""
TRY_LOCK = "SELECT * FROM booking.queue WHERE id = %(queue)s FOR UPDATE SKIP LOCKED"
OPEN = """
    SELECT q.id, q.opens_at,
           EXISTS (SELECT FROM booking.queue_ticket AS t
                    WHERE t.queue_id = q.id AND (t.position IS NULL
                       OR t.position > 0 AND t.admitted_at IS NULL)) AS waiting
      FROM booking.queue AS q
     WHERE q.ends_at > %(now)s
     ORDER BY q.advanced_at, q.id
"""


async def set_queued(db: Connection, clinic_id: UUID, *, queued: bool) -> None:
    """Say whether a clinic's releases go by queue; one that is open goes on."""
    await db.execute(QUEUED, {"clinic": clinic_id, "queued": queued})


async def set_pace(
    db: Connection, clinic_id: UUID, rate: int | None, now: datetime, usual: int
) -> None:
    """Say how many a second are let in, also to the queue that is open; None: as usual."""
    await db.execute(PACE, {"clinic": clinic_id, "rate": rate})
    await db.execute(PACE_OPEN, {"clinic": clinic_id, "rate": rate or usual, "now": now})


async def how(db: Connection, clinic_id: UUID) -> Row | None:
    """Return whether a clinic's releases go by queue, and its own pace if it has one."""
    return await (await db.execute(HOW, {"clinic": clinic_id})).fetchone()


async def of_clinic(db: Connection, clinic_id: UUID, now: datetime) -> Row | None:
    """Return the queue of a clinic that is open or about to be."""
    return await (await db.execute(OF_CLINIC, {"clinic": clinic_id, "now": now})).fetchone()


async def try_lock(db: Connection, queue_id: UUID) -> Row | None:
    """Return a queue for advancing it, or None while somebody else does."""
    return await (await db.execute(TRY_LOCK, {"queue": queue_id})).fetchone()


async def list_open(db: Connection, now: datetime) -> list[Row]:
    """Return the queues that are not over: id, opening, whether anybody waits in it."""
    return await (await db.execute(OPEN, {"now": now})).fetchall()


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
    SELECT q.*, t.person_id, t.second, t.tie, t.position, t.admitted_at, t.used_at
      FROM unnest(%(queues)s::uuid[], %(persons)s::uuid[]) AS a (queue_id, person_id)
      JOIN booking.queue_ticket AS t
             ON t.queue_id = a.queue_id AND t.person_id = a.person_id
      JOIN booking.queue AS q ON q.id = t.queue_id
"""


async def tickets_of(
    db: Connection, asked: Collection[tuple[UUID, UUID]]
) -> dict[tuple[UUID, UUID], Row]:
    """Return tickets by (queue, person), each with its queue; one statement for any number."""
    parameters = {
        "queues": uuids(queue for queue, _ in asked),
        "persons": uuids(person for _, person in asked),
    }
    cursor = await db.execute(TICKETS, parameters)
    return {(row["id"], row["person_id"]): row for row in await cursor.fetchall()}


def held_of(row: Row) -> Held:
    """Read from a row of `tickets_of` what counts when somebody books."""
    admitted_at = row["admitted_at"]
    until = admitted_at + timedelta(seconds=row["use_s"]) if admitted_at else None
    return Held(row["second"], until, row["used_at"] is not None)


RANK = """
    UPDATE booking.queue_ticket AS t SET position = %(ranked)s::int + r.position
      FROM (SELECT person_id, row_number() OVER (ORDER BY second, tie, person_id)::int AS position
              FROM booking.queue_ticket
             WHERE queue_id = %(queue)s AND position IS NULL AND second < %(second)s) AS r
     WHERE t.queue_id = %(queue)s AND t.person_id = r.person_id
"""
ROOM = """
    SELECT (SELECT count(*) FROM booking.slot AS s
              JOIN booking.place AS p ON p.slot_id = s.id
             WHERE s.clinic_id = %(clinic)s AND s.starts_at > %(now)s AND s.queue_id = %(queue)s
               AND s.state = 'open' AND p.state = 'free' AND p.pool = 'public'
               AND p.opens_at <= %(now)s)::int AS places_left,
           (SELECT count(*) FROM booking.queue_ticket
             WHERE queue_id = %(queue)s AND admitted_at > %(spent)s AND used_at IS NULL)::int
           AS choosing
"""
ADMIT = """
    UPDATE booking.queue_ticket SET admitted_at = %(now)s
     WHERE queue_id = %(queue)s AND position > %(after)s AND position <= %(to)s
       AND admitted_at IS NULL
"""
MOVE_ON = """
    UPDATE booking.queue
       SET ranked = %(ranked)s, ranked_to = %(second)s, admitted = %(admitted)s,
           places_left = %(places_left)s, choosing = %(choosing)s,
           advanced_at = %(advanced_at)s
     WHERE id = %(queue)s
"""


async def rank(db: Connection, queue_id: UUID, ranked: int, second: int) -> int:
    """Give positions after `ranked` to tickets of seconds that are over; return how many."""
    parameters = {"queue": queue_id, "ranked": ranked, "second": second}
    return (await db.execute(RANK, parameters)).rowcount


async def room(db: Connection, queue: Row, now: datetime) -> tuple[int, int]:
    """Return how many places are left in a queue's windows, and how many people are choosing."""
    parameters = {
        "queue": queue["id"],
        "clinic": queue["clinic_id"],
        "now": now,
        "spent": now - timedelta(seconds=queue["use_s"]),
    }
    row = await (await db.execute(ROOM, parameters)).fetchone()
    return (row["places_left"], row["choosing"]) if row else (0, 0)


async def move_on(
    db: Connection,
    queue: Row,
    *,
    ranked: int,
    admitted: int,
    places_left: int,
    choosing: int,
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
        "places_left": places_left,
        "choosing": choosing + admitted - queue["admitted"],
        "advanced_at": queue["advanced_at"] + used,
    }
    if admitted > queue["admitted"]:
        await db.execute(ADMIT, parameters)
    await db.execute(MOVE_ON, parameters)


SPEND = """
    UPDATE booking.queue_ticket AS t SET used_at = %(now)s
      FROM unnest(%(queues)s::uuid[], %(persons)s::uuid[]) AS a (queue_id, person_id)
     WHERE t.queue_id = a.queue_id AND t.person_id = a.person_id
       AND t.admitted_at IS NOT NULL AND t.used_at IS NULL
"""
FORGET_TICKETS = """
    DELETE FROM booking.queue_ticket WHERE queue_id IN (
        SELECT id FROM booking.queue WHERE ends_at < %(before)s)
"""
FORGET = """
    DELETE FROM booking.queue AS q
     WHERE q.ends_at < %(before)s
       AND NOT EXISTS (SELECT FROM booking.queue_ticket AS t WHERE t.queue_id = q.id)
"""


async def spend(db: Connection, tickets: Collection[tuple[UUID, UUID]], now: datetime) -> int:
    """Use tickets (queue, person) up; the guard lets each be used once. Return how many were."""
    parameters = {
        "queues": uuids(queue for queue, _ in tickets),
        "persons": uuids(person for _, person in tickets),
        "now": now,
    }
    return (await db.execute(SPEND, parameters)).rowcount


async def forget(db: Connection, before: datetime) -> int:
    """Delete queues that ended before an instant, with their tickets; return how many tickets."""
    count = (await db.execute(FORGET_TICKETS, {"before": before})).rowcount
    await db.execute(FORGET, {"before": before})
    return count
