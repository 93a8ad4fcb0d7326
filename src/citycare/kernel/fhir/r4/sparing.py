"""Where an invariant plainly holds, told by JSON names alone: most need not be evaluated.

Half of R4's invariants are alternatives, `value.empty() or …`, and of most resources the first is
true. What is looked at here is true only where FHIRPath would say true: alternatives are taken from
the left as long as each is of a form that cannot fail. Where none is plainly true, nothing is said:
the invariant is evaluated.

Source: HL7 FHIRPath N1 §5.1 existence, §6.2.2 comparison of dates, §6.5.2 or; FHIR R4 4.0.1 §2.6.2
JSON (`_name`, choices).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from citycare.kernel.fhir.path.syntax import Ast, Binary, Call, Member
from citycare.kernel.fhir.path.types import SUFFIXES

Object = Mapping[str, Any]
Spares = Callable[[Object], bool]
ZONE = 6  # signs of `+08:00`
DAY = 10  # signs of `2026-11-29`
OF_NOTHING_NOTHING = ("where", "select", "ofType")  # functions that make nothing of nothing


def sparing(ast: Ast) -> Spares:
    """Return the function that tells of an object whose structure holds that an invariant does.

    Source: HL7 FHIRPath N1 §6.5.2 or.
    """
    tests = []
    for one in _alternatives(ast):
        test, sure = _test(one)
        tests.append(test)
        if not sure:
            break

    def spares(value: Object) -> bool:
        for test in tests:  # noqa: SIM110 - of what is called for each object `any` takes half
            if test(value):
                return True
        return False

    return spares


def _alternatives(ast: Ast) -> Iterator[Ast]:
    if isinstance(ast, Binary) and ast.operator == "or":
        yield from _alternatives(ast.left)
        yield from _alternatives(ast.right)
    else:
        yield ast


def _test(ast: Ast) -> tuple[Spares, bool]:
    """Return a test that is true only where an alternative is, and whether that cannot fail."""
    match ast:
        case Call(target=Member(target=None, name=name), name="exists", args=()):
            return lambda value: value.get(name) is not None, True
        case Call(target=Call(target=path, name="hasValue", args=()), name="not", args=()):
            return _lacking(path)
        case Call(target=path, name="empty", args=()):
            return _lacking(path)
        case Binary(
            operator="<=",
            left=Member(target=None, name=low),
            right=Member(target=None, name=high),
        ):
            return lambda value: _in_order(value.get(low), value.get(high)), False
    return _never, False


def _lacking(path: Ast | None) -> tuple[Spares, bool]:
    """Return the test that a path leads nowhere: what it begins with is not there."""
    sure = True
    while isinstance(path, Member | Call) and path.target is not None:
        if isinstance(path, Call):
            sure = False
            if path.name not in OF_NOTHING_NOTHING:
                return _never, False
        path = path.target
    if not isinstance(path, Member) or path.name[:1].isupper():  # a type of what is looked at
        return _never, False
    some = [path.name, *(path.name + suffix for suffix in SUFFIXES)]
    names = frozenset((*some, *(f"_{name}" for name in some)))
    return names.isdisjoint, sure


def _never(_: Object) -> bool:
    return False


def _in_order(low: Any, high: Any) -> bool:
    """Tell whether two dates or instants written to the same digit, of one zone, are in order."""
    if type(low) is not str or type(high) is not str or len(low) != len(high):
        return False
    same = len(low) <= DAY or low[-1:] == high[-1:] == "Z" or low[-ZONE:] == high[-ZONE:]
    return same and low <= high
