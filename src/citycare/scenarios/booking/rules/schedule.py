"""From weekly templates to windows and numbered places; pool shares; release times; FHIR."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from chinese_calendar.constants import holidays, in_lieu_days, workdays

from citycare.kit import clock, ids
from citycare.scenarios.booking.model.core import Pool, SlotPast
from citycare.scenarios.booking.model.schedule import (
    Clinic,
    Closure,
    NewPlace,
    NewSlot,
    Release,
    Shares,
    SharesWrong,
    Template,
    TemplateClash,
    TemplateWrong,
    Window,
    WindowTooLong,
)

CAPACITY_MAX = 60
WINDOW_MIN_MIN = 5
HUNDRED = 100
CALENDAR_YEARS = frozenset(day.year for day in holidays)
HOLIDAY_WORDS = {
    "New Year's Day": "元旦",
    "Spring Festival": "春节",
    "Tomb-sweeping Day": "清明节",
    "Labour Day": "劳动节",
    "Dragon Boat Festival": "端午节",
    "National Day": "国庆节",
    "Mid-autumn Festival": "中秋节",
}
CAPACITY_URL = "https://citycare.example/fhir/StructureDefinition/slot-capacity"


def shares(capacity: int, percents: Mapping[Pool, int]) -> dict[Pool, int]:
    """Divide the places of a window among the pools by largest remainder.

    What no reserved pool asks for is public. The parts always sum to the capacity and each is
    within one place of its exact part; equal remainders go to the public pool first. With few
    places a small percentage may come to none: put such places into one window of the session.

    Args:
        capacity: places in the window, 1 to 60.
        percents: whole percent by reserved pool, 0 to 100 together; a public one is ignored.

    Raises:
        SharesWrong: a negative percentage, or more than 100 together.

    Source:
        S2 一(四), K16 (20 % for primary care); the method of Hamilton (1792) is our choice.
    """
    reserved = {pool: part for pool, part in percents.items() if pool is not Pool.PUBLIC}
    if any(part < 0 for part in reserved.values()) or sum(reserved.values()) > HUNDRED:
        raise SharesWrong(percents=sum(reserved.values()))
    exact = {Pool.PUBLIC: HUNDRED - sum(reserved.values())}
    exact |= {pool: reserved.get(pool, 0) for pool in Pool if pool is not Pool.PUBLIC}
    parts = {pool: capacity * percent // HUNDRED for pool, percent in exact.items()}
    left = capacity - sum(parts.values())
    order = sorted(exact, key=lambda pool: -(capacity * exact[pool] % HUNDRED))
    for pool in order[:left]:
        parts[pool] += 1
    return {pool: part for pool, part in parts.items() if part}


def check_shares(capacity: int, parts: Shares) -> None:
    """Refuse pools that do not sum to the capacity, or are negative.

    Source: ours; the database checks it again.
    """
    if any(part < 0 for part in parts.values()) or sum(parts.values()) != capacity:
        raise SharesWrong(capacity=capacity, sum=sum(parts.values()))


def _minutes(of: time) -> int:
    return of.hour * 60 + of.minute


def check_template(template: Template, window_min_max: int) -> None:
    """Refuse a template that breaks K01, does not tile, or does not add up.

    Args:
        template: to be checked; times are wall-clock times in the city.
        window_min_max: longest window in minutes (policy `booking.window.minutes_max`).

    Source: S1 scenario 1 indicator K01 (windows of at most one hour).
    """
    if template.window_min > window_min_max:
        raise WindowTooLong(minutes=template.window_min, max=window_min_max)
    session = _minutes(template.ends) - _minutes(template.starts)
    right = (
        template.window_min >= WINDOW_MIN_MIN
        and session > 0
        and session % template.window_min == 0
        and 1 <= template.capacity <= CAPACITY_MAX
        and 1 <= template.weekday <= 7  # noqa: PLR2004 - ISO weekdays
        and (template.valid_to is None or template.valid_to >= template.valid_from)
    )
    if not right:
        raise TemplateWrong(session_min=session, window_min=template.window_min)
    check_shares(template.capacity, template.shares)


def check_clashes(templates: Sequence[Template]) -> None:
    """Refuse templates of one clinic that overlap on a weekday while both are valid.

    Source: ours; one doctor is in one place.
    """
    seen: dict[tuple[Any, int], list[Template]] = {}
    for one in templates:
        for other in seen.setdefault((one.clinic_id, one.weekday), []):
            apart = (
                one.id == other.id
                or one.ends <= other.starts
                or other.ends <= one.starts
                or one.valid_from > (other.valid_to or date.max)
                or other.valid_from > (one.valid_to or date.max)
            )
            if not apart:
                raise TemplateClash(clinic=one.clinic_id, template=one.id, other=other.id)
        seen[(one.clinic_id, one.weekday)].append(one)


def windows_of(template: Template, day: date) -> list[Window]:
    """Cut the session of a day into windows that tile it: no gap, no overlap.

    The weekday is not looked at, because a make-up day runs another weekday's templates.
    Outside the template's validity there are none.

    Source: S1 scenario 1, S0 举措1 (分时段预约).
    """
    if day < template.valid_from or (template.valid_to is not None and day > template.valid_to):
        return []
    step = timedelta(minutes=template.window_min)
    start, end = clock.at(day, template.starts), clock.at(day, template.ends)
    count = int((end - start) / step)
    return [Window(start + k * step, start + (k + 1) * step) for k in range(count)]


@dataclass(frozen=True, slots=True)
class Day:
    """Which weekday's templates a day runs (None: none), and why if it is not its own."""

    weekday: int | None
    reason: str = ""


