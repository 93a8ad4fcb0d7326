"""Statements of an export.

All rows of a type in the order of change are walked a bounded number at a time, whether they may be
seen or not, so that a step takes a bounded time: (type, updated_at, rid) is an index of the
newest versions and of the older ones, and the two are merged. What is about some patients is read
through the index of keys instead; older versions of it are those replaced since the start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import orjson
from psycopg.rows import class_row

from citycare.kernel.context import Context
from citycare.kernel.fhir.definitions import RESOURCES
from citycare.kernel.fhir.exporting.model import (
    STEP_ROWS,
    Asked,
    ExportNotFound,
    File,
    Status,
)
from citycare.kernel.fhir.finding import Visible
from citycare.kernel.fhir.finding.conditions import Conditions
from citycare.kernel.fhir.finding.sql import Values, all_of
from citycare.kernel.fhir.searching.keys import compartment_key
from citycare.kernel.fhir.versions import COMPLETE

PATIENT = compartment_key("Patient", 0)  # a key of a compartment is this, XOR the patient's hash
START_TIME = datetime(1, 1, 1, tzinfo=UTC)
END_TIME = datetime(9999, 12, 31, tzinfo=UTC)
RID_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Export:
    """A row of `fhir.export`."""

    id: UUID
    account: UUID | None
    request: str
    types: Sequence[str]
    since: datetime | None
    within_patients: bool
    members: Sequence[int]
    visible: Visible
    snapshot: str
    transaction_time: datetime
    asked_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    type_at: int
    member_at: int
    after_at: datetime
    after_rid: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a file is made of: changes of one type behind one and up to another, of some members."""

    type: str
    member_from: int
    member_to: int
    after_at: datetime
    after_rid: int
    upto_at: datetime
    upto_rid: int


@dataclass(frozen=True, slots=True)
class Seen:
    """What a stretch has; `last`: the change it ends with, None where there is nothing more."""

    count: int
    bytes: int
    looked_at: int
    last: tuple[datetime, int] | None


HORIZON = f"""
    SELECT pg_current_snapshot()::text AS snapshot, {COMPLETE} AS horizon,
           running.every, running.theirs
      FROM (SELECT count(*) AS every, count(*) FILTER (WHERE account = %(account)s) AS theirs
              FROM fhir.export WHERE ended_at IS NULL) AS running
"""
STARTING = "SELECT pg_advisory_xact_lock(%(lock)s)"
LOCK = 0x0F41_1237
ADD = """
    INSERT INTO fhir.export (id, account, request, types, since, within_patients, members, visible,
                             snapshot, transaction_time, asked_at, expires_at,
                             after_at, after_rid)
    VALUES (%(id)s, %(account)s, %(request)s, %(types)s, %(since)s, %(within_patients)s,
            %(members)s::bigint[], %(visible)s, %(snapshot)s, %(horizon)s, %(now)s, %(expires)s,
            %(after_at)s, %(after_rid)s)
"""


@dataclass(frozen=True, slots=True)
class Start:
    """The snapshot of a new export, and the instant before which nothing is missing in it.

    Attributes:
        every, theirs: exports under way, in all and of the actor's account.
    """

    snapshot: str
    horizon: datetime
    every: int
    theirs: int


async def begin(cx: Context) -> Start:
    """Return what a new export begins with; until this transaction ends no other one begins.

    So of many that are asked for at once each is counted.
    """
    await cx.db.execute(STARTING, {"lock": LOCK})
    async with cx.db.cursor(row_factory=class_row(Start)) as cursor:
        values = {"now": cx.now, "account": cx.actor.account_id}
        found = await (await cursor.execute(HORIZON, values)).fetchone()
    assert found is not None
    return found


