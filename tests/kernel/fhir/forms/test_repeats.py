"""Answers and groups that repeat, and what is asked within an answer."""

from __future__ import annotations

import pytest

from citycare.kernel.fhir import forms
from tests.kernel.fhir.forms.made import at, begun, calculated, codes, core, form, item, of, values

ROWS = item("g", "group", item("a", "string"), item("n", "integer"), repeats=True)
TOTAL = item("sum", "integer", readOnly=True, ext=[calculated(f"{of('n')}.sum()")])


def texts(filling: forms.Filling) -> list[str]:
    shown = [each for each in forms.flat(filling.shown()) if each.link_id == "a"]
    return [each.entries[0].text if each.entries else "" for each in shown]


def test_repetitions_are_added_counted_and_removed() -> None:
    filling = begun(ROWS, TOTAL)
    assert filling.add("g[0]") == "g[1]"
    assert filling.add("g[0]") == "g[2]"
    filling.answer(
        {f"g[{n}]/n": [{"valueInteger": 10**n}] for n in range(3)}
        | {f"g[{n}]/a": [{"valueString": str(n)}] for n in range(3)}
    )
    assert values(filling, "sum") == [111]
    filling.remove("g[1]")
    assert texts(filling) == ["0", "2"]
    assert values(filling, "sum") == [101]
    assert values(filling, "g[1]/n") == [100]


def test_of_the_last_repetition_only_the_answers_go() -> None:
    filling = begun(ROWS, TOTAL)
    filling.answer({"g[0]/n": [{"valueInteger": 3}]})
    filling.remove("g[0]")
    assert texts(filling) == [""]
    assert values(filling, "sum") == []
    assert "item" not in filling.response("in-progress")


def test_empty_repetitions_are_not_sent() -> None:
    filling = begun(ROWS)
    filling.add("g[0]")
    filling.answer({"g[1]/n": [{"valueInteger": 3}]})
    [sent] = filling.response("in-progress")["item"]
    assert sent["item"][0]["answer"] == [{"valueInteger": 3}]


@pytest.mark.parametrize("path", ["h", "g[7]", "g", "g[0]/a", ""])
def test_what_does_not_repeat_cannot_be_added(path: str) -> None:
    filling = begun(ROWS, item("h", "group", item("x", "string")))
    with pytest.raises(forms.PlaceUnknown):
        filling.add(path)
    with pytest.raises(forms.PlaceUnknown):
        filling.remove(path)


def test_min_and_max_of_a_group() -> None:
    bounds = [
        core("questionnaire-minOccurs", valueInteger=2),
        core("questionnaire-maxOccurs", valueInteger=2),
    ]
    filling = begun(
        item("g", "group", item("a", "string"), repeats=True, required=True, ext=bounds)
    )
    filling.answer({"g[0]/a": [{"valueString": "一"}]})
    assert codes(filling) == [("g[0]", "min_occurs")]
    assert at(filling, "g[0]").may_add
    filling.add("g[0]")
    filling.answer({"g[1]/a": [{"valueString": "二"}]})
    assert codes(filling) == []
    assert not at(filling, "g[0]").may_add
    with pytest.raises(forms.ResponseTooLong):
        filling.add("g[0]")


def test_no_more_repetitions_than_the_limit() -> None:
    filling = begun(ROWS)
    answered = [{"linkId": "g", "item": [{"linkId": "n", "answer": [{"valueInteger": 1}]}]}]
    with pytest.raises(forms.ResponseTooLong):
        forms.resume(filling.form, {"item": answered * 501})


def test_answers_that_repeat() -> None:
    bounds = [core("questionnaire-maxOccurs", valueInteger=2)]
    filling = begun(item("a", "string", repeats=True, ext=bounds), item("b", "string"))
    filling.answer({"a": [{"valueString": each} for each in "一二三"]})
    assert codes(filling) == [("a", "max_occurs")]
    filling.answer({"a": [{"valueString": "一"}, {"valueString": "一"}]})
    assert codes(filling) == [("a", "answer_twice")]
    filling.answer({"a": [], "b": [{"valueString": each} for each in "一二"]})
    assert codes(filling) == [("b", "answer_many")]


def test_what_is_asked_within_an_answer_goes_where_that_goes() -> None:
    filling = begun(item("a", "string", item("b", "string"), repeats=True))
    one, two, three = ({"valueString": each} for each in "一二三")
    filling.answer({"a": [one, two]})
    filling.answer({"a[0]/b": [{"valueString": "属一"}], "a[1]/b": [{"valueString": "属二"}]})
    filling.answer({"a": [three, two, one]})
    assert values(filling, "a[1]/b") == ["属二"]
    assert values(filling, "a[2]/b") == ["属一"]
    assert values(filling, "a[0]/b") == []
    filling.answer({"a": [two]})
    assert values(filling, "a[0]/b") == ["属二"]
    filling.answer({"a": []})
    assert filling.answers() == {}


def test_a_new_answer_brings_its_questions_with_what_they_know() -> None:
    inner = item("b", "string", initial=[{"valueString": "起初"}])
    filling = begun(item("a", "string", inner, repeats=True))
    filling.answer({"a": [{"valueString": "一"}, {"valueString": "二"}]})
    assert values(filling, "a[1]/b") == ["起初"]


def test_groups_in_groups() -> None:
    inner = item("h", "group", item("a", "string"), repeats=True)
    filling = begun(item("g", "group", inner, repeats=True))
    filling.add("g[0]")
    assert filling.add("g[1]/h[0]") == "g[1]/h[1]"
    filling.answer({"g[1]/h[1]/a": [{"valueString": "深"}]})
    filling.remove("g[0]")
    assert values(filling, "g[0]/h[1]/a") == ["深"]


def test_names_of_places_are_unmistakable() -> None:
    made = form(
        item("a/b", "string"), item("a", "group", item("b", "string")), item("c[0]", "text")
    )
    paths = [each.path for each in forms.flat(forms.begin(made).shown())]
    assert paths == ["a~1b", "a", "a/b", "c~20]"]
    assert len(set(paths)) == len(paths)
