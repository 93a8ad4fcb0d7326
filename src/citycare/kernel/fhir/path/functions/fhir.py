"""Tree, time and what FHIR adds.

Source: HL7 FHIRPath N1 §5.8 tree navigation, §5.9 utility (now, timeOfDay, today), §10 type();
FHIR R4 §2.1.9.1.5 (extension, hasValue, getValue, resolve, memberOf, checkModifiers); SDC 3.0
"Form behavior and calculation" (weight; `ordinal` is its older name).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from citycare.kernel.fhir.path import navigation, temporal, types, values
from citycare.kernel.fhir.path.functions.registry import Function, of_items
from citycare.kernel.fhir.path.model import Frame, Items, Node, PathError, Step
from citycare.kernel.fhir.path.temporal import Temporal
from citycare.kit import clock

WEIGHTS: Final = (
    "http://hl7.org/fhir/StructureDefinition/itemWeight",
    "http://hl7.org/fhir/StructureDefinition/ordinalValue",
)


def _extension(args: tuple[Step, ...]) -> Step:
    (address,) = args
    below = navigation.member("extension")

    def step(items: Items, frame: Frame) -> Items:
        url = values.text_of(address(frame.this, frame), "extension")
        return [
            each
            for each in below(items, frame)
            if isinstance(each.value, dict) and each.value.get("url") == url
        ]

    return step


def _has_value(items: Items) -> Items:
    return [len(items) == 1 and _is_primitive(items[0])]


def _is_primitive(item: Any) -> bool:
    return not isinstance(item, Node) or not (item.value is None or isinstance(item.value, dict))


def _get_value(items: Items) -> Items:
    return [values.plain(items[0])] if _has_value(items)[0] else []


def _resolve(_: tuple[Step, ...]) -> Step:
    def step(items: Items, frame: Frame) -> Items:
        found: Items = []
        for item in items:
            target = item.value if isinstance(item, Node) else item
            if isinstance(target, dict):
                target = target.get("reference")
            if isinstance(target, str):
                found += _resolved(target, frame)
        frame.run.spend(len(items))
        return found

    return step


def _resolved(target: str, frame: Frame) -> Items:
    if target.startswith("#"):
        for root in frame.run.root:
            holder = root.value if isinstance(root, Node) else None
            if not isinstance(holder, dict):
                continue
            if target == "#":
                return [root]
            for each in holder.get("contained", ()):
                if isinstance(each, dict) and each.get("id") == target[1:]:
                    return [Node(each, "contained")]
        return []
    hook = frame.run.hooks.resolve
    return values.wrapped(hook(target)) if hook is not None else []


def _member_of(args: tuple[Step, ...]) -> Step:
    (address,) = args

    def step(items: Items, frame: Frame) -> Items:
        item = values.single(items)
        canonical = values.text_of(address(frame.this, frame), "memberOf")
        if item is None or canonical is None:
            return []
        hook = frame.run.hooks.member
        if hook is None:
            raise PathError(problem="memberOf is not available here")
        found = hook(item.value if isinstance(item, Node) else item, canonical)
        return [] if found is None else [found]

    return step


def _weight(_: tuple[Step, ...]) -> Step:
    def step(items: Items, frame: Frame) -> Items:
        found: Items = []
        for item in items:
            value = item.value if isinstance(item, Node) else None
            if isinstance(value, dict):
                number = _weight_of(value, frame)
                if number is not None:
                    found.append(number)
        return found

    return step


def _weight_of(value: dict[str, Any], frame: Frame) -> Any:
    """Return the weight of a Coding, or of an answer or option that holds one."""
    inner = value.get("valueCoding")
    coding = inner if isinstance(inner, dict) else value
    hook = frame.run.hooks.weight
    if hook is not None:
        number = hook(coding)
        if number is not None:
            return number
    for holder in (coding, value):
        for each in holder.get("extension", ()):
            if isinstance(each, dict) and each.get("url") in WEIGHTS:
                return next(iter(values.wrapped(each.get("valueDecimal"))), None)
    return None


def _type(items: Items) -> Items:
    return [
        Node({"namespace": namespace, "name": name}, kind="SimpleTypeInfo")
        for namespace, name in map(types.type_of, items)
    ]


def _check_modifiers(args: tuple[Step, ...]) -> Step:
    below = navigation.member("modifierExtension")

    def step(items: Items, frame: Frame) -> Items:
        known = {values.text_of(arg(frame.this, frame), "checkModifiers") for arg in args}
        for each in below(items, frame):
            if not isinstance(each.value, dict) or each.value.get("url") not in known:
                raise PathError(problem="a modifier extension that is not understood")
        return items

    return step


def _time(of: Callable[[Temporal], Temporal]) -> Function:
    def step(_: Items, frame: Frame) -> Items:
        now = frame.run.now
        if not isinstance(now, datetime):
            raise PathError(problem="no instant was given for now()")
        return [of(temporal.of_instant(now.astimezone(clock.CITY)))]

    return Function(0, 0, lambda _: step)


def _itself(value: Temporal) -> Temporal:
    return value


FUNCTIONS: Final[dict[str, Function]] = {
    "children": Function(0, 0, lambda _: navigation.all_children),
    "descendants": Function(0, 0, lambda _: navigation.descendants),
    "extension": Function(1, 1, _extension),
    "hasValue": of_items(_has_value),
    "getValue": of_items(_get_value),
    "resolve": Function(0, 0, _resolve),
    "memberOf": Function(1, 1, _member_of),
    "weight": Function(0, 0, _weight),
    "ordinal": Function(0, 0, _weight),
    "type": of_items(_type),
    "checkModifiers": Function(1, 20, _check_modifiers),
    "now": _time(_itself),
    "today": _time(temporal.day_of),
    "timeOfDay": _time(temporal.time_of),
}