async def add(
    cx: Context, id_: UUID, asked: Asked, types: Sequence[str], members: Sequence[int],
    start: Start, expires_at: datetime,
) -> None:  # fmt: skip
    """Write a new export down."""
    after_at, after_rid = begin_of(asked.since)
    values = {
        "id": id_,
        "account": cx.actor.account_id,
        "request": asked.request,
        "types": list(types),
        "since": asked.since,
        "within_patients": asked.level != "system",
        "members": "{" + ",".join(map(str, members)) + "}",
        "visible": _visible_text(asked.visible),
        "snapshot": start.snapshot,
        "horizon": start.horizon,
        "now": cx.now,
        "expires": expires_at,
        "after_at": after_at,
        "after_rid": after_rid,
    }
    await cx.db.execute(ADD, values)


def begin_of(since: datetime | None) -> tuple[datetime, int]:
    """Return the change behind which a type begins: all of `since`, or none at all."""
    return (START_TIME, 0) if since is None else (since, RID_MAX)


def _visible_text(visible: Visible) -> str:
    told = {
        name: value if value is None or isinstance(value, bool) else sorted(map(str, value))
        for name, value in asdict(visible).items()
    }
    return orjson.dumps(told).decode()


def _visible(told: dict[str, Any]) -> Visible:
    """Read what may be seen; of limits only their types are kept, and nothing of those is seen."""
    types = told["types"]
    limited = frozenset(told.get("limits", ()))
    if limited:
        types = (RESOURCES if types is None else frozenset(types)) - limited
    return Visible(
        told["everything"],
        frozenset(told.get("patients", told.get("persons", ()))),  # so called before 0025
        frozenset(map(UUID, told["organisations"])),
        frozenset(told["open_types"]),
        None if types is None else frozenset(types),
    )


GET = """
    SELECT id, account, request, types, since, within_patients, members, visible,
           snapshot::text AS snapshot, transaction_time, asked_at, expires_at, ended_at,
           type_at, member_at, after_at, after_rid
      FROM fhir.export WHERE id = %(id)s AND expires_at > %(now)s
"""
LOCKED = f"{GET} FOR UPDATE"


async def get(cx: Context, id_: UUID, *, lock: bool = False) -> Export:
    """Return an export.

    Raises:
        ExportNotFound: there is none, or it has expired.
    """
    values = {"id": id_, "now": cx.now}
    row = await (await cx.db.execute(LOCKED if lock else GET, values)).fetchone()
    if row is None:
        raise ExportNotFound(export=id_)
    return Export(**{**row, "visible": _visible(row["visible"])})


SAW = "coalesce(pg_visible_in_snapshot({column}, {snapshot}::pg_snapshot), TRUE)"
COLUMNS = "rid, xid, type, id, updated_at, keys, deleted, body"
OWN = "NULL::xid8 AS replaced"


def _rows(export: Export, stretch: Stretch, values: Values, most: str = "") -> str:
    """Return the rows of a stretch, older versions too, seen or not; `most`: the first of them.

    Order and limit stand in both parts, so that each is a walk along its index and ends.
    """
    kind = values.put(stretch.type)
    behind = (
        f"({values.put(stretch.after_at)}::timestamptz, {values.put(stretch.after_rid)}::bigint)"
    )
    upto = f"({values.put(stretch.upto_at)}::timestamptz, {values.put(stretch.upto_rid)}::bigint)"
    where = f"type = {kind} AND (updated_at, rid) > {behind} AND (updated_at, rid) <= {upto}"
    older = ""
    if export.members:
        keys = values.keys(export.members[stretch.member_from : stretch.member_to])
        where += f" AND keys && {keys}"
        older = f" AND replaced >= pg_snapshot_xmin({values.put(export.snapshot)}::pg_snapshot)"
    first = most and f"ORDER BY updated_at, rid LIMIT {most}"
    return (
        f"((SELECT {COLUMNS}, {OWN} FROM fhir.resource WHERE {where} {first}) UNION ALL"
        f" (SELECT {COLUMNS}, replaced FROM fhir.version WHERE {where}{older} {first}) {first})"
    )


