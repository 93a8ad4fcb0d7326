"""The phases of a draw as it is run: freezing, results, bookings in chunks, the end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import islice
from uuid import UUID

from psycopg.rows import class_row

from citycare.kit.db import Connection
from citycare.scenarios.booking.model.draw import Lane, Won

COPY_ROWS = 20_000
LONG = "SET LOCAL statement_timeout = '10min'"

ALONE = "SELECT pg_advisory_xact_lock(2, hashtext(%(draw)s::text))"
FREEZE = """
    UPDATE booking.draw AS d
       SET state = 'frozen',
           requests = (SELECT count(*) FROM booking.draw_request
                        WHERE draw_id = d.id AND withdrawn_at IS NULL)
     WHERE d.id = %(draw)s AND d.state = 'open' AND d.closes_at <= %(now)s
"""
LOCK_SLOTS = """
    SELECT count(*) FROM (
        SELECT 1 FROM booking.slot
         WHERE id IN (SELECT slot_id FROM booking.draw_slot WHERE draw_id = %(draw)s)
         ORDER BY id FOR NO KEY UPDATE) AS locked
"""
RESERVE = """
    UPDATE booking.place AS p SET state = 'offered'
      FROM booking.draw_slot AS ds
     WHERE ds.draw_id = %(draw)s AND p.slot_id = ds.slot_id AND p.number = ANY(ds.numbers)
"""
FIX_PLACES = """
    UPDATE booking.draw_slot AS ds
       SET numbers = ARRAY(SELECT p.number FROM booking.place AS p
                            WHERE p.slot_id = ds.slot_id AND p.state = 'free' AND p.pool = d.pool
                              AND s.state = 'open'
                            ORDER BY p.number)
      FROM booking.draw AS d, booking.slot AS s
     WHERE ds.draw_id = %(draw)s AND d.id = ds.draw_id AND s.id = ds.slot_id
"""


async def freeze(db: Connection, draw_id: UUID, now: datetime) -> bool:
    """Close the list and fix the places drawn for; False when it was not due or done before.

    The advisory lock, held alone, waits until every request under way is written; later ones see
    the new state (see store.draw.put_request). From here on no statement changes the list, and
    the places count as offered, so that nobody else can take them.
    """
    await db.execute(LONG)
    await db.execute(ALONE, {"draw": draw_id})
    if (await db.execute(FREEZE, {"draw": draw_id, "now": now})).rowcount != 1:
        return False
    await db.execute(LOCK_SLOTS, {"draw": draw_id})
    await db.execute(FIX_PLACES, {"draw": draw_id})
    await db.execute(RESERVE, {"draw": draw_id})
    return True


SET_DIGEST = """
    UPDATE booking.draw SET list_digest = %(digest)s
     WHERE id = %(draw)s AND state = 'frozen' AND list_digest IS NULL
"""
SEALED = "SELECT sealed FROM booking.draw_secret WHERE draw_id = %(draw)s"


async def set_digest(db: Connection, draw_id: UUID, digest: bytes) -> None:
    """Publish the digest of the frozen list, once."""
    await db.execute(SET_DIGEST, {"draw": draw_id, "digest": digest})


async def sealed_seed(db: Connection, draw_id: UUID) -> bytes:
    """Return the seed as it was sealed at opening."""
    row = await (await db.execute(SEALED, {"draw": draw_id})).fetchone()
    return bytes(row["sealed"]) if row else b""


COPY_RESULTS = """
    COPY booking.draw_result (draw_id, position, public_id, wish, n, number) FROM STDIN
"""
SET_DRAWN = """
    UPDATE booking.draw SET state = 'drawn', won = %(won)s WHERE id = %(draw)s AND state = 'frozen'
