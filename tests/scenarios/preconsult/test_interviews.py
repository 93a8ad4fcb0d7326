"""The use cases: begin once, save from two pages at once, send, review, order."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from citycare.kernel import fhir
from citycare.kernel.context import SYSTEM, Channel, Context
from citycare.kit import ids
from citycare.kit.db import Database
from citycare.kit.errors import AppError
from citycare.scenarios.booking.service import book
from citycare.scenarios.preconsult.model import (
    AnswersChanged,
    By,
    InterviewClosed,
    InterviewUnknown,
    NothingSent,
    Origin,
    State,
    TextMissing,
)
from citycare.scenarios.preconsult.rules.paper import link_of
from citycare.scenarios.preconsult.rules.records import ANSWERED_FROM, response_id
from citycare.scenarios.preconsult.service import interviews, papers, reviews
from citycare.scenarios.preconsult.service.interviews import Opened
from citycare.scenarios.preconsult.store import interviews as store
from tests.conftest import NOW
from tests.scenarios.booking.conftest import acting, resident
from tests.scenarios.preconsult.city import Booked, booked, dialogue, held
from tests.scenarios.preconsult.papers import KNOWLEDGE, coding
from tests.trail import about

PAPERS = papers.load(KNOWLEDGE)
NAME = "chest-palpitation"
GIVEN: dict[str, Any] = {
    "g-why/chief": [{"valueString": "胸闷"}],
    "g-why/since": [coding(NAME, "since", "week")],
    "g-now/also": [coding(NAME, "also", "fever")],
    "g-medicine/medicine-any": [{"valueBoolean": False}],
    "g-allergy/allergy-any": [{"valueBoolean": False}],
}


@pytest.fixture
async def visit(cx: Context) -> Booked:
    return await booked(cx)


async def opened(cx: Context, visit: Booked) -> Opened:
    return await interviews.open_(cx, PAPERS, visit.id, lock=True)


async def saved(cx: Context, visit: Booked, given: dict[str, Any], **how: Any) -> Opened:
    """Answer and save, as the patient."""
    mine = acting(cx, resident(visit.person))
    one = await opened(mine, visit)
    after, problems = await interviews.save(mine, one, interviews.answer(one, given), **how)
    assert problems == (), problems
    return after


async def sent(cx: Context, visit: Booked, **more: Any) -> Opened:
    return await saved(cx, visit, GIVEN | more, send=True)


async def decided(cx: Context, visit: Booked, decision: State, **more: Any) -> Any:
    how: dict[str, Any] = {"key": ids.new(), "revision": 1, **more}
    return await reviews.decide(cx, PAPERS, visit.id, decision=decision, **how)


async def test_it_begins_once_filled_from_triage_and_record(cx: Context, visit: Booked) -> None:
    await fhir.put(cx, [dialogue(visit.person, {"chest_tight": True}), *held(visit.person)])
    one = await opened(cx, visit)
    assert one.interview.state is State.DRAFT
    assert one.interview.questionnaire.endswith("/chest-palpitation|0.1.0")
    origins = {link_of(path): origin for path, origin in one.sheet.origins.items()}
    assert origins["chief"] == Origin.TRIAGE
    assert origins["chest"] == Origin.TRIAGE
    assert origins["medicine-name"] == Origin.RECORD
    assert origins["past"] == Origin.RECORD
    known = {link_of(path) for path in one.sheet.known()}
    assert {"chief", "since", "medicine-any", "medicine-name", "allergy-any"} <= known
    assert not known & {"chest", "past"}  # of several options only some are known
    again = await opened(cx, visit)
    assert again.interview == one.interview
    assert "preconsult.answer" in {entry.action for entry in await about(cx, visit.person)}


async def test_what_the_triage_told_waits_for_its_question(cx: Context, visit: Booked) -> None:
    await fhir.put(cx, [dialogue(visit.person, {"exertion_chest_pain": True})])
    first = await opened(cx, visit)
    assert "chest-when" not in {link_of(path) for path in first.sheet.answers()}
    tight = {"g-now/chest": [coding(NAME, "chest", "chest_tight")]}
    after = await saved(cx, visit, tight)
    given = after.sheet.answers()["g-now/chest-when"]
    assert [one["valueCoding"]["code"] for one in given] == ["exertion_chest_pain"]
    assert after.sheet.origins["g-now/chest-when"] == Origin.TRIAGE


async def test_what_is_cleared_is_not_filled_in_again(cx: Context, visit: Booked) -> None:
    await fhir.put(cx, [dialogue(visit.person, {"chest_tight": True})])
    await saved(cx, visit, {"g-why/chief": []})
    assert "g-why/chief" not in (await opened(cx, visit)).sheet.answers()


async def test_only_a_fresh_dialogue_counts(cx: Context, visit: Booked) -> None:
    old = dialogue(visit.person, {"chest_tight": True})
    old["authored"] = (NOW - timedelta(days=31)).isoformat().replace("+00:00", "Z")
    await fhir.put(cx, [old])
    assert (await opened(cx, visit)).sheet.told.on is None


async def test_sending_publishes_who_said_what(cx: Context, visit: Booked) -> None:
    await fhir.put(cx, held(visit.person))
    after = await sent(cx, visit)
    assert after.interview.state is State.COMPLETED
    assert after.interview.answered_by is By.SELF
    found = await fhir.get(cx, "QuestionnaireResponse", str(response_id(visit.id)))
    assert found["status"] == "completed"
    assert found["source"]["reference"] == f"Patient/{visit.person}"
    origins = dict(_origins(found["item"]))
    assert origins["chief"] == "resident"
    assert origins["past"] == "record"
    await sent(cx, visit)
    assert (await fhir.get(cx, "QuestionnaireResponse", found["id"]))["meta"]["versionId"] == "1"
    changed = await sent(cx, visit, **{"g-why/chief": [{"valueString": "心慌"}]})
    assert changed.interview.revision == 2
    found = await fhir.get(cx, "QuestionnaireResponse", found["id"])
    assert found["status"] == "amended"


def _origins(items: list[Any]) -> Any:
    for item in items:
        for answer in item.get("answer", ()):
            [mark] = [one for one in answer["extension"] if one["url"] == ANSWERED_FROM]
            yield item["linkId"], mark["valueCoding"]["code"]
        yield from _origins(item.get("item", ()))


async def test_what_is_missing_is_said_and_the_draft_is_kept(cx: Context, visit: Booked) -> None:
    one = await opened(cx, visit)
    changed = interviews.answer(one, {"g-why/chief": [{"valueString": "胸闷"}]})
    after, problems = await interviews.save(cx, one, changed, send=True)
    assert {each.link_id for each in problems} >= {"since", "medicine-any", "allergy-any"}
    assert after.interview.state is State.DRAFT
    assert (await opened(cx, visit)).sheet.answers()["g-why/chief"] == ({"valueString": "胸闷"},)
    assert (await reviews.prepared(cx, PAPERS, visit.id)).text == ""
    with pytest.raises(NothingSent):
        await decided(cx, visit, State.ACCEPTED)


async def test_repetitions_keep_who_said_so_when_one_is_cleared(cx: Context, visit: Booked) -> None:
    given = {
        "g-medicine/medicine-any": [{"valueBoolean": True}],
        "g-medicine/medicine[0]/medicine-name": [{"valueString": "阿司匹林"}],
        "g-medicine/medicine[1]/medicine-name": [{"valueString": "缬沙坦"}],
    }
    await saved(cx, visit, {"g-medicine/medicine-any": given["g-medicine/medicine-any"]})
    await saved(cx, visit, given)
    after = await saved(cx, visit, {"g-medicine/medicine[0]/medicine-name": []})
    again = await opened(cx, visit)
    name = "g-medicine/medicine[0]/medicine-name"
    assert again.sheet.answers()[name] == ({"valueString": "缬沙坦"},)
    assert after.interview.provenance[name] == Origin.RESIDENT


async def test_another_version_takes_the_answers_over(cx: Context, visit: Booked) -> None:
    await saved(cx, visit, GIVEN)
    older = (
        "UPDATE preconsult.interview SET questionnaire = replace(questionnaire, '0.1.0', '0.0.9')"
    )
    await cx.db.execute(older)
    one = await opened(cx, visit)
    assert one.sheet.carried
    assert one.sheet.answers()["g-why/chief"] == ({"valueString": "胸闷"},)
    await saved(cx, visit, {})
    assert not (await opened(cx, visit)).sheet.carried


async def test_time_is_counted_but_not_of_a_page_left_open(cx: Context, visit: Booked) -> None:
    await opened(cx, visit)
    later = replace(cx, now=cx.now + timedelta(seconds=90))
    assert (await saved(later, visit, GIVEN, shown_at=cx.now)).interview.seconds == 90
    night = replace(cx, now=cx.now + timedelta(hours=9))
    assert (await saved(night, visit, {}, shown_at=cx.now)).interview.seconds == 690


async def test_a_cancelled_visit_asks_nothing(cx: Context, visit: Booked) -> None:
    await book.cancel(cx, visit.id)
    with pytest.raises(InterviewClosed):
        await opened(cx, visit)
    with pytest.raises(InterviewUnknown):
        await interviews.open_(cx, PAPERS, ids.new())


async def test_strangers_and_the_wrong_role_are_refused(cx: Context, visit: Booked) -> None:
    for use in (interviews.open_, reviews.prepared):
        with pytest.raises(AppError):
            await use(acting(cx, resident(ids.new())), PAPERS, visit.id)
    with pytest.raises(AppError):
        await reviews.prepared(acting(cx, resident(visit.person)), PAPERS, visit.id)


# --- the doctor


async def test_taking_it_over_writes_the_text_and_what_it_saved(cx: Context, visit: Booked) -> None:
    await sent(cx, visit)
    offered = (await reviews.prepared(cx, PAPERS, visit.id)).text
    assert "主诉：胸闷，病程4–7天。" in offered
    key = ids.new()
    made = await decided(cx, visit, State.ACCEPTED, key=key)
    assert (made.kept, made.chars_kept) == (offered, len(offered))
    assert made.seconds_saved == int(len(offered) * 60 / 40)
    assert await decided(cx, visit, State.REJECTED, key=key) == made  # the same form again
    [paper] = await _compositions(cx, visit)
    assert paper["status"] == "final"
    assert paper["section"][0]["title"] == "主诉"
    assert paper["section"][0]["entry"][0]["reference"].startswith("QuestionnaireResponse/")
    assert await reviews.minutes_saved(cx, cx.now - timedelta(days=1)) == made.seconds_saved / 60
    with pytest.raises(InterviewClosed):
        await saved(cx, visit, {"g-why/chief": [{"valueString": "晚了"}]})


async def test_changed_and_left_out_keep_the_difference(cx: Context, visit: Booked) -> None:
    await sent(cx, visit)
    offered = (await reviews.prepared(cx, PAPERS, visit.id)).text
    made = await decided(cx, visit, State.EDITED, kept=offered + "\n体检未做")
    assert made.difference.endswith("+体检未做")
    assert made.chars_kept == len(offered)
    with pytest.raises(TextMissing):
        await decided(cx, visit, State.EDITED, kept="  ")
    left = await decided(cx, visit, State.REJECTED, reason="另写")
    assert (left.kept, left.seconds_saved, left.reason) == ("", 0, "另写")
    [paper] = await _compositions(cx, visit)
    assert paper["status"] == "entered-in-error"
    same = await decided(cx, visit, State.EDITED, kept=offered)
    assert same.decision is State.ACCEPTED


async def test_answers_changed_meanwhile_are_shown_before_anything_is_kept(
    cx: Context, visit: Booked
) -> None:
    await sent(cx, visit)
    await sent(cx, visit, **{"g-why/chief": [{"valueString": "心慌"}]})
    with pytest.raises(AnswersChanged):
        await decided(cx, visit, State.ACCEPTED, revision=1)
    assert (await decided(cx, visit, State.ACCEPTED, revision=2)).decision is State.ACCEPTED


async def _compositions(cx: Context, visit: Booked) -> list[Any]:
    found = await fhir.search(cx, "Composition", {"patient": f"Patient/{visit.person}"})
    return list(found.items)


async def test_tests_are_ordered_only_when_ticked_and_once(cx: Context, visit: Booked) -> None:
    await sent(cx, visit, **{"g-now/chest": [coding(NAME, "chest", "chest_tight")]})
    found = await reviews.prepared(cx, PAPERS, visit.id)
    [one] = [each for each in found.suggestions if each.id == "chest-pain"]
    assert await reviews.order(cx, PAPERS, visit.id, []) == 0
    assert await reviews.order(cx, PAPERS, visit.id, [("chest-pain", "核磁"), ("x", "心电图")]) == 0
    wanted = [("chest-pain", one.tests[0])]
    assert await reviews.order(cx, PAPERS, visit.id, wanted) == 1
    assert await reviews.order(cx, PAPERS, visit.id, wanted) == 0
    assert await reviews.ordered(cx, visit.id) == [one.tests[0]]
    request = await fhir.get(
        cx, "ServiceRequest", str(ids.derive("preconsult.order", visit.id, *wanted[0]))
    )
    assert (request["status"], request["intent"]) == ("active", "order")
    assert request["code"]["text"] == one.tests[0]


# --- two pages at once


@pytest.fixture
async def committed_visit(database: Database) -> tuple[Database, Booked]:
    async with database.transaction() as db:
        visit = await booked(_context(db))
    async with database.transaction() as db:
        await interviews.open_(_context(db), PAPERS, visit.id)
    return database, visit


def _context(db: Any) -> Context:
    return Context(db, SYSTEM, NOW, "race", Channel.PHONE, "test")


async def _race(database: Database, visit: Booked) -> int:
    """Let pages save one answer each at the same moment; return how many answers are kept."""
    given = list(GIVEN.items())
    together = asyncio.Barrier(len(given))

    async def save(path: str, answers: Any) -> None:
        async with database.transaction() as db:
            cx = _context(db)
            await together.wait()
            one = await interviews.open_(cx, PAPERS, visit.id, lock=True)
            await interviews.save(cx, one, interviews.answer(one, {path: answers}))

    await asyncio.gather(*(save(path, answers) for path, answers in given))
    async with database.transaction() as db:
        return len((await interviews.open_(_context(db), PAPERS, visit.id)).sheet.answers())


@pytest.mark.race
async def test_pages_saving_at_once_keep_every_answer(
    committed_visit: tuple[Database, Booked],
) -> None:
    assert await _race(*committed_visit) == len(GIVEN)


@pytest.mark.race
async def test_control_without_the_lock_answers_are_lost(
    committed_visit: tuple[Database, Booked], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "LOCK", store.FIND)
    assert await _race(*committed_visit) < len(GIVEN)


def test_broken_files_are_faults_and_the_others_stay_in_use(tmp_path: Path) -> None:
    folder = tmp_path / "questionnaires"
    folder.mkdir()
    for name in ("general.json", "eye.json", "choose.yaml"):
        (folder / name).write_text((KNOWLEDGE / "questionnaires" / name).read_text("utf-8"))
    (folder / "skin.json").write_text("{")
    (folder / "child.json").write_text('{"resourceType": "Questionnaire", "item": [{}]}')
    found = papers.load(tmp_path)
    assert found.forms.keys() == {"general", "eye"}
    assert found.faults.keys() == {"skin.json", "child.json", "suggestions.yaml"}
    (folder / "general.json").unlink()
    papers.load.cache_clear()
    with pytest.raises(papers.PapersBroken):
        papers.load(tmp_path)
