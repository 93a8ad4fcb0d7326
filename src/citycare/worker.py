"""The worker: the composition root that knows every handler, job and periodic job.

Start it with `citycare worker`; one process, one event loop. A supervisor starts it again if it
ever ends; a lost database it waits for by itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from citycare import settings as knobs
from citycare.kernel import audit, identity
from citycare.kernel.events import Handler, Job, Limits, Periodic, Worker
from citycare.kit.db import Database
from citycare.scenarios.booking import tasks as booking

HANDLERS: tuple[Handler, ...] = ()
JOBS: tuple[Job, ...] = ()
PERIODICS: tuple[Periodic, ...] = (
    *audit.PERIODICS,
    *identity.PERIODICS,
    *booking.PERIODICS,
)


def build(
    database: Database,
    handlers: Sequence[Handler] = HANDLERS,
    jobs: Sequence[Job] = JOBS,
    periodics: Sequence[Periodic] = PERIODICS,
    *,
    limits: Limits | None = None,
) -> Worker:
    """Make the worker of the whole application; `await worker.run()` starts it."""
    return Worker(database, handlers, jobs, periodics, limits=limits)


async def run(url: str, *, role: str | None = None, limits: Limits | None = None) -> None:
    """Work on a database until SIGTERM or SIGINT."""
    logging.getLogger("procrastinate").setLevel(logging.WARNING)  # it logs every job
    limits = limits or Limits()
    database = Database(url, size_max=limits.concurrency + 1, role=role)
    await database.open()
    try:
        await build(database, limits=limits).run()
    finally:
        await database.close()


def main(url: str, role: str | None = None) -> None:
    """Run the worker in this process."""
    asyncio.run(run(url, role=role))


if __name__ == "__main__":
    chosen = knobs.read()
    pool = knobs.database_of(chosen)
    main(pool.url, pool.role)
