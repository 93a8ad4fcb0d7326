"""What people and clinics look at: open windows, my bookings, the list of the day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from citycare.kernel import audit, consent
from citycare.kernel.context import Context
from citycare.kit import clock, pages
from citycare.kit.db import Row
from citycare.scenarios.booking.model.core import BookingUnknown, Pool, SlotFilter, SlotUnknown
from citycare.scenarios.booking.model.finder import History
from citycare.scenarios.booking.model.schedule import Clinic
from citycare.scenarios.booking.rules import wait as wait_rules
from citycare.scenarios.booking.store import bookings as booking_store
from citycare.scenarios.booking.store import clinics as clinic_store
from citycare.scenarios.booking.store import holds as hold_store
from citycare.scenarios.booking.store import slots as slot_store
from citycare.scenarios.booking.store import waits as wait_store

DAY_MAX = 2_000
MINE_MAX = 50


def _after(token: str | None) -> tuple[datetime, UUID] | None:
    if token is None:
        return None
    at, last = pages.decode(token, 2)
    try:
        return datetime.fromisoformat(str(at)), UUID(str(last))
    except ValueError as error:
        raise pages.TokenBroken from error


def _page(rows: list[Row], count: int) -> pages.Page[Row]:
    if len(rows) <= count:
        return pages.Page(rows, None)
    last = rows[count - 1]
    return pages.Page(rows[:count], pages.encode(last["starts_at"].isoformat(), str(last["id"])))


async def list_open_slots(
    cx: Context, wanted: SlotFilter, token: str | None = None, count: int = 50
) -> pages.Page[Row]:
    """Return windows with open places. Public: it says nothing of any person."""
    count = max(1, min(count, pages.PAGE_MAX))
    rows = await slot_store.list_open(cx.db, wanted, cx.now, _after(token), count + 1)
    return _page(rows, count)


async def get_slot(cx: Context, slot_id: UUID) -> Row:
    """Return one window with its clinic's card, or raise SlotUnknown."""
    rows = await slot_store.cards(cx.db, [slot_id])
    if not rows:
        raise SlotUnknown(slot=slot_id)
    return rows[0]


async def get_booking(cx: Context, booking_id: UUID) -> tuple[Row, Row]:
    """Return a booking the actor may see, with its window's card; the reading is audited."""
    scope = await consent.visible(cx, "booking.read")
    found = await booking_store.find(cx.db, [booking_id], scope)
    if not found:
        raise BookingUnknown(booking=booking_id)
    booking = found[0]
    card = (await slot_store.cards(cx.db, [booking.slot_id]))[0]
    await audit.append(
        cx, [audit.Entry("booking.read", booking.person_id, f"Appointment/{booking.id}")]
    )
    row = {name: getattr(booking, name) for name in booking.__dataclass_fields__}
    return row, card


async def list_mine(
    cx: Context, person_id: UUID, *, upcoming: bool, token: str | None = None, count: int = 20
) -> pages.Page[Row]:
    """Return a person's bookings for that person or a proxy; the reading is audited."""
    await consent.require(cx, "booking.read", person_id)
    count = max(1, min(count, MINE_MAX))
    rows = await booking_store.list_of_person(
        cx.db, person_id, cx.now, upcoming=upcoming, before=_after(token), count=count + 1
    )
    await audit.append(cx, [audit.Entry("booking.list", person_id, "Appointment")])
    return _page(rows, count)


async def list_day(
    cx: Context, organisation_id: UUID, day: date, clinic_id: UUID | None = None
) -> list[Row]:
    """Return the bookings of a day in an organisation or one of its clinics.

    Each person on the list is audited as read.
    """
    await consent.require(cx, "booking.list_day", organisation_id=organisation_id)
    rows = await booking_store.list_of_day(
        cx.db, organisation_id, clinic_id, clock.bounds(day), DAY_MAX
    )
    await audit.append(
        cx,
        [
            audit.Entry("booking.list_day", person, "Appointment")
            for person in {row["person_id"] for row in rows}
        ],
    )
    return rows


async def list_waits(cx: Context, person_id: UUID) -> list[Row]:
    """Return where a person waits, at which position, and open offers."""
    await consent.require(cx, "booking.wait", person_id)
    return list(await wait_store.list_of_person(cx.db, person_id))


async def list_messages(cx: Context, person_id: UUID, *, read: bool = False) -> list[Row]:
    """Return a person's messages; with `read`, they count as seen."""
    await consent.require(cx, "booking.read", person_id)
    rows = await hold_store.messages(cx.db, person_id, MINE_MAX)
    if read:
        await hold_store.mark_read(cx.db, person_id, cx.now)
    return rows


async def history_of(cx: Context, person_id: UUID) -> tuple[History, list[UUID]]:
    """Return where a person was seen: for the order of what is found, and the latest first."""
    await consent.require(cx, "booking.read", person_id)
    rows = await booking_store.last_clinics(cx.db, person_id)
    history = History(
        practitioners=frozenset(row["practitioner_id"] for row in rows if row["practitioner_id"]),
        clinics=frozenset(row["clinic_id"] for row in rows),
        departments=frozenset((row["organisation_id"], row["department_code"]) for row in rows),
    )
    return history, [row["clinic_id"] for row in rows]


async def windows_of(
    cx: Context, clinic_ids: Sequence[UUID], day: date, pools: Sequence[Pool]
) -> dict[UUID, list[Row]]:
    """Return the windows of these clinics still to come on a day, full ones too. Public."""
    first, last = clock.bounds(day)
    span = (max(first, cx.now), last)
    rows = await slot_store.of_clinics(cx.db, clinic_ids, span, pools, cx.now, DAY_MAX)
    found: dict[UUID, list[Row]] = {}
    for row in rows:
        found.setdefault(row["clinic_id"], []).append(row)
    return found


async def waiting_lengths(
    cx: Context, clinic_ids: Sequence[UUID], person_id: UUID | None = None
) -> dict[UUID, int]:
    """Return how many stand before this person at each clinic, if they joined its list today.

    Without a person: how many wait there. Public: it says nothing of those who wait.
    """
    today = clock.day_of(cx.now)
    lots = [
        wait_rules.lot(person_id, clinic_id, today) if person_id else None
        for clinic_id in clinic_ids
    ]
    return await wait_store.lengths(cx.db, clinic_ids, today, lots)


async def get_clinics(cx: Context, clinic_ids: Sequence[UUID]) -> list[Clinic]:
    """Return these clinics in the order asked. Public."""
    found = {clinic.id: clinic for clinic in await clinic_store.get(cx.db, clinic_ids)}
    return [found[one] for one in clinic_ids if one in found]
