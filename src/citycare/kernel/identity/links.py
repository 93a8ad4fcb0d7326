"""Whose a record is that others keep under an id of their own (a hospital's Patient).

What links itself, and what is only proposed, is decided in `joining`; here is what follows from
it: whose is what, and what an operator decides. A link is taken back at any time, and nothing of
either record changes by it. A merge moves no link: `list_links` knows where a merged id leads.

Source: ours, as master person indexes commonly do.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from uuid import UUID

from psycopg.rows import class_row

from citycare.kernel import audit
from citycare.kernel.context import Context
from citycare.kernel.identity.relations import ids_of
from citycare.kit import ids
from citycare.kit.errors import Conflict, Incorrect, NotFound
from citycare.kit.pages import PAGE_MAX, Page, encode, read

REASON_MAX = 200
CANONICAL = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


class LinkUnknown(NotFound):
    """Of this Patient nobody knows or supposes whose it is."""

    code = "request.not_found"


class LinkChanged(Conflict):
    """What is known of this record has just changed. Please look at it again, then decide."""

    code = "identity.link_changed"
    words = "这份病历的情况刚刚变了，请重新核对后再决定。"


class LinkUnreasoned(Incorrect):
    """Please say what you decide by."""

    code = "identity.link_unreasoned"
    words = "请写明根据什么判断。"


class LinkState(StrEnum):
    """How a Patient stands to a person. Only `linked` gives anybody anything to see."""

    LINKED = "linked"
    DOUBTFUL = "doubtful"
    REFUSED = "refused"


class Basis(StrEnum):
    """What speaks for it: one person's verified document, those of several, likeness alone."""

    DOCUMENT = "document"
    DOCUMENTS = "documents"
    LIKENESS = "likeness"


@dataclass(frozen=True, slots=True)
class Link:
    """How one Patient stands to one person.

    Attributes:
        person_id: after merges.
        weight: in bits, of the reasons: levels and their bits, see `matching`.
        organisation_id: that wrote the Patient; None: not known.
        decided_at: by an operator; None: it came from the evidence alone.
    """

    patient_id: str
    person_id: UUID
    state: LinkState
    basis: Basis
    weight: float
    reasons: list[dict[str, object]]
    organisation_id: UUID | None
    made_at: datetime
    decided_at: datetime | None
    decided_by: UUID | None
    reason: str

    def __post_init__(self) -> None:
        """Take state and basis as enums, also from a database row."""
        object.__setattr__(self, "state", LinkState(self.state))
        object.__setattr__(self, "basis", Basis(self.basis))


def person_id_of(patient_id: str) -> UUID | None:
    """Return the id of the person whose own Patient that may be; None: its id is none of ours."""
    return UUID(patient_id) if CANONICAL.fullmatch(patient_id) else None


@lru_cache(maxsize=4_096)
def audit_id(patient_id: str) -> UUID:
    """Return the id under which accesses to a Patient are on record, whatever its own id is.

    What may be a person's stands for itself; others get a derived one.
    """
    return person_id_of(patient_id) or ids.derive("identity.patient", patient_id)


COLUMNS = """l.patient_id, coalesce(p.merged_into, p.id) AS person_id, l.state, l.basis,
    l.weight::float8 AS weight, l.reasons, l.organisation_id, l.made_at, l.decided_at, l.decided_by,
    l.reason"""
FROM = "FROM identity.link l JOIN identity.person p ON p.id = l.person_id"
LINKED = """
    WITH root AS (
        SELECT DISTINCT coalesce(p.merged_into, p.id) AS id
          FROM identity.person p WHERE p.id = ANY(%(persons)s::uuid[])),
    known AS (
        SELECT id AS root, id FROM root
         UNION ALL
        SELECT r.id, m.id FROM root r JOIN identity.person m ON m.merged_into = r.id)
    SELECT l.patient_id, k.root FROM known k
      JOIN identity.link l ON l.person_id = k.id AND l.state = 'linked'
"""


async def list_links(cx: Context, person_ids: Collection[UUID]) -> dict[str, UUID]:
    """Return the Patients that are linked to these people: the id of each, and whose it is.

    Through merges: a link to any id of the same person counts, and the answer names the id that
    is kept.
    """
    if not person_ids:
        return {}
    rows = await (await cx.db.execute(LINKED, {"persons": list(person_ids)})).fetchall()
    return {row["patient_id"]: row["root"] for row in rows}


async def audit_ids_of(cx: Context, person_id: UUID) -> frozenset[UUID]:
    """Return every id under which accesses to one person's records are on record.

    All ids of the person after merges, and those of linked Patients: also for what was looked at
    before they were linked.
    """
    known = await ids_of(cx.db, person_id)
    return known | {audit_id(each) for each in await list_links(cx, known)}


ONE = f"SELECT {COLUMNS} {FROM} WHERE l.patient_id = %(patient)s"
HELD = f"{ONE} FOR UPDATE OF l"


async def find_link(cx: Context, patient_id: str) -> Link | None:
    """Return how a Patient stands; None: nobody is likely to be it."""
    async with cx.db.cursor(row_factory=class_row(Link)) as cursor:
        return await (await cursor.execute(ONE.encode(), {"patient": patient_id})).fetchone()


