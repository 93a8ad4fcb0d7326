"""The worker: procrastinate's loop around our `Runner`, kept alive through lost databases.

What each fault does:
    worker killed     its heartbeat stops; within `stalled_s` + `poll_s` another worker (or the
                      same, started again) takes its jobs back; claims make the repeat harmless
    database lost     procrastinate's worker gives up; we start a new one as soon as the database
                      answers, and its jobs are taken back like those of a killed worker
    SIGTERM           no new job is fetched, running ones get `grace_s`, the rest is put back
    a job that kills  every loss counts as a try, so it ends as a dead letter
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import psycopg
from procrastinate import App, JobContext, PsycopgConnector
from procrastinate.exceptions import ProcrastinateException
from procrastinate.jobs import Job as QueueJob
from procrastinate.retry import BaseRetryStrategy, RetryDecision
from procrastinate.worker import Worker as QueueWorker
from psycopg_pool import AsyncConnectionPool

from citycare.kernel.events import purging, queue
from citycare.kernel.events.model import TRIES, Handler, Job, Limits, Periodic
from citycare.kernel.events.running import Runner
from citycare.kit import clock
from citycare.kit.db import Connection, Database
from citycare.kit.errors import Busy, Unavailable

log = logging.getLogger(__name__)

LOST = (psycopg.Error, ProcrastinateException, Unavailable, Busy)
QUEUE_CONNECTIONS = 3  # one listens, two fetch and finish; heartbeats never wait for handlers


class Backoff(BaseRetryStrategy):
    """Try again after 1, 2, 4 … times `backoff_s`; after the last try the job is a dead letter."""

    def __init__(self, tries: Callable[[QueueJob], int], limits: Limits) -> None:
        """`tries` tells how often a job may be tried in all."""
        self._tries = tries
        self._limits = limits

    def get_retry_decision(
        self, *, exception: BaseException, job: QueueJob
    ) -> RetryDecision | None:
        """Decide after a failure; a job stopped by our own end is put back at once."""
        if isinstance(exception, asyncio.CancelledError):
            return RetryDecision(retry_at=clock.now())
        if job.attempts + 1 >= self._tries(job):
            return None
        limits = self._limits
        wait = min(limits.backoff_s * 2**job.attempts, limits.backoff_max_s)
        return RetryDecision(retry_at=clock.now() + timedelta(seconds=wait))


TAKE_BACK = """
    UPDATE jobs.procrastinate_jobs AS job
       SET attempts = attempts + 1,
           worker_id = NULL,
           scheduled_at = NULL,
           queueing_lock = NULL,
           status = (CASE WHEN attempts + 1 >= %(tries)s THEN 'failed' ELSE 'todo' END
                    )::jobs.procrastinate_job_status
     WHERE status = 'doing'
       AND NOT EXISTS (
           SELECT 1 FROM jobs.procrastinate_workers worker
            WHERE worker.id = job.worker_id
              AND worker.last_heartbeat > now() - make_interval(secs => %(stalled)s))
 RETURNING job.id
