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
    CREATE INDEX ON peer.resource USING gin (keys)
"""
INSERT = "INSERT INTO peer.resource (type, id, body, keys, since) VALUES (%s, %s, %s, %s, %s)"
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


def _row(resource: dict[str, Any], key: str) -> tuple[Any, ...]:
    whole = resource | {"id": key}
    found = indexed(whole)
    since = found.main[0] if found.main else None
    return resource["resourceType"], key, fhir.dumps(whole), list(found.keys), since


def _fresh(dice: random.Random) -> str:
    return f"{dice.getrandbits(96):024x}"


async def create(db: Connection, dice: random.Random, _: int) -> int:
    """Insert a Patient that was made ready before."""
    kind, _, body, keys, since = PATIENT
    await db.execute(INSERT, (kind, _fresh(dice), body, keys, since))
    return 1


async def transaction(db: Connection, dice: random.Random, _: int) -> int:
    """Insert ten rows in one transaction."""
    async with db.transaction(), db.cursor() as cursor:
        await cursor.executemany(
            INSERT, [(kind, _fresh(dice), body, keys, since)
                     for kind, _, body, keys, since in (PATIENT, *OBSERVATIONS)],
        )  # fmt: skip
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
    """Insert five hundred rows in one transaction."""
    async with db.transaction(), db.cursor() as cursor:
        await cursor.executemany(
            INSERT, [(kind, _fresh(dice), body, keys, since)
                     for kind, _, body, keys, since in (PATIENT, *OBSERVATIONS) * 50],
        )  # fmt: skip
    return 500


PATIENT = _row(data.patient(1), "x")
OBSERVATIONS = [_row(data.observation("Patient/x", number), "x") for number in range(9)]
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
