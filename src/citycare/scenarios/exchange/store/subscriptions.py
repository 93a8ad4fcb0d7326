"""Statements on the feed, topics, subscriptions and their events.

`clock` never enters: each caller says what time it is. A subscription is worked on by whoever holds
its lease; every write of such a worker names the lease, so one that was thought dead changes
nothing any more.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.rows import class_row, kwargs_row

from citycare.kit.db import Connection
from citycare.scenarios.exchange.model.subscriptions import (
    Backlog,
    Event,
    Feed,
    Owner,
    Standing,
    State,
    Subscription,
    Topic,
)

FEED = "SELECT since::text, target::text, rid, plan FROM exchange.feed"
LOCK_FEED = f"{FEED} FOR UPDATE SKIP LOCKED"
MOVE = """
    UPDATE exchange.feed
       SET since = %(since)s::pg_snapshot, target = %(target)s::pg_snapshot, rid = %(rid)s
"""
REPLAN = "UPDATE exchange.feed SET plan = plan + 1 RETURNING plan"


async def peek_feed(db: Connection) -> Feed:
    """Return how far the record has been looked through."""
    async with db.cursor(row_factory=class_row(Feed)) as cursor:
        found = await (await cursor.execute(FEED)).fetchone()
    assert found is not None
    return found


async def lock_feed(db: Connection) -> Feed | None:
    """Take the feed till the end of the transaction; None while another worker has it."""
    async with db.cursor(row_factory=class_row(Feed)) as cursor:
        return await (await cursor.execute(LOCK_FEED.encode())).fetchone()


async def move_feed(db: Connection, since: str, target: str | None = None, rid: int = 0) -> None:
    """Write down how far the record has been looked through; the feed is locked by the caller."""
    await db.execute(MOVE, {"since": since, "target": target, "rid": rid})


async def replan(db: Connection) -> int:
    """Say that who is to be told of what has changed; return the number of the new plan.

    Waits for the feed, so whoever holds it goes first.
    """
    row = await (await db.execute(REPLAN)).fetchone()
    assert row is not None
    plan: int = row["plan"]
    return plan


PUT_TOPIC = """
    INSERT INTO exchange.topic (id, url) VALUES (%(id)s, %(url)s)
        ON CONFLICT (id) DO UPDATE SET url = excluded.url
"""
DROP_TOPIC = "DELETE FROM exchange.topic WHERE id = %(id)s"
TOPICS = """
    SELECT id, url FROM exchange.topic
     WHERE %(urls)s::text[] IS NULL OR url = ANY(%(urls)s::text[]) ORDER BY url, id
"""


async def put_topic(db: Connection, topic: Topic) -> None:
    """Keep that a Basic holds a topic."""
    await db.execute(PUT_TOPIC, {"id": topic.id, "url": topic.url})


async def drop_topic(db: Connection, basic_id: str) -> bool:
    """Forget a topic; False where the Basic held none."""
    return (await db.execute(DROP_TOPIC, {"id": basic_id})).rowcount > 0


async def list_topics(db: Connection, urls: Collection[str] | None = None) -> list[tuple[str, str]]:
    """Return (id of the Basic, URL) of all topics, or of those with these URLs."""
    asked = None if urls is None else list(urls)
    rows = await (await db.execute(TOPICS, {"urls": asked})).fetchall()
    return [(row["id"], row["url"]) for row in rows]


COLUMNS = """id, version, state, began_at, ends_at, heartbeat_s, numbered, delivered, failures,
    error, failing_at, due_at, told_at, lease"""

# What the client says anew begins anew: failures are forgotten, the lease is taken away from the
# worker that still calls the old address. Numbers go on: they never mean two things. What was not
# told when it was switched off is not told any more.
PUT = """
    INSERT INTO exchange.subscription AS s (id, version, state, began_at, ends_at, heartbeat_s,
                                            due_at)
    VALUES (%(id)s, %(version)s, %(state)s, %(now)s, %(ends_at)s, %(heartbeat_s)s, %(now)s)
        ON CONFLICT (id) DO UPDATE
       SET version = excluded.version, state = excluded.state, ends_at = excluded.ends_at,
           heartbeat_s = excluded.heartbeat_s, due_at = excluded.due_at,
           delivered = CASE s.state WHEN 'off' THEN s.numbered ELSE s.delivered END,
           failures = 0, error = '', failing_at = NULL, lease = NULL, leased_until = NULL
     WHERE s.version < excluded.version
"""
REFUSE = """
    INSERT INTO exchange.subscription AS s (id, version, state, began_at, due_at, error)
    VALUES (%(id)s, %(version)s, 'error', %(now)s, %(now)s, %(error)s)
        ON CONFLICT (id) DO UPDATE
       SET version = excluded.version, state = 'error', error = excluded.error,
           lease = NULL, leased_until = NULL
     WHERE s.version < excluded.version
