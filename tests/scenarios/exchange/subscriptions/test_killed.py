"""Killed with -9 at any point, a worker or the database, nothing is lost and the order is kept.

Run as a program, this file is the worker: `python test_killed.py URL`.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from citycare.kernel import fhir
from citycare.kernel.context import Actor, Context
from citycare.kernel.fhir.finding import EVERYTHING, Visible
from citycare.kit import clock, migrate
from citycare.kit.db import Database
from citycare.kit.embedded import Embedded
from citycare.kit.errors import Busy, Unavailable
from citycare.scenarios.exchange.model.subscriptions import Owner, Pace
from citycare.scenarios.exchange.service.subscriptions import keeping
from citycare.scenarios.exchange.service.subscriptions.sending import Sender
from citycare.scenarios.exchange.tasks import subscriptions as tasks
from citycare.worker import keep_up
from tests.scenarios.exchange.subscriptions.conftest import (
    ACCOUNT,
    BASE,
    LOOPBACK,
    observation,
    subscription,
)
from tests.scenarios.exchange.subscriptions.receiver import Receiver

ROOT = Path(__file__).resolve().parents[4]
PACE = Pace(tries=100, backoff_s=0.1, backoff_max_s=0.5, margin_s=0.5, poll_s=0.02, look_s=0.02)
SUBSCRIPTIONS = 4
CLIENT = Actor(ACCOUNT, None, (), name="hospital")


async def sees(_: Context, __: Owner) -> Visible:
    return EVERYTHING


async def work(url: str) -> None:
    """Do what the worker does for subscriptions."""
    database = Database(url, size_max=5)
    await database.open()
    rounds = tasks.rounds(database, Sender(LOOPBACK), sees, BASE, PACE)
    sys.stdout.write("working\n")
    sys.stdout.flush()
    await asyncio.gather(*(keep_up(name, each) for name, each in rounds.items()))


class City:
    """A record, who writes into it, and its workers."""

    def __init__(self, server: Embedded, name: str, receiver: Receiver) -> None:
        self.url = server.url(name, user=migrate.APP)
        self.receiver = receiver
        self.database = Database(self.url, size_max=4)
        self.workers: list[subprocess.Popen[str]] = []
        self.written: list[str] = []

    def _spawn(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, __file__, self.url],
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
            stdout=subprocess.PIPE,
            text=True,
        )

    async def start(self) -> subprocess.Popen[str]:
        process = self._spawn()
        self.workers.append(process)
        assert process.stdout is not None
        assert await asyncio.to_thread(process.stdout.readline) == "working\n"
        return process

    async def subscribe(self) -> None:
        limits = {"timeout": 3, "max-count": 5}
        more: dict[str, Any] = {"content": "full-resource", "extensions": limits}
        async with self.database.transaction() as db:
            cx = Context(db, CLIENT, clock.now(), "test-request")
            for number in range(SUBSCRIPTIONS):
                one = subscription(self.receiver.url, id=f"s-{number}", **more)
                await keeping.take(cx, one, base=BASE)
                await fhir.put(cx, [one])

    async def write(self, name: str) -> None:
        """Write a version of a resource; again where the database was away."""
        while True:
            try:
                async with self.database.transaction() as db:
                    cx = Context(db, CLIENT, clock.now(), "test-request")
                    await fhir.put(cx, [observation("o-1", valueString=name)])
            except (Busy, Unavailable):
                await asyncio.sleep(0.1)
            else:
                self.written.append(name)
                return

    def told(self, number: int) -> list[tuple[int, str]]:
        """Return what the receiver was told for a subscription: numbers of events, and values."""
        found = []
        for each in self.receiver.taken:
            if each.notice != "event-notification":
                continue
            if each.status("subscription")["reference"].endswith(f"s-{number}"):
                values = [one["resource"]["valueString"] for one in each.json()["entry"][1:]]
                found += list(zip(each.numbers(), values, strict=True))
        return found

    async def settle(self) -> None:
        """Wait until each subscription has been told all that was written."""

        def all_told() -> bool:
            names = set(self.written)
            return all(
                {value for _, value in self.told(number)} >= names
                for number in range(SUBSCRIPTIONS)
            )

        await self.receiver.until(all_told, 60.0)

    def check(self) -> None:
        """Each change has one number; each was told; first told in order, later ones again."""
        for number in range(SUBSCRIPTIONS):
            told = self.told(number)
            first = list(dict.fromkeys(told))
            assert [each for each, _ in first] == list(range(1, len(first) + 1))
            values = [value for _, value in first]
            assert [each for each in values if each in set(self.written)] == self.written

    def stop(self) -> None:
        for process in self.workers:
            process.kill()
            process.communicate()


@pytest.fixture
def city(server: Embedded, own_database: str, receiver: Receiver) -> Iterator[City]:
    found = City(server, own_database, receiver)
    yield found
    found.stop()


@pytest.mark.fault
async def test_workers_killed_over_and_over_lose_nothing(city: City) -> None:
    dice = random.Random(5)
    await city.database.open()
    await city.subscribe()
    first, second = await city.start(), await city.start()  # two at once share the work
    await city.receiver.until(lambda: len(city.receiver.taken) >= SUBSCRIPTIONS)
    city.receiver.faults += [500, "drop", 200, "slow", "drop"] * 4
    for round_ in range(4):
        for number in range(10):
            await city.write(f"{round_}-{number}")
            await asyncio.sleep(dice.random() / 50)
        await city.receiver.until(lambda: bool(city.told(0)))
        first.kill()
        first.wait()
        first, second = second, await city.start()
    await city.settle()
    city.check()
    assert second.poll() is None
    await city.database.close()


@pytest.mark.fault
async def test_the_database_killed_loses_nothing(tmp_path: Path, receiver: Receiver) -> None:
    server = Embedded(tmp_path / "pg")
    server.ensure_running()
    city = City(server, "postgres", receiver)
    try:
        migrate.apply(server.url("postgres"), ROOT / "migrations")
        await city.database.open()
        await city.subscribe()
        process = await city.start()
        for round_ in range(2):
            writing = [asyncio.create_task(city.write(f"{round_}-a"))]
            await asyncio.gather(*writing)
            postmaster = server.pid()
            assert postmaster is not None
            await asyncio.sleep(0.1)
            os.kill(postmaster, signal.SIGKILL)
            for _ in range(100):
                if not server.is_running():
                    break
                await asyncio.sleep(0.1)
            server.ensure_running()
            await city.write(f"{round_}-b")
        await city.settle()
        city.check()
        assert process.poll() is None
        await city.database.close()
    finally:
        city.stop()
        server.stop()


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1]))
