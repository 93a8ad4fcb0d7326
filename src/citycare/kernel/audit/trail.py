"""Writing the trail, and reading a line of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import orjson

from citycare.kernel.audit.model import EPOCH, Entry, Seen, line_of, micros
from citycare.kernel.context import Context

# In binary (%b): as text, psycopg takes 8 ms to quote 256 lines of JSON, not 0.2.
APPENDED = "audit.append(%(lines)b::text[])"
"""What a statement that writes ends with (`SELECT …`), so that writing and record are one trip."""
APPEND = f"SELECT {APPENDED}"


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
