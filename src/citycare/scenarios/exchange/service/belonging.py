"""Whose hospitals' Patients are, for those who decide what is doubtful: lists, a pair, a decision.

Lists show no more than is needed to choose. An opened pair shows what both records say, and opening
it is on record for both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from citycare.kernel import audit, consent, fhir, identity
from citycare.kernel.context import Context
from citycare.kernel.identity import Claim, HeldDocument, Link, Organisation, Person
from citycare.kit.pages import Page
from citycare.scenarios.exchange.service.browsing import ACTION
from citycare.scenarios.exchange.service.linking import PATIENT, claim_of

PAGE = 50
FOUND_MAX = 50
ID_CHARS_MAX = 64
READ = "person.read"


@dataclass(frozen=True, slots=True)
class Shown:
    """One line of a list.

    Attributes:
        claim: what the hospital's record says; None where it is gone.
        person: whose it may be.
        organisation: that wrote it; None: not known.
    """

    link: Link
    claim: Claim | None
    person: Person
    organisation: Organisation | None


@dataclass(frozen=True, slots=True)
class Pair:
    """Two records, opened, and the documents of the one that identity knows."""

    shown: Shown
    documents: Sequence[HeldDocument]


async def count_waiting(cx: Context) -> int:
    """Count what waits for a decision."""
    await consent.require(cx, ACTION)
    return await identity.count_doubtful(cx)


async def waiting(cx: Context, page: str = "") -> Page[Shown]:
    """Return what waits for a decision, the most likely first.

    Raises:
        TokenBroken: the page is not one of ours.
    """
    await consent.require(cx, ACTION)
    found = await identity.list_doubtful(cx, page or None, PAGE)
    return Page(await _shown(cx, found.items), found.next)


async def decided(cx: Context, text: str = "", page: str = "") -> Page[Shown]:
    """Return what is linked or refused, the newest first: all, of a Patient's id or of people.

    Raises:
        TokenBroken: the page is not one of ours.
    """
    await consent.require(cx, ACTION)
    patient, people = await _sought(cx, text)
    found = await identity.list_decided(
        cx, patient_id=patient, person_ids=people, after=page or None, limit=PAGE
    )
    return Page(await _shown(cx, found.items), found.next)


async def _sought(cx: Context, text: str) -> tuple[str | None, set[UUID] | None]:
    """Read what was typed: the id of a Patient, or whatever people are found by."""
    if not text:
        return None, None
    id_ = text.removeprefix(f"{PATIENT}/")[:ID_CHARS_MAX]
    if await identity.find_link(cx, id_) is not None:
        return id_, None
    await consent.require(cx, "person.search")
    found = {one.id for one in await identity.search_persons(cx, text, FOUND_MAX)}
    aliases = await identity.list_aliases(cx.db, found)
    return None, found.union(*aliases.values())


async def _shown(cx: Context, links: Sequence[Link]) -> list[Shown]:
    said = await fhir.find_many(cx, PATIENT, [one.patient_id for one in links])
    people = await identity.list_persons(cx, {one.person_id for one in links})
    wrote = {one.organisation_id for one in links if one.organisation_id}
    houses = {one.id: one for one in await identity.list_organisations(cx, wrote)} if wrote else {}
    return [
        Shown(
            one,
            claim_of(said[one.patient_id], None) if one.patient_id in said else None,
            people[one.person_id],
            houses.get(one.organisation_id) if one.organisation_id else None,
        )
        for one in links
    ]


async def open_pair(cx: Context, patient_id: str) -> Pair:
    """Show the two side by side, and put it on record for both.

    Raises:
        LinkUnknown: nobody supposes whose this Patient is.
    """
    await consent.require(cx, ACTION)
    link = await identity.get_link(cx, patient_id)
    (shown,) = await _shown(cx, [link])
    record = f"{PATIENT}/{patient_id}"
    both = (link.person_id, identity.audit_id(patient_id))
    await audit.append(cx, [audit.Entry(READ, one, record) for one in both])
    return Pair(shown, await identity.list_documents(cx, link.person_id))


async def decide(cx: Context, patient_id: str, person_id: UUID, reason: str, *, same: bool) -> Link:
    """Decide that it is this person's, or is not; what was linked is taken back so.

    Raises:
        LinkUnknown, LinkChanged, LinkUnreasoned: see `identity.decide_link`.
    """
    await consent.require(cx, ACTION)
    return await identity.decide_link(cx, patient_id, person_id, reason, same=same)
