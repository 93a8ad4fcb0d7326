"""Each thing a profile can ask: what holds it passes, what breaks it is told at its place."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citycare.kernel.fhir.profiles import compiled, violations

Json = dict[str, Any]

URL = "https://a.example/StructureDefinition/pulse"
R4 = "http://hl7.org/fhir/StructureDefinition/"
LOINC = "http://loinc.org"


def defined(*elements: Json, kind: str = "Observation", **more: Any) -> Json:
    return {
        "resourceType": "StructureDefinition",
        "url": URL,
        "kind": "resource",
        "derivation": "constraint",
        "fhirVersion": "4.0.1",
        "type": kind,
        "baseDefinition": R4 + kind,
        "differential": {"element": list(elements)},
    } | more


def element(path: str, **asked: Any) -> Json:
    return {"path": f"Observation.{path}" if path else "Observation"} | asked


PULSE: Json = {
    "resourceType": "Observation",
    "id": "o",
    "status": "final",
    "category": [{"text": "体征"}, {"coding": [{"system": "urn:x", "code": "v"}]}],
    "code": {"coding": [{"system": LOINC, "code": "8867-4", "display": "心率"}], "text": "心率"},
    "subject": {"reference": "Patient/p"},
    "effectiveDateTime": "2026-11-29",
    "valueQuantity": {"value": Decimal("72.50"), "unit": "/min"},
    "performer": [{"reference": "Practitioner/d"}, {"reference": "#o"}],
    "contained": [{"resourceType": "Organization", "id": "o", "name": "医院"}],
    "note": [{"text": "静息"}],
    "extension": [
        {"url": "urn:e:a", "valueCode": "x"},
        {"url": "urn:e:b", "valueString": "y"},
    ],
    "component": [
        {"code": {"coding": [{"code": "a"}]}, "valueInteger": 1},
        {"code": {"coding": [{"code": "b"}]}, "valueString": "two"},
        {"code": {"text": "c"}, "dataAbsentReason": {"text": "没量"}},
    ],
}


def found(profile: Json, resource: Json = PULSE, **more: Any) -> list[tuple[str, str]]:
    made = compiled(profile)
    assert made.passed_over == ()
    return [(one.element, one.code) for one in violations(resource, made, **more)]


def binding(strength: str, value_set: str = "urn:set") -> Json:
    return {"binding": {"strength": strength, "valueSet": value_set}}


def types(*codes: str) -> list[Json]:
    return [{"code": code} for code in codes]


def to(*names: str) -> list[Json]:
    return [{"code": "Reference", "targetProfile": [R4 + name for name in names]}]


def held(key: str, text: str, severity: str = "error") -> list[Json]:
    return [{"key": key, "severity": severity, "human": "must", "expression": text}]


PASSES = [
    element("subject", min=1),
    element("note", max="1"),
    element("category", max="*"),
    element("category", max="9" * 5_000),
    element("category", max="\N{SUPERSCRIPT TWO}"),
    element("status", fixedCode="final"),
    element("code", patternCodeableConcept={"coding": [{"code": "8867-4"}]}),
    element("valueQuantity.value", fixedDecimal=Decimal("72.5")),
    element("value[x]", type=types("Quantity", "string")),
    element("valueQuantity", min=1),
    element("performer", type=to("Practitioner", "Organization")),
    element("performer", type=to("Resource")),
    element("", constraint=held("x-1", "value.exists() and component.count() = 3")),
    element("effective[x]", constraint=held("x-2", "($this as dateTime).toString().length() = 10")),
    element("note.text", constraint=held("x-3", "false", "warning")),
    element("code.coding.display", min=1),
    element("code", **binding("extensible")),
    element("value[x]", **binding("required")),
]
BREAKS: list[tuple[Json, str, str]] = [
    (element("method", min=1), "method", "profile-min"),
    (element("category.coding", min=1), "category[0].coding", "profile-min"),
    (element("status.extension", min=1), "status.extension", "profile-min"),
    (element("note", max="0"), "note", "profile-max"),
    (element("category", max="1"), "category", "profile-max"),
    (element("effective[x]", max="0"), "effective", "profile-max"),
    (element("status", fixedCode="amended"), "status", "profile-fixed"),
    (element("code", fixedCodeableConcept={"text": "心率"}), "code", "profile-fixed"),
    (
        element("valueQuantity.value", fixedDecimal=Decimal("72.4")),
        "valueQuantity.value",
        "profile-fixed",
    ),
    (
        element("code", patternCodeableConcept={"coding": [{"system": LOINC, "code": "8480-6"}]}),
        "code",
        "profile-pattern",
    ),
    (element("value[x]", type=types("string", "Range")), "valueQuantity", "profile-type"),
    (element("effectivePeriod.start", min=1), "effectiveDateTime", "profile-type"),
    (element("performer", type=to("Practitioner")), "performer[1].reference", "profile-target"),
    (element("subject", type=to("Group")), "subject.reference", "profile-target"),
    (element("component", constraint=held("x-2", "value.exists()")), "component[2]", "x-2"),
    (
        element(
            "effective[x]", constraint=held("x-3", "($this as dateTime).toString().length() > 10")
        ),
        "effectiveDateTime",
        "x-3",
    ),
]


@pytest.mark.parametrize("asked", PASSES)
def test_what_holds_a_rule_passes(asked: Json) -> None:
    assert found(defined(asked)) == []


@pytest.mark.parametrize(("asked", "place", "code"), BREAKS)
def test_what_breaks_a_rule_is_told_at_its_place(asked: Json, place: str, code: str) -> None:
    assert found(defined(asked)) == [(f"Observation.{place}", code)]


def test_a_constraint_of_the_resource_is_told_there() -> None:
    asked = defined(element("", constraint=held("x-1", "value.empty()")))
    assert found(asked) == [("Observation", "x-1")]


def test_a_binding_asks_for_coded_values_only_and_passes_over_what_is_not_known() -> None:
    bound = binding("required")
    asked = defined(element("code", **bound), element("value[x]", **bound))
    heard: list[tuple[Any, str]] = []

    def member(value: Any, value_set: str) -> bool | None:
        heard.append((value, value_set))
        return False

    assert found(asked, member=member) == [
        ("Observation.code", "profile-binding"),
        ("Observation.valueQuantity", "profile-binding"),
    ]
    assert heard == [(PULSE["code"], "urn:set"), (PULSE["valueQuantity"], "urn:set")]
    assert found(asked) == []
    told = {name: value for name, value in PULSE.items() if name != "valueQuantity"}
    told["valueBoolean"] = True
    assert found(asked, told, member=member) == [("Observation.code", "profile-binding")]


def test_a_pattern_is_found_among_others_and_what_is_fixed_has_no_others() -> None:
    two = {"coding": [{"code": "a"}, {"code": "b", "display": "乙"}]}
    for code in ("a", "b"):
        pattern = defined(element("code", patternCodeableConcept={"coding": [{"code": code}]}))
        assert found(pattern, PULSE | {"code": two}) == []
        fixed = defined(element("code", fixedCodeableConcept={"coding": [{"code": code}]}))
        assert found(fixed, PULSE | {"code": two}) == [("Observation.code", "profile-fixed")]
    same = defined(element("code", fixedCodeableConcept=two))
    assert found(same, PULSE | {"code": two}) == []


def test_each_fault_names_the_profile_in_both_languages() -> None:
    one = violations(PULSE, compiled(defined(element("method", min=1))))[0]
    assert (one.type, one.id) == ("Observation", "o")
    assert one.message == f"Observation.method needs at least 1 (profile {URL})"
    assert one.words == f"Observation.method 至少要有1项（规范 {URL}）"


def test_a_resource_of_another_type_has_one_fault() -> None:
    told = violations({"resourceType": "Patient"}, compiled(defined(element("method", min=1))))
    assert [(one.element, one.code) for one in told] == [("Patient", "profile-type")]


def test_faults_come_in_the_order_of_the_resource_and_at_most_a_hundred() -> None:
    rules = [element(name, max="0") for name in ("note", "code", "method", "status")]
    asked = compiled(defined(element("device", min=1), *rules))
    places = [one.element for one in violations(PULSE, asked)]
    assert places == [f"Observation.{name}" for name in ("status", "code", "note", "device")]
    many = PULSE | {"note": [{"text": "x"}] * 300}
    assert len(violations(many, compiled(defined(element("note.time", min=1))))) == 100


def test_json_of_any_shape_breaks_no_check() -> None:
    asked = compiled(defined(*(one for one, _, _ in BREAKS)))
    shapes: list[Any] = [None, [], {}, "x", 7, [None], [[{}]], {"a": [1]}, [{"code": "x"}]]
    for name in PULSE.keys() - {"resourceType"}:
        for value in shapes:
            given_ = {"resourceType": "Observation", name: value, f"_{name}": value}
            assert {"Observation.method"} <= {one.element for one in violations(given_, asked)}


# Any small profile: what meets it passes, one broken rule is told alone

TEXTS = st.sampled_from(["甲", "乙", "丙"])


@st.composite
def held_profiles(draw: st.DrawFn) -> tuple[list[Json], Json, Json, tuple[str, str]]:
    """Rules, a resource that meets them, the same with one broken, and what is to be told."""
    text, count = draw(TEXTS), draw(st.integers(1, 4))
    notes = [{"text": draw(TEXTS)} for _ in range(count)]
    good: Json = {
        "resourceType": "Observation",
        "code": {"text": text},
        "note": notes,
        "valueString": text,
    }
    rules = [
        element("code.text", min=1, fixedString=text),
        element("note", min=count, max=str(count)),
        element("value[x]", type=types("string", "boolean"), min=1),
        element("method", max="0"),
    ]
    more = {"note": [*notes, {"text": "丁"}]}
    changes: list[tuple[Json, tuple[str, str]]] = [
        ({"code": {"text": "丁"}}, ("Observation.code.text", "profile-fixed")),
        ({"code": {"id": "c"}}, ("Observation.code.text", "profile-min")),
        (more, ("Observation.note", "profile-max")),
        ({"note": notes[1:]}, ("Observation.note", "profile-min")),
        ({"method": {"text": text}}, ("Observation.method", "profile-max")),
        ({"valueString": None}, ("Observation.value", "profile-min")),
        (
            {"valueString": None, "valueInteger": 1},
            ("Observation.valueInteger", "profile-type"),
        ),
    ]
    change, told = draw(st.sampled_from(changes))
    return draw(st.permutations(rules)), good, good | change, told


@given(held_profiles())
def test_one_broken_rule_is_told_alone(
    made: tuple[list[Json], Json, Json, tuple[str, str]],
) -> None:
    rules, good, bad, told = made
    assert found(defined(*rules), good) == []
    assert found(defined(*rules), bad) == [told]


def test_expressions_that_make_much_of_little_end_the_check() -> None:
    costly = "(1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9).select(" * 3 + "1" + ")" * 3 + ".count() > 0"
    constraint = [
        {"key": f"c-{n}", "severity": "error", "human": "x", "expression": f"{costly} or {n} = 0"}
        for n in range(400)
    ]
    profile = compiled(defined(element("", constraint=constraint)))
    assert [one.code for one in violations(PULSE, profile)] == ["profile-costly"]
