"""Terminology over HTTP: its operations, and sets of codes in searches."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from citycare.kernel.context import ANONYMOUS, Context
from citycare.kernel.fhir import terminology
from citycare.kit.db import Database
from tests.conftest import NOW
from tests.kernel.fhir.terminology.made import (
    CLINICAL,
    FRUIT,
    INSURANCE,
    concept_map,
    fruit,
    include,
    mapped,
    value_set,
)
from tests.scenarios.exchange.rest.test_interactions import PATIENT, made, observed, told
from tests.scenarios.exchange.rest.test_operations import names, parameters

Json = dict[str, Any]
SOME, MAP = "urn:made-up:some", "urn:made-up:map"


@pytest.fixture
async def loaded(database: Database) -> dict[str, str]:
    """A code system, a value set and a map; their addresses by type."""
    group = {"source": CLINICAL, "target": INSURANCE, "element": [mapped("A", ("B", "equal"))]}
    found = {}
    async with database.transaction() as db:
        cx = Context(db, ANONYMOUS, NOW, "test")
        chosen = value_set(SOME, include(FRUIT, ["apple", "lemon", "tomato"]))
        for one in (fruit(), chosen, concept_map(MAP, group)):
            row = await terminology.load(cx, one)
            found[row.type] = f"{row.type}/{row.resource_id}"
    return found


def value(answer: httpx.Response, name: str) -> Any:
    """Return the value of one out parameter."""
    assert answer.status_code == 200, answer.text
    for one in answer.json()["parameter"]:
        if one["name"] == name:
            return next(each for key, each in one.items() if key.startswith("value"))
    return None


async def test_expand_pages_and_filters(city: httpx.AsyncClient, loaded: dict[str, str]) -> None:
    async def codes(path: str) -> list[str]:
        answer = await city.get(path)
        assert answer.status_code == 200, answer.text
        return [one["code"] for one in answer.json()["expansion"].get("contains", ())]

    assert await codes(f"ValueSet/$expand?url={SOME}") == ["apple", "lemon", "tomato"]
    assert await codes(f"ValueSet/$expand?url={SOME}&offset=1&count=1") == ["lemon"]
    assert await codes(f"{loaded['ValueSet']}/$expand?filter=苹") == ["apple"]
    sent = value_set("urn:made-up:sent", include(FRUIT, ["leek"]))
    for body in (sent, parameters(valueSet={"resource": sent})):
        answer = await city.post("ValueSet/$expand", json=body)
        assert [one["code"] for one in answer.json()["expansion"]["contains"]] == ["leek"]


async def test_lookup_and_subsumes(city: httpx.AsyncClient, loaded: dict[str, str]) -> None:
    asked = f"CodeSystem/$lookup?system={FRUIT}&code=apple"
    assert value(await city.get(asked), "display") == "苹果"
    assert value(await city.get(asked + "&displayLanguage=de"), "display") == "Apfel"
    coding = {"valueCoding": {"system": FRUIT, "code": "apple"}}
    posted = await city.post("CodeSystem/$lookup", json=parameters(coding=coding))
    assert value(posted, "display") == "苹果"
    missing = await city.get(f"CodeSystem/$lookup?system={FRUIT}&code=pear")
    assert (missing.status_code, told(missing)["code"]) == (404, "not-found")
    pair = "codeA=fruit&codeB=boskoop"
    for path in (f"CodeSystem/$subsumes?system={FRUIT}&{pair}",
                 f"{loaded['CodeSystem']}/$subsumes?{pair}"):  # fmt: skip
        assert value(await city.get(path), "outcome") == "subsumes"


async def test_validate_code_of_systems_and_sets(
    city: httpx.AsyncClient, loaded: dict[str, str]
) -> None:
    for path, right in [
        (f"CodeSystem/$validate-code?url={FRUIT}&code=leek", True),
        (f"CodeSystem/$validate-code?url={FRUIT}&code=pear", False),
        (f"{loaded['CodeSystem']}/$validate-code?code=leek&display=韭葱", True),
        (f"ValueSet/$validate-code?url={SOME}&system={FRUIT}&code=leek", False),
        (f"ValueSet/$validate-code?url={SOME}&system={FRUIT}&code=apple&display=梨", False),
        (f"{loaded['ValueSet']}/$validate-code?system={FRUIT}&code=apple", True),
    ]:
        assert value(await city.get(path), "result") is right, path
    concept = {"coding": [{"system": "urn:away", "code": "x"}, {"system": FRUIT, "code": "apple"}]}
    for url, path in ((SOME, "ValueSet"), (FRUIT, "CodeSystem")):
        body = parameters(url={"valueUri": url}, codeableConcept={"valueCodeableConcept": concept})
        answer = await city.post(f"{path}/$validate-code", json=body)
        assert value(answer, "result") is True, path


async def test_translate(city: httpx.AsyncClient, loaded: dict[str, str]) -> None:
    for path in (f"ConceptMap/$translate?url={MAP}", f"{loaded['ConceptMap']}/$translate?"):
        answer = await city.get(f"{path}&system={CLINICAL}&code=A")
        assert value(answer, "result") is True
        (match,) = [one for one in answer.json()["parameter"] if one["name"] == "match"]
        assert match["part"][1]["valueCoding"] == {"system": INSURANCE, "code": "B"}
    back = f"ConceptMap/$translate?system={INSURANCE}&code=B&reverse=true"
    assert value(await city.get(back), "result") is True
    none = await city.get(f"ConceptMap/$translate?system={CLINICAL}&code=Z")
    assert value(none, "result") is False


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("ValueSet/$expand", 400),
        ("ValueSet/$expand?url=urn:made-up:away", 404),
        (f"ValueSet/$expand?url={SOME}&count=many", 400),
        (f"ValueSet/$expand?url={SOME}&context=x", 400),
        ("CodeSystem/$lookup?code=apple", 400),
        (f"CodeSystem/$subsumes?system={FRUIT}&codeA=apple", 400),
        (f"CodeSystem/$validate-code?url={FRUIT}", 400),
        (f"ConceptMap/$translate?url=urn:away&system={CLINICAL}&code=A", 404),
    ],
)
async def test_what_cannot_be_answered_is_refused(
    city: httpx.AsyncClient, path: str, status: int
) -> None:
    answer = await city.get(path)
    assert answer.status_code == status, answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"


async def test_searches_and_conditions_take_sets_of_codes(
    city: httpx.AsyncClient, loaded: dict[str, str]
) -> None:
    patient = await made(city, PATIENT)
    kept = {}
    for code in ("apple", "boskoop", "leek"):
        coded = {"code": {"coding": [{"system": FRUIT, "code": code}]}}
        kept[code] = f"Observation/{await made(city, observed(patient, **coded))}"

    async def found(query: str) -> list[str]:
        answer = await city.get(query)
        assert answer.status_code == 200, answer.text
        return names(answer.json())

    below = sorted([kept["apple"], kept["boskoop"]])
    assert await found(f"Observation?code:below={FRUIT}|apple") == below
    assert await found(f"Observation?code:in={loaded['ValueSet']}") == [kept["apple"]]
    assert await found(f"Observation?code:not-in={SOME}") == sorted([kept["boskoop"], kept["leek"]])
    assert await found(f"Patient?_has:Observation:patient:code:in={SOME}") == [f"Patient/{patient}"]
    head = {"If-None-Exist": f"code:below={FRUIT}|vegetable"}
    again = await city.post("Observation", json=observed(patient), headers=head)
    assert f"Observation/{again.json()['id']}" == kept["leek"]
    wrong = await city.get("Observation?code:in=urn:away")
    assert (wrong.status_code, told(wrong)["code"]) == (400, "value")
