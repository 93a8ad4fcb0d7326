"""Creates gathered: what comes while others are with the database is stored with the next.

A create alone costs four trips to the database and a wait for the disk; those of a batch share them
(`web.batch`, ADR 3; docs/performance.md). Each is checked by itself before. What the database finds
wrong with one (it refers to what is not there) sends each of its batch alone: nobody fails for
another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from citycare.kernel import fhir
from citycare.kernel.context import Context
from citycare.kernel.fhir import terminology
from citycare.kernel.fhir.profiles import loading as profiles
from citycare.kit import ids
from citycare.kit.db import Connection, Database
from citycare.kit.errors import AppError, Incorrect
from citycare.scenarios.exchange.model.calls import Answer, Call
from citycare.scenarios.exchange.model.values import Kind
from citycare.scenarios.exchange.service.callers import Caller
from citycare.scenarios.exchange.service.creating import create_together
from citycare.scenarios.exchange.service.serving import answered
from citycare.scenarios.exchange.service.writing import (
    SUBSCRIPTION,
    Done,
    Intent,
    Writing,
    named,
)
from citycare.web.batch import Batcher
from citycare.web.edge import Exchange

SIZE_MAX = 64
BYTES_MAX = 64_000  # of one resource; larger ones go alone, or a batch would be a gigabyte
GATHER_FROM, GATHER_S = 2, 0.002  # whoever was just answered comes again within a millisecond
ALONE = frozenset((SUBSCRIPTION, *terminology.TYPES))
"""Types of which more is kept than the resource."""


def gathers(call: Call) -> bool:
    """Tell whether this is done together with others: a create without a condition.

    What claims to follow profiles asks the database before it can be stored.
    """
    asked, body = call.asked, call.body
    if asked.kind is not Kind.CREATE or asked.type in ALONE or call.size > BYTES_MAX:
        return False
    return isinstance(body, dict) and not profiles.claims(body)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One create: who asks in which exchange, and what is to be stored."""

    caller: Caller
    case: Exchange
    intent: Intent

    def writing(self, db: Connection, base: str) -> Writing:
        """Return what it is written by, in a batch's transaction."""
        caller, case, purpose = self.caller, self.case, self.caller.access.action
        cx = Context(db, caller.actor, case.now, case.request_id, caller.channel, purpose)
        return Writing(cx, caller.access, base)


class Creating:
    """The creates of one process."""

    def __init__(self, database: Database, base: str) -> None:
        """Store in this database; `base` is the server's own address."""
        self._database = database
        self._base = base
        self._batcher: Batcher[Wanted, Done | AppError] = Batcher(
            self._serve, size_max=SIZE_MAX, gather_from=GATHER_FROM, gather_s=GATHER_S
        )

    async def answer(self, caller: Caller, case: Exchange, call: Call) -> Answer:
        """Store what is sent, with whoever comes at the same time.

        Raises:
            Invalid: it breaks the rules, or refers to what is not there.
            NotPermitted: it is not for this caller to write.
            ResourceDiffers: it is of another type.
        """
        kind = call.asked.type
        caller.access.require(kind, "c")
        resource = named(call.body, kind, str(ids.new()))
        caller.access.require_writable(resource, "c")
        faults = fhir.violations(resource)
        if faults:
            raise fhir.Invalid(faults)
        wanted = Wanted(caller, case, Intent(resource, fresh=True))
        done = await self._batcher.submit(wanted)
        if isinstance(done, AppError):
            raise done
        return answered(done, call.preference, self._base)

    async def _serve(self, batch: Sequence[Wanted]) -> Sequence[Done | AppError]:
        try:
            async with self._database.transaction() as db:
                return await create_together(
                    [(one.writing(db, self._base), one.intent) for one in batch]
                )
        except Incorrect as error:  # a database that is away is so for all of them
            if len(batch) == 1:
                return [error]
        return [(await self._serve([one]))[0] for one in batch]
