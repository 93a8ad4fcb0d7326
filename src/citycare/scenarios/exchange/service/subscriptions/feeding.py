"""The record's changes become numbered events of subscriptions, each exactly once.

One worker at a time goes on where the last one stopped: in one transaction it takes the feed, looks
at a page of changes, writes the events and how far it is. Killed at any point, it has done a page
or not begun it. Subscriptions and topics come the same way, as changes of the record, so each holds
for what was written after it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from citycare.kernel.context import SYSTEM, Context
from citycare.kernel.fhir import Key, Resource
from citycare.kernel.fhir import changes as record
from citycare.kernel.fhir.changes import Change
from citycare.kit import clock
from citycare.kit.db import Connection, Database
from citycare.kit.errors import Busy, Unavailable
from citycare.scenarios.exchange.model.subscriptions import (
    Event,
    Feed,
    Pace,
    Standing,
    State,
    SubscriptionRefused,
)
from citycare.scenarios.exchange.service.subscriptions import keeping
from citycare.scenarios.exchange.service.subscriptions.keeping import Sees
from citycare.scenarios.exchange.service.subscriptions.watching import (
    Known,
    Plan,
    Watch,
    sees,
    watches,
)
from citycare.scenarios.exchange.store import subscriptions as store

log = logging.getLogger(__name__)

PAGE = 500
AWAY_S = 1.0  # before looking again for a lost database
LOOK_BACK = 20  # versions that are held in memory beside those that came after them
TOPIC = '"SubscriptionTopic"'  # stands in every Basic that holds one
PLANNED = frozenset(("Subscription", "Basic"))  # what changes who is to be told of what


class Feeder:
    """Looks through the record's changes; keeps between rounds who is to be told of what."""

    def __init__(self, database: Database, sees: Sees, base: str, pace: Pace | None = None) -> None:
        """Prepare.

        Args:
            database: of the record; the primary server, not a replica.
            sees: what the owner of a subscription may see.
            base: the server's own address.
            pace: knobs.
        """
        self._database = database
        self._sees = sees
        self._base = base
        self._pace = pace or Pace()
        self._plan: Plan | None = None
        self._number = -1  # of the plan above
        self._seen = -1  # the record's newest number when the feed was last moved to its end

    async def go_round(self) -> float:
        """Look at the changes since the last round; return the seconds until the next look.

        When nothing was written to the record, nothing is here. At most one page at a time.
        """
        try:
            return await self._go_round()
        except (Busy, Unavailable) as error:
            log.info("the feed waits: %s", type(error).__name__)
            return AWAY_S

    async def _go_round(self) -> float:
        async with self._database.autocommit() as db:
            feed = await store.peek_feed(db)
        plan = await self._known(feed)
        if plan is None:
            return self._pace.look_s
        types = plan.types | PLANNED  # of all others nobody is told
        async with self._database.autocommit() as db:
            cx = _context(db)
            seen = await record.newest_number(cx)
            target = feed.target or await record.snapshot(cx)
            page = await record.between(
                cx, feed.since, target, types, after_rid=feed.rid, count=PAGE
            )
        if not page and feed.target is None and seen == self._seen:
            return self._pace.look_s
        async with self._database.transaction() as db:
            if await store.lock_feed(db) != feed:
                return self._pace.look_s  # another worker was first
            taken = await self._take(_context(db), plan, page, types)
            ended = taken == len(page) and record.is_last(page, PAGE)
            if ended:
                await store.move_feed(db, target)
            else:
                await store.move_feed(db, feed.since, target, page[taken - 1].rid)
        if not ended:
            return 0.0
        self._seen = seen
        return self._pace.look_s

    async def _known(self, feed: Feed) -> Plan | None:
        """Return who is to be told of what, read anew where it has changed; None: not now."""
        if self._plan is None or feed.plan != self._number:
            async with self._database.transaction() as db:
                if await store.lock_feed(db) != feed:
                    return None
                plan = await self._make_plan(_context(db))
            self._plan, self._number = plan, feed.plan
        return self._plan

    async def _take(
        self, cx: Context, plan: Plan, page: Sequence[Change], types: frozenset[str]
    ) -> int:
        """Take in a page, or its beginning: up to where other types begin to count.

        What changes the plan holds for what comes after it, and of those types nothing is in this
        page. Returns how many changes were taken in.
        """
        before: list[Change] = []
        try:
            for number, change in enumerate(page, 1):
                before.append(change)  # who is made by it is not told of it
                if change.type in PLANNED:
                    await self._emit(cx, plan, before)
                    before = []
                    plan = await self._change_plan(cx, plan, change)
                    if not plan.types <= types:
                        return number
            await self._emit(cx, plan, before)
        except BaseException:
            self._plan = None  # what it was made from is rolled back
            raise
        return len(page)

    async def _change_plan(self, cx: Context, plan: Plan, change: Change) -> Plan:
        """Take in a Subscription or a topic; other workers are told by the plan's number."""
        if change.type == "Subscription":
            changed = await self._take_subscription(cx, plan, change)
        elif changed := await self._take_topic(cx, change):
            plan = self._plan = await self._make_plan(cx)
        if changed:
            self._number = await store.replan(cx.db)
        return plan

    async def _take_topic(self, cx: Context, change: Change) -> bool:
        resource = change.resource()
        topic = None
        if resource is not None and TOPIC in (change.body or ""):
            topic = keeping.read_topic(resource)
        if topic is None:
            return await store.drop_topic(cx.db, change.id)
        await store.put_topic(cx.db, topic)
        return True

    async def _take_subscription(self, cx: Context, plan: Plan, change: Change) -> bool:
        resource = change.resource()
        if resource is None:
            plan.drop(change.id)
            return await store.drop(cx.db, change.id)
        try:
            subscription = keeping.read(resource)
            urls = [subscription.topic] if subscription.topic else []
            topics = await keeping.load_topics(cx, urls) if urls else {}
            found = watches(subscription, topics, now=cx.now, base=self._base)
        except SubscriptionRefused as error:
            plan.drop(change.id)
            return await self._refuse(cx, change.id, change.version, error)
        if not await store.put(cx.db, subscription, cx.now):
            return False  # the status that we have written ourselves
        if subscription.status is State.OFF:
            plan.drop(change.id)
        else:
            plan.put(change.id, found)
        return True

    async def _refuse(
        self, cx: Context, id_: str, version: int, error: SubscriptionRefused
    ) -> bool:
        words = keeping.words_of(error)
        if not await store.refuse(cx.db, id_, version, words, cx.now):
            return False
        written = await keeping.write_status(cx, id_, version, State.ERROR, words)
        if written is not None:
            await store.set_state(cx.db, id_, State.ERROR, written, words, cx.now)
        return True

    async def _make_plan(self, cx: Context) -> Plan:
        """Read all that is asked for; what cannot be served any more is put into error."""
        states = (State.REQUESTED, State.ACTIVE, State.ERROR)
        standings = {each.id: each for each in await store.find(cx.db, None, states)}
        topics = await keeping.load_topics(cx)
        plan = Plan()
        for id_, subscription in (await keeping.load(cx, standings.values())).items():
            try:
                plan.put(id_, watches(subscription, topics, now=cx.now, base=self._base))
            except SubscriptionRefused as error:
                await self._cannot(cx, standings[id_], error)
        return plan

    async def _cannot(self, cx: Context, standing: Standing, error: SubscriptionRefused) -> None:
        if standing.state is not State.ERROR:
            await keeping.set_state(cx, standing, State.ERROR, keeping.words_of(error))

    async def _emit(self, cx: Context, plan: Plan, page: Sequence[Change]) -> None:
        """Write the events of changes, in their order, for all who are to be told."""
        asked = [(change, found) for change in page if (found := plan.candidates(change))]
        told: list[tuple[str, Change, Change]] = []  # to whom, of what, by what it is seen
        for start in range(0, len(asked), LOOK_BACK):
            some = asked[start : start + LOOK_BACK]
            previous = await record.find_versions(
                cx, [_before(change) for change, found in some if _looks_back(change, found)]
            )
            for change, found in some:
                older = previous.get(_before(change))
                shown = older if change.deleted else change
                if shown is not None:
                    told += [(id_, change, shown) for id_ in _told(change, older, found)]
        if not told:
            return
        visible = await keeping.visible_to(cx, {id_ for id_, _, _ in told}, self._sees)
        events = [(id_, _event(change)) for id_, change, shown in told if sees(visible[id_], shown)]
        await store.add_events(cx.db, events)


