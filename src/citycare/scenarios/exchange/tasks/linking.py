"""Hospitals' Patients joined to residents, in the worker: one round, beside the jobs.

Several workers take turns, as with the changes for subscriptions; the round needs one connection.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from citycare.kit.db import Database
from citycare.scenarios.exchange.service.linking import Linker

Round = Callable[[], Awaitable[float]]


def rounds(database: Database) -> Mapping[str, Round]:
    """Return what the worker keeps up, on the primary server."""
    return {"exchange.linking": Linker(database).go_round}
