"""Use cases: begin a dialogue, answer a question, look at it, forget old ones."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from citycare.kernel import audit, consent, fhir, identity
from citycare.kernel.context import Context, policy
from citycare.kit import clock
from citycare.scenarios.triage.model.answer import Advice, Question
from citycare.scenarios.triage.model.dialogue import (
    Answer,
    Dialogue,
    DialogueUnknown,
    QuestionNotAsked,
    State,
    TextMissing,
)
from citycare.scenarios.triage.model.entries import Urgency
from citycare.scenarios.triage.model.heard import Heard
from citycare.scenarios.triage.rules.advise import Triage
from citycare.scenarios.triage.rules.telling import plain
from citycare.scenarios.triage.rules.text import CONTROL, TEXT_MAX
from citycare.scenarios.triage.service import records
from citycare.scenarios.triage.service.proposing import Proposer
from citycare.scenarios.triage.store import dialogues as store

ASK = "triage.ask"
FORGET_BATCH = 1_000
HISTORY_MAX = 50
HISTORY_CHARS_MAX = 100
DAYS_A_YEAR = 365.25
RECENT = timedelta(hours=12)


async def begin(
    cx: Context,
    triage: Triage,
    text: str,
    *,
    age: float | None = None,
    sex: str = "",
    person_id: UUID | None = None,
    use_record: bool = False,
    proposer: Proposer | None = None,
) -> tuple[Dialogue, Advice]:
    """Take a first message and answer it.

    With `use_record` the person's illnesses and medicines weigh too, as `record.read` allows it.
    A `proposer` may propose findings to ask for; it decides nothing, and without it all works.

    For a person, age and sex come from the record unless given; written together with the audit
    line. For nobody, only the dialogue itself is written.

    Raises:
        TextMissing: nothing but blanks.
        Forbidden: not allowed for this person.
    """
    said = CONTROL.sub("", text).strip()[:TEXT_MAX]
    if not said:
        raise TextMissing
    if person_id is not None:
        await consent.require(cx, ASK, person_id)
        age, sex = await _known(cx, person_id, age, sex)
    history = await _history(cx, person_id) if use_record and person_id is not None else ()
    heard = triage.hear(said, age=age, sex=sex, history=history)
    advice = triage.advise(heard)
    proposed: tuple[str, ...] = ()
    if proposer is not None and advice.urgency is not Urgency.NOW:
        proposed = await proposer.propose(triage, said)
        advice = triage.advise(heard, (), proposed)
    made = Dialogue(
        id=UUID(bytes=secrets.token_bytes(16), version=4),
        person_id=person_id,
        account_id=cx.actor.account_id if person_id is not None else None,
        text=said,
        age_years=age,
        sex=sex,
        answers=(),
        advice=plain(triage.knowledge, advice),
        knowledge=triage.knowledge.version,
        urgency=advice.urgency,
        department_code=advice.departments[0].code,
        state=_state(advice),
        channel=cx.channel,
        created_at=cx.now,
        updated_at=cx.now,
        history=history,
        proposed=proposed,
    )
    await store.add(cx.db, made)
    await _keep_record(cx, triage, made)
    return made, advice


async def answer(
    cx: Context,
    triage: Triage,
    dialogue_id: UUID,
    question: str,
    *,
    yes: tuple[str, ...] = (),
    unsure: bool = False,
) -> tuple[Dialogue, Advice]:
    """Take the answer to the question being asked and say what follows.

    The same answer again changes nothing. If the knowledge changed since, the answers that still
    mean something are kept and the rest is asked anew.

    Raises:
        DialogueUnknown: no such dialogue, or not yours to see.
        QuestionNotAsked: another question is being asked now.
    """
    before = await _get(cx, dialogue_id, lock=True)
    heard = triage.hear_again(before)
    now = triage.advise(heard, before.answers, before.proposed)
    given = next((one for one in before.answers if one.question == question), None)
    if given is not None:
        if given.yes == yes and given.unsure == unsure:
            return before, now
        raise QuestionNotAsked(question=question)
    if now.question is None or now.question.id != question:
        raise QuestionNotAsked(question=question)
    answered = (*before.answers, _answer(now.question, yes, unsure=unsure))
    return await _keep(cx, triage, before, heard, answered)


async def back(cx: Context, triage: Triage, dialogue_id: UUID) -> tuple[Dialogue, Advice]:
    """Take the last answer back, so that its question is asked again.

    Raises:
        DialogueUnknown: no such dialogue, or not yours to see.
    """
    before = await _get(cx, dialogue_id, lock=True)
    if not before.answers:
        return before, advise(triage, before)
    return await _keep(cx, triage, before, triage.hear_again(before), before.answers[:-1])


async def _keep(
    cx: Context, triage: Triage, before: Dialogue, heard: Heard, answers: tuple[Answer, ...]
) -> tuple[Dialogue, Advice]:
    told = replace(before, answers=answers)
    advice = triage.advise(heard, answers, before.proposed)
    after = replace(
        told,
        advice=plain(triage.knowledge, advice),
        knowledge=triage.knowledge.version,
        urgency=advice.urgency,
        department_code=advice.departments[0].code,
        state=_state(advice),
        updated_at=cx.now,
    )
    await store.keep(cx.db, after)
    await _keep_record(cx, triage, after)
    return after, advice


async def get(cx: Context, dialogue_id: UUID) -> Dialogue:
    """Return a dialogue that the actor may see.

    Raises:
        DialogueUnknown: no such dialogue, or not yours to see.
    """
    return await _get(cx, dialogue_id, lock=False)


async def find_recent(cx: Context, person_id: UUID) -> Dialogue | None:
    """Return a person's dialogue of the last hours, to go on where it stopped."""
    await consent.require(cx, ASK, person_id)
    return await store.find_last(cx.db, person_id, cx.now - RECENT)