def _made_up(day: date) -> date | None:
    """Return the working day off for which a make-up workday stands: k-th for k-th."""
    name = workdays.get(day)
    if name is None:
        return None
    near = timedelta(days=30)
    ours = sorted(d for d, n in workdays.items() if n == name and abs(d - day) <= near)
    off = sorted(d for d, n in in_lieu_days.items() if n == name and abs(d - day) <= near)
    at = ours.index(day)
    return off[at] if at < len(off) else None


def plan_day(day: date, closures: Iterable[Closure]) -> Day:
    """Tell which weekday's templates a clinic runs on a day.

    Closures win over the calendar; 'closed' wins over 'open'. Public holidays have no clinics.
    A make-up workday (调休) runs the templates of the working day it stands for. Weekends are
    ordinary: who has no Saturday template has no Saturday clinic. Beyond the calendar's last
    year no day is a holiday (`calendar_unknown`).

    Source: 全国年节及纪念日放假办法; 国务院办公厅 yearly notices as collected by the library
    chinesecalendar. Which weekday a make-up day follows is left to employers: our choice.
    """
    mine = [one for one in closures if one.on_day == day]
    closed = next((one for one in mine if one.kind == "closed"), None)
    if closed is not None:
        return Day(None, closed.reason)
    opened = next((one for one in mine if one.kind == "open"), None)
    if opened is not None:
        return Day(day.isoweekday(), opened.reason)
    if day in holidays:
        return Day(None, HOLIDAY_WORDS.get(holidays[day], "节假日"))
    stands_for = _made_up(day)
    if stands_for is not None:
        return Day(stands_for.isoweekday(), f"调休上班，补{stands_for:%m月%d日}")
    return Day(day.isoweekday())


def calendar_unknown(from_day: date, to_day: date) -> tuple[int, ...]:
    """List the years of a period whose public holidays are not known yet.

    Source: the data of chinesecalendar; the State Council announces a year in the autumn before.
    """
    years = range(from_day.year, to_day.year + 1)
    return tuple(year for year in years if year not in CALENDAR_YEARS)


def release_from_policy(values: Mapping[str, Any]) -> Release:
    """Read the release rule from `policy.values(cx, "booking.")`.

    Source: policy data `booking.release.*`, `booking.give_back.*`, `booking.horizon_days`.
    """
    horizon = int(values["horizon_days"])
    extra = values["release.days_extra"]
    clocks = values["release.clock"]
    days = {pool: max(0, horizon + int(extra.get(pool.value, 0))) for pool in Pool}
    days[Pool.ONSITE] = 0
    return Release(
        days_ahead=days,
        clocks={pool: time.fromisoformat(clocks[pool.value]) for pool in Pool},
        give_back_hours=int(values["give_back.hours"]),
        onsite_min=int(values["give_back.onsite_minutes"]),
    )


def opens_at(pool: Pool, window: Window, release: Release) -> datetime:
    """Say when the places of a pool open: days before at a clock time, not after the start.

    Source: policy data `booking.release.*` (S2 一(一): on-site places on the day itself).
    """
    day = clock.day_of(window.starts_at) - timedelta(days=release.days_ahead[pool])
    return min(clock.at(day, release.clocks[pool]), window.starts_at)


