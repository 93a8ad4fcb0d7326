"""People: register, find, search. A verified document matches; nothing else does.

Source: ours, as master person indexes commonly do (from memory).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date
from uuid import UUID

from psycopg.errors import UniqueViolation
from psycopg.rows import class_row

from citycare.kernel import events
from citycare.kernel.context import Context, policy
from citycare.kernel.identity import documents as papers
from citycare.kernel.identity.documents import Document, Kind
from citycare.kernel.identity.model import (
    BornAhead,
    DocumentContradicts,
    DocumentNameDiffers,
    DocumentNotPersonal,
    DocumentsOfTwoPeople,
    GuardianMissing,
    HeldDocument,
    NameMissing,
    NewPerson,
    Person,
    PersonUnknown,
    ProxyScope,
    RelationKind,
)
from citycare.kernel.identity.names import pinyin
from citycare.kernel.identity.relations import add_relation, list_proxies
from citycare.kit import clock, ids

COLUMNS = """p.id, p.name, p.name_pinyin, p.name_initials, p.sex, p.born_on, p.phone, p.district,
       p.address, p.created_at, p.merged_into"""
FOUND_MAX = 50
TRIES_MAX = 3

HOLDERS = f"""
    SELECT DISTINCT {COLUMNS}
      FROM unnest(%(kinds)s::text[], %(numbers)s::text[]) AS q (kind, number)
      JOIN identity.document d
        ON d.kind = q.kind AND d.number = q.number
       AND d.ended_at IS NULL AND d.verified_at IS NOT NULL
      JOIN identity.person p ON p.id = d.person_id
"""

ADD_PERSON = """
    INSERT INTO identity.person (id, name, name_pinyin, name_initials, sex, born_on, phone,
                                 district, address, created_at)
    VALUES (%(id)s, %(name)s, %(pinyin)s, %(initials)s, %(sex)s, %(born_on)s, %(phone)s,
            %(district)s, %(address)s, %(now)s)
"""

ADD_DOCUMENTS = """
    INSERT INTO identity.document (id, kind, number, person_id, verified_at, verified_by)
    SELECT q.id, q.kind, q.number, %(person)s,
           CASE WHEN %(by)s::text IS NOT NULL THEN %(now)s::timestamptz END, %(by)s
      FROM unnest(%(ids)s::uuid[], %(kinds)s::text[], %(numbers)s::text[]) AS q (id, kind, number)
     WHERE NOT EXISTS (SELECT FROM identity.document d
                        WHERE d.person_id = %(person)s AND d.kind = q.kind
                          AND d.number = q.number AND d.ended_at IS NULL
                          AND (d.verified_at IS NOT NULL OR %(by)s::text IS NULL))
"""

BY_IDS = f"SELECT {COLUMNS} FROM identity.person p WHERE p.id = ANY(%(ids)s)"
RESOLVE = """
    SELECT coalesce(p.merged_into, p.id) AS id FROM identity.person p WHERE p.id = %(id)s
"""
DOCUMENTS_OF = """
    SELECT id, kind, number, person_id, verified_at, verified_by FROM identity.document
     WHERE person_id = %(person)s AND ended_at IS NULL ORDER BY kind, number, verified_at