def _seen(export: Export, stretch: Stretch, values: Values, also: Sequence[Visible] = ()) -> str:
    """Return the condition of what of these rows, called `r`, goes into the file."""
    snapshot = values.put(export.snapshot)
    lines = [
        "NOT r.deleted",
        SAW.format(column="r.xid", snapshot=snapshot),
        f"(r.replaced IS NULL OR NOT {SAW.format(column='r.replaced', snapshot=snapshot)})",
        *(Conditions(values, "", one).seen("r") for one in (export.visible, *also)),
    ]
    if export.members:
        before = values.keys(export.members[: stretch.member_from])
        lines.append(f"NOT EXISTS (SELECT FROM unnest(r.keys) AS k WHERE k = ANY({before}))")
    elif export.within_patients:
        lines.append(
            "EXISTS (SELECT FROM unnest(r.keys) AS k JOIN fhir.resource AS p"
            f" ON p.hash = (k # {values.put(PATIENT)}::bigint) WHERE p.type = 'Patient')"
        )
    return all_of(lines)


async def look(cx: Context, export: Export, stretch: Stretch) -> Seen:
    """Count what a stretch has: of all rows the next STEP_ROWS, of members all of theirs."""
    values = Values()
    most = "" if export.members else values.put(STEP_ROWS)
    rows = _rows(export, stretch, values, most)
    seen = _seen(export, stretch, values)
    text = (
        f"WITH r AS MATERIALIZED (SELECT rid, xid, replaced, type, updated_at, keys, deleted,"
        f" octet_length(body) + 1 AS bytes FROM {rows} AS every),"
        f" ok AS MATERIALIZED (SELECT bytes FROM r WHERE {seen})"
        f" SELECT (SELECT count(*) FROM ok) AS count,"
        f" (SELECT coalesce(sum(bytes), 0) FROM ok)::bigint AS bytes,"
        f" (SELECT count(*) FROM r) AS looked_at, last.updated_at, last.rid"
        f" FROM (SELECT 1) AS one LEFT JOIN (SELECT updated_at, rid FROM r"
        f" ORDER BY updated_at DESC, rid DESC LIMIT 1) AS last ON TRUE"
    )
    row = await (await cx.db.execute(cast("Any", text), values.named)).fetchone()
    assert row is not None
    more = row["looked_at"] == STEP_ROWS and not export.members
    last = (row["updated_at"], row["rid"]) if more else None
    return Seen(row["count"], row["bytes"], row["looked_at"], last)


async def read(
    cx: Context, export: Export, stretch: Stretch, after_rid: int, visible: Visible, count: int
) -> list[tuple[int, str, str]]:
    """Return numbers, ids and texts of a file, behind a number, in the order of numbers."""
    values = Values()
    rows = _rows(export, stretch, values)
    seen = _seen(export, stretch, values, (visible,))
    text = (
        f"SELECT r.rid, r.id, r.body FROM {rows} AS r"
        f" WHERE r.rid > {values.put(after_rid)} AND {seen}"
        f" ORDER BY r.rid LIMIT {values.put(count)}"
    )
    found = await (await cx.db.execute(cast("Any", text), values.named)).fetchall()
    return [(row["rid"], row["id"], row["body"]) for row in found]


LAST = """
    SELECT number, type, member_to, looked_at, count FROM fhir.export_file
     WHERE export = %(export)s ORDER BY number DESC LIMIT 1
"""
LENGTHEN = """
    UPDATE fhir.export_file
       SET upto_at = %(upto_at)s, upto_rid = %(upto_rid)s, looked_at = looked_at + %(looked_at)s,
           count = count + %(count)s, bytes = bytes + %(bytes)s
     WHERE export = %(export)s AND number = %(number)s
"""
ADD_FILE = """
    INSERT INTO fhir.export_file (export, number, type, member_from, member_to, after_at, after_rid,
                                  upto_at, upto_rid, looked_at, count, bytes)
    VALUES (%(export)s, %(number)s, %(type)s, %(member_from)s, %(member_to)s, %(after_at)s,
            %(after_rid)s, %(upto_at)s, %(upto_rid)s, %(looked_at)s, %(count)s, %(bytes)s)
"""


