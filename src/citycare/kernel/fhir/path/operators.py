"""Operators between two collections, compiled to steps.

Source: HL7 FHIRPath N1 §6.1 equality, §6.2 comparison, §6.4 collections, §6.5 boolean logic
(three-valued), §6.6 math.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from decimal import ROUND_DOWN, Decimal
from typing import Any, Final

from citycare.kernel.fhir.path import quantity, temporal, types, values
from citycare.kernel.fhir.path.model import Frame, Items, Node, PathError, Step, text_within
from citycare.kernel.fhir.path.quantity import CTX, Quantity
from citycare.kernel.fhir.path.temporal import Temporal

Values = Callable[[Any, Any], Items]
Truth = bool | None


def combined(name: str, left: Step, right: Step) -> Step:
    """Return the step of `left name right`."""
    if name in LOGIC:
        return _logic(name, left, right)
    if name in ORDERS:
        return _ordered(ORDERS[name], left, right)
    if name in MATHS:
        return _calculated(name, MATHS[name], left, right)
    return COLLECTIONS[name](left, right)


def _logic(name: str, left: Step, right: Step) -> Step:
    decide, settled = LOGIC[name]

    def step(items: Items, frame: Frame) -> Items:
        mine = values.truth(left(items, frame))
        if mine is settled and settled is not None:
            return [name != "and"]
        found = decide(mine, values.truth(right(items, frame)))
        return [] if found is None else [found]

    return step


def _and(left: Truth, right: Truth) -> Truth:
    if left is False or right is False:
        return False
    return None if left is None or right is None else True


def _or(left: Truth, right: Truth) -> Truth:
    if left or right:
        return True
    return None if left is None or right is None else False


def _xor(left: Truth, right: Truth) -> Truth:
    return None if left is None or right is None else left != right


def _implies(left: Truth, right: Truth) -> Truth:
    return _or(None if left is None else not left, right)


LOGIC: Final[dict[str, tuple[Callable[[Truth, Truth], Truth], Truth]]] = {
    "and": (_and, False),  # what the left side must be for the right one not to matter
    "or": (_or, True),
    "xor": (_xor, None),
    "implies": (_implies, False),
}
ORDERS: Final[dict[str, Callable[[int, int], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def _ordered(holds: Callable[[int, int], bool], left: Step, right: Step) -> Step:
    def step(items: Items, frame: Frame) -> Items:
        mine, other = left(items, frame), right(items, frame)
        if not mine or not other:
            return []
        found = values.compare(values.single(mine), values.single(other))
        return [] if found is None else [holds(found, 0)]

    return step


def _equal(left: Step, right: Step) -> Step:
    def step(items: Items, frame: Frame) -> Items:
        found = values.equal_lists(left(items, frame), right(items, frame))
        return [] if found is None else [found]

    return step


def _unequal(left: Step, right: Step) -> Step:
    def step(items: Items, frame: Frame) -> Items:
        found = values.equal_lists(left(items, frame), right(items, frame))
        return [] if found is None else [not found]

    return step


def _equivalent(left: Step, right: Step) -> Step:
    def step(items: Items, frame: Frame) -> Items:
        return [values.equivalent_lists(left(items, frame), right(items, frame))]

    return step


def _not_equivalent(left: Step, right: Step) -> Step:
    def step(items: Items, frame: Frame) -> Items:
        return [not values.equivalent_lists(left(items, frame), right(items, frame))]

    return step


def _in(left: Step, right: Step) -> Step:
    def step(items: Items, frame: Frame) -> Items:
        return _member(left(items, frame), right(items, frame))

    return step


def _contains(left: Step, right: Step) -> Step:
    def step(items: Items, frame: Frame) -> Items:
        return _member(right(items, frame), left(items, frame))

    return step


def _member(one: Items, many: Items) -> Items:
    item = values.single(one)
    if item is None:
        return []
    return [any(values.equal(item, each) for each in many)]


def _union(left: Step, right: Step) -> Step:
    def step(items: Items, frame: Frame) -> Items:
        both = left(items, frame) + right(items, frame)
        frame.run.spend(len(both))
        return values.distinct(both)

    return step


def _joined(left: Step, right: Step) -> Step:
    """`&`: texts one after the other, nothing counts as an empty text."""

    def step(items: Items, frame: Frame) -> Items:
        mine = values.text_of(left(items, frame), "&") or ""
        return [text_within(mine + (values.text_of(right(items, frame), "&") or ""))]

    return step


COLLECTIONS: Final[dict[str, Callable[[Step, Step], Step]]] = {
    "=": _equal,
    "!=": _unequal,
    "~": _equivalent,
    "!~": _not_equivalent,
    "in": _in,
    "contains": _contains,
    "|": _union,
    "&": _joined,
}


def _calculated(name: str, rule: Values, left: Step, right: Step) -> Step:
    def step(items: Items, frame: Frame) -> Items:
        mine, other = left(items, frame), right(items, frame)
        if not mine or not other:
            return []
        found = values.value_of(mine), values.value_of(other)
        return [] if None in found else _at_ease(name, rule, *found)

    return step


def _at_ease(name: str, rule: Values, left: Any, right: Any) -> Items:
    """Calculate; what cannot be written as a number any more is empty (N1 §6.6)."""
    try:
        return rule(left, right)
    except ArithmeticError:
        return []
    except TypeError as error:
        kinds = " and ".join(types.type_of(each)[1] for each in (left, right))
        raise PathError(problem=f"{name} does not work on these", types=kinds) from error


def _number(value: Any) -> int | Decimal:
    if not values.is_number(value):
        raise TypeError(value)
    number: int | Decimal = value
    return number


def plus(left: Any, right: Any) -> Items:
    """Add numbers, quantities or texts, or a duration to a date (N1 §6.6.3, §6.6.7)."""
    if isinstance(left, str) and isinstance(right, str):
        return [text_within(left + right)]
    return _moved(left, right, 1)


def _minus(left: Any, right: Any) -> Items:
    return _moved(left, right, -1)


def _moved(left: Any, right: Any, sign: int) -> Items:
    if isinstance(left, Temporal) and isinstance(right, Quantity):
        unit = quantity.DEFINITE.get(right.unit, right.unit)
        if unit not in quantity.CALENDAR or right.unit in ("a", "mo"):
            raise PathError(problem="no duration that can be added to a date", unit=right.unit)
        found = temporal.add(left, sign * right.value, unit)
        return [] if found is None else [found]
    if isinstance(left, Quantity) and isinstance(right, Quantity):
        other = quantity.convert(right, left.unit)
        if other is None:
            return []
        return [Quantity(CTX.add(left.value, sign * other.value), left.unit)]
    mine, number = _number(left), _number(right)
    if isinstance(mine, int) and isinstance(number, int):
        return values.bounded(mine + sign * number)
    return [CTX.add(Decimal(mine), sign * Decimal(number))]


def _times(left: Any, right: Any) -> Items:
    if isinstance(left, Quantity) or isinstance(right, Quantity):
        return _of_quantities(left, right, 1)
    mine, other = _number(left), _number(right)
    if isinstance(mine, int) and isinstance(other, int):
        return values.bounded(mine * other)
    return [CTX.multiply(Decimal(mine), Decimal(other))]


def _over(left: Any, right: Any) -> Items:
    if isinstance(left, Quantity) or isinstance(right, Quantity):
        return _of_quantities(left, right, -1)
    return [CTX.divide(Decimal(_number(left)), Decimal(_number(right)))]


def _of_quantities(left: Any, right: Any, over: int) -> Items:
    mine, other = (
        each if isinstance(each, Quantity) else Quantity(Decimal(_number(each)))
        for each in (left, right)
    )
    try:
        return [quantity.multiply(mine, other, over)]
    except ValueError as error:
        raise PathError(problem="a unit that is not UCUM", unit=f"{mine.unit} {other.unit}") from (
            error
        )


def _div(left: Any, right: Any) -> Items:
    quotient = CTX.divide_int(Decimal(_number(left)), Decimal(_number(right)))
    return values.bounded(int(quotient))


def _mod(left: Any, right: Any) -> Items:
    mine, other = _number(left), _number(right)
    rest = CTX.remainder(Decimal(mine), Decimal(other))
    whole = isinstance(mine, int) and isinstance(other, int)
    return [int(rest.to_integral_value(ROUND_DOWN)) if whole else rest]


MATHS: Final[dict[str, Values]] = {
    "+": plus,
    "-": _minus,
    "*": _times,
    "/": _over,
    "div": _div,
    "mod": _mod,
}


def signed(name: str, right: Step) -> Step:
    """Return the step of `-right` or `+right`.

    Raises (when evaluated):
        PathError: it is no number and no quantity.
    """

    def step(items: Items, frame: Frame) -> Items:
        value = values.value_of(right(items, frame))
        if value is None:
            return []
        if isinstance(value, Quantity):
            return [Quantity(-value.value, value.unit) if name == "-" else value]
        if isinstance(value, Node) or not values.is_number(value):
            raise PathError(problem=f"{name} needs a number", found=types.type_of(value)[1])
        return [-value if name == "-" else value]

    return step
