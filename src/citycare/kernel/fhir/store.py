"""Statements on `fhir.resource` and `fhir.version`: a constant number for any number of resources.

JSON text is written once and kept exactly; decimals keep their written precision (`1.50`), so
reading gives `Decimal`, never a float.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
import psycopg

from citycare.kernel.context import Context
from citycare.kernel.fhir import terms, validate
from citycare.kernel.fhir.model import (
    Invalid,
    Key,
    Resource,
    ResourceDeleted,
    ResourceExists,
    ResourceNotFound,
    TooMany,
    Version,
)
from citycare.kit import pages
from citycare.kit.pages import Page

RESOURCES_MAX = 10_000
VIOLATIONS_MAX = 100


def loads(text: str) -> Any:
    """Read JSON, numbers with a point as Decimal."""
    return json.loads(text, parse_float=Decimal)


def dumps(value: Any) -> str:
    """Write JSON, Decimal with the digits it has."""
    return orjson.dumps(value, default=_default).decode()


def _default(value: Any) -> orjson.Fragment:
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(str(value))
    raise TypeError(f"{type(value).__name__} has no place in JSON")


@dataclass(frozen=True, slots=True)
class _Row:
    type: str
    id: str
    low: datetime
    high: datetime | None
    terms: list[str]
    resource: Resource

    def body(self, version: int, updated_at: str) -> str:
        """Write the resource with the meta of this version; all else as given."""
        given = self.resource.get("meta")
        meta = {
            **(given if isinstance(given, dict) else {}),
            "versionId": str(version),
            "lastUpdated": updated_at,
        }
        ordered = {"resourceType": self.type, "id": self.id, "meta": meta}
        return dumps(ordered | self.resource | {"meta": meta})


def _prepare(cx: Context, resources: Sequence[Resource], *, valid: bool = False) -> list[_Row]:
    """Check all, then write terms and dates, in a fixed order (locks are taken in it)."""
    if len(resources) > RESOURCES_MAX:
        raise TooMany(count=len(resources), most=RESOURCES_MAX)
    found = []
    for resource in () if valid else resources:
        found += validate.violations(resource)
        if len(found) >= VIOLATIONS_MAX:
            break
    if found:
        raise Invalid(found)
    rows = []
    for resource in resources:
        low, high = terms.date_of(resource) or (cx.now, None)
        name, identifier = resource["resourceType"], resource["id"]
        rows.append(_Row(name, identifier, low, high, terms.terms_of(resource), resource))
    rows.sort(key=lambda row: (row.type, row.id))
    for left, right in itertools.pairwise(rows):
        if (left.type, left.id) == (right.type, right.id):
            raise ResourceExists(type=left.type, id=left.id)
    return rows


def _instant(cx: Context) -> str:
    return cx.now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _records(rows: Sequence[_Row], versions: Sequence[int], updated_at: str) -> str:
    """Write rows as one JSON array: one parameter, whatever their number."""
    return orjson.dumps(
        [
            {
                "type": row.type,
                "id": row.id,
                "version": version,
                "low": row.low,
                "high": row.high,
                "terms": row.terms,
                "body": row.body(version, updated_at),
            }
            for row, version in zip(rows, versions, strict=True)
        ]
    ).decode()


INSERT = """
    INSERT INTO fhir.resource (type, id, version, updated_at, low, high, terms, body)
    SELECT type, id, version, %(now)s, low, high, terms, body
      FROM json_to_recordset(%(records)s::json)
        AS r (type text, id text, version integer, low timestamptz, high timestamptz,
              terms text[], body text)
"""


async def create(cx: Context, resources: Sequence[Resource], *, valid: bool = False) -> None:
    """Store resources that are new, as version 1, in one plain INSERT.

    `valid` leaves out the checks, which are a third of the cost: only for resources that a rule of
    ours builds and whose tests run `violations` over what it builds.

    Raises:
        Invalid: a resource breaks the rules; nothing is stored.
        ResourceExists: an id is taken; the transaction is lost and must be rolled back.
    """
    rows = _prepare(cx, resources, valid=valid)
    if rows:
        await _insert(cx, rows, [1] * len(rows))


async def _insert(cx: Context, rows: Sequence[_Row], versions: Sequence[int]) -> None:
    records = _records(rows, versions, _instant(cx))
    try:
        await cx.db.execute(INSERT, {"now": cx.now, "records": records})
    except psycopg.errors.UniqueViolation as error:
        raise ResourceExists from error


LOCK = """
    SELECT type, id, version, deleted FROM fhir.resource
     WHERE (type, id) IN (SELECT * FROM unnest(%(types)s::text[], %(ids)s::text[]))
     ORDER BY type, id FOR UPDATE
"""
KEEP = """
    INSERT INTO fhir.version (type, id, version, updated_at, deleted, body)
    SELECT type, id, version, updated_at, deleted, body FROM fhir.resource
     WHERE (type, id) IN (SELECT * FROM unnest(%(types)s::text[], %(ids)s::text[]))
"""
REPLACE = """
    UPDATE fhir.resource o
       SET version = r.version, updated_at = %(now)s, low = r.low, high = r.high,
           deleted = r.body IS NULL, terms = r.terms, body = r.body
      FROM json_to_recordset(%(records)s::json)
        AS r (type text, id text, version integer, low timestamptz, high timestamptz,
              terms text[], body text)
     WHERE o.type = r.type AND o.id = r.id
