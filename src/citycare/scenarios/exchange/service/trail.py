"""Every read of a person is written down: gathered, and flushed in batches in a second at most.

A write is audited in its own transaction (`note`); a read only has to be on record soon, so that
2,000 reads a second do not each wait for the trail. What is gathered when the process is stopped is
flushed; what a kill -9 loses is less than a second of reads.

So is a read of what is there and not for the caller to know of, as refused: whoever tries ids
shows. It is answered as if nothing were there. Ids of nothing leave no line: they name nobody, and
anybody could fill the trail with them.

Source: HL7 FHIR R4 4.0.1 AuditEvent (who, what, when, why); ADR 20.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Literal
from uuid import UUID

from citycare.kernel import audit, identity
from citycare.kernel.context import Context
from citycare.kernel.fhir import Stored
from citycare.kernel.fhir.changes import Change
from citycare.kernel.fhir.integrity import persons_among
from citycare.kit.db import Database

log = logging.getLogger("citycare.exchange")

FLUSH_S = 0.5
BATCH_MAX = 500
WAITING_MAX = 50_000
REFUSED_MAX = 100
"""Refusals of one account between two flushes, each said once; the rest are one more, of `*`."""
NO_DETAIL: Mapping[str, str] = MappingProxyType({})
Outcome = Literal["ok", "refused"]


class Trail:
    """The reads of one process that are not yet on record."""

    def __init__(self, database: Database) -> None:
        """Begin with nothing; `flush` and `run` write to this database."""
        self._database = database
        self._lines: list[str] = []
        self._refused: dict[UUID | str | None, set[tuple[str, UUID | None]]] = {}
        self._cx: Context | None = None
        self._task: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()

    async def read(self, cx: Context, action: str, record: str, persons: Iterable[str]) -> None:
        """Note a read; where the trail cannot be written, reading stops before memory does."""
        await self._note(cx, entries(action, record, persons))

    async def refused(self, cx: Context, action: str, record: str, persons: Iterable[str]) -> None:
        """Note that the caller asked for what is there, and was told that nothing is."""
        told = self._refused.setdefault(cx.actor.account_id or cx.actor.name, set())
        lines = []
        for one in entries(action, record, persons, outcome="refused"):
            if len(told) > REFUSED_MAX or (one.record, one.person_id) in told:
                continue
            told.add((one.record, one.person_id))
            full = len(told) > REFUSED_MAX
            lines.append(replace(one, record="*", person_id=None) if full else one)
        await self._note(cx, lines)

    async def _note(self, cx: Context, some: Iterable[audit.Entry]) -> None:
        self._lines += [audit.line_of(cx, entry) for entry in some]
        self._cx = cx
        if len(self._lines) >= WAITING_MAX:
            await self.flush()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._later())

    async def _later(self) -> None:
        """Gather for a while, then write: again and again while reads come, never without rest."""
        while self._lines:
            await asyncio.sleep(FLUSH_S)
            await self._tried()

    async def _tried(self) -> None:
        try:
            await self.flush()
        except Exception as error:  # noqa: BLE001 (kept, and tried again)
            log.warning("audit of reads waits: %s", type(error).__qualname__)

    async def flush(self) -> None:
        """Write down what is gathered by now; what comes meanwhile waits for the next time.

        Raises:
            Unavailable, Busy: the database is away; nothing is lost.
        """
        async with self._writing:  # who stops the process waits for what is being written
            self._refused.clear()
            for _ in range(-(-len(self._lines) // BATCH_MAX)):
                batch, self._lines = self._lines[:BATCH_MAX], self._lines[BATCH_MAX:]
                try:
                    async with self._database.transaction() as db:
                        assert self._cx is not None
                        await audit.append_lines(replace(self._cx, db=db), batch)
                except BaseException:
                    self._lines = batch + self._lines
                    raise


def persons_in(some: Iterable[Stored | Change]) -> set[str]:
    """Return the ids of the Patients these name; whom a deletion is about it does not say."""
    return persons_among((one.type, one.id, one.body) for one in some if one.body)


def entries(
    action: str,
    record: str,
    persons: Iterable[str],
    detail: Mapping[str, str] = NO_DETAIL,
    outcome: Outcome = "ok",
) -> list[audit.Entry]:
    """Return the lines of one access: one for each person it touches, or one for none."""
    known: list[UUID | None] = [identity.audit_id(each) for each in persons]
    return [
        audit.Entry(action, person, record, outcome, dict(detail)) for person in known or [None]
    ]
