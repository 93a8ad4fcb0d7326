"""Booking requests of many people in one transaction, each answered once and only once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from citycare.kernel import events
from citycare.kernel.context import Context
from citycare.kit.errors import AppError
from citycare.scenarios.booking.model.core import Booking, Claim, KnownAs
from citycare.scenarios.booking.service.book import book_many
from citycare.scenarios.booking.store import places as place_store

CREATED = 201


@dataclass(frozen=True, slots=True)
class Request:
    """One POST: who asks for what, and the key by which a repetition is known."""

    account_id: UUID
    claim: Claim
    key: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What to send back: a body for success (new or kept), or an error."""

    body: dict[str, Any] | None
    error: AppError | None = None


def body_of(booking: Booking) -> dict[str, Any]:
    """Write a booking as the API shows it; instants are UTC."""
    name = str(booking.id)
    return {
        "id": name,
        "slot_id": str(booking.slot_id),
        "person_id": str(booking.person_id),
        "number": booking.number,
        "pool": booking.pool.value,
        "state": booking.state.value,
        "starts_at": booking.starts_at.isoformat(),
        "channel": booking.channel.value,
        "source": booking.source.value,
        "follows": str(booking.follows) if booking.follows else None,
        "appointment": f"Appointment/{name}",
    }


async def answer_many(cx: Context, requests: Sequence[Request]) -> list[Answer]:
    """Answer booking requests: kept replies first, the others by `book_many`.

    The persons are locked before the kept replies are read. A repetition is about the same
    person (its digest says so), so it waits here until the first has committed, then finds its
    reply. The same key for two persons at the same instant is caught by the primary key of the
    replies; the transaction then fails and each request is served alone.
    """
    locked = await place_store.lock_persons(cx.db, {one.claim.person_id for one in requests})
    kept = await events.find_replies(cx.db, [(one.account_id, one.key) for one in requests])
    answers: list[Answer | None] = []
    fresh: dict[tuple[UUID, str], Request] = {}
    for one in requests:
        answers.append(_kept(kept, one))
        if answers[-1] is None:
            fresh.setdefault((one.account_id, one.key), one)
    made = await _make(cx, fresh, locked)
    return [
        answer if answer is not None else _same(made, fresh, one)
        for answer, one in zip(answers, requests, strict=True)
    ]


def _kept(kept: dict[tuple[UUID, str], events.Reply], one: Request) -> Answer | None:
    try:
        reply = events.reply_to(kept, one.account_id, one.key, one.digest)
    except events.KeyReused as error:
        return Answer(None, error)
    return Answer(reply.body) if reply is not None else None


async def _make(
    cx: Context, fresh: dict[tuple[UUID, str], Request], locked: KnownAs
) -> dict[tuple[UUID, str], Answer]:
    if not fresh:
        return {}
    outcomes = await book_many(cx, [one.claim for one in fresh.values()], locked=locked)
    made: dict[tuple[UUID, str], Answer] = {}
    replies = []
    for (key, one), outcome in zip(fresh.items(), outcomes, strict=True):
        if isinstance(outcome, AppError):
            made[key] = Answer(None, outcome)
            continue
        body = body_of(outcome)
        made[key] = Answer(body)
        replies.append(events.Reply(one.account_id, one.key, one.digest, CREATED, body))
    if await events.keep_replies(cx, replies) != len(replies):
        raise events.KeyReused
    return made


def _same(
    made: dict[tuple[UUID, str], Answer], fresh: dict[tuple[UUID, str], Request], one: Request
) -> Answer:
    """Answer a request by what was made for its key in this batch, perhaps for a twin."""
    key = (one.account_id, one.key)
    if fresh[key].digest != one.digest:
        return Answer(None, events.KeyReused(key=one.key))
    return made[key]
