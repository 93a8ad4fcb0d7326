"""What is kept, read: the newest version of a resource, any version, all of them in order.

Source: HL7 FHIR R4 4.0.1 §3.1.0.2 read, §3.1.0.3 vread, §3.1.0.11 history.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from psycopg.rows import tuple_row

from citycare.kernel.context import Context
from citycare.kernel.fhir.model import (
    Resource,
    ResourceDeleted,
    ResourceNotFound,
    TooMany,
)
from citycare.kernel.fhir.rows import RESOURCES_MAX, loads
from citycare.kit import pages
from citycare.kit.pages import Page
from citycare.kit.reads import FEW


@dataclass(frozen=True, slots=True)
class Stored:
    """One version as it is kept; `body` is None where this version is the deletion."""

    type: str
    id: str
    version: int
    updated_at: datetime
    body: str | None


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


STORED = f"""{FEW}
    SELECT type, id, version, updated_at, body FROM fhir.resource
     WHERE type = %(type)s AND id = %(id)s
"""
OLDER = """
    SELECT type, id, version, updated_at, body FROM fhir.version
     WHERE type = %(type)s AND id = %(id)s AND version = %(version)s
"""


async def find_stored(
    cx: Context, resource_type: str, resource_id: str, version: int | None = None
) -> Stored | None:
    """Return the newest or one version as it is kept; None where there is none."""
    keys = {"type": resource_type, "id": resource_id, "version": version}
    cursor = cx.db.cursor(row_factory=tuple_row)
    row = await (await cursor.execute(STORED, keys)).fetchone()
    found = Stored(*row) if row else None
    if found is None or version in (None, found.version):
        return found
    row = await (await cursor.execute(OLDER, keys)).fetchone()
    return Stored(*row) if row else None


# Who writes at this moment is not seen; `updated_at` of what it writes is not before its
# transaction began, but for the moments it took to check it and to open that. When others began is
# hidden from a role that is not theirs (docs/runbook.md): then as long as any of them may take.
COMPLETE = """(
    SELECT least(%(now)s::timestamptz, min(xact_start))
           - CASE WHEN bool_or(backend_start IS NULL) THEN interval '10 min'
                  ELSE interval '10 s' END
      FROM pg_stat_activity
     WHERE datname = current_database() AND pid <> pg_backend_pid()
       AND coalesce(backend_type, 'client backend') = 'client backend')"""


async def complete_until(cx: Context) -> datetime:
    """Return the instant before which whatever has changed can be read from now on.

    Who asks next time for what came since then misses nothing, and may meet some twice.
    """
    cursor = cx.db.cursor(row_factory=tuple_row)
    row = await (await cursor.execute(f"SELECT {COMPLETE}", {"now": cx.now})).fetchone()
    assert row is not None
    until: datetime = row[0]
    return until


# What one answer holds

BODIES_MAX = 32_000_000
"""Characters of all bodies of one answer, beside its first; no single resource is longer."""
TOO_LARGE = ""
"""Stands for a body that did not come with its row; no body that is kept is empty."""


def share(rows: int) -> int:
    """Return the bytes each of so many rows may bring along: together they are one answer."""
    return BODIES_MAX // max(rows, 1)


def body_of(body: str, most: str) -> str:
    """Return the column of a body, where it is within its share."""
    return f"CASE WHEN octet_length({body}) > {most} THEN '{TOO_LARGE}' ELSE {body} END AS body"


async def filled(cx: Context, found: Sequence[Stored]) -> tuple[list[Stored], bool]:
    """Read the bodies that did not come with their rows, one by one, while the answer has room.

    Returns:
        As many as it has room for, in the order given, the first always; and whether that is all.
    """
    room = BODIES_MAX
    kept: list[Stored] = []
    for one in found:
        body = one.body
        if body == TOO_LARGE:
            whole = await find_stored(cx, one.type, one.id, one.version)
            assert whole is not None, "no version is ever taken away"
            body = whole.body
        room -= len(body or "")
        if room < 0 and kept:
            return kept, False
        kept.append(replace(one, body=body))
    return kept, True


# Each type by itself: of several at once the planner cannot walk the index, and sorts them all.
EVERY = f"""
    SELECT v.type, v.id, v.version, v.updated_at, {body_of("v.body", "%(most)s")}, v.rid
      FROM unnest(%(types)s::text[]) AS t (of_type) CROSS JOIN LATERAL (
        (SELECT type, id, version, updated_at, body, rid FROM fhir.resource
          WHERE type = of_type AND {{where}}
          ORDER BY updated_at DESC, rid DESC LIMIT %(count)s)
         UNION ALL
        (SELECT type, id, version, updated_at, body, rid FROM fhir.version
          WHERE type = of_type AND {{where}}
          ORDER BY updated_at DESC, rid DESC LIMIT %(count)s)) AS v
     ORDER BY updated_at DESC, rid DESC LIMIT %(count)s
