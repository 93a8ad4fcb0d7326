"""The waiting list, offers, messages, and the appeal against a pause."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import Response

from citycare.kit import clock
from citycare.kit.errors import AppError
from citycare.scenarios.booking.model.core import AlreadyWaiting, BookingUnknown, OnHold
from citycare.scenarios.booking.model.schedule import ClinicUnknown
from citycare.scenarios.booking.pages.mine import person_in_hand
from citycare.scenarios.booking.pages.words import booked, place_of, until, when
from citycare.scenarios.booking.service import holds, lists, wait
from citycare.web import i18n
from citycare.web.edge.contexts import WriteContext, gate
from citycare.web.forms import CivilDay
from citycare.web.i18n import mark
from citycare.web.manner import Words, manner_of, words_of
from citycare.web.parts import Action, Fact, Option, Tone
from citycare.web.rendering import local_day, local_time
from citycare.web.respond import redirect, respond
from citycare.web.shell import Toast

router = APIRouter(include_in_schema=False)
SPAN = timedelta(days=7)
DAYS_SHOWN = 28


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinPage:
    """For which clinic and days somebody would wait."""

    clinic_id: UUID
    place: str
    person: str
    days: tuple[Option, ...]
    until_days: tuple[Option, ...]
    waiting: int
    error: str
    way: Action | None
    back: str


@router.get("/wait/{clinic_id}", dependencies=[gate("booking.wait")])
async def ask_join(
    request: Request, cx: WriteContext, clinic_id: UUID, day: CivilDay | None = None
) -> Response:
    """Ask for which days somebody would wait."""
    page = await _join_page(request, cx, clinic_id, (day, None), None)
    return await respond(request, cx, "booking/join.html", page)


async def _join_page(
    request: Request,
    cx: WriteContext,
    clinic_id: UUID,
    days: tuple[date | None, date | None],
    error: AppError | None,
) -> JoinPage:
    person = await person_in_hand(request, cx)
    found = await lists.get_clinics(cx, [clinic_id])
    if not found:
        raise ClinicUnknown(clinic=clinic_id)
    clinic = found[0]
    today = clock.day_of(cx.now)
    first = max(days[0] or today, today)
    last = days[1] or first + SPAN
    waiting = await lists.waiting_lengths(cx, [clinic_id], person.person_id)
    doctor = clinic.practitioner_name or words_of(request)(mark("普通门诊"))
    return JoinPage(
        clinic_id=clinic_id,
        place=f"{doctor} · {clinic.department_name} · {clinic.organisation_short}",
        person=person.name,
        days=_days(request, today, first),
        until_days=_days(request, today, last),
        waiting=waiting.get(clinic_id, 0),
        error=i18n.words_of(error, manner_of(request).lang) if error else "",
        way=_way(error, words_of(request)),
        back=f"/book?clinic={clinic_id}&day={first}",
    )


def _days(request: Request, today: date, chosen: date) -> tuple[Option, ...]:
    """List the days of four weeks, and the chosen one should it lie beyond."""
    lang = manner_of(request).lang
    days = [today + timedelta(days=n) for n in range(DAYS_SHOWN)]
    if chosen not in days:
        days.append(chosen)
    return tuple(
        Option(value=day.isoformat(), label=local_day(day, lang), selected=day == chosen)
        for day in days
    )


def _way(error: AppError | None, words: Words) -> Action | None:
    """Lead on from a refusal that asking again would not change."""
    if isinstance(error, AlreadyWaiting):
        return Action(label=words("看我的候补"), href="/bookings")
    if isinstance(error, OnHold):
        return Action(label=words("申诉"), href="/appeal")
    return None


@router.post("/wait/{clinic_id}", dependencies=[gate("booking.wait")])
async def join(
    request: Request,
    cx: WriteContext,
    clinic_id: UUID,
    from_day: Annotated[date, Form()],
    to_day: Annotated[date, Form()],
) -> Response:
    """Put the person on the list."""
    person = await person_in_hand(request, cx)
    try:
        async with cx.db.transaction():
            entry = await wait.join(cx, person.person_id, clinic_id, from_day, to_day)
    except AppError as error:
        page = await _join_page(request, cx, clinic_id, (from_day, to_day), error)
        return await respond(request, cx, "booking/join.html", page, status=409)
    text = words_of(request)(mark("排上了。有号会留给您并通知您，不用一直刷。"))
    return redirect(request, f"/waiting/{entry.id}", notice=Toast(text=text))


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingPage:
    """Where somebody waits; with an offer, until when it is kept."""

    id: UUID
    place: str
    position: int
    offered: bool
    when: str
    until: str
    facts: tuple[Fact, ...]


@router.get("/waiting/{wait_id}", dependencies=[gate("booking.wait")])
async def waiting(request: Request, cx: WriteContext, wait_id: UUID) -> Response:
    """Show one entry, or the offer it got."""
    words = words_of(request)
    person = await person_in_hand(request, cx)
    rows = [row for row in await lists.list_waits(cx, person.person_id) if row["id"] == wait_id]
    if not rows:
        raise BookingUnknown(wait=wait_id)
    row = rows[0]
    lang = manner_of(request).lang
    days = f"{local_day(row['from_day'], lang)} – {local_day(row['to_day'], lang)}"
    who = Fact(name=words("给谁"), text=person.name)
    page = WaitingPage(
        id=wait_id,
        place=place_of(row, words),
        position=row["position"],
        offered=row["state"] == "offered",
        when=when(request, row) if row["starts_at"] else "",
        until=until(request, row["offer_until"], cx.now) if row["offer_until"] else "",
        facts=(who,)
        if row["state"] == "offered"
        else (
            who,
            Fact(name=words("门诊"), text=place_of(row, words)),
            Fact(name=words("哪几天"), text=days),
        ),
    )
    return await respond(request, cx, "booking/waiting.html", page)


@router.post("/waiting/{wait_id}/accept", dependencies=[gate("booking.wait")])
async def accept(request: Request, cx: WriteContext, wait_id: UUID) -> Response:
    """Take the offered place."""
    made = await wait.accept(cx, wait_id)
    text = booked(words_of(request))
    return redirect(request, f"/bookings/{made.id}", notice=Toast(text=text))


@router.post("/waiting/{wait_id}/leave", dependencies=[gate("booking.wait")])
async def leave(request: Request, cx: WriteContext, wait_id: UUID) -> Response:
    """Leave the list, or say no to the offer."""
    await wait.leave(cx, wait_id)
    text = words_of(request)(mark("不排了。这个号会给下一位。"))
    return redirect(request, "/bookings", notice=Toast(text=text))


MESSAGES: dict[str, tuple[str, str, Tone]] = {
    "offer": (mark("候补有号了，给您留着"), "/waiting/%(wait)s", Tone.OK),
    "offer_expired": (mark("候补的号没有等到您答复，给了下一位"), "/bookings", Tone.SOON),
    "missed": (mark("您有一次预约没有来"), "/bookings/%(booking)s", Tone.SOON),
    "hold": (mark("线上预约暂停了，可以申诉"), "/appeal", Tone.DANGER),
    "hold_lifted": (mark("申诉通过，又可以预约了"), "/book", Tone.OK),
    "referred": (mark("家庭医生给您约好了号，点开看时间和地点"), "/bookings/%(booking)s", Tone.OK),
    "hold_corrected": (mark("就诊记录更正了，又可以预约了"), "/book", Tone.OK),
    "hold_kept": (mark("申诉没有通过，可到窗口挂号"), "/appeal", Tone.SOON),
    "replaced": (mark("医生停诊，已为您留了别的号"), "/bookings/%(booking)s", Tone.DANGER),
    "stopped": (mark("医生停诊，您排在候补第一批"), "/bookings", Tone.DANGER),
    "offer_withdrawn": (mark("候补的号因停诊收回，您仍在候补名单里"), "/bookings", Tone.SOON),
    "draw_won": (mark("摇中了"), "/bookings", Tone.OK),
    "draw_missed": (
        mark("摇中的号没能给您：医生停诊了，或者您已约满。可以排候补"),
        "/bookings",
        Tone.DANGER,
    ),
    "draw_lost": (mark("这次没有摇中，可以排候补"), "/bookings", Tone.SOON),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message: what, when, and where to go on."""

    text: str
    href: str
    tone: Tone
    at: str
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagesPage:
    """What the person was told, newest first."""

    messages: tuple[Message, ...]


