"""Who may act for whom (R08), for what, and until when.

A guardian answers for a child under 14 (PIPL art 31); a proxy books for an elder. A relation is
never deleted: it ends, and from that instant no longer counts.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from uuid import UUID

from psycopg.rows import class_row, tuple_row

from citycare.kernel import audit, events
from citycare.kernel.context import Context, policy
from citycare.kernel.identity.model import (
    PersonUnknown,
    ProxyScope,
    Relation,
    RelationKind,
    RelationRefused,
    RelationUnknown,
)
from citycare.kit import clock, ids
from citycare.kit.db import Connection

COLUMNS = "r.id, r.person_id, r.proxy_id, r.kind, r.scopes, r.starts_at, r.ends_at, r.evidence"
ROOTS = """
    SELECT p.id AS asked, coalesce(p.merged_into, p.id) AS id, k.born_on
      FROM identity.person p JOIN identity.person k ON k.id = coalesce(p.merged_into, p.id)
     WHERE p.id = ANY(%(ids)s)
"""
ADD = """
    INSERT INTO identity.relation
           (id, person_id, proxy_id, kind, scopes, starts_at, ends_at, evidence)
    VALUES (%(id)s, %(person)s, %(proxy)s, %(kind)s, %(scopes)s, %(now)s, %(ends_at)s,
            %(evidence)s)
"""
END = f"""
    UPDATE identity.relation r SET ends_at = greatest(r.starts_at, %(now)s)
     WHERE r.id = %(id)s AND (r.ends_at IS NULL OR r.ends_at > %(now)s)
 RETURNING {COLUMNS}
"""
GET = f"SELECT {COLUMNS} FROM identity.relation r WHERE r.id = %(id)s"
IN_FORCE = "r.starts_at <= %(now)s AND (r.ends_at IS NULL OR r.ends_at > %(now)s)"
TOUCHING_MAX = 1_000
TOUCHING = f"""
    SELECT {COLUMNS} FROM identity.relation r
     WHERE (r.person_id = %(person)s OR r.proxy_id = %(person)s) AND {IN_FORCE}
     ORDER BY r.starts_at DESC, r.id DESC LIMIT %(most)s
"""
POWERS = f"""
    SELECT q.proxy, q.person, p.merged_into IS NOT DISTINCT FROM q.proxy AS same,
           CASE WHEN r.kind = 'guardian' THEN r.scopes || 'guardian'::text ELSE r.scopes END
      FROM unnest(%(proxies)s::uuid[], %(persons)s::uuid[]) AS q (proxy, person)
      JOIN identity.person p ON p.id = q.person
      LEFT JOIN identity.relation r
        ON r.person_id = coalesce(p.merged_into, p.id) AND r.proxy_id = q.proxy AND {IN_FORCE}
"""
ACTED_FOR = f"""
    SELECT p.id
      FROM (SELECT %(person)s::uuid AS id
             UNION
            SELECT r.person_id FROM identity.relation r
             WHERE r.proxy_id = %(person)s AND (%(scope)s = ANY(r.scopes) OR %(scope)s = r.kind)
               AND {IN_FORCE}) AS a
      JOIN identity.person p ON p.id = a.id OR p.merged_into = a.id
"""

ALIASES = """
    WITH root AS (
        SELECT p.id AS asked, coalesce(p.merged_into, p.id) AS id
          FROM identity.person p WHERE p.id = ANY(%(ids)s))
    SELECT asked, id FROM root WHERE asked <> id
     UNION
    SELECT r.asked, m.id FROM root r JOIN identity.person m ON m.merged_into = r.id
     WHERE m.id <> r.asked
"""
# For a statement of somebody else's that must not become two: the merges that touch the persons of
# its parameter `persons`, as (kept). Cheap: nearly nobody is in the index on who was merged.
MERGES_OF_PERSONS = """
    SELECT merged_into AS kept FROM identity.person
     WHERE merged_into IS NOT NULL
       AND (id = ANY(%(persons)s::uuid[]) OR merged_into = ANY(%(persons)s::uuid[]))
"""


@dataclass(frozen=True, slots=True)
class Relations:
    """Both sides of one person's relations in force."""

    acts_for: tuple[Relation, ...]
    proxies: tuple[Relation, ...]


async def add_relation(
    cx: Context,
    person_id: UUID,
    proxy_id: UUID,
    kind: RelationKind,
    scopes: Sequence[ProxyScope],
    *,
    ends_at: datetime | None = None,
    evidence: str = "",
) -> Relation:
    """Let proxy_id act for person_id. A minor's guardianship ends at the 18th birthday.

    Writes the relation, an audit entry and the event `identity.relation_added`. Who may grant it
    (the person, a child's guardian, a clerk with both people's papers) is `consent`'s question.

    Raises:
        RelationRefused: to oneself, without scope, or over before it starts.
        PersonUnknown: one of the two does not exist.
    """
    roots = await (await cx.db.execute(ROOTS, {"ids": [person_id, proxy_id]})).fetchall()
    known = {row["asked"]: row for row in roots}
    if person_id not in known or proxy_id not in known:
        raise PersonUnknown
    person, proxy = known[person_id]["id"], known[proxy_id]["id"]
    if kind is RelationKind.GUARDIAN and ends_at is None:
        ends_at = grown_up_at(known[person_id]["born_on"], await _adult_age(cx))
        ends_at = ends_at if ends_at > cx.now else None
    if person == proxy or not scopes or (ends_at is not None and ends_at <= cx.now):
        raise RelationRefused
    relation = Relation(ids.new(), person, proxy, kind, tuple(scopes), cx.now, ends_at, evidence)
    parameters = {
        "id": relation.id, "person": person, "proxy": proxy, "kind": kind,
        "scopes": [str(scope) for scope in scopes], "now": cx.now, "ends_at": ends_at,
        "evidence": evidence,
    }  # fmt: skip
    await cx.db.execute(ADD, parameters)
    await _tell(cx, "added", relation)
    return relation


