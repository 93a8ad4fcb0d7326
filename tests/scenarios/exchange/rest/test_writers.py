"""Who may write what, and that a write takes nothing from others and tells nothing beyond."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from citycare.kernel import consent
from citycare.kernel.consent import CareRow
from citycare.kernel.context import SYSTEM, Actor, App, Context, Role
from citycare.kernel.identity import sessions
from citycare.kit import clock, ids
from citycare.kit.db import Connection, Database
from citycare.scenarios.exchange.api import rest
from citycare.scenarios.smart.rules import scopes
from citycare.web.login.tokens import issue_token
from tests.scenarios.exchange.rest.conftest import BASE, Enter
from tests.scenarios.exchange.rest.test_access import hospital, person
from tests.scenarios.exchange.rest.test_interactions import PATIENT, made, observed

TOKEN = "a" * 43
JSON_PATCH = {"Content-Type": "application/json-patch+json"}
RULES: list[dict[str, Any]] = [
    {"resourceType": "CodeSystem", "url": "http://city.example/icd", "status": "active"}
    | {"content": "complete"},
    {"resourceType": "ValueSet", "url": "http://city.example/vs", "status": "active"},
    {"resourceType": "ConceptMap", "url": "http://city.example/map", "status": "active"},
    {
        "resourceType": "Basic",
        "code": {
            "coding": [{"system": "http://hl7.org/fhir/fhir-types", "code": "SubscriptionTopic"}]
        },
    },
]


@dataclass(frozen=True, slots=True)
class Granted:
    actor: Actor
    allowed: scopes.Allowed
    patient_id: UUID | None = None


Grantor = Callable[[str], Awaitable[httpx.AsyncClient]]


@pytest.fixture
async def grantor(app: FastAPI, database: Database) -> AsyncIterator[Grantor]:
    """Make apps of the city's own system, by their scopes."""
    opened: list[httpx.AsyncClient] = []

    async def granted(text: str) -> httpx.AsyncClient:
        theirs = await issue_token(database, Role.EXCHANGE)
        async with database.autocommit() as db:
            own = (await sessions.actor_of(db, [theirs], app.state.edge.now()))[theirs]
        actor = Actor(own.account_id, None, own.grants, app=App(ids.new(), "检验平台"))
        found = Granted(actor, scopes.Allowed(scopes.parse(text).data, None))

        async def find(_: Connection, token: str, __: datetime) -> Granted | None:
            return found if token == TOKEN else None

        app.state.exchange = rest.door(app.state.edge, find)
        opened.append(
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app),
                base_url=f"{BASE}/fhir/R4/",
                headers={"Authorization": f"Bearer {TOKEN}"},
            )
        )
        return opened[-1]

    yield granted
    for client in opened:
        await client.aclose()


async def clinician(enter: Enter, database: Database, patient: UUID) -> httpx.AsyncClient:
    """Return somebody in whose care a person is."""
    house = await hospital(database, "甲院")
    async with database.transaction() as db:
        cx = Context(db, SYSTEM, clock.now(), "test")
        window = consent.care_window(cx.now, 1, 30)
        await consent.open_care(cx, [CareRow(patient, house, None, "booking:1", *window)])
    return await enter(Role.CLINICIAN, organisation=house)


async def test_who_wrote_first_keeps_it_whoever_changes_it(
    enter: Enter, city: httpx.AsyncClient, database: Database
) -> None:
    patient = await person(database, "林静")
    house = await enter(Role.EXCHANGE, organisation=await hospital(database, "乙院"))
    theirs, noted = await made(house, PATIENT), await made(house, observed(str(patient)))
    assert (await city.put(f"Patient/{theirs}", json=PATIENT | {"id": theirs})).status_code == 200
    doctor = await clinician(enter, database, patient)
    changed = observed(str(patient), status="amended") | {"id": noted}
    assert (await doctor.put(f"Observation/{noted}", json=changed)).status_code == 200
    for path, body in ((f"Patient/{theirs}", PATIENT), (f"Observation/{noted}", changed)):
        assert (await house.get(path)).status_code == 200
        key = path.rpartition("/")[2]
        assert (await house.put(path, json=body | {"id": key})).status_code == 200


