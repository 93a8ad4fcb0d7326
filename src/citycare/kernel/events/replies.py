"""Replies kept for requests that come twice (idempotency keys).

A client that got no answer sends the same request with the same key again; it gets the first
answer back and nothing happens twice. The reply is written in the transaction of the change.
Only successes are kept: a refusal may turn out otherwise the next time.

Source: IETF draft-ietf-httpapi-idempotency-key-header.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from citycare.kernel.context import Context
from citycare.kernel.events.model import KeyReused
from citycare.kit.db import Connection, uuids

ReplyKey = tuple[UUID, str]


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to one request of one account; `digest` is of the request's content."""

    account_id: UUID
    key: str
    digest: bytes
    status: int
    body: Any


FIND = """
    SELECT reply.account_id, reply.key, reply.digest, reply.status, reply.body
      FROM unnest(%(accounts)s::uuid[], %(keys)b::text[]) AS asked (account_id, key)
      JOIN events.reply USING (account_id, key)
"""


async def find_replies(db: Connection, asked: Sequence[ReplyKey]) -> dict[ReplyKey, Reply]:
    """Return the replies that are kept for these accounts and keys."""
    if not asked:
        return {}
    accounts, keys = zip(*asked, strict=True)
    # Planned each time (0.1 ms): a plan kept from when the table was small scans all of it later.
    parameters = {"accounts": uuids(accounts), "keys": list(keys)}
    rows = await db.execute(FIND, parameters, prepare=False)
    return {(row["account_id"], row["key"]): Reply(**row) for row in await rows.fetchall()}


def reply_to(
    found: Mapping[ReplyKey, Reply], account_id: UUID, key: str, digest: bytes
) -> Reply | None:
    """Return the kept reply to this very request, or None.

    Raises:
        KeyReused: the key came before with another content.
    """
    reply = found.get((account_id, key))
    if reply is not None and reply.digest != digest:
        raise KeyReused(key=key)
    return reply


KEEP = """
    INSERT INTO events.reply (account_id, key, digest, status, body, at)
    SELECT account_id, key, digest, status, body::json, %(now)s
      FROM unnest(%(accounts)s::uuid[], %(keys)b::text[], %(digests)b::bytea[],
                  %(statuses)b::smallint[], %(bodies)b::text[])
           AS new (account_id, key, digest, status, body)
     ORDER BY account_id, key
    ON CONFLICT DO NOTHING
"""


async def keep_replies(cx: Context, replies: Sequence[Reply]) -> int:
    """Keep replies in one statement; return how many of the keys were new.

    A key that was not came first in another transaction (or earlier in this list): what was done
    for it here must be undone. Keys are written in one order, so two batches with the same keys
    wait for each other and do not deadlock.
    """
    if not replies:
        return 0
    kept = await cx.db.execute(
        KEEP,
        {
            "accounts": uuids(reply.account_id for reply in replies),
            "keys": [reply.key for reply in replies],
            "digests": [reply.digest for reply in replies],
            "statuses": [reply.status for reply in replies],
            "bodies": [orjson.dumps(reply.body).decode() for reply in replies],
            "now": cx.now,
        },
    )
    return kept.rowcount


LOCK = "SELECT pg_advisory_xact_lock(2, hashtext(%(account)s || %(key)s))"


async def lock_key(cx: Context, key: str) -> None:
    """Let a repetition wait until the first has committed; it then finds the kept reply."""
    await cx.db.execute(LOCK, {"account": str(cx.actor.account_id), "key": key})
