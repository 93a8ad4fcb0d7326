"""Whom operations answer about whom: residents, hospitals, apps; and that it is on record."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from citycare.kernel import identity
from citycare.kernel.context import Actor, Context, Grant, Role
from citycare.kernel.context import App as NamedApp
from citycare.kernel.fhir.finding import Visible
from citycare.kernel.identity import NewPerson, Sex
from citycare.kit import ids
from citycare.kit.db import Connection, Database
from citycare.scenarios.exchange.api import rest
from citycare.scenarios.exchange.model.subscriptions import Owner
from citycare.scenarios.exchange.service.subscriptions.feeding import Feeder
from tests.conftest import NOW
from tests.kernel.identity.test_organisations import HOSPITAL
from tests.scenarios.exchange.rest.conftest import BASE, Enter
from tests.scenarios.exchange.rest.test_interactions import PATIENT, made, observed, told
from tests.scenarios.exchange.rest.test_operations import names
from tests.scenarios.exchange.subscriptions.conftest import subscription

OPERATOR = Actor(None, None, (Grant(Role.SYSTEM),), None, "test")


@dataclass(frozen=True, slots=True)
class Reads:
    """Scopes that let some types be read."""

    types: frozenset[str]

    def limits(self, resource_type: str, interaction: str, /) -> tuple[()]:  # noqa: ARG002
        return ()

    def types_for(self, interaction: str, /) -> frozenset[str]:
        return self.types if interaction in "rs" else frozenset()


@dataclass(frozen=True, slots=True)
class App:
    """What an access token stands for."""

    actor: Actor
    allowed: Reads
    patient_id: UUID | None = None


@pytest.fixture
async def person(database: Database, city: httpx.AsyncClient) -> UUID:
    """Somebody registered, with an observation; and somebody else with one."""
    async with database.transaction() as db:
        cx = Context(db, OPERATOR, NOW, "test")
        await identity.register_organisation(cx, HOSPITAL)
        new = NewPerson("曾小贤", Sex.MALE, date(1990, 1, 1))
        me = (await identity.register_person(cx, new)).id
    await city.put(f"Patient/{me}", json=PATIENT | {"id": str(me)})
    await made(city, observed(str(me)))
    await made(city, observed(await made(city, PATIENT)))
    return me


def kinds(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [one.partition("/")[0] for one in names(answer.json())]


async def test_a_resident_gets_everything_of_their_own(
    city: httpx.AsyncClient, enter: Enter, person: UUID
) -> None:
    me = await enter(Role.RESIDENT, person=person)
    assert kinds(await me.get(f"Patient/{person}/$everything")) == ["Observation", "Patient"]
    assert kinds(await me.get("Patient/$everything")) == ["Observation", "Patient"]
    others = [one for one in names((await city.get("Patient")).json()) if str(person) not in one]
    answer = await me.get(f"{others[0]}/$everything")
    assert (answer.status_code, told(answer)["code"]) == (404, "not-found")
    for path in ("Patient/$match", "Patient/$explain"):
        assert (await me.post(path, json={"resourceType": "Parameters"})).status_code == 403


async def test_a_hospital_gets_what_it_wrote(
    city: httpx.AsyncClient, enter: Enter, person: UUID
) -> None:
    hospital = await enter(Role.EXCHANGE, organisation=HOSPITAL.id)
    theirs = await made(hospital, PATIENT)
    await made(hospital, observed(theirs))
    assert kinds(await hospital.get(f"Patient/{theirs}/$everything")) == ["Observation", "Patient"]
    assert (await hospital.get(f"Patient/{person}/$everything")).status_code == 404
    asked = {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": PATIENT}]}
    answer = await hospital.post("Patient/$match", json=asked)
    assert names(answer.json()) == [f"Patient/{theirs}"], "but not whom it may not know of"
    refused = {"parameter": [{"name": "mode", "valueCode": "delete"}]}
    answer = await hospital.post(
        f"Patient/{person}/$validate", json={"resourceType": "Parameters"} | refused
    )
    assert answer.status_code == 404
    assert len(names((await city.get("Patient")).json())) == 3


async def test_scopes_narrow_what_an_app_is_answered(app: FastAPI, person: UUID) -> None:
    named = NamedApp(ids.new(), "血压日记")
    actor = Actor(ids.new(), person, (Grant(Role.RESIDENT),), app=named)
    granted = App(actor, Reads(frozenset({"Patient"})))

    async def find(_: Connection, token: str, __: datetime) -> App | None:
        return granted if token == "a" * 43 else None

    app.state.exchange = rest.door(app.state.edge, find)
    head = {"Authorization": "Bearer " + "a" * 43}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(
        transport=transport, base_url=f"{BASE}/fhir/R4/", headers=head
    ) as client:
        assert kinds(await client.get(f"Patient/{person}/$everything")) == ["Patient"]
        for path in ("ValueSet/$expand?url=x", "Observation/$validate", "Subscription/$status"):
            answer = await client.get(path)
            assert (answer.status_code, told(answer)["code"]) == (403, "forbidden"), path
    await app.state.exchange.server.trail.flush()
    async with app.state.edge.database.autocommit() as db:
        query = "SELECT line FROM audit.entry WHERE action = 'record.read'"
        lines = [str(one["line"]) for one in await (await db.execute(query)).fetchall()]
    said = f'"detail":{{"app":"血压日记","app_id":"{named.id}"}}'
    assert lines
    assert all(said in line for line in lines), "what an app reads names the app"


async def test_what_is_read_is_on_record(
    app: FastAPI, city: httpx.AsyncClient, database: Database, person: UUID
) -> None:
    await city.get(f"Patient/{person}/$everything")
    await app.state.exchange.server.trail.flush()
    query = "SELECT person_id, action FROM audit.entry WHERE line LIKE %(record)s"
    async with database.autocommit() as db:
        values = {"record": f"%Patient/{person}/$everything%"}
        rows = await (await db.execute(query, values)).fetchall()
    assert [(row["person_id"], row["action"]) for row in rows] == [(person, "record.exchange")]


async def nobody(_: Context, __: Owner) -> Visible:
    """Tell what the owner of a subscription may see."""
    return Visible()


async def test_subscriptions_say_how_they_stand_to_those_who_may_see_them(
    city: httpx.AsyncClient, enter: Enter, person: UUID, database: Database
) -> None:
    key = await made(city, subscription("https://receiver.example/hook"))
    await Feeder(database, nobody, f"{BASE}/fhir/R4").go_round()
    for path in (f"Subscription/{key}/$status", f"Subscription/$status?id={key}"):
        answer = await city.get(path)
        assert answer.status_code == 200, answer.text
        (entry,) = answer.json()["entry"]
        said = {one["name"]: one for one in entry["resource"]["parameter"]}
        assert said["status"]["valueCode"] == "requested"
    assert "entry" not in (await city.get("Subscription/$status?status=error")).json()
    answer = await city.get(f"Subscription/{key}/$events?eventsSinceNumber=1&content=empty")
    assert answer.status_code == 200, answer.text
    assert answer.json()["type"] == "history"
    for query in ("status=sleeping", "colour=red"):
        assert (await city.get(f"Subscription/$status?{query}")).status_code == 400
    me = await enter(Role.RESIDENT, person=person)
    for path in (f"Subscription/{key}/$status", f"Subscription/{key}/$events"):
        assert (await me.get(path)).status_code == 404
    assert "entry" not in (await me.get("Subscription/$status")).json()
