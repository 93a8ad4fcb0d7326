"""Creates that come together are stored together, and each is answered for itself."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest

from citycare.kernel.context import Role
from citycare.kit.db import Database
from citycare.kit.errors import Unavailable
from citycare.scenarios.exchange.api import creating
from citycare.scenarios.exchange.service.creating import create_together
from tests.scenarios.exchange.rest.conftest import Enter
from tests.scenarios.exchange.rest.test_access import hospital
from tests.scenarios.exchange.rest.test_interactions import PATIENT, made, observed, told

TRANSACTIONS = "SELECT count(DISTINCT xid) AS n FROM fhir.resource WHERE id = ANY(%s)"
LINES = """
    SELECT line::json ->> 'request' AS request FROM audit.entry
     WHERE line::json ->> 'record' = ANY(%s)
"""


async def test_what_comes_at_once_shares_transactions(
    city: httpx.AsyncClient, database: Database
) -> None:
    await made(city, PATIENT)  # who calls is known from here on
    answers = await asyncio.gather(*(city.post("Patient", json=PATIENT) for _ in range(20)))
    assert Counter(one.status_code for one in answers) == {201: 20}
    keys = [one.json()["id"] for one in answers]
    assert len(set(keys)) == 20
    async with database.autocommit() as db:
        row = await (await db.execute(TRANSACTIONS, [keys])).fetchone()
        records = [f"Patient/{key}/_history/1" for key in keys]
        lines = await (await db.execute(LINES, [records])).fetchall()
    assert row is not None
    assert row["n"] < 10
    assert sorted(line["request"] for line in lines) == sorted(
        one.headers["x-request-id"] for one in answers
    )


async def test_what_one_does_wrong_is_answered_to_that_one_alone(
    city: httpx.AsyncClient,
) -> None:
    key = await made(city, PATIENT)
    bodies = [observed(key), observed("nobody"), observed(key, status="?"), observed(key)]
    answers = await asyncio.gather(*(city.post("Observation", json=one) for one in bodies))
    assert [one.status_code for one in answers] == [201, 422, 422, 201]
    assert "Patient/nobody" in answers[1].text
    assert told(answers[2])["expression"] == ["Observation.status"]
    found = (await city.get(f"Observation?subject=Patient/{key}&_total=accurate")).json()
    assert found["total"] == 2


async def test_each_writes_for_its_own_organisation(enter: Enter, database: Database) -> None:
    ours = await enter(Role.EXCHANGE, organisation=await hospital(database, "甲院"))
    theirs = await enter(Role.EXCHANGE, organisation=await hospital(database, "乙院"))
    await asyncio.gather(ours.get("Patient/x"), theirs.get("Patient/x"))
    answers = await asyncio.gather(
        *(one.post("Patient", json=PATIENT) for one in (ours, theirs, ours, theirs))
    )
    keys = [one.json()["id"] for one in answers]
    seen = [
        [(await one.get(f"Patient/{key}")).status_code for key in keys] for one in (ours, theirs)
    ]
    assert seen == [[200, 404, 200, 404], [404, 200, 404, 200]]


async def test_a_database_that_is_away_is_asked_once_for_all(
    city: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await made(city, PATIENT)
    asked = []

    async def away(wanted: list[Any]) -> Any:
        asked.append(len(wanted))
        raise Unavailable

    monkeypatch.setattr(creating, "create_together", away)
    answers = await asyncio.gather(*(city.post("Patient", json=PATIENT) for _ in range(20)))
    assert Counter(one.status_code for one in answers) == {503: 20}
    assert sum(asked) == 20


async def test_what_is_large_is_stored_alone(
    city: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    gathered = []

    async def noted(wanted: list[Any]) -> Any:
        gathered.append(len(wanted))
        return await create_together(wanted)

    monkeypatch.setattr(creating, "create_together", noted)
    large = PATIENT | {"extension": [{"url": "urn:x", "valueString": "合" * creating.BYTES_MAX}]}
    await made(city, large)
    assert gathered == []
    await made(city, PATIENT)
    assert gathered == [1]
