"""What the index needs from time to time: old rows put into it anew, what is past taken out.

`reindex` follows a change of `indexing.VERSION`, batch by batch, while all goes on; `purge` takes
out what old versions had in the index, when no page of an older snapshot can ask for it any more;
but who wrote them, which nothing else says, and by which they are still shown.
"""

from __future__ import annotations

from datetime import timedelta

from citycare.kernel.context import Context
from citycare.kernel.events import Periodic
from citycare.kernel.fhir import rows as making
from citycare.kernel.fhir.model import Key
from citycare.kernel.fhir.rows import Kept, Row, loads
from citycare.kernel.fhir.searching.indexing import VERSION, indexed
from citycare.kernel.fhir.searching.keys import owner_key
from citycare.kernel.fhir.store import RECORDS
from citycare.kernel.identity import organisations

BATCH = 500
PURGED_MAX = 20_000
PAGES_LIVE = timedelta(hours=2)
"""Longer than the token of a page is good for."""

STALE = f"SELECT count(*) AS stale FROM fhir.resource WHERE indexed < {VERSION}"
TAKE = f"""
    SELECT type, id, version, updated_at, rid, body FROM fhir.resource
     WHERE indexed < {VERSION} LIMIT {BATCH} FOR NO KEY UPDATE SKIP LOCKED
"""
ANEW = f"""{RECORDS},
    unmeasured AS (
        DELETE FROM fhir.measure WHERE rid = ANY(%(old)s::bigint[]))
    UPDATE fhir.resource o
       SET rid = r.rid, hash = r.hash, since = coalesce(r.since, '-Infinity'), until = r.until,
           keys = coalesce(r.keys, '{{}}') || ARRAY(
               SELECT key FROM unnest(o.keys) AS key WHERE key = ANY(%(owners)s::bigint[])),
           present = coalesce(r.present, ''), indexed = {VERSION}
      FROM r
     WHERE o.type = r.type AND o.id = r.id
"""
NUMBER = f"""
    UPDATE fhir.version SET rid = nextval('fhir.rid')
     WHERE (type, id, version) IN (SELECT type, id, version FROM fhir.version
                                    WHERE rid IS NULL LIMIT {BATCH})
"""


async def count_stale(cx: Context) -> int:
    """Return how many resources are not in the index as it is now."""
    row = await (await cx.db.execute(STALE)).fetchone()
    return int(row["stale"]) if row else 0


async def reindex(cx: Context) -> int:
    """Put a batch of resources into the index anew; return how many: 0 when all are."""
    taken = await (await cx.db.execute(TAKE)).fetchall()
    if not taken:
        return (await cx.db.execute(NUMBER)).rowcount
    made, kept = [], []
    for row in taken:
        resource = loads(row["body"]) if row["body"] is not None else {}
        found = indexed(resource | {"resourceType": row["type"]})
        made.append(Row(row["type"], row["id"], found, resource))
        key = Key(row["type"], row["id"], row["version"])
        kept.append(Kept(key, "", row["body"] or ""))
    values = {
        "records": making.records(made, kept),
        "old": [row["rid"] for row in taken if row["rid"] is not None],
        "owners": await _owners(cx),
        **making.wordings(made),
    }
    await cx.db.execute(ANEW, values)
    return len(taken)


PURGE = f"""
    WITH old AS (
        SELECT rid, keys FROM fhir.version
         WHERE searchable AND replaced_at < %(before)s
         ORDER BY replaced_at LIMIT {PURGED_MAX} FOR UPDATE SKIP LOCKED),
    owned AS (
        SELECT old.rid, array_agg(owner) AS keys
          FROM old CROSS JOIN unnest(old.keys) AS key
          JOIN unnest(%(owners)s::bigint[]) AS owner ON owner = key
         GROUP BY old.rid),
    unmeasured AS (
        DELETE FROM fhir.measure m USING old WHERE m.rid = old.rid)
    UPDATE fhir.version v
       SET searchable = false, keys = coalesce(owned.keys, '{{}}'), present = ''
      FROM old LEFT JOIN owned USING (rid)
     WHERE v.rid = old.rid
"""


async def purge(cx: Context) -> int:
    """Take out of the index what no page can ask for any more; return of how many versions."""
    values = {"before": cx.now - PAGES_LIVE, "owners": await _owners(cx)}
    return (await cx.db.execute(PURGE, values)).rowcount


async def _owners(cx: Context) -> list[int]:
    """Return the keys of all who may have written something."""
    every = await organisations.list_organisations(cx)
    return [owner_key(str(one.id)) for one in every]


async def _purge(cx: Context) -> None:
    await purge(cx)


PERIODICS = (Periodic("fhir.purge_index", "*/10 * * * *", _purge),)
