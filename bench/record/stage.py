"""The record filled for the bench: patients with their observations, through the store itself."""

from __future__ import annotations

import asyncio
import multiprocessing
import sys

import psycopg

from bench.record import data
from citycare.kernel import fhir
from citycare.kernel.context import SYSTEM, Context, Role
from citycare.kit import clock
from citycare.kit.db import Database
from citycare.kit.migrate import APP
from citycare.web.login.tokens import issue_token

BATCH = 40  # patients a transaction: a thousand resources
WORKERS = 2


def patient_id(number: int) -> str:
    """Return the id of a patient of the stage."""
    return f"p{number}"


def fill(url: str, patients: int) -> None:
    """Write patients with their observations; return when the planner knows of them."""
    step = -(-patients // WORKERS)
    parts = [(url, at, min(patients, at + step)) for at in range(0, patients, step)]
    with multiprocessing.get_context("spawn").Pool(WORKERS) as pool:
        pool.starmap(_fill, parts)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE fhir.resource, fhir.measure, fhir.version")
        # what is told to subscribers begins here: the stage is not news, and would be gone through
        connection.execute("UPDATE exchange.feed SET since = pg_current_snapshot()")
        connection.execute("UPDATE exchange.linking SET since = pg_current_snapshot()")
        connection.execute("CHECKPOINT")


def _fill(url: str, first: int, last: int) -> None:
    asyncio.run(_filled(url, first, last))


async def _filled(url: str, first: int, last: int) -> None:
    database = Database(url, size_max=1, role=APP)
    await database.open()
    for at in range(first, last, BATCH):
        resources = []
        for number in range(at, min(last, at + BATCH)):
            key = patient_id(number)
            resources.append(data.patient(number) | {"id": key})
            resources += [
                data.observation(f"Patient/{key}", number + each) | {"id": f"o{number}-{each}"}
                for each in range(data.PER_PATIENT)
            ]
        async with database.transaction() as db:
            cx = Context(db, SYSTEM, clock.now(), "bench")
            await fhir.create(cx, resources, valid=True)
        if first == 0 and at % (BATCH * 50) == 0:
            print(f"  {at}/{last} ×{WORKERS}", file=sys.stderr)
    await database.close()


def token(url: str) -> str:
    """Return a token of the city's own system."""

    async def issued() -> str:
        database = Database(url, size_max=1, role=APP)
        await database.open()
        made = await issue_token(database, Role.EXCHANGE)
        await database.close()
        return made

    return asyncio.run(issued())


def bytes_per_json_byte(url: str) -> float:
    """Return what the record takes on disk, indexes and all, per byte of its JSON."""
    tables = ("resource", "version", "measure", "wording")
    with psycopg.connect(url) as connection:
        sizes = [
            connection.execute(f"SELECT pg_total_relation_size('fhir.{one}')").fetchone()
            for one in tables
        ]
        text = connection.execute("SELECT sum(octet_length(body)) FROM fhir.resource").fetchone()
    return sum(int(one[0]) for one in sizes if one) / int(text[0] if text else 1)
