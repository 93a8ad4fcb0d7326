"""Operations over HTTP: what they answer, whom they answer, what they refuse."""

from __future__ import annotations

from typing import Any

import httpx
import psycopg
import pytest

from citycare.kernel import fhir
from citycare.kernel.context import Role
from tests.scenarios.exchange.rest.conftest import BASE, Enter
from tests.scenarios.exchange.rest.test_interactions import PATIENT, made, observed, told

Json = dict[str, Any]
DOCTOR: Json = {"resourceType": "Practitioner", "name": [{"text": "胡一菲"}]}


def names(bundle: Json, mode: str = "") -> list[str]:
    return sorted(
        f"{one['resource']['resourceType']}/{one['resource']['id']}"
        for one in bundle.get("entry", ())
        if mode in ("", one["search"]["mode"])
    )


def parameters(**some: Any) -> Json:
    parts = [
        {"name": name, **(one if isinstance(one, dict) else {"valueString": one})}
        for name, one in some.items()
    ]
    return {"resourceType": "Parameters", "parameter": parts}


@pytest.fixture
async def record(city: httpx.AsyncClient) -> list[str]:
    """Two patients; the first has three observations by a doctor. Names of what is theirs."""
    doctor = await made(city, DOCTOR)
    one, other = await made(city, PATIENT), await made(city, PATIENT)
    by = {"performer": [{"reference": f"Practitioner/{doctor}"}]}
    seen = [
        await made(city, observed(one, effectiveDateTime=f"2026-11-{day}", **by))
        for day in (18, 19, 20)
    ]
    await made(city, observed(other))
    return [f"Patient/{one}", f"Practitioner/{doctor}", *(f"Observation/{key}" for key in seen)]


# $everything


async def test_everything_of_a_patient_is_theirs_and_who_is_named_in_it(
    city: httpx.AsyncClient, record: list[str]
) -> None:
    patient, doctor, *seen = record
    answer = await city.get(f"{patient}/$everything")
    assert answer.status_code == 200, answer.text
    bundle = answer.json()
    assert bundle["type"] == "searchset"
    assert names(bundle, "match") == sorted([patient, *seen])
    assert names(bundle, "include") == [doctor]
    assert [one["relation"] for one in bundle["link"]] == ["self"]
    posted = await city.post(f"{patient}/$everything")
    assert names(posted.json()) == names(bundle)


async def test_everything_is_two_statements_whatever_it_holds(
    city: httpx.AsyncClient, record: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    execute = psycopg.AsyncCursor.execute

    async def noted(self: Any, query: Any, *args: Any, **more: Any) -> Any:
        sent.append(str(query))
        return await execute(self, query, *args, **more)

    monkeypatch.setattr(psycopg.AsyncCursor, "execute", noted)
    assert (await city.get(f"{record[0]}/$everything")).status_code == 200
    assert len([one for one in sent if "fhir.resource" in one]) == 2


async def test_everything_comes_in_pages_of_which_none_repeats_a_match(
    city: httpx.AsyncClient, record: list[str]
) -> None:
    patient, _, *seen = record
    answer = await city.post(f"{patient}/$everything", json=parameters(_count={"valueInteger": 2}))
    page, found = answer.json(), []
    while True:
        found += names(page, "match")
        links = {one["relation"]: one["url"] for one in page["link"]}
        if "next" not in links:
            break
        await made(city, observed(patient.removeprefix("Patient/")))
        page = (await city.get(links["next"])).json()
    assert sorted(found) == sorted([patient, *seen])
    forged = links["self"].replace("_count=2", "_count=3")
    assert (await city.get(forged)).status_code == 400


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("start=2026-11-19", [0, 3, 4]),
        ("end=2026-11-19", [0, 2, 3]),
        ("start=2026-11-19&end=2026-11-19T15:00:00Z", [0, 3]),
        ("_type=Observation", [2, 3, 4]),
        ("_type=Patient", [0]),
        ("_type=Practitioner", []),
        ("_type=Observation,Practitioner", [2, 3, 4]),
        ("_since=2001-01-01T00:00:00Z", [0, 2, 3, 4]),
        ("_since=2201-01-01T00:00:00Z", []),
    ],
)
async def test_everything_is_narrowed(
    city: httpx.AsyncClient, record: list[str], query: str, expected: list[int]
) -> None:
    found = (await city.get(f"{record[0]}/$everything?{query}")).json()
    assert names(found, "match") == sorted(record[place] for place in expected)
    bare = "_since=22" in query or ("_type" in query and "Practitioner" not in query)
    assert names(found, "include") == ([] if bare else [record[1]])