async def keep(cx: Context, export: Export, stretch: Stretch, seen: Seen, looked_max: int) -> None:
    """Write a stretch down: as a file of its own, or as the end of the one before it."""
    last = await (await cx.db.execute(LAST, {"export": export.id})).fetchone()
    values = {
        "export": export.id,
        **asdict(stretch),
        "looked_at": seen.looked_at,
        "count": seen.count,
        "bytes": seen.bytes,
        "number": 1 if last is None else last["number"] + 1,
    }
    if (
        last is not None
        and not export.members
        and last["type"] == stretch.type
        and last["count"] + seen.count <= STEP_ROWS
        and last["looked_at"] + seen.looked_at <= looked_max
    ):
        await cx.db.execute(LENGTHEN, values | {"number": last["number"]})
    elif seen.count:
        await cx.db.execute(ADD_FILE, values)


ADVANCE = """
    UPDATE fhir.export
       SET type_at = %(type_at)s, member_at = %(member_at)s, after_at = %(after_at)s,
           after_rid = %(after_rid)s, ended_at = CASE WHEN %(ended)s THEN %(now)s::timestamptz END,
           expires_at = CASE WHEN %(ended)s THEN %(expires)s::timestamptz ELSE expires_at END
     WHERE id = %(id)s
"""


async def advance(
    cx: Context, id_: UUID, at: tuple[int, int, datetime, int], *, ended: bool, expires: datetime
) -> None:
    """Write down how far an export is; it expires so long after its end."""
    names = ("type_at", "member_at", "after_at", "after_rid")
    values = {"id": id_, "ended": ended, "now": cx.now, "expires": expires}
    await cx.db.execute(ADVANCE, values | dict(zip(names, at, strict=True)))


FILES = "SELECT number, type, count, bytes FROM fhir.export_file WHERE export = %(id)s ORDER BY 1"
FILE = """
    SELECT type, member_from, member_to, after_at, after_rid, upto_at, upto_rid
      FROM fhir.export_file WHERE export = %(id)s AND number = %(number)s
"""
FORGET = "DELETE FROM fhir.export WHERE id = %(id)s AND expires_at > %(now)s"
PURGE = "DELETE FROM fhir.export WHERE expires_at <= %(now)s"


async def status(cx: Context, export: Export) -> Status:
    """Return how far it is, with its files."""
    async with cx.db.cursor(row_factory=class_row(File)) as cursor:
        files = await (await cursor.execute(FILES, {"id": export.id})).fetchall()
    return Status(
        export.id, export.account, export.request, export.types, export.type_at,
        export.transaction_time, export.asked_at, export.expires_at,
        export.ended_at is not None, files,
    )  # fmt: skip


async def stretch_of(cx: Context, id_: UUID, number: int) -> Stretch:
    """Return what a file is made of.

    Raises:
        ExportNotFound: there is no such file.
    """
    async with cx.db.cursor(row_factory=class_row(Stretch)) as cursor:
        found = await (await cursor.execute(FILE, {"id": id_, "number": number})).fetchone()
    if found is None:
        raise ExportNotFound(export=id_, file=number)
    return found


async def forget(cx: Context, id_: UUID) -> bool:
    """Delete an export with its files; tell whether there was one."""
    return (await cx.db.execute(FORGET, {"id": id_, "now": cx.now})).rowcount == 1


async def purge(cx: Context) -> int:
    """Delete what has expired; return how many."""
    return (await cx.db.execute(PURGE, {"now": cx.now})).rowcount
