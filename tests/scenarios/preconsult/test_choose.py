"""Which questionnaire a visit gets, and the suggested tests."""

from __future__ import annotations

import pytest

from tests.scenarios.preconsult.papers import (
    CHOOSE,
    DEPARTMENTS,
    FINDINGS,
    FORMS,
    INTENTS,
    SUGGESTIONS,
    Json,
    load,
    options,
    questions,
)


def test_choose_names_what_exists() -> None:
    for rule in CHOOSE:
        assert rule["questionnaire"] in FORMS
        assert set(rule.get("departments", ())) <= set(DEPARTMENTS)
        assert set(rule.get("findings", ())) <= FINDINGS
        assert set(rule.get("intents", ())) <= INTENTS
        assert rule.get("sex", "female") in {"female", "male"}
        known = {"questionnaire", "departments", "findings", "intents", "age", "sex"}
        assert rule.keys() <= known


def test_only_the_last_rule_takes_everything() -> None:
    assert CHOOSE[-1] == {"questionnaire": "general"}
    assert all(len(rule) > 1 for rule in CHOOSE[:-1])


def test_every_questionnaire_can_be_chosen() -> None:
    assert {rule["questionnaire"] for rule in CHOOSE} == set(FORMS)


# --- suggested tests


def test_suggestions_are_whole() -> None:
    assert len(SUGGESTIONS) >= 25
    assert len({one["id"] for one in SUGGESTIONS}) == len(SUGGESTIONS)
    for one in SUGGESTIONS:
        assert len(one["tests"]) == len(one["en"]) > 0, one["id"]
        assert one["why"], one["id"]
        assert one["source"], one["id"]
        assert one.get("every") or one.get("answers"), one["id"]
        named = {name for group in (*one.get("every", ()), one.get("none", ())) for name in group}
        assert named <= FINDINGS, one["id"]
        assert set(one.get("questionnaires", ())) <= FORMS.keys(), one["id"]


@pytest.mark.parametrize("one", SUGGESTIONS, ids=lambda one: one["id"])
def test_suggestions_ask_answers_that_exist(one: Json) -> None:
    for wanted in one.get("answers", ()):
        found = [
            item
            for name in one.get("questionnaires", FORMS)
            for item in questions(FORMS[name])
            if item["linkId"] == wanted["link"]
        ]
        assert found
        codes = {option["valueCoding"]["code"] for item in found for option in options(item)}
        lacks = [wanted["lacks"]] if "lacks" in wanted else []
        assert {*wanted.get("is", ()), *lacks} <= codes
        if wanted.keys() & {"at_least", "below"}:
            assert {item["type"] for item in found} <= {"integer", "decimal", "quantity"}


@pytest.mark.parametrize("name", ["choose.yaml", "suggestions.yaml"])
def test_files_name_their_source_and_review(name: str) -> None:
    head = load(name)
    assert head["source"]
    assert head["review"]["status"] in {"UNVERIFIED", "REVIEWED"}