async def test_everything_of_an_encounter_and_of_all_patients(
    city: httpx.AsyncClient, record: list[str]
) -> None:
    visit = await made(
        city,
        {
            "resourceType": "Encounter",
            "status": "finished",
            "class": {"code": "AMB"},
            "subject": {"reference": record[0]},
        },
    )
    inside = await made(
        city,
        observed(record[0].partition("/")[2], encounter={"reference": f"Encounter/{visit}"}),
    )
    found = (await city.get(f"Encounter/{visit}/$everything")).json()
    assert names(found, "match") == [f"Encounter/{visit}", f"Observation/{inside}"]
    every = (await city.get("Patient/$everything?_type=Patient,Observation")).json()
    assert len(names(every, "match")) == 2 + 5


async def test_everything_is_for_those_who_may_see_the_patient(
    city: httpx.AsyncClient, enter: Enter, record: list[str]
) -> None:
    assert (await city.get("Patient/nobody/$everything")).status_code == 404
    stranger = await enter(Role.CLINICIAN)
    for path in (f"{record[0]}/$everything", f"{record[0]}/$everything?_type=Observation"):
        answer = await stranger.get(path)
        assert (answer.status_code, told(answer)["code"]) == (404, "not-found")
    assert names((await stranger.get("Patient/$everything")).json()) == []


# $validate


async def test_validate_tells_every_fault_and_answers_200(city: httpx.AsyncClient) -> None:
    wrong = PATIENT | {"gender": "purple", "birthDate": "soon", "favourite": "red"}
    answer = await city.post("Patient/$validate", json=wrong)
    assert answer.status_code == 200
    faults = [one for one in answer.json()["issue"] if one["severity"] == "error"]
    places = {one["expression"][0] for one in faults}
    assert places == {"Patient.gender", "Patient.birthDate", "Patient.favourite"}
    wrapped = parameters(resource={"resource": wrong})
    assert (await city.post("Patient/$validate", json=wrapped)).json() == answer.json()
    right = (await city.post("Patient/$validate", json=PATIENT)).json()["issue"]
    assert {one["severity"] for one in right} <= {"information", "warning"}


async def test_validate_tells_what_would_keep_it_from_being_written(
    city: httpx.AsyncClient, record: list[str]
) -> None:
    patient = record[0]

    async def codes(path: str, resource: Json | None, mode: str) -> list[str]:
        some: Json = {"mode": {"valueCode": mode}}
        some |= {"resource": {"resource": resource}} if resource else {}
        answer = await city.post(f"{path}/$validate", json=parameters(**some))
        assert answer.status_code == 200, answer.text
        issues = answer.json()["issue"]
        return [one["code"] for one in issues if one["severity"] == "error"]

    assert await codes("Observation", observed("nobody"), "create") == ["not-found"]
    assert await codes("Observation", observed(patient.partition("/")[2]), "create") == []
    assert await codes(patient, PATIENT | {"id": "other"}, "update") == ["invalid"]
    assert await codes(patient, PATIENT, "update") == []
    assert await codes(patient, None, "delete") == ["conflict"]
    assert await codes(record[2], None, "delete") == []
    assert (await city.get(f"{patient}/$validate")).status_code == 200
    assert (await city.get(record[2])).status_code == 200, "nothing was deleted"


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("Patient/$validate", None, 400, "value"),
        ("Patient/$validate", parameters(mode="delete"), 400, "value"),
        ("Patient/$validate", parameters(mode="sideways"), 400, "value"),
        ("Patient/$validate", parameters(colour="red"), 400, "value"),
        (
            "Patient/$validate",
            parameters(profile="http://a.example/p", resource={"resource": PATIENT}),
            400,
            "not-supported",
        ),
        ("Patient/$validate", {"resourceType": "Parameters", "parameter": 7}, 400, "structure"),
        ("Patient/$validate", [], 400, "structure"),
        ("Patient/$match", PATIENT | {"name": ["曾"]}, 422, "structure"),
        ("Patient/$match", PATIENT | {"birthDate": "1990"}, 400, "value"),
        ("Patient/$match", PATIENT | {"name": [{"text": "。"}]}, 400, "value"),
        ("Patient/$validate", parameters(mode={"valueCode": ["create"]}), 422, "structure"),
        ("Patient/$everything", parameters(_count={"valueInteger": 0}), 400, "value"),
        ("Patient/$everything", parameters(_type="Patient,Nothing"), 400, "value"),
        ("Patient/$everything", parameters(start="soon"), 400, "value"),
        ("Patient/$everything", parameters(_page="forged"), 400, "invalid"),
        ("Patient/$explain", parameters(favourite="red"), 400, "not-supported"),
        ("Patient/$sing", None, 404, "not-supported"),
        ("$everything", None, 404, "not-supported"),
        ("Patient/1/$match", None, 404, "not-supported"),
        ("Patient/nobody/$validate", None, 404, "not-found"),
    ],
)
async def test_what_is_not_offered_or_not_understood_is_refused(
    city: httpx.AsyncClient, path: str, body: Any, status: int, code: str
) -> None:
    answer = await city.post(path, **({"json": body} if body is not None else {}))
    assert (answer.status_code, told(answer)["code"]) == (status, code)


# $match


