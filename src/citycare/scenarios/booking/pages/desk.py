"""The window: find the person, press a number, confirm. Three key presses for no phone at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Query
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel import identity
from citycare.kernel.context import Context, Role
from citycare.kernel.identity import documents
from citycare.kit import clock
from citycare.kit.db import Row
from citycare.kit.errors import AppError
from citycare.kit.money import Money
from citycare.scenarios.booking.model.core import State
from citycare.scenarios.booking.pages import staff
from citycare.scenarios.booking.pages.words import is_today, state_tag
from citycare.scenarios.booking.service import desk as service
from citycare.web.edge.contexts import WriteContext, gate
from citycare.web.i18n import mark
from citycare.web.manner import Words, manner_of, words_of
from citycare.web.parts import Fact, Option, Tag, Tone
from citycare.web.rendering import local_day, mask, window, yuan
from citycare.web.respond import redirect, respond

router = APIRouter(include_in_schema=False)
CLERK = [Role.CLERK]
ID_LENGTHS = (documents.OLD_ID_LENGTH, documents.ID_LENGTH)
WHY = {"own": (mark("看过"), Tone.OK), "today": (mark("今天现场"), Tone.SOON)}
Text = Annotated[str, Query(max_length=100)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One of several people that fit what was typed."""

    id: UUID
    name: str
    note: str
    more: str
    href: str
    selected: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferLine:
    """One numbered window to offer."""

    key: str
    when: str
    clinic: str
    room: str
    pool: str
    left: int
    fee: str
    tag: Tag | None
    href: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BookingLine:
    """One booking the person holds here, and what the clerk can do with it."""

    id: UUID
    when: str
    clinic: str
    number: int
    tag: Tag
    is_open: bool
    may_arrive: bool
    move_href: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitLine:
    """One place the person has on a waiting list here."""

    id: UUID
    clinic: str
    note: str
    offered: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerPart:
    """Whoever stands at the window."""

    id: UUID
    name: str
    note: str
    facts: tuple[Fact, ...]
    paused_until: str
    bookings: tuple[BookingLine, ...]
    waits: tuple[WaitLine, ...]
    wait_href: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskPage:
    """What was typed, who fits, who is served, and what they can have."""

    q: str
    want: str
    move: str
    moving: str
    place: str
    houses: tuple[Option, ...]
    error: str
    people: tuple[Found, ...]
    customer: CustomerPart | None
    offers: tuple[OfferLine, ...]
    refused: str
    hidden: tuple[tuple[str, str], ...]
    back: str


@dataclass(frozen=True, slots=True)
class Asked:
    """The address of the window's page, to write variants of it."""

    q: str = ""
    person: UUID | None = None
    want: str = ""
    move: UUID | None = None
    org: UUID | None = None

    def href(self, path: str = "/desk", **changes: object) -> str:
        """Return the address with something changed. Numbers of people stay out of addresses."""
        q = "" if has_digit(self.q) else self.q
        values: dict[str, object] = {"q": q, "person": self.person, "want": self.want}
        values |= {"move": self.move, "org": self.org}
        return staff.address(path, **(values | changes))


@router.get("/desk", dependencies=[gate("booking.book", roles=CLERK)])
async def desk(
    request: Request,
    cx: WriteContext,
    q: Text = "",
    person: UUID | None = None,
    want: Text = "",
    move: UUID | None = None,
    org: UUID | None = None,
) -> Response:
    """Find a person; the first who fits is served at once."""
    cx = staff.at_window(cx)
    asked = Asked(q.strip(), person, want.strip(), move, org)
    page = await _page(request, cx, asked)
    return await respond(request, cx, "booking/desk.html", page)


@router.post("/desk/find", dependencies=[gate("booking.book", roles=CLERK)])
async def find(
    request: Request,
    cx: WriteContext,
    q: Annotated[str, Form(max_length=100)] = "",
    org: Annotated[str, Form(max_length=36)] = "",
) -> Response:
    """Find by what was typed or scanned; sent in the body, because it may be a card's number."""
    cx = staff.at_window(cx)
    asked = Asked(q=q.strip(), org=staff.id_of(org))
    page = await _page(request, cx, asked)
    if page.customer is not None and len(page.people) == 1:
        return redirect(request, asked.href(person=page.customer.id, q=""))
    return await respond(request, cx, "booking/desk.html", page)


def has_digit(text: str) -> bool:
    """Tell whether a text may be the number of a card or a telephone."""
    return any(sign.isdigit() for sign in text)


