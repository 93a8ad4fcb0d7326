"""What a new or ended booking brings with it: records, care relationships, events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from citycare.kernel import consent, events, fhir
from citycare.kernel.context import Context, policy
from citycare.kit import ids
from citycare.scenarios.booking.model.core import Booking, Claim, Slot, State, WrongState
from citycare.scenarios.booking.rules import places as place_rules
from citycare.scenarios.booking.rules.appointment import appointment_as_fhir
from citycare.scenarios.booking.rules.limits import Limits
from citycare.scenarios.booking.rules.places import Taken
from citycare.scenarios.booking.store import bookings as booking_store


async def limits_in_force(cx: Context) -> Limits:
    """Read the policy values this scenario runs by."""
    return Limits.from_policy(await policy.values(cx, ""))


def new_booking(cx: Context, claim: Claim, taken: Taken) -> Booking:
    """Build the booking of a claim that was granted a place."""
    slot = taken.slot
    return Booking(
        id=ids.new(),
        slot_id=slot.id,
        number=taken.number,
        pool=claim.pool,
        clinic_id=slot.clinic_id,
        organisation_id=slot.organisation_id,
        department_code=slot.department_code,
        person_id=claim.person_id,
        starts_at=slot.starts_at,
        state=State.BOOKED,
        channel=claim.channel,
        acted_by=claim.actor.account_id,
        source=claim.source,
        follows=claim.follows,
        created_at=cx.now,
    )


def _care(booking: Booking, source: str, limits: Limits) -> consent.CareRow:
    starts_at, ends_at = consent.care_window(
        booking.starts_at, limits.care_before_days, limits.care_after_days
    )
    return consent.CareRow(
        person_id=booking.person_id,
        organisation_id=booking.organisation_id,
        practitioner_id=None,
        source=source,
        starts_at=starts_at,
        ends_at=ends_at,
    )


async def record(cx: Context, granted: Sequence[tuple[Booking, Slot]], limits: Limits) -> None:
    """Write new bookings with what others learn of them. Their places must be taken already."""
    bookings = [booking for booking, _ in granted]
    published = [appointment_as_fhir(booking, slot) for booking, slot in granted]
    names = [str(booking.id) for booking in bookings]
    await booking_store.add(cx.db, bookings)
    await fhir.create(cx, published, valid=True)
    await consent.open_care(
        cx,
        [
            _care(booking, f"Appointment/{name}", limits)
            for booking, name in zip(bookings, names, strict=True)
        ],
    )
    await events.emit(
        cx,
        [
            events.Event("booking.booked", {"booking": name, "slot": str(booking.slot_id)})
            for booking, name in zip(bookings, names, strict=True)
        ],
    )


async def end(cx: Context, booking: Booking, slot: Slot, state: State, reason: str = "") -> Booking:
    """Move a locked booking to another state and publish it."""
    if not place_rules.may_become(booking.state, state):
        raise WrongState(state=booking.state)
    await booking_store.set_state(cx.db, booking.id, state, cx.now, reason)
    ended = replace(booking, state=state, reason=reason, ended_at=cx.now)
    await fhir.put(cx, [appointment_as_fhir(ended, slot)])
    if state in (State.CANCELLED, State.MOVED, State.STOPPED):
        await consent.close_care(cx, [f"Appointment/{booking.id}"])
    return ended
