"""Stopped at the worst moment, and two workers at once; each with a control that must fail."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from citycare.kernel.context import SYSTEM, Context
from citycare.kit import clock
from citycare.scenarios.exchange.model.subscriptions import State, Subscription
from citycare.scenarios.exchange.service.subscriptions import keeping, watching
from citycare.scenarios.exchange.service.subscriptions.delivering import Deliverer, Message
from citycare.scenarios.exchange.service.subscriptions.feeding import Feeder
from citycare.scenarios.exchange.store import subscriptions as store
from tests.scenarios.exchange.subscriptions.conftest import (
    BASE,
    QUICK,
    City,
    observation,
    subscription,
)
from tests.scenarios.exchange.subscriptions.receiver import Receiver


class Killed(BaseException):
    """What a kill -9 is to the code: nothing after it is done."""


async def leases_end(city: City) -> None:
    async with city.database.transaction() as db:
        await db.execute("UPDATE exchange.subscription SET leased_until = now() - interval '1 s'")


async def killed_while_sending(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    async def send(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Deliverer, "_send", send)
        with pytest.raises(Killed):
            await city.deliverer.deliver_due()


async def test_killed_while_it_sends_the_event_is_told_by_the_next(
    city: City, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await city.subscribe(subscription(receiver.url))
    await city.put(observation("o-1"))
    await city.feed()
    await killed_while_sending(city, monkeypatch)
    await city.deliver()
    assert len(receiver.taken) == 1  # the lease still stands
    await leases_end(city)
    await city.deliver()
    assert receiver.taken[-1].numbers() == [1]


async def test_control_written_down_before_it_is_sent_an_event_is_lost(
    city: City, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def tell(self: Deliverer, standing: Any, read: Subscription) -> None:
        messages = await self._messages(standing, read)
        for message in messages or ():
            await self._told(standing, read, message.number)
            await self._send(read, message)

    await city.subscribe(subscription(receiver.url))
    await city.put(observation("o-1"))
    await city.feed()
    monkeypatch.setattr(Deliverer, "_tell_events", tell)
    await killed_while_sending(city, monkeypatch)
    await leases_end(city)
    await city.deliver()
    assert [each.notice for each in receiver.taken] == ["handshake"]


async def test_a_worker_whose_lease_was_lost_writes_nothing_down(
    city: City, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was asleep: meanwhile another told the event, and the next one failed."""
    await city.subscribe(subscription(receiver.url))
    await city.put(observation("o-1"))
    await city.feed()
    send = Deliverer._send

    async def asleep(self: Deliverer, read: Subscription, message: Message) -> None:
        monkeypatch.setattr(Deliverer, "_send", send)
        await leases_end(city)
        await city.deliver()
        await self._send(read, message)

    monkeypatch.setattr(Deliverer, "_send", asleep)
    await city.deliverer.deliver_due()
    standing = await city.standing()
    assert (standing.delivered, standing.lease) == (1, None)
    assert [each.numbers() for each in receiver.taken[1:]] == [[1], [1]]


async def test_stopped_before_the_commit_a_page_is_looked_at_again(
    city: City, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def move(*_: object) -> None:
        raise Killed

    await city.subscribe(subscription(receiver.url))
    await city.put(observation("o-1"), subscription(receiver.url, id="s-2"))
    with monkeypatch.context() as patch:
        patch.setattr(store, "move_feed", move)
        with pytest.raises(Killed):
            await city.feeder.go_round()
    assert await city.events() == []
    await city.put(observation("o-2"))
    await city.feed()
    assert [(each.number, each.resource_id) for each in await city.events()] == [
        (1, "o-1"),
        (2, "o-2"),
    ]


async def two_feeders(city: City, receiver: Receiver) -> list[tuple[int, str]]:
    """Let two look through the same changes at once; return what became an event."""
    await city.subscribe(subscription(receiver.url))
    feeders = [Feeder(city.database, city.deliverer._sees, BASE, QUICK) for _ in range(2)]
    for number in range(30):
        await city.put(observation(f"o-{number}"))
        await asyncio.gather(*(each.go_round() for each in feeders))
    await city.feed()
    return [(each.number, each.resource_id) for each in await city.events()]


@pytest.mark.race
async def test_two_at_once_make_each_event_once(city: City, receiver: Receiver) -> None:
    found = await two_feeders(city, receiver)
    assert found == [(number + 1, f"o-{number}") for number in range(30)]


@pytest.mark.race
async def test_control_without_the_lock_events_are_made_twice(
    city: City, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    peek = store.peek_feed
    before: list[Any] = []

    async def no_lock(db: Any) -> Any:
        return before.pop(0) if before else await peek(db)

    async def peeked(db: Any) -> Any:
        before.append(await peek(db))
        return before[-1]

    monkeypatch.setattr(store, "peek_feed", peeked)
    monkeypatch.setattr(store, "lock_feed", no_lock)
    found = await two_feeders(city, receiver)
    assert len(found) > 30


async def test_what_is_in_error_for_a_week_goes_off_and_is_forgotten(
    city: City, receiver: Receiver
) -> None:
    receiver.faults.append(500)
    await city.subscribe(subscription(receiver.url))
    await city.put(observation("o-1"))
    await city.feed()
    for days, state, events in ((6, State.ERROR, 1), (8, State.OFF, 0)):
        async with city.database.transaction() as db:
            later = clock.now() + timedelta(days=days)
            await keeping.purge(Context(db, SYSTEM, later, "test-request"))
        assert (await city.standing()).state is state
        assert len(await city.events()) == events
    stored = await city.read("Subscription", "s-1")
    assert (stored["status"], stored["error"]) == ("off", "HTTP status 500")


async def test_what_cannot_be_decided_is_told_and_holds_up_nobody(
    city: City, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await city.subscribe(
        subscription(receiver.url, "Observation?value-quantity=gt5"),
        subscription(receiver.url, "Observation?code=8867-4", id="s-2"),
    )

    def meets(criterion: Any, _: Any, __: str) -> bool:
        if criterion.param == "value-quantity":
            raise ValueError("a fault of ours")
        return True

    monkeypatch.setattr(watching, "meets", meets)
    await city.put(observation("o-1"))
    await city.feed()
    assert len(await city.events("s-1")) == len(await city.events("s-2")) == 1
