"""Apps of systems that see everything: their scopes hold in every way to what is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from citycare.kernel.context import Actor, Grant, Role
from citycare.kernel.context import App as NamedApp
from citycare.kernel.identity import sessions
from citycare.kit import ids
from citycare.kit.db import Connection, Database
from citycare.scenarios.exchange.api import rest
from citycare.web.login.tokens import issue_token
from tests.scenarios.exchange.rest.conftest import BASE
from tests.scenarios.exchange.rest.test_bulk import ASYNC, exported
from tests.scenarios.exchange.rest.test_interactions import PATIENT, made, observed
from tests.scenarios.exchange.subscriptions.conftest import subscription

CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
TOKEN = "a" * 43


@dataclass(frozen=True, slots=True)
class Limit:
    filters: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Laboratory:
    """system/Patient.crs system/Observation.crs?category=laboratory system/Subscription.crs"""

    def types_for(self, interaction: str, /) -> frozenset[str]:
        return frozenset({"Patient", "Subscription"}) if interaction in "crs" else frozenset()

    def limits(self, resource_type: str, interaction: str, /) -> Sequence[Limit]:
        if resource_type != "Observation" or interaction not in "crs":
            return ()
        return (Limit((("category", f"{CATEGORY}|laboratory"),)),)


@dataclass(frozen=True, slots=True)
class App:
    actor: Actor
    allowed: Laboratory
    patient_id: None = None


@pytest.fixture
async def narrow(app: FastAPI, database: Database) -> AsyncIterator[httpx.AsyncClient]:
    """Return an app of the city's own system, by its scopes."""
    theirs = await issue_token(database, Role.EXCHANGE)
    async with database.autocommit() as db:
        account = (await sessions.actor_of(db, [theirs], app.state.edge.now()))[theirs].account_id
    named = NamedApp(ids.new(), "检验平台")
    granted = App(Actor(account, None, (Grant(Role.EXCHANGE),), app=named), Laboratory())

    async def find(_: Connection, token: str, __: datetime) -> App | None:
        return granted if token == TOKEN else None

    app.state.exchange = rest.door(app.state.edge, find)
    transport = httpx.ASGITransport(app)
    head = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(
        transport=transport, base_url=f"{BASE}/fhir/R4/", headers=head
    ) as client:
        yield client


def of_category(patient: str, code: str) -> dict[str, Any]:
    return observed(patient, category=[{"coding": [{"system": CATEGORY, "code": code}]}])


async def test_what_is_beyond_a_limit_is_found_in_no_way(
    city: httpx.AsyncClient, narrow: httpx.AsyncClient
) -> None:
    patient = await made(city, PATIENT)
    lab = await made(city, of_category(patient, "laboratory"))
    vital = await made(city, of_category(patient, "vital-signs"))
    found = (await narrow.get("Observation")).json()["entry"]
    assert [one["resource"]["id"] for one in found] == [lab]
    for path in ("", "/_history/1", "/_history"):
        assert (await narrow.get(f"Observation/{lab}{path}")).status_code == 200, path
        assert (await narrow.get(f"Observation/{vital}{path}")).status_code == 404, path
    everything = (await narrow.get(f"Patient/{patient}/$everything")).json()["entry"]
    assert {one["resource"]["id"] for one in everything} == {patient, lab}
    assert (await narrow.get("Patient/_history")).status_code == 200
    for path in ("Observation/_history", "_history"):
        assert (await narrow.get(path)).status_code == 403, path


async def test_older_versions_beyond_a_limit_are_not_shown(
    city: httpx.AsyncClient, narrow: httpx.AsyncClient
) -> None:
    patient = await made(city, PATIENT)
    vital = of_category(patient, "vital-signs") | {"note": [{"text": "秘密"}]}
    key = await made(city, vital)
    await city.put(f"Observation/{key}", json=of_category(patient, "laboratory") | {"id": key})
    assert (await narrow.get(f"Observation/{key}/_history/1")).status_code == 404
    history = await narrow.get(f"Observation/{key}/_history")
    assert [one["response"]["etag"] for one in history.json()["entry"]] == ['W/"2"']
    assert "秘密" not in history.text
    assert len((await city.get(f"Observation/{key}/_history")).json()["entry"]) == 2


@pytest.mark.parametrize(
    ("criteria", "status"), [("Patient?", 201), ("Observation?", 403), ("Encounter?", 403)]
)
async def test_a_subscription_is_about_what_the_app_may_read_wholly(
    narrow: httpx.AsyncClient, criteria: str, status: int
) -> None:
    asked = subscription("https://receiver.example/hook", criteria)
    del asked["id"]
    assert (await narrow.post("Subscription", json=asked)).status_code == status


async def test_a_type_seen_within_a_limit_is_not_exported(
    city: httpx.AsyncClient, narrow: httpx.AsyncClient, database: Database
) -> None:
    patient = await made(city, PATIENT)
    for code in ("laboratory", "vital-signs"):
        await made(city, of_category(patient, code))
    for path in ("$export?_type=Patient,Observation", "Group/any/$export"):
        refused = await narrow.get(path, headers=ASYNC)
        assert refused.status_code == 403, path
    _, manifest = await exported(narrow, "$export", database)
    assert [(one["type"], one["count"]) for one in manifest["output"]] == [("Patient", 1)]
