"""A family doctor books a place reserved for referrals, for a patient in their care (R17).

Where no reserved place is left, or they have all been given back, public places are offered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Query
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel import audit, consent, identity
from citycare.kernel.context import Channel, Context, Role
from citycare.kit import clock
from citycare.kit.db import Row
from citycare.kit.errors import AppError
from citycare.kit.money import Money
from citycare.scenarios.booking.model.core import Pool, SlotFilter, SlotUnavailable
from citycare.scenarios.booking.model.finder import PartOfDay
from citycare.scenarios.booking.pages import staff
from citycare.scenarios.booking.pages.words import Words, when, words_of
from citycare.scenarios.booking.rules.stop import half_day
from citycare.scenarios.booking.service import book, finder, lists
from citycare.scenarios.booking.service import desk as desk_service
from citycare.web.edge.contexts import WriteContext, gate
from citycare.web.edge.errors import status_of
from citycare.web.manner import manner_of
from citycare.web.parts import Fact
from citycare.web.rendering import yuan
from citycare.web.respond import redirect, respond

router = APIRouter(include_in_schema=False)
GP = [Role.COMMUNITY_GP]
HOME = "/clinic/care"
CLINICS_MAX = 10
PER_CLINIC = 4
SHOWN = 20
PAGE, PAGES_MAX = 100, 20
KEYS = 9
HORIZON = timedelta(days=31)
PARTS = {PartOfDay.MORNING: 0, PartOfDay.AFTERNOON: 1, PartOfDay.EVENING: 2}
Text = Annotated[str, Query(max_length=100)]
Typed = Annotated[str, Form(max_length=100)]
RESERVED_OR_PUBLIC = (Pool.REFERRAL, Pool.PUBLIC)
Span = tuple[datetime, datetime]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferralSlipPage:
    """The slip for the patient, and the ways on."""

    number: int
    title: str
    facts: tuple[Fact, ...]
    back: str


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
    found = await _find(doctor, asked)
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


@dataclass(frozen=True, slots=True)
class _Found:
    """Windows with the pool to book from; with none of them, why the limits refuse."""

    rows: Sequence[tuple[Row, Pool]]
    refused: AppError | None = None
    ignored: tuple[str, ...] = ()


async def _find(cx: Context, asked: Asked) -> _Found:
    """Return what fits the words typed; without words the soonest windows of the city."""
    if not asked.q:
        return await _open(cx, asked, (cx.now, cx.now + HORIZON), (None,))
    answer = await finder.find_clinics(cx, asked.q, limit=CLINICS_MAX)
    query = answer.query
    first = clock.bounds(query.from_day)[0]
    last = clock.bounds(query.to_day)[1] if query.to_day else first + HORIZON
    clinics = [one.clinic.id for one in answer.items]
    found = await _open(cx, asked, (first, last), clinics, query.part_of_day)
    return replace(found, ignored=answer.ignored)


async def _open(
    cx: Context,
    asked: Asked,
    span: Span,
    clinics: Sequence[UUID | None],
    part: PartOfDay | None = None,
) -> _Found:
    """Return the first open windows of these clinics by time: reserved ones, else public ones.

    Windows the limits forbid are left out; public ones do not take the place of those.
    """
    for pool in RESERVED_OR_PUBLIC:
        wanted = [SlotFilter(*span, pool=pool, clinic=clinic) for clinic in clinics]
        there, kept, refused = await _first(cx, asked.person, wanted, part)
        if there:
            return _Found([(row, pool) for row in _few(kept)], refused)
    return _Found(())


async def _first(
    cx: Context, person_id: UUID, wanted: Sequence[SlotFilter], part: PartOfDay | None
) -> tuple[bool, list[Row], AppError | None]:
    """Read windows by time, page after page, until enough fit the patient or none are left.

    Returns whether there were any, those that fit, and why the limits leave none.
    """
    rows: list[Row] = []
    kept: list[Row] = []
    refused: AppError | None = None
    unread: dict[SlotFilter, str | None] = dict.fromkeys(wanted)
    for _ in range(PAGES_MAX):
        further: dict[SlotFilter, str] = {}
        for one, token in unread.items():
            page = await lists.list_open_slots(cx, one, token, PAGE)
            fresh = [{**row, "pool": one.pool} for row in page.items]
            rows += [row for row in fresh if _fits(row, one.pool, part)]
            if page.next is not None:
                further[one] = page.next
        kept, refused = await desk_service.fitting(cx, person_id, rows)
        unread = {one: token for one, token in further.items() if not _enough(one, kept)}
        if not unread:
            break
    return bool(rows), kept, refused


def _enough(wanted: SlotFilter, kept: Sequence[Row]) -> bool:
    """Tell whether the list is as long as it can be shown: for its clinic, or for the city."""
    if wanted.clinic is None:
        return len(_few(kept)) >= SHOWN
    return len([row for row in kept if row["clinic_id"] == wanted.clinic]) >= PER_CLINIC


def _few(rows: Sequence[Row]) -> list[Row]:
    """Keep the first windows of each clinic, in the order of time."""
    counts: Counter[UUID] = Counter()
    kept: list[Row] = []
    for row in sorted(rows, key=lambda row: (row["starts_at"], row["id"])):
        counts[row["clinic_id"]] += 1
        if counts[row["clinic_id"]] <= PER_CLINIC:
            kept.append(row)
    return kept[:SHOWN]


def _fits(row: Row, pool: Pool, part: PartOfDay | None) -> bool:
    if pool is Pool.PUBLIC and row["release"] == "draw":
        return False
    return part is None or half_day(row["starts_at"])[1] == PARTS[part]


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
    left = await _left(doctor, slot_id, pool)
    gone = None if left else SlotUnavailable(slot=slot_id)
    page = await _confirm(request, doctor, person, slot_id, pool, q.strip(), gone)
    return await respond(request, cx, "booking/referral_confirm.html", page)


async def _left(cx: Context, slot_id: UUID, pool: Pool) -> int:
    """Count the open places of a pool in a window; one already begun has none."""
    card = await lists.get_slot(cx, slot_id)
    day = clock.day_of(card["starts_at"])
    windows = await lists.windows_of(cx, [card["clinic_id"]], day, (pool,))
    rows = windows.get(card["clinic_id"], ())
    return next((int(row["open"]) for row in rows if row["id"] == slot_id), 0)


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
        following = await _following(cx, asked, card)
        if pool is Pool.REFERRAL and isinstance(error, SlotUnavailable):
            usable = card["release"] != "draw" and await _left(cx, slot_id, Pool.PUBLIC)
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


async def _following(cx: Context, asked: Asked, card: Row) -> Sequence[tuple[Row, Pool]]:
    """Return the next windows of the same clinic."""
    found = await _open(cx, asked, (cx.now, cx.now + HORIZON), [card["clinic_id"]])
    return [one for one in found.rows if one[0]["id"] != card["id"]]


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
            made = await book.book(doctor, slot_id, person.id, pool)
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
    page = ReferralSlipPage(
        number=row["number"],
        title=when(request, card),
        facts=(
            Fact(name=words("姓名"), text=person.name),
            Fact(name=words("门诊"), text=staff.clinic_name(card, words)),
            Fact(name=words("医院"), text=card["organisation_name"]),
            Fact(name=words("诊室"), text=card["room"] or words("到科室前台问一下")),
            Fact(name=words("号源"), text=words(staff.POOLS[Pool(row["pool"])])),
            Fact(name=words("挂号费"), text=yuan(Money(card["fee_fen"]), manner_of(request).lang)),
        ),
        back=f"{HOME}/{person.id}",
    )
    return await respond(request, cx, "booking/referral_slip.html", page)
