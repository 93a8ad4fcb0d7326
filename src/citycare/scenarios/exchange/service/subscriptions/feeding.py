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
from citycare.kernel.fhir import Key
from citycare.kernel.fhir import changes as record
from citycare.kernel.fhir.changes import Change
from citycare.kernel.fhir.finding import Visible
from citycare.kit import clock
from citycare.kit.db import Connection, Database
from citycare.scenarios.exchange.model.subscriptions import (
    Event,
    Feed,
    Pace,
    Standing,
    State,
    SubscriptionRefused,
)
from citycare.scenarios.exchange.rules import subscriptions as rules
from citycare.scenarios.exchange.service.subscriptions import keeping
from citycare.scenarios.exchange.service.subscriptions.keeping import Sees
from citycare.scenarios.exchange.service.subscriptions.watching import (
    Plan,
    Watch,
    plan_of,
    sees,
)
from citycare.scenarios.exchange.store import subscriptions as store

log = logging.getLogger(__name__)

PAGE = 500
TOPIC = '"SubscriptionTopic"'  # stands in every Basic that holds one


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

    async def go_round(self) -> float:
        """Look at the changes since the last round; return the seconds until the next look.

        When nothing has changed, nothing is written. At most one page, so that others get a turn.
        """
        async with self._database.autocommit() as db:
            feed = await store.peek_feed(db)
            target, page = await self._next(_context(db), feed)
        if not page and feed.target is None:
            return self._pace.feed_s
        async with self._database.transaction() as db:
            if await store.lock_feed(db) != feed:
                return self._pace.feed_s  # another worker was first
            await self._take(_context(db), feed, page)
            if len(page) == PAGE:
                await store.move_feed(db, feed.since, target, page[-1].rid)
                return 0.0
            await store.move_feed(db, target)
        return self._pace.feed_s

    async def _next(self, cx: Context, feed: Feed) -> tuple[str, list[Change]]:
        target = feed.target or await record.snapshot(cx)
        if target == feed.since:
            return target, []
        page = await record.between(cx, feed.since, target, after_rid=feed.rid, count=PAGE)
        return target, page

    async def _take(self, cx: Context, feed: Feed, page: Sequence[Change]) -> None:
        """Take in a page: what changes the plan holds for what comes after it."""
        if feed.plan != self._number:
            self._plan = None
        before: list[Change] = []
        try:
            for change in page:
                if change.type not in ("Subscription", "Basic"):
                    before.append(change)
                    continue
                await self._emit(cx, before)
                before = [change]  # one is told of a subscription by the plan it makes
                if await self._change_plan(cx, change):
                    self._number = await store.replan(cx.db)
                    self._plan = None
            await self._emit(cx, before)
        except BaseException:
            self._plan = None  # what it was made from may be rolled back
            raise

    async def _change_plan(self, cx: Context, change: Change) -> bool:
        """Take in a Subscription or a topic; tell whether the plan changes."""
        resource = change.resource()
        if change.type == "Basic":
            topic = None
            if resource is not None and TOPIC in (change.body or ""):
                topic = keeping.read_topic(resource)
            if topic is None:
                return await store.drop_topic(cx.db, change.id)
            await store.put_topic(cx.db, topic)
            return True
        if resource is None:
            return await store.drop(cx.db, change.id)
        try:
            subscription = rules.read_subscription(resource)
        except SubscriptionRefused as error:
            return await self._refuse(cx, change.id, change.version, error)
        return await store.put(cx.db, subscription, cx.now)

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
        subscriptions = await keeping.load(cx, standings.values())
        topics = await keeping.load_topics(cx)
        plan, wrong = plan_of(subscriptions.values(), topics.values(), now=cx.now, base=self._base)
        for id_, error in wrong.items():
            await self._cannot(cx, standings[id_], error)
        self._number = (await store.peek_feed(cx.db)).plan
        return plan

    async def _cannot(self, cx: Context, standing: Standing, error: SubscriptionRefused) -> None:
        if standing.state is not State.ERROR:
            await keeping.set_state(cx, standing, State.ERROR, keeping.words_of(error))

    async def _emit(self, cx: Context, page: Sequence[Change]) -> None:
        """Write the events of changes, in their order, for all who are to be told."""
        if not page:
            return
        if self._plan is None:
            self._plan = await self._make_plan(cx)
        asked = [(change, self._plan.candidates(change)) for change in page]
        asked = [(change, watches) for change, watches in asked if watches]
        previous = await record.find_versions(
            cx, [_before(change) for change, watches in asked if _looks_back(change, watches)]
        )
        found: list[tuple[str, Event]] = []
        visible: dict[str, Visible] = {}
        for change, watches in asked:
            older = previous.get(_before(change))
            shown = older if change.deleted else change
            for id_ in _told(change, older, watches):
                if id_ not in visible:
                    visible[id_] = await keeping.visible_to(cx, id_, self._sees)
                if shown is not None and sees(visible[id_], shown):
                    found.append((id_, _event(change)))
        await store.add_events(cx.db, found)


def _context(db: Connection) -> Context:
    return Context(db, SYSTEM, clock.now(), "exchange-feed", purpose="exchange.subscriptions")


def _before(change: Change) -> Key:
    return Key(change.type, change.id, change.version - 1)


def _looks_back(change: Change, watches: Sequence[Watch]) -> bool:
    return change.deleted or (
        change.version > 1 and any(each.previous is not None for each in watches)
    )


def _told(change: Change, older: Change | None, watches: Sequence[Watch]) -> list[str]:
    """Return who is to be told of a change, each once, in no order that matters."""
    now = change.resource()
    before = older.resource() if older is not None else None
    return list(
        dict.fromkeys(each.subscription_id for each in watches if each.meets(change, now, before))
    )


def _event(change: Change) -> Event:
    return Event(
        0, change.type, change.id, change.version, change.interaction.value, change.updated_at
    )
