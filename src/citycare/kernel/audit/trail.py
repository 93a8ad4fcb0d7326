"""Writing the trail, and reading what it says about a person."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson

from citycare.kernel.audit.model import EPOCH, Entry, Seen, line_of, micros
from citycare.kernel.context import Context
from citycare.kit.pages import PAGE_MAX, Page, decode, encode

# In binary (%b): as text, psycopg takes 8 ms to quote 256 lines of JSON, not 0.2.
APPEND = "SELECT audit.append(%(lines)b::text[])"


async def append(cx: Context, entries: Sequence[Entry]) -> None:
    """Write entries down in the caller's transaction, in one statement.

    The transaction holds one of the 32 lanes until it ends, so append late in it. What is rolled
    back was not done and is not in the trail; a refusal that must be on record is written by the
    edge in a transaction of its own (see `append_lines`).

    Raises:
        psycopg.errors.LockNotAvailable: all lanes were taken for 3 s (`service.busy`).
    """
    await append_lines(cx, [line_of(cx, entry) for entry in entries])


async def append_lines(cx: Context, lines: Sequence[str]) -> None:
    """Append lines made by `line_of` with the contexts of several requests, as one batch."""
    if lines:
        await cx.db.execute(APPEND, {"lines": list(lines)})


ABOUT = """
    SELECT lane, seq, line, at_us FROM audit.entry
     WHERE person_id = %(person)s
       AND (%(at)s::bigint IS NULL
            OR (at_us, lane, seq) < (%(at)s::bigint, %(lane)s::smallint, %(seq)s::bigint))
     ORDER BY at_us DESC, lane DESC, seq DESC
     LIMIT %(limit)s
"""


async def list_about(
    cx: Context, person_id: UUID, before: str | None = None, limit: int = 50
) -> Page[Seen]:
    """Return who did what about a person, newest first; `before` is a page's `next`.

    Raises:
        TokenBroken: `before` is not ours.
    """
    limit = max(1, min(limit, PAGE_MAX))
    at, lane, seq = decode(before, 3) if before else (None, None, None)
    parameters = {"person": person_id, "at": at, "lane": lane, "seq": seq, "limit": limit + 1}
    rows = await (await cx.db.execute(ABOUT, parameters)).fetchall()
    last = rows[limit - 1] if len(rows) > limit else None
    token = encode(last["at_us"], last["lane"], last["seq"]) if last else None
    return Page([seen_of(row) for row in rows[:limit]], token)


def seen_of(row: dict[str, Any]) -> Seen:
    """Read an entry's line."""
    fields = orjson.loads(row["line"])
    return Seen(
        at=EPOCH + timedelta(microseconds=fields["at"]),
        action=fields["action"],
        outcome=fields["outcome"],
        purpose=fields["purpose"],
        channel=fields["channel"],
        account_id=UUID(fields["account"]) if fields["account"] else None,
        actor=fields["actor"],
        record=fields["record"],
        detail=fields["detail"],
        lane=row["lane"],
        seq=row["seq"],
    )


CHECKPOINT = "SELECT audit.take_checkpoint(%(at)s) AS id"


async def checkpoint(cx: Context) -> int | None:
    """Write down the heads of all lanes; return the number, or None when nothing is new."""
    row = await (await cx.db.execute(CHECKPOINT, {"at": micros(cx.now)})).fetchone()
    return row["id"] if row else None