"""


async def changes(
    cx: Context,
    types: Sequence[str],
    *,
    since: datetime | None = None,
    at: datetime | None = None,
    after: tuple[datetime, int] | None = None,
    count: int,
) -> tuple[list[Stored], tuple[datetime, int] | None]:
    """Return versions of these types, the newest first, and where the next page begins.

    Args:
        cx: the action.
        types: of resources.
        since: no version from before.
        at: versions of this instant or from before it.
        after: from the page before.
        count: of a page.
    """
    lines = ["rid IS NOT NULL"]
    lines += ["updated_at >= %(since)s"] if since else []
    lines += ["updated_at <= %(at)s"] if at else []
    lines += ["(updated_at, rid) < (%(updated)s, %(rid)s)"] if after else []
    updated, rid = after or (None, None)
    values = {"types": list(types), "since": since, "at": at, "updated": updated, "rid": rid}
    text = EVERY.format(where=" AND ".join(lines))
    values |= {"count": count + 1, "most": share(count)}
    rows = await (await cx.db.execute(text, values)).fetchall()
    rids = [row.pop("rid") for row in rows]
    page, is_all = await filled(cx, [Stored(**row) for row in rows[:count]])
    more = page and (len(rows) > count or not is_all)
    return page, (page[-1].updated_at, rids[len(page) - 1]) if more else None


VERSION_MAX = 2**31 - 1
HISTORY = f"""
    SELECT type, id, version, updated_at, {body_of("body", "%(most)s")} FROM (
        SELECT type, id, version, updated_at, body FROM fhir.resource
         WHERE type = %(type)s AND id = %(id)s
         UNION ALL
        SELECT type, id, version, updated_at, body FROM fhir.version
         WHERE type = %(type)s AND id = %(id)s) AS every
     WHERE version < %(before)s
       AND (%(since)s::timestamptz IS NULL OR updated_at >= %(since)s)
       AND (%(at)s::timestamptz IS NULL OR updated_at <= %(at)s)
     ORDER BY version DESC LIMIT %(count)s
"""


async def history(
    cx: Context,
    resource_type: str,
    resource_id: str,
    *,
    since: datetime | None = None,
    at: datetime | None = None,
    after: str | None = None,
    count: int = 50,
) -> Page[Stored]:
    """Return versions of one resource as they are kept, the newest first, deletions included.

    Args:
        cx: the action.
        resource_type: of the resource.
        resource_id: of it.
        since: no version from before.
        at: no version from after.
        after: from the page before.
        count: of a page.

    Raises:
        ResourceNotFound: it has never been there.
        TokenBroken: `after` is not a token of ours.
    """
    before = pages.read(after, int)[0] if after else VERSION_MAX
    values = {"type": resource_type, "id": resource_id, "before": before, "since": since, "at": at}
    values |= {"count": count + 1, "most": share(count)}
    rows = await (await cx.db.execute(HISTORY, values)).fetchall()
    if not rows and (after, since, at) == (None, None, None):
        raise ResourceNotFound(type=resource_type, id=resource_id)
    found, is_all = await filled(cx, [Stored(**row) for row in rows[:count]])
    more = found and (len(rows) > count or not is_all)
    return Page(found, pages.encode(found[-1].version) if more else None)
