"""Whose record may that be: what others write of a person, against the index, many at a time.

A verified document links by itself, where the rest does not speak against it; likeness alone only
proposes. Of the rest counts what the number does not say itself: who writes a wrong number takes
day of birth and sex from it too, so those two agree whoever it is.

Source: ours, as master person indexes commonly do; weights as in `matching`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson
from psycopg.rows import class_row

from citycare.kernel import audit
from citycare.kernel.context import Context, policy
from citycare.kernel.identity.documents import Document, Kind, Sex
from citycare.kernel.identity.links import COLUMNS as LINK
from citycare.kernel.identity.links import FROM, Basis, Link, LinkState
from citycare.kernel.identity.matching import Match, Odds, Reason, compare, swapped
from citycare.kernel.identity.model import Person
from citycare.kernel.identity.names import pinyin
from citycare.kernel.identity.persons import COLUMNS

CLAIMS_MAX = 1_000
CANDIDATES_MAX = 200  # by each way of looking
AGREEING = frozenset(("name_same", "name_sound", "name_like", "born_same"))
IN_NUMBER = frozenset(("born_same", "sex_same"))


@dataclass(frozen=True, slots=True)
class Claim:
    """What a record of others says of a person, under an id of its own. What is empty says nothing.

    `name_pinyin`, `name_initials`: how the name sounds, worked out here.
    """

    patient_id: str
    name: str = ""
    sex: Sex = Sex.UNKNOWN
    born_on: date | None = None
    phone: str | None = None
    district: str | None = None
    documents: tuple[Document, ...] = ()
    organisation_id: UUID | None = None
    name_pinyin: str = field(init=False)
    name_initials: str = field(init=False)

    def __post_init__(self) -> None:
        """Work out how the name sounds."""
        sound, initials = _sounds(self.name) if self.name else ("", "")
        object.__setattr__(self, "name_pinyin", sound)
        object.__setattr__(self, "name_initials", initials)


@lru_cache(maxsize=4_096)
def _sounds(name: str) -> tuple[str, str]:
    """Work out a name once for all its bearers who come together: half the cost of a claim."""
    return pinyin(name)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the evidence says. `state` is never `refused`: that only people do."""

    person_id: UUID
    state: LinkState
    basis: Basis
    weight: float
    reasons: tuple[Reason, ...]


def judge(
    claim: Claim,
    holders: Sequence[Person],
    likely: Sequence[Person],
    odds: Odds,
    propose_weight: float,
) -> Verdict | None:
    """Say whose record it may be; None: nobody's who is known.

    Args:
        claim: what the record says.
        holders: who holds one of its documents, verified; each once, after merges.
        likely: who else could be it.
        odds: see `matching.compare`.
        propose_weight: from how many bits on likeness is worth a look.

    Source: ours; only a verified document of one person links, see above.
    """
    if holders:
        basis = Basis.DOCUMENT if len(holders) == 1 else Basis.DOCUMENTS
        person, match = _best(claim, holders, odds)
        match = _without_number(match, claim.documents)
        levels = {reason.level for reason in match.reasons}
        sure = basis is Basis.DOCUMENT and match.weight > 0 and not levels.isdisjoint(AGREEING)
        state = LinkState.LINKED if sure else LinkState.DOUBTFUL
        return Verdict(person.id, state, basis, match.weight, match.reasons)
    if not likely:
        return None
    person, match = _best(claim, likely, odds)
    if match.weight < propose_weight:
        return None
    return Verdict(person.id, LinkState.DOUBTFUL, Basis.LIKENESS, match.weight, match.reasons)


def _best(claim: Claim, some: Sequence[Person], odds: Odds) -> tuple[Person, Match]:
    found = [(person, compare(claim, person, odds)) for person in some]
    return min(found, key=lambda one: (-one[1].weight, one[0].id))


def _without_number(match: Match, documents: Sequence[Document]) -> Match:
    if all(document.born_on is None for document in documents):
        return match
    kept = tuple(reason for reason in match.reasons if reason.level not in IN_NUMBER)
    return Match(round(sum(reason.weight for reason in kept), 3), kept)


