"""Taking, moving and giving back places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from citycare.kernel import audit, consent, events
from citycare.kernel.context import Context
from citycare.kit.errors import AppError
from citycare.scenarios.booking.model.core import (
    AlreadyBooked,
    Booking,
    BookingUnknown,
    Claim,
    KnownAs,
    NotYetOpen,
    Pool,
    PoolClosed,
    Slot,
    SlotHeld,
    SlotUnavailable,
    Source,
    State,
    WrongState,
)
from citycare.scenarios.booking.model.queue import Ticket
from citycare.scenarios.booking.model.stop import Answer
from citycare.scenarios.booking.rules import limits as limit_rules
from citycare.scenarios.booking.rules import places as place_rules
from citycare.scenarios.booking.rules.limits import Limits, Standing
from citycare.scenarios.booking.rules.places import Desk, Taken
from citycare.scenarios.booking.service import wait
from citycare.scenarios.booking.service.pools import people_of
from citycare.scenarios.booking.service.queue import Turnstile
from citycare.scenarios.booking.service.records import (
    end,
    limits_in_force,
    new_booking,
    record,
)
from citycare.scenarios.booking.store import bookings as booking_store
from citycare.scenarios.booking.store import places as place_store
from citycare.scenarios.booking.store import stop as stop_store

LOOK_BACK = timedelta(days=1)
NOT_IN_THIS_POOL = (PoolClosed, SlotUnavailable, NotYetOpen)


async def book(
    cx: Context,
    slot_id: UUID,
    person_id: UUID,
    pool: Pool = Pool.PUBLIC,
    ticket: Ticket | None = None,
) -> Booking:
    """Book one place in a window for one person, with a ticket if it is queued for.

    See `book_many`.

    Raises:
        Forbidden, NotFound: the actor may not book for this person.
        SlotUnavailable and its siblings: see model.core.
    """
    claim = Claim(slot_id, person_id, pool, cx.actor, cx.channel, cx.request_id, ticket=ticket)
    outcome = (await book_many(cx, [claim]))[0]
    if isinstance(outcome, AppError):
        raise outcome
    return outcome


async def book_many(
    cx: Context, claims: Sequence[Claim], *, locked: KnownAs | None = None
) -> list[Booking | AppError]:
    """Book for many at once, in one transaction and a fixed number of statements.

    Written together: the places, the bookings, the Appointments, the care relationships, one
    event each and one audit entry each; where a queue is in force, the tickets are used up (two
    statements more, for any number). Claims are served in the order given. `locked` says that
    the caller holds the locks on the persons already: what `lock_persons` returned.

    Returns:
        For each claim its booking, or the error that says why not.
    """
    if locked is None:
        locked = await place_store.lock_persons(cx.db, {claim.person_id for claim in claims})
    slots, held = await _lock(cx, claims)
    verdicts = await consent.require_many(
        cx.db,
        cx.now,
        [
            consent.Claim(one.actor, "booking.book", one.person_id, _organisation(slots, one))
            for one in claims
        ],
    )
    allowed = [claim for claim, refused in zip(claims, verdicts, strict=True) if refused is None]
    limits = await limits_in_force(cx)
    desk = await _desk(cx, allowed, slots, limits, locked)
    turnstile = await Turnstile.before(cx, allowed, slots)
    outcomes: list[Booking | AppError] = []
    granted: list[tuple[Booking, Slot]] = []
    for claim, refused in zip(claims, verdicts, strict=True):
        if claim.slot_id in held:
            outcomes.append(SlotHeld(slot=claim.slot_id))
            continue
        decision = refused or turnstile.refusal(claim) or desk.decide(claim)
        if isinstance(decision, Taken):
            turnstile.let_through(claim)
            booking = new_booking(cx, claim, decision)
            granted.append((booking, decision.slot))
            outcomes.append(booking)
        else:
            outcomes.append(decision)
    if granted:
        await turnstile.close()
        async with cx.db.pipeline():  # nobody needs an answer before the last of them
            places = [(one.slot_id, one.number) for one, _ in granted]
            took = await place_store.start_taking(cx.db, places)
            await record(cx, granted, limits)
            await _audit(cx, claims, outcomes)
        if took.rowcount != len(granted):  # under the slot locks this cannot be
            raise SlotUnavailable(expected=len(granted), took=took.rowcount)
    return outcomes


async def _lock(cx: Context, claims: Sequence[Claim]) -> tuple[dict[UUID, Slot], set[UUID]]:
    """Lock the windows of claims; return them, and those others hold that no claim waits for.

    The waiting comes first and in the order of ids, so no two can wait for each other.
    """
    awaited = {claim.slot_id for claim in claims if claim.waits}
    others = {claim.slot_id for claim in claims} - awaited
    slots = await place_store.lock_slots(cx.db, awaited) if awaited else {}
    if others:
        slots |= await place_store.lock_slots(cx.db, others, skip_held=True)
    missing = others - slots.keys()
    return slots, set(await place_store.read_slots(cx.db, missing)) if missing else set()


def _organisation(slots: Mapping[UUID, Slot], claim: Claim) -> UUID | None:
    slot = slots.get(claim.slot_id)
    return slot.organisation_id if slot is not None else None


async def _desk(
    cx: Context,
    claims: Sequence[Claim],
    slots: Mapping[UUID, Slot],
    limits: Limits,
    known_as: KnownAs,
) -> Desk:
    persons = {claim.person_id for claim in claims}
    places = await place_store.free_places(cx.db, {claim.slot_id for claim in claims})
    since = cx.now - LOOK_BACK
    held, paused = await booking_store.standing(cx.db, persons, known_as, since, cx.now)
    standing = Standing(held, paused, known_as)
    people = await people_of(cx, [(claim.pool, claim.person_id) for claim in claims])
    return Desk(slots, places, standing, people, limits, cx.now)


async def _audit(
    cx: Context, claims: Sequence[Claim], outcomes: Sequence[Booking | AppError]
) -> None:
    await audit.append_lines(
        cx,
        [
            audit.line_of(
                Context(cx.db, claim.actor, cx.now, claim.request_id, claim.channel, cx.purpose),
                audit.Entry("booking.book", claim.person_id, f"Appointment/{outcome.id}"),
            )
            for claim, outcome in zip(claims, outcomes, strict=True)
            if isinstance(outcome, Booking)
        ],
    )


async def _locked(cx: Context, booking_id: UUID, action: str) -> tuple[Booking, Slot]:
    """Read a booking for a change: person first, then booking, then slot; or not found."""
    scope = await consent.visible(cx, "booking.read")
    found = await booking_store.find(cx.db, [booking_id], scope)
    if not found:
        raise BookingUnknown(booking=booking_id)
    await consent.require(cx, action, found[0].person_id, found[0].organisation_id)
    await place_store.lock_persons(cx.db, [found[0].person_id])
    booking = await booking_store.lock(cx.db, booking_id)
    if booking is None:
        raise BookingUnknown(booking=booking_id)
    slots = await place_store.lock_slots(cx.db, [booking.slot_id])
    return booking, slots[booking.slot_id]


async def _leave(cx: Context, booking: Booking, limits: Limits, said: Answer) -> None:
    """Let a booking be given up: in time, or at any time if it is an offer after a stop."""
    if not await stop_store.answer(cx.db, booking.id, said, cx.now):
        limit_rules.check_in_time(booking.starts_at, cx.now, limits, cx.channel)


async def cancel(cx: Context, booking_id: UUID, reason: str = "") -> Booking:
    """Give a place back. It goes to the waiting list first, then opens at a random time.

    Cancelling a cancelled booking again answers the same. Writes the Appointment, the event
    `booking.cancelled` and the audit entry.

    Raises:
        BookingUnknown, TooLate, WrongState.
    """
    booking, slot = await _locked(cx, booking_id, "booking.cancel")
    if booking.state is State.CANCELLED:
        return booking
    limits = await limits_in_force(cx)
    if not place_rules.may_become(booking.state, State.CANCELLED):
        raise WrongState(state=booking.state)
    await _leave(cx, booking, limits, Answer.CANCELLED)
    ended = await end(cx, booking, slot, State.CANCELLED, reason)
    await wait.give_back(cx, [(slot, booking.number, booking.pool)], limits)
    await events.emit(cx, [events.Event("booking.cancelled", {"booking": str(booking.id)})])
    await audit.append(
        cx, [audit.Entry("booking.cancel", booking.person_id, f"Appointment/{booking.id}")]
    )
    return ended


async def reschedule(
    cx: Context, booking_id: UUID, slot_id: UUID, ticket: Ticket | None = None
) -> Booking:
    """Move a booking to another window: the new place is taken before the old one is let go.

    It stays in its pool if the actor may draw on that there and a place is free; else it becomes
    an ordinary booking: places are kept for a need, nobody is kept in a pool.

    Raises:
        As `book` and `cancel`; then nothing has changed.
    """
    scope = await consent.visible(cx, "booking.read")
    found = await booking_store.find(cx.db, [booking_id], scope)
    if not found:
        raise BookingUnknown(booking=booking_id)
    old = found[0]
    await consent.require(cx, "booking.reschedule", old.person_id, old.organisation_id)
    await place_store.lock_persons(cx.db, [old.person_id])
    slots = await place_store.lock_slots(cx.db, {old.slot_id, slot_id})
    booking = await booking_store.lock(cx.db, booking_id)
    if booking is None or not place_rules.may_become(booking.state, State.MOVED):
        raise WrongState(booking=booking_id)
    limits = await limits_in_force(cx)
    await _leave(cx, booking, limits, Answer.MOVED)
    await end(cx, booking, slots[booking.slot_id], State.MOVED)
    claim = Claim(
        slot_id,
        booking.person_id,
        booking.pool,
        cx.actor,
        cx.channel,
        cx.request_id,
        Source.RESCHEDULE,
        booking.id,
        ticket,
    )
    outcome = (await book_many(cx, [claim]))[0]
    if isinstance(outcome, NOT_IN_THIS_POOL) and claim.pool is not Pool.PUBLIC:
        outcome = (await book_many(cx, [replace(claim, pool=Pool.PUBLIC)]))[0]
    if isinstance(outcome, AppError):
        raise outcome
    old_slot = slots[booking.slot_id]
    await wait.give_back(cx, [(old_slot, booking.number, booking.pool)], limits)
    await events.emit(
        cx,
        [events.Event("booking.moved", {"booking": str(outcome.id), "from": str(booking.id)})],
    )
    entry = audit.Entry("booking.reschedule", booking.person_id, f"Appointment/{booking.id}")
    await audit.append(cx, [entry])
    return outcome


async def _check_window(cx: Context, booking: Booking) -> None:
    """Raise AlreadyBooked when the person, locked by now, has another booking at that time."""
    held = await booking_store.held(cx.db, [booking.person_id], cx.now - LOOK_BACK)
    if any(one.starts_at == booking.starts_at and one.id != booking.id for one in held):
        raise AlreadyBooked(person=booking.person_id)


async def set_state(
    cx: Context, booking_id: UUID, state: State, *, unseen: bool = False
) -> Booking:
    """Say that a person has arrived, was seen, did not come; or take that back (clinic, desk).

    Raises:
        BookingUnknown.
        WrongState: also when an old page says 'arrived' of who was seen: that is not meant as
            `unseen`, which takes 'seen' back.
        AlreadyBooked: taken back, it would be a second booking in the same window.
    """
    booking, slot = await _locked(cx, booking_id, "booking.arrive")
    if booking.state is state:
        return booking
    if booking.state is State.FULFILLED and not unseen:
        raise WrongState(state=booking.state)
    if place_rules.takes_back(booking.state, state):
        await _check_window(cx, booking)
    changed = await end(cx, booking, slot, state)
    await events.emit(
        cx, [events.Event("booking.state", {"booking": str(booking.id), "state": state.value})]
    )
    await audit.append(
        cx,
        [audit.Entry(f"booking.{state.value}", booking.person_id, f"Appointment/{booking.id}")],
    )
    return changed