"""


async def put(cx: Context, resources: Sequence[Resource]) -> list[Key]:
    """Store resources: version 1 of new ones, the next version of those that are there.

    At most four statements for any number. Rows are locked in the order of (type, id), so two
    writers never wait for each other in a circle. A deleted resource comes back.

    Raises:
        Invalid: a resource breaks the rules; nothing is stored.
        ResourceExists: another transaction has just stored a resource with this new id.
    """
    rows = _prepare(cx, resources)
    if not rows:
        return []
    keys = {"types": [row.type for row in rows], "ids": [row.id for row in rows]}
    locked = await (await cx.db.execute(LOCK, keys)).fetchall()
    versions = {(row["type"], row["id"]): row["version"] + 1 for row in locked}
    old = [row for row in rows if (row.type, row.id) in versions]
    new = [row for row in rows if (row.type, row.id) not in versions]
    if old:
        numbers = [versions[row.type, row.id] for row in old]
        keys = {"types": [row.type for row in old], "ids": [row.id for row in old]}
        await cx.db.execute(KEEP, keys)
        records = _records(old, numbers, _instant(cx))
        await cx.db.execute(REPLACE, {"now": cx.now, "records": records})
    if new:
        await _insert(cx, new, [1] * len(new))
    return [Key(row.type, row.id, versions.get((row.type, row.id), 1)) for row in rows]


async def delete(cx: Context, resource_type: str, resource_id: str) -> Key:
    """Delete a resource: it is no longer found, its versions are kept.

    Raises:
        ResourceNotFound, ResourceDeleted: there is nothing to delete.
    """
    keys = {"types": [resource_type], "ids": [resource_id]}
    locked = await (await cx.db.execute(LOCK, keys)).fetchone()
    if locked is None:
        raise ResourceNotFound(type=resource_type, id=resource_id)
    if locked["deleted"]:
        raise ResourceDeleted(type=resource_type, id=resource_id)
    version = locked["version"] + 1
    await cx.db.execute(KEEP, keys)
    record = {
        "type": resource_type,
        "id": resource_id,
        "version": version,
        "low": cx.now,
        "terms": [],
    }
    records = orjson.dumps([record]).decode()
    await cx.db.execute(REPLACE, {"now": cx.now, "records": records})
    return Key(resource_type, resource_id, version)


READ = """
    SELECT id, deleted, body FROM fhir.resource
     WHERE type = %(type)s AND id = ANY(%(ids)s)
"""


async def get(cx: Context, resource_type: str, resource_id: str) -> Resource:
    """Return the newest version of a resource.

    Raises:
        ResourceNotFound: it has never been there.
        ResourceDeleted: it has been deleted.
    """
    row = await (
        await cx.db.execute(READ, {"type": resource_type, "ids": [resource_id]})
    ).fetchone()
    if row is None:
        raise ResourceNotFound(type=resource_type, id=resource_id)
    if row["deleted"]:
        raise ResourceDeleted(type=resource_type, id=resource_id)
    return _resource(row["body"])


async def find_many(cx: Context, resource_type: str, ids: Sequence[str]) -> dict[str, Resource]:
    """Return those of many resources of one type that are there, by id, in one statement."""
    if len(ids) > RESOURCES_MAX:
        raise TooMany(count=len(ids), most=RESOURCES_MAX)
    rows = await (await cx.db.execute(READ, {"type": resource_type, "ids": list(ids)})).fetchall()
    return {row["id"]: _resource(row["body"]) for row in rows if not row["deleted"]}


def _resource(body: str) -> Resource:
    resource: Resource = loads(body)
    return resource


HISTORY = """
    SELECT version, updated_at, deleted, body
      FROM (SELECT version, updated_at, deleted, body FROM fhir.resource
             WHERE type = %(type)s AND id = %(id)s
             UNION ALL
            SELECT version, updated_at, deleted, body FROM fhir.version
             WHERE type = %(type)s AND id = %(id)s) AS every
     WHERE version < %(before)s
     ORDER BY version DESC LIMIT %(count)s
"""
VERSION_MAX = 2**31 - 1


async def history(
    cx: Context, resource_type: str, resource_id: str, after: str | None = None, count: int = 50
) -> Page[Version]:
    """Return the versions of a resource, the newest first, deletions included.

    Raises:
        ResourceNotFound: it has never been there.
    """
    before = pages.decode(after, 1)[0] if after is not None else VERSION_MAX
    if not isinstance(before, int) or not 0 < before <= VERSION_MAX:
        raise pages.TokenBroken
    count = max(1, min(count, pages.PAGE_MAX))
    keys = {"type": resource_type, "id": resource_id, "before": before, "count": count + 1}
    rows = await (await cx.db.execute(HISTORY, keys)).fetchall()
    if not rows and after is None:
        raise ResourceNotFound(type=resource_type, id=resource_id)
    items = [
        Version(
            row["version"],
            row["updated_at"],
            row["deleted"],
            None if row["deleted"] else _resource(row["body"]),
        )
        for row in rows[:count]
    ]
    return Page(items, pages.encode(items[-1].number) if len(rows) > count else None)
