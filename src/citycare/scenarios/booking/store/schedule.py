"""Templates, closures, and the windows and places made from them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from citycare.kit.db import Connection, Row
from citycare.scenarios.booking.model.core import Pool
from citycare.scenarios.booking.model.schedule import Closure, NewSlot, Template

TEMPLATE = (
    "id, clinic_id, weekday, starts, ends, window_min, capacity, shares, valid_from, valid_to"
)
SAVE_TEMPLATES = f"""
    INSERT INTO booking.template ({TEMPLATE})
    SELECT {TEMPLATE} FROM jsonb_populate_recordset(NULL::booking.template, %(rows)s)
        ON CONFLICT (id) DO UPDATE SET
           clinic_id = excluded.clinic_id, weekday = excluded.weekday, starts = excluded.starts,
           ends = excluded.ends, window_min = excluded.window_min, capacity = excluded.capacity,
           shares = excluded.shares, valid_from = excluded.valid_from,
           valid_to = excluded.valid_to
"""


async def save_templates(db: Connection, templates: Sequence[Template]) -> None:
    """Add or replace templates in one statement."""
    columns = TEMPLATE.split(", ")
    rows = [
        {name: getattr(one, name) for name in columns}
        | {"shares": {pool.value: count for pool, count in one.shares.items()}}
        for one in templates
    ]
    await db.execute(SAVE_TEMPLATES, {"rows": Jsonb(rows)})


LIST_TEMPLATES = f"""
    SELECT {TEMPLATE} FROM booking.template
     WHERE clinic_id = ANY(%(clinics)s)
     ORDER BY clinic_id, weekday, starts, id
"""


def template_of(row: Mapping[str, Any]) -> Template:
    """Read a row of booking.template."""
    return Template(**{**row, "shares": {Pool(k): int(n) for k, n in row["shares"].items()}})


async def list_templates(db: Connection, clinics: Collection[UUID]) -> list[Template]:
    """Return the templates of these clinics."""
    cursor = await db.execute(LIST_TEMPLATES, {"clinics": list(clinics)})
    return [template_of(row) for row in await cursor.fetchall()]


HOUSES = """
    SELECT DISTINCT c.organisation_id
      FROM booking.clinic AS c
     WHERE c.active AND EXISTS (SELECT FROM booking.template AS t WHERE t.clinic_id = c.id)
     ORDER BY c.organisation_id
"""


async def list_houses(db: Connection) -> list[UUID]:
    """Return the organisations that have a template for an active clinic; hundreds at most."""
    return [row["organisation_id"] for row in await (await db.execute(HOUSES)).fetchall()]


DELETE_TEMPLATES = "DELETE FROM booking.template WHERE id = ANY(%(ids)s)"


async def delete_templates(db: Connection, ids: Collection[UUID]) -> int:
    """Remove templates; windows already made stay."""
    return (await db.execute(DELETE_TEMPLATES, {"ids": list(ids)})).rowcount


CLOSURE = "id, organisation_id, clinic_id, on_day, kind, reason"
SAVE_CLOSURES = f"""
    INSERT INTO booking.closure ({CLOSURE})
    SELECT {CLOSURE} FROM jsonb_populate_recordset(NULL::booking.closure, %(rows)s)
        ON CONFLICT (id) DO UPDATE SET on_day = excluded.on_day, kind = excluded.kind,
           reason = excluded.reason, clinic_id = excluded.clinic_id
