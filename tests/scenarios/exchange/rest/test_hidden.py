"""What may not be known of: refusals and answers to writes do not tell that it is there."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from citycare.kernel.context import Role
from citycare.kit.db import Database
from tests.scenarios.exchange.rest.conftest import Enter
from tests.scenarios.exchange.rest.test_access import hospital, person
from tests.scenarios.exchange.rest.test_interactions import PATIENT, made

TAGS = [{}, {"If-Match": 'W/"1"'}, {"If-Match": "*"}]
DELETION = {
    "resourceType": "Parameters",
    "parameter": [{"name": "mode", "valueCode": "delete"}],
}


def told(answer: httpx.Response, key: str) -> tuple[int, str]:
    """Return what an answer says, but for what is its own: the id asked for, that of an outcome."""
    said = answer.json()["issue"] if answer.text else ""
    return answer.status_code, str(said).replace(key, "")


def condition(patient: str, key: str) -> dict[str, Any]:
    subject = {"reference": f"Patient/{patient}"}
    return {"resourceType": "Condition", "id": key, "subject": subject}


@pytest.mark.parametrize("tag", TAGS)
async def test_a_deletion_is_answered_as_if_nothing_were_there(
    enter: Enter, city: httpx.AsyncClient, database: Database, tag: dict[str, str]
) -> None:
    await city.put("Patient/mrn-7", json=PATIENT | {"id": "mrn-7"})
    house = await hospital(database, "甲院")
    for who in (
        await enter(Role.RESIDENT, person=await person(database, "林静")),
        await enter(Role.EXCHANGE, organisation=house),
        await enter(Role.CLINICIAN, organisation=house),
    ):
        there, nothing = [
            told(await who.delete(f"Patient/{key}", headers=tag), key) for key in ("mrn-7", "mrn-8")
        ]
        assert there == nothing
    assert (await city.get("Patient/mrn-7")).status_code == 200


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("tag", TAGS[1:])
async def test_a_change_of_a_version_is_answered_as_if_nothing_were_there(
    enter: Enter, city: httpx.AsyncClient, database: Database, method: str, tag: dict[str, str]
) -> None:
    await city.put("Patient/mrn-7", json=PATIENT | {"id": "mrn-7"})
    who = await enter(Role.EXCHANGE, organisation=await hospital(database, "甲院"))
    kind = "application/json-patch+json" if method == "PATCH" else "application/fhir+json"
    head = tag | {"Content-Type": kind}
    answers = []
    for key in ("mrn-7", "mrn-8"):
        body: Any = [{"op": "test", "path": "/id", "value": key}]
        body = body if method == "PATCH" else PATIENT | {"id": key}
        answer = await who.request(method, f"Patient/{key}", json=body, headers=head)
        answers.append(told(answer, key))
    assert answers[0] == answers[1]
    assert answers[0][0] == (412 if method == "PUT" else 404)


async def test_what_refers_to_a_resource_is_named_only_to_who_may_see_it(
    enter: Enter, city: httpx.AsyncClient, database: Database
) -> None:
    ours = await enter(Role.EXCHANGE, organisation=await hospital(database, "甲院"))
    theirs = await enter(Role.EXCHANGE, organisation=await hospital(database, "乙院"))
    patient = await made(ours, PATIENT)
    for who, key in ((theirs, "hiv-clinic-88"), (ours, "ours-1")):
        put = await who.put(f"Condition/{key}", json=condition(patient, key))
        assert put.status_code == 201
    for client, seen, hidden in (
        (ours, ["Condition/ours-1", "others"], "hiv-clinic-88"),
        (city, ["Condition/ours-1", "Condition/hiv-clinic-88"], "others"),
    ):
        for answer in (
            await client.delete(f"Patient/{patient}"),
            await client.post(f"Patient/{patient}/$validate", json=DELETION),
        ):
            assert "fhir.referenced" in answer.text
            assert all(one in answer.text for one in seen), answer.text
            assert hidden not in answer.text