async def _adult_age(cx: Context) -> int:
    return int(await policy.value(cx, "identity.adult.age"))


def grown_up_at(born_on: date, age: int) -> datetime:
    """Return the first instant of the birthday in the city; 29 February moves to 1 March.

    Source: 民法典 art 17 (18 years; the number is policy data).
    """
    leap = (born_on.month, born_on.day) == (2, 29)
    year = born_on.year + age
    day = date(year, 3, 1) if leap else born_on.replace(year=year)
    return clock.at(day, time.min)


async def end_relation(cx: Context, relation_id: UUID) -> Relation:
    """End a relation now; from this instant the proxy may do nothing for the person."""
    async with cx.db.cursor(row_factory=class_row(Relation)) as cursor:
        await cursor.execute(END, {"id": relation_id, "now": cx.now})
        relation = await cursor.fetchone()
    if relation is None:
        raise RelationUnknown
    await _tell(cx, "ended", relation)
    return relation


async def _tell(cx: Context, what: str, relation: Relation) -> None:
    detail = {"kind": relation.kind, "proxy": str(relation.proxy_id)}
    entry = audit.Entry(
        f"relation.{what}", relation.person_id, f"relation/{relation.id}", "ok", detail
    )
    await audit.append(cx, [entry])
    facts = {"relation": str(relation.id), "person": str(relation.person_id)}
    await events.emit(cx, [events.Event(f"identity.relation_{what}", facts)])


async def get_relation(cx: Context, relation_id: UUID) -> Relation:
    """Return one relation, in force or not, or raise RelationUnknown."""
    async with cx.db.cursor(row_factory=class_row(Relation)) as cursor:
        relation = await (await cursor.execute(GET, {"id": relation_id})).fetchone()
    if relation is None:
        raise RelationUnknown
    return relation


async def relations_of(cx: Context, person_id: UUID) -> Relations:
    """Return for whom a person may act now, and who may act for the person now; oldest first.

    The newest 1,000 of both together; what somebody may do is decided by `list_powers`, not here.
    """
    parameters = {"person": person_id, "now": cx.now, "most": TOUCHING_MAX}
    async with cx.db.cursor(row_factory=class_row(Relation)) as cursor:
        rows = await (await cursor.execute(TOUCHING, parameters)).fetchall()
    rows.reverse()
    return Relations(
        tuple(relation for relation in rows if relation.proxy_id == person_id),
        tuple(relation for relation in rows if relation.person_id == person_id),
    )


async def list_proxies(cx: Context, person_id: UUID) -> tuple[Relation, ...]:
    """Return who may act for a person now."""
    return (await relations_of(cx, person_id)).proxies


async def list_powers(
    db: Connection, pairs: Sequence[tuple[UUID, UUID]], now: datetime
) -> dict[tuple[UUID, UUID], frozenset[str] | None]:
    """Tell, for many (proxy, person) pairs at once, what the one may do for the other.

    The answer holds scopes, and the word "guardian" for a guardian.
    None means "is the same person" (the id was merged into the proxy's); a pair that is not in
    the answer names a person who does not exist. One statement for all pairs.
    """
    if not pairs:
        return {}
    parameters = {
        "proxies": [proxy for proxy, _ in pairs],
        "persons": [person for _, person in pairs],
        "now": now,
    }
    powers: dict[tuple[UUID, UUID], frozenset[str] | None] = {}
    async with db.cursor(row_factory=tuple_row, binary=True) as cursor:
        await cursor.execute(POWERS, parameters)
        for proxy, person, same, scopes in await cursor.fetchall():
            held = powers.get((proxy, person), frozenset())
            powers[proxy, person] = None if same or held is None else held | frozenset(scopes or ())
    return powers


async def list_acted_for(
    db: Connection, person_id: UUID, scope: str, now: datetime
) -> frozenset[UUID]:
    """Return self and whom a person may act for in one scope or as "guardian", with merged ids."""
    parameters = {"person": person_id, "scope": scope, "now": now}
    rows = await (await db.execute(ACTED_FOR, parameters)).fetchall()
    return frozenset(row["id"] for row in rows) | {person_id}


async def ids_of(db: Connection, person_id: UUID) -> frozenset[UUID]:
    """Return every id one person is known under, after merges; this one among them."""
    return (await list_aliases(db, [person_id])).get(person_id, frozenset()) | {person_id}


async def list_aliases(db: Connection, person_ids: Collection[UUID]) -> dict[UUID, frozenset[UUID]]:
    """Return the other ids under which the same people are known, after merges.

    Others keep the id they were given, so what they hold about a person may stand under any of
    these. Most people have one id and are not in the answer.
    """
    aliases: dict[UUID, frozenset[UUID]] = {}
    if person_ids:
        rows = await (await db.execute(ALIASES, {"ids": list(person_ids)})).fetchall()
        for row in rows:
            aliases[row["asked"]] = aliases.get(row["asked"], frozenset()) | {row["id"]}
    return aliases
