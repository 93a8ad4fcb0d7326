"""The clinic's list of the day: who comes, who is here, who was seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel import identity
from citycare.kernel.context import Context, Role
from citycare.kit import clock
from citycare.kit.db import Row
from citycare.scenarios.booking.model.core import State
from citycare.scenarios.booking.pages import staff
from citycare.scenarios.booking.pages.clinic_panel import Panel, panel_of
from citycare.scenarios.booking.pages.clinic_rows import (
    GONE,
    HALVES,
    Asked,
    Line,
    counts,
    known_of,
    lines_of,
    part_of,
    session_word,
)
from citycare.scenarios.booking.rules.stop import half_day
from citycare.scenarios.booking.service import day as day_service
from citycare.scenarios.booking.service import lists
from citycare.web.edge.contexts import WriteContext, gate
from citycare.web.forms import CivilDay
from citycare.web.manner import Words, manner_of, words_of
from citycare.web.parts import Kpi, Option
from citycare.web.portals.model import CLINIC
from citycare.web.rendering import local_day, local_time
from citycare.web.respond import is_partial, respond

router = APIRouter(include_in_schema=False)
Half = Annotated[str, Query(pattern="^(all|morning|afternoon|evening)?$")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClinicPage:
    """The list of one clinic and day, and the person chosen."""

    title: str
    place: str
    when: str
    day: str
    half: str
    halves: tuple[Option, ...]
    clinics: tuple[Option, ...]
    houses: tuple[Option, ...]
    org: str
    previous: str
    today: str
    following: str
    printed: str
    kpis: tuple[Kpi, ...]
    lines: tuple[Line, ...]
    gone: tuple[Line, ...]
    panel: Panel | None
    reload: str
    changes: str


@router.get(
    "/clinic", dependencies=[gate("booking.list_day", roles=[Role.CLINICIAN, Role.COMMUNITY_GP])]
)
async def day(
    request: Request,
    cx: WriteContext,
    clinic: UUID | None = None,
    day: CivilDay | None = None,
    half: Half = "",
    at: UUID | None = None,
    org: UUID | None = None,
) -> Response:
    """Show the list of the day; to htmx only the person asked for."""
    if not cx.actor.has(Role.CLINICIAN):
        return await _home_of_family_doctor(request, cx)
    asked = Asked(clinic, day or clock.day_of(cx.now), half, at, org)
    if at is not None and is_partial(request):
        panel = await panel_of(request, cx, at, asked.href())
        return await respond(request, cx, "booking/_clinic_panel.html", panel)
    found = await _page(request, cx, asked)
    return await respond(request, cx, "booking/clinic.html", found)


@router.get("/clinic/print", dependencies=[gate("booking.list_day", roles=CLINIC.roles)])
async def printed(
    request: Request,
    cx: WriteContext,
    clinic: UUID | None = None,
    day: CivilDay | None = None,
    half: Half = "",
) -> Response:
    """Show the list for paper."""
    asked = Asked(clinic, day or clock.day_of(cx.now), half)
    page = await _page(request, cx, asked)
    return await respond(request, cx, "booking/clinic_print.html", page)


async def _page(request: Request, cx: Context, asked: Asked) -> ClinicPage:
    words = words_of(request)
    houses = await staff.workplaces(cx, Role.CLINICIAN)
    clinics, chosen, house = await _clinics(cx, asked, houses)
    asked = Asked(chosen["id"] if chosen else None, asked.day, asked.half, asked.at, asked.org)
    rows = await lists.list_day(cx, house, asked.day, asked.clinic) if house and chosen else []
    half = asked.half or _half_now(cx, asked.day, rows)
    asked = replace(asked, half=half)
    shown = [one for one in rows if half == "all" or part_of(one) == HALVES[half]]
    lines = await _lines(request, cx, asked, shown, chosen)
    panel = None
    current = asked.at or next((one.id for one in lines if one.is_open), None)
    if current is not None and any(one.id == current for one in lines):
        panel = await panel_of(request, cx, current, asked.href(at=None))
    mark = await day_service.mark_of(cx, house, chosen["id"], asked.day) if chosen and house else ""
    today = clock.day_of(cx.now)
    lang = manner_of(request).lang
    return ClinicPage(
        title=_title(chosen, half, words),
        place=" · ".join(filter(None, (chosen["practitioner_name"], chosen["title"])))
        if chosen
        else "",
        when=f"{local_day(asked.day, lang)}"
        + (f" {local_time(cx.now)}" if asked.day == today else ""),
        day=asked.day.isoformat(),
        half=half,
        halves=_halves(asked, half, words) if rows else (),
        clinics=_options(clinics, chosen, words),
        houses=tuple(
            Option(value=str(one.id), label=one.short_name, selected=one.id == house)
            for one in houses
        ),
        org=str(house or ""),
        previous=asked.href(day=asked.day - timedelta(days=1), at=None),
        today="" if asked.day == today else asked.href(day=today, at=None),
        following=asked.href(day=asked.day + timedelta(days=1), at=None),
        printed=asked.href("/clinic/print", at=None, half=half),
        kpis=counts(shown, words),
        lines=tuple(one for one in lines if one.state not in GONE),
        gone=tuple(one for one in lines if one.state in GONE),
        panel=panel,
        reload=asked.href(at=None),
        changes=asked.href("/clinic/changes", at=None, mark=mark) if mark else "",
    )


async def _clinics(
    cx: Context, asked: Asked, houses: Sequence[identity.Organisation]
) -> tuple[list[Row], Row | None, UUID | None]:
    """Return the clinics of the day, the one shown, and its organisation.

    Shown is the one asked for, else the doctor's own, else the first.
    """
    house = staff.chosen(list(houses), asked.org)
    organisation = house.id if house else None
    if asked.clinic is not None:
        known = await lists.get_clinics(cx, [asked.clinic])
        organisation = known[0].organisation_id if known else organisation
    if organisation is None:
        return [], None, None
    clinics = await day_service.clinics_on(cx, organisation, asked.day)
    if asked.clinic is not None:
        return (
            clinics,
            next((one for one in clinics if one["id"] == asked.clinic), None),
            (organisation),
        )
    mine = await _practitioner(cx)
    own = [one for one in clinics if mine is not None and one["practitioner_id"] == mine]
    return clinics, next(iter(own or clinics), None), organisation


async def _practitioner(cx: Context) -> UUID | None:
    if cx.actor.account_id is None:
        return None
    return (await identity.get_account(cx, cx.actor.account_id)).practitioner_id


async def _lines(
    request: Request, cx: Context, asked: Asked, rows: Sequence[Row], clinic: Row | None
) -> tuple[Line, ...]:
    if clinic is None or not rows:
        return ()
    return lines_of(rows, await known_of(cx, rows, asked), words_of(request), asked.at)


def _half_now(cx: Context, day: date, rows: Sequence[Row]) -> str:
    """Choose the half-day that runs now; on other days, or where it is empty, the whole day."""
    if day != clock.day_of(cx.now):
        return "all"
    now = half_day(cx.now)[1]
    name = next(name for name, part in HALVES.items() if part == now)
    return name if any(part_of(one) == now for one in rows) else "all"


def _title(clinic: Row | None, half: str, words: Words) -> str:
    if clinic is None:
        return words("今天的名单")
    department, room = clinic["department_name"], clinic["room"]
    name = room[room.index(department) :] if department in room else f"{department} {room}"
    return " · ".join(filter(None, (name.strip(), words(session_word(half)))))


def _halves(asked: Asked, half: str, words: Words) -> tuple[Option, ...]:
    names = ("all", *HALVES)
    return tuple(
        Option(
            value=asked.href(half=name, at=None),
            label=words(session_word(name)),
            selected=name == half,
        )
        for name in names
    )


def _options(clinics: Sequence[Row], chosen: Row | None, words: Words) -> tuple[Option, ...]:
    return tuple(
        Option(
            value=str(one["id"]),
            label=f"{staff.clinic_name(one, words)} · {words('%(n)d 人', n=one['busy'])}",
            selected=chosen is not None and one["id"] == chosen["id"],
        )
        for one in clinics
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangesPage:
    """Whether the list is still what is shown; `reload` shows the new one."""

    changed: bool
    reload: str
    again: str


@router.get("/clinic/changes", dependencies=[gate("booking.list_day", roles=[Role.CLINICIAN])])
async def changes(
    request: Request,
    cx: WriteContext,
    clinic: UUID,
    day: date,
    mark: Annotated[str, Query(max_length=40)],
    half: Half = "",
) -> Response:
    """Tell whether anything has changed since; nothing moves until the doctor wants it."""
    known = await lists.get_clinics(cx, [clinic])
    now = await day_service.mark_of(cx, known[0].organisation_id, clinic, day) if known else mark
    asked = Asked(clinic, day, half)
    page = ChangesPage(
        changed=now != mark, reload=asked.href(), again=asked.href("/clinic/changes", mark=mark)
    )
    return await respond(request, cx, "booking/_clinic_changes.html", page)


@dataclass(frozen=True, slots=True, kw_only=True)
class CarePage:
    """Whom a family doctor looks after, with what they have booked."""

    people: tuple[Line, ...]


async def _home_of_family_doctor(request: Request, cx: Context) -> Response:
    words = words_of(request)
    lines = tuple(
        Line(
            id=person.id,
            number="",
            name=person.name,
            note=staff.note_of(person, cx.now, words),
            source=f"{row['department_name']} · {row['organisation_short']}" if row else "",
            state=State(row["state"]) if row else State.FULFILLED,
            status=f"{local_day(row['starts_at'], manner_of(request).lang)} "
            f"{local_time(row['starts_at'])}"
            if row
            else "",
        )
        for person, row in await day_service.people_in_care(cx)
    )
    return await respond(request, cx, "booking/clinic_care.html", CarePage(people=lines))
