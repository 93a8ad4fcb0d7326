"""Confirming, looking at, moving and cancelling one's bookings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form
from pydantic import BeforeValidator
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel import identity
from citycare.kernel.context import Context
from citycare.kit import clock
from citycare.kit.errors import AppError, Conflict
from citycare.kit.money import Money
from citycare.scenarios.booking.model.core import (
    AlreadyBooked,
    OnHold,
    Pool,
    SlotUnavailable,
    State,
    TooLate,
    TooManyBookings,
)
from citycare.scenarios.booking.model.queue import TicketMissing, TicketNotAdmitted, TicketSpent
from citycare.scenarios.booking.pages import origin
from citycare.scenarios.booking.pages.replaced import Story, story_of
from citycare.scenarios.booking.pages.words import booked, booking_part, place_of, state_tag, when
from citycare.scenarios.booking.rules.calendar import as_calendar
from citycare.scenarios.booking.service import book, desk, draw_list, lists, queue
from citycare.web import i18n
from citycare.web.edge.contexts import WriteContext, gate
from citycare.web.edge.errors import SignInNeeded
from citycare.web.i18n import mark
from citycare.web.manner import Words, manner_of, words_of
from citycare.web.parts import Action, Booking, Fact, Link, Tag, Tone
from citycare.web.portals import persons
from citycare.web.rendering import local_day, yuan
from citycare.web.respond import redirect, respond
from citycare.web.shell import Toast

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form(max_length=200)]
Moved = Annotated[UUID | None, BeforeValidator(lambda given: given or None), Form()]  # or empty


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmPage:
    """What will be booked, for whom; `error` says what went wrong, `ways` where to go from there.

    Without `ways` the time can be booked; else the first of them is the next step instead.
    """

    slot_id: UUID
    when: str
    place: str
    facts: tuple[Fact, ...]
    move: str
    origin: str
    back: str
    error: str
    ways: tuple[Action, ...]


async def person_in_hand(request: Request, cx: Context) -> persons.InHand:
    """Return for whom the resident acts, or ask to sign in."""
    person = await persons.in_hand(request, cx)
    if person is None:
        raise SignInNeeded
    return person


@router.get("/book/{slot_id}", dependencies=[gate("booking.book")])
async def confirm(
    request: Request,
    cx: WriteContext,
    slot_id: UUID,
    move: UUID | None = None,
    led: origin.InAddress = None,
) -> Response:
    """Show once more what will be booked."""
    page = await _confirm_page(request, cx, slot_id, move, led, None)
    return await respond(request, cx, "booking/confirm.html", page)


async def _confirm_page(
    request: Request,
    cx: Context,
    slot_id: UUID,
    move: UUID | None,
    led: UUID | None,
    error: AppError | None,
) -> ConfirmPage:
    words = words_of(request)
    person = await person_in_hand(request, cx)
    card = await lists.get_slot(cx, slot_id)
    lang = manner_of(request).lang
    clinic, day = card["clinic_id"], clock.day_of(card["starts_at"])
    back = f"/book?clinic={clinic}&day={day}" + (f"&move={move}" if move else "")
    wait = f"/wait/{clinic}?day={day}"
    return ConfirmPage(
        slot_id=slot_id,
        when=when(request, card),
        place=place_of(card, words),
        facts=(
            Fact(name=words("给谁"), text=person.name),
            *await _moved_from(request, cx, move, words),
            Fact(name=words("医院"), text=card["organisation_name"]),
            Fact(name=words("诊室"), text=card["room"] or words("到科室前台问一下")),
            Fact(name=words("挂号费"), text=yuan(Money(card["fee_fen"]), lang)),
        ),
        move=str(move or ""),
        origin=str(led or ""),
        back=back,
        error=i18n.words_of(error, lang) if error else "",
        ways=_ways(error, back, wait, words) if error else (),
    )


def _ways(error: AppError, back: str, wait: str, words: Words) -> tuple[Action, ...]:
    """Lead on from a refusal: pressing the same button once more would not help."""
    other = Action(label=words("选别的时间"), href=back)
    match error:
        case SlotUnavailable():
            return other, Action(label=words("排候补"), href=wait)
        case OnHold():
            return (Action(label=words("申诉"), href="/appeal"),)
        case TooManyBookings():
            return (Action(label=words("看我的预约"), href="/bookings"),)
        case AlreadyBooked():
            return Action(label=words("看我的预约"), href="/bookings"), other
        case _:
            return (other,)


async def _moved_from(
    request: Request, cx: Context, move: UUID | None, words: Words
) -> tuple[Fact, ...]:
    """Say which booking makes way, when one is moved."""
    if move is None:
        return ()
    _, card = await lists.get_booking(cx, move)
    return (Fact(name=words("原来的时间"), text=when(request, card)),)


@router.post("/book/{slot_id}", dependencies=[gate("booking.book")])
async def confirmed(
    request: Request,
    cx: WriteContext,
    slot_id: UUID,
    move: Moved = None,
    led: origin.InForm = None,
) -> Response:
    """Book it, or move the old booking here; say so and show it."""
    words = words_of(request)
    person = await person_in_hand(request, cx)
    made_before = await _made_before(cx, slot_id, person.person_id, move)
    if made_before is not None:
        return redirect(request, f"/bookings/{made_before}", notice=_done(move, words))
    ticket = await queue.ticket_for(cx, slot_id, person.person_id)
    try:
        async with cx.db.transaction():
            if move:
                made = await book.reschedule(cx, move, slot_id, ticket)
            else:
                made = await book.book(cx, slot_id, person.person_id, Pool.PUBLIC, ticket)
    except (TicketMissing, TicketNotAdmitted, TicketSpent) as error:
        return redirect(request, f"/queue/{error.facts['clinic']}")
    except AppError as error:
        page = await _confirm_page(request, cx, slot_id, move, led, error)
        return await respond(request, cx, "booking/confirm.html", page, status=409)
    await origin.keep(request, cx, made.id, person.person_id, led)
    return redirect(request, f"/bookings/{made.id}", notice=_done(move, words))


async def _made_before(
    cx: Context, slot_id: UUID, person_id: UUID, move: UUID | None
) -> UUID | None:
    """Return what the same button made a moment ago, pressed twice; None: nothing."""
    card = await lists.get_slot(cx, slot_id)
    held = await desk.held_in(cx, person_id, slot_id, card["organisation_id"])
    if held is None or move is None:
        return held
    booking, _ = await lists.get_booking(cx, held)
    return held if booking["follows"] == move else None


def _done(move: UUID | None, words: Words) -> Toast:
    return Toast(text=words("改好了，原来的号已经退回。") if move else booked(words))


@dataclass(frozen=True, slots=True, kw_only=True)
class MinePage:
    """A person's bookings to come, where they wait, and the past."""

    upcoming: tuple[Booking, ...]
    waits: tuple[Link, ...]
    draws: tuple[Link, ...]
    past: tuple[Booking, ...]
    more: str


