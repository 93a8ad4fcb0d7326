"""Looking words up and finding clinics: plain PostgreSQL, no extension.

A typed word is looked up in booking.word by prefix (C collation, so a B-tree range); what it
means are ids, and clinics are found by their own indexed columns. Only a word that names nothing
(what a doctor is good at) is searched as text, within at most CANDIDATES_MAX rows in the end.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, time
from typing import Any
from uuid import UUID

from citycare.kit.db import Connection, Row
from citycare.scenarios.booking.model.finder import (
    Filters,
    History,
    Meant,
    PartOfDay,
    Point,
    Suggestion,
    WordKind,
)

CANDIDATES_MAX = 1_000
SOONEST_MAX = 5_000  # windows looked at for a search for anything at all
KEYS_MAX = 1_000
WORDS_MAX = 16
CLOCKS: Mapping[PartOfDay | None, tuple[time, time]] = {
    None: (time.min, time.max),
    PartOfDay.MORNING: (time.min, time(11, 59, 59)),
    PartOfDay.AFTERNOON: (time(12), time(17, 29, 59)),
    PartOfDay.EVENING: (time(17, 30), time.max),
}

KNOWN = """
    SELECT DISTINCT part FROM booking.word WHERE part = ANY(%(parts)s) AND whole
"""


async def known_parts(db: Connection, parts: Collection[str]) -> set[str]:
    """Return which of these strings are whole words we know."""
    rows = await (await db.execute(KNOWN, {"parts": list(parts)})).fetchall()
    return {row["part"] for row in rows}


MEANINGS = """
    SELECT q.piece, w.kind, w.key, min(w.grade) AS grade
      FROM unnest(%(pieces)s::text[]) AS q (piece)
     CROSS JOIN LATERAL (
            SELECT kind, key,
                   CASE WHEN part = q.piece AND whole THEN 0 WHEN part = q.piece THEN 1 ELSE 2 END
                   AS grade
              FROM booking.word
             WHERE part >= q.piece COLLATE "C" AND part < (q.piece || U&'\\+10FFFF') COLLATE "C"
             ORDER BY part COLLATE "C"
             LIMIT %(most)s
           ) AS w
     GROUP BY q.piece, w.kind, w.key
"""


async def meanings(db: Connection, pieces: Sequence[str]) -> list[Row]:
    """Return what each piece may mean: grade 0 said so, 1 the tail of a name, 2 begins so."""
    parameters = {"pieces": list(pieces), "most": KEYS_MAX}
    return await (await db.execute(MEANINGS, parameters)).fetchall()


SUGGEST = """
    SELECT kind, key, name
      FROM (SELECT DISTINCT ON (kind, key) kind, key, name, whole, length(part) AS size
              FROM (SELECT part, kind, key, name, whole FROM booking.word
                     WHERE part >= %(piece)s COLLATE "C"
                       AND part < (%(piece)s || U&'\\+10FFFF') COLLATE "C"
                     ORDER BY part COLLATE "C"
                     LIMIT %(most)s) AS near
             ORDER BY kind, key, whole DESC, length(part)) AS best
     ORDER BY whole DESC, size, array_position(%(kinds)s::text[], kind), name, key
     LIMIT %(count)s
"""
KINDS = [WordKind.DEPARTMENT, WordKind.HOSPITAL, WordKind.DOCTOR, WordKind.DISTRICT]


async def suggest(db: Connection, piece: str, count: int) -> list[Suggestion]:
    """Return what a word being typed may become, the shortest way to say it first."""
    parameters = {"piece": piece, "most": KEYS_MAX, "kinds": KINDS, "count": count}
    rows = await (await db.execute(SUGGEST, parameters)).fetchall()
    return [Suggestion(WordKind(row["kind"]), row["key"], row["name"]) for row in rows]


MEANT = """
       AND (c.organisation_id = ANY(%(organisations{n})s::uuid[])
            OR c.department_name = ANY(%(departments{n})s::text[])
            OR c.practitioner_id = ANY(%(practitioners{n})s::uuid[])
            OR c.district = ANY(%(districts{n})s::text[])
            OR (%(text{n})s::text <> '' AND strpos(c.search_text, %(text{n})s) > 0))
