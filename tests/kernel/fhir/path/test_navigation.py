from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from citycare.kernel.fhir.path import Hooks, PathError, compiled

Json = dict[str, Any]
Evaluate = Callable[..., list[Any]]

FOUND: list[tuple[str, list[Any] | None]] = [
    ("name.given", ["建国", "小国", "阿国"]),
    ("Patient.name.given[1]", ["小国"]),
    ("Patient.name.`given`.first()", ["建国"]),
    ("Person.name.given", []),
    ("DomainResource.id", ["p-17"]),
    ("name.where(use = 'official').family", ["欧阳"]),
    ("name.where(use = 'usual').family", []),
    ("name.select(family & given.first())", ["欧阳建国", "小国"]),
    ("name.given[2].id", ["g-2"]),
    ("deceased", [False]),
    ("deceasedBoolean", [False]),
    ("deceased is boolean", [True]),
    ("extension('urn:weight').value.unit", ["kg"]),
    ("extension('urn:weight').value is Quantity", None),
    ("extension('urn:weight').value.first() > 71 'kg'", [True]),
    ("extension('urn:weight').value.last() = 70 'kg'", [True]),
    ("extension('urn:weight').value.value", [Decimal("71.50"), 70]),
    ("extension(%x).count()", [2]),
    ("birthDate.extension('urn:time').value", ["1961-03-07T04:30:00+08:00"]),
    ("birthDate.extension('urn:time').value < @1961-03-07T00:00:00Z", [True]),
    ("birthDate.hasValue()", [True]),
    ("language.hasValue()", [False]),
    ("language.exists()", [True]),
    ("language", []),
    ("language = 'zh'", []),
    ("language.extension.value", ["unknown"]),
    ("language.extension.value is code", [True]),
    ("birthDate + 65 years <= today()", [True]),
    ("birthDate < @1961-03-08", [True]),
    ("birthDate = '1961-03-07'", [True]),
    ("birthDate.substring(0, 4)", ["1961"]),
    ("telecom.where(system = 'phone').rank.max()", [2]),
    ("telecom.where(system = 'phone' and rank = 2).value", ["021-64071234"]),
    ("telecom.value.where($this.contains('@'))", ["a@example.org"]),
    ("telecom.exists(system = 'email')", [True]),
    ("telecom.all(value.exists())", [True]),
    ("managingOrganization.resolve().name", ["城东医院"]),
    ("generalPractitioner.resolve()", []),
    ("contained.name", ["城东医院"]),
    ("children().where($this is ContactPoint).count()", [3]),
    ("descendants().where($this = '城东医院').count()", [1]),
    ("repeat(contained).count()", [1]),
    ("name.first() = name.where(use = 'official')", [True]),
    ("name.skip(1).first() = name.first()", [False]),
    ("name.combine(name).distinct().count()", [2]),
    ("%resource.id & %context.id & %rootResource.id", ["p-17p-17p-17"]),
    ("name.select(%resource.id).distinct()", ["p-17"]),
    ("nothing.at.all", []),
    ("active and deceased.not()", [True]),
    ("checkModifiers('urn:known').id", ["p-17"]),
]
TYPES = [
    ("Patient", "FHIR", "Patient"),
    ("active", "FHIR", "boolean"),
    ("birthDate", "FHIR", "date"),
    ("gender", "FHIR", "code"),
    ("name.first()", "FHIR", "HumanName"),
    ("telecom.first().rank", "FHIR", "integer"),
    ("extension.first().value", "FHIR", "Quantity"),
    ("managingOrganization", "FHIR", "Reference"),
    ("active.not()", "System", "Boolean"),
    ("1", "System", "Integer"),
    ("1.0", "System", "Decimal"),
    ("@2012", "System", "Date"),
    ("@2012T", "System", "DateTime"),
    ("@T10", "System", "Time"),
    ("1 'mg'", "System", "Quantity"),
    ("name.given.first() & ''", "System", "String"),
]
IS = [
    ("Patient is Patient", True),
    ("Patient is FHIR.`Patient`", True),
    ("Patient is DomainResource", True),
    ("Patient is Resource", True),
    ("Patient is Element", False),
    ("Patient is System.Patient", False),
    ("gender is code", True),
    ("gender is string", True),
    ("gender is id", False),
    ("gender is Element", True),
    ("active is Boolean", False),
    ("active is System.Boolean", False),
    ("true is Boolean", True),
    ("true is FHIR.boolean", False),
    ("contained.first() is Organization", True),
]


@pytest.mark.parametrize(("expression", "expected"), FOUND)
def test_navigation(
    evaluate: Evaluate, patient: Json, expression: str, expected: list[Any] | None
) -> None:
    if expected is None:
        with pytest.raises(PathError, match="more than one"):
            evaluate(expression, patient)
    else:
        assert evaluate(expression, patient, x="urn:weight") == expected


@pytest.mark.parametrize(("expression", "namespace", "name"), TYPES)
def test_types_are_told(
    evaluate: Evaluate, patient: Json, expression: str, namespace: str, name: str
) -> None:
    assert evaluate(f"({expression}).type().select(namespace & name)", patient) == [
        namespace + name
    ]


