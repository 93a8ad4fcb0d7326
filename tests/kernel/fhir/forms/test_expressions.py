"""Calculated answers, variables, offered answers: chains, circles, scores, hand-written answers."""

from __future__ import annotations

from decimal import Decimal

import pytest

from citycare.kernel.fhir import forms
from tests.kernel.fhir.forms.made import (
    NOW,
    at,
    begun,
    calculated,
    codes,
    coding,
    core,
    item,
    of,
    options,
    sdc,
    values,
    variable,
)

HIDDEN = core("questionnaire-hidden", valueBoolean=True)


def faults(filling: forms.Filling) -> list[tuple[str, str]]:
    return [(each.path, each.code) for each in filling.faults()]


def test_a_chain_of_calculations_follows_an_answer() -> None:
    filling = begun(
        item("d", "decimal", ext=[calculated(f"{of('c')} + 1")]),
        item("c", "decimal", ext=[calculated(f"{of('b')} * 2")]),
        item("b", "decimal", ext=[calculated(f"{of('a')} + 1")]),
        item("a", "integer"),
    )
    assert values(filling, "d") == []
    filling.answer({"a": [{"valueInteger": 4}]})
    assert [values(filling, place)[0] for place in "bcd"] == [5, 10, 11]
    filling.answer({"a": []})
    assert values(filling, "d") == []


def test_only_what_depends_on_a_change_is_evaluated_again() -> None:
    filling = begun(
        item("a", "integer"),
        item("b", "integer", ext=[calculated(of("a"))]),
        *(item(f"x{n}", "integer", ext=[calculated("1")]) for n in range(50)),
    )
    before = filling.evaluations
    filling.answer({"a": [{"valueInteger": 1}]})
    assert filling.evaluations - before == 1


def test_a_circle_of_calculations_ends_and_is_told() -> None:
    filling = begun(
        item("a", "integer", ext=[calculated(f"iif({of('b')}.exists(), {of('b')} + 1, 1)")]),
        item("b", "integer", ext=[calculated(f"{of('a')} + 1")]),
    )
    assert faults(filling) == [("a", "cycle"), ("b", "cycle")]
    assert filling.answers() == {}
    assert filling.evaluations < 500


def test_a_circle_that_settles_is_none() -> None:
    filling = begun(
        item("a", "integer", ext=[calculated(f"iif({of('b')} > 1, 2, 2)")]),
        item("b", "integer", ext=[calculated(of("a"))]),
    )
    assert faults(filling) == []
    assert values(filling, "b") == [2]


def test_a_person_may_overwrite_what_is_calculated_unless_it_is_read_only() -> None:
    filling = begun(
        item("a", "integer", ext=[calculated("1")]),
        item("b", "integer", readOnly=True, ext=[calculated("1")]),
        item("c", "integer", ext=[calculated("1"), HIDDEN]),
    )
    filling.answer({"a": [{"valueInteger": 7}]})
    assert values(filling, "a") == [7]
    filling.answer({"a": []})
    assert values(filling, "a") == [1]
    for place in ("b", "c"):
        with pytest.raises(forms.PlaceFixed):
            filling.answer({place: [{"valueInteger": 7}]})


def test_a_saved_value_that_differs_from_the_calculated_gives_way() -> None:
    made = begun(item("b", "integer", readOnly=True, ext=[calculated("1")])).form
    response = {
        "resourceType": "QuestionnaireResponse",
        "item": [{"linkId": "b", "answer": [{"valueInteger": 5}]}],
    }
    filling = forms.resume(made, response, now=NOW)
    assert values(filling, "b") == [1]
    assert codes(filling) == [("b", "calculated")]


