"""Lists of codes and of mappings as code systems and concept maps.

Source: HL7 FHIR R4 4.0.1 §4.8 CodeSystem, §4.10 ConceptMap; the layouts: `listing`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from citycare.kernel.context import Context
from citycare.kernel.fhir import store
from citycare.kernel.fhir.rows import dumps
from citycare.kernel.fhir.terminology import listing, writing
from citycare.kernel.fhir.terminology.listing import Layout, Table
from citycare.kernel.fhir.terminology.model import CONCEPTS_MAX, Json, Loaded, State
from citycare.kernel.fhir.terminology.placing import (
    add_group,
    find_place,
    head_of_map,
    replace_head,
    write_system,
)
from citycare.kernel.fhir.terminology.writing import Tell, silent


@dataclass(frozen=True, slots=True)
class Named:
    """How a list is called that does not say so itself."""

    url: str
    version: str
    title: str
    case_sensitive: bool = True


async def load_list(
    cx: Context, path: Path, named: Named, layout: Layout, tell: Tell = silent
) -> Loaded:
    """Take in a list of codes as a code system.

    Raises:
        Unreadable: it has faults, each with row and column; nothing was written.
    """
    system: Json = {
        **_resource("CodeSystem", named),
        "caseSensitive": named.case_sensitive,
        "content": "complete",
    }
    digest = _digest(path, system, layout)
    place = await find_place(cx, system, digest)
    if place.state is State.UNCHANGED:
        return place.loaded(0)
    table = Table(path, layout)
    read = listing.concepts(table)
    count = await write_system(cx, system, place, digest, read, table.faults, tell)
    kept = system | {"id": place.resource_id, "content": "not-present", "count": count}
    await store.put(cx, [kept])
    return place.loaded(count)


@dataclass(frozen=True, slots=True)
class Ends:
    """The systems a list of mappings leads between, as canonicals (`url|version`)."""

    source: str
    target: str


async def load_mapping(
    cx: Context, path: Path, named: Named, ends: Ends, layout: Layout, tell: Tell = silent
) -> Loaded:
    """Take in a list of mappings as a concept map of one group.

    Raises:
        Unreadable: it has faults, each with row and column; nothing was written.
    """
    group: Json = {}
    for end, canonical in asdict(ends).items():
        url, _, version = canonical.partition("|")
        group |= {end: url, **({f"{end}Version": version} if version else {})}
    concept_map = _resource("ConceptMap", named)
    digest = _digest(path, concept_map | group, layout)
    place = await find_place(cx, concept_map, digest)
    if place.state is State.UNCHANGED:
        return place.loaded(0)
    table = Table(path, layout)
    read = listing.entries(table)
    for number, one in enumerate(read(), 1):
        if number > CONCEPTS_MAX:
            table.faults.add(one.place, "", f"more than {CONCEPTS_MAX} rows")
            break
    table.faults.check()
    map_id = await replace_head(cx, place, head_of_map(concept_map, place, cx, digest))
    await add_group(cx, map_id, 0, group)
    count = await writing.write_entries(cx, map_id, 0, read(), tell)
    await store.put(cx, [concept_map | {"id": place.resource_id}])
    return place.loaded(count)


def _resource(kind: str, named: Named) -> Json:
    return {
        "resourceType": kind,
        "url": named.url,
        **({"version": named.version} if named.version else {}),
        "title": named.title,
        "status": "active",
    }


def _digest(path: Path, resource: Mapping[str, Any], layout: Layout) -> bytes:
    with path.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    return hashlib.sha256(dumps([content, resource, asdict(layout)]).encode()).digest()
