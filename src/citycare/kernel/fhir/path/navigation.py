"""From a piece of JSON to what is in it. Source: HL7 FHIRPath N1 §2, §3.1; FHIR R4 §2.6.2.1 JSON.

A primitive is one node with what stands beside it under `_name`; a choice is found by its name
without type (`value`), and also by the name JSON has (`valueQuantity`), which strict FHIRPath
would refuse.
"""

from __future__ import annotations

from typing import Any

from citycare.kernel.fhir.path import types
from citycare.kernel.fhir.path.model import JSON_DEPTH_MAX, Frame, Items, Node, PathError, Step


def member(name: str) -> Step:
    """Return the step from items to their elements of this name."""
    beside = "_" + name

    def step(items: Items, frame: Frame) -> Items:
        found: Items = []
        for item in items:
            if not isinstance(item, Node):
                continue
            value = item.value
            if isinstance(value, dict):
                inner = value.get(name)
                if inner is None:
                    if beside in value:
                        _add(found, None, name, value[beside])
                    else:
                        _add_choice(found, value, name)
                else:
                    _add(found, inner, name, value.get(beside))
            elif item.extra is not None and name in item.extra:
                _add(found, item.extra[name], name, None)
        frame.run.spend(len(found) + 1)
        return found

    return step


def _add(found: Items, value: Any, name: str, extra: Any, kind: str = "") -> None:
    if isinstance(value, list) or (value is None and isinstance(extra, list)):
        _add_list(found, value or [], name, extra, kind)
        return
    beside = extra if isinstance(extra, dict) else None
    if value is not None or beside is not None:
        found.append(Node(value, name, kind, beside))


def _add_list(found: Items, value: list[Any], name: str, extra: Any, kind: str = "") -> None:
    """Add what is in an array, with what is beside it; arrays in arrays are no FHIR, but data."""
    beside = extra if isinstance(extra, list) else []
    for index in range(max(len(value), len(beside))):
        each = value[index] if index < len(value) else None
        more = beside[index] if index < len(beside) else None
        _add(found, each, name, None if isinstance(more, list) else more, kind)


def _add_choice(found: Items, value: dict[str, Any], name: str) -> None:
    """Find `valueQuantity` by `value`, and `_valueDate` where only extensions stand."""
    for start in (name, "_" + name):
        length = len(start)
        for key, inner in value.items():
            kind = types.SUFFIXES.get(key[length:]) if key.startswith(start) else None
            if kind is not None:
                if start == name:
                    _add(found, inner, name, value.get("_" + key), kind)
                else:
                    _add(found, None, name, inner, kind)
                return


def rooted(name: str) -> Step:
    """Return the step of a name that begins an expression: a type of the focus, or an element."""
    below = member(name)

    def step(items: Items, frame: Frame) -> Items:
        found: Items = []
        for item in items:
            if isinstance(item, Node) and types.is_a(item, "FHIR", name):
                found.append(item)
            else:
                found += below([item], frame)
        return found

    return step if name[:1].isupper() else below


def children(item: Any) -> Items:
    """Return all elements of an item, in the order of the JSON."""
    found: Items = []
    if not isinstance(item, Node):
        return found
    value = item.value
    if not isinstance(value, dict):
        value = item.extra if isinstance(item.extra, dict) else {}
    for name, inner in value.items():
        if name == "resourceType":
            continue
        if name[:1] == "_":
            if name[1:] not in value:
                _add(found, None, name[1:], inner)
        else:
            _add(found, inner, name, value.get("_" + name))
    return found


def all_children(items: Items, frame: Frame) -> Items:
    """Return the elements of all items."""
    found = [child for item in items for child in children(item)]
    frame.run.spend(len(found) + 1)
    return found


def descendants(items: Items, frame: Frame) -> Items:
    """Return the elements of all items, theirs, and so on: level by level, equal ones too."""
    found: Items = []
    level = items
    for _ in range(JSON_DEPTH_MAX):
        level = all_children(level, frame)
        if not level:
            return found
        found += level
    raise PathError(problem="data nested too deeply", limit=JSON_DEPTH_MAX)