async def forget_old(cx: Context) -> int:
    """Delete dialogues of nobody after their time; returns how many."""
    hours = int(await policy.value(cx, "triage.nobody.kept_hours"))
    return await store.forget(cx.db, cx.now - timedelta(hours=hours), FORGET_BATCH)


def advise(triage: Triage, one: Dialogue) -> Advice:
    """Work the advice out anew from what was said and answered."""
    return triage.advise(triage.hear_again(one), one.answers, one.proposed)


async def _get(cx: Context, dialogue_id: UUID, *, lock: bool) -> Dialogue:
    found = await store.find(cx.db, dialogue_id, lock=lock)
    if found is None:
        raise DialogueUnknown
    if found.person_id is not None:
        await consent.require(cx, ASK, found.person_id)
    return found


def _answer(asked: Question, yes: tuple[str, ...], *, unsure: bool) -> Answer:
    """Only what was asked for can be there."""
    there = tuple(name for name in asked.findings if name in yes)
    return Answer(asked.id, asked.findings, there, unsure=unsure and not there)


def _state(advice: Advice) -> State:
    if advice.urgency is Urgency.NOW:
        return State.STOPPED
    return State.ASKING if advice.question is not None else State.ADVISED


async def _known(
    cx: Context, person_id: UUID, age: float | None, sex: str
) -> tuple[float | None, str]:
    """Fill age and sex in from the record: the least of it, and audited."""
    person = await identity.get_person(cx, person_id)
    await audit.append(cx, [audit.Entry(ASK, person_id, "age and sex")])
    if age is None:
        age = (clock.day_of(cx.now) - person.born_on).days / DAYS_A_YEAR
    return age, sex or (person.sex if person.sex in ("female", "male") else "")


async def _history(cx: Context, person_id: UUID) -> tuple[str, ...]:
    """Read illnesses not over and medicines taken, as lines; audited."""
    await consent.require(cx, "record.read", person_id)
    await audit.append(cx, [audit.Entry("record.read", person_id, "Condition MedicationStatement")])
    patient = f"Patient/{person_id}"
    illnesses = await fhir.search(cx, "Condition", {"patient": patient}, count=HISTORY_MAX)
    medicines = await fhir.search(
        cx, "MedicationStatement", {"patient": patient, "status": "active"}, count=HISTORY_MAX
    )
    lines = [f"{words}病史" for one in illnesses.items if (words := _words(one.get("code")))
             and not _is_over(one)]  # fmt: skip
    lines += [
        words for one in medicines.items if (words := _words(one.get("medicationCodeableConcept")))
    ]
    return tuple(dict.fromkeys(lines))


def _words(concept: Any) -> str:
    """Return how a CodeableConcept reads; empty where nobody wrote it."""
    if not isinstance(concept, dict):
        return ""
    named = [one.get("display", "") for one in concept.get("coding", [])]
    return str(concept.get("text") or next(filter(None, named), ""))[:HISTORY_CHARS_MAX]


def _is_over(condition: Mapping[str, Any]) -> bool:
    codings = condition.get("clinicalStatus", {}).get("coding", [])
    return any(one.get("code") in ("inactive", "remission", "resolved") for one in codings)


async def _keep_record(cx: Context, triage: Triage, one: Dialogue) -> None:
    if one.person_id is not None and one.state is not State.ASKING:
        await records.publish(cx, triage, one)
