"""Draws: opening, requests, the frozen list, and reading what is published."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from citycare.kit.db import Connection, Row
from citycare.scenarios.booking.model.core import Pool, Slot
from citycare.scenarios.booking.model.draw import (
    Draw,
    DrawEmpty,
    DrawNotOpen,
    DrawRequest,
    DrawSlot,
    DrawState,
)

WishedSlot = tuple[int, Slot]

CHUNK = 20_000
NOBODY = UUID(int=0)
COLUMNS = """id, organisation_id, name, pool, opens_at, closes_at, state, commitment,
    beacon_source, beacon, requests, list_digest, seed, won, done_at"""

ADD = """
    INSERT INTO booking.draw (id, organisation_id, name, pool, opens_at, closes_at, commitment,
        beacon_source)
    VALUES (%(id)s, %(organisation_id)s, %(name)s, %(pool)s, %(opens_at)s, %(closes_at)s,
        %(commitment)s, %(beacon_source)s)
"""
ADD_SECRET = "INSERT INTO booking.draw_secret (draw_id, sealed) VALUES (%(draw)s, %(sealed)s)"  # noqa: S105
ADD_SLOTS = """
    INSERT INTO booking.draw_slot (draw_id, n, slot_id)
    SELECT %(draw)s, row_number() OVER (ORDER BY s.starts_at, s.id), s.id
      FROM booking.slot AS s
     WHERE s.id = ANY(%(slots)s) AND s.organisation_id = %(organisation)s
       AND s.release = 'draw' AND s.state = 'open' AND s.starts_at > %(closes)s
        ON CONFLICT (slot_id) DO NOTHING
"""


async def add(db: Connection, draw: Draw, sealed: bytes, slots: Sequence[UUID]) -> None:
    """Write a new draw, its sealed seed and its windows, or raise DrawEmpty.

    Every window must be one of the organisation, released by draw, begin after the closing, and
    be in no other draw; the unique constraint on the window settles races.
    """
    await db.execute(ADD, {name: getattr(draw, name) for name in Draw.__dataclass_fields__})
    await db.execute(ADD_SECRET, {"draw": draw.id, "sealed": sealed})
    parameters = {
        "draw": draw.id,
        "slots": list(slots),
        "organisation": draw.organisation_id,
        "closes": draw.closes_at,
    }
    added = (await db.execute(ADD_SLOTS, parameters)).rowcount
    if added != len(set(slots)) or added == 0:
        raise DrawEmpty(given=len(slots), usable=added)


GET = f"SELECT {COLUMNS} FROM booking.draw WHERE id = %(draw)s"
LOCK = f"{GET} FOR NO KEY UPDATE"


def draw_of(row: Row) -> Draw:
    """Read a row of COLUMNS."""
    values = dict(row)
    values["pool"] = Pool(row["pool"])
    values["state"] = DrawState(row["state"])
    return Draw(**values)


async def find(db: Connection, draw_id: UUID) -> Draw | None:
    """Return a draw, if there is one. Everything in it is public; the seed is none till done."""
    row = await (await db.execute(GET, {"draw": draw_id})).fetchone()
    return draw_of(row) if row else None


async def lock(db: Connection, draw_id: UUID) -> Draw | None:
    """Read a draw and keep other runners of its phases waiting."""
    row = await (await db.execute(LOCK, {"draw": draw_id})).fetchone()
    return draw_of(row) if row else None


LIST = f"""
    SELECT {COLUMNS} FROM booking.draw
     WHERE (%(organisation)s::uuid IS NULL OR organisation_id = %(organisation)s)
       AND id > %(after)s
     ORDER BY id LIMIT %(count)s
"""
DUE = """
    SELECT id FROM booking.draw
     WHERE state <> 'done' AND closes_at <= %(now)s
       AND (state = 'open' OR list_digest IS NULL OR beacon_source = '' OR beacon IS NOT NULL)
     ORDER BY closes_at, id LIMIT %(count)s
"""


async def list_draws(
    db: Connection, organisation_id: UUID | None, after: UUID, count: int
) -> list[Draw]:
    """Return draws by id (oldest first), of one organisation or all."""
    parameters = {"organisation": organisation_id, "after": after, "count": count}
    return [draw_of(row) for row in await (await db.execute(LIST, parameters)).fetchall()]


async def list_due(db: Connection, now: datetime, count: int) -> list[UUID]:
    """Return draws whose closing has passed and that can go on (not those awaiting a beacon)."""
    rows = await (await db.execute(DUE, {"now": now, "count": count})).fetchall()
    return [row["id"] for row in rows]


SLOTS = """
    SELECT n, slot_id, numbers FROM booking.draw_slot WHERE draw_id = %(draw)s ORDER BY n