@router.get("/bookings", dependencies=[gate("booking.read")])
async def mine(request: Request, cx: WriteContext, page: str | None = None) -> Response:
    """List a person's bookings."""
    words = words_of(request)
    me = (await person_in_hand(request, cx)).person_id
    upcoming = await lists.list_mine(cx, me, upcoming=True, count=50)
    past = await lists.list_mine(cx, me, upcoming=False, token=page, count=10)
    waits = await lists.list_waits(cx, me)
    shown = MinePage(
        upcoming=tuple(booking_part(row, words) for row in upcoming.items),
        waits=tuple(_wait_link(request, row, words) for row in waits),
        draws=tuple(
            _draw_link(request, row, words) for row in await draw_list.list_entries(cx, me)
        ),
        past=tuple(booking_part(row, words) for row in past.items),
        more=f"/bookings?page={past.next}" if past.next else "",
    )
    return await respond(request, cx, "booking/mine.html", shown)


def _wait_link(request: Request, row: Any, words: Words) -> Link:
    if row["state"] == "offered":
        note = words("有号了：%(when)s", when=when(request, row))
        tag = Tag(text=words("等您答复"))
    else:
        note = words("候补第 %(n)d 位", n=row["position"])
        tag = None
    return Link(
        label=place_of(row, words),
        note=note,
        href=f"/waiting/{row['id']}",
        icon="queue",
        tag=tag,
    )


def _draw_link(request: Request, row: Any, words: Words) -> Link:
    tag = None
    if row["state"] != "done":
        note = words("%(day)s 截止登记", day=local_day(row["closes_at"], manner_of(request).lang))
    elif row["wish"]:
        note, tag = when(request, row), Tag(text=words("摇中了"))
    else:
        note, tag = words("可以排候补"), Tag(text=words("没有摇中"), tone=Tone.GRAY)
    href = f"/draws/of/{row['slot_id']}"
    return Link(label=place_of(row, words), note=note, href=href, icon="draw", tag=tag)


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingPage:
    """One booking: what, where, and what can be done with it."""

    id: UUID
    title: str
    tag: Tag
    number: int
    facts: tuple[Fact, ...]
    cancelling: tuple[Fact, ...]
    is_open: bool
    has_come: bool
    may_change: bool
    error: str
    story: Story | None
    again_href: str
    move_href: str


