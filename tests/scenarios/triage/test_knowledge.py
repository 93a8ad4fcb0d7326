"""The knowledge that ships: no fault, sources everywhere, as much of it as was promised."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from uuid import UUID

import pytest

from citycare.kernel import fhir
from citycare.scenarios.triage.model.dialogue import Dialogue, State
from citycare.scenarios.triage.rules import simulate
from citycare.scenarios.triage.rules.reading import read
from citycare.scenarios.triage.rules.telling import plain, response_as_fhir
from citycare.scenarios.triage.service.knowledge import documents_of, load
from citycare.settings import ROOT

KNOWLEDGE = ROOT / "knowledge"
GROUPS = {
    "adult", "heart_lung", "brain", "abdomen", "child", "infant", "pregnancy", "elder", "mental",
    "trauma", "poisoning",
}  # fmt: skip
MAIN_CODES_MIN = 70
NOW = datetime(2026, 11, 29, 8, tzinfo=UTC)


def test_it_has_no_fault_and_as_much_as_was_promised() -> None:
    entries, problems = read(documents_of(KNOWLEDGE))
    assert problems == ()
    assert len(entries.conditions) >= 450
    assert len(entries.findings) >= 700
    assert len(entries.red_flags) >= 80
    assert {one.group for one in entries.red_flags} == GROUPS
    named = {code for one in entries.conditions for code in one.departments}
    led = {one.child for one in entries.departments if one.child and one.code in named}
    assert len(named | led) >= MAIN_CODES_MIN


def test_every_file_names_its_sources_and_its_review() -> None:
    documents = documents_of(KNOWLEDGE)
    assert [name for name, one in documents.items() if not one.get("source")] == []
    assert [
        name for name, one in documents.items()
        if one.get("review", {}).get("status") not in ("UNVERIFIED", "REVIEWED")
    ] == []  # fmt: skip


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("emergencies", 150),
        ("lookalikes", 150),
        ("held_emergencies", 150),
        ("held_lookalikes", 100),
    ],
)
def test_written_cases_are_many_and_their_ids_unique(name: str, least: int) -> None:
    lines = (KNOWLEDGE / "cases" / f"{name}.jsonl").read_text(encoding="utf8").splitlines()
    ids = [json.loads(line)["id"] for line in lines if line]
    assert len(ids) == len(set(ids)) >= least


def test_a_sentence_of_each_kind_is_answered_kindly() -> None:
    triage = load(KNOWLEDGE)
    for text in ("", "asdfgh qwerty", "啊啊啊啊"):
        advice = triage.advise(triage.hear(text))
        assert advice.odd
        assert advice.departments
    assert triage.advise(triage.hear("我不想活了")).crisis
    man = triage.advise(triage.hear("男，怀孕三个月了", sex="male"))
    assert all(not one.code.startswith("05") for one in man.departments)


def test_whatever_is_said_can_be_put_into_the_record() -> None:
    """A stop must not fail because its record is refused."""
    triage = load(KNOWLEDGE)
    dice = random.Random(7)
    for name in ("emergencies", "lookalikes", "patients_a"):
        lines = (KNOWLEDGE / "cases" / f"{name}.jsonl").read_text(encoding="utf8").splitlines()
        for line in dice.sample(lines, 150):
            case = simulate.case_of(json.loads(line))
            heard = triage.hear(case.says, age=case.age, sex=case.sex)
            advice = triage.advise(heard)
            one = Dialogue(
                UUID(int=7), UUID(int=8), None, case.says, case.age, case.sex, (),
                plain(triage.knowledge, advice), triage.knowledge.version, advice.urgency, "20",
                State.STOPPED, "phone", NOW, NOW,
            )  # fmt: skip
            assert fhir.violations(response_as_fhir(triage.knowledge, one, heard)) == [], case.says
