"""One part from where it is to its end: prepared, written and noted, batch by batch.

A batch is written in the transaction that notes it as settled, so a crash at any point leaves a
part at the end of a batch, and the next import goes on there: nothing is lost, nothing written
twice. Of a strict import a document is one transaction.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from typing import TypeVar

from citycare.kernel import audit
from citycare.kernel.context import SYSTEM, Context
from citycare.kernel.fhir.importing import asking, preparing, reading, store
from citycare.kernel.fhir.importing.model import Counts, Options, Part, Refused, Result
from citycare.kernel.fhir.importing.preparing import Batch, Settled
from citycare.kernel.fhir.importing.reading import Broken, Group
from citycare.kernel.fhir.importing.store import Overtaken
from citycare.kernel.fhir.model import ResourceExists
from citycare.kit import clock, ids
from citycare.kit.db import Connection, Database
from citycare.kit.errors import Busy, Conflict, Unavailable

T = TypeVar("T")
PURPOSE = "fhir.import"
TRIES = 9  # half a minute in all: a database that is started again is waited for
PAUSE_S = 0.1
KNOWN_MAX = 100_000

Tell = Callable[[int, Counts], None]
"""Told after each batch: bytes of the part read so far, what became of the batch."""


@dataclass(slots=True)
class _Taking:
    """A part under way: `done` of its resources are settled."""

    database: Database
    part: Part
    options: Options
    tell: Tell
    digest: bytes
    done: int = 0
    taken: int = 0
    known: dict[str, list[str]] = field(default_factory=dict)

    async def settle(self, batch: Batch, read: int) -> None:
        """Write a batch and note it, together; what others hold up is tried again."""

        async def once(cx: Context) -> Counts:
            counts = await store.write(cx, batch, check=self.options.check)
            await store.advance(cx, self.digest, self.done, batch.size, counts, batch.refused)
            return counts

        counts = await _tried(self.database, once)
        self.advance(batch.size, read, counts)

    async def settle_whole(self, settled: Settled, read: int) -> None:
        """Write all of a document, or, with one fault, nothing."""

        async def once(cx: Context) -> Counts:
            counts, refused = Counts(), list[Refused]()
            async with cx.db.transaction() as kept:
                for draft in preparing.drafts(settled):
                    found = await store.find(cx, draft.conditions)
                    batch = preparing.batch(settled, draft, found, self.options)
                    refused += batch.refused
                    if not refused:
                        counts += await store.write(cx, batch, check=self.options.check)
                if refused:
                    kept.force_rollback = True
            counts = Counts(refused=settled.given.size) if refused else counts
            await store.advance(cx, self.digest, self.done, settled.given.size, counts, refused)
            return counts

        counts = await _tried(self.database, once)
        self.advance(settled.given.size, read, counts)

    def advance(self, size: int, read: int, counts: Counts) -> None:
        """Go on behind what is settled, and tell."""
        self.done += size
        self.taken += size
        self.tell(read, counts)

    async def group(self, group: Group, position: int) -> int:
        """Settle what is left of a group that begins at a position; return where it ends."""
        if group.lines and position + len(group.lines) <= self.done:
            return position + len(group.lines)
        given = asking.asked(group, self.options)
        settled = preparing.settled(given, await self.find(given.conditions))
        end = position + settled.given.size
        while self.done < end:
            try:
                if self.options.strict and group.document:
                    await self.settle_whole(settled, group.read)
                    continue
                for draft in preparing.drafts(settled, self.done - position):
                    found = await self.find(draft.conditions)
                    batch = preparing.batch(settled, draft, found, self.options)
                    share = 1.0 if group.lines else (self.done + batch.size) / settled.given.size
                    await self.settle(batch, int(group.read * share))
            except Overtaken:
                await self.catch_up()
        return end

    async def find(self, conditions: frozenset[str]) -> asking.Found:
        """Look for what conditions name; what this part has found before is not asked again."""
        found = {text: self.known[text] for text in conditions & self.known.keys()}
        unknown = conditions - found.keys()
        if unknown:
            found |= await _tried(self.database, lambda cx: store.find(cx, unknown))
            if len(self.known) > KNOWN_MAX:
                self.known.clear()
            self.known |= {text: ids for text, ids in found.items() if ids}
        return found

    async def catch_up(self) -> None:
        """Go on where another import of the same content is.

        Raises:
            Conflict: it has begun from the start again.
        """
        known = await _tried(self.database, lambda cx: store.state(cx, self.digest))
        if known.done <= self.done:
            raise Conflict(part=self.part.name)
        self.done = known.done


async def take(database: Database, part: Part, options: Options, tell: Tell) -> Result:
    """Import a part; one that is finished already is passed over.

    Raises:
        Busy, Unavailable: the database stayed away.
        Conflict: another import has begun with this content from the start.
        OSError: the file cannot be opened.
    """
    try:
        digest = reading.digest(part, options.kind)
    except Broken as error:
        return Result(part, error=error.refused.faults[0].message)
    known = await _tried(database, lambda cx: store.begin(cx, digest, part, again=options.again))
    if known.ended:
        tell(part.size, Counts())
        return Result(part, digest, known.counts, skipped=True)
    taking = _Taking(database, part, options, tell, digest, known.done)
    position = 0
    try:
        for group in reading.groups(part):
            position = await taking.group(group, position)
    except Broken as error:
        if taking.done <= position:
            await taking.settle(Batch(1, (), 0, [error.refused]), part.size)
    await _tried(database, lambda cx: _end(cx, taking))
    known = await _tried(database, lambda cx: store.state(cx, digest))
    tell(part.size, Counts())
    return Result(part, digest, known.counts, taking.taken)


async def _end(cx: Context, taking: _Taking) -> None:
    if not await store.end(cx, taking.digest):
        return
    known = await store.state(cx, taking.digest)
    record = f"fhir.import/{taking.digest.hex()}"
    detail = {"file": taking.part.path.name[:200], **asdict(known.counts)}
    action = "fhir.import_checked" if taking.options.check else PURPOSE
    await audit.append(cx, [audit.Entry(action, None, record, "ok", detail)])


async def _tried(database: Database, work: Callable[[Context], Awaitable[T]]) -> T:
    """Do work in a transaction of its own, again if others held it up."""
    for attempt in range(TRIES):
        try:
            async with database.transaction() as db:
                return await work(_context(db))
        except (Busy, Unavailable, ResourceExists):
            if attempt + 1 == TRIES:
                raise
            await asyncio.sleep(PAUSE_S * 2**attempt)
    raise AssertionError("the last try returns or raises")


def _context(db: Connection) -> Context:
    return Context(db, SYSTEM, clock.now(), f"import-{ids.new()}", purpose=PURPOSE)
