"""The questionnaires of `knowledge/`: whole, in two languages, tied to findings."""

from __future__ import annotations

from collections import Counter

from citycare.kernel.fhir import forms
from tests.scenarios.preconsult.papers import (
    ANSWER_SYSTEM,
    EMPTY,
    EXCLUSIVE,
    FINDING_SYSTEM,
    FINDINGS,
    FORMS,
    NOW,
    SECTIONS,
    english,
    every_form,
    extensions,
    finding,
    has_chinese,
    items,
    options,
    questions,
    summary,
)


def test_there_are_enough() -> None:
    assert len(FORMS) >= 12


@every_form
def test_head(name: str) -> None:
    form = FORMS[name]
    assert form["id"] == name
    assert form["url"] == f"https://citycare.example/fhir/Questionnaire/{name}"
    assert form["status"] == "draft" or form["approvalDate"], "active only when approved"
    assert form["version"]
    assert "来源：" in form["description"]
    assert form["status"] != "draft" or "UNVERIFIED" in form["description"]
    assert has_chinese(form["title"])
    assert english(form["_title"])


@every_form
def test_the_engine_reads_it_without_a_fault(name: str) -> None:
    form = forms.read(FORMS[name])
    assert [(one.code, one.path) for one in form.faults] == []
    assert [
        (one.code, one.path) for one in forms.begin(form, now=NOW, sources=EMPTY).faults()
    ] == []


@every_form
def test_link_ids_are_unique(name: str) -> None:
    counted = Counter(item["linkId"] for item in items(FORMS[name]))
    assert [link for link, times in counted.items() if times > 1] == []


@every_form
def test_size_and_required(name: str) -> None:
    asked = questions(FORMS[name])
    assert 12 <= len(asked) <= 25
    assert 2 <= sum(bool(item.get("required")) for item in asked) <= 4


@every_form
def test_both_languages(name: str) -> None:
    for item in items(FORMS[name]):
        code_like = item.get("readOnly", False)
        assert has_chinese(item["text"]) or code_like, item["linkId"]
        assert english(item.get("_text")), item["linkId"]
        for option in options(item):
            coding = option["valueCoding"]
            assert has_chinese(coding["display"]), coding["code"]
            assert english(coding.get("_display")), coding["code"]


@every_form
def test_every_question_tells_the_doctor_something(name: str) -> None:
    for item in questions(FORMS[name]):
        told, link = summary(item), item["linkId"]
        assert told.get("section") in SECTIONS, link
        if item["type"] == "boolean":
            assert {"yes", "no"} <= told.keys(), link
        elif "value" in told:
            assert told["value"].count("{}") == 1, link
        else:
            assert options(item), link
            for option in options(item):
                silent = extensions(option, EXCLUSIVE)
                assert summary(option).get("yes") or silent, (link, option["valueCoding"]["code"])


@every_form
def test_findings_exist_and_none_is_asked_twice(name: str) -> None:
    named = [
        found
        for item in questions(FORMS[name])
        for element in (item, *options(item))
        for found in finding(element)
    ]
    assert set(named) <= FINDINGS
    assert [one for one, times in Counter(named).items() if times > 1] == []
    assert len(named) >= 8


@every_form
def test_option_codes(name: str) -> None:
    for item in questions(FORMS[name]):
        codes = [option["valueCoding"]["code"] for option in options(item)]
        assert len(codes) == len(set(codes)), item["linkId"]
        for option in options(item):
            coding = option["valueCoding"]
            is_finding = coding["system"] == FINDING_SYSTEM
            assert is_finding or coding["system"] == ANSWER_SYSTEM
            assert finding(option) == ([coding["code"]] if is_finding else []), coding["code"]


def test_one_code_and_one_link_id_mean_one_thing() -> None:
    codes: dict[str, set[str]] = {}
    types: dict[str, set[str]] = {}
    for form in FORMS.values():
        for item in questions(form):
            types.setdefault(item["linkId"], set()).add(item["type"])
            for option in options(item):
                if option["valueCoding"]["system"] == ANSWER_SYSTEM:
                    code, shown = option["valueCoding"]["code"], option["valueCoding"]["display"]
                    codes.setdefault(code, set()).add(shown)
    assert {code: texts for code, texts in codes.items() if len(texts) > 1} == {}
    assert {link: kinds for link, kinds in types.items() if len(kinds) > 1} == {}


@every_form
def test_medicines_allergies_and_past_are_always_asked(name: str) -> None:
    links = {item["linkId"] for item in items(FORMS[name])}
    assert {"chief", "past", "medicine-any", "medicine-name", "allergy-any", "allergy-to"} <= links


def test_suicide_is_always_asked_where_mood_is() -> None:
    item = next(one for one in questions(FORMS["mood-sleep"]) if one["linkId"] == "suicidal")
    assert item["required"]
    assert finding(item) == ["suicidal"]
    assert "enableWhen" not in item
    assert "12356" in item["item"][0]["text"]
