"""What goes wrong during a run: processes are killed, connections cut, answers lost on the way."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import psutil

from citycare.kit.embedded import Embedded
from tests.faults import rush

CHUNK = 65_536
LOOK_EVERY_S = 0.3
LOST_S = 0.05  # how long answers get lost before the connections are cut

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(eq=False, slots=True)
class Link:
    """One connection through a wire: who asked, and who answers."""

    asking: Streams
    answering: Streams
    deaf: bool = False

    async def carry(self) -> None:
        """Carry both ways until one end closes."""
        ways = [self._ask(), self._answer()]
        tasks = [asyncio.create_task(one) for one in ways]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        self.cut()
        await asyncio.wait(tasks)

    async def _ask(self) -> None:
        with contextlib.suppress(OSError):
            while piece := await self.asking[0].read(CHUNK):
                self.answering[1].write(piece)
                await self.answering[1].drain()

    async def _answer(self) -> None:
        with contextlib.suppress(OSError):
            while piece := await self.answering[0].read(CHUNK):
                if not self.deaf:
                    self.asking[1].write(piece)
                    await self.asking[1].drain()

    def cut(self) -> None:
        for _, writer in (self.asking, self.answering):
            writer.transport.abort()


class Wire:
    """A proxy between two parties, whose connections can be cut."""

    def __init__(self, connect: Callable[[], Awaitable[Streams]]) -> None:
        self._connect = connect
        self._links: set[Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._server: asyncio.Server | None = None

    async def listen(self, where: int | Path) -> None:
        """Listen on a port of this machine, or on a socket in the file system."""
        if isinstance(where, Path):
            self._server = await asyncio.start_unix_server(self._serve, where)
        else:
            self._server = await asyncio.start_server(self._serve, rush.HOST, where)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            link = Link((reader, writer), await self._connect())
            self._links.add(link)
            if self._closed:
                link.cut()
            await link.carry()
            self._links.discard(link)
        except OSError:  # the other party is away
            writer.transport.abort()
        finally:
            self._tasks.discard(task)

    async def cut(self, *, losing_answers: bool = False) -> None:
        """Cut all connections; `losing_answers`: what was sent arrives, what comes back does not.

        A commit whose answer is lost has happened, and who asked for it cannot know.
        """
        there = set(self._links)
        if losing_answers:
            for one in there:
                one.deaf = True
            await asyncio.sleep(LOST_S)
        for one in there:
            one.cut()

    async def close(self) -> None:
        """Listen no more, and wait until every connection has ended."""
        self._closed = True
        if self._server is not None:
            self._server.close()
        await self.cut()
        if self._tasks:
            await asyncio.wait(self._tasks)


class Web:
    """The web processes; a parent that gave up is started again, as by `kit.supervise`."""

    def __init__(self, start: Callable[[], subprocess.Popen[bytes]]) -> None:
        self._start = start
        self.parent = start()

    async def keep(self) -> None:
        """Look after them until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if self.parent.poll() is not None:
                self.parent = self._start()

    def workers(self) -> list[psutil.Process]:
        try:
            return rush.workers_of(psutil.Process(self.parent.pid))
        except psutil.NoSuchProcess:
            return []


@dataclass(slots=True)
class Nemesis:
    """Does one thing after the other to a running city.

    Attributes:
        web: the web processes.
        front: the wire between clients and web.
        back: the wire between web and database.
        happened: what was done.
    """

    embedded: Embedded
    web: Web
    front: Wire
    back: Wire
    dice: Random
    happened: list[str] = field(default_factory=list)

    async def strike(self, what: str) -> None:
        """Do one of DEEDS; when it returns, the city may get well again."""
        await DEEDS[what](self)
        self.happened.append(what)

    async def strike_often(self, pause_s: float, until: Callable[[], bool]) -> None:
        """Do something every few seconds, each thing once before the first comes again."""
        waiting: list[str] = []
        while not until():
            await asyncio.sleep(pause_s * (0.5 + self.dice.random()))
            if until():
                return
            if not waiting:
                waiting = self.dice.sample(sorted(DEEDS), len(DEEDS))
            await self.strike(waiting.pop())

    async def kill_web(self) -> None:
        workers = await asyncio.to_thread(self.web.workers)
        if workers:
            self.dice.choice(workers).kill()

    async def kill_database(self) -> None:
        await asyncio.to_thread(self._restart)

    def _restart(self) -> None:
        postmaster = self.embedded.pid()
        if postmaster is not None:
            os.kill(postmaster, signal.SIGKILL)
        while postmaster is not None and self.embedded.pid() == postmaster:
            time.sleep(0.01)  # a signal takes a moment
        self.embedded.ensure_running()

    async def cut_clients(self) -> None:
        await self.front.cut()

    async def cut_database(self) -> None:
        await self.back.cut()

    async def lose_answers(self) -> None:
        await self.back.cut(losing_answers=True)

    async def lose_clients_answers(self) -> None:
        await self.front.cut(losing_answers=True)


Deed = Callable[[Nemesis], Awaitable[None]]
DEEDS: dict[str, Deed] = {
    "web process killed": Nemesis.kill_web,
    "database killed": Nemesis.kill_database,
    "clients cut off": Nemesis.cut_clients,
    "database cut off": Nemesis.cut_database,
    "answers of the database lost": Nemesis.lose_answers,
    "answers to clients lost": Nemesis.lose_clients_answers,
}
