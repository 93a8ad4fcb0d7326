"""Putting jobs into procrastinate's queue, in the transaction of the change.

The connector here is never opened: every call hands over the caller's connection, so the job
commits or rolls back with the rest (procrastinate >= 3.8, `connection=`). The job manager is used
without procrastinate's deferrer, which copies all arguments twice for log lines nobody reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import psycopg
from procrastinate import PsycopgConnector, jobs
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException
from procrastinate.manager import JobManager

from citycare.kernel.context import Context

DEFAULT_QUEUE, DEFAULT_PRIORITY = jobs.DEFAULT_QUEUE, jobs.DEFAULT_PRIORITY
DELIVER = "events.deliver"
HANDLE = "events.handle"

_manager = JobManager(PsycopgConnector())


@contextmanager
def _as_database_errors() -> Iterator[None]:
    """Give psycopg's own error back, so that `kit.db` can tell busy from away."""
    try:
        yield
    except ConnectorException as error:
        cause = error.__cause__ or error.__context__
        if isinstance(cause, psycopg.Error):  # perhaps of an earlier statement of a pipeline
            raise cause from error
        raise


async def defer(
    cx: Context,
    name: str,
    args: Mapping[str, Any],
    *,
    at: datetime | None = None,
    lock: str | None = None,
    once: str | None = None,
) -> int | None:
    """Ask for a job, in the caller's transaction; return its number.

    Args:
        cx: the transaction it belongs to.
        name: of a `Job` the worker knows.
        args: ids and numbers, as JSON.
        at: not before this instant.
        lock: jobs of one lock run one after another, in the order asked for; one that waits for
            its next try holds up those behind it.
        once: at most one job of this key that has not been tried yet; a second is not added, and
            None is returned.
    """
    job = jobs.Job(
        queue=DEFAULT_QUEUE,
        task_name=name,
        task_kwargs=dict(args),
        scheduled_at=at,
        lock=lock,
        queueing_lock=once,
    )
    if once is None:
        return await _defer(cx, job)
    try:
        async with cx.db.transaction():  # a savepoint: the second is refused by a unique index
            return await _defer(cx, job)
    except AlreadyEnqueued:
        return None


async def _defer(cx: Context, job: jobs.Job) -> int | None:
    with _as_database_errors():
        deferred = await _manager.batch_defer_jobs_async(jobs=[job], connection=cx.db)
    return deferred[0].id
