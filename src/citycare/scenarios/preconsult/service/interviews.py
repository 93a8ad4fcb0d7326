"""Use cases of the patient: open the questions of a visit, keep answers, send them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from citycare.kernel import audit, consent, fhir
from citycare.kernel.context import Context, Role
from citycare.kernel.fhir import forms
from citycare.scenarios.preconsult.model import (
    By,
    Interview,
    InterviewClosed,
    Origin,
    State,
    Visit,
)
from citycare.scenarios.preconsult.rules.choosing import Case
from citycare.scenarios.preconsult.rules.paper import Json
from citycare.scenarios.preconsult.rules.records import response_as_fhir
from citycare.scenarios.preconsult.rules.states import COMING, may_answer
from citycare.scenarios.preconsult.rules.suggesting import denied_of, findings_of
from citycare.scenarios.preconsult.rules.telling import told_as_json
from citycare.scenarios.preconsult.service import filling as sheets
from citycare.scenarios.preconsult.service import visits
from citycare.scenarios.preconsult.service.filling import Sheet
from citycare.scenarios.preconsult.service.papers import Papers
from citycare.scenarios.preconsult.service.visits import Patient
from citycare.scenarios.preconsult.store import interviews as store

ANSWER = "preconsult.answer"
FRESH = timedelta(days=2)  # what the triage heard before that alarms nobody any more
SECONDS_MAX = 600  # of one stretch: a page left open all night took nobody all night


@dataclass(frozen=True, slots=True)
class Opened:
    """The questions of a visit, open before somebody.

    `sees_record`: they may read what the record has filled in; else it stays hidden from them.
    """

    visit: Visit
    patient: Patient
    interview: Interview
    sheet: Sheet
    sources: forms.Sources
    may_change: bool
    sees_record: bool

    @property
    def is_sent(self) -> bool:
        """Whether the doctor has it."""
        return self.interview.completed_at is not None

    @property
    def is_changed(self) -> bool:
        """Whether what stands here is not what the doctor has."""
        one = self.interview
        return self.is_sent and _plainly(one.response) != _plainly(one.sent or {})


async def open_(cx: Context, papers: Papers, appointment_id: UUID, *, lock: bool = False) -> Opened:
    """Open the questions of a visit; the first time they begin, filled with what is known.

    Written together: the interview, if it begins, and the audit line.

    Raises:
        InterviewUnknown: there is no such visit.
        InterviewClosed: nothing was begun, and now it is too late.
        Forbidden, NotFound: not for this actor.
    """
    visit = await visits.get(cx, appointment_id)
    await consent.require(cx, ANSWER, visit.person_id, visit.organisation_id)
    patient = await visits.patient_of(cx, visit.person_id)
    sources = await visits.sources_of(cx, patient)
    found = await store.find(cx.db, appointment_id, lock=lock)
    touched = "QuestionnaireResponse"
    if found is None:
        if visit.status not in COMING:
            raise InterviewClosed
        await store.add(cx.db, await _begun(cx, papers, visit, patient, sources))
        found = await store.find(cx.db, appointment_id, lock=lock)
        touched = ",".join((touched, *visits.HELD))
    if found is None:
        raise InterviewClosed
    await audit.append(cx, [audit.Entry(ANSWER, visit.person_id, touched)])
    return Opened(
        visit=visit,
        patient=patient,
        interview=found,
        sheet=sheets.take_up(papers, found, sources, cx.now),
        sources=sources,
        may_change=may_answer(visit.status, found.state),
        sees_record=await visits.may_see_record(cx, visit.person_id),
    )


async def _begun(
    cx: Context, papers: Papers, visit: Visit, patient: Patient, sources: forms.Sources
) -> Interview:
    told = await visits.told(cx, visit.person_id)
    case = Case(visit.department, patient.age, patient.sex, told.yes, told.intents)
    sheet = sheets.begin(papers, papers.choose(case), told, sources, cx.now)
    response, kept = sheets.settled(sheet, cx.now, sources)
    return Interview(
        appointment_id=visit.id,
        person_id=visit.person_id,
        questionnaire=sheet.form.canonical(),
        response=response,
        provenance=kept.origins,
        told=told_as_json(told),
        state=State.DRAFT,
        revision=1,
        seconds=0,
        answered_by=By.NOBODY,
        sent=None,
        sent_provenance=None,
        created_at=cx.now,
        updated_at=cx.now,
        completed_at=None,
    )


def answer(opened: Opened, given: Mapping[str, Sequence[Json]]) -> set[str]:
    """Put answers into an open form; return the places where they are new.

    Raises:
        PlaceUnknown, PlaceFixed, AnswerBroken, ResponseTooLong: see `kernel.fhir.forms`.
    """
    before = opened.sheet.answers()
    sheets.make_room(opened.sheet.filling, given)
    opened.sheet.filling.answer(given)
    return changes(before, opened.sheet.answers())


def changes(before: Mapping[str, Sequence[Json]], after: Mapping[str, Sequence[Json]]) -> set[str]:
    """Return the places that are answered otherwise than before."""
    return {path for path in {*before, *after} if before.get(path) != after.get(path)}


async def save(
    cx: Context,
    opened: Opened,
    changed: Collection[str],
    *,
    shown_at: datetime | None = None,
    confirmed: Collection[str] = (),
    send: bool = False,
) -> tuple[Opened, tuple[forms.Problem, ...]]:
    """Keep the answers in an open form; with `send` hand them to the doctor, if nothing is wrong.

    The row must be locked (`open_(lock=True)`), so that of two pages saving at once the second
    adds to what the first has kept. Sending the same again changes nothing but the time.

    Args:
        cx: in whose transaction all of it is written: the interview and, when it is sent, the
            QuestionnaireResponse and the audit line.
        opened: as it stands, locked, the new answers put in.
        changed: places somebody has just answered or cleared.
        shown_at: when the page was drawn, to count the time it took.
        confirmed: places shown as questions, with what was filled in, and left as they were.
        send: to the doctor.

    Raises:
        InterviewClosed: the visit has begun, or a doctor has decided.
    """
    if not opened.may_change:
        raise InterviewClosed
    sheet = opened.sheet
    answered = sheet.answers()
    said = [*changed, *(path for path in confirmed if path in answered)]
    sheet.origins |= dict.fromkeys(said, Origin.RESIDENT.value)
    sheets.fill_told(sheet, cx.now)
    problems: tuple[forms.Problem, ...] = ()
    if send:
        problems = tuple(p for p in sheet.filling.problems(complete=True) if not p.warning)
    after = await _kept(cx, opened, shown_at, send=send and not problems)
    return after, problems


async def _kept(cx: Context, opened: Opened, shown_at: datetime | None, *, send: bool) -> Opened:
    one = opened.interview
    response, sheet = sheets.settled(opened.sheet, cx.now, opened.sources)
    one = replace(
        one,
        questionnaire=sheet.form.canonical(),
        response=response,
        provenance=sheet.origins,
        seconds=one.seconds + _stretch(one, shown_at, cx.now),
        answered_by=_by(cx, opened.visit.person_id),
        updated_at=max(cx.now, one.updated_at),
    )
    was = (_plainly(one.sent or {}), one.sent_provenance)
    if send and was != (_plainly(response), sheet.origins):
        one = await _send(cx, opened.visit, one, sheet)
    await store.keep(cx.db, one)
    return replace(opened, interview=one, sheet=sheet)


async def _send(cx: Context, visit: Visit, one: Interview, sheet: Sheet) -> Interview:
    again = one.completed_at is not None
    sent = replace(
        one,
        state=State.COMPLETED,
        revision=one.revision + (1 if again else 0),
        sent=one.response,
        sent_provenance=one.provenance,
        completed_at=one.completed_at or cx.now,
    )
    resource = response_as_fhir(
        sheet.filling.response("completed", authored=cx.now),
        visit,
        sheet.origins,
        authored=cx.now,
        by_self=one.answered_by is By.SELF,
        again=again,
    )
    await fhir.put(cx, [resource])
    record = f"QuestionnaireResponse/{resource['id']}"
    await audit.append(cx, [audit.Entry("preconsult.sent", visit.person_id, record)])
    return sent


def findings_in(sheet: Sheet, now: datetime) -> set[str]:
    """Return what is there by the answers and by a fresh triage, but for what is denied here."""
    answers = sheet.answers()
    there = set(findings_of(sheet.paper, answers))
    if sheet.told.on is None or now - sheet.told.on > FRESH:
        return there
    return there | (set(sheet.told.yes) - denied_of(sheet.paper, answers, sheet.origins))


def _by(cx: Context, person_id: UUID) -> By:
    if cx.actor.person_id == person_id:
        return By.SELF
    return By.CLERK if cx.actor.has(Role.CLERK) else By.PROXY


def _stretch(one: Interview, shown_at: datetime | None, now: datetime) -> int:
    """Return the seconds since the page was drawn or last saved, whichever came later."""
    if shown_at is None:
        return 0
    since = max(shown_at, one.updated_at)
    return max(0, min(int((now - since).total_seconds()), SECONDS_MAX))


def _plainly(response: Json) -> tuple[object, object]:
    """Return the answers alone, to be compared: not when they were written."""
    return response.get("questionnaire"), response.get("item", [])
