"""Bare psycopg doing the least SQL that stores or finds the same, for the ratios.

Two processes with four connections each, as the two web processes have; a commit for each write.
No HTTP, no validation, no audit: what is left is what the database itself asks for. What is stored
is what the calls send and what the import read, made ready before the clock starts, into tables
that hold the stage.
"""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import random
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from threading import Barrier
from typing import Any

import psycopg

from bench.record import calls, data
from bench.record.stage import patient_id
from citycare.kernel import fhir
from citycare.kernel.fhir.searching.indexing import indexed
from citycare.kernel.fhir.searching.keys import (
    compartment_key,
    reference_keys,
    resource_hash,
    token_keys,
    word_keys,
)
from citycare.kernel.fhir.searching.model import Link, Token
from citycare.kernel.fhir.searching.ways import lanes_for

PROCESSES, CONNECTIONS = 2, 4
SECONDS = 4.0
CREATES, TRANSACTIONS, IMPORTED, BATCH = 12_000, 2_500, 20_000, 500
"""Made ready for each process; where more are stored, the first come again under other ids."""

STAGE = "id ~ '^[po][0-9]'"
TABLES = f"""
    DROP SCHEMA IF EXISTS peer CASCADE;
    CREATE SCHEMA peer;
    CREATE TABLE peer.resource (
        type text COLLATE "C", id text COLLATE "C", body text, keys bigint[], since float8,
        PRIMARY KEY (type, id));
    CREATE TABLE peer.measure (id text COLLATE "C", way int, unit int, low float8, high float8);
    INSERT INTO peer.resource SELECT type, id, body, keys, since FROM fhir.resource WHERE {STAGE};
    INSERT INTO peer.measure
    SELECT id, way, unit, low, high FROM fhir.measure JOIN fhir.resource USING (rid) WHERE {STAGE};
    CREATE INDEX ON peer.resource USING gin (keys);
    CREATE INDEX ON peer.resource (type, since);
    CREATE INDEX ON peer.measure (way, unit, low, high)
"""
SETTLED = ("VACUUM ANALYZE peer.resource, peer.measure", "CHECKPOINT")
NEWEST_STORED = f"""
    SELECT rid, type, body, keys, since
      FROM fhir.resource WHERE NOT {STAGE} ORDER BY rid DESC LIMIT {IMPORTED}
"""
THEIR_MEASURES = "SELECT rid, way, unit, low, high FROM fhir.measure WHERE rid >= %s"
INSERT = "INSERT INTO peer.resource (type, id, body, keys, since) VALUES (%s, %s, %s, %s, %s)"
MEASURE = "INSERT INTO peer.measure (id, way, unit, low, high) VALUES (%s, %s, %s, %s, %s)"
COPY = "COPY peer.resource (type, id, body, keys, since) FROM STDIN"
COPY_MEASURES = "COPY peer.measure (id, way, unit, low, high) FROM STDIN"
READ = "SELECT body FROM fhir.resource WHERE type = %s AND id = %s"
FOUND = "SELECT body FROM fhir.resource WHERE keys @> %s"
BORN = """
    SELECT body FROM fhir.resource WHERE keys @> %s AND until > %s ORDER BY updated_at LIMIT 20
"""
NEWEST = """
    SELECT body FROM fhir.resource WHERE keys @> %s ORDER BY since DESC LIMIT 20
"""

Connection = psycopg.AsyncConnection[tuple[Any, ...]]


@dataclass(frozen=True)
class Ready:
    """A resource made ready to be stored under any id: its row, and its measures."""

    type: str
    body: str
    keys: list[int]
    since: float | None
    measures: tuple[tuple[Any, ...], ...]

    def under(self, key: str) -> tuple[Any, ...]:
        """Return the row under an id."""
        return (self.type, key, self.body, self.keys, self.since)


@dataclass(frozen=True)
class Supply:
    """What a process works on: patients of the stage, and what it may store, batch by batch."""

    patients: int
    batches: Iterator[Sequence[Ready]]


One = Callable[[Connection, random.Random, Supply], Awaitable[int]]
"""Does it once; returns how much that counts for."""


def _ready(resource: dict[str, Any]) -> Ready:
    whole = resource | {"id": "x"}
    found = indexed(whole)
    since = found.main[0] if found.main else None
    measures = tuple(map(tuple, found.measures))
    return Ready(whole["resourceType"], fhir.dumps(whole), list(found.keys), since, measures)


def _patients(_: str, start: int) -> list[Sequence[Ready]]:
    return [[_ready(data.patient(start + n))] for n in range(CREATES)]


def _families(_: str, start: int) -> list[Sequence[Ready]]:
    return [
        [
            _ready(data.patient(number)),
            *(_ready(data.observation(f"Patient/x{number}", number + each)) for each in range(9)),
        ]
        for number in range(start, start + TRANSACTIONS)
    ]


