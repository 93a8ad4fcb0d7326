"""References that lead nowhere after an import: counted, and told as warnings.

Files come in any order, so only when all are through can it be said. Asked is what was written
since the import began, by whoever: each text a reference has is taken once, and looked up.

Source: HL7 FHIR R4 4.0.1 §2.3.0 Reference (literal references, relative and absolute).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from citycare.kernel.context import Context
from citycare.kernel.fhir import integrity
from citycare.kernel.fhir.definitions import RESOURCES
from citycare.kernel.fhir.importing.model import Result
from citycare.kernel.fhir.model import Violation
from citycare.kernel.fhir.rows import loads
from citycare.kernel.fhir.searching.keys import target_of

TOLD_MAX = 1_000
PIECE = 10_000
LONG = "SET LOCAL statement_timeout = 0"  # it grows with what was imported: some 100,000 a second
BEGAN = """
    SELECT date_trunc('milliseconds', min(began_at)) AS at FROM fhir.import_part
     WHERE digest = ANY(%(digests)s)
"""
# Cutting the text at each reference is thirty times faster than any regular expression (measured);
# in a body a quote inside a text stands behind a backslash, so no text passes for a reference.
USES = """
    SELECT r.type, r.id, split_part(piece.text, '"', 1) AS text
      FROM fhir.resource r,
           string_to_table(r.body, '"reference":"') WITH ORDINALITY AS piece (text, number)
     WHERE r.type = ANY(%(types)s::text[]) AND r.updated_at >= %(since)s AND NOT r.deleted
       AND number > 1
"""
LEFT = f"""
    SELECT text FROM (SELECT DISTINCT text FROM ({USES}) every) each
     WHERE NOT EXISTS (SELECT FROM fhir.resource o
                        WHERE o.type = split_part(each.text, '/', 1)
                          AND o.id = split_part(each.text, '/', 2) AND NOT o.deleted)
"""
USERS = f"""
    SELECT body FROM fhir.resource
     WHERE (type, id) IN (SELECT type, id FROM ({USES}) every
                           WHERE text = ANY(%(texts)s::text[]) LIMIT {TOLD_MAX})
     ORDER BY type, id
"""


@dataclass(frozen=True, slots=True)
class Dangling:
    """What is referred to and is not here.

    Attributes:
        count: of different references.
        told: the first of them, with the resource and the place; 1,000 at most.
    """

    count: int = 0
    told: Sequence[Violation] = ()


async def dangling(cx: Context, results: Sequence[Result], base: str = "") -> Dangling:
    """Look for references that lead nowhere in what was written since an import began.

    Args:
        cx: the action, in a transaction: the bound of time for its statements is lifted.
        results: parts of the import; those that were finished before do not count.
        base: of this server: references written with it lead here.
    """
    digests = [one.digest for one in results if one.taken]
    row = await (await cx.db.execute(BEGAN, {"digests": digests})).fetchone()
    if row is None or row["at"] is None:
        return Dangling()
    await cx.db.execute(LONG)
    count, some = await _lost(cx, row["at"], base)
    return Dangling(count, await _told(cx, row["at"], base, some) if some else ())


def _values(since: datetime) -> dict[str, object]:
    return {"types": sorted(RESOURCES), "since": since}


async def _lost(cx: Context, since: datetime, base: str) -> tuple[int, list[str]]:
    """Count the texts that lead to what is not here, and return the first."""
    count, some = 0, list[str]()
    async with cx.db.cursor(name="dangling") as cursor:
        await cursor.execute(LEFT.encode(), _values(since))
        while rows := await cursor.fetchmany(PIECE):
            here = {row["text"]: target_of(row["text"], base) for row in rows}
            names = {name for name in here.values() if name is not None}
            gone = await integrity.absent(cx, names) if names else set()
            lost = sorted(text for text, name in here.items() if name in gone)
            count += len(lost)
            some += lost[: TOLD_MAX - len(some)]
    return count, some


async def _told(cx: Context, since: datetime, base: str, texts: list[str]) -> list[Violation]:
    values = _values(since) | {"texts": texts}
    rows = await (await cx.db.execute(USERS.encode(), values)).fetchall()
    gone = {target_of(text, base) for text in texts}
    found = [
        integrity.unresolved(resource, place, name)
        for resource in (loads(row["body"]) for row in rows)
        for name, place in integrity.places_of(resource, base).items()
        if name in gone
    ]
    return found[:TOLD_MAX]