"""


async def slots_of(db: Connection, draw_id: UUID) -> list[DrawSlot]:
    """Return the windows of a draw by their short numbers."""
    async with db.cursor(row_factory=class_row(DrawSlot)) as cursor:
        return await (await cursor.execute(SLOTS, {"draw": draw_id})).fetchall()


WISHED = """
    SELECT ds.n, s.id, s.clinic_id, s.organisation_id, s.department_code, s.practitioner_id,
           s.starts_at, s.ends_at, s.state, s.release, s.capacity, s.free
      FROM booking.draw_slot AS ds JOIN booking.slot AS s ON s.id = ds.slot_id
     WHERE ds.draw_id = %(draw)s AND ds.slot_id = ANY(%(slots)s)
"""


async def wished(db: Connection, draw_id: UUID, slots: Sequence[UUID]) -> dict[UUID, WishedSlot]:
    """Return those of these windows that are in the draw, with their short numbers."""
    cursor = await db.execute(WISHED, {"draw": draw_id, "slots": list(slots)})
    rows = await cursor.fetchall()
    return {row["id"]: (row.pop("n"), Slot(**row)) for row in rows}


SHARE = "SELECT pg_advisory_xact_lock_shared(2, hashtext(%(draw)s::text))"
PUT = """
    INSERT INTO booking.draw_request (draw_id, public_id, person_id, wish1, wish2, wish3, channel,
        acted_by, changed_at)
    SELECT d.id, %(public_id)s, %(person)s, %(wish1)s, %(wish2)s, %(wish3)s, %(channel)s,
           %(acted_by)s, %(now)s
      FROM booking.draw AS d
     WHERE d.id = %(draw)s AND d.state = 'open' AND d.opens_at <= %(now)s AND d.closes_at > %(now)s
        ON CONFLICT (person_id, draw_id) DO UPDATE
       SET wish1 = excluded.wish1, wish2 = excluded.wish2, wish3 = excluded.wish3,
           channel = excluded.channel, acted_by = excluded.acted_by,
           changed_at = excluded.changed_at, withdrawn_at = NULL
"""
WITHDRAW = """
    UPDATE booking.draw_request AS r SET withdrawn_at = %(now)s
      FROM booking.draw AS d
     WHERE r.draw_id = %(draw)s AND r.person_id = %(person)s AND r.withdrawn_at IS NULL
       AND d.id = r.draw_id AND d.state = 'open' AND d.closes_at > %(now)s
"""


async def put_request(
    db: Connection, request: DrawRequest, wishes: Sequence[int], channel: str, acted_by: UUID | None
) -> None:
    """Write a person's request, or change the one there is; raise DrawNotOpen outside the time.

    The shared advisory lock is taken in a statement of its own: freezing takes it alone and so
    waits for us, and whoever waited for freezing sees the new state. Without it a slow request
    could slip in behind the published list. The unique constraint holds one request a person.
    """
    await db.execute(SHARE, {"draw": request.draw_id})
    first, second, third = [*wishes, 0, 0][:3]
    parameters = {
        "draw": request.draw_id,
        "public_id": request.public_id,
        "person": request.person_id,
        "wish1": first,
        "wish2": second,
        "wish3": third,
        "channel": channel,
        "acted_by": acted_by,
        "now": request.changed_at,
    }
    if (await db.execute(PUT, parameters)).rowcount != 1:
        raise DrawNotOpen(draw=request.draw_id)


async def withdraw(db: Connection, draw_id: UUID, person_id: UUID, now: datetime) -> bool:
    """Take a request back while the draw is open; tell whether there was one."""
    await db.execute(SHARE, {"draw": draw_id})
    parameters = {"draw": draw_id, "person": person_id, "now": now}
    return (await db.execute(WITHDRAW, parameters)).rowcount == 1


REQUEST = """
    SELECT r.draw_id, r.public_id, r.person_id, r.changed_at, r.withdrawn_at,
           (SELECT array_agg(s.slot_id ORDER BY w.ord)
              FROM unnest(ARRAY[r.wish1, r.wish2, r.wish3]) WITH ORDINALITY AS w (n, ord)
              JOIN booking.draw_slot AS s ON s.draw_id = r.draw_id AND s.n = w.n) AS wishes
      FROM booking.draw_request AS r
     WHERE r.person_id = %(person)s AND (%(draw)s::uuid IS NULL OR r.draw_id = %(draw)s)
     ORDER BY r.draw_id DESC LIMIT %(count)s
