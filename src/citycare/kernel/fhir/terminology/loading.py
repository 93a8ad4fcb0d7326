"""Code systems, value sets and concept maps into the tables and into the record.

What is large (more than KEPT_WHOLE concepts or entries) stands in the record without them, a
CodeSystem then as `content: not-present`, which says just that; what is small is kept as sent.
A resource that is the same as what is here is not loaded again; a changed one takes the place of
the one with its url and version. All in the caller's transaction.

Source: HL7 FHIR R4 4.0.1 §4.8 CodeSystem.content, value set codesystem-content-mode.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import partial
from typing import Any

from citycare.kernel.context import Context
from citycare.kernel.fhir import store, validate
from citycare.kernel.fhir.model import Invalid, Resource
from citycare.kernel.fhir.rows import dumps
from citycare.kernel.fhir.terminology import reading, writing
from citycare.kernel.fhir.terminology.listing import Faults
from citycare.kernel.fhir.terminology.model import (
    CODE_MAX,
    CONCEPTS_MAX,
    LISTED_MAX,
    NAME_MAX,
    Loaded,
    Problem,
    State,
    Unreadable,
    VersionTaken,
    fits,
)
from citycare.kernel.fhir.terminology.placing import (
    TABLES,
    Place,
    add_group,
    drop_concepts,
    find_place,
    head_of,
    head_of_map,
    replace_head,
    write_system,
)
from citycare.kernel.fhir.terminology.writing import Tell, silent
from citycare.kit import ids

TYPES = ("CodeSystem", "ValueSet", "ConceptMap")
KEPT_WHOLE = 1_000
SUPPLEMENT = "supplement"


async def load(cx: Context, resource: Resource, tell: Tell = silent) -> Loaded:
    """Take a resource in: into the tables, and into the record under an id that is free for it.

    Raises:
        Invalid, Unreadable: it has faults; nothing was written.
        Busy: somebody else is loading the same.
    """
    kind = resource["resourceType"]
    _check(resource | {"id": "x"})
    if not resource.get("url"):
        resource = resource | {"id": resource.get("id") or str(ids.derive(dumps(resource)))}
        await store.put(cx, [resource])
        return Loaded(kind, "", resource.get("version", ""), State.KEPT, 0, resource["id"])
    digest = hashlib.sha256(dumps(resource).encode()).digest()
    place = await find_place(cx, resource, digest)
    made = resource | {"id": place.resource_id}
    if place.state is State.UNCHANGED:
        return place.loaded(0)
    count = await _index(cx, made, place, digest, tell)
    await store.put(cx, [stripped(made, count)])
    return place.loaded(count)


async def index(cx: Context, resource: Resource, tell: Tell = silent) -> Resource:
    """Bring the tables to what a resource says that is about to be stored under its own id.

    Returns:
        What is to be stored: without concepts, where there are many.

    Raises:
        Invalid, Unreadable: it has faults; nothing was written.
        VersionTaken: another resource has its url and version.
    """
    _check(resource)
    if not resource.get("url"):
        await drop(cx, resource["resourceType"], resource["id"])
        return resource
    place = await find_place(cx, resource, b"")
    if place.resource_id != resource["id"]:
        raise VersionTaken(url=place.url, version=place.version, resource=place.resource_id)
    digest = hashlib.sha256(dumps(resource).encode()).digest()
    await drop(cx, resource["resourceType"], resource["id"])
    return stripped(resource, await _index(cx, resource, place, digest, tell))


async def drop(cx: Context, resource_type: str, resource_id: str) -> None:
    """Forget what was loaded from a resource that is deleted."""
    found = await (
        await cx.db.execute(
            f"DELETE FROM fhir.{TABLES[resource_type]} WHERE resource_id = %(id)s RETURNING id",
            {"id": resource_id},
        )
    ).fetchone()
    if found is not None and resource_type == "CodeSystem":
        await drop_concepts(cx, found["id"])


def stripped(resource: Resource, count: int) -> Resource:
    """Return a resource as it is kept in the record."""
    kind = resource["resourceType"]
    if count <= KEPT_WHOLE or kind == "ValueSet":
        return resource
    gone = "concept" if kind == "CodeSystem" else "group"
    kept = {name: one for name, one in resource.items() if name != gone}
    return kept | ({"content": "not-present", "count": count} if kind == "CodeSystem" else {})


def _check(resource: Resource) -> None:
    """Refuse what R4's rules refuse, and what could not be used."""
    # csd-1, no code twice, is checked in `writing`, which names the code and takes any size
    if found := [one for one in validate.violations(resource) if one.code != "csd-1"]:
        raise Invalid(found)
    if resource.get("content") == SUPPLEMENT:
        raise Unreadable([Problem("content", "content", "supplements are not taken in")])
    for name, most in (("url", CODE_MAX), ("valueSet", CODE_MAX), ("version", NAME_MAX)):
        if not fits(resource.get(name, ""), most):
            raise Unreadable([Problem(name, name, f"more than {most} bytes")])
    if resource["resourceType"] == "ConceptMap":
        _check_map(resource)
    if resource["resourceType"] == "ValueSet":
        count = reading.listed(reading.composed(resource))
        if count > LISTED_MAX:
            wrong = f"lists {count} codes; more than {LISTED_MAX} belong in a code system"
            raise Unreadable([Problem("compose", "concept", wrong)])


def _check_map(resource: Resource) -> None:
    groups = resource.get("group", ())
    if sum(len(one.get("element", ())) for one in groups) > CONCEPTS_MAX:
        raise Unreadable([Problem("group", "element", f"more than {CONCEPTS_MAX} in all")])
    faults = Faults()
    for at, group in enumerate(groups):
        for one in reading.entries(group, at):
            if not fits(one.source) or not fits(one.target):
                faults.add(one.place, "code", f"more than {CODE_MAX} bytes")
    faults.check()


async def _index(
    cx: Context, resource: Mapping[str, Any], place: Place, digest: bytes, tell: Tell
) -> int:
    """Write the tables of a resource; return how many concepts, codes or entries it has."""
    match place.type:
        case "CodeSystem":
            read = partial(reading.concepts, resource)
            return await write_system(cx, resource, place, digest, read, Faults(), tell)
        case "ValueSet":
            compose = reading.composed(resource)
            told = head_of(resource, place, cx, digest) | {"compose": dumps(compose)}
            await replace_head(cx, place, told)
            return reading.listed(compose)
    groups = resource.get("group", ())
    map_id = await replace_head(cx, place, head_of_map(resource, place, cx, digest))
    count = 0
    for at, group in enumerate(groups):
        await add_group(cx, map_id, at, group)
        count += await writing.write_entries(cx, map_id, at, reading.entries(group, at), tell)
    return count
