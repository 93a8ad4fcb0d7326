"""The hot path: booking requests gathered, signed in, and served in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from citycare.kernel import consent, identity
from citycare.kernel.context import SYSTEM, Actor, Channel, Context
from citycare.kit.db import Database
from citycare.kit.errors import AppError
from citycare.scenarios.booking.model.core import Claim, Pool, SlotHeld
from citycare.scenarios.booking.model.draw import Keys
from citycare.scenarios.booking.rules.queue import claimed
from citycare.scenarios.booking.service import rush
from citycare.scenarios.booking.service.rush import Answer
from citycare.web.batch import Again, Batcher
from citycare.web.edge.contexts import may_speak_for
from citycare.web.edge.errors import ChannelNotYours, SignInNeeded

ACTION = "booking.book"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One POST /bookings as it came in: not yet signed in."""

    token: str
    slot_id: UUID
    person_id: UUID
    pool: Pool
    channel: Channel
    request_id: str
    key: str
    digest: bytes
    queue_token: str = ""
    waits: bool = False  # for a window that another batch holds; the second time, yes


Rush = Batcher[Wanted, Answer]


def build(database: Database, now: Callable[[], datetime], keys: Callable[[], Keys]) -> Rush:
    """Make the batcher of one process. `keys` are asked for when the first queue token comes."""

    async def serve(batch: Sequence[Wanted]) -> list[Answer | Again[Wanted]]:
        instant = now()
        async with database.transaction() as db:
            actors = await identity.actor_of(db, [one.token for one in batch], instant)
            cx = Context(db, SYSTEM, instant, batch[0].request_id, purpose=ACTION)
            turned_away = [_turned_away(one, actors) for one in batch]
            asked = [
                _request(one, actors, keys)
                for one, error in zip(batch, turned_away, strict=True)
                if error is None
            ]
            answered = await rush.answer_many(cx, asked)
            await _keep_refusals(cx, asked, answered)
            answers = iter(answered)
            return [
                _again(one, next(answers)) if error is None else Answer(None, error)
                for one, error in zip(batch, turned_away, strict=True)
            ]

    return Batcher(serve)


def _again(one: Wanted, answer: Answer) -> Answer | Again[Wanted]:
    """Let who met a window in another batch's hands wait for the next batch, not in this one."""
    if isinstance(answer.error, SlotHeld):
        return Again(replace(one, waits=True))
    return answer


def _turned_away(one: Wanted, actors: dict[str, Actor]) -> AppError | None:
    """Tell who is not even asked what they want."""
    actor = actors.get(one.token)
    if actor is None:
        return SignInNeeded()
    if not may_speak_for(actor, one.channel):
        return ChannelNotYours(channel=one.channel)
    return None


async def _keep_refusals(
    cx: Context, asked: Sequence[rush.Request], answered: Sequence[Answer]
) -> None:
    """Write down who was refused: with the batch, since nothing of a refused one is rolled back."""
    for one, answer in zip(asked, answered, strict=True):
        if answer.error is not None:
            claim = one.claim
            mine = replace(
                cx, actor=claim.actor, channel=claim.channel, request_id=claim.request_id
            )
            await consent.keep_refusals(mine, [answer.error])


def _request(one: Wanted, actors: dict[str, Actor], keys: Callable[[], Keys]) -> rush.Request:
    actor = actors[one.token]
    ticket = claimed(keys().queue, one.queue_token, one.person_id) if one.queue_token else None
    claim = Claim(
        one.slot_id,
        one.person_id,
        one.pool,
        actor,
        one.channel,
        one.request_id,
        ticket=ticket,
        waits=one.waits,
    )
    assert actor.account_id is not None
    return rush.Request(actor.account_id, claim, one.key, one.digest)
