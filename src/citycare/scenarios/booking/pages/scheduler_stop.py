"""Stopping a clinic: who is affected and what each gets, then one button, then the list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel import identity
from citycare.kernel.context import Context
from citycare.kit import clock
from citycare.kit.db import Row
from citycare.kit.errors import AppError
from citycare.scenarios.booking.model.core import State
from citycare.scenarios.booking.model.stop import Answer, StopPlan, Why
from citycare.scenarios.booking.pages import staff
from citycare.scenarios.booking.pages.scheduler_place import (
    SCHEDULER,
    label_of,
    options_of,
    place_of,
)
from citycare.scenarios.booking.service import lists, stop, week
from citycare.web import forms
from citycare.web.edge.contexts import WriteContext, gate
from citycare.web.edge.errors import status_of
from citycare.web.i18n import mark
from citycare.web.manner import Words, manner_of, words_of
from citycare.web.parts import Kpi, Option, Tag, Tone
from citycare.web.rendering import local_day, window
from citycare.web.respond import redirect, respond
from citycare.web.shell import Toast

router = APIRouter(include_in_schema=False)
STOP = gate("booking.stop_clinic", roles=SCHEDULER)
SHOWN = 200
NOON = time(12)
WHYS = {Why.SAME_DOCTOR: mark("同一位医生"), Why.SAME_HALF_DAY: mark("同科同半天")}
ANSWERS = {
    Answer.ACCEPTED: (mark("同意了"), Tone.OK),
    Answer.MOVED: (mark("自己改了"), Tone.OK),
    Answer.CANCELLED: (mark("退号了"), Tone.GRAY),
    Answer.UNANSWERED: (mark("按新时间来"), Tone.GRAY),
}


class Half(StrEnum):
    """Before or after noon."""

    AM = "am"
    PM = "pm"


HALVES = {Half.AM: mark("上午"), Half.PM: mark("下午")}
Part = Annotated[Half, Query()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Affected:
    """One person: what they had, what they get instead."""

    name: str
    note: str
    old: str
    new: str
    why: str
    tag: Tag | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StopPage:
    """The period asked for and, once it is known, what stopping would do."""

    clinics: tuple[Option, ...]
    title: str
    clinic_id: str
    from_halves: tuple[Option, ...]
    to_halves: tuple[Option, ...]
    values: Mapping[str, str]
    errors: Mapping[str, str]
    error: str
    kpis: tuple[Kpi, ...]
    people: tuple[Affected, ...]
    more: int
    affected: int
    ready: bool
    done_href: str


@router.get("/scheduler/stop", dependencies=[STOP])
async def ask(
    request: Request,
    cx: WriteContext,
    clinic: UUID | None = None,
    from_day: forms.CivilDay | None = None,
    from_half: Part = Half.AM,
    to_day: forms.CivilDay | None = None,
    to_half: Part = Half.PM,
) -> Response:
    """Choose the clinic and the span; then see what it would do. Nothing is written."""
    form = forms.Form()
    form.values |= {
        "clinic": str(clinic or ""),
        "from_day": str(from_day or ""),
        "from_half": str(from_half),
        "to_day": str(to_day or from_day or ""),
        "to_half": str(to_half),
        "reason": "",
    }
    page, status = await _page(request, cx, form)
    return await respond(request, cx, "booking/scheduler_stop.html", page, status=status)


def span_of(form: forms.Form) -> tuple[datetime, datetime] | None:
    """Read the span: from the beginning of a half-day to the end of another."""
    first, last = form.day("from_day"), form.day("to_day")
    starts, ends = form.choice("from_half", Half), form.choice("to_half", Half)
    if first is None or last is None or starts is None or ends is None:
        return None
    from_ = clock.at(first, time.min if starts is Half.AM else NOON)
    to = clock.at(last, NOON) if ends is Half.AM else clock.bounds(last)[1]
    return from_, to


async def _page(
    request: Request, cx: Context, form: forms.Form, error: AppError | None = None
) -> tuple[StopPage, int]:
    words = words_of(request)
    wanted = form.id("clinic", required=False)
    place = await place_of(cx, wanted, None)
    asked = bool(form.values.get("from_day"))
    plan: StopPlan | None = None
    span = span_of(form) if asked and wanted else None
    if span is not None and wanted is not None:
        try:
            plan = await stop.preview_stop(cx, wanted, *span)
        except AppError as refused:
            error = error or refused
    people = await _people(request, cx, plan) if plan else []
    clinic = place.clinic if wanted else None
    values = form.values
    page = StopPage(
        clinics=options_of(place.clinics, wanted, words),
        title=label_of(clinic, words) if clinic else words("办停诊"),
        clinic_id=str(wanted or ""),
        from_halves=_halves(values.get("from_half"), words),
        to_halves=_halves(values.get("to_half"), words),
        values=values,
        errors={name: words(text) for name, text in form.errors.items()} if asked else {},
        error=staff.error_words(request, error) if error else "",
        kpis=_kpis(plan, words) if plan else (),
        people=tuple(people[:SHOWN]),
        more=max(0, len(people) - SHOWN),
        affected=plan.affected if plan else 0,
        ready=plan is not None,
        done_href=_done(form),
    )
    return page, status_of(error) if error else 200


def _done(form: forms.Form) -> str:
    names = ("clinic", "from_day", "from_half", "to_day", "to_half")
    return staff.address("/scheduler/stop/done", **{one: form.values.get(one) for one in names})


def _halves(chosen: str | None, words: Words) -> tuple[Option, ...]:
    return tuple(
        Option(value=str(one), label=words(label), selected=one == chosen)
        for one, label in HALVES.items()
    )


def _kpis(plan: StopPlan, words: Words) -> tuple[Kpi, ...]:
    return (
        Kpi(number=str(len(plan.slots)), label=words("停的时段")),
        Kpi(number=str(plan.affected), label=words("已预约的人")),
        Kpi(number=str(len(plan.replaced)), label=words("有同等或更好的号")),
        Kpi(number=str(len(plan.waiting)), label=words("排到候补最前")),
    )


async def _people(request: Request, cx: Context, plan: StopPlan) -> list[Affected]:
    words = words_of(request)
    ends = {one.id: one.ends_at for one in plan.slots}
    bookings = [*(one.booking for one in plan.replaced), *plan.waiting]
    persons = {one.person_id for one in bookings}
    await week.note_shown(cx, persons)
    known = await identity.list_persons(cx, persons)
    clinics = await lists.get_clinics(
        cx, list({one.option.standard.clinic_id for one in plan.replaced})
    )
    names = {one.id: label_of(one, words) for one in clinics}
    new = {one.booking.id: one for one in plan.replaced}
    people = []
    for booking in sorted(bookings, key=lambda one: (one.starts_at, one.number)):
        person = known.get(booking.person_id)
        found = new.get(booking.id)
        offer, why = words("候补最前，有号先给"), ""
        if found is not None:
            slot = found.option.slot
            when = _when(request, slot.starts_at, slot.ends_at)
            offer = when
            if found.why is not Why.SAME_DOCTOR:
                offer = f"{when} {names.get(slot.clinic_id, '')}"
            why = words(WHYS[found.why])
        people.append(
            Affected(
                name=person.name if person else "",
                note=staff.note_of(person, cx.now, words) if person else "",
                old=_when(request, booking.starts_at, ends[booking.slot_id]),
                new=offer,
                why=why,
            )
        )
    return people


def _when(request: Request, starts_at: datetime, ends_at: datetime) -> str:
    return f"{local_day(starts_at, manner_of(request).lang)} {window(starts_at, ends_at)}"


@router.post("/scheduler/stop", dependencies=[STOP])
async def do(request: Request, cx: WriteContext) -> Response:
    """Stop the clinic in one action; everyone is told."""
    words = words_of(request)
    form = await forms.read(request)
    clinic, span = form.id("clinic"), span_of(form)
    reason = form.text("reason", required=False)
    error: AppError | None = None
    if clinic is not None and span is not None:
        try:
            async with cx.db.transaction():
                plan = await stop.stop_clinic(cx, clinic, *span, reason)
        except AppError as refused:
            error = refused
        else:
            text = words(
                "停好了：%(slots)d 个时段，%(moved)d 人换好了号，%(wait)d 人排候补最前，都通知了。",
                slots=len(plan.slots), moved=len(plan.replaced), wait=len(plan.waiting),
            )  # fmt: skip
            return redirect(request, _done(form), notice=Toast(text=text))
    page, status = await _page(request, cx, form, error)
    return await respond(
        request, cx, "booking/scheduler_stop.html", page, status=status if error else 422
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StoppedPage:
    """What a stop came to: everyone with what they have now."""

    title: str
    span: str
    people: tuple[Affected, ...]
    back: str


@router.get("/scheduler/stop/done", dependencies=[STOP])
async def done(
    request: Request,
    cx: WriteContext,
    clinic: UUID,
    from_day: forms.CivilDay,
    to_day: forms.CivilDay,
    from_half: Part = Half.AM,
    to_half: Part = Half.PM,
) -> Response:
    """List whom a stop touched, and what they answered."""
    words, lang = words_of(request), manner_of(request).lang
    form = forms.Form()
    form.values |= {
        "from_day": str(from_day),
        "from_half": str(from_half),
        "to_day": str(to_day),
        "to_half": str(to_half),
    }
    span = span_of(form)
    rows = await week.stopped(cx, clinic, *span) if span else []
    known = await identity.list_persons(cx, {row["person_id"] for row in rows})
    place = await place_of(cx, clinic, None)
    page = StoppedPage(
        title=label_of(place.clinic, words) if place.clinic else "",
        span=f"{local_day(from_day, lang)} {words(HALVES[from_half])} – "
        f"{local_day(to_day, lang)} {words(HALVES[to_half])}",
        people=tuple(
            Affected(
                name=known[row["person_id"]].name if row["person_id"] in known else "",
                note=staff.note_of(known[row["person_id"]], cx.now, words)
                if row["person_id"] in known
                else "",
                old=_when(request, row["starts_at"], row["ends_at"]),
                new=_now(request, row, words),
                why=words(WHYS[Why(row["why"])]) if row["why"] else "",
                tag=_answer(row, words),
            )
            for row in rows
        ),
        back=staff.address("/scheduler", clinic=clinic, week=from_day),
    )
    return await respond(request, cx, "booking/scheduler_stopped.html", page)


def _now(request: Request, row: Row, words: Words) -> str:
    if row["new_id"] is None:
        return words("候补最前，有号先给")
    when = _when(request, row["new_starts_at"], row["new_ends_at"])
    if row["why"] == Why.SAME_DOCTOR:
        return when
    doctor = " ".join(filter(None, (row["new_doctor"], row["new_title"])))
    return f"{when} {row['new_department']} · {doctor or words('普通门诊')}"


def _answer(row: Row, words: Words) -> Tag | None:
    if row["new_id"] is None:
        return Tag(text=words("候补中"), tone=Tone.SOON)
    if row["new_state"] == State.STOPPED:
        return Tag(text=words("又停诊，看下面一行"), tone=Tone.SOON)
    if row["answer"] is None:
        return Tag(text=words("等答复"), tone=Tone.INFO)
    text, tone = ANSWERS[Answer(row["answer"])]
    return Tag(text=words(text), tone=tone)
