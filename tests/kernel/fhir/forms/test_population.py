"""What a form knows from the start: fixed answers, launch context, the record."""

from __future__ import annotations

from typing import Any

import pytest

from citycare.kernel.fhir import forms
from tests.kernel.fhir.forms.made import (
    NOW,
    at,
    begun,
    calculated,
    coding,
    form,
    item,
    of,
    options,
    sdc,
    values,
    variable,
)

Json = dict[str, Any]

PATIENT = {"resourceType": "Patient", "id": "p", "gender": "female", "birthDate": "1990-12-03"}
RECORD: list[Json] = [
    {
        "resourceType": "Observation",
        "id": "o1",
        "status": "final",
        "subject": {"reference": "Patient/p"},
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
        "valueQuantity": {"value": 61, "unit": "kg", "code": "kg"},
    },
    {
        "resourceType": "MedicationStatement",
        "status": "active",
        "medicationReference": {"reference": "Medication/m"},
        "dosage": [{"text": "早晨一片"}],
    },
    {
        "resourceType": "MedicationStatement",
        "status": "completed",
        "medicationCodeableConcept": {"text": "旧药"},
    },
    {
        "resourceType": "MedicationStatement",
        "status": "active",
        "medicationCodeableConcept": {"text": "二甲双胍"},
    },
    {"resourceType": "Medication", "id": "m", "code": {"text": "氨氯地平"}},
]
SOURCES = forms.record_of(PATIENT, RECORD)


def initial(expression: str, **more: Any) -> Json:
    return sdc("initialExpression", expression, **more)


def query(text: str) -> Json:
    return initial(text) | {
        "valueExpression": {"language": "application/x-fhir-query", "expression": text}
    }


def test_fixed_answers_and_selected_options() -> None:
    chosen = [*options("x"), *options("y", initialSelected=True)]
    filling = begun(
        item("a", "string", initial=[{"valueString": "好"}]),
        item("b", "choice", answerOption=chosen),
        item("c", "integer", repeats=True, initial=[{"valueInteger": 1}, {"valueInteger": 2}]),
    )
    assert values(filling, "a") == ["好"]
    assert values(filling, "b")[0]["code"] == "y"
    assert values(filling, "c") == [1, 2]


def test_answers_from_the_patient() -> None:
    age = variable("born", "%patient.birthDate.toString().substring(0, 4).toInteger()")
    filling = begun(
        item("sex", "string", ext=[initial("%patient.gender")]),
        item("born", "date", ext=[initial("%patient.birthDate")]),
        item(
            "age",
            "integer",
            ext=[initial("today().toString().substring(0, 4).toInteger() - %born")],
        ),
        item("who", "reference", ext=[initial("%patient")]),
        ext=[age],
        sources=SOURCES,
    )
    assert values(filling, "sex") == ["female"]
    assert values(filling, "born") == ["1990-12-03"]
    assert values(filling, "age") == [36]
    assert values(filling, "who") == [{"reference": "Patient/p"}]


def test_without_a_record_nothing_is_known_and_nothing_fails() -> None:
    launch = {
        "url": "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-launchContext",
        "extension": [{"url": "name", "valueCoding": {"code": "patient"}}],
    }
    filling = begun(item("sex", "string", ext=[initial("%patient.gender")]), ext=[launch])
    assert filling.answers() == {}
    assert filling.faults() == ()


def test_a_name_nobody_hands_in_is_a_fault_of_the_form() -> None:
    filling = begun(item("a", "string", ext=[initial("%nobody.gender")]))
    assert [each.code for each in filling.faults()] == ["expression"]


