from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citycare.scenarios.triage.model.dialogue import Answer
from citycare.scenarios.triage.model.entries import Urgency
from citycare.scenarios.triage.rules import simulate
from citycare.scenarios.triage.rules.ask import QUESTIONS_MAX
from citycare.scenarios.triage.rules.reading import read
from tests.scenarios.triage import small

TRIAGE = small.triage()


def codes(text: str, **who: object) -> list[str]:
    advice = TRIAGE.advise(TRIAGE.hear(text, **who))  # type: ignore[arg-type]
    return [one.code for one in advice.departments]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("胸口疼", "03.04"),
        ("白带多", "05.01"),
        ("我有支气管炎", "03.01"),
        ("吃急支糖浆", "03.01"),
        ("肺泡蛋白沉积怎么办", "03.01"),
        ("肺部有问题", "03.01"),
        ("想挂呼吸科", "03.01"),
    ],
)
def test_words_lead_to_their_department(text: str, code: str) -> None:
    assert codes(text)[0] == code


def test_children_go_to_the_childrens_department() -> None:
    assert codes("咳嗽", age=5)[0] in ("07", "07.04")
    assert not {"02", "03.01"} & set(codes("咳嗽", age=5))


def test_men_never_go_to_gynaecology() -> None:
    assert "05.01" not in codes("白带多", sex="male")


def test_a_red_flag_stops_everything_and_asks_nothing() -> None:
    advice = TRIAGE.advise(TRIAGE.hear("胸口疼出冷汗", age=60))
    assert advice.urgency is Urgency.NOW
    assert advice.question is None
    assert advice.departments[0].code == "20"
    assert [one.id for one in advice.alarms] == ["chest_sweat"]


@pytest.mark.parametrize("text", ["胸口疼没有冷汗", "去年胸口疼出冷汗", "胸口疼出冷汗是什么前兆"])
def test_what_is_denied_past_or_only_asked_about_raises_no_alarm(text: str) -> None:
    assert not TRIAGE.advise(TRIAGE.hear(text, age=60)).alarms


def test_the_last_missing_sign_of_danger_is_asked_first() -> None:
    question = TRIAGE.advise(TRIAGE.hear("胸口疼", age=60)).question
    assert question is not None
    assert question.danger
    assert question.findings == ("cold_sweat",)


def test_an_answered_sign_of_danger_stops_everything() -> None:
    heard = TRIAGE.hear("胸口疼", age=60)
    advice = TRIAGE.advise(heard, (Answer("danger", ("cold_sweat",), ("cold_sweat",)),))
    assert advice.urgency is Urgency.NOW


def test_thoughts_of_dying_are_a_crisis() -> None:
    advice = TRIAGE.advise(TRIAGE.hear("不想活了"))
    assert advice.crisis
    assert advice.urgency is Urgency.NOW


def test_answers_about_findings_that_are_gone_are_passed_over() -> None:
    heard = TRIAGE.hear("咳嗽")
    odd = TRIAGE.advise(heard, (Answer("gone", ("gone",), ("gone",)),))
    assert odd.departments == TRIAGE.advise(heard).departments


def test_a_wish_is_named() -> None:
    assert TRIAGE.advise(TRIAGE.hear("想开药")).intents == ("renewal",)


def test_what_is_not_understood_is_not_sure() -> None:
    advice = TRIAGE.advise(TRIAGE.hear("。。。"))
    assert not advice.sure
    assert advice.question is None


def test_the_same_disease_named_counts_more_than_a_symptom_of_another() -> None:
    assert codes("冠心病，有点咳嗽")[0] == "03.04"


@given(st.randoms(use_true_random=False))
def test_every_dialogue_ends_within_twelve_questions(dice: object) -> None:
    case = simulate.draw(TRIAGE.knowledge, 1, dice)  # type: ignore[arg-type]
    played = simulate.play(TRIAGE, case, 0.3, dice)  # type: ignore[arg-type]
    assert len(played.asked) <= QUESTIONS_MAX
    assert len(set(played.asked)) == len(played.asked)
    assert played.last.question is None


def test_a_named_finding_is_never_asked_for_again() -> None:
    case = simulate.Case("one", "咳嗽没有发烧", truth={"dry_cough": True})
    assert not {"cough", "fever", "high_fever"} & set(simulate.play(TRIAGE, case).asked)


def test_every_fault_is_named_at_once() -> None:
    findings = {**small.FINDINGS, "odd": {"name": "x", "en": "x", "words": ["<nix>~x"], "base": 2}}
    conditions = {"bad": {"name": "x", "frequency": "often", "departments": {"99": 1}},
                  "lost": {"name": "y", "frequency": "rare", "departments": {"98": 1},
                           "always": ["nothing"]}}  # fmt: skip
    _, problems = read(small.documents(findings=findings, conditions=conditions))
    told = {(one.entry, one.words.split()[0]) for one in problems}
    assert {
        ("odd", "cannot"),
        ("bad", "cannot"),
        ("lost", "finding"),
        ("lost", "department"),
    } <= told


def test_a_file_without_a_source_is_a_fault() -> None:
    _, problems = read({"a.yaml": {"findings": {}}})
    assert any("no source" in one.words for one in problems)


def test_calibration_is_zero_when_right_as_often_as_said() -> None:
    assert simulate.calibration([(0.75, True)] * 3 + [(0.75, False)]) == pytest.approx(0)
    assert simulate.calibration([(0.95, False)] * 4) == pytest.approx(0.95)


def test_the_whole_stands_in_for_parts_that_share_the_belief() -> None:
    triage = small.triage(
        departments=[*small.DEPARTMENTS, {"code": "03", "name": "内科", "en": "Internal medicine"}]
    )
    place = triage.knowledge.department

    def shown(**share: float) -> list[str]:
        made = np.zeros(len(place), dtype=np.float32)
        for code, part in share.items():
            made[place[code.removeprefix("d").replace("_", ".")]] = part
        codes = list(place)
        return [codes[n] for n, *_ in triage._shown(made)]

    assert shown(d02=0.4, d05_01=0.3, d03_01=0.12, d03_04=0.1, d03=0.08) == ["02", "05.01", "03"]
    assert shown(d02=0.4, d05_01=0.2, d03_01=0.3, d03_04=0.05) == ["02", "03.01", "05.01"]
    assert shown(d03_01=0.6, d03_04=0.3, d02=0.1) == ["03.01", "03.04", "02"]
