"""Faults of the worker, each with a real process: killed with -9, told to stop, database lost.

Run as a program, this file is the worker: `python test_worker_killed.py URL`. Its handler leaves
a mark in `fault.mark`; `fault.slow` makes it sleep with the mark written and not yet committed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from citycare import worker
from citycare.kernel import events
from citycare.kernel.context import SYSTEM, Context
from citycare.kernel.events import Event, Handler, Job, Limits, Periodic
from citycare.kit import migrate
from citycare.kit.db import Database
from citycare.kit.embedded import Embedded

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
LIMITS = Limits(heartbeat_s=0.5, stalled_s=2.0, poll_s=0.3, backoff_s=0.2, grace_s=10.0)
MARK = "INSERT INTO fault.mark (name) VALUES (%s)"
SLOW = "SELECT seconds FROM fault.slow"


async def mark(cx: Context, name: str) -> None:
    """Leave a mark, then sleep for as long as the test says, then end."""
    await cx.db.execute(MARK, [name])
    row = await (await cx.db.execute(SLOW)).fetchone()
    if row and row["seconds"] > 0:
        sys.stdout.write("sleeping\n")
        sys.stdout.flush()
        await asyncio.sleep(row["seconds"])


async def on_event(cx: Context, event: Event) -> None:
    await mark(cx, f"event {event.facts['n']}")


async def on_job(cx: Context, *, n: int) -> None:
    await mark(cx, f"job {n}")


async def on_clock(cx: Context) -> None:
    await cx.db.execute("INSERT INTO fault.tick DEFAULT VALUES")


async def work(url: str) -> None:
    database = Database(url, size_max=5)
    await database.open()
    handlers = [Handler("fault.happened", "fault.mark", on_event)]
    jobs = [Job("fault.job", on_job)]
    await worker.build(
        database, handlers, jobs, [Periodic("fault.tick", "* * * * * *", on_clock)], limits=LIMITS
    ).run()
    await database.close()


TABLES = """
    CREATE SCHEMA fault;
    CREATE TABLE fault.mark (name text);
    CREATE TABLE fault.tick (at timestamptz DEFAULT now());
    CREATE TABLE fault.slow (seconds float);
    INSERT INTO fault.slow VALUES (0);
    GRANT USAGE ON SCHEMA fault TO citycare_app;
    GRANT ALL ON ALL TABLES IN SCHEMA fault TO citycare_app;
