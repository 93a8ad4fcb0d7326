"""Date, DateTime and Time of FHIRPath: as precise as written, compared only as far as known.

Zones: two values with offsets are compared as instants. Where only one has an offset the other's
may be anything from -12:00 to +14:00, and the answer is empty if that could change it. A value
without a time of day is compared with the date as the other one writes it.
Source: HL7 FHIRPath N1 §4.1.6-8 literals, §6.1.1 and §6.2 comparison, §6.6.7 date arithmetic.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Final

DATE = "Date"
DATE_TIME = "DateTime"
TIME = "Time"

YEAR, MONTH, DAY, HOUR, MINUTE, SECOND = range(1, 7)
FIELDS: Final = ("year", "month", "day", "hour", "minute", "second")

CLOCK = r"(\d\d)(?::(\d\d)(?::(\d\d(?:\.\d{1,9})?))?)?"
DAYS = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", re.ASCII)
MOMENT = re.compile(rf"(\d{{4}})(?:-(\d\d)(?:-(\d\d))?)?T(?:{CLOCK}(Z|[+-]\d\d:\d\d)?)?", re.ASCII)
OF_DAY = re.compile(rf"T?{CLOCK}", re.ASCII)

EASTERNMOST = timedelta(hours=14)
WESTERNMOST = timedelta(hours=-12)
EPOCH = datetime(1, 1, 1)  # noqa: DTZ001 - a point to count from, in no zone

SECONDS: Final = {
    "week": Decimal(604_800),
    "day": Decimal(86_400),
    "hour": Decimal(3_600),
    "minute": Decimal(60),
    "second": Decimal(1),
    "millisecond": Decimal("0.001"),
}
MONTHS: Final = {"year": 12, "month": 1}
DAYS_OF_YEAR = 365
DAYS_OF_MONTH = 30  # of a date that has no days: N1 §6.6.7 by the calendar durations of §4.1.9.1
MONTHS_OF_YEAR = 12
NEEDED: Final = {"week": DAY, "day": DAY, "hour": HOUR, "minute": MINUTE}


@dataclass(frozen=True, slots=True)
class Temporal:
    """A date, date and time, or time of day.

    Attributes:
        kind: DATE, DATE_TIME or TIME.
        fields: year, month, day, hour, minute, second as far as known; of a TIME the last three.
            Seconds are Decimal, with their milliseconds, which are one precision (N1 §6.2).
        offset: minutes east of UTC, or None.
    """

    kind: str
    fields: tuple[int | Decimal, ...]
    offset: int | None = None

    @property
    def precision(self) -> int:
        """How far it is known: YEAR to SECOND."""
        return len(self.fields) + (3 if self.kind == TIME else 0)

    def __str__(self) -> str:
        """Write it as FHIR does."""
        parts = [f"{self.fields[0]:04d}" if self.kind != TIME else _two(self.fields[0])]
        parts += [_two(part) for part in self.fields[1:]]
        if self.kind == TIME:
            return ":".join(parts)
        text = "-".join(parts[:DAY])
        if self.kind == DATE_TIME and len(parts) > DAY:
            text += "T" + ":".join(parts[DAY:]) + _zone(self.offset)
        return text


def _two(part: int | Decimal) -> str:
    if isinstance(part, Decimal):
        whole, point, rest = f"{part:f}".partition(".")
        return f"{int(whole):02d}{point}{rest}"
    return f"{part:02d}"


def _zone(offset: int | None) -> str:
    if offset is None:
        return ""
    if offset == 0:
        return "Z"
    hours, minutes = divmod(abs(offset), 60)
    return f"{'-' if offset < 0 else '+'}{hours:02d}:{minutes:02d}"


@lru_cache(maxsize=4_096)
def read(text: str, kind: str) -> Temporal | None:
    """Read what FHIR or FHIRPath writes (without its `@`); None where it is no such value.

    A DATE_TIME may be written without its `T`, as FHIR does where the time is not known.
    """
    if kind == TIME:
        found = OF_DAY.fullmatch(text)
        return _made(kind, found.groups(), None) if found else None
    if kind == DATE or "T" not in text:
        found = DAYS.fullmatch(text)
        return _made(kind, found.groups(), None) if found else None
    found = MOMENT.fullmatch(text)
    return _made(kind, found.groups()[:-1], found[7]) if found else None


def _made(kind: str, groups: tuple[str | None, ...], zone: str | None) -> Temporal | None:
    known = [group for group in groups if group is not None]
    if None in groups[: len(known)]:
        return None
    fields: list[int | Decimal] = [int(group) for group in known if "." not in group]
    if len(known) == len(groups) and (kind == TIME or len(groups) == SECOND):
        fields[len(known) - 1 :] = [Decimal(known[-1])]
    return _checked(Temporal(kind, tuple(fields), _minutes(zone)))


def _minutes(zone: str | None) -> int | None:
    if zone is None:
        return None
    if zone == "Z":
        return 0
    minutes = int(zone[1:3]) * 60 + int(zone[4:6])
    return -minutes if zone[0] == "-" else minutes


def _checked(value: Temporal) -> Temporal | None:
    day, clock = _split(value)
    try:
        datetime(*(int(part) for part in (*day, *(1, 1, 1)[len(day) :])))  # type: ignore[arg-type] # noqa: DTZ001
    except (ValueError, OverflowError):
        return None
    limits = (24, 60, 60)
    if any(part >= limit for part, limit in zip(clock, limits, strict=False)):
        return None
    return value if value.offset is None or abs(value.offset) <= 14 * 60 else None


def _split(value: Temporal) -> tuple[tuple[int | Decimal, ...], tuple[int | Decimal, ...]]:
    return ((), value.fields) if value.kind == TIME else (value.fields[:DAY], value.fields[DAY:])


def of_instant(instant: datetime) -> Temporal:
    """Return an aware instant as a DateTime in its zone, to the millisecond."""
    fields = (instant.year, instant.month, instant.day, instant.hour, instant.minute)
    seconds = Decimal(instant.second) + Decimal(instant.microsecond // 1_000).scaleb(-3)
    offset = instant.utcoffset()
    assert offset is not None
    return Temporal(DATE_TIME, (*fields, seconds), int(offset.total_seconds()) // 60)


def day_of(value: Temporal) -> Temporal:
    """Return the date of a DateTime."""
    return Temporal(DATE, value.fields[:DAY])


def time_of(value: Temporal) -> Temporal:
    """Return the time of day of a DateTime."""
    return Temporal(TIME, value.fields[DAY:])


def compare(left: Temporal, right: Temporal) -> int | None:
    """Return -1, 0 or 1; None where what is known does not tell.

    Raises:
        TypeError: a time of day with a date.
    """
    if (left.kind == TIME) != (right.kind == TIME):
        raise TypeError("a time of day has no order with a date")
    if left.offset != right.offset and min(left.precision, right.precision) >= HOUR:
        return _across_zones(left, right)
    return _as_written(left.fields, right.fields)


def _as_written(left: tuple[int | Decimal, ...], right: tuple[int | Decimal, ...]) -> int | None:
    for mine, other in zip(left, right, strict=False):
        if mine != other:
            return -1 if mine < other else 1
    return 0 if len(left) == len(right) else None


def _across_zones(left: Temporal, right: Temporal) -> int | None:
    if left.offset is not None and right.offset is not None:
        return _as_written(_at_utc(left), _at_utc(right))
    mine, other = _wall(left), _wall(right)
    if left.offset is None:
        earliest, latest = mine - EASTERNMOST, mine - WESTERNMOST
        other -= timedelta(minutes=right.offset or 0)
        return -1 if latest < other else 1 if earliest > other else None
    found = _across_zones(right, left)
    return None if found is None else -found


def _wall(value: Temporal) -> timedelta:
    """Return what the clock on the wall shows, as the time since the year 1, whole minutes."""
    year, month, day, hour, minute = (*(int(part) for part in value.fields[:MINUTE]), 0)[:MINUTE]
    return datetime(year, month, day, hour, minute) - EPOCH  # noqa: DTZ001 - in the value's zone


def _at_utc(value: Temporal) -> tuple[int | Decimal, ...]:
    """Return minutes since the year 1 and, if known, seconds, so that an hour stays an hour."""
    minutes = int(_wall(value).total_seconds()) // 60 - (value.offset or 0)
    return (minutes, *value.fields[MINUTE:]) if value.precision >= MINUTE else (minutes // 60,)


def canonical(value: Temporal) -> tuple[object, ...]:
    """Return a key that is the same for equal values."""
    if value.offset is not None and value.precision >= HOUR:
        return ("at", value.precision, *_at_utc(value))
    return (value.kind == TIME, *value.fields)


def add(value: Temporal, amount: Decimal, unit: str) -> Temporal | None:
    """Add a calendar duration (`unit` is a key of SECONDS or MONTHS), which may be negative.

    Fractions count for seconds only. A value less precise than the unit gets the whole part of
    the amount in its own precision. The last day of a month is where a longer month's day goes.

    Returns:
        The value of the same precision; None past the years 1 to 9999.

    Raises:
        TypeError: years, months, weeks or days to a time of day.
    """
    if unit not in ("second", "millisecond"):
        amount = Decimal(int(amount))
    if unit in MONTHS:
        if value.kind == TIME:
            raise TypeError(unit)
        return _add_months(value, int(amount) * MONTHS[unit])
    if value.kind == TIME:
        if unit in ("week", "day"):
            raise TypeError(unit)
        return _add_of_day(value, amount * SECONDS[unit])
    if value.precision < NEEDED.get(unit, SECOND):
        return _add_coarse(value, amount * SECONDS[unit])
    return _add_seconds(value, amount * SECONDS[unit])


def _add_months(value: Temporal, months: int) -> Temporal | None:
    fields = list(value.fields)
    if len(fields) < MONTH:
        fields[0] = int(fields[0]) + _whole(months, MONTHS_OF_YEAR)
        return _checked(Temporal(value.kind, tuple(fields), value.offset))
    counted = int(fields[0]) * MONTHS_OF_YEAR + int(fields[1]) - 1 + months
    year, month = counted // MONTHS_OF_YEAR, counted % MONTHS_OF_YEAR + 1
    if not 1 <= year <= 9999:  # noqa: PLR2004 - the years that can be written
        return None
    fields[:MONTH] = [year, month]
    if len(fields) >= DAY:
        last = calendar.monthrange(year, month)[1]
        fields[2] = min(int(fields[2]), last)
    return Temporal(value.kind, tuple(fields), value.offset)


def _whole(amount: int, of: int) -> int:
    """Divide and cut what is over, towards zero."""
    return amount // of if amount >= 0 else -(-amount // of)


def _add_coarse(value: Temporal, seconds: Decimal) -> Temporal | None:
    """Add to a value that is less precise than the unit: in its own precision, whole parts."""
    if value.precision in (HOUR, MINUTE):
        step = SECONDS[FIELDS[value.precision - 1]]
        return _add_seconds(value, Decimal(int(seconds / step) * step))
    days = int(seconds / SECONDS["day"])
    if value.precision == DAY:
        return _add_seconds(value, Decimal(days * SECONDS["day"]))
    if value.precision == MONTH:
        return _add_months(value, _whole(days, DAYS_OF_MONTH))
    return _add_months(value, _whole(days, DAYS_OF_YEAR) * MONTHS_OF_YEAR)


def _add_seconds(value: Temporal, seconds: Decimal) -> Temporal | None:
    fields = value.fields
    second = Decimal(fields[SECOND - 1]) if value.precision == SECOND else Decimal(0)
    minutes, left = divmod(second + seconds, 60)
    if left < 0:
        minutes, left = minutes - 1, left + 60
    clock = [int(part) for part in fields[:MINUTE]]
    clock += [0] * (MINUTE - len(clock))
    try:
        moved = datetime(*clock[:MINUTE]) + timedelta(minutes=int(minutes))  # type: ignore[arg-type] # noqa: DTZ001
    except OverflowError:
        return None
    parts = (moved.year, moved.month, moved.day, moved.hour, moved.minute, left)
    return Temporal(value.kind, parts[: len(fields)], value.offset)


def _add_of_day(value: Temporal, seconds: Decimal) -> Temporal:
    """Add to a time of day, round the clock."""
    parts = [Decimal(part) for part in value.fields]
    parts += [Decimal(0)] * (3 - len(parts))
    step = (3_600, 60, 1)[len(value.fields) - 1]
    if step > 1:
        seconds = Decimal(int(seconds / step) * step)
    total = (parts[0] * 3_600 + parts[1] * 60 + parts[2] + seconds) % 86_400
    if total < 0:
        total += 86_400
    clock = (int(total // 3_600), int(total % 3_600 // 60), total % 60)
    return Temporal(TIME, clock[: len(value.fields)])