"""
FILTER = {
    "organisation_id": " AND c.organisation_id = %(organisation_id)s",
    "department_code": " AND (c.department_code = %(department_code)s"
    " OR c.department_code LIKE %(department_code)s || '.%%')",
    "district": " AND c.district = %(district)s",
    "practitioner_id": " AND c.practitioner_id = %(practitioner_id)s",
}
CANDIDATES = """
    SELECT c.id,
           CASE WHEN c.practitioner_id = ANY(%(own_practitioners)s::uuid[])
                     OR c.id = ANY(%(own_clinics)s::uuid[]) THEN 2
                WHEN (c.organisation_id, c.department_code) IN (
                     SELECT * FROM unnest(%(own_organisations)s::uuid[], %(own_codes)s::text[]))
                     THEN 1
                ELSE 0 END AS known,
           (cardinality(%(fitting)s::text[]) > 0
            AND c.department_name <> ALL(%(fitting)s::text[]))::int AS misfit,
           (%(hospitals)s AND c.organisation_name ~ '社区卫生|卫生院|卫生站')::int AS smaller,
           (111320 * sqrt(power(c.latitude - %(latitude)s::float8, 2)
             + power((c.longitude - %(longitude)s::float8)
                     * cos(radians(%(latitude)s::float8)), 2)))::int AS distance_m
      FROM booking.clinic AS c
     WHERE c.active {where}
     ORDER BY known DESC, distance_m NULLS LAST, c.id
     LIMIT %(candidates)s
"""
SOONEST = """
    SELECT clinic_id AS id, 0 AS known, 0 AS misfit, 0 AS smaller, NULL::int AS distance_m
      FROM (SELECT clinic_id, starts_at FROM booking.slot
             WHERE has_free AND state = 'open' AND starts_at > %(now)s
               AND starts_at >= %(from)s AND starts_at < %(to)s
             ORDER BY starts_at, id LIMIT %(slots)s) AS soon
     GROUP BY clinic_id ORDER BY min(starts_at), clinic_id LIMIT %(candidates)s
"""
OPEN_PLACE = """
    SELECT 1 FROM booking.place AS p
     WHERE p.slot_id = s.id AND p.state = 'free' AND p.pool = 'public' AND p.opens_at <= %(now)s
"""
IN_TIME = """
    s.state = 'open' AND s.has_free AND s.starts_at > %(now)s
       AND s.starts_at >= %(from)s AND s.starts_at < %(to)s
       AND (s.starts_at AT TIME ZONE 'Asia/Shanghai')::time BETWEEN %(clock_from)s AND %(clock_to)s
"""
FIND = f"""
    WITH candidate AS MATERIALIZED ({{candidates}}), ranked AS (
        SELECT k.id, k.known, k.distance_m, s.id AS next_slot_id, s.starts_at AS next_starts_at,
               ARRAY[k.smaller, CASE WHEN %(near)s THEN 0 ELSE -k.known END,
                     (s.id IS NULL)::int, k.misfit,
                     CASE WHEN %(near)s THEN COALESCE(k.distance_m, 2000000000) ELSE 0 END,
                     -k.known,
                     COALESCE(extract(epoch FROM s.starts_at)::bigint, 0),
                     COALESCE(k.distance_m, 2000000000)]::bigint[] AS rank
          FROM candidate AS k
          LEFT JOIN LATERAL (
               SELECT s.id, s.starts_at FROM booking.slot AS s
                WHERE s.clinic_id = k.id AND {IN_TIME} AND EXISTS ({OPEN_PLACE})
                ORDER BY s.starts_at LIMIT 1) AS s ON true
    )
    SELECT r.known, r.distance_m, r.next_slot_id, r.next_starts_at, r.rank, c.*
      FROM ranked AS r JOIN booking.clinic AS c ON c.id = r.id
     WHERE (%(after)s::bigint[] IS NULL
            OR (r.rank, r.id) > (%(after)s::bigint[], %(after_id)s::uuid))
       AND (NOT %(only_open)s OR r.next_slot_id IS NOT NULL)
     ORDER BY r.rank, r.id
     LIMIT %(count)s
