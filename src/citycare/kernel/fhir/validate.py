"""Light structural validation: what a resource must hold to be stored and found again.

Not a profile validator: known type, form of the id, elements that must be there, arrays where R4
has arrays, codes of required bindings, dates that are dates, references that can be followed.
Source: HL7 FHIR R4 4.0.1: §2.24.0.1 id, §2.3 References, resource pages.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from citycare.kernel.fhir import terms
from citycare.kernel.fhir.definitions import DEFINITIONS, TYPES, Definition
from citycare.kernel.fhir.model import Violation

ID = re.compile(r"[A-Za-z0-9.-]{1,64}", re.ASCII)
REFERENCE = re.compile(
    r"#[A-Za-z0-9.-]{0,64}"
    r"|(?:https?://\S+/)?[A-Z][A-Za-z]+/[A-Za-z0-9.-]{1,64}(?:/_history/[A-Za-z0-9.-]{1,64})?"
    r"|https?://\S+"
    r"|urn:(?:uuid:[0-9a-fA-F-]{36}|oid:[0-9.]+)",
    re.ASCII,
)
LOCAL = re.compile(r"([A-Z][A-Za-z]+)/", re.ASCII)
DEPTH_MAX = 50

WORDS = {
    "type": ("没有这种资源类型", "is not a FHIR R4 resource type"),
    "id": ("编号只能由字母、数字、“-”和“.”组成，最长64个字符", "is not a FHIR id"),
    "required": ("缺少必填的数据项", "is missing"),
    "array": ("应当是数组", "must be an array"),
    "single": ("不能是数组", "must not be an array"),
    "code": ("取值不在允许的范围内", "is not one of the allowed codes"),
    "date": ("日期时间的格式不对", "is not a FHIR date"),
    "reference": ("引用的格式不对", "is not a well-formed reference"),
    "contained": ("引用了资源内部没有的条目", "refers to something not contained here"),
    "depth": ("嵌套层数太多", "is nested too deeply"),
    "rule": ("不符合该资源的约束", "breaks a rule of the resource"),
}


def violations(resource: dict[str, Any]) -> list[Violation]:
    """Return every fault found, empty when the resource may be stored."""
    name = resource.get("resourceType")
    if not isinstance(name, str) or name not in TYPES:
        return [_fault(resource, "resourceType", "type")]
    identifier = resource.get("id")
    found = []
    if not isinstance(identifier, str) or ID.fullmatch(identifier) is None:
        found.append(_fault(resource, f"{name}.id", "id"))
    definition = DEFINITIONS.get(name)
    if definition is not None:
        for element, code in _structure(resource, definition):
            found.append(_fault(resource, f"{name}.{element}", code))
    contained = resource.get("contained")
    inside = _contained_ids(contained) if contained is not None else frozenset[str]()
    if not _references_hold(resource, inside, 0):
        for element, code in _references(resource, name, inside, 0):
            found.append(_fault(resource, element, code))
    return found


def _fault(resource: dict[str, Any], element: str, code: str) -> Violation:
    words, message = WORDS[code]
    return Violation(
        str(resource.get("resourceType", "?")),
        str(resource.get("id", "?")),
        element,
        code,
        f"{element} {words}",
        f"{element} {message}",
    )


def _structure(resource: dict[str, Any], definition: Definition) -> Iterator[tuple[str, str]]:
    many = definition.many
    for name, value in resource.items():
        if isinstance(value, list):
            if not value or (name not in many and name in SINGLES[definition.type]):
                yield name, "single" if value else "required"
        elif name in many:
            yield name, "array"
    required, codes = STEPS[definition.type]
    for steps in required:
        yield from _required(resource, steps, "")
    for steps, allowed in codes:
        for value in terms.nodes(resource, steps):
            if not isinstance(value, str) or value not in allowed:
                yield ".".join(steps), "code"
    try:
        terms.date_of(resource)
    except (ValueError, OverflowError):
        yield definition.date.paths[0] if definition.date else "", "date"
    yield from _rules(resource, definition.type)


def _required(
    value: dict[str, Any], steps: tuple[str, ...], above: str
) -> Iterator[tuple[str, str]]:
    step, rest = steps[0], steps[1:]
    here = value.get(step)
    if rest:
        for index, item in enumerate(here if isinstance(here, list) else [here]):
            if isinstance(item, dict):
                where = f"[{index}]" if isinstance(here, list) else ""
                yield from _required(item, rest, f"{above}{step}{where}.")
    elif (here is None or here in ("", [], {})) and "_" + step not in value:
        # (a primitive may be given by its extensions alone, as `_status`)
        yield above + step, "required"


def _rules(resource: dict[str, Any], name: str) -> Iterator[tuple[str, str]]:
    """Invariants that later code relies on: org-1, app-2, app-3."""
    if name == "Organization" and "name" not in resource and "identifier" not in resource:
        yield "name", "required"
    if name == "Appointment":
        start, end = "start" in resource, "end" in resource
        if start != end:
            yield "start" if end else "end", "required"
        elif not start and resource.get("status") not in ("proposed", "cancelled", "waitlist"):
            yield "start", "required"


def _contained_ids(contained: Any) -> frozenset[str]:
    return frozenset(str(each) for each in terms.nodes(contained, ("id",)))


def _references_hold(value: Any, inside: frozenset[str], depth: int) -> bool:
    """Walk once without writing paths: nearly all resources are right."""
    if depth > DEPTH_MAX:
        return False
    if isinstance(value, dict):
        target = value.get("reference")
        if isinstance(target, str) and _reference_fault(target, inside) is not None:
            return False
        value = value.values()
    return all(
        _references_hold(item, inside, depth + 1)
        for item in value
        if isinstance(item, (dict, list))
    )


def _references(
    value: Any, where: str, inside: frozenset[str], depth: int
) -> Iterator[tuple[str, str]]:
    if depth > DEPTH_MAX:
        yield where, "depth"
    elif isinstance(value, dict):
        target = value.get("reference")
        if isinstance(target, str):
            code = _reference_fault(target, inside)
            if code is not None:
                yield f"{where}.reference", code
        for name, item in value.items():
            if isinstance(item, (dict, list)):
                yield from _references(item, f"{where}.{name}", inside, depth + 1)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, (dict, list)):
                yield from _references(item, f"{where}[{index}]", inside, depth + 1)


def _reference_fault(target: str, inside: frozenset[str]) -> str | None:
    kind, _, identifier = target.partition("/")
    if kind in TYPES and ID.fullmatch(identifier) is not None:
        return None
    if REFERENCE.fullmatch(target) is None:
        return "reference"
    if target.startswith("#"):
        return None if len(target) == 1 or target[1:] in inside else "contained"
    local = LOCAL.match(target)
    if local is not None and local[1] not in TYPES:
        return "reference"
    return None


def _singles(definition: Definition) -> frozenset[str]:
    """Elements known to be single: every first step we read that is not repeating."""
    paths = [path for param in definition.params for path in param.paths]
    paths += [*definition.required, *definition.codes, "id", "meta", "text", "implicitRules"]
    return frozenset(path.split(".")[0] for path in paths) - definition.many


SINGLES = {name: _singles(definition) for name, definition in DEFINITIONS.items()}

Steps = tuple[str, ...]


def _steps(definition: Definition) -> tuple[list[Steps], list[tuple[Steps, frozenset[str]]]]:
    """Part the paths once, not for every resource."""
    return (
        [tuple(path.split(".")) for path in definition.required],
        [(tuple(path.split(".")), allowed) for path, allowed in definition.codes.items()],
    )


STEPS = {name: _steps(definition) for name, definition in DEFINITIONS.items()}
