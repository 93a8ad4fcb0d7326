"""Events are told to receivers: in order for each subscription, at least once, many side by side.

A worker leases a subscription, sends without holding a transaction, and then writes down how far
the receiver is. Killed in between, its lease ends and another sends the same again. A receiver that
does not answer is waited for, longer each time; in the end the subscription is in error, with a
dead letter, and its events wait.

Source: HL7 FHIR R4 4.0.1, code system subscription-channel-type (rest-hook: a POST; with a payload
the address is a service base, and an update is made); Subscriptions R5 Backport IG 1.1.0, channels
(handshake), notifications, errors.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit, urlunsplit

import orjson

from citycare.kernel import audit, fhir
from citycare.kernel.context import SYSTEM, Actor, Channel, Context
from citycare.kernel.fhir import Key
from citycare.kernel.fhir.changes import Change, find_versions
from citycare.kit import clock, ids
from citycare.kit.db import Connection, Database
from citycare.kit.errors import Busy, Conflict, Unavailable
from citycare.scenarios.exchange.model.subscriptions import (
    BODY_MAX,
    TIMEOUT_S,
    Content,
    Event,
    Notice,
    Pace,
    ReceiverFailed,
    Standing,
    State,
    Subscription,
)
from citycare.scenarios.exchange.rules import notifications
from citycare.scenarios.exchange.rules import subscriptions as rules
from citycare.scenarios.exchange.service.access import EXCHANGE
from citycare.scenarios.exchange.service.subscriptions import keeping
from citycare.scenarios.exchange.service.subscriptions.keeping import Sees
from citycare.scenarios.exchange.service.subscriptions.sending import Sender
from citycare.scenarios.exchange.service.subscriptions.watching import sees
from citycare.scenarios.exchange.service.trail import entries, persons_in
from citycare.scenarios.exchange.store import subscriptions as store

log = logging.getLogger(__name__)

BATCHES_MAX = 20  # then others come first
SERVER_ERROR = 500
AWAY_S = 1.0  # before looking again for a lost database
JITTER = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Message:
    """One request to a receiver; with it, all events up to `number` have been told.

    Without a method nothing is sent.
    """

    method: str
    url: str
    body: bytes | None
    number: int
    below: int = 300


class Deliverer:
    """Tells receivers of their events."""

    def __init__(
        self,
        database: Database,
        sender: Sender,
        sees: Sees,
        base: str,
        pace: Pace | None = None,
    ) -> None:
        """Prepare.

        Args:
            database: where subscriptions stand.
            sender: HTTP.
            sees: what the owner of a subscription may see; asked again for each notification.
            base: the server's own address.
            pace: knobs.
        """
        self._database = database
        self._sender = sender
        self._sees = sees
        self._base = base
        self._pace = pace or Pace()
        self._turns = asyncio.Semaphore(2)  # transactions at once, of all that are under way
        self._running: set[asyncio.Task[None]] = set()

    async def run(self) -> float:
        """Deliver for ever; what is under way ends with it."""
        async with asyncio.TaskGroup() as group:
            while True:
                room = self._pace.at_once - len(self._running)
                claimed = await self._claim(room) if room else []
                for standing in claimed:
                    task = group.create_task(self._serve(standing))
                    self._running.add(task)
                    task.add_done_callback(self._running.discard)
                await asyncio.sleep(0 if room and len(claimed) == room else self._pace.poll_s)

    async def deliver_due(self) -> int:
        """Deliver what is due now, and wait for it; return to how many. For tests and scripts."""
        claimed = await self._claim(self._pace.at_once)
        await asyncio.gather(*(self._serve(each) for each in claimed))
        return len(claimed)

    async def _claim(self, count: int) -> list[Standing]:
        try:
            async with self._turns, self._database.transaction() as db:
                return await store.claim(db, clock.now(), self._lease(TIMEOUT_S), count)
        except (Busy, Unavailable) as error:
            log.info("deliveries wait: %s", type(error).__name__)
            await asyncio.sleep(AWAY_S)
            return []

    def _lease(self, timeout_s: float) -> timedelta:
        return timedelta(seconds=timeout_s + self._pace.margin_s)

    async def _serve(self, standing: Standing) -> None:
        """Do what is due of one subscription, and let go of it; nothing of it ends the others."""
        try:
            async with self._turns, self._database.autocommit() as db:
                found = await keeping.load(_context(db), [standing])
            subscription = found.get(standing.id)
            if subscription is None:  # gone, or a version that the feed has yet to look at
                await self._release(standing)
                return
            await self._tell(standing, subscription)
        except (Busy, Unavailable, Conflict) as error:  # the database; its lease ends by itself
            log.info("subscription %s waits: %s", standing.id, type(error).__name__)
        except asyncio.CancelledError:
            with suppress(Busy, Unavailable):  # as above
                await self._release(standing)  # the worker stops: let another go on at once
            raise
        except Exception:
            log.exception("subscription %s failed", standing.id)
            await self._fail(standing, "internal error")

    async def _tell(self, standing: Standing, subscription: Subscription) -> None:
        now = clock.now()
        if standing.ends_at is not None and standing.ends_at <= now:
            await self._set_state(standing, State.OFF)
            return
        try:
            if standing.state is State.REQUESTED:
                await self.shake_hands(standing, subscription, now)
                await self._set_state(standing, State.ACTIVE, answered=True)
                return
            await self._tell_events(standing, subscription)
        except ReceiverFailed as error:
            await self._fail(standing, keeping.words_of(error))

    async def _tell_events(self, standing: Standing, subscription: Subscription) -> None:
        """Tell what there is, batch by batch, as long as the lease is ours."""
        for _ in range(BATCHES_MAX):
            messages = await self._messages(standing, subscription)
            if messages is None:
                return
            for message in messages:
                if message.method:
                    await self._send(subscription, message)
                answered = await self._told(standing, subscription, message.number)
                if answered is None:
                    return
                standing = answered
            if not messages or standing.delivered == standing.numbered:
                break
        await self._release(standing)

    async def _messages(
        self, standing: Standing, subscription: Subscription
    ) -> list[Message] | None:
        """Return the next requests, none where nothing is due; None where the lease is lost."""
        plain_ = subscription.content is None
        whole = bool(subscription.payload) if plain_ else subscription.content is Content.FULL
        async with self._turns, self._database.transaction() as db:
            cx = _context(db)
            if not await store.extend(db, standing, cx.now + self._lease(subscription.timeout_s)):
                return None
            events = await store.list_events(
                db,
                standing.id,
                after=standing.delivered,
                until=standing.numbered,
                count=subscription.max_count,
                bytes_max=BODY_MAX if whole else None,
            )
            if not events:
                return self._heartbeat(standing, subscription, cx.now)
            versions = await shown(cx, events, self._sees, standing.id, bodies=whole)
            if whole:
                await _note(cx, standing.id, versions.values())
        if plain_:
            return plain(subscription, events, versions)
        return [self._bundle(standing, subscription, events, versions)]

    def _bundle(
        self,
        standing: Standing,
        subscription: Subscription,
        events: Sequence[Event],
        versions: dict[int, Change],
    ) -> Message:
        """Return one notification of all these events."""
        content = subscription.content or Content.EMPTY
        told = notifications.bundle(
            standing,
            Notice.EVENTS,
            ids=(ids.new(), ids.new()),
            now=clock.now(),
            base=self._base,
            topic=subscription.topic,
            content=content,
            events=events,
            withheld=frozenset(each.number for each in events if each.number not in versions),
            large=frozenset(each.number for each in events if _is_large(each, content)),
            bodies=texts(versions),
        )
        body = fhir.dumps(told).encode()
        return Message("POST", subscription.endpoint, body, events[-1].number)

    def _heartbeat(
        self, standing: Standing, subscription: Subscription, now: datetime
    ) -> list[Message]:
        told_at = standing.told_at or standing.began_at
        every = subscription.heartbeat_s
        if every is None or now < told_at + timedelta(seconds=every):
            return []
        body = None
        if subscription.content is not None:
            body = self._status(standing, Notice.HEARTBEAT, now)
        elif subscription.payload:
            return []  # R4 alone has none, and an empty POST to a service base is a mistake
        return [Message("POST", subscription.endpoint, body, standing.delivered)]

    def _status(self, standing: Standing, notice: Notice, now: datetime) -> bytes:
        told = notifications.bundle(
            standing, notice, ids=(ids.new(), ids.new()), now=now, base=self._base
        )
        return fhir.dumps(told).encode()

    async def shake_hands(
        self, standing: Standing, subscription: Subscription, now: datetime
    ) -> None:
        """Ask a receiver whether it is there.

        R4 alone has no handshake. Where it only nudges, a nudge is one; where it puts resources to
        a service base, its metadata is asked for, and any answer but of a fault will do.

        Raises:
            ReceiverFailed: it is not.
        """
        if subscription.content is not None:
            body = self._status(standing, Notice.HANDSHAKE, now)
            message = Message("POST", subscription.endpoint, body, 0)
        elif subscription.payload:
            url = below(subscription.endpoint, "metadata")
            message = Message("GET", url, None, 0, below=SERVER_ERROR)
        else:
            message = Message("POST", subscription.endpoint, None, 0)
        await self._send(subscription, message)

    async def _send(self, subscription: Subscription, message: Message) -> None:
        headers = dict(subscription.headers)
        if message.body is not None:
            headers["Content-Type"] = subscription.payload
        await self._sender.send(
            message.method,
            message.url,
            headers=headers,
            body=message.body,
            timeout_s=subscription.timeout_s,
            below=message.below,
        )

    async def _told(
        self, standing: Standing, subscription: Subscription, number: int
    ) -> Standing | None:
        async with self._turns, self._database.transaction() as db:
            now = clock.now()
            until = now + self._lease(subscription.timeout_s)
            return await store.told(db, standing, number, now, until)

    async def _release(self, standing: Standing) -> None:
        async with self._turns, self._database.transaction() as db:
            await store.release(db, standing, clock.now())

    async def _set_state(self, standing: Standing, state: State, *, answered: bool = False) -> None:
        async with self._turns, self._database.transaction() as db:
            cx = _context(db)
            if await keeping.set_state(cx, standing, state) and answered:
                await store.clear(db, standing.id, cx.now)

    async def _fail(self, standing: Standing, error: str) -> None:
        """Write a failure down: again later, or in error. A handshake is tried once (IG)."""
        try:
            async with self._turns, self._database.transaction() as db:
                cx = _context(db)
                now = await store.lock(db, standing.id)
                if now is None or now.lease != standing.lease:
                    return
                failures = now.failures + 1
                log.warning("subscription %s, failure %d: %s", standing.id, failures, error)
                if now.state is State.REQUESTED:
                    await keeping.set_state(cx, now, State.ERROR, error)
                elif failures >= self._pace.tries:
                    await keeping.give_up(cx, now, error)
                else:
                    wait_s = rules.backoff_s(failures, JITTER.random(), self._pace)
                    due_at = cx.now + timedelta(seconds=wait_s)
                    await store.failed(db, now, error, cx.now, due_at)
        except (Busy, Unavailable, Conflict) as lost:
            log.info("subscription %s waits: %s", standing.id, type(lost).__name__)


def _context(db: Connection) -> Context:
    return Context(db, SYSTEM, clock.now(), "exchange-deliver", purpose="exchange.subscriptions")


async def _note(cx: Context, id_: str, versions: Iterable[Change]) -> None:
    """Put on record whose data a receiver is told, before it is: as read by the account it is for.

    Each time it is sent anew, since what was not answered may have been read.
    """
    persons = persons_in(versions)
    owner = (await store.find_owners(cx.db, [id_])).get(id_)
    if persons and owner is not None:
        reader = Actor(owner.account_id, None, ())
        acting = replace(cx, actor=reader, channel=Channel.HOSPITAL, purpose=EXCHANGE)
        await audit.append(acting, entries(EXCHANGE, f"Subscription/{id_}", persons))


async def shown(
    cx: Context, events: Sequence[Event], sees_: Sees, subscription_id: str, *, bodies: bool
) -> dict[int, Change]:
    """Return by number the versions that the owner of a subscription may still see.

    What was deleted is looked at as it was before. Bodies are read where they are to be told.
    """
    keys = {each.number: Key(each.type, each.resource_id, each.version) for each in events}
    deleted = {each.number for each in events if each.interaction == "delete"}
    before = {
        number: Key(key.type, key.id, key.version - 1)
        for number, key in keys.items()
        if number in deleted
    }
    found = await find_versions(cx, keys.values(), bodies=bodies)
    found |= await find_versions(cx, before.values(), bodies=False)
    visible = (await keeping.visible_to(cx, [subscription_id], sees_))[subscription_id]
    told = {}
    for number, key in keys.items():
        looked_at = found.get(before.get(number, key))
        if key in found and looked_at is not None and sees(visible, looked_at):
            told[number] = found[key]
    return told


def texts(versions: Mapping[int, Change]) -> dict[int, orjson.Fragment]:
    """Return what stands in the record of versions, to be written as it is, by number."""
    return {
        number: orjson.Fragment(version.body)
        for number, version in versions.items()
        if version.body is not None
    }


def _is_large(event: Event, content: Content) -> bool:
    return content is Content.FULL and event.size > BODY_MAX


def plain(
    subscription: Subscription, events: Sequence[Event], versions: dict[int, Change]
) -> list[Message]:
    """Return requests as R4 alone has them: one nudge for all, or each resource put.

    Source: HL7 FHIR R4 4.0.1, code system subscription-channel-type, rest-hook.
    """
    some = [each for each in events if each.number in versions]
    last = events[-1].number
    if not subscription.payload and some:
        return [Message("POST", subscription.endpoint, None, last)]
    found = []
    for each in some if subscription.payload else ():
        body = versions[each.number].body
        if body is not None:
            url = below(subscription.endpoint, f"{each.type}/{each.resource_id}")
            found.append(Message("PUT", url, body.encode(), each.number))
    if not found or found[-1].number < last:
        found.append(Message("", "", None, last))  # what may not be told is passed over
    return found


def below(endpoint: str, path: str) -> str:
    """Return the address of something below a service base; its query stays."""
    parts = urlsplit(endpoint)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{path}"))
