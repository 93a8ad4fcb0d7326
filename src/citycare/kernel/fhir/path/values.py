"""Items as values: System value of a piece of JSON, equality, equivalence, order, keys.

Source: HL7 FHIRPath N1 §4.5 singleton evaluation, §5.5 conversion, §6.1 equality, §6.2
comparison; FHIR R4 §2.1.9.1.3 (FHIR types that convert to System types by themselves).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from citycare.kernel.fhir.path import quantity, temporal, types
from citycare.kernel.fhir.path.model import JSON_DEPTH_MAX, Items, Node, PathError
from citycare.kernel.fhir.path.quantity import CTX, Quantity, decimal_of
from citycare.kernel.fhir.path.temporal import Temporal

INTEGER_MAX = 2**31 - 1


def wrapped(value: Any, name: str = "") -> Items:
    """Return what was handed in as a collection: JSON as nodes, System values as they are."""
    if isinstance(value, list | tuple):
        return [item for each in value for item in wrapped(each, name)]
    if isinstance(value, dict):
        return [Node(value, name)]
    if isinstance(value, float):
        return [decimal_of(value)] if math.isfinite(value) else []  # NaN is no JSON, but read
    return [] if value is None else [value]


def plain(item: Any) -> Any:
    """Return the System value of an item; the node itself of an object; None of no value."""
    if not isinstance(item, Node):
        return item
    value = item.value
    if isinstance(value, str):
        return _plain_text(item, value)
    if isinstance(value, dict):
        measured = types.fhir_type(item) in types.QUANTITIES
        return (quantity.from_fhir(value) if measured else None) or item
    if isinstance(value, float):
        return decimal_of(value) if math.isfinite(value) else None
    return value


def _plain_text(node: Node, text: str) -> str | Temporal:
    kind = types.TEMPORAL.get(types.fhir_type(node))
    return text if kind is None else temporal.read(text, kind) or text


def single(items: Items) -> Any:
    """Return the one item, None of an empty collection.

    Raises:
        PathError: there are more.
    """
    if len(items) > 1:
        raise PathError(problem="more than one item where one is expected", items=len(items))
    return items[0] if items else None


def value_of(items: Items) -> Any:
    """Return the System value (or node) of the one item; None where there is none."""
    return plain(single(items))


def truth(items: Items) -> bool | None:
    """Return a collection as a condition: empty is None, one item that is no Boolean is true."""
    value = value_of(items)
    if value is None or isinstance(value, bool):
        return value
    return True


def text_of(items: Items, what: str) -> str | None:
    """Return the one text, or None.

    Raises:
        PathError: it is something else.
    """
    value = value_of(items)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Temporal) and isinstance(items[0], Node):
        return str(items[0].value)  # a date of the data is a text as well
    raise PathError(problem=f"{what} needs a text", found=types.type_of(items[0])[1])


def integer_of(items: Items, what: str) -> int | None:
    """Return the one whole number, or None.

    Raises:
        PathError: it is something else.
    """
    value = value_of(items)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise PathError(problem=f"{what} needs an integer", found=types.type_of(items[0])[1])
    return value


def is_number(value: Any) -> bool:
    """Tell whether it is an Integer or Decimal."""
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def written(value: Any) -> str | None:
    """Return a System value as `toString()` writes it; None for what has no such text."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"
    return None if value is None or isinstance(value, Node) else str(value)


def _matched(left: Any, right: Any) -> tuple[Any, Any]:
    """Bring two values to one type where one converts into the other by itself."""
    if isinstance(left, Temporal) and isinstance(right, str):
        return left, temporal.read(right, left.kind) or right
    if isinstance(left, str) and isinstance(right, Temporal):
        return temporal.read(left, right.kind) or left, right
    if isinstance(left, Quantity) and is_number(right):
        return left, Quantity(Decimal(right))
    if is_number(left) and isinstance(right, Quantity):
        return Quantity(Decimal(left)), right
    return left, right


def equal(left: Any, right: Any) -> bool | None:
    """Tell whether two items are equal; None where it cannot be known."""
    left, right = _matched(plain(left), plain(right))
    if left is None or right is None:
        return None
    if isinstance(left, Temporal) and isinstance(right, Temporal):
        return _same_time(left, right)
    if isinstance(left, Quantity) and isinstance(right, Quantity):
        order = quantity.compare(left, right)
        return None if order is None and _calendar(left, right) else order == 0
    if isinstance(left, Node) or isinstance(right, Node):
        return isinstance(left, Node) and isinstance(right, Node) and key(left) == key(right)
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def _same_time(left: Temporal, right: Temporal) -> bool | None:
    if (left.kind == temporal.TIME) != (right.kind == temporal.TIME):
        return False
    order = temporal.compare(left, right)
    return None if order is None else order == 0


def _calendar(left: Quantity, right: Quantity) -> bool:
    """Tell a calendar year or month with a length of time: neither equal nor unequal (N1 §6.1)."""
    length = quantity.measure("s").dimension
    other = quantity.measure("month").dimension
    return {quantity.measure(each.unit).dimension for each in (left, right)} == {length, other}


def equal_lists(left: Items, right: Items) -> bool | None:
    """Tell whether two collections are equal, in order; None where that cannot be known."""
    if not left or not right:
        return None
    if len(left) != len(right):
        return False
    found = [equal(mine, other) for mine, other in zip(left, right, strict=True)]
    return False if False in found else None if None in found else True


