"""Statements on `fhir.resource` and `fhir.version`: a constant number for any number of resources.

Each version has a number of its own (`rid`), which measures and pages go by: an update gives a new
one, and what was measured of the old version stays until `purge`, so that a page of an older
snapshot still finds it. No version is older than the one before it: whoever had to wait for the row
began before it was written, so a version takes the later of both instants.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

import orjson
import psycopg

from citycare.kernel import audit
from citycare.kernel.context import Context
from citycare.kernel.fhir import rows as making
from citycare.kernel.fhir.model import (
    Key,
    Resource,
    ResourceDeleted,
    ResourceExists,
    ResourceNotFound,
    VersionConflict,
)
from citycare.kernel.fhir.rows import Kept, Row
from citycare.kernel.fhir.searching.indexing import VERSION
from citycare.kernel.fhir.searching.keys import resource_hash

RECORDS = """
    WITH r AS MATERIALIZED (
        SELECT nextval('fhir.rid') AS rid, *
          FROM json_to_recordset(%(records)s::json)
            AS r (type text, id text, version integer, body text, hash bigint,
                  since double precision, until double precision, keys bigint[], present varbit,
                  ways integer[], units integer[],
                  lows double precision[], highs double precision[])),
    measured AS (
        INSERT INTO fhir.measure (rid, way, unit, low, high)
        SELECT r.rid, m.way, m.unit, m.low, m.high
          FROM r, unnest(r.ways, r.units, r.lows, r.highs) AS m (way, unit, low, high)),
    worded AS (
        INSERT INTO fhir.wording (way, key, words)
        SELECT * FROM unnest(%(ways)s::integer[], %(keys)s::bigint[], %(words)s::text[])
            ON CONFLICT DO NOTHING)
"""
ROWS = f"""
    INSERT INTO fhir.resource (rid, type, id, version, updated_at, hash, since, until, keys,
                               present, indexed, body)
    SELECT rid, type, id, version, %(now)s::timestamptz, hash, since, until, keys, present,
           {VERSION}, body
      FROM r
"""
INSERT = f"{RECORDS} {ROWS}"
RECORDED = f"{RECORDS}, stored AS ({ROWS}) SELECT {audit.APPENDED}"


async def create(
    cx: Context,
    resources: Sequence[Resource],
    *,
    valid: bool = False,
    base: str = "",
    owner: UUID | None = None,
) -> list[Kept]:
    """Store resources that are new, as version 1, in one plain INSERT.

    Args:
        cx: the action.
        resources: with ids.
        valid: leave out the checks, which are a third of the cost: only for resources that a rule
            of ours builds and whose tests run `violations` over what it builds.
        base: the server's own address: references written with it lead here.
        owner: the organisation that writes.

    Raises:
        Invalid: a resource breaks the rules; nothing is stored.
        ResourceExists: an id is taken; the transaction is lost and must be rolled back.
    """
    rows = making.prepare(resources, valid=valid, base=base, owner=owner)
    return await _insert(cx, rows, cx.now) if rows else []


async def insert(cx: Context, rows: Sequence[Row], lines: Sequence[str]) -> list[Kept]:
    """Store what `rows.prepare` has made of new resources, and append audit lines to the trail.

    One statement: with a connection of its own it is its own transaction.

    Raises:
        ResourceExists: see `create`.
    """
    return await _insert(cx, rows, cx.now, lines)


async def _insert(
    cx: Context, rows: Sequence[Row], at: datetime, lines: Sequence[str] = ()
) -> list[Kept]:
    kept = making.kept(rows, [1] * len(rows), at)
    values = _values(rows, kept, at)
    try:
        if lines:
            await cx.db.execute(RECORDED, values | {"lines": list(lines)})
        else:
            await cx.db.execute(INSERT, values)
    except psycopg.errors.UniqueViolation as error:
        raise ResourceExists from error
    return kept


def _values(rows: Sequence[Row], kept: Sequence[Kept], at: datetime) -> dict[str, Any]:
    """Return the parameters of a statement that begins with RECORDS."""
    return {
        "now": making.instant(at),
        "records": making.records(rows, kept),
        **making.wordings(rows),
    }


Name = tuple[str, str]
NONE: Mapping[Name, int] = MappingProxyType({})
LOCK = """
    SELECT type, id, version, updated_at, deleted FROM fhir.resource
     WHERE (type, id) IN (SELECT * FROM unnest(%(types)s::text[], %(ids)s::text[]))
     ORDER BY type, id FOR NO KEY UPDATE
"""
KEEP = """
    INSERT INTO fhir.version (rid, xid, type, id, version, updated_at, deleted, hash, since, until,
                              keys, present, body)
    SELECT rid, xid, type, id, version, updated_at, deleted, hash, since, until, keys, present, body
      FROM fhir.resource
     WHERE (type, id) IN (SELECT * FROM unnest(%(types)s::text[], %(ids)s::text[]))