def settle(before: Link | None, verdict: Verdict | None) -> Verdict | Link | None:
    """Say what holds from now on: what held, a new verdict, or nothing.

    What an operator decided stands, whatever is likely, until a verified document names somebody
    else; who was refused may still be another one. What came from the evidence goes with it.

    Source: ours.
    """
    if before is None or before.decided_at is None:
        same = (
            before is not None
            and verdict is not None
            and (before.person_id, before.state, before.basis, before.weight)
            == (verdict.person_id, verdict.state, verdict.basis, verdict.weight)
        )
        return before if same else verdict
    if verdict is None or verdict.person_id == before.person_id:
        return before
    if before.state is LinkState.REFUSED:
        return verdict  # it was not the one, so it may be the other
    if verdict.basis is Basis.LIKENESS:
        return before
    return replace(verdict, state=LinkState.DOUBTFUL)  # two say two things: a person looks again


HOLDERS = f"""
    SELECT DISTINCT q.n, {COLUMNS}
      FROM unnest(%(ns)s::int[], %(kinds)s::text[], %(numbers)s::text[]) AS q (n, kind, number)
      JOIN identity.document d
        ON d.kind = q.kind AND d.number = q.number
       AND d.ended_at IS NULL AND d.verified_at IS NOT NULL
      JOIN identity.person h ON h.id = d.person_id
      JOIN identity.person p ON p.id = coalesce(h.merged_into, h.id)
"""
# As `proposals` looks for candidates, for many at once. Who holds another verified resident number
# is another person, whatever else agrees.
LIKELY = f"""
    SELECT q.n, {COLUMNS}
      FROM unnest(%(ns)s::int[], %(sounds)s::text[], %(phones)s::text[], %(days)s::date[],
                  %(others)s::date[], %(letters)s::text[], %(numbered)s::boolean[])
             AS q (n, sound, phone, day, other, letter, numbered)
     CROSS JOIN LATERAL (
           (SELECT id FROM identity.person
             WHERE name_pinyin = q.sound AND q.sound <> '' LIMIT %(most)s)
            UNION
           (SELECT id FROM identity.person
             WHERE reverse(phone) = reverse(q.phone) AND phone IS NOT NULL LIMIT %(most)s)
            UNION
           (SELECT id FROM identity.person
             WHERE born_on = ANY(ARRAY[q.day, q.other]) AND left(name_initials, 1) = q.letter
             LIMIT %(most)s)) AS c
      JOIN identity.person p ON p.id = c.id AND p.merged_into IS NULL
     WHERE NOT (q.numbered AND EXISTS (
               SELECT FROM identity.document d
                WHERE d.person_id = p.id AND d.kind = 'resident_id'
                  AND d.verified_at IS NOT NULL AND d.ended_at IS NULL))
"""
# In the order of ids, so two that work on the same ones cannot wait for each other in a ring.
BEFORE = f"""
    SELECT {LINK} {FROM}
     WHERE l.patient_id = ANY(%(patients)s::text[]) ORDER BY l.patient_id FOR UPDATE OF l
"""
PUT = """
    INSERT INTO identity.link AS l (patient_id, person_id, state, basis, weight, reasons,
                                    organisation_id, made_at)
    SELECT q.patient_id, q.person_id, q.state, q.basis, q.weight, q.reasons::jsonb,
           q.organisation_id, %(now)s
      FROM unnest(%(patients)s::text[], %(persons)s::uuid[], %(states)s::text[], %(bases)s::text[],
                  %(weights)s::numeric[], %(reasons)s::text[], %(organisations)s::uuid[])
           AS q (patient_id, person_id, state, basis, weight, reasons, organisation_id)
     ORDER BY q.patient_id
        ON CONFLICT (patient_id) DO UPDATE
       SET person_id = excluded.person_id, state = excluded.state, basis = excluded.basis,
           weight = excluded.weight, reasons = excluded.reasons,
           organisation_id = excluded.organisation_id, made_at = excluded.made_at,
           decided_at = NULL, decided_by = NULL, reason = ''
"""
DROP = "DELETE FROM identity.link WHERE patient_id = ANY(%(patients)s::text[])"


async def join_records(cx: Context, claims: Sequence[Claim]) -> int:
    """Find out whose these records are, and keep it; return how many are linked now.

    Writes the links, the doubts and an audit entry for each person who gets or loses a record,
    together, in a constant number of statements. Asked again it changes nothing.
    """
    by_id = {claim.patient_id: claim for claim in claims}
    if not by_id:
        return 0
    if len(by_id) > CLAIMS_MAX:
        raise ValueError(f"{len(by_id)} claims, at most {CLAIMS_MAX}")
    before = await _before(cx, by_id)
    some = list(by_id.values())
    holders = await _holders(cx, some)
    likely = await _likely(cx, [claim for claim in some if claim.patient_id not in holders])
    rules = await policy.values(cx, "identity.match.")

    def judged() -> dict[str, Verdict | None]:
        return {
            key: judge(
                claim,
                holders.get(key, ()),
                likely.get(key, ()),
                rules["odds"],
                rules["propose_weight"],
            )
            for key, claim in by_id.items()
        }

    verdicts = await asyncio.to_thread(judged)  # very common names make it long
    after = {key: settle(before.get(key), verdicts[key]) for key in by_id}
    await _keep(cx, by_id, before, after)
    return sum(one is not None and one.state is LinkState.LINKED for one in after.values())


