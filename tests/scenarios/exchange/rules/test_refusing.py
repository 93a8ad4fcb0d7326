"""Every refusal has its status, its issue code of R4, and its place."""

from __future__ import annotations

from typing import Any

import pytest

from citycare.kernel import fhir
from citycare.kernel.fhir.definitions import codes
from citycare.kernel.fhir.validate import WORDS
from citycare.kit.errors import AppError, Busy, Unavailable
from citycare.scenarios.exchange.model import errors
from citycare.scenarios.exchange.model.values import Issue
from citycare.scenarios.exchange.rules import refusing

ALL = [
    one
    for one in vars(errors).values()
    if isinstance(one, type) and issubclass(one, AppError) and one.__module__ == errors.__name__
]
ISSUE_TYPES = codes()["http://hl7.org/fhir/ValueSet/issue-type"]["http://hl7.org/fhir/issue-type"]


def right(outcome: dict[str, Any]) -> dict[str, Any]:
    """Return the first issue of an outcome that holds all rules of R4."""
    assert fhir.violations({"id": "x", **outcome}) == []
    issue: dict[str, Any] = outcome["issue"][0]
    return issue


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.code)
def test_each_error_of_ours_becomes_an_outcome(kind: type[AppError]) -> None:
    issue = right(refusing.outcome_of(kind(a=1), id="r-1"))
    assert issue["details"]["coding"][0]["code"] == kind.code
    assert issue["details"]["text"] == kind.words
    assert issue["diagnostics"].endswith("a=1")
    expected = {503} if issubclass(kind, Busy) else range(400, 500)
    assert refusing.status_of(kind()) in expected


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (fhir.ResourceDeleted(), 410, "deleted"),
        (fhir.ResourceNotFound(), 404, "not-found"),
        (fhir.ResourceExists(), 409, "duplicate"),
        (fhir.ParameterUnknown(), 400, "not-supported"),
        (errors.VersionConflict(), 412, "conflict"),
        (errors.MultipleMatches(), 412, "multiple-matches"),
        (errors.ConditionMissing(), 412, "required"),
        (errors.VersionRequired(), 400, "required"),
        (errors.InteractionUnknown(), 404, "not-supported"),
        (errors.MethodUnfit(), 405, "not-supported"),
        (errors.FormatNotOffered(), 406, "not-supported"),
        (errors.TooLarge(), 413, "too-long"),
        (errors.MediaTypeUnsupported(), 415, "not-supported"),
        (errors.PatchBroken(), 400, "structure"),
        (errors.PatchUnfit(), 422, "processing"),
        (Busy(), 503, "throttled"),
        (Unavailable(), 503, "transient"),
    ],
)
def test_status_and_issue(error: AppError, status: int, code: str) -> None:
    assert refusing.status_of(error) == status
    assert right(refusing.outcome_of(error))["code"] == code


def test_tables_name_issue_types_and_codes_that_exist() -> None:
    assert {*refusing.ISSUE.values(), *refusing.FAULTS.values(), "invariant"} <= set(ISSUE_TYPES)
    ours = {one.code for one in ALL}
    named = {*refusing.STATUS, *refusing.ISSUE}
    assert {one for one in named if one.startswith("exchange.")} <= ours
    assert set(WORDS) - set(refusing.FAULTS) == {"target", "contained"}


def test_each_fault_of_a_resource_is_an_issue_with_its_place() -> None:
    observation = {
        "resourceType": "Observation",
        "id": "o",
        "status": "done",
        "component": [{"code": {"text": "a"}}, {"code": {"text": 7}}],
        "colour": "red",
    }
    error = fhir.Invalid(fhir.violations(observation))
    outcome = refusing.outcome_of(error)
    right(outcome)
    assert {(one["expression"][0], one["code"]) for one in outcome["issue"]} == {
        ("Observation.code", "required"),
        ("Observation.status", "code-invalid"),
        ("Observation.component[1].code.text", "value"),
        ("Observation.colour", "structure"),
    }
    places = {one["location"][0] for one in outcome["issue"]}
    assert "/f:Observation/f:component[2]/f:code/f:text" in places


def test_broken_rules_are_invariants() -> None:
    period = {"resourceType": "Patient", "id": "p", "contact": [{"gender": "male"}]}
    issue = right(refusing.outcome_of(fhir.Invalid(fhir.violations(period))))
    assert (issue["code"], issue["expression"]) == ("invariant", ["Patient.contact[0]"])


def test_headers_and_parameters_are_named() -> None:
    issue = right(refusing.outcome_of(errors.HeaderWrong(header="if-match", value="x")))
    assert issue["location"] == ["http.if-match"]
    assert "expression" not in issue
    issue = right(refusing.outcome_of(errors.EntryBroken(element="Bundle.entry[2]")))
    assert issue["expression"] == ["Bundle.entry[2]"]
    issue = right(refusing.outcome_of(fhir.ParameterUnknown(parameter="colour")))
    assert issue["location"] == ["http.colour"]


def test_headers_that_go_with_errors() -> None:
    assert refusing.headers_of(errors.MethodUnfit(allowed="GET, POST")) == {"Allow": "GET, POST"}
    patch = errors.MediaTypeUnsupported(takes="application/json-patch+json")
    assert refusing.headers_of(patch) == {"Accept-Patch": "application/json-patch+json"}
    assert "Retry-After" in refusing.headers_of(Busy())
    assert refusing.headers_of(errors.PatchUnfit()) == {}


def test_no_issue_says_that_all_is_well() -> None:
    assert right(refusing.outcome([]))["severity"] == "information"
    warned = refusing.outcome([Issue("informational", "留意", "mind", "warning", "Patient")])
    assert right(warned)["severity"] == "warning"


@pytest.mark.parametrize(
    ("expression", "path"),
    [
        ("Patient", "/f:Patient"),
        ("Patient.name[0].given[2]", "/f:Patient/f:name[1]/f:given[3]"),
        ("resourceType", "/f:resourceType"),
        ("Patient.where(a = 1)", "Patient.where(a = 1)"),
        ("", ""),
    ],
)
def test_places_as_xpath(expression: str, path: str) -> None:
    assert refusing.xpath(expression) == path
