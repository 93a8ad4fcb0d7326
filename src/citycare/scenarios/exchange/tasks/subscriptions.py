"""Subscriptions in the worker: two rounds, one job, one periodic.

The rounds are kept up beside the jobs: one looks through the record's changes, each half second;
the other delivers for ever. Several workers may do both: they take turns at the changes, and share
out the receivers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from citycare.kernel.context import Context
from citycare.kernel.events import Job, Periodic
from citycare.kit.db import Database
from citycare.scenarios.exchange.model.subscriptions import Pace
from citycare.scenarios.exchange.service.subscriptions import keeping
from citycare.scenarios.exchange.service.subscriptions.delivering import Deliverer
from citycare.scenarios.exchange.service.subscriptions.feeding import Feeder
from citycare.scenarios.exchange.service.subscriptions.keeping import RESUME, Probe, Sees
from citycare.scenarios.exchange.service.subscriptions.sending import Sender

Round = Callable[[], Awaitable[float]]


def rounds(
    database: Database, sender: Sender, sees: Sees, base: str, pace: Pace | None = None
) -> Mapping[str, Round]:
    """Return what the worker keeps up; they need two connections beside those of jobs.

    Args:
        database: the primary server.
        sender: HTTP; closed by who made it.
        sees: what the owner of a Subscription may see, by its id.
        base: the server's own address, as in `fullUrl`.
        pace: knobs.
    """
    return {
        "exchange.changes": Feeder(database, sees, base, pace).go_round,
        "exchange.deliveries": Deliverer(database, sender, sees, base, pace).run,
    }


def jobs(database: Database, sender: Sender, sees: Sees, base: str) -> tuple[Job, ...]:
    """Return the job that resumes a subscription in error: once it fails it is a dead letter."""
    probe = Deliverer(database, sender, sees, base).shake_hands
    return (Job(RESUME, partial(_resume, probe=probe), tries=1),)


async def _resume(cx: Context, *, subscription: str, probe: Probe) -> None:
    await keeping.resume(cx, subscription, probe)


async def purge(cx: Context) -> None:
    """Each night: what is in error for a week goes off; what was told long ago is forgotten."""
    await keeping.purge(cx)


PERIODICS = (Periodic("exchange.purge_subscriptions", "20 18 * * *", purge),)  # 2:20 in the city
