"""The head of the trail, to be kept by somebody else, and held against the trail later.

A head says of each lane how many entries it has and the hash of the last; since the hash covers
all entries before it, whoever cuts, adds or rewrites any of them later contradicts it, even with
full rights in this database. It holds no names and no content, so it may be kept anywhere: on
another machine, in a mail, on paper (its digest is one line).

Source: RFC 9162 §8.1.3, §11.3 (witnesses outside find a log that shows different pasts).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from citycare.kernel.audit.model import EPOCH, LANES, SUITE, Checkpoint, micros
from citycare.kit.db import Connection
from citycare.kit.errors import Incorrect

HASH_BYTES = 32
MICROS_MAX = 253_402_300_799_000_000  # the year 9999


class WitnessUnreadable(Incorrect):
    """This is not a witness file, or it was changed; take the one `citycare audit head` wrote."""

    code = "audit.witness_unreadable"
    words = "这不是见证文件，或者它被改动过。请换用“citycare audit head --json”当时输出的原文件。"


@dataclass(frozen=True, slots=True)
class Head:
    """Where each lane ends at one instant: (number of entries, hash of the last), by lane."""

    at: datetime
    lanes: tuple[tuple[int, bytes], ...]
    checkpoint: Checkpoint | None = None

    @property
    def count(self) -> int:
        """How many entries there are."""
        return sum(seq for seq, _ in self.lanes)

    @property
    def digest(self) -> str:
        """One line that stands for all of it."""
        return hashlib.sha256(_canonical(_fields(self))).hexdigest()

    def as_dict(self) -> dict[str, Any]:
        """Write it for keeping; `parse_head` reads it."""
        return {**_fields(self), "digest": self.digest}


HEAD = """
    SELECT lane.lane, lane.seq, lane.hash, newest.id, newest.hash AS sealed
      FROM audit.lane
      LEFT JOIN (SELECT id, hash FROM audit.checkpoint ORDER BY id DESC LIMIT 1) newest ON true
     ORDER BY lane.lane
"""


async def head(db: Connection, now: datetime) -> Head:
    """Return the present head, in one snapshot. It says what is there, not that it is right."""
    rows = await (await db.execute(HEAD)).fetchall()
    by_lane = {row["lane"]: (row["seq"], row["hash"]) for row in rows}
    newest = Checkpoint(rows[0]["id"], rows[0]["sealed"]) if rows and rows[0]["id"] else None
    nothing = (0, bytes(HASH_BYTES))  # a lane whose head was removed: verify names it
    return Head(now, tuple(by_lane.get(lane, nothing) for lane in range(LANES)), newest)


def parse_head(content: bytes) -> Head:
    """Read a kept head.

    Raises:
        WitnessUnreadable: it is none, or a sign of it was changed.
    """
    try:
        fields = orjson.loads(content)
        newest = fields["checkpoint"]
        found = Head(
            EPOCH + timedelta(microseconds=min(int(fields["at_us"]), MICROS_MAX)),
            tuple((int(seq), bytes.fromhex(digest)) for seq, digest in fields["lanes"]),
            newest and Checkpoint(int(newest[0]), bytes.fromhex(newest[1])),
        )
        whole = found.as_dict() == fields
    except (ValueError, TypeError, KeyError, IndexError, OverflowError) as error:
        raise WitnessUnreadable from error
    if not whole or len(found.lanes) != LANES:
        raise WitnessUnreadable
    return found


def _fields(one: Head) -> dict[str, Any]:
    newest = one.checkpoint
    return {
        "suite": SUITE,
        "at": one.at.astimezone(UTC).isoformat(),
        "at_us": micros(one.at),
        "count": one.count,
        "lanes": [[seq, digest.hex()] for seq, digest in one.lanes],
        "checkpoint": newest and [newest.id, newest.hash.hex()],
    }


def _canonical(fields: dict[str, Any]) -> bytes:
    return orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)
