"""Reads are on record in batches, none lost; a caller is remembered for a second and no longer."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from citycare.kernel.context import SYSTEM, Context
from citycare.kernel.identity import sessions
from citycare.kit import clock
from citycare.kit.db import Database
from citycare.kit.errors import Unavailable
from citycare.scenarios.exchange.service import trail as trails
from citycare.scenarios.exchange.service.callers import LIFE
from citycare.scenarios.exchange.service.trail import Trail
from tests.scenarios.exchange.rest.test_interactions import PATIENT, made

READS = "SELECT count(*) AS reads FROM audit.entry WHERE line::json ->> 'record' = %s"


async def on_record(database: Database, record: str) -> int:
    async with database.autocommit() as db:
        row = await (await db.execute(READS, [record])).fetchone()
        return int(row["reads"]) if row else 0


async def test_reads_are_gathered_and_written_in_one_go(
    app: FastAPI, city: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trails, "FLUSH_S", 3_600)
    key = await made(city, PATIENT)
    for _ in range(20):
        assert (await city.get(f"Patient/{key}")).status_code == 200
    assert await on_record(database, f"Patient/{key}") == 0
    await app.state.exchange.server.trail.flush()
    assert await on_record(database, f"Patient/{key}") == 20


async def test_reads_come_on_record_by_themselves(
    app: FastAPI, city: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trails, "FLUSH_S", 0)
    key = await made(city, PATIENT)
    await city.get(f"Patient/{key}")
    await app.state.exchange.server.trail._task
    assert await on_record(database, f"Patient/{key}") == 1


async def test_what_cannot_be_written_is_kept_and_then_reading_stops(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = Database("postgresql:///none?host=/nowhere")
    waiting = Trail(away)
    monkeypatch.setattr(trails, "WAITING_MAX", 3)
    async with database.autocommit() as db:
        cx = Context(db, SYSTEM, clock.now(), "test-trail")
        await waiting.read(cx, "record.read", "Patient/a", ())
        await waiting.read(cx, "record.read", "Patient/a", ())
        with pytest.raises(Unavailable):
            await waiting.read(cx, "record.read", "Patient/a", ())
    waiting._database = database
    await waiting.flush()
    assert await on_record(database, "Patient/a") == 3


async def test_what_is_read_while_the_trail_is_written_waits_for_the_next_time(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    trail = Trail(database)
    written = []

    async def write(cx: Context, lines: list[str]) -> None:
        written.append(len(lines))
        assert len(written) < 10, "it never rests"
        await trail.read(cx, "record.read", "Patient/b", ())

    monkeypatch.setattr("citycare.kernel.audit.append_lines", write)
    async with database.autocommit() as db:
        await trail.read(Context(db, SYSTEM, clock.now(), "test-trail"), "record.read", "-", ())
    await trail.flush()
    assert written == [1]


async def test_who_stops_the_process_waits_for_what_is_being_written(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    trail = Trail(database)
    held, written = asyncio.Event(), []

    async def write(_: Context, lines: list[str]) -> None:
        await held.wait()
        written.extend(lines)

    monkeypatch.setattr("citycare.kernel.audit.append_lines", write)
    async with database.autocommit() as db:
        await trail.read(Context(db, SYSTEM, clock.now(), "test-trail"), "record.read", "-", ())
    under_way = asyncio.create_task(trail.flush())
    await asyncio.sleep(0)
    stopping = asyncio.create_task(trail.flush())
    await asyncio.sleep(0.05)
    assert not stopping.done()
    held.set()
    await stopping
    assert len(written) == 1
    await under_way


async def test_a_session_that_ended_counts_for_a_second_at_most(
    app: FastAPI, city: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await made(city, PATIENT)
    now = clock.now()
    edge = app.state.edge
    monkeypatch.setattr(type(edge), "now", property(lambda _: lambda: now), raising=False)
    assert (await city.get(f"Patient/{key}")).status_code == 200
    async with database.transaction() as db:
        cx = Context(db, SYSTEM, now, "test-trail")
        row = await (
            await db.execute("SELECT DISTINCT account_id FROM identity.session")
        ).fetchone()
        assert row is not None
        await sessions.revoke_all(cx, row["account_id"])
    assert (await city.get(f"Patient/{key}")).status_code == 200
    now += LIFE + timedelta(milliseconds=1)
    assert (await city.get(f"Patient/{key}")).status_code == 401


async def test_what_a_conditional_create_finds_is_on_record_as_read(
    app: FastAPI, city: httpx.AsyncClient, database: Database
) -> None:
    key = await made(city, PATIENT)
    condition = f"_id={key}"
    answer = await city.post("Patient", json=PATIENT, headers={"If-None-Exist": condition})
    assert (answer.status_code, answer.json()["id"]) == (200, key)
    request = {"method": "POST", "url": "Patient", "ifNoneExist": condition}
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [{"resource": PATIENT, "request": request}],
    }
    assert (await city.post("", json=bundle)).status_code == 200
    await app.state.exchange.server.trail.flush()
    query = "SELECT person_id FROM audit.entry WHERE line::json ->> 'record' = %s"
    async with database.autocommit() as db:
        rows = await (await db.execute(query, [f"Patient/{key}"])).fetchall()
    assert [row["person_id"] for row in rows] == [UUID(key)] * 2
