"""The check of one resource against the definitions: one walk, then the invariants.

Source: HL7 FHIR R4 4.0.1 §2.6 Resource Validation; §2.6.2 JSON representation (arrays, `_name`,
nulls); §2.3 References; §2.28 contained resources (dom-2 to dom-5, ref-1).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from citycare.kernel.fhir.definitions import RESOURCES
from citycare.kernel.fhir.path import PathError
from citycare.kernel.fhir.r4.shapes import (
    ADDRESSES,
    ANY_RESOURCE,
    Field,
    Invariant,
    Shape,
    shape,
)

Json = dict[str, Any]
Place = tuple[Any, str, int] | None  # (place above, name, index or -1); None: not yet anywhere

DEPTH_MAX = 60
SHORT = 256  # signs of a reference that is remembered
FAULTS_MAX = 100
REFERENCE = re.compile(
    r"(?:(?P<base>https?://[^\s?]+?)/)?(?P<type>[A-Z][A-Za-z]+)/(?P<id>[A-Za-z0-9\-.]{1,64})"
    r"(?:/_history/[A-Za-z0-9\-.]{1,64})?(?:#[A-Za-z0-9\-.]{1,64})?",
    re.ASCII,
)
ABSOLUTE = re.compile(r"(?:https?://|urn:(?:uuid|oid):)\S+", re.ASCII)
CONDITIONAL = re.compile(r"(?P<type>[A-Z][A-Za-z]+)\?\S+", re.ASCII)

CONTAINED = "contained"
NOT_CONTAINED = {  # what a contained resource may not have, and the rule that says so
    CONTAINED: "dom-2", "versionId": "dom-4", "lastUpdated": "dom-4", "security": "dom-5",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong at one place.

    Attributes:
        place: FHIRPath of the element, as `Observation.component[1].valueQuantity`.
        code: type, unknown, required, single, array, value, code, choice, reference, target,
            contained, empty, depth, or the key of an invariant.
        told: what makes it so, in English: a value, the words of the invariant.
        warning: it breaks good practice, not a rule.
    """

    place: str
    code: str
    told: str = ""
    warning: bool = False


@dataclass(slots=True)
class _Own:
    """The resource that an element belongs to, and what it may call by `#`.

    Attributes:
        resource: `%resource`: a contained one is its own.
        root: `%rootResource`: the one that contains it. What a Bundle carries is its own root.
        inside: ids of the root's contained resources to their types.
        used: what was called by `#` anywhere in the root.
    """

    resource: Json
    root: Json
    inside: Mapping[str, str]
    used: set[str]


_At = tuple[Json, Place, int, _Own]
"""Where the walk is: an object, its place, how deep, and the resource it belongs to."""


@dataclass(slots=True)
class _Walk:
    """One check: its faults, and the invariants to be tried once the structure holds."""

    found: list[Fault] = field(default_factory=list)
    held: list[tuple[Invariant, Any, Place, _Own]] = field(default_factory=list)

    def fault(self, code: str, place: Place, told: str = "", *, warning: bool = False) -> None:
        if len(self.found) < FAULTS_MAX:
            self.found.append(Fault(_written(place), code, told[:200], warning))


def faults(resource: Any) -> list[Fault]:
    """Return every fault of a resource, at most 100, empty where it holds all rules of R4.

    Args:
        resource: JSON as `fhir.loads` gives it, so that decimals keep their digits.
    """
    name = resource.get("resourceType") if isinstance(resource, dict) else None
    if not isinstance(name, str) or name not in RESOURCES:
        return [Fault("resourceType", "type", str(name))]
    walk = _Walk()
    _resource(walk, resource, (None, name, -1), 0)
    if not any(not one.warning for one in walk.found):
        for invariant, value, place, own in walk.held:
            _try(walk, invariant, value, place, own)
    return walk.found


