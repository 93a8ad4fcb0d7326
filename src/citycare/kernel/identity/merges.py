"""Merge two records of one person, and undo it exactly.

Nothing is deleted or rewritten: rows that belong to the merged record move to the kept one, and
the merge remembers which, by id. Other modules keep the old id; it goes on working, because
`resolve`, `list_powers` and `list_acted_for` know where it leads (one step, never a chain).

A module may forbid a merge while it would disturb (`block_merge`). Booking does not: it counts
and shows what stands under any id of a person, so a visit goes on through a merge.

Source: ours, as master person indexes commonly do: reversible.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from citycare.kernel import audit, events
from citycare.kernel.context import Context
from citycare.kernel.identity.model import (
    MergeBlocked,
    MergeNotLast,
    MergeRefused,
    MergeUnknown,
    Person,
    PersonUnknown,
)
from citycare.kernel.identity.persons import COLUMNS
from citycare.kit import ids

# In the order of ids, so two merges of the same pair cannot wait for each other in a ring.
LOCK = f"""
    SELECT {COLUMNS} FROM identity.person p
     WHERE p.id = ANY(%(both)s) ORDER BY p.id FOR UPDATE
"""
TWO_NUMBERS = """
    SELECT count(DISTINCT number) > 1 AS two FROM identity.document
     WHERE person_id = ANY(%(both)s) AND kind = 'resident_id'
       AND verified_at IS NOT NULL AND ended_at IS NULL
"""
BLOCKED = "SELECT 1 FROM identity.merge_block WHERE person_id = ANY(%(both)s) LIMIT 1"
BLOCK = """
    INSERT INTO identity.merge_block (person_id, source) VALUES (%(person)s, %(source)s)
        ON CONFLICT DO NOTHING
"""
UNBLOCK = "DELETE FROM identity.merge_block WHERE source = %(source)s"

# Every column that names a person, and what moves with a merge. A relation between the two
# stays where it is: moved, it would be a relation to oneself. Links stay: `links` knows merged ids.
MOVES = {
    "documents": """UPDATE identity.document SET person_id = %(to)s
        WHERE person_id = %(from)s AND (%(ids)s::uuid[] IS NULL OR id = ANY(%(ids)s::uuid[]))
        RETURNING id""",
    "represented": """UPDATE identity.relation SET person_id = %(to)s
        WHERE person_id = %(from)s AND proxy_id <> %(to)s
          AND (%(ids)s::uuid[] IS NULL OR id = ANY(%(ids)s::uuid[])) RETURNING id""",
    "representing": """UPDATE identity.relation SET proxy_id = %(to)s
        WHERE proxy_id = %(from)s AND person_id <> %(to)s
          AND (%(ids)s::uuid[] IS NULL OR id = ANY(%(ids)s::uuid[])) RETURNING id""",
    "accounts": """UPDATE identity.account SET person_id = %(to)s
        WHERE person_id = %(from)s AND (%(ids)s::uuid[] IS NULL OR id = ANY(%(ids)s::uuid[]))
        RETURNING id""",
    "practitioners": """UPDATE identity.practitioner SET person_id = %(to)s
        WHERE person_id = %(from)s AND (%(ids)s::uuid[] IS NULL OR id = ANY(%(ids)s::uuid[]))
        RETURNING id""",
    "merged_before": """UPDATE identity.person SET merged_into = %(to)s
        WHERE merged_into = %(from)s AND (%(ids)s::uuid[] IS NULL OR id = ANY(%(ids)s::uuid[]))
        RETURNING id""",
}
POINT = "UPDATE identity.person SET merged_into = %(to)s WHERE id = %(person)s"
KEEP = """
    INSERT INTO identity.merge (id, kept_id, merged_id, moved, reason, merged_at, merged_by)
    VALUES (%(id)s, %(kept)s, %(merged)s, %(moved)s, %(reason)s, %(now)s, %(by)s)
"""
DECIDE = """
    UPDATE identity.proposal SET state = %(state)s, decided_at = %(at)s, decided_by = %(by)s
     WHERE left_id = least(%(kept)s::uuid, %(merged)s::uuid)
       AND right_id = greatest(%(kept)s::uuid, %(merged)s::uuid)
"""
MERGE = "m.id, m.kept_id, m.merged_id, m.moved, m.reason, m.merged_at, m.merged_by, m.undone_at"
TAKE = f"SELECT {MERGE} FROM identity.merge m WHERE m.id = %(id)s FOR UPDATE"
UNDO = """
    UPDATE identity.merge SET undone_at = %(now)s, undone_by = %(by)s WHERE id = %(id)s