def _imported(url: str, _: int) -> list[Sequence[Ready]]:
    """Return what the import has stored last."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(NEWEST_STORED).fetchall()
        measures: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
        for rid, *measure in connection.execute(THEIR_MEASURES, (rows[-1][0],)):
            measures[rid].append(tuple(measure))
    every = [
        Ready(kind, body, keys, since, tuple(measures[rid]))
        for rid, kind, body, keys, since in reversed(rows)
    ]
    return [every[at : at + BATCH] for at in range(0, len(every), BATCH)]


READY: dict[str, Callable[[str, int], list[Sequence[Ready]]]] = {
    "create": _patients,
    "transaction": _families,
    "import_resources": _imported,
}


def _fresh(dice: random.Random) -> str:
    return f"{dice.getrandbits(96):024x}"


async def create(db: Connection, dice: random.Random, supply: Supply) -> int:
    """Insert a Patient."""
    (one,) = next(supply.batches)
    await db.execute(INSERT, one.under(_fresh(dice)))
    return 1


async def transaction(db: Connection, dice: random.Random, supply: Supply) -> int:
    """Insert a Patient and nine Observations: two statements, each sent for many rows."""
    some = [(_fresh(dice), one) for one in next(supply.batches)]
    async with db.transaction(), db.cursor() as cursor:
        await cursor.executemany(INSERT, [one.under(key) for key, one in some])
        every = [(key, *each) for key, one in some for each in one.measures]
        await cursor.executemany(MEASURE, every)
    return 1


async def import_resources(db: Connection, dice: random.Random, supply: Supply) -> int:
    """Copy five hundred resources in, in one transaction."""
    some = [(_fresh(dice), one) for one in next(supply.batches)]
    async with db.transaction(), db.cursor() as cursor:
        async with cursor.copy(COPY) as copy:
            for key, one in some:
                await copy.write_row(one.under(key))
        async with cursor.copy(COPY_MEASURES) as copy:
            for key, one in some:
                for each in one.measures:
                    await copy.write_row((key, *each))
    return len(some)


async def read(db: Connection, dice: random.Random, supply: Supply) -> int:
    """Read a Patient."""
    key = patient_id(dice.randrange(supply.patients))
    await (await db.execute(READ, ("Patient", key))).fetchone()
    return 1


async def identifier(db: Connection, dice: random.Random, supply: Supply) -> int:
    """Find a Patient by one key."""
    lane = lanes_for("Patient", "identifier")[0][0]
    number = f"BENCH{dice.randrange(supply.patients):09d}"
    await (await db.execute(FOUND, (list(token_keys(lane, Token(data.CARD, number))),))).fetchall()
    return 1


async def name_birthdate(db: Connection, dice: random.Random, supply: Supply) -> int:
    """Find Patients by the key of a name, born since a day."""
    lane = lanes_for("Patient", "name")[0][0]
    name = data.patient(dice.randrange(supply.patients))["name"][0]["text"]
    await (await db.execute(BORN, (list(word_keys(lane, name)[:1]), -315648000.0))).fetchall()
    return 1


async def obs_code(db: Connection, dice: random.Random, supply: Supply) -> int:
    """Find the newest Observations by two keys."""
    subject = lanes_for("Observation", "subject")[0][0]
    code = lanes_for("Observation", "code")[0][0]
    patient = Link(patient_id(dice.randrange(supply.patients)), ("Patient",))
    keys = [
        *reference_keys(subject, patient),
        *token_keys(code, Token(data.LOINC, dice.choice(data.CODES))),
    ]
    await (await db.execute(NEWEST, (keys,))).fetchall()
    return 1


async def everything(db: Connection, dice: random.Random, supply: Supply) -> int:
    """Find what belongs to a Patient by one key."""
    own = resource_hash("Patient", patient_id(dice.randrange(supply.patients)))
    await (await db.execute(FOUND, ([compartment_key("Patient", own)],))).fetchall()
    return 1


WORK: dict[str, One] = {
    "create": create,
    "transaction": transaction,
    "read": read,
    "identifier": identifier,
    "name_birthdate": name_birthdate,
    "obs_code": obs_code,
    "everything": everything,
    "import_resources": import_resources,
}


def measure(name: str, url: str, patients: int) -> float:
    """Return how often in a second it is done, by all connections together."""
    if name in READY:
        with psycopg.connect(url, autocommit=True) as connection:
            for text in (TABLES, *SETTLED):
                connection.execute(text)
    with multiprocessing.get_context("spawn").Manager() as manager:
        together = manager.Barrier(PROCESSES)
        parts = [(name, url, patients, seed, together) for seed in range(PROCESSES)]
        with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
            return sum(pool.starmap(_measured, parts))


def _measured(name: str, url: str, patients: int, seed: int, together: Barrier) -> float:
    start = calls.FRESH + random.Random(time.time()).randrange(10**6) * 100
    ready = READY[name](url, start + seed * CREATES) if name in READY else []
    supply = Supply(patients, itertools.cycle(ready))
    together.wait()  # what one makes ready is not to be in the other's way
    return asyncio.run(_worked(WORK[name], url, supply, seed))


async def _worked(one: One, url: str, supply: Supply, seed: int) -> float:
    async def client(number: int) -> int:
        dice = random.Random(f"{seed}/{number}/{time.time()}")
        done = 0
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as db:
            while time.monotonic() < end:
                done += await one(db, dice, supply)
        return done

    end = time.monotonic() + SECONDS
    counts: Sequence[int] = await asyncio.gather(*(client(n) for n in range(CONNECTIONS)))
    return sum(counts) / SECONDS