@router.get("/bookings/{booking_id}", dependencies=[gate("booking.read")])
async def one(request: Request, cx: WriteContext, booking_id: UUID) -> Response:
    """Show one booking."""
    page = await _booking_page(request, cx, booking_id)
    return await respond(request, cx, "booking/one.html", page)


async def _booking_page(
    request: Request, cx: Context, booking_id: UUID, error: AppError | None = None
) -> BookingPage:
    words = words_of(request)
    booking, card = await lists.get_booking(cx, booking_id)
    person = await identity.get_person(cx, booking["person_id"])
    lang = manner_of(request).lang
    state = State(booking["state"])
    referred = booking["pool"] == Pool.REFERRAL
    who = Fact(name=words("给谁"), text=person.name)
    doctor = Fact(name=words("医生"), text=place_of(card, words))
    return BookingPage(
        id=booking_id,
        title=when(request, card),
        tag=state_tag(state, words),
        number=booking["number"],
        facts=(
            who,
            doctor,
            Fact(name=words("医院"), text=card["organisation_name"]),
            Fact(name=words("诊室"), text=card["room"] or words("到科室前台问一下")),
            Fact(name=words("挂号费"), text=yuan(Money(card["fee_fen"]), lang)),
            *([Fact(name=words("谁约的"), text=words("社区医生"))] if referred else []),
        ),
        cancelling=(who, Fact(name=words("时间"), text=when(request, card)), doctor),
        is_open=state is State.BOOKED and card["ends_at"] > cx.now,
        has_come=state is State.ARRIVED,
        may_change=not isinstance(error, TooLate),
        error=i18n.words_of(error, lang) if error else "",
        story=await story_of(request, cx, booking),
        again_href=f"/book?clinic={card['clinic_id']}",
        move_href=f"/book?clinic={card['clinic_id']}&move={booking_id}",
    )


@router.get("/bookings/{booking_id}/cancel", dependencies=[gate("booking.cancel")])
async def ask_cancel(request: Request, cx: WriteContext, booking_id: UUID) -> Response:
    """Ask once before a place is given back."""
    page = await _booking_page(request, cx, booking_id)
    if not page.is_open:
        return redirect(request, f"/bookings/{booking_id}")
    return await respond(request, cx, "booking/cancel.html", page)


@router.post("/bookings/{booking_id}/cancel", dependencies=[gate("booking.cancel")])
async def cancel(
    request: Request, cx: WriteContext, booking_id: UUID, reason: Text = ""
) -> Response:
    """Give the place back, or say at the booking why not."""
    try:
        async with cx.db.transaction():
            await book.cancel(cx, booking_id, reason)
    except Conflict as error:
        page = await _booking_page(request, cx, booking_id, error)
        return await respond(request, cx, "booking/one.html", page, status=409)
    text = words_of(request)(mark("退好了。这个号会先给候补的人。"))
    return redirect(request, "/bookings", notice=Toast(text=text))


@router.get("/bookings/{booking_id}/slip", dependencies=[gate("booking.read")])
async def slip(request: Request, cx: WriteContext, booking_id: UUID) -> Response:
    """Show the slip to print."""
    page = await _booking_page(request, cx, booking_id)
    return await respond(request, cx, "booking/slip.html", page)


@router.get("/bookings/{booking_id}/calendar.ics", dependencies=[gate("booking.read")])
async def calendar(request: Request, cx: WriteContext, booking_id: UUID) -> Response:
    """Return the booking for the person's own calendar (RFC 5545)."""
    booking, card = await lists.get_booking(cx, booking_id)
    words = words_of(request)
    stamp: datetime = booking["created_at"]
    body = as_calendar(
        uid=f"{booking_id}@citycare",
        starts_at=card["starts_at"],
        ends_at=card["ends_at"],
        stamp=stamp,
        title=words("看病：%(place)s", place=place_of(card, words)),
        location=" ".join(filter(None, (card["organisation_name"], card["room"]))),
        cancelled=State(booking["state"]) not in (State.BOOKED, State.ARRIVED),
    )
    return Response(
        body,
        media_type="text/calendar",
        headers={"Content-Disposition": f'attachment; filename="{booking_id}.ics"'},
    )
