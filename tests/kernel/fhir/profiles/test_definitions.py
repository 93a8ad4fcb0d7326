"""Definitions as they come: with bases, with what is not checked, hostile ones."""

from __future__ import annotations

from typing import Any

import pytest

from citycare.kernel.fhir.profiles import Unfit, compiled, violations
from citycare.kernel.fhir.profiles.model import BASES_MAX, ELEMENTS_MAX, NAME_MAX, SLICES_MAX
from tests.kernel.fhir.profiles.test_rules import PULSE, defined, element, held, to
from tests.kernel.fhir.profiles.test_slices import CODE, part, sliced

Json = dict[str, Any]


def test_a_differential_adds_to_its_bases() -> None:
    base = defined(
        element("method", min=1),
        element("component", slicing={"discriminator": [{"type": "value", "path": CODE}]}),
        element("component", sliceName="a"),
        element("component.code.coding.code", fixedCode="a"),
        url="urn:base",
    )
    own = element("component.interpretation", min=1) | {
        "id": "Observation.component:a.interpretation"
    }
    asked = defined(own, element("note", max="0"), baseDefinition="urn:base|1")
    made = compiled(asked, {"urn:base|1": base}.get)
    assert [(one.element, one.code) for one in violations(PULSE, made)] == [
        ("Observation.note", "profile-max"),
        ("Observation.component[0].interpretation", "profile-min"),
        ("Observation.method", "profile-min"),
    ]
    assert compiled(asked).passed_over[0] == "urn:base|1: this base is not here"


def test_a_snapshot_needs_no_base_and_r4s_own_rules_are_left_to_r4() -> None:
    asked = defined(baseDefinition="urn:gone") | {
        "snapshot": {
            "element": [
                element("status", min=1, max="1", constraint=held("ele-1", "false")),
                element("code", min=1, constraint=held("obs-7", "false")),
                element("subject", type=to("Patient", "Group", "Device", "Location")),
                element("method", min=1),
            ]
        }
    }
    made = compiled(asked)
    assert [one.name for one in made.root.inner] == ["method"]
    assert made.passed_over == ()


@pytest.mark.parametrize(
    ("asked", "note"),
    [
        (element("value[x]", maxLength=3), "Observation.value[x]: maxLength"),
        (element("colour", min=1), "Observation.colour: R4 has no such element"),
        (
            element("subject", constraint=held("x", "resolve().exists()")),
            "Observation.subject: x asks for what is not known here",
        ),
        (
            element("subject", constraint=held("x", "%`other`.exists()")),
            "Observation.subject: x asks for what is not known here",
        ),
        (
            element("subject", constraint=held("x", "1 +")),
            "Observation.subject: x cannot be compiled",
        ),
        (
            element("subject", type=to("../urn-other")),
            "Observation.subject: of the target only the type is checked",
        ),
        (
            element("note", sliceName="a", slicing={"rules": "closed"}),
            "Observation.note:a: what tells its items apart",
        ),
    ],
)
def test_what_is_passed_over_is_said(asked: Json, note: str) -> None:
    made = compiled(defined(asked))
    assert [one[: len(note)] for one in made.passed_over] == [note]
    assert violations(PULSE, made) == []


@pytest.mark.parametrize(
    ("path", "name", "place"),
    [
        ("component", "a/b", "Observation.component:a/b"),
        ("valueQuantity", "pulse", "Observation.value[x]:valueQuantity"),
    ],
)
def test_slices_of_slices_are_passed_over(path: str, name: str, place: str) -> None:
    made = compiled(sliced(path, (name, {"": {"max": "0"}}), at="$this", rules="closed"))
    assert made.passed_over == (f"{place}: a slice of a slice",)
    assert violations(PULSE, made) == []


def test_an_id_that_does_not_fit_its_element_is_not_followed() -> None:
    """Some tools give ids of their own making; the path says where it is."""
    opened = element("component", slicing={"discriminator": [{"type": "value", "path": CODE}]})
    names = element("component", sliceName="a", id="Observation.component:other")
    asked = compiled(defined(opened, names, element(f"component.{CODE}", fixedCode="a")))
    assert [one.name for one in asked.root.inner[0].slices] == ["a"]


@pytest.mark.parametrize("at", ["resolve().code", "performer.ofType(Group)", "note"])
def test_a_discriminator_that_cannot_be_tried_checks_no_slice(at: str) -> None:
    kind = "profile" if at == "note" else "value"
    made = compiled(sliced("component", ("a", part("a", max="0")), at=at, by=kind, rules="closed"))
    assert made.passed_over == ("Observation.component:a: what tells its items apart",)
    assert violations(PULSE, made) == []


def bases(number: int) -> dict[str, Json]:
    return {f"urn:{at}": defined(baseDefinition=f"urn:{at + 1}") for at in range(number)}


@pytest.mark.parametrize(
    "asked",
    [
        defined(kind="Thing"),
        defined() | {"kind": "complex-type"},
        defined(derivation="specialization"),
        defined(fhirVersion="5.0.0"),
        defined({"path": "Patient.name", "min": 1}),
        defined(element(".".join(["extension"] * 70))),
        defined(*[element("note", max="1")] * (ELEMENTS_MAX + 1)),
        defined(*[element("note", sliceName=f"s{at}") for at in range(SLICES_MAX + 1)]),
        defined(element("note", sliceName="s" * NAME_MAX)),
        defined(baseDefinition="urn:0"),
        defined(baseDefinition="urn:patient"),
        defined(baseDefinition="urn:self"),
    ],
)
def test_hostile_and_foreign_definitions_are_refused(asked: Json) -> None:
    found = bases(BASES_MAX + 2)
    found["urn:patient"] = defined() | {"type": "Patient"}
    found["urn:self"] = defined(baseDefinition="urn:self")
    with pytest.raises(Unfit):
        compiled(asked, found.get)


def test_a_check_takes_bounded_steps() -> None:
    names = [(f"s{at}", part(f"s{at}")) for at in range(SLICES_MAX)]
    asked = compiled(sliced("component", *names, at=CODE))
    many = PULSE | {"component": PULSE["component"] * 1_000}
    told = [(one.element, one.code) for one in violations(many, asked)]
    assert told == [("Observation", "profile-costly")]


def test_what_the_profile_says_of_a_slicing_keeps_what_tells_its_slices_apart() -> None:
    base = sliced("component", ("a", part("a")), ("b", part("b")), at=CODE) | {"url": "urn:base"}
    asked = defined(element("component", slicing={"rules": "closed"}), baseDefinition="urn:base")
    told = violations(PULSE, compiled(asked, {"urn:base": base}.get))
    assert [(one.element, one.code) for one in told] == [
        ("Observation.component[2]", "profile-slice")
    ]


def test_what_a_bundle_carries_is_asked_by_itself() -> None:
    """`%resource` is the entry's own, and so is what is contained in it."""
    held_ = held("x", "%resource.code.exists() and %rootResource.status.exists()")
    asked = defined(
        {"path": "Bundle.entry.resource", "type": [{"code": "Observation"}], "constraint": held_},
        {"path": "Bundle.entry.resource.performer", "type": to("Practitioner")},
        kind="Bundle",
    )
    other = {"resource": {"resourceType": "Patient"}}
    bundle = {"resourceType": "Bundle", "entry": [{"resource": PULSE}, other]}
    told = violations(bundle, compiled(asked))
    assert [(one.element, one.code) for one in told] == [
        ("Bundle.entry[0].resource.performer[1].reference", "profile-target"),
        ("Bundle.entry[1].resource", "profile-type"),
    ]
