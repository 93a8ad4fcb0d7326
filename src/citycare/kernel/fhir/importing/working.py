"""Worker processes of an import: each takes one part after another, and tells how far it is.

Each worker has a pipe of its own, whose other end only the parent holds: when the parent is killed
the pipe ends, and so does the worker; what was in its transaction is rolled back. The same
command then goes on at the end of the last batch of each part. Workers are forked: what took the
parent most of a second to load they have already, a tenth of the time of a small import.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from citycare.kernel.fhir.importing import reading
from citycare.kernel.fhir.importing.model import (
    Counts,
    Options,
    Part,
    Result,
    WorkersLost,
)
from citycare.kernel.fhir.importing.taking import take
from citycare.kit.db import Database
from citycare.kit.errors import AppError

log = logging.getLogger(__name__)

COLLECT_AT = 1_000_000
"""New objects before Python looks for cycles: a Bundle has many and no cycles, and the default of
700 made reading eleven times as slow as it is (measured)."""
JOIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import is; `read` of `size` bytes, as the files lie there."""

    read: int
    size: int
    counts: Counts


@dataclass(frozen=True, slots=True)
class _Step:
    """What a worker tells after a batch."""

    read: int
    counts: Counts


@dataclass(slots=True)
class _Hand:
    """A worker as its parent sees it."""

    process: BaseProcess
    part: Part
    read: int = 0


def cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))


def run(
    database: tuple[str, str | None],
    files: Sequence[Path],
    options: Options,
    *,
    workers: int,
    tell: Callable[[Progress], None],
) -> list[Result]:
    """Import files side by side; return what became of each part.

    A part that fails, or whose worker is killed, does not stop the others: its result says so. The
    caller is a process of one thread (none that could hold a lock when the workers are forked), in
    which no event loop runs; `tell` may start others.

    Args:
        database: its address, and the role to take on there.
        files: see `reading.find_files`.
        options: for all of them.
        workers: processes at most; there are never more than parts.
        tell: called after each batch, first when all workers have been started.

    Raises:
        WorkersLost: all workers were killed.
    """
    crew = _Crew(database, options, reading.parts(files), tell)
    crew.progress = Progress(0, sum(file.stat().st_size for file in files), Counts())
    try:
        for _ in range(workers):
            crew.hire()
        while crew.hands:
            for pipe in wait(list(crew.hands)):
                assert isinstance(pipe, Connection)
                crew.hear(pipe)
    finally:
        crew.dismiss()
    if (part := next(crew.parts, None)) is not None:
        raise WorkersLost(part=part.name)
    tell(replace(crew.progress, read=crew.progress.size))  # a zip is more than its members
    return crew.results


class _Crew:
    """The workers, what they are at, and what has come of it."""

    def __init__(
        self,
        database: tuple[str, str | None],
        options: Options,
        parts: Iterator[Part],
        tell: Callable[[Progress], None],
    ) -> None:
        self.database, self.options, self.parts, self.tell = database, options, parts, tell
        self.hands: dict[Connection, _Hand] = {}
        self.results: list[Result] = []
        self.progress = Progress(0, 0, Counts())
        self._fork = multiprocessing.get_context("fork")

    def hire(self) -> None:
        """Start a worker, if there is a part for it."""
        part = next(self.parts, None)
        if part is None:
            return
        ours, theirs = self._fork.Pipe()
        held = [ours, *self.hands]
        process = self._fork.Process(
            target=_work, args=(theirs, held, *self.database, self.options), daemon=True
        )
        process.start()
        theirs.close()
        self.hands[ours] = _Hand(process, part)
        self.give(ours, part)

    def give(self, pipe: Connection, part: Part) -> None:
        """Hand a part to a worker; one that has just been killed is heard of as such."""
        hand = self.hands[pipe]
        hand.part, hand.read = part, 0
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            pipe.send(part)

    def hear(self, pipe: Connection) -> None:
        """Take what a worker tells; give it the next part when it has done one."""
        hand = self.hands[pipe]
        try:
            told = pipe.recv()
        except (EOFError, ConnectionResetError):
            self.results.append(Result(hand.part, error="its process was killed"))
            del self.hands[pipe]
            return
        if isinstance(told, _Step):
            self._advance(hand, told.read, told.counts)
            return
        self.results.append(told)
        self._advance(hand, hand.part.size, Counts())
        part = next(self.parts, None)
        if part is None:
            del self.hands[pipe]
            pipe.close()
        else:
            self.give(pipe, part)

    def _advance(self, hand: _Hand, read: int, counts: Counts) -> None:
        before = self.progress
        read, hand.read = before.read + read - hand.read, read
        self.progress = replace(before, read=read, counts=before.counts + counts)
        self.tell(self.progress)

    def dismiss(self) -> None:
        """End all workers: their pipes end, and whoever does not hear it is killed."""
        for pipe, hand in self.hands.items():
            pipe.close()
            hand.process.join(JOIN_S)
            if hand.process.is_alive():
                hand.process.kill()


def _work(
    pipe: Connection, held: Sequence[Connection], url: str, role: str | None, options: Options
) -> None:
    """Be a worker, until the pipe ends; `held`: ends of the parent's that came with the fork."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it, and ends the pipe
    for one in held:
        one.close()  # else this process itself would keep pipes open whose parent is gone
    gc.freeze()
    gc.set_threshold(COLLECT_AT)
    asyncio.run(_serve(pipe, Database(url, size_max=1, role=role), options))


async def _serve(pipe: Connection, database: Database, options: Options) -> None:
    await database.open()
    try:
        while True:
            part = await asyncio.to_thread(pipe.recv)
            pipe.send(await _result(pipe, database, part, options))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        log.info("the import has ended")
    finally:
        await database.close()


async def _result(pipe: Connection, database: Database, part: Part, options: Options) -> Result:
    def tell(read: int, counts: Counts) -> None:
        pipe.send(_Step(read, counts))

    try:
        return await take(database, part, options, tell)
    except (BrokenPipeError, ConnectionResetError):
        raise
    except (AppError, OSError) as error:
        return Result(part, error=error.message() if isinstance(error, AppError) else str(error))
    except Exception as error:
        log.exception("import of %s failed", part.name)
        return Result(part, error=type(error).__name__)
