"""Reads that come together are one statement, and each is answered for itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import httpx
import psycopg
import pytest

from citycare.kernel.context import Role
from citycare.kit.db import Database
from citycare.kit.reads import Reads, Rows, Values
from citycare.scenarios.exchange.service import callers
from tests.scenarios.exchange.rest.conftest import Enter
from tests.scenarios.exchange.rest.test_access import hospital
from tests.scenarios.exchange.rest.test_interactions import PATIENT, made

LINES = """
    SELECT line::json ->> 'record' AS record, line::json ->> 'request' AS request
      FROM audit.entry WHERE line::json ->> 'record' = ANY(%s)
"""


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return for how many each statement was that may be sent with others."""
    sizes: list[int] = []
    sent = Reads._sent

    async def heard(self: Reads, text: str, some: Sequence[Values]) -> list[Rows]:
        sizes.append(len(some))
        return await sent(self, text, some)

    monkeypatch.setattr(Reads, "_sent", heard)
    monkeypatch.setattr(callers, "LIFE", timedelta(hours=1))  # or each is looked up, and waited for
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


async def test_who_does_not_see_everything_reads_together_too_and_sees_no_more(
    enter: Enter,
    database: Database,
    noted: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours = await enter(Role.EXCHANGE, organisation=await hospital(database, "甲院"))
    other = await enter(Role.EXCHANGE, organisation=await hospital(database, "乙院"))
    theirs = await made(other, PATIENT)
    mine = await made(ours, PATIENT)
    noted.clear()
    asked = [ours.get(f"Patient/{mine}"), ours.get(f"Patient/{theirs}")]
    asked += [other.get(f"Patient/{mine}"), other.get(f"Patient/{theirs}")]
    answers = await asyncio.gather(*asked)
    assert [one.status_code for one in answers] == [200, 404, 404, 200]
    assert max(noted) > 1
    sent: list[str] = []
    execute = psycopg.AsyncCursor.execute

    async def heard(self: Any, query: Any, *args: Any, **more: Any) -> Any:
        sent.append(str(query))
        return await execute(self, query, *args, **more)

    monkeypatch.setattr(psycopg.AsyncCursor, "execute", heard)
    assert (await ours.get(f"Patient/{mine}")).status_code == 200
    assert len([one for one in sent if "fhir.resource" in one]) == 1


async def test_searches_for_few_go_together_and_others_do_not(
    city: httpx.AsyncClient, noted: list[int]
) -> None:
    keys = [
        await made(city, PATIENT | {"identifier": [{"system": "urn:s", "value": f"N{n}"}]})
        for n in range(3)
    ]
    noted.clear()
    answers = await asyncio.gather(
        *(city.get("Patient", params={"identifier": f"urn:s|N{n}"}) for n in range(4))
    )
    found = [[one["resource"]["id"] for one in each.json().get("entry", ())] for each in answers]
    assert found == [[keys[0]], [keys[1]], [keys[2]], []]
    assert sum(noted) == 4
    assert len(noted) < 4
    noted.clear()
    await asyncio.gather(*(city.get("Patient", params={"gender": "male"}) for _ in range(3)))
    assert noted == []


async def test_a_database_that_is_away_is_told_to_all(
    city: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await made(city, PATIENT)

    async def away(*_: object) -> Any:
        raise psycopg.OperationalError("away")

    monkeypatch.setattr(Reads, "_sent", away)
    answers = await asyncio.gather(*(city.get(f"Patient/{key}") for _ in range(3)))
    assert {one.status_code for one in answers} == {503}
    monkeypatch.undo()
    assert (await city.get(f"Patient/{key}")).status_code == 200
