"""The person on the right of the list, and what is done with them: arrived, seen, not come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel import identity
from citycare.kernel.context import Channel, Context, Role
from citycare.kit import clock
from citycare.kit.db import Row
from citycare.scenarios.booking.model.core import Booking, Pool, State
from citycare.scenarios.booking.pages import origin, staff
from citycare.scenarios.booking.pages.clinic_rows import (
    HALVES,
    Asked,
    Line,
    counts,
    known_of,
    line_of,
    part_of,
    source_of,
)
from citycare.scenarios.booking.pages.words import STATES, state_tag
from citycare.scenarios.booking.service import day as day_service
from citycare.scenarios.booking.service import lists
from citycare.web.edge.contexts import WriteContext, gate
from citycare.web.i18n import mark
from citycare.web.manner import Words, manner_of, words_of
from citycare.web.parts import Fact, Kpi, Tag
from citycare.web.rendering import local_day, window
from citycare.web.respond import is_partial, local, redirect, respond
from citycare.web.shell import Toast

router = APIRouter(include_in_schema=False)
KINDS = {
    identity.RelationKind.GUARDIAN: mark("监护人"),
    identity.RelationKind.SPOUSE: mark("配偶"),
    identity.RelationKind.CHILD: mark("子女"),
    identity.RelationKind.RELATIVE: mark("亲属"),
    identity.RelationKind.FRIEND: mark("朋友"),
    identity.RelationKind.FAMILY_DOCTOR: mark("家庭医生"),
    identity.RelationKind.COMMUNITY_WORKER: mark("社区工作者"),
}
DONE = {
    State.ARRIVED: mark("%(name)s已报到。"),
    State.FULFILLED: mark("%(name)s看完了。"),
    State.NO_SHOW: mark("记下了：%(name)s没有来。"),
    State.BOOKED: mark("已撤销，%(name)s还是未到。"),
}
UNDO = {
    State.ARRIVED: State.BOOKED,
    State.NO_SHOW: State.BOOKED,
    State.FULFILLED: State.ARRIVED,
}
UNSEEN = mark("已撤销，%(name)s还在等。")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One thing to do with the person shown: which state, and its key."""

    label: str
    state: State
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One person of the list: who, why here, how to reach them, what was before.

    `unseen` is where to say that somebody noted as seen is not; empty when that cannot be. `why`
    is where to read what led to the booking; empty: nothing did.
    """

    id: UUID
    name: str
    note: str
    tag: Tag
    facts: tuple[Fact, ...]
    contacts: tuple[Fact, ...]
    closed_contacts: bool
    visits: tuple[Fact, ...]
    commands: tuple[Command, ...]
    unseen: str
    why: str
    back: str


async def panel_of(request: Request, cx: Context, booking_id: UUID, back: str) -> Panel:
    """Read one booking of the list with what may be known of its person."""
    words = words_of(request)
    booking, card = await lists.get_booking(cx, booking_id)
    person = (await identity.list_persons(cx, [booking["person_id"]]))[booking["person_id"]]
    visits = await day_service.visits_here(cx, booking)
    known = await day_service.contacts(cx, booking["person_id"])
    returning = any(one["state"] == State.FULFILLED for one in visits)
    first, more = source_of(booking, returning, words)
    lang = manner_of(request).lang
    state = State(booking["state"])
    age = staff.age_words(person.born_on, clock.day_of(cx.now), words)
    years = words("%(age)s 岁", age=age) if age.isdigit() else age
    when = f"{local_day(card['starts_at'], lang)} {window(card['starts_at'], card['ends_at'])}"
    return Panel(
        id=booking_id,
        name=person.name,
        note=" · ".join((words(staff.SEXES[person.sex]), years, first)),
        tag=state_tag(state, words),
        facts=(
            Fact(name=words("时间"), text=when),
            Fact(name=words("号"), text=words("第 %(n)d 号", n=booking["number"])),
            Fact(name=words("来源"), text=_way(booking, more, words)),
        ),
        contacts=_contacts(known, words) if known else (),
        closed_contacts=known is None,
        visits=tuple(
            Fact(
                name=f"{clock.day_of(one['starts_at']):%Y-%m-%d}",
                text=one["practitioner_name"] or words("普通门诊"),
                tag=Tag(text=words(STATES[State(one["state"])][0]), tone=STATES[State(
                    one["state"])][1]),
            )
            for one in visits
        ),
        commands=_commands(cx, booking, words),
        unseen=_undo(booking_id, State.ARRIVED, back) if _may_unsee(cx, booking) else "",
        why=await origin.address_of(request, cx, booking_id),
        back=back,
    )  # fmt: skip


def _way(booking: Row, more: str, words: Words) -> str:
    channel = words(staff.CHANNELS[Channel(booking["channel"])])
    pool = words(staff.POOLS[Pool(booking["pool"])])
    return " · ".join(filter(None, dict.fromkeys((words("%(pool)s号", pool=pool), channel, more))))


def _contacts(known: day_service.Contacts, words: Words) -> tuple[Fact, ...]:
    own = Fact(name=words("手机"), text=known.phone or words("没有留电话"))
    return (
        own,
        *(
            Fact(
                name=words(KINDS[one.kind]),
                text=f"{one.name} {one.phone or words('没有留电话')}",
            )
            for one in known.proxies
        ),
    )


def _commands(cx: Context, booking: Row, words: Words) -> tuple[Command, ...]:
    if clock.day_of(booking["starts_at"]) != clock.day_of(cx.now):
        return ()
    arrived = Command(label=words("报到"), state=State.ARRIVED, key="a")
    missed = Command(label=words("没有来"), state=State.NO_SHOW, key="n")
    state = State(booking["state"])
    if state is State.BOOKED:
        return (arrived, missed) if booking["starts_at"] <= cx.now else (arrived,)
    if state is State.ARRIVED:
        back = Command(label=words("还没到"), state=State.BOOKED, key="u")
        return (Command(label=words("看完"), state=State.FULFILLED, key="f"), back)
    if state is State.NO_SHOW:
        return (
            Command(label=words("他来了"), state=State.ARRIVED, key="a"),
            Command(label=words("记错了，还没到"), state=State.BOOKED, key="u"),
        )
    return ()


def _may_unsee(cx: Context, booking: Row) -> bool:
    today = clock.day_of(booking["starts_at"]) == clock.day_of(cx.now)
    return today and booking["state"] == State.FULFILLED


def _undo(booking_id: UUID, to: State, back: str) -> str:
    """Return the address that takes the last step back."""
    return staff.address(f"/clinic/bookings/{booking_id}/undo", to=to, back=back)


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkedPage:
    """What changes on the page after a step: the panel, the row, the figures, a word about it."""

    panel: Panel
    line: Line
    kpis: tuple[Kpi, ...]
    said: str
    undo: str


@router.post(
    "/clinic/bookings/{booking_id}/state",
    dependencies=[gate("booking.arrive", roles=[Role.CLINICIAN])],
)
async def mark_state(
    request: Request,
    cx: WriteContext,
    booking_id: UUID,
    state: Annotated[State, Form()],
    back: Annotated[str, Form(max_length=500)] = "/clinic",
) -> Response:
    """Note that somebody came, was seen or did not come; say so, with its undo."""
    return await _mark(request, cx, booking_id, state, back)


@router.post(
    "/clinic/bookings/{booking_id}/undo",
    dependencies=[gate("booking.arrive", roles=[Role.CLINICIAN])],
)
async def undo(
    request: Request,
    cx: WriteContext,
    booking_id: UUID,
    to: State = State.BOOKED,
    back: str = "/clinic",
) -> Response:
    """Take the last step back."""
    return await _mark(request, cx, booking_id, to, back, unseen=to is State.ARRIVED)


async def _mark(
    request: Request,
    cx: Context,
    booking_id: UUID,
    state: State,
    back: str,
    *,
    unseen: bool = False,
) -> Response:
    words = words_of(request)
    marked = await day_service.mark(cx, booking_id, state, unseen=unseen)
    here = local(back, "/clinic")
    people = await identity.list_persons(cx, [marked.person_id])
    name = people[marked.person_id].name
    said, undo = words(DONE[state], name=name), ""
    if unseen:
        said = words(UNSEEN, name=name)
    elif state in UNDO:
        undo = _undo(booking_id, UNDO[state], here)
    if not is_partial(request):
        there = f"{here}{'&' if '?' in here else '?'}at={booking_id}"
        return redirect(request, there, notice=Toast(text=said, undo=undo))
    asked = Asked.of(here, clock.day_of(cx.now))
    page = MarkedPage(
        panel=await panel_of(request, cx, booking_id, here),
        line=await _line(cx, booking_id, asked, words),
        kpis=await _kpis(cx, marked, asked, words),
        said=said,
        undo=undo,
    )
    return await respond(request, cx, "booking/_clinic_marked.html", page)


async def _line(cx: Context, booking_id: UUID, asked: Asked, words: Words) -> Line:
    booking, card = await lists.get_booking(cx, booking_id)
    row = {**booking, "ends_at": card["ends_at"]}
    return line_of(row, await known_of(cx, [row], asked), words, selected=True)


async def _kpis(cx: Context, booking: Booking, asked: Asked, words: Words) -> tuple[Kpi, ...]:
    """Count the session shown again, without reading who is in it."""
    day = clock.day_of(booking.starts_at)
    rows = await day_service.states_of(cx, booking.organisation_id, booking.clinic_id, day)
    wanted = HALVES.get(asked.half)
    return counts([one for one in rows if wanted in (None, part_of(one))], words)
