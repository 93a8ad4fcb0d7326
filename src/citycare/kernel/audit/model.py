"""Values of the audit trail: an entry, its canonical line, a seen entry, a verdict."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID

import orjson

from citycare.kernel.context import Context, Grant

SUITE = "sha256"
LANES = 32
LINE_BYTES_MAX = 8_192
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

Value = str | int | bool | None
Detail = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Entry:
    """One access to write down. Who, why, when and through what come from the context.

    `record` names what was touched (`Appointment/…`, `booking.place/…`); `detail` holds ids,
    numbers and codes, and a reason a person gave; never clinical text; the line adds `app` and
    `app_id` where somebody acts through an app. `grant` is the role that
    let the actor do it, where one did.
    """

    action: str
    person_id: UUID | None
    record: str
    outcome: Literal["ok", "refused"] = "ok"
    detail: Detail = field(default_factory=dict)
    grant: Grant | None = None


def micros(instant: datetime) -> int:
    """Return microseconds since 1970, exactly."""
    return (instant - EPOCH) // MICROSECOND


def line_of(cx: Context, entry: Entry) -> str:
    """Write an entry as canonical JSON: sorted keys, no spaces, UTF-8. This text is hashed.

    Raises:
        ValueError: the line is over 8 KiB; an audit entry is no place for content.
    """
    actor, grant = cx.actor, entry.grant
    detail = {key: _clean(value) for key, value in entry.detail.items()}
    if actor.app is not None:
        detail |= {"app": _clean(actor.app.name), "app_id": str(actor.app.id)}
    fields = {
        "account": actor.account_id,
        "action": entry.action,
        "actor": None if actor.account_id else actor.name,
        "at": micros(cx.now),
        "channel": cx.channel,
        "detail": detail,
        "grant": None if grant is None else {"of": grant.organisation_id, "role": grant.role},
        "outcome": entry.outcome,
        "person": entry.person_id,
        "purpose": cx.purpose,
        "record": _clean(entry.record),
        "request": _clean(cx.request_id),
        "session": actor.session_id,
        "suite": SUITE,
    }
    line = orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)
    if len(line) > LINE_BYTES_MAX:
        raise ValueError(f"an audit line of {len(line)} bytes is over {LINE_BYTES_MAX}")
    return line.decode()


def _clean(value: Value) -> Value:
    """Replace what PostgreSQL or UTF-8 cannot hold (NUL, lone surrogates) in a typed-in text."""
    if not isinstance(value, str) or (value.isascii() and "\x00" not in value):
        return value
    text = value.replace("\x00", "\ufffd")
    return text.encode("utf8", "replace").decode("utf8")


def chain(before: bytes, line: str) -> bytes:
    """Return the hash of a line that follows the hash before it (as `audit.append` does)."""
    return hashlib.sha256(before + line.encode()).digest()


def first_hash(lane: int) -> bytes:
    """Return the hash an empty lane starts from."""
    return hashlib.sha256(f"citycare audit lane {lane}".encode()).digest()


FIRST_CHECKPOINT = hashlib.sha256(b"citycare audit checkpoints").digest()


@dataclass(frozen=True, slots=True)
class Seen:
    """One line of 'who looked at my record'."""

    at: datetime
    action: str
    outcome: str
    purpose: str
    channel: str
    account_id: UUID | None
    actor: str | None
    record: str
    detail: dict[str, Value]
    lane: int
    seq: int


@dataclass(frozen=True, slots=True)
class Link:
    """Where a chain is broken. `lane` is None for the chain of checkpoints."""

    lane: int | None
    seq: int
    wrong: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The heads of all lanes at one instant. Keep number and hash of the newest elsewhere."""

    id: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Report:
    """What `verify` found. `first_broken` is the lowest broken link of the lowest broken lane."""

    ok: bool
    checked: int
    first_broken: Link | None
    broken: tuple[Link, ...] = ()
    checkpoint: Checkpoint | None = None
