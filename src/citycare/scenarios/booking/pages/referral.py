"""A family doctor books a place reserved for referrals, for a patient in their care (R17).

Where no reserved place is left, or they have all been given back, public places are offered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Query
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel import audit, consent, identity
from citycare.kernel.context import Channel, Context, Role
from citycare.kit.db import Row
from citycare.kit.errors import AppError
from citycare.kit.money import Money
from citycare.scenarios.booking.model.core import Pool, SlotUnavailable
from citycare.scenarios.booking.pages import staff
from citycare.scenarios.booking.pages.staff_slip import slip_of
from citycare.scenarios.booking.pages.words import when
from citycare.scenarios.booking.service import desk as desk_service
from citycare.scenarios.booking.service import lists
from citycare.scenarios.booking.service import referral as service
from citycare.web.edge.contexts import WriteContext, gate
from citycare.web.edge.errors import status_of
from citycare.web.manner import Words, manner_of, words_of
from citycare.web.parts import Action, Fact
from citycare.web.rendering import yuan
from citycare.web.respond import redirect, respond

router = APIRouter(include_in_schema=False)
GP = [Role.COMMUNITY_GP]
HOME = "/clinic/care"
KEYS = 9
Text = Annotated[str, Query(max_length=100)]
Typed = Annotated[str, Form(max_length=100)]


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowLine:
    """One window the patient can have; `key` opens it."""

    key: str
    when: str
    clinic: str
    hospital: str
    pool: str
    left: int
    fee: str
    href: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferralPage:
    """For whom, what was asked for, and the windows found; `public`: none is a reserved one."""

    person: str
    note: str
    q: str
    here: str
    public: bool
    refused: str
    ignored: tuple[str, ...]
    windows: tuple[WindowLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferralConfirmPage:
    """What will be booked, for whom; or why it cannot be, and what comes next instead."""

    person: str
    note: str
    facts: tuple[Fact, ...]
    here: str
    back: str
    hidden: tuple[tuple[str, str], ...]
    error: str
    public_href: str
    windows: tuple[WindowLine, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """For which patient, and what was typed, to write addresses that keep both."""

    person: UUID
    q: str = ""

    def list_href(self) -> str:
        """Return the address of the windows found."""
        return staff.address(f"{HOME}/{self.person}", q=self.q)

    def book_href(self, slot_id: UUID, pool: Pool) -> str:
        """Return the address that shows one window once more."""
        path = f"{HOME}/{self.person}/book/{slot_id}"
        return staff.address(path, pool=pool.value, q=self.q)


def as_doctor(cx: Context) -> Context:
    """Return the context of the family doctor alone, in the name of their institution.

    What the same account may do for itself, for its family or in another role does not count:
    reserved places are for patients.

    Source: S2 一(四); that nobody refers themselves or their family is ours.
    """
    grants = tuple(grant for grant in cx.actor.grants if grant.role is Role.COMMUNITY_GP)
    actor = replace(cx.actor, person_id=None, grants=grants)
    return replace(cx, actor=actor, channel=Channel.HOSPITAL)


async def _patient(cx: Context, doctor: Context, person_id: UUID) -> identity.Person:
    """Return a patient in the doctor's care; anybody else is not found. The reading is audited."""
    await consent.require(doctor, "booking.book", person_id)
    await consent.require(doctor, "person.read", person_id)
    person = await identity.get_person(doctor, await identity.resolve(doctor, person_id))
    if person.id == cx.actor.person_id:
        claim = consent.Claim(doctor.actor, "booking.book", person.id)
        raise consent.NotVisible(consent.Refusal(claim))
    await audit.append(doctor, [audit.Entry("person.read", person.id, f"person/{person.id}")])
    return person


@router.get("/clinic/care/{person_id}", dependencies=[gate("booking.book", roles=GP)])
async def choose(request: Request, cx: WriteContext, person_id: UUID, q: Text = "") -> Response:
    """Find windows with places reserved for referrals; with none of them, public ones."""
    doctor = as_doctor(cx)
    person = await _patient(cx, doctor, person_id)
    asked = Asked(person.id, q.strip())
    words = words_of(request)
    found = await service.find(doctor, person.id, asked.q)
    page = ReferralPage(
        person=person.name,
        note=staff.note_of(person, cx.now, words),
        q=asked.q,
        here=f"{HOME}/{person.id}",
        public=any(pool is Pool.PUBLIC for _, pool in found.rows),
        refused=staff.error_words(request, found.refused) if found.refused else "",
        ignored=found.ignored,
        windows=_lines(request, found.rows, asked, words),
    )
    return await respond(request, cx, "booking/referral.html", page)


def _lines(
    request: Request, rows: Sequence[tuple[Row, Pool]], asked: Asked, words: Words
) -> tuple[WindowLine, ...]:
    return tuple(
        WindowLine(
            key=str(n) if n <= KEYS else "",
            when=when(request, row),
            clinic=staff.clinic_name(row, words),
            hospital=row["organisation_short"],
            pool=words(staff.POOLS[pool]),
            left=row["open"],
            fee=yuan(Money(row["fee_fen"]), manner_of(request).lang),
            href=asked.book_href(row["id"], pool),
        )
        for n, (row, pool) in enumerate(rows, 1)
    )


