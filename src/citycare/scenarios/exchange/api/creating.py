"""Creates gathered: what comes while others are with the database is stored with the next.

A create alone costs a trip to the database and a wait for the disk; those of a batch share them
(`web.batch`, ADR 3; docs/performance.md), and so do transactions that only create. Each is checked
by itself before. What the database finds wrong with one (it refers to what is not there) sends each
of its batch alone: nobody fails for another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from citycare.kernel import fhir
from citycare.kernel.context import Context
from citycare.kernel.fhir import bundles, terminology
from citycare.kernel.fhir.profiles import loading as profiles
from citycare.kit import ids
from citycare.kit.db import Connection, Database
from citycare.kit.errors import AppError, Incorrect
from citycare.scenarios.exchange.model.calls import Answer, Call
from citycare.scenarios.exchange.model.values import Kind
from citycare.scenarios.exchange.service.batches import placed, result_of
from citycare.scenarios.exchange.service.callers import Caller
from citycare.scenarios.exchange.service.creating import (
    Fresh,
    checked,
    checked_steps,
    create_together,
    fresh,
    fresh_steps,
    only_creates,
)
from citycare.scenarios.exchange.service.intents import Done, Name
from citycare.scenarios.exchange.service.serving import answered
from citycare.scenarios.exchange.service.writing import SUBSCRIPTION, Writing
from citycare.web.batch import Batcher
from citycare.web.edge import Exchange

Json = dict[str, Any]

SIZE_MAX = 64
BYTES_MAX = 64_000  # of one body; larger ones go alone, or a batch would be a gigabyte
ENTRIES_MAX = 100  # of a transaction
GATHER_FROM, GATHER_S = 2, 0.003  # whoever was just answered comes again within milliseconds
ALONE = frozenset((SUBSCRIPTION, *terminology.TYPES))
"""Types of which more is kept than the resource."""


def gathers(call: Call) -> bool:
    """Tell whether this may be done together with others: a create, or a transaction of creates.

    What claims to follow profiles asks the database before it can be stored; so does a condition.
    """
    if call.size > BYTES_MAX or not isinstance(call.body, dict):
        return False
    if call.asked.kind is Kind.CREATE:
        return call.asked.type not in ALONE and not profiles.claims(call.body)
    return call.asked.kind is Kind.BATCH and _looks_new(call.body)


def _looks_new(bundle: Json) -> bool:
    """Tell whether a Bundle as it was sent may be a transaction of creates."""
    entries = bundle.get("entry")
    if bundle.get("type") != "transaction" or not isinstance(entries, list):
        return False
    return len(entries) <= ENTRIES_MAX and all(map(_is_new, entries))


def _is_new(entry: Any) -> bool:
    request = entry.get("request") if isinstance(entry, dict) else None
    resource = entry.get("resource") if isinstance(entry, dict) else None
    if not isinstance(request, dict) or not isinstance(resource, dict):
        return False
    kind = resource.get("resourceType")
    return (
        request.get("method") == "POST"
        and "ifNoneExist" not in request
        and isinstance(kind, str)
        and kind not in ALONE
        and not profiles.claims(resource)
    )


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one creates: who asks in which exchange, and what is to be stored."""

    caller: Caller
    case: Exchange
    fresh: Fresh

    def writing(self, db: Connection, base: str) -> Writing:
        """Return what it is written by, in a batch's transaction."""
        caller, case, purpose = self.caller, self.case, self.caller.access.action
        cx = Context(db, caller.actor, case.now, case.request_id, caller.channel, purpose)
        return Writing(cx, caller.access, base)


Stores = Batcher[Wanted, Mapping[Name, Done] | AppError]


async def _stored(stores: Stores, wanted: Wanted) -> Mapping[Name, Done]:
    done = await stores.submit(wanted)
    if isinstance(done, AppError):
        raise done
    return done


class Creating:
    """The creates of one process."""

    def __init__(self, database: Database, base: str) -> None:
        """Store in this database; `base` is the server's own address."""
        self._database = database
        self._base = base
        self._creates: Stores = Batcher(
            self._serve, size_max=SIZE_MAX, gather_from=GATHER_FROM, gather_s=GATHER_S
        )
        # a transaction has enough to do by itself: to wait for others costs more than it spares
        self._transactions: Stores = Batcher(self._serve, size_max=SIZE_MAX)

    async def answer(self, caller: Caller, case: Exchange, call: Call) -> Answer | None:
        """Store what is sent, with whoever comes at the same time.

        None: it is a transaction that depends on what is there; nothing was done.

        Raises:
            Invalid: it breaks the rules, or refers to what is not there.
            NotPermitted: it is not for this caller to write.
            ResourceDiffers: it is of another type.
        """
        if call.asked.kind is Kind.BATCH:
            return await self._bundle(caller, case, call)
        access = caller.access
        intent = checked(access, call.body, call.asked.type, str(ids.new()))
        wanted = Wanted(caller, case, fresh(access, self._base, [intent]))
        done = await _stored(self._creates, wanted)
        return answered(done[intent.name], call.preference, self._base)

    async def _bundle(self, caller: Caller, case: Exchange, call: Call) -> Answer | None:
        plan = bundles.plan(call.body, base=self._base)
        references = bundles.references(plan)
        if not only_creates(plan, references):
            return None
        intents = checked_steps(plan, references, caller.access)
        wanted = Wanted(caller, case, fresh_steps(caller.access, self._base, intents))
        try:
            done = await _stored(self._transactions, wanted)
        except fhir.Invalid as error:
            raise placed(error, intents) from error
        results = {
            place: result_of(done[one.name], call.preference) for place, one in intents.items()
        }
        return Answer(200, fhir.dumps(bundles.response(plan, results)))

    async def _serve(self, batch: Sequence[Wanted]) -> Sequence[Mapping[Name, Done] | AppError]:
        # one statement is a transaction by itself, without the trips that begin and end one
        asks = any(one.fresh.targets for one in batch)
        try:
            async with self._database.transaction() if asks else self._database.autocommit() as db:
                return await create_together(
                    [(one.writing(db, self._base), one.fresh) for one in batch]
                )
        except Incorrect as error:  # a database that is away is so for all of them
            if len(batch) == 1:
                return [error]
        return [(await self._serve([one]))[0] for one in batch]
