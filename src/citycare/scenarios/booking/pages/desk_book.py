"""Booking at the window: once more what, for whom; then the slip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Query
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel import identity
from citycare.kernel.context import Context, Role
from citycare.kit.errors import AppError
from citycare.kit.money import Money
from citycare.scenarios.booking.model.core import Pool, State
from citycare.scenarios.booking.pages import staff
from citycare.scenarios.booking.pages.desk import Asked
from citycare.scenarios.booking.pages.staff_slip import facts_of, slip_of
from citycare.scenarios.booking.pages.words import when
from citycare.scenarios.booking.service import book as booking
from citycare.scenarios.booking.service import day, lists
from citycare.scenarios.booking.service import desk as service
from citycare.web.edge.contexts import WriteContext, gate
from citycare.web.edge.errors import status_of
from citycare.web.i18n import mark
from citycare.web.manner import Words, manner_of, words_of
from citycare.web.parts import Action, Fact
from citycare.web.rendering import yuan
from citycare.web.respond import redirect, respond
from citycare.web.shell import Toast

router = APIRouter(include_in_schema=False)
CLERK = [Role.CLERK]
Text = Annotated[str, Query(max_length=100)]
Typed = Annotated[str, Form(max_length=200)]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskConfirmPage:
    """What will be booked, for whom; `error` says what went wrong at the last try."""

    slot_id: UUID
    person_id: UUID
    person: str
    note: str
    facts: tuple[Fact, ...]
    pool: Pool
    move: str
    error: str
    full: bool
    back: str
    wait_href: str
    hidden: tuple[tuple[str, str], ...]


@router.get("/desk/book/{slot_id}", dependencies=[gate("booking.book", roles=CLERK)])
async def confirm(
    request: Request,
    cx: WriteContext,
    slot_id: UUID,
    person: UUID,
    pool: Pool = Pool.PUBLIC,
    move: UUID | None = None,
    q: Text = "",
    org: UUID | None = None,
) -> Response:
    """Show once more what will be booked; Enter books it."""
    asked = Asked(q, person, "", move, org)
    page = await _confirm(request, staff.at_window(cx), slot_id, pool, asked, None)
    return await respond(request, cx, "booking/desk_confirm.html", page)


async def _confirm(
    request: Request,
    cx: Context,
    slot_id: UUID,
    pool: Pool,
    asked: Asked,
    error: AppError | None,
) -> DeskConfirmPage:
    words = words_of(request)
    card = await lists.get_slot(cx, slot_id)
    assert asked.person is not None
    served = await service.customer(cx, asked.person, card["organisation_id"])
    person = served.person
    return DeskConfirmPage(
        slot_id=slot_id,
        person_id=person.id,
        person=person.name,
        note=staff.note_of(person, cx.now, words),
        facts=(
            Fact(name=words("证件"), text=_papers(served, words)),
            Fact(name=words("时间"), text=when(request, card)),
            Fact(name=words("门诊"), text=staff.clinic_name(card, words)),
            Fact(name=words("地点"), text=card["room"] or card["organisation_name"]),
            Fact(name=words("号源"), text=words(staff.POOLS[pool])),
            Fact(
                name=words("挂号费"), text=yuan(Money(card["fee_fen"]), manner_of(request).lang)
            ),
        ),
        pool=pool,
        move=str(asked.move or ""),
        error=staff.error_words(request, error) if error else "",
        full=error is not None and error.code == "booking.slot_unavailable",
        back=asked.href(),
        wait_href=staff.address("/desk/wait", person=person.id, clinic=card["clinic_id"]),
        hidden=tuple((name, str(value)) for name, value in (
            ("person", person.id), ("pool", pool), ("move", asked.move), ("q", asked.q),
            ("org", asked.org)) if value),
    )  # fmt: skip


def _papers(served: service.Customer, words: Words) -> str:
    return words("、").join(served.documents) or words("没有核对过")


@router.post("/desk/book/{slot_id}", dependencies=[gate("booking.book", roles=CLERK)])
async def confirmed(
    request: Request,
    cx: WriteContext,
    slot_id: UUID,
    person: Annotated[UUID, Form()],
    pool: Annotated[Pool, Form()] = Pool.PUBLIC,
    move: Typed = "",
    q: Typed = "",
    org: Typed = "",
) -> Response:
    """Book it and show the slip; pressed twice, the same slip."""
    cx = staff.at_window(cx)
    moved = staff.id_of(move)
    card = await lists.get_slot(cx, slot_id)
    held = await service.held_in(cx, person, slot_id, card["organisation_id"])
    if held is not None:
        return redirect(request, f"/desk/bookings/{held}/slip")
    try:
        async with cx.db.transaction():
            made = await service.book(cx, slot_id, person, pool, moved)
    except AppError as error:
        asked = Asked(q, person, "", moved, staff.id_of(org))
        page = await _confirm(request, cx, slot_id, pool, asked, error)
        status = status_of(error)
        return await respond(request, cx, "booking/desk_confirm.html", page, status=status)
    return redirect(request, f"/desk/bookings/{made.id}/slip")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskCancelPage:
    """What would be given back, and the way back to the person."""

    id: UUID
    title: str
    facts: tuple[Fact, ...]
    back: str


@router.get("/desk/bookings/{booking_id}/slip", dependencies=[gate("booking.read", roles=CLERK)])
async def slip(request: Request, cx: WriteContext, booking_id: UUID) -> Response:
    """Show the slip to print."""
    words = words_of(request)
    row, card = await lists.get_booking(staff.at_window(cx), booking_id)
    person = (await identity.list_persons(cx, [row["person_id"]]))[row["person_id"]]
    here = staff.address("/desk", person=person.id)
    page = slip_of(
        request,
        row,
        card,
        person.name,
        onward=Action(label=words("办下一位"), href="/desk", key="/"),
        back=Action(label=words("回到这位"), href=here, key="b"),
    )
    return await respond(request, cx, "booking/staff_slip.html", page)


@router.get(
    "/desk/bookings/{booking_id}/cancel", dependencies=[gate("booking.cancel", roles=CLERK)]
)
async def ask_cancel(request: Request, cx: WriteContext, booking_id: UUID) -> Response:
    """Ask once before a place is given back."""
    row, card = await lists.get_booking(staff.at_window(cx), booking_id)
    person = (await identity.list_persons(cx, [row["person_id"]]))[row["person_id"]]
    page = DeskCancelPage(
        id=booking_id,
        title=when(request, card),
        facts=facts_of(request, card, person.name)[:2],
        back=staff.address("/desk", person=person.id),
    )
    return await respond(request, cx, "booking/desk_cancel.html", page)


@router.post(
    "/desk/bookings/{booking_id}/cancel", dependencies=[gate("booking.cancel", roles=CLERK)]
)
async def cancel(
    request: Request, cx: WriteContext, booking_id: UUID, reason: Typed = ""
) -> Response:
    """Give the place back."""
    ended = await booking.cancel(staff.at_window(cx), booking_id, reason)
    text = words_of(request)(mark("退好了。这个号会先给候补的人。"))
    return redirect(
        request, staff.address("/desk", person=ended.person_id), notice=Toast(text=text)
    )


@router.post(
    "/desk/bookings/{booking_id}/state", dependencies=[gate("booking.arrive", roles=CLERK)]
)
async def mark_state(
    request: Request, cx: WriteContext, booking_id: UUID, state: Annotated[State, Form()]
) -> Response:
    """Note that somebody has come."""
    return await _mark(request, staff.at_window(cx), booking_id, state)


@router.post("/desk/bookings/{booking_id}/undo", dependencies=[gate("booking.arrive", roles=CLERK)])
async def undo(request: Request, cx: WriteContext, booking_id: UUID) -> Response:
    """Take the arrival back."""
    return await _mark(request, staff.at_window(cx), booking_id, State.BOOKED)


async def _mark(request: Request, cx: Context, booking_id: UUID, state: State) -> Response:
    words = words_of(request)
    marked = await day.mark(cx, booking_id, state)
    arrived = state is State.ARRIVED
    text = words("已报到，请到诊室外等候叫号。") if arrived else words("已撤销，还是未到。")
    back = f"/desk/bookings/{booking_id}/undo" if arrived else ""
    there = staff.address("/desk", person=marked.person_id)
    return redirect(request, there, notice=Toast(text=text, undo=back))
