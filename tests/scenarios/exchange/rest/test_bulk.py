"""Bulk export over HTTP, as a system meets it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import StreamingResponse

from citycare.kernel.context import Role
from citycare.kernel.events import draining
from citycare.kernel.fhir import exporting
from citycare.kernel.fhir.exporting import model, running
from citycare.kit import clock
from citycare.kit.db import Database
from citycare.scenarios.exchange.api import bulk
from citycare.web.edge.exchange import KEY, new_exchange
from tests.scenarios.exchange.rest.conftest import BASE, Enter
from tests.scenarios.exchange.rest.test_access import hospital
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


async def named(
    app: FastAPI, database: Database, place: str, what: str = "/[0-9]+"
) -> Sequence[UUID]:
    """Return of whom it is on record that files of an export were fetched, or that it was begun."""
    await app.state.exchange.server.trail.flush()
    query = """
        SELECT person_id FROM audit.entry
         WHERE action = 'record.exchange' AND line::json ->> 'record' ~ %s
           AND person_id IS NOT NULL ORDER BY 1"""
    record = f"^fhir.export/{place.rpartition('/')[2]}{what}$"
    async with database.autocommit() as db:
        rows = await (await db.execute(query, [record])).fetchall()
    return [row["person_id"] for row in rows]


async def test_whoever_is_in_a_file_is_on_record_once_also_if_it_is_not_read_to_its_end(
    app: FastAPI,
    city: httpx.AsyncClient,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(running, "PIECE", 4)
    who = [UUID(await made(city, PATIENT)) for _ in range(3)]
    for one in who:
        for _ in range(3):
            await made(city, observed(str(one)))
    place, manifest = await exported(city, "$export?_type=Observation", database)
    (file,) = manifest["output"]
    assert await named(app, database, place) == []
    number = int(file["url"].rpartition("/")[2].partition(".")[0])
    asked = Request({"type": "http", "app": app, "method": "GET", "headers": [
        (b"authorization", city.headers["authorization"].encode())
    ], KEY: new_exchange(None, clock.now())})  # fmt: skip
    answer = await bulk.file(asked, UUID(place.rpartition("/")[2]), number)
    assert isinstance(answer, StreamingResponse)
    pieces = cast("AsyncGenerator[bytes, None]", answer.body_iterator)
    first = await anext(pieces)
    told_of = {json.loads(line)["subject"]["reference"] for line in first.splitlines()}
    assert [f"Patient/{one}" for one in await named(app, database, place)] == sorted(told_of)
    await pieces.aclose()
    assert len((await city.get(file["url"])).text.splitlines()) == 9
    assert sorted(set(await named(app, database, place))) == sorted(who)
    assert len(await named(app, database, place)) == len(told_of) + len(who)


async def test_whoever_an_export_names_is_on_record(
    app: FastAPI, city: httpx.AsyncClient, database: Database
) -> None:
    who = await made(city, PATIENT)
    member = [{"entity": {"reference": f"Patient/{who}"}}]
    group = {"resourceType": "Group", "type": "person", "actual": True, "member": member}
    paths = (f"Patient/$export?patient=Patient/{who}", f"Group/{await made(city, group)}/$export")
    for path in paths:
        begun = await city.get(f"{path}{'&' if '?' in path else '?'}_type=Condition", headers=ASYNC)
        place = begun.headers["content-location"]
        assert await named(app, database, place, "") == [UUID(who)], path


async def test_a_group_that_may_not_be_seen_is_not_there(
    enter: Enter, city: httpx.AsyncClient, database: Database
) -> None:
    ours = await enter(Role.EXCHANGE, organisation=await hospital(database, "甲院"))
    theirs = await enter(Role.EXCHANGE, organisation=await hospital(database, "乙院"))
    member = [{"entity": {"reference": f"Patient/{await made(city, PATIENT)}"}}]
    group = {"resourceType": "Group", "type": "person", "actual": True, "member": member}
    key = await made(ours, group)
    for path in (f"Group/{key}", "Group/none"):
        assert (await theirs.get(f"{path}/$export", headers=ASYNC)).status_code == 404, path
    for client in (ours, city):
        assert (await client.get(f"Group/{key}/$export", headers=ASYNC)).status_code == 202


async def test_one_account_leaves_room_for_the_exports_of_others(
    enter: Enter, city: httpx.AsyncClient, database: Database
) -> None:
    for _ in range(model.ACCOUNT_MAX):
        begun = await city.get("$export", headers=ASYNC)
        assert begun.status_code == 202
    refused = await city.get("$export", headers=ASYNC)
    assert refused.status_code == 503
    assert f"most={model.ACCOUNT_MAX} of=account" in told(refused)["diagnostics"]
    other = await enter(Role.EXCHANGE, organisation=await hospital(database, "乙院"))
    assert (await other.get("$export", headers=ASYNC)).status_code == 202
    assert (await city.delete(begun.headers["content-location"])).status_code == 202
    assert (await city.get("$export", headers=ASYNC)).status_code == 202


async def test_many_kick_offs_at_once_are_counted_one_after_the_other(
    city: httpx.AsyncClient,
) -> None:
    asked = [city.get("$export", headers=ASYNC) for _ in range(3 * model.ACCOUNT_MAX)]
    begun = [answer.status_code for answer in await asyncio.gather(*asked)]
    assert begun.count(202) == model.ACCOUNT_MAX