@router.get(
    "/clinic/care/{person_id}/book/{slot_id}", dependencies=[gate("booking.book", roles=GP)]
)
async def confirm(
    request: Request,
    cx: WriteContext,
    person_id: UUID,
    slot_id: UUID,
    pool: Pool = Pool.REFERRAL,
    q: Text = "",
) -> Response:
    """Show once more what will be booked; a place that is gone by now is said to be so."""
    doctor = as_doctor(cx)
    person = await _patient(cx, doctor, person_id)
    gone = None if await service.left(doctor, slot_id, pool) else SlotUnavailable(slot=slot_id)
    page = await _confirm(request, doctor, person, slot_id, pool, q.strip(), gone)
    return await respond(request, cx, "booking/referral_confirm.html", page)


async def _confirm(
    request: Request,
    cx: Context,
    person: identity.Person,
    slot_id: UUID,
    pool: Pool,
    q: str,
    error: AppError | None,
) -> ReferralConfirmPage:
    words = words_of(request)
    asked = Asked(person.id, q)
    card = await lists.get_slot(cx, slot_id)
    following: Sequence[tuple[Row, Pool]] = ()
    public_href = ""
    if error is not None:
        following = await service.following(cx, person.id, card)
        if pool is Pool.REFERRAL and isinstance(error, SlotUnavailable):
            usable = card["release"] != "draw" and await service.left(cx, slot_id, Pool.PUBLIC)
            public_href = asked.book_href(slot_id, Pool.PUBLIC) if usable else ""
    return ReferralConfirmPage(
        person=person.name,
        note=staff.note_of(person, cx.now, words),
        facts=(
            Fact(name=words("时间"), text=when(request, card)),
            Fact(name=words("门诊"), text=staff.clinic_name(card, words)),
            Fact(name=words("医院"), text=card["organisation_name"]),
            Fact(name=words("号源"), text=words(staff.POOLS[pool])),
            Fact(name=words("挂号费"), text=yuan(Money(card["fee_fen"]), manner_of(request).lang)),
        ),
        here=f"{HOME}/{person.id}/book/{slot_id}",
        back=asked.list_href(),
        hidden=tuple((name, value) for name, value in (("pool", pool.value), ("q", q)) if value),
        error=_why(request, error, pool) if error else "",
        public_href=public_href,
        windows=_lines(request, following, asked, words),
    )


def _why(request: Request, error: AppError, pool: Pool) -> str:
    words = words_of(request)
    if pool is Pool.REFERRAL and isinstance(error, SlotUnavailable):
        text = words("这个时段的转诊号约完了，或者已经放给大家。")
        return f"{text} [{error.code}]"
    return staff.error_words(request, error)


@router.post(
    "/clinic/care/{person_id}/book/{slot_id}", dependencies=[gate("booking.book", roles=GP)]
)
async def confirmed(
    request: Request,
    cx: WriteContext,
    person_id: UUID,
    slot_id: UUID,
    pool: Annotated[Pool, Form()] = Pool.REFERRAL,
    q: Typed = "",
) -> Response:
    """Book it and show the slip; pressed twice, the same slip."""
    doctor = as_doctor(cx)
    person = await _patient(cx, doctor, person_id)
    card = await lists.get_slot(doctor, slot_id)
    held = await desk_service.held_in(doctor, person.id, slot_id, card["organisation_id"])
    if held is not None:
        return redirect(request, f"{HOME}/bookings/{held}/slip")
    try:
        async with cx.db.transaction():
            made = await service.refer(doctor, slot_id, person.id, pool)
    except AppError as error:
        page = await _confirm(request, doctor, person, slot_id, pool, q.strip(), error)
        status = status_of(error)
        return await respond(request, cx, "booking/referral_confirm.html", page, status=status)
    return redirect(request, f"{HOME}/bookings/{made.id}/slip")


@router.get(
    "/clinic/care/bookings/{booking_id}/slip", dependencies=[gate("booking.read", roles=GP)]
)
async def slip(request: Request, cx: WriteContext, booking_id: UUID) -> Response:
    """Show the slip to print for the patient."""
    doctor = as_doctor(cx)
    words = words_of(request)
    row, card = await lists.get_booking(doctor, booking_id)
    person = await _patient(cx, doctor, row["person_id"])
    pool = Fact(name=words("号源"), text=words(staff.POOLS[Pool(row["pool"])]))
    page = slip_of(
        request,
        row,
        card,
        person.name,
        more=(pool,),
        told=True,
        onward=Action(label=words("我管的人"), href="/clinic", key="/"),
        back=Action(label=words("再约一个"), href=f"{HOME}/{person.id}", key="b"),
    )
    return await respond(request, cx, "booking/staff_slip.html", page)
