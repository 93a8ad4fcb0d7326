"""Quantities and as much of UCUM as clinical units need: products, powers, prefixes.

Units are compared and converted by factor and dimension. Units measured from another zero (Cel,
[degF]), logarithms and what is not in the table stand for themselves: they are equal only to the
same text. Source: UCUM 2.1 §§6-47 (tables 2-5 base and derived units, 10 US lengths, 13 mass,
23-25 clinical); HL7 FHIRPath N1 §4.1.9 Quantity, §6.6; FHIR R4 §2.1.9.1.3 (Quantity, `a` and
`mo` of a resource are calendar years and months).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from functools import lru_cache
from typing import Any, Final

CTX = Context(prec=28, Emax=9_999, Emin=-9_999, traps=[DivisionByZero, InvalidOperation, Overflow])
"""N1 §4.1.4 asks for 28 digits and 8 of them after the point."""

UCUM = "http://unitsofmeasure.org"
CALENDAR: Final = ("year", "month", "week", "day", "hour", "minute", "second", "millisecond")
CALENDAR_WORDS: Final = {name + end: name for name in CALENDAR for end in ("", "s")}
DEFINITE: Final = {  # of a FHIR Quantity (R4 §2.1.9.1.3) and for date arithmetic
    "a": "year",
    "mo": "month",
    "wk": "week",
    "d": "day",
    "h": "hour",
    "min": "minute",
    "s": "second",
    "ms": "millisecond",
}
EXPONENT_MAX = 9
UNIT_MAX = 100  # characters

PREFIXES: Final = {
    "Y": 24, "Z": 21, "E": 18, "P": 15, "T": 12, "G": 9, "M": 6, "k": 3, "h": 2, "da": 1,
    "d": -1, "c": -2, "m": -3, "u": -6, "n": -9, "p": -12, "f": -15, "a": -18,
}  # fmt: skip
METRIC: Final[dict[str, tuple[str, str]]] = {  # unit: (factor, in these base units)
    "m": ("1", "m"), "g": ("1", "g"), "s": ("1", "s"), "K": ("1", "K"), "mol": ("1", "mol"),
    "C": ("1", "C"), "cd": ("1", "cd"), "rad": ("1", "rad"), "L": ("0.001", "m3"),
    "l": ("0.001", "m3"), "Hz": ("1", "s-1"), "N": ("1000", "g.m.s-2"),
    "Pa": ("1000", "g.m-1.s-2"), "J": ("1000", "g.m2.s-2"), "W": ("1000", "g.m2.s-3"),
    "A": ("1", "C.s-1"), "V": ("1000", "g.m2.s-2.C-1"), "cal": ("4184", "g.m2.s-2"),
    "bar": ("1E+8", "g.m-1.s-2"), "m[Hg]": ("133322000", "g.m-1.s-2"),
    "m[H2O]": ("9806650", "g.m-1.s-2"), "t": ("1000000", "g"), "eq": ("1", "mol"),
    "osm": ("1", "mol"), "kat": ("1", "mol.s-1"), "U": ("1", "U"), "[IU]": ("1", "[IU]"),
    "[iU]": ("1", "[IU]"), "Bq": ("1", "s-1"), "Gy": ("1", "m2.s-2"), "Sv": ("1", "m2.s-2"),
    "Cel": ("1", "Cel"),
}  # fmt: skip
PLAIN: Final[dict[str, tuple[str, str]]] = {
    "1": ("1", ""), "%": ("0.01", ""), "[ppth]": ("0.001", ""), "[ppm]": ("0.000001", ""),
    "10*": ("10", ""), "10^": ("10", ""), "[pH]": ("1", "[pH]"), "[degF]": ("1", "[degF]"),
    "min": ("60", "s"), "h": ("3600", "s"), "d": ("86400", "s"), "wk": ("604800", "s"),
    "mo": ("2629800", "s"), "a": ("31557600", "s"), "[in_i]": ("0.0254", "m"),
    "[ft_i]": ("0.3048", "m"), "[yd_i]": ("0.9144", "m"), "[mi_i]": ("1609.344", "m"),
    "[lb_av]": ("453.59237", "g"), "[oz_av]": ("28.349523125", "g"), "deg": ("1", "deg"),
    "[drp]": ("1", "[drp]"), "[hp_X]": ("1", "[hp_X]"), "[CFU]": ("1", "[CFU]"),
    "millisecond": ("0.001", "s"), "second": ("1", "s"), "minute": ("60", "s"),
    "hour": ("3600", "s"), "day": ("86400", "s"), "week": ("604800", "s"),
    "month": ("1", "month"), "year": ("12", "month"),
}  # fmt: skip

PART = re.compile(
    r"(?P<open>/?\()|(?P<over>/)|\.?(?P<atom>10[*^]|(?:\[[^\]\s]{1,20}\]|[^\d\s./(){}[\]+-])+|\d+)?"
    r"(?P<power>[+-]?\d+)?(?P<note>\{[^{}]*\})?"
)
Powers = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with a unit: a UCUM code, or a calendar word in the singular (`year`)."""

    value: Decimal
    unit: str = "1"

    def __str__(self) -> str:
        """Write it as FHIRPath does."""
        amount = f"{self.value:f}"
        if self.unit in CALENDAR:
            return f"{amount} {self.unit}{'' if self.value == 1 else 's'}"
        return f"{amount} '{self.unit}'"


@dataclass(frozen=True, slots=True)
class Measure:
    """What a unit is worth: `factor` times base units of these powers."""

    factor: Decimal
    dimension: Powers


def unit_of(text: str) -> str:
    """Return a unit as quantities carry it: calendar words in the singular."""
    return CALENDAR_WORDS.get(text, text)


