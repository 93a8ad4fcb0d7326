"""Who gets which place: the states of a booking, the pools, and the assignment of a batch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from uuid import UUID

from citycare.kernel.context import Actor, Channel, Role
from citycare.kit import clock
from citycare.kit.errors import AppError
from citycare.scenarios.booking.model.core import (
    ASKED_FOR,
    Claim,
    DrawOnly,
    NotYetOpen,
    Place,
    Pool,
    PoolClosed,
    Slot,
    SlotPast,
    SlotStopped,
    SlotUnavailable,
    SlotUnknown,
    State,
    Wait,
)
from citycare.scenarios.booking.rules.limits import Limits, Standing, check_limits

NEXT: dict[State, frozenset[State]] = {
    State.BOOKED: frozenset(
        {State.ARRIVED, State.CANCELLED, State.MOVED, State.NO_SHOW, State.STOPPED}
    ),
    State.ARRIVED: frozenset({State.FULFILLED, State.STOPPED, State.BOOKED}),
    State.NO_SHOW: frozenset({State.ARRIVED, State.BOOKED}),  # came late; or noted too early
    State.FULFILLED: frozenset({State.ARRIVED}),  # noted for the wrong person: taken back
    State.CANCELLED: frozenset(),
    State.MOVED: frozenset(),
    State.STOPPED: frozenset(),
}

BACK = frozenset(
    {
        (State.ARRIVED, State.BOOKED),
        (State.NO_SHOW, State.BOOKED),
        (State.FULFILLED, State.ARRIVED),
    }
)
ON_SITE = frozenset({Channel.WINDOW, Channel.KIOSK, Channel.VOLUNTEER})


def may_become(old: State, new: State) -> bool:
    """Tell whether a booking may go from one state to another.

    Source: ours; the FHIR R4 AppointmentStatus flow (booked → arrived → fulfilled, noshow,
    cancelled) with 'moved' and 'stopped' as kinds of cancelled; the way back is ours.
    """
    return new in NEXT[old]


def takes_back(old: State, new: State) -> bool:
    """Tell whether a step undoes the one before: not here after all, not missing, not yet seen.

    Who was here (arrived, seen) is noted and taken back on the day of the window only; later the
    list of that day is closed, and what was counted from it stands.

    Source: ours.
    """
    return (old, new) in BACK


@dataclass(frozen=True, slots=True)
class People:
    """What the pools need to know of the persons of a batch."""

    born_on: Mapping[UUID, date] = field(default_factory=dict)
    seen: frozenset[tuple[UUID, UUID]] = frozenset()  # (person, clinic) fulfilled before


def is_elder(born_on: date, on_day: date, elder_age: int) -> bool:
    """Tell whether somebody has reached `elder_age` completed years on a day.

    Source: 老年人权益保障法 art 2 (60 years); the age itself is policy data.
    """
    years = on_day.year - born_on.year - ((on_day.month, on_day.day) < (born_on.month, born_on.day))
    return years >= elder_age


def may_use_pool(claim: Claim, slot: Slot, people: People, limits: Limits, now: datetime) -> bool:
    """Tell whether this claim may draw on its pool.

    referral: a community GP acts (20 % reserved for primary care, S2 一(四)); on-site: at a
    window, kiosk or with a volunteer, on the day of the clinic (S2 一(一)); elder: the person is
    old enough; follow-up: the person was seen in this clinic before.

    Source: S2 一(一), 一(四); the follow-up pool is ours.
    """
    if claim.pool is Pool.PUBLIC:
        return True
    if claim.pool is Pool.ONSITE:
        return claim.channel in ON_SITE and clock.day_of(slot.starts_at) == clock.day_of(now)
    whose = (claim.person_id, slot.clinic_id)
    return _is_kept_for(
        whose, claim.pool, claim.actor, clock.day_of(slot.starts_at), people, limits
    )


def may_wait(entry: Wait, actor: Actor, people: People, limits: Limits) -> bool:
    """Tell whether somebody may wait for places of a pool, from the first day they would come.

    As `may_use_pool`; on-site places are given to who stands there, so nobody waits for them.

    Source: S2 一(一), 一(四); the follow-up pool is ours.
    """
    if entry.pool is Pool.ONSITE:
        return False
    whose = (entry.person_id, entry.clinic_id)
    return _is_kept_for(whose, entry.pool, actor, entry.from_day, people, limits)


def _is_kept_for(
    whose: tuple[UUID, UUID], pool: Pool, actor: Actor, day: date, people: People, limits: Limits
) -> bool:
    """Tell whether a pool is for this (person, clinic) on a day, when this actor asks."""
    person_id = whose[0]
    match pool:
        case Pool.PUBLIC:
            return True
        case Pool.REFERRAL:
            return actor.has(Role.COMMUNITY_GP) and person_id != actor.person_id
        case Pool.ELDER:
            born_on = people.born_on.get(person_id)
            return born_on is not None and is_elder(born_on, day, limits.elder_age)
        case _:
            return whose in people.seen


@dataclass(frozen=True, slots=True)
class Taken:
    """The outcome of a claim that succeeds."""

    slot: Slot
    number: int


class Desk:
    """The free places and the standing of people, as a batch of claims eats them up.

    The places must be read under a lock on their slots, the standing under a lock on the persons.
    """

    def __init__(
        self,
        slots: Mapping[UUID, Slot],
        places: Sequence[Place],
        standing: Standing,
        people: People,
        limits: Limits,
        now: datetime,
    ) -> None:
        self._slots = slots
        self._standing = standing
        self._people = people
        self._limits = limits
        self._now = now
        self._open: dict[tuple[UUID, Pool], list[int]] = defaultdict(list)
        self._unopened: set[tuple[UUID, Pool]] = set()
        for place in sorted(places, key=lambda p: p.number, reverse=True):
            key = (place.slot_id, place.pool)
            if place.opens_at <= now:
                self._open[key].append(place.number)
            else:
                self._unopened.add(key)

    def decide(self, claim: Claim) -> Taken | AppError:
        """Give the lowest free number to a claim, or say why not. First come, first served.

        Source: S1 scenario 1 (numbered places in windows); order within a batch is arrival.
        """
        slot = self._slots.get(claim.slot_id)
        if slot is None:
            return SlotUnknown(slot=claim.slot_id)
        refusal = self._refusal(claim, slot)
        if refusal is not None:
            return refusal
        key = (slot.id, claim.pool)
        numbers = self._open.get(key)
        if not numbers:
            return (NotYetOpen if key in self._unopened else SlotUnavailable)(slot=slot.id)
        error = check_limits(claim, slot, self._standing, self._limits, self._now)
        if error is not None:
            return error
        self._standing.add(claim, slot)
        return Taken(slot, numbers.pop())

    def _refusal(self, claim: Claim, slot: Slot) -> AppError | None:
        if slot.starts_at <= self._now:
            return SlotPast(slot=slot.id)
        if slot.state == "stopped":
            return SlotStopped(slot=slot.id)
        drawn = slot.release == "draw" and claim.pool is Pool.PUBLIC
        if drawn and claim.source in ASKED_FOR:
            return DrawOnly(slot=slot.id)
        if not may_use_pool(claim, slot, self._people, self._limits, self._now):
            return PoolClosed(slot=slot.id, pool=claim.pool)
        return None


def return_at(now: datetime, starts_at: datetime, chance: float, limits: Limits) -> datetime:
    """Say when a cancelled place opens again: at a random moment, so that watching is no use.

    `chance` is uniform in [0, 1). Never later than half the time left before the window, so a
    late cancellation is still of use to somebody.

    Source: ours, as hospitals do against scalpers (West China Hospital, reported 2016).
    """
    low = timedelta(minutes=limits.return_min_minutes)
    high = timedelta(minutes=limits.return_max_minutes)
    wanted = low + (high - low) * chance
    return now + min(wanted, max(timedelta(0), (starts_at - now) / 2))
