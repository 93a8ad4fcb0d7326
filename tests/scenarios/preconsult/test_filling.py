"""What the questionnaires compute, and what the record fills in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from citycare.kernel.fhir import forms
from tests.scenarios.preconsult.papers import (
    EMPTY,
    FORMS,
    NOW,
    Json,
    coding,
    every_form,
    has_chinese,
)


def answered(
    name: str, given: Json, *, patient: Json | None = None, record: Iterable[Json] = ()
) -> dict[str, Any]:
    """Fill a form from the record, put answers in, and return what counts by linkId, plain."""
    sources = forms.record_of(patient or {"resourceType": "Patient"}, record)
    filling = forms.begin(forms.read(FORMS[name]), now=NOW, sources=sources)
    places = {path.rpartition("/")[2]: path for path in _places(filling.shown())}
    filling.answer({places[link]: [one] for link, one in given.items()})
    assert filling.faults() == ()
    return {
        path.rpartition("/")[2]: [next(iter(one.values())) for one in found]
        for path, found in filling.answers().items()
    }


def _places(shown: Iterable[forms.Shown]) -> Iterator[str]:
    for one in shown:
        yield one.path
        yield from _places(one.items)


def test_body_mass_index() -> None:
    quantity = {"system": "http://unitsofmeasure.org"}
    given = {
        "height": {"valueQuantity": {"value": 165, "code": "cm", "unit": "厘米"} | quantity},
        "weight": {"valueQuantity": {"value": 61.5, "code": "kg", "unit": "公斤"} | quantity},
    }
    assert float(answered("thyroid-diabetes", given)["bmi"][0]) == 22.6
    assert "bmi" not in answered("thyroid-diabetes", {"weight": given["weight"]})


def test_pack_years() -> None:
    given = {
        "smoke": coding("cough-breath", "smoke", "smoker"),
        "smoke-daily": {"valueInteger": 20},
        "smoke-years": {"valueInteger": 15},
    }
    assert float(answered("cough-breath", given)["pack-years"][0]) == 15
    given["smoke"] = coding("cough-breath", "smoke", "never-smoked")
    assert "pack-years" not in answered("cough-breath", given)


@pytest.mark.parametrize(
    ("last", "weeks", "due"),
    [
        ("2026-06-01", 25, "2027-03-08"),
        ("2026-11-29", 0, "2027-09-05"),
        ("2026-11-23", 0, "2027-08-30"),
        ("2026-11-22", 1, "2027-08-29"),
    ],
)
def test_weeks_of_pregnancy(last: str, weeks: int, due: str) -> None:
    given = {
        "stage": coding("pregnancy", "stage", "pregnant"),
        "lmp": {"valueDate": last},
    }
    found = answered("pregnancy", given)
    assert (found["weeks"], found["due"]) == ([weeks], [due])
    given["stage"] = coding("pregnancy", "stage", "postpartum")
    assert "weeks" not in answered("pregnancy", given)


def test_phq_2_needs_both_answers() -> None:
    given = {"phq-interest": coding("mood-sleep", "phq-interest", "more-than-half")}
    assert "phq-2" not in answered("mood-sleep", given)
    given["phq-low"] = coding("mood-sleep", "phq-low", "more-than-half")
    assert answered("mood-sleep", given)["phq-2"] == [4]
    given["phq-low"] = coding("mood-sleep", "phq-low", "not-at-all")
    assert answered("mood-sleep", given)["phq-2"] == [2]


@pytest.mark.parametrize(
    ("born", "gender", "asked"),
    [
        ("1990-12-05", "female", True),
        ("1990-12-05", "male", False),
        ("1960-01-01", "female", False),
    ],
)
def test_pregnancy_is_asked_where_it_can_be(born: str, gender: str, *, asked: bool) -> None:
    patient = {"resourceType": "Patient", "gender": gender, "birthDate": born}
    given = {"pregnant": coding("general", "pregnant", "may-be-pregnant")}
    assert ("pregnant" in answered("general", given, patient=patient)) is asked


SEEN: list[Json] = [
    {"resourceType": "Condition", "code": {"coding": [{"code": "I10.x00"}]}},
    {
        "resourceType": "Condition",
        "code": {"coding": [{"code": "E11.900"}]},
        "clinicalStatus": {"coding": [{"code": "resolved"}]},
    },
    {
        "resourceType": "MedicationStatement",
        "status": "active",
        "medicationCodeableConcept": {"text": "氨氯地平片"},
        "dosage": [{"text": "每天1片"}],
    },
    {
        "resourceType": "MedicationRequest",
        "status": "active",
        "medicationCodeableConcept": {"coding": [{"display": "二甲双胍片"}]},
    },
    {
        "resourceType": "MedicationRequest",
        "status": "stopped",
        "medicationCodeableConcept": {"text": "停了的药"},
    },
    {"resourceType": "AllergyIntolerance", "code": {"text": "青霉素"}},
    {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}]},
        "component": [
            {
                "code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]},
                "valueQuantity": {
                    "value": 151,
                    "unit": "mmHg",
                    "system": "http://unitsofmeasure.org",
                    "code": "mm[Hg]",
                },
            }
        ],
    },
]


@pytest.mark.parametrize("shape", ["list", "bundle"])
def test_the_record_fills_what_it_knows(shape: str) -> None:
    bundle = {"resourceType": "Bundle", "entry": [{"resource": one} for one in SEEN]}
    record = SEEN if shape == "list" else [bundle]
    which = {"which": coding("chronic-follow-up", "which", "hypertension_history")}
    found = answered("chronic-follow-up", which, record=record)
    assert found["medicine-any"] == [True]
    assert found["medicine-name"] == ["二甲双胍片"]  # the last of the two repetitions
    assert found["allergy-to"] == ["青霉素"]
    assert [one["value"] for one in found["systolic"]] == [151]
    past = answered("general", {}, record=record)["past"]
    assert [one["code"] for one in past] == ["hypertension_history"]


@every_form
def test_an_empty_record_says_nothing(name: str) -> None:
    assert answered(name, {}) == {}


@every_form
def test_the_page_can_be_shown_in_english(name: str) -> None:
    filling = forms.begin(forms.read(FORMS[name]), now=NOW, sources=EMPTY)
    for one in forms.flat(filling.shown("en")):
        assert not has_chinese(one.text + one.help), one.link_id
        assert not any(has_chinese(choice.text) for choice in one.options), one.link_id
