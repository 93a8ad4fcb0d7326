"""Whoever is looked at, or asked for by name, is on record: whatever is found, of whatever type."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from citycare.kernel.context import Actor, Context, Grant, Role
from citycare.kit import clock, ids
from citycare.kit.db import Database
from citycare.scenarios.exchange.service import browsing
from tests.scenarios.exchange.rest.conftest import BASE
from tests.scenarios.exchange.rest.test_access import person
from tests.scenarios.exchange.rest.test_interactions import made, observed

Json = dict[str, Any]
LOOKS = """
    SELECT line::json ->> 'record' AS record FROM audit.entry
     WHERE person_id = %s AND action IN ('record.exchange', 'operator.record')
"""


async def looks(app: FastAPI, database: Database, who: UUID) -> list[str]:
    """Return what is on record of somebody having been looked at."""
    await app.state.exchange.server.trail.flush()
    async with database.autocommit() as db:
        return [row["record"] for row in await (await db.execute(LOOKS, [who])).fetchall()]


@pytest.mark.parametrize(
    "query",
    [
        "Observation?patient={p}&code=8867-4&_summary=count",
        "Observation?subject=Patient/{p}&code=8867-4&_count=0&_total=accurate",
        "Observation?subject=Patient/{p}&code=none-such",
        "Observation?subject:mdm={p}&code=none-such",
        "Observation?subject=" + BASE + "/fhir/R4/Patient/{p}&code=none-such",
        "Patient?_id={p}&gender=male",
        "?_type=Patient,Condition&_id={p}&_summary=count",
        "Patient/{p}/Condition",
        "Patient/{p}/*?_type=Condition",
        "Condition?encounter.patient={p}",
        "Condition?subject:Patient._id={p}&code=none-such",
        "Practitioner?_has:Observation:performer:patient={p}",
        "Practitioner?_has:Observation:performer:subject:Patient._id={p}",
        "Provenance?target=Patient/{p}",
        "Observation/$explain?patient={p}&code=8867-4",
    ],
)
async def test_whoever_a_search_names_is_on_record_whatever_it_finds(
    app: FastAPI, city: httpx.AsyncClient, database: Database, query: str
) -> None:
    who, other = await person(database, "林静"), await person(database, "沈玉兰")
    await made(city, observed(str(who)))
    before = await looks(app, database, who), await looks(app, database, other)
    answer = await city.get(query.format(p=who))
    assert answer.status_code == 200, answer.text
    assert "entry" not in answer.json()
    after = await looks(app, database, who), await looks(app, database, other)
    assert (len(after[0]), after[1]) == (len(before[0]) + 1, before[1])


async def test_an_operator_who_searches_or_explains_puts_on_record_whom_they_name(
    app: FastAPI, database: Database
) -> None:
    who = await person(database, "林静")
    operator = Actor(ids.new(), None, (Grant(Role.OPERATOR),), None, "operator")
    pairs = [("patient", str(who)), ("code", "none-such")]
    tokens = app.state.exchange.server.tokens
    async with database.autocommit() as db:
        cx = Context(db, operator, clock.now(), "test")
        await browsing.search(cx, "Observation", pairs, page="", tokens=tokens, base=BASE)
        await browsing.explain(cx, "Observation", pairs, base=BASE)
    assert set(await looks(app, database, who)) == {"Observation?", "Observation/$explain"}


async def test_an_operator_who_opens_a_task_says_why_for_whom_it_is_and_that_is_on_record(
    app: FastAPI, city: httpx.AsyncClient, database: Database
) -> None:
    who = str(await person(database, "林静"))
    task = {"resourceType": "Task", "status": "requested", "intent": "order"}
    key = await made(city, task | {"for": {"reference": f"Patient/{who}"}})
    operator = Actor(ids.new(), None, (Grant(Role.OPERATOR),), None, "operator")
    async with database.transaction() as db:
        cx = Context(db, operator, clock.now(), "test")
        with pytest.raises(browsing.ReasonMissing):
            await browsing.open_one(cx, "Task", key, {})
        await browsing.open_one(cx, "Task", key, {who: "查错"})
    assert f"Task/{key}" in await looks(app, database, UUID(who))


@pytest.mark.parametrize(
    "resource",
    [
        {"resourceType": "Task", "status": "requested", "intent": "order", "for": "{p}"},
        {"resourceType": "Device", "patient": "{p}"},
        {"resourceType": "GuidanceResponse", "status": "success", "moduleUri": "http://x",
         "subject": "{p}"},
        {"resourceType": "Contract", "subject": ["{p}"]},
    ],
)  # fmt: skip
async def test_whom_a_type_outside_the_compartment_refers_to_is_on_record(
    app: FastAPI, city: httpx.AsyncClient, database: Database, resource: Json
) -> None:
    who = await person(database, "林静")
    kind = resource["resourceType"]
    text = json.dumps(resource).replace('"{p}"', json.dumps({"reference": f"Patient/{who}"}))
    key = await made(city, json.loads(text))
    assert (await city.get(f"{kind}/{key}")).status_code == 200
    assert len((await city.get(f"{kind}?_lastUpdated=gt2020")).json()["entry"]) == 1
    seen = set(await looks(app, database, who))
    assert seen == {f"{kind}/{key}/_history/1", f"{kind}/{key}", f"{kind}?"}
