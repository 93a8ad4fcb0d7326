"""Creates that come together are stored together, and each is answered for itself."""

from __future__ import annotations

import asyncio
from collections import Counter

import httpx

from citycare.kernel.context import Role
from citycare.kit.db import Database
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