"""

# Each way to look somebody up reads one index; the text decides the way (`_way`).
SEARCHES = {
    "number": f"""
        SELECT {COLUMNS} FROM identity.person p
         WHERE p.merged_into IS NULL
           AND p.id IN (SELECT d.person_id FROM identity.document d
                         WHERE d.number = %(text)s AND d.ended_at IS NULL)
         ORDER BY p.name, p.id LIMIT %(limit)s""",
    "phone": f"""
        SELECT {COLUMNS} FROM identity.person p
         WHERE p.merged_into IS NULL AND p.phone IS NOT NULL
           AND reverse(p.phone) LIKE reverse(%(text)s) || '%%'
         ORDER BY p.name, p.id LIMIT %(limit)s""",
    "sound": f"""
        SELECT {COLUMNS} FROM identity.person p
         WHERE p.merged_into IS NULL
           AND (p.name_pinyin LIKE %(text)s || '%%' OR p.name_initials = %(text)s)
         ORDER BY p.name_pinyin, p.id LIMIT %(limit)s""",
    "name": f"""
        SELECT {COLUMNS} FROM identity.person p
         WHERE p.merged_into IS NULL AND p.name LIKE %(text)s || '%%'
         ORDER BY p.name, p.id LIMIT %(limit)s""",
}


def age_on(born_on: date, day: date) -> int:
    """Return full years of age on a day; one born on 29 February ages on 1 March.

    Source: 民法典 art 13, 200 (counting by the calendar; UNVERIFIED for 29 February).
    """
    return day.year - born_on.year - ((day.month, day.day) < (born_on.month, born_on.day))


async def register_person(
    cx: Context,
    new: NewPerson,
    documents: Sequence[Document] = (),
    *,
    verified_by: str | None = None,
) -> Person:
    """Register somebody, or return who holds the verified document already.

    Writes the person, the documents, a child's guardian relation and the event
    `identity.person_registered` (facts: person) together. `verified_by` names
    who proved that the documents belong to the person (`window:<account>`, `issuer:<name>`);
    without it they are only claims, which match nobody and lock nobody out.

    Two at the same moment: the unique index lets one in; the other waits, is told, undoes its
    own attempt to the savepoint, and finds the first one's person.

    Raises:
        NameMissing, BornAhead, DocumentContradicts, DocumentNotPersonal: the form is wrong.
        GuardianMissing: under the guardian age and nobody answers for the child.
        DocumentsOfTwoPeople, DocumentNameDiffers: the index says otherwise; a clerk must look.
    """
    _check(new, documents, clock.day_of(cx.now))
    for _ in range(TRIES_MAX):
        known = await _known(cx, new, documents) if verified_by else None
        try:
            async with cx.db.transaction():
                person = known or await _add(cx, new, documents)
                await add_documents(cx, person.id, documents, verified_by=verified_by)
        except UniqueViolation:
            continue  # somebody registered the same document in this moment: look again
        facts = {"person": str(person.id)}
        await events.emit(cx, [events.Event("identity.person_registered", facts)])
        return person
    raise DocumentsOfTwoPeople


def _check(new: NewPerson, documents: Iterable[Document], today: date) -> None:
    if not new.name.strip():
        raise NameMissing
    if new.born_on > today:
        raise BornAhead
    for document in documents:
        if document.kind is Kind.USCC:
            raise DocumentNotPersonal
        if document.born_on not in (None, new.born_on) or document.sex not in (None, new.sex):
            raise DocumentContradicts(kind=document.kind)


async def _known(cx: Context, new: NewPerson, documents: Sequence[Document]) -> Person | None:
    """Find who holds one of the documents; a newborn's certificate counts with its mother."""
    holders = await _holders(cx, documents)
    if not holders:
        return None
    if len(holders) > 1:
        raise DocumentsOfTwoPeople
    person = await get_person(cx, await resolve(cx, holders[0].id))
    if all(document.kind is Kind.BIRTH_CERTIFICATE for document in documents):
        mothers = {relation.proxy_id for relation in await list_proxies(cx, person.id)}
        if new.guardian_id not in mothers:
            raise DocumentsOfTwoPeople
    elif not is_same_name(person.name, new.name):
        raise DocumentNameDiffers
    return person


def is_same_name(one: str, other: str) -> bool:
    """Tell whether two ways to write a name are the same but for gaps, dots and case."""
    return _bare(one) == _bare(other)


def _bare(name: str) -> str:
    return re.sub(r"[\s·.]+", "", name).casefold()


async def _add(cx: Context, new: NewPerson, documents: Sequence[Document]) -> Person:
    age = age_on(new.born_on, clock.day_of(cx.now))
    newborn = any(document.kind is Kind.BIRTH_CERTIFICATE for document in documents)
    needs = newborn or age < await policy.value(cx, "identity.guardian.age")
    if needs and new.guardian_id is None:
        raise GuardianMissing
    sound, initials = pinyin(new.name.strip())
    person = Person(
        ids.new(), new.name.strip(), sound, initials, new.sex, new.born_on, new.phone,
        new.district, new.address, cx.now,
    )  # fmt: skip
    parameters = {
        "id": person.id, "name": person.name, "pinyin": sound, "initials": initials,
        "sex": person.sex, "born_on": person.born_on, "phone": person.phone,
        "district": person.district, "address": person.address, "now": cx.now,
    }  # fmt: skip
    await cx.db.execute(ADD_PERSON, parameters)
    if new.guardian_id is not None:
        await add_relation(cx, person.id, new.guardian_id, RelationKind.GUARDIAN, tuple(ProxyScope))
    return person


