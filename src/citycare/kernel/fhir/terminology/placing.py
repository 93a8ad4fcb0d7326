"""The heads of what is loaded: which version is where, and what takes whose place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from citycare.kernel.context import Context
from citycare.kernel.fhir.rows import dumps
from citycare.kernel.fhir.terminology import writing
from citycare.kernel.fhir.terminology.listing import Faults
from citycare.kernel.fhir.terminology.model import Loaded, State
from citycare.kernel.fhir.terminology.writing import Read, Tell
from citycare.kit import ids

TABLES = {"CodeSystem": "code_system", "ValueSet": "value_set", "ConceptMap": "concept_map"}
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended(%(url)s, 2026))"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a resource goes: the id in the record, and what was there."""

    type: str
    url: str
    version: str
    resource_id: str
    state: State

    def loaded(self, count: int) -> Loaded:
        """Say what became of the resource."""
        return Loaded(self.type, self.url, self.version, self.state, count, self.resource_id)


async def find_place(cx: Context, resource: Mapping[str, Any], digest: bytes) -> Place:
    """Wait for others who load the same url; find the place of a resource.

    Args:
        cx: the action.
        resource: with a url.
        digest: of what is to be loaded, to know whether it is here; empty: it is stored under its
            own id, which is free.
    """
    kind, url, version = resource["resourceType"], resource["url"], resource.get("version", "")
    await cx.db.execute(LOCK, {"url": url})
    given = str(resource.get("id", ""))
    rows = await (
        await cx.db.execute(
            f"SELECT url, version, resource_id, digest FROM fhir.{TABLES[kind]}"
            " WHERE (url = %(url)s AND version = %(version)s) OR resource_id = %(id)s",
            {"url": url, "version": version, "id": given},
        )
    ).fetchall()
    for row in rows:
        if (row["url"], row["version"]) == (url, version):
            same = digest and row["digest"] == digest
            state = State.UNCHANGED if same else State.REPLACED
            return Place(kind, url, version, row["resource_id"], state)
    free = given and (not rows or not digest)
    resource_id = given if free else str(ids.derive(kind, url, version))
    return Place(kind, url, version, resource_id, State.LOADED)


async def write_system(
    cx: Context, resource: Mapping[str, Any], place: Place, digest: bytes,
    read: Read, faults: Faults, tell: Tell,
) -> int:  # fmt: skip
    """Check, then write a code system; R4 says nothing of case where `caseSensitive` is absent."""
    cased, content = resource.get("caseSensitive", True), resource["content"]
    order = writing.checked(read, cased=cased, content=content, faults=faults)
    told = head_of(resource, place, cx, digest) | {
        "language": resource.get("language", ""),
        "content": content,
        "cased": cased,
        "value_set": resource.get("valueSet", "").partition("|")[0],
    }
    system = await replace_head(cx, place, told)
    return await writing.write_concepts(cx, system, read, order, cased=cased, tell=tell)


def head_of(
    resource: Mapping[str, Any], place: Place, cx: Context, digest: bytes
) -> dict[str, Any]:
    """Return the columns every head has."""
    return {
        "url": place.url,
        "version": place.version,
        "status": resource["status"],
        "dated": resource.get("date", ""),
        "name": resource.get("title") or resource.get("name") or "",
        "resource_id": place.resource_id,
        "digest": digest,
        "loaded_at": cx.now,
    }


def head_of_map(
    resource: Mapping[str, Any], place: Place, cx: Context, digest: bytes
) -> dict[str, Any]:
    """Return the columns of the head of a concept map."""
    ends = {
        end: resource.get(f"{end}Canonical") or resource.get(f"{end}Uri") or ""
        for end in ("source", "target")
    }
    return head_of(resource, place, cx, digest) | ends


async def replace_head(cx: Context, place: Place, told: Mapping[str, Any]) -> int:
    """Write the head of what is loaded, in place of the one that has its url and version."""
    table = TABLES[place.type]
    old = await (
        await cx.db.execute(
            f"DELETE FROM fhir.{table} WHERE url = %(url)s AND version = %(version)s RETURNING id",
            told,
        )
    ).fetchone()
    if old is not None and place.type == "CodeSystem":
        await drop_concepts(cx, old["id"])
    names = ", ".join(told)
    values = ", ".join(f"%({name})s" for name in told)
    row = await (
        await cx.db.execute(
            f"INSERT INTO fhir.{table} ({names}) VALUES ({values}) RETURNING id", told
        )
    ).fetchone()
    assert row is not None
    return int(row["id"])


PARTS = {
    "concept": "number", "concept_parent": "child", "concept_span": "number",
    "concept_designation": "number", "concept_property": "number",
}  # fmt: skip
PART_SIZE = 100_000


async def drop_concepts(cx: Context, system: int) -> None:
    """Delete the concepts of a system, in parts that stay within a statement's time."""
    ends = await (
        await cx.db.execute(
            "SELECT max(number) AS last FROM fhir.concept"
            " WHERE number >= %(low)s AND number < %(high)s",
            {"low": system << 32, "high": (system + 1) << 32},
        )
    ).fetchone()
    last = ends["last"] if ends is not None else None
    if last is None:
        return
    for low in range(system << 32, last + 1, PART_SIZE):
        for table, column in PARTS.items():
            await cx.db.execute(
                f"DELETE FROM fhir.{table} WHERE {column} >= %(low)s AND {column} < %(high)s",
                {"low": low, "high": low + PART_SIZE},
            )


GROUP = """
    INSERT INTO fhir.concept_map_group (map, place, source, source_version, target,
                                        target_version, unmapped)
    VALUES (%(map)s, %(place)s, %(source)s, %(source_version)s, %(target)s, %(target_version)s,
            %(unmapped)s)
"""


async def add_group(cx: Context, map_id: int, at: int, group: Mapping[str, Any]) -> None:
    """Write the head of a group of a concept map."""
    unmapped = group.get("unmapped")
    values = {
        "map": map_id,
        "place": at,
        "source": group.get("source", ""),
        "source_version": group.get("sourceVersion", ""),
        "target": group.get("target", ""),
        "target_version": group.get("targetVersion", ""),
        "unmapped": dumps(unmapped) if unmapped else None,
    }
    await cx.db.execute(GROUP, values)
