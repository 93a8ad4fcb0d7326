"""Taking in many bookings at once, past and present, without the rush that made them.

For the demo city and for a hospital that moves in with its books. No events are emitted: what is
loaded was dealt with where it happened. Access is asked as for schedules.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from itertools import islice
from uuid import UUID

from citycare.kernel import audit, consent, fhir
from citycare.kernel.context import Context
from citycare.kit import clock
from citycare.kit.db import Row
from citycare.scenarios.booking.model.core import Booking, Hold, Slot, State, Wait
from citycare.scenarios.booking.model.schedule import NewSlot
from citycare.scenarios.booking.rules.appointment import appointment_as_fhir
from citycare.scenarios.booking.rules.limits import Limits
from citycare.scenarios.booking.service.clinics import require_organisations
from citycare.scenarios.booking.service.records import limits_in_force
from citycare.scenarios.booking.store import loading as loading_store
from citycare.scenarios.booking.store.bookings import booking_of

BATCH = 5_000
HOLDING = frozenset({State.BOOKED, State.ARRIVED, State.FULFILLED, State.NO_SHOW})
TREATED = frozenset({State.BOOKED, State.ARRIVED, State.FULFILLED})


class PlacesTaken(RuntimeError):
    """Places to be loaded as taken are not free: the input contradicts the books. A fault."""


async def load_bookings(cx: Context, bookings: Iterable[tuple[Booking, NewSlot]]) -> int:
    """Write bookings into windows that are there; return how many.

    Written together, per batch of 5,000: places taken, bookings, one FHIR Appointment each, the
    care relationships of those who hold or had a visit; at the end an audit entry.

    Raises:
        PlacesTaken: two of them hold one place, or somebody else does; roll back.
    """
    source = iter(bookings)
    limits = await limits_in_force(cx)
    count = 0
    while batch := list(islice(source, BATCH)):
        await require_organisations(cx, {one.organisation_id for one, _ in batch})
        holding = [(one.slot_id, one.number) for one, _ in batch if one.state in HOLDING]
        if await loading_store.take_places(cx.db, holding) != len(holding):
            raise PlacesTaken(f"of {len(holding)} places some are not free")
        await loading_store.copy_bookings(cx.db, [one for one, _ in batch])
        await fhir.create(cx, [appointment_as_fhir(one, _slot(slot)) for one, slot in batch])
        rows = [_care(one, slot, limits) for one, slot in batch if one.state in TREATED]
        await consent.open_care(cx, rows)
        count += len(batch)
    entry = audit.Entry("booking.load", None, "Appointment", detail={"bookings": count})
    await audit.append(cx, [entry])
    return count


def _slot(slot: NewSlot) -> Slot:
    return Slot(
        id=slot.id,
        clinic_id=slot.clinic.id,
        organisation_id=slot.clinic.organisation_id,
        department_code=slot.clinic.department_code,
        practitioner_id=slot.clinic.practitioner_id,
        starts_at=slot.window.starts_at,
        ends_at=slot.window.ends_at,
        state="open",
        release=slot.clinic.release,
        capacity=len(slot.places),
        free=0,
    )


def _care(booking: Booking, slot: NewSlot, limits: Limits) -> consent.CareRow:
    starts_at, ends_at = consent.care_window(
        booking.starts_at, limits.care_before_days, limits.care_after_days
    )
    return consent.CareRow(
        person_id=booking.person_id,
        organisation_id=booking.organisation_id,
        practitioner_id=slot.clinic.practitioner_id,
        source=f"Appointment/{booking.id}",
        starts_at=starts_at,
        ends_at=ends_at,
    )


async def load_waits(cx: Context, waits: Sequence[Wait], channel: str) -> None:
    """Write entries of the waiting list, in the order of their `created_at`."""
    await consent.require(cx, "booking.schedule")
    await loading_store.copy_waits(cx.db, waits, channel)
    await _audit(cx, "booking.waits.load", len(waits))


async def load_holds(cx: Context, holds: Sequence[Hold]) -> None:
    """Write pauses after no-shows that were set before."""
    await consent.require(cx, "hold.decide")
    await loading_store.copy_holds(cx.db, holds)
    await _audit(cx, "booking.holds.load", len(holds))


async def load_messages(
    cx: Context, messages: Sequence[tuple[UUID, str, Mapping[str, object], datetime]]
) -> None:
    """Write messages (person, kind, facts, when) that were left before."""
    await consent.require(cx, "booking.schedule")
    await loading_store.copy_messages(cx.db, messages)
    await _audit(cx, "booking.messages.load", len(messages))


async def _audit(cx: Context, action: str, count: int) -> None:
    await audit.append(cx, [audit.Entry(action, None, "booking", detail={"count": count})])


async def last_day(cx: Context, organisation_id: UUID) -> date | None:
    """Return the last day on which an organisation has a window, or None if it never had one."""
    found = await loading_store.last_window(cx.db, organisation_id)
    return clock.day_of(found) if found else None


async def let_time_pass(cx: Context, but: Collection[UUID] = ()) -> int:
    """Play the patients: most who are due arrive, and are seen in turn; return how many moved.

    For a demo or an exercise, where nobody comes through a door: without it every booking would
    end as missed. `but`: persons who are left alone. Those few who never come are left to
    `holds.mark_no_shows`.
    """
    await consent.require(cx, "booking.schedule")
    rows = await loading_store.let_arrive(cx.db, cx.now, but)
    rows += await loading_store.let_see(cx.db, cx.now, but)
    newest = {row["id"]: row for row in rows}  # seen right after arriving: only the later counts
    resources = [_as_fhir(row) for row in newest.values()]
    for at in range(0, len(resources), BATCH):
        await fhir.put(cx, resources[at : at + BATCH])
    return len(newest)


def _as_fhir(row: Row) -> fhir.Resource:
    booking = booking_of(row)
    slot = Slot(
        id=booking.slot_id,
        clinic_id=booking.clinic_id,
        organisation_id=booking.organisation_id,
        department_code=booking.department_code,
        practitioner_id=row["practitioner_id"],
        starts_at=booking.starts_at,
        ends_at=row["ends_at"],
        state="open",
        release="first_come",
        capacity=0,
        free=0,
    )
    return appointment_as_fhir(booking, slot)
