"""Bookings: adding, ending, and the lists people and clinics look at."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from citycare.kernel import identity
from citycare.kernel.consent import Scope
from citycare.kernel.context import Channel
from citycare.kit.db import Connection, Row, uuids
from citycare.scenarios.booking.model.core import Booking, Held, KnownAs, Pool, Source, State

# What a booking copies from its window comes from there, in the same statement.
ADD = """
    INSERT INTO booking.booking (id, slot_id, number, pool, clinic_id, organisation_id,
        department_code, person_id, starts_at, state, channel, acted_by, source, follows,
        created_at)
    SELECT n.id, n.slot_id, n.number, n.pool, s.clinic_id, s.organisation_id, s.department_code,
           n.person_id, s.starts_at, n.state, n.channel, n.acted_by, n.source, n.follows,
           n.created_at
      FROM unnest(%(id)s::uuid[], %(slot_id)s::uuid[], %(number)b::int2[],
                  %(pool)b::text[]::booking.pool[], %(person_id)s::uuid[], %(state)b::text[],
                  %(channel)b::text[], %(acted_by)s::uuid[], %(source)b::text[],
                  %(follows)s::uuid[], %(created_at)b::timestamptz[])
           AS n (id, slot_id, number, pool, person_id, state, channel, acted_by, source, follows,
                 created_at)
      JOIN booking.slot AS s ON s.id = n.slot_id
"""
ADDED = (
    "id",
    "slot_id",
    "number",
    "pool",
    "person_id",
    "state",
    "channel",
    "acted_by",
    "source",
    "follows",
    "created_at",
)


async def add(db: Connection, bookings: Sequence[Booking]) -> None:
    """Add bookings in one statement. The unique indexes are the last word against doubles."""
    parameters: dict[str, Any] = {name: [getattr(one, name) for one in bookings] for name in ADDED}
    for name in ("pool", "state", "channel", "source"):
        parameters[name] = [value.value for value in parameters[name]]
    for name in ("id", "slot_id", "person_id", "acted_by", "follows"):
        parameters[name] = uuids(parameters[name])
    await db.execute(ADD, parameters)


STANDING = """
    SELECT id, person_id, starts_at, department_code
      FROM booking.booking
     WHERE person_id = ANY(%(persons)s::uuid[]) AND state IN ('booked', 'arrived')
       AND starts_at > %(since)s
     UNION ALL
    SELECT NULL, person_id, NULL, NULL
      FROM booking.hold
     WHERE person_id = ANY(%(persons)s::uuid[]) AND ends_at > %(now)s AND starts_at <= %(now)s
       AND decision IS DISTINCT FROM 'lifted'
"""


async def standing(
    db: Connection, persons: Collection[UUID], known_as: KnownAs, since: datetime, now: datetime
) -> tuple[list[Held], list[UUID]]:
    """Return what these persons hold in windows after an instant, and which are paused now.

    `known_as`: the other ids of those few who were merged; what stands under one is theirs too.
    """
    every = {*persons}.union(*known_as.values()) if known_as else persons
    parameters = {"persons": uuids(every), "since": since, "now": now}
    # Planned each time (0.1 ms): a plan kept from when the table was small scans all of it later.
    rows = await (await db.execute(STANDING, parameters, prepare=False)).fetchall()
    held = [Held(**row) for row in rows if row["id"] is not None]
    paused = [row["person_id"] for row in rows if row["id"] is None]
    return _under_all(held, paused, known_as, persons) if known_as else (held, paused)


def _under_all(
    held: Sequence[Held], paused: Sequence[UUID], known_as: KnownAs, persons: Collection[UUID]
) -> tuple[list[Held], list[UUID]]:
    """Say of each id that was asked for what stands under any id of the same person."""
    asked: dict[UUID, set[UUID]] = {person: {person} for person in persons}
    for person in persons:
        for other in known_as.get(person, ()):
            asked.setdefault(other, set()).add(person)
    return (
        [replace(one, person_id=person) for one in held for person in asked[one.person_id]],
        [person for one in paused for person in asked[one]],
    )


async def held(db: Connection, persons: Collection[UUID], since: datetime) -> list[Held]:
    """Return what these persons hold in windows after an instant, under any of their ids."""
    known_as = await identity.list_aliases(db, persons)
    return (await standing(db, persons, known_as, since, since))[0]


async def on_hold(db: Connection, persons: Collection[UUID], now: datetime) -> list[UUID]:
    """Return which of these persons are paused now, under any of their ids."""
    known_as = await identity.list_aliases(db, persons)
    return (await standing(db, persons, known_as, now, now))[1]


SEEN = """
    SELECT DISTINCT person_id, clinic_id FROM booking.booking
     WHERE person_id = ANY(%(persons)b) AND state = 'fulfilled'
