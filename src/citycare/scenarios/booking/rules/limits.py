"""How many bookings a person may hold, and the pause after no-shows. All numbers are policy."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any
from uuid import UUID

from citycare.kernel.context import Channel
from citycare.kit import clock
from citycare.kit.errors import AppError
from citycare.scenarios.booking.model.core import (
    AlreadyBooked,
    Claim,
    Held,
    KnownAs,
    OnHold,
    Slot,
    TooLate,
    TooManyBookings,
)

STAFFED = frozenset({Channel.WINDOW, Channel.HOSPITAL, Channel.VOLUNTEER, Channel.TELEPHONE})
DAYS_A_MONTH = 30.44
NOBODY: KnownAs = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Limits:
    """The policy values in force, read once a batch."""

    per_day: int
    per_department_day: int
    per_period: int
    cancel_before_min: int
    return_min_minutes: int
    return_max_minutes: int
    offer_minutes: int
    no_show_count: int
    no_show_months: int
    hold_days: int
    elder_age: int
    horizon_days: int
    care_before_days: int
    care_after_days: int

    @classmethod
    def from_policy(cls, values: Mapping[str, Any]) -> Limits:
        """Read them from `policy.values(cx, "")`."""
        return cls(
            per_day=int(values["booking.limit.per_day"]),
            per_department_day=int(values["booking.limit.per_department_day"]),
            per_period=int(values["booking.limit.per_period"]),
            cancel_before_min=int(values["booking.cancel.before_min"]),
            return_min_minutes=int(values["booking.return.min_minutes"]),
            return_max_minutes=int(values["booking.return.max_minutes"]),
            offer_minutes=int(values["booking.offer.minutes"]),
            no_show_count=int(values["booking.no_show.count"]),
            no_show_months=int(values["booking.no_show.months"]),
            hold_days=int(values["booking.no_show.hold_days"]),
            elder_age=int(values["booking.elder.age"]),
            horizon_days=int(values["booking.horizon_days"]),
            care_before_days=int(values["consent.care.before_days"]),
            care_after_days=int(values["consent.care.after_days"]),
        )


class Standing:
    """What the persons of a batch hold already, and who is paused."""

    def __init__(
        self,
        held: Iterable[Held],
        on_hold: Iterable[UUID],
        known_as: KnownAs = NOBODY,
    ) -> None:
        """`known_as`: the other ids of those persons who were merged."""
        self._known_as = known_as
        self._held: dict[UUID, list[Held]] = defaultdict(list)
        for one in held:
            self._held[one.person_id].append(one)
        self._on_hold = frozenset(on_hold)

    def of(self, person_id: UUID) -> Sequence[Held]:
        """Return what a person holds."""
        return self._held.get(person_id, ())

    def is_on_hold(self, person_id: UUID) -> bool:
        """Tell whether booking online is paused for a person."""
        return person_id in self._on_hold

    def add(self, claim: Claim, slot: Slot) -> None:
        """Count a claim that was just granted; the booking it replaces no longer counts."""
        for person_id in (claim.person_id, *self._known_as.get(claim.person_id, ())):
            kept = [one for one in self.of(person_id) if one.id != claim.follows]
            kept.append(Held(slot.id, person_id, slot.starts_at, slot.department_code))
            self._held[person_id] = kept


def check_limits(
    claim: Claim, slot: Slot, standing: Standing, limits: Limits, now: datetime
) -> AppError | None:
    """Return why a person may not hold one more booking, or None.

    A hold stops only the channels where nobody looks: staff at a window or on the telephone may
    always book, so that nobody is shut out of care. A booking that is replaced does not count.

    Source: policy data `booking.limit.*`, `booking.no_show.*`; manual service must stay:
    无障碍环境建设法 art 39.
    """
    if standing.is_on_hold(claim.person_id) and claim.channel not in STAFFED:
        return OnHold(person=claim.person_id)
    others = [one for one in standing.of(claim.person_id) if one.id != claim.follows]
    if any(one.starts_at == slot.starts_at for one in others):
        return AlreadyBooked(person=claim.person_id)
    day = clock.day_of(slot.starts_at)
    same_day = [one for one in others if clock.day_of(one.starts_at) == day]
    same_department = [one for one in same_day if one.department_code == slot.department_code]
    if len(same_department) >= limits.per_department_day:
        return TooManyBookings(limit=limits.per_department_day, of="department_day")
    if len(same_day) >= limits.per_day:
        return TooManyBookings(limit=limits.per_day, of="day")
    if sum(one.starts_at > now for one in others) >= limits.per_period:
        return TooManyBookings(limit=limits.per_period, of="period")
    return None


def check_in_time(starts_at: datetime, now: datetime, limits: Limits, channel: Channel) -> None:
    """Raise TooLate when a booking may no longer be cancelled or moved by the person.

    Source: policy data `booking.cancel.before_min`. Staff may until the window begins.
    """
    margin = timedelta(0) if channel in STAFFED else timedelta(minutes=limits.cancel_before_min)
    if now > starts_at - margin:
        raise TooLate(minutes=limits.cancel_before_min)


def hold_until(no_shows: Sequence[datetime], now: datetime, limits: Limits) -> datetime | None:
    """Return until when a person with these missed visits is paused, or None.

    Counts those of the last `no_show_months` months (30.44 days each).

    Source: policy data `booking.no_show.*` (3 misses in 12 months: common, UNVERIFIED).
    """
    since = now - timedelta(days=limits.no_show_months * DAYS_A_MONTH)
    recent = [missed for missed in no_shows if missed >= since]
    if len(recent) < limits.no_show_count:
        return None
    return now + timedelta(days=limits.hold_days)


def offer_until(now: datetime, starts_at: datetime, limits: Limits) -> datetime:
    """Return the deadline of an offer from the waiting list.

    The policy's minutes, but never beyond half the time that is left before the window.

    Source: policy data `booking.offer.minutes`; the half is ours.
    """
    return now + min(timedelta(minutes=limits.offer_minutes), (starts_at - now) / 2)
