"""Load many at once by COPY: the demo city and a hospital's first import.

Nothing is looked up and nobody's permission asked, so it is for the command line only. The
tables' own constraints still hold: a document that somebody else holds stops the whole load.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from citycare.kernel.context import Context, Grant
from citycare.kernel.identity.documents import Document
from citycare.kernel.identity.model import Account, Person, Relation
from citycare.kernel.identity.names import pinyin
from citycare.kernel.identity.organisations import Department, Organisation, Practitioner
from citycare.kernel.identity.specialties import get_specialty

Rows = Iterable[tuple[object, ...]]

PEOPLE = """COPY identity.person (id, name, name_pinyin, name_initials, sex, born_on, phone,
    district, address, created_at) FROM STDIN"""
DOCUMENTS = """COPY identity.document (kind, number, person_id, verified_at, verified_by)
    FROM STDIN"""
RELATIONS = """COPY identity.relation (id, person_id, proxy_id, kind, scopes, starts_at, ends_at,
    evidence) FROM STDIN"""
ORGANISATIONS = """COPY identity.organisation (id, uscc, name, short_name, nicknames, kind, level,
    district, address, phone, latitude, longitude, parent_id) FROM STDIN"""
DEPARTMENTS = "COPY identity.department (id, organisation_id, code, name, place) FROM STDIN"
PRACTITIONERS = """COPY identity.practitioner (id, person_id, name, name_pinyin, sex, title,
    good_at, licence) FROM STDIN"""
ROLES = "COPY identity.practitioner_role (practitioner_id, department_id) FROM STDIN"
ACCOUNTS = """COPY identity.account (id, issuer, subject, person_id, practitioner_id, name)
    FROM STDIN"""
GRANTS = "COPY identity.account_grant (account_id, role, organisation_id) FROM STDIN"


async def _copy(cx: Context, statement: LiteralString, rows: Rows) -> int:
    count = 0
    async with cx.db.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            await copy.write_row(row)
            count += 1
    return count


async def load_people(cx: Context, people: Iterable[Person]) -> int:
    """Load people; how a name sounds is worked out where it is empty. Return how many."""

    def row(person: Person) -> tuple[object, ...]:
        sound, initials = person.name_pinyin, person.name_initials
        if not sound:
            sound, initials = pinyin(person.name)
        return (
            person.id, person.name, sound, initials, str(person.sex), person.born_on, person.phone,
            person.district, person.address, person.created_at,
        )  # fmt: skip

    return await _copy(cx, PEOPLE, map(row, people))


async def load_documents(
    cx: Context,
    documents: Iterable[tuple[UUID, Document]],
    *,
    verified_at: datetime | None,
    verified_by: str | None,
) -> int:
    """Load (person, document) pairs, verified or not."""
    return await _copy(
        cx,
        DOCUMENTS,
        (
            (str(document.kind), document.number, person, verified_at, verified_by)
            for person, document in documents
        ),
    )


async def load_relations(cx: Context, relations: Iterable[Relation]) -> int:
    """Load relations."""
    return await _copy(
        cx,
        RELATIONS,
        (
            (
                one.id, one.person_id, one.proxy_id, str(one.kind),
                [str(scope) for scope in one.scopes], one.starts_at, one.ends_at, one.evidence,
            )
            for one in relations
        ),
    )  # fmt: skip


async def load_organisations(cx: Context, organisations: Iterable[Organisation]) -> int:
    """Load organisations, parents first."""
    return await _copy(
        cx,
        ORGANISATIONS,
        (
            (
                one.id, one.uscc, one.name, one.short_name, list(one.nicknames), str(one.kind),
                one.level, one.district, one.address, one.phone, one.latitude, one.longitude,
                one.parent_id,
            )
            for one in organisations
        ),
    )  # fmt: skip


async def load_departments(cx: Context, departments: Iterable[Department]) -> int:
    """Load departments; a code outside the official list stops the load."""
    return await _copy(
        cx,
        DEPARTMENTS,
        (
            (one.id, one.organisation_id, get_specialty(one.code).code, one.name, one.place)
            for one in departments
        ),
    )


async def load_practitioners(cx: Context, practitioners: Iterable[Practitioner]) -> int:
    """Load practitioners."""
    return await _copy(
        cx,
        PRACTITIONERS,
        (
            (
                one.id, one.person_id, one.name, one.name_pinyin, str(one.sex), one.title,
                one.good_at, one.licence,
            )
            for one in practitioners
        ),
    )  # fmt: skip


async def load_roles(cx: Context, roles: Iterable[tuple[UUID, UUID]]) -> int:
    """Load (practitioner, department) pairs."""
    return await _copy(cx, ROLES, roles)


async def load_accounts(cx: Context, accounts: Iterable[Account]) -> int:
    """Load accounts, without second factor."""
    return await _copy(
        cx,
        ACCOUNTS,
        (
            (one.id, one.issuer, one.subject, one.person_id, one.practitioner_id, one.name)
            for one in accounts
        ),
    )


async def load_grants(cx: Context, grants: Iterable[tuple[UUID, Grant]]) -> int:
    """Load (account, grant) pairs."""
    return await _copy(
        cx,
        GRANTS,
        ((account, str(grant.role), grant.organisation_id) for account, grant in grants),
    )
