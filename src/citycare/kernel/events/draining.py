"""`drain`: do all due jobs here and now. For tests and for the demo's set-up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from citycare.kernel.events.model import Handler, Job, Limits
from citycare.kernel.events.working import Worker
from citycare.kit.db import Database

# What is due at `now` is due at once; what is not is put off, for the queue goes by the real clock.
MAKE_DUE = """
    UPDATE jobs.procrastinate_jobs
       SET scheduled_at = CASE WHEN scheduled_at > %(now)s
                               THEN scheduled_at + interval '100 years' END
     WHERE status = 'todo' AND scheduled_at IS NOT NULL
"""
PUT_BACK = """
    UPDATE jobs.procrastinate_jobs SET scheduled_at = scheduled_at - interval '100 years'
     WHERE status = 'todo' AND scheduled_at > %(now)s::timestamptz + interval '50 years'
"""


async def drain(
    database: Database,
    handlers: Sequence[Handler] = (),
    jobs: Sequence[Job] = (),
    *,
    now: datetime | None = None,
    failures_ok: bool = False,
) -> list[Exception]:
    """Do all due jobs one after another until none is left; tries follow without a pause.

    Args:
        database: a pool whose changes are committed.
        handlers: as given to the worker.
        jobs: as given to the worker.
        now: the instant the jobs see, and up to which jobs asked for later are due.
        failures_ok: return what went wrong instead of raising it.

    Raises:
        ExceptionGroup: what handlers and jobs raised, each try once.
    """
    worker = Worker(database, handlers, jobs, limits=Limits(backoff_s=0.0), now=now)
    if now is not None:
        async with database.autocommit() as db:
            await db.execute(MAKE_DUE, {"now": now})
    await worker.run_due()
    if now is not None:
        async with database.autocommit() as db:
            await db.execute(PUT_BACK, {"now": now})
    if worker.failures and not failures_ok:
        raise ExceptionGroup("jobs failed", worker.failures)
    return worker.failures
