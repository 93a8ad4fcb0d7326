"""The waiting list and its offers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from uuid import UUID

from citycare.kernel.consent import Scope
from citycare.kit.db import Connection, Row
from citycare.scenarios.booking.model.core import Pool, Wait

COLUMNS = """w.id, w.person_id, w.clinic_id, w.from_day, w.to_day, w.pool, w.state,
    w.created_at, w.offer_slot_id, w.offer_number, w.offer_until, w.booking_id"""


def wait_of(row: Row) -> Wait:
    """Read a row of COLUMNS."""
    values = {name: row[name] for name in Wait.__dataclass_fields__}
    values["pool"] = Pool(row["pool"])
    return Wait(**values)


ADD = """
    INSERT INTO booking.wait (id, person_id, clinic_id, from_day, to_day, pool, state, channel,
        acted_by, created_at)
    SELECT %(id)s, %(person)s, id, %(from_day)s, %(to_day)s, %(pool)s, 'waiting', %(channel)s,
           %(acted_by)s, %(now)s
      FROM booking.clinic WHERE id = %(clinic)s AND active
        ON CONFLICT (person_id, clinic_id) WHERE state IN ('waiting', 'offered') DO NOTHING
 RETURNING id
"""


async def add(db: Connection, entry: Wait, channel: str, acted_by: UUID | None) -> bool:
    """Add an entry; False when the person waits there already (unique index) or no such clinic."""
    parameters = {
        "id": entry.id,
        "person": entry.person_id,
        "clinic": entry.clinic_id,
        "from_day": entry.from_day,
        "to_day": entry.to_day,
        "pool": entry.pool,
        "channel": channel,
        "acted_by": acted_by,
        "now": entry.created_at,
    }
    return (await (await db.execute(ADD, parameters)).fetchone()) is not None


# In turn (rules.wait.turn); nobody who is paused or already holds a place at that time.
NEXT = f"""
    SELECT {COLUMNS} FROM booking.wait AS w
     WHERE w.clinic_id = %(clinic)s AND w.state = 'waiting' AND w.pool = %(pool)s
       AND %(day)s BETWEEN w.from_day AND w.to_day
       AND NOT EXISTS (SELECT 1 FROM booking.booking b
                        WHERE b.person_id = w.person_id AND b.starts_at = %(starts_at)s
                          AND b.state IN ('booked', 'arrived'))
       AND NOT EXISTS (SELECT 1 FROM booking.hold h
                        WHERE h.person_id = w.person_id AND h.ends_at > %(now)s
                          AND h.starts_at <= %(now)s AND h.decision IS DISTINCT FROM 'lifted')
     ORDER BY w.ahead DESC, w.joined_on, w.lot, w.id
     LIMIT 1
       FOR UPDATE OF w SKIP LOCKED
"""


async def next_waiting(
    db: Connection, clinic_id: UUID, pool: Pool, day: date, starts_at: datetime, now: datetime
) -> Wait | None:
    """Return and lock who is next for a place, or None."""
    parameters = {
        "clinic": clinic_id,
        "pool": pool,
        "day": day,
        "starts_at": starts_at,
        "now": now,
    }
    row = await (await db.execute(NEXT, parameters)).fetchone()
    return wait_of(row) if row else None


OFFER = """
    UPDATE booking.wait
       SET state = 'offered', offer_slot_id = %(slot)s, offer_number = %(number)s,
           offer_until = %(until)s
     WHERE id = %(id)s
"""


async def offer(db: Connection, wait_id: UUID, slot_id: UUID, number: int, until: datetime) -> None:
    """Note which place is offered, and until when."""
    await db.execute(OFFER, {"id": wait_id, "slot": slot_id, "number": number, "until": until})


LOCK = f"SELECT {COLUMNS} FROM booking.wait AS w WHERE w.id = %(id)s FOR UPDATE"
GET = f"SELECT {COLUMNS} FROM booking.wait AS w WHERE w.id = %(id)s"


async def find(db: Connection, wait_id: UUID, *, lock: bool = False) -> Wait | None:
    """Read one entry, locked against others if asked."""
    row = await (await db.execute(LOCK if lock else GET, {"id": wait_id})).fetchone()
    return wait_of(row) if row else None


SETTLE = "UPDATE booking.wait SET state = %(state)s, booking_id = %(booking)s WHERE id = %(id)s"


async def settle(db: Connection, wait_id: UUID, state: str, booking_id: UUID | None = None) -> None:
    """End an entry as accepted, declined, expired or left."""
    await db.execute(SETTLE, {"id": wait_id, "state": state, "booking": booking_id})


EXPIRED = f"""
    SELECT {COLUMNS} FROM booking.wait AS w
     WHERE w.state = 'offered' AND w.offer_until <= %(now)s
     ORDER BY w.offer_until LIMIT %(count)s
       FOR UPDATE SKIP LOCKED
"""


async def expired(db: Connection, now: datetime, count: int) -> list[Wait]:
    """Return and lock offers nobody answered in time."""
    rows = await (await db.execute(EXPIRED, {"now": now, "count": count})).fetchall()
    return [wait_of(row) for row in rows]


OF_PERSON = f"""
    SELECT {COLUMNS}, c.organisation_short, c.department_name, c.practitioner_name, c.title,
           c.fee_fen, s.starts_at, s.ends_at,
           (SELECT count(*) FROM booking.wait o
             WHERE o.clinic_id = w.clinic_id AND o.state = 'waiting' AND o.pool = w.pool
               AND o.from_day <= w.to_day AND o.to_day >= w.from_day
               AND (NOT o.ahead, o.joined_on, o.lot, o.id)
                   < (NOT w.ahead, w.joined_on, w.lot, w.id)) + 1
           AS position
      FROM booking.wait AS w
      JOIN booking.clinic AS c ON c.id = w.clinic_id
      LEFT JOIN booking.slot AS s ON s.id = w.offer_slot_id
     WHERE w.person_id = ANY(%(known_as)s) AND w.state IN ('waiting', 'offered')
       AND (%(everything)s OR w.person_id = ANY(%(persons)s)
            OR c.organisation_id = ANY(%(organisations)s))
     ORDER BY w.state, w.created_at
"""


async def list_of_person(db: Connection, known_as: Collection[UUID], scope: Scope) -> Sequence[Row]:
    """Return where a person waits, as far as the scope shows it: the position, any open offer.

    `known_as`: all ids of the person.

    The position is that of `next_waiting`, among those who want the same pool on some of the same
    days. It can grow by those who join later the same day and draw a better lot.
    """
    parameters = {"known_as": list(known_as), **scope.params()}
    return await (await db.execute(OF_PERSON, parameters)).fetchall()


LENGTHS = """
    SELECT w.clinic_id, count(*) AS waiting
      FROM unnest(%(clinics)s::uuid[], %(lots)s::bigint[]) AS c (id, lot)
      JOIN booking.wait AS w ON w.clinic_id = c.id AND w.state = 'waiting'
     WHERE c.lot IS NULL OR (NOT w.ahead, w.joined_on, w.lot) < (true, %(day)s, c.lot)
     GROUP BY w.clinic_id
"""


async def lengths(
    db: Connection, clinics: Sequence[UUID], day: date, lots: Sequence[int | None]
) -> dict[UUID, int]:
    """Return how many stand, for each clinic, before somebody who joins on a day with this lot.

    Without a lot: how many wait in all.
    """
    parameters = {"clinics": list(clinics), "lots": list(lots), "day": day}
    rows = await (await db.execute(LENGTHS, parameters)).fetchall()
    return {row["clinic_id"]: row["waiting"] for row in rows}