def test_body_mass_index_from_quantities() -> None:
    kg = core("questionnaire-unit", valueCoding={"code": "kg"})
    cm = core("questionnaire-unit", valueCoding={"code": "cm"})
    bmi = f"({of('w')}.value / ({of('h')}.value / 100).power(2)).round(1)"
    filling = begun(
        item("w", "quantity", ext=[kg]),
        item("h", "quantity", ext=[cm]),
        item("bmi", "decimal", readOnly=True, ext=[calculated(bmi)]),
    )
    filling.answer(
        {
            "w": [{"valueQuantity": {"value": Decimal("70.5"), "code": "kg"}}],
            "h": [{"valueQuantity": {"value": 170, "code": "cm"}}],
        }
    )
    assert values(filling, "bmi") == [Decimal("24.4")]


def test_scores_of_options_add_up() -> None:
    weighed = [
        coding(code, extension=[core("ordinalValue", valueDecimal=number)])
        for number, code in enumerate(("never", "often", "always"))
    ]
    total = "%resource.item.answer.value.ofType(Coding).select(weight()).sum()"
    filling = begun(
        item("a", "choice", answerOption=weighed),
        item("b", "choice", answerOption=weighed),
        item("sum", "integer", readOnly=True, ext=[calculated(total)]),
    )
    filling.answer({"a": [coding("often")], "b": [coding("always")]})
    assert values(filling, "sum") == [3]


def test_variables_of_form_and_group_are_seen_within() -> None:
    inner = item("b", "integer", ext=[calculated("%mine + %all")])
    group = item("g", "group", inner, ext=[variable("mine", "%all * 10")])
    filling = begun(
        item("a", "integer"),
        group,
        ext=[variable("n", of("a")), variable("all", "%n + 1")],
    )
    filling.answer({"a": [{"valueInteger": 1}]})
    assert values(filling, "g/b") == [22]


def test_offered_answers_follow_from_others() -> None:
    filling = begun(
        item("a", "choice", repeats=True, answerOption=options("x", "y", "z")),
        item("b", "choice", ext=[sdc("answerExpression", of("a"))]),
    )
    filling.answer({"a": [coding("x", display="选项 x"), coding("z", display="选项 z")]})
    assert [each.text for each in at(filling, "b").options] == ["选项 x", "选项 z"]
    filling.answer({"b": [coding("y")]})
    assert ("b", "option") in codes(filling)


def test_hints_bind_nobody() -> None:
    filling = begun(item("b", "string", ext=[sdc("candidateExpression", "'甲' | '乙'")]))
    shown = at(filling, "b")
    assert shown.hints
    assert [each.text for each in shown.options] == ["甲", "乙"]
    filling.answer({"b": [{"valueString": "丙"}]})
    assert codes(filling) == []


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"language": "text/fhirpath", "expression": "1 +"}, "expression_syntax"),
        ({"language": "text/cql", "expression": "1"}, "expression_language"),
        ({"language": "text/fhirpath", "expression": "1 + true"}, "expression"),
        ({"language": "text/fhirpath", "expression": "'text'"}, "expression_type"),
        ({"language": "text/fhirpath", "expression": "1 | 2"}, "expression_type"),
        ({"language": "text/fhirpath"}, "expression_syntax"),
    ],
)
def test_an_expression_that_fails_is_told_and_stops_nobody(
    given: dict[str, str], code: str
) -> None:
    extension = calculated("1") | {"valueExpression": given}
    filling = begun(item("a", "integer", ext=[extension]), item("b", "string"))
    assert ("a", code) in faults(filling)
    filling.answer({"b": [{"valueString": "好"}], "a": [{"valueInteger": 3}]})
    assert codes(filling) == []


def test_the_same_answers_lead_to_the_same_state_whatever_the_way() -> None:
    items = (
        item("a", "integer"),
        item("b", "integer", ext=[calculated(f"{of('a')} + 1")]),
        item("c", "string", when={"question": "b", "operator": ">", "answerInteger": 2}),
    )
    one, other = begun(*items), begun(*items)
    one.answer({"a": [{"valueInteger": 5}]})
    one.answer({"a": [{"valueInteger": 1}]})
    other.answer({"a": [{"valueInteger": 1}]})
    assert one.shown() == other.shown()