"""


async def take_back(db: Connection, stalled_s: float, tries: int = TRIES) -> list[int]:
    """Put the jobs of silent workers back into the queue; return their numbers.

    One guarded UPDATE, so workers that look at the same time do not take a job back twice.
    """
    rows = await db.execute(TAKE_BACK, {"stalled": stalled_s, "tries": tries})
    return [row["id"] for row in await rows.fetchall()]


class Worker:
    """One process that handles events, does jobs, and keeps the clock for periodic ones."""

    def __init__(
        self,
        database: Database,
        handlers: Sequence[Handler] = (),
        jobs: Sequence[Job] = (),
        periodics: Sequence[Periodic] = (),
        *,
        limits: Limits | None = None,
        now: datetime | None = None,
    ) -> None:
        """Hand in what the composition root has gathered; `run` starts.

        `now` stops the clock the jobs see, for tests.
        """
        self._database = database
        self._limits = limits or Limits()
        self._runner = Runner(database, handlers, now)
        self._jobs = (*jobs, purging.PURGE_ON)
        self._periodics = (*periodics, purging.PURGE)
        self._stopping = asyncio.Event()
        self._shift: QueueWorker | None = None

    @property
    def failures(self) -> list[Exception]:
        """The newest exceptions of handlers and jobs, oldest first."""
        return list(self._runner.failures)

    def stop(self) -> None:
        """Fetch no more jobs; `run` returns when the running ones have ended."""
        self._stopping.set()
        if self._shift is not None:
            self._shift.stop()  # type: ignore[no-untyped-call]

    async def run(self, *, signals: bool = True) -> None:
        """Work until `stop`, SIGTERM or SIGINT; a lost database is waited for."""
        if signals:
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self.stop)
        while not self._stopping.is_set():
            try:
                await self._work()
            except LOST as error:
                log.warning("the database is away (%s), looking again", type(error).__name__)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._limits.pause_s)

    async def run_due(self) -> None:
        """Do the jobs that are due, one after another, until none is left; for tests."""
        async with await self._pool(2) as pool:
            app = self._app()
            await app.connector.open_async(pool)
            worker = QueueWorker(
                app,
                wait=False,
                listen_notify=False,
                install_signal_handlers=False,
                delete_jobs="successful",
            )
            await worker.run()  # type: ignore[no-untyped-call]

    async def _work(self) -> None:
        """Work as one of procrastinate's workers, until stopped or the database is lost."""
        limits = self._limits
        await self._runner.subscribe()
        async with await self._pool(QUEUE_CONNECTIONS) as pool:
            app = self._app()
            await app.connector.open_async(pool)
            for periodic in self._periodics:
                self._add_periodic(app, periodic)
            self._shift = QueueWorker(
                app,
                concurrency=limits.concurrency,
                fetch_job_polling_interval=limits.poll_s,
                shutdown_graceful_timeout=limits.grace_s,
                install_signal_handlers=False,
                delete_jobs="successful",
                update_heartbeat_interval=limits.heartbeat_s,
                stalled_worker_timeout=limits.stalled_s,
            )
            watch = asyncio.create_task(self._watch(pool))
            try:
                if not self._stopping.is_set():
                    await self._shift.run()  # type: ignore[no-untyped-call]
            finally:
                self._shift = None
                watch.cancel()
                await asyncio.gather(watch, return_exceptions=True)

    async def _watch(self, pool: AsyncConnectionPool[Connection]) -> None:
        """Take the jobs of dead workers back, again and again."""
        while True:
            try:
                async with pool.connection() as db:
                    taken = await take_back(db, self._limits.stalled_s)
                if taken:
                    log.warning("took back %d jobs of a lost worker", len(taken))
            except psycopg.Error as error:
                log.info("could not look for lost workers: %s", type(error).__name__)
            await asyncio.sleep(self._limits.poll_s)

    async def _pool(self, size: int) -> AsyncConnectionPool[Connection]:
        """Make the queue's own small pool: same server, same role.

        Each of procrastinate's calls is one statement, so no BEGIN and COMMIT around it; and its
        commits need not reach the disk at once: whatever of them a crash takes back (fetched,
        finished) is done again, and claims make the repeat harmless.
        """
        async with self._database.autocommit() as db:
            row = await (await db.execute("SELECT current_user AS role")).fetchone()
        role = row["role"] if row else ""
        kwargs = dict(self._database.pool.kwargs)  # type: ignore[arg-type]
        kwargs.pop("autocommit", None)
        kwargs["options"] = f"{kwargs.get('options', '')} -c role={role} -c synchronous_commit=off"
        return AsyncConnectionPool(
            self._database.url,
            kwargs=kwargs,
            min_size=1,
            max_size=size,
            timeout=5.0,
            configure=_in_autocommit,
            check=self._database.check,
            open=False,
        )

    def _app(self) -> App:
        """Make procrastinate's App with a task for each kind of job."""
        app = App(connector=PsycopgConnector())
        runner = self._runner

        async def deliver(context: JobContext, ids: str) -> None:
            await runner.deliver(_number(context), ids.split())

        async def handle(context: JobContext, event: str, handler: str) -> None:
            await runner.handle(_number(context), event, handler)

        def tries_of_handler(job: QueueJob) -> int:
            handler = runner.handlers.get(str(job.task_kwargs["handler"]))
            return handler.tries if handler else TRIES

        self._add(app, queue.DELIVER, deliver, lambda _: TRIES)
        self._add(app, queue.HANDLE, handle, tries_of_handler)
        for job in self._jobs:
            self._add_job(app, job)
        return app

    def _add_job(self, app: App, job: Job) -> None:
        async def run(context: JobContext, **args: Any) -> None:
            await self._runner.run_job(job, _number(context), args)

        self._add(app, job.name, run, lambda _: job.tries)

    def _add_periodic(self, app: App, periodic: Periodic) -> None:
        job = Job(periodic.name, periodic.run, periodic.tries)

        async def run(context: JobContext, timestamp: int) -> None:  # noqa: ARG001 - its name
            await self._runner.run_job(job, _number(context), {})

        task = self._add(app, periodic.name, run, lambda _: periodic.tries, alone=True)
        app.periodic(cron=periodic.cron)(task)

    def _add(
        self,
        app: App,
        name: str,
        run: Callable[..., Awaitable[None]],
        tries: Callable[[QueueJob], int],
        *,
        alone: bool = False,
    ) -> Any:
        """Register one task; each failed try is written down before it is counted."""

        async def noted(context: JobContext, /, **args: Any) -> None:
            try:
                await run(context, **args)
            except Exception as error:
                await self._runner.keep_failure(_number(context), error)
                raise

        task = app.task(
            name=name,
            pass_context=True,
            retry=Backoff(tries, self._limits),
            lock=name if alone else None,
            queueing_lock=name if alone else None,
        )
        return task(noted)


async def _in_autocommit(connection: Connection) -> None:
    """Set what cannot go into the pool's arguments: procrastinate gives it by itself elsewhere."""
    await connection.set_autocommit(True)


def _number(context: JobContext) -> int:
    if context.job.id is None:
        raise ValueError("a job that is running has a number")
    return context.job.id