async def forget_records(cx: Context, patient_ids: Sequence[str]) -> None:
    """Take back what is known of records that are gone; what people refused stays refused."""
    before = await _before(cx, patient_ids)
    after = {key: one if one.state is LinkState.REFUSED else None for key, one in before.items()}
    await _keep(cx, {}, before, after)


async def _before(cx: Context, patient_ids: Sequence[str] | Mapping[str, Claim]) -> dict[str, Link]:
    async with cx.db.cursor(row_factory=class_row(Link)) as cursor:
        await cursor.execute(BEFORE.encode(), {"patients": list(patient_ids)})
        return {one.patient_id: one for one in await cursor.fetchall()}


async def _holders(cx: Context, claims: Sequence[Claim]) -> dict[str, list[Person]]:
    told = [(n, one) for n, claim in enumerate(claims) for one in claim.documents]
    if not told:
        return {}
    parameters = {
        "ns": [n for n, _ in told],
        "kinds": [document.kind for _, document in told],
        "numbers": [document.number for _, document in told],
    }
    return await _people(cx, HOLDERS, parameters, claims)


async def _likely(cx: Context, claims: Sequence[Claim]) -> dict[str, list[Person]]:
    if not claims:
        return {}
    other = [claim.born_on and swapped(claim.born_on) for claim in claims]
    parameters = {
        "ns": list(range(len(claims))),
        "sounds": [claim.name_pinyin for claim in claims],
        "phones": [claim.phone for claim in claims],
        "days": [claim.born_on for claim in claims],
        "others": other,
        "letters": [claim.name_initials[:1] for claim in claims],
        "numbered": [
            any(one.kind is Kind.RESIDENT_ID for one in claim.documents) for claim in claims
        ],
        "most": CANDIDATES_MAX,
    }
    return await _people(cx, LIKELY, parameters, claims)


async def _people(
    cx: Context, statement: str, parameters: Mapping[str, Any], claims: Sequence[Claim]
) -> dict[str, list[Person]]:
    found: dict[str, list[Person]] = {}
    rows = await (await cx.db.execute(statement.encode(), parameters)).fetchall()
    for row in rows:
        n = row.pop("n")
        found.setdefault(claims[n].patient_id, []).append(Person(**row))
    return found


async def _keep(
    cx: Context,
    claims: Mapping[str, Claim],
    before: Mapping[str, Link],
    after: Mapping[str, Verdict | Link | None],
) -> None:
    """Write what has changed, and put on record who got or lost a record."""
    new = {key: one for key, one in after.items() if isinstance(one, Verdict)}
    gone = [key for key, one in after.items() if one is None and key in before]
    if gone:
        await cx.db.execute(DROP, {"patients": gone})
    if new:
        parameters = {
            "patients": list(new),
            "persons": [one.person_id for one in new.values()],
            "states": [one.state for one in new.values()],
            "bases": [one.basis for one in new.values()],
            "weights": [one.weight for one in new.values()],
            "reasons": [orjson.dumps(one.reasons).decode() for one in new.values()],
            "organisations": [claims[key].organisation_id for key in new],
            "now": cx.now,
        }
        await cx.db.execute(PUT, parameters)
    lines: list[audit.Entry] = []
    for key, one in after.items():
        had, has = _linked(before.get(key)), _linked(one)
        if (had and had.person_id) != (has and has.person_id):
            lines += [_entry("record.unlinked", had, key)] if had else []
            lines += [_entry("record.linked", has, key)] if has else []
    if lines:
        await audit.append(cx, lines)


def _linked(one: Verdict | Link | None) -> Verdict | Link | None:
    return one if one is not None and one.state is LinkState.LINKED else None


def _entry(action: str, one: Verdict | Link, patient_id: str) -> audit.Entry:
    detail = {"basis": one.basis.value}
    return audit.Entry(action, one.person_id, f"Patient/{patient_id}", "ok", detail)
