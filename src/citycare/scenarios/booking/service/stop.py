"""Stopping a clinic: in one action everyone gets an equal or better place, or the head of the list.

The replacement is held for the person at once as a booking. They may keep it, choose another
window or cancel, and lose nothing; if they say nothing it stays their booking.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, time, timedelta
from uuid import UUID

from citycare.kernel import audit, consent, events, fhir
from citycare.kernel.context import Context, policy
from citycare.kit import clock
from citycare.scenarios.booking.model.core import (
    Booking,
    BookingUnknown,
    Claim,
    Held,
    PeriodWrong,
    Pool,
    Slot,
    SlotHeld,
    SlotUnavailable,
    Source,
    State,
)
from citycare.scenarios.booking.model.schedule import Clinic, ClinicUnknown, Window
from citycare.scenarios.booking.model.stop import (
    Answer,
    NothingToStop,
    OpenReplacement,
    Option,
    ReasonMissing,
    Replacement,
    Standard,
    StopPlan,
    StopTooMany,
    Terms,
)
from citycare.scenarios.booking.rules import stop as rules
from citycare.scenarios.booking.rules.appointment import appointment_as_fhir
from citycare.scenarios.booking.rules.places import Taken
from citycare.scenarios.booking.rules.schedule import slot_as_fhir
from citycare.scenarios.booking.service import records
from citycare.scenarios.booking.store import bookings as booking_store
from citycare.scenarios.booking.store import clinics as clinic_store
from citycare.scenarios.booking.store import holds as hold_store
from citycare.scenarios.booking.store import places as place_store
from citycare.scenarios.booking.store import stop as stop_store

SPAN_MAX = timedelta(days=92)
REASON_MAX = 200
SETTLE_MAX = 1_000
AFFECTED_MAX = 4_000
LOOK_BACK = timedelta(days=1)


async def preview_stop(cx: Context, clinic_id: UUID, from_: datetime, to: datetime) -> StopPlan:
    """Tell what `stop_clinic` would do now; writes nothing.

    Raises:
        ClinicUnknown, Forbidden, PeriodWrong, NothingToStop.
    """
    _, plan = await _plan(cx, clinic_id, from_, to, lock=False)
    return plan


async def stop_clinic(
    cx: Context, clinic_id: UUID, from_: datetime, to: datetime, reason: str
) -> StopPlan:
    """Stop the windows of a clinic that begin before `to` and end after `from_`.

    Written together, in a number of statements that does not depend on how many are affected:
    the windows, their bookings (`stopped`), the replacements (bookings with source
    `replacement`, which follow the old ones), the head of the waiting list for the rest, a
    message per person, Appointments and Slots, care relationships, the events `booking.stopped`
    and `booking.booked`, one audit entry per person.

    Raises:
        ClinicUnknown, Forbidden, PeriodWrong, NothingToStop, ReasonMissing, StopTooMany.
        SlotHeld: somebody who just booked here is being booked for elsewhere; again at once.
    """
    reason = reason.strip()[:REASON_MAX]
    if not reason:
        raise ReasonMissing
    clinic, plan = await _plan(cx, clinic_id, from_, to, lock=True)
    bookings = [*(one.booking for one in plan.replaced), *plan.waiting]
    took = [(one.option.slot.id, one.number) for one in plan.replaced]
    if await place_store.take(cx.db, took) != len(took):  # under the slot locks this cannot be
        raise SlotUnavailable(clinic=clinic_id)
    withdrawn = await stop_store.stop(
        cx.db, [one.id for one in plan.slots], [one.id for one in bookings], cx.now, reason
    )
    made = await _replace(cx, plan.replaced)
    await _queue(cx, plan.waiting)
    facts: list[tuple[UUID, str, dict[str, object]]] = [
        (
            new.person_id,
            "replaced",
            {"booking": new.id, "was": one.booking.id, "why": one.why, "reason": reason},
        )
        for new, one in made
    ]
    facts += [
        (one.person_id, "stopped", {"booking": one.id, "clinic": clinic_id, "reason": reason})
        for one in plan.waiting
    ]
    facts += [(row["person_id"], "offer_withdrawn", {"clinic": clinic_id}) for row in withdrawn]
    await hold_store.tell(cx.db, facts, cx.now)
    await _publish(cx, clinic, plan, bookings, reason)
    return plan


async def _plan(
    cx: Context, clinic_id: UUID, from_: datetime, to: datetime, *, lock: bool
) -> tuple[Clinic, StopPlan]:
    found = await clinic_store.get(cx.db, [clinic_id])
    if not found:
        raise ClinicUnknown(clinic=clinic_id)
    clinic = found[0]
    await consent.require(cx, "booking.stop_clinic", organisation_id=clinic.organisation_id)
    from_ = max(from_, cx.now)
    if not from_ < to <= from_ + SPAN_MAX:
        raise PeriodWrong(days_max=SPAN_MAX.days)
    terms = await _terms(cx)
    slots = await stop_store.slots_between(cx.db, clinic_id, (from_, to))
    if not slots:
        raise NothingToStop(clinic=clinic_id)
    persons = await stop_store.persons_in(cx.db, slots)
    rows = await stop_store.options(cx.db, **_search(clinic, slots, terms))
    standards = {row["id"]: Standard(**{k: v for k, v in row.items() if k != "id"}) for row in rows}
    if lock:
        await place_store.lock_persons(cx.db, persons)
    wanted = {one.id for one in slots} | set(standards)
    current = await _slots(cx, wanted, lock=lock)
    open_ = [current[one.id] for one in slots if current[one.id].state == "open"]
    if not open_:
        raise NothingToStop(clinic=clinic_id)
    bookings = await stop_store.affected(cx.db, open_, lock=lock)
    if len(bookings) + len(open_) > AFFECTED_MAX:
        raise StopTooMany(people=len(bookings), slots=len(open_), max=AFFECTED_MAX)
    late = {one.person_id for one in bookings}.difference(persons)  # came before the slot locks
    if lock and late and not await place_store.try_lock_persons(cx.db, late):
        raise SlotHeld(clinic=clinic_id)
    options = await _options(cx, current, standards)
    held = await booking_store.held(cx.db, {one.person_id for one in bookings}, cx.now - LOOK_BACK)
    by_person: dict[UUID, list[Held]] = defaultdict(list)
    for one in held:
        by_person[one.person_id].append(one)
    replaced, waiting = rules.assign(bookings, _standard(clinic), options, terms, by_person)
    return clinic, StopPlan(clinic_id, open_, replaced, waiting)


async def _slots(cx: Context, ids: set[UUID], *, lock: bool) -> dict[UUID, Slot]:
    """Read the windows that stop and those that may take people, in one ordered lock if asked."""
    if lock:
        return await place_store.lock_slots(cx.db, ids)
    return await stop_store.list_slots(cx.db, ids)


async def _terms(cx: Context) -> Terms:
    values = await policy.values(cx, "booking.replacement.")
    return Terms(
        now=cx.now,
        days_max=int(values["days_max"]),
        notice=timedelta(minutes=int(values["notice_minutes"])),
        answer=timedelta(hours=int(values["answer_hours"])),
    )


def _standard(clinic: Clinic) -> Standard:
    return Standard(
        clinic_id=clinic.id,
        practitioner_id=clinic.practitioner_id,
        organisation_id=clinic.organisation_id,
        department_code=clinic.department_code,
        kind=clinic.kind,
        title=clinic.title,
        fee_fen=clinic.fee_fen,
    )


def _search(clinic: Clinic, slots: Sequence[Slot], terms: Terms) -> dict[str, object]:
    first = min(one.starts_at for one in slots)
    last = max(one.starts_at for one in slots)
    latest_day = clock.day_of(last) + timedelta(days=terms.days_max + 1)
    return {
        "organisation": clinic.organisation_id,
        "department": clinic.department_code,
        "clinic": clinic.id,
        "practitioner": clinic.practitioner_id,
        "fee": clinic.fee_fen,
        "stopped": [one.id for one in slots],
        "earliest": max(terms.now + terms.notice, clock.bounds(clock.day_of(first))[0]),
        "latest": clock.at(latest_day, time.min),
        "first": clock.bounds(clock.day_of(first))[0],
        "last": clock.bounds(clock.day_of(last))[1],
    }


async def _options(
    cx: Context, current: dict[UUID, Slot], standards: dict[UUID, Standard]
) -> list[Option]:
    free: dict[UUID, dict[Pool, list[int]]] = defaultdict(lambda: defaultdict(list))
    places = await place_store.free_places(cx.db, standards)
    for place in sorted(places, key=lambda one: one.number):
        free[place.slot_id][place.pool].append(place.number)
    return [
        Option(current[slot_id], standard, free[slot_id])
        for slot_id, standard in standards.items()
        if slot_id in free and current[slot_id].state == "open"
    ]


async def _replace(
    cx: Context, replaced: Sequence[Replacement]
) -> list[tuple[Booking, Replacement]]:
    """Write the new bookings with all that belongs to them, and the offers to answer."""
    if not replaced:
        return []
    made: list[tuple[Booking, Replacement]] = []
    for one in replaced:
        old, slot = one.booking, one.option.slot
        claim = Claim(
            slot.id,
            old.person_id,
            one.pool,
            cx.actor,
            old.channel,
            cx.request_id,
            Source.REPLACEMENT,
            old.id,
        )
        made.append((records.new_booking(cx, claim, Taken(slot, one.number)), one))
    limits = await records.limits_in_force(cx)
    await records.record(cx, [(new, one.option.slot) for new, one in made], limits)
    terms = await _terms(cx)
    await stop_store.add_replacements(
        cx.db, [(new, one, rules.answer_until(new.starts_at, terms)) for new, one in made]
    )
    return made


async def _queue(cx: Context, waiting: Sequence[Booking]) -> None:
    """Put those without a replacement at the head of the clinic's waiting list."""
    if not waiting:
        return
    days_max = (await _terms(cx)).days_max
    entries = [(one, clock.day_of(one.starts_at) + timedelta(days=2 * days_max)) for one in waiting]
    await stop_store.wait_ahead(cx.db, entries, clock.day_of(cx.now), cx.actor.account_id)


