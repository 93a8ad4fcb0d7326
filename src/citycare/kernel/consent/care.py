"""Care relationships and broken glass: what opens a record to staff, and for how long.

Access through care is the organisation's: covering doctors and nurses change by the hour; each
reading is in the audit trail, and the person can see who read.

Source: GB/T 39725-2020 (access of treating staff; from memory, UNVERIFIED).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from psycopg.rows import tuple_row

from citycare.kernel.context import Context
from citycare.kit.db import Connection, uuids

TREATED_MAX = 5_000

OPEN_CARE = """
    INSERT INTO consent.care (person_id, organisation_id, practitioner_id, source, starts_at, ends_at)
    SELECT * FROM unnest(%(persons)s::uuid[], %(organisations)s::uuid[], %(practitioners)s::uuid[],
                         %(sources)b::text[], %(starts)b::timestamptz[], %(ends)b::timestamptz[])
        ON CONFLICT (source, person_id) DO UPDATE
       SET organisation_id = excluded.organisation_id,
           practitioner_id = excluded.practitioner_id,
           starts_at = excluded.starts_at, ends_at = excluded.ends_at
"""  # noqa: E501
CLOSE_CARE = """
    UPDATE consent.care SET ends_at = greatest(starts_at, %(now)s)
     WHERE source = ANY(%(sources)s) AND ends_at > %(now)s
"""
OPEN = """
    SELECT 'care', q.place, q.person
      FROM unnest(%(places)s::uuid[], %(treated)s::uuid[]) AS q (place, person)
     WHERE EXISTS (SELECT FROM consent.care c
                    WHERE c.person_id = q.person AND c.organisation_id = q.place
                      AND c.starts_at <= %(now)s AND c.ends_at > %(now)s)
     UNION ALL
    SELECT 'glass', q.account, q.person
      FROM unnest(%(accounts)s::uuid[], %(opened)s::uuid[]) AS q (account, person)
     WHERE EXISTS (SELECT FROM consent.break_glass b
                    WHERE b.person_id = q.person AND b.account_id = q.account
                      AND b.opened_at <= %(now)s AND b.ends_at > %(now)s)
"""
TREATED = """
    (SELECT c.person_id FROM consent.care c
      WHERE c.organisation_id = ANY(%(places)s) AND c.starts_at <= %(now)s AND c.ends_at > %(now)s
      ORDER BY c.starts_at DESC LIMIT %(most)s)
     UNION ALL
    SELECT b.person_id FROM consent.break_glass b
     WHERE b.account_id = %(account)s AND b.opened_at <= %(now)s AND b.ends_at > %(now)s
"""


@dataclass(frozen=True, slots=True)
class CareRow:
    """One person treated in one organisation, from when until before when.

    `source` says what it follows from (`Appointment/<id>`) and is the handle to change or close it.
    """

    person_id: UUID
    organisation_id: UUID
    practitioner_id: UUID | None
    source: str
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Question:
    """Is the person treated in one of these places, or opened by this account?"""

    person_id: UUID
    places: tuple[UUID, ...]
    account_id: UUID | None


def care_window(visit_at: datetime, before_days: int, after_days: int) -> tuple[datetime, datetime]:
    """Return from when until when a visit opens the record.

    The days are policy data: `consent.care.before_days`, `consent.care.after_days`.
    """
    return visit_at - timedelta(days=before_days), visit_at + timedelta(days=after_days)


async def open_care(cx: Context, rows: Sequence[CareRow]) -> None:
    """Open care for many people in one statement; a row with the same source is replaced.

    The caller's transaction carries the reason (a booking), so both happen or neither.
    """
    if rows:
        parameters = {
            "persons": uuids(row.person_id for row in rows),
            "organisations": uuids(row.organisation_id for row in rows),
            "practitioners": uuids(row.practitioner_id for row in rows),
            "sources": [row.source for row in rows],
            "starts": [row.starts_at for row in rows],
            "ends": [row.ends_at for row in rows],
        }
        await cx.db.execute(OPEN_CARE, parameters)


async def close_care(cx: Context, sources: Sequence[str]) -> int:
    """End now what follows from these sources (a cancelled booking); return how many ended."""
    parameters = {"sources": list(sources), "now": cx.now}
    return (await cx.db.execute(CLOSE_CARE, parameters)).rowcount


async def list_open(
    db: Connection, questions: Sequence[Question], now: datetime
) -> tuple[frozenset[tuple[UUID, UUID]], frozenset[tuple[UUID, UUID]]]:
    """Answer many questions in one statement: (place, person) treated, (account, person) opened."""
    cared = [(place, question.person_id) for question in questions for place in question.places]
    glass = [(question.account_id, question.person_id) for question in questions]
    glass = [(account, person) for account, person in glass if account is not None]
    parameters = {
        "places": [place for place, _ in cared],
        "treated": [person for _, person in cared],
        "accounts": [account for account, _ in glass],
        "opened": [person for _, person in glass],
        "now": now,
    }
    async with db.cursor(row_factory=tuple_row) as cursor:
        rows = await (await cursor.execute(OPEN, parameters)).fetchall()
    return (
        frozenset((who, person) for kind, who, person in rows if kind == "care"),
        frozenset((who, person) for kind, who, person in rows if kind == "glass"),
    )


async def list_treated(
    db: Connection, places: Collection[UUID], account_id: UUID | None, now: datetime
) -> frozenset[UUID]:
    """Return the people under care in these places (newest 5,000) or opened by this account."""
    parameters = {
        "places": list(places), "account": account_id, "now": now, "most": TREATED_MAX,
    }  # fmt: skip
    rows = await (await db.execute(TREATED, parameters)).fetchall()
    return frozenset(row["person_id"] for row in rows)
