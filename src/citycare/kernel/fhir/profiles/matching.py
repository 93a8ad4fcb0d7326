"""Values against what a profile expects of them; and what stands below an item.

Source: HL7 FHIR R4 4.0.1 ElementDefinition.fixed[x] ("exactly the value"), pattern[x] ("all of the
values … must be found in the element"; arrays: each item matched by at least one).
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from citycare.kernel.fhir.path.types import SUFFIXES
from citycare.kernel.fhir.profiles.model import Expected, Test

NUMBERS = (int, float, Decimal)


def equal(left: Any, right: Any) -> bool:
    """Tell whether two pieces of JSON are the same; numbers by value, whatever their digits."""
    if isinstance(left, dict):
        return (
            isinstance(right, dict)
            and left.keys() == right.keys()
            and all(equal(value, right[name]) for name, value in left.items())
        )
    if isinstance(left, list):
        return isinstance(right, list) and len(left) == len(right) and all(map(equal, left, right))
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, NUMBERS) and isinstance(right, NUMBERS):
        return Decimal(str(left)) == Decimal(str(right))
    return bool(left == right)


def holds(value: Any, pattern: Any) -> bool:
    """Tell whether all of a pattern is found in a value."""
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(
            name in value and holds(value[name], one) for name, one in pattern.items()
        )
    if isinstance(pattern, list):
        return isinstance(value, list) and all(
            any(holds(each, one) for each in value) for one in pattern
        )
    return equal(value, pattern)


def meets(value: Any, expected: Expected) -> bool:
    """Tell whether a value is what is expected."""
    return equal(value, expected.value) if expected.whole else holds(value, expected.value)


def reached(value: Any, kind: str, steps: tuple[str, ...]) -> Iterator[tuple[Any, str]]:
    """Yield what stands at `steps` below a value, and its type where the name of a choice tells."""
    if isinstance(value, list):
        for each in value:
            yield from reached(each, kind, steps)
    elif not steps:
        if value is not None:
            yield value, str(value.get("resourceType", kind)) if isinstance(value, dict) else kind
    elif isinstance(value, dict):
        name, *rest = steps
        for key, inner in value.items():
            if key == name:
                yield from reached(inner, "", tuple(rest))
            elif key.startswith(name) and key[len(name) :] in SUFFIXES:
                yield from reached(inner, SUFFIXES[key[len(name) :]], tuple(rest))


def passes(test: Test, value: Any, kind: str) -> bool:
    """Tell whether an item passes the test of a slice."""
    found = list(reached(value, kind, test.steps))
    if test.kind == "exists":
        return bool(found) in test.any_of
    if test.kind == "type":
        return any(kind in test.any_of for _, kind in found)
    return any(meets(each, one) for each, _ in found for one in test.any_of)
