import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citycare.kernel.context import Context
from citycare.kit import clock, ids
from citycare.kit.db import Database, Row
from citycare.kit.embedded import Embedded
from citycare.scenarios.booking.model.core import Pool
from citycare.scenarios.booking.model.queue import QueueNotOpen, Standing, TicketWrong
from citycare.scenarios.booking.rules import queue as rules
from citycare.scenarios.booking.service import queue as service
from citycare.scenarios.booking.store import queue as store
from tests.scenarios.booking.conftest import open_slot
from tests.scenarios.booking.queueing import (
    KEY,
    KEYS,
    Release,
    context,
    let_all_in,
    make_release,
    open_now,
    run,
)

QUEUE = UUID(int=0x9E0E)
OPENS = datetime(2026, 11, 22, 0, 0, tzinfo=UTC)


def person(n: int) -> UUID:
    return ids.derive("person", n)


def test_all_who_come_early_count_as_the_opening_second() -> None:
    early = rules.arrival_second(OPENS - timedelta(hours=9), OPENS, 30)
    assert early == rules.arrival_second(OPENS + timedelta(milliseconds=29_999), OPENS, 30)
    assert rules.arrival_second(OPENS + timedelta(seconds=30), OPENS, 30) == early + 1


def test_within_a_second_speed_buys_nothing() -> None:
    """The mean rank of the first 100 of 1,000 arrivals in a second is that of all: 499.5 ± 4 σ."""
    tickets = [
        rules.new_ticket(
            KEY,
            QUEUE,
            person(n),
            rules.arrival_second(OPENS + timedelta(microseconds=900 * n), OPENS, 1),
        )
        for n in range(1_000)
    ]
    assert len({ticket.second for ticket in tickets}) == 1
    order = sorted(range(1_000), key=lambda n: tickets[n].tie)
    rank = {n: position for position, n in enumerate(order)}
    mean = sum(rank[n] for n in range(100)) / 100
    assert abs(mean - 499.5) < 4 * 28.9


@given(st.uuids(), st.uuids(), st.integers(0, 2**40))
def test_a_token_reads_back(queue: UUID, owner: UUID, second: int) -> None:
    ticket = rules.new_ticket(KEY, queue, owner, second)
    token = rules.sign(KEY, ticket)
    assert len(token) == 75
    assert rules.read(KEY, token, owner) == ticket


@given(st.integers(0, 74), st.sampled_from("ABCDEFxyz0123_-!"))
def test_a_changed_token_is_refused(at: int, other: str) -> None:
    token = rules.sign(KEY, rules.new_ticket(KEY, QUEUE, person(1), 1_795_305_600))
    changed = token[:at] + other + token[at + 1 :]
    try:
        read = rules.read(KEY, changed)
    except TicketWrong:
        return
    assert read == rules.read(KEY, token)  # the last character carries two unused bits


@pytest.mark.parametrize("token", ["", "a", "ä", "A" * 75, "A" * 10_000])
def test_nonsense_is_refused(token: str) -> None:
    with pytest.raises(TicketWrong):
        rules.read(KEY, token)


def test_a_ticket_is_bound_to_its_person_and_key() -> None:
    token = rules.sign(KEY, rules.new_ticket(KEY, QUEUE, person(1), 1_795_305_600))
    with pytest.raises(TicketWrong):
        rules.read(KEY, token, person(2))
    with pytest.raises(TicketWrong):
        rules.read(b"\x06" * 32, token, person(1))


@given(
    st.integers(0, 1_000),
    st.integers(0, 1_000),
    st.lists(st.tuples(st.floats(0, 3), st.integers(-5, 1_000)), max_size=20),
    st.integers(1, 500),
)
def test_admission_keeps_rate_and_room_and_never_passes_the_ranked(
    admitted: int, waiting: int, ticks: list[tuple[float, int]], rate: int
) -> None:
    ranked, start, credit = admitted + waiting, admitted, 0.0
    for tick, room in ticks:
        credit += tick
        reached, used = rules.admit(admitted, ranked, credit, rate, room)
        assert admitted <= reached <= min(ranked, admitted + max(0, room))
        admitted, credit = reached, credit - used
    assert admitted - start <= sum(tick for tick, _ in ticks) * rate + 1e-6


