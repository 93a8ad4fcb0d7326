"""An equal or better place for everyone whose clinic is stopped."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from uuid import UUID

from citycare.kit import clock
from citycare.scenarios.booking.model.core import Booking, Held, Pool
from citycare.scenarios.booking.model.stop import Option, Replacement, Standard, Terms, Why

TITLES = {"主任": 4, "副主任": 3, "主治": 2, "医师": 1, "住院": 1}
KINDS = {"general": 0, "expert": 1, "special": 1}
NOON, EVENING = time(12), time(17, 30)
VISIT_MAX = timedelta(minutes=60)


def title_rank(title: str) -> int:
    """Rank a doctor's title: 4 主任, 3 副主任, 2 主治, 1 住院医师 or 医师, 0 none or unknown.

    Source: 卫生技术人员职务试行条例 (1986); 中医 titles carry the same words.
    """
    if "副主任" in title:
        return TITLES["副主任"]
    return next((rank for part, rank in TITLES.items() if part in title), 0)


@lru_cache(maxsize=10_000)
def half_day(at: datetime) -> tuple[date, int]:
    """Tell the day in the city and its part: 0 to 12:00, 1 to 17:30, 2 after.

    Source: ours; the half-days outpatient clinics run by.
    """
    local = at.astimezone(clock.CITY)
    part = 0 if local.time() < NOON else 1 if local.time() < EVENING else 2
    return local.date(), part


def why(booking: Booking, standard: Standard, option: Option, terms: Terms) -> Why | None:
    """Tell why a window is an equal or better offer for a stopped booking, or None.

    Same doctor (of a general clinic: the same clinic) on the day booked or up to
    `terms.days_max` days later; or the same department of the same hospital on the same half-day
    with an equal or higher title, no general clinic for an expert's. Never a higher fee, never
    an earlier day, never sooner than `terms.notice` from now.

    Args:
        booking: the one that is stopped.
        standard: the clinic it was in; its fee in fen is the most that may be asked.
        option: an open window elsewhere.
        terms: policy `booking.replacement.*`.

    Source: ours.
    """
    other, starts_at = option.standard, option.slot.starts_at
    if other.organisation_id != standard.organisation_id or other.fee_fen > standard.fee_fen:
        return None
    if starts_at < terms.now + terms.notice:
        return None
    later = (half_day(starts_at)[0] - half_day(booking.starts_at)[0]).days
    same_doctor = standard.practitioner_id is not None and (
        other.practitioner_id == standard.practitioner_id
    )
    if (same_doctor or other.clinic_id == standard.clinic_id) and 0 <= later <= terms.days_max:
        return Why.SAME_DOCTOR
    equal = (
        other.department_code == standard.department_code
        and half_day(starts_at) == half_day(booking.starts_at)
        and title_rank(other.title) >= title_rank(standard.title)
        and KINDS[other.kind] >= KINDS[standard.kind]
    )
    return Why.SAME_HALF_DAY if equal else None


def _rank(booking: Booking, standard: Standard, option: Option, reason: Why) -> tuple[object, ...]:
    """Order the offers: for an expert's patient the doctor counts first, else the half-day."""
    wanted = Why.SAME_HALF_DAY if KINDS[standard.kind] == 0 else Why.SAME_DOCTOR
    day, part = half_day(option.slot.starts_at)
    booked_day, booked_part = half_day(booking.starts_at)
    return (
        reason is not wanted,
        day - booked_day,
        part != booked_part,
        abs(option.slot.starts_at - booking.starts_at),
        option.standard.fee_fen,
        -title_rank(option.standard.title),
        str(option.slot.id),
    )


def _clashes(option: Option, held: Iterable[Held], booking: Booking) -> bool:
    """Tell whether the person is elsewhere at that time (a visit is taken to last an hour)."""
    return any(
        one.id != booking.id
        and one.starts_at < option.slot.ends_at
        and option.slot.starts_at < one.starts_at + VISIT_MAX
        for one in held
    )


def _pool(booking: Booking, free: Mapping[Pool, Sequence[int]]) -> Pool | None:
    """Choose from which pool: one's own first, then the public one; others' are not touched."""
    return next((pool for pool in (booking.pool, Pool.PUBLIC) if free.get(pool)), None)


Ranked = Sequence[tuple[Why, Option]]


def rank(booking: Booking, standard: Standard, options: Sequence[Option], terms: Terms) -> Ranked:
    """List the equal or better windows for a booking, the best first.

    The list depends only on when the booking was, so one serves everyone of a window.

    Source: ours (see `_rank`).
    """
    fit = [(why(booking, standard, one, terms), one) for one in options]
    good = [(reason, one) for reason, one in fit if reason is not None]
    return sorted(good, key=lambda pair: _rank(booking, standard, pair[1], pair[0]))


def _first(booking: Booking, ranked: Ranked, held: Sequence[Held]) -> Replacement | None:
    for reason, option in ranked:
        pool = _pool(booking, option.free)
        if pool is not None and not _clashes(option, held, booking):
            return Replacement(booking, option, option.free[pool][0], pool, reason)
    return None


def replacement(
    booking: Booking,
    standard: Standard,
    options: Sequence[Option],
    terms: Terms,
    held: Sequence[Held] = (),
) -> Replacement | None:
    """Find the best equal or better place for one booking, or None.

    Source: ours.
    """
    return _first(booking, rank(booking, standard, options, terms), held)


def assign(
    bookings: Sequence[Booking],
    standard: Standard,
    options: Sequence[Option],
    terms: Terms,
    held: Mapping[UUID, Sequence[Held]],
) -> tuple[list[Replacement], list[Booking]]:
    """Give everyone of a stopped clinic a place, the earliest window first, then who booked first.

    No place is given twice, nobody is given two places at one time, and whoever gets none could
    not have had any that is left.

    Returns:
        The replacements, and those for whom none was found, in that order.

    Source: ours.
    """
    free = {
        one.slot.id: {pool: list(numbers) for pool, numbers in one.free.items()} for one in options
    }
    taken: dict[UUID, list[Held]] = defaultdict(list)
    found: list[Replacement] = []
    missed: list[Booking] = []
    stopped = {one.id for one in bookings}
    live = [Option(one.slot, one.standard, free[one.slot.id]) for one in options]
    ranked: dict[datetime, Ranked] = {}
    for booking in sorted(bookings, key=lambda one: (one.starts_at, one.created_at, one.id)):
        person, starts_at = booking.person_id, booking.starts_at
        if starts_at not in ranked:
            ranked[starts_at] = rank(booking, standard, live, terms)
        other = [one for one in held.get(person, ()) if one.id not in stopped] + taken[person]
        given = _first(booking, ranked[starts_at], other)
        if given is None:
            missed.append(booking)
            continue
        free[given.option.slot.id][given.pool].remove(given.number)
        slot = given.option.slot
        taken[person].append(Held(slot.id, person, slot.starts_at, slot.department_code))
        found.append(given)
    return found, missed


def answer_until(starts_at: datetime, terms: Terms) -> datetime:
    """Say until when a replacement may be answered; it never lapses, it just becomes settled.

    Source: policy data `booking.replacement.answer_hours`; not beyond the window's start.
    """
    return min(terms.now + terms.answer, starts_at)
