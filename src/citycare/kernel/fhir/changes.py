"""What changed in the record between two snapshots of it, without anybody having written it down.

Every version keeps the transaction that wrote it (`xid`), and a snapshot of PostgreSQL tells of any
transaction whether it sees it. So what was changed between two snapshots is what the second sees
and the first does not: exactly, however long a transaction took, and after any crash. Those who
write pay for an index on `xid`, nothing else; nobody waits for anybody.

A snapshot does not see the transactions from its `xmax` on and those that were under way (`xip`);
both are looked up in the index. An old version has no index of its own: whoever replaced it could
see it, so the first snapshot sees that one neither (`version_replaced`).

Source: PostgreSQL 18, §9.27.5 (pg_snapshot: xmin, xmax and list of transactions in progress).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from psycopg.rows import class_row

from citycare.kernel.context import Context
from citycare.kernel.fhir.model import Key, Resource, TooMany
from citycare.kernel.fhir.rows import RESOURCES_MAX, loads

BYTES_MAX = 16_000_000  # a page ends with the version that passes it


class Interaction(StrEnum):
    """How a version came to be. What comes back after its deletion is an update."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Change:
    """One version of one resource.

    Attributes:
        rid: its number; a later version of the same resource has a higher one.
        keys: what it has in the index (`searching.keys`); empty of a deletion.
        size: of the body in bytes.
        body: as it is kept; None of a deletion, and where it was not asked for.
    """

    rid: int
    type: str
    id: str
    version: int
    updated_at: datetime
    deleted: bool
    keys: Sequence[int]
    size: int
    body: str | None

    @property
    def key(self) -> Key:
        """Its name."""
        return Key(self.type, self.id, self.version)

    @property
    def interaction(self) -> Interaction:
        """How it came to be."""
        if self.deleted:
            return Interaction.DELETE
        return Interaction.CREATE if self.version == 1 else Interaction.UPDATE

    def resource(self) -> Resource | None:
        """Read it; None of a deletion."""
        if self.body is None:
            return None
        found: Resource = loads(self.body)
        return found


async def snapshot(cx: Context) -> str:
    """Return what can be seen now, as text: `xmin:xmax:xip,…`."""
    row = await (await cx.db.execute("SELECT pg_current_snapshot()::text AS now")).fetchone()
    assert row is not None
    found: str = row["now"]
    return found


NEWEST_NUMBER = "SELECT coalesce(pg_sequence_last_value('fhir.rid'), 0) AS rid"


async def newest_number(cx: Context) -> int:
    """Return the last `rid` that was given out; while it stays the same, nothing was written.

    Its version may not be seen yet, or never (rolled back).
    """
    row = await (await cx.db.execute(NEWEST_NUMBER)).fetchone()
    assert row is not None
    found: int = row["rid"]
    return found


# Each branch is a range of an index, with both its ends, whatever the planner knows of the table:
# without them it may walk all numbers in order instead. Only names are sorted, then rows are read.
COLUMNS = """rid, type, id, version, updated_at, deleted, keys,
    coalesce(octet_length(body), 0) AS size, body"""
NAMES = "SELECT rid, type, id, version, coalesce(octet_length(body), 0) AS size FROM"
SEEN = """pg_visible_in_snapshot(xid, %(new)s::pg_snapshot) AND rid > %(after)s
    AND coalesce(type = ANY(%(types)s::text[]), true)"""  # null: all; and no reason to walk by type
NEW = f"{SEEN} AND NOT pg_visible_in_snapshot(xid, %(old)s::pg_snapshot)"
BEYOND = "pg_snapshot_xmax(%(old)s::pg_snapshot)"
OPEN = "ANY (ARRAY(SELECT pg_snapshot_xip(%(old)s::pg_snapshot)))"
NEWEST = "greatest(pg_snapshot_xmax(pg_current_snapshot()), pg_current_xact_id_if_assigned())"
BETWEEN = f"""
    WITH every AS MATERIALIZED (
        {NAMES} fhir.resource
         WHERE xid >= {BEYOND} AND xid < pg_snapshot_xmax(%(new)s::pg_snapshot) AND {SEEN}
         UNION ALL
        {NAMES} fhir.resource WHERE xid = {OPEN} AND {SEEN}
         UNION ALL
        {NAMES} fhir.version
         WHERE replaced >= {BEYOND} AND replaced <= {NEWEST}
           AND {NEW}
         UNION ALL
        {NAMES} fhir.version WHERE replaced = {OPEN} AND {NEW}),
    few AS (SELECT * FROM every ORDER BY rid LIMIT %(count)s),
    page AS MATERIALIZED (
        SELECT * FROM (SELECT *, sum(size) OVER (ORDER BY rid) - size AS before FROM few) AS s
         WHERE before < {BYTES_MAX})
    SELECT v.* FROM page AS p
     CROSS JOIN LATERAL (
           SELECT {COLUMNS} FROM fhir.resource AS r
            WHERE r.type = p.type AND r.id = p.id AND r.version = p.version
            UNION ALL
           SELECT {COLUMNS} FROM fhir.version AS r
            WHERE r.type = p.type AND r.id = p.id AND r.version = p.version) AS v
     ORDER BY p.rid
"""