"""


async def add_results(
    db: Connection, draw_id: UUID, results: Iterable[tuple[bytes, int, int, int]]
) -> int:
    """Copy the results in, in the order of the lottery; return how many won."""
    await db.execute(LONG)
    lead = draw_id.hex.encode()
    won = 0
    numbered = enumerate(results, start=1)
    async with db.cursor() as cursor, cursor.copy(COPY_RESULTS) as copy:
        while chunk := list(islice(numbered, COPY_ROWS)):
            lines = []
            for position, (id_, wish, n, number) in chunk:
                place = b"%d\t%d" % (n, number) if wish else b"\\N\t\\N"
                lines.append(
                    b"%s\t%d\t%s\t%d\t%s\n" % (lead, position, id_.hex().encode(), wish, place)
                )
                won += wish > 0
            await copy.write(b"".join(lines))
    await db.execute(SET_DRAWN, {"draw": draw_id, "won": won})
    return won


WINNERS = """
    SELECT r.position, q.person_id, q.channel, q.acted_by, s.slot_id, r.number
      FROM booking.draw_result AS r
      JOIN booking.draw_slot AS s ON s.draw_id = r.draw_id AND s.n = r.n
      JOIN booking.draw_request AS q ON q.draw_id = r.draw_id AND q.public_id = r.public_id
     WHERE r.draw_id = %(draw)s AND r.wish > 0 AND r.n > %(after)s AND r.n <= %(to)s
     ORDER BY r.n, r.number
"""
MISSED = """
    UPDATE booking.draw_result AS r SET missed = m.why
      FROM unnest(%(positions)s::int[], %(why)s::text[]) AS m (position, why)
     WHERE r.draw_id = %(draw)s AND r.position = m.position
"""


async def winners(db: Connection, draw_id: UUID, after: int, to: int) -> list[Won]:
    """Return who won in the windows numbered after..to, by window: each is touched once."""
    async with db.cursor(row_factory=class_row(Won)) as cursor:
        await cursor.execute(WINNERS, {"draw": draw_id, "after": after, "to": to})
        return await cursor.fetchall()


async def mark_missed(db: Connection, draw_id: UUID, missed: Sequence[tuple[int, str]]) -> None:
    """Note who won but could not be booked, and why."""
    parameters = {
        "draw": draw_id,
        "positions": [position for position, _ in missed],
        "why": [why for _, why in missed],
    }
    await db.execute(MISSED, parameters)


ADD_LANES = """
    INSERT INTO booking.draw_lane (draw_id, lane, kind, reached, upto)
    SELECT %(draw)s, l.* FROM unnest(%(lanes)s::smallint[], %(kinds)s::text[],
        %(reached)s::int[], %(upto)s::int[]) AS l
"""
LANES = "SELECT lane, kind, reached, upto FROM booking.draw_lane WHERE draw_id = %(draw)s"
LANE = f"{LANES} AND lane = %(lane)s FOR UPDATE"
REACHED = """
    UPDATE booking.draw_lane SET reached = %(to)s WHERE draw_id = %(draw)s AND lane = %(lane)s
"""


async def add_lanes(db: Connection, draw_id: UUID, lanes: Sequence[Lane]) -> None:
    """Write down how the work after the lottery is shared out."""
    parameters = {
        "draw": draw_id,
        "lanes": [lane.lane for lane in lanes],
        "kinds": [lane.kind for lane in lanes],
        "reached": [lane.reached for lane in lanes],
        "upto": [lane.upto for lane in lanes],
    }
    await db.execute(ADD_LANES, parameters)


async def lanes_of(db: Connection, draw_id: UUID) -> list[Lane]:
    """Return the lanes of a draw."""
    async with db.cursor(row_factory=class_row(Lane)) as cursor:
        return await (await cursor.execute(LANES, {"draw": draw_id})).fetchall()


async def lock_lane(db: Connection, draw_id: UUID, lane: int) -> Lane:
    """Read how far a lane is, and keep another runner of it waiting."""
    async with db.cursor(row_factory=class_row(Lane)) as cursor:
        await cursor.execute(LANE, {"draw": draw_id, "lane": lane})
        found = await cursor.fetchone()
    if found is None:
        raise LookupError(f"lane {lane} of draw {draw_id}")
    return found


async def set_reached(db: Connection, draw_id: UUID, lane: int, to: int) -> None:
    """Note how far a lane is, in the transaction of its work."""
    await db.execute(REACHED, {"draw": draw_id, "lane": lane, "to": to})


TELL = """
    INSERT INTO booking.message (id, person_id, kind, facts, created_at)
    SELECT gen_random_uuid(), m.person_id, m.kind, m.facts, %(now)s
      FROM unnest(%(persons)s::uuid[], %(kinds)s::text[], %(facts)s::jsonb[])
           AS m (person_id, kind, facts)
