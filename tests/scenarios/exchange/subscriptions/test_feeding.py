"""What the feed reads of the record: of types nobody is told of, nothing; of others, all."""

from __future__ import annotations

from citycare.kernel import fhir
from citycare.kernel.context import Context
from citycare.kit import clock
from citycare.scenarios.exchange.model.subscriptions import Feed
from citycare.scenarios.exchange.service.subscriptions import feeding, keeping
from citycare.scenarios.exchange.service.subscriptions.feeding import Feeder
from citycare.scenarios.exchange.store import subscriptions as store
from tests.scenarios.exchange.subscriptions.conftest import (
    BASE,
    CLIENT,
    QUICK,
    City,
    Json,
    observation,
    subscription,
)
from tests.scenarios.exchange.subscriptions.receiver import Receiver
from tests.scenarios.exchange.subscriptions.test_topics import encounter


async def feed_of(city: City) -> Feed:
    async with city.database.autocommit() as db:
        return await store.peek_feed(db)


async def ask_for(city: City, *resources: Json) -> None:
    """Store Subscriptions; the feed does not know of them yet."""
    async with city.database.transaction() as db:
        cx = Context(db, CLIENT, clock.now(), "test-request")
        for each in resources:
            await keeping.take(cx, each, base=BASE)
        await fhir.put(cx, resources)


async def test_a_type_asked_for_in_the_middle_of_a_page_counts_from_there(
    city: City, receiver: Receiver
) -> None:
    await city.subscribe(subscription(receiver.url))
    await city.put(encounter("before", "planned"), observation("o-1"))
    await ask_for(city, subscription(receiver.url, "Encounter?", id="s-2"))
    await city.put(encounter("after", "planned"), observation("o-2"))
    await ask_for(city, subscription(receiver.url, "Patient?", id="s-3"))
    await city.put(encounter("later", "planned"), {"resourceType": "Patient", "id": "p-9"})
    await city.feed()
    told = {id_: [each.resource_id for each in await city.events(id_)] for id_ in ("s-1", "s-2")}
    assert told == {"s-1": ["o-1", "o-2"], "s-2": ["after", "later"]}
    assert [each.resource_id for each in await city.events("s-3")] == ["p-9"]


async def test_what_another_worker_was_asked_for_this_one_reads_too(
    city: City, receiver: Receiver
) -> None:
    other = Feeder(city.database, city.deliverer._sees, BASE, QUICK)
    await other.go_round()  # it knows of nobody
    await city.subscribe(subscription(receiver.url, "Encounter?"))
    await city.put(encounter("e-1", "planned"))
    while await other.go_round() == 0.0:
        pass
    assert [each.resource_id for each in await city.events()] == ["e-1"]


async def test_the_feed_goes_past_what_nobody_asks_for_and_rests_when_nothing_is_written(
    city: City,
) -> None:
    await city.feed()
    begun = await feed_of(city)
    assert await city.feeder.go_round() == QUICK.look_s
    assert await feed_of(city) == begun
    await city.put(*(observation(f"o-{number}") for number in range(feeding.PAGE + 1)))
    assert await city.feeder.go_round() == QUICK.look_s  # one round, whatever their number
    passed = await feed_of(city)
    assert passed.since != begun.since
    assert (passed.target, passed.rid) == (None, 0)
    assert await city.feeder.go_round() == QUICK.look_s
    assert await feed_of(city) == passed


async def test_pages_of_what_is_asked_for_follow_at_once(city: City, receiver: Receiver) -> None:
    await city.subscribe(subscription(receiver.url))
    await city.feed()
    await city.put(*(observation(f"o-{number}") for number in range(feeding.PAGE + 1)))
    assert await city.feeder.go_round() == 0.0
    assert (await feed_of(city)).target is not None
    assert await city.feeder.go_round() == QUICK.look_s
    assert (await feed_of(city)).target is None
    assert len(await city.events()) == feeding.PAGE + 1