"""


@dataclass(frozen=True, slots=True)
class Merge:
    """One merge as it was done: who is kept, who was merged, which rows moved."""

    id: UUID
    kept_id: UUID
    merged_id: UUID
    moved: Mapping[str, list[str]]
    reason: str
    merged_at: datetime
    merged_by: UUID | None
    undone_at: datetime | None


async def merge(cx: Context, kept_id: UUID, merged_id: UUID, reason: str) -> Merge:
    """Make two records one. Moves rows, writes the merge, audit and `identity.merged` together.

    Raises:
        PersonUnknown: one of them does not exist.
        MergeRefused: the same record twice, one merged already, or two verified resident numbers.
        MergeBlocked: a module has forbidden it for now (`block_merge`).
    """
    both = [kept_id, merged_id]
    people = await _lock(cx, both)
    row = await (await cx.db.execute(TWO_NUMBERS, {"both": both})).fetchone()
    merged_already = any(person.merged_into is not None for person in people)
    if merged_already or not reason.strip() or (row is not None and row["two"]):
        raise MergeRefused
    if await (await cx.db.execute(BLOCKED, {"both": both})).fetchone():
        raise MergeBlocked
    moved: dict[str, list[str]] = {}
    for name, statement in MOVES.items():
        way = {"from": merged_id, "to": kept_id, "ids": None}
        rows = await (await cx.db.execute(statement.encode(), way)).fetchall()
        moved[name] = sorted(str(row["id"]) for row in rows)
    await cx.db.execute(POINT, {"to": kept_id, "person": merged_id})
    done = Merge(
        ids.new(), kept_id, merged_id, moved, reason.strip(), cx.now, cx.actor.account_id, None
    )
    parameters = {
        "id": done.id, "kept": kept_id, "merged": merged_id, "moved": Jsonb(moved),
        "reason": done.reason, "now": cx.now, "by": done.merged_by,
    }  # fmt: skip
    await cx.db.execute(KEEP, parameters)
    await cx.db.execute(DECIDE, parameters | {"state": "merged", "at": cx.now})
    await _tell(cx, "merged", done, done.reason)
    return done


async def _lock(cx: Context, both: list[UUID]) -> list[Person]:
    if both[0] == both[1]:
        raise MergeRefused
    async with cx.db.cursor(row_factory=class_row(Person)) as cursor:
        people = await (await cursor.execute(LOCK, {"both": both})).fetchall()
    if len(people) != len(both):
        raise PersonUnknown
    return people


async def unmerge(cx: Context, merge_id: UUID, reason: str = "") -> Merge:
    """Undo a merge: exactly the rows that moved go back; what came since stays with the kept one.

    Raises:
        MergeUnknown: there is none, or it is undone already.
        MergeNotLast: the kept record has itself been merged since.
    """
    async with cx.db.cursor(row_factory=class_row(Merge)) as cursor:
        done = await (await cursor.execute(TAKE, {"id": merge_id})).fetchone()
    if done is None or done.undone_at is not None:
        raise MergeUnknown
    people = await _lock(cx, [done.kept_id, done.merged_id])
    if any(one.id == done.kept_id and one.merged_into is not None for one in people):
        raise MergeNotLast
    await cx.db.execute(POINT, {"to": None, "person": done.merged_id})
    for name, statement in MOVES.items():
        parameters = {"from": done.kept_id, "to": done.merged_id, "ids": done.moved.get(name, [])}
        await cx.db.execute(statement.encode(), parameters)
    by = cx.actor.account_id
    await cx.db.execute(UNDO, {"id": done.id, "now": cx.now, "by": by})
    again = {"kept": done.kept_id, "merged": done.merged_id}
    await cx.db.execute(DECIDE, again | {"state": "open", "at": None, "by": None})
    await _tell(cx, "unmerged", done, reason)
    return done


async def _tell(cx: Context, what: str, done: Merge, reason: str) -> None:
    detail = {"kept": str(done.kept_id), "merged": str(done.merged_id), "reason": reason[:200]}
    entries = [
        audit.Entry(f"person.{what}", person, f"merge/{done.id}", "ok", detail)
        for person in (done.kept_id, done.merged_id)
    ]
    await audit.append(cx, entries)
    facts = {"merge": str(done.id), "kept": str(done.kept_id), "merged": str(done.merged_id)}
    await events.emit(cx, [events.Event(f"identity.{what}", facts)])


async def block_merge(cx: Context, person_id: UUID, source: str) -> None:
    """Forbid merging a person for now; `source` names why (`visit:<id>`) and lifts it again."""
    await cx.db.execute(BLOCK, {"person": person_id, "source": source})


async def unblock_merge(cx: Context, source: str) -> None:
    """Allow merging again, as far as this source is concerned."""
    await cx.db.execute(UNBLOCK, {"source": source})
