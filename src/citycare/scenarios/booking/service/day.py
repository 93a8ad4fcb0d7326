"""The day of a clinic: its list is `lists.list_day`; here is what stands around it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from citycare.kernel import audit, consent, identity
from citycare.kernel.context import Context
from citycare.kit import clock
from citycare.kit.db import Row
from citycare.kit.errors import Forbidden, NotFound
from citycare.scenarios.booking.model.core import Booking, BookingUnknown, State
from citycare.scenarios.booking.model.day import NotBegun, NotToday
from citycare.scenarios.booking.rules.places import takes_back
from citycare.scenarios.booking.service import book, holds, lists
from citycare.scenarios.booking.store import bookings as booking_store
from citycare.scenarios.booking.store import day as day_store

CLINICS_MAX = 500
VISITS_MAX = 6
CARED_MAX = 50
LIST = "booking.list_day"


@dataclass(frozen=True, slots=True)
class Proxy:
    """Somebody who may be called about a person."""

    name: str
    phone: str | None
    kind: identity.RelationKind


@dataclass(frozen=True, slots=True)
class Contacts:
    """How a person can be reached, and through whom."""

    phone: str | None
    proxies: tuple[Proxy, ...]


async def clinics_on(cx: Context, organisation_id: UUID, day: date) -> list[Row]:
    """Return the clinics of an organisation that run on a day, with how full they are."""
    await consent.require(cx, LIST, organisation_id=organisation_id)
    return await day_store.clinics_on(cx.db, organisation_id, clock.bounds(day), CLINICS_MAX)


async def seen_here(
    cx: Context, persons: Collection[UUID], organisation_id: UUID, department: str, before: datetime
) -> frozenset[UUID]:
    """Tell who of a list was in this department before: 复诊, the others are new here."""
    await consent.require(cx, LIST, organisation_id=organisation_id)
    return await day_store.seen_here(cx.db, persons, organisation_id, department, before)


async def visits_here(cx: Context, booking: Row) -> list[Row]:
    """Return what the person of a booking had in the same department before it."""
    await consent.require(cx, LIST, organisation_id=booking["organisation_id"])
    return await day_store.visits_here(
        cx.db,
        booking["person_id"],
        booking["organisation_id"],
        booking["department_code"],
        booking["starts_at"],
        VISITS_MAX,
    )


async def mark_of(cx: Context, organisation_id: UUID, clinic_id: UUID, day: date) -> str:
    """Return a text that changes with the list of the day; it says nothing of any person."""
    await consent.require(cx, LIST, organisation_id=organisation_id)
    return await day_store.mark_of(cx.db, clinic_id, clock.bounds(day))


async def states_of(cx: Context, organisation_id: UUID, clinic_id: UUID, day: date) -> list[Row]:
    """Return the states of a clinic's bookings on a day, to be counted."""
    await consent.require(cx, LIST, organisation_id=organisation_id)
    return await day_store.states_of(cx.db, clinic_id, clock.bounds(day), lists.DAY_MAX)


async def contacts(cx: Context, person_id: UUID) -> Contacts | None:
    """Return how to reach a person; None while the actor may not see that (yet).

    Clinic staff see it from a day before the visit on (policy `consent.care.*`). The reading is
    audited.
    """
    try:
        await consent.require(cx, "person.read", person_id)
    except (Forbidden, NotFound):
        return None
    relations = await identity.list_proxies(cx, person_id)
    found = await identity.list_persons(cx, [person_id, *(one.proxy_id for one in relations)])
    await audit.append(cx, [audit.Entry("person.read", person_id, f"person/{person_id}")])
    return Contacts(
        found[person_id].phone if person_id in found else None,
        tuple(
            Proxy(found[one.proxy_id].name, found[one.proxy_id].phone, one.kind)
            for one in relations
            if one.proxy_id in found
        ),
    )


async def mark(cx: Context, booking_id: UUID, state: State, *, unseen: bool = False) -> Booking:
    """Note that somebody has come, was seen, or did not come; or take the last of these back.

    `unseen` takes 'seen' back, to 'arrived'.
    Somebody noted as missing is counted hours after the window, like those nobody noted, so
    that a slip of the hand costs nobody anything; if it was counted already, it is forgiven.

    Raises:
        BookingUnknown, WrongState, AlreadyBooked.
        NotToday: arrivals and steps back belong to the day of the window.
        NotBegun: nobody is missing before the window begins.
    """
    scope = await consent.visible(cx, "booking.read")
    found = await booking_store.find(cx.db, [booking_id], scope)
    if not found:
        raise BookingUnknown(booking=booking_id)
    was = found[0].state
    today = clock.day_of(found[0].starts_at) == clock.day_of(cx.now)
    if not today and (state is State.ARRIVED or takes_back(was, state)):
        raise NotToday(booking=booking_id)
    if state is State.NO_SHOW and found[0].starts_at > cx.now:
        raise NotBegun(booking=booking_id)
    marked = await book.set_state(cx, booking_id, state, unseen=unseen)
    if state is State.NO_SHOW:
        await holds.count_later(cx, marked)
    elif was is State.NO_SHOW:
        await holds.forgive(cx, marked)
    return marked


async def people_in_care(cx: Context) -> list[tuple[identity.Person, Row | None]]:
    """Return whom a family doctor looks after now, with their next booking, by name.

    At most 50; each of them is audited as read.
    """
    scope = await consent.visible(cx, "booking.read")
    ids = sorted(scope.persons - {cx.actor.person_id})[:CARED_MAX]
    found = await identity.list_persons(cx, [one for one in ids if one is not None])
    upcoming = await day_store.next_of(cx.db, list(found), cx.now)
    await audit.append(cx, [audit.Entry("booking.list", one, "Appointment") for one in found])
    people = sorted(found.values(), key=lambda one: (one.name_pinyin, one.id))
    return [(one, upcoming.get(one.id)) for one in people]
