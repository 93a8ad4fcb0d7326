"""Who refers to whom, and resources with the ids that were assigned."""

from __future__ import annotations

import copy

import pytest

from citycare.kernel import fhir
from citycare.kernel.fhir import bundles
from tests.kernel.fhir.bundles.making import (
    DIV,
    OTHER,
    A,
    B,
    Json,
    entry,
    linked,
    patient,
    planned,
)


def test_links_are_rewritten_and_what_only_looks_so_is_not() -> None:
    given_ = linked(A)
    before = copy.deepcopy(given_)
    made = bundles.resolved(given_, {A: "Patient/7"}, {})
    assert given_ == before
    wanted = linked(A)
    wanted["text"]["div"] = DIV.format(A, '<a href="Patient/7">x</a>')
    wanted["contained"][0]["subject"]["reference"] = "Patient/7"
    wanted["extension"][0]["valueUri"] = "Patient/7"
    wanted["_status"]["extension"][0]["valueReference"]["reference"] = "Patient/7#p"
    wanted["subject"]["reference"] = "Patient/7"
    wanted["performer"][0]["reference"] = "Patient/7/_history/3"
    assert made == wanted


def test_the_address_of_a_device_is_a_link_and_that_of_a_definition_a_name() -> None:
    device: Json = {"resourceType": "Device", "url": A}
    assert bundles.resolved(device, {A: "Endpoint/7"}, {})["url"] == "Endpoint/7"
    device["resourceType"] = "DeviceDefinition"
    assert bundles.resolved(device, {A: "Endpoint/7"}, {})["url"] == "Endpoint/7"
    values: Json = {"resourceType": "ValueSet", "status": "draft", "url": A}
    assert bundles.resolved(values, {A: "ValueSet/7"}, {}) == values


def test_it_is_told_who_uses_what() -> None:
    lost = "urn:uuid:0e0e0e0e-0000-4000-8000-0000000000ff"
    condition = "Practitioner?identifier=x|1"
    seen: Json = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
    seen |= {"subject": {"reference": A}, "encounter": {"reference": lost}}
    seen |= {"performer": [{"reference": "Slot/1"}, {"reference": condition}]}
    told = bundles.references(
        planned(
            entry("POST", "Observation", seen),
            entry("POST", "Patient", patient(link=[{"other": {"reference": A}}]), fullUrl=A),
        )
    )
    assert [(use.place, use.element) for use in told.links[A]] == [
        (0, "Observation.subject.reference"),
        (1, "Patient.link[0].other.reference"),
    ]
    assert [use.element for use in told.conditional[condition]] == [
        "Observation.performer[1].reference"
    ]
    assert list(told.missing) == [lost]


def test_what_is_not_found_is_named() -> None:
    observation = linked(A) | {"performer": [{"reference": "Practitioner?identifier=x|1"}]}
    with pytest.raises(fhir.Invalid) as caught:
        bundles.resolved(observation, {}, {}, at="Bundle.entry[4]")
    assert {(one.element, one.code) for one in caught.value.violations} == {
        (f"Bundle.entry[4].resource.{where}.reference", "unresolved")
        for where in ("subject", "contained[0].subject", "performer[0]",
                      "_status.extension[0].valueReference")
    }  # fmt: skip
    found = {"Practitioner?identifier=x|1": "Practitioner/5"}
    made = bundles.resolved(observation, {A: "Patient/1"}, found)
    assert made["performer"][0]["reference"] == "Practitioner/5"


def test_circles_of_references_are_resolved() -> None:
    plan = planned(
        entry("POST", "Patient", patient(link=[{"other": {"reference": B}}]), fullUrl=A),
        entry("POST", "Patient", patient(link=[{"other": {"reference": A}}]), fullUrl=B),
    )
    ids = bundles.addresses(plan, {0: "Patient/a", 1: "Patient/b"})
    first, second = (bundles.resolved(step.resource or {}, ids, {}) for step in plan.steps)
    assert first["link"][0]["other"]["reference"] == "Patient/b"
    assert second["link"][0]["other"]["reference"] == "Patient/a"


def test_entries_from_another_server_call_each_other_by_relative_references() -> None:
    seen: Json = {"resourceType": "Slot", "schedule": {"reference": "Schedule/1/_history/2"}}
    plan = planned(
        entry("POST", "Schedule", {"resourceType": "Schedule", "id": "1"},
              fullUrl=f"{OTHER}/Schedule/1"),
        entry("POST", "Slot", seen, fullUrl=f"{OTHER}/Slot/1"),
        entry("POST", "Slot", seen, fullUrl=A),
        entry("PUT", f"{OTHER}/Slot/9", seen | {"id": "9"}, fullUrl=f"{OTHER}/Slot/9"),
    )  # fmt: skip
    ids = bundles.addresses(plan, {0: "Schedule/n"})
    assert ids == {f"{OTHER}/Schedule/1": "Schedule/n", f"{OTHER}/Slot/9": "Slot/9"}
    made = [bundles.resolved(step.resource or {}, ids, {}, root=step.root) for step in plan.steps]
    assert [one.get("schedule", {}).get("reference") for one in made] == [
        None, "Schedule/n/_history/2", "Schedule/1/_history/2", "Schedule/n/_history/2",
    ]  # fmt: skip


def test_what_is_deleted_read_or_not_given_has_no_address() -> None:
    plan = planned(
        entry("DELETE", "Patient/1", fullUrl=A),
        entry("GET", "Patient/2", fullUrl=B),
        entry("POST", "Patient", patient(), fullUrl="urn:x"),
        entry("PUT", "Patient/3", patient(id="3"), fullUrl="urn:y"),
    )
    assert bundles.addresses(plan, {0: "Patient/1"}) == {"urn:y": "Patient/3"}


def test_a_document_that_is_stored_stays_as_it_is() -> None:
    inner = {"fullUrl": A, "resource": linked(A)}
    document = {"resourceType": "Bundle", "type": "document", "entry": [inner]}
    assert bundles.resolved(document, {A: "Patient/7"}, {}) == document


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('<a href="{0}">{0}</a>', '<a href="{1}">{0}</a>'),
        ("<a title='>' href = '{0}#x'/>", "<a title='>' href = \"{1}#x\"/>"),
        ('<img alt="src={0}" src="{0}"/>', '<img alt="src={0}" src="{1}"/>'),
        ('<!-- <a href="{0}"> -->', '<!-- <a href="{0}"> -->'),
        ('<![CDATA[<a href="{0}">]]>', '<![CDATA[<a href="{0}">]]>'),
        ('<a data-href="{0}"/>', '<a data-href="{0}"/>'),
        ('href="{0}" <b title="x href=\'{0}\'"/>', 'href="{0}" <b title="x href=\'{0}\'"/>'),
    ],
)
def test_narratives_change_in_links_only(before: str, after: str) -> None:
    resource = patient(text={"status": "generated", "div": before.format(A)})
    made = bundles.resolved(resource, {A: "Patient/7"}, {})
    assert made["text"]["div"] == after.format(A, "Patient/7")


@pytest.mark.parametrize("part", ["<a ", '<a "', "<!--", "<![CDATA[", "a", "<a b='", "<a bb"])
@pytest.mark.parametrize(("begin", "end"), [("", " href="), ("<a href='' ", ">")])
def test_hostile_narratives_are_read_once(part: str, begin: str, end: str) -> None:
    div = begin + part * (1_000_000 // len(part)) + end
    made = bundles.resolved(patient(text={"div": div}), {A: "Patient/7"}, {})
    assert made["text"]["div"] == div
