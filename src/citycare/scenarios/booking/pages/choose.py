"""Finding a clinic and choosing a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel.context import Context
from citycare.kit import clock
from citycare.kit.money import Money
from citycare.scenarios.booking.model.core import Pool
from citycare.scenarios.booking.model.finder import (
    DayCount,
    Filters,
    Found,
    History,
    PartOfDay,
    Point,
)
from citycare.scenarios.booking.model.finder import Query as Asking
from citycare.scenarios.booking.model.schedule import Clinic
from citycare.scenarios.booking.pages import elder, near
from citycare.scenarios.booking.pages.asked import Asked
from citycare.scenarios.booking.pages.queued import mark_queued
from citycare.scenarios.booking.service import finder, lists
from citycare.web.edge.contexts import ReadContext, gate
from citycare.web.forms import CivilDay
from citycare.web.manner import Words, manner_of, words_of
from citycare.web.parts import Chip, ChipState, Day, DayState, Doctor, Link, Option
from citycare.web.portals import persons
from citycare.web.respond import respond

router = APIRouter(include_in_schema=False)
SHOWN = 10
CHIPS_MAX = 24
FEW = 1
STRIP = 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One clinic with the windows of the chosen day."""

    doctor: Doctor
    chips: tuple[Chip, ...]
    next_day: str
    next_label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoosePage:
    """What was asked, the days, the clinics of the day, and where to go on."""

    asked: str
    hidden: tuple[tuple[str, str], ...]
    moving: str
    days: tuple[Day, ...]
    filters: tuple[Option, ...]
    choices: tuple[Choice, ...]
    ignored: tuple[str, ...]
    heard: tuple[str, ...]
    near: near.Near | None
    nearer: str
    more: str
    anything: bool


@router.get("/book", dependencies=[gate("booking.slots", anonymous=True)])
async def choose(
    request: Request,
    cx: ReadContext,
    q: Annotated[str, Query(max_length=100)] = "",
    clinic: UUID | None = None,
    day: CivilDay | None = None,
    half: Annotated[str, Query(pattern="^(morning|afternoon|evening)?$")] = "",
    move: UUID | None = None,
    area: near.Area = "",
    position: near.Position = "",
    page: Annotated[str | None, Query(max_length=300)] = None,
    step: Annotated[str, Query(pattern="^(department|type)?$")] = "",
    skip: Annotated[int, Query(ge=0, le=1000)] = 0,
) -> Response:
    """Search clinics and show the windows of one day; in elder mode ask one question at a time."""
    asked = Asked(q.strip(), clinic, day, half, move, area)
    here = near.read(position)
    words = words_of(request)
    person = await persons.in_hand(request, cx)
    me = person.person_id if person is not None else None
    history = (await lists.history_of(cx, me))[0] if me else finder.NOBODY
    answer = await _answer(cx, asked, history, page, here)
    if manner_of(request).elder:
        place = elder.Place(step=step, skip=skip, me=me)
        ask = await elder.question(request, cx, asked, place, answer)
        return await respond(request, cx, "booking/ask.html", ask)
    clinics = [found.clinic for found in answer.items]
    strip = await finder.days_of(cx, [one.id for one in clinics], answer.query, STRIP)
    shown = _day(asked, answer, strip, clock.day_of(cx.now))
    windows = await lists.windows_of(cx, [one.id for one in clinics], shown, (Pool.PUBLIC,))
    await mark_queued(cx, me, windows)
    waiting = await lists.waiting_lengths(cx, [one.id for one in clinics], me)
    found = ChoosePage(
        asked=asked.q,
        hidden=tuple(
            (name, str(value))
            for name, value in (("move", move), ("half", half), ("area", area))
            if value
        ),
        moving=str(move or ""),
        days=_strip(asked, strip, shown, clock.day_of(cx.now)),
        filters=_halves(asked, words),
        choices=tuple(
            _choice(asked, one, windows.get(one.clinic.id, ()), waiting, words)
            for one in answer.items
        ),
        ignored=answer.ignored,
        heard=answer.heard,
        near=await near.near_of(cx, asked, answer, here, words),
        nearer=near.nearer(asked, answer, words),
        more=asked.href(page=answer.next, day=shown) if answer.next else "",
        anything=bool(answer.items),
    )
    return await respond(request, cx, "booking/choose.html", found)


async def _answer(
    cx: Context, asked: Asked, history: History, page: str | None, here: Point | None
) -> finder.Answer:
    if asked.clinic is not None:
        query = Asking((), clock.day_of(cx.now))
        found = await lists.get_clinics(cx, [asked.clinic])
        return finder.Answer(query, [Found(one, None, None, None, 0) for one in found], None)
    filters = Filters(part_of_day=PartOfDay(asked.half) if asked.half else None)
    return await finder.find_clinics(
        cx,
        asked.q,
        filters,
        near=here,
        home_district=asked.area,
        history=history,
        after=page,
        limit=SHOWN,
    )


