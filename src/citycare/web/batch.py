"""Many requests, one transaction: the measured exception to 'one request, one transaction'.

While one batch is with the database the next gathers, so the batch size follows the load by
itself: alone, a request is a batch of one and waits for nobody. After a large batch the next waits
a moment for those who were just answered and come again: in a rush, half as many batches cost a
tenth less. ADR 3 tells the measurements.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from citycare.kit.errors import AppError, Busy

log = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")
SIZE_MAX = 256
WAITING_MAX = 5_000
GATHER_FROM = 16  # after a smaller batch nobody waits
GATHER_SHARE = 0.97  # of those who were there before
GATHER_S = 0.02


@dataclass(frozen=True, slots=True)
class Again(Generic[Item]):
    """Instead of a result: serve this first in the next batch, since now it could only wait."""

    item: Item


class Batcher(Generic[Item, Result]):
    """Gathers items and serves them together, in the order they came."""

    def __init__(
        self,
        serve: Callable[[Sequence[Item]], Awaitable[Sequence[Result | Again[Item]]]],
        *,
        size_max: int = SIZE_MAX,
        waiting_max: int = WAITING_MAX,
        gather_from: int | None = None,
        gather_s: float | None = None,
    ) -> None:
        """`serve` handles a list in one transaction of its own and answers in the same order.

        After a batch of `gather_from` or more the next waits for `gather_s` at most.
        """
        self._gather_from = gather_from or GATHER_FROM
        self._gather_s = gather_s or GATHER_S
        self._serve = serve
        self._size_max = size_max
        self._waiting_max = waiting_max
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._wanted = 0
        self._enough = asyncio.Event()

    async def submit(self, item: Item) -> Result:
        """Serve one item with whoever comes at the same time.

        Raises:
            Busy: too many wait already; nothing was done.
        """
        if len(self._waiting) >= self._waiting_max:
            raise Busy
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if len(self._waiting) >= self._wanted:
            self._enough.set()
        if self._task is None:
            self._task = asyncio.create_task(self._drain())
        return await future

    async def _drain(self) -> None:
        try:
            while self._waiting:
                count = min(self._size_max, len(self._waiting))
                batch = [self._waiting.popleft() for _ in range(count)]
                await self._settle([one for one in batch if not one[1].cancelled()])
                if count >= self._gather_from:
                    await self._gather(count + len(self._waiting))
        finally:
            self._task = None

    async def _gather(self, before: int) -> None:
        """Wait until nearly as many as before have come, or for a moment."""
        self._wanted = min(self._size_max, int(GATHER_SHARE * before))
        if len(self._waiting) < self._wanted:
            self._enough.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._enough.wait(), self._gather_s)

    async def _settle(self, batch: Sequence[tuple[Item, asyncio.Future[Result]]]) -> None:
        """Serve a batch; when it fails for one, the others must not fail with it."""
        if not batch:
            return
        try:
            results = await self._serve([item for item, _ in batch])
        except AppError as error:
            _fail(batch, error)
        except Exception as error:  # noqa: BLE001 - handed on to the waiting requests
            if len(batch) == 1:
                _fail(batch, error)
                return
            log.warning("a batch of %d failed, serving each alone: %r", len(batch), error)
            for one in batch:
                await self._settle([one])
        else:
            again = []
            for (_, future), result in zip(batch, results, strict=True):
                if isinstance(result, Again):
                    again.append((result.item, future))
                elif not future.done():
                    future.set_result(result)
            self._waiting.extendleft(reversed(again))


def _fail(batch: Sequence[tuple[Item, asyncio.Future[Result]]], error: Exception) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)
