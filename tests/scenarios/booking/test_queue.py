import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citycare.kernel.context import SYSTEM, Channel, Context
from citycare.kit import clock, ids
from citycare.kit.db import Database
from citycare.kit.errors import AppError
from citycare.scenarios.booking.model.draw import (
    Keys,
    Standing,
    TicketNotAdmitted,
    TicketSpent,
    TicketWrong,
)
from citycare.scenarios.booking.rules import queue as rules
from citycare.scenarios.booking.service import queue as service

KEY = b"\x05" * 32
KEYS = Keys(b"\x01" * 32, b"\x02" * 32, KEY)
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
    st.lists(st.floats(0, 3), max_size=20),
    st.integers(1, 500),
)
def test_admission_keeps_the_rate_and_never_passes_the_ranked(
    admitted: int, waiting: int, ticks: list[float], rate: int
) -> None:
    ranked, start, credit = admitted + waiting, admitted, 0.0
    for tick in ticks:
        credit += tick
        reached, used = rules.admit(admitted, ranked, credit, rate)
        assert admitted <= reached <= ranked
        admitted, credit = reached, credit - used
    assert admitted - start <= sum(ticks) * rate + 1e-6


def test_after_a_standstill_there_is_no_flood() -> None:
    reached, _ = rules.admit(0, 1_000_000, 3_600.0, 200)
    assert reached == 1_000


@pytest.mark.parametrize(("position", "seconds"), [(1, 1), (10, 1), (11, 2), (0, 0)])
def test_wait_is_rounded_up(position: int, seconds: int) -> None:
    assert rules.wait_s(position, 0, 10) == seconds


@pytest.fixture
async def queue(database: Database) -> UUID:
    async with database.transaction() as db:
        opens = clock.now() - timedelta(seconds=30)
        await service.open_queue(context(db), QUEUE, opens)
        await db.execute(
            "UPDATE booking.queue SET rate_per_s = 2, gather_s = 1, advanced_at = now()"
        )
    return QUEUE


def context(db: object, now: datetime | None = None) -> Context:
    return Context(db, SYSTEM, now or clock.now(), "test", Channel.PHONE, "test")  # type: ignore[arg-type]


async def joined(database: Database, queue: UUID, *numbers: int, ago_s: int = 10) -> list[Standing]:
    async with database.transaction() as db:
        cx = context(db, clock.now() - timedelta(seconds=ago_s))
        return await service.join_many(cx, KEYS, queue, [person(n) for n in numbers])


async def wind_back(database: Database, seconds: int) -> None:
    async with database.transaction() as db:
        await db.execute(
            "UPDATE booking.queue SET advanced_at = now() - make_interval(secs => %(s)s)",
            {"s": seconds},
        )


async def verdicts(
    database: Database, queue: UUID, claims: list[tuple[UUID, str]]
) -> list[AppError | None]:
    async with database.autocommit() as db:
        return await service.check_many(context(db), KEYS, queue, claims)


async def test_people_are_ranked_let_in_at_the_rate_and_book_once(
    database: Database, queue: UUID
) -> None:
    tickets = await joined(database, queue, *range(10))
    assert all(ticket.position is None for ticket in tickets)
    await wind_back(database, 2)
    assert await service.advance(database, queue) == 4
    async with database.autocommit() as db:
        now = [await service.standing(context(db), KEYS, ticket.token) for ticket in tickets]
    assert sorted(one.position or 0 for one in now) == list(range(1, 11))
    assert sum(one.admitted for one in now) == 4
    last = max(now, key=lambda one: one.position or 0)
    assert (last.ahead, last.wait_s) == (5, 3)
    claims = [(person(n), ticket.token) for n, ticket in enumerate(tickets)]
    refused = await verdicts(database, queue, claims)
    assert sum(one is None for one in refused) == 4
    assert sum(isinstance(one, TicketNotAdmitted) for one in refused) == 6
    winner = refused.index(None)
    async with database.transaction() as db:
        await service.spend_many(context(db), queue, [person(winner)])
    with pytest.raises(TicketSpent):
        async with database.transaction() as db:
            await service.spend_many(context(db), queue, [person(winner)])
    assert isinstance((await verdicts(database, queue, [claims[winner]]))[0], TicketSpent)


async def test_a_second_device_stands_at_the_same_place(database: Database, queue: UUID) -> None:
    first = (await joined(database, queue, 1, ago_s=10))[0]
    assert (await joined(database, queue, 1, ago_s=5))[0].token == first.token


async def test_a_ticket_runs_out_and_the_person_may_queue_again(
    database: Database, queue: UUID
) -> None:
    ticket = (await joined(database, queue, 1))[0]
    await wind_back(database, 2)
    await service.advance(database, queue)
    async with database.transaction() as db:
        await db.execute("UPDATE booking.queue_ticket SET admitted_at = now() - interval '1 h'")
    claim = (person(1), ticket.token)
    assert isinstance((await verdicts(database, queue, [claim]))[0], TicketSpent)
    again = (await joined(database, queue, 1, ago_s=2))[0]
    assert (again.position, again.token == ticket.token) == (None, False)
    assert isinstance((await verdicts(database, queue, [claim]))[0], TicketWrong)


@pytest.mark.race
async def test_one_ticket_is_spent_by_one_of_many(database: Database, queue: UUID) -> None:
    await joined(database, queue, 1)
    await wind_back(database, 2)
    await service.advance(database, queue)

    async def spend() -> bool:
        async with database.transaction() as db:
            await service.spend_many(context(db), queue, [person(1)])
        return True

    outcomes = await asyncio.gather(*(spend() for _ in range(20)), return_exceptions=True)
    assert sum(outcome is True for outcome in outcomes) == 1


@pytest.mark.race
async def test_many_devices_and_many_clocks_make_one_order(database: Database, queue: UUID) -> None:
    await asyncio.gather(*(joined(database, queue, n % 5) for n in range(40)))
    await wind_back(database, 5)
    await asyncio.gather(*(service.advance(database, queue) for _ in range(10)))
    async with database.autocommit() as db:
        rows = await (
            await db.execute("SELECT position FROM booking.queue_ticket ORDER BY position")
        ).fetchall()
    assert [row["position"] for row in rows] == [1, 2, 3, 4, 5]