async def add_documents(
    cx: Context, person_id: UUID, documents: Sequence[Document], *, verified_by: str | None
) -> None:
    """Attach documents to a person; one the person holds already is not added again.

    Raises:
        UniqueViolation: somebody else holds a verified one; `register_person` deals with it.
    """
    if documents:
        parameters = {
            "ids": [ids.new() for _ in documents],
            "kinds": [document.kind for document in documents],
            "numbers": [document.number for document in documents],
            "person": person_id,
            "by": verified_by,
            "now": cx.now,
        }
        await cx.db.execute(ADD_DOCUMENTS, parameters)


async def _holders(cx: Context, documents: Sequence[Document]) -> list[Person]:
    parameters = {
        "kinds": [document.kind for document in documents],
        "numbers": [document.number for document in documents],
    }
    async with cx.db.cursor(row_factory=class_row(Person)) as cursor:
        return await (await cursor.execute(HOLDERS, parameters)).fetchall()


async def find_person_by_document(cx: Context, document: Document) -> Person | None:
    """Return who holds this verified document (after merges), or None. Claims do not count."""
    holders = await _holders(cx, [document])
    return await get_person(cx, await resolve(cx, holders[0].id)) if holders else None


async def list_documents(cx: Context, person_id: UUID) -> list[HeldDocument]:
    """Return a person's documents that have not ended."""
    async with cx.db.cursor(row_factory=class_row(HeldDocument)) as cursor:
        return await (await cursor.execute(DOCUMENTS_OF, {"person": person_id})).fetchall()


async def get_person(cx: Context, person_id: UUID) -> Person:
    """Return one person as registered, merged or not, or raise PersonUnknown."""
    found = (await list_persons(cx, [person_id])).get(person_id)
    if found is None:
        raise PersonUnknown
    return found


async def list_persons(cx: Context, person_ids: Iterable[UUID]) -> dict[UUID, Person]:
    """Return the people with these ids, by id; unknown ids are left out."""
    async with cx.db.cursor(row_factory=class_row(Person)) as cursor:
        await cursor.execute(BY_IDS, {"ids": list(person_ids)})
        return {person.id: person for person in await cursor.fetchall()}


async def resolve(cx: Context, person_id: UUID) -> UUID:
    """Return the id that counts now: the one it was merged into, or itself."""
    row = await (await cx.db.execute(RESOLVE, {"id": person_id})).fetchone()
    if row is None:
        raise PersonUnknown
    return UUID(str(row["id"]))


def _way(text: str) -> tuple[str, str]:
    """Decide what a clerk typed: a document number, a phone's tail, a sound, or a name."""
    packed = papers.normalise(text)
    if re.fullmatch(r"[0-9]{4,11}", packed, re.ASCII) and len(packed) not in (8, 10):
        return "phone", packed
    if re.search(r"[0-9]", packed, re.ASCII):
        old = len(packed) == papers.OLD_ID_LENGTH and packed.isdigit()
        return "number", papers.convert_old(packed) if old else packed
    if packed.isascii():
        return "sound", re.sub(r"[^a-z]", "", packed.lower())
    return "name", re.sub(r"([\\%_])", r"\\\1", text.strip())


async def search_persons(cx: Context, text: str, limit: int = 20) -> list[Person]:
    """Find people for the window: by name, pinyin, initials, phone tail or document number.

    Eight digits are tried as a Taiwan pass and as a phone's tail. The caller has asked
    `consent.require(cx, "person.search")`.
    """
    way, wanted = _way(text)
    if not wanted:
        return []
    parameters = {"text": wanted, "limit": min(limit, FOUND_MAX)}
    async with cx.db.cursor(row_factory=class_row(Person)) as cursor:
        found = await (await cursor.execute(SEARCHES[way], parameters)).fetchall()
        if not found and way == "number" and wanted.isdigit():
            found = await (await cursor.execute(SEARCHES["phone"], parameters)).fetchall()
        return found
