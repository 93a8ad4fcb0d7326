"""One interaction answered: who asks is known, the transaction is open.

Source: HL7 FHIR R4 4.0.1 §3.1.0 RESTful API; Prefer: §3.1.0.1.8.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from citycare.kernel import fhir
from citycare.kernel.context import Context
from citycare.kernel.fhir import bundles
from citycare.kernel.fhir.profiles.loading import Checks
from citycare.scenarios.exchange.model.calls import Answer, Call
from citycare.scenarios.exchange.model.errors import BodyBroken, InteractionUnknown
from citycare.scenarios.exchange.model.values import Interaction, Kind, Preference, Return
from citycare.scenarios.exchange.rules import headers, refusing
from citycare.scenarios.exchange.service import batches, operations, reading
from citycare.scenarios.exchange.service.access import Access
from citycare.scenarios.exchange.service.intents import Done, Intent
from citycare.scenarios.exchange.service.looks import noted
from citycare.scenarios.exchange.service.searches import Searching, Tokens
from citycare.scenarios.exchange.service.shortening import shortened
from citycare.scenarios.exchange.service.trail import Trail
from citycare.scenarios.exchange.service.writing import Writing

READS = frozenset(
    (
        Kind.READ, Kind.VREAD, Kind.SEARCH_TYPE, Kind.SEARCH_SYSTEM, Kind.SEARCH_COMPARTMENT,
        Kind.HISTORY_INSTANCE, Kind.HISTORY_TYPE, Kind.HISTORY_SYSTEM,
    )
)  # fmt: skip
"""What changes nothing: each statement by itself, without a transaction."""


def only_reads(asked: Interaction) -> bool:
    """Tell whether an interaction changes nothing."""
    return asked.kind in READS or (asked.kind is Kind.OPERATION and operations.reads(asked))


Open = Callable[[], AbstractAsyncContextManager[Context]]
"""Opens a transaction of its own, for each entry of a batch."""


@dataclass(frozen=True, slots=True)
class Server:
    """What all calls share.

    Attributes:
        base: the server's own address, without a slash at the end.
        trail: where reads are noted.
        tokens: of pages.
    """

    base: str
    trail: Trail
    tokens: Tokens


@dataclass(frozen=True, slots=True)
class Serving:
    """Serves one caller.

    Attributes:
        checks: what those against profiles share, of one call and the entries of its batch.
    """

    server: Server
    cx: Context
    access: Access
    open: Open
    checks: Checks = field(default_factory=Checks)

    async def answer(self, call: Call) -> Answer:
        """Do what is asked.

        Raises:
            AppError: it is not done.
        """
        kind = call.asked.kind
        if kind in (Kind.READ, Kind.VREAD):
            return await self._kept(call)
        if kind in (Kind.SEARCH_TYPE, Kind.SEARCH_SYSTEM, Kind.SEARCH_COMPARTMENT):
            server = self.server
            searching = Searching(self.cx, self.access, server.base, server.trail, server.tokens)
            return await searching.search(call)
        if kind in READS:
            server = self.server
            return await reading.history(self.cx, self.access, server.trail, server.base, call)
        if kind is Kind.OPERATION:
            server = self.server
            return await operations.answer(
                self.cx, self.access, server.trail, server.tokens, server.base, call
            )
        if kind is Kind.BATCH:
            return await self._bundle(call)
        write = WRITES.get(kind)
        if write is None:
            raise InteractionUnknown(interaction=kind, operation=call.asked.operation)
        self.access.require_writer(call.asked.type)
        async with noted(self.cx, self.access.action, self.server.trail) as looks:
            writing = Writing(self.cx, self.access, self.server.base, looks, self.checks)
            made = await write(writing, call)
            if isinstance(made, Intent):
                (made,) = await writing.settle([made])
            await writing.finish()
        return answered(made, call.preference, self.server.base)

    async def _kept(self, call: Call) -> Answer:
        """Read what is kept; else, of an operation of ours, what says how it is called."""
        try:
            return await reading.read(self.cx, self.access, self.server.trail, call)
        except fhir.ResourceNotFound:
            own = operations.defined(call.asked, self.server.base)
            if own is None:
                raise
            return Answer(200, shortened(fhir.dumps(own), call.pairs))

    async def _bundle(self, call: Call) -> Answer:
        plan = bundles.plan(call.body, base=self.server.base)
        if plan.kind is bundles.Kind.BATCH:
            made = await batches.batch(plan, self._once, call.preference)
        else:
            async with noted(self.cx, self.access.action, self.server.trail) as looks:
                writing = Writing(self.cx, self.access, self.server.base, looks, self.checks)
                made = await batches.Transaction(writing, plan, self.answer, call.preference).run()
        return Answer(200, fhir.dumps(made))

    async def _once(self, call: Call) -> Answer:
        async with self.open() as cx:
            entry = Serving(self.server, cx, self.access, self.open, self.checks)
            return await entry.answer(call)


def answered(done: Done, wish: Preference, base: str) -> Answer:
    """Write the answer to a write as the client prefers it: the resource, nothing, an outcome."""
    if done.key is None or not done.updated_at:
        return Answer(done.status)
    key = done.key
    at = datetime.fromisoformat(done.updated_at)
    told = reading.tags(key.version, at)
    told["Location"] = headers.location(base, key.type, key.id, key.version)
    if headers.applied(wish):
        told["Preference-Applied"] = headers.applied(wish)
    body = done.body
    if wish.returned is Return.MINIMAL:
        body = ""
    elif wish.returned is Return.OUTCOME:
        body = fhir.dumps(refusing.outcome([]))
    return Answer(done.status, body, told, (key.type, key.id, key.version), at)


def _object(call: Call) -> dict[str, Any]:
    if not isinstance(call.body, dict):
        raise BodyBroken(problem="not an object")
    return call.body


async def _create(writing: Writing, call: Call) -> Intent | Done:
    return await writing.create(call.asked.type, _object(call), call.conditions.if_none_exist)


async def _update(writing: Writing, call: Call) -> Intent | Done:
    asked = call.asked
    return await writing.update(asked.type, asked.id, _object(call), call.conditions)


async def _update_matching(writing: Writing, call: Call) -> Intent | Done:
    asked = call.asked
    return await writing.update_matching(asked.type, asked.query, _object(call), call.conditions)


async def _patch(writing: Writing, call: Call) -> Intent | Done:
    return await writing.patch(call.asked.type, call.asked.id, call.body, call.conditions)


async def _patch_matching(writing: Writing, call: Call) -> Intent | Done:
    asked = call.asked
    return await writing.patch_matching(asked.type, asked.query, call.body, call.conditions)


async def _delete(writing: Writing, call: Call) -> Intent | Done:
    return await writing.delete(call.asked.type, call.asked.id, call.conditions)


async def _delete_matching(writing: Writing, call: Call) -> Intent | Done:
    return await writing.delete_matching(call.asked.type, call.asked.query)


WRITES: Mapping[Kind, Callable[[Writing, Call], Awaitable[Intent | Done]]] = {
    Kind.CREATE: _create,
    Kind.CONDITIONAL_CREATE: _create,
    Kind.UPDATE: _update,
    Kind.CONDITIONAL_UPDATE: _update_matching,
    Kind.PATCH: _patch,
    Kind.CONDITIONAL_PATCH: _patch_matching,
    Kind.DELETE: _delete,
    Kind.CONDITIONAL_DELETE: _delete_matching,
}
