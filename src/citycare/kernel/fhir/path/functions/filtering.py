"""Choosing, projecting, cutting and joining collections.

Source: HL7 FHIRPath N1 §5.2 filtering, §5.3 subsetting, §5.4 combining, §5.5.1 iif, §5.9.1 trace,
§7 aggregate. `repeatAll` and `coalesce` are of 3.0.0.
"""

from __future__ import annotations

from typing import Any, Final

from citycare.kernel.fhir.path import values
from citycare.kernel.fhir.path.functions.registry import Function, inner, of_items, of_lists
from citycare.kernel.fhir.path.model import Frame, Items, Node, PathError, Step


def where(criterion: Step) -> Step:
    """Return the step that keeps the items for which a criterion is true."""

    def step(items: Items, frame: Frame) -> Items:
        frame.run.spend(len(items))
        return [
            item
            for index, item in enumerate(items)
            if values.truth(criterion([item], inner(frame, item, index)))
        ]

    return step


def where_text(name: str, text: str, criterion: Step) -> Step:
    """Return `where(name = 'text')`, which forms ask a thousand times, without its detours.

    An element that is not one text goes the ordinary way.
    """
    slowly = where(criterion)

    def step(items: Items, frame: Frame) -> Items:
        frame.run.spend(len(items))
        found: Items = []
        for item in items:
            value = item.value if isinstance(item, Node) else None
            have = value.get(name) if isinstance(value, dict) else None
            if isinstance(have, str):
                if have == text:
                    found.append(item)
            else:
                found += slowly([item], frame)
        return found

    return step


def _select(args: tuple[Step, ...]) -> Step:
    (projection,) = args

    def step(items: Items, frame: Frame) -> Items:
        found: Items = []
        for index, item in enumerate(items):
            found += projection([item], inner(frame, item, index))
        frame.run.spend(len(found) + len(items))
        return found

    return step


def _repeat(args: tuple[Step, ...]) -> Step:
    (projection,) = args

    def step(items: Items, frame: Frame) -> Items:
        found: dict[Any, Any] = {}
        level = items
        while level:
            fresh: Items = []
            for index, item in enumerate(level):
                for each in projection([item], inner(frame, item, index)):
                    key = values.key(each)
                    if key not in found:
                        found[key] = each
                        fresh.append(each)
            frame.run.spend(len(level) + len(fresh))
            level = fresh
        return list(found.values())

    return step


def _repeat_all(args: tuple[Step, ...]) -> Step:
    (projection,) = args

    def step(items: Items, frame: Frame) -> Items:
        found: Items = []
        level = items
        while level:
            fresh: Items = []
            for index, item in enumerate(level):
                fresh += projection([item], inner(frame, item, index))
            frame.run.spend(len(level) + len(fresh))
            found += fresh
            level = fresh
        return found

    return step


def _count_of(items: Items, what: str) -> int:
    number = values.integer_of(items, what)
    if number is None:
        raise PathError(problem=f"{what} needs an integer", found="nothing")
    return number


def _skip(items: Items, given: Items) -> Items:
    return items[max(_count_of(given, "skip"), 0) :]


def _take(items: Items, given: Items) -> Items:
    return items[: max(_count_of(given, "take"), 0)]


def _single(items: Items) -> Items:
    values.single(items)
    return items


def _intersect(items: Items, others: Items) -> Items:
    keys = {values.key(other) for other in others}
    return [item for item in values.distinct(items) if values.key(item) in keys]


def _exclude(items: Items, others: Items) -> Items:
    keys = {values.key(other) for other in others}
    return [item for item in items if values.key(item) not in keys]


def _iif(args: tuple[Step, ...]) -> Step:
    criterion, then, *rest = args
    otherwise = rest[0] if rest else None

    def step(items: Items, frame: Frame) -> Items:
        here = Frame(frame.run, items, frame.index, frame.total)
        if values.truth(criterion(items, here)):
            return then(items, here)
        return [] if otherwise is None else otherwise(items, here)

    return step


def _trace(args: tuple[Step, ...]) -> Step:
    name, *rest = args

    def step(items: Items, frame: Frame) -> Items:
        hook = frame.run.hooks.trace
        if hook is not None:
            told = values.text_of(name(frame.this, frame), "trace") or ""
            seen = items
            if rest:
                seen = [
                    each
                    for index, item in enumerate(items)
                    for each in rest[0]([item], inner(frame, item, index))
                ]
            hook(told, [values.plain(each) for each in seen])
        return items

    return step


def _aggregate(args: tuple[Step, ...]) -> Step:
    aggregator, *rest = args

    def step(items: Items, frame: Frame) -> Items:
        total = rest[0](frame.this, frame) if rest else []
        frame.run.spend(len(items))
        for index, item in enumerate(items):
            total = aggregator([item], Frame(frame.run, [item], index, total))
            frame.run.spend(len(total))
        return total

    return step


def _coalesce(args: tuple[Step, ...]) -> Step:
    def step(_: Items, frame: Frame) -> Items:
        for arg in args:
            found = arg(frame.this, frame)
            if found:
                return found
        return []

    return step


FUNCTIONS: Final[dict[str, Function]] = {
    "where": Function(1, 1, lambda args: where(*args)),
    "select": Function(1, 1, _select),
    "repeat": Function(1, 1, _repeat),
    "repeatAll": Function(1, 1, _repeat_all),
    "single": of_items(_single),
    "first": of_items(lambda items: items[:1]),
    "last": of_items(lambda items: items[-1:]),
    "tail": of_items(lambda items: items[1:]),
    "skip": of_lists(_skip, 1),
    "take": of_lists(_take, 1),
    "intersect": of_lists(_intersect, 1),
    "exclude": of_lists(_exclude, 1),
    "union": of_lists(lambda items, others: values.distinct(items + others), 1),
    "combine": of_lists(lambda items, others: items + others, 1),
    "iif": Function(2, 3, _iif),
    "trace": Function(1, 2, _trace),
    "aggregate": Function(1, 2, _aggregate),
    "coalesce": Function(1, 20, _coalesce),
}