async def test_match_weighs_who_it_may_be(city: httpx.AsyncClient, enter: Enter) -> None:
    same = await made(city, PATIENT | {"gender": "male"})
    heard = PATIENT | {"name": [{"text": "曾小闲"}], "gender": "male", "identifier": []}
    del heard["identifier"]
    alike = await made(city, heard)
    await made(city, heard | {"identifier": [{"system": "urn:x:card", "value": "8"}]})
    await made(city, heard | {"name": [{"text": "吕子乔"}], "birthDate": "1955-05-05"})
    asked = parameters(resource={"resource": PATIENT | {"gender": "male"}})
    answer = await city.post("Patient/$match", json=asked)
    assert answer.status_code == 200, answer.text
    entries = answer.json()["entry"]
    found = {one["resource"]["id"]: one["search"] for one in entries}
    assert list(found) == [same, alike], "the likeliest first; another number is another person"
    assert found[same]["score"] == 1
    grades = [one["extension"][0]["valueCode"] for one in found.values()]
    assert grades == ["certain", "probable"]
    assert 0.5 <= found[alike]["score"] < 1
    asked["parameter"].append({"name": "onlyCertainMatches", "valueBoolean": True})
    only = (await city.post("Patient/$match", json=asked)).json()
    assert names(only) == [f"Patient/{same}"]
    doctor = await enter(Role.CLINICIAN)
    refused = await doctor.post("Patient/$match", json=asked)
    assert (refused.status_code, told(refused)["code"]) == (403, "forbidden")


# $explain


async def test_explain_shows_plans_and_what_is_rechecked(
    city: httpx.AsyncClient, enter: Enter, record: list[str]
) -> None:
    answer = await city.get(
        f"Observation/$explain?patient={record[0]}&value-quantity=gt1&code=8867-4"
        "&subject:Patient.name=曾"
    )
    assert answer.status_code == 200, answer.text
    some = answer.json()["parameter"]
    numbers = {one["name"]: one["valueInteger"] for one in some if "valueInteger" in one}
    assert numbers["matches"] == 3
    decided = {
        one["part"][0]["valueString"]: one["part"][1]["valueCode"]
        for one in some
        if one["name"] == "criterion"
    }
    assert decided == {
        "patient": "none", "value-quantity": "all", "code": "none", "subject:Patient.name": "some",
    }  # fmt: skip
    statements = [one["part"] for one in some if one["name"] == "statement"]
    assert statements
    assert all('"Plan"' in parts[2]["valueString"] for parts in statements)
    stranger = await enter(Role.CLINICIAN)
    assert (await stranger.get("Observation/$explain?code=x")).status_code == 403


async def test_a_batch_may_hold_operations(city: httpx.AsyncClient, record: list[str]) -> None:
    bundle = {
        "resourceType": "Bundle",
        "type": "batch",
        "entry": [{"request": {"method": "GET", "url": f"{record[0]}/$everything"}}],
    }
    answer = await city.post("", json=bundle)
    (entry,) = answer.json()["entry"]
    assert entry["response"]["status"][:3] == "200", entry
    assert len(entry["resource"]["entry"]) == 5


async def test_operations_are_declared(city: httpx.AsyncClient) -> None:
    (rest,) = (await city.get("metadata")).json()["rest"]
    by_type = {
        one["type"]: {each["name"] for each in one.get("operation", ())} for one in rest["resource"]
    }
    assert by_type["Patient"] == {"validate", "everything", "match", "explain", "export"}
    assert by_type["ValueSet"] == {"validate", "expand", "validate-code", "explain"}
    assert by_type["CodeSystem"] == {
        "validate", "lookup", "validate-code", "subsumes", "explain",
    }  # fmt: skip
    assert by_type["Observation"] == {"validate", "explain"}


async def test_what_is_ours_alone_is_defined_here(city: httpx.AsyncClient, enter: Enter) -> None:
    (rest,) = (await city.get("metadata")).json()["rest"]
    told = [each for one in rest["resource"] for each in one.get("operation", ())]
    (address,) = {one["definition"] for one in told if one["name"] == "explain"}
    assert address.startswith(f"{BASE}/fhir/R4/OperationDefinition/")
    for who in (city, await enter(Role.CLINICIAN)):
        answer = await who.get(address)
        assert answer.status_code == 200, answer.text
        made = answer.json()
        assert not fhir.violations(made)
        assert (made["url"], made["code"], made["affectsState"]) == (address, "explain", False)
        assert (made["system"], made["type"], made["instance"]) == (False, True, False)
        assert made["resource"] == sorted(one["type"] for one in rest["resource"])
    assert "parameter" not in (await city.get(f"{address}?_summary=true")).json()
    answer = await city.get("Observation/$explain?code=8867-4")
    given = {one["name"] for one in answer.json()["parameter"]}
    assert given <= {one["name"] for one in made["parameter"] if one["use"] == "out"}
    for path in (f"{address}x", f"{address}/_history/1", "OperationDefinition/explain"):
        assert (await city.get(path)).status_code == 404
    assert (await (await enter()).get(address)).status_code == 401
