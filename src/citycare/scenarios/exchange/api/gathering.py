"""Reads of one resource gathered: those of one turn of the event loop are one statement.

Only for callers who see all of the type, systems: what others see is decided for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from citycare.kernel.context import Context
from citycare.kernel.fhir.versions import Stored, newest
from citycare.kit.db import Connection, Database
from citycare.kit.errors import AppError
from citycare.kit.together import Together
from citycare.scenarios.exchange.model.calls import Answer, Call
from citycare.scenarios.exchange.model.values import Kind
from citycare.scenarios.exchange.service import reading
from citycare.scenarios.exchange.service.callers import Caller
from citycare.scenarios.exchange.service.serving import Server, Serving
from citycare.web.edge import Exchange

SIZE_MAX = 32


def gathers(caller: Caller, call: Call) -> bool:
    """Tell whether a call is read together with others."""
    kind = call.asked.type
    return call.asked.kind is Kind.READ and reading.sees_all(caller.access.seen("r"), kind)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One read: who asks in which exchange, and for what."""

    caller: Caller
    case: Exchange
    call: Call


class Gathering:
    """The reads of one process."""

    def __init__(self, database: Database, server: Server) -> None:
        """Read from this database."""
        self._database = database
        self._server = server
        self._together: Together[Wanted, Answer] = Together(self._serve, size_max=SIZE_MAX)

    async def answer(self, caller: Caller, case: Exchange, call: Call) -> Answer:
        """Read what is asked for, with whoever asks at the same time.

        Raises:
            AppError: it is not there, or not for this caller.
        """
        return await self._together.submit(Wanted(caller, case, call))

    async def _serve(self, batch: Sequence[Wanted]) -> Sequence[Answer | Exception]:
        names = [(one.call.asked.type, one.call.asked.id) for one in batch]
        async with self._database.autocommit() as db:
            found = await newest(db, names)
            return [
                await self._told(db, one, found.get(name))
                for one, name in zip(batch, names, strict=True)
            ]

    async def _told(self, db: Connection, one: Wanted, found: Stored | None) -> Answer | Exception:
        caller, case = one.caller, one.case
        purpose = caller.access.action
        cx = Context(db, caller.actor, case.now, case.request_id, caller.channel, purpose)
        try:
            return await Serving(self._server, cx, caller.access, _none).told(one.call, found)
        except AppError as error:
            return error


def _none() -> AbstractAsyncContextManager[Context]:
    raise AssertionError("a read opens no transaction of its own")
