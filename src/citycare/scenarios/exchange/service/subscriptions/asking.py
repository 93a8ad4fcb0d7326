"""What a client may ask of its subscriptions: how they stand, what they have told; which topics.

Whether the client may see a Subscription is decided by who calls this.

Source: Subscriptions R5 Backport IG 1.1.0, operations backport-subscription-status and
backport-subscription-events; extension capabilitystatement-subscriptiontopic-canonical.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from citycare.kernel.context import Context
from citycare.kit import ids
from citycare.kit.pages import PAGE_MAX, Page, encode, read
from citycare.scenarios.exchange.model.subscriptions import (
    BODY_MAX,
    COUNT_MAX,
    Backlog,
    Content,
    Notice,
    Standing,
    Subscription,
    SubscriptionUnknown,
)
from citycare.scenarios.exchange.rules import notifications
from citycare.scenarios.exchange.service.subscriptions import keeping
from citycare.scenarios.exchange.service.subscriptions.delivering import (
    shown,
    texts,
)
from citycare.scenarios.exchange.service.subscriptions.keeping import Sees
from citycare.scenarios.exchange.service.trail import persons_in
from citycare.scenarios.exchange.store import subscriptions as store

NUMBER_MAX = 2**63 - 1
Json = dict[str, Any]


async def status(
    cx: Context, ids_: Collection[str], states: Collection[str] | None = None, *, base: str
) -> Json:
    """Return the answer of `$status`: a searchset, a Parameters for each subscription.

    Args:
        cx: the action.
        ids_: of the subscriptions the client may see; of one that is not there nothing is said.
        states: of which one must be the subscription's; None: any.
        base: the server's own address.
    """
    standings = await store.find(cx.db, ids_, states)
    subscriptions = await keeping.load(cx, standings)
    found = []
    for each in standings:
        topic = subscriptions[each.id].topic if each.id in subscriptions else ""
        found.append(
            notifications.status(each, Notice.QUERY_STATUS, id_=ids.new(), base=base, topic=topic)
        )
    return notifications.statuses(found, id_=ids.new(), now=cx.now, base=base)


async def events(
    cx: Context,
    id_: str,
    sees: Sees,
    *,
    base: str,
    since: int = 1,
    until: int = NUMBER_MAX,
    content: Content | None = None,
) -> tuple[Json, set[str]]:
    """Return the answer of `$events`: a notification of what has happened, told or not.

    At most 1,000 events, or 5 MB; a client goes on after the last number it was given. Events that
    were told are kept for 30 days.

    Args:
        cx: the action.
        id_: of a subscription the client may see.
        sees: what its owner may see.
        base: the server's own address.
        since: number of the first event, itself included.
        until: of the last, itself included.
        content: how much of each; None: as the subscription has it. Never more than that.

    Returns:
        The Bundle, and the ids of the Patients whose data is in it.

    Raises:
        SubscriptionUnknown: there is none that is served.
    """
    standings = await store.find(cx.db, [id_])
    subscription = (await keeping.load(cx, standings)).get(id_)
    if subscription is None:
        raise SubscriptionUnknown(subscription=id_)
    most = subscription.content or (Content.FULL if subscription.payload else Content.EMPTY)
    order = list(Content)
    content = min(content or most, most, key=order.index)
    whole = content is Content.FULL
    found = await store.list_events(
        cx.db,
        id_,
        after=max(since, 1) - 1,
        until=min(until, NUMBER_MAX),
        count=COUNT_MAX,
        bytes_max=BODY_MAX if whole else None,
    )
    versions = await shown(cx, found, sees, id_, bodies=whole)
    told = notifications.bundle(
        standings[0],
        Notice.QUERY_EVENTS,
        ids=(ids.new(), ids.new()),
        now=cx.now,
        base=base,
        topic=subscription.topic,
        content=content,
        events=found,
        withheld=frozenset(each.number for each in found if each.number not in versions),
        large=frozenset(each.number for each in found if whole and each.size > BODY_MAX),
        bodies=texts(versions),
    )
    return told, persons_in(versions.values())


async def topics(cx: Context) -> list[str]:
    """Return the canonical URLs of all topics, for the CapabilityStatement."""
    return sorted(await keeping.load_topics(cx))


async def backlog(cx: Context) -> Backlog:
    """Return how much has not been told, for metrics and the operator."""
    return await store.backlog(cx.db)


async def overview(
    cx: Context, states: Collection[str] | None = None, after: str | None = None, count: int = 50
) -> Page[tuple[Standing, Subscription | None]]:
    """Return subscriptions with what they ask for, in the order of ids, for the operator.

    Args:
        cx: the action, of an operator.
        states: of which one must be the subscription's; None: any.
        after: a page's `next`.
        count: of a page.

    Raises:
        TokenBroken: `after` is not ours.
    """
    count = max(1, min(count, PAGE_MAX))
    last = read(after, str)[0] if after else ""
    found = await store.find(cx.db, None, states, count + 1, last)
    shown_ = found[:count]
    asked = await keeping.load(cx, shown_)
    items = [(each, asked.get(each.id)) for each in shown_]
    return Page(items, encode(shown_[-1].id) if len(found) > count else None)