async def get_link(cx: Context, patient_id: str) -> Link:
    """Return how a Patient stands, or raise LinkUnknown."""
    found = await find_link(cx, patient_id)
    if found is None:
        raise LinkUnknown
    return found


DECIDE = """
    UPDATE identity.link
       SET state = %(state)s, decided_at = %(now)s, decided_by = %(by)s, reason = %(reason)s
     WHERE patient_id = %(patient)s
"""
TOLD = {LinkState.LINKED: "record.linked", LinkState.REFUSED: "record.link_refused"}


async def decide_link(
    cx: Context, patient_id: str, person_id: UUID, reason: str, *, same: bool
) -> Link:
    """Decide that a Patient is this person, or is not: a link is taken back so, too.

    Stands whatever the evidence says later, but for a verified document of somebody else. Writes
    the decision and an audit entry; the caller has asked `consent`.

    Raises:
        LinkUnknown: there is nothing to decide.
        LinkChanged: it is about another person by now.
        LinkUnreasoned: the reason is empty.
    """
    reason = reason.strip()[:REASON_MAX]
    if not reason:
        raise LinkUnreasoned
    async with cx.db.cursor(row_factory=class_row(Link)) as cursor:
        before = await (await cursor.execute(HELD.encode(), {"patient": patient_id})).fetchone()
    if before is None:
        raise LinkUnknown
    if before.person_id != person_id:
        raise LinkChanged
    state = LinkState.LINKED if same else LinkState.REFUSED
    if before.state is not state:
        parameters = {
            "patient": patient_id,
            "state": state,
            "now": cx.now,
            "by": cx.actor.account_id,
            "reason": reason,
        }
        await cx.db.execute(DECIDE, parameters)
        ended = before.state is LinkState.LINKED
        action = "record.unlinked" if ended else TOLD[state]
        detail = {"basis": before.basis.value, "reason": reason}
        entry = audit.Entry(action, person_id, f"Patient/{patient_id}", "ok", detail)
        await audit.append(cx, [entry])
    return await get_link(cx, patient_id)


DOUBTFUL = f"""
    SELECT {COLUMNS} {FROM}
     WHERE l.state = 'doubtful'
       AND (%(weight)s::numeric IS NULL
            OR l.weight < %(weight)s::numeric
            OR (l.weight = %(weight)s::numeric AND l.patient_id > %(patient)s))
     ORDER BY l.weight DESC, l.patient_id LIMIT %(limit)s
"""
AT = "coalesce(l.decided_at, l.made_at)"
DECIDED = f"""
    SELECT {COLUMNS} {FROM}
     WHERE l.state <> 'doubtful'
       AND (%(patient_id)s::text IS NULL OR l.patient_id = %(patient_id)s)
       AND (%(persons)s::uuid[] IS NULL OR l.person_id = ANY(%(persons)s::uuid[]))
       AND (%(at)s::timestamptz IS NULL OR {AT} < %(at)s::timestamptz
            OR ({AT} = %(at)s::timestamptz AND l.patient_id > %(patient)s))
     ORDER BY {AT} DESC, l.patient_id LIMIT %(limit)s
"""
COUNT = "SELECT count(*) AS waiting FROM identity.link WHERE state = 'doubtful'"


async def count_doubtful(cx: Context) -> int:
    """Count the Patients that wait for an operator."""
    row = await (await cx.db.execute(COUNT)).fetchone()
    assert row is not None
    waiting: int = row["waiting"]
    return waiting


async def list_doubtful(cx: Context, after: str | None = None, limit: int = 50) -> Page[Link]:
    """Return what an operator must decide, strongest first; `after` is a page's `next`.

    Raises:
        TokenBroken: `after` is not ours.
    """
    limit = max(1, min(limit, PAGE_MAX))
    thousandths, patient = read(after, int, str) if after else (None, "")
    weight = None if thousandths is None else Decimal(thousandths) / 1_000
    parameters = {"weight": weight, "patient": patient, "limit": limit + 1}
    async with cx.db.cursor(row_factory=class_row(Link)) as cursor:
        rows = await (await cursor.execute(DOUBTFUL.encode(), parameters)).fetchall()
    last = rows[limit - 1] if len(rows) > limit else None
    return Page(rows[:limit], encode(round(last.weight * 1_000), last.patient_id) if last else None)


async def list_decided(
    cx: Context,
    *,
    patient_id: str | None = None,
    person_ids: Collection[UUID] | None = None,
    after: str | None = None,
    limit: int = 50,
) -> Page[Link]:
    """Return what is linked or refused, the newest first: all, of one Patient or of some people.

    Raises:
        TokenBroken: `after` is not ours.
    """
    limit = max(1, min(limit, PAGE_MAX))
    at, patient = read(after, datetime, str) if after else (None, "")
    parameters = {
        "patient_id": patient_id,
        "persons": None if person_ids is None else list(person_ids),
        "at": at,
        "patient": patient,
        "limit": limit + 1,
    }
    async with cx.db.cursor(row_factory=class_row(Link)) as cursor:
        rows = await (await cursor.execute(DECIDED.encode(), parameters)).fetchall()
    last = rows[limit - 1] if len(rows) > limit else None
    if last is None:
        return Page(rows, None)
    return Page(
        rows[:limit], encode((last.decided_at or last.made_at).isoformat(), last.patient_id)
    )
