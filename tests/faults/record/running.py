"""A run: a city of real processes, clients and a nemesis on it, and what is there in the end."""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from time import monotonic

from psycopg.conninfo import conninfo_to_dict

from bench import city
from bench.record import stage
from citycare.kit import migrate
from citycare.kit.embedded import Embedded
from citycare.kit.supervise import web_command
from tests.faults import rush
from tests.faults.record import ending
from tests.faults.record.clients import Client, Shared, prepare
from tests.faults.record.history import History
from tests.faults.record.nemesis import Nemesis, Streams, Web, Wire
from tests.faults.record.polling import Poller

CLIENTS = 10
LOG = "processes.log"
PORT = 5432
SOCKET = ".s.PGSQL.{port}"
PAUSE_S = 3.0  # between two strikes, on average
BROKEN = "RECORD_BROKEN"  # in the environment of the web processes: which safeguard is taken out


@dataclass(frozen=True, slots=True)
class Run:
    """What came of a run."""

    history: History
    happened: tuple[str, ...]


async def run(
    home: Path,
    embedded: Embedded,
    *,
    seconds: float,
    seed: int,
    strikes: Sequence[str] | None = None,
    broken: str = "",
    rounds: int = 1,
    enough: Callable[[History], bool] = lambda _: True,
) -> Run:
    """Let clients work for some seconds while things go wrong; read everything back.

    Args:
        home: an empty directory.
        embedded: a server that runs; its database is made new.
        seconds: of work, in a round.
        seed: of all dice.
        strikes: what goes wrong, evenly spread; None: everything, again and again.
        broken: the safeguard that is taken out (`broken.py`), for controls; one web process then.
        rounds: at most; there is another until what was read back is `enough`.
    """
    url = city.fresh(embedded)
    token = await asyncio.to_thread(stage.token, url)
    async with _wired(home, embedded, broken) as (port, nemesis):
        shared = Shared()
        base = f"http://{rush.HOST}:{port}/fhir/R4/"
        clients = [Client(number, base, token, shared, seed) for number in range(CLIENTS)]
        poller = Poller(Client(CLIENTS, base, token, Shared(), seed))
        everybody: list[Client | Poller] = [*clients, poller]
        nemesis.dice = Random(seed)
        await prepare(clients[0])
        for _ in range(rounds):
            await _work(everybody, nemesis, seconds, strikes)
            await ending.quiet(embedded.url(city.DATABASE))
            history = await ending.read_back(clients[0], tuple(shared.acts), poller)
            if enough(history):
                break
        for one in everybody:
            await one.close()
    return Run(history, tuple(nemesis.happened))


async def _work(
    clients: Sequence[Client | Poller],
    nemesis: Nemesis,
    seconds: float,
    strikes: Sequence[str] | None,
) -> None:
    until = monotonic() + seconds

    def over() -> bool:
        return monotonic() > until

    work = [asyncio.create_task(one.work(over)) for one in clients]
    if strikes is None:
        await nemesis.strike_often(PAUSE_S, over)
    for what in strikes or ():
        await asyncio.sleep(seconds / (len(strikes or ()) + 1))
        await nemesis.strike(what)
    await asyncio.gather(*work)


@asynccontextmanager
async def _wired(home: Path, embedded: Embedded, broken: str) -> AsyncIterator[tuple[int, Nemesis]]:
    """Run the web processes between two wires; yield the port for clients."""
    inner, port = rush.free_port(), rush.free_port()
    told = conninfo_to_dict(embedded.url(city.DATABASE))
    socket = str(Path(str(told["host"])) / SOCKET.format(port=told["port"]))

    async def to_web() -> Streams:
        return await asyncio.open_connection(rush.HOST, inner)

    async def to_database() -> Streams:
        return await asyncio.open_unix_connection(socket)

    front, back = Wire(to_web), Wire(to_database)
    with tempfile.TemporaryDirectory() as folder:  # short: a socket's path may have 107 letters
        await back.listen(Path(folder) / SOCKET.format(port=PORT))
        await front.listen(port)
        url = f"postgresql:///{city.DATABASE}?host={folder}&user={migrate.APP}&port={PORT}"
        web = Web(partial(_start, home, inner, url, broken))
        keeping = asyncio.create_task(web.keep())
        try:
            await asyncio.to_thread(_wait, home, inner)
            yield port, Nemesis(embedded, web, front, back, Random(0))
        finally:
            keeping.cancel()
            await asyncio.to_thread(rush._end, [web.parent])
            await front.close()
            await back.close()


def _start(home: Path, port: int, url: str, broken: str) -> subprocess.Popen[bytes]:
    """Start two web processes; for a control one, which is up sooner."""
    command = web_command(rush.HOST, port, 1 if broken else 2)
    told = {**os.environ, "CITYCARE_HOME": str(home), "CITYCARE_DATABASE_URL": url}
    told |= {"PYTHONWARNINGS": "ignore", "PYTHONPATH": f"{city.ROOT / 'src'}:{city.ROOT}"}
    if broken:
        command[-1] = "tests.faults.record.broken:application"
        told[BROKEN] = broken
    with (home / LOG).open("ab") as log:
        return subprocess.Popen(command, env=told, stdout=log, stderr=log)


def _wait(home: Path, port: int) -> None:
    try:
        city.wait_ready(port)
    except RuntimeError as error:
        raise AssertionError((home / LOG).read_text()[-2_000:]) from error