def equivalent(left: Any, right: Any) -> bool:
    """Tell whether two items mean the same: case, spaces and unknown precision aside."""
    return loose_key(left) == loose_key(right) or _loosely(plain(left), plain(right))


def _loosely(left: Any, right: Any) -> bool:
    left, right = _matched(left, right)
    if is_number(left) and is_number(right):
        return _to_least(Decimal(left), Decimal(right))
    if isinstance(left, Quantity) and isinstance(right, Quantity):
        other = _converted_loosely(right, left.unit)
        return other is not None and _to_least(left.value, other)
    if isinstance(left, Temporal) and isinstance(right, Temporal):
        return left.precision == right.precision and bool(equal(left, right))
    if isinstance(left, Node) and isinstance(right, Node):
        return _loose_objects(left.value, right.value)
    return False


def _converted_loosely(value: Quantity, unit: str) -> Decimal | None:
    """Convert, taking a calendar year for 365.25 days and a month for a twelfth (`year ~ 'a'`)."""
    definite = {word: code for code, word in quantity.DEFINITE.items()}
    mine = Quantity(value.value, definite.get(value.unit, value.unit))
    found = quantity.convert(mine, definite.get(unit, unit))
    return None if found is None else found.value


def _to_least(left: Decimal, right: Decimal) -> bool:
    """Compare numbers rounded to the digits of the less precise (N1 §6.1.2)."""
    places = max(*(_places(number) for number in (left, right)))
    step = Decimal((0, (1,), places))
    try:
        return left.quantize(step, ROUND_HALF_UP) == right.quantize(step, ROUND_HALF_UP)
    except ArithmeticError:
        return left == right


def _places(number: Decimal) -> int:
    exponent = number.normalize(CTX).as_tuple().exponent
    return min(0, exponent) if isinstance(exponent, int) else 0


def _loose_objects(left: Any, right: Any) -> bool:
    if not isinstance(left, dict) or not isinstance(right, dict) or set(left) != set(right):
        return False
    return all(
        equivalent_lists(wrapped_nodes(left[name], name), wrapped_nodes(right[name], name))
        for name in left
        if name != "id"
    )


def wrapped_nodes(value: Any, name: str) -> Items:
    """Return the nodes of an element's value."""
    return [Node(each, name) for each in (value if isinstance(value, list) else [value])]


def equivalent_lists(left: Items, right: Items) -> bool:
    """Tell whether two collections mean the same, in whatever order."""
    if len(left) != len(right):
        return False
    if len(left) == 1:
        return equivalent(left[0], right[0])
    mine, other = (Counter(loose_key(item) for item in items) for items in (left, right))
    if mine == other:
        return True
    rest = list(right)
    for item in left:
        found = next((index for index, each in enumerate(rest) if equivalent(item, each)), None)
        if found is None:
            return False
        del rest[found]
    return True


def compare(left: Any, right: Any) -> int | None:
    """Return -1, 0 or 1, or None where it cannot be known.

    Raises:
        PathError: the two have no common order.
    """
    mine, other = _matched(plain(left), plain(right))
    if mine is None or other is None:
        return None
    try:
        if isinstance(mine, Temporal) and isinstance(other, Temporal):
            return temporal.compare(mine, other)
    except TypeError as error:
        raise _no_order(left, right) from error
    if isinstance(mine, Quantity) and isinstance(other, Quantity):
        return quantity.compare(mine, other)
    numbers = is_number(mine) and is_number(other)
    if numbers or (isinstance(mine, str) and isinstance(other, str)):
        return int(mine > other) - int(mine < other)
    raise _no_order(left, right)


def _no_order(left: Any, right: Any) -> PathError:
    kinds = f"{types.type_of(left)[1]} with {types.type_of(right)[1]}"
    return PathError(problem="cannot be compared", types=kinds)


def key(item: Any, depth: int = 0) -> Any:
    """Return something hashable that is the same for equal items.

    Raises:
        PathError: the data is nested too deeply.
    """
    value = plain(item)
    if isinstance(value, Node):
        return _key_of_json(value.value, depth)
    if isinstance(value, bool):
        return ("b", value)
    if isinstance(value, Temporal):
        return ("t", temporal.canonical(value))
    if isinstance(value, Quantity):
        return ("q", quantity.in_base(value))
    return value


def _key_of_json(value: Any, depth: int) -> Any:
    if depth > JSON_DEPTH_MAX:
        raise PathError(problem="data nested too deeply", limit=JSON_DEPTH_MAX)
    if isinstance(value, dict):
        return frozenset((name, _key_of_json(each, depth + 1)) for name, each in value.items())
    if isinstance(value, list):
        return tuple(_key_of_json(each, depth + 1) for each in value)
    return ("b", value) if isinstance(value, bool) else value


def loose_key(item: Any) -> Any:
    """Return a key that is the same for items that are equivalent at first sight."""
    value = plain(item)
    if isinstance(value, str):
        return " ".join(value.casefold().split())
    return key(item)


def distinct(items: Iterable[Any]) -> Items:
    """Return the items without those equal to an earlier one."""
    seen: dict[Any, Any] = {}
    for item in items:
        seen.setdefault(key(item), item)
    return list(seen.values())


def bounded(number: int) -> Items:
    """Return an Integer result; one past 32 bits is empty (N1 §6.6)."""
    return [number] if -INTEGER_MAX - 1 <= number <= INTEGER_MAX else []
