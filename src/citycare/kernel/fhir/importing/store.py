"""Statements of an import: a constant number for a batch, whatever its size."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

import orjson
import psycopg

from citycare.kernel.context import Context
from citycare.kernel.events import Periodic
from citycare.kernel.fhir import rows as making
from citycare.kernel.fhir import store as record
from citycare.kernel.fhir.importing.asking import identifier_of
from citycare.kernel.fhir.importing.model import Counts, Part, Refused, State, as_told
from citycare.kernel.fhir.importing.preparing import Batch
from citycare.kernel.fhir.model import ResourceExists
from citycare.kernel.fhir.rows import Kept, Row
from citycare.kernel.fhir.searching import keys
from citycare.kernel.fhir.searching.indexing import VERSION
from citycare.kernel.fhir.searching.model import Token
from citycare.kernel.fhir.searching.ways import lanes_for

STATE = """
    SELECT done, ended_at IS NOT NULL AS ended, created, updated, unchanged, refused
      FROM fhir.import_part WHERE digest = %(digest)s
"""
BEGIN = """
    INSERT INTO fhir.import_part (digest, name, bytes, began_at)
    VALUES (%(digest)s, %(name)s, %(bytes)s, %(now)s) ON CONFLICT DO NOTHING
"""
FORGET = "DELETE FROM fhir.import_part WHERE digest = %(digest)s AND began_at < %(again)s"
ADVANCE = """
    UPDATE fhir.import_part
       SET done = done + %(size)s, created = created + %(created)s,
           updated = updated + %(updated)s, unchanged = unchanged + %(unchanged)s,
           refused = refused + %(refused)s
     WHERE digest = %(digest)s AND done = %(done)s
"""
REFUSE = """
    INSERT INTO fhir.import_fault (digest, place, type, id, faults)
    SELECT %(digest)s, place, type, id, faults
      FROM json_to_recordset(%(refused)s::json)
        AS r (place integer, type text, id text, faults json)
        ON CONFLICT DO NOTHING
"""
END = """
    UPDATE fhir.import_part SET ended_at = %(now)s WHERE digest = %(digest)s AND ended_at IS NULL
"""


class Overtaken(Exception):
    """Another import has just settled this batch: look anew how far the part is."""


async def begin(cx: Context, digest: bytes, part: Part, *, again: datetime | None) -> State:
    """Note a part, if it is new, and return how far it is; begun before `again`: not at all."""
    values: dict[str, object] = {
        "digest": digest, "name": part.name, "bytes": part.size, "now": cx.now,
    }  # fmt: skip
    if again is not None:
        values["again"] = again
        await cx.db.execute(FORGET, values)
    await cx.db.execute(BEGIN, values)
    return await state(cx, digest)


async def state(cx: Context, digest: bytes) -> State:
    """Return how far a part is."""
    row = await (await cx.db.execute(STATE, {"digest": digest})).fetchone()
    if row is None:
        return State(0, ended=False, counts=Counts())
    counts = Counts(row["created"], row["updated"], row["unchanged"], row["refused"])
    return State(row["done"], row["ended"], counts)


async def advance(
    cx: Context, digest: bytes, done: int, size: int, counts: Counts, refused: Sequence[Refused]
) -> None:
    """Note a batch as settled, in the transaction that writes it.

    The guard on `done` is part of the UPDATE: of two imports of one content the second waits for
    the first, then finds that the batch is settled, and writes nothing of it.

    Raises:
        Overtaken: it was settled by another; the transaction must be rolled back.
    """
    values = {"digest": digest, "done": done, "size": size, **asdict(counts)}
    if (await cx.db.execute(ADVANCE, values)).rowcount != 1:
        raise Overtaken
    if refused:
        told = [
            {
                "place": one.place,
                "type": one.type,
                "id": one.id,
                "faults": [as_told(each) for each in one.faults],
            }
            for one in refused
        ]
        # what came from outside may hold half a surrogate pair, which is no UTF-8
        text = orjson.dumps(_clean(told)).decode()
        await cx.db.execute(REFUSE, {"digest": digest, "refused": text})


def _clean(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")
    if isinstance(value, dict):
        return {name: _clean(one) for name, one in value.items()}
    return [_clean(one) for one in value] if isinstance(value, list) else value


async def end(cx: Context, digest: bytes) -> bool:
    """Note that a part is through; tell whether that was news."""
    done = await cx.db.execute(END, {"digest": digest, "now": cx.now})
    return done.rowcount == 1


KEPT = timedelta(days=90)
PURGED_MAX = 50_000
# The oldest first, by the index of what began when; those that never ended are passed over.
PURGE = f"""
    DELETE FROM fhir.import_part
     WHERE digest IN (SELECT digest FROM fhir.import_part
                       WHERE began_at < %(before)s AND ended_at < %(before)s
                       ORDER BY began_at LIMIT {PURGED_MAX} FOR UPDATE SKIP LOCKED)
"""


async def purge(cx: Context) -> int:
    """Forget parts that ended long ago, with what was refused of them; return how many.

    Their content is then read anew when it comes again, which writes nothing that is there.
    """
    return (await cx.db.execute(PURGE, {"before": cx.now - KEPT})).rowcount


async def _purge(cx: Context) -> None:
    await purge(cx)


PERIODICS = (Periodic("fhir.purge_imports", "37 * * * *", _purge),)

FIND = """
    SELECT k.number, r.id
      FROM unnest(%(numbers)s::integer[], %(types)s::text[], %(keys)s::bigint[])
        AS k (number, type, key)
     CROSS JOIN LATERAL (
           SELECT id FROM fhir.resource
            WHERE keys @> ARRAY[k.key] AND type = k.type AND NOT deleted
            LIMIT 2) AS r