def test_after_a_standstill_there_is_no_flood() -> None:
    reached, _ = rules.admit(0, 1_000_000, 3_600.0, 200, 1_000_000)
    assert reached == 1_000


@pytest.mark.parametrize(
    ("ahead", "room", "choosing", "seconds"),
    [
        (0, 20, 0, 1),
        (9, 20, 0, 1),
        (10, 20, 0, 2),
        (20, 20, 5, 300),
        (24, 20, 5, 300),
        (25, 20, 5, 600),
        (0, 0, 0, None),
        (0, -3, 2, 300),
    ],
)
def test_a_wait_is_told_as_the_longest(
    ahead: int, room: int, choosing: int, seconds: int | None
) -> None:
    assert rules.wait_s(ahead, 10, room, choosing, 300) == seconds


@pytest.mark.parametrize(("wait", "poll"), [(None, 30), (0, 3), (40, 10), (600, 30)])
def test_who_waits_long_asks_seldom(wait: int | None, poll: int) -> None:
    assert rules.poll_s(wait) == poll


def test_nobody_looks_each_second_at_nothing() -> None:
    assert rules.pause_s([], OPENS) == 15.0
    assert rules.pause_s([OPENS + timedelta(minutes=9)], OPENS) == 15.0
    assert rules.pause_s([OPENS + timedelta(seconds=4)], OPENS) == 4.0
    assert rules.pause_s([OPENS - timedelta(minutes=1), OPENS + timedelta(hours=1)], OPENS) == 1.0


async def joined(
    database: Database, release: Release, *numbers: int, ago_s: int = 10
) -> list[Standing]:
    async with database.transaction() as db:
        cx = context(db, clock.now() - timedelta(seconds=ago_s))
        queue = await store.of_clinic(db, release.clinic_id, clock.now())
        assert queue is not None
        return await service.join_many(cx, KEYS, queue, [person(n) for n in numbers])


async def stand(database: Database, token: str) -> Standing:
    async with database.autocommit() as db:
        return await service.standing(context(db), KEYS, token)


async def test_a_queue_opens_before_the_release_of_a_clinic_that_wants_one(
    database: Database,
) -> None:
    release = await make_release(database)

    async def plain(cx: Context) -> None:
        await open_slot(
            cx, starts_at=cx.now + timedelta(days=2), opens_at=cx.now + timedelta(minutes=5)
        )

    await run(database, plain)
    assert await run(database, service.open_due) == 0  # made by make_release; the plain one not
    rows = await run(database, lambda cx: _rows(cx, "SELECT id FROM booking.queue"))
    assert [row["id"] for row in rows] == [release.queue_id]
    marked = "SELECT id FROM booking.slot WHERE queue_id IS NOT NULL ORDER BY id"
    assert [row["id"] for row in await run(database, lambda cx: _rows(cx, marked))] == sorted(
        release.slots
    )


async def _rows(cx: Context, query: str) -> list[Row]:
    return await (await cx.db.execute(query.encode())).fetchall()


async def test_long_before_the_release_there_is_nothing_to_queue_for(database: Database) -> None:
    release = await make_release(database, opens_in=timedelta(hours=3))
    assert release.queue_id is None
    with pytest.raises(QueueNotOpen):
        await run(database, lambda cx: service.join(cx, KEYS, release.clinic_id, person(1)))


async def test_joining_opens_the_queue_when_the_clock_has_not_yet(database: Database) -> None:
    release = await make_release(database, due=False)
    found = await run(database, lambda cx: service.join(cx, KEYS, release.clinic_id, person(1)))
    assert (found.position, found.admitted, found.poll_s) == (None, False, 30)


