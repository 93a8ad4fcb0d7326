"""How one value of a resource meets one value of a search: dates, numbers, quantities, places.

Every ordered value is an interval; what an interval of the resource has to do with that of the
search is said once for dates (`meets_date`) and once for numbers (`meets_number`).

Where R4 leaves room, this model takes, on purpose:
    `ge` and `le` count a value that overlaps the span of the search at all, `gt` and `lt` one that
    reaches beyond it: "the range above" begins, for `ge`, where the search value begins ("includes
    any time after …:45.000", §3.1.1.4.5), and for `gt` where it ends.
    With gt, lt, ge, le, sa and eb a number has no implied precision on either side ("treated as if
    they have arbitrarily high precision"); with eq and ne both sides have it; with ap the search
    gives its span and the resource's value its precision.
    A negation by prefix (`ne`) is of a value; by modifier (`:not`) of a resource.

Source: HL7 FHIR R4 4.0.1 §3.1.1.4.5 prefixes, .6 number, .7 date, .11 quantity; Location `near`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from math import asin, cos, radians, sin, sqrt
from typing import Any

from citycare.kernel.fhir import dates
from citycare.kernel.fhir.path import quantity
from citycare.kernel.fhir.searching.model import Amount, Moment, Near, Number, Prefix
from tests.kernel.fhir.searching.typed import kind_of

EARTH_M = 6_371_008.8
"""Mean radius of the Earth in metres (IUGG)."""
CURRENCIES = "urn:iso:std:iso:4217"
QUANTITIES = frozenset(("Quantity", "Age", "Count", "Distance", "Duration", "SimpleQuantity"))
INTEGERS = frozenset(("integer", "positiveInt", "unsignedInt"))


# Dates


def span_of(value: Any) -> dates.Span | None:
    """Return low ≤ t < high of a date, dateTime, instant, Period or Timing; None of anything else.

    Source: R4 §3.1.1.4.7: a date is as wide as it is exact, in the city's zone where it has none of
    its own; a Period without an end has no upper limit; of a Timing "only the outer limits matter".
    """
    match kind_of(value):
        case "date" | "dateTime" | "instant":
            return dates.span(value)
        case "Period":
            return _span_of_period(value)
        case "Timing":
            return _span_of_timing(value)
    return None


def _span_of_period(value: Any) -> dates.Span | None:
    if "start" not in value and "end" not in value:
        return None
    low = dates.span(value["start"])[0] if "start" in value else dates.EARLIEST
    high = dates.span(value["end"])[1] if "end" in value else dates.LATEST
    return low, high


def _span_of_timing(value: Any) -> dates.Span | None:
    """Return the outer limits: of all events, and of the bounds where they are a Period.

    Bounds that are a Duration or a Range have no place in time.
    """
    spans = [dates.span(each) for each in value.get("event", ()) if each is not None]
    bounds = _span_of_period(value.get("repeat", {}).get("boundsPeriod", {}))
    if bounds is not None:
        spans.append(bounds)
    if not spans:
        return None
    return min(low for low, _ in spans), max(high for _, high in spans)


def meets_date(value: Any, asked: Moment) -> bool:
    """Tell whether a value of a date parameter is met. Source: R4 §3.1.1.4.5 and .7."""
    span = span_of(value)
    return span is not None and _spans_meet(span, asked)


def _spans_meet(span: tuple[datetime, datetime], asked: Moment) -> bool:
    low, high = span
    contained = asked.low <= low and high <= asked.high
    met = {
        Prefix.EQ: contained,
        Prefix.NE: not contained,
        Prefix.GT: high > asked.high,
        Prefix.LT: low < asked.low,
        Prefix.GE: high > asked.low,
        Prefix.LE: low < asked.high,
        Prefix.SA: low >= asked.high,
        Prefix.EB: high <= asked.low,
        Prefix.AP: low < asked.high and high > asked.low,
    }
    return met[asked.prefix]


# Numbers

Bound = Fraction | None
"""An end of an extent; None where there is no end."""


@dataclass(frozen=True, slots=True)
class Extent:
    """From where to where a number of a resource may be.

    Attributes:
        low, high: as written, without implied precision; the same for a single number.
        low_open, high_open: the end itself is not in it (`comparator` < and >).
        step: half of the last digit written: the implied precision; 0 of whole numbers and ranges.
    """

    low: Bound
    high: Bound
    low_open: bool = False
    high_open: bool = False
    step: Fraction = Fraction(0)

    def times(self, factor: Fraction) -> Extent:
        """Return the same in another unit."""
        low = None if self.low is None else self.low * factor
        high = None if self.high is None else self.high * factor
        return Extent(low, high, self.low_open, self.high_open, self.step * factor)


def extent_of(value: Any, kind: str) -> Extent:
    """Return the extent of one number. Source: R4 §3.1.1.4.6: integers match exactly."""
    number = Decimal(value)
    step = Fraction(0) if kind in INTEGERS else Fraction(half_step(number))
    return Extent(Fraction(number), Fraction(number), step=step)


def half_step(number: Decimal) -> Decimal:
    """Return half of what the last digit written is worth: 0.05 of 2.0.

    One figure with an exponent is read as if a zero followed: R4 says of `1e2` it is 95 to 105.
    Source: R4 §3.1.1.4.5 ("2.0 has a range of 1.95 to 2.05"), .6.
    """
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    if exponent > 0 and len(number.as_tuple().digits) == 1:
        exponent -= 1
    return Decimal((0, (5,), exponent - 1))


def meets_number(value: Any, asked: Number) -> bool:
    """Tell whether a number is met; of a Range the numbers count, and no unit.

    Source: R4 §3.1.1.4.6.
    """
    kind = kind_of(value)
    if kind == "Range":  # RiskAssessment.prediction.probability
        return _range_meets(value, Amount(asked, None, None))
    if kind != "decimal" and kind not in INTEGERS:
        return False
    return extents_meet(extent_of(value, kind), asked)


def extents_meet(extent: Extent, asked: Number, factor: Fraction = Fraction(1)) -> bool:
    """Tell whether an extent is met by a number, which is taken times `factor` first.

    Source: R4 §3.1.1.4.5, the table of prefixes.
    """
    value, low, high = (Fraction(each) * factor for each in (asked.value, asked.low, asked.high))
    contained = _contains(low, high, extent)
    above = extent.high is None or extent.high > value
    below = extent.low is None or extent.low < value
    met = {
        Prefix.EQ: contained,
        Prefix.NE: not contained,
        Prefix.GT: above,
        Prefix.LT: below,
        Prefix.GE: above or (extent.high == value and not extent.high_open),
        Prefix.LE: below or (extent.low == value and not extent.low_open),
        Prefix.SA: not below and (extent.low != value or extent.low_open),
        Prefix.EB: not above and (extent.high != value or extent.high_open),
        Prefix.AP: _overlaps(low, high, extent),
    }
    return met[asked.prefix]


def _contains(low: Fraction, high: Fraction, extent: Extent) -> bool:
    """Tell whether low ≤ n < high holds of every number of the extent, its precision included."""
    if extent.low is None or extent.high is None or extent.low - extent.step < low:
        return False
    if extent.step or extent.high_open:  # its own upper end is not in it
        return extent.high + extent.step <= high
    return extent.high < high


def _overlaps(low: Fraction, high: Fraction, extent: Extent) -> bool:
    """Tell whether low ≤ n < high holds of any number of the extent, its precision included."""
    if extent.low is not None and extent.low - extent.step >= high:
        return False
    if extent.high is None:
        return True
    if extent.step or extent.high_open:
        return extent.high + extent.step > low
    return extent.high >= low


# Quantities


def meets_quantity(value: Any, asked: Amount) -> bool:
    """Tell whether a quantity is met: its number, and its unit where one was asked for.

    Quantity and its kinds, Money (its currency is the code, in `urn:iso:std:iso:4217`), Range (its
    ends are exact; both must be of the unit), SampledData (its origin).

    Units: `||mg` is the code or the unit as written; a system with a code is that code; only where
    both sides are UCUM are units converted, by factor and dimension as `path.quantity.measure` has
    them (`a` is 365.25 days; Cel and others with a zero of their own stand for themselves). What
    cannot be converted is not met, by no prefix.

    Source: R4 §3.1.1.4.11 quantity; `Range`: "assumed to have arbitrarily high precision".
    """
    match kind_of(value):
        case "Money":
            whole = {
                "system": CURRENCIES,
                "code": value.get("currency"),
                "value": value.get("value"),
            }
            return _one_meets(whole, asked)
        case "Range":
            return _range_meets(value, asked)
        case "SampledData":
            return _one_meets(value.get("origin", {}), asked)
        case kind if kind in QUANTITIES:
            return _one_meets(value, asked)
    return False


def _one_meets(value: Any, asked: Amount) -> bool:
    factors = _factors(value, asked)
    if factors is None or value.get("value") is None:
        return False
    mine, other = factors
    extent = _compared(extent_of(value["value"], "decimal"), value.get("comparator"))
    return extents_meet(extent.times(mine), asked.number, other)


def _compared(extent: Extent, comparator: str | None) -> Extent:
    """Return what `< 5` leaves open. Source: R4 §2.24.0.7 Quantity.comparator."""
    match comparator:
        case "<":
            return Extent(None, extent.high, high_open=True)
        case "<=":
            return Extent(None, extent.high)
        case ">=":
            return Extent(extent.low, None)
        case ">":
            return Extent(extent.low, None, low_open=True)
    return extent


def _range_meets(value: Any, asked: Amount) -> bool:
    ends: dict[str, Fraction] = {}
    factor = Fraction(1)
    for name in ("low", "high"):
        end = value.get(name, {})
        if end.get("value") is None:
            continue
        factors = _factors(end, asked)
        if factors is None:
            return False
        mine, factor = factors
        ends[name] = Fraction(end["value"]) * mine
    if not ends:
        return False
    return extents_meet(Extent(ends.get("low"), ends.get("high")), asked.number, factor)


def _factors(value: Any, asked: Amount) -> tuple[Fraction, Fraction] | None:
    """Return by what to multiply the value and what was asked; None: units that do not meet."""
    same = Fraction(1), Fraction(1)
    if not asked.system:
        known = not asked.code or asked.code in (value.get("code"), value.get("unit"))
        return same if known else None
    if value.get("system") != asked.system:
        return None
    code = value.get("code")
    if not asked.code or code == asked.code:
        return same
    if asked.system != quantity.UCUM or code is None:
        return None
    mine, other = quantity.measure(code), quantity.measure(asked.code)
    if mine.dimension != other.dimension:
        return None
    return Fraction(mine.factor), Fraction(other.factor)


# Places


def meets_near(value: Any, asked: Near) -> bool:
    """Tell whether a position is near: on the great circle of a sphere (haversine).

    Source: R4 Location, search parameter `near`: within the distance of latitude and longitude.
    """
    if value.get("latitude") is None or value.get("longitude") is None:
        return False
    distance = metres_between(
        float(value["latitude"]), float(value["longitude"]), asked.latitude, asked.longitude
    )
    return distance <= asked.metres


def metres_between(south: float, west: float, north: float, east: float) -> float:
    """Return the length of the great circle between two points in degrees."""
    across = sin(radians(north - south) / 2) ** 2
    across += cos(radians(south)) * cos(radians(north)) * sin(radians(east - west) / 2) ** 2
    return 2 * EARTH_M * asin(sqrt(min(1.0, across)))