"""


async def seen(db: Connection, persons: Collection[UUID]) -> frozenset[tuple[UUID, UUID]]:
    """Return (person, clinic) pairs of past visits, for the follow-up pool."""
    cursor = await db.execute(SEEN, {"persons": list(persons)})
    return frozenset((row["person_id"], row["clinic_id"]) for row in await cursor.fetchall())


COLUMNS = """b.id, b.slot_id, b.number, b.pool, b.clinic_id, b.organisation_id,
    b.department_code, b.person_id, b.starts_at, b.state, b.channel, b.acted_by, b.source,
    b.follows, b.created_at, b.ended_at, b.reason, b.arrived_at"""
GET = f"""
    SELECT {COLUMNS} FROM booking.booking AS b
     WHERE b.id = ANY(%(ids)s)
       AND (%(everything)s OR b.person_id = ANY(%(persons)s)
            OR b.organisation_id = ANY(%(organisations)s))
     ORDER BY b.id
"""


def booking_of(row: Row) -> Booking:
    """Read a row of COLUMNS."""
    values = dict(row)
    values["pool"] = Pool(row["pool"])
    values["state"] = State(row["state"])
    values["channel"] = Channel(row["channel"])
    values["source"] = Source(row["source"])
    return Booking(**{name: values[name] for name in Booking.__dataclass_fields__})


async def find(db: Connection, ids: Collection[UUID], scope: Scope) -> list[Booking]:
    """Return those of these bookings that the scope lets the actor see."""
    cursor = await db.execute(GET, {"ids": list(ids), **scope.params()})
    return [booking_of(row) for row in await cursor.fetchall()]


LOCK = f"SELECT {COLUMNS} FROM booking.booking AS b WHERE b.id = %(id)s FOR NO KEY UPDATE"


async def lock(db: Connection, booking_id: UUID) -> Booking | None:
    """Read one booking and keep others from changing it."""
    row = await (await db.execute(LOCK, {"id": booking_id})).fetchone()
    return booking_of(row) if row else None


END = """
    UPDATE booking.booking
       SET state = %(state)s, reason = %(reason)s,
           arrived_at = CASE %(state)s
                             WHEN 'arrived' THEN coalesce(arrived_at, %(now)s::timestamptz)
                             WHEN 'booked' THEN NULL
                             ELSE arrived_at END,
           ended_at = CASE WHEN %(state)s IN ('booked', 'arrived') THEN NULL
                           ELSE %(now)s::timestamptz END
     WHERE id = %(id)s
"""


async def set_state(
    db: Connection, booking_id: UUID, state: State, now: datetime, reason: str = ""
) -> None:
    """Move a locked booking to another state.

    An arrival is noted once: whoever was seen by mistake has waited since they came.
    """
    await db.execute(END, {"id": booking_id, "state": state, "now": now, "reason": reason})


CARD = """c.organisation_name, c.organisation_short, c.department_name, c.practitioner_name,
    c.title, c.room, c.fee_fen, c.kind, s.ends_at, c.latitude, c.longitude"""
OF_PERSON = f"""
    SELECT {COLUMNS}, {CARD}
      FROM booking.booking AS b
      JOIN booking.slot AS s ON s.id = b.slot_id
      JOIN booking.clinic AS c ON c.id = b.clinic_id
     WHERE b.person_id = ANY(%(known_as)s)
       AND (%(everything)s OR b.person_id = ANY(%(persons)s)
            OR b.organisation_id = ANY(%(organisations)s))"""
COMING = f"""{OF_PERSON}
       AND b.state IN ('booked', 'arrived') AND s.ends_at > %(now)s
       AND (%(at)s::timestamptz IS NULL OR (b.starts_at, b.id) > (%(at)s, %(last)s))
     ORDER BY b.starts_at, b.id
     LIMIT %(count)s
"""
PAST = f"""{OF_PERSON}
       AND (b.state NOT IN ('booked', 'arrived') OR s.ends_at <= %(now)s)
       AND (%(at)s::timestamptz IS NULL OR (b.starts_at, b.id) < (%(at)s, %(last)s))
     ORDER BY b.starts_at DESC, b.id DESC
     LIMIT %(count)s
