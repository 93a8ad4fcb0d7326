import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from citycare.kernel import events
from citycare.kernel.context import SYSTEM, Channel, Context
from citycare.kit import ids
from citycare.kit.db import Database
from citycare.kit.errors import AppError, Busy, Unavailable
from citycare.scenarios.booking.api.once import once
from citycare.scenarios.booking.model.core import (
    Booking,
    Claim,
    Pool,
    SlotHeld,
    SlotUnavailable,
    SlotUnknown,
)
from citycare.scenarios.booking.model.schedule import NewSlot
from citycare.scenarios.booking.service import book, rush
from citycare.scenarios.booking.store import places as place_store
from citycare.web.batch import Again, Batcher
from tests.conftest import NOW
from tests.scenarios.booking.conftest import committed, make_person, open_slot, resident


def request(slot: UUID, person: UUID, key: str, *, account: UUID | None = None) -> rush.Request:
    actor = resident(person, account)
    assert actor.account_id is not None
    claim = Claim(slot, person, Pool.PUBLIC, actor, Channel.PHONE, "request-18230")
    digest = hashlib.sha256(f"{slot}{person}".encode()).digest()
    return rush.Request(actor.account_id, claim, key, digest)


async def test_a_repetition_gets_the_first_answer_and_takes_no_second_place(
    cx: Context, slot: NewSlot, person: UUID
) -> None:
    first = request(slot.id, person, "key-7715")
    [one] = await rush.answer_many(cx, [first])
    [again] = await rush.answer_many(cx, [first])
    assert one.body is not None
    assert again.body == one.body


async def test_twins_in_one_batch_get_one_answer(cx: Context, slot: NewSlot, person: UUID) -> None:
    first = request(slot.id, person, "key-7716")
    one, twin = await rush.answer_many(cx, [first, first])
    assert one == twin
    assert one.error is None


async def test_a_key_used_for_something_else_is_refused(
    cx: Context, slot: NewSlot, person: UUID
) -> None:
    first = request(slot.id, person, "key-7717")
    await rush.answer_many(cx, [first])
    [other] = await rush.answer_many(cx, [replace(first, digest=b"x" * 32)])
    assert isinstance(other.error, events.KeyReused)


async def test_a_key_that_was_used_meanwhile_by_the_rush_undoes_the_slower_request(
    cx: Context, slot: NewSlot, person: UUID
) -> None:
    """The rush does not take the lock on the key: the primary key of the replies decides."""
    wanted = request(slot.id, person, "key-7718")
    me = replace(cx, actor=wanted.claim.actor)

    async def slower() -> tuple[int, None]:
        await rush.answer_many(cx, [wanted])
        return 204, None

    with pytest.raises(events.KeyReused):
        await once(me, "key-7718", ["leave", "somewhere"], slower)


