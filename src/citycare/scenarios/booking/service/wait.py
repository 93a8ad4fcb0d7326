"""The waiting list: who gets a place that comes back."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date, timedelta
from uuid import UUID

from citycare.kernel import audit, consent, events, identity
from citycare.kernel.context import Context
from citycare.kit import clock, ids
from citycare.scenarios.booking.model.core import (
    AlreadyWaiting,
    Booking,
    BookingUnknown,
    Claim,
    OfferGone,
    PeriodWrong,
    Pool,
    PoolClosed,
    Slot,
    Source,
    Wait,
)
from citycare.scenarios.booking.model.schedule import Clinic, ClinicUnknown
from citycare.scenarios.booking.rules import limits as limit_rules
from citycare.scenarios.booking.rules import places as place_rules
from citycare.scenarios.booking.rules.limits import Limits, Standing
from citycare.scenarios.booking.rules.places import Taken
from citycare.scenarios.booking.service.pools import people_of
from citycare.scenarios.booking.service.records import limits_in_force, new_booking, record
from citycare.scenarios.booking.store import bookings as booking_store
from citycare.scenarios.booking.store import clinics as clinic_store
from citycare.scenarios.booking.store import holds as hold_store
from citycare.scenarios.booking.store import places as place_store
from citycare.scenarios.booking.store import waits as wait_store

DICE = random.SystemRandom()
BATCH = 200


async def join(
    cx: Context,
    person_id: UUID,
    clinic_id: UUID,
    from_day: date,
    to_day: date,
    pool: Pool = Pool.PUBLIC,
) -> Wait:
    """Put a person on a clinic's waiting list for a span of days.

    Raises:
        Forbidden, NotFound: the actor may not act for this person.
        ClinicUnknown: no such clinic, or it takes nobody any more.
        AlreadyWaiting: the person stands there.
        PeriodWrong: days in the past, in wrong order, or beyond the horizon.
        PoolClosed: the places of this pool are kept for others.
    """
    clinic = await _clinic(cx, clinic_id)
    await consent.require(cx, "booking.wait", person_id, _house(clinic))
    if clinic is None or not clinic.active:
        raise ClinicUnknown(clinic=clinic_id)
    limits = await limits_in_force(cx)
    today = clock.day_of(cx.now)
    if not today <= from_day <= to_day <= today + timedelta(days=2 * limits.horizon_days):
        raise PeriodWrong(from_day=from_day, to_day=to_day)
    entry = Wait(
        ids.new(), person_id, clinic_id, from_day, to_day, pool, "waiting", cx.now,
        None, None, None, None,
    )  # fmt: skip
    people = await people_of(cx, [(pool, person_id)])
    if not place_rules.may_wait(entry, cx.actor, people, limits):
        raise PoolClosed(clinic=clinic_id, pool=pool)
    if not await wait_store.add(cx.db, entry, cx.channel, cx.actor.account_id):
        raise AlreadyWaiting(clinic=clinic_id)
    await audit.append(cx, [audit.Entry("booking.wait", person_id, f"wait/{entry.id}")])
    return entry


async def _clinic(cx: Context, clinic_id: UUID) -> Clinic | None:
    found = await clinic_store.get(cx.db, [clinic_id])
    return found[0] if found else None


def _house(clinic: Clinic | None) -> UUID | None:
    """Return whose clinic it is: the clerks of that house may act for whoever stands there."""
    return clinic.organisation_id if clinic else None


async def leave(cx: Context, wait_id: UUID) -> None:
    """Take a person off the list; with an open offer that is to say no, and it goes to the next."""
    entry = await _mine(cx, wait_id)
    if entry.state == "waiting":
        await _settle(cx, entry, "left")
    elif entry.state == "offered":
        await _settle(cx, entry, "declined")


async def accept(cx: Context, wait_id: UUID) -> Booking:
    """Turn an offer into a booking: the place was kept for this person.

    Raises:
        OfferGone: the deadline has passed or it was answered before.
        OnHold, AlreadyBooked, TooManyBookings: as for any booking.
    """
    entry = await _mine(cx, wait_id)
    if entry.state != "offered" or entry.offer_until is None or entry.offer_until <= cx.now:
        raise OfferGone(wait=wait_id)
    assert entry.offer_slot_id is not None
    assert entry.offer_number is not None
    slots = await place_store.lock_slots(cx.db, [entry.offer_slot_id])
    slot = slots[entry.offer_slot_id]
    claim = Claim(
        slot.id, entry.person_id, entry.pool, cx.actor, cx.channel, cx.request_id, Source.WAITLIST
    )
    since = cx.now - timedelta(days=1)
    known_as = await identity.list_aliases(cx.db, [entry.person_id])
    standing = Standing(
        *await booking_store.standing(cx.db, [entry.person_id], known_as, since, cx.now)
    )
    limits = await limits_in_force(cx)
    error = limit_rules.check_limits(claim, slot, standing, limits, cx.now)
    if error is not None:
        raise error
    if await place_store.take(cx.db, [(slot.id, entry.offer_number)], was=("offered",)) != 1:
        raise OfferGone(wait=wait_id)
    booking = new_booking(cx, claim, Taken(slot, entry.offer_number))
    await record(cx, [(booking, slot)], limits)
    await wait_store.settle(cx.db, entry.id, "accepted", booking.id)
    await audit.append(
        cx, [audit.Entry("booking.book", entry.person_id, f"Appointment/{booking.id}")]
    )
    return booking


async def expire_offers(cx: Context) -> int:
    """Pass on the offers nobody answered in time; return how many. For the tick job."""
    entries = await wait_store.expired(cx.db, cx.now, BATCH)
    # All windows at once, in the order of ids: one by one they could meet a batch of bookings.
    await place_store.lock_slots(cx.db, {one.offer_slot_id for one in entries if one.offer_slot_id})
    for entry in entries:
        await _settle(cx, entry, "expired")
    await hold_store.tell(
        cx.db,
        [(one.person_id, "offer_expired", {"clinic": one.clinic_id}) for one in entries],
        cx.now,
    )
    return len(entries)


async def _mine(cx: Context, wait_id: UUID) -> Wait:
    entry = await wait_store.find(cx.db, wait_id)
    if entry is None:
        raise BookingUnknown(wait=wait_id)
    clinic = await _clinic(cx, entry.clinic_id)
    await consent.require(cx, "booking.wait", entry.person_id, _house(clinic))
    await place_store.lock_persons(cx.db, [entry.person_id])
    locked = await wait_store.find(cx.db, wait_id, lock=True)
    assert locked is not None
    return locked


async def _settle(cx: Context, entry: Wait, state: str) -> None:
    await wait_store.settle(cx.db, entry.id, state)
    if entry.state == "offered" and entry.offer_slot_id and entry.offer_number:
        slots = await place_store.lock_slots(cx.db, [entry.offer_slot_id])
        slot = slots[entry.offer_slot_id]
        limits = await limits_in_force(cx)
        await give_back(cx, [(slot, entry.offer_number, entry.pool)], limits)


async def give_back(cx: Context, places: Sequence[tuple[Slot, int, Pool]], limits: Limits) -> None:
    """Let places go: to the next in the waiting list, else to open at a random time.

    The slots must be locked. An offer keeps the place for one person until its deadline; nobody
    who merely watches the page can be first.
    """
    returned = []
    for slot, number, pool in places:
        offered = await _offer(cx, slot, number, pool, limits)
        if not offered:
            opens = place_rules.return_at(cx.now, slot.starts_at, DICE.random(), limits)
            returned.append((slot.id, number, opens))
    if returned:
        await place_store.release(cx.db, returned)


async def _offer(cx: Context, slot: Slot, number: int, pool: Pool, limits: Limits) -> bool:
    if slot.starts_at <= cx.now or slot.state != "open":
        return False
    day = clock.day_of(slot.starts_at)
    entry = await wait_store.next_waiting(cx.db, slot.clinic_id, pool, day, slot.starts_at, cx.now)
    if entry is None:
        return False
    until = limit_rules.offer_until(cx.now, slot.starts_at, limits)
    await place_store.take(cx.db, [(slot.id, number)], state="offered", was=("taken", "offered"))
    await wait_store.offer(cx.db, entry.id, slot.id, number, until)
    facts = {"wait": str(entry.id), "slot": str(slot.id), "until": until.isoformat()}
    await hold_store.tell(cx.db, [(entry.person_id, "offer", facts)], cx.now)
    await events.emit(
        cx, [events.Event("booking.offered", {"wait": str(entry.id), "slot": str(slot.id)})]
    )
    return True
