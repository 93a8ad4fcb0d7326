"""The official R4 examples: every one is read and drawn, every response held against its form."""

from __future__ import annotations

from typing import Any

import pytest

from citycare.kernel import fhir
from citycare.kernel.fhir import forms
from tests.kernel.fhir.forms.made import NOW, codes

Json = dict[str, Any]

# What the responses do that their questionnaires do not allow; each is an error of the example.
DEVIATIONS = {
    "gcs": [],
    "bb": [
        # the code is `f`, offered is `F`; codes are compared as written
        ("birthDetails/group/sex", "option"),
        # the questionnaire calls the doses otherwise
        (
            "birthDetails/neonatalInformation/vitaminKgiven/vitaminKgivenDoses/vitaminKDose1",
            "item_unknown",
        ),
        (
            "birthDetails/neonatalInformation/vitaminKgiven/vitaminKgivenDoses/vitaminKDose2",
            "item_unknown",
        ),
    ],
    "f201": [
        ("1", "nesting"),  # a question in the form, a group in the response
        ("1/1.1", "item_unknown"),
        ("3/3.1", "answer_type"),  # yes or no in the form, a text in the response
        ("3/3.2", "answer_type"),
    ],
    "3141": [
        ("1/1.1", "value_set"),  # not in the questionnaire, and nobody expands it here
        # enabled by `Y` of v2-0136, answered with `1` of a system of its own
        ("1/1.1/1.1.1/1.1.1.1", "disabled"),
        ("1/1.1/1.1.1/1.1.1.2", "disabled"),
        ("1/1.1/1.1.1/1.1.1.3", "item_unknown"),
    ],
}
WITHOUT_FORM = {"ussg-fht-answers"}  # its questionnaire is not among the examples


@pytest.fixture(scope="session")
def questionnaires(examples: list[tuple[str, str]]) -> dict[str, Json]:
    found = [fhir.loads(text) for name, text in examples if name.startswith("Questionnaire-")]
    return {each["id"]: each for each in found}


@pytest.fixture(scope="session")
def responses(examples: list[tuple[str, str]]) -> dict[str, Json]:
    found = [fhir.loads(t) for name, t in examples if name.startswith("QuestionnaireResponse-")]
    return {each["id"]: each for each in found}


@pytest.mark.outside_data
def test_every_questionnaire_is_read_and_drawn(questionnaires: dict[str, Json]) -> None:
    assert len(questionnaires) == 7
    for source in questionnaires.values():
        form = forms.read(source)
        assert form.faults == (), source["id"]
        filling = forms.begin(form, now=NOW)
        shown = list(forms.flat(filling.shown()))
        drawn = sum(1 for each in form.ordered if not each.folded)
        assert len(shown) == drawn, source["id"]
        assert filling.faults() == (), source["id"]


@pytest.mark.outside_data
def test_every_response_is_held_against_its_questionnaire(
    questionnaires: dict[str, Json], responses: dict[str, Json]
) -> None:
    assert responses.keys() == DEVIATIONS.keys() | WITHOUT_FORM
    for name, expected in DEVIATIONS.items():
        filling = forms.resume(forms.read(questionnaires[name]), responses[name], now=NOW)
        assert sorted(codes(filling)) == sorted(expected), name


@pytest.mark.outside_data
def test_a_response_that_is_right_goes_out_as_it_came(
    questionnaires: dict[str, Json], responses: dict[str, Json]
) -> None:
    filling = forms.resume(forms.read(questionnaires["gcs"]), responses["gcs"], now=NOW)
    came = [each["answer"] for each in responses["gcs"]["item"]]
    went = [each["answer"] for each in filling.response("completed")["item"]]
    assert went == came