def gives_back_at(pool: Pool, window: Window, release: Release) -> datetime | None:
    """Say when unused places of a reserved pool turn public; None for the public pool.

    Never before they open themselves, never after the window begins.

    Source: policy data `booking.give_back.*`; ours: what is left is given back before the visit.
    """
    if pool is Pool.PUBLIC:
        return None
    before = timedelta(hours=release.give_back_hours)
    if pool is Pool.ONSITE:
        before = timedelta(minutes=release.onsite_min)
    return max(window.starts_at - before, opens_at(pool, window, release))


def places_of(window: Window, parts: Shares, release: Release) -> tuple[NewPlace, ...]:
    """Number the places of a window from 1, pool after pool without gaps, public first.

    Source: ours; numbers in a row per pool are easy to call and to print.
    """
    places: list[NewPlace] = []
    for pool in Pool:
        count = parts.get(pool, 0)
        if not count:
            continue
        opens = opens_at(pool, window, release)
        back = gives_back_at(pool, window, release)
        first = len(places) + 1
        places.extend(NewPlace(first + n, pool, opens, back) for n in range(count))
    return tuple(places)


def new_slot(
    clinic: Clinic, window: Window, parts: Shares, release: Release, now: datetime
) -> NewSlot:
    """Build one window with its places; its id follows from clinic and start.

    Raises:
        SlotPast: it has begun.
        WindowTooLong: it lasts over 60 minutes (K01).

    Source: S1 scenario 1.
    """
    if window.starts_at <= now:
        raise SlotPast(starts_at=window.starts_at.isoformat())
    minutes = (window.ends_at - window.starts_at) / timedelta(minutes=1)
    if minutes > 60:  # noqa: PLR2004 - the database holds the same bound
        raise WindowTooLong(minutes=minutes, max=60)
    id_ = ids.derive("booking.slot", clinic.id, window.starts_at.isoformat())
    return NewSlot(id_, clinic, window, places_of(window, parts, release))


def slots_of(
    clinic: Clinic,
    templates: Sequence[Template],
    days: Mapping[date, Day],
    release: Release,
    now: datetime,
) -> Iterable[NewSlot]:
    """Yield the windows of a clinic on days planned with `plan_day`; those begun are left out.

    Source: S1 scenario 1, S0 举措1.
    """
    for day, plan in days.items():
        for template in templates:
            if template.weekday != plan.weekday:
                continue
            for window in windows_of(template, day):
                if window.starts_at > now:
                    yield new_slot(clinic, window, template.shares, release, now)


def schedule_as_fhir(clinic: Clinic) -> dict[str, Any]:
    """Write a clinic as a FHIR R4 Schedule; its id is the clinic's.

    Source: HL7 FHIR R4 4.0.1, Schedule.
    """
    actors = [{"reference": f"HealthcareService/{clinic.id}"}]
    if clinic.practitioner_id is not None:
        actors.insert(
            0,
            {
                "reference": f"Practitioner/{clinic.practitioner_id}",
                "display": clinic.practitioner_name,
            },
        )
    return {
        "resourceType": "Schedule",
        "id": str(clinic.id),
        "active": clinic.active,
        "specialty": [
            {"coding": [{"code": clinic.department_code}], "text": clinic.department_name}
        ],
        "actor": actors,
        "comment": " ".join(filter(None, [clinic.organisation_short, clinic.title, clinic.room])),
    }


def slot_as_fhir(
    slot_id: object,
    clinic: Clinic,
    window: Window,
    *,
    capacity: int,
    free: int,
    stopped: bool = False,
) -> dict[str, Any]:
    """Write a window as a FHIR R4 Slot; places in a window are an extension.

    Status: busy-unavailable when the clinic is stopped, busy when no place is free, else free.

    Source: HL7 FHIR R4 4.0.1, Slot; slot-capacity after SMART Scheduling Links 1.0 (ours by URL).
    """
    status = "busy-unavailable" if stopped else "free" if free > 0 else "busy"
    return {
        "resourceType": "Slot",
        "id": str(slot_id),
        "extension": [{"url": CAPACITY_URL, "valueInteger": capacity}],
        "schedule": {"reference": f"Schedule/{clinic.id}"},
        "status": status,
        "start": window.starts_at.isoformat(),
        "end": window.ends_at.isoformat(),
        "specialty": [
            {"coding": [{"code": clinic.department_code}], "text": clinic.department_name}
        ],
    }
