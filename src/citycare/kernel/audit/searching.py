"""Searching the trail, for whoever reviews it and for the person it is about."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from citycare.kernel.audit.model import EPOCH, MICROSECOND, Checkpoint, Seen, micros
from citycare.kernel.audit.trail import seen_of
from citycare.kernel.context import Context
from citycare.kit.pages import PAGE_MAX, Page, encode, read


@dataclass(frozen=True, slots=True)
class Found:
    """One entry as it reads, with the very line that is hashed and its hash."""

    seen: Seen
    line: str
    hash: bytes


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for; what is left out does not narrow. Without persons, give a span.

    `persons`: all ids of one person. `not_by`, `not_actions`: what to leave out; what an app does
    by an account in `not_by` is not left out, it is not that person.
    """

    persons: Collection[UUID] | None = None
    account: UUID | None = None
    record: str = ""
    action: str = ""
    outcome: str = ""
    since: datetime | None = None
    until: datetime | None = None
    not_by: Collection[UUID] = ()
    not_actions: Collection[str] = ()


# A line is canonical JSON (keys sorted, no spaces), so account and record are found as text, some
# ten times faster than by parsing each line. "account" is always its first key.
COLUMNS = "lane, seq, line, hash, at_us"
BY_WHAT = """
       AND (%(account)s::text IS NULL OR starts_with(line, '{"account":"' || %(account)s || '"'))
       AND (%(record)s::text IS NULL OR strpos(line, '"record":"' || %(record)s || '"') > 0)
       AND (%(action)s::text IS NULL OR action = %(action)s)
       AND (%(outcome)s::text IS NULL OR strpos(line, '"outcome":"' || %(outcome)s || '"') > 0)
       AND (%(since)s::bigint IS NULL OR at_us >= %(since)s)
       AND (%(until)s::bigint IS NULL OR at_us < %(until)s)
       AND NOT (left(line, 49) = ANY(%(not_by)s::text[]) AND strpos(line, '"app_id":"') = 0)
       AND NOT (action = ANY(%(not_actions)s::text[]))
       AND (%(at)s::bigint IS NULL
            OR (at_us, lane, seq) < (%(at)s::bigint, %(lane)s::bigint, %(seq)s::bigint))
     ORDER BY at_us DESC, lane DESC, seq DESC
     LIMIT %(limit)s
"""
ABOUT = f"SELECT {COLUMNS} FROM audit.entry WHERE person_id = ANY(%(persons)s::uuid[]) {BY_WHAT}"
ANYBODY = f"SELECT {COLUMNS} FROM audit.entry WHERE true {BY_WHAT}"
ONE = f"SELECT {COLUMNS} FROM audit.entry WHERE lane = %(lane)s AND seq = %(seq)s"


async def search(
    cx: Context, query: Query, before: str | None = None, limit: int = 50
) -> Page[Found]:
    """Return entries, newest first; `before` is a page's `next`. The caller asks consent first.

    Raises:
        TokenBroken: `before` is not ours.
    """
    limit = max(1, min(limit, PAGE_MAX))
    at, lane, seq = read(before, int, int, int) if before else (None, None, None)
    parameters = {
        "persons": list(query.persons or ()),
        "account": str(query.account) if query.account else None,
        "record": query.record or None,
        "action": query.action or None,
        "outcome": query.outcome or None,
        "since": micros(query.since) if query.since else None,
        "until": micros(query.until) if query.until else None,
        "not_by": [f'{{"account":"{account}"' for account in query.not_by],
        "not_actions": list(query.not_actions),
        "at": at,
        "lane": lane,
        "seq": seq,
        "limit": limit + 1,
    }
    statement = ANYBODY if query.persons is None else ABOUT
    rows = await (await cx.db.execute(statement.encode(), parameters)).fetchall()
    last = rows[limit - 1] if len(rows) > limit else None
    token = encode(last["at_us"], last["lane"], last["seq"]) if last else None
    return Page([_found(row) for row in rows[:limit]], token)


def _found(row: dict[str, Any]) -> Found:
    return Found(seen_of(row), row["line"], bytes(row["hash"]))


async def find_entry(cx: Context, lane: int, seq: int) -> Found | None:
    """Return one entry by its place in the chain."""
    row = await (await cx.db.execute(ONE, {"lane": lane, "seq": seq})).fetchone()
    return _found(row) if row else None


NEWEST = """
    SELECT id, hash, (line::jsonb ->> 'at')::bigint AS at_us
      FROM audit.checkpoint ORDER BY id DESC LIMIT 1
"""


async def newest_checkpoint(cx: Context) -> tuple[Checkpoint, datetime] | None:
    """Return the newest checkpoint and when it was taken, for somebody outside to keep."""
    row = await (await cx.db.execute(NEWEST)).fetchone()
    if row is None:
        return None
    return Checkpoint(row["id"], bytes(row["hash"])), EPOCH + row["at_us"] * MICROSECOND
