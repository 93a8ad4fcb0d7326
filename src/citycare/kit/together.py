"""What is asked for in the same turn of the event loop is asked for together.

Nobody waits for who comes later: under load a turn brings several, alone each goes by itself.
`web.batch` is for writes, where one batch waits for the one before; here none does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Together(Generic[Item, Result]):
    """Gathers items of one turn and has them served at once."""

    def __init__(
        self,
        serve: Callable[[Sequence[Item]], Awaitable[Sequence[Result | Exception]]],
        *,
        size_max: int,
    ) -> None:
        """`serve` answers in the order given; what it raises is raised for all of them."""
        self._serve = serve
        self._size_max = size_max
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._running: set[asyncio.Task[None]] = set()

    async def submit(self, item: Item) -> Result:
        """Return what is answered for this item, or raise the exception that is.

        Raises:
            Exception: that of this item, or of all.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._waiting.append((item, future))
        if len(self._waiting) == 1:
            loop.call_soon(self._start)
        elif len(self._waiting) >= self._size_max:
            self._start()
        return await future

    def _start(self) -> None:
        batch, self._waiting = self._waiting, []
        if batch:
            task = asyncio.get_running_loop().create_task(self._settle(batch))
            self._running.add(task)  # or nobody would hold it
            task.add_done_callback(self._running.discard)

    async def _settle(self, batch: Sequence[tuple[Item, asyncio.Future[Result]]]) -> None:
        results: Sequence[Result | Exception]
        try:
            results = await self._serve([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 - handed on to all who wait
            results = [error] * len(batch)
        for (_, future), result in zip(batch, results, strict=True):
            if future.done():  # who asked has gone
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
