"""From a change in the record to a request at the receiver, with faults on the way."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from citycare.kernel import events, identity
from citycare.kernel.context import SYSTEM, Context
from citycare.kernel.fhir.finding import EVERYTHING, Visible
from citycare.kit import clock
from citycare.scenarios.exchange.model.subscriptions import (
    Content,
    Pace,
    State,
    SubscriptionRefused,
    SubscriptionUnknown,
)
from citycare.scenarios.exchange.service.subscriptions import asking, keeping
from citycare.scenarios.exchange.tasks import subscriptions as tasks
from tests.scenarios.exchange.subscriptions.conftest import (
    ACCOUNT,
    BASE,
    CLIENT,
    City,
    observation,
    subscription,
)
from tests.scenarios.exchange.subscriptions.receiver import Receiver, Request

PERSON = UUID("018f6b2e-0000-7000-8000-000000000023")


def told(receiver: Receiver) -> list[int]:
    """Return the numbers of all events that were taken, with repeats."""
    notices = [each for each in receiver.taken if each.notice == "event-notification"]
    return [number for each in notices for number in each.numbers()]


def last(receiver: Receiver) -> Request:
    return receiver.taken[-1]


async def test_a_handshake_makes_it_active(city: City, receiver: Receiver) -> None:
    await city.subscribe(subscription(receiver.url, channel={"header": ["X-Key: 17 b"]}))
    assert [each.notice for each in receiver.taken] == ["handshake"]
    assert last(receiver).method == "POST"
    assert last(receiver).headers["x-key"] == "17 b"
    assert last(receiver).headers["content-type"] == "application/fhir+json"
    assert last(receiver).status("status") == "requested"
    stored = await city.read("Subscription", "s-1")
    assert (stored["status"], stored["meta"]["versionId"]) == ("active", "2")
    assert (await city.standing()).state is State.ACTIVE


async def test_a_handshake_that_fails_is_an_error_until_the_client_asks_again(
    city: City, receiver: Receiver
) -> None:
    receiver.faults.append(500)
    await city.subscribe(subscription(receiver.url))
    stored = await city.read("Subscription", "s-1")
    assert (stored["status"], stored["error"]) == ("error", "HTTP status 500")
    await city.put(observation("o-1"))
    await city.feed()
    await city.deliver()
    assert receiver.taken == []
    await city.subscribe(stored | {"status": "requested"})
    await city.deliver()
    assert [each.notice for each in receiver.taken] == ["handshake", "event-notification"]
    assert "error" not in await city.read("Subscription", "s-1")


async def test_changes_are_told_in_order_with_as_much_as_was_asked_for(
    city: City, receiver: Receiver
) -> None:
    await city.subscribe(subscription(receiver.url, content="full-resource"))
    await city.put(observation("o-1"), observation("o-2"))
    await city.put(observation("o-1", valueString="2"))
    await city.delete("Observation", "o-2")  # of a search, R4 tells what is created and updated
    await city.feed()
    await city.deliver()
    assert told(receiver) == [1, 2, 3]
    entries = last(receiver).json()["entry"]
    assert [each["request"]["method"] for each in entries] == ["GET", "POST", "POST", "PUT"]
    assert entries[1]["fullUrl"] == f"{BASE}/Observation/o-1"
    assert [each["resource"]["meta"]["versionId"] for each in entries[1:]] == ["1", "1", "2"]
    assert last(receiver).status("events-since-subscription-start") == "3"
    standing = await city.standing()
    assert (standing.numbered, standing.delivered) == (3, 3)


ON_RECORD = """
    SELECT person_id, line::json ->> 'account' AS account, line::json ->> 'record' AS record
      FROM audit.entry WHERE action = 'record.exchange' ORDER BY lane, seq