"""


async def find(cx: Context, conditions: Iterable[str]) -> dict[str, list[str]]:
    """Return ids by condition: none, one, or two of more; see `asking.Found`."""
    found: dict[str, list[str]] = {}
    numbers, types, wanted = [], [], []
    for text in conditions:
        identifier = identifier_of(text)
        if identifier is None:
            continue
        kind, system, value = identifier
        for lane, _ in lanes_for(kind, "identifier"):
            for key in keys.token_keys(lane, Token(system, value)):
                numbers.append(len(found))
                types.append(kind)
                wanted.append(key)
        found[text] = []
    if wanted:
        texts = list(found)
        values = {"numbers": numbers, "types": types, "keys": wanted}
        for row in await (await cx.db.execute(FIND, values)).fetchall():
            known = found[texts[row["number"]]]
            if row["id"] not in known:
                known.append(row["id"])
    return found


STANDING = """
    SELECT type, id, version, deleted, updated_at, body FROM fhir.resource
     WHERE (type, id) IN (SELECT * FROM unnest(%(types)s::text[], %(ids)s::text[]))
     ORDER BY type, id FOR NO KEY UPDATE
"""


@dataclass(frozen=True, slots=True)
class _Standing:
    version: int
    deleted: bool
    updated_at: datetime
    body: str | None

    def says(self, row: Row) -> bool:
        """Tell whether a resource is there already: the text its row would have is the one kept."""
        return self.body == row.body(self.version, making.instant(self.updated_at))


async def write(cx: Context, batch: Batch, *, check: bool = False) -> Counts:
    """Put the rows of a batch: version 1 of what is new, the next of what differs.

    Rows come in the order of (type, id), so two imports never wait for each other in a circle.

    Args:
        cx: the action.
        batch: what to put.
        check: only tell what would be done.

    Raises:
        ResourceExists: another transaction has just stored one of the new ids; try again.
    """
    rows = batch.rows
    known = await _standing(cx, rows) if rows else {}
    new = [row for row in rows if (row.type, row.id) not in known]
    changed = [
        row for row in rows if (row.type, row.id) in known and not known[row.type, row.id].says(row)
    ]
    same = len(rows) - len(new) - len(changed) + batch.matched
    counts = Counts(len(new), len(changed), same, len(batch.refused))
    if check:
        return counts
    if changed:
        names = {"types": [row.type for row in changed], "ids": [row.id for row in changed]}
        await cx.db.execute(record.KEEP, names)
        versions = [known[row.type, row.id].version + 1 for row in changed]
        await cx.db.execute(record.REPLACE, _values(cx, changed, versions))
    if new:
        try:
            await _copy(cx, new)
        except psycopg.errors.UniqueViolation as error:
            raise ResourceExists from error
    return counts


# COPY takes a fifth less of PostgreSQL than the record's own INSERT of JSON, whose rows these are.
NUMBERS = "SELECT nextval('fhir.rid') AS rid FROM generate_series(1, %(count)s)"
ROWS = """
    COPY fhir.resource (rid, type, id, version, updated_at, hash, since, until, keys, present,
                        indexed, body) FROM STDIN
"""
MEASURES = "COPY fhir.measure (rid, way, unit, low, high) FROM STDIN"
WORDINGS = """
    INSERT INTO fhir.wording (way, key, words)
    SELECT * FROM unnest(%(ways)s::integer[], %(keys)s::bigint[], %(words)s::text[])
        ON CONFLICT DO NOTHING
"""


async def _copy(cx: Context, rows: Sequence[Row]) -> None:
    """Write new resources, as the record's own INSERT does."""
    numbers = await (await cx.db.execute(NUMBERS, {"count": len(rows)})).fetchall()
    kept = making.kept(rows, [1] * len(rows), cx.now)
    lines, measured = [], []
    for number, row, one in zip([each["rid"] for each in numbers], rows, kept, strict=True):
        lines.append(_line(number, row, one))
        measured += [
            f"{number}\t{way}\t{unit}\t{low}\t{high}\n"
            for way, unit, low, high in row.found.measures
        ]
    for statement, some in ((ROWS, lines), (MEASURES, measured)):
        if some:
            async with cx.db.cursor() as cursor, cursor.copy(statement) as copy:
                await copy.write("".join(some))
    await cx.db.execute(WORDINGS, making.wordings(rows))


def _line(number: int, row: Row, one: Kept) -> str:
    """Write a row as COPY reads it; JSON has no sign that would end it but the backslash."""
    of = making.index_of(row)
    until = "\\N" if of["until"] is None else of["until"]
    keys = ",".join(map(str, of["keys"]))
    body = one.body.replace("\\", "\\\\")
    return (
        f"{number}\t{row.type}\t{row.id}\t{one.key.version}\t{one.updated_at}\t{of['hash']}\t"
        f"{of['since']}\t{until}\t{{{keys}}}\t{of['present']}\t{VERSION}\t{body}\n"
    )


async def _standing(cx: Context, rows: Sequence[Row]) -> dict[tuple[str, str], _Standing]:
    values = {"types": [row.type for row in rows], "ids": [row.id for row in rows]}
    return {
        (row.pop("type"), row.pop("id")): _Standing(**row)
        for row in await (await cx.db.execute(STANDING, values)).fetchall()
    }


def _values(cx: Context, rows: Sequence[Row], versions: Sequence[int]) -> dict[str, object]:
    """Return the parameters of a statement of the record that begins with its RECORDS."""
    return {
        "now": making.instant(cx.now),
        "records": making.records(rows, making.kept(rows, versions, cx.now)),
        **making.wordings(rows),
    }
