"""Clinics and the words they are found by."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from citycare.kit.db import Connection
from citycare.scenarios.booking.model.finder import Word
from citycare.scenarios.booking.model.schedule import Clinic

COLUMNS = (
    "id",
    "organisation_id",
    "organisation_name",
    "organisation_short",
    "district",
    "latitude",
    "longitude",
    "department_id",
    "department_code",
    "department_name",
    "practitioner_id",
    "practitioner_name",
    "title",
    "good_at",
    "kind",
    "release",
    "room",
    "fee_fen",
    "active",
)
LIST = ", ".join(COLUMNS)

SAVE = f"""
    INSERT INTO booking.clinic ({LIST}, search_text)
    SELECT {LIST}, search_text
      FROM jsonb_populate_recordset(NULL::booking.clinic, %(rows)s)
        ON CONFLICT (id) DO UPDATE SET
           {", ".join(f"{c} = excluded.{c}" for c in (*COLUMNS[1:], "search_text"))}
"""


async def save(db: Connection, clinics: Sequence[tuple[Clinic, str]]) -> None:
    """Add or replace clinics, each with its search text, in one statement."""
    rows = [
        {**{name: getattr(clinic, name) for name in COLUMNS}, "search_text": text}
        for clinic, text in clinics
    ]
    await db.execute(SAVE, {"rows": Jsonb(rows)})


SAVE_WORDS = """
    INSERT INTO booking.word (part, kind, key, name, whole)
    SELECT part, kind, key, max(name), bool_or(whole)
      FROM unnest(%(part)s::text[], %(kind)s::text[], %(key)s::text[], %(name)s::text[],
                  %(whole)s::bool[]) AS w (part, kind, key, name, whole)
     GROUP BY part, kind, key
        ON CONFLICT (part, kind, key) DO UPDATE SET name = excluded.name, whole = excluded.whole
     WHERE (word.name, word.whole) IS DISTINCT FROM (excluded.name, excluded.whole)
"""


FORGET = """
    DELETE FROM booking.word AS w
     USING (SELECT key, array_agg(part) AS parts
              FROM unnest(%(part)s::text[], %(kind)s::text[], %(key)s::text[])
                   AS n (part, kind, key)
             WHERE kind = 'doctor' GROUP BY key) AS n
     WHERE w.kind = 'doctor' AND w.key = n.key AND w.part <> ALL(n.parts)
"""


async def save_words(db: Connection, words: Collection[Word]) -> None:
    """Add the words that are new; a doctor renamed is no longer found by the old name.

    Old names of hospitals stay: people go on using them.
    """
    columns = ("part", "kind", "key", "name", "whole")
    parameters = {c: [getattr(w, c) for w in words] for c in columns}
    await db.execute(FORGET, parameters)
    await db.execute(SAVE_WORDS, parameters)


GET = f"SELECT {LIST} FROM booking.clinic WHERE id = ANY(%(ids)s) ORDER BY id"
OF_ORGANISATION = f"""
    SELECT {LIST} FROM booking.clinic
     WHERE organisation_id = %(organisation)s AND active
     ORDER BY id
"""


def clinic_of(row: Mapping[str, Any]) -> Clinic:
    """Read a clinic from a row that carries at least its columns."""
    return Clinic(**{name: row[name] for name in COLUMNS})


def _clinics(rows: Sequence[Mapping[str, Any]]) -> list[Clinic]:
    return [clinic_of(row) for row in rows]


async def get(db: Connection, ids: Collection[UUID]) -> list[Clinic]:
    """Return those of these clinics that exist."""
    return _clinics(await (await db.execute(GET, {"ids": list(ids)})).fetchall())


async def list_of_organisation(db: Connection, organisation_id: UUID) -> list[Clinic]:
    """Return the active clinics of one organisation."""
    cursor = await db.execute(OF_ORGANISATION, {"organisation": organisation_id})
    return _clinics(await cursor.fetchall())
