"""Hospitals' Patients joined to residents: the record's changes are looked through for them.

One worker at a time goes on where the last one stopped, as `subscriptions.feeding` does: a page of
Patients, what follows from it and how far that is are one transaction. Killed at any point, it has
done a page or not begun it. What comes in the order of changes counts, however often it is asked.

A Patient that identity itself has published is nobody else's. But it tells that what identity knows
of a person has changed: then those with one of the person's numbers, and those linked to the
person, are looked at again.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from uuid import UUID

from citycare.kernel import identity
from citycare.kernel.context import SYSTEM, Context
from citycare.kernel.fhir import Key, Resource, finding, publish
from citycare.kernel.fhir import changes as record
from citycare.kernel.fhir.changes import Change
from citycare.kernel.fhir.finding import EVERYTHING, Hit, Place
from citycare.kernel.fhir.searching.keys import owner_key
from citycare.kernel.fhir.searching.model import Criterion, ParamType, Query, Token
from citycare.kernel.identity import Claim, Document, Kind, Sex
from citycare.kernel.identity import documents as papers
from citycare.kernel.identity.documents import DocumentRefused
from citycare.kit import clock
from citycare.kit.db import Connection, Database
from citycare.kit.errors import Busy, Unavailable
from citycare.scenarios.exchange.rules import claims
from citycare.scenarios.exchange.store import linking as store

log = logging.getLogger(__name__)

PATIENT = "Patient"
PAGE = 200
NUMBERS_MAX = 200  # in one search
FOUND = 100
LOOK_S = 1.0
AWAY_S = 5.0


class Linker:
    """Looks through the record's Patients."""

    def __init__(self, database: Database, look_s: float = LOOK_S) -> None:
        """Take the database of the record, the primary server."""
        self._database = database
        self._look_s = look_s
        self._seen = -1  # the record's newest number when the mark was last moved to its end

    async def go_round(self) -> float:
        """Look at a page of what has changed; return the seconds until the next look.

        When nothing was written to the record, nothing is here.
        """
        try:
            return await self._go_round()
        except (Busy, Unavailable) as error:
            log.info("linking waits: %s", type(error).__name__)
            return AWAY_S

    async def _go_round(self) -> float:
        async with self._database.autocommit() as db:
            cx = _context(db)
            mark = await store.peek_mark(db)
            seen = await record.newest_number(cx)
            target = mark.target or await record.snapshot(cx)
            page = await record.newest_between(
                cx, mark.since, target, [PATIENT], after_rid=mark.rid, count=PAGE
            )
        if not page and mark.target is None and seen == self._seen:
            return self._look_s
        ended = record.is_last(page, PAGE)
        async with self._database.transaction() as db:
            if await store.lock_mark(db) != mark:
                return self._look_s  # another worker was first
            await take(_context(db), page)
            if ended:
                await store.move_mark(db, target)
            else:
                await store.move_mark(db, mark.since, target, page[-1].rid)
        if not ended:
            return 0.0
        self._seen = seen
        return self._look_s


def _context(db: Connection) -> Context:
    return Context(db, SYSTEM, clock.now(), "exchange-linking", purpose="record.linked")


async def take(cx: Context, page: Sequence[Change]) -> None:
    """Find out whose changed Patients are, and whose those are that this casts a new light on."""
    own, others = await _parted(cx, page)
    gone = [each.id for each in others if each.deleted]
    if gone:
        await identity.forget_records(cx, gone)
    await _join(cx, others)
    if own:
        await _look_again(cx, own, {each.id for each in others})


async def _parted(cx: Context, page: Sequence[Change]) -> tuple[list[Change], list[Change]]:
    """Return the Patients that identity has published of its people, and those of others."""
    asked = {each.id: person for each in page if (person := identity.person_id_of(each.id))}
    known = await identity.list_persons(cx, asked.values()) if asked else {}
    own: list[Change] = []
    others: list[Change] = []
    for each in page:
        (own if asked.get(each.id) in known else others).append(each)
    return own, others


async def _join(cx: Context, others: Sequence[Change]) -> None:
    there = [(each, resource) for each in others if (resource := each.resource()) is not None]
    if not there:
        return
    houses = {owner_key(str(one.id)): one.id for one in await identity.list_organisations(cx)}
    said = [claim_of(resource, _writer(each.keys, houses)) for each, resource in there]
    await identity.join_records(cx, said)


def _writer(keys: Collection[int], houses: Mapping[int, UUID]) -> UUID | None:
    return next((houses[key] for key in keys if key in houses), None)


async def _look_again(cx: Context, own: Sequence[Change], done: Collection[str]) -> None:
    """Look at the Patients with a number of these people, and at those linked to them."""
    people = [person for each in own if (person := identity.person_id_of(each.id))]
    linked = await identity.list_links(cx, people)
    names = [(PATIENT, each) for each in sorted(linked.keys() - set(done))]
    for start in range(0, len(names), FOUND):
        await _again(cx, await finding.named(cx, names[start : start + FOUND], EVERYTHING))
    numbers = [
        document
        for each in own
        if (resource := each.resource()) is not None
        for document in documents_of(resource)
    ]
    for start in range(0, len(numbers), NUMBERS_MAX):
        query = _with_numbers(numbers[start : start + NUMBERS_MAX])
        place: Place | None = None
        while True:
            found = await finding.find(cx, query, after=place)
            await _again(cx, [hit for hit in found.matches if hit.id not in done])
            place = found.next
            if place is None:
                break


async def _again(cx: Context, hits: Sequence[Hit]) -> None:
    keys = [Key(hit.type, hit.id, hit.version) for hit in hits]
    changes = await record.find_versions(cx, keys)
    _, others = await _parted(cx, list(changes.values()))
    await _join(cx, others)


def _with_numbers(numbers: Sequence[Document]) -> Query:
    """Return the search for the Patients with one of these documents, however it is written."""
    tokens = tuple(
        Token(system, written)
        for one in numbers
        for system in claims.same_systems(publish.SYSTEMS[one.kind])
        for written in sorted({one.number, one.number.lower()})
    )
    return Query(
        (PATIENT,), (Criterion("identifier", ParamType.TOKEN, values=tokens),), count=FOUND
    )


@cache
def _kinds() -> dict[str, str]:
    """Return the kind of document of each name space, however that is written."""
    return {
        written: kind.value
        for kind in Kind
        if kind is not Kind.USCC
        for written in claims.same_systems(publish.SYSTEMS[kind])
    }


def documents_of(patient: Resource) -> tuple[Document, ...]:
    """Return the documents a Patient says the person holds; a number that cannot be is none."""
    found: dict[Document, None] = {}
    for kind, number in claims.identifiers_of(patient, _kinds()):
        try:
            found[papers.parse(Kind(kind), number)] = None
        except DocumentRefused:
            continue  # the hospital's own check page says so; here it only proves nothing
    return tuple(found)


def claim_of(patient: Resource, organisation_id: UUID | None) -> Claim:
    """Return what a Patient says of whom it is about."""
    gender = patient.get("gender")
    return Claim(
        patient["id"],
        claims.name_of(patient),
        Sex(gender) if gender in set(Sex) else Sex.UNKNOWN,
        claims.born_of(patient),
        claims.phone_of(patient),
        claims.district_of(patient),
        documents_of(patient),
        organisation_id,
    )
