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
from citycare.scenarios.exchange.service.access import Access
from citycare.scenarios.exchange.service.creating import create_together
from tests.scenarios.exchange.rest.conftest import Enter
from tests.scenarios.exchange.rest.test_access import hospital
from tests.scenarios.exchange.rest.test_interactions import PATIENT, made, observed, told

PLACEHOLDER = "urn:uuid:00000000-0000-4000-8000-000000000001"
COUNT = "SELECT count(*) AS n FROM fhir.resource"
TRANSACTIONS = "SELECT count(DISTINCT xid) AS n FROM fhir.resource WHERE id = ANY(%s)"
LINES = """
    SELECT line::json ->> 'request' AS request FROM audit.entry
     WHERE line::json ->> 'record' = ANY(%s)
"""


@pytest.fixture
def gathered(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return how many were stored together, each time."""
    sizes: list[int] = []

    async def noted(wanted: list[Any]) -> Any:
        sizes.append(len(wanted))
        return await create_together(wanted)

    monkeypatch.setattr(creating, "create_together", noted)
    return sizes


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


def transaction(*resources: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A Bundle that creates a Patient and what refers to it as `urn:uuid:…0001`."""
    whole: list[dict[str, Any]] = [
        {"resource": one, "request": {"method": "POST", "url": one["resourceType"], **more}}
        for one in (PATIENT, *resources)
    ]
    whole[0]["fullUrl"] = PLACEHOLDER
    return {"resourceType": "Bundle", "type": "transaction", "entry": whole}


def about(reference: str = PLACEHOLDER, **more: Any) -> dict[str, Any]:
    return observed("x", **more) | {"subject": {"reference": reference}}


async def test_transactions_that_create_share_those_of_the_database(
    city: httpx.AsyncClient, database: Database
) -> None:
    await made(city, PATIENT)
    bundle = transaction(about(), about())
    answers = await asyncio.gather(*(city.post("", json=bundle) for _ in range(20)))
    assert Counter(one.status_code for one in answers) == {200: 20}
    told = [[each["response"] for each in one.json()["entry"]] for one in answers]
    assert {each["status"] for some in told for each in some} == {"201 Created"}
    keys = [each["location"].split("/")[-3] for some in told for each in some]
    assert len(set(keys)) == 60
    async with database.autocommit() as db:
        row = await (await db.execute(TRANSACTIONS, [keys])).fetchone()
    assert row is not None
    assert row["n"] < 10
    for patient, *others in (keys[at : at + 3] for at in range(0, 60, 3)):
        found = (await city.get(f"Observation?subject=Patient/{patient}")).json()["entry"]
        assert sorted(one["resource"]["id"] for one in found) == sorted(others)


async def test_a_transaction_that_fails_fails_alone_and_whole(
    city: httpx.AsyncClient, database: Database
) -> None:
    here = await made(city, PATIENT)
    bundles = [
        transaction(about(f"Patient/{here}")),
        transaction(about(), about("Patient/nobody")),
        transaction(about(), about(status="?")),
        transaction(about("urn:uuid:00000000-0000-4000-8000-000000000002")),
        transaction(about()),
    ]
    async with database.autocommit() as db:
        before = await (await db.execute(COUNT)).fetchone()
    answers = await asyncio.gather(*(city.post("", json=one) for one in bundles))
    assert [one.status_code for one in answers] == [200, 422, 422, 422, 200]
    assert [told(answers[n])["expression"] for n in (1, 2, 3)] == [
        ["Bundle.entry[2].resource.subject.reference"],
        ["Bundle.entry[2].resource.status"],
        ["Bundle.entry[1].resource.subject.reference"],
    ]
    async with database.autocommit() as db:
        after = await (await db.execute(COUNT)).fetchone()
    assert before is not None
    assert after is not None
    assert after["n"] - before["n"] == 4  # of the first and of the last


async def test_a_transaction_that_asks_what_is_there_goes_alone(
    city: httpx.AsyncClient, gathered: list[int]
) -> None:
    card = {"system": "urn:x:card", "value": "only-one"}
    await made(city, PATIENT | {"identifier": [card]})
    gathered.clear()
    conditional = transaction(about("Patient?identifier=urn:x:card|only-one"))
    unless = transaction(about(), ifNoneExist="identifier=urn:x:card|none")
    reading = transaction(about())
    reading["entry"].append({"request": {"method": "GET", "url": "Patient?_count=1"}})
    for one in (conditional, unless, reading):
        assert (await city.post("", json=one)).status_code == 200
    strange = transaction(about(resourceType=["Observation"]), about())
    strange["entry"].append("?")
    assert (await city.post("", json=strange)).status_code == 422
    assert gathered == []
    assert (await city.post("", json=transaction(about()))).status_code == 200
    assert gathered == [1]


async def test_each_transaction_is_its_own_organisations_and_on_its_own_record(
    enter: Enter, database: Database
) -> None:
    ours = await enter(Role.EXCHANGE, organisation=await hospital(database, "甲院"))
    theirs = await enter(Role.EXCHANGE, organisation=await hospital(database, "乙院"))
    await asyncio.gather(ours.get("Patient/x"), theirs.get("Patient/x"))
    answers = await asyncio.gather(
        *(one.post("", json=transaction(about())) for one in (ours, theirs, ours, theirs))
    )
    told = [one.json()["entry"][0]["response"]["location"] for one in answers]
    keys = [one.split("/")[-3] for one in told]
    seen = [
        [(await one.get(f"Patient/{key}")).status_code for key in keys] for one in (ours, theirs)
    ]
    assert seen == [[200, 404, 200, 404], [404, 200, 404, 200]]
    records = [f"Patient/{key}/_history/1" for key in keys]
    async with database.autocommit() as db:
        lines = await (await db.execute(LINES, [records])).fetchall()
    requests = [line["request"] for line in lines]
    assert set(requests) == {one.headers["x-request-id"] for one in answers}


async def test_what_is_large_is_stored_alone(city: httpx.AsyncClient, gathered: list[int]) -> None:
    large = PATIENT | {"extension": [{"url": "urn:x", "valueString": "合" * creating.BYTES_MAX}]}
    await made(city, large)
    assert gathered == []
    await made(city, PATIENT)
    assert gathered == [1]


async def test_what_the_scopes_do_not_show_is_stored_and_not_told(
    city: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Access, "shows", lambda *_: False)
    whole = {"Prefer": "return=representation"}
    one = await city.post("Patient", json=PATIENT, headers=whole)
    assert (one.status_code, one.text) == (201, "")
    some = await city.post("", json=transaction(about()), headers=whole)
    assert some.status_code == 200
    assert all("resource" not in entry for entry in some.json()["entry"])
    assert (await city.get(one.headers["location"])).status_code == 200
