"""What resources refer to is there and is not deleted; whom a resource is about.

Writers check what they refer to and deleters what refers to them under one lock, shared by writers,
so neither misses the other. What the record's own modules publish is not checked: they write whole
sets, in the order that suits them.

Source: HL7 FHIR R4 4.0.1 §2.3 References; CapabilityStatement `referencePolicy` enforced; §3.1.0.7
delete ("Servers … may refuse … where referential integrity").
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import orjson

from citycare.kernel.context import Context
from citycare.kernel.fhir.definitions import compartments
from citycare.kernel.fhir.finding import Visible, named
from citycare.kernel.fhir.model import Invalid, Resource, ResourceReferenced, Violation
from citycare.kernel.fhir.searching import keys as of
from citycare.kernel.fhir.searching.ways import belonging_of, reference_lanes

Name = tuple[str, str]

WRITERS_LOCK = "SELECT pg_advisory_xact_lock_shared(%(lock)s)"
DELETERS_LOCK = "SELECT pg_advisory_xact_lock(%(lock)s)"
LOCK = 0x0F41_1236
ABSENT = """
    SELECT n.type, n.id FROM unnest(%(types)s::text[], %(ids)s::text[]) AS n (type, id)
     WHERE NOT EXISTS (SELECT FROM fhir.resource r
                        WHERE r.type = n.type AND r.id = n.id AND NOT r.deleted)
"""
REFERRING = """
    SELECT type, id FROM fhir.resource
     WHERE NOT deleted AND keys && %(keys)s::bigint[] AND NOT (type = %(type)s AND id = %(id)s)
     LIMIT 3
