"""The patient's pages: the questions before a visit, all on one page or one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel.context import Context
from citycare.scenarios.preconsult.model import Alarm, By, InterviewClosed, Origin
from citycare.scenarios.preconsult.pages import slots as parted
from citycare.scenarios.preconsult.pages.base import alarms_of, day_of, papers_of
from citycare.scenarios.preconsult.pages.slots import Group, Slot
from citycare.scenarios.preconsult.service import filling as sheets
from citycare.scenarios.preconsult.service import interviews, reviews
from citycare.scenarios.preconsult.service.interviews import Opened
from citycare.web import forms, questions
from citycare.web.edge.contexts import WriteContext, gate
from citycare.web.forms import Form
from citycare.web.manner import manner_of, words_of
from citycare.web.parts import Fact
from citycare.web.questions import Posted
from citycare.web.rendering import window
from citycare.web.respond import is_partial, redirect, respond
from citycare.web.shell import Toast

router = APIRouter(include_in_schema=False)
SECONDS_A_QUESTION = 12
LAST, AFTER = "send", "after-"
DIGITS_MAX = 11  # of an instant in seconds
At = Annotated[str, Query(max_length=40, pattern="^[a-z0-9-]*$")]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparePage:
    """The questions of a visit.

    Attributes:
        id: of the booking.
        facts: which visit.
        groups: all questions; `known` those that need no answer any more.
        step: in elder mode the one question shown; None: all, or the last look before sending.
        number, all: which question that is, of how many.
        left: how many are not answered yet; `minutes` it takes about.
        was: what stands in each question as drawn.
        shown_at: the instant, in whole seconds.
        alarms: what must not wait.
    """

    id: UUID
    name: str
    title: str
    when: str
    department: str
    groups: tuple[Group, ...]
    known: tuple[Slot, ...]
    told_on: str
    step: Slot | None
    step_title: str
    previous: str
    number: int
    all: int
    left: int
    minutes: int
    was: tuple[str, ...]
    shown_at: int
    alarms: tuple[Alarm, ...]
    errors: tuple[tuple[str, str], ...]
    labels: dict[str, str]
    carried: bool
    is_sent: bool
    for_other: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledPage:
    """What one changed answer changes on the page."""

    page: PreparePage
    slots: tuple[Slot, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SentPage:
    """The answers are with the doctor."""

    id: UUID
    name: str
    when: str
    department: str
    may_change: bool
    is_changed: bool
    said: tuple[Fact, ...]
    ordered: tuple[str, ...]
    alarms: tuple[Alarm, ...]


@router.get("/prepare/{appointment_id}", dependencies=[gate("preconsult.answer")])
async def prepare(
    request: Request,
    cx: WriteContext,
    appointment_id: UUID,
    at: At = "",
    edit: bool = False,  # noqa: FBT001,FBT002 - a query's flag
) -> Response:
    """Show the questions; the first time they begin. Once sent, what was sent."""
    opened = await interviews.open_(cx, papers_of(request), appointment_id)
    if opened.is_sent and not (edit and opened.may_change) and not at:
        page = await _sent_page(request, cx, opened)
        return await respond(request, cx, "preconsult/sent.html", page)
    if not opened.may_change:
        raise InterviewClosed
    return await _show(request, cx, opened, at=at)


@router.post("/prepare/{appointment_id}", dependencies=[gate("preconsult.answer")])
async def answer(request: Request, cx: WriteContext, appointment_id: UUID) -> Response:
    """Keep what was changed; go on, or send all of it to the doctor."""
    opened = await interviews.open_(cx, papers_of(request), appointment_id, lock=True)
    sent = await forms.read(request)
    go, _, step = sent.values.get("go", "").partition(":")
    drawn = sent.many.get("q", [])
    before, known = opened.sheet.answers(), opened.sheet.known()
    sheets.make_room(opened.sheet.filling, drawn)
    posted = questions.take(opened.sheet.filling, parted.changed_only(sent))
    changed = interviews.changes(before, opened.sheet.answers())
    send = go == LAST and not posted.errors
    opened, problems = await interviews.save(
        cx,
        opened,
        changed,
        shown_at=_instant(sent.values.get("shown_at", "")),
        confirmed=[place for place in drawn if place not in known] if _is_onward(go, step) else (),
        send=send,
    )
    wish = sent.values.get("do", "")
    if wish:
        sheets.add_row(opened.sheet.filling, wish)
        return await _show(request, cx, opened, posted=posted)
    if is_partial(request) and not go:
        return await _settled(request, cx, opened, sent, posted)
    if posted.errors or problems:
        return await _show(
            request,
            cx,
            opened,
            posted=posted,
            at=step.removeprefix(AFTER),
            complete=go == LAST,
            status=422,
        )
    return _gone_on(request, appointment_id, go, step)


def _is_onward(go: str, step: str) -> bool:
    """Tell whether what is drawn was looked at and left: sent, or the next question asked for."""
    return go == LAST or (go == "to" and step.startswith(AFTER))


def _gone_on(request: Request, appointment_id: UUID, go: str, step: str) -> Response:
    words = words_of(request)
    here = f"/prepare/{appointment_id}"
    if go == LAST:
        return redirect(request, here, notice=Toast(text=words("发给医生了。")))
    if go == "to":
        return redirect(request, f"{here}?at={step}")
    return redirect(request, f"{here}?edit=1", notice=Toast(text=words("存好了，随时可以接着填。")))


async def _settled(
    request: Request, cx: Context, opened: Opened, sent: Form, posted: Posted
) -> Response:
    """Answer with the questions that came or went, and what else has changed; nothing moves."""
    page = _page(request, cx, opened, posted=posted)
    slots = parted.slots_in(page.groups)
    redrawn = parted.stale(sent, slots)
    shown = SettledPage(page=page, slots=tuple(one for one in slots if one.id in redrawn))
    return await respond(request, cx, "preconsult/_settled.html", shown)


async def _show(
    request: Request,
    cx: Context,
    opened: Opened,
    *,
    posted: Posted | None = None,
    at: str = "",
    complete: bool = False,
    status: int = 200,
) -> Response:
    page = _page(request, cx, opened, posted=posted, at=at, complete=complete)
    one_by_one = manner_of(request).elder
    template = "preconsult/step.html" if one_by_one else "preconsult/prepare.html"
    return await respond(request, cx, template, page, status=status)


def _page(
    request: Request,
    cx: Context,
    opened: Opened,
    *,
    posted: Posted | None = None,
    at: str = "",
    complete: bool = False,
) -> PreparePage:
    manner, words = manner_of(request), words_of(request)
    drawn = questions.draw(opened.sheet.filling, manner.lang, posted=posted, complete=complete)
    groups = parted.groups_of(opened, drawn, manner.lang, words)
    slots = parted.slots_in(groups)
    asked = [one for one in slots if one.items and not one.known]
    step, previous = _step(slots, at, complete=complete) if manner.elder else (None, "")
    shown = [step] if step is not None else [] if manner.elder else slots
    visit, told = opened.visit, opened.sheet.told
    left = sum(1 for one in asked if not one.answered)
    return PreparePage(
        id=visit.id,
        name=opened.patient.person.name,
        title=words("就诊前先答几个问题"),
        when=f"{day_of(request, visit.starts_at)} {window(visit.starts_at, visit.ends_at)}",
        department=visit.department_name if manner.lang == "zh" else "",
        groups=groups,
        known=tuple(one for one in slots if one.known and (one.items or one.closed)),
        told_on=day_of(request, told.on) if told.on else "",
        step=step,
        step_title=next((one.label for one in step.items), "") if step else "",
        previous=previous,
        number=asked.index(step) + 1 if step in asked else len(asked),
        all=len(asked),
        left=left,
        minutes=max(1, round(left * SECONDS_A_QUESTION / 60)),
        was=parted.was_of(shown),
        shown_at=int(cx.now.timestamp()),
        alarms=alarms_of(request, interviews.findings_in(opened.sheet, cx.now), opened.patient),
        errors=drawn.errors,
        labels=drawn.labels,
        carried=opened.sheet.carried,
        is_sent=opened.is_sent,
        for_other=opened.interview.answered_by is By.PROXY or cx.actor.person_id != visit.person_id,
    )


def _step(slots: Sequence[Slot], at: str, *, complete: bool) -> tuple[Slot | None, str]:
    """Return the question to show, None for the last look, and the one before it.

    Those that are known are shown only when they are asked for by name.
    """
    asked = [one for one in slots if one.items and not one.known]
    last = asked[-1].id if asked else ""
    if complete:
        found = next((one for one in slots if one.wrong), None)
    elif at.startswith(AFTER):
        name = at.removeprefix(AFTER)
        place = next((n for n, one in enumerate(asked) if one.id == name), len(asked))
        found = next(iter(asked[place + 1 :]), None)
    elif at in {one.id for one in slots if one.items}:
        found = next(one for one in slots if one.id == at)
    else:
        found = next((one for one in asked if not one.answered and at != LAST), None)
    if found is None:
        return None, last
    before = asked.index(found) if found in asked else 0
    return found, asked[before - 1].id if before else ""


async def _sent_page(request: Request, cx: Context, opened: Opened) -> SentPage:
    visit = opened.visit
    lang = manner_of(request).lang
    page = questions.draw(opened.sheet.filling, lang)
    words = words_of(request)
    slots = parted.slots_in(parted.groups_of(opened, page, lang, words))
    hidden = Fact(name=words("病历里已有的"), text=words("医生看得到，这里不显示"))
    said = [fact for one in slots for fact in one.said]
    if any(one.closed and one.source is Origin.RECORD for one in slots):
        said.append(hidden)
    return SentPage(
        id=visit.id,
        name=opened.patient.person.name,
        when=f"{day_of(request, visit.starts_at)} {window(visit.starts_at, visit.ends_at)}",
        department=visit.department_name if lang == "zh" else "",
        may_change=opened.may_change,
        is_changed=opened.is_changed and opened.may_change,
        said=tuple(said),
        ordered=tuple(await reviews.ordered(cx, visit.id)),
        alarms=alarms_of(request, interviews.findings_in(opened.sheet, cx.now), opened.patient),
    )


def _instant(text: str) -> datetime | None:
    is_one = text.isdecimal() and len(text) <= DIGITS_MAX
    return datetime.fromtimestamp(int(text), UTC) if is_one else None