def _resource(
    walk: _Walk, value: Any, place: Place, depth: int, within: _Own | None = None
) -> None:
    """Check a resource; `within`: the one that contains it."""
    name = value.get("resourceType") if isinstance(value, dict) else None
    if not isinstance(name, str) or name not in RESOURCES:
        walk.fault("type", place, str(name))
        return
    if within is not None:
        own = _Own(value, within.root, within.inside, within.used)
        for element, rule in NOT_CONTAINED.items():
            if element in value or element in _dict(value.get("meta")):
                walk.fault(rule, (place, element, -1))
    else:
        own = _Own(value, value, _contained(value), set())
    _object(walk, shape(name), value, place, depth, own)
    if within is None and own.inside:
        for index, one in enumerate(value["contained"]):
            if isinstance(one, dict) and one.get("id") not in own.used and "#" not in own.used:
                walk.fault("dom-3", (place, "contained", index), f"nothing refers to #{one['id']}")


def _dict(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _object(  # noqa: C901 - every value goes through it: what is rare is elsewhere
    walk: _Walk, kind: Shape, value: Any, place: Place, depth: int, own: _Own
) -> None:
    if type(value) is not dict:
        walk.fault("type", place, kind.name)
        return
    if not value:
        walk.fault("empty", place)
        return
    if depth > DEPTH_MAX:
        walk.fault("depth", place)
        return
    at = (value, place, depth, own)
    fields = kind.fields
    for name, item in value.items():
        known = fields.get(name)
        if known is None:
            _beside(walk, kind, name, item, at)
        elif known.many or known.check is None:
            _element(walk, known, name, item, at)
        # most of what is there: a value that is right, of which nothing else is to be noted
        elif type(item) is str and item in known.seen:
            continue
        elif known.simple and known.check(item):
            known.remember(item)
        else:
            _element(walk, known, name, item, at)
    if kind.whole:
        _whole(walk, kind, value, place)
    for one in kind.held:
        if not one.spares(value):
            walk.held.append((one, value, place, own))


def _beside(walk: _Walk, kind: Shape, name: str, item: Any, at: _At) -> None:
    """Check what is no element: `_name` of a primitive, `resourceType`, or nothing R4 knows."""
    known = kind.fields.get(name[1:]) if name[:1] == "_" else None
    if known is not None and known.check is not None:
        _extras(walk, known, name, item, at)
    elif name != "resourceType" or not kind.resource:
        walk.fault("unknown", (at[1], name, -1))


def _whole(walk: _Walk, kind: Shape, value: Json, place: Place) -> None:
    """Check what no element alone tells: what is missing, and what excludes each other."""
    there = value.keys()
    for element, names in kind.required:
        if there.isdisjoint(names):
            walk.fault("required", (place, element, -1))
    for element, forms in kind.choices:
        given = forms & there
        if len(given) > 1 and len({name.removeprefix("_") for name in given}) > 1:
            walk.fault("choice", (place, element, -1))
    if kind.name == "Extension" and ("extension" in value) is any(
        name.startswith(("value", "_value")) for name in value
    ):
        walk.fault("ext-1", place, "Must have either extensions or value[x], not both")


def _element(walk: _Walk, known: Field, name: str, item: Any, at: _At) -> None:
    object_, place, _, _ = at
    if not known.many:
        if type(item) is list:
            walk.fault("single", (place, name, -1))
        else:
            _value(walk, known, item, (place, name, -1), at)
        return
    if type(item) is not list:
        walk.fault("array", (place, name, -1))
        return
    if not item:
        walk.fault("empty", (place, name, -1))
    for index, one in enumerate(item):
        if one is None:
            extras = object_.get(f"_{name}")
            if type(extras) is list and index < len(extras) and extras[index]:
                continue
        _value(walk, known, one, (place, name, index), at)


def _value(walk: _Walk, known: Field, value: Any, place: Place, at: _At) -> None:
    own = at[3]
    if known.check is not None:
        _primitive(walk, known, value, place, own)
        return
    if known.type == ANY_RESOURCE:
        _resource(walk, value, place, at[2] + 1, own if known.element == CONTAINED else None)
        return
    _object(walk, shape(known.type), value, place, at[2] + 1, own)
    if type(value) is not dict:
        return
    if known.type == "Reference":
        _reference(walk, known, value, place, own)
    elif known.allowed is not None:
        _coded(walk, known, value, place)
    if known.held:
        walk.held.extend([(one, value, place, own) for one in known.held])


def _primitive(walk: _Walk, known: Field, value: Any, place: Place, own: _Own) -> None:
    if type(value) is str and value in known.seen:
        return
    assert known.check is not None
    if not known.check(value):
        walk.fault("value", place, f"{known.type}: {value!r}")
        return
    if known.allowed is not None and not _is_allowed(known.allowed, value):
        walk.fault("code", place, str(value))
    if known.type in ADDRESSES and value[0] == "#":
        own.used.add(value[1:] or "#")
    elif known.allowed is None and not known.held:
        known.remember(value)
    if known.held:
        walk.held.extend([(one, value, place, own) for one in known.held])


def _extras(walk: _Walk, known: Field, name: str, item: Any, at: _At) -> None:
    """Check `_name`: ids and extensions of a primitive, or of each in an array."""
    extra = shape("Element")
    object_, place, above, own = at
    depth = above + 1
    if not known.many:
        _object(walk, extra, item, (place, name, -1), depth, own)
        return
    beside = object_.get(name[1:])
    if type(item) is not list or (type(beside) is list and len(beside) != len(item)):
        walk.fault("array", (place, name, -1))
        return
    for index, one in enumerate(item):
        if one is not None:
            _object(walk, extra, one, (place, name, index), depth, own)
        elif type(beside) is not list or beside[index] is None:
            walk.fault("empty", (place, name, index))


def _is_allowed(allowed: Mapping[str, frozenset[str]], code: Any, system: str = "") -> bool:
    if system:
        return code in allowed.get(system, ())
    return any(code in some for some in allowed.values())


def _coded(walk: _Walk, known: Field, value: Json, place: Place) -> None:
    """Check Coding, CodeableConcept and Quantity against a required binding."""
    codings = value.get("coding", ()) if known.type == "CodeableConcept" else (value,)
    if not isinstance(codings, list | tuple):
        return
    allowed = known.allowed
    assert allowed is not None
    if not any(
        isinstance(one, dict)
        and ("code" not in one or _is_allowed(allowed, one["code"], str(one.get("system", ""))))
        for one in codings
    ):
        walk.fault("code", place, ", ".join(_told(codings)))


def _told(codings: Sequence[Any]) -> Iterator[str]:
    for one in codings:
        if isinstance(one, dict):
            yield f"{one.get('system', '')}|{one.get('code', '')}"


def _reference(walk: _Walk, known: Field, value: Json, place: Place, own: _Own) -> None:
    target = value.get("reference")
    if not isinstance(target, str):
        return
    if target.startswith("#"):
        inner = target[1:]
        own.used.add(inner or "#")
        if inner and inner not in own.inside:
            walk.fault("contained", (place, "reference", -1), target)
            return
        kind = own.inside.get(inner, own.root["resourceType"])
    else:
        told = (_led_to if len(target) <= SHORT else _led_to.__wrapped__)(target)
        if not told:
            if told is None:
                walk.fault("reference", (place, "reference", -1), target)
            return
        kind = told
    if known.targets and kind not in known.targets and ANY_RESOURCE not in known.targets:
        walk.fault("target", (place, "reference", -1), kind)


@lru_cache(maxsize=4_096)
def _led_to(text: str) -> str | None:
    """Return the type a reference names, `""` if none, None where it is not well formed."""
    found = REFERENCE.fullmatch(text) or CONDITIONAL.fullmatch(text)
    if found is not None and found["type"] in RESOURCES:
        return found["type"]
    return "" if ABSOLUTE.fullmatch(text) else None


def _contained(resource: Json) -> Mapping[str, str]:
    inside = resource.get("contained")
    return {
        one["id"]: str(one.get("resourceType"))
        for one in (inside if isinstance(inside, list) else ())
        if isinstance(one, dict) and isinstance(one.get("id"), str)
    }


def _try(walk: _Walk, invariant: Invariant, value: Any, place: Place, own: _Own) -> None:
    try:
        answer = invariant.path.evaluate(value, resource=own.resource, root=own.root)
    except PathError as error:
        walk.fault(invariant.key, place, f"cannot be tried: {error}")
        return
    if answer == [False]:  # empty: it does not apply (ras-2 where there is no probability)
        walk.fault(invariant.key, place, invariant.words, warning=invariant.warning)


def _written(place: Place) -> str:
    parts = []
    while place is not None:
        place, name, index = place
        parts.append(name if index < 0 else f"{name}[{index}]")
    return ".".join(reversed(parts))
