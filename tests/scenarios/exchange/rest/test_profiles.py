"""`$validate` with profiles: those a resource claims, and the one that is asked for."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from citycare.kernel.context import Role
from tests.scenarios.exchange.rest.conftest import Enter
from tests.scenarios.exchange.rest.test_interactions import PATIENT, made, told
from tests.scenarios.exchange.rest.test_operations import parameters

Json = dict[str, Any]

R4 = "http://hl7.org/fhir/StructureDefinition/"
URL = "https://a.example/StructureDefinition/resident"


@pytest.fixture
async def profile(city: httpx.AsyncClient) -> Json:
    """A profile that is loaded: a resident has an address and no photo."""
    definition: Json = {
        "resourceType": "StructureDefinition",
        "url": URL,
        "version": "1",
        "name": "Resident",
        "status": "active",
        "kind": "resource",
        "abstract": False,
        "type": "Patient",
        "baseDefinition": f"{R4}Patient",
        "derivation": "constraint",
        "differential": {
            "element": [
                {"id": "Patient", "path": "Patient"},
                {"id": "Patient.photo", "path": "Patient.photo", "max": "0"},
                {"id": "Patient.address", "path": "Patient.address", "min": 1},
                {
                    "id": "Patient.address.text",
                    "path": "Patient.address.text",
                    "min": 1,
                    "maxLength": 80,
                },
            ]
        },
    }
    await made(city, definition)
    return definition


async def issues(city: httpx.AsyncClient, **some: Any) -> list[tuple[str, str, str]]:
    answer = await city.post("Patient/$validate", json=parameters(**some))
    assert answer.status_code == 200, answer.text
    return [
        (one["severity"], one["code"], one.get("expression", [""])[0])
        for one in answer.json()["issue"]
        if one["severity"] == "error"
    ]


@pytest.mark.usefixtures("profile")
async def test_it_is_held_to_the_profile_that_is_asked_for(city: httpx.AsyncClient) -> None:
    wrong = PATIENT | {"photo": [{"title": "x"}], "gender": "purple"}
    everything = [
        ("error", "code-invalid", "Patient.gender"),
        ("error", "structure", "Patient.photo"),
        ("error", "required", "Patient.address"),
    ]
    for url in (URL, f"{URL}|1"):
        assert await issues(city, profile=url, resource={"resource": wrong}) == everything
    assert await issues(city, resource={"resource": wrong}) == everything[:1]
    right = PATIENT | {"address": [{"text": "示例路1号"}]}
    assert await issues(city, profile=URL, resource={"resource": right}) == []


@pytest.mark.usefixtures("profile")
async def test_it_is_held_to_what_it_claims_and_told_what_was_not_checked(
    city: httpx.AsyncClient,
) -> None:
    claimed = {"meta": {"profile": [URL, "https://a.example/gone"]}}
    answer = await city.post("Patient/$validate", json=PATIENT | claimed)
    assert answer.status_code == 200
    found = answer.json()["issue"]
    assert [one["expression"] for one in found if one["severity"] == "error"] == [
        ["Patient.address"]
    ]
    fault = next(one for one in found if one["severity"] == "error")
    assert URL in fault["diagnostics"]
    assert URL in fault["details"]["text"]
    assert [one["diagnostics"] for one in found if one["severity"] == "information"] == [
        "Not checked: https://a.example/gone: it is not here",
        f"Not checked: {URL}: Patient.address.text: maxLength",
    ]


@pytest.mark.usefixtures("profile")
@pytest.mark.parametrize("asked", [f"{URL}|2", "https://a.example/gone", f"{R4}Observation"])
async def test_a_profile_that_is_not_here_is_refused(city: httpx.AsyncClient, asked: str) -> None:
    body = parameters(profile=asked, resource={"resource": PATIENT})
    answer = await city.post("Patient/$validate", json=body)
    assert (answer.status_code, told(answer)["code"]) == (400, "not-supported")


async def test_a_definition_of_something_else_is_no_profile(
    city: httpx.AsyncClient, profile: Json
) -> None:
    logical = profile | {"url": "urn:logical", "kind": "logical", "type": "urn:thing"}
    await made(city, logical | {"derivation": "specialization"})
    body = parameters(profile="urn:logical", resource={"resource": PATIENT})
    answer = await city.post("Patient/$validate", json=body)
    assert (answer.status_code, told(answer)["code"]) == (400, "not-supported")
    assert "does not constrain" in told(answer)["diagnostics"]


@pytest.mark.usefixtures("profile")
async def test_a_clinician_may_validate_against_profiles_as_well(enter: Enter) -> None:
    doctor = await enter(Role.CLINICIAN)
    assert await issues(doctor, profile=URL, resource={"resource": PATIENT}) == [
        ("error", "required", "Patient.address")
    ]
