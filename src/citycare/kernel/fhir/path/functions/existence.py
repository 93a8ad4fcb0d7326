"""Existence and truth of collections. Source: HL7 FHIRPath N1 §5.1 existence, §6.5.3 not."""

from __future__ import annotations

from typing import Final

from citycare.kernel.fhir.path import types, values
from citycare.kernel.fhir.path.functions.registry import Function, inner, of_items, of_lists
from citycare.kernel.fhir.path.model import Frame, Items, PathError, Step


def _not(items: Items) -> Items:
    found = values.truth(items)
    return [] if found is None else [not found]


def _exists(args: tuple[Step, ...]) -> Step:
    if not args:
        return lambda items, _: [bool(items)]
    (criterion,) = args

    def step(items: Items, frame: Frame) -> Items:
        frame.run.spend(len(items))
        return [
            any(
                values.truth(criterion([item], inner(frame, item, index)))
                for index, item in enumerate(items)
            )
        ]

    return step


def _all(args: tuple[Step, ...]) -> Step:
    (criterion,) = args

    def step(items: Items, frame: Frame) -> Items:
        frame.run.spend(len(items))
        return [
            all(
                values.truth(criterion([item], inner(frame, item, index)))
                for index, item in enumerate(items)
            )
        ]

    return step


def _truths(items: Items) -> list[bool]:
    found = [values.plain(item) for item in items]
    for item, value in zip(items, found, strict=True):
        if not isinstance(value, bool):
            raise PathError(problem="needs Booleans", found=types.type_of(item)[1])
    return found


def _subset(items: Items, others: Items) -> Items:
    """Tell whether each item is among the others."""
    keys = {values.key(other) for other in others}
    return [all(values.key(item) in keys for item in items)]


FUNCTIONS: Final[dict[str, Function]] = {
    "empty": of_items(lambda items: [not items]),
    "not": of_items(_not),
    "exists": Function(0, 1, _exists),
    "all": Function(1, 1, _all),
    "allTrue": of_items(lambda items: [all(_truths(items))]),
    "anyTrue": of_items(lambda items: [any(_truths(items))]),
    "allFalse": of_items(lambda items: [not any(_truths(items))]),
    "anyFalse": of_items(lambda items: [not all(_truths(items))]),
    "subsetOf": of_lists(_subset, 1),
    "supersetOf": of_lists(lambda items, others: _subset(others, items), 1),
    "count": of_items(lambda items: [len(items)]),
    "distinct": of_items(values.distinct),
    "isDistinct": of_items(lambda items: [len(values.distinct(items)) == len(items)]),
}