"""


def _where(meant: Sequence[Meant], filters: Filters) -> tuple[str, dict[str, Any]]:
    """Put the conditions together: constants with numbered parameters, never input."""
    where, parameters = "", dict[str, Any]()
    for name, condition in FILTER.items():
        value = getattr(filters, name)
        if value:
            where += condition
            parameters[name] = value
    for n, one in enumerate(meant[:WORDS_MAX]):
        where += MEANT.format(n=n)
        parameters |= {
            f"organisations{n}": list(one.organisations),
            f"departments{n}": list(one.departments),
            f"practitioners{n}": list(one.practitioners),
            f"districts{n}": list(one.districts),
            f"text{n}": one.text,
        }
    return where, parameters


def _candidates(
    meant: Sequence[Meant], filters: Filters, near: Point | None, history: History
) -> tuple[str, dict[str, Any]]:
    where, parameters = _where(meant, filters)
    departments = sorted(history.departments, key=str)
    parameters |= {
        "own_practitioners": list(history.practitioners),
        "own_clinics": list(history.clinics),
        "own_organisations": [organisation for organisation, _ in departments],
        "own_codes": [code for _, code in departments],
        "fitting": sorted({name for one in meant for name in one.fitting}),
        "latitude": near.latitude if near else None,
        "longitude": near.longitude if near else None,
        "candidates": CANDIDATES_MAX,
        "slots": SOONEST_MAX,
    }
    anything = not where and near is None and history == History()
    return (SOONEST if anything else CANDIDATES.format(where=where)), parameters


def _times(
    now: datetime, span: tuple[datetime, datetime], part: PartOfDay | None
) -> dict[str, Any]:
    clock_from, clock_to = CLOCKS[part]
    return {
        "now": now,
        "from": span[0],
        "to": span[1],
        "clock_from": clock_from,
        "clock_to": clock_to,
    }


async def find(
    db: Connection,
    meant: Sequence[Meant],
    filters: Filters,
    history: History,
    *,
    now: datetime,
    span: tuple[datetime, datetime],
    part: PartOfDay | None,
    near: Point | None,
    by_distance: bool,
    hospitals: bool,
    after: tuple[list[int], UUID] | None,
    count: int,
) -> list[Row]:
    """Return clinics in order of rank: known, open, fitting, sooner, nearer, id.

    By distance: open, fitting, nearer (those without a position last), known, sooner. With
    `hospitals`, places that are smaller than a hospital come after all others.
    At most 1,000 clinics are looked at, the known and near ones first; per clinic one descent of
    an index finds the next window with an open public place. A search for anything at all starts
    from the soonest windows instead.
    """
    candidates, parameters = _candidates(meant, filters, near, history)
    parameters |= _times(now, span, part) | {
        "near": by_distance and near is not None,
        "hospitals": hospitals,
        "only_open": filters.only_open,
        "after": after[0] if after else None,
        "after_id": after[1] if after else None,
        "count": count,
    }
    cursor = await db.execute(FIND.format(candidates=candidates), parameters)
    return await cursor.fetchall()


CENTRE = """
    SELECT avg(latitude) AS latitude, avg(longitude) AS longitude
      FROM booking.clinic WHERE district = %(district)s AND active AND latitude IS NOT NULL
"""


async def centre_of(db: Connection, district: str) -> Point | None:
    """Return the middle of a district's clinics, or None when no clinic there has a position."""
    row = await (await db.execute(CENTRE, {"district": district})).fetchone()
    if row is None or row["latitude"] is None:
        return None
    return Point(row["latitude"], row["longitude"])


DISTRICTS = """
    SELECT DISTINCT district FROM booking.clinic
     WHERE active AND latitude IS NOT NULL ORDER BY district
"""


async def districts(db: Connection) -> list[str]:
    """List the districts, by their code, in which a clinic has a position."""
    rows = await (await db.execute(DISTRICTS)).fetchall()
    return [row["district"] for row in rows]


DAYS = f"""
    SELECT s.clinic_id, (s.starts_at AT TIME ZONE 'Asia/Shanghai')::date AS day,
           sum(open.places)::int AS places
      FROM booking.slot AS s
     CROSS JOIN LATERAL (SELECT count(*) AS places FROM ({OPEN_PLACE}) AS p) AS open
     WHERE s.clinic_id = ANY(%(clinics)s) AND {IN_TIME}
     GROUP BY 1, 2
"""


async def days(
    db: Connection,
    clinics: Collection[UUID],
    now: datetime,
    span: tuple[datetime, datetime],
    part: PartOfDay | None,
) -> list[tuple[UUID, date, int]]:
    """Count the open public places of these clinics, per clinic and day in the city."""
    parameters = {"clinics": list(clinics)} | _times(now, span, part)
    rows = await (await db.execute(DAYS, parameters)).fetchall()
    return [(row["clinic_id"], row["day"], row["places"]) for row in rows]
