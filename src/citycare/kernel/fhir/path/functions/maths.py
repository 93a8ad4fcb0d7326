"""Numbers. Source: HL7 FHIRPath N1 §5.7 math; sum, min, max and avg are of 3.0.0.

What is no number any more (the root of -1, a number past its limits) is empty.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import Any, Final

from citycare.kernel.fhir.path import operators, types, values
from citycare.kernel.fhir.path.functions.registry import Function, of_items, of_lists
from citycare.kernel.fhir.path.model import Items, PathError
from citycare.kernel.fhir.path.quantity import CTX, Quantity

PLACES_MAX = 28


def _number(items: Items, name: str) -> int | Decimal | Quantity | None:
    value = values.value_of(items)
    if value is None or isinstance(value, Quantity) or values.is_number(value):
        number: int | Decimal | Quantity | None = value
        return number
    raise PathError(problem=f"{name} needs a number", found=types.type_of(items[0])[1])


def _of_number(name: str, rule: Callable[..., Items], more: int = 0) -> Function:
    """Return a function of the one number and so many more; nothing in, nothing out."""

    def whole(items: Items, *given: Items) -> Items:
        found = [_number(each, name) for each in (items, *given)]
        if None in found:
            return []
        if any(isinstance(each, Quantity) for each in found):
            raise PathError(problem=f"{name} needs a number", found="Quantity")
        try:
            results = rule(*found)
        except ArithmeticError:
            return []
        return [each for each in results if isinstance(each, int) or each.is_finite()]

    return of_lists(whole, more)


def _to_whole(rounding: str) -> Callable[[int | Decimal], Items]:
    def rule(number: int | Decimal) -> Items:
        if isinstance(number, int):
            return [number]
        return values.bounded(int(number.to_integral_value(rounding)))

    return rule


def _abs(items: Items) -> Items:
    number = _number(items, "abs")
    if number is None:
        return []
    if isinstance(number, Quantity):
        return [Quantity(abs(number.value), number.unit)]
    return [abs(number)]


def _round(items: Items, places: Items | None = None) -> Items:
    number = _number(items, "round")
    digits = 0 if places is None else values.integer_of(places, "round")
    if number is None:
        return []
    if digits is None or not 0 <= digits <= PLACES_MAX:
        raise PathError(problem="round needs 0 to 28 places")
    amount = Decimal(number.value if isinstance(number, Quantity) else number)
    try:
        rounded = amount.quantize(Decimal((0, (1,), -digits)), ROUND_HALF_UP, CTX)
    except ArithmeticError:
        rounded = amount  # it has so many digits that none is left to cut
    return [Quantity(rounded, number.unit) if isinstance(number, Quantity) else rounded]


def _power(number: int | Decimal, exponent: int | Decimal) -> Items:
    if exponent == 0:
        return [1 if isinstance(number, int) else Decimal(1)]
    if number < 0 and exponent != int(exponent):
        return []
    found = CTX.power(Decimal(number), Decimal(exponent))
    if isinstance(number, int) and isinstance(exponent, int) and exponent >= 0:
        return values.bounded(int(found))
    return [found]


def _log(number: int | Decimal, base: int | Decimal) -> Items:
    quotient = CTX.divide(CTX.ln(Decimal(number)), CTX.ln(Decimal(base)))
    return [quotient.quantize(Decimal(10) ** -20, ROUND_HALF_UP, CTX).normalize(CTX)]


def _sum(items: Items) -> Items:
    total: Items = []
    for item in items:
        value = values.plain(item)
        total = _plus(total[0], value) if total else [value]
        if not total:
            return []
    return total


def _plus(left: Any, right: Any) -> Items:
    try:
        return operators.plus(left, right)
    except ArithmeticError:
        return []
    except TypeError as error:
        kinds = " and ".join(types.type_of(each)[1] for each in (left, right))
        raise PathError(problem="sum does not work on these", types=kinds) from error


def _best(sign: int) -> Callable[[Items], Items]:
    def rule(items: Items) -> Items:
        best = items[:1]
        for item in items[1:]:
            order = values.compare(item, best[0])
            if order is None:
                return []
            if order * sign > 0:
                best = [item]
        return best

    return rule


def _avg(items: Items) -> Items:
    total = _sum(items)
    if not total:
        return []
    value, count = total[0], Decimal(len(items))
    if isinstance(value, Quantity):
        return [Quantity(CTX.divide(value.value, count), value.unit)]
    if not values.is_number(value):
        raise PathError(problem="avg needs numbers", found=types.type_of(value)[1])
    return [CTX.divide(Decimal(value), count)]


FUNCTIONS: Final[dict[str, Function]] = {
    "abs": of_items(_abs),
    "ceiling": _of_number("ceiling", _to_whole(ROUND_CEILING)),
    "floor": _of_number("floor", _to_whole(ROUND_FLOOR)),
    "truncate": _of_number("truncate", _to_whole(ROUND_DOWN)),
    "round": of_lists(_round, 0, 1),
    "exp": _of_number("exp", lambda number: [CTX.exp(Decimal(number))]),
    "ln": _of_number("ln", lambda number: [CTX.ln(Decimal(number))]),
    "log": _of_number("log", _log, 1),
    "power": _of_number("power", _power, 1),
    "sqrt": _of_number("sqrt", lambda number: [CTX.sqrt(Decimal(number))]),
    "sum": of_items(_sum),
    "min": of_items(_best(-1)),
    "max": of_items(_best(1)),
    "avg": of_items(_avg),
}