def _context(db: Connection) -> Context:
    return Context(db, SYSTEM, clock.now(), "exchange-feed", purpose="exchange.subscriptions")


def _before(change: Change) -> Key:
    return Key(change.type, change.id, change.version - 1)


def _looks_back(change: Change, found: Sequence[Watch]) -> bool:
    return change.deleted or (
        change.version > 1 and any(each.previous is not None for each in found)
    )


def _told(change: Change, older: Change | None, found: Sequence[Watch]) -> list[str]:
    """Return who is to be told of a change, each once, in no order that matters."""
    now = change.resource()
    before = older.resource() if older is not None else None
    known: Known = {}
    told: dict[str, None] = {}
    for each in found:
        if each.subscription_id not in told and _meets(each, change, now, before, known):
            told[each.subscription_id] = None
    return list(told)


def _meets(
    watch: Watch,
    change: Change,
    now: Resource | None,
    before: Resource | None,
    known: Known,
) -> bool:
    """Ask a watch; in doubt, tell.

    What cannot be decided must neither be lost for this one nor hold up all others.
    """
    try:
        return watch.meets(change, now, before, known)
    except (LookupError, TypeError, ValueError, ArithmeticError):
        log.exception("subscription %s is told in doubt, rid %d", watch.subscription_id, change.rid)
        return True


def _event(change: Change) -> Event:
    return Event(
        0,
        change.type,
        change.id,
        change.version,
        change.interaction.value,
        change.size,
        change.updated_at,
    )
