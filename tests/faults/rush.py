"""A city of real processes that is rushed while something is killed, and what must hold after."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import psutil
import psycopg
from psycopg.rows import tuple_row

from bench import city, load
from citycare.kernel import audit
from citycare.kit import migrate
from citycare.kit.db import Database
from citycare.kit.embedded import Embedded
from citycare.kit.supervise import web_command

PEOPLE, WINDOWS, CAPACITY = 3_000, 100, 20
PROBES = 200
CONNECTIONS = 64
WELL_S_MAX = 15.0  # the promise is 5 s on a quiet machine; CI may be loaded
HOST = "127.0.0.1"


@dataclass
class RealCity:
    """An embedded server of its own with people and windows, and the processes on it."""

    home: Path
    embedded: Embedded
    stage: city.Stage
    port: int
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def address(self) -> tuple[str, int]:
        return HOST, self.port

    @property
    def probes(self) -> list[bytes]:
        """Bookings of people who take no part in the rush, in a window of their own each."""
        return [
            self.request(PEOPLE + n, self.stage.slots[WINDOWS + n // CAPACITY])
            for n in range(PROBES)
        ]

    def request(self, person: int, slot: UUID) -> bytes:
        body = orjson.dumps({"slot_id": slot, "person_id": self.stage.persons[person]})
        return load.post(
            "/api/v1/bookings", body, self.stage.tokens[person], f"rush-44718-{person}"
        )

    def rush(self) -> list[bytes]:
        """3,000 people, each once, for 2,000 places in 100 windows."""
        return [self.request(n, self.stage.slots[n % WINDOWS]) for n in range(PEOPLE)]

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "CITYCARE_HOME": str(self.home), "PYTHONWARNINGS": "ignore"}
        environment["PYTHONPATH"] = str(city.ROOT / "src")
        with (self.home / "processes.log").open("ab") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def serve(self) -> psutil.Process:
        """Run two web processes alone, and wait until they answer."""
        return self._ready(self.start(*web_command(HOST, self.port, 2)))

    def supervise(self) -> psutil.Process:
        """Run the supervisor as the demo does, and wait until the city answers."""
        module = (sys.executable, "-m", "citycare.kit.supervise")
        folder = str(self.embedded.folder)
        return self._ready(self.start(*module, HOST, str(self.port), "2", folder))

    def _ready(self, process: subprocess.Popen[bytes]) -> psutil.Process:
        for _ in range(4):
            try:
                city.wait_ready(self.port, seconds=5)
            except RuntimeError:
                continue
            return psutil.Process(process.pid)
        raise AssertionError((self.home / "processes.log").read_text()[-2_000:])

    def ask(self, statement: str) -> Any:
        """Return the one value a statement yields, as the owner of the database."""
        url = self.embedded.url(city.DATABASE)
        with psycopg.connect(url, autocommit=True, row_factory=tuple_row) as connection:
            row = connection.execute(statement.encode()).fetchone()
        return row[0] if row else None

    def database(self) -> Database:
        return Database(self.embedded.url(city.DATABASE, user=migrate.APP), size_max=4)


def children_of(process: psutil.Process, word: str) -> list[psutil.Process]:
    """Return the living direct children whose command holds a word."""
    found = []
    for child in process.children():
        try:
            if child.status() != psutil.STATUS_ZOMBIE and word in " ".join(child.cmdline()):
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found


def workers_of(server: psutil.Process) -> list[psutil.Process]:
    """Return the processes of a granian server that serve (not multiprocessing's tracker)."""
    return [one for one in children_of(server, "") if "resource_tracker" not in line_of(one)]


def line_of(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


def free_port() -> int:
    with socket.socket() as found:
        found.bind((HOST, 0))
        return int(found.getsockname()[1])


# Somebody is subscribed, so that each batch also has a delivery that must survive the faults.
SUBSCRIBED = "INSERT INTO events.subscription VALUES ('booking.booked', 'fault.listen', now())"


@contextmanager
def real_city(home: Path) -> Iterator[RealCity]:
    """Make a server, a filled database and nothing else; end all that was started on it."""
    embedded = Embedded(home / "postgres")
    embedded.ensure_running()
    try:
        url = city.fresh(embedded)
        windows = WINDOWS + PROBES // CAPACITY
        stage = city.fill(url, people=PEOPLE + PROBES, slots=windows, capacity=CAPACITY)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(SUBSCRIBED)
        here = RealCity(home, embedded, stage, free_port())
        try:
            yield here
        finally:
            _end(here.processes)
    finally:
        embedded.ensure_running()
        embedded.stop()


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        family = psutil.Process(process.pid).children(recursive=True) if _lives(process) else []
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for one in family:
            if one.is_running():
                one.kill()


def _lives(process: subprocess.Popen[bytes]) -> bool:
    return process.poll() is None


@dataclass(slots=True)
class Story:
    """What came of a rush with a killing in the middle."""

    first: load.Outcome
    again: load.Outcome
    well_s: float
    before: int

    def tell(self, what: str) -> None:
        sys.stdout.write(
            f"\n{what}: {self.before} booked before the kill, answers"
            f" {dict(sorted(self.first.counts.items()))}, well after {self.well_s:.2f} s,"
            f" repeated {dict(sorted(self.again.counts.items()))}\n"
        )


async def rush_and_kill(here: RealCity, kill: Callable[[], None], *, after: int = 300) -> Story:
    """Send the rush, kill in the middle, wait until all is well, send all of it once more."""
    ready = here.rush()
    running = asyncio.create_task(load.run(ready, here.address, CONNECTIONS, keep=True))
    before = 0
    while before < after and not running.done():
        await asyncio.sleep(0.02)
        before = await asyncio.to_thread(here.ask, "SELECT count(*) FROM booking.booking")
    assert not running.done(), "the rush was over before anything was killed"
    await asyncio.to_thread(kill)
    killed_at = time.monotonic()
    well_s = await _well(here, killed_at)
    first = await running
    again = await load.run(ready, here.address, CONNECTIONS, keep=True)
    return Story(first, again, well_s, before)


async def _well(here: RealCity, since: float) -> float:
    """Return after how many seconds ten new bookings in a row were confirmed."""
    row = 0
    for probe in here.probes:
        outcome = await asyncio.wait_for(load.run([probe], here.address, 1), 20)
        row = row + 1 if outcome.statuses == [201] else 0
        if row == 10:
            return time.monotonic() - since
        assert time.monotonic() - since < 2 * WELL_S_MAX, "not well again"
        await asyncio.sleep(0.05 if row else 0.2)
    raise AssertionError("never well again")


def body_of(answer: bytes) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(answer.partition(b"\r\n\r\n")[2])
    return found


LIVE = "state IN ('booked', 'arrived', 'fulfilled', 'no_show')"
OVERSOLD = f"""
    SELECT count(*) FROM (
        SELECT slot_id, count(*) AS sold FROM booking.booking WHERE {LIVE} GROUP BY slot_id) b
      JOIN booking.slot s ON s.id = b.slot_id WHERE b.sold > s.capacity
"""
UNEVEN = f"""
    SELECT (SELECT count(*) FROM booking.place WHERE state = 'taken')
         - (SELECT count(*) FROM booking.booking WHERE {LIVE})
"""
COUNTS_WRONG = """
    SELECT count(*) FROM booking.slot s WHERE (s.free, s.busy) IS DISTINCT FROM
        (SELECT (count(*) FILTER (WHERE state = 'free')::smallint,
                 count(*) FILTER (WHERE state <> 'free')::smallint)
           FROM booking.place p WHERE p.slot_id = s.id)
"""


def check_nothing_sold_twice(here: RealCity) -> None:
    assert here.ask(OVERSOLD) == 0
    assert here.ask(UNEVEN) == 0
    assert here.ask(COUNTS_WRONG) == 0
    taken = here.ask(f"SELECT count(*) FROM booking.booking WHERE {LIVE}")
    slots = "', '".join(str(one) for one in here.stage.slots[:WINDOWS])
    rushed = here.ask(
        f"SELECT count(*) FROM booking.booking WHERE slot_id IN ('{slots}') AND {LIVE}"
    )
    assert rushed == WINDOWS * CAPACITY  # every place went, each to one person
    assert taken == here.ask("SELECT count(DISTINCT person_id) FROM booking.booking")


def check_confirmed_is_kept(here: RealCity, story: Story) -> None:
    """Each 201 has its row, and the repetition says the same; only 503 or silence are no answer."""
    assert set(story.first.counts) <= {201, 409, 503, 0}, story.first.counts
    assert set(story.again.counts) == {201, 409}, story.again.counts
    rows = here.ask("SELECT jsonb_object_agg(id, person_id) FROM booking.booking")
    for n, status in enumerate(story.first.statuses):
        if status == 201:
            told = body_of(story.first.answers[n])
            assert rows[told["id"]] == told["person_id"] == str(here.stage.persons[n])
            assert body_of(story.again.answers[n]) == told
        if status == 503:
            head = story.first.answers[n].partition(b"\r\n\r\n")[0].lower()
            assert b"retry-after:" in head
            assert body_of(story.first.answers[n])["code"] in {
                "service.unavailable",
                "service.busy",
            }
    confirmed = {
        body_of(answer)["id"]
        for answer, status in zip(story.again.answers, story.again.statuses, strict=True)
        if status == 201
    }
    assert len(confirmed) == WINDOWS * CAPACITY
    assert confirmed <= set(rows)


async def check_trail_and_events(here: RealCity) -> None:
    """The audit chain holds, and each booking was announced once and once only."""
    database = here.database()
    await database.open()
    async with database.autocommit() as db:
        report = await audit.verify(db)
    await database.close()
    assert report.ok, report
    bookings = here.ask("SELECT count(*) FROM booking.booking")
    assert here.ask("SELECT count(*) FROM audit.entry WHERE action = 'booking.book'") == bookings
    events = "FROM events.event WHERE name = 'booking.booked'"
    assert here.ask(f"SELECT count(*) {events}") == bookings
    assert here.ask(f"SELECT count(DISTINCT facts->>'booking') {events}") == bookings


async def check_queue_is_worked_off(here: RealCity) -> None:
    """No delivery waits, runs or has failed any more."""
    jobs = "FROM jobs.procrastinate_jobs WHERE task_name = 'events.deliver'"
    end = time.monotonic() + 20
    while left := here.ask(f"SELECT count(*) {jobs}"):
        assert time.monotonic() < end, left
        await asyncio.sleep(0.1)
