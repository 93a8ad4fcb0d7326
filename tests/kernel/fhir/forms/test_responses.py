"""Drafts, completed responses, other versions: what goes out comes back the same."""

from __future__ import annotations

import json
from typing import Any

from citycare.kernel import fhir
from citycare.kernel.fhir import forms
from tests.kernel.fhir.forms.made import (
    NOW,
    begun,
    calculated,
    coding,
    form,
    item,
    of,
    options,
    questionnaire,
    values,
)

Json = dict[str, Any]

ITEMS = (
    item("a", "choice", item("why", "string"), answerOption=options("x", "y"), repeats=True),
    item("g", "group", item("n", "integer"), item("t", "text"), repeats=True),
    item("sum", "integer", ext=[calculated(f"{of('n')}.sum()")]),
    item("q", "quantity"),
    item("off", "string", when={"question": "q", "operator": "exists", "answerBoolean": False}),
)


def answered() -> forms.Filling:
    filling = begun(*ITEMS)
    filling.add("g[0]")
    filling.answer({"a": [coding("x"), coding("y")], "off": [{"valueString": "旧"}]})
    filling.answer(
        {
            "a[1]/why": [{"valueString": "因为"}],
            "g[0]/n": [{"valueInteger": 1}],
            "g[1]/n": [{"valueInteger": 2}],
            "g[1]/t": [{"valueString": "两行\n字"}],
            "q": [{"valueQuantity": {"value": 37, "unit": "°C"}}],
        }
    )
    return filling


def test_a_response_is_one_of_fhir() -> None:
    response = answered().response("completed", authored=NOW)
    assert fhir.violations({"id": "r", **response}) == []
    assert response["questionnaire"] == "https://citycare.example/fhir/Questionnaire/q|1"
    assert response["authored"] == "2026-11-29T01:00:00+00:00"
    assert [each["linkId"] for each in response["item"]] == ["a", "g", "g", "sum", "q"]
    assert response["item"][0]["text"] == "问题 a"
    assert response["item"][0]["answer"][1]["item"][0]["answer"] == [{"valueString": "因为"}]


def test_it_comes_back_the_same() -> None:
    filling = answered()
    response = json.loads(json.dumps(filling.response("in-progress")))
    again = forms.resume(filling.form, response, now=NOW)
    assert again.answers() == filling.answers()
    assert again.response("in-progress") == response
    assert again.problems(complete=True) == ()
    assert again.shown() == forms.resume(filling.form, again.response("x"), now=NOW).shown()


def test_a_calculated_answer_that_was_saved_follows_its_sources_still() -> None:
    filling = answered()
    again = forms.resume(filling.form, filling.response("in-progress"), now=NOW)
    again.answer({"g[0]/n": [{"valueInteger": 10}]})
    assert values(again, "sum") == [12]


def test_what_was_handed_out_does_not_change_afterwards() -> None:
    filling = answered()
    response = filling.response("completed")
    before = json.dumps(response, ensure_ascii=False)
    filling.answer({"a": [], "q": []})
    filling.remove("g[0]")
    assert json.dumps(response, ensure_ascii=False) == before


def test_what_stands_around_the_items_stays() -> None:
    header = {
        "resourceType": "QuestionnaireResponse",
        "id": "r",
        "subject": {"reference": "Patient/p"},
        "status": "in-progress",
    }
    response = forms.resume(form(*ITEMS), header, now=NOW).response("completed")
    assert response | header == response | {"status": "in-progress"}
    assert response["status"] == "completed"


def test_another_version_takes_over_what_still_fits() -> None:
    newer = questionnaire(
        item("moved", "group", item("q", "quantity")),
        item("a", "choice", answerOption=options("y", "z"), repeats=True),
        item("g", "group", item("n", "string"), item("t", "text"), repeats=True),
        version="2",
    )
    filling, lost = forms.carry(forms.read(newer), answered().response("in-progress"), now=NOW)
    assert filling.answers() == {
        "moved/q": ({"valueQuantity": {"value": 37, "unit": "°C"}},),
        "a": (coding("y"),),
        "g[1]/t": ({"valueString": "两行\n字"},),
    }
    assert sorted((each.code, each.link_id) for each in lost) == [
        ("item_unknown", "sum"),
        ("item_unknown", "why"),
        ("option", "a"),
        ("option", "n"),
        ("option", "n"),
    ]
    assert filling.problems(complete=True) == ()
    assert filling.response("in-progress")["questionnaire"].endswith("|2")


def test_the_same_version_loses_nothing() -> None:
    filling = answered()
    carried, lost = forms.carry(filling.form, filling.response("in-progress"), now=NOW)
    assert lost == ()
    assert carried.answers() == filling.answers()
