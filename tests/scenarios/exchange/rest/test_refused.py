"""What is refused is on record: whom a condition found or named, and ids that were only tried."""

from __future__ import annotations

import base64
import json
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from citycare.kernel.context import SYSTEM, Context, Role
from citycare.kernel.fhir import Stored
from citycare.kernel.identity import audit_id
from citycare.kit import clock
from citycare.kit.db import Database
from citycare.scenarios.exchange.service import trail as trails
from citycare.scenarios.exchange.service.looks import Looks
from citycare.scenarios.exchange.service.trail import Trail, persons_in
from tests.scenarios.exchange.rest.conftest import Enter
from tests.scenarios.exchange.rest.test_access import hospital, person
from tests.scenarios.exchange.rest.test_interactions import PATIENT, made, observed

Json = dict[str, Any]
LINES = """
    SELECT line::json ->> 'record' AS record, line::json ->> 'outcome' AS outcome
      FROM audit.entry
     WHERE person_id = %s AND action IN ('record.exchange', 'record.read')
       AND strpos(line::json ->> 'record', '/_history/1') = 0
     ORDER BY 1, 2
"""
PATCH, FHIR = "application/json-patch+json", {"Content-Type": "application/fhir+json"}
WRONG = [{"op": "test", "path": "/status", "value": "amended"}]


async def lines(app: FastAPI, database: Database, who: object) -> list[tuple[str, str]]:
    """Return what is on record of somebody, but for what first wrote it: record and outcome."""
    await app.state.exchange.server.trail.flush()
    async with database.autocommit() as db:
        rows = await (await db.execute(LINES, [audit_id(str(who))])).fetchall()
    return [(row["record"], row["outcome"]) for row in rows]


def entry(method: str, url: str, resource: Json | None = None, **more: str) -> Json:
    sent = {"resource": resource} if resource is not None else {}
    return {**sent, "request": {"method": method, "url": url, **more}}


def bundle(kind: str, *entries: Json) -> Json:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def refused(who: UUID, condition: str) -> list[tuple[str, str, Any, dict[str, str]]]:
    """Return writes by a condition that are refused: method, path, body, headers of each."""
    wrong = observed(str(who)) | {"status": "unknown to R4"}
    data = base64.b64encode(json.dumps(WRONG).encode()).decode()
    binary = {"resourceType": "Binary", "contentType": PATCH, "data": data}
    asked = f"Observation?{condition}"
    many = [
        entry("PUT", asked, wrong),
        entry("PATCH", asked, binary),
        entry("DELETE", asked),
        entry("POST", "Observation", wrong, ifNoneExist=condition),
    ]
    broken = entry("POST", "Basic", {"resourceType": "Basic"})
    return [
        ("PUT", asked, wrong, FHIR),
        ("PATCH", asked, WRONG, {"Content-Type": PATCH}),
        ("DELETE", asked, None, {}),
        *[("POST", "", bundle("batch", one), FHIR) for one in many[:3]],
        *[("POST", "", bundle("transaction", one, broken), FHIR) for one in many],
    ]


@pytest.mark.parametrize("way", range(10))
async def test_whom_a_condition_finds_is_on_record_though_the_write_is_refused(
    app: FastAPI, city: httpx.AsyncClient, database: Database, way: int
) -> None:
    who, other = await person(database, "林静"), await person(database, "沈玉兰")
    found = await made(city, observed(str(who), identifier=[{"value": "lab-7"}]))
    await made(city, observed(str(other), derivedFrom=[{"reference": f"Observation/{found}"}]))
    method, path, body, headers = refused(who, "identifier=lab-7")[way]
    answer = await city.request(method, path, json=body, headers=headers)
    told = answer.json()
    status = told["entry"][0]["response"]["status"] if "entry" in told else str(answer.status_code)
    assert status[:3] in ("409", "422"), answer.text
    assert ("Observation?", "ok") in await lines(app, database, who)
    assert await lines(app, database, other) == []


async def test_where_a_condition_finds_several_they_are_on_record(
    app: FastAPI, city: httpx.AsyncClient, database: Database
) -> None:
    both = [await person(database, name) for name in ("林静", "沈玉兰")]
    for one in both:
        await made(city, observed(str(one), identifier=[{"value": "lab-7"}]))
    new = observed(str(both[0]))
    answer = await city.post("Observation", json=new, headers={"If-None-Exist": "identifier=lab-7"})
    assert answer.status_code == 412
    for one in both:
        assert await lines(app, database, one) == [("Observation?", "ok")]