def test_a_query_finds_among_the_resources_at_hand() -> None:
    filling = begun(
        item(
            "w",
            "quantity",
            ext=[initial("%found.value.ofType(Quantity)")],
        ),
        item("who", "string", ext=[query("Patient?_id={{%patient.id}}")]),
        ext=[
            {
                "url": variable("found", "1")["url"],
                "valueExpression": {
                    "name": "found",
                    "language": "application/x-fhir-query",
                    "expression": "Observation?patient={{%patient.id}}&code=29463-7",
                },
            }
        ],
        sources=SOURCES,
    )
    [weight] = values(filling, "w")
    assert (weight["value"], weight["code"]) == (61, "kg")
    assert [each.code for each in filling.faults()] == ["expression_type"]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("MedicationStatement?status=active", 2),
        ("MedicationStatement?status=active,completed", 3),
        ("Observation?code=http://loinc.org|29463-7", 1),
        ("Observation?subject=Patient/p", 1),
        ("Observation?patient=other", 0),
        ("Patient?_id=p", 1),
        ("Device", 0),
    ],
)
def test_the_searches_that_are_understood(text: str, number: int) -> None:
    assert SOURCES.search is not None
    assert len(SOURCES.search(text)) == number


def test_a_search_that_is_not_understood_is_a_fault() -> None:
    filling = begun(item("a", "string", ext=[query("Observation?date=2026")]), sources=SOURCES)
    assert [each.code for each in filling.faults()] == ["expression"]


def medicines(**more: Any) -> Json:
    name = "(%drug.medication.ofType(CodeableConcept) | %drug.medication.resolve().code).text"
    active = "%record.where($this is MedicationStatement).where(status = 'active')"
    return item(
        "drugs",
        "group",
        item("name", "string", ext=[initial(name)]),
        item("how", "string", ext=[initial("%drug.dosage.text")]),
        item("unit", "string", initial=[{"valueString": "片"}]),
        ext=[sdc("itemPopulationContext", active, name="drug")],
        **more,
    )


def test_a_group_is_repeated_for_each_of_its_context() -> None:
    filling = begun(medicines(repeats=True), sources=SOURCES)
    assert values(filling, "drugs[0]/name") == ["氨氯地平"]
    assert values(filling, "drugs[0]/how") == ["早晨一片"]
    assert values(filling, "drugs[1]/name") == ["二甲双胍"]
    assert values(filling, "drugs[1]/how") == []
    assert values(filling, "drugs[1]/unit") == ["片"]
    assert filling.faults() == ()


def test_a_repetition_a_person_adds_knows_only_what_is_fixed() -> None:
    filling = begun(medicines(repeats=True), sources=SOURCES)
    assert filling.add("drugs[0]") == "drugs[2]"
    assert values(filling, "drugs[2]/name") == []
    assert values(filling, "drugs[2]/unit") == ["片"]


def test_what_is_populated_enables_and_calculates() -> None:
    filling = begun(
        item("sex", "string", ext=[initial("%patient.gender")]),
        item(
            "pregnant",
            "boolean",
            when={"question": "sex", "operator": "=", "answerString": "female"},
        ),
        item("copy", "string", readOnly=True, ext=[calculated(of("sex"))]),
        sources=SOURCES,
    )
    assert at(filling, "pregnant").enabled
    assert values(filling, "copy") == ["female"]


def test_a_code_fills_a_choice_by_what_it_offers() -> None:
    filling = begun(
        item(
            "a", "choice", answerOption=options("female", "male"), ext=[initial("%patient.gender")]
        ),
        sources=SOURCES,
    )
    assert values(filling, "a")[0]["display"] == "选项 female"


def test_a_taken_up_response_is_not_filled_again() -> None:
    made = form(item("a", "string", initial=[{"valueString": "好"}]))
    response = {"resourceType": "QuestionnaireResponse", "item": []}
    assert forms.resume(made, response, now=NOW).answers() == {}


def test_what_is_known_from_elsewhere_may_fill_what_people_cannot() -> None:
    filling = begun(
        item("a", "choice", readOnly=True, answerOption=options("x")),
        item("b", "integer", readOnly=True, ext=[calculated("1")]),
    )
    filling.prefill({"a": [coding("x")]})
    assert values(filling, "a")[0]["code"] == "x"
    with pytest.raises(forms.PlaceFixed):
        filling.prefill({"b": [{"valueInteger": 2}]})


def test_too_much_in_the_record_is_refused() -> None:
    many = [{"resourceType": "MedicationStatement", "status": "active"}] * 501
    with pytest.raises(forms.ResponseTooLong):
        begun(medicines(repeats=True), sources=forms.record_of(PATIENT, many))
