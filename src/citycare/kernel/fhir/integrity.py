"""What resources refer to is there and is not deleted; whom a resource is about.

Writers check what they refer to and deleters what refers to them under one lock, shared by writers,
so neither misses the other. Who deletes takes it last (`hold_writers`), all else being done: every
writer waits for it. Nobody who shares it may take it whole: two would wait for each other. What the
record's own modules publish is not checked: they write whole sets, in the order that suits them.

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
# Key by key: of one array of 471 keys the planner believes that reading all of the table is cheaper
# (60,000 resources: 390 ms, this 1 ms), and what is deleted may be many.
REFERRING = """
    SELECT o.place, r.type, r.id
      FROM unnest(%(hashes)s::bigint[]) WITH ORDINALITY AS o (hash, place)
     CROSS JOIN unnest(%(lanes)s::bigint[]) AS l (lane)
     CROSS JOIN LATERAL (SELECT type, id FROM fhir.resource
                          WHERE NOT deleted AND keys @> ARRAY[o.hash # l.lane] OFFSET 0) r
     WHERE (r.type, r.id) NOT IN (SELECT * FROM unnest(%(types)s::text[], %(ids)s::text[]))
     LIMIT 3
"""
TOGETHER = 100  # names that are looked for in one statement


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


async def hold_writers(cx: Context) -> None:
    """Let whoever writes a reference, and whoever deletes, wait until this transaction ends.

    After what waits for others, and before what is deleted or referred to is checked.
    """
    await cx.db.execute(DELETERS_LOCK, {"lock": LOCK})


async def require_unreferenced(cx: Context, gone: Sequence[Name], visible: Visible) -> None:
    """Check that nothing refers to what is deleted, by its search parameters, but what goes too.

    Raises:
        ResourceReferenced: something does; what of it may be seen is named, of all else is said
            that there is some.
    """
    for start in range(0, len(gone), TOGETHER):
        some = gone[start : start + TOGETHER]
        rows = await (await cx.db.execute(REFERRING, _values(some))).fetchall()
        if rows:
            place = rows[0]["place"]
            kind, id_ = some[place - 1]
            names = [(row["type"], row["id"]) for row in rows if row["place"] == place]
            seen = {(one.type, one.id) for one in await named(cx, names, visible)}
            told = ["/".join(name) for name in names if name in seen]
            by = " ".join([*told, *(["others"] if len(told) < len(names) else [])])
            raise ResourceReferenced(type=kind, id=id_, by=by)


def _values(gone: Sequence[Name]) -> dict[str, Any]:
    kinds, ids = zip(*gone, strict=True)
    lanes = "{" + ",".join(map(str, reference_lanes())) + "}"
    hashes = [of.resource_hash(*name) for name in gone]
    return {"hashes": hashes, "lanes": lanes, "types": list(kinds), "ids": list(ids)}


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
