"""Use cases of the doctor: read a prepared visit, take its text over or not, order tests."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from citycare.kernel import audit, consent, fhir, identity
from citycare.kernel.context import Context, policy
from citycare.scenarios.preconsult.model import (
    AnswersChanged,
    Interview,
    NothingSent,
    Review,
    Section,
    State,
    Suggestion,
    TextMissing,
    Visit,
)
from citycare.scenarios.preconsult.rules.difference import chars_kept, difference, seconds_saved
from citycare.scenarios.preconsult.rules.records import (
    Doctor,
    composition_as_fhir,
    order_as_fhir,
)
from citycare.scenarios.preconsult.rules.suggesting import suggest
from citycare.scenarios.preconsult.rules.summary import sections_of, text_of
from citycare.scenarios.preconsult.service import filling as sheets
from citycare.scenarios.preconsult.service import visits
from citycare.scenarios.preconsult.service.interviews import findings_in
from citycare.scenarios.preconsult.service.papers import Papers
from citycare.scenarios.preconsult.service.visits import Patient
from citycare.scenarios.preconsult.store import interviews, reviews

READ, REVIEW = "preconsult.read", "preconsult.review"
TEXT_MAX = 20_000
REASON_MAX = 500
ORDERS_MAX = 20
SECONDS_A_MINUTE = 60


@dataclass(frozen=True, slots=True)
class Prepared:
    """A visit as the doctor finds it.

    `left`: of answers not sent yet, how many questions are open; `interview` None: not begun.
    """

    visit: Visit
    patient: Patient
    interview: Interview | None
    sections: tuple[Section, ...] = ()
    text: str = ""
    suggestions: tuple[Suggestion, ...] = ()
    findings: frozenset[str] = frozenset()
    ordered: frozenset[tuple[str, str]] = frozenset()
    review: Review | None = None
    left: int = 0


async def prepared(
    cx: Context, papers: Papers, appointment_id: UUID, *, action: str = READ, lock: bool = False
) -> Prepared:
    """Return what the patient sent before a visit, told as a case history; audited.

    Of answers that were not sent nothing is shown but how many are missing.

    Raises:
        InterviewUnknown: there is no such visit.
        Forbidden, NotFound: not for this actor.
    """
    visit = await visits.get(cx, appointment_id)
    await consent.require(cx, action, visit.person_id, visit.organisation_id)
    patient = await visits.patient_of(cx, visit.person_id)
    found = await interviews.find(cx.db, appointment_id, lock=lock)
    record = f"Appointment/{appointment_id}"
    await audit.append(cx, [audit.Entry(action, visit.person_id, record)])
    if found is None:
        return Prepared(visit, patient, None)
    sources = await visits.sources_of(cx, patient)
    if found.sent is None:
        sheet = sheets.take_up(papers, found, sources, cx.now)
        missing = [one for one in sheet.filling.problems(complete=True) if not one.warning]
        return Prepared(visit, patient, found, left=len(missing))
    sheet = sheets.take_sent(papers, found, sources, cx.now)
    answers = sheet.answers()
    sections = sections_of(sheet.paper, answers, sheet.origins, papers.units(sheet.paper.id))
    return Prepared(
        visit=visit,
        patient=patient,
        interview=found,
        sections=sections,
        text=text_of(sections),
        suggestions=suggest(
            papers.suggestions,
            sheet.paper,
            answers,
            sheet.origins,
            told=sheet.told.yes,
            age=patient.age,
            sex=patient.sex,
        ),
        findings=frozenset(findings_in(sheet, cx.now)),
        ordered=frozenset(await reviews.list_ordered(cx.db, appointment_id)),
        review=await reviews.find_newest(cx.db, appointment_id),
    )


async def decide(
    cx: Context,
    papers: Papers,
    appointment_id: UUID,
    *,
    key: UUID,
    decision: State,
    revision: int,
    kept: str = "",
    reason: str = "",
) -> Review:
    """Take the text over as it is or changed, or leave it; the newest decision holds.

    Written together: the review with what was changed, the interview's state, the Composition
    (entered in error if a text taken over before is now left out), the audit line. The same key
    again is the same review.

    Raises:
        NothingSent: there is nothing to decide about.
        AnswersChanged: the patient has sent new answers since they were shown.
        TextMissing: the changed text is empty or too long.
    """
    before = await prepared(cx, papers, appointment_id, action=REVIEW, lock=True)
    again = await reviews.find(cx.db, key)
    if again is not None and again.appointment_id == appointment_id:
        return again
    if before.interview is None or before.interview.sent is None:
        raise NothingSent
    if before.interview.revision != revision:
        raise AnswersChanged
    text = _text(before.text, decision, kept)
    made = await _review(cx, before, key, decision, text, reason)
    await reviews.add(cx.db, made)
    await interviews.keep(cx.db, replace(before.interview, state=made.decision))
    if made.decision is not State.REJECTED or _was_taken(before.review):
        who = await doctor_of(cx)
        paper = composition_as_fhir(made, before.visit, who, again=before.review is not None)
        await fhir.put(cx, [paper])
    record = f"Composition/{appointment_id}"
    entry = audit.Entry(f"preconsult.{made.decision}", before.visit.person_id, record)
    await audit.append(cx, [entry])
    return made


async def order(
    cx: Context, papers: Papers, appointment_id: UUID, wanted: Collection[tuple[str, str]]
) -> int:
    """Order the tests a doctor ticked; return how many were new.

    Only what is suggested for this visit can be ticked; each is ordered once, however often the
    form is sent. Written together: the note of it, a ServiceRequest each, the audit line.

    Raises:
        NothingSent: the patient has sent nothing, so nothing is suggested.
    """
    found = await prepared(cx, papers, appointment_id, action=REVIEW, lock=True)
    if found.interview is None or found.interview.sent is None:
        raise NothingSent
    by_id = {one.id: one for one in found.suggestions}
    fitting = [
        (name, test)
        for name, test in list(dict.fromkeys(wanted))[:ORDERS_MAX]
        if name in by_id and test in by_id[name].tests
    ]
    if not fitting:
        return 0
    new = await reviews.order(cx.db, appointment_id, fitting, cx.actor.account_id, cx.now)
    if new:
        who = await doctor_of(cx)
        made = [order_as_fhir(by_id[name], test, found.visit, who, cx.now) for name, test in new]
        await fhir.put(cx, made)
        detail = {"tests": len(new)}
        record = f"Appointment/{appointment_id}"
        entry = audit.Entry("preconsult.ordered", found.visit.person_id, record, detail=detail)
        await audit.append(cx, [entry])
    return len(new)


async def ordered(cx: Context, appointment_id: UUID) -> list[str]:
    """Return the tests a doctor has ordered for a visit; who may see it is asked by the caller."""
    return [test for _, test in await reviews.list_ordered(cx.db, appointment_id)]


async def minutes_saved(cx: Context, since: datetime) -> float:
    """Estimate the minutes of typing doctors were spared since an instant."""
    return await interviews.seconds_saved(cx.db, since) / SECONDS_A_MINUTE


async def doctor_of(cx: Context) -> Doctor:
    """Return who acts, as author or requester."""
    if cx.actor.account_id is None:
        return Doctor("", None)
    account = await identity.get_account(cx, cx.actor.account_id)
    return Doctor(account.name, account.practitioner_id)


def _text(offered: str, decision: State, kept: str) -> str:
    if decision is State.REJECTED:
        return ""
    if decision is State.ACCEPTED:
        return offered
    text = "\n".join(line.rstrip() for line in kept.strip().splitlines())
    if not text or len(text) > TEXT_MAX:
        raise TextMissing
    return text


async def _review(
    cx: Context, before: Prepared, key: UUID, decision: State, text: str, reason: str
) -> Review:
    if decision is State.EDITED and text == before.text:
        decision = State.ACCEPTED
    chars = chars_kept(before.text, text)
    speed = float(await policy.value(cx, "preconsult.typing.chars_per_min"))
    return Review(
        id=key,
        appointment_id=before.visit.id,
        account_id=cx.actor.account_id,
        reviewer=(await doctor_of(cx)).name,
        decision=decision,
        reason=reason.strip()[:REASON_MAX] if decision is State.REJECTED else "",
        offered=before.text,
        kept=text,
        difference=difference(before.text, text) if decision is State.EDITED else "",
        chars_kept=chars,
        seconds_saved=seconds_saved(chars, speed),
        decided_at=cx.now,
    )


def _was_taken(review: Review | None) -> bool:
    return review is not None and review.decision is not State.REJECTED