class Counting:
    """Counts the statements that go through a connection."""

    def __init__(self, cx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self._execute = cx.db.execute
        monkeypatch.setattr(cx.db, "execute", self._counted)

    async def _counted(self, *args: Any, **options: Any) -> Any:
        self.count += 1
        return await self._execute(*args, **options)


async def test_the_number_of_statements_does_not_grow_with_the_batch(
    cx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = []
    for size in (1, 8):
        slot = await open_slot(cx, shares={Pool.PUBLIC: 10})
        people = [await make_person(cx) for _ in range(size)]
        wanted = [request(slot.id, one, f"key-{ids.new()}") for one in people]
        counting = Counting(cx, monkeypatch)
        answers = await rush.answer_many(cx, wanted)
        monkeypatch.undo()
        assert all(answer.error is None for answer in answers)
        counts.append(counting.count)
    assert counts[0] == counts[1]


async def test_a_batch_keeps_order_and_gathers_while_one_is_served() -> None:
    sizes: list[int] = []

    async def serve(items: Sequence[int]) -> Sequence[int]:
        sizes.append(len(items))
        await asyncio.sleep(0.01)
        return [item * 2 for item in items]

    batcher: Batcher[int, int] = Batcher(serve, size_max=4)
    assert await asyncio.gather(*(batcher.submit(n) for n in range(10))) == [
        n * 2 for n in range(10)
    ]
    assert max(sizes) == 4


async def test_one_that_breaks_the_batch_does_not_break_the_others() -> None:
    async def serve(items: Sequence[int]) -> Sequence[int]:
        if 3 in items:
            raise RuntimeError("three")
        return items

    batcher: Batcher[int, int] = Batcher(serve)
    results = await asyncio.gather(*(batcher.submit(n) for n in range(5)), return_exceptions=True)
    assert [isinstance(one, RuntimeError) for one in results] == [False] * 3 + [True, False]


async def test_a_lost_database_is_told_to_all_and_nothing_is_tried_twice() -> None:
    tries = []

    async def serve(items: Sequence[int]) -> Sequence[int]:
        tries.append(len(items))
        raise Unavailable

    batcher: Batcher[int, int] = Batcher(serve)
    results = await asyncio.gather(*(batcher.submit(n) for n in range(3)), return_exceptions=True)
    assert all(isinstance(one, Unavailable) for one in results)
    assert sum(tries) == 3


async def test_too_many_waiting_is_said_at_once() -> None:
    gate = asyncio.Event()

    async def serve(items: Sequence[int]) -> Sequence[int]:
        await gate.wait()
        return items

    batcher: Batcher[int, int] = Batcher(serve, waiting_max=2)
    waiting = []
    for n in range(3):  # the first is being served, two wait
        waiting.append(asyncio.create_task(batcher.submit(n)))
        await asyncio.sleep(0.01)
    with pytest.raises(Busy):
        await batcher.submit(3)
    gate.set()
    assert await asyncio.gather(*waiting) == [0, 1, 2]


async def served_in_a_rush(clients: int, rounds: int) -> list[int]:
    """Let clients ask again as soon as they are answered; return the sizes of the batches."""
    sizes: list[int] = []

    async def serve(items: Sequence[int]) -> Sequence[int]:
        sizes.append(len(items))
        await asyncio.sleep(0.005)
        return items

    batcher: Batcher[int, int] = Batcher(serve)

    async def client(number: int) -> None:
        await asyncio.sleep(0.003 * (number % 2))  # two groups, one served while the other waits
        for _ in range(rounds):
            await batcher.submit(number)

    await asyncio.gather(*(client(n) for n in range(clients)))
    return sizes


async def test_in_a_rush_those_who_come_again_are_gathered_into_one_batch() -> None:
    sizes = await served_in_a_rush(64, 10)
    assert sum(sizes) == 640
    assert max(sizes) == 64
    assert len(sizes) < 15


async def test_control_without_gathering_the_two_groups_stay_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("citycare.web.batch.GATHER_FROM", 1_000)
    assert len(await served_in_a_rush(64, 10)) >= 20


async def test_few_do_not_wait_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("citycare.web.batch.GATHER_S", 3_600)  # who waits would never come back
    assert sum(await served_in_a_rush(8, 3)) == 24


async def test_what_is_to_be_served_again_comes_first_in_the_next_batch() -> None:
    batches: list[list[int]] = []

    async def serve(items: Sequence[int]) -> Sequence[int | Again[int]]:
        batches.append(list(items))
        await asyncio.sleep(0.01)
        return [Again(item + 100) if item in {1, 2} else item for item in items]

    batcher: Batcher[int, int] = Batcher(serve, size_max=4)
    results = await asyncio.gather(*(batcher.submit(n) for n in range(6)))
    assert results == [0, 101, 102, 3, 4, 5]
    assert batches[1] == [101, 102, 4, 5]


@pytest.mark.race
async def test_a_window_in_other_hands_is_told_at_once_or_waited_for(database: Database) -> None:
    slot = await committed(database, lambda cx: open_slot(cx, shares={Pool.PUBLIC: 2}))
    person = await committed(database, make_person)
    hurried = replace(request(slot.id, person, "key-8810").claim, waits=False)

    async def claim(one: Claim) -> Booking | AppError:
        async with database.transaction() as db:
            return (await book.book_many(Context(db, SYSTEM, NOW, "request-8810"), [one]))[0]

    async with database.transaction() as db:
        await place_store.lock_slots(db, [slot.id])
        assert isinstance(await claim(hurried), SlotHeld)
        patient = asyncio.create_task(claim(replace(hurried, waits=True)))
        await asyncio.sleep(0.1)
        assert not patient.done()
    assert isinstance(await patient, Booking)
    assert isinstance(await claim(replace(hurried, slot_id=ids.new())), SlotUnknown)


@pytest.mark.race
async def test_two_processes_that_meet_in_the_same_windows_sell_each_place_once(
    database: Database,
) -> None:
    slots = [
        await committed(database, lambda cx: open_slot(cx, shares={Pool.PUBLIC: 3}))
        for _ in range(4)
    ]
    met: list[int] = []

    def process() -> Batcher[rush.Request, rush.Answer]:
        async def serve(batch: Sequence[rush.Request]) -> list[rush.Answer | Again[rush.Request]]:
            async with database.transaction() as db:
                answers = await rush.answer_many(Context(db, SYSTEM, NOW, "two"), batch)
            met.append(sum(isinstance(one.error, SlotHeld) for one in answers))
            return [
                Again(replace(one, claim=replace(one.claim, waits=True)))
                if isinstance(answer.error, SlotHeld)
                else answer
                for one, answer in zip(batch, answers, strict=True)
            ]

        return Batcher(serve, size_max=4)

    people = [await committed(database, make_person) for _ in range(24)]
    wanted = [request(slots[n // 2 % 4].id, one, f"key-{n}") for n, one in enumerate(people)]
    hurried = [replace(one, claim=replace(one.claim, waits=False)) for one in wanted]
    both = process(), process()
    answers = await asyncio.gather(*(both[n % 2].submit(one) for n, one in enumerate(hurried)))
    assert sum(met) > 0  # they did meet
    assert sum(answer.error is None for answer in answers) == 12
    refused = [answer.error for answer in answers if answer.error is not None]
    assert all(isinstance(error, SlotUnavailable) for error in refused)
