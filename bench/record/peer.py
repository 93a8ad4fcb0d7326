"""Bare psycopg doing the least SQL that stores or finds the same, for the ratios.

Two processes with four connections each, as the two web processes have; a commit for each write.
No HTTP, no validation, no audit: what is left is what the database itself asks for.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from bench.record import data
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

TABLE = """
    DROP SCHEMA IF EXISTS peer CASCADE;
    CREATE SCHEMA peer;
    CREATE TABLE peer.resource (
        type text COLLATE "C", id text COLLATE "C", body text, keys bigint[], since float8,
        PRIMARY KEY (type, id));
    CREATE INDEX ON peer.resource USING gin (keys);
    CREATE INDEX ON peer.resource (type, since);
    CREATE TABLE peer.measure (id text COLLATE "C", way int, unit int, low float8, high float8);
    CREATE INDEX ON peer.measure (way, unit, low, high)
"""
INSERT = "INSERT INTO peer.resource (type, id, body, keys, since) VALUES (%s, %s, %s, %s, %s)"
MEASURE = "INSERT INTO peer.measure (id, way, unit, low, high) VALUES (%s, %s, %s, %s, %s)"
READ = "SELECT body FROM fhir.resource WHERE type = %s AND id = %s"
FOUND = "SELECT body FROM fhir.resource WHERE keys @> %s"
BORN = """
    SELECT body FROM fhir.resource WHERE keys @> %s AND until > %s ORDER BY updated_at LIMIT 20
"""
NEWEST = """
    SELECT body FROM fhir.resource WHERE keys @> %s ORDER BY since DESC LIMIT 20
"""

Connection = psycopg.AsyncConnection[tuple[Any, ...]]
One = Callable[[Connection, random.Random, int], Awaitable[int]]
"""Does it once; returns how much that counts for."""


@dataclass(frozen=True)
class Ready:
    """A resource made ready to be stored under any id: its row, and its measures."""

    row: tuple[Any, ...]
    measures: tuple[tuple[Any, ...], ...]

    def under(self, key: str) -> tuple[Any, ...]:
        """Return the row under an id."""
        return (self.row[0], key, *self.row[1:])


def _ready(resource: dict[str, Any]) -> Ready:
    whole = resource | {"id": "x"}
    found = indexed(whole)
    since = found.main[0] if found.main else None
    row = (resource["resourceType"], fhir.dumps(whole), list(found.keys), since)
    return Ready(row, tuple(map(tuple, found.measures)))


async def _store(db: Connection, dice: random.Random, some: Sequence[Ready]) -> None:
    """Store these under new ids, in one transaction: two statements, each sent for many rows."""
    keys = [_fresh(dice) for _ in some]
    async with db.transaction(), db.cursor() as cursor:
        await cursor.executemany(
            INSERT, [one.under(key) for one, key in zip(some, keys, strict=True)]
        )
        await cursor.executemany(
            MEASURE,
            [(key, *each) for one, key in zip(some, keys, strict=True) for each in one.measures],
        )


def _fresh(dice: random.Random) -> str:
    return f"{dice.getrandbits(96):024x}"


async def create(db: Connection, dice: random.Random, _: int) -> int:
    """Insert a Patient."""
    await db.execute(INSERT, PATIENT.under(_fresh(dice)))
    return 1


async def transaction(db: Connection, dice: random.Random, _: int) -> int:
    """Insert a Patient and nine Observations."""
    await _store(db, dice, TEN)
    return 1


async def read(db: Connection, dice: random.Random, patients: int) -> int:
    """Read a Patient."""
    await (await db.execute(READ, ("Patient", patient_id(dice.randrange(patients))))).fetchone()
    return 1


async def identifier(db: Connection, dice: random.Random, patients: int) -> int:
    """Find a Patient by one key."""
    lane = lanes_for("Patient", "identifier")[0][0]
    number = f"BENCH{dice.randrange(patients):09d}"
    await (await db.execute(FOUND, (list(token_keys(lane, Token(data.CARD, number))),))).fetchall()
    return 1


async def name_birthdate(db: Connection, dice: random.Random, patients: int) -> int:
    """Find Patients by the key of a name, born since a day."""
    lane = lanes_for("Patient", "name")[0][0]
    name = data.patient(dice.randrange(patients))["name"][0]["text"]
    await (await db.execute(BORN, (list(word_keys(lane, name)[:1]), -315648000.0))).fetchall()
    return 1


async def obs_code(db: Connection, dice: random.Random, patients: int) -> int:
    """Find the newest Observations by two keys."""
    subject = lanes_for("Observation", "subject")[0][0]
    code = lanes_for("Observation", "code")[0][0]
    keys = [
        *reference_keys(subject, Link(patient_id(dice.randrange(patients)), ("Patient",))),
        *token_keys(code, Token(data.LOINC, dice.choice(data.CODES))),
    ]
    await (await db.execute(NEWEST, (keys,))).fetchall()
    return 1


async def everything(db: Connection, dice: random.Random, patients: int) -> int:
    """Find what belongs to a Patient by one key."""
    own = resource_hash("Patient", patient_id(dice.randrange(patients)))
    await (await db.execute(FOUND, ([compartment_key("Patient", own)],))).fetchall()
    return 1


async def import_resources(db: Connection, dice: random.Random, _: int) -> int:
    """Insert five hundred resources in one transaction."""
    await _store(db, dice, TEN * 50)
    return 500


PATIENT = _ready(data.patient(1))
TEN = [PATIENT, *(_ready(data.observation("Patient/x", number)) for number in range(9))]
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
    if name in ("create", "transaction", "import_resources"):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(TABLE)
    parts = [(name, url, patients, seed) for seed in range(PROCESSES)]
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        return sum(pool.starmap(_measured, parts))


def _measured(name: str, url: str, patients: int, seed: int) -> float:
    return asyncio.run(_worked(WORK[name], url, patients, seed))


async def _worked(one: One, url: str, patients: int, seed: int) -> float:
    async def client(number: int) -> int:
        dice = random.Random(f"{seed}/{number}/{time.time()}")
        done = 0
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as db:
            while time.monotonic() < end:
                done += await one(db, dice, patients)
        return done

    end = time.monotonic() + SECONDS
    counts: Sequence[int] = await asyncio.gather(*(client(n) for n in range(CONNECTIONS)))
    return sum(counts) / SECONDS