async def test_whom_a_condition_names_is_on_record_once(
    app: FastAPI, city: httpx.AsyncClient, database: Database
) -> None:
    who, other = await person(database, "林静"), await person(database, "沈玉兰")
    condition = {"If-None-Exist": f"patient={who}&code=8867-4"}
    answer = await city.post("Observation", json=observed(str(other)), headers=condition)
    assert answer.status_code == 201  # which tells that of the one who is named there is none
    assert await lines(app, database, who) == [("Observation?", "ok")]
    answer = await city.post("Observation", json=observed(str(who)), headers=condition)
    assert answer.status_code == 201  # on record as written
    assert await lines(app, database, who) == [("Observation?", "ok")]
    assert (await city.delete(f"Observation?patient={other}&code=none-such")).status_code == 204
    assert await lines(app, database, other) == [("Observation?", "ok")]


async def test_what_a_patch_tests_is_on_record_as_read(
    app: FastAPI, city: httpx.AsyncClient, database: Database
) -> None:
    who = await person(database, "林静")
    key = await made(city, observed(str(who)))
    head = {"Content-Type": PATCH}
    answer = await city.patch(f"Observation/{key}", content=json.dumps(WRONG), headers=head)
    assert answer.status_code == 422
    assert await lines(app, database, who) == [(f"Observation/{key}", "ok")]


TRIES: list[tuple[str, str, Any]] = [
    ("GET", "", None),
    ("GET", "/_history/1", None),
    ("GET", "/_history", None),
    ("GET", "/$everything", None),
    ("DELETE", "", None),
    ("PATCH", "", [{"op": "test", "path": "/id", "value": "x"}]),
    ("PUT", "", PATIENT),
]


@pytest.mark.parametrize("way", range(len(TRIES)))
async def test_who_tries_the_id_of_a_stranger_is_on_record_and_told_nothing(
    app: FastAPI, enter: Enter, city: httpx.AsyncClient, database: Database, way: int
) -> None:
    await city.put("Patient/mrn-7", json=PATIENT | {"id": "mrn-7"})
    method, below, body = TRIES[way]
    kind = PATCH if method == "PATCH" else "application/fhir+json"
    head = {"Content-Type": kind, "If-Match": 'W/"1"'} if body else {}
    client = await enter(Role.EXCHANGE, organisation=await hospital(database, "甲院"))
    answers = []
    for key in ("mrn-7", "mrn-8"):
        sent = body | {"id": key} if isinstance(body, dict) else body
        answer = await client.request(method, f"Patient/{key}{below}", json=sent, headers=head)
        answers.append((answer.status_code, answer.text and answer.json()["issue"]))
    assert str(answers[0]) == str(answers[1]).replace("mrn-8", "mrn-7")
    assert await lines(app, database, "mrn-7") == [("Patient/mrn-7", "refused")]
    assert await lines(app, database, "mrn-8") == []


async def test_who_tries_ids_in_a_batch_is_on_record(
    app: FastAPI, enter: Enter, city: httpx.AsyncClient, database: Database
) -> None:
    me, other = await person(database, "林静"), await person(database, "沈玉兰")
    key = await made(city, observed(str(other)))
    put = await city.put(f"Observation/{key}", json=observed(str(me)) | {"id": key})
    assert put.status_code == 200
    client = await enter(Role.RESIDENT, person=me)
    tries = [f"Patient/{other}", f"Observation/{key}/_history/1", f"Observation/{key}"]
    answer = await client.post("", json=bundle("batch", *[entry("GET", one) for one in tries]))
    statuses = [one["response"]["status"][:3] for one in answer.json()["entry"]]
    assert statuses == ["404", "404", "200"]
    seen = await lines(app, database, other)
    assert {(f"Patient/{other}", "refused"), (f"Observation/{key}", "refused")} == set(seen)


async def test_refusals_of_one_account_do_not_fill_the_trail(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trails, "REFUSED_MAX", 2)
    trail = Trail(database)
    async with database.autocommit() as db:
        cx = Context(db, SYSTEM, clock.now(), "test-refused")
        for _ in range(2):
            for key in "abbcd":
                await trail.refused(cx, "record.read", f"Task/{key}", [])
            await trail.flush()
        told = "SELECT line::json ->> 'record' AS record FROM audit.entry ORDER BY at_us, lane, seq"
        rows = await (await db.execute(told)).fetchall()
    assert sorted(row["record"] for row in rows) == ["*", "*", *["Task/a"] * 2, *["Task/b"] * 2]


def test_what_is_found_is_kept_in_little_room_and_nobody_of_it_is_lost() -> None:
    looks = Looks(room=200)
    for key in "abcd":
        task = {"resourceType": "Task", "for": {"reference": f"Patient/{key}"}, "x": "x" * 60}
        body = json.dumps(task, separators=(",", ":"))
        looks.find("Task?", Stored("Task", key, 1, clock.now(), body))
    assert sum(len(one.body or "") for one in looks.found["Task?"]) <= 200
    assert persons_in(looks.found["Task?"]) | looks.read["Task?"] == set("abcd")
    assert looks.read["Task?"] != set()