"""


def targets_of(resource: Any, base: str = "") -> set[Name]:
    """Return the resources here that a resource refers to."""
    found: set[Name] = set()
    level = [resource]
    while level:  # by hand: every write goes through all of what it writes
        value = level.pop()
        if type(value) is dict:
            text = value.get("reference")
            target = of.target_of(text, base) if type(text) is str else None
            if target is not None:
                found.add(target)
            value = value.values()
        level += [one for one in value if type(one) is dict or type(one) is list]
    return found


def places_of(resource: Any, base: str = "") -> dict[Name, str]:
    """Return what `targets_of` does, each with the place of a reference to it."""
    found: dict[Name, str] = {}
    _gather(resource, str(resource.get("resourceType", "")), base, found)
    return found


def _gather(value: Any, place: str, base: str, found: dict[Name, str]) -> None:
    if isinstance(value, list):
        for number, one in enumerate(value):
            _gather(one, f"{place}[{number}]", base, found)
    elif isinstance(value, dict):
        text = value.get("reference")
        target = of.target_of(text, base) if isinstance(text, str) else None
        if target is not None:
            found.setdefault(target, f"{place}.reference")
        for name, one in value.items():
            if type(one) in (dict, list):
                _gather(one, f"{place}.{name}", base, found)


async def require_targets(
    cx: Context, resources: Sequence[Resource], base: str = "", new: Iterable[Name] = ()
) -> None:
    """Check that all that is referred to is there, or is among what is being written (`new`).

    Raises:
        Invalid: each reference that leads nowhere.
    """
    wanted = targets_among(resources, base, new)
    if wanted:
        await require(cx, resources, base, wanted)


def targets_among(
    resources: Sequence[Resource], base: str = "", new: Iterable[Name] = ()
) -> set[Name]:
    """Return what any of these refers to here, but for what is being written (`new`)."""
    found = {name for resource in resources for name in targets_of(resource, base)}
    found.difference_update(new)
    return found


async def require(
    cx: Context, resources: Sequence[Resource], base: str, wanted: Collection[Name]
) -> None:
    """Check that these are there, for the resources that refer to them; none goes meanwhile.

    Raises:
        Invalid: each reference that leads nowhere.
    """
    await cx.db.execute(WRITERS_LOCK, {"lock": LOCK})
    gone = await absent(cx, wanted)
    if gone:
        raise Invalid(
            [
                unresolved(resource, place, name)
                for resource in resources
                for name, place in places_of(resource, base).items()
                if name in gone
            ]
        )


async def absent(cx: Context, names: Iterable[Name]) -> set[Name]:
    """Return those resources that are not here, or are deleted; in one statement."""
    kinds, ids = zip(*sorted(names), strict=True)
    rows = await (await cx.db.execute(ABSENT, {"types": list(kinds), "ids": list(ids)})).fetchall()
    return {(row["type"], row["id"]) for row in rows}


def unresolved(resource: Resource, place: str, name: Name) -> Violation:
    """Say of a reference that it leads nowhere."""
    target = "/".join(name)
    return Violation(
        resource["resourceType"], str(resource.get("id", "")), place, "unresolved",
        f"{place} 引用的数据没有找到：{target}", f"{place} refers to what is not here: {target}",
    )  # fmt: skip


async def require_unreferenced(
    cx: Context, resource_type: str, resource_id: str, visible: Visible
) -> None:
    """Check that nothing refers to a resource that is to be deleted, by its search parameters.

    Raises:
        ResourceReferenced: something does; what of it may be seen is named, of all else is said
            that there is some.
    """
    await cx.db.execute(DELETERS_LOCK, {"lock": LOCK})
    own = of.resource_hash(resource_type, resource_id)
    text = "{" + ",".join(str(own ^ lane) for lane in reference_lanes()) + "}"
    values = {"keys": text, "type": resource_type, "id": resource_id}
    rows = await (await cx.db.execute(REFERRING, values)).fetchall()
    if rows:
        names = [(row["type"], row["id"]) for row in rows]
        seen = {(one.type, one.id) for one in await named(cx, names, visible)}
        told = [f"{kind}/{id_}" for kind, id_ in names if (kind, id_) in seen]
        by = " ".join([*told, *(["others"] if len(told) < len(names) else [])])
        raise ResourceReferenced(type=resource_type, id=resource_id, by=by)


def persons_of(resource: Any) -> set[str]:
    """Return the ids of the Patients a resource belongs to, by the compartment's definition."""
    kind = resource["resourceType"]
    if kind == "Patient":
        return {str(resource.get("id", ""))}
    found = set()
    for lane, kinds in belonging_of(kind).items():
        for _, value in lane.values(resource) if "Patient" in kinds else ():
            text = value.get("reference") if isinstance(value, dict) else None
            target = of.target_of(text) if isinstance(text, str) else None
            if target is not None and target[0] == "Patient":
                found.add(target[1])
    return found


def persons_named(resource: Any) -> set[str]:
    """Return the ids of the Patients whom whoever sees a resource has looked at, for the trail.

    Those it belongs to; where no resource of its type belongs to a Patient (Task, Device, Bundle),
    all it refers to.
    """
    if resource["resourceType"] in compartments()["Patient"]:
        return persons_of(resource)
    return {id_ for kind, id_ in targets_of(resource) if kind == "Patient"}


NAMED = re.compile(r"Patient/([A-Za-z0-9.\-]{1,64})", re.ASCII)


def persons_among(stored: Iterable[tuple[str, str, str]]) -> set[str]:
    """Return the ids of the Patients any of these names: type, id and JSON text of each.

    As `persons_named` of each does, for the trail: whose they are for access `persons_of` tells.
    Only what names a Patient not yet found is parsed: most of a page is about the same one.
    """
    found: set[str] = set()
    bodies = []
    for kind, id_, body in stored:
        if kind == "Patient":
            found.add(id_)
        else:
            bodies.append(body)
    if found.issuperset(NAMED.findall("\n".join(bodies))):
        return found
    for body in bodies:
        if not found.issuperset(NAMED.findall(body)):
            found |= persons_named(orjson.loads(body))
    return found
