"""What people and clinics look at: open windows, my bookings, the list of the day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from uuid import UUID

from citycare.kernel import audit, consent, identity
from citycare.kernel.context import Context
from citycare.kit import clock, pages
from citycare.kit.db import Row
from citycare.scenarios.booking.model.core import (
    BookingUnknown,
    PeriodWrong,
    Pool,
    SlotFilter,
    SlotUnknown,
)
from citycare.scenarios.booking.model.finder import History
from citycare.scenarios.booking.model.schedule import Clinic
from citycare.scenarios.booking.rules import wait as wait_rules
from citycare.scenarios.booking.service import schedule
from citycare.scenarios.booking.store import bookings as booking_store
from citycare.scenarios.booking.store import clinics as clinic_store
from citycare.scenarios.booking.store import holds as hold_store
from citycare.scenarios.booking.store import slots as slot_store
from citycare.scenarios.booking.store import waits as wait_store

DAY_MAX = 2_000
DAYS_APART_MAX = 3_660
MINE_MAX = 50


def _after(token: str | None) -> tuple[datetime, UUID] | None:
    if token is None:
        return None
    at, last = pages.read(token, datetime, UUID)
    return at, last


def _page(rows: list[Row], count: int) -> pages.Page[Row]:
    if len(rows) <= count:
        return pages.Page(rows, None)
    last = rows[count - 1]
    return pages.Page(rows[:count], pages.encode(last["starts_at"].isoformat(), str(last["id"])))


async def list_open_slots(
    cx: Context, wanted: SlotFilter, token: str | None = None, count: int = 50
) -> pages.Page[Row]:
    """Return windows with open places. Public: it says nothing of any person.

    Days beyond the furthest release are not looked at: nothing is open there.
    """
    count = max(1, min(count, pages.PAGE_MAX))
    _, end = clock.bounds(await schedule.furthest_day(cx))
    wanted = replace(wanted, starts_to=min(wanted.starts_to, end))
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


async def _known_as(
    cx: Context, action: str, person_id: UUID
) -> tuple[consent.Scope, frozenset[UUID]]:
    """Return what the actor may see of a person, and all ids the person is known under.

    Records that were made one keep their rows under the old id (kernel.identity.merges).
    """
    scope = await consent.visible_of(cx, action, person_id)
    known_as = await identity.ids_of(cx.db, person_id)
    return (replace(scope, persons=known_as) if scope.persons else scope), known_as


async def list_mine(
    cx: Context, person_id: UUID, *, upcoming: bool, token: str | None = None, count: int = 20
) -> pages.Page[Row]:
    """Return a person's bookings: all to that person or a proxy, to staff those in their houses.

    The reading is audited, also when staff find nothing.
    """
    scope, known_as = await _known_as(cx, "booking.read", person_id)
    count = max(1, min(count, MINE_MAX))
    rows = await booking_store.list_of_person(
        cx.db, known_as, scope, cx.now, upcoming=upcoming, after=_after(token), count=count + 1
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
    await _note_read(cx, rows)
    return rows


async def page_of_day(
    cx: Context,
    organisation_id: UUID,
    day: date,
    clinic_id: UUID | None = None,
    token: str | None = None,
    count: int = 50,
) -> pages.Page[Row]:
    """Return the same list in pages, for machines; each person on the page is audited as read.

    Raises:
        PeriodWrong: the day is over ten years away, so surely a mistake.
    """
    await consent.require(cx, "booking.list_day", organisation_id=organisation_id)
    if abs((day - clock.day_of(cx.now)).days) > DAYS_APART_MAX:
        raise PeriodWrong(on=day, days_max=DAYS_APART_MAX)
    count = max(1, min(count, pages.PAGE_MAX))
    rows = await booking_store.list_of_day(
        cx.db, organisation_id, clinic_id, clock.bounds(day), count + 1, _after_number(token)
    )
    more = len(rows) > count
    rows = rows[:count]
    await _note_read(cx, rows)
    if not more:
        return pages.Page(rows, None)
    last = rows[-1]
    keys = (last["starts_at"].isoformat(), last["number"], str(last["id"]))
    return pages.Page(rows, pages.encode(*keys))


def _after_number(token: str | None) -> tuple[datetime, int, UUID] | None:
    if token is None:
        return None
    at, number, last = pages.read(token, datetime, int, UUID)
    return at, number, last


async def _note_read(cx: Context, rows: Sequence[Row]) -> None:
    persons = {row["person_id"] for row in rows}
    await audit.append(
        cx, [audit.Entry("booking.list_day", person, "Appointment") for person in persons]
    )


async def list_waits(cx: Context, person_id: UUID) -> list[Row]:
    """Return where a person waits, at which position, and open offers.

    Staff see where the person waits in their own houses. The reading is audited.
    """
    scope, known_as = await _known_as(cx, "booking.wait", person_id)
    rows = await wait_store.list_of_person(cx.db, known_as, scope)
    await audit.append(cx, [audit.Entry("booking.list_waits", person_id, "wait")])
    return list(rows)


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