"""


async def list_of_person(
    db: Connection,
    known_as: Collection[UUID],
    scope: Scope,
    now: datetime,
    *,
    upcoming: bool,
    after: tuple[datetime, UUID] | None,
    count: int,
) -> list[Row]:
    """Return what the scope shows of a person's bookings, under all ids, with what a card shows.

    Coming ones first to last, or past ones last to first; `after` goes on in the same order.
    """
    parameters: dict[str, Any] = {
        "known_as": list(known_as),
        "now": now,
        "at": after[0] if after else None,
        "last": after[1] if after else None,
        "count": count,
        **scope.params(),
    }
    return await (await db.execute(COMING if upcoming else PAST, parameters)).fetchall()


DAY = f"""
    SELECT {COLUMNS}, {CARD}
      FROM booking.booking AS b
      JOIN booking.slot AS s ON s.id = b.slot_id
      JOIN booking.clinic AS c ON c.id = b.clinic_id
     WHERE b.organisation_id = %(organisation)s
       AND b.starts_at >= %(from)s AND b.starts_at < %(to)s
       AND (%(clinic)s::uuid IS NULL OR b.clinic_id = %(clinic)s)
       AND b.state NOT IN ('moved')
       AND (%(at)s::timestamptz IS NULL
            OR (b.starts_at, b.number, b.id) > (%(at)s, %(number)s::int, %(last)s))
     ORDER BY b.starts_at, b.number, b.id
     LIMIT %(count)s
"""


async def list_of_day(
    db: Connection,
    organisation_id: UUID,
    clinic_id: UUID | None,
    bounds: tuple[datetime, datetime],
    count: int,
    after: tuple[datetime, int, UUID] | None = None,
) -> list[Row]:
    """Return the bookings of a day in an organisation, or in one clinic, in order of windows.

    `after` goes on behind a booking: its window's start, its number, its id.
    """
    parameters = {
        "at": after[0] if after else None,
        "number": after[1] if after else None,
        "last": after[2] if after else None,
        "organisation": organisation_id,
        "clinic": clinic_id,
        "from": bounds[0],
        "to": bounds[1],
        "count": count,
    }
    return await (await db.execute(DAY, parameters)).fetchall()


MISSED = f"""
    SELECT {COLUMNS} FROM booking.booking AS b
      JOIN booking.slot AS s ON s.id = b.slot_id
     WHERE b.state = 'booked' AND b.starts_at < %(now)s AND s.ends_at < %(ended_before)s
       AND NOT EXISTS (SELECT 1 FROM booking.replacement r
                        WHERE r.booking_id = b.id AND r.answer IS NULL)
     ORDER BY b.id LIMIT %(count)s
       FOR NO KEY UPDATE OF b SKIP LOCKED
"""
MARK_MISSED = """
    UPDATE booking.booking SET state = 'no_show', ended_at = %(now)s WHERE id = ANY(%(ids)s)
"""
# Not held against anybody: a visit that somebody else had chosen, after a stopped clinic, and one
# excused by granting the appeal against a pause that rested on it.
MISSES = """
    SELECT person_id, array_agg(starts_at ORDER BY starts_at) AS starts,
           array_agg(id ORDER BY starts_at) AS ids
      FROM booking.booking
     WHERE person_id = ANY(%(persons)b) AND state = 'no_show' AND starts_at <= %(until)s
       AND NOT EXISTS (SELECT 1 FROM booking.replacement r
                        WHERE r.booking_id = booking.id AND r.answer = 'unanswered')
       AND NOT EXISTS (SELECT 1 FROM booking.hold h
                        WHERE h.person_id = booking.person_id AND h.decision = 'lifted'
                          AND h.appealed_at IS NOT NULL AND booking.id = ANY(h.no_shows))
     GROUP BY person_id
"""


async def mark_missed(
    db: Connection, now: datetime, ended_before: datetime, count: int
) -> list[Booking]:
    """Turn bookings whose window ended without arrival into no-shows; return them."""
    parameters = {"now": now, "ended_before": ended_before, "count": count}
    rows = await (await db.execute(MISSED, parameters)).fetchall()
    missed = [booking_of(row) for row in rows]
    await db.execute(MARK_MISSED, {"ids": [one.id for one in missed], "now": now})
    return missed


async def misses(
    db: Connection, persons: Collection[UUID], until: datetime
) -> dict[UUID, tuple[list[datetime], list[UUID]]]:
    """Return each person's missed visits up to an instant: when they were, and booking ids."""
    parameters = {"persons": list(persons), "until": until}
    rows = await (await db.execute(MISSES, parameters)).fetchall()
    return {row["person_id"]: (row["starts"], row["ids"]) for row in rows}


LAST_CLINICS = """
    SELECT DISTINCT ON (b.clinic_id) b.clinic_id, b.starts_at, c.practitioner_id,
           c.organisation_id, c.department_code
      FROM booking.booking AS b
      JOIN booking.clinic AS c ON c.id = b.clinic_id AND c.active
     WHERE b.person_id = %(person)s AND b.state = 'fulfilled'
     ORDER BY b.clinic_id, b.starts_at DESC
     LIMIT 100
"""


async def last_clinics(db: Connection, person_id: UUID) -> list[Row]:
    """Return the clinics a person was seen in, the latest visit first."""
    rows = await (await db.execute(LAST_CLINICS, {"person": person_id})).fetchall()
    return sorted(rows, key=lambda row: row["starts_at"], reverse=True)