async def _page(request: Request, cx: Context, asked: Asked) -> DeskPage:
    words = words_of(request)
    houses = await staff.workplaces(cx, Role.CLERK)
    house = staff.chosen(houses, asked.org)
    found, error = await _find(request, cx, asked.q)
    current = asked.person or (found[0].id if found else None)
    customer: CustomerPart | None = None
    offers: tuple[OfferLine, ...] = ()
    refused: AppError | None = None
    if current is not None and house is not None:
        served = await service.customer(cx, current, house.id)
        asked = Asked(asked.q, served.person.id, asked.want, asked.move, asked.org)
        customer = _customer(request, cx, served, asked)
        offers, refused = await _offers(request, cx, served, asked, house.id)
    moving = next((one for one in customer.bookings if one.id == asked.move), None) if (
        customer) else None  # fmt: skip
    return DeskPage(
        q=asked.q,
        want=asked.want,
        move=str(asked.move or "") if moving else "",
        moving=f"{moving.when} {moving.clinic}" if moving else "",
        place=house.short_name if house else "",
        houses=tuple(
            Option(value=str(one.id), label=one.short_name, selected=one == house) for one in houses
        ),
        error=error,
        people=tuple(_found(one, cx, words, asked) for one in found),
        customer=customer,
        offers=offers,
        refused=staff.error_words(request, refused) if refused else "",
        hidden=tuple(
            (name, str(value))
            for name, value in (
                ("q", "" if has_digit(asked.q) else asked.q),
                ("person", asked.person),
                ("move", asked.move),
                ("org", asked.org),
            )
            if value
        ),
        back=asked.href(move=None),
    )


async def _find(request: Request, cx: Context, q: str) -> tuple[list[identity.Person], str]:
    """Search; a card number that cannot be right is said to be so, with its code."""
    if not q:
        return [], ""
    number = documents.normalise(q)
    if len(number) in ID_LENGTHS and number[:-1].isdigit():
        try:
            number = documents.parse(identity.Kind.RESIDENT_ID, number).number
        except AppError as error:
            return [], staff.error_words(request, error)
    return await service.search(cx, q), ""


def _found(person: identity.Person, cx: Context, words: Words, asked: Asked) -> Found:
    phone = mask(person.phone) if person.phone else words("没有留电话")
    return Found(
        id=person.id,
        name=person.name,
        note=staff.note_of(person, cx.now, words),
        more=" · ".join(filter(None, (f"{person.born_on:%Y-%m-%d}", phone, person.address))),
        href=asked.href(person=person.id, move=None),
        selected=person.id == asked.person,
    )


def _customer(
    request: Request, cx: Context, served: service.Customer, asked: Asked
) -> CustomerPart:
    words = words_of(request)
    person = served.person
    papers = words("、").join(served.documents) or words("还没有核对过的证件")
    proxies = words("、").join(one.name for one in served.proxies)
    facts = [
        Fact(name=words("证件"), text=papers),
        Fact(name=words("生日"), text=f"{person.born_on:%Y-%m-%d}"),
        Fact(name=words("手机"), text=mask(person.phone) if person.phone else words("没有")),
    ]
    if proxies:
        facts.append(Fact(name=words("代办人"), text=proxies))
    lang = manner_of(request).lang
    return CustomerPart(
        id=person.id,
        name=person.name,
        note=staff.note_of(person, cx.now, words),
        facts=tuple(facts),
        paused_until=local_day(served.hold.ends_at, lang) if served.hold else "",
        bookings=tuple(_booking(request, cx, row, asked) for row in served.bookings),
        waits=tuple(
            WaitLine(
                id=row["id"],
                clinic=staff.clinic_name(row, words),
                note=words("有号了，等答复")
                if row["state"] == "offered"
                else words("第 %(n)d 位", n=row["position"]),
                offered=row["state"] == "offered",
            )
            for row in served.waits
        ),
        wait_href=asked.href("/desk/wait", move=None),
    )


def _booking(request: Request, cx: Context, row: Row, asked: Asked) -> BookingLine:
    words = words_of(request)
    state = State(row["state"])
    is_open = state is State.BOOKED and row["ends_at"] > cx.now
    return BookingLine(
        id=row["id"],
        when=staff.short_when(request, row, clock.day_of(cx.now)),
        clinic=staff.clinic_name(row, words),
        number=row["number"],
        tag=state_tag(state, words),
        is_open=is_open,
        may_arrive=state in (State.BOOKED, State.NO_SHOW) and is_today(row, cx.now),
        move_href=asked.href(move=row["id"], want=""),
    )


async def _offers(
    request: Request, cx: Context, served: service.Customer, asked: Asked, house: UUID
) -> tuple[tuple[OfferLine, ...], AppError | None]:
    words = words_of(request)
    moved = next((row for row in served.bookings if row["id"] == asked.move), None)
    found, refused = await service.offers(cx, house, served.person, asked.want, moved)
    lines = tuple(_offer(request, cx, n, one, asked, words) for n, one in enumerate(found, 1))
    return lines, refused


def _offer(
    request: Request, cx: Context, n: int, one: service.Offer, asked: Asked, words: Words
) -> OfferLine:
    row, lang = one.row, manner_of(request).lang
    span = window(row["starts_at"], row["ends_at"])
    day = words("今天") if is_today(row, cx.now) else local_day(row["starts_at"], lang)
    why = WHY.get(one.why)
    return OfferLine(
        key=str(n),
        when=f"{day} {span}",
        clinic=staff.clinic_name(row, words),
        room=row["room"],
        pool=words(staff.POOLS[one.pool]),
        left=row["open"],
        fee=yuan(Money(row["fee_fen"]), lang),
        tag=Tag(text=words(why[0]), tone=why[1]) if why else None,
        href=asked.href(f"/desk/book/{row['id']}", pool=str(one.pool)),
    )