async def _publish(
    cx: Context, clinic: Clinic, plan: StopPlan, bookings: Sequence[Booking], reason: str
) -> None:
    """Tell the record, the listeners and the audit trail what was stopped."""
    slots = {one.id: one for one in plan.slots}
    stopped = [
        replace(one, state=State.STOPPED, ended_at=cx.now, reason=reason) for one in bookings
    ]
    appointments = [appointment_as_fhir(one, slots[one.slot_id]) for one in stopped]
    windows = [
        slot_as_fhir(
            one.id,
            clinic,
            Window(one.starts_at, one.ends_at),
            capacity=one.capacity,
            free=0,
            stopped=True,
        )
        for one in plan.slots
    ]
    await fhir.put(cx, [*appointments, *windows])
    await consent.close_care(cx, [f"Appointment/{one.id}" for one in stopped])
    await events.emit(
        cx,
        [
            events.Event("booking.stopped", {"booking": str(one.id), "slot": str(one.slot_id)})
            for one in stopped
        ],
    )
    detail: dict[str, str | int | bool | None] = {
        "slots": len(plan.slots),
        "replaced": len(plan.replaced),
        "reason": reason,
    }
    entries = [
        audit.Entry("booking.stop_clinic", one.person_id, f"Appointment/{one.id}")
        for one in stopped
    ]
    entries.append(audit.Entry("booking.stop_clinic", None, f"Schedule/{clinic.id}", detail=detail))
    await audit.append(cx, entries)


