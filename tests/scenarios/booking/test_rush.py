import asyncio
import hashlib
from dataclasses import replace
from uuid import UUID

import pytest

from citycare.kernel import events
from citycare.kernel.context import Channel, Context
from citycare.kit import ids
from citycare.kit.errors import Busy, Unavailable
from citycare.scenarios.booking.model.core import Claim, Pool
from citycare.scenarios.booking.model.schedule import NewSlot
from citycare.scenarios.booking.service import rush
from citycare.web.batch import Batcher
from tests.scenarios.booking.conftest import make_person, open_slot, resident


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


async def test_twins_in_one_batch_get_one_answer(
    cx: Context, slot: NewSlot, person: UUID
) -> None:
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


async def test_the_number_of_statements_does_not_grow_with_the_batch(
    cx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = []
    for size in (1, 8):
        slot = await open_slot(cx, shares={Pool.PUBLIC: 10})
        people = [await make_person(cx) for _ in range(size)]
        ran: list[object] = []
        execute = cx.db.execute

        async def counting(*args: object, **options: object) -> object:
            ran.append(args[0])
            return await execute(*args, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(cx.db, "execute", counting)
        wanted = [request(slot.id, one, f"key-{ids.new()}") for one in people]
        answers = await rush.answer_many(cx, wanted)
        monkeypatch.undo()
        assert all(answer.error is None for answer in answers)
        counts.append(len(ran))
    assert counts[0] == counts[1]


async def test_a_batch_keeps_order_and_gathers_while_one_is_served() -> None:
    sizes: list[int] = []

    async def serve(items: list[int]) -> list[int]:
        sizes.append(len(items))
        await asyncio.sleep(0.01)
        return [item * 2 for item in items]

    batcher: Batcher[int, int] = Batcher(serve, size_max=4)  # type: ignore[arg-type]
    assert await asyncio.gather(*(batcher.submit(n) for n in range(10))) == [
        n * 2 for n in range(10)
    ]
    assert max(sizes) == 4


async def test_one_that_breaks_the_batch_does_not_break_the_others() -> None:
    async def serve(items: list[int]) -> list[int]:
        if 3 in items:
            raise RuntimeError("three")
        return items

    batcher: Batcher[int, int] = Batcher(serve)  # type: ignore[arg-type]
    results = await asyncio.gather(*(batcher.submit(n) for n in range(5)), return_exceptions=True)
    assert [isinstance(one, RuntimeError) for one in results] == [False] * 3 + [True, False]


async def test_a_lost_database_is_told_to_all_and_nothing_is_tried_twice() -> None:
    tries = []

    async def serve(items: list[int]) -> list[int]:
        tries.append(len(items))
        raise Unavailable

    batcher: Batcher[int, int] = Batcher(serve)  # type: ignore[arg-type]
    results = await asyncio.gather(*(batcher.submit(n) for n in range(3)), return_exceptions=True)
    assert all(isinstance(one, Unavailable) for one in results)
    assert sum(tries) == 3


async def test_too_many_waiting_is_said_at_once() -> None:
    gate = asyncio.Event()

    async def serve(items: list[int]) -> list[int]:
        await gate.wait()
        return items

    batcher: Batcher[int, int] = Batcher(serve, waiting_max=2)  # type: ignore[arg-type]
    first = [asyncio.create_task(batcher.submit(n)) for n in range(3)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        for n in range(10):
            task = asyncio.create_task(batcher.submit(n))
            await asyncio.sleep(0)
            first.append(task)
            if task.done():
                await task
    gate.set()
    await asyncio.gather(*first, return_exceptions=True)
