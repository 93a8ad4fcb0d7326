"""From one System type to another. Source: HL7 FHIRPath N1 §5.5 conversion (tables of each type).

What does not convert is empty, never an error; more than one item is an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from citycare.kernel.fhir.path import quantity, temporal, values
from citycare.kernel.fhir.path.functions.registry import Function, of_lists
from citycare.kernel.fhir.path.model import Items
from citycare.kernel.fhir.path.quantity import Quantity
from citycare.kernel.fhir.path.temporal import Temporal

TRUE: Final = frozenset(("true", "t", "yes", "y", "1", "1.0"))
FALSE: Final = frozenset(("false", "f", "no", "n", "0", "0.0"))
WHOLE = re.compile(r"[+-]?\d{1,10}", re.ASCII)
DECIMAL = re.compile(r"[+-]?\d{1,100}(?:\.\d{1,100})?", re.ASCII)
QUANTITY = re.compile(
    r"([+-]?\d{1,100}(?:\.\d{1,100})?)\s*(?:'([^']{1,100})'|([a-zA-Z]{1,20}))?", re.ASCII
)

Convert = Callable[[Any], Any]


def to_boolean(value: Any) -> bool | None:
    """Convert 1, 1.0, "yes" and their like."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | Decimal):
        return {1: True, 0: False}.get(int(value)) if value in (0, 1) else None
    if isinstance(value, str):
        word = value.lower()
        return True if word in TRUE else False if word in FALSE else None
    return None


def to_integer(value: Any) -> int | None:
    """Convert Booleans and texts; a Decimal is no Integer, not even 1.0."""
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str) and WHOLE.fullmatch(value):
        return next(iter(values.bounded(int(value))), None)
    return None


def to_decimal(value: Any) -> Decimal | None:
    """Convert Booleans, Integers and texts."""
    if isinstance(value, int | Decimal):
        return Decimal(int(value)) if isinstance(value, bool) else Decimal(value)
    if isinstance(value, str) and DECIMAL.fullmatch(value):
        return Decimal(value)
    return None


def to_date(value: Any) -> Temporal | None:
    """Convert texts and the date of a DateTime."""
    if isinstance(value, Temporal) and value.kind != temporal.TIME:
        return temporal.day_of(value)
    return temporal.read(value, temporal.DATE) if isinstance(value, str) else None


def to_date_time(value: Any) -> Temporal | None:
    """Convert texts and dates."""
    if isinstance(value, Temporal) and value.kind != temporal.TIME:
        return Temporal(temporal.DATE_TIME, value.fields, value.offset)
    return temporal.read(value, temporal.DATE_TIME) if isinstance(value, str) else None


def to_time(value: Any) -> Temporal | None:
    """Convert texts."""
    if isinstance(value, Temporal) and value.kind == temporal.TIME:
        return value
    return temporal.read(value, temporal.TIME) if isinstance(value, str) else None


def to_quantity(value: Any) -> Quantity | None:
    """Convert numbers, Booleans and texts such as `4 days` and `1.5 'mg'`."""
    if isinstance(value, Quantity):
        return value
    if isinstance(value, bool | int | Decimal):
        return Quantity(Decimal(value))
    found = QUANTITY.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    amount, code, word = found.groups()
    if word is not None and word not in quantity.CALENDAR_WORDS:
        return None
    return Quantity(Decimal(amount), quantity.unit_of(code or word or "1"))


def _in_unit(items: Items, unit: Items | None = None) -> Quantity | None:
    found = to_quantity(values.value_of(items))
    if found is None or unit is None:
        return found
    text = values.text_of(unit, "toQuantity")
    return None if text is None else quantity.convert(found, text)


def _to(convert: Convert) -> Function:
    def rule(items: Items) -> Items:
        found = convert(values.value_of(items))
        return [] if found is None else [found]

    return of_lists(rule, 0)


def _converts(convert: Convert) -> Function:
    def rule(items: Items) -> Items:
        value = values.value_of(items)
        return [] if value is None else [convert(value) is not None]

    return of_lists(rule, 0)


def _to_quantity(items: Items, unit: Items | None = None) -> Items:
    found = _in_unit(items, unit)
    return [] if found is None else [found]


def _converts_to_quantity(items: Items, unit: Items | None = None) -> Items:
    return [_in_unit(items, unit) is not None] if items else []


CONVERSIONS: Final[dict[str, Convert]] = {
    "Boolean": to_boolean,
    "Integer": to_integer,
    "Decimal": to_decimal,
    "String": values.written,
    "Date": to_date,
    "DateTime": to_date_time,
    "Time": to_time,
}
FUNCTIONS: Final[dict[str, Function]] = {
    **{f"to{name}": _to(convert) for name, convert in CONVERSIONS.items()},
    **{f"convertsTo{name}": _converts(convert) for name, convert in CONVERSIONS.items()},
    "toQuantity": of_lists(_to_quantity, 0, 1),
    "convertsToQuantity": of_lists(_converts_to_quantity, 0, 1),
}
