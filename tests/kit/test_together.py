"""What is asked for in one turn of the loop is served at once, and each is answered for itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from citycare.kit.together import Together


class Served:
    """Doubles numbers, and keeps what came together."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.pause = asyncio.Event()
        self.pause.set()

    async def __call__(self, some: Sequence[int]) -> Sequence[int | Exception]:
        self.batches.append(list(some))
        await self.pause.wait()
        if 0 in some:
            raise KeyError(0)
        return [ValueError(one) if one < 0 else 2 * one for one in some]


async def test_one_turn_is_one_batch_and_each_gets_its_own() -> None:
    served = Served()
    together = Together(served, size_max=10)
    found = await asyncio.gather(
        *(together.submit(one) for one in (1, -2, 3)), return_exceptions=True
    )
    assert (found[0], found[2]) == (2, 6)
    assert isinstance(found[1], ValueError)
    assert await together.submit(4) == 8
    assert served.batches == [[1, -2, 3], [4]]


async def test_what_fails_as_a_whole_fails_for_all_of_that_batch() -> None:
    together = Together(Served(), size_max=10)
    found = await asyncio.gather(*(together.submit(one) for one in (0, 1)), return_exceptions=True)
    assert [type(one) for one in found] == [KeyError, KeyError]
    assert await together.submit(1) == 2


async def test_a_batch_is_bounded_and_nobody_waits_for_the_one_before() -> None:
    served = Served()
    together = Together(served, size_max=2)
    served.pause.clear()
    asked = [asyncio.create_task(together.submit(one)) for one in range(1, 6)]
    for _ in range(4):
        await asyncio.sleep(0)
    later = asyncio.create_task(together.submit(6))
    for _ in range(4):
        await asyncio.sleep(0)
    assert served.batches == [[1, 2], [3, 4], [5], [6]]
    served.pause.set()
    assert await asyncio.gather(*asked, later) == [2, 4, 6, 8, 10, 12]


async def test_who_goes_away_takes_nobody_along() -> None:
    served = Served()
    together = Together(served, size_max=10)
    gone, stays = (asyncio.create_task(together.submit(one)) for one in (1, 2))
    await asyncio.sleep(0)
    gone.cancel()
    assert await stays == 4
    with pytest.raises(asyncio.CancelledError):
        await gone
