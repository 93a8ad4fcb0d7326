"""From what was read to what is asked: resources with their places, and what is to be looked for.

An import asks for the state after it, not for a deed: whatever method an entry names, its resource
is put; entries that delete, patch or read are refused. Bundles without requests (collection,
document, message, searchset) become batches of such entries.

Source: HL7 FHIR R4 4.0.1 §2.36.4 Bundle, §3.1.0.11.2 (conditional references).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

from citycare.kernel.fhir import bundles
from citycare.kernel.fhir.bundles import Method, Plan, Step
from citycare.kernel.fhir.bundles.model import violation
from citycare.kernel.fhir.definitions import RESOURCES
from citycare.kernel.fhir.importing.model import LINE_MB_MAX, Json, Options, Refused, fault, named
from citycare.kernel.fhir.importing.reading import Broken, Group, Line
from citycare.kernel.fhir.model import Invalid, Violation
from citycare.kernel.fhir.rows import loads

WITH_REQUESTS = ("transaction", "batch")
WITHOUT = ("collection", "document", "message", "searchset")
ENTRY = re.compile(r"Bundle\.entry\[(\d+)\]")

Identifier = tuple[str, str, str]
"""A type, a system (`""`: it must have none) and a value."""

Found = Mapping[str, Sequence[str]]
"""Ids by condition: none, one, or two of more; not in it: what an import does not look for."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a group asks.

    Attributes:
        plan: of its entries.
        places: by entry: the line, or the entry itself.
        size: of the group, in resources.
        refused: what is broken before anything is looked for.
        conditions: of entries (`ifNoneExist`, conditional update), to be looked for.
    """

    plan: Plan
    places: Sequence[int]
    size: int
    refused: Sequence[Refused]
    conditions: frozenset[str]


def asked(group: Group, options: Options) -> Asked:
    """Read a group: its JSON, its entries, what has to be looked for.

    Raises:
        Broken: the document is no JSON, or nothing that can be imported.
    """
    if group.document:
        entries = _entries(_json(group.document))
        return _asked(entries, range(len(entries)), [], options, strict=options.strict)
    good, refused = [], []
    for line in group.lines:
        read = _line(line)
        if isinstance(read, Refused):
            refused.append(read)
        else:
            good.append((line.number, _put(read, "")))
    entries = [entry for _, entry in good]
    return _asked(entries, [number for number, _ in good], refused, options, strict=False)


def _json(text: bytes) -> Any:
    """Read JSON.

    Raises:
        Broken: it is none, or deeper than can be.
    """
    try:
        return loads(text.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise Broken("encoding") from error
    except (ValueError, RecursionError) as error:
        raise Broken("json", str(error)) from error


def _line(line: Line) -> Json | Refused:
    if not line.text:
        return Refused(line.number, "", "", (fault("", "large", f"{LINE_MB_MAX} MB"),))
    try:
        read = _json(line.text)
    except Broken as error:
        return Refused(line.number, "", "", error.refused.faults)
    if not isinstance(read, dict) or read.get("resourceType") not in RESOURCES:
        told = named(read)
        return Refused(line.number, told["type_"], told["id_"],
                       (fault("", "kind", told["type_"], **told),))  # fmt: skip
    return read


def _entries(document: Any) -> list[Any]:
    """Return the entries of a document as those of a batch."""
    kind = document.get("resourceType") if isinstance(document, dict) else None
    if kind in RESOURCES and kind != "Bundle":
        return [_put(document, "")]
    entries = document.get("entry", []) if kind == "Bundle" else None
    form = document.get("type") if kind == "Bundle" else kind
    if not isinstance(entries, list) or form not in (*WITH_REQUESTS, *WITHOUT):
        raise Broken("kind", str(form))
    if form in WITH_REQUESTS:
        return entries
    return [
        _put(one.get("resource"), one.get("fullUrl", "")) if isinstance(one, dict) else one
        for one in entries
    ]


def _put(resource: Any, full_url: Any) -> Json:
    """Make the entry that stores a resource, under its own id if it has one."""
    kind = resource.get("resourceType") if isinstance(resource, dict) else None
    entry: Json = {"request": {"method": "POST", "url": str(kind)}}
    entry |= {"resource": resource} if resource is not None else {}
    return entry | ({"fullUrl": full_url} if full_url else {})


def _asked(
    entries: list[Any],
    places: Sequence[int],
    refused: list[Refused],
    options: Options,
    *,
    strict: bool,
) -> Asked:
    kind = "transaction" if strict else "batch"
    size = len(entries) + len(refused)
    bundle = {"resourceType": "Bundle", "type": kind, "entry": entries}
    broken: Mapping[int, Sequence[Violation]] = {}
    try:
        plan = bundles.plan(bundle if entries else _EMPTY, base=options.base)
        broken = plan.refused
    except Invalid as error:  # of a strict import, which stores nothing of it
        plan = bundles.plan(_EMPTY, base=options.base)
        broken = _by_entry(error.violations)
    alone = not isinstance(places, range)  # lines: there is no Bundle to speak of
    for place, found in broken.items():
        entry = entries[place]
        told = named(entry.get("resource") if isinstance(entry, dict) else None)
        faults = tuple(_alone(one, place) if alone else one for one in found)
        refused.append(Refused(places[place], told["type_"], told["id_"], faults))
    steps, undoable = [], (Method.PUT, Method.POST)
    for step in plan.steps:
        if step.method in undoable and not step.rest:
            steps.append(step)
            continue
        told = named(step.resource)
        where = f"{step.at}.request.method"
        refused.append(Refused(places[step.place], told["type_"], told["id_"],
                               (violation("?", where, "unexpected", "an import"),)))  # fmt: skip
    plan = Plan(plan.kind, plan.base, plan.count, tuple(steps), {}, plan.urls)
    conditions = frozenset(filter(None, map(condition_of, steps)))
    return Asked(plan, places, size, refused, conditions)


def _alone(fault_: Violation, place: int) -> Violation:
    """Speak of a resource as it stands on its line, not as an entry."""
    entry = f"Bundle.entry[{place}]."
    return replace(
        fault_,
        element=fault_.element.removeprefix(entry),
        words=fault_.words.removeprefix(entry),
        message=fault_.message.removeprefix(entry),
    )


_EMPTY: Json = {"resourceType": "Bundle", "type": "batch"}


def _by_entry(violations: Iterable[Violation]) -> dict[int, list[Violation]]:
    found: dict[int, list[Violation]] = {}
    for one in violations:
        entry = ENTRY.match(one.element)
        found.setdefault(int(entry[1]) if entry else 0, []).append(one)
    return found


def condition_of(step: Step) -> str:
    """Return by what the resource of a step is looked for, `""` for none."""
    asked_for = step.if_none_exist if step.method is Method.POST else step.query
    return f"{step.type}?{asked_for}" if asked_for else ""


@lru_cache(maxsize=65_536)
def identifier_of(condition: str) -> Identifier | None:
    """Read `Type?identifier=system|value`; None for what an import does not look for."""
    kind, _, query = condition.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True)
    if len(pairs) != 1 or pairs[0][0] != "identifier" or kind not in RESOURCES:
        return None
    system, bar, value = pairs[0][1].partition("|")
    if not bar or not value or set(",\\|") & {*system, *value}:
        return None
    return kind, system, value