"""
TELL_LOSERS = """
    INSERT INTO booking.message (id, person_id, kind, facts, created_at)
    SELECT gen_random_uuid(), q.person_id, 'draw_lost',
           jsonb_build_object('draw', r.draw_id, 'position', r.position), %(now)s
      FROM booking.draw_result AS r
      JOIN booking.draw_request AS q ON q.draw_id = r.draw_id AND q.public_id = r.public_id
     WHERE r.draw_id = %(draw)s AND r.wish = 0
       AND r.position > %(after)s AND r.position <= %(to)s
     ORDER BY q.person_id
"""


async def tell(db: Connection, messages: Sequence[tuple[UUID, str, str]], now: datetime) -> None:
    """Write messages (person, kind, facts as JSON)."""
    parameters = {
        "persons": [person for person, _, _ in messages],
        "kinds": [kind for _, kind, _ in messages],
        "facts": [facts for _, _, facts in messages],
        "now": now,
    }
    await db.execute(TELL, parameters)


async def tell_losers(db: Connection, draw_id: UUID, after: int, to: int, now: datetime) -> None:
    """Tell those at positions after..to who got nothing.

    Sorted by person, so that the index of the messages is written page by page.
    """
    parameters = {"draw": draw_id, "after": after, "to": to, "now": now}
    await db.execute(LONG)
    await db.execute(TELL_LOSERS, parameters)


OPEN_LEFT = """
    UPDATE booking.place AS p SET state = 'free', opens_at = l.opens_at
      FROM (SELECT n, slot_id, numbers, %(now)s::timestamptz
                   + make_interval(mins => %(min)s + floor(random() * (%(max)s - %(min)s + 1))::int)
                   AS opens_at
              FROM booking.draw_slot WHERE draw_id = %(draw)s) AS l
     WHERE p.slot_id = l.slot_id AND p.number = ANY(l.numbers) AND p.state = 'offered'
       AND NOT EXISTS (SELECT 1 FROM booking.draw_result AS r
                        WHERE r.draw_id = %(draw)s AND r.wish > 0 AND r.n = l.n
                          AND r.number = p.number AND r.missed IS NULL)
"""
FIRST_COME = """
    UPDATE booking.slot SET release = 'first_come'
     WHERE id IN (SELECT slot_id FROM booking.draw_slot WHERE draw_id = %(draw)s)
"""
FINISH = """
    UPDATE booking.draw SET state = 'done', seed = %(seed)s, done_at = %(now)s
     WHERE id = %(draw)s AND state = 'drawn'
"""


async def finish(
    db: Connection, draw_id: UUID, seed: bytes, now: datetime, minutes: tuple[int, int]
) -> int:
    """Open what was not drawn first-come, each window at its own random minute; reveal the seed.

    Returns how many places are left.
    """
    await db.execute(LONG)
    parameters = {"draw": draw_id, "now": now, "min": minutes[0], "max": minutes[1]}
    left = (await db.execute(OPEN_LEFT, parameters)).rowcount
    await db.execute(FIRST_COME, {"draw": draw_id})
    await db.execute(FINISH, {"draw": draw_id, "seed": seed, "now": now})
    return left
