"""The scheduler's week: every window of a clinic, what is taken, and making more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel.context import Context
from citycare.kit import clock
from citycare.kit.db import Row
from citycare.kit.money import Money
from citycare.scenarios.booking.model.core import Pool
from citycare.scenarios.booking.model.schedule import Closure
from citycare.scenarios.booking.pages import staff
from citycare.scenarios.booking.pages.scheduler_place import (
    SCHEDULE,
    Place,
    label_of,
    options_of,
    place_of,
)
from citycare.scenarios.booking.pages.scheduler_queue import QueuePart, Way, part_of
from citycare.scenarios.booking.rules.schedule import plan_day
from citycare.scenarios.booking.service import queue as queue_service
from citycare.scenarios.booking.service import schedule
from citycare.scenarios.booking.service import week as service
from citycare.web import forms
from citycare.web.edge.contexts import WriteContext
from citycare.web.i18n import mark
from citycare.web.manner import Words, manner_of, words_of
from citycare.web.parts import Fact, Option
from citycare.web.rendering import local_day, local_time, weekday, yuan
from citycare.web.respond import redirect, respond
from citycare.web.shell import Toast

router = APIRouter(include_in_schema=False)
DAYS = 7
LETTERS = {
    Pool.PUBLIC: mark("公"),
    Pool.REFERRAL: mark("转"),
    Pool.ONSITE: mark("现"),
    Pool.ELDER: mark("长"),
    Pool.FOLLOWUP: mark("复"),
}
RELEASES = {"first_come": mark("先到先得"), "draw": mark("摇号")}
SHOWN_SKIPPED = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One window of the grid; empty words where there is none."""

    total: str = ""
    pools: tuple[str, ...] = ()
    state: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GridRow:
    """One time of the day over the week."""

    label: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DayHead:
    """A column: the day, and why nothing runs, if so."""

    name: str
    day: str
    note: str
    is_today: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WeekPage:
    """A clinic's week, its settings, and the way to other weeks."""

    title: str
    span: str
    place: str
    clinics: tuple[Option, ...]
    houses: tuple[Option, ...]
    week: str
    days: tuple[DayHead, ...]
    rows: tuple[GridRow, ...]
    legend: tuple[tuple[str, str], ...]
    clinic_id: str
    facts: tuple[Fact, ...]
    release: str
    releases: tuple[Option, ...]
    queue: QueuePart | None
    horizon: str
    templates: int
    previous: str
    following: str
    today: str


@router.get("/scheduler", dependencies=[SCHEDULE])
async def scheduler(
    request: Request,
    cx: WriteContext,
    clinic: UUID | None = None,
    week: forms.CivilDay | None = None,
    org: UUID | None = None,
) -> Response:
    """Show a week of a clinic, of the busiest one when none is asked for."""
    monday = _monday(week or clock.day_of(cx.now))
    found = await place_of(cx, clinic, org)
    if clinic is None and found.house is not None:
        first = await service.busiest(cx, found.house.id, monday)
        found = await place_of(cx, first, found.house.id)
    page = await _page(request, cx, found, monday)
    return await respond(request, cx, "booking/scheduler.html", page)


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


async def _page(
    request: Request, cx: Context, place: Place, monday: date, form: forms.Form | None = None
) -> WeekPage:
    words, lang = words_of(request), manner_of(request).lang
    clinic = place.clinic
    rows = await service.windows(cx, clinic.id, monday) if clinic else []
    templates = await schedule.list_templates(cx, clinic.id) if clinic else []
    closures: list[Closure] = []
    if clinic is not None:
        sunday = monday + timedelta(days=DAYS - 1)
        closures = await schedule.list_closures(cx, clinic.organisation_id, monday, sunday)
        closures = [one for one in closures if one.clinic_id in (None, clinic.id)]
    days = [monday + timedelta(days=n) for n in range(DAYS)]
    today = clock.day_of(cx.now)

    def href(day: date) -> str:
        return staff.address("/scheduler", clinic=clinic.id if clinic else None, week=day)

    return WeekPage(
        title=label_of(clinic, words) if clinic else words("排班"),
        span=f"{local_day(days[0], lang)} – {local_day(days[-1], lang)}",
        place=place.house.short_name if place.house else "",
        clinics=options_of(place.clinics, clinic.id if clinic else None, words),
        houses=tuple(
            Option(value=str(one.id), label=one.short_name, selected=one == place.house)
            for one in place.houses
        ),
        week=monday.isoformat(),
        days=tuple(
            DayHead(
                name=weekday(day, lang),
                day=f"{day.month}-{day.day}",
                note=plan_day(day, closures).reason,
                is_today=day == today,
            )
            for day in days
        ),
        rows=_grid(rows, days, words),
        legend=tuple((words(letter), words(staff.POOLS[pool])) for pool, letter in LETTERS.items()),
        clinic_id=str(clinic.id) if clinic else "",
        facts=(
            Fact(name=words("地点"), text=clinic.room or words("没有写")),
            Fact(name=words("挂号费"), text=yuan(Money(clinic.fee_fen), lang)),
            Fact(name=words("放号方式"), text=words(RELEASES[clinic.release])),
            Fact(name=words("排班模板"), text=words("%(n)d 条", n=len(templates))),
        )
        if clinic
        else (),
        release=clinic.release if clinic else "",
        releases=tuple(
            Option(value=one, label=words(label), selected=clinic is not None
                   and one == clinic.release)
            for one, label in RELEASES.items()
        ),
        queue=await part_of(request, cx, clinic.id, form) if clinic else None,
        horizon=local_day(await schedule.furthest_day(cx), lang),
        templates=len(templates),
        previous=href(monday - timedelta(days=DAYS)),
        following=href(monday + timedelta(days=DAYS)),
        today="" if _monday(today) == monday else href(today),
    )  # fmt: skip


