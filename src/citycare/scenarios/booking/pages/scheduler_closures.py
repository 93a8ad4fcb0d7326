"""Days on which nothing runs, and working days in spite of the calendar."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel.context import Context
from citycare.kit import clock, ids
from citycare.scenarios.booking.model.schedule import Closure
from citycare.scenarios.booking.pages import staff
from citycare.scenarios.booking.pages.scheduler_place import (
    SCHEDULE,
    label_of,
    options_of,
    place_of,
)
from citycare.scenarios.booking.rules.schedule import calendar_unknown, plan_day
from citycare.scenarios.booking.service import schedule
from citycare.web import forms
from citycare.web.edge.contexts import WriteContext
from citycare.web.i18n import mark
from citycare.web.manner import manner_of, words_of
from citycare.web.parts import Option, Tag, Tone
from citycare.web.rendering import local_day
from citycare.web.respond import redirect, respond
from citycare.web.shell import Toast

router = APIRouter(include_in_schema=False)
AHEAD = timedelta(days=120)
REASON_MAX = 60


class Kind(StrEnum):
    """What an exception does to a day."""

    CLOSED = "closed"
    OPEN = "open"


KINDS = {Kind.CLOSED: mark("不出诊"), Kind.OPEN: mark("照常出诊")}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosureLine:
    """One exception, or a public holiday of the calendar; `id` where it can be taken back."""

    day: str
    reason: str
    who: str
    tag: Tag
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosuresPage:
    """The exceptions of the coming months and the form for another."""

    place: str
    unknown: str
    lines: tuple[ClosureLine, ...]
    clinics: tuple[Option, ...]
    kinds: tuple[Option, ...]
    values: Mapping[str, str]
    errors: Mapping[str, str]
    org: str


@router.get("/scheduler/closures", dependencies=[SCHEDULE])
async def closures(request: Request, cx: WriteContext, org: UUID | None = None) -> Response:
    """List the exceptions of the coming months."""
    form = forms.Form()
    form.values |= {"on_day": "", "kind": str(Kind.CLOSED), "reason": "", "clinic": ""}
    page = await _page(request, cx, org, form)
    return await respond(request, cx, "booking/scheduler_closures.html", page)


async def _page(request: Request, cx: Context, org: UUID | None, form: forms.Form) -> ClosuresPage:
    words = words_of(request)
    place = await place_of(cx, None, org)
    today = clock.day_of(cx.now)
    house = place.house
    found = await schedule.list_closures(cx, house.id, today, today + AHEAD) if house else []
    names = {one.id: label_of(one, words) for one in place.clinics}
    lines = [
        (
            one.on_day,
            ClosureLine(
                day=local_day(one.on_day, manner_of(request).lang),
                reason=one.reason,
                who=names.get(one.clinic_id, words("这个门诊")) if one.clinic_id else words("全院"),
                tag=Tag(
                    text=words(KINDS[Kind(one.kind)]),
                    tone=Tone.SOON if one.kind == Kind.CLOSED else Tone.OK,
                ),
                id=str(one.id),
            ),
        )
        for one in found
    ]
    lines += _holidays(request, today)
    chosen = form.values.get("clinic", "")
    return ClosuresPage(
        place=house.short_name if house else "",
        unknown=words("、").join(str(year) for year in calendar_unknown(today, today + AHEAD)),
        lines=tuple(line for _, line in sorted(lines, key=lambda pair: pair[0])),
        clinics=(
            Option(value="", label=words("全院"), selected=not chosen),
            *options_of(place.clinics, staff.id_of(chosen), words),
        ),
        kinds=tuple(
            Option(value=str(one), label=words(label), selected=one == form.values.get("kind"))
            for one, label in KINDS.items()
        ),
        values=form.values,
        errors={name: words(sentence) for name, sentence in form.errors.items()},
        org=str(house.id) if house else "",
    )


def _holidays(request: Request, today: date) -> list[tuple[date, ClosureLine]]:
    """List the public holidays ahead: nobody has to enter those."""
    words, lang = words_of(request), manner_of(request).lang
    days = [today + timedelta(days=n) for n in range(AHEAD.days)]
    plans = [(day, plan_day(day, ())) for day in days]
    return [
        (
            day,
            ClosureLine(
                day=local_day(day, lang),
                reason=plan.reason,
                who=words("国家日历"),
                tag=Tag(text=words("节假日"), tone=Tone.GRAY)
                if plan.weekday is None
                else Tag(text=words("调休上班"), tone=Tone.INFO),
            ),
        )
        for day, plan in plans
        if plan.reason
    ]


@router.post("/scheduler/closures", dependencies=[SCHEDULE])
async def add(request: Request, cx: WriteContext) -> Response:
    """Add an exception; windows already made are stopped with 停诊."""
    form = await forms.read(request)
    org = form.id("org")
    on_day, reason = form.day("on_day"), form.text("reason", chars_max=REASON_MAX)
    kind = form.choice("kind", Kind)
    clinic = form.id("clinic", required=False)
    if form.errors or org is None or on_day is None or kind is None:
        page = await _page(request, cx, org, form)
        return await respond(request, cx, "booking/scheduler_closures.html", page, status=422)
    await schedule.save_closures(cx, [_closure(org, on_day, kind, reason, clinic)])
    text = words_of(request)(mark("记下了。只影响还没排出的时段；已经排出的请用“办停诊”。"))
    there = staff.address("/scheduler/closures", org=org)
    return redirect(request, there, notice=Toast(text=text))


def _closure(org: UUID, on_day: date, kind: Kind, reason: str, clinic: UUID | None) -> Closure:
    id_ = ids.derive("booking.closure", org, clinic or "", on_day.isoformat())
    return Closure(id_, org, on_day, str(kind), reason, clinic)


@router.post("/scheduler/closures/{closure_id}/delete", dependencies=[SCHEDULE])
async def take_back(request: Request, cx: WriteContext, closure_id: UUID) -> Response:
    """Take an exception back and say what that does to windows; with its undo."""
    gone = await schedule.delete_closure(cx, closure_id)
    words = words_of(request)
    text = words("撤回了。那天照常按模板排，今晚自动排出；等不及就到“排班”里按“排到”。")
    if gone.kind == Kind.OPEN:
        text = words("撤回了。那天不再排新的时段；已经排出的还在，要停请用“办停诊”。")
    undo = staff.address(
        "/scheduler/closures/again",
        org=gone.organisation_id,
        clinic=gone.clinic_id,
        on_day=gone.on_day,
        kind=gone.kind,
        reason=gone.reason,
    )
    there = staff.address("/scheduler/closures", org=gone.organisation_id)
    return redirect(request, there, notice=Toast(text=text, undo=undo))


@router.post("/scheduler/closures/again", dependencies=[SCHEDULE])
async def again(
    request: Request,
    cx: WriteContext,
    org: UUID,
    on_day: date,
    kind: Kind,
    reason: Annotated[str, Query(min_length=1, max_length=REASON_MAX)],
    clinic: UUID | None = None,
) -> Response:
    """Put back what was just taken back."""
    await schedule.save_closures(cx, [_closure(org, on_day, kind, reason, clinic)])
    text = words_of(request)(mark("放回去了，和刚才一样。"))
    there = staff.address("/scheduler/closures", org=org)
    return redirect(request, there, notice=Toast(text=text))