"""


async def save_closures(db: Connection, closures: Sequence[Closure]) -> None:
    """Add or replace closures in one statement."""
    columns = CLOSURE.split(", ")
    rows = [{name: getattr(one, name) for name in columns} for one in closures]
    await db.execute(SAVE_CLOSURES, {"rows": Jsonb(rows)})


GET_CLOSURE = f"SELECT {CLOSURE} FROM booking.closure WHERE id = %(id)s FOR UPDATE"
DELETE_CLOSURE = "DELETE FROM booking.closure WHERE id = %(id)s"


async def lock_closure(db: Connection, closure_id: UUID) -> Closure | None:
    """Read one closure and keep others from changing it."""
    row = await (await db.execute(GET_CLOSURE, {"id": closure_id})).fetchone()
    return Closure(**row) if row else None


async def delete_closure(db: Connection, closure_id: UUID) -> None:
    """Remove a closure; windows made or not made under it stay as they are."""
    await db.execute(DELETE_CLOSURE, {"id": closure_id})


LIST_CLOSURES = f"""
    SELECT {CLOSURE} FROM booking.closure
     WHERE organisation_id = ANY(%(organisations)s)
       AND on_day BETWEEN %(from)s AND %(to)s
     ORDER BY on_day, id
"""


async def list_closures(
    db: Connection, organisations: Collection[UUID], from_day: date, to_day: date
) -> list[Closure]:
    """Return the closures of these organisations in a period, both ends included."""
    parameters = {"organisations": list(organisations), "from": from_day, "to": to_day}
    rows = await (await db.execute(LIST_CLOSURES, parameters)).fetchall()
    return [Closure(**row) for row in rows]


ADD_SLOTS = """
    INSERT INTO booking.slot (id, clinic_id, organisation_id, district, department_code,
                              practitioner_id, starts_at, ends_at, release, capacity, free, busy)
    SELECT n.id, c.id, c.organisation_id, c.district, c.department_code, c.practitioner_id,
           n.starts_at, n.ends_at, c.release, n.capacity, n.capacity, 0
      FROM unnest(%(id)s::uuid[], %(clinic)s::uuid[], %(starts)s::timestamptz[],
                  %(ends)s::timestamptz[], %(capacity)s::smallint[])
           AS n (id, clinic_id, starts_at, ends_at, capacity)
      JOIN booking.clinic AS c ON c.id = n.clinic_id
        ON CONFLICT DO NOTHING
 RETURNING id
"""
ADD_PLACES = """
    COPY booking.place (slot_id, number, pool, opens_at, gives_back_at) FROM STDIN
"""


async def add_slots(db: Connection, slots: Sequence[NewSlot]) -> set[UUID]:
    """Add those windows that are not there yet, with their places; return the ids added.

    A window is known by clinic and start, so doing it again, or two at once, adds nothing twice:
    only who inserted the slot adds its places.
    """
    parameters = {
        "id": [one.id for one in slots],
        "clinic": [one.clinic.id for one in slots],
        "starts": [one.window.starts_at for one in slots],
        "ends": [one.window.ends_at for one in slots],
        "capacity": [len(one.places) for one in slots],
    }
    cursor = await db.execute(ADD_SLOTS, parameters)
    added = {row["id"] for row in await cursor.fetchall()}
    async with db.cursor() as writer, writer.copy(ADD_PLACES) as copy:
        for one in slots:
            if one.id not in added:
                continue
            for place in one.places:
                row = (one.id, place.number, place.pool, place.opens_at, place.gives_back_at)
                await copy.write_row(row)
    return added


GIVE_BACK = """
    WITH due AS (
        SELECT slot_id, number FROM booking.place
         WHERE is_kept AND gives_back_at <= %(now)s
         ORDER BY slot_id, number
         LIMIT %(count)s
           FOR UPDATE SKIP LOCKED
    ), turned AS (
        UPDATE booking.place AS p
           SET pool = 'public', gives_back_at = NULL
          FROM due
         WHERE p.slot_id = due.slot_id AND p.number = due.number
     RETURNING p.slot_id
    )
    SELECT slot_id, count(*) AS places FROM turned GROUP BY slot_id ORDER BY slot_id
"""


async def give_back(db: Connection, now: datetime, count: int) -> list[Row]:
    """Turn unused reserved places public; return how many per window.

    When they open stays as it is: long ago, or the random moment at which a cancelled one returns.
    Places that somebody is taking at this moment are locked and left alone; if they stay free,
    the next round turns them.
    """
    return await (await db.execute(GIVE_BACK, {"now": now, "count": count})).fetchall()
