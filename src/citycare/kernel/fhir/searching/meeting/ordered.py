"""How one value that has an order meets one that was asked for: dates, numbers, quantities, places.

Dates are spans of floats as `measures` has them, so the index decides the same: exact to the
microsecond from 1698 to 2242, to the millisecond in all years R4 can write. Numbers are decimals,
exact to 400 digits.

Source: HL7 FHIR R4 4.0.1 §3.1.1.4.5 prefixes, .6 number, .7 date, .11 quantity; Location `near`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from math import asin, cos, radians, sin, sqrt
from typing import Any, NamedTuple

from citycare.kernel.fhir.path import quantity
from citycare.kernel.fhir.searching import measures
from citycare.kernel.fhir.searching.model import Amount, Moment, Near, Number, Prefix
from citycare.kernel.fhir.searching.walking import Json

EXACT = Context(prec=400, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])
"""Wide enough for 18 digits of R4, 100 of a query and the factors of units; it never raises."""
NOUGHT, OPEN = Decimal(0), Decimal("Infinity")
EARTH_M = 6_371_008.8
"""Mean radius of the Earth in metres (IUGG)."""
CURRENCIES = "urn:iso:std:iso:4217"


# Dates


SPANS: Mapping[Prefix, Callable[[float, float, float, float], bool]] = {
    Prefix.EQ: lambda low, high, first, end: first <= low and high <= end,
    Prefix.NE: lambda low, high, first, end: not (first <= low and high <= end),
    Prefix.GT: lambda _, high, __, end: high > end,
    Prefix.LT: lambda low, _, first, __: low < first,
    Prefix.GE: lambda _, high, first, __: high > first,
    Prefix.LE: lambda low, _, __, end: low < end,
    Prefix.SA: lambda low, _, __, end: low >= end,
    Prefix.EB: lambda _, high, first, __: high <= first,
    Prefix.AP: lambda low, high, first, end: low < end and high > first,
}
"""By prefix: whether low to high of a value meets first to end of what was asked for."""


def date_met(kind: str, value: Any, asked: Moment) -> bool:
    """Tell whether a date, dateTime, instant, Period or Timing is met; nothing else ever is."""
    spans = measures.DATES.get(kind)
    if spans is None:
        return False
    _, first, end = measures.asked_moment(asked)
    compare = SPANS[asked.prefix]
    return any(compare(low, high, first, end) for _, low, high in spans(value))


# Numbers


class Extent(NamedTuple):
    """From where to where a number may be; an end there is not is ±Infinity.

    Attributes:
        low, high: as written, without implied precision; the same for a single number.
        low_open, high_open: the end itself is not in it (`comparator` > and <).
        half: of what the last digit is worth: the implied precision; nought of whole numbers,
            ranges and what has a comparator.
    """

    low: Decimal
    high: Decimal
    low_open: bool = False
    high_open: bool = False
    half: Decimal = NOUGHT


def _contained(extent: Extent, asked: Number) -> bool:
    """Tell whether low ≤ n < high holds of every number of an extent, with its precision."""
    if EXACT.subtract(extent.low, extent.half) < asked.low:
        return False
    if extent.half or extent.high_open:  # its own upper end is not in it
        return EXACT.add(extent.high, extent.half) <= asked.high
    return extent.high < asked.high


def _overlaps(extent: Extent, asked: Number) -> bool:
    """Tell whether low ≤ n < high holds of any number of an extent, with its precision."""
    if EXACT.subtract(extent.low, extent.half) >= asked.high:
        return False
    if extent.half or extent.high_open:
        return EXACT.add(extent.high, extent.half) > asked.low
    return extent.high >= asked.low


def _not_below(extent: Extent, asked: Number) -> bool:
    return extent.high > asked.value or (extent.high == asked.value and not extent.high_open)


def _not_above(extent: Extent, asked: Number) -> bool:
    return extent.low < asked.value or (extent.low == asked.value and not extent.low_open)


EXTENTS: Mapping[Prefix, Callable[[Extent, Number], bool]] = {
    Prefix.EQ: _contained,
    Prefix.NE: lambda extent, asked: not _contained(extent, asked),
    Prefix.GT: lambda extent, asked: extent.high > asked.value,
    Prefix.LT: lambda extent, asked: extent.low < asked.value,
    Prefix.GE: _not_below,
    Prefix.LE: _not_above,
    Prefix.SA: lambda extent, asked: not _not_above(extent, asked),
    Prefix.EB: lambda extent, asked: not _not_below(extent, asked),
    Prefix.AP: _overlaps,
}


def number_met(kind: str, value: Any, asked: Number) -> bool:
    """Tell whether a decimal, a whole number, or a Range without its units is met."""
    if kind == "Range":
        extent = _range(value, Amount(asked, None, None))
    else:
        extent = _number(value, whole=kind in measures.WHOLE)
    return extent is not None and EXTENTS[asked.prefix](extent, asked)


def _number(value: Any, *, whole: bool = False) -> Extent | None:
    number = measures.number_of(value)
    if number is None:
        return None
    return Extent(number, number, half=NOUGHT if whole else measures.half_step(number))


# Quantities


def quantity_met(kind: str, value: Any, asked: Amount) -> bool:
    """Tell whether the number of a quantity is met, and its unit where one was asked for.

    Of a Range both ends are exact, and must be of the unit; of SampledData the origin counts; the
    currency of Money is its code.
    """
    if kind == "Range":
        extent = _range(value, asked)
    elif kind == "SampledData":
        extent = _quantity(value.get("origin"), asked)
    elif kind == "Money":
        told = {"system": CURRENCIES, "code": value.get("currency"), "value": value.get("value")}
        extent = _quantity(told, asked)
    else:
        extent = _quantity(value, asked)
    if extent is None:
        return False
    number = asked.number
    if _converts(asked):
        number = _times(number, measures.worth(asked.code or "").factor)
    return EXTENTS[number.prefix](extent, number)


def _converts(asked: Amount) -> bool:
    """Tell whether values are compared in base units."""
    return asked.system == quantity.UCUM and bool(asked.code)


def _times(asked: Number, factor: Decimal) -> Number:
    low, value, high = (
        EXACT.multiply(each, factor) for each in (asked.low, asked.value, asked.high)
    )
    return Number(asked.prefix, value, low, high)


def _quantity(value: Any, asked: Amount) -> Extent | None:
    """Return the extent of a Quantity in the unit of comparison, if it has that unit."""
    if not isinstance(value, dict):
        return None
    extent = _number(value.get("value"))
    factor = _factor(value, asked)
    if extent is None or factor is None:
        return None
    if factor != 1:
        number, half = (EXACT.multiply(each, factor) for each in (extent.low, extent.half))
        extent = Extent(number, number, half=half)
    match value.get("comparator"):
        case "<" | "<=" as compared:
            return Extent(-OPEN, extent.high, high_open=compared == "<")
        case ">" | ">=" as compared:
            return Extent(extent.low, OPEN, low_open=compared == ">")
    return extent


def _factor(value: Json, asked: Amount) -> Decimal | None:
    """Return by what to multiply a value to compare it; None: its unit is not the one asked for."""
    if not asked.system:
        known = not asked.code or asked.code in (value.get("code"), value.get("unit"))
        return Decimal(1) if known else None
    code = value.get("code")
    if value.get("system") != asked.system:
        return None
    if not _converts(asked):
        return Decimal(1) if not asked.code or code == asked.code else None
    if not isinstance(code, str):
        return None
    mine, other = measures.worth(code), measures.worth(asked.code or "")
    return mine.factor if mine.dimension == other.dimension else None


def _range(value: Json, asked: Amount) -> Extent | None:
    """Return the extent of a Range in the unit of comparison, if both its ends have that unit."""
    ends = [-OPEN, OPEN]
    for at, name in enumerate(("low", "high")):
        end = value.get(name)
        if not isinstance(end, dict) or (number := measures.number_of(end.get("value"))) is None:
            continue
        factor = _factor(end, asked)
        if factor is None:
            return None
        ends[at] = EXACT.multiply(number, factor)
    low, high = ends
    return Extent(low, high) if (low, high) != (-OPEN, OPEN) else None


# Places


def near_met(value: Json, asked: Near) -> bool:
    """Tell whether a position is within the distance asked for."""
    south, west = (measures.number_of(value.get(name)) for name in ("latitude", "longitude"))
    if south is None or west is None:
        return False
    return metres(float(south), float(west), asked.latitude, asked.longitude) <= asked.metres


def metres(south: float, west: float, north: float, east: float) -> float:
    """Return the length of the great circle between two points in degrees, on a sphere."""
    across = sin(radians(north - south) / 2) ** 2
    across += cos(radians(south)) * cos(radians(north)) * sin(radians(east - west) / 2) ** 2
    return 2 * EARTH_M * asin(sqrt(min(1.0, across)))
