"""A questionnaire is read whole, or everything that is wrong with it is told at once."""

from __future__ import annotations

from typing import Any

import pytest

from citycare.kernel.fhir import forms
from tests.kernel.fhir.forms.made import calculated, form, item, options, questionnaire

Json = dict[str, Any]


def broken(given: Any) -> list[tuple[str, str]]:
    with pytest.raises(forms.FormBroken) as caught:
        forms.read(given)
    return [(each.code, each.link_id) for each in caught.value.problems]


@pytest.mark.parametrize("given", [None, [], "text", {}, {"resourceType": "Patient"}])
def test_what_is_no_questionnaire(given: Any) -> None:
    assert broken(given) == [("form", "")]


def test_everything_that_is_wrong_is_told_in_order() -> None:
    found = broken(
        questionnaire(
            item("a", "string"),
            item("a", "string"),
            item("b", "question", item("b1", "nonsense")),
            {"type": "string"},
            "text",
            item("c", "choice", answerOption=[{"valueInteger": "x"}]),
            item("d", "choice", answerOption={}),
            item("e", "group", item="text"),
            item("f", "string", enableWhen="text"),
        )
    )
    assert found == [
        ("form_link_again", "a"),
        ("form_type", "b"),
        ("form_type", "b1"),
        ("form_link", ""),
        ("form_item", ""),
        ("form_option", "c"),
        ("form_array", "d"),
        ("form_array", "e"),
        ("form_array", "f"),
    ]


def test_the_error_names_the_first_few() -> None:
    with pytest.raises(forms.FormBroken) as caught:
        form(*(item("a", "string") for _ in range(30)))
    assert caught.value.facts["problems"] == 29
    assert str(caught.value.facts["first"]).count("form_link_again a") == 10


def test_depth_is_limited() -> None:
    made: Json = item("x0", "group")
    for number in range(1, 22):
        made = item(f"x{number}", "group", made)
    assert broken(questionnaire(made)) == [("form_depth", "x2")]


def test_the_number_of_items_is_limited() -> None:
    items = [item(str(number), "string") for number in range(5_001)]
    assert broken(questionnaire(*items)) == [("form_items", "")]
    assert len(form(*items[:5_000]).ordered) == 5_000


def test_a_display_needs_no_link_id() -> None:
    made = form({"type": "display", "text": "说明"}, {"type": "display", "text": "又一句"})
    assert [each.text for each in made.ordered] == ["说明", "又一句"]


def test_faults_of_expressions_are_told_without_an_answer() -> None:
    made = form(item("a", "integer", ext=[calculated("1 +")]), item("b", "string"))
    assert [(each.code, each.path, each.warning) for each in made.faults] == [
        ("expression_syntax", "a", True)
    ]


def test_a_form_is_known_by_url_and_version() -> None:
    made = form(item("a", "choice", answerOption=options("x")))
    assert made.canonical() == "https://citycare.example/fhir/Questionnaire/q|1"
    assert made.title == "测试问卷"
    assert forms.read({"resourceType": "Questionnaire"}).canonical() == ""
