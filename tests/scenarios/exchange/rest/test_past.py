"""Older versions: each is shown to whom it is about and to who wrote it, whoever has the newest."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from citycare.kernel import consent
from citycare.kernel.consent import CareRow
from citycare.kernel.context import SYSTEM, Context, Role
from citycare.kernel.fhir import upkeep
from citycare.kit import clock
from citycare.kit.db import Database
from tests.scenarios.exchange.rest.conftest import Enter
from tests.scenarios.exchange.rest.test_access import hospital, person
from tests.scenarios.exchange.rest.test_interactions import PATIENT, made, observed

SECRET = "只给本人看"


def secret(patient: object, **more: Any) -> dict[str, Any]:
    return observed(str(patient), note=[{"text": SECRET}], **more)


async def taken_out(database: Database) -> None:
    """Take out of the index what no page can ask for any more."""
    async with database.transaction() as db:
        later = clock.now() + timedelta(days=1)
        assert await upkeep.purge(Context(db, SYSTEM, later, "test")) > 0


async def told(client: httpx.AsyncClient, path: str) -> list[tuple[str, str]]:
    """Return what a history tells, page by page: how each version came, and its number."""
    found, address = [], f"{path}/_history"
    while address:
        answer = await client.get(address)
        assert answer.status_code == 200
        page = answer.json()
        found += [
            (one["request"]["method"], one["response"]["etag"]) for one in page.get("entry", ())
        ]
        address = next((one["url"] for one in page["link"] if one["relation"] == "next"), "")
    return found


@pytest.mark.parametrize("purged", [False, True])
async def test_a_version_about_somebody_else_is_not_shown_to_whom_the_newest_is_about(
    enter: Enter, database: Database, app: FastAPI, *, purged: bool
) -> None:
    me, other = await person(database, "林静"), await person(database, "沈玉兰")
    wrote = await enter(Role.EXCHANGE, organisation=await hospital(database, "甲院"))
    key = await made(wrote, secret(other))
    for _ in range(2):
        put = await wrote.put(f"Observation/{key}", json=observed(str(me)) | {"id": key})
        assert put.status_code == 200
    if purged:
        await taken_out(database)
    resident = await enter(Role.RESIDENT, person=me)
    assert (await resident.get(f"Observation/{key}/_history/1")).status_code == 404
    assert (await resident.get(f"Observation/{key}/_history/2")).status_code == 200
    assert await told(resident, f"Observation/{key}") == [("PUT", 'W/"3"'), ("PUT", 'W/"2"')]
    assert SECRET in (await wrote.get(f"Observation/{key}/_history/1")).text
    assert len(await told(wrote, f"Observation/{key}")) == 3
    async with database.autocommit() as db:
        looks = (
            "SELECT line::json ->> 'outcome' AS outcome FROM audit.entry"
            " WHERE person_id = %s AND action = 'record.read'"
        )
        await app.state.exchange.server.trail.flush()
        rows = await (await db.execute(looks, [other])).fetchall()
    assert [row["outcome"] for row in rows] == ["refused"]


async def test_pages_of_a_history_go_on_past_what_is_left_out(
    enter: Enter, database: Database
) -> None:
    me, other = await person(database, "林静"), await person(database, "沈玉兰")
    wrote = await enter(Role.EXCHANGE, organisation=await hospital(database, "甲院"))
    key = await made(wrote, observed(str(me)))
    for who in (other, other, other, me):
        await wrote.put(f"Observation/{key}", json=observed(str(who)) | {"id": key})
    resident = await enter(Role.RESIDENT, person=me)
    page = await resident.get(f"Observation/{key}/_history?_count=2")
    assert len(page.json()["entry"]) == 1
    following = next(one["url"] for one in page.json()["link"] if one["relation"] == "next")
    page = await resident.get(following)
    assert "entry" not in page.json()
    following = next(one["url"] for one in page.json()["link"] if one["relation"] == "next")
    assert [one["response"]["etag"] for one in (await resident.get(following)).json()["entry"]] == [
        'W/"1"'
    ]


async def revived(theirs: httpx.AsyncClient, ours: httpx.AsyncClient, about: object) -> str:
    """Let one store and delete what another then stores anew; return where it stands."""
    path = "Observation/lab-7"
    assert (await theirs.put(path, json=secret(about, id="lab-7"))).status_code == 201
    assert (await theirs.delete(path)).status_code == 204
    mine = await made(ours, PATIENT)
    assert (await ours.put(path, json=observed(mine, id="lab-7"))).status_code == 201
    return path


async def test_who_takes_a_deleted_id_gets_nothing_of_what_stood_under_it(
    enter: Enter, database: Database
) -> None:
    other = await person(database, "沈玉兰")
    ours = await enter(Role.EXCHANGE, organisation=await hospital(database, "甲院"))
    theirs = await enter(Role.EXCHANGE, organisation=await hospital(database, "乙院"))
    path = await revived(theirs, ours, other)
    for number, status in ((1, 404), (2, 404), (3, 200)):
        assert (await ours.get(f"{path}/_history/{number}")).status_code == status, number
    assert await told(ours, path) == [("PUT", 'W/"3"')]
    assert (await theirs.get(f"{path}/_history/1")).status_code == 404  # it is another's now


async def test_a_doctor_who_takes_a_deleted_id_gets_nothing_of_what_stood_under_it(
    enter: Enter, city: httpx.AsyncClient, database: Database
) -> None:
    patient, other = await person(database, "林静"), await person(database, "沈玉兰")
    house = await hospital(database, "甲院")
    await under_care(database, patient, house)
    await city.put("Observation/c-7", json=secret(other, id="c-7"))
    await city.delete("Observation/c-7")
    doctor = await enter(Role.CLINICIAN, organisation=house)
    put = await doctor.put("Observation/c-7", json=observed(str(patient), id="c-7"))
    assert put.status_code == 201
    assert (await doctor.get("Observation/c-7/_history/1")).status_code == 404
    assert await told(doctor, "Observation/c-7") == [("PUT", 'W/"3"')]


async def under_care(database: Database, patient: UUID, house: UUID) -> None:
    async with database.transaction() as db:
        cx = Context(db, SYSTEM, clock.now(), "test")
        window = consent.care_window(cx.now, 1, 30)
        await consent.open_care(cx, [CareRow(patient, house, None, "booking:1", *window)])


@pytest.mark.parametrize("purged", [False, True])
async def test_who_sees_what_was_deleted_is_told_of_the_deletion(
    enter: Enter, database: Database, *, purged: bool
) -> None:
    wrote = await enter(Role.EXCHANGE, organisation=await hospital(database, "甲院"))
    patient = await made(wrote, PATIENT)
    path = f"Observation/{await made(wrote, observed(patient))}"
    await wrote.delete(path)
    await wrote.put(path, json=observed(patient, id=path.partition("/")[2]))
    if purged:
        await taken_out(database)
    assert (await wrote.get(f"{path}/_history/2")).status_code == 410
    assert (await wrote.get(f"{path}/_history/1")).status_code == 200
    every = [("PUT", 'W/"3"'), ("DELETE", 'W/"2"'), ("PUT", 'W/"1"')]
    assert await told(wrote, path) == every
    last = (await wrote.get(f"{path}/_history?_count=2")).json()["entry"]
    assert [one["request"]["method"] for one in last] == ["PUT", "DELETE"]
