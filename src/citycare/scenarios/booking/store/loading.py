"""Bulk writing of bookings that happened elsewhere: a demo's past, a city that moves in.

COPY in batches, so memory is bounded. The constraints of the tables hold as for single bookings.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import orjson

from citycare.kit import ids
from citycare.kit.db import Connection, Row
from citycare.scenarios.booking.model.core import Booking, Hold, Wait

TAKE = """
    UPDATE booking.place AS p SET state = 'taken'
      FROM unnest(%(slots)s::uuid[], %(numbers)s::smallint[]) AS n (slot_id, number)
     WHERE p.slot_id = n.slot_id AND p.number = n.number AND p.state = 'free'
"""


async def take_places(db: Connection, places: Collection[tuple[UUID, int]]) -> int:
    """Mark places as taken; return how many were free until now.

    The guard is in the UPDATE, so a place that somebody else took is not counted.
    """
    parameters = {
        "slots": [slot for slot, _ in places],
        "numbers": [number for _, number in places],
    }
    return (await db.execute(TAKE, parameters)).rowcount


BOOKING = (
    "id", "slot_id", "number", "pool", "clinic_id", "organisation_id", "department_code",
    "person_id", "starts_at", "state", "channel", "acted_by", "source", "follows", "created_at",
    "ended_at", "reason", "arrived_at",
)  # fmt: skip
COPY_BOOKINGS = f"COPY booking.booking ({', '.join(BOOKING)}) FROM STDIN"


async def copy_bookings(db: Connection, bookings: Collection[Booking]) -> None:
    """Add bookings; the unique indexes refuse doubles, and then nothing is added."""
    async with db.cursor() as cursor, cursor.copy(COPY_BOOKINGS) as copy:
        for one in bookings:
            await copy.write_row([getattr(one, name) for name in BOOKING])


COPY_WAITS = """
    COPY booking.wait (id, person_id, clinic_id, from_day, to_day, pool, state, channel,
                       created_at) FROM STDIN
"""


async def copy_waits(db: Connection, waits: Sequence[Wait], channel: str) -> None:
    """Add entries of the waiting list to which nothing is offered yet."""
    async with db.cursor() as cursor, cursor.copy(COPY_WAITS) as copy:
        for one in waits:
            await copy.write_row(
                (
                    one.id, one.person_id, one.clinic_id, one.from_day, one.to_day, one.pool,
                    one.state, channel, one.created_at,
                )
            )  # fmt: skip


HOLD = (
    "id", "person_id", "starts_at", "ends_at", "no_shows", "appeal", "appealed_at", "decision",
    "decision_reason",
)  # fmt: skip
COPY_HOLDS = f"COPY booking.hold ({', '.join(HOLD)}) FROM STDIN"


async def copy_holds(db: Connection, holds: Sequence[Hold]) -> None:
    """Add pauses, with an appeal where there is one."""
    async with db.cursor() as cursor, cursor.copy(COPY_HOLDS) as copy:
        for one in holds:
            await copy.write_row([getattr(one, name) for name in HOLD])


COPY_MESSAGES = "COPY booking.message (id, person_id, kind, facts, created_at) FROM STDIN"


async def copy_messages(
    db: Connection, messages: Sequence[tuple[UUID, str, Mapping[str, object], datetime]]
) -> None:
    """Add messages (person, kind, facts, when) as they would have been left at the time."""
    async with db.cursor() as cursor, cursor.copy(COPY_MESSAGES) as copy:
        for person, kind, facts, at in messages:
            text = orjson.dumps(facts, default=str).decode()
            await copy.write_row(
                (ids.derive("message", person, kind, text), person, kind, text, at)
            )


LAST = "SELECT max(starts_at) AS last FROM booking.slot WHERE organisation_id = %(organisation)s"


async def last_window(db: Connection, organisation_id: UUID) -> datetime | None:
    """Return when the last window of an organisation begins; its index answers at once."""
    row = await (await db.execute(LAST, {"organisation": organisation_id})).fetchone()
    return row["last"] if row else None


# The last bytes of a booking's id decide whether its person comes and when: no dice, and the same
# answer however often it is asked.
ARRIVE = """
    UPDATE booking.booking AS b SET state = 'arrived', arrived_at = %(now)s
      FROM booking.slot AS s
     WHERE s.id = b.slot_id AND b.state = 'booked' AND b.person_id <> ALL(%(but)s)
       AND get_byte(uuid_send(b.id), 15) < 240
       AND b.starts_at BETWEEN %(now)s - interval '12 hours' AND %(now)s + interval '40 minutes'
       AND b.starts_at - make_interval(mins => get_byte(uuid_send(b.id), 14) %% 40) <= %(now)s
 RETURNING b.*, s.ends_at, s.practitioner_id
"""
SEE = """
    UPDATE booking.booking AS b SET state = 'fulfilled', ended_at = %(now)s
      FROM booking.slot AS s
     WHERE s.id = b.slot_id AND b.state = 'arrived' AND b.person_id <> ALL(%(but)s)
       AND b.starts_at < %(now)s
       AND b.starts_at + make_interval(mins => 20 + get_byte(uuid_send(b.id), 14) %% 40) <= %(now)s
 RETURNING b.*, s.ends_at, s.practitioner_id
"""


async def let_arrive(db: Connection, now: datetime, but: Collection[UUID]) -> list[Row]:
    """Let most of those who are due arrive, a little early or late; return their bookings."""
    return await (await db.execute(ARRIVE, {"now": now, "but": list(but)})).fetchall()


async def let_see(db: Connection, now: datetime, but: Collection[UUID]) -> list[Row]:
    """Let those who have waited their time be seen; return their bookings."""
    return await (await db.execute(SEE, {"now": now, "but": list(but)})).fetchall()