"""


class City:
    """A database with the tables above, and the workers started on it."""

    def __init__(self, server: Embedded, name: str) -> None:
        self.server, self.name = server, name
        self.workers: list[subprocess.Popen[str]] = []
        self.root(TABLES)

    def root(self, statement: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.server.url(self.name), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def start(self) -> subprocess.Popen[str]:
        url = self.server.url(self.name, user=migrate.APP)
        process = subprocess.Popen(
            [sys.executable, __file__, url],
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
            stdout=subprocess.PIPE,
            text=True,
        )
        self.workers.append(process)
        return process

    async def ask(self, *numbers: int) -> None:
        """Announce an event and ask for a job of each number."""
        database = Database(self.server.url(self.name, user=migrate.APP), size_max=1)
        await database.open()
        async with database.transaction() as db:
            cx = Context(db, SYSTEM, NOW, "test-request")
            await events.emit(cx, [Event("fault.happened", {"n": n}) for n in numbers])
            for n in numbers:
                await events.defer(cx, "fault.job", {"n": n})
        await database.close()

    def marks(self) -> list[str]:
        return sorted(str(row[0]) for row in self.root("SELECT name FROM fault.mark"))

    def open_jobs(self) -> list[tuple[object, ...]]:
        return self.root(
            "SELECT id, task_name, args, status, attempts, worker_id,"
            " (SELECT max(error || place) FROM events.failure WHERE job_id = job.id)"
            " FROM jobs.procrastinate_jobs job WHERE task_name <> 'fault.tick'"
        )

    async def settle(self, seconds: float = 15.0) -> None:
        """Wait until every job is done."""
        start = time.monotonic()
        while rows := self.open_jobs():
            assert time.monotonic() - start < seconds, rows
            await asyncio.sleep(0.05)


def expected(*numbers: int) -> list[str]:
    return sorted([f"event {n}" for n in numbers] + [f"job {n}" for n in numbers])


def wait_asleep(process: subprocess.Popen[str], times: int) -> None:
    assert process.stdout is not None
    for _ in range(times):
        assert process.stdout.readline() == "sleeping\n"


@pytest.fixture
def city(server: Embedded, own_database: str) -> Iterator[City]:
    here = City(server, own_database)
    yield here
    for process in here.workers:
        process.kill()
        process.communicate()


@pytest.mark.fault
async def test_what_a_killed_worker_was_doing_is_done_once_by_the_next(city: City) -> None:
    city.root("UPDATE fault.slow SET seconds = 60")
    await city.ask(1, 2)
    first = city.start()
    wait_asleep(first, 3)  # one delivery and two jobs, each in the middle of its transaction
    first.kill()
    first.wait()
    assert city.marks() == []
    city.root("UPDATE fault.slow SET seconds = 0")
    second = city.start()
    await city.settle()
    assert city.marks() == expected(1, 2)
    assert second.poll() is None


@pytest.mark.fault
async def test_a_worker_killed_over_and_over_loses_and_doubles_nothing(city: City) -> None:
    city.root("UPDATE fault.slow SET seconds = 0.02")
    numbers = range(40)
    await city.ask(*numbers)
    for _ in range(3):
        process = city.start()
        wait_asleep(process, 6)
        process.kill()
        process.wait()
    city.root("UPDATE fault.slow SET seconds = 0")
    city.start()
    await city.settle(30.0)
    assert city.marks() == expected(*numbers)


@pytest.mark.fault
async def test_a_frozen_worker_that_wakes_up_later_doubles_nothing(city: City) -> None:
    city.root("UPDATE fault.slow SET seconds = 1")
    await city.ask(1)
    first = city.start()
    wait_asleep(first, 2)
    first.send_signal(signal.SIGSTOP)
    city.root("UPDATE fault.slow SET seconds = 0")
    city.start()
    await asyncio.sleep(LIMITS.stalled_s + 1)
    first.send_signal(signal.SIGCONT)
    await city.settle(30.0)
    assert city.marks() == expected(1)


@pytest.mark.fault
async def test_told_to_stop_it_ends_what_it_has_begun_and_begins_nothing_new(city: City) -> None:
    city.root("UPDATE fault.slow SET seconds = 1")
    await city.ask(1)
    process = city.start()
    wait_asleep(process, 2)
    process.terminate()
    await asyncio.sleep(0.2)
    await city.ask(2)
    assert process.wait(timeout=10) == 0
    assert city.marks() == expected(1)
    city.start()
    await city.settle()
    assert city.marks() == expected(1, 2)


@pytest.mark.fault
async def test_a_worker_outlives_its_database(tmp_path: Path) -> None:
    """The server is killed with -9 while jobs run, and comes back; the worker goes on."""
    server = Embedded(tmp_path / "pg")
    server.ensure_running()
    try:
        migrate.apply(server.url("postgres"), ROOT / "migrations")
        city = City(server, "postgres")
        city.root("UPDATE fault.slow SET seconds = 0.5")
        await city.ask(1, 2)
        process = city.start()
        wait_asleep(process, 2)
        postmaster = server.pid()
        assert postmaster is not None
        os.kill(postmaster, signal.SIGKILL)
        await asyncio.sleep(1.5)
        for _ in range(100):  # a killed server may look alive, as a zombie, for a while
            if not server.is_running():
                break
            await asyncio.sleep(0.1)
        assert process.poll() is None
        server.ensure_running()
        await city.ask(3)
        await city.settle(30.0)
        assert city.marks() == expected(1, 2, 3)
        before = len(city.root("SELECT at FROM fault.tick"))
        await asyncio.sleep(3)
        assert len(city.root("SELECT at FROM fault.tick")) > before
        assert process.poll() is None
        process.terminate()
        assert process.wait(timeout=10) == 0
        process.communicate()
    finally:
        server.stop()


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1]))