def from_fhir(value: Mapping[str, Any]) -> Quantity | None:
    """Return the System quantity of a FHIR Quantity; None without value or with a comparator."""
    amount = value.get("value")
    if isinstance(amount, bool) or not isinstance(amount, int | float | Decimal):
        return None
    if "comparator" in value:
        return None
    code = value.get("code")
    if isinstance(code, str) and value.get("system", UCUM) == UCUM:
        return Quantity(decimal_of(amount), DEFINITE.get(code, code))
    unit = value.get("unit", code)
    return Quantity(decimal_of(amount), unit if isinstance(unit, str) and unit else "1")


def decimal_of(number: float | Decimal) -> Decimal:
    """Return a JSON number as Decimal, with the digits it is written with."""
    return number if isinstance(number, Decimal) else Decimal(str(number))


@lru_cache(maxsize=1_024)
def powers_of(unit: str) -> Powers | None:
    """Take a unit apart into atoms and their powers; None where it is not UCUM's grammar.

    `kg/m2` is kg to 1 and m to -2. Annotations (`{beats}`) count for nothing.
    """
    if len(unit) > UNIT_MAX:
        return None
    found: dict[str, int] = {}
    signs, over, place = [1], 1, 0
    while place < len(unit):
        if unit[place] == ")" and len(signs) > 1:
            signs.pop()
            place += 1
            continue
        part = PART.match(unit, place)
        if part is None or part.end() == place:
            return None
        place = part.end()
        if part["open"]:
            signs.append(signs[-1] * (-1 if part["open"][0] == "/" else over))
            over = 1
        elif part["over"]:
            over = -1
        else:
            power = int(part["power"] or 1)
            if part["atom"] and part["atom"] != "1":
                found[part["atom"]] = found.get(part["atom"], 0) + signs[-1] * over * power
            over = 1
    if len(signs) > 1 or any(abs(power) > EXPONENT_MAX for power in found.values()):
        return None
    return tuple((atom, power) for atom, power in found.items() if power)


@lru_cache(maxsize=1_024)
def measure(unit: str) -> Measure:
    """Return what a unit is worth; one we do not know is a dimension of its own."""
    powers = powers_of(unit)
    if powers is None:
        return Measure(Decimal(1), ((unit, 1),))
    factor = Decimal(1)
    dimension: dict[str, int] = {}
    for atom, power in powers:
        worth, base = _atom(atom)
        factor = CTX.multiply(factor, CTX.power(worth, power))
        for name, times in powers_of(base) or ():
            dimension[name] = dimension.get(name, 0) + times * power
    return Measure(factor, tuple(sorted((n, p) for n, p in dimension.items() if p)))


def _atom(atom: str) -> tuple[Decimal, str]:
    known = PLAIN.get(atom) or METRIC.get(atom)
    if known is not None:
        return Decimal(known[0]), known[1]
    for length in (1, 2):
        prefix, rest = PREFIXES.get(atom[:length]), METRIC.get(atom[length:])
        if prefix is not None and rest is not None:
            return Decimal(rest[0]).scaleb(prefix), rest[1]
    return (Decimal(atom), "") if atom.isdecimal() else (Decimal(1), atom)


def in_base(value: Quantity) -> tuple[Decimal, Powers]:
    """Return the amount in base units, and these; the same for equal quantities."""
    worth = measure(value.unit)
    return CTX.multiply(value.value, worth.factor).normalize(CTX), worth.dimension


def comparable(left: Quantity, right: Quantity) -> bool:
    """Tell whether both are of one dimension."""
    return left.unit == right.unit or measure(left.unit).dimension == measure(right.unit).dimension


def compare(left: Quantity, right: Quantity) -> int | None:
    """Return -1, 0 or 1; None for different dimensions."""
    if left.unit == right.unit:
        return int(left.value.compare(right.value))
    mine, other = in_base(left), in_base(right)
    return int(mine[0].compare(other[0])) if mine[1] == other[1] else None


def convert(value: Quantity, unit: str) -> Quantity | None:
    """Return the quantity in another unit, or None where it has another dimension."""
    unit = unit_of(unit)
    if unit == value.unit:
        return value
    mine, other = measure(value.unit), measure(unit)
    if mine.dimension != other.dimension:
        return None
    factor = CTX.divide(mine.factor, other.factor)
    return Quantity(CTX.multiply(value.value, factor).normalize(CTX), unit)


def multiply(left: Quantity, right: Quantity, over: int = 1) -> Quantity:
    """Return the product, or with `over` -1 the quotient, of two quantities.

    Atoms of one dimension are brought to the left one's unit (`2 'cm' * 2 'm'` is in `cm2`).
    """
    amount = CTX.multiply if over == 1 else CTX.divide
    mine, other = powers_of(left.unit), powers_of(right.unit)
    if mine is None or other is None:
        raise ValueError("a unit that is not UCUM")
    powers = dict(mine)
    right_value = right.value
    for atom, power in other:
        same = next((a for a in powers if measure(a).dimension == measure(atom).dimension), atom)
        if same != atom:
            factor = CTX.divide(measure(atom).factor, measure(same).factor)
            right_value = CTX.multiply(right_value, CTX.power(factor, power))
        powers[same] = powers.get(same, 0) + power * over
    return Quantity(amount(left.value, right_value), _written(powers))


def _written(powers: Mapping[str, int]) -> str:
    above = [f"{a}{p if p > 1 else ''}" for a, p in powers.items() if p > 0]
    below = [f"{a}{-p if p < -1 else ''}" for a, p in powers.items() if p < 0]
    return (".".join(above) + "".join(f"/{part}" for part in below)) or "1"