"""


@pytest.mark.parametrize("content", ["full-resource", None])
async def test_who_is_told_of_a_person_is_on_record_before(
    city: City, receiver: Receiver, content: str | None
) -> None:
    await city.subscribe(subscription(receiver.url, content=content))
    await city.put(observation("o-1", patient=str(PERSON)), observation("o-2", patient="elsewhere"))
    await city.feed()
    receiver.faults.append(503)  # that it was sent may still have been read
    await city.deliver()
    async with city.database.autocommit() as db:
        rows = await (await db.execute(ON_RECORD)).fetchall()
    assert {(row["person_id"], row["account"], row["record"]) for row in rows} == {
        (PERSON, str(ACCOUNT), "Subscription/s-1"),
        (identity.audit_id("elsewhere"), str(ACCOUNT), "Subscription/s-1"),
    }


async def test_what_names_nobody_is_on_no_record(city: City, receiver: Receiver) -> None:
    await city.subscribe(subscription(receiver.url, content="id-only"))
    await city.put(observation("o-1", patient=str(PERSON)))
    await city.feed()
    await city.deliver()
    assert told(receiver) == [1]
    async with city.database.autocommit() as db:
        assert not await (await db.execute(ON_RECORD)).fetchall()


async def test_empty_content_says_nothing_but_that_there_was_something(
    city: City, receiver: Receiver
) -> None:
    await city.subscribe(subscription(receiver.url, content="empty"))
    await city.put(observation("o-1"))
    await city.feed()
    await city.deliver()
    assert told(receiver) == [1]
    assert b"Observation" not in last(receiver).body
    assert len(last(receiver).json()["entry"]) == 1


async def test_r4_alone_puts_each_resource_or_nudges(city: City, receiver: Receiver) -> None:
    nudged = subscription(receiver.url, content=None, id="s-2")
    del nudged["channel"]["payload"]
    receiver.faults += [404, 200]  # no metadata there, but somebody
    await city.subscribe(subscription(receiver.url, content=None))
    await city.subscribe(nudged)
    await city.put(observation("o-1"), observation("o-2"))
    await city.feed()
    await city.deliver()
    assert sorted((each.method, each.path) for each in receiver.taken) == [
        ("POST", "/hook"),  # the handshake
        ("POST", "/hook"),
        ("PUT", "/hook/Observation/o-1"),
        ("PUT", "/hook/Observation/o-2"),
    ]
    assert receiver.refused[0].path == "/hook/metadata"
    assert [each.body for each in receiver.taken if each.method == "POST"] == [b"", b""]


@pytest.mark.parametrize("fault", [500, 404, "redirect", "drop", "hang"])
async def test_whatever_the_fault_all_is_told_in_order(
    city: City, receiver: Receiver, fault: int | str
) -> None:
    await city.subscribe(subscription(receiver.url, extensions={"timeout": 1, "max-count": 2}))
    await city.put(*(observation(f"o-{number}") for number in range(5)))
    await city.feed()
    receiver.faults += [200, fault, fault]
    for _ in range(200):
        await city.deliver()
        if told(receiver)[-1:] == [5]:
            break
        await asyncio.sleep(0.01)
    first_seen = list(dict.fromkeys(told(receiver)))
    assert first_seen == [1, 2, 3, 4, 5]
    assert len(told(receiver)) == (9 if fault == "drop" else 5)
    standing = await city.standing()
    assert (standing.delivered, standing.failures, standing.error) == (5, 0, "")


async def test_after_too_many_failures_an_operator_replays_the_dead_letter(
    city: City, receiver: Receiver
) -> None:
    await city.subscribe(subscription(receiver.url))
    receiver.always = 503
    await city.put(observation("o-1"))
    for _ in range(100):
        await city.feed()
        await city.deliver()
        if (await city.standing()).state is State.ERROR:
            break
        await asyncio.sleep(0.01)
    assert len(receiver.refused) == 3
    assert (await city.read("Subscription", "s-1"))["error"] == "HTTP status 503"
    await city.put(observation("o-2"))
    await city.feed()
    assert len(await city.events()) == 2

    sender, sees = city.deliverer._sender, city.deliverer._sees
    jobs = tasks.jobs(city.database, sender, sees, BASE)
    with pytest.raises(ExceptionGroup):
        await events.drain(city.database, [], jobs)
    async with city.database.transaction() as db:
        cx = Context(db, SYSTEM, clock.now(), "operator")
        letter = (await events.list_dead_letters(cx)).items[0]
        assert (letter.name, letter.error) == ("exchange.resume", "exchange.receiver_failed")
        assert letter.args == {"subscription": "s-1"}
        await events.replay(cx, letter.job_id)
    receiver.always = 200
    await events.drain(city.database, [], jobs)
    await city.deliver()
    assert told(receiver) == [1, 2]
    assert (await city.read("Subscription", "s-1"))["status"] == "active"


async def test_a_slow_receiver_holds_up_nobody_else(city: City, receiver: Receiver) -> None:
    await city.subscribe(*(subscription(receiver.url, id=f"s-{number}") for number in range(8)))
    await city.put(observation("o-1"))
    await city.feed()
    receiver.faults += ["slow"] * 8
    receiver.most_under_way = 0
    await city.deliver()
    assert receiver.most_under_way == 8
    assert told(receiver) == [1] * 8


async def test_a_receiver_is_told_only_of_what_its_owner_may_see(
    city: City, receiver: Receiver
) -> None:
    await city.subscribe(subscription(receiver.url, content="full-resource"))
    city.visible[ACCOUNT] = Visible(patients=frozenset((str(PERSON),)))
    await city.put(observation("hers", patient=str(PERSON)), observation("another's"[:7]))
    await city.feed()
    assert [each.resource_id for each in await city.events()] == ["hers"]
    city.visible[ACCOUNT] = Visible()  # she has taken it back meanwhile
    await city.deliver()
    assert told(receiver) == [1]
    assert b"hers" not in last(receiver).body


async def test_what_nobody_has_taken_is_told_nothing(city: City, receiver: Receiver) -> None:
    await city.put(subscription(receiver.url))
    await city.put(observation("o-1"))
    await city.feed()
    assert (await city.standing()).state is State.REQUESTED
    assert await city.events() == []


async def test_it_begins_where_it_was_asked_for_and_ends_when_it_is_off(
    city: City, receiver: Receiver
) -> None:
    await city.put(observation("before"))
    await city.subscribe(subscription(receiver.url))
    await city.put(observation("o-1"))
    stored = await city.read("Subscription", "s-1")
    await city.put(stored | {"status": "off"})
    await city.put(observation("o-2"))
    await city.feed()
    await city.deliver()
    assert [each.resource_id for each in await city.events()] == ["o-1"]
    assert told(receiver) == []
    await city.subscribe(stored | {"status": "requested"})
    await city.put(observation("o-3"))
    await city.feed()
    await city.deliver()
    assert told(receiver) == [2]  # numbers go on; what it missed while off it is not told
    await city.delete("Subscription", "s-1")
    await city.put(observation("o-4"))
    await city.feed()
    assert await city.events() == []


async def test_past_its_end_it_is_off(city: City, receiver: Receiver) -> None:
    end = (clock.now() + timedelta(seconds=0.2)).isoformat(timespec="milliseconds")
    await city.subscribe(subscription(receiver.url, end=end))
    await asyncio.sleep(0.25)
    await city.put(observation("o-1"))
    await city.feed()
    await city.deliver()
    assert (await city.read("Subscription", "s-1"))["status"] == "off"
    assert await city.events() == []


async def test_a_heartbeat_when_nothing_else_was_said(city: City, receiver: Receiver) -> None:
    await city.subscribe(subscription(receiver.url, extensions={"heartbeat-period": 10}))
    await city.put(observation("o-1"))
    await city.feed()
    await city.deliver()
    assert [each.notice for each in receiver.taken] == ["handshake", "event-notification"]
    async with city.database.transaction() as db:
        await db.execute("UPDATE exchange.subscription SET told_at = told_at - interval '11 s'")
    await city.deliver()
    assert last(receiver).notice == "heartbeat"
    assert last(receiver).status("events-since-subscription-start") == "1"
    assert await city.deliverer.deliver_due() == 0


async def test_status_and_events_can_be_asked_for(city: City, receiver: Receiver) -> None:
    await city.subscribe(subscription(receiver.url))
    receiver.always = 500
    await city.put(*(observation(f"o-{number}") for number in range(3)))
    await city.feed()
    await city.deliverer.deliver_due()
    async with city.database.autocommit() as db:
        cx = Context(db, CLIENT, clock.now(), "test-request")

        async def sees(_: Context, __: object) -> Visible:
            return EVERYTHING

        found = await asking.status(cx, ["s-1", "none"], base=BASE)
        some, persons = await asking.events(
            cx, "s-1", sees, base=BASE, since=2, content=Content.FULL
        )
        with pytest.raises(SubscriptionUnknown):
            await asking.events(cx, "none", sees, base=BASE)
    status = {each["name"]: each for each in found["entry"][0]["resource"]["parameter"]}
    assert (found["type"], found["total"]) == ("searchset", 1)
    assert status["type"]["valueCode"] == "query-status"
    assert status["events-since-subscription-start"]["valueString"] == "3"
    assert status["error"]["valueCodeableConcept"]["text"] == "HTTP status 500"
    names = [each["fullUrl"].rpartition("/")[2] for each in some["entry"][1:]]
    assert names == ["o-1", "o-2"]
    assert "resource" not in some["entry"][1]  # never more than the subscription asks for
    assert persons == set()


async def test_one_that_cannot_be_served_is_refused_or_in_error(
    city: City, receiver: Receiver
) -> None:
    wrong = subscription(receiver.url, "Observation?nonsense=1")
    with pytest.raises(SubscriptionRefused) as refused:
        await city.subscribe(wrong)
    assert refused.value.facts["element"] == "Subscription.criteria"
    await city.put(wrong)  # by whoever did not ask
    await city.put(observation("o-1"))
    await city.feed()
    stored = await city.read("Subscription", "s-1")
    assert stored["status"] == "error"
    assert "nonsense" in stored["error"]


async def test_large_notifications_are_split(city: City, receiver: Receiver) -> None:
    await city.subscribe(subscription(receiver.url, content="full-resource"))
    long = "长" * 900_000
    await city.put(*(observation(f"o-{number}", valueString=long) for number in range(3)))
    await city.feed()
    await city.deliver()
    notices = [each for each in receiver.taken if each.notice == "event-notification"]
    assert [each.numbers() for each in notices] == [[1], [2], [3]]


async def test_it_runs_by_itself(city: City, receiver: Receiver) -> None:
    await city.subscribe(subscription(receiver.url))
    delivering = asyncio.create_task(city.deliverer.run())
    try:
        for number in range(3):
            await city.put(observation(f"o-{number}"))
            await city.feed()
        await receiver.until(lambda: told(receiver) == [1, 2, 3])
    finally:
        delivering.cancel()
        await asyncio.gather(delivering, return_exceptions=True)
    assert Pace().tries == 12


async def test_an_operator_sees_how_they_stand_and_how_much_waits(
    city: City, receiver: Receiver
) -> None:
    await city.subscribe(*(subscription(receiver.url, id=f"s-{number}") for number in range(3)))
    stored = await city.read("Subscription", "s-2")
    await city.put(stored | {"status": "off"}, observation("o-1"))
    await city.feed()
    async with city.database.autocommit() as db:
        cx = Context(db, SYSTEM, clock.now(), "operator")
        first = await asking.overview(cx, count=2)
        second = await asking.overview(cx, after=first.next, count=2)
        backlog = await asking.backlog(cx)
    assert [each.id for each, _ in (*first.items, *second.items)] == ["s-0", "s-1", "s-2"]
    assert second.next is None
    assert first.items[0][1] is not None
    assert first.items[0][1].endpoint == receiver.url
    assert (backlog.events, backlog.by_state) == (2, {"active": 2, "off": 1})
    assert backlog.oldest_at is not None
    await city.deliver()
    async with city.database.autocommit() as db:
        backlog = await asking.backlog(Context(db, SYSTEM, clock.now(), "operator"))
    assert (backlog.events, backlog.oldest_at) == (0, None)


async def test_a_client_has_so_many_and_no_more(
    city: City, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "OWNED_MAX", 1)
    await city.subscribe(subscription(receiver.url))
    await city.subscribe(subscription(receiver.url, "Observation?code=2"))  # the same one, changed
    with pytest.raises(SubscriptionRefused):
        await city.subscribe(subscription(receiver.url, id="s-2"))


async def test_a_worker_that_stops_lets_another_go_on_at_once(
    city: City, receiver: Receiver
) -> None:
    await city.subscribe(subscription(receiver.url))
    await city.put(observation("o-1"))
    await city.feed()
    receiver.faults.append("hang")
    delivering = asyncio.create_task(city.deliverer.run())
    await receiver.until(lambda: bool(receiver.refused))
    delivering.cancel()
    await asyncio.gather(delivering, return_exceptions=True)
    assert (await city.standing()).lease is None
    await city.deliver()
    assert told(receiver) == [1]
