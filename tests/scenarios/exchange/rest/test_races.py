"""Many at once over HTTP: what the history checker found, each by itself."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from citycare.kernel import fhir
from citycare.kernel.context import SYSTEM, Context
from citycare.kit import clock
from citycare.kit.db import Database

Json = dict[str, Any]
CROWD = 8
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = %s"


def basic(key: str = "", number: str = "K-1") -> Json:
    made: Json = {
        "resourceType": "Basic",
        "identifier": [{"system": "urn:x:key", "value": number}],
        "code": {"text": "check"},
    }
    return made | ({"id": key} if key else {})


@pytest.mark.race
async def test_of_many_who_claim_an_id_one_gets_it(city: httpx.AsyncClient) -> None:
    for each in range(5):
        name = f"Basic/claim-{each}"
        body, told = basic(f"claim-{each}"), {"If-None-Match": "*"}
        answers = await asyncio.gather(
            *(city.put(name, json=body, headers=told) for _ in range(CROWD))
        )
        codes = sorted(one.status_code for one in answers)
        assert codes == [201] + [412] * (CROWD - 1)


@pytest.mark.race
async def test_of_many_who_write_under_a_new_id_each_makes_a_version(
    city: httpx.AsyncClient,
) -> None:
    for each in range(5):
        name, body = f"Basic/new-{each}", basic(f"new-{each}")
        answers = await asyncio.gather(*(city.put(name, json=body) for _ in range(CROWD)))
        assert sorted(one.status_code for one in answers) == [200] * (CROWD - 1) + [201]
        versions = {one.json()["meta"]["versionId"] for one in answers}
        assert versions == {str(number) for number in range(1, CROWD + 1)}


def transaction(keys: list[str]) -> Json:
    entries = [
        {"resource": basic(key), "request": {"method": "PUT", "url": f"Basic/{key}"}}
        for key in keys
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


@pytest.mark.race
async def test_transactions_in_any_order_do_not_wait_in_a_circle(city: httpx.AsyncClient) -> None:
    keys = [f"circle-{each}" for each in range(4)]
    for _ in range(5):
        asked = [transaction(keys if each % 2 else keys[::-1]) for each in range(CROWD)]
        answers = await asyncio.gather(*(city.post("", json=one) for one in asked))
        assert {one.status_code for one in answers} == {200}


async def waits(database: Database) -> None:
    """Return when somebody waits for a lock."""
    for _ in range(200):
        async with database.autocommit() as db:
            row = await (await db.execute(WAITING, [db.info.dbname])).fetchone()
        if row is not None and row["count"]:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("nobody waits")


@pytest.mark.race
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_what_a_condition_found_is_left_alone_when_it_no_longer_meets_it(
    city: httpx.AsyncClient, database: Database, method: str
) -> None:
    assert (await city.put("Basic/moved", json=basic("moved", "K-7"))).status_code == 201
    patch = [{"op": "replace", "path": "/code/text", "value": "patched"}]
    body = {"PUT": basic(number="K-7"), "PATCH": patch, "DELETE": None}[method]
    kind = "json-patch+json" if method == "PATCH" else "fhir+json"
    told = {"Content-Type": f"application/{kind}"} if body else {}
    async with database.transaction() as db:
        await fhir.put(Context(db, SYSTEM, clock.now(), "race"), [basic("moved", "K-8")])
        asked = asyncio.create_task(
            city.request(method, "Basic?identifier=urn:x:key|K-7", json=body, headers=told)
        )
        await waits(database)
    answer = await asked
    assert answer.status_code == {"PUT": 201, "PATCH": 404, "DELETE": 204}[method]
    now = (await city.get("Basic/moved")).json()
    assert (now["meta"]["versionId"], now["identifier"][0]["value"]) == ("2", "K-8")
