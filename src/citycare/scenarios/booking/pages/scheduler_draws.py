"""Draws as the scheduler runs them: open one, watch it gather, check the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel.context import Context
from citycare.kit import clock
from citycare.kit.db import Row
from citycare.kit.errors import AppError
from citycare.scenarios.booking.model.draw import Draw, DrawState
from citycare.scenarios.booking.pages import staff
from citycare.scenarios.booking.pages.draws import at
from citycare.scenarios.booking.pages.scheduler_place import SCHEDULER, label_of, place_of
from citycare.scenarios.booking.service import draw as service
from citycare.scenarios.booking.service import week
from citycare.web import forms
from citycare.web.edge.contexts import WriteContext, gate
from citycare.web.edge.errors import status_of
from citycare.web.edge.exchange import edge_of
from citycare.web.i18n import mark
from citycare.web.manner import Words, words_of
from citycare.web.parts import Fact, Option, Step, StepState, Tag, Tone
from citycare.web.respond import redirect, respond
from citycare.web.shell import Toast

router = APIRouter(include_in_schema=False)
DRAW = gate("booking.draw", roles=SCHEDULER)
SHOWN = 50
STATES = {
    DrawState.OPEN: (mark("正在登记"), Tone.OK),
    DrawState.FROZEN: (mark("名单封存了"), Tone.SOON),
    DrawState.DRAWN: (mark("正在写结果"), Tone.SOON),
    DrawState.DONE: (mark("摇完了"), Tone.GRAY),
}
STEPS = {
    DrawState.OPEN: mark("登记"),
    DrawState.FROZEN: mark("封存名单"),
    DrawState.DRAWN: mark("摇出次序"),
    DrawState.DONE: mark("公布结果"),
}
FIELD_OF = {"booking.draw_period_wrong": "closes_at", "booking.draw_slots_wrong": "clinics"}
NOT_AN_INSTANT = mark("时间不对，请按 2026-11-26 07:00 这样填。")
NONE_CHOSEN = mark("请至少选一个按摇号放号的门诊。")
NO_WINDOWS = mark("这些门诊在这几天没有可摇的时段：要是摇号放号、还没进别的摇号。")


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawLine:
    """One draw as a row."""

    name: str
    period: str
    requests: str
    won: str
    tag: Tag
    href: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawsPage:
    """The draws of a house, the latest first."""

    place: str
    lines: tuple[DrawLine, ...]
    new_href: str
    following: str


@router.get("/scheduler/draws", dependencies=[DRAW])
async def draws(
    request: Request, cx: WriteContext, org: UUID | None = None, after: UUID | None = None
) -> Response:
    """List the draws of a house."""
    place = await place_of(cx, None, org)
    house = place.house
    found = await service.list_draws(cx.db, house.id, after, SHOWN) if house else []
    page = DrawsPage(
        place=house.short_name if house else "",
        lines=tuple([await _line(request, cx, one) for one in reversed(found)]),
        new_href=staff.address("/scheduler/draws/new", org=org),
        following=staff.address("/scheduler/draws", org=org, after=found[-1].id)
        if len(found) == SHOWN
        else "",
    )
    return await respond(request, cx, "booking/scheduler_draws.html", page)


async def _line(request: Request, cx: Context, one: Draw) -> DrawLine:
    return DrawLine(
        name=one.name,
        period=f"{at(request, one.opens_at)} – {at(request, one.closes_at)}",
        requests=str(await _entrants(cx, one)),
        won="" if one.won is None else str(one.won),
        tag=_tag(one, words_of(request)),
        href=f"/scheduler/draws/{one.id}",
    )


def _tag(one: Draw, words: Words) -> Tag:
    text, tone = STATES[one.state]
    return Tag(text=words(text), tone=tone)


async def _entrants(cx: Context, one: Draw) -> int:
    return one.requests if one.requests is not None else await week.entrants(cx, one.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDrawPage:
    """The form of a new draw as typed."""

    place: str
    clinics: tuple[Option, ...]
    values: Mapping[str, str]
    errors: Mapping[str, str]
    org: str
    back: str


@router.get("/scheduler/draws/new", dependencies=[DRAW])
async def ask(request: Request, cx: WriteContext, org: UUID | None = None) -> Response:
    """Show the form with sensible days."""
    today = clock.day_of(cx.now)
    form = forms.Form()
    form.values |= {
        "name": "",
        "opens_at": f"{today} 07:00",
        "closes_at": f"{today + timedelta(days=3)} 20:00",
        "from_day": str(today + timedelta(days=5)),
        "to_day": str(today + timedelta(days=11)),
        "beacon_source": "",
    }
    page = await _form(request, cx, org, form)
    return await respond(request, cx, "booking/scheduler_draw_new.html", page)


async def _form(request: Request, cx: Context, org: UUID | None, form: forms.Form) -> NewDrawPage:
    words = words_of(request)
    place = await place_of(cx, None, org)
    chosen = set(form.many.get("clinics", ()))
    return NewDrawPage(
        place=place.house.short_name if place.house else "",
        clinics=tuple(
            Option(value=str(one.id), label=label_of(one, words), selected=str(one.id) in chosen)
            for one in place.clinics
            if one.release == "draw"
        ),
        values=form.values,
        errors={name: words(sentence) for name, sentence in form.errors.items()},
        org=str(place.house.id) if place.house else "",
        back="/scheduler/draws",
    )


@router.post("/scheduler/draws/new", dependencies=[DRAW])
async def open_draw(request: Request, cx: WriteContext) -> Response:
    """Open the draw; its commitment is public from this moment."""
    form = await forms.read(request)
    org = form.id("org")
    new = await _read(cx, form, org)
    status = 422
    if new is not None and not form.errors:
        try:
            async with cx.db.transaction():
                keys = service.keys_in(edge_of(request).site.home)
                made = await service.open_draw(cx, keys, new)
        except AppError as error:
            form.errors[FIELD_OF.get(error.code, "name")] = staff.error_words(request, error)
            status = status_of(error)
        else:
            text = words_of(request)(mark("开始登记了。种子的指纹已经公布，谁也改不了结果。"))
            return redirect(request, f"/scheduler/draws/{made.id}", notice=Toast(text=text))
    page = await _form(request, cx, org, form)
    return await respond(request, cx, "booking/scheduler_draw_new.html", page, status=status)


async def _read(cx: Context, form: forms.Form, org: UUID | None) -> service.NewDraw | None:
    name = form.text("name", chars_max=100)
    opens_at, closes_at = _instant(form, "opens_at"), _instant(form, "closes_at")
    first, last = form.day("from_day"), form.day("to_day")
    source = form.text("beacon_source", required=False, chars_max=200)
    clinics = [one for one in map(staff.id_of, form.many.get("clinics", ())) if one]
    if not clinics:
        form.errors.setdefault("clinics", NONE_CHOSEN)
    if form.errors or org is None or not (opens_at and closes_at and first and last):
        return None
    rows: list[Row] = await week.for_draw(cx, org, clinics, first, last)
    rows = [row for row in rows if row["starts_at"] > closes_at]
    if not rows:
        form.errors["clinics"] = NO_WINDOWS
        return None
    return service.NewDraw(
        organisation_id=org,
        name=name,
        opens_at=opens_at,
        closes_at=closes_at,
        slots=[row["id"] for row in rows],
        beacon_source=source,
    )


def _instant(form: forms.Form, name: str) -> datetime | None:
    text = form.text(name, chars_max=20)
    try:
        there = datetime.fromisoformat(text) if text else None
    except ValueError:
        form.errors.setdefault(name, NOT_AN_INSTANT)
        return None
    return clock.at(there.date(), there.time()) if there else None


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawPage:
    """One draw: how far it is, what is published, how anybody checks it."""

    id: UUID
    name: str
    tag: Tag
    steps: tuple[Step, ...]
    facts: tuple[Fact, ...]
    commitment: str
    list_digest: str
    seed: str
    beacon: str
    beacon_source: str
    wants_beacon: bool
    error: str
    command: str
    list_href: str
    public_href: str
    watch: str


@router.get("/scheduler/draws/{draw_id}", dependencies=[DRAW])
async def one(request: Request, cx: WriteContext, draw_id: UUID) -> Response:
    """Show one draw; to htmx only how far it is."""
    page = await _page(request, cx, draw_id, None)
    part = "booking/_scheduler_draw_state.html"
    return await respond(request, cx, "booking/scheduler_draw.html", page, partial=part)


async def _page(request: Request, cx: Context, draw_id: UUID, error: AppError | None) -> DrawPage:
    words = words_of(request)
    found = await service.get_draw(cx.db, draw_id)
    is_due = found.state is not DrawState.DONE and found.closes_at <= cx.now
    wants_beacon = (
        found.list_digest is not None and bool(found.beacon_source) and found.beacon is None
    )
    order = list(STEPS)
    now = order.index(found.state)
    return DrawPage(
        id=found.id,
        name=found.name,
        tag=_tag(found, words),
        steps=tuple(
            Step(
                label=words(label),
                state=StepState.DONE
                if n < now or found.state is DrawState.DONE
                else StepState.NOW
                if n == now
                else StepState.LATER,
            )
            for n, label in enumerate(STEPS.values())
        ),
        facts=(
            Fact(name=words("登记"), text=f"{at(request, found.opens_at)} – "
                 f"{at(request, found.closes_at)}"),
            Fact(name=words("登记的人"), text=words("%(n)d 人", n=await _entrants(cx, found))),
            Fact(
                name=words("摇中的人"),
                text=words("还没到") if found.won is None else words("%(n)d 人", n=found.won),
            ),
        ),
        commitment=found.commitment.hex(),
        list_digest=found.list_digest.hex() if found.list_digest else "",
        seed=found.seed.hex() if found.seed else "",
        beacon=found.beacon or "",
        beacon_source=found.beacon_source,
        wants_beacon=wants_beacon,
        error=staff.error_words(request, error) if error else "",
        command=f"citycare booking verify-draw {found.id}",
        list_href=f"/api/v1/draws/{found.id}/list.ndjson" if found.list_digest else "",
        public_href=f"/draws/{found.id}",
        watch=f"/scheduler/draws/{found.id}" if is_due and not wants_beacon else "",
    )  # fmt: skip


@router.post("/scheduler/draws/{draw_id}/beacon", dependencies=[DRAW])
async def beacon(request: Request, cx: WriteContext, draw_id: UUID) -> Response:
    """Enter the announced public number, once; the draw goes on within a minute."""
    form = await forms.read(request)
    try:
        async with cx.db.transaction():
            await service.set_beacon(cx, draw_id, form.text("text", required=False, chars_max=500))
    except AppError as error:
        page = await _page(request, cx, draw_id, error)
        status = status_of(error)
        return await respond(request, cx, "booking/scheduler_draw.html", page, status=status)
    text = words_of(request)(mark("公开号码记下了，一分钟内开始摇。"))
    return redirect(request, f"/scheduler/draws/{draw_id}", notice=Toast(text=text))