def _day(asked: Asked, answer: finder.Answer, strip: Sequence[DayCount], today: date) -> date:
    """Choose the day shown: the one asked for, else the nearest's or the first with places."""
    if asked.day is not None:
        return asked.day
    nearest = answer.items[0].next_starts_at if answer.items else None
    if answer.query.near and answer.located and nearest is not None:
        return clock.day_of(nearest)
    last = answer.query.to_day or today + timedelta(days=STRIP)
    inside = [one for one in strip if answer.query.from_day <= one.day <= last]
    return next((one.day for one in inside if one.places), answer.query.from_day)


def _strip(asked: Asked, strip: Sequence[DayCount], shown: date, today: date) -> tuple[Day, ...]:
    return tuple(
        Day(
            on=one.day,
            href=asked.href(day=one.day),
            left=one.places,
            state=DayState.OPEN if one.places else DayState.FULL,
            is_today=one.day == today,
            selected=one.day == shown,
        )
        for one in strip
    )


def _halves(asked: Asked, words: Words) -> tuple[Option, ...]:
    halves = (("", words("全天")), ("morning", words("上午")), ("afternoon", words("下午")))
    return tuple(
        Option(value=asked.href(half=value), label=label, selected=asked.half == value)
        for value, label in halves
    )


def _choice(
    asked: Asked,
    found: Found,
    windows: Sequence[Any],
    waiting: Mapping[UUID, int],
    words: Words,
) -> Choice:
    clinic = found.clinic
    chips = tuple(_chip(asked, clinic, row, waiting.get(clinic.id, 0)) for row in windows)
    starts = found.next_starts_at
    full = all(chip.state is ChipState.FULL for chip in chips)
    next_day = clock.day_of(starts) if starts is not None and full else None
    department = clinic.department_name if clinic.practitioner_name else ""
    return Choice(
        doctor=Doctor(
            name=clinic.practitioner_name or clinic.department_name,
            title=clinic.title if clinic.practitioner_name else words("普通门诊"),
            good_at=clinic.good_at,
            place=" · ".join(filter(None, (department, clinic.organisation_short))),
            metres=near.rounded(found.distance_m),
            fee=Money(clinic.fee_fen),
            note=words("您看过的医生") if found.known > 1 else "",
            tag=words("摇号") if clinic.release == "draw" else "",
            href=asked.href(clinic=clinic.id, q=""),
        ),
        chips=chips[:CHIPS_MAX],
        next_day=asked.href(day=next_day) if next_day else "",
        next_label=str(next_day or ""),
    )


def _chip(asked: Asked, clinic: Clinic, row: Any, waiting: int) -> Chip:
    """Shape one window: what it offers decides where a tap leads."""
    state, href = ChipState.FREE, f"/book/{row['id']}"
    if asked.move:
        href += f"?move={asked.move}"
    if row["state"] == "stopped":
        state, href = ChipState.STOPPED, ""
    elif row["queue_id"] and (row["open"] or row["first_opens_at"]):
        state = ChipState.FREE if row["open"] else ChipState.UNOPENED
        href = f"/queue/{clinic.id}"
    elif row["release"] == "draw":
        state, href = ChipState.DRAW, f"/draws/of/{row['id']}"
    elif not row["open"] and row["first_opens_at"]:
        state, href = ChipState.UNOPENED, ""
    elif not row["open"]:
        day = clock.day_of(row["starts_at"])
        state, href = ChipState.FULL, f"/wait/{clinic.id}?day={day}"
    elif row["open"] <= FEW:
        state = ChipState.FEW
    return Chip(
        starts_at=row["starts_at"],
        state=state,
        href=href,
        left=row["open"],
        position=waiting + 1 if state is ChipState.FULL else 0,
        opens_at=row["first_opens_at"] if state is ChipState.UNOPENED else None,
    )


@router.get("/book/suggest", dependencies=[gate("booking.slots", anonymous=True)])
async def suggest(
    request: Request, cx: ReadContext, q: Annotated[str, Query(max_length=100)] = ""
) -> Response:
    """Answer what fits the letters typed so far, as a list for the search box."""
    found = await finder.suggest(cx, q)
    words = words_of(request)
    kinds = {
        "hospital": words("医院"),
        "department": words("科室"),
        "doctor": words("医生"),
        "district": words("区"),
    }
    page = SuggestPage(
        items=tuple(
            Link(
                label=one.name,
                note=kinds[one.kind],
                href="/book?" + urlencode({"q": one.name}),
            )
            for one in found
        )
    )
    return await respond(request, cx, "booking/_suggestions.html", page)


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestPage:
    """What fits the letters typed so far."""

    items: tuple[Link, ...]
