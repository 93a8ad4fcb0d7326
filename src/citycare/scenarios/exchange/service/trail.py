"""Every read of a person is written down: gathered, and flushed in batches in a second at most.

A write is audited in its own transaction (`note`); a read only has to be on record soon, so that
2,000 reads a second do not each wait for the trail. What is gathered when the process is stopped is
flushed; what a kill -9 loses is less than a second of reads.

Source: HL7 FHIR R4 4.0.1 AuditEvent (who, what, when, why); ADR 20.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from uuid import UUID

from citycare.kernel import audit, identity
from citycare.kernel.context import Context
from citycare.kit.db import Database

log = logging.getLogger("citycare.exchange")

FLUSH_S = 0.5
BATCH_MAX = 500
WAITING_MAX = 50_000
NO_DETAIL: Mapping[str, str] = MappingProxyType({})


class Trail:
    """The reads of one process that are not yet on record."""

    def __init__(self, database: Database) -> None:
        """Begin with nothing; `flush` and `run` write to this database."""
        self._database = database
        self._lines: list[str] = []
        self._cx: Context | None = None
        self._task: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()

    async def read(self, cx: Context, action: str, record: str, persons: Iterable[str]) -> None:
        """Note a read; where the trail cannot be written, reading stops before memory does."""
        self._lines += [audit.line_of(cx, entry) for entry in entries(action, record, persons)]
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
            for _ in range(-(-len(self._lines) // BATCH_MAX)):
                batch, self._lines = self._lines[:BATCH_MAX], self._lines[BATCH_MAX:]
                try:
                    async with self._database.transaction() as db:
                        assert self._cx is not None
                        await audit.append_lines(replace(self._cx, db=db), batch)
                except BaseException:
                    self._lines = batch + self._lines
                    raise


def entries(
    action: str, record: str, persons: Iterable[str], detail: Mapping[str, str] = NO_DETAIL
) -> list[audit.Entry]:
    """Return the lines of one access: one for each person it touches, or one for none."""
    known: list[UUID | None] = [identity.audit_id(each) for each in persons]
    return [audit.Entry(action, person, record, detail=dict(detail)) for person in known or [None]]
