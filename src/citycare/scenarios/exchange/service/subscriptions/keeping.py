"""What is asked for is checked; the status in the record is kept; giving up and going on again."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from citycare.kernel import events, fhir
from citycare.kernel.context import Context
from citycare.kernel.fhir import Key, Resource
from citycare.kernel.fhir.changes import find_versions
from citycare.kernel.fhir.finding import Visible
from citycare.scenarios.exchange.model.subscriptions import (
    ERROR_KEPT_DAYS,
    EVENTS_KEPT_DAYS,
    OWNED_MAX,
    Owner,
    ReceiverFailed,
    Standing,
    State,
    Subscription,
    SubscriptionRefused,
    Topic,
)
from citycare.scenarios.exchange.rules import subscriptions as rules
from citycare.scenarios.exchange.service.subscriptions import watching
from citycare.scenarios.exchange.store import subscriptions as store

log = logging.getLogger(__name__)

RESUME = "exchange.resume"
ERROR_MAX = 200
LOADED_AT_ONCE = 1_000

Sees = Callable[[Context, Owner], Awaitable[Visible]]
"""What the owner of a Subscription may see now; nothing at all: `Visible()`.

Of one that an app stored: nothing, once that app is not in use any more.
"""

Probe = Callable[[Standing, Subscription, datetime], Awaitable[None]]
"""Sends a handshake; raises ReceiverFailed."""


async def take(
    cx: Context,
    resource: Resource,
    *,
    base: str,
    organisation_id: UUID | None = None,
    types: frozenset[str] | None = None,
) -> set[str]:
    """Keep for whom a Subscription is stored; refuse one that could never be served.

    For who stores one for a client, in the same transaction. From then on its receiver is told of
    what this account may see, and of no other types than these, whatever its topic becomes; of one
    that nobody has taken nothing is told.

    Args:
        cx: the action, of the account.
        resource: it has passed the checks of R4, and has its id.
        base: the server's own address.
        organisation_id: for which the account acts.
        types: that the app which acts may read wholly; None: it is no app, or it may read all.

    Returns:
        The types it asks for.

    Raises:
        SubscriptionRefused: the facts say element and problem.
    """
    if resource.get("status") not in (State.REQUESTED, State.OFF, State.ACTIVE):
        raise SubscriptionRefused(
            element="Subscription.status", problem="a client asks for requested or off"
        )
    found = read(resource)
    topics = await load_topics(cx, [found.topic]) if found.topic else {}
    watched = watching.watches(found, topics, now=cx.now, base=base)
    if cx.actor.account_id is not None:
        if await store.count_owned(cx.db, cx.actor.account_id, found.id) >= OWNED_MAX:
            raise SubscriptionRefused(
                element="Subscription", problem=f"more than {OWNED_MAX} of one client"
            )
        app_id = cx.actor.app.id if cx.actor.app is not None else None
        owner = Owner(cx.actor.account_id, organisation_id, app_id, types)
        await store.own(cx.db, found.id, owner)
    return {one.trigger.type for one in watched}


async def visible_to(cx: Context, ids: Collection[str], sees: Sees) -> dict[str, Visible]:
    """Return what the owner of each Subscription may see by it; nothing where it has none.

    One statement, and each owner is asked about once.
    """
    owners = await store.find_owners(cx.db, ids)
    seen = {
        owner: _narrowed(await sees(cx, owner), owner.types)
        for owner in dict.fromkeys(owners.values())
    }
    return {id_: seen[owners[id_]] if id_ in owners else Visible() for id_ in ids}


def _narrowed(visible: Visible, types: frozenset[str] | None) -> Visible:
    """Leave these types of what may be seen; None: all."""
    if types is None:
        return visible
    return replace(visible, types=types if visible.types is None else visible.types & types)


async def load(cx: Context, standings: Iterable[Standing]) -> dict[str, Subscription]:
    """Return subscriptions as they were asked for in the versions that stand here, by id.

    One that cannot be served is left out: it is in error already.
    """
    every = list(standings)
    found: dict[str, Subscription] = {}
    for start in range(0, len(every), LOADED_AT_ONCE):
        some = every[start : start + LOADED_AT_ONCE]
        keys = [Key("Subscription", each.id, each.version) for each in some]
        for version in (await find_versions(cx, keys)).values():
            resource = version.resource()
            if resource is None:
                continue
            try:
                found[version.id] = read(resource)
            except SubscriptionRefused as error:
                log.info("Subscription/%s is left out: %s", version.id, error)
    return found


def read(resource: Resource) -> Subscription:
    """Read a Subscription, whatever strange form of it R4 lets through.

    Raises:
        SubscriptionRefused: it asks for what is not served.
    """
    try:
        return rules.read_subscription(resource)
    except (LookupError, TypeError, ValueError) as error:  # the feed goes on for all others
        log.exception("Subscription/%s cannot be read", resource.get("id"))
        raise SubscriptionRefused(element="Subscription", problem="cannot be read") from error


async def load_topics(cx: Context, urls: Iterable[str] | None = None) -> dict[str, Topic]:
    """Return topics by URL, of the newest Basic where two claim one; None: all."""
    ids = [id_ for id_, _ in await store.list_topics(cx.db, None if urls is None else list(urls))]
    found: dict[str, Topic] = {}
    for resource in (await fhir.find_many(cx, "Basic", ids)).values():
        topic = read_topic(resource)
        if topic is not None:
            found[topic.url] = topic
    return found


def read_topic(resource: Resource) -> Topic | None:
    """Read a topic; None where the Basic is something else, or cannot be served."""
    try:
        return rules.read_topic(resource)
    except SubscriptionRefused as error:
        log.info("the topic of Basic/%s is left out: %s", resource.get("id"), error)
    except (LookupError, TypeError, ValueError):
        log.exception("the topic of Basic/%s cannot be read", resource.get("id"))
    return None


def words_of(error: SubscriptionRefused | ReceiverFailed) -> str:
    """Return a sentence for `Subscription.error`: what of whom, never clinical text."""
    element = f"{error.facts['element']}: " if "element" in error.facts else ""
    return f"{element}{error.facts.get('problem', error.code)}"[:ERROR_MAX]


async def write_status(
    cx: Context, id_: str, version: int, state: State, error: str = ""
) -> int | None:
    """Write status and error into the Subscription in the record; return its new version.

    None where the client has changed or deleted it meanwhile: the feed brings what it says now.
    """
    try:
        resource = await fhir.get(cx, "Subscription", id_)
    except (fhir.ResourceNotFound, fhir.ResourceDeleted):
        return None
    resource["status"] = state.value
    resource.pop("error", None)
    if error:
        resource["error"] = error
    owner = (await store.find_owners(cx.db, [id_])).get(id_)
    try:
        kept = await fhir.put(
            cx,
            [resource],
            owner=owner.organisation_id if owner is not None else None,
            expected={("Subscription", id_): version},
        )
    except fhir.VersionConflict:
        return None
    return kept[0].key.version


async def set_state(cx: Context, standing: Standing, state: State, error: str = "") -> bool:
    """Move a subscription to a state, here and in the record; False where a client was first."""
    now = await store.lock(cx.db, standing.id)
    if now is None or (now.version, now.lease) != (standing.version, standing.lease):
        return False
    version = await write_status(cx, standing.id, now.version, state, error)
    if version is None:
        return False
    await store.set_state(cx.db, standing.id, state, version, error, cx.now)
    return True


async def give_up(cx: Context, standing: Standing, error: str) -> None:
    """Put a subscription into error, with a job that tries once more and then is a dead letter.

    An operator who replays the letter resumes the subscription; nothing is lost meanwhile. A client
    does the same by asking for it again.
    """
    if await set_state(cx, standing, State.ERROR, error):
        await events.defer(
            cx, RESUME, {"subscription": standing.id}, once=f"{RESUME}/{standing.id}"
        )


async def resume(cx: Context, id_: str, probe: Probe) -> None:
    """Shake hands with the receiver of a subscription in error; on success it is active again.

    Nothing is locked while the receiver is asked.

    Raises:
        ReceiverFailed: it still does not answer.
    """
    found = await store.find(cx.db, [id_], [State.ERROR])
    subscriptions = await load(cx, found)
    if not subscriptions:
        return  # a client has been first, or it is not there any more
    await probe(found[0], subscriptions[id_], cx.now)
    if await set_state(cx, found[0], State.ACTIVE):
        await store.clear(cx.db, id_, cx.now)


async def purge(cx: Context) -> None:
    """Switch off what is in error for a week or past its end; forget events told long ago."""
    before = cx.now - timedelta(days=ERROR_KEPT_DAYS)
    for id_ in await store.list_given_up(cx.db, cx.now, before):
        for standing in await store.find(cx.db, [id_], [State.ERROR]):
            await set_state(cx, standing, State.OFF, standing.error)
    await store.purge(cx.db, cx.now - timedelta(days=EVENTS_KEPT_DAYS))