"""
DROP = "DELETE FROM exchange.subscription WHERE id = %(id)s"
OWN = """
    INSERT INTO exchange.owner (subscription_id, account_id, organisation_id, app_id, types)
    VALUES (%(id)s, %(account)s, %(organisation)s, %(app)s, %(types)s)
        ON CONFLICT (subscription_id) DO UPDATE
       SET account_id = excluded.account_id, organisation_id = excluded.organisation_id,
           app_id = excluded.app_id, types = excluded.types
"""
OWNERS = """
    SELECT subscription_id, account_id, organisation_id, app_id, types FROM exchange.owner
     WHERE subscription_id = ANY(%(ids)s::text[])
"""


async def own(db: Connection, id_: str, owner: Owner) -> None:
    """Keep for whom a Subscription is stored; who stores it last, owns it."""
    parameters = {
        "id": id_,
        "account": owner.account_id,
        "organisation": owner.organisation_id,
        "app": owner.app_id,
        "types": None if owner.types is None else sorted(owner.types),
    }
    await db.execute(OWN, parameters)


async def find_owners(db: Connection, ids: Collection[str]) -> dict[str, Owner]:
    """Return for whom Subscriptions were stored, by id; those of nobody are left out."""
    rows = await (await db.execute(OWNERS, {"ids": list(ids)})).fetchall()
    return {row.pop("subscription_id"): _owner(**row) for row in rows}


def _owner(**row: Any) -> Owner:
    types = row["types"]
    return Owner(**row | {"types": None if types is None else frozenset(types)})


OWNED = """
    SELECT count(*) AS owned FROM exchange.owner AS o
      JOIN exchange.subscription AS s ON s.id = o.subscription_id AND s.state <> 'off'
     WHERE o.account_id = %(account)s AND s.id <> %(id)s
"""


async def count_owned(db: Connection, account_id: UUID, but: str) -> int:
    """Count the subscriptions of an account that are not off, but for one."""
    row = await (await db.execute(OWNED, {"account": account_id, "id": but})).fetchone()
    assert row is not None
    owned: int = row["owned"]
    return owned


async def put(db: Connection, subscription: Subscription, now: datetime) -> bool:
    """Keep what a client has asked for; False where this version stands here already.

    The status that the server itself writes comes through the feed too, and is left out so.
    """
    parameters = {
        "id": subscription.id,
        "version": subscription.version,
        "state": subscription.status,
        "ends_at": subscription.ends_at,
        "heartbeat_s": subscription.heartbeat_s,
        "now": now,
    }
    return (await db.execute(PUT, parameters)).rowcount > 0


async def refuse(db: Connection, id_: str, version: int, error: str, now: datetime) -> bool:
    """Keep that a version of a Subscription cannot be served; False where it stands here."""
    parameters = {"id": id_, "version": version, "error": error, "now": now}
    return (await db.execute(REFUSE, parameters)).rowcount > 0


async def drop(db: Connection, id_: str) -> bool:
    """Forget a subscription and what it has not been told; False where there is none."""
    return (await db.execute(DROP, {"id": id_})).rowcount > 0


def _standing(**row: Any) -> Standing:
    return Standing(**row | {"state": State(row["state"])})


GET = f"""
    SELECT {COLUMNS} FROM exchange.subscription
     WHERE (%(ids)s::text[] IS NULL OR id = ANY(%(ids)s::text[]))
       AND (%(states)s::text[] IS NULL OR state = ANY(%(states)s::text[]))
       AND id > %(after)s
     ORDER BY id LIMIT %(limit)s
