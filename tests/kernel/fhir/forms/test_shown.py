"""A form as a page draws it."""

from __future__ import annotations

from typing import Any

import pytest

from citycare.kernel.fhir import forms
from tests.kernel.fhir.forms.made import at, begun, coding, control, core, item, options

Json = dict[str, Any]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("boolean", "boolean"),
        ("integer", "integer"),
        ("decimal", "decimal"),
        ("quantity", "quantity"),
        ("date", "date"),
        ("dateTime", "datetime"),
        ("time", "time"),
        ("string", "string"),
        ("text", "text"),
        ("url", "url"),
        ("group", "group"),
        ("display", "display"),
        ("attachment", "unsupported"),
        ("reference", "unsupported"),
        ("choice", "unsupported"),
        ("open-choice", "string"),
    ],
)
def test_each_type_has_its_widget(kind: str, expected: str) -> None:
    assert at(begun(item("a", kind)), "a").widget == expected


def test_flat_yields_everything_from_top_to_bottom_with_its_depth() -> None:
    filling = begun(
        item(
            "g", "group", item("a", "string", item("b", "string"), repeats=True), item("c", "url")
        ),
        item("d", "display"),
    )
    filling.answer({"g/a": [{"valueString": "一"}, {"valueString": "二"}]})
    found = [(each.path, each.depth) for each in forms.flat(filling.shown())]
    assert found == [("g", 0), ("g/a", 1), ("g/a[0]/b", 2), ("g/a[1]/b", 2), ("g/c", 1), ("d", 0)]


def test_hidden_goes_down_and_nobody_answers_what_is_hidden() -> None:
    hidden = core("questionnaire-hidden", valueBoolean=True)
    filling = begun(item("g", "group", item("a", "string"), ext=[hidden]))
    assert at(filling, "g/a").hidden
    assert at(filling, "g/a").read_only
    with pytest.raises(forms.PlaceFixed):
        filling.answer({"g/a": [{"valueString": "x"}]})


def test_help_is_shown_with_its_question_and_a_unit_behind_its_number() -> None:
    filling = begun(
        item(
            "a",
            "integer",
            item("h", "display", text="量三次取中间值", ext=[control("help")]),
            item("u", "display", text="次/分", ext=[control("unit")]),
        )
    )
    shown = at(filling, "a")
    assert (shown.help, shown.unit, shown.items) == ("量三次取中间值", "次/分", ())


def test_units_to_choose_from() -> None:
    offered = [
        core("questionnaire-unitOption", valueCoding={"code": code, "display": name})
        for code, name in (("mmol/L", "毫摩尔每升"), ("mg/dL", "毫克每分升"))
    ]
    shown = at(begun(item("a", "quantity", ext=offered)), "a")
    assert [each.text for each in shown.units] == ["毫摩尔每升", "毫克每分升"]


def english(text: str) -> Json:
    parts = [{"url": "lang", "valueCode": "en-GB"}, {"url": "content", "valueString": text}]
    return {"extension": [core("translation", extension=parts)]}


def test_texts_are_in_the_persons_language_where_the_form_has_it() -> None:
    option = coding("x", display="咳嗽", _display=english("Cough"))
    filling = begun(
        item("a", "choice", answerOption=[option], _text=english("What is it?")),
        item("b", "boolean"),
    )
    filling.answer({"a": [option], "b": [{"valueBoolean": True}]})
    shown = at(filling, "a", "en")
    assert (shown.text, shown.options[0].text, shown.entries[0].text) == (
        "What is it?",
        "Cough",
        "Cough",
    )
    assert at(filling, "a").options[0].text == "咳嗽"
    assert at(filling, "b", "en").text == "问题 b", "what has no translation stays as it is"
    assert [at(filling, "b", lang).entries[0].text for lang in ("zh", "en")] == ["是", "Yes"]


def test_problems_stand_at_their_places() -> None:
    filling = begun(item("g", "group", item("a", "string", required=True)), item("b", "string"))
    problems = filling.problems(complete=True)
    shown = {each.path: each for each in forms.flat(filling.shown("zh", problems))}
    assert [each.words for each in shown["g/a"].problems] == ["请填写这一项"]
    assert shown["b"].problems == ()


def test_a_preview_for_who_writes_it_shows_the_form_and_its_faults() -> None:
    filling = begun(
        item("a", "choice", answerOption=options("x"), prefix="1."),
        item("b", "string", when={"question": "nowhere", "operator": "=", "answerInteger": 1}),
    )
    assert at(filling, "a").prefix == "1."
    assert [(each.path, each.code) for each in filling.faults()] == [("b", "enable_when")]
