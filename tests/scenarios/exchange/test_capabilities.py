"""The CapabilityStatement is right by R4's rules, and says what the reader of searches takes."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from citycare.kernel import fhir
from citycare.kernel.fhir.r4 import RESOURCES, parameters
from citycare.kernel.fhir.searching.reading import read
from citycare.scenarios.exchange.model.values import Kind
from citycare.scenarios.exchange.service.capabilities import Operation, Security, Site, text

NOW = datetime(2026, 11, 29, 8, tzinfo=UTC)
BASE = "http://127.0.0.1:8000/fhir/R4"
HL7 = "http://hl7.org/fhir/"
SITE = Site(
    BASE, "示例市", "0.1.0", "2026-11-29",
    (
        Operation("everything", f"{HL7}OperationDefinition/Patient-everything", ("Patient",)),
        Operation("export", "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/export"),
    ),
    Security(f"{BASE}/oauth/authorize", f"{BASE}/oauth/token"),
)  # fmt: skip


@pytest.fixture(scope="module")
def statement() -> dict[str, Any]:
    made: dict[str, Any] = fhir.loads(text(SITE))
    return made


@pytest.fixture(scope="module")
def rest(statement: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = statement["rest"][0]
    return made


def by_type(rest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["type"]: one for one in rest["resource"]}


def test_it_holds_every_rule(statement: dict[str, Any]) -> None:
    assert fhir.violations(statement) == []
    bare = fhir.loads(text(Site(BASE, "示例市", "0.1.0", "2026-11-29")))
    assert fhir.violations(bare) == []


def test_it_is_written_once() -> None:
    assert text(SITE) is text(SITE)


def test_every_type_is_there_with_every_interaction(rest: dict[str, Any]) -> None:
    assert set(by_type(rest)) == RESOURCES - {"Parameters"}
    told = {each["code"] for one in rest["resource"] for each in one["interaction"]}
    told |= {one["code"] for one in rest["interaction"]}
    kinds = {kind.value for kind in Kind}
    assert told - kinds == {"batch", "transaction"}
    assert {kind for kind in kinds - told if not kind.startswith("conditional-")} == {
        "batch-or-transaction", "capabilities", "operation", "search-compartment"
    }  # fmt: skip


def test_every_parameter_it_names_is_taken(rest: dict[str, Any]) -> None:
    common = {one["name"] for one in rest["searchParam"]}
    assert common == (set(parameters()["Resource"]) - {"_query"}) | {"_has"}
    values = {
        "date": "2026", "number": "1", "quantity": "1", "composite": "", "special": "",
    }  # fmt: skip
    for name, one in by_type(rest).items():
        for each in one.get("searchParam", ()):
            value = values.get(each["type"], "a")
            asked = (each["name"], value) if value else (f"{each['name']}:missing", "true")
            if each["type"] != "composite":
                assert len(read([name], [asked], now=NOW).criteria) == 1
        read([name], [("_include", each) for each in one["searchInclude"]], now=NOW)


def test_every_reference_it_names_can_be_followed_back(rest: dict[str, Any]) -> None:
    named = {each for one in rest["resource"] for each in one["searchRevInclude"]}
    for some in batched(sorted(named), 20):
        made = read(["Patient"], [("_revinclude", each) for each in some], now=NOW)
        assert len(made.includes) == len(some)


def batched(names: list[str], most: int) -> list[list[str]]:
    return [names[at : at + most] for at in range(0, len(names), most)]


def test_parameters_are_those_of_the_tables(rest: dict[str, Any]) -> None:
    for name, one in by_type(rest).items():
        named = {each["name"] for each in one.get("searchParam", ())}
        assert named == set(parameters().get(name, {})) - {"_text", "_query"}


def test_addresses_of_parameters_are_those_of_the_specification(rest: dict[str, Any]) -> None:
    patient = {one["name"]: one for one in by_type(rest)["Patient"]["searchParam"]}
    assert patient["birthdate"]["definition"] == f"{HL7}SearchParameter/individual-birthdate"
    assert patient["active"]["definition"] == f"{HL7}SearchParameter/Patient-active"
    assert patient["birthdate"]["documentation"] == "Patient.birthDate"


def test_what_refers_here_is_told(rest: dict[str, Any]) -> None:
    patient = by_type(rest)["Patient"]
    assert "Observation:subject" in patient["searchRevInclude"]
    assert "Observation:subject" not in by_type(rest)["Slot"]["searchRevInclude"]
    assert patient["searchInclude"][0] == "*"


def test_operations_and_security_are_where_they_belong(rest: dict[str, Any]) -> None:
    assert [one["name"] for one in rest["operation"]] == ["export"]
    assert [one["name"] for one in by_type(rest)["Patient"]["operation"]] == ["everything"]
    assert "operation" not in by_type(rest)["Observation"]
    uris = rest["security"]["extension"][0]["extension"]
    assert [one["url"] for one in uris] == ["authorize", "token"]


def test_what_is_not_supported_is_said(rest: dict[str, Any]) -> None:
    for name in ("XML", "FHIRPath Patch", "GraphQL", "_filter", "_text"):
        assert name in rest["documentation"]
    assert re.search(r"token: .*`:of-type`", rest["documentation"])
