"""Each interaction over HTTP, as a client meets it."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.scenarios.exchange.rest.conftest import BASE, Enter

Json = dict[str, Any]
PATIENT: Json = {
    "resourceType": "Patient",
    "identifier": [{"system": "urn:x:card", "value": "7"}],
    "name": [{"family": "曾", "given": ["小贤"]}],
    "birthDate": "1990-01-01",
}


def observed(patient: str, **more: Any) -> Json:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": "2026-11-20T08:00:00+08:00",
        "valueQuantity": {"value": 72.5, "unit": "/min"},
        **more,
    }


async def made(city: httpx.AsyncClient, resource: Json) -> str:
    answer = await city.post(resource["resourceType"], json=resource)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def told(answer: httpx.Response) -> Json:
    """Return the first issue of an OperationOutcome."""
    body = answer.json()
    assert body["resourceType"] == "OperationOutcome", body
    return dict(body["issue"][0])


async def test_created_is_read_with_its_version_and_when(city: httpx.AsyncClient) -> None:
    answer = await city.post("Patient", json=PATIENT)
    assert answer.status_code == 201
    key = answer.json()["id"]
    assert answer.headers["location"] == f"{BASE}/fhir/R4/Patient/{key}/_history/1"
    assert answer.headers["etag"] == 'W/"1"'
    assert answer.headers["content-type"] == "application/fhir+json; charset=utf-8"
    again = await city.get(f"Patient/{key}")
    assert again.json() == answer.json()
    assert again.json()["meta"]["versionId"] == "1"
    assert (await city.get(f"Patient/{key}", headers={"If-None-Match": 'W/"1"'})).status_code == 304


async def test_decimals_come_back_as_they_were_written(city: httpx.AsyncClient) -> None:
    patient = await made(city, PATIENT)
    text = httpx.Request("POST", BASE, json=observed(patient)).content.decode()
    sent = text.replace("72.5", "72.50")
    assert sent != text
    answer = await city.post(
        "Observation", content=sent, headers={"Content-Type": "application/fhir+json"}
    )
    key = answer.json()["id"]
    assert '"value":72.50' in (await city.get(f"Observation/{key}")).text


async def test_an_update_is_a_version_and_if_match_guards_it(city: httpx.AsyncClient) -> None:
    key = await made(city, PATIENT)
    new = PATIENT | {"id": key, "gender": "male"}
    answer = await city.put(f"Patient/{key}", json=new, headers={"If-Match": 'W/"1"'})
    assert (answer.status_code, answer.headers["etag"]) == (200, 'W/"2"')
    late = await city.put(f"Patient/{key}", json=new, headers={"If-Match": 'W/"1"'})
    assert late.status_code == 412
    assert told(late)["code"] == "conflict"
    old = await city.get(f"Patient/{key}/_history/1")
    assert "gender" not in old.json()
    versions = (await city.get(f"Patient/{key}/_history")).json()["entry"]
    assert [one["resource"]["meta"]["versionId"] for one in versions] == ["2", "1"]


async def test_a_client_may_choose_the_id(city: httpx.AsyncClient) -> None:
    answer = await city.put("Patient/mine", json=PATIENT | {"id": "mine"})
    assert answer.status_code == 201
    other = await city.put("Patient/mine", json=PATIENT | {"id": "yours"})
    assert other.status_code == 400


async def test_a_patch_changes_what_it_names(city: httpx.AsyncClient) -> None:
    key = await made(city, PATIENT)
    patch = [{"op": "replace", "path": "/birthDate", "value": "1991"}]
    answer = await city.patch(
        f"Patient/{key}", json=patch, headers={"Content-Type": "application/json-patch+json"}
    )
    assert (answer.status_code, answer.json()["birthDate"]) == (200, "1991")


async def test_deleted_is_gone_and_stays_in_history(city: httpx.AsyncClient) -> None:
    key = await made(city, PATIENT)
    assert (await city.delete(f"Patient/{key}")).status_code == 204
    assert (await city.get(f"Patient/{key}")).status_code == 410
    assert (await city.delete(f"Patient/{key}")).status_code == 204
    assert (await city.get("Patient?identifier=urn:x:card|7")).json().get("entry") is None
    entries = (await city.get(f"Patient/{key}/_history")).json()["entry"]
    assert [one["request"]["method"] for one in entries] == ["DELETE", "PUT"]
    assert (await city.get("Patient/never")).status_code == 404


async def test_what_is_referred_to_must_be_there_and_stay(city: httpx.AsyncClient) -> None:
    dangling = await city.post("Observation", json=observed("nobody"))
    assert dangling.status_code == 422
    assert told(dangling)["expression"] == ["Observation.subject.reference"]
    patient = await made(city, PATIENT)
    await made(city, observed(patient))
    refused = await city.delete(f"Patient/{patient}")
    assert refused.status_code == 409


async def test_one_condition_makes_one_resource(city: httpx.AsyncClient) -> None:
    head = {"If-None-Exist": "identifier=urn:x:card|7"}
    answers = await asyncio.gather(
        *(city.post("Patient", json=PATIENT, headers=head) for _ in range(8))
    )
    assert sorted(one.status_code for one in answers) == [200] * 7 + [201]
    assert len({one.json()["id"] for one in answers}) == 1


async def test_conditional_update_patch_and_delete(city: httpx.AsyncClient) -> None:
    first = await city.put("Patient?identifier=urn:x:card|7", json=PATIENT)
    assert first.status_code == 201
    again = await city.put("Patient?identifier=urn:x:card|7", json=PATIENT | {"gender": "male"})
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    patch = [{"op": "remove", "path": "/gender"}]
    head = {"Content-Type": "application/json-patch+json"}
    changed = await city.patch("Patient?identifier=urn:x:card|7", json=patch, headers=head)
    assert changed.headers["etag"] == 'W/"3"'
    await made(city, PATIENT)
    assert (await city.delete("Patient?identifier=urn:x:card|7")).status_code == 412
    assert (await city.delete("Patient?identifier=none")).status_code == 204
    assert (await city.delete(f"Patient?_id={first.json()['id']}")).status_code == 204


async def test_a_transaction_is_whole_or_nothing(city: httpx.AsyncClient) -> None:
    bundle: Json = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a",
                "resource": PATIENT,
                "request": {"method": "POST", "url": "Patient"},
            },
            {
                "resource": observed("x")
                | {"subject": {"reference": "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a"}},
                "request": {"method": "POST", "url": "Observation"},
            },
        ],
    }
    answer = await city.post("", json=bundle)
    assert answer.status_code == 200, answer.text
    assert [one["response"]["status"] for one in answer.json()["entry"]] == ["201 Created"] * 2
    found = (await city.get("Observation?subject.identifier=urn:x:card|7")).json()
    assert len(found["entry"]) == 1
    bundle["entry"][1]["resource"]["status"] = "wrong"
    refused = await city.post("", json=bundle)
    assert refused.status_code == 422
    assert told(refused)["expression"] == ["Bundle.entry[1].resource.status"]
    everyone = (await city.get("Patient?_summary=count")).json()
    assert everyone["total"] == 1


async def test_a_batch_answers_each_by_itself(city: httpx.AsyncClient) -> None:
    bundle = {
        "resourceType": "Bundle",
        "type": "batch",
        "entry": [
            {"resource": PATIENT, "request": {"method": "POST", "url": "Patient"}},
            {"request": {"method": "GET", "url": "Patient/never"}},
            {"request": {"method": "GET", "url": "Patient?name=曾"}},
        ],
    }
    answer = await city.post("", json=bundle)
    states = [one["response"]["status"][:3] for one in answer.json()["entry"]]
    assert states == ["201", "404", "200"]
    assert answer.json()["entry"][2]["resource"]["type"] == "searchset"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "Nothing/1", 404, "not-supported"),
        ("GET", "Patient/a b", 400, "value"),
        ("PUT", "Patient", 412, "required"),
        ("GET", "Patient?favourite=red", 400, "not-supported"),
        ("GET", "Patient?birthdate=yesterday", 400, "value"),
    ],
)
async def test_what_is_not_understood_is_refused(
    city: httpx.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    body = {"json": PATIENT} if method == "PUT" else {}
    answer = await city.request(method, path, **body)  # type: ignore[arg-type]
    assert (answer.status_code, told(answer)["code"]) == (status, code)


async def test_nobody_gets_in_without_a_token_but_to_the_capabilities(enter: Enter) -> None:
    stranger = await enter()
    assert (await stranger.get("metadata")).json()["resourceType"] == "CapabilityStatement"
    answer = await stranger.get("Patient/1")
    assert (answer.status_code, told(answer)["code"]) == (401, "login")


async def test_pages_follow_one_another_with_signed_links(city: httpx.AsyncClient) -> None:
    for number in range(7):
        await made(city, PATIENT | {"identifier": [{"value": str(number)}]})
    seen: list[str] = []
    page = (await city.get("Patient?name=曾&_count=3")).json()
    while True:
        seen += [one["resource"]["identifier"][0]["value"] for one in page["entry"]]
        links = {one["relation"]: one["url"] for one in page["link"]}
        if "next" not in links:
            break
        await made(city, PATIENT)  # what comes later is on none of these pages
        page = (await city.get(links["next"])).json()
    assert sorted(seen) == [str(number) for number in range(7)]
    forged = links["self"].replace("_page=", "_page=x")
    assert (await city.get(forged)).status_code == 400


async def test_includes_bring_what_is_referred_to(city: httpx.AsyncClient) -> None:
    patient = await made(city, PATIENT)
    await made(city, observed(patient))
    found = (await city.get("Observation?code=8867-4&_include=Observation:subject")).json()
    assert [one["search"]["mode"] for one in found["entry"]] == ["match", "include"]
    back = (await city.get("Patient?_id=" + patient + "&_revinclude=Observation:subject")).json()
    assert [one["resource"]["resourceType"] for one in back["entry"]] == ["Patient", "Observation"]
