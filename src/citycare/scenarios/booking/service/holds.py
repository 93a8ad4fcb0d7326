"""No-shows, the pause they bring, and the appeal against it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from citycare.kernel import audit, consent, events, fhir
from citycare.kernel.context import Context
from citycare.kit import ids
from citycare.scenarios.booking.model.core import Booking, Hold, State, WrongState
from citycare.scenarios.booking.rules import limits as limit_rules
from citycare.scenarios.booking.rules.appointment import appointment_as_fhir
from citycare.scenarios.booking.service.records import limits_in_force
from citycare.scenarios.booking.store import bookings as booking_store
from citycare.scenarios.booking.store import holds as hold_store
from citycare.scenarios.booking.store import places as place_store

GRACE = timedelta(hours=3)  # a doctor runs late; only hours after the window is a visit missed
BATCH = 500
APPEAL_CHARS_MAX = 500
COUNT = "booking.count_missed"
CORRECTED = "医院更正了就诊记录"


async def mark_no_shows(cx: Context) -> int:
    """Turn bookings whose window is long over into no-shows and pause whom policy says.

    Writes per batch of 500: the states, the Appointments, and what `_count` writes.
    """
    missed = await booking_store.mark_missed(cx.db, cx.now, cx.now - GRACE, BATCH)
    if not missed:
        return 0
    slots = await place_store.read_slots(cx.db, {one.slot_id for one in missed})
    ended = [replace(one, state=State.NO_SHOW, ended_at=cx.now) for one in missed]
    await fhir.put(cx, [appointment_as_fhir(one, slots[one.slot_id]) for one in ended])
    await _count(cx, ended)
    return len(missed)


async def count_later(cx: Context, booking: Booking) -> None:
    """Count a visit that a clinic noted as missed, as long after its window as all others."""
    slots = await place_store.read_slots(cx.db, [booking.slot_id])
    due = slots[booking.slot_id].ends_at + GRACE
    await events.defer(
        cx,
        COUNT,
        {"booking": str(booking.id)},
        at=max(due, cx.now),
        once=f"{COUNT}:{booking.id}",
    )


async def count_missed(cx: Context, booking_id: UUID) -> bool:
    """Count a visit noted as missed, unless the clinic took that back meanwhile; for a job."""
    booking = await booking_store.lock(cx.db, booking_id)
    if booking is None or booking.state is not State.NO_SHOW:
        return False
    await _count(cx, [booking])
    return True


async def _count(cx: Context, missed: Sequence[Booking]) -> None:
    """Tell people of missed visits and pause whom policy says; one event each."""
    limits = await limits_in_force(cx)
    persons = {one.person_id for one in missed}
    already = set(await booking_store.on_hold(cx.db, persons, cx.now))
    told: list[tuple[UUID, str, dict[str, object]]] = [
        (one.person_id, "missed", {"booking": one.id}) for one in missed
    ]
    misses = await booking_store.misses(cx.db, persons, cx.now - GRACE)
    for person, (starts, bookings) in misses.items():
        until = limit_rules.hold_until(starts, cx.now, limits)
        if until is None or person in already:
            continue
        hold = Hold(ids.new(), person, cx.now, until, bookings, None, None, None, "")
        await hold_store.add(cx.db, hold)
        told.append((person, "hold", {"hold": hold.id, "until": until.isoformat()}))
    await hold_store.tell(cx.db, told, cx.now)
    await events.emit(
        cx, [events.Event("booking.no_show", {"booking": str(one.id)}) for one in missed]
    )


async def forgive(cx: Context, booking: Booking) -> bool:
    """Lift the pause that rests on a visit which was not missed after all; tell the person.

    A pause that the other missed visits carry alone stays, and so does one an operator decided on.
    Returns whether one was lifted.
    """
    person = booking.person_id
    hold = await hold_store.current(cx.db, person, cx.now)
    if hold is None or booking.id not in hold.no_shows or hold.decision is not None:
        return False
    misses = await booking_store.misses(cx.db, [person], cx.now - GRACE)
    starts, _ = misses.get(person, ([], []))
    if limit_rules.hold_until(starts, cx.now, await limits_in_force(cx)) is not None:
        return False
    by = cx.actor.account_id
    if await hold_store.decide(cx.db, hold.id, "lifted", CORRECTED, by, cx.now) is None:
        return False
    await hold_store.tell(cx.db, [(person, "hold_corrected", {"booking": booking.id})], cx.now)
    await audit.append(cx, [audit.Entry("hold.correct", person, f"hold/{hold.id}")])
    return True


async def appeal(cx: Context, person_id: UUID, text: str) -> None:
    """Ask for a pause to be lifted, with a reason.

    Raises:
        WrongState: there is no pause in force, or it was decided already.
    """
    await consent.require(cx, "hold.appeal", person_id)
    hold = await hold_store.current(cx.db, person_id, cx.now)
    if hold is None:
        raise WrongState
    if await hold_store.appeal(cx.db, hold.id, text.strip()[:APPEAL_CHARS_MAX], cx.now) is None:
        raise WrongState
    await audit.append(cx, [audit.Entry("hold.appeal", person_id, f"hold/{hold.id}")])


async def decide(cx: Context, hold_id: UUID, *, lift: bool, reason: str) -> None:
    """Lift or keep a pause after an appeal; the person is told.

    Raises:
        WrongState: it was decided already.
    """
    await consent.require(cx, "hold.decide")
    decision = "lifted" if lift else "kept"
    person = await hold_store.decide(cx.db, hold_id, decision, reason, cx.actor.account_id, cx.now)
    if person is None:
        raise WrongState
    await hold_store.tell(cx.db, [(person, f"hold_{decision}", {"reason": reason})], cx.now)
    await audit.append(cx, [audit.Entry("hold.decide", person, f"hold/{hold_id}")])


async def current(cx: Context, person_id: UUID) -> Hold | None:
    """Return a person's pause in force, or None."""
    await consent.require(cx, "booking.read", person_id)
    return await hold_store.current(cx.db, person_id, cx.now)


async def open_appeals(cx: Context) -> list[Hold]:
    """Return the appeals that wait for a decision."""
    await consent.require(cx, "hold.decide")
    return await hold_store.open_appeals(cx.db, BATCH)
