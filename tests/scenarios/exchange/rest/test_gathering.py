"""Reads that come together are one statement, and each is answered for itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx
import psycopg
import pytest

from citycare.kernel.context import Role
from citycare.kernel.fhir import versions
from citycare.kit.db import Connection, Database
from citycare.kit.errors import Unavailable
from citycare.scenarios.exchange.api import gathering
from tests.scenarios.exchange.rest.conftest import Enter
from tests.scenarios.exchange.rest.test_access import hospital
from tests.scenarios.exchange.rest.test_interactions import PATIENT, made

LINES = """
    SELECT line::json ->> 'record' AS record, line::json ->> 'request' AS request
      FROM audit.entry WHERE line::json ->> 'record' = ANY(%s)
"""


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return how many reads each statement was for."""
    sizes: list[int] = []

    async def newest(db: Connection, names: Sequence[tuple[str, str]]) -> Any:
        sizes.append(len(names))
        return await versions.newest(db, names)

    monkeypatch.setattr(gathering, "newest", newest)
    return sizes


async def test_each_is_answered_and_audited_for_itself(
    city: httpx.AsyncClient, database: Database, noted: list[int]
) -> None:
    keys = [await made(city, PATIENT) for _ in range(4)]
    await city.delete(f"Patient/{keys[3]}")
    answers = await asyncio.gather(
        *(city.get(f"Patient/{key}") for key in (*keys, "nobody", keys[0]))
    )
    assert [one.status_code for one in answers] == [200, 200, 200, 410, 404, 200]
    found = [one.json()["id"] for one in answers if one.status_code == 200]
    assert found == [*keys[:3], keys[0]]
    assert max(noted) > 1
    app: Any = city._transport
    await app.app.state.exchange.server.trail.flush()
    async with database.autocommit() as db:
        rows = await (await db.execute(LINES, [[f"Patient/{key}" for key in keys]])).fetchall()
    read = [(one, f"Patient/{one.json()['id']}") for one in answers if one.status_code == 200]
    assert sorted((row["record"], row["request"]) for row in rows) == sorted(
        (record, one.headers["x-request-id"]) for one, record in read
    )


async def test_who_does_not_see_everything_reads_alone(
    enter: Enter,
    city: httpx.AsyncClient,
    database: Database,
    noted: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours = await enter(Role.EXCHANGE, organisation=await hospital(database, "甲院"))
    theirs = await made(city, PATIENT)
    mine = await made(ours, PATIENT)
    noted.clear()
    answers = await asyncio.gather(*(ours.get(f"Patient/{key}") for key in (mine, theirs)))
    assert [one.status_code for one in answers] == [200, 404]
    assert noted == []
    sent: list[str] = []
    execute = psycopg.AsyncCursor.execute

    async def heard(self: Any, query: Any, *args: Any, **more: Any) -> Any:
        sent.append(str(query))
        return await execute(self, query, *args, **more)

    monkeypatch.setattr(psycopg.AsyncCursor, "execute", heard)
    assert (await ours.get(f"Patient/{mine}")).status_code == 200
    assert len([one for one in sent if "fhir.resource" in one]) == 1


async def test_a_database_that_is_away_is_told_to_all(
    city: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await made(city, PATIENT)

    async def away(*_: object) -> Any:
        raise Unavailable

    monkeypatch.setattr(gathering, "newest", away)
    answers = await asyncio.gather(*(city.get(f"Patient/{key}") for _ in range(3)))
    assert {one.status_code for one in answers} == {503}
    monkeypatch.undo()
    assert (await city.get(f"Patient/{key}")).status_code == 200
