"""Concepts of a CodeSystem, listed codes of a ValueSet, entries of a ConceptMap, from resources.

Resources have passed the rules of R4 (`kernel.fhir.r4`) before; here they are only walked.

Source: HL7 FHIR R4 4.0.1 §4.8 CodeSystem (properties `parent`, `child`, `inactive`,
`notSelectable`), §4.9 ValueSet, §4.10 ConceptMap. Property `status` as HL7 v3's code systems have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from citycare.kernel.fhir.rows import dumps
from citycare.kernel.fhir.terminology.model import Concept, Designation, Entry, Json, Property

VALUE = "value"
GONE = frozenset(("retired", "inactive"))
UNMATCHED = "unmatched"


def concepts(system: Mapping[str, Any]) -> Iterator[Concept]:
    """Yield the concepts of a CodeSystem as nested there, parents first."""
    children = _named_children(system)
    stack: list[tuple[Json, str, tuple[str, ...]]] = []
    stack += [(one, f"concept[{at}]", ()) for at, one in enumerate(system.get("concept", ()))][::-1]
    while stack:
        told, place, above = stack.pop()
        yield _concept(told, place, above + children.get(told["code"], ()))
        stack += [
            (one, f"{place}.concept[{at}]", (told["code"],))
            for at, one in enumerate(told.get("concept", ()))
        ][::-1]


def _named_children(system: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return parents that are told from above, by property `child`."""
    found: dict[str, tuple[str, ...]] = {}
    stack = list(system.get("concept", ()))
    while stack:
        told = stack.pop()
        stack += told.get("concept", ())
        for one in told.get("property", ()):
            if one["code"] == "child":
                child = str(one.get("valueCode", ""))
                found[child] = (*found.get(child, ()), told["code"])
    return found


def _concept(told: Json, place: str, above: tuple[str, ...]) -> Concept:
    properties = [_property(one) for one in told.get("property", ())]
    marks = {(one.name, one.value) for one in properties}
    parents = (*above, *(one.value for one in properties if one.name == "parent"))
    return Concept(
        place,
        told["code"],
        told.get("display", ""),
        told.get("definition"),
        tuple(dict.fromkeys(parents)),
        tuple(
            Designation(one["value"], one.get("language", ""), one.get("use"))
            for one in told.get("designation", ())
        ),
        tuple(one for one in properties if one.name not in {"parent", "child"}),
        ("inactive", "true") in marks or any(("status", one) in marks for one in GONE),
        ("notSelectable", "true") in marks,
    )


def _property(told: Json) -> Property:
    name, value = next(
        ((key, one) for key, one in told.items() if key.startswith(VALUE)), ("valueString", "")
    )
    kind = name.removeprefix(VALUE)
    if isinstance(value, dict):
        return Property(told["code"], kind, value.get("code", ""), value)
    return Property(told["code"], kind, value if isinstance(value, str) else dumps(value))


def composed(value_set: Mapping[str, Any]) -> Json:
    """Return what a value set is made of; of one that has only an expansion, the codes in it."""
    if "compose" in value_set:
        compose: Json = value_set["compose"]
        return compose
    systems: dict[tuple[str, str], list[Json]] = {}
    stack = list(value_set.get("expansion", {}).get("contains", ()))[::-1]
    while stack:
        one = stack.pop()
        stack += list(one.get("contains", ()))[::-1]
        if "code" in one and not one.get("abstract"):
            key = (one.get("system", ""), one.get("version", ""))
            told = {name: one[name] for name in ("code", "display", "designation") if name in one}
            systems.setdefault(key, []).append(told)
    return {
        "include": [
            {"system": system, **({"version": version} if version else {}), "concept": listed}
            for (system, version), listed in systems.items()
        ]
    }


def listed(compose: Mapping[str, Any]) -> int:
    """Count the codes a value set lists one by one."""
    return sum(
        len(part.get("concept", ()))
        for name in ("include", "exclude")
        for part in compose.get(name, ())
    )


def entries(group: Mapping[str, Any], at: int = 0) -> Iterator[Entry]:
    """Yield the entries of a group of a ConceptMap; an element without a target is unmatched."""
    for number, element in enumerate(group.get("element", ())):
        place = f"group[{at}].element[{number}]"
        code, display = str(element.get("code", "")), str(element.get("display", ""))
        targets: Sequence[Json] = element.get("target") or ({"equivalence": UNMATCHED},)
        for target in targets:
            more: Json = {
                name: target[name] for name in ("comment", "dependsOn", "product") if name in target
            }
            yield Entry(
                place, code, target.get("code", ""), target["equivalence"], display,
                target.get("display", ""), more or None,
            )  # fmt: skip
