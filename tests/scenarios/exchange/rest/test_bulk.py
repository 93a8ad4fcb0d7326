"""Bulk export over HTTP, as a system meets it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import httpx

from citycare.kernel.context import Role
from citycare.kernel.events import draining
from citycare.kernel.fhir import exporting
from citycare.kit import clock
from citycare.kit.db import Database
from tests.scenarios.exchange.rest.conftest import BASE, Enter
from tests.scenarios.exchange.rest.test_interactions import PATIENT, made, observed, told

ASYNC = {"Prefer": "respond-async"}


async def worked(database: Database) -> None:
    """Let the worker do what waits."""
    await draining.drain(database, jobs=exporting.JOBS)


async def exported(city: httpx.AsyncClient, path: str, database: Database) -> Any:
    begun = await city.get(path, headers=ASYNC)
    assert begun.status_code == 202, begun.text
    place = begun.headers["content-location"]
    assert place.startswith(BASE + "/bulk/fhir/")
    early = await city.get(place)
    assert (early.status_code, early.headers["x-progress"][:2]) == (202, "0/")
    await worked(database)
    return place, (await city.get(place)).json()


async def test_all_there_is_comes_as_lines_by_type(
    city: httpx.AsyncClient, enter: Enter, database: Database
) -> None:
    patient = await made(city, PATIENT)
    for _ in range(3):
        await made(city, observed(patient))
    place, manifest = await exported(city, "$export", database)
    assert {one["type"]: one["count"] for one in manifest["output"]} == {
        "Patient": 1,
        "Observation": 3,
    }
    for one in manifest["output"]:
        answer = await city.get(one["url"])
        assert answer.headers["content-type"].startswith("application/fhir+ndjson")
        lines = [json.loads(line) for line in answer.text.splitlines()]
        assert {line["resourceType"] for line in lines} == {one["type"]}
        assert len(lines) == one["count"]
    another = await enter(Role.OPERATOR)
    assert (await another.get(place)).status_code == 404
    assert (await city.delete(place)).status_code == 202
    assert (await city.get(place)).status_code == 404


async def test_exactly_the_types_and_the_time_asked_for(
    city: httpx.AsyncClient, database: Database
) -> None:
    patient = await made(city, PATIENT)
    await made(city, observed(patient))
    _, manifest = await exported(city, "Patient/$export?_type=Observation", database)
    assert [one["type"] for one in manifest["output"]] == ["Observation"]
    later = (clock.now() + timedelta(days=1)).isoformat().replace("+", "%2B")
    _, manifest = await exported(city, f"$export?_since={later}", database)
    assert manifest["output"] == []


async def test_who_asks_wrongly_is_told_how(city: httpx.AsyncClient) -> None:
    plain = await city.get("$export")
    assert (plain.status_code, told(plain)["details"]["coding"][0]["code"]) == (
        400,
        "exchange.preference_needed",
    )
    other = await city.get("$export?_outputFormat=text/csv", headers=ASYNC)
    assert other.status_code == 400
