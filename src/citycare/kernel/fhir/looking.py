"""The record as those who run it look at it: how much of each type, and what refers to what.

Nothing here says anything of a person but names: types, ids and instants.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.rows import class_row

from citycare.kernel.context import Context
from citycare.kernel.fhir.r4 import RESOURCES
from citycare.kernel.fhir.searching import keys as of
from citycare.kernel.fhir.searching.ways import reference_lanes

COUNTED_MAX = 10_000
REFERRING_MAX = 50


@dataclass(frozen=True, slots=True)
class Amount:
    """What there is of a type.

    Attributes:
        count: resources, deleted ones left out; from COUNTED_MAX on as many as were counted.
        estimate: of the database's statistics where more were not counted; 0: it has none.
        newest_at: when one of them was last written.
    """

    type: str
    count: int
    estimate: int
    newest_at: datetime

    @property
    def is_exact(self) -> bool:
        """Tell whether all were counted."""
        return self.count < COUNTED_MAX


# Each type is a range of the index on (type, updated_at, rid): one look for the newest, and no more
# than COUNTED_MAX rows to count, however many there are.
AMOUNTS = f"""
    SELECT kind.type, counted.count, coalesce(told.estimate, 0)::bigint AS estimate,
           newest.updated_at AS newest_at
      FROM unnest(%(types)s::text[]) AS kind (type)
     CROSS JOIN LATERAL (
           SELECT updated_at FROM fhir.resource WHERE type = kind.type
            ORDER BY updated_at DESC, rid DESC LIMIT 1) AS newest
     CROSS JOIN LATERAL (
           SELECT count(*) FROM (
                  SELECT FROM fhir.resource WHERE type = kind.type AND NOT deleted
                   LIMIT {COUNTED_MAX}) AS few) AS counted
      LEFT JOIN (
           SELECT likely.type, likely.share * c.reltuples AS estimate
             FROM pg_stats AS s
             JOIN pg_class AS c ON c.oid = 'fhir.resource'::regclass AND c.reltuples > 0
            CROSS JOIN LATERAL unnest(s.most_common_vals::text::text[], s.most_common_freqs)
                               AS likely (type, share)
            WHERE s.schemaname = 'fhir' AND s.tablename = 'resource' AND s.attname = 'type')
           AS told ON told.type = kind.type
     ORDER BY newest.updated_at DESC
"""


async def amounts(cx: Context) -> list[Amount]:
    """Return what there is of each type that is there at all, those last written first."""
    async with cx.db.cursor(row_factory=class_row(Amount)) as cursor:
        await cursor.execute(AMOUNTS.encode(), {"types": sorted(RESOURCES)})
        return await cursor.fetchall()


@dataclass(frozen=True, slots=True)
class Referring:
    """A resource that refers to another."""

    type: str
    id: str
    updated_at: datetime


REFERRING = """
    SELECT type, id, updated_at FROM fhir.resource
     WHERE NOT deleted AND keys && %(keys)s::bigint[] AND NOT (type = %(type)s AND id = %(id)s)
     LIMIT %(count)s
"""


async def referring(cx: Context, resource_type: str, resource_id: str) -> Sequence[Referring]:
    """Return resources that refer to one by a search parameter: up to REFERRING_MAX, and one more.

    They come in no order: to sort them would be to read them all, and of a Patient there are many.
    """
    own = of.resource_hash(resource_type, resource_id)
    text = "{" + ",".join(str(own ^ lane) for lane in reference_lanes()) + "}"
    values = {
        "keys": text, "type": resource_type, "id": resource_id, "count": REFERRING_MAX + 1,
    }  # fmt: skip
    async with cx.db.cursor(row_factory=class_row(Referring)) as cursor:
        return await (await cursor.execute(REFERRING, values)).fetchall()