"""
REPLACE = f"""{RECORDS}
    UPDATE fhir.resource o
       SET rid = r.rid, xid = pg_current_xact_id(), version = r.version,
           updated_at = %(now)s::timestamptz,
           deleted = r.body IS NULL, since = coalesce(r.since, '-Infinity'), until = r.until,
           keys = coalesce(r.keys, '{{}}'), present = coalesce(r.present, ''),
           hash = r.hash, indexed = {VERSION}, body = r.body
      FROM r
     WHERE o.type = r.type AND o.id = r.id
"""


async def put(
    cx: Context,
    resources: Sequence[Resource],
    *,
    base: str = "",
    owner: UUID | None = None,
    expected: Mapping[Name, int] = NONE,
) -> list[Kept]:
    """Store resources: version 1 of new ones, the next version of those that are there.

    At most four statements for any number. Rows are locked in the order of (type, id), so two
    writers never wait for each other in a circle. A deleted resource comes back.

    Args:
        cx: the action.
        resources: with ids.
        base: the server's own address: references written with it lead here.
        owner: the organisation that writes.
        expected: the version that is there now, of those for which it matters.

    Raises:
        Invalid: a resource breaks the rules; nothing is stored.
        ResourceExists: another transaction has just stored a resource with this new id.
        VersionConflict: a version is not the one expected.
    """
    rows = making.prepare(resources, base=base, owner=owner)
    if not rows:
        return []
    there = await lock(cx, [(row.type, row.id) for row in rows], expected)
    old = [row for row in rows if (row.type, row.id) in there]
    new = [row for row in rows if (row.type, row.id) not in there]
    at = max([cx.now, *(one.updated_at for one in there.values())])
    kept = []
    if old:
        await cx.db.execute(KEEP, _names([(row.type, row.id) for row in old]))
        kept = making.kept(old, [there[row.type, row.id].version + 1 for row in old], at)
        await cx.db.execute(REPLACE, _values(old, kept, at))
    return kept + (await _insert(cx, new, at) if new else [])


@dataclass(frozen=True, slots=True)
class Standing:
    """What is there of a resource: the number of its newest version, and since when."""

    version: int
    updated_at: datetime
    deleted: bool


async def lock(
    cx: Context, names: Sequence[Name], expected: Mapping[Name, int] = NONE
) -> dict[Name, Standing]:
    """Lock what is there of these resources until the transaction ends; return what it is.

    Raises:
        VersionConflict: see `put`.
    """
    rows = await (await cx.db.execute(LOCK, _names(names))).fetchall()
    found = {
        (row["type"], row["id"]): Standing(row["version"], row["updated_at"], row["deleted"])
        for row in rows
    }
    for (kind, id_), version in expected.items():
        there = found[kind, id_].version if (kind, id_) in found else 0
        if there != version:
            raise VersionConflict(type=kind, id=id_, expected=version, there=there)
    return found


async def hold(cx: Context, names: Sequence[Name]) -> dict[Name, Standing]:
    """Lock resources until the transaction ends, also those that are not there; return what is.

    There is no row to lock of what is not there, so whoever is about to make it is waited for by
    its name.
    """
    there = await lock(cx, names)
    absent = [name for name in names if name not in there]
    if absent:
        await lock_numbers(cx, [resource_hash(*name) for name in absent])
        there |= await lock(cx, absent)
    return there


NUMBERS = """
    SELECT pg_advisory_xact_lock(number)
      FROM (SELECT unnest(%(numbers)s::bigint[]) AS number ORDER BY 1) AS in_order
"""


async def lock_numbers(cx: Context, numbers: Iterable[int]) -> None:
    """Let whoever locks one of these numbers wait for this one: a condition's, or a name's."""
    await cx.db.execute(NUMBERS, {"numbers": "{" + ",".join(map(str, numbers)) + "}"})


def _names(names: Sequence[Name]) -> dict[str, list[str]]:
    return {"types": [kind for kind, _ in names], "ids": [id_ for _, id_ in names]}


async def delete(
    cx: Context, resource_type: str, resource_id: str, *, expected: int | None = None
) -> Key:
    """Delete a resource: it is no longer found, its versions are kept.

    Raises:
        ResourceNotFound, ResourceDeleted: there is nothing to delete.
        VersionConflict: the version is not the one expected.
    """
    name = resource_type, resource_id
    there = (await lock(cx, [name])).get(name)
    if there is None:
        raise ResourceNotFound(type=resource_type, id=resource_id)
    if there.deleted:
        raise ResourceDeleted(type=resource_type, id=resource_id)
    if expected not in (None, there.version):
        now = there.version
        raise VersionConflict(type=resource_type, id=resource_id, expected=expected, there=now)
    version = there.version + 1
    await cx.db.execute(KEEP, _names([name]))
    record = {"type": resource_type, "id": resource_id, "version": version,
              "hash": resource_hash(resource_type, resource_id)}  # fmt: skip
    at = max(cx.now, there.updated_at)
    values = {"now": making.instant(at), "records": orjson.dumps([record]).decode()}
    await cx.db.execute(REPLACE, values | making.wordings(()))
    return Key(resource_type, resource_id, version)