async def accept_replacement(cx: Context, booking_id: UUID) -> None:
    """Keep the replacement: nothing changes but that nobody asks again. Twice is the same.

    Raises:
        BookingUnknown: it is no replacement, or not the actor's to answer.
    """
    found = await stop_store.find_replacement(cx.db, booking_id)
    if found is None:
        raise BookingUnknown(booking=booking_id)
    await consent.require(cx, "booking.book", found.person_id)
    if await stop_store.answer(cx.db, booking_id, Answer.ACCEPTED, cx.now):
        entry = audit.Entry("booking.keep", found.person_id, f"Appointment/{booking_id}")
        await audit.append(cx, [entry])


async def list_open_replacements(cx: Context, person_id: UUID) -> list[OpenReplacement]:
    """Return the replacements a person may still answer, the most urgent first."""
    await consent.require(cx, "booking.read", person_id)
    return await stop_store.list_open(cx.db, person_id, cx.now)


async def replaced_by(cx: Context, booking_id: UUID) -> UUID | None:
    """Return what was made in place of a stopped booking the caller may see, or None."""
    return await stop_store.replaced_by(cx.db, booking_id)


async def settle_replacements(cx: Context) -> int:
    """Let unanswered replacements stand as bookings; return how many. For the tick job."""
    return await stop_store.close_due(cx.db, cx.now, SETTLE_MAX)