"""
LOCK = f"SELECT {COLUMNS} FROM exchange.subscription WHERE id = %(id)s FOR UPDATE"
LIST_MAX = 100_000


async def find(
    db: Connection,
    ids: Collection[str] | None = None,
    states: Collection[str] | None = None,
    limit: int = LIST_MAX,
    after: str = "",
) -> list[Standing]:
    """Return subscriptions in the order of ids, after one; None: of any id, in any state."""
    parameters = {
        "ids": None if ids is None else list(ids),
        "states": None if states is None else list(states),
        "limit": limit,
        "after": after,
    }
    async with db.cursor(row_factory=kwargs_row(_standing)) as cursor:
        return await (await cursor.execute(GET.encode(), parameters)).fetchall()


async def lock(db: Connection, id_: str) -> Standing | None:
    """Return one subscription, which stays so till the end of the transaction."""
    async with db.cursor(row_factory=kwargs_row(_standing)) as cursor:
        return await (await cursor.execute(LOCK.encode(), {"id": id_})).fetchone()


# The update locks the rows of the subscriptions; whoever delivers locks one of them at a time.
ADD = """
    WITH new AS (
        SELECT * FROM unnest(%(subscriptions)s::text[], %(types)s::text[], %(ids)s::text[],
                             %(versions)s::integer[], %(interactions)s::text[],
                             %(sizes)s::integer[], %(ats)s::timestamptz[])
               WITH ORDINALITY AS n (subscription_id, type, resource_id, version, interaction, size,
                                     at, place)),
    counted AS (SELECT subscription_id, count(*) AS events FROM new GROUP BY subscription_id),
    numbered AS (
        UPDATE exchange.subscription AS s SET numbered = s.numbered + c.events
          FROM counted AS c WHERE s.id = c.subscription_id AND s.state <> 'off'
     RETURNING s.id, s.numbered - c.events AS before)
    INSERT INTO exchange.event (subscription_id, number, type, resource_id, version, interaction,
                                size, at)
    SELECT new.subscription_id,
           numbered.before + row_number() OVER (PARTITION BY new.subscription_id ORDER BY place),
           type, resource_id, version, interaction, size, at
      FROM new JOIN numbered ON numbered.id = new.subscription_id
"""


async def add_events(db: Connection, events: Sequence[tuple[str, Event]]) -> None:
    """Number events (subscription, event) in their order and keep them, in one statement.

    The numbers the events come with count for nothing: their subscription has the next.
    """
    if not events:
        return
    parameters = {
        "subscriptions": [id_ for id_, _ in events],
        "types": [event.type for _, event in events],
        "ids": [event.resource_id for _, event in events],
        "versions": [event.version for _, event in events],
        "interactions": [event.interaction for _, event in events],
        "sizes": [event.size for _, event in events],
        "ats": [event.at for _, event in events],
    }
    await db.execute(ADD, parameters)


EVENTS = """
    WITH few AS (
        SELECT number, type, resource_id, version, interaction, size, at FROM exchange.event
         WHERE subscription_id = %(id)s AND number > %(after)s AND number <= %(until)s
         ORDER BY number LIMIT %(count)s),
    summed AS (SELECT *, sum(size) OVER (ORDER BY number) AS bytes FROM few)
    SELECT number, type, resource_id, version, interaction, size, at FROM summed
     WHERE %(bytes)s::bigint IS NULL OR bytes <= %(bytes)s OR bytes = size
     ORDER BY number
"""


async def list_events(
    db: Connection, id_: str, *, after: int, until: int, count: int, bytes_max: int | None = None
) -> list[Event]:
    """Return events of a subscription, those with numbers above `after`, up to `until`.

    With `bytes_max`, no more than what fits into it, of the first in any case.
    """
    parameters = {"id": id_, "after": after, "until": until, "count": count, "bytes": bytes_max}
    async with db.cursor(row_factory=class_row(Event)) as cursor:
        return await (await cursor.execute(EVENTS, parameters)).fetchall()


CLAIM = f"""
    UPDATE exchange.subscription AS s SET lease = gen_random_uuid(), leased_until = %(until)s
     WHERE id IN (
           SELECT id FROM exchange.subscription
            WHERE state IN ('requested', 'active') AND due_at <= %(now)s
              AND (leased_until IS NULL OR leased_until < %(now)s)
              AND (state = 'requested' OR numbered > delivered OR ends_at <= %(now)s
                   OR coalesce(told_at, began_at) + heartbeat_s * interval '1 s' <= %(now)s)
            ORDER BY due_at LIMIT %(count)s FOR UPDATE SKIP LOCKED)
 RETURNING {COLUMNS}
"""
EXTEND = """
    UPDATE exchange.subscription SET leased_until = %(until)s
     WHERE id = %(id)s AND lease = %(lease)s
"""
TOLD = f"""
    UPDATE exchange.subscription
       SET delivered = greatest(delivered, %(delivered)s), told_at = %(now)s,
           failures = 0, error = '', failing_at = NULL, leased_until = %(until)s
     WHERE id = %(id)s AND lease = %(lease)s
 RETURNING {COLUMNS}
"""
RELEASE = """
    UPDATE exchange.subscription SET lease = NULL, leased_until = NULL, due_at = %(now)s
     WHERE id = %(id)s AND lease = %(lease)s
"""
FAILED = """
    UPDATE exchange.subscription
       SET failures = failures + 1, error = %(error)s, due_at = %(due_at)s,
           failing_at = coalesce(failing_at, %(now)s), lease = NULL, leased_until = NULL
     WHERE id = %(id)s AND lease = %(lease)s
