"""Doing the work: each handler and job in one transaction of the system actor.

A job's claim (`events.done`, `events.handled`) commits together with its work. So whatever is
lost after that — the worker, its word that the job is done — the job may come again and does
nothing.
"""

from __future__ import annotations

import logging
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from citycare.kernel.context import SYSTEM, Context
from citycare.kernel.events import letters, outbox
from citycare.kernel.events.model import Event, Handler, Job
from citycare.kit import clock
from citycare.kit.db import Database
from citycare.kit.errors import Unavailable

log = logging.getLogger(__name__)
FAILURES_MAX = 20


class HandlerUnknown(LookupError):
    """A job names a handler this worker does not have; it becomes a dead letter."""


class Runner:
    """Runs handlers and jobs on a database; knows nothing of queues and retries."""

    def __init__(
        self,
        database: Database,
        handlers: Sequence[Handler],
        now: datetime | None = None,
    ) -> None:
        """Index the handlers; a name may stand once only. `now` stops the clock, for tests."""
        self._database = database
        self._now = now
        self.failures: deque[Exception] = deque(maxlen=FAILURES_MAX)
        self.handlers: dict[str, Handler] = {}
        self._by_event: dict[str, list[Handler]] = defaultdict(list)
        for handler in handlers:
            if handler.name in self.handlers:
                raise ValueError(f"two handlers are called {handler.name}")
            self.handlers[handler.name] = handler
            self._by_event[handler.event].append(handler)

    @asynccontextmanager
    async def _context(self, purpose: str, job_id: int) -> AsyncIterator[Context]:
        async with self._database.transaction() as db:
            yield Context(db, SYSTEM, self._now or clock.now(), f"job-{job_id}", purpose=purpose)

    async def subscribe(self) -> None:
        """Make the handlers of this worker known to whoever emits."""
        async with self._context("events.subscribe", 0) as cx:
            await outbox.subscribe(cx, list(self.handlers.values()))

    async def run_job(self, job: Job, job_id: int, args: dict[str, Any]) -> None:
        """Do a plain job, unless its work has been committed before."""
        async with self._context(job.name, job_id) as cx:
            if await outbox.take_job(cx, job_id):
                await job.run(cx, **args)

    async def deliver(self, job_id: int, ids: Sequence[str]) -> None:
        """Give each event to each of its handlers; one that fails gets a job of its own.

        A lost database ends the delivery, which then comes again: pairs done stay done.
        """
        async with self._database.autocommit() as db:
            events, tried = await outbox.load(db, ids)
        for event in events:
            for handler in self._by_event.get(event.name, ()):
                if (event.id, handler.name) not in tried:
                    await self._first_try(event, handler, job_id)

    async def _first_try(self, event: Event, handler: Handler, job_id: int) -> None:
        try:
            async with self._context(handler.name, job_id) as cx:
                if await outbox.take_pair(cx, event, handler):
                    await handler.run(cx, event)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the others must go on
            self.failures.append(error)
            log.info("%s failed on %s, handed on", handler.name, event.id)
            async with self._context(handler.name, job_id) as cx:
                number = await outbox.hand_on(cx, event, handler)
                if number is not None:
                    await letters.keep_failure(cx, number, error)

    async def handle(self, job_id: int, event_id: str, name: str) -> None:
        """Try a pair again that failed before."""
        handler = self.handlers.get(name)
        if handler is None:
            raise HandlerUnknown(name)
        async with self._context(name, job_id) as cx:
            events, _ = await outbox.load(cx.db, [str(UUID(event_id))])
            for event in events:
                if await outbox.retake_pair(cx, event, handler):
                    await handler.run(cx, event)

    async def keep_failure(self, job_id: int, error: Exception) -> None:
        """Write a failed try down, in a transaction of its own, if the database is there."""
        self.failures.append(error)
        try:
            async with self._context("events.keep_failure", job_id) as cx:
                await letters.keep_failure(cx, job_id, error)
        except Unavailable:
            log.warning("job %d failed and the database is away", job_id)
