"""An export whose worker is killed with -9 goes on where it was: nothing is lost, nothing twice.

Run as a program, this file is the worker: `python test_killed.py URL`, with small steps.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from citycare import worker
from citycare.kernel import fhir
from citycare.kernel.context import SYSTEM, Context
from citycare.kernel.events import Limits
from citycare.kernel.fhir import exporting
from citycare.kernel.fhir.exporting import Asked, Level, running, store
from citycare.kit import clock, migrate
from citycare.kit.db import Database
from citycare.kit.embedded import Embedded

ROOT = Path(__file__).resolve().parents[4]
NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
LIMITS = Limits(heartbeat_s=0.5, stalled_s=2.0, poll_s=0.3, backoff_s=0.2, grace_s=10.0)
COUNT = 600
TYPES = ("Patient", "Location")
Ask = Callable[[str], Any]


async def work(url: str) -> None:
    for module in (store, running):
        vars(module)["STEP_ROWS"] = 5
    database = Database(url, size_max=5)
    await database.open()
    await worker.build(database, [], exporting.JOBS, [], limits=LIMITS).run()
    await database.close()


@pytest.fixture
def start(server: Embedded, own_database: str) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    started = []

    def begin() -> subprocess.Popen[bytes]:
        url = server.url(own_database, user=migrate.APP)
        environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
        process = subprocess.Popen([sys.executable, __file__, url], env=environment)
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def ask(server: Embedded, own_database: str) -> Ask:
    def query(statement: str) -> Any:
        with psycopg.connect(server.url(own_database), autocommit=True) as connection:
            row = connection.execute(statement.encode()).fetchone()
            return row and row[0]

    return query


def wait_for(true: Callable[[], bool]) -> None:
    start = time.monotonic()
    while not true():
        assert time.monotonic() - start < 120
        time.sleep(0.02)


@pytest.mark.fault
async def test_killed_over_and_over_an_export_has_each_resource_once(
    database: Database, start: Callable[[], subprocess.Popen[bytes]], ask: Ask
) -> None:
    async with database.transaction() as db:
        cx = Context(db, SYSTEM, NOW, "test", purpose="test")
        for kind in TYPES:
            await fhir.put(cx, [{"resourceType": kind, "id": f"r{n}"} for n in range(COUNT)])
    async with database.transaction() as db:
        cx = Context(db, SYSTEM, clock.now(), "test", purpose="test")
        id_ = await exporting.start(cx, Asked(Level.SYSTEM, types=TYPES))

    def reached(share: int) -> bool:
        return int(ask("SELECT coalesce(sum(count), 0) FROM fhir.export_file")) >= share

    for share in (30, 300, 700):
        process = start()
        wait_for(partial(reached, share))
        process.kill()
        process.wait()
        assert ask("SELECT count(*) FROM fhir.export WHERE ended_at IS NULL") == 1
    start()
    wait_for(lambda: bool(ask("SELECT 1 FROM fhir.export WHERE ended_at IS NOT NULL")))
    found = []
    async with database.transaction() as db:
        cx = Context(db, SYSTEM, clock.now(), "test", purpose="test")
        told = await exporting.status(cx, id_)
        for file in told.files:
            piece = await exporting.read(cx, id_, file.number)
            found += [json.loads(line) for line in piece.text.splitlines()]
    assert (told.count, told.done) == (2 * COUNT, 2)
    names = sorted(f"{one['resourceType']}/{one['id']}" for one in found)
    assert names == sorted(f"{kind}/r{n}" for kind in TYPES for n in range(COUNT))


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1]))
