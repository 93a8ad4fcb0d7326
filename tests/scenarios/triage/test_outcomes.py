"""Later diagnoses are held against the advice."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as some

from citycare.kernel import audit, fhir
from citycare.kernel.context import SYSTEM, Context
from citycare.kit import clock
from citycare.scenarios.triage.rules import outcomes as rules
from citycare.scenarios.triage.service import dialogues, outcomes
from tests.scenarios.triage import small
from tests.scenarios.triage.test_dialogues import as_person, person

TRIAGE = small.triage()
SYSTEM_ICD10 = "http://hl7.org/fhir/sid/icd-10"


def diagnosis(of: UUID, day: str, code: str, encounter: str = "") -> dict[str, Any]:
    made: dict[str, Any] = {
        "resourceType": "Condition",
        "id": f"c-{of}",
        "subject": {"reference": f"Patient/{of}"},
        "code": {"coding": [{"system": SYSTEM_ICD10, "code": code}]},
        "recordedDate": day,
    }
    return made | ({"encounter": {"reference": encounter}} if encounter else {})


def seen_at(organisation: str) -> list[dict[str, Any]]:
    return [
        {"resourceType": "Organization", "id": organisation, "name": "合成第一医院"},
        {
            "resourceType": "Encounter",
            "id": "e1",
            "status": "finished",
            "class": {"code": "AMB"},
            "serviceProvider": {"reference": f"Organization/{organisation}"},
        },
    ]


async def advised(cx: Context, text: str) -> UUID:
    me = await person(cx)
    await dialogues.begin(as_person(cx, me), TRIAGE, text, person_id=me)
    return me


def later(cx: Context, days: int = 2) -> Context:
    return replace(cx, actor=SYSTEM, now=cx.now + timedelta(days=days))


async def test_a_diagnosis_that_fits_is_counted_as_right(cx: Context) -> None:
    me = await advised(cx, "支气管炎，咳嗽三天")
    then = later(cx)
    day = clock.day_of(then.now).isoformat()
    await fhir.put(
        then,
        [*seen_at("o1"), diagnosis(me, day, "J20.9", "Encounter/e1")],
    )
    assert await outcomes.take(then, lambda: TRIAGE) == 1
    report = await outcomes.report(then, TRIAGE, cx.now - timedelta(days=1))
    assert (report.total.count, report.total.top1, report.total.top3) == (1, 1.0, 1.0)
    assert [one.name for one in report.organisations] == ["合成第一医院"]
    assert not report.drifted
    seen = await audit.search(then, audit.Query(persons=[me]))
    assert "triage.outcome" in {one.seen.action for one in seen.items}


async def test_without_a_diagnosis_it_is_looked_for_again_the_next_day(cx: Context) -> None:
    me = await advised(cx, "咳嗽有痰三天")
    then = later(cx)
    assert await outcomes.take(then, lambda: TRIAGE) == 0
    day = clock.day_of(then.now).isoformat()
    await fhir.put(then, [diagnosis(me, day, "ZZZ")])
    assert await outcomes.take(later(cx, 3), lambda: TRIAGE) == 0, (
        "the knowledge has no such diagnosis"
    )
    assert (await outcomes.report(then, TRIAGE, cx.now - timedelta(days=9))).total.count == 0


async def test_a_diagnosis_from_before_the_dialogue_does_not_count(cx: Context) -> None:
    me = await person(cx)
    await fhir.put(cx, [diagnosis(me, "2020-01-01", "J20.9")])
    await dialogues.begin(as_person(cx, me), TRIAGE, "咳嗽有痰三天", person_id=me)
    assert await outcomes.take(later(cx), lambda: TRIAGE) == 0


def test_a_part_and_the_whole_of_a_department_fit() -> None:
    assert rules.is_right("03", ["03.01"])
    assert rules.is_right("03.01", ["03"])
    assert not rules.is_right("03.01", ["03.02"])
    assert not rules.is_right("03", ["30"])


@given(right=some.integers(0, 500), more=some.integers(0, 500))
def test_the_interval_holds_the_share(right: int, more: int) -> None:
    count = right + more
    low, high = rules.interval(right, count)
    assert 0 <= low <= high <= 1
    assert count == 0 or low - 1e-9 <= right / count <= high + 1e-9


@pytest.mark.parametrize(
    ("before", "after", "drifted"),
    [((80, 100), (78, 100), False), ((900, 1000), (60, 100), True), ((1, 1), (0, 0), False)],
)
def test_drift_is_more_than_chance(
    before: tuple[int, int], after: tuple[int, int], *, drifted: bool
) -> None:
    assert rules.has_drifted(before, after) is drifted
