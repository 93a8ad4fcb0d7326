"""Subscriptions as an operator sees them: how each stands, what waits, what has been given up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from citycare.kernel import audit, consent, events
from citycare.kernel.context import Context
from citycare.kernel.events import DeadLetter
from citycare.kit.pages import Page, encode, read
from citycare.scenarios.exchange.model.subscriptions import (
    Backlog,
    Owner,
    Standing,
    State,
    Subscription,
    SubscriptionUnknown,
)
from citycare.scenarios.exchange.service.subscriptions import keeping
from citycare.scenarios.exchange.store import subscriptions as store

ACTION = "operator.record"
PAGE = 50
LETTERS_MAX = 200


@dataclass(frozen=True, slots=True)
class Overseen:
    """One subscription.

    Attributes:
        asked: what for; None where it cannot be read, or is not there in this version any more.
        owner: for whom it was stored; None: nobody has taken it, and nothing is told.
        letter: the job that was to resume it and failed; None: there is none.
    """

    standing: Standing
    asked: Subscription | None
    owner: Owner | None
    letter: DeadLetter | None


async def backlog(cx: Context) -> Backlog:
    """Return how much waits, and how many are in which state."""
    await consent.require(cx, ACTION)
    return await store.backlog(cx.db)


async def overview(cx: Context, state: State | None = None, page: str = "") -> Page[Overseen]:
    """Return subscriptions in the order of ids.

    Raises:
        TokenBroken: the page is not one of ours.
    """
    await consent.require(cx, ACTION)
    after = read(page, str)[0] if page else ""
    found = await store.find(cx.db, states=[state] if state else None, limit=PAGE + 1, after=after)
    shown = found[:PAGE]
    more = encode(shown[-1].id) if len(found) > PAGE else None
    return Page(await _overseen(cx, shown), more)


async def one(cx: Context, id_: str) -> Overseen:
    """Return one subscription.

    Raises:
        SubscriptionUnknown: there is none of this id.
    """
    await consent.require(cx, ACTION)
    found = await store.find(cx.db, [id_])
    if not found:
        raise SubscriptionUnknown(id=id_[:64])
    return (await _overseen(cx, found))[0]


async def _overseen(cx: Context, some: list[Standing]) -> list[Overseen]:
    asked = await keeping.load(cx, some)
    owners = await store.find_owners(cx.db, [each.id for each in some])
    letters = await _letters(cx)
    return [
        Overseen(each, asked.get(each.id), owners.get(each.id), letters.get(each.id))
        for each in some
    ]


async def _letters(cx: Context) -> Mapping[str, DeadLetter]:
    """Return dead letters of ours by subscription, of the newest of all there are."""
    found = await events.list_dead_letters(cx, limit=LETTERS_MAX)
    return {
        str(each.args.get("subscription")): each
        for each in reversed(found.items)
        if each.name == keeping.RESUME
    }


async def resume(cx: Context, id_: str) -> bool:
    """Try again to reach the receiver of a subscription in error: its dead letter, or a new job.

    False where it is not in error any more.

    Raises:
        SubscriptionUnknown: there is none of this id.
    """
    found = await one(cx, id_)
    if found.standing.state is not State.ERROR:
        return False
    if found.letter is not None:
        await events.replay(cx, found.letter.job_id)
    else:
        once = f"{keeping.RESUME}/{id_}"
        await events.defer(cx, keeping.RESUME, {"subscription": id_}, once=once)
    record = f"Subscription/{id_}"
    await audit.append(cx, [audit.Entry("job.replayed", None, record)])
    return True