def _grid(rows: Sequence[Row], days: Sequence[date], words: Words) -> tuple[GridRow, ...]:
    """Lay windows out: a line for each time that occurs, a column for each day."""
    cells: dict[tuple[time, date], Row] = {}
    labels: dict[time, str] = {}
    for row in rows:
        there = row["starts_at"].astimezone(clock.CITY)
        cells[there.time(), there.date()] = row
        labels[there.time()] = local_time(row["starts_at"])
    return tuple(
        GridRow(
            label=labels[at],
            cells=tuple(
                _cell(cells[at, day], words) if (at, day) in cells else Cell() for day in days
            ),
        )
        for at in sorted(labels)
    )


def _cell(row: Row, words: Words) -> Cell:
    pools = row["pools"] or {}
    state = "some" if row["busy"] else "none"
    if row["state"] == "stopped":
        state = "stopped"
    elif not row["free"]:
        state = "full"
    return Cell(
        total=words("停诊") if state == "stopped" else f"{row['busy']}/{row['capacity']}",
        pools=tuple(
            f"{words(letter)}{pools[pool][0]}/{pools[pool][1]}"
            for pool, letter in LETTERS.items()
            if pool in pools and len(pools) > 1 and state != "stopped"
        ),
        state=state,
    )


@router.post("/scheduler/make", dependencies=[SCHEDULE])
async def make(request: Request, cx: WriteContext, clinic: Annotated[UUID, Form()]) -> Response:
    """Make the windows of one clinic up to the horizon; those there stay as they are."""
    words, lang = words_of(request), manner_of(request).lang
    made = await schedule.make_slots(
        cx, clock.day_of(cx.now), await schedule.furthest_day(cx), clinic_ids=[clinic]
    )
    text = words("排好了：新增 %(slots)d 个时段、%(places)d 个号。", slots=made.slots,
                 places=made.places)  # fmt: skip
    if made.skipped:
        some = made.skipped[:SHOWN_SKIPPED]
        days = words("、").join(f"{local_day(one.day, lang)} {one.reason}" for one in some)
        text += words("不出诊：%(days)s。", days=days)
    if made.calendar_unknown:
        years = words("、").join(str(year) for year in made.calendar_unknown)
        text += words("%(years)s 年的节假日还没有公布，请自己加停诊日。", years=years)
    return redirect(request, staff.address("/scheduler", clinic=clinic), notice=Toast(text=text))


@router.post("/scheduler/release", dependencies=[SCHEDULE])
async def release(
    request: Request,
    cx: WriteContext,
    clinic: Annotated[UUID, Form()],
    way: Annotated[Literal["first_come", "draw"], Form()],
) -> Response:
    """Choose first come or draw for the windows made from now on."""
    await service.set_release(cx, clinic, way)
    words = words_of(request)
    text = words("放号方式改成%(way)s，以后新排的时段按这个放号。", way=words(RELEASES[way]))
    return redirect(request, staff.address("/scheduler", clinic=clinic), notice=Toast(text=text))


@router.post("/scheduler/queue", dependencies=[SCHEDULE])
async def set_queue(request: Request, cx: WriteContext) -> Response:
    """Let a clinic's releases go by queue or not, and say how many a second are let in."""
    form = await forms.read(request)
    words = words_of(request)
    place = await place_of(cx, form.id("clinic"), None)
    way = form.choice("queue", Way)
    rate = form.number("rate", 1, queue_service.PACE_MAX, required=False)
    if place.clinic is None or form.errors or way is None:
        page = await _page(request, cx, place, _monday(clock.day_of(cx.now)), form)
        return await respond(request, cx, "booking/scheduler.html", page, status=422)
    await queue_service.set_queued(cx, place.clinic.id, queued=way is Way.QUEUED)
    await queue_service.set_pace(cx, place.clinic.id, rate)
    text = words("存好了：下次放号先排队再选号。")
    if way is Way.PLAIN:
        text = words("存好了：下次放号不用排队。正在进行的排队照样走完。")
    there = staff.address("/scheduler", clinic=place.clinic.id)
    return redirect(request, there, notice=Toast(text=text))