"""
SET_STATE = """
    UPDATE exchange.subscription
       SET state = %(state)s, version = %(version)s, error = %(error)s, due_at = %(now)s,
           lease = NULL, leased_until = NULL
     WHERE id = %(id)s
"""
CLEAR = """
    UPDATE exchange.subscription SET failures = 0, error = '', failing_at = NULL, told_at = %(now)s
     WHERE id = %(id)s
"""


async def claim(db: Connection, now: datetime, lease: timedelta, count: int) -> list[Standing]:
    """Take subscriptions that have something to be told and are nobody's, the longest due first."""
    parameters = {"now": now, "until": now + lease, "count": count}
    async with db.cursor(row_factory=kwargs_row(_standing)) as cursor:
        return await (await cursor.execute(CLAIM.encode(), parameters)).fetchall()


async def extend(db: Connection, standing: Standing, until: datetime) -> bool:
    """Keep a lease for longer; False where it is lost."""
    parameters = {"id": standing.id, "lease": standing.lease, "until": until}
    return (await db.execute(EXTEND, parameters)).rowcount > 0


async def told(
    db: Connection, standing: Standing, delivered: int, now: datetime, until: datetime
) -> Standing | None:
    """Write down that a receiver took all events up to a number; None where the lease is lost."""
    parameters = {"id": standing.id, "lease": standing.lease, "delivered": delivered,
                  "now": now, "until": until}  # fmt: skip
    async with db.cursor(row_factory=kwargs_row(_standing)) as cursor:
        return await (await cursor.execute(TOLD.encode(), parameters)).fetchone()


async def release(db: Connection, standing: Standing, now: datetime) -> None:
    """Give a subscription back; others that have waited for longer come first."""
    await db.execute(RELEASE, {"id": standing.id, "lease": standing.lease, "now": now})


async def failed(
    db: Connection, standing: Standing, error: str, now: datetime, due_at: datetime
) -> bool:
    """Write down a failure, and when to try again; False where the lease is lost."""
    parameters = {"id": standing.id, "lease": standing.lease, "error": error, "now": now,
                  "due_at": due_at}  # fmt: skip
    return (await db.execute(FAILED, parameters)).rowcount > 0


async def set_state(
    db: Connection, id_: str, state: str, version: int, error: str, now: datetime
) -> None:
    """Write a state down, with the version of the record that says it; the row is locked."""
    parameters = {"id": id_, "state": state, "version": version, "error": error, "now": now}
    await db.execute(SET_STATE, parameters)


async def clear(db: Connection, id_: str, now: datetime) -> None:
    """Forget the failures: the receiver has answered."""
    await db.execute(CLEAR, {"id": id_, "now": now})


STATES = """
    SELECT state, count(*) AS count, coalesce(sum(numbered - delivered), 0)::bigint AS events
      FROM exchange.subscription GROUP BY state
"""
OLDEST = """
    SELECT min(e.at) AS at FROM exchange.subscription AS s
      JOIN exchange.event AS e ON e.subscription_id = s.id AND e.number = s.delivered + 1
     WHERE s.numbered > s.delivered AND s.state <> 'off'
"""


async def backlog(db: Connection) -> Backlog:
    """Count what has not been told yet."""
    rows = await (await db.execute(STATES)).fetchall()
    oldest = await (await db.execute(OLDEST)).fetchone()
    return Backlog(
        sum(row["events"] for row in rows if row["state"] != State.OFF),
        oldest["at"] if oldest is not None else None,
        {row["state"]: row["count"] for row in rows},
    )


LONG_FAILING = """
    SELECT id FROM exchange.subscription
     WHERE state = 'error' AND coalesce(failing_at, due_at) < %(before)s ORDER BY id
"""
ENDED_IN_ERROR = """
    SELECT id FROM exchange.subscription WHERE state = 'error' AND ends_at <= %(now)s ORDER BY id
"""
PURGE = """
    DELETE FROM exchange.event AS e USING exchange.subscription AS s
     WHERE s.id = e.subscription_id
       AND (e.at < %(before)s AND e.number <= s.delivered OR s.state = 'off')
"""


async def list_given_up(db: Connection, now: datetime, before: datetime) -> list[str]:
    """Return subscriptions in error since before an instant, or past their end."""
    long = await (await db.execute(LONG_FAILING, {"before": before})).fetchall()
    ended = await (await db.execute(ENDED_IN_ERROR, {"now": now})).fetchall()
    return sorted({row["id"] for row in (*long, *ended)})


async def purge(db: Connection, before: datetime) -> int:
    """Forget events told long ago, and all of subscriptions that are off; return how many."""
    return (await db.execute(PURGE, {"before": before})).rowcount
