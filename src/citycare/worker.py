"""The worker: the composition root that knows every handler, job and periodic job.

Start it with `python -m citycare.worker`; one process, one event loop. A supervisor starts it
again if it ever ends; a lost database it waits for by itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import uvloop

from citycare import settings as knobs
from citycare.kernel import audit, identity
from citycare.kernel.context import SYSTEM, Context, Role
from citycare.kernel.events import Handler, Job, Limits, Periodic, Worker
from citycare.kernel.fhir import exporting, importing, upkeep
from citycare.kernel.fhir import handlers as fhir
from citycare.kernel.fhir.finding import Visible
from citycare.kit import clock
from citycare.kit.db import Database
from citycare.kit.errors import Busy, Unavailable
from citycare.scenarios.booking import tasks as booking
from citycare.scenarios.exchange.api.rest import ROOT
from citycare.scenarios.exchange.model.subscriptions import Owner
from citycare.scenarios.exchange.rules.subscriptions import Networks
from citycare.scenarios.exchange.service.access import seen_by
from citycare.scenarios.exchange.service.subscriptions.sending import Sender
from citycare.scenarios.exchange.tasks import linking
from citycare.scenarios.exchange.tasks import subscriptions as exchange
from citycare.scenarios.smart import tasks as smart
from citycare.scenarios.smart.service import clients
from citycare.scenarios.triage import tasks as triage
from citycare.settings import Settings

log = logging.getLogger(__name__)

FAILED_S = 15.0
LIVE_S = 60.0
OUTCOMES_S = 3600.0
LANES = 9  # connections beside those of jobs: three of a draw, queues, windows, four of exchange
HANDLERS: tuple[Handler, ...] = (*fhir.HANDLERS, *smart.HANDLERS)


@dataclass(frozen=True, slots=True)
class Door:
    """Where the record is served, and which receivers of subscriptions need not be public."""

    base: str
    receivers: Networks


JOBS: tuple[Job, ...] = (*booking.JOBS, *exporting.JOBS)
PERIODICS: tuple[Periodic, ...] = (
    *audit.PERIODICS,
    *identity.PERIODICS,
    *upkeep.PERIODICS,
    *exporting.PERIODICS,
    *importing.PERIODICS,
    *booking.PERIODICS,
    *exchange.PERIODICS,
    *smart.PERIODICS,
    *triage.PERIODICS,
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


Round = Callable[[], Awaitable[float]]


async def keep_up(name: str, go_round: Round) -> None:
    """Do something again and again, each time after as many seconds as it asked for.

    For work that needs more than one transaction, or comes more often than jobs should. A failure
    is logged and the round made again; a lost database, or another worker at it, only waited for.
    """
    while True:
        try:
            pause_s = await go_round()
        except (Busy, Unavailable) as error:
            log.info("%s waits: %s", name, type(error).__name__)
            pause_s = FAILED_S
        except Exception:
            log.exception("%s failed, again in %.0f s", name, FAILED_S)
            pause_s = FAILED_S
        await asyncio.sleep(pause_s)


def rounds_of(database: Database, home: Path, knowledge: Path) -> dict[str, Round]:
    """Return what is kept up beside the jobs, by name."""

    async def publish_windows() -> float:
        async with database.transaction() as db:
            cx = Context(db, SYSTEM, clock.now(), "booking-windows", purpose="booking.schedule")
            return await booking.publish_windows(cx)

    async def take_outcomes() -> float:
        async with database.transaction() as db:
            cx = Context(db, SYSTEM, clock.now(), "triage-outcomes", purpose="triage.outcome")
            await triage.take_outcomes(cx, knowledge)
        return OUTCOMES_S

    return {
        "booking.draws": partial(booking.run_draws, database, booking.read_keys(home)),
        "booking.queues": partial(booking.advance_queues, database),
        "booking.windows": publish_windows,
        "triage.outcomes": take_outcomes,
        **linking.rounds(database),
    }


def demo_rounds_of(database: Database) -> dict[str, Round]:
    """Return what keeps the demo city alive: its people arrive and are seen as the clock says."""
    from citycare.journeys import demo  # noqa: PLC0415 - heavy, and only for the demo

    async def live() -> float:
        async with database.transaction() as db:
            await demo.live(Context(db, SYSTEM, clock.now(), "demo-live", purpose="demo"))
        return LIVE_S

    return {"demo.live": live}


async def run(
    url: str,
    home: Path,
    knowledge: Path,
    *,
    role: str | None = None,
    limits: Limits | None = None,
    demo: bool = False,
    door: Door | None = None,
) -> None:
    """Work on a database until SIGTERM or SIGINT.

    `home` holds the secrets of this installation, `knowledge` the files of the triage; `door` says
    where the record is served: without it subscriptions are told nothing.
    """
    logging.getLogger("procrastinate").setLevel(logging.WARNING)  # it logs every job
    limits = limits or Limits()
    database = Database(url, size_max=limits.concurrency + LANES, role=role)
    sender = Sender(door.receivers if door else ())
    rounds: list[asyncio.Task[None]] = []
    try:  # whatever ends it, the pool is closed: else the process hangs, and nobody starts another
        await database.open()
        kept_up = rounds_of(database, home, knowledge) | (demo_rounds_of(database) if demo else {})
        jobs = JOBS
        if door is not None:
            told = database, sender, sees, door.base
            kept_up |= exchange.rounds(*told)
            jobs += exchange.jobs(*told)
        for name, go_round in kept_up.items():
            rounds.append(asyncio.create_task(keep_up(name, go_round)))
        await build(database, jobs=jobs, limits=limits).run()
    finally:
        for task in rounds:
            task.cancel()
        await asyncio.gather(*rounds, return_exceptions=True)
        await sender.close()
        await database.close()


async def sees(cx: Context, owner: Owner) -> Visible:
    """Return what the owner of a Subscription may see now.

    Only an app that acts as a system can have stored one. Switched off, or gone, it sees nothing.
    """
    if owner.app_id is None:
        return await seen_by(cx, owner.account_id)
    if not await clients.is_in_use(cx, owner.app_id):
        return Visible()
    return await seen_by(cx, owner.account_id, only=Role.EXCHANGE)


def main(settings: Settings) -> None:
    """Run the worker in this process."""
    pool = knobs.database_of(settings)
    door = Door(settings.base_url.rstrip("/") + ROOT, settings.receivers)
    work = run(
        pool.url, settings.home, settings.knowledge,
        role=pool.role, demo=settings.demo, door=door,
    )  # fmt: skip
    uvloop.run(work)


if __name__ == "__main__":
    main(knobs.read())
