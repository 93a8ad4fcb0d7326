"""What a question offers: options, contained and handed-in value sets, open choices."""

from __future__ import annotations

from typing import Any

import pytest

from citycare.kernel.fhir import forms
from tests.kernel.fhir.forms.made import (
    NOW,
    SYSTEM,
    at,
    begun,
    codes,
    coding,
    control,
    core,
    item,
    options,
)

Json = dict[str, Any]

EXPANDED = {
    "resourceType": "ValueSet",
    "id": "expanded",
    "expansion": {
        "contains": [
            {
                "system": SYSTEM,
                "code": "all",
                "abstract": True,
                "contains": [{"system": SYSTEM, "code": "x", "display": "甲"}],
            },
            {"system": SYSTEM, "code": "y", "display": "乙"},
        ]
    },
}
COMPOSED = {
    "resourceType": "ValueSet",
    "id": "composed",
    "url": "urn:test:composed",
    "compose": {
        "include": [
            {"system": SYSTEM, "concept": [{"code": "x"}, {"code": "y"}, {"code": "z"}]},
            {"valueSet": ["#expanded"]},
            {"system": "urn:test:inside"},
        ],
        "exclude": [{"system": SYSTEM, "concept": [{"code": "z"}]}],
    },
}
INSIDE = {
    "resourceType": "CodeSystem",
    "id": "inside",
    "url": "urn:test:inside",
    "concept": [{"code": "p", "concept": [{"code": "q"}]}],
}
CIRCLE = {
    "resourceType": "ValueSet",
    "id": "circle",
    "compose": {"include": [{"valueSet": ["#circle"]}]},
}
CONTAINED = [EXPANDED, COMPOSED, INSIDE, CIRCLE]


def offered(filling: forms.Filling) -> list[str]:
    return [each.answer["valueCoding"]["code"] for each in at(filling, "a").options]


@pytest.mark.parametrize(
    ("canonical", "expected"),
    [
        ("#expanded", ["x", "y"]),
        ("#composed", ["x", "y", "x", "y", "p", "q"]),
        ("urn:test:composed|2", ["x", "y", "x", "y", "p", "q"]),
        ("#circle", []),
        ("#missing", []),
    ],
)
def test_value_sets_within_the_questionnaire(canonical: str, expected: list[str]) -> None:
    filling = begun(item("a", "choice", answerValueSet=canonical), contained=CONTAINED)
    assert offered(filling) == expected
    told = [each.code for each in filling.form.faults]
    assert told == ([] if expected else ["value_set"])


def test_a_value_set_is_asked_for_once() -> None:
    asked = []

    def expand(canonical: str) -> list[Json]:
        asked.append(canonical)
        return [coding("x", display="甲")["valueCoding"]]

    filling = begun(
        item("a", "choice", answerValueSet="urn:vs"),
        item("b", "choice", answerValueSet="urn:vs"),
        sources=forms.Sources(expand=expand),
    )
    assert [each.text for each in at(filling, "b").options] == ["甲"]
    filling.answer({"a": [coding("y")]})
    assert codes(filling) == [("a", "option")]
    assert asked == ["urn:vs"]


def test_where_it_cannot_be_expanded_membership_is_asked() -> None:
    sources = forms.Sources(member=lambda given, _: given.get("code") == "x")
    filling = begun(item("a", "choice", answerValueSet="urn:vs"), sources=sources)
    filling.answer({"a": [coding("x")]})
    assert codes(filling) == []
    filling.answer({"a": [coding("y")]})
    assert codes(filling) == [("a", "option")]


def test_an_unknown_value_set_is_a_warning_only() -> None:
    filling = begun(item("a", "choice", answerValueSet="urn:vs"))
    assert at(filling, "a").widget == "unsupported"
    filling.answer({"a": [coding("x")]})
    [found] = filling.problems(complete=True)
    assert (found.code, found.warning) == ("value_set", True)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (coding("x"), []),
        ({"valueCoding": {"code": "x"}}, []),
        (coding("w"), [("a", "option")]),
        ({"valueCoding": {"system": "urn:other", "code": "x"}}, [("a", "option")]),
        ({"valueString": "x"}, [("a", "answer_type")]),
    ],
)
def test_an_answer_is_one_that_is_offered(given: Json, expected: list[Any]) -> None:
    filling = begun(item("a", "choice", answerOption=options("x", "y")))
    filling.answer({"a": [given]})
    assert codes(filling) == expected


def test_an_open_choice_takes_a_text_besides() -> None:
    filling = begun(item("a", "open-choice", repeats=True, answerOption=options("x")))
    filling.answer({"a": [coding("x"), {"valueString": "别的"}]})
    assert codes(filling) == []
    filling.answer({"a": [coding("z")]})
    assert codes(filling) == [("a", "option")]


@pytest.mark.parametrize(
    ("kind", "values", "right", "wrong"),
    [
        ("integer", [{"valueInteger": 1}], {"valueInteger": 1}, {"valueInteger": 2}),
        ("string", [{"valueString": "甲"}], {"valueString": "甲"}, {"valueString": "乙"}),
        ("date", [{"valueDate": "2026-01-01"}], {"valueDate": "2026-01-01"}, {"valueDate": "2026"}),
    ],
)
def test_other_types_have_options_too(
    kind: str, values: list[Json], right: Json, wrong: Json
) -> None:
    filling = begun(item("a", kind, answerOption=values))
    assert at(filling, "a").widget == "radios"
    filling.answer({"a": [right]})
    assert codes(filling) == []
    filling.answer({"a": [wrong]})
    assert codes(filling) == [("a", "option")]


def test_an_exclusive_option_stands_alone() -> None:
    none = coding("none") | {
        "extension": [core("questionnaire-optionExclusive", valueBoolean=True)]
    }
    filling = begun(item("a", "choice", repeats=True, answerOption=[*options("x", "y"), none]))
    filling.answer({"a": [coding("x"), coding("none")]})
    assert codes(filling) == [("a", "exclusive")]
    filling.answer({"a": [coding("none")]})
    assert codes(filling) == []


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, "radios"),
        ({"repeats": True}, "checkboxes"),
        ({"ext": [control("drop-down")]}, "list"),
        ({"ext": [control("radio-button")]}, "radios"),
    ],
)
def test_how_a_choice_is_drawn(more: Json, expected: str) -> None:
    filling = begun(item("a", "choice", answerOption=options("x", "y"), **more))
    assert at(filling, "a").widget == expected


def test_many_choices_become_a_list() -> None:
    many = options(*(str(number) for number in range(21)))
    assert at(begun(item("a", "choice", answerOption=many)), "a").widget == "list"


def test_too_many_options_are_refused() -> None:
    with pytest.raises(forms.FormBroken) as caught:
        begun(item("a", "choice", answerOption=options(*map(str, range(5_001)))))
    assert [each.code for each in caught.value.problems] == ["form_options"]


def test_a_handed_in_set_that_is_too_big_is_not_drawn() -> None:
    codings = [coding(str(number))["valueCoding"] for number in range(5_001)]
    sources = forms.Sources(expand=lambda _: codings)
    filling = forms.begin(
        begun(item("a", "choice", answerValueSet="urn:vs")).form, now=NOW, sources=sources
    )
    assert at(filling, "a").options == ()