async def test_as_many_are_let_in_as_there_are_places(database: Database) -> None:
    release = await make_release(database, places=4)
    await open_now(database, release)
    tickets = await joined(database, release, *range(10))
    assert all(ticket.position is None for ticket in tickets)
    assert await let_all_in(database, release) == 4
    assert await let_all_in(database, release) == 4
    now = [await stand(database, ticket.token) for ticket in tickets]
    assert sorted(one.position or 0 for one in now) == list(range(1, 11))
    assert {one.position for one in now if one.admitted} == {1, 2, 3, 4}
    fifth = next(one for one in now if one.position == 5)
    last = next(one for one in now if one.position == 10)
    assert (fifth.ahead, fifth.wait_s, fifth.left) == (0, 300, 0)
    assert (last.ahead, last.wait_s) == (5, 600)
    await run(
        database,
        lambda cx: cx.db.execute(
            "UPDATE booking.queue_ticket SET admitted_at = now() - interval '1 h'"
            " WHERE position <= 2"
        ),
    )
    assert await let_all_in(database, release) == 6
    assert (await stand(database, fifth.token)).admitted


async def test_the_rate_holds_when_there_is_room(database: Database) -> None:
    release = await make_release(database, places=10)
    await open_now(database, release, rate=2)
    await joined(database, release, *range(10))
    assert await let_all_in(database, release, elapsed_s=2) == 4


async def test_a_second_device_stands_at_the_same_place(database: Database) -> None:
    release = await make_release(database)
    await open_now(database, release)
    first = (await joined(database, release, 1, ago_s=10))[0]
    assert (await joined(database, release, 1, ago_s=5))[0].token == first.token


async def test_a_ticket_runs_out_and_the_person_may_queue_again(database: Database) -> None:
    release = await make_release(database)
    await open_now(database, release)
    ticket = (await joined(database, release, 1))[0]
    await let_all_in(database, release)
    await run(
        database,
        lambda cx: cx.db.execute(
            "UPDATE booking.queue_ticket SET admitted_at = now() - interval '1 h'"
        ),
    )
    assert (await stand(database, ticket.token)).expired
    again = (await joined(database, release, 1, ago_s=2))[0]
    assert (again.position, again.token == ticket.token) == (None, False)
    with pytest.raises(TicketWrong):
        await stand(database, ticket.token)


async def test_an_idle_city_is_looked_at_seldom_and_with_one_statement(
    database: Database,
) -> None:
    assert await service.advance_all(database) == 15.0
    release = await make_release(database)
    assert 1.0 < await service.advance_all(database) <= 15.0
    await open_now(database, release)
    await joined(database, release, 1)
    assert await service.advance_all(database) == 1.0
    assert (await joined(database, release, 1))[0].position == 1


async def test_old_queues_are_forgotten_with_who_stood_in_them(database: Database) -> None:
    release = await make_release(database)
    await joined(database, release, 1, 2, 3)
    assert await run(database, service.forget_old) == 0
    await run(
        database,
        lambda cx: cx.db.execute(
            "UPDATE booking.queue SET opens_at = now() - interval '41 days',"
            " ends_at = now() - interval '40 days'"
        ),
    )
    assert await run(database, service.forget_old) == 3
    assert await run(database, lambda cx: _rows(cx, "SELECT id FROM booking.queue")) == []


async def order_of_many(database: Database) -> list[int]:
    """Let five people join on eight devices each and ten clocks rank them at once."""
    release = await make_release(database, shares={Pool.PUBLIC: 10})
    await open_now(database, release)
    await asyncio.gather(*(joined(database, release, n % 5) for n in range(40)))
    assert release.queue_id is not None
    await asyncio.gather(*(service.advance(database, release.queue_id) for _ in range(10)))
    rows = await run(
        database,
        lambda cx: _rows(cx, "SELECT position FROM booking.queue_ticket ORDER BY position"),
    )
    return [row["position"] for row in rows]


@pytest.mark.race
async def test_many_devices_and_many_clocks_make_one_order(database: Database) -> None:
    assert await order_of_many(database) == [1, 2, 3, 4, 5]


@pytest.mark.race
async def test_control_without_the_primary_key_every_device_has_a_place(
    database: Database,
    server: Embedded,
    own_database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with psycopg.connect(server.url(own_database), autocommit=True) as connection:
        connection.execute("ALTER TABLE booking.queue_ticket DROP CONSTRAINT queue_ticket_pkey")
    monkeypatch.setattr(store, "JOIN", store.JOIN.split("ON CONFLICT")[0])
    assert len(await order_of_many(database)) > 5
