"""Who sees and changes what over HTTP: residents, doctors, systems of organisations."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from fastapi import FastAPI

from citycare.kernel import consent, fhir, identity
from citycare.kernel.consent import CareRow
from citycare.kernel.context import SYSTEM, Context, Role
from citycare.kernel.fhir import publish
from citycare.kernel.identity import NewPerson, Sex, organisations
from citycare.kernel.identity.organisations import Organisation, OrganisationKind
from citycare.kit import clock, ids
from citycare.kit.db import Database
from tests.scenarios.exchange.rest.conftest import Enter
from tests.scenarios.exchange.rest.test_interactions import PATIENT, observed

Json = dict[str, Any]


async def person(database: Database, name: str) -> UUID:
    """Register somebody, and publish them as a Patient."""
    async with database.transaction() as db:
        cx = Context(db, SYSTEM, clock.now(), "test")
        born = clock.day_of(cx.now) - timedelta(days=9_000)
        made = await identity.register_person(cx, NewPerson(name, Sex.FEMALE, born))
        await fhir.put(cx, [publish.patient(made)])
    return made.id


async def hospital(database: Database, name: str) -> UUID:
    async with database.transaction() as db:
        cx = Context(db, SYSTEM, clock.now(), "test")
        made = Organisation(ids.new(), name, name, OrganisationKind.HOSPITAL, "310106")
        await organisations.register_organisation(cx, made)
    return made.id


async def test_residents_see_their_own_record_and_of_others_nothing(
    enter: Enter, city: Any, database: Database
) -> None:
    me, other = await person(database, "林静"), await person(database, "沈玉兰")
    mine = (await city.post("Observation", json=observed(str(me)))).json()["id"]
    theirs = (await city.post("Observation", json=observed(str(other)))).json()["id"]
    client = await enter(Role.RESIDENT, person=me)
    assert (await client.get(f"Patient/{me}")).status_code == 200
    assert (await client.get(f"Observation/{mine}")).status_code == 200
    for path in (f"Patient/{other}", f"Observation/{theirs}", f"Observation/{theirs}/_history"):
        assert (await client.get(path)).status_code == 404, path
    found = (await client.get("Observation?code=8867-4")).json()["entry"]
    assert [one["resource"]["id"] for one in found] == [mine]
    chained = (await client.get("Observation?subject:Patient.name=沈")).json()
    assert "entry" not in chained
    assert (await client.post("Observation", json=observed(str(me)))).status_code == 403


async def test_doctors_see_whom_they_treat_and_who_looked_is_on_record(
    enter: Enter, city: Any, database: Database, app: FastAPI
) -> None:
    patient, other = await person(database, "林静"), await person(database, "沈玉兰")
    house = await hospital(database, "示例医院")
    for one in (patient, other):
        await city.post("Observation", json=observed(str(one)))
    doctor = await enter(Role.CLINICIAN, organisation=house)
    assert (await doctor.get(f"Patient/{patient}")).status_code == 404
    async with database.transaction() as db:
        cx = Context(db, SYSTEM, clock.now(), "test")
        window = consent.care_window(cx.now, 1, 30)
        await consent.open_care(cx, [CareRow(patient, house, None, "booking:1", *window)])
    doctor = await enter(Role.CLINICIAN, organisation=house)  # of the first it is known still
    assert (await doctor.get(f"Patient/{patient}")).status_code == 200
    assert len((await doctor.get("Observation?code=8867-4")).json()["entry"]) == 1
    written = await doctor.post("Observation", json=observed(str(patient)))
    assert written.status_code == 201, written.text
    assert (await doctor.post("Observation", json=observed(str(other)))).status_code in (403, 422)
    await app.state.exchange.server.trail.flush()
    looks = "SELECT action, line::json ->> 'record' AS record FROM audit.entry WHERE person_id = %s"
    async with database.autocommit() as db:
        rows = await (await db.execute(looks, [patient])).fetchall()
    seen = {(row["action"], row["record"].partition("/")[0].rstrip("?")) for row in rows}
    assert {("record.read", "Patient"), ("record.read", "Observation")} <= seen
    assert ("record.write", "Observation") in seen


async def test_a_system_sees_and_changes_what_its_organisation_wrote(
    enter: Enter, database: Database
) -> None:
    here, there = await hospital(database, "甲院"), await hospital(database, "乙院")
    ours = await enter(Role.EXCHANGE, organisation=here)
    theirs = await enter(Role.EXCHANGE, organisation=there)
    key = (await ours.post("Patient", json=PATIENT)).json()["id"]
    assert (await ours.get(f"Patient/{key}")).status_code == 200
    assert (await theirs.get(f"Patient/{key}")).status_code == 404
    assert "entry" not in (await theirs.get("Patient?name=曾")).json()
    assert (await theirs.put(f"Patient/{key}", json=PATIENT | {"id": key})).status_code == 404
    assert (await theirs.delete(f"Patient/{key}")).status_code == 204  # as of nothing
    assert (await ours.get(f"Patient/{key}")).status_code == 200
    assert (await ours.put(f"Patient/{key}", json=PATIENT | {"id": key})).status_code == 200
    assert (await ours.get("Patient/_history")).status_code == 403
