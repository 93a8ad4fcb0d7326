"""What of a value has an order, as spans of floats: dates, numbers, quantities, positions.

A span is low ≤ v ≤ high, with open ends at ±inf: of a date from its first instant to the first
outside, in seconds since 1970; of a number with the precision it implies (`5.4`: 5.35 to 5.45), so
that the middle is the number itself; of a whole number and of a Range as written.

Floats are the nearest to exact numbers, so a ≤ b of these is a ≤ b of the floats: a query that is
asked with ≤ and ≥ of `float` misses nothing, and rows at an edge are rechecked. A date to the
microsecond is exact until 2242. `comparator` < and <= are the same here: recheck.

Source: HL7 FHIR R4 4.0.1 §3.1.1.4.5 prefixes, .6 number, .7 date, .11 quantity, §2.24.0.7 Quantity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Context, Decimal
from functools import lru_cache
from math import inf
from typing import Any, NamedTuple

from citycare.kernel.fhir import dates
from citycare.kernel.fhir.path import quantity
from citycare.kernel.fhir.searching.keys import GAP, value_hash
from citycare.kernel.fhir.searching.model import Amount, Moment, Number
from citycare.kernel.fhir.searching.walking import Json

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WHOLE = frozenset(("integer", "positiveInt", "unsignedInt"))
EXACT = Context(prec=60, Emax=999_999, Emin=-999_999, traps=[])
ONE_FIGURE = 1
COMPARATORS = ("<", "<=", ">=", ">")
LAST_YEAR, YEAR_BEFORE = "9999", "9998"
YEAR_S = 365 * 86_400.0  # of both

RAW = 0
"""The unit of what has none: dates, numbers, and quantities by their number alone."""
LATITUDE, LONGITUDE = 1, 2
"""Units of the two rows of a position, in degrees."""


class Span(NamedTuple):
    """From where to where a value may be, in a unit."""

    unit: int
    low: float
    high: float


# Dates


def seconds(instant: datetime) -> float:
    """Return seconds since 1970; ±inf beyond what dates reach, which stands for an open end."""
    if instant >= dates.LATEST:
        return inf
    return -inf if instant <= dates.EARLIEST else (instant - EPOCH).total_seconds()


@lru_cache(maxsize=4_096)
def _written(text: str) -> tuple[float, float] | None:
    """Return the span of a date, dateTime or instant; None where it is none."""
    try:
        if text.startswith(LAST_YEAR):  # which has no next: what clients write for "open"
            low, _ = dates.span(YEAR_BEFORE + text[len(LAST_YEAR) :])
            return seconds(low) + YEAR_S, inf
        low, high = dates.span(text)
    except (ValueError, OverflowError):
        return None
    return seconds(low), seconds(high)


def _of_date(value: Any) -> Iterator[Span]:
    found = _written(value) if isinstance(value, str) else None
    if found is not None:
        yield Span(RAW, *found)


def _of_period(value: Json) -> Iterator[Span]:
    ends = {
        name: _written(text)
        for name in ("start", "end")
        if isinstance(text := value.get(name), str)
    }
    start, end = ends.get("start"), ends.get("end")
    if (start or end) and None not in ends.values():
        yield Span(RAW, start[0] if start else -inf, end[1] if end else inf)


def _of_timing(value: Json) -> Iterator[Span]:
    """Yield the outer limits: of all events, and of the bounds where they are a Period."""
    events = value.get("event")
    found = [
        span for each in (events if isinstance(events, list) else ()) for span in _of_date(each)
    ]
    repeat = value.get("repeat")
    bounds = repeat.get("boundsPeriod") if isinstance(repeat, dict) else None
    if isinstance(bounds, dict):
        found += _of_period(bounds)
    if found:
        yield Span(RAW, min(each.low for each in found), max(each.high for each in found))


# Numbers


def number_of(value: Any) -> Decimal | None:
    """Return a JSON number with the digits it is written with."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    found = Decimal(value) if isinstance(value, int) else quantity.decimal_of(value)
    return found if found.is_finite() else None


def half_step(number: Decimal) -> Decimal:
    """Return half of what the last digit is worth; of `1e2` as of `1.0e2`, as R4's table has it."""
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    return _half(exponent - 1 if exponent > 0 and len(digits) == ONE_FIGURE else exponent)


@lru_cache(maxsize=64)
def _half(exponent: int) -> Decimal:
    return Decimal((0, (5,), exponent - 1))


def _edges(number: Decimal) -> tuple[Decimal, Decimal]:
    half = half_step(number)
    return EXACT.subtract(number, half), EXACT.add(number, half)


def _of_decimal(value: Any) -> Iterator[Span]:
    number = number_of(value)
    if number is not None:
        low, high = _edges(number)
        yield Span(RAW, float(low), float(high))


def _of_whole(value: Any) -> Iterator[Span]:
    number = number_of(value)
    if number is not None:
        yield Span(RAW, float(number), float(number))


# Quantities