@router.get("/messages", dependencies=[gate("booking.read")])
async def messages(request: Request, cx: WriteContext) -> Response:
    """Show what the person was told; it counts as read from now on."""
    words = words_of(request)
    person = await person_in_hand(request, cx)
    rows = await lists.list_messages(cx, person.person_id, read=True)
    lang = manner_of(request).lang
    page = MessagesPage(
        messages=tuple(
            _message(
                row, words, f"{local_day(row['created_at'], lang)} {local_time(row['created_at'])}"
            )
            for row in rows
        )
    )
    return await respond(request, cx, "booking/messages.html", page)


def _message(row: Any, words: Words, at: str) -> Message:
    text, href, tone = MESSAGES.get(row["kind"], (row["kind"], "/bookings", Tone.INFO))
    facts = row["facts"]
    target = href % facts if all(f"%({k})s" not in href or k in facts for k in _names(href)) else ""
    return Message(
        text=words(text),
        href=target or "/bookings",
        tone=tone,
        at=at,
        is_new=row["read_at"] is None,
    )


def _names(href: str) -> list[str]:
    return [part.split(")")[0] for part in href.split("%(")[1:]]


@dataclass(frozen=True, slots=True, kw_only=True)
class AppealPage:
    """The pause in force and what became of the appeal."""

    until: datetime | None
    missed: int
    appeal: str
    decision: str
    decision_reason: str


@router.get("/appeal", dependencies=[gate("hold.appeal")])
async def ask_appeal(request: Request, cx: WriteContext) -> Response:
    """Show the pause, and the form to appeal."""
    person = await person_in_hand(request, cx)
    hold = await holds.current(cx, person.person_id)
    page = AppealPage(
        until=hold.ends_at if hold else None,
        missed=len(hold.no_shows) if hold else 0,
        appeal=(hold.appeal or "") if hold else "",
        decision=(hold.decision or "") if hold else "",
        decision_reason=hold.decision_reason if hold else "",
    )
    return await respond(request, cx, "booking/appeal.html", page)


@router.post("/appeal", dependencies=[gate("hold.appeal")])
async def appeal(
    request: Request, cx: WriteContext, text: Annotated[str, Form(min_length=1, max_length=500)]
) -> Response:
    """Send the appeal."""
    person = await person_in_hand(request, cx)
    await holds.appeal(cx, person.person_id, text)
    done = words_of(request)(mark("申诉交上去了，有结果会通知您。急着看病可以到窗口挂号。"))
    return redirect(request, "/appeal", notice=Toast(text=done))
