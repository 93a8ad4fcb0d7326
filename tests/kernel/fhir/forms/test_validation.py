"""What is wrong with an answer, in a draft and in what is sent."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from citycare.kernel.fhir import forms
from citycare.kernel.fhir.forms.words import WARNINGS, WORDS
from tests.kernel.fhir.forms.made import NOW, at, begun, calculated, codes, core, form, item, of

Json = dict[str, Any]


def checked(kind: str, given: Json, *ext: Json, **more: Any) -> list[str]:
    filling = begun(item("a", kind, ext=list(ext), **more))
    filling.answer({"a": [given]})
    return [code for _, code in codes(filling)]


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        ("boolean", {"valueBoolean": False}, {"valueBoolean": "false"}),
        ("decimal", {"valueDecimal": Decimal("1.5")}, {"valueDecimal": "1.5"}),
        ("decimal", {"valueDecimal": 1}, {"valueInteger": 1}),
        ("integer", {"valueInteger": 1}, {"valueInteger": Decimal("1.0")}),
        ("integer", {"valueInteger": 1}, {"valueInteger": True}),
        ("date", {"valueDate": "2026-11"}, {"valueDate": "2026-13"}),
        ("date", {"valueDate": "2024-02-29"}, {"valueDate": "2026-02-29"}),
        ("dateTime", {"valueDateTime": "2026-11-29T09:00:00+08:00"}, {"valueDateTime": "9:00"}),
        ("time", {"valueTime": "09:00:00"}, {"valueTime": "09:00"}),
        ("string", {"valueString": "好"}, {"valueString": 1}),
        ("text", {"valueString": "好"}, {"valueUri": "urn:x"}),
        ("url", {"valueUri": "urn:x"}, {"valueString": "urn:x"}),
        ("choice", {"valueCoding": {"code": "x"}}, {"valueCoding": {}}),
        ("quantity", {"valueQuantity": {"value": 1}}, {"valueQuantity": {"value": "1"}}),
        ("reference", {"valueReference": {"reference": "Patient/1"}}, {"valueReference": "x"}),
        ("attachment", {"valueAttachment": {"url": "urn:x"}}, {"valueAttachment": []}),
    ],
)
def test_answers_are_of_the_type_of_the_question(kind: str, right: Json, wrong: Json) -> None:
    assert checked(kind, right) == []
    assert checked(kind, wrong) == ["answer_type"]


def low(**value: Any) -> Json:
    return core("minValue", **value)


def high(**value: Any) -> Json:
    return core("maxValue", **value)


KG = {"system": "http://unitsofmeasure.org", "code": "kg"}
BOUND_CASES: list[tuple[str, Json, list[Json], list[str]]] = [
    ("integer", {"valueInteger": 0}, [low(valueInteger=1)], ["min_value"]),
    ("integer", {"valueInteger": 1}, [low(valueInteger=1), high(valueInteger=1)], []),
    ("decimal", {"valueDecimal": Decimal("42.1")}, [high(valueDecimal=42)], ["max_value"]),
    ("date", {"valueDate": "1899-12-31"}, [low(valueDate="1900-01-01")], ["min_value"]),
    ("date", {"valueDate": "1900"}, [low(valueDate="1900-01-01")], []),
    (
        "quantity",
        {"valueQuantity": {"value": 900, "code": "kg"}},
        [high(valueInteger=500)],
        ["max_value"],
    ),
    (
        "quantity",
        {"valueQuantity": {**KG, "code": "g", "value": 900}},
        [low(valueQuantity={**KG, "value": 1})],
        ["min_value"],
    ),
    ("string", {"valueString": "一"}, [core("minLength", valueInteger=2)], ["min_length"]),
    ("string", {"valueString": "  "}, [], ["empty"]),
    ("string", {"valueString": "12a"}, [core("regex", valueString="[0-9]+")], ["pattern"]),
    ("string", {"valueString": "123"}, [core("regex", valueString="[0-9]+")], []),
    ("string", {"valueString": "1"}, [core("regex", valueString="(")], ["bounds"]),
    (
        "decimal",
        {"valueDecimal": Decimal("1.25")},
        [core("maxDecimalPlaces", valueInteger=1)],
        ["places"],
    ),
    (
        "decimal",
        {"valueDecimal": Decimal("1.50")},
        [core("maxDecimalPlaces", valueInteger=1)],
        ["places"],
    ),
    (
        "integer",
        {"valueInteger": 7},
        [core("questionnaire-sliderStepValue", valueInteger=5)],
        ["step"],
    ),
    (
        "attachment",
        {"valueAttachment": {"contentType": "text/html", "url": "urn:x"}},
        [core("mimeType", valueCode="image/png")],
        ["mime_type"],
    ),
    (
        "attachment",
        {"valueAttachment": {"size": 2_000_001}},
        [core("maxSize", valueDecimal=2)],
        ["max_bytes"],
    ),
    (
        "attachment",
        {"valueAttachment": {"data": "A" * 40}},
        [core("maxSize", valueDecimal=Decimal("0.00001"))],
        ["max_bytes"],
    ),
]


@pytest.mark.parametrize(("kind", "given", "ext", "expected"), BOUND_CASES)
def test_bounds(kind: str, given: Json, ext: list[Json], expected: list[str]) -> None:
    assert checked(kind, given, *ext) == expected


def test_length_counts_characters() -> None:
    assert checked("string", {"valueString": "一二三"}, maxLength=3) == []
    assert checked("string", {"valueString": "一二三四"}, maxLength=3) == ["max_length"]


def test_a_bound_may_be_an_expression() -> None:
    today = core(
        "maxValue",
        _valueDate={
            "extension": [
                core(
                    "cqf-expression",
                    valueExpression={"language": "text/fhirpath", "expression": "today()"},
                )
            ]
        },
    )
    assert checked("date", {"valueDate": "2026-11-29"}, today) == []
    assert checked("date", {"valueDate": "2026-11-30"}, today) == ["max_value"]
    shown = at(begun(item("a", "date", ext=[today])), "a")
    assert str(shown.bounds.high) == "2026-11-29"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"value": 1, "code": "mg", "system": "urn:u"}, []),
        ({"value": 1, "code": "g", "system": "urn:u"}, ["unit"]),
        ({"value": 1, "unit": "毫克"}, []),
        ({"value": 1}, ["unit"]),
        ({"unit": "毫克"}, ["empty"]),
    ],
)
def test_units_are_those_offered(value: Json, expected: list[str]) -> None:
    offered = core(
        "questionnaire-unitOption",
        valueCoding={"system": "urn:u", "code": "mg", "display": "毫克"},
    )
    assert checked("quantity", {"valueQuantity": value}, offered) == expected


def constraint(expression: str, severity: str = "error") -> Json:
    parts = [
        {"url": "key", "valueId": "c"},
        {"url": "severity", "valueCode": severity},
        {"url": "expression", "valueString": expression},
        {"url": "human", "valueString": "收缩压应高于舒张压"},
    ]
    return {"url": core("questionnaire-constraint")["url"], "extension": parts}


def test_a_rule_over_several_answers() -> None:
    rule = constraint(f"{of('high')} > {of('low')}")
    filling = begun(item("g", "group", item("high", "integer"), item("low", "integer"), ext=[rule]))
    assert codes(filling, complete=False) == []
    filling.answer({"g/high": [{"valueInteger": 80}], "g/low": [{"valueInteger": 120}]})
    [found] = filling.problems(complete=False)
    assert (found.path, found.code, found.words) == ("g", "constraint", "收缩压应高于舒张压")
    filling.answer({"g/high": [{"valueInteger": 130}]})
    assert codes(filling) == []


def test_a_rule_over_the_whole_form_may_only_warn() -> None:
    filling = begun(item("a", "string"), ext=[constraint("item.exists()", "warning")])
    [found] = filling.problems(complete=True)
    assert (found.path, found.warning) == ("", True)


def test_a_draft_may_lack_what_a_complete_response_may_not() -> None:
    filling = begun(
        item("a", "string", required=True),
        item("g", "group", item("b", "string"), required=True),
        item(
            "c",
            "string",
            required=True,
            when={"question": "a", "operator": "exists", "answerBoolean": True},
        ),
    )
    assert codes(filling, complete=False) == []
    assert codes(filling) == [("a", "required"), ("g", "required")]
    filling.answer({"a": [{"valueString": "好"}], "g/b": [{"valueString": "好"}]})
    assert codes(filling) == [("c", "required")]


def test_within_what_is_not_there_nothing_is_missing() -> None:
    filling = begun(
        item("g", "group", item("a", "string", required=True), item("n", "string"), repeats=True),
        item("b", "string", item("d", "string", required=True)),
    )
    assert codes(filling) == []
    filling.answer({"g[0]/n": [{"valueString": "x"}], "b": [{"valueString": "x"}]})
    assert codes(filling) == [("g[0]/a", "required"), ("b/d", "required")]


def test_what_nobody_could_fill_in_blocks_nobody() -> None:
    hidden = core("questionnaire-hidden", valueBoolean=True)
    filling = begun(
        item("a", "string", required=True, ext=[hidden]),
        item("b", "integer", required=True, readOnly=True, ext=[calculated("{}")]),
    )
    assert [(each.path, each.warning) for each in filling.problems(complete=True)] == [("a", True)]


HEADERS = [
    ({"resourceType": "Patient"}, "response"),
    ({"status": "done"}, "status"),
    ({"questionnaire": "https://citycare.example/fhir/Questionnaire/other"}, "questionnaire"),
    ({"questionnaire": "https://citycare.example/fhir/Questionnaire/q|2"}, "version"),
]


@pytest.mark.parametrize(("header", "code"), HEADERS)
def test_the_head_of_a_response(header: Json, code: str) -> None:
    filling = forms.resume(form(item("a", "string")), header, now=NOW)
    assert codes(filling) == [("", code)]


SHAPES: list[tuple[Any, list[tuple[str, str]]]] = [
    ([{"linkId": "x"}], [("x", "item_unknown")]),
    ([{"linkId": "b"}], [("b", "item_misplaced")]),
    ([{}], [("", "item_shape")]),
    (["text"], [("", "item_shape")]),
    (
        [{"linkId": "a", "answer": [{"valueString": "x"}]}] * 2,
        [("a", "item_again"), ("a", "answer_many"), ("a", "answer_twice")],
    ),
    ([{"linkId": "a", "answer": ["x"]}], [("a", "answer_shape")]),
    ([{"linkId": "d", "answer": [{"valueString": "x"}]}], [("d", "answer_none")]),
    ([{"linkId": "g", "answer": [{"valueString": "x"}]}], [("g", "answer_none")]),
    ([{"linkId": "a", "item": [{"linkId": "b"}]}], [("a", "nesting"), ("a/b", "item_misplaced")]),
]


@pytest.mark.parametrize(("items", "expected"), SHAPES)
def test_the_shape_of_a_response(items: Any, expected: list[tuple[str, str]]) -> None:
    made = form(item("a", "string"), item("g", "group", item("b", "string")), item("d", "display"))
    filling = forms.resume(made, {"item": items}, now=NOW)
    assert sorted(codes(filling)) == sorted(expected)


@pytest.mark.parametrize("response", [None, [], "text", 7])
def test_no_object_is_no_response(response: Any) -> None:
    with pytest.raises(forms.AnswerBroken):
        forms.resume(form(item("a", "string")), response)


@pytest.mark.parametrize(
    ("path", "given", "error"),
    [
        ("x", [], forms.PlaceUnknown),
        ("g", [], forms.PlaceUnknown),
        ("g/b", [{}], forms.AnswerBroken),
        ("g/b", ["x"], forms.AnswerBroken),
        ("r", [], forms.PlaceFixed),
        ("g/b", [{"valueString": "x"}] * 1_001, forms.ResponseTooLong),
    ],
)
def test_an_answer_that_has_no_place_changes_nothing(
    path: str, given: Any, error: type[Exception]
) -> None:
    filling = begun(
        item("a", "string"),
        item("g", "group", item("b", "string")),
        item("r", "string", readOnly=True),
    )
    with pytest.raises(error):
        filling.answer({"a": [{"valueString": "x"}], path: given})
    assert filling.answers() == {}


def test_all_words_are_in_both_languages() -> None:
    assert {code for code, (zh, en) in WORDS.items() if not zh or not en} == set()
    assert WORDS.keys() >= WARNINGS


@pytest.mark.parametrize(
    "number", [Decimal("Infinity"), Decimal("NaN"), float("inf"), 10**40, Decimal("1e-50")]
)
def test_a_number_no_answer_has_is_refused_and_read_as_none(number: Any) -> None:
    made = form(item("a", "decimal"), item("b", "integer", ext=[calculated(of("a"))]))
    with pytest.raises(forms.AnswerBroken):
        forms.begin(made).answer({"a": [{"valueDecimal": number}]})
    answered = {"item": [{"linkId": "a", "answer": [{"valueDecimal": number}]}]}
    assert codes(forms.resume(made, answered, now=NOW)) == [("a", "answer_shape")]