"""
OUTCOME = """
    SELECT r.position, coalesce(r.wish, 0) AS wish, s.slot_id, r.number, r.missed
      FROM booking.draw AS d
      LEFT JOIN booking.draw_result AS r
             ON r.draw_id = d.id AND r.public_id = %(public_id)s AND r.wish > 0
      LEFT JOIN booking.draw_slot AS s ON s.draw_id = r.draw_id AND s.n = r.n
     WHERE d.id = %(draw)s AND d.state = 'done'
"""


async def requests_of(
    db: Connection, person_id: UUID, draw_id: UUID | None = None, count: int = 50
) -> list[DrawRequest]:
    """Return a person's requests, newest draws first."""
    parameters = {"person": person_id, "draw": draw_id, "count": count}
    async with db.cursor(row_factory=class_row(DrawRequest)) as cursor:
        return await (await cursor.execute(REQUEST, parameters)).fetchall()


async def outcome_of(db: Connection, draw_id: UUID, public_id: UUID) -> Row | None:
    """Return wish (0: none), position, slot and number of a request once the draw is done."""
    cursor = await db.execute(OUTCOME, {"draw": draw_id, "public_id": public_id})
    return await cursor.fetchone()


SET_BEACON = """
    UPDATE booking.draw SET beacon = %(beacon)s
     WHERE id = %(draw)s AND state = 'frozen' AND list_digest IS NOT NULL
       AND beacon IS NULL AND beacon_source <> ''
"""


async def set_beacon(db: Connection, draw_id: UUID, beacon: str) -> bool:
    """Write the announced public text, once, after the list digest is published."""
    return (await db.execute(SET_BEACON, {"draw": draw_id, "beacon": beacon})).rowcount == 1


# Packed on the server: 28 bytes a request and one row per chunk, since a million rows one by one
# cost the client more than the lottery itself.
PACKED_REQUESTS = """
    SELECT string_agg(uuid_send(public_id) || int4send(wish1) || int4send(wish2)
                      || int4send(wish3), ''::bytea ORDER BY public_id) AS packed
      FROM (SELECT public_id, wish1, wish2, wish3
              FROM booking.draw_request
             WHERE draw_id = %(draw)s AND withdrawn_at IS NULL AND public_id > %(after)s
             ORDER BY public_id LIMIT %(count)s) AS r
"""
PACKED_RESULTS = """
    SELECT string_agg(uuid_send(public_id) || int4send(wish) || int4send(coalesce(n, 0))
                      || int4send(coalesce(number, 0)), ''::bytea ORDER BY position) AS packed
      FROM booking.draw_result
     WHERE draw_id = %(draw)s AND position > %(after)s
       AND position <= %(after)s::int + %(count)s::int
"""


async def packed_requests(db: Connection, draw_id: UUID, size: int) -> AsyncIterator[list[bytes]]:
    """Yield the frozen requests as records of `size` bytes, by public id, in bounded chunks."""
    after = NOBODY
    while True:
        parameters = {"draw": draw_id, "after": after, "count": CHUNK}
        async with db.cursor(binary=True) as cursor:
            await cursor.execute(PACKED_REQUESTS, parameters)
            row = await cursor.fetchone()
        packed = row["packed"] if row else None
        if not packed:
            return
        yield [packed[at : at + size] for at in range(0, len(packed), size)]
        after = UUID(bytes=packed[-size : 16 - size])


async def packed_results(
    db: Connection, draw_id: UUID, size: int
) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Yield (first position, records) of the results in the order of the lottery."""
    after = 0
    while True:
        parameters = {"draw": draw_id, "after": after, "count": CHUNK}
        async with db.cursor(binary=True) as cursor:
            await cursor.execute(PACKED_RESULTS, parameters)
            row = await cursor.fetchone()
        packed = row["packed"] if row else None
        if not packed:
            return
        records = [packed[at : at + size] for at in range(0, len(packed), size)]
        yield after + 1, records
        after += len(records)
