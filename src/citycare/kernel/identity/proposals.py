"""Propose that two records are one person; a clerk decides.

Source: ours, as master person indexes commonly do: what is only likely is only proposed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import orjson
from psycopg.rows import class_row

from citycare.kernel import audit, events
from citycare.kernel.context import Context, policy
from citycare.kernel.identity.matching import Match, compare, swapped
from citycare.kernel.identity.model import Person, PersonUnknown, ProposalUnknown
from citycare.kernel.identity.persons import COLUMNS, get_person
from citycare.kit import ids
from citycare.kit.pages import PAGE_MAX

CANDIDATES_MAX = 200

# Who could be the same at all ("blocking"): same sound of the name, same phone, or same birth
# date (also with day and month exchanged) with the same first letter. Two people who each hold a
# verified resident number are two people, whatever else agrees.
CANDIDATES = f"""
    SELECT {COLUMNS} FROM identity.person p
     WHERE p.id <> %(id)s AND p.merged_into IS NULL
       AND p.id IN (
           (SELECT id FROM identity.person WHERE name_pinyin = %(sound)s LIMIT %(most)s)
            UNION
           (SELECT id FROM identity.person
             WHERE reverse(phone) = reverse(%(phone)s::text) AND phone IS NOT NULL LIMIT %(most)s)
            UNION
           (SELECT id FROM identity.person
             WHERE born_on = ANY(%(days)s::date[])
               AND left(name_initials, 1) = left(%(initials)s, 1) LIMIT %(most)s))
       AND NOT (%(numbered)s AND EXISTS (
               SELECT FROM identity.document d
                WHERE d.person_id = p.id AND d.kind = 'resident_id'
                  AND d.verified_at IS NOT NULL AND d.ended_at IS NULL))
     ORDER BY p.id LIMIT %(most)s
"""
NUMBERED = """
    SELECT EXISTS (SELECT FROM identity.document d
                    WHERE d.person_id = %(id)s AND d.kind = 'resident_id'
                      AND d.verified_at IS NOT NULL AND d.ended_at IS NULL) AS numbered
"""
PROPOSE = """
    INSERT INTO identity.proposal (id, left_id, right_id, weight, reasons, created_at)
    SELECT q.id, least(%(person)s::uuid, q.other), greatest(%(person)s::uuid, q.other), q.weight,
           q.reasons::jsonb, %(now)s
      FROM unnest(%(ids)s::uuid[], %(others)s::uuid[], %(weights)s::numeric[], %(reasons)s::text[])
           AS q (id, other, weight, reasons)
        ON CONFLICT (left_id, right_id) DO NOTHING
"""
PROPOSAL = "id, left_id, right_id, weight::float8 AS weight, reasons, state, created_at"
OF_PERSON = f"""
    SELECT {PROPOSAL} FROM identity.proposal
     WHERE (left_id = %(person)s OR right_id = %(person)s) AND state = 'open'
     ORDER BY weight DESC, id
"""
OPEN = f"""
    SELECT {PROPOSAL} FROM identity.proposal
     WHERE state = 'open'
     ORDER BY weight DESC, id LIMIT %(limit)s
"""
REJECT = """
    UPDATE identity.proposal SET state = 'rejected', decided_at = %(now)s, decided_by = %(by)s
     WHERE id = %(id)s AND state = 'open' RETURNING id
"""


@dataclass(frozen=True, slots=True)
class Proposal:
    """Two records that may be one person. `reasons` are levels with their bits, for the clerk."""

    id: UUID
    left_id: UUID
    right_id: UUID
    weight: float
    reasons: list[dict[str, object]]
    state: str
    created_at: datetime


async def propose_matches(cx: Context, person_id: UUID) -> list[Proposal]:
    """Look for other records of the same person; write proposals; return the open ones.

    Changes nobody. A pair once decided is not proposed again.
    """
    person = await get_person(cx, person_id)
    if person.merged_into is not None:
        raise PersonUnknown
    rules = await policy.values(cx, "identity.match.")
    found = [
        (other, match)
        for other in await _candidates(cx, person)
        if (match := compare(person, other, rules["odds"])).weight >= rules["propose_weight"]
    ]
    if found:
        await _propose(cx, person, found)
    async with cx.db.cursor(row_factory=class_row(Proposal)) as cursor:
        return await (await cursor.execute(OF_PERSON, {"person": person.id})).fetchall()


async def _candidates(cx: Context, person: Person) -> list[Person]:
    row = await (await cx.db.execute(NUMBERED, {"id": person.id})).fetchone()
    other_day = swapped(person.born_on)
    parameters = {
        "id": person.id,
        "sound": person.name_pinyin,
        "initials": person.name_initials,
        "phone": person.phone,
        "days": [person.born_on] + ([other_day] if other_day else []),
        "numbered": bool(row and row["numbered"]),
        "most": CANDIDATES_MAX,
    }
    async with cx.db.cursor(row_factory=class_row(Person)) as cursor:
        return await (await cursor.execute(CANDIDATES, parameters)).fetchall()


async def _propose(cx: Context, person: Person, found: list[tuple[Person, Match]]) -> None:
    parameters = {
        "person": person.id,
        "ids": [ids.new() for _ in found],
        "others": [other.id for other, _ in found],
        "weights": [match.weight for _, match in found],
        "reasons": [orjson.dumps(match.reasons).decode() for _, match in found],
        "now": cx.now,
    }
    added = await cx.db.execute(PROPOSE, parameters)
    if added.rowcount:
        facts: dict[str, str | int] = {"person": str(person.id), "found": added.rowcount}
        await events.emit(cx, [events.Event("identity.match_proposed", facts)])


async def list_proposals(cx: Context, limit: int = 50) -> list[Proposal]:
    """Return the open proposals, strongest first; deciding them makes room for the next."""
    async with cx.db.cursor(row_factory=class_row(Proposal)) as cursor:
        await cursor.execute(OPEN, {"limit": min(limit, PAGE_MAX)})
        return await cursor.fetchall()


async def reject_proposal(cx: Context, proposal_id: UUID, reason: str) -> None:
    """Decide that the two are two people; they are not proposed again."""
    parameters = {"id": proposal_id, "now": cx.now, "by": cx.actor.account_id}
    if await (await cx.db.execute(REJECT, parameters)).fetchone() is None:
        raise ProposalUnknown
    record = f"proposal/{proposal_id}"
    entry = audit.Entry("person.match_rejected", None, record, "ok", {"reason": reason[:200]})
    await audit.append(cx, [entry])