async def between(
    cx: Context,
    old: str,
    new: str,
    types: Collection[str] | None = None,
    *,
    after_rid: int = 0,
    count: int = RESOURCES_MAX,
) -> list[Change]:
    """Return every version that `new` sees and `old` does not, deletions included.

    Ordered by `rid`: versions of one resource in order, and what was begun after the end of another
    transaction after what that one wrote. A page goes on after the last `rid` of the one before,
    between the same two snapshots, until one is the last (`is_last`).

    Args:
        cx: its transaction may be any later one.
        old: a text that `snapshot` gave.
        new: the same, of later.
        types: of resources; None: all.
        after_rid: where the page begins; 0: at the beginning.
        count: versions at most, from 1 to 10,000; fewer come where their bodies are large.
    """
    if not 1 <= count <= RESOURCES_MAX:
        raise TooMany(count=count, most=RESOURCES_MAX)
    asked = None if types is None else sorted(types)
    parameters = {"old": old, "new": new, "types": asked, "after": after_rid, "count": count}
    async with cx.db.cursor(row_factory=class_row(Change)) as cursor:
        await cursor.execute(BETWEEN.encode(), parameters, prepare=False)  # planned each time
        return await cursor.fetchall()


def is_last(page: Sequence[Change], count: int) -> bool:
    """Tell whether nothing comes after a page for which `count` were asked."""
    return len(page) < count and sum(each.size for each in page) < BYTES_MAX


# By transaction where a round begins, which finds them among any number of others; then by number,
# which goes on where the page before ended without looking at what was there again. A resource
# without a transaction is of before all that are counted (a restored dump).
NEWEST_SEEN = """pg_visible_in_snapshot(xid, %(new)s::pg_snapshot) AND rid > %(after)s
    AND type = ANY(%(types)s::text[])"""
UNSEEN = "NOT pg_visible_in_snapshot(xid, %(old)s::pg_snapshot)"
RIDS = "SELECT rid, coalesce(octet_length(body), 0) AS size FROM fhir.resource"
PAGE = f"""
    page AS MATERIALIZED (
        SELECT rid FROM (SELECT rid, sum(size) OVER (ORDER BY rid) - size AS before FROM few) AS s
         WHERE before < {BYTES_MAX})
    SELECT {COLUMNS} FROM fhir.resource WHERE rid = ANY (ARRAY(SELECT rid FROM page)) ORDER BY rid
"""
BY_XID = f"""
    WITH every AS MATERIALIZED (
        {RIDS} WHERE xid >= {BEYOND} AND xid < pg_snapshot_xmax(%(new)s::pg_snapshot)
           AND {NEWEST_SEEN}
         UNION ALL
        {RIDS} WHERE xid = {OPEN} AND {NEWEST_SEEN}),
    few AS (SELECT * FROM every ORDER BY rid LIMIT %(count)s), {PAGE}
"""
BY_RID = f"""
    WITH few AS (
        {RIDS} WHERE {NEWEST_SEEN} AND {UNSEEN} ORDER BY rid LIMIT %(count)s), {PAGE}
"""
ALL = f"""
    WITH few AS (
        {RIDS} WHERE (xid IS NULL OR pg_visible_in_snapshot(xid, %(new)s::pg_snapshot))
           AND rid > %(after)s AND type = ANY(%(types)s::text[])
         ORDER BY rid LIMIT %(count)s), {PAGE}
"""


async def newest_between(
    cx: Context, old: str | None, new: str, types: Iterable[str], *, after_rid: int = 0, count: int
) -> list[Change]:
    """Return the resources of some types whose newest version `new` sees and `old` does not.

    As `between`, but for versions that have been replaced: for who only wants to know how things
    stand. What is replaced while pages are read comes in the round after.

    Args:
        cx: its transaction may be any later one.
        old: a text that `snapshot` gave; None: all there are.
        new: the same, of later.
        types: of resources.
        after_rid: where the page begins; 0: at the beginning.
        count: resources at most, from 1 to 10,000; fewer come where their bodies are large.
    """
    if not 1 <= count <= RESOURCES_MAX:
        raise TooMany(count=count, most=RESOURCES_MAX)
    statement = ALL if old is None else BY_RID if after_rid else BY_XID
    parameters = {
        "old": old, "new": new, "types": sorted(types), "after": after_rid, "count": count,
    }  # fmt: skip
    async with cx.db.cursor(row_factory=class_row(Change)) as cursor:
        await cursor.execute(statement.encode(), parameters, prepare=False)  # planned each time
        return await cursor.fetchall()


AT = f"""
    SELECT rid, type, id, version, updated_at, deleted, keys, size,
           CASE WHEN %(bodies)s THEN body END AS body
      FROM unnest(%(types)s::text[], %(ids)s::text[], %(versions)s::integer[])
             AS asked (of_type, of_id, number)
     CROSS JOIN LATERAL (
           SELECT {COLUMNS} FROM fhir.resource
            WHERE type = of_type AND id = of_id AND version = number
            UNION ALL
           SELECT {COLUMNS} FROM fhir.version
            WHERE type = of_type AND id = of_id AND version = number) AS v
"""


async def find_versions(
    cx: Context, keys: Iterable[Key], *, bodies: bool = True
) -> dict[Key, Change]:
    """Return those of many versions that are there, new and old, in one statement.

    Args:
        cx: the action.
        keys: of the versions.
        bodies: whether they are read too; how large they are is for the caller to know.

    Raises:
        TooMany: more than 10,000.
    """
    asked = sorted({(key.type, key.id, key.version) for key in keys})
    if len(asked) > RESOURCES_MAX:
        raise TooMany(count=len(asked), most=RESOURCES_MAX)
    if not asked:
        return {}
    types, ids, numbers = (list(each) for each in zip(*asked, strict=True))
    parameters = {"types": types, "ids": ids, "versions": numbers, "bodies": bodies}
    async with cx.db.cursor(row_factory=class_row(Change)) as cursor:
        found = await (await cursor.execute(AT.encode(), parameters)).fetchall()
    return {each.key: each for each in found}