async def test_nobody_but_the_city_changes_a_persons_own_patient(
    enter: Enter, database: Database
) -> None:
    patient = await person(database, "林静")
    doctor = await clinician(enter, database, patient)
    path = f"Patient/{patient}"
    put = await doctor.put(path, json=PATIENT | {"id": str(patient)})
    assert put.status_code == 403
    assert (await doctor.delete(path)).status_code == 403
    assert (await (await enter(Role.RESIDENT, person=patient)).get(path)).status_code == 200


@pytest.mark.parametrize("rule", RULES, ids=[one["resourceType"] for one in RULES])
async def test_what_all_are_held_to_only_the_city_writes(
    enter: Enter, city: httpx.AsyncClient, database: Database, rule: dict[str, Any]
) -> None:
    kind = rule["resourceType"]
    house = await enter(Role.EXCHANGE, organisation=await hospital(database, "甲院"))
    assert (await house.post(kind, json=rule)).status_code == 403
    assert (await house.put(f"{kind}/x", json=rule | {"id": "x"})).status_code == 403
    assert (await city.post(kind, json=rule)).status_code != 403


async def test_members_of_a_group_do_not_see_each_other(
    enter: Enter, city: httpx.AsyncClient, database: Database
) -> None:
    some = [await person(database, name) for name in ("林静", "沈玉兰")]
    member = [{"entity": {"reference": f"Patient/{one}"}} for one in some]
    group = {"resourceType": "Group", "type": "person", "actual": True, "member": member}
    key = await made(city, group)
    me = await enter(Role.RESIDENT, person=some[0])
    assert (await me.get(f"Group/{key}")).status_code == 404
    assert "entry" not in (await me.get("Group")).json()
    assert (await city.get(f"Group/{key}")).status_code == 200
    house = await enter(Role.EXCHANGE, organisation=await hospital(database, "甲院"))
    own = await made(house, {"resourceType": "Group", "type": "person", "actual": True})
    assert (await house.get(f"Group/{own}")).status_code == 200


async def test_a_patch_tells_nothing_of_what_may_not_be_read(
    city: httpx.AsyncClient, grantor: Grantor
) -> None:
    secret = {"note": [{"text": "secret"}]}
    key = await made(city, observed(await made(city, PATIENT), **secret))
    writes = await grantor("system/Observation.u")
    known = json.dumps([{"op": "test", "path": "/status", "value": "final"}])
    answer = await writes.patch(f"Observation/{key}", content=known, headers=JSON_PATCH)
    assert (answer.status_code, answer.text) == (200, "")
    assert answer.headers["etag"] == 'W/"2"'
    limited = await grantor("system/Observation.cruds?category=http://x.example|laboratory")
    for value in ("final", "amended"):
        guess = json.dumps([{"op": "test", "path": "/status", "value": value}])
        answer = await limited.patch(f"Observation/{key}", content=guess, headers=JSON_PATCH)
        assert answer.status_code == 403


async def test_who_may_write_nothing_is_told_before_any_work(
    enter: Enter, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = await enter(Role.RESIDENT, person=await person(database, "林静"))
    asked = []

    async def lock(*_: object) -> None:
        asked.append(1)

    monkeypatch.setattr("citycare.kernel.fhir.store.lock_numbers", lock)
    request = {"method": "POST", "url": "Patient", "ifNoneExist": "identifier=urn:x|1"}
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [{"resource": PATIENT, "request": request}],
    }
    assert (await me.post("", json=bundle)).status_code == 403
    condition = {"If-None-Exist": "identifier=urn:x|1"}
    assert (await me.post("Patient", json=PATIENT, headers=condition)).status_code == 403
    assert asked == []


async def test_conditions_of_one_transaction_are_bounded(city: httpx.AsyncClient) -> None:
    entry = [
        {
            "resource": PATIENT,
            "request": {
                "method": "POST",
                "url": "Patient",
                "ifNoneExist": f"identifier=urn:x.example|{number}",
            },
        }
        for number in range(2_001)
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entry}
    answer = await city.post("", json=bundle)
    assert answer.status_code == 400, answer.text[:300]
    assert "2000" in answer.text or "2,000" in answer.text
