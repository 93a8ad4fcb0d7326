"""Checking the whole trail, link by link.

Found, and named by lane and number: a changed line, one that is none of ours or that searches find
by something else than it says, a missing one (in the middle, at the start, at the end), two that
changed places, a head that was moved, a checkpoint that was changed or removed, and an end cut off
together with its head, if a checkpoint had seen it. Cutting off ends, heads and checkpoints alike
leaves nothing to see in this database: give `verify` a `witness`, a head of the trail as somebody
outside keeps it (`witness.head`).

Nothing is locked and the trail may grow meanwhile: each lane is read with its head in one
statement, which is one snapshot.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson

from citycare.kernel.audit.model import (
    FIRST_CHECKPOINT,
    LANES,
    Checkpoint,
    Link,
    Report,
    chain,
    first_hash,
)
from citycare.kernel.audit.witness import Head
from citycare.kit.db import Connection

FETCH = 2_000
TELL_EVERY = 20_000
BROKEN_MAX = 100

Seals = list[dict[int, bytes]]  # per lane: number -> hash, as the checkpoints saw them


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a lane from elsewhere: by the checkpoints, and by the witness."""

    seals: dict[int, bytes]
    seq: int
    hash: bytes


COUNT = "SELECT sum(seq)::bigint AS count FROM audit.lane"


async def verify(
    db: Connection,
    tell: Callable[[int, int], None] = lambda _done, _all: None,
    *,
    witness: Head | Checkpoint | None = None,
) -> Report:
    """Check every link; takes about a second per 200,000 entries and little memory.

    Args:
        db: a connection that may read schema audit.
        tell: called with how many entries are checked, and of how many about.
        witness: a head or a checkpoint known from elsewhere: all of it must still be there,
            unchanged. What was rewritten before a kept head is named by that head's entry.
    """
    kept = witness.lanes if isinstance(witness, Head) else ((0, b""),) * LANES
    sealed = witness.checkpoint if isinstance(witness, Head) else witness
    async with db.transaction():  # a server-side cursor needs one
        row = await (await db.execute(COUNT)).fetchone()
        count = row["count"] if row else 0
        seals, newest, broken = await _verify_checkpoints(db, sealed)
        checked = 0
        for lane in range(LANES):
            wrong, seen = await _verify_lane(
                db, lane, _Known(seals[lane], *kept[lane]), partial(_tell, tell, checked, count)
            )
            checked += seen
            if wrong is not None:
                broken.append(wrong)
    lanes = [link for link in broken if link.lane is not None]
    first = next(iter(lanes or broken), None)
    tell(checked, count)
    return Report(not broken, checked, first, tuple(broken[:BROKEN_MAX]), newest)


def _tell(tell: Callable[[int, int], None], before: int, count: int, done: int) -> None:
    tell(before + done, count)


CHECKPOINTS = "SELECT id, line, hash FROM audit.checkpoint ORDER BY id"


async def _verify_checkpoints(
    db: Connection, witness: Checkpoint | None
) -> tuple[Seals, Checkpoint | None, list[Link]]:
    """Check the chain of checkpoints; return what they say about each lane."""
    seals: Seals = [{} for _ in range(LANES)]
    before, expected = FIRST_CHECKPOINT, 1
    broken: list[Link] = []
    newest: Checkpoint | None = None
    witnessed = witness is None
    async for row in _stream(db, "checkpoints", CHECKPOINTS, {}):
        if row["id"] != expected:
            broken.append(Link(None, expected, "checkpoint missing"))
        elif chain(before, row["line"]) != row["hash"]:
            broken.append(Link(None, row["id"], "checkpoint changed"))
        else:
            for lane, seq, digest in orjson.loads(row["line"])["heads"]:
                seals[lane][seq] = bytes.fromhex(digest)
        newest = Checkpoint(row["id"], row["hash"])
        witnessed = witnessed or newest == witness
        before, expected = row["hash"], row["id"] + 1
    if not witnessed and witness is not None:
        broken.append(Link(None, witness.id, "witnessed checkpoint missing or changed"))
    return seals, newest, broken


LANE = """
    SELECT head.seq AS head_seq, head.hash AS head_hash, entry.seq, entry.line, entry.hash,
           entry.person_id::text, entry.at_us, entry.action
      FROM audit.lane head LEFT JOIN audit.entry entry ON entry.lane = head.lane
     WHERE head.lane = %(lane)s
     ORDER BY entry.seq
"""


async def _verify_lane(
    db: Connection, lane: int, known: _Known, tell: Callable[[int], None]
) -> tuple[Link | None, int]:
    """Check one lane; return its first broken link and how many entries were looked at."""
    before, last, checked = first_hash(lane), 0, 0
    head: tuple[int, bytes] | None = None
    async for row in _stream(db, f"lane_{lane}", LANE, {"lane": lane}):
        head = (row["head_seq"], row["head_hash"])
        if row["seq"] is None:
            break
        checked += 1
        wrong = _wrong(row, last, before, known)
        if wrong is not None:
            return Link(lane, last + 1 if row["seq"] != last + 1 else row["seq"], wrong), checked
        before, last = row["hash"], row["seq"]
        if checked % TELL_EVERY == 0:
            tell(checked)
    if head is None:
        return Link(lane, 0, "head missing"), checked
    tell(checked)
    return _wrong_end(lane, last, before, head, known), checked


def _wrong(row: dict[str, Any], last: int, before: bytes, known: _Known) -> str | None:
    """Tell what is wrong with one entry after the one before it."""
    if row["seq"] != last + 1:
        return "entry missing"
    if chain(before, row["line"]) != row["hash"]:
        return "line changed"
    misfiled = _misfiled(row)
    if misfiled is not None:
        return misfiled
    if known.seals.get(row["seq"], row["hash"]) != row["hash"]:
        return "differs from the checkpoint"
    if row["seq"] == known.seq and row["hash"] != known.hash:
        return "differs from the witness: this entry or one before it was rewritten"
    return None


def _misfiled(row: dict[str, Any]) -> str | None:
    """Tell whether searches find an entry by something else than its line says."""
    try:
        said = orjson.loads(row["line"])
        says = said["person"], said["at"], said["action"]
    except (orjson.JSONDecodeError, KeyError, TypeError):  # whoever chained it was not audit.append
        return "not a line of this trail"
    if says != (row["person_id"], row["at_us"], row["action"]):
        return "found by other words than its line says"
    return None


def _wrong_end(
    lane: int, last: int, before: bytes, head: tuple[int, bytes], known: _Known
) -> Link | None:
    """Tell what is wrong between a lane's last entry, its head, and the checkpoints."""
    if max(head[0], known.seq, max(known.seals, default=0)) > last:
        return Link(lane, last + 1, "end cut off")
    if head != (last, before):
        return Link(lane, head[0], "head differs")
    return None


async def _stream(
    db: Connection, name: str, statement: str, parameters: dict[str, Any]
) -> AsyncIterator[dict[str, Any]]:
    """Read rows through a server-side cursor, a few thousand at a time."""
    async with db.cursor(name=f"audit_{name}") as cursor:
        cursor.itersize = FETCH
        await cursor.execute(statement, parameters)
        async for row in cursor:
            yield row
