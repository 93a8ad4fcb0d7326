"""Weekly templates: the list, the form with its live preview, and what is wrong at its field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel.context import Context, policy
from citycare.kit import clock, ids
from citycare.kit.errors import AppError
from citycare.scenarios.booking.model.core import Pool
from citycare.scenarios.booking.model.schedule import Template
from citycare.scenarios.booking.pages import staff
from citycare.scenarios.booking.pages.scheduler_place import (
    SCHEDULE,
    label_of,
    options_of,
    place_of,
)
from citycare.scenarios.booking.service import schedule
from citycare.web import forms
from citycare.web.edge.contexts import WriteContext
from citycare.web.edge.errors import status_of
from citycare.web.i18n import mark
from citycare.web.manner import Words, manner_of, words_of
from citycare.web.parts import Option
from citycare.web.rendering import WEEKDAYS, local_day, window
from citycare.web.respond import redirect, respond
from citycare.web.shell import Toast

router = APIRouter(include_in_schema=False)
CAPACITY_MAX = 60
NUMBER_MAX = 1_440
FIELD_OF = {
    "booking.window_too_long": "window_min",
    "booking.shares_wrong": "public",
    "booking.template_clash": "starts",
}
NOT_A_TIME = mark("时间不对，请按 08:30 这样填。")


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateLine:
    """One weekly template as a row."""

    id: UUID
    weekday: str
    span: str
    window: str
    shares: str
    valid: str
    href: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplatesPage:
    """The templates of a clinic."""

    title: str
    clinic_id: str
    clinics: tuple[Option, ...]
    lines: tuple[TemplateLine, ...]
    new_href: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewLine:
    """One of the coming days: its windows, or why there are none."""

    day: str
    windows: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplatePage:
    """The form of one template as typed, with what it would make."""

    title: str
    clinic_id: UUID
    template_id: str
    weekdays: tuple[Option, ...]
    pools: tuple[tuple[str, str], ...]
    values: Mapping[str, str]
    errors: Mapping[str, str]
    sentence: str
    preview: tuple[PreviewLine, ...]
    back: str


@router.get("/scheduler/templates", dependencies=[SCHEDULE])
async def templates(
    request: Request, cx: WriteContext, clinic: UUID | None = None, org: UUID | None = None
) -> Response:
    """List the templates of a clinic."""
    words = words_of(request)
    place = await place_of(cx, clinic, org)
    chosen = place.clinic
    found = await schedule.list_templates(cx, chosen.id) if chosen else []
    page = TemplatesPage(
        title=label_of(chosen, words) if chosen else words("排班模板"),
        clinic_id=str(chosen.id) if chosen else "",
        clinics=options_of(place.clinics, chosen.id if chosen else None, words),
        lines=tuple(_line(one, words) for one in found),
        new_href=staff.address("/scheduler/templates/edit", clinic=chosen.id) if chosen else "",
    )
    return await respond(request, cx, "booking/scheduler_templates.html", page)


def _line(one: Template, words: Words) -> TemplateLine:
    valid = words("%(day)s 起", day=one.valid_from)
    if one.valid_to:
        valid = f"{one.valid_from} – {one.valid_to}"
    return TemplateLine(
        id=one.id,
        weekday=words(WEEKDAYS[one.weekday - 1]),
        span=f"{one.starts:%H:%M}–{one.ends:%H:%M}",
        window=words("每 %(min)d 分钟 %(n)d 个号", min=one.window_min, n=one.capacity),
        shares=_shares(one, words),
        valid=valid,
        href=staff.address("/scheduler/templates/edit", clinic=one.clinic_id, template=one.id),
    )


def _shares(one: Template, words: Words) -> str:
    """Write '公开 7、转诊 2、长者 1'."""
    return words("、").join(
        f"{words(label)} {one.shares[pool]}"
        for pool, label in staff.POOLS.items()
        if one.shares.get(pool)
    )


@router.get("/scheduler/templates/edit", dependencies=[SCHEDULE])
async def edit(
    request: Request, cx: WriteContext, clinic: UUID, template: UUID | None = None
) -> Response:
    """Show the form, empty or of one template."""
    form = forms.Form()
    found = await schedule.list_templates(cx, clinic)
    old = next((one for one in found if one.id == template), None)
    form.values.update(_values(old) if old else await _fresh(cx))
    form.values |= {"clinic": str(clinic), "template": str(old.id) if old else ""}
    page = await _page(request, cx, clinic, form)
    return await respond(request, cx, "booking/scheduler_template.html", page)


async def _fresh(cx: Context) -> dict[str, str]:
    capacity = 10
    shares = await schedule.default_shares(cx, capacity)
    return {
        "weekday": "1",
        "starts": "08:00",
        "ends": "11:30",
        "window_min": str(await policy.value(cx, "booking.window.minutes_default")),
        "capacity": str(capacity),
        "valid_from": clock.day_of(cx.now).isoformat(),
        "valid_to": "",
    } | {str(pool): str(shares.get(pool, 0)) for pool in Pool}


def _values(one: Template) -> dict[str, str]:
    return {
        "weekday": str(one.weekday),
        "starts": f"{one.starts:%H:%M}",
        "ends": f"{one.ends:%H:%M}",
        "window_min": str(one.window_min),
        "capacity": str(one.capacity),
        "valid_from": one.valid_from.isoformat(),
        "valid_to": one.valid_to.isoformat() if one.valid_to else "",
    } | {str(pool): str(one.shares.get(pool, 0)) for pool in Pool}


async def _page(request: Request, cx: Context, clinic_id: UUID, form: forms.Form) -> TemplatePage:
    words, lang = words_of(request), manner_of(request).lang
    place = await place_of(cx, clinic_id, None)
    template = _read(form, clinic_id)
    days: list[schedule.PreviewDay] = []
    if template is not None:
        try:
            days = await schedule.preview(cx, template)
        except AppError as error:
            _place_error(request, form, error, template)
    chosen = form.values.get("weekday", "")
    sentence = ""
    if template is not None and not form.errors:
        sentence = words(
            "每次 %(windows)d 个时段，每段 %(n)d 个号：%(shares)s。",
            windows=_count(template), n=template.capacity, shares=_shares(template, words),
        )  # fmt: skip
    return TemplatePage(
        title=label_of(place.clinic, words) if place.clinic else "",
        clinic_id=clinic_id,
        template_id=form.values.get("template", ""),
        weekdays=tuple(
            Option(value=str(n), label=words(name), selected=str(n) == chosen)
            for n, name in enumerate(WEEKDAYS, 1)
        ),
        pools=tuple((str(pool), words(label)) for pool, label in staff.POOLS.items()),
        values=form.values,
        errors={name: words(sentence) for name, sentence in form.errors.items()},
        sentence=sentence,
        preview=tuple(
            PreviewLine(
                day=local_day(one.day, lang),
                windows=tuple(window(part.starts_at, part.ends_at) for part in one.windows),
                reason=one.reason,
            )
            for one in days
        ),
        back=staff.address("/scheduler/templates", clinic=clinic_id),
    )


def _count(template: Template) -> int:
    minutes = (template.ends.hour - template.starts.hour) * 60
    return (minutes + template.ends.minute - template.starts.minute) // template.window_min


def _place_error(request: Request, form: forms.Form, error: AppError, template: Template) -> None:
    """Put what the rules refuse at its field, with the stable code."""
    field = FIELD_OF.get(error.code, "ends")
    if error.code == "booking.template_wrong" and template.capacity > CAPACITY_MAX:
        field = "capacity"
    form.errors[field] = staff.error_words(request, error)


def _read(form: forms.Form, clinic_id: UUID) -> Template | None:
    """Read the form; None while something cannot be read. The rules judge the rest."""
    weekday = form.number("weekday", 1, 7)
    starts, ends = _time(form, "starts"), _time(form, "ends")
    window_min = form.number("window_min", 1, NUMBER_MAX)
    capacity = form.number("capacity", 1, NUMBER_MAX)
    shares = {pool: form.number(str(pool), 0, NUMBER_MAX, required=False) or 0 for pool in Pool}
    first = form.day("valid_from")
    last = form.day("valid_to", required=False)
    old = form.id("template", required=False)
    if form.errors or not (weekday and starts and ends and window_min and capacity and first):
        return None
    return Template(
        id=old or ids.new(),
        clinic_id=clinic_id,
        weekday=weekday,
        starts=starts,
        ends=ends,
        window_min=window_min,
        capacity=capacity,
        shares={pool: count for pool, count in shares.items() if count},
        valid_from=first,
        valid_to=last,
    )


def _time(form: forms.Form, name: str) -> time | None:
    text = form.text(name, chars_max=8)
    try:
        return time.fromisoformat(text) if text else None
    except ValueError:
        form.errors.setdefault(name, NOT_A_TIME)
        return None


@router.post("/scheduler/templates/preview", dependencies=[SCHEDULE])
async def preview(request: Request, cx: WriteContext, clinic: Annotated[UUID, Form()]) -> Response:
    """Show what the form would make; writes nothing."""
    page = await _page(request, cx, clinic, await forms.read(request))
    name = "booking/scheduler_template.html"
    part = "booking/_scheduler_preview.html"
    return await respond(request, cx, name, page, partial=part)


@router.post("/scheduler/templates", dependencies=[SCHEDULE])
async def save(request: Request, cx: WriteContext, clinic: Annotated[UUID, Form()]) -> Response:
    """Save the template, or show the form again with everything still in it."""
    form = await forms.read(request)
    template = _read(form, clinic)
    status = 422
    if template is not None:
        try:
            async with cx.db.transaction():
                await schedule.save_templates(cx, [template])
        except AppError as error:
            _place_error(request, form, error, template)
            status = status_of(error)
        else:
            text = words_of(request)(mark("存好了。按“排到”以后，新的时段才会出现在日程里。"))
            there = staff.address("/scheduler/templates", clinic=clinic)
            return redirect(request, there, notice=Toast(text=text))
    page = await _page(request, cx, clinic, form)
    return await respond(request, cx, "booking/scheduler_template.html", page, status=status)


@router.post("/scheduler/templates/{template_id}/delete", dependencies=[SCHEDULE])
async def delete(
    request: Request, cx: WriteContext, template_id: UUID, clinic: Annotated[UUID, Form()]
) -> Response:
    """Remove a template; windows already made stay."""
    await schedule.delete_templates(cx, clinic, [template_id])
    text = words_of(request)(mark("模板删了。已经排出的时段还在，要停的话用“办停诊”。"))
    there = staff.address("/scheduler/templates", clinic=clinic)
    return redirect(request, there, notice=Toast(text=text))