@lru_cache(maxsize=1_024)
def worth(code: str) -> quantity.Measure:
    """Return what a UCUM code is worth: its factor, above nought, to base units of these powers.

    A code that UCUM's tables here do not have, or whose zero is elsewhere (Cel), is a unit alone.
    """
    try:
        found = quantity.measure(code)
    except ArithmeticError:
        found = quantity.Measure(Decimal(0), ())
    if not found.factor or not found.factor.is_finite():  # nought is a factor or a denominator
        return quantity.Measure(Decimal(1), ((code, 1),))
    return found


@lru_cache(maxsize=1_024)
def canonical(code: str) -> tuple[int, Decimal]:
    """Return the number of a UCUM code's base units, and its factor to them; see `worth`."""
    found = worth(code)
    powers = GAP.join(f"{name}{GAP}{power}" for name, power in found.dimension)
    unit = value_hash("q", powers) >> 32  # a few hundred in all; 0 to 2 are taken
    return unit if unit not in (RAW, LATITUDE, LONGITUDE) else ~unit, found.factor


def _code_of(value: Json) -> str | None:
    code = value.get("code")
    return code if value.get("system") == quantity.UCUM and isinstance(code, str) else None


def _of_quantity(value: Json) -> Iterator[Span]:
    number, code = number_of(value.get("value")), _code_of(value)
    if number is None:
        return
    compared = value.get("comparator")
    if compared is not None and compared in COMPARATORS:
        yield _beyond(RAW, number, compared)
        if code is not None:
            unit, factor = canonical(code)
            yield _beyond(unit, EXACT.multiply(number, factor), compared)
        return
    low, high = _edges(number)
    yield Span(RAW, float(low), float(high))
    if code is not None:
        unit, factor = canonical(code)
        yield Span(unit, float(EXACT.multiply(low, factor)), float(EXACT.multiply(high, factor)))


def _beyond(unit: int, number: Decimal, compared: str) -> Span:
    exact = float(number)
    return Span(unit, -inf, exact) if compared[0] == "<" else Span(unit, exact, inf)


def _of_range(value: Json) -> Iterator[Span]:
    """Yield the numbers of the ends, exact; also in base units, where both have the same."""
    low, high = (end if isinstance(end, dict) else {} for end in map(value.get, ("low", "high")))
    ends = [
        (number, _code_of(end), other)
        for end, other in ((low, -inf), (high, inf))
        for number in (number_of(end.get("value")),)
    ]
    there = [(number, code) for number, code, _ in ends if number is not None]
    if not there:
        return
    units = {canonical(code)[0] if code else RAW for _, code in there}
    for unit in (RAW, *(units - {RAW} if len(units) == 1 else ())):
        yield Span(unit, *(_end(*end, unit=unit) for end in ends))


def _end(number: Decimal | None, code: str | None, other: float, *, unit: int) -> float:
    if number is None:
        return other
    return float(EXACT.multiply(number, canonical(code)[1]) if unit != RAW and code else number)


def _of_sampled(value: Json) -> Iterator[Span]:
    origin = value.get("origin")
    return _of_quantity(origin) if isinstance(origin, dict) else iter(())


# Positions


def _of_position(value: Json) -> Iterator[Span]:
    for unit, name in ((LATITUDE, "latitude"), (LONGITUDE, "longitude")):
        number = number_of(value.get(name))
        if number is not None:
            yield Span(unit, float(number), float(number))


# What is asked


def asked_moment(asked: Moment) -> Span:
    """Return the span of a date asked for, whose high end is the first instant outside.

    It begins somewhere, also where it is asked for the last day there is (`9999-12-31`).
    """
    low = min(seconds(asked.low), (asked.low - EPOCH).total_seconds())
    return Span(RAW, low, seconds(asked.high))


def asked_number(asked: Number) -> tuple[Span, float]:
    """Return the span of a number asked for, and the number itself."""
    return Span(RAW, float(asked.low), float(asked.high)), float(asked.value)


def asked_amount(asked: Amount) -> tuple[Span, float]:
    """Return the span of a quantity and its number, in base units where it is UCUM with a code.

    All other units are searched by the number alone: recheck. So is every comparison at an edge.
    """
    if asked.system != quantity.UCUM or asked.code is None:
        return asked_number(asked.number)
    unit, factor = canonical(asked.code)
    told = asked.number
    low, value, high = (
        float(EXACT.multiply(each, factor)) for each in (told.low, told.value, told.high)
    )
    return Span(unit, low, high), value


Spans = Callable[[Any], Iterable[Span]]
DATES: Mapping[str, Spans] = {
    **dict.fromkeys(("date", "dateTime", "instant"), _of_date),
    "Period": _of_period,
    "Timing": _of_timing,
}
NUMBERS: Mapping[str, Spans] = {
    "decimal": _of_decimal,
    **dict.fromkeys(WHOLE, _of_whole),
    "Range": lambda value: (span for span in _of_range(value) if span.unit == RAW),
}
QUANTITIES: Mapping[str, Spans] = {
    **dict.fromkeys(("Quantity", "Age", "Count", "Distance", "Duration"), _of_quantity),
    "Money": _of_quantity,  # its currency is no UCUM code: by its number alone
    "Range": _of_range,
    "SampledData": _of_sampled,
}
POSITIONS: Mapping[str, Spans] = {"Location.position": _of_position}
"""Spans of the values of each type, as parameters of these types compare them; never raise."""
