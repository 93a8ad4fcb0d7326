"""The outbox: events written in the transaction of the change, and who has handled them.

Every guard here is one statement whose row count decides, so two workers holding the same job
cannot both do the work: the second waits for the first one's row and then finds it there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import orjson

from citycare.kernel.context import Context
from citycare.kernel.events import queue
from citycare.kernel.events.model import IDS_PER_JOB, Event, Handler
from citycare.kit.db import Connection, uuids

SUBSCRIBE = """
    INSERT INTO events.subscription (event, handler, since)
    SELECT event, handler, %(now)s FROM unnest(%(events)s::text[], %(handlers)s::text[])
        AS new (event, handler)
    ON CONFLICT DO NOTHING
"""


async def subscribe(cx: Context, handlers: Sequence[Handler]) -> None:
    """Make handlers known: from the commit on, they hear what is announced; again is harmless.

    Each worker does it when it starts. Before the first one ever has, everything announced is
    delivered. A handler that is no longer in the code stays subscribed: a few jobs find nobody.
    """
    parameters = {
        "events": [handler.event for handler in handlers],
        "handlers": [handler.name for handler in handlers],
        "now": cx.now,
    }
    await cx.db.execute(SUBSCRIBE, parameters)


# One statement, so that a pipeline need not wait in between: procrastinate's own function is given
# the delivery jobs, if anybody hears. A job nobody hears costs 4 ms all in all (measured).
# Lists go over in binary (%b): as text, psycopg takes 8 ms to quote 256 lines of JSON, not 0.2.
EMIT = """
    WITH added AS (
        INSERT INTO events.event (id, name, facts, at, request_id)
        SELECT id, name, facts::jsonb, %(now)s, %(request)s
          FROM unnest(%(ids)s::uuid[], %(names)b::text[], %(facts)b::text[])
               AS new (id, name, facts))
    SELECT procrastinate_defer_jobs_v1(ARRAY(
               SELECT ROW(%(queue)s, %(deliver)s, %(priority)s, NULL, NULL, args::jsonb, NULL
                         )::procrastinate_job_to_defer_v1
                 FROM unnest(%(jobs)b::text[]) AS args))
     WHERE EXISTS (SELECT FROM events.subscription WHERE event = ANY(%(kinds)b::text[]))
        OR NOT EXISTS (SELECT FROM events.subscription)
"""


async def emit(cx: Context, happened: Sequence[Event]) -> None:
    """Announce what happened, in the caller's transaction and one statement.

    Where handlers are subscribed, one job (per thousand events) delivers it to them. Nobody hears
    of it before the commit, and nobody at all after a rollback. Handlers hear of it at least once
    and do their work exactly once. Each handler is given the events of one list in its order as
    long as it does not fail; between lists no order is promised.
    """
    if not happened:
        return
    numbers = [event.id.hex for event in happened]
    parts = [numbers[i : i + IDS_PER_JOB] for i in range(0, len(numbers), IDS_PER_JOB)]
    await cx.db.execute(
        EMIT,
        {
            "ids": uuids(event.id for event in happened),
            "names": [event.name for event in happened],
            "facts": [orjson.dumps(event.facts).decode() for event in happened],
            "now": cx.now,
            "request": cx.request_id,
            "queue": queue.DEFAULT_QUEUE,
            "priority": queue.DEFAULT_PRIORITY,
            "deliver": queue.DELIVER,
            "jobs": [orjson.dumps({"ids": " ".join(part)}).decode() for part in parts],
            "kinds": list({event.name for event in happened}),
        },
    )


LOAD = "SELECT id, name, facts, at FROM events.event WHERE id = ANY(%(ids)s::uuid[])"

TRIED = "SELECT event_id, handler FROM events.handled WHERE event_id = ANY(%(ids)s::uuid[])"


async def load(db: Connection, ids: Sequence[str]) -> tuple[list[Event], set[tuple[UUID, str]]]:
    """Return events in the order of `ids`, and the pairs that need no first try any more."""
    rows = await (await db.execute(LOAD, {"ids": list(ids)})).fetchall()
    tried = await (await db.execute(TRIED, {"ids": list(ids)})).fetchall()
    found = {row["id"]: Event(row["name"], row["facts"], row["id"], row["at"]) for row in rows}
    asked = [UUID(one) for one in ids]
    return [found[one] for one in asked if one in found], {
        (row["event_id"], row["handler"]) for row in tried
    }


TAKE_PAIR = """
    INSERT INTO events.handled (event_id, handler, state, at)
    VALUES (%(event)s, %(handler)s, %(state)s, %(now)s)
    ON CONFLICT DO NOTHING
"""


async def take_pair(cx: Context, event: Event, handler: Handler) -> bool:
    """Claim the first try of a handler; False when it has been claimed before."""
    return await _pair(cx, TAKE_PAIR, event, handler, "done")


async def hand_on(cx: Context, event: Event, handler: Handler) -> int | None:
    """Give a pair whose first try failed a job of its own, once; return the job's number."""
    if not await _pair(cx, TAKE_PAIR, event, handler, "handed_on"):
        return None
    return await queue.defer(cx, queue.HANDLE, {"event": str(event.id), "handler": handler.name})


RETAKE_PAIR = """
    UPDATE events.handled SET state = %(state)s, at = %(now)s
     WHERE event_id = %(event)s AND handler = %(handler)s AND state = 'handed_on'
"""


async def retake_pair(cx: Context, event: Event, handler: Handler) -> bool:
    """Claim a further try of a pair that was handed on; False when it has been done."""
    return await _pair(cx, RETAKE_PAIR, event, handler, "done")


async def _pair(cx: Context, statement: Any, event: Event, handler: Handler, state: str) -> bool:
    cursor = await cx.db.execute(
        statement, {"event": event.id, "handler": handler.name, "state": state, "now": cx.now}
    )
    return cursor.rowcount == 1


TAKE_JOB = """
    INSERT INTO events.done (job_id, at) VALUES (%(job)s, %(now)s) ON CONFLICT DO NOTHING
"""


async def take_job(cx: Context, job_id: int) -> bool:
    """Claim a plain job; False when its work was committed before (its end got lost)."""
    cursor = await cx.db.execute(TAKE_JOB, {"job": job_id, "now": cx.now})
    return cursor.rowcount == 1
