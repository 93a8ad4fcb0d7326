"""What is asked for depends on what was answered: enableWhen and enableWhenExpression."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from citycare.kernel.fhir import forms
from tests.kernel.fhir.forms.made import begun, codes, coding, is_on, item, options, sdc, values

Json = dict[str, Any]


def when(operator: str, question: str = "a", **answer: Any) -> Json:
    return {"question": question, "operator": operator, **answer}


@pytest.mark.parametrize(
    ("operator", "given", "expected"),
    [
        ("=", 3, True),
        ("=", 4, False),
        ("!=", 3, False),
        ("!=", 4, True),
        (">", 3, False),
        (">", 4, True),
        ("<", 2, True),
        ("<", 3, False),
        (">=", 3, True),
        (">=", 2, False),
        ("<=", 3, True),
        ("<=", 4, False),
    ],
)
def test_each_operator_compares_the_answer(operator: str, given: int, *, expected: bool) -> None:
    filling = begun(item("a", "integer"), item("b", "string", when=when(operator, answerInteger=3)))
    filling.answer({"a": [{"valueInteger": given}]})
    assert is_on(filling, "b") is expected


@pytest.mark.parametrize(
    ("operator", "expected"), [("=", False), ("!=", True), (">", False), ("<=", False)]
)
def test_without_an_answer_only_unequal_holds(operator: str, *, expected: bool) -> None:
    filling = begun(item("a", "integer"), item("b", "string", when=when(operator, answerInteger=3)))
    assert is_on(filling, "b") is expected


@pytest.mark.parametrize("wanted", [True, False])
def test_exists_asks_whether_there_is_an_answer(*, wanted: bool) -> None:
    filling = begun(
        item("a", "string"), item("b", "string", when=when("exists", answerBoolean=wanted))
    )
    assert is_on(filling, "b") is not wanted
    filling.answer({"a": [{"valueString": "有"}]})
    assert is_on(filling, "b") is wanted


@pytest.mark.parametrize(
    ("kind", "condition", "given", "expected"),
    [
        ("boolean", {"answerBoolean": True}, {"valueBoolean": True}, True),
        ("decimal", {"answerDecimal": Decimal("37.50")}, {"valueDecimal": Decimal("37.5")}, True),
        ("date", {"answerDate": "2026-11-01"}, {"valueDate": "2026-11-01"}, True),
        ("date", {"answerDate": "2026-11-01"}, {"valueDate": "2026-11-02"}, False),
        ("time", {"answerTime": "08:00:00"}, {"valueTime": "08:00:00"}, True),
        (
            "dateTime",
            {"answerDateTime": "2026-11-01T08:00:00+08:00"},
            {"valueDateTime": "2026-11-01T00:00:00Z"},
            True,
        ),
        ("string", {"answerString": "是"}, {"valueString": "是"}, True),
        ("choice", {"answerCoding": {"code": "x"}}, coding("x"), True),
        ("choice", {"answerCoding": {"system": "urn:o", "code": "x"}}, coding("x"), False),
        (
            "quantity",
            {"answerQuantity": {"value": 1, "system": "http://unitsofmeasure.org", "code": "kg"}},
            {"valueQuantity": {"value": 1000, "system": "http://unitsofmeasure.org", "code": "g"}},
            True,
        ),
        (
            "reference",
            {"answerReference": {"reference": "Patient/1"}},
            {"valueReference": {"reference": "Patient/1", "display": "某人"}},
            True,
        ),
    ],
)
def test_equality_is_that_of_the_type(
    kind: str, condition: Json, given: Json, *, expected: bool
) -> None:
    filling = begun(item("a", kind), item("b", "string", when=when("=", **condition)))
    filling.answer({"a": [given]})
    assert is_on(filling, "b") is expected


@pytest.mark.parametrize(("behaviour", "expected"), [("all", False), ("any", True), (None, True)])
def test_several_conditions_hold_together_or_each(behaviour: str | None, *, expected: bool) -> None:
    conditions = [when("=", answerInteger=1), when("=", "b", answerInteger=1)]
    more = {} if behaviour is None else {"enableBehavior": behaviour}
    filling = begun(
        item("a", "integer"), item("b", "integer"), item("c", "string", when=conditions, **more)
    )
    filling.answer({"a": [{"valueInteger": 1}], "b": [{"valueInteger": 2}]})
    assert is_on(filling, "c") is expected
    filling.answer({"b": [{"valueInteger": 1}]})
    assert is_on(filling, "c")


def test_one_of_several_answers_is_enough() -> None:
    filling = begun(
        item("a", "choice", repeats=True, answerOption=options("x", "y", "z")),
        item("b", "string", when=when("=", answerCoding=coding("y")["valueCoding"])),
    )
    filling.answer({"a": [coding("x"), coding("y")]})
    assert is_on(filling, "b")
    filling.answer({"a": [coding("x"), coding("z")]})
    assert not is_on(filling, "b")


def test_what_is_within_goes_with_what_it_stands_in() -> None:
    filling = begun(
        item("a", "boolean"),
        item("g", "group", item("b", "string"), when=when("=", answerBoolean=True)),
    )
    assert not is_on(filling, "g/b")
    filling.answer({"a": [{"valueBoolean": True}]})
    assert is_on(filling, "g/b")


def test_what_is_not_asked_for_does_not_count_but_is_not_forgotten() -> None:
    filling = begun(
        item("a", "boolean"),
        item("b", "integer", when=when("=", answerBoolean=True)),
        item("c", "string", when=when(">", "b", answerInteger=0)),
    )
    filling.answer({"a": [{"valueBoolean": True}], "b": [{"valueInteger": 1}]})
    assert is_on(filling, "c")
    filling.answer({"a": [{"valueBoolean": False}]})
    assert not is_on(filling, "b")
    assert not is_on(filling, "c"), "a disabled question counts as not answered"
    assert ("b", "disabled") in codes(filling)
    assert [each["linkId"] for each in filling.response("in-progress")["item"]] == ["a"]
    filling.answer({"a": [{"valueBoolean": True}]})
    assert values(filling, "b") == [1]
    assert is_on(filling, "c")


def test_in_a_repetition_the_question_beside_is_meant() -> None:
    filling = begun(
        item(
            "g",
            "group",
            item("a", "boolean"),
            item("b", "string", when=when("=", answerBoolean=True)),
            repeats=True,
        )
    )
    filling.add("g[0]")
    filling.answer({"g[1]/a": [{"valueBoolean": True}]})
    assert not is_on(filling, "g[0]/b")
    assert is_on(filling, "g[1]/b")


def test_within_an_answer_the_question_around_is_meant() -> None:
    inner = item("b", "string", when=when("=", answerBoolean=True))
    filling = begun(item("a", "boolean", inner))
    filling.answer({"a": [{"valueBoolean": True}]})
    assert is_on(filling, "a/b")


def test_an_expression_enables_and_a_failing_one_hides_nothing() -> None:
    bmi = sdc("enableWhenExpression", "%resource.item.where(linkId = 'a').answer.value > 28")
    broken = sdc("enableWhenExpression", "%resource.item.select(1 + true)")
    filling = begun(
        item("a", "integer"), item("b", "string", ext=[bmi]), item("c", "string", ext=[broken])
    )
    assert not is_on(filling, "b")
    filling.answer({"a": [{"valueInteger": 30}]})
    assert is_on(filling, "b")
    assert is_on(filling, "c")
    assert ("c", "expression") in [(each.path, each.code) for each in filling.faults()]


def test_conditions_in_a_circle_end_and_are_told() -> None:
    filling = begun(
        item(
            "a",
            "boolean",
            when=when("!=", "b", answerBoolean=True),
            initial=[{"valueBoolean": True}],
        ),
        item(
            "b",
            "boolean",
            when=when("=", "a", answerBoolean=True),
            initial=[{"valueBoolean": True}],
        ),
    )
    assert {each.code for each in filling.faults()} == {"cycle"}
    assert is_on(filling, "a")
    assert is_on(filling, "b"), "where a circle does not settle nothing is hidden"


@pytest.mark.parametrize(
    "condition",
    [
        {"question": "a", "operator": "~", "answerInteger": 1},
        {"question": "nowhere", "operator": "=", "answerInteger": 1},
        {"question": "a", "operator": "exists", "answerInteger": 1},
        {"question": "a", "operator": "="},
        {"operator": "=", "answerInteger": 1},
        "text",
    ],
)
def test_a_condition_that_cannot_be_understood_is_told_to_the_author(condition: Any) -> None:
    filling = begun(item("a", "integer"), item("b", "string", when=[condition]))
    assert [each.code for each in filling.form.faults] == ["enable_when"]
    assert isinstance(filling, forms.Filling)
