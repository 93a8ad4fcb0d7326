"""Which questionnaire a visit gets, what the triage fills in, which tests are suggested."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from citycare.scenarios.preconsult.model import Told
from citycare.scenarios.preconsult.rules.choosing import Case, choose, within
from citycare.scenarios.preconsult.rules.paper import link_of, paper_of
from citycare.scenarios.preconsult.rules.suggesting import findings_of, suggest
from citycare.scenarios.preconsult.rules.telling import (
    answers_told,
    days_now,
    told_as_json,
    told_from_json,
    told_of,
)
from tests.scenarios.preconsult.papers import CHOOSE, FORMS, NOW, SUGGESTIONS, coding

PAPERS = {name: paper_of(form) for name, form in FORMS.items()}
HEART = PAPERS["chest-palpitation"]


def chosen(**known: Any) -> str:
    return choose(CHOOSE, Case(**known), FORMS)


@pytest.mark.parametrize(
    ("known", "wanted"),
    [
        ({"department": "03.04", "age": 67.0, "sex": "female"}, "chest-palpitation"),
        ({"department": "07"}, "child"),
        ({"department": "03.01", "age": 6.0}, "child"),
        ({"department": "03.01", "age": 14.0}, "cough-breath"),
        ({"department": "05.02"}, "pregnancy"),
        ({"department": "05", "sex": "female", "findings": frozenset({"pregnant"})}, "pregnancy"),
        ({"department": "02", "findings": frozenset({"cough"})}, "cough-breath"),
        ({"department": "02"}, "general"),
        ({"department": "99"}, "general"),
        ({}, "general"),
    ],
)
def test_the_first_rule_that_holds_decides(known: dict[str, Any], wanted: str) -> None:
    assert chosen(**known) == wanted


def test_a_renewal_needs_the_wish_the_illness_and_the_department() -> None:
    known = {"department": "02", "findings": frozenset({"hypertension_history"})}
    assert chosen(**known, intents=frozenset({"renewal"})) == "chronic-follow-up"
    assert chosen(**known) == "general"


def test_a_questionnaire_that_is_not_there_is_passed_over() -> None:
    there = FORMS.keys() - {"chest-palpitation"}
    assert choose(CHOOSE, Case("03.04"), there) == "general"


def test_departments_below_count_and_numbers_that_only_begin_alike_do_not() -> None:
    assert within("03.04", "03")
    assert within("03", "03")
    assert not within("50.10", "5")
    assert not within("03", "03.04")


# --- what the triage told


def told(yes: str = "", no: str = "", **more: Any) -> Told:
    return Told(yes=frozenset(yes.split()), no=frozenset(no.split()), on=NOW, **more)


def test_a_dialogue_is_read_and_kept_as_it_was() -> None:
    response = {
        "item": [
            {"linkId": "complaint", "answer": [{"valueString": "咳嗽"}]},
            {"linkId": "days", "answer": [{"valueDecimal": 3}]},
            {"linkId": "intents", "answer": [{"valueString": "renewal"}]},
            {"linkId": "finding/cough", "answer": [{"valueBoolean": True}]},
            {"linkId": "finding/fever", "answer": [{"valueBoolean": False}]},
            {"linkId": "finding/sputum", "answer": [{"valueString": "不清楚"}]},
            {"linkId": "urgency", "answer": [{"valueCoding": {"code": "week"}}]},
        ]
    }
    found = told_of(response, datetime(2026, 11, 20, tzinfo=UTC))
    assert (found.words, found.days) == ("咳嗽", 3.0)
    assert set(found.yes) == {"cough"}
    assert set(found.no) == {"fever"}
    assert set(found.intents) == {"renewal"}
    assert told_from_json(told_as_json(found)) == found
    assert told_from_json({}) == Told()


def test_days_go_on_counting_until_the_visit() -> None:
    assert days_now(told(days=3.0), NOW + timedelta(days=2)) == 5.0
    assert days_now(told(), NOW) is None


def test_whole_days_are_told_and_go_on_by_the_calendar() -> None:
    soon = timedelta(minutes=20)
    assert days_now(told(days=3.0), NOW + soon) == 3.0
    found = answers_told(HEART, told(words="胸闷", days=3.0), NOW + soon, {})
    assert found["since"][0]["valueCoding"]["code"] == "days-3"
    assert days_now(told(days=0.25), NOW + timedelta(hours=6)) == 0.5


def test_words_and_days_answer_their_questions() -> None:
    found = answers_told(HEART, told(words="胸闷", days=21.0), NOW, {})
    assert found["chief"] == [{"valueString": "胸闷"}]
    assert found["since"][0]["valueCoding"]["code"] == "weeks-4"
    assert answers_told(HEART, told(words="胸闷"), NOW, {"chief": [{"valueString": "x"}]}) == {}


def test_findings_tick_beside_what_is_known_and_silence_answers_nothing() -> None:
    known = {"past": [coding("chest-palpitation", "past", "hypertension_history")]}
    found = answers_told(HEART, told(yes="diabetes_history"), NOW, known)
    codes = [one["valueCoding"]["code"] for one in found["past"]]
    assert codes == ["hypertension_history", "diabetes_history"]
    assert found.keys() == {"past"}
    assert answers_told(HEART, told(no="cold_sweat"), NOW, {}) == {}


def test_yes_and_no_answer_a_question_of_yes_and_no() -> None:
    yes = answers_told(HEART, told(yes="allergy_history"), NOW, {})
    no = answers_told(HEART, told(no="allergy_history"), NOW, {})
    assert yes["allergy-any"] == [{"valueBoolean": True}]
    assert no["allergy-any"] == [{"valueBoolean": False}]


# --- suggested tests


def suggested(name: str, answers: dict[str, Any], **more: Any) -> list[str]:
    found = suggest(SUGGESTIONS, PAPERS[name], answers, {}, **more)
    return [one.id for one in found]


def test_a_test_is_suggested_by_findings_with_the_answers_it_rests_on() -> None:
    answers = {"g-now/chest": [coding("chest-palpitation", "chest", "chest_tight")]}
    found = suggest(SUGGESTIONS, HEART, answers, {}, age=67.0)
    assert [one.id for one in found] == ["chest-pain"]
    assert found[0].because == ("胸口怎么不舒服？ 发闷",)
    assert found[0].source
    assert suggested("chest-palpitation", answers, age=10.0) == []
    assert suggested("chest-palpitation", answers) == []  # an age that is not known fits none


def test_what_the_triage_heard_counts_unless_it_is_denied_here() -> None:
    assert "chest-pain" in suggested("chest-palpitation", {}, told={"chest_tight"}, age=50.0)
    denied = {"g-now/chest": [coding("chest-palpitation", "chest", "no-chest-trouble")]}
    assert suggested("chest-palpitation", denied, told={"chest_tight"}, age=50.0) == []


def test_answers_fit_by_code_number_and_lack() -> None:
    low = {"g/phq-2": [{"valueInteger": 2}]}
    high = {"g/phq-2": [{"valueInteger": 3}]}
    by_score = [
        one for one in SUGGESTIONS if {"link": "phq-2", "at_least": 3} in one.get("answers", ())
    ]
    assert by_score
    for one in by_score:
        age = float(one.get("age", [20])[0])
        fitting = suggest([one], PAPERS["mood-sleep"], high, {}, age=age, sex=one.get("sex", ""))
        assert [each.id for each in fitting] == [one["id"]]
        assert suggest([one], PAPERS["mood-sleep"], low, {}, age=age) == ()


def test_lacking_counts_only_where_the_patient_answered() -> None:
    one = next(
        each
        for each in SUGGESTIONS
        if {"link": "last-checks", "lacks": "check-eyes"} in each.get("answers", ())
    )
    paper = PAPERS["chronic-follow-up"]
    answers = {
        "g/which": [coding("chronic-follow-up", "which", "diabetes_history")],
        "g/last-checks": [coding("chronic-follow-up", "last-checks", "check-urine")],
    }
    assert suggest([one], paper, answers, {}, age=60.0)
    assert not suggest([one], paper, answers, {"g/last-checks": "record"}, age=60.0)
    del answers["g/last-checks"]
    assert not suggest([one], paper, answers, {}, age=60.0)


def test_findings_are_told_by_yes_and_by_ticks() -> None:
    answers = {
        "g-allergy/allergy-any": [{"valueBoolean": True}],
        "g-now/also": [coding("chest-palpitation", "also", "fever")],
    }
    assert findings_of(HEART, answers).keys() == {"allergy_history", "fever"}
    assert link_of("g-medicine/medicine[0]/medicine-name") == "medicine-name"
