"""Slots and places: reading them under lock, taking and releasing places."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from psycopg import AsyncCursor
from psycopg.rows import args_row, tuple_row

from citycare.kernel import identity
from citycare.kit.db import Connection, Row, uuids
from citycare.scenarios.booking.model.core import KnownAs, Place, Pool, Slot

LOCK_PERSONS = f"""
      WITH merged AS MATERIALIZED ({identity.MERGES_OF_PERSONS})
    SELECT EXISTS (SELECT FROM merged) AS merged, count(*) AS locks
      FROM (SELECT pg_advisory_xact_lock(1, key) AS got
              FROM (SELECT DISTINCT hashtext(p::text) AS key
                      FROM (SELECT unnest(%(persons)s::uuid[]) UNION ALL
                            SELECT kept FROM merged) AS every (p) ORDER BY 1) AS keys
            OFFSET 0) AS locked
"""


async def lock_persons(db: Connection, persons: Collection[UUID]) -> KnownAs:
    """Let only one transaction at a time book for these persons, so that limits hold.

    Locks are taken in the order of their keys, and always before slots, so two batches cannot
    wait for each other. A lock is by hash: a rare collision only waits needlessly. Who was merged
    is locked under the kept id too, whichever was asked for.

    Returns:
        The other ids of those few who were merged; only for them a second statement is needed.
    """
    found = await db.execute(LOCK_PERSONS, {"persons": uuids(persons)})
    row = await found.fetchone()
    return await identity.list_aliases(db, persons) if row is not None and row["merged"] else {}


TRY_LOCK_PERSONS = LOCK_PERSONS.replace(
    "pg_advisory_xact_lock", "pg_try_advisory_xact_lock"
).replace("count(*) AS locks", "bool_and(got) AS all_locked")


async def try_lock_persons(db: Connection, persons: Collection[UUID]) -> bool:
    """As `lock_persons`, for who holds slots already and so must not wait; False: one is held."""
    found = await db.execute(TRY_LOCK_PERSONS, {"persons": uuids(persons)})
    row = await found.fetchone()
    return row is None or row["all_locked"] is not False


# In the order of the fields of `Slot`.
READ_SLOTS = """
    SELECT id, clinic_id, organisation_id, department_code, practitioner_id, starts_at, ends_at,
           state, release, capacity, free, queue_id, queue_until
      FROM booking.slot
     WHERE id = ANY(%(slots)s::uuid[])
     ORDER BY id
"""
LOCK_SLOTS = f"{READ_SLOTS} FOR NO KEY UPDATE"
LOCK_FREE_SLOTS = f"{LOCK_SLOTS} SKIP LOCKED"


async def lock_slots(
    db: Connection, slots: Collection[UUID], *, skip_held: bool = False
) -> dict[UUID, Slot]:
    """Read slots and lock them, in the order of their ids, against other takers.

    With `skip_held`, those that others hold are left out instead of waited for. Whoever waited
    reads the places afterwards in a statement of their own, with a new snapshot (READ COMMITTED),
    and so sees what the one before took.
    """
    async with db.cursor(row_factory=args_row(Slot), binary=True) as cursor:
        statement = LOCK_FREE_SLOTS if skip_held else LOCK_SLOTS
        await cursor.execute(statement, {"slots": uuids(slots)})
        return {slot.id: slot for slot in await cursor.fetchall()}


async def read_slots(db: Connection, slots: Collection[UUID]) -> dict[UUID, Slot]:
    """Read slots without locking them."""
    async with db.cursor(row_factory=args_row(Slot), binary=True) as cursor:
        await cursor.execute(READ_SLOTS, {"slots": uuids(slots)})
        return {slot.id: slot for slot in await cursor.fetchall()}


POOLS = {pool.value: pool for pool in Pool}  # a look-up costs a tenth of Pool(…)
FREE_PLACES = """
    SELECT slot_id, number, pool::text, opens_at
      FROM booking.place
     WHERE slot_id = ANY(%(slots)s::uuid[]) AND state = 'free'
"""


async def free_places(db: Connection, slots: Collection[UUID]) -> list[Place]:
    """Return the free places of locked slots, also those not yet open."""
    async with db.cursor(row_factory=tuple_row, binary=True) as cursor:
        await cursor.execute(FREE_PLACES, {"slots": uuids(slots)})
        rows = await cursor.fetchall()
    return [Place(slot, number, POOLS[pool], opens_at) for slot, number, pool, opens_at in rows]


TAKE = """
    UPDATE booking.place AS p
       SET state = %(state)s
      FROM unnest(%(slots)s::uuid[], %(numbers)b::int[]) AS t (slot_id, number)
     WHERE p.slot_id = t.slot_id AND p.number = t.number AND p.state = ANY(%(was)s)
"""


async def start_taking(
    db: Connection,
    places: Sequence[tuple[UUID, int]],
    *,
    state: str = "taken",
    was: Sequence[str] = ("free",),
) -> AsyncCursor[Row]:
    """Turn places from some states to another; `rowcount` says how many were in one of them.

    The cursor comes back unread, so that a caller in a pipeline need not wait here.
    """
    parameters = {
        "slots": uuids(slot for slot, _ in places),
        "numbers": [number for _, number in places],
        "state": state,
        "was": list(was),
    }
    return await db.execute(TAKE, parameters)


async def take(
    db: Connection,
    places: Sequence[tuple[UUID, int]],
    *,
    state: str = "taken",
    was: Sequence[str] = ("free",),
) -> int:
    """Turn places from some states to another; return how many really were in one of them."""
    return (await start_taking(db, places, state=state, was=was)).rowcount


RELEASE = """
    UPDATE booking.place AS p
       SET state = 'free', opens_at = t.opens_at
      FROM unnest(%(slots)s::uuid[], %(numbers)b::int[], %(opens)b::timestamptz[])
           AS t (slot_id, number, opens_at)
     WHERE p.slot_id = t.slot_id AND p.number = t.number AND p.state <> 'free'
"""


async def release(db: Connection, places: Sequence[tuple[UUID, int, datetime]]) -> int:
    """Free places again, to open at the given instants."""
    parameters = {
        "slots": uuids(slot for slot, _, _ in places),
        "numbers": [number for _, number, _ in places],
        "opens": [opens for _, _, opens in places],
    }
    return (await db.execute(RELEASE, parameters)).rowcount