@pytest.mark.parametrize(("expression", "expected"), IS)
def test_a_type_is_also_what_it_derives_from(
    evaluate: Evaluate, patient: Json, expression: str, *, expected: bool
) -> None:
    assert evaluate(expression, patient) == [expected]


def test_addresses_have_names(evaluate: Evaluate) -> None:
    assert evaluate("%ucum | %sct | %loinc | %`vs-yes` | %`ext-birthPlace`") == [
        "http://unitsofmeasure.org",
        "http://snomed.info/sct",
        "http://loinc.org",
        "http://hl7.org/fhir/ValueSet/yes",
        "http://hl7.org/fhir/StructureDefinition/birthPlace",
    ]


def test_variables_hold_whatever_is_handed_in(evaluate: Evaluate, patient: Json) -> None:
    assert evaluate("%a + %b.first()", a=2, b=[3, 4]) == [5]
    assert evaluate("%p.name.family", p=patient) == ["欧阳"]
    assert evaluate("%p.id | %p.active", p=[patient, {"id": "x"}]) == ["p-17", "x", True]
    assert evaluate("%none.exists()", none=None) == [False]
    assert evaluate("%f * 2", f=0.1) == [Decimal("0.2")]
    with pytest.raises(PathError, match="no such variable"):
        evaluate("%stranger", a=1)


def test_a_variable_may_be_asked_for_only_when_it_is_read(evaluate: Evaluate) -> None:
    asked: list[int] = []

    def told() -> list[Any]:
        asked.append(1)
        return [{"resourceType": "Patient", "id": "late"}]

    assert evaluate("iif(false, %late.id, 'no')", late=told) == ["no"]
    assert asked == []
    assert evaluate("%late.id", late=told) == ["late"]


def test_focus_resource_and_root_are_different_things(patient: Json) -> None:
    path = compiled("$this.name & %resource.id & %rootResource.id & %context.name")
    inner = patient["contained"][0]
    found = path.evaluate(inner, resource=inner, root=patient)
    assert found == ["城东医院o-1p-17城东医院"]


def test_references_are_resolved_by_what_is_handed_in(evaluate: Evaluate, patient: Json) -> None:
    asked: list[str] = []

    def resolve(reference: str) -> Json | None:
        asked.append(reference)
        doctor = {"resourceType": "Practitioner", "id": "d-7", "name": [{"family": "诸葛"}]}
        return doctor if reference == "Practitioner/d-7" else None

    hooks = Hooks(resolve=resolve)
    where = "generalPractitioner.resolve()"
    assert evaluate(f"{where}.name.family", patient, hooks=hooks) == ["诸葛"]
    assert evaluate(f"{where}.ofType(Patient)", patient, hooks=hooks) == []
    assert evaluate("'Practitioner/none'.resolve()", patient, hooks=hooks) == []
    assert asked == ["Practitioner/d-7", "Practitioner/d-7", "Practitioner/none"]


def test_trace_tells_and_changes_nothing(evaluate: Evaluate, patient: Json) -> None:
    told: list[tuple[str, list[Any]]] = []
    hooks = Hooks(trace=lambda name, items: told.append((name, list(items))))
    expression = "name.trace('n', given.count()).given.trace('g').count()"
    assert evaluate(expression, patient, hooks=hooks) == [3]
    assert told == [("n", [1, 2]), ("g", ["建国", "小国", "阿国"])]


def test_weights_come_from_the_hook_then_from_the_coding(evaluate: Evaluate) -> None:
    ordinal = "http://hl7.org/fhir/StructureDefinition/ordinalValue"
    known = {"code": "a", "extension": [{"url": ordinal, "valueDecimal": Decimal("2.5")}]}
    told = {"code": "b"}
    given: Json = {"answer": [{"valueCoding": known}, {"valueCoding": told}]}
    assert evaluate("answer.value.weight()", given) == [Decimal("2.5")]
    hooks = Hooks(weight=lambda coding: 4 if coding is told else None)
    assert evaluate("answer.value.ordinal().sum()", given, hooks=hooks) == [Decimal("6.5")]
    assert evaluate("answer.weight()", given, hooks=hooks) == [Decimal("2.5"), 4]


def test_membership_is_asked_of_the_hook(evaluate: Evaluate, patient: Json) -> None:
    known = {("male", "urn:vs"): True, ("male", "urn:other"): False}
    hooks = Hooks(member=lambda value, canonical: known.get((value, canonical)))
    for canonical, expected in (("urn:vs", [True]), ("urn:other", [False]), ("urn:none", [])):
        assert evaluate(f"gender.memberOf('{canonical}')", patient, hooks=hooks) == expected


def test_an_unknown_modifier_extension_stops_the_reading(evaluate: Evaluate) -> None:
    with pytest.raises(PathError, match="modifier"):
        evaluate("checkModifiers('urn:known')", {"modifierExtension": [{"url": "urn:not"}]})
