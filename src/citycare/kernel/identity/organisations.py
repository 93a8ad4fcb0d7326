"""Organisations, their departments, and who works there."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from psycopg.rows import class_row

from citycare.kernel.context import Context
from citycare.kernel.identity import documents as papers
from citycare.kernel.identity.documents import Kind, Sex
from citycare.kernel.identity.names import pinyin
from citycare.kernel.identity.specialties import get_specialty
from citycare.kit.errors import NotFound


class OrganisationKind(StrEnum):
    """What an organisation is to the city."""

    HOSPITAL = "hospital"
    COMMUNITY_CENTRE = "community_centre"
    EMERGENCY_CENTRE = "emergency_centre"
    COMMISSION = "commission"


@dataclass(frozen=True, slots=True)
class Organisation:
    """A hospital, community centre, emergency centre or commission. Coordinates are GCJ-02."""

    id: UUID
    name: str
    short_name: str
    kind: OrganisationKind
    district: str
    uscc: str | None = None
    nicknames: tuple[str, ...] = ()
    level: str = ""
    address: str = ""
    phone: str = ""
    latitude: float | None = None
    longitude: float | None = None
    parent_id: UUID | None = None

    def __post_init__(self) -> None:
        """Take kind and nicknames in their types, also from a database row."""
        object.__setattr__(self, "kind", OrganisationKind(self.kind))
        object.__setattr__(self, "nicknames", tuple(self.nicknames))


@dataclass(frozen=True, slots=True)
class Department:
    """A department, coded by the official list of specialties."""

    id: UUID
    organisation_id: UUID
    code: str
    name: str
    place: str = ""


@dataclass(frozen=True, slots=True)
class Practitioner:
    """Somebody who treats, with the departments where they do."""

    id: UUID
    name: str
    sex: Sex = Sex.UNKNOWN
    title: str = ""
    good_at: str = ""
    licence: str | None = None
    person_id: UUID | None = None
    name_pinyin: str = ""

    def __post_init__(self) -> None:
        """Take the sex as the enum; fill in how the name sounds."""
        object.__setattr__(self, "sex", Sex(self.sex))
        object.__setattr__(self, "name_pinyin", self.name_pinyin or pinyin(self.name)[0])


class OrganisationUnknown(NotFound):
    """There is no such organisation."""

    code = "request.not_found"


ORGANISATION = """o.id, o.name, o.short_name, o.kind, o.district, o.uscc, o.nicknames, o.level,
       o.address, o.phone, o.latitude, o.longitude, o.parent_id"""
PUT_ORGANISATION = """
    INSERT INTO identity.organisation (id, name, short_name, kind, district, uscc, nicknames, level,
                                       address, phone, latitude, longitude, parent_id)
    VALUES (%(id)s, %(name)s, %(short_name)s, %(kind)s, %(district)s, %(uscc)s, %(nicknames)s,
            %(level)s, %(address)s, %(phone)s, %(latitude)s, %(longitude)s, %(parent_id)s)
        ON CONFLICT (id) DO UPDATE
       SET name = excluded.name, short_name = excluded.short_name, kind = excluded.kind,
           district = excluded.district, uscc = excluded.uscc, nicknames = excluded.nicknames,
           level = excluded.level, address = excluded.address, phone = excluded.phone,
           latitude = excluded.latitude, longitude = excluded.longitude,
           parent_id = excluded.parent_id
"""
PUT_DEPARTMENT = """
    INSERT INTO identity.department (id, organisation_id, code, name, place)
    VALUES (%(id)s, %(organisation_id)s, %(code)s, %(name)s, %(place)s)
        ON CONFLICT (id) DO UPDATE
       SET code = excluded.code, name = excluded.name, place = excluded.place
"""
PUT_PRACTITIONER = """
    INSERT INTO identity.practitioner (id, name, sex, title, good_at, licence, person_id,
                                       name_pinyin)
    VALUES (%(id)s, %(name)s, %(sex)s, %(title)s, %(good_at)s, %(licence)s, %(person_id)s,
            %(name_pinyin)s)
        ON CONFLICT (id) DO UPDATE
       SET name = excluded.name, sex = excluded.sex, title = excluded.title,
           good_at = excluded.good_at, licence = excluded.licence,
           person_id = excluded.person_id, name_pinyin = excluded.name_pinyin
"""
ADD_ROLE = """
    INSERT INTO identity.practitioner_role (practitioner_id, department_id)
    VALUES (%(practitioner)s, %(department)s) ON CONFLICT DO NOTHING
"""
ORGANISATIONS = f"""
    SELECT {ORGANISATION} FROM identity.organisation o
     WHERE %(ids)s::uuid[] IS NULL OR o.id = ANY(%(ids)s::uuid[])
     ORDER BY o.district, o.name
"""
DEPARTMENTS = """
    SELECT id, organisation_id, code, name, place FROM identity.department
     WHERE %(organisations)s::uuid[] IS NULL OR organisation_id = ANY(%(organisations)s::uuid[])
     ORDER BY organisation_id, code, name
"""
PRACTITIONERS = """
    SELECT p.id, p.name, p.sex, p.title, p.good_at, p.licence, p.person_id, p.name_pinyin
      FROM identity.practitioner p
     WHERE (%(ids)s::uuid[] IS NULL OR p.id = ANY(%(ids)s::uuid[]))
       AND (%(departments)s::uuid[] IS NULL
            OR EXISTS (SELECT FROM identity.practitioner_role r
                        WHERE r.practitioner_id = p.id
                          AND r.department_id = ANY(%(departments)s::uuid[])))
     ORDER BY p.name_pinyin, p.id
"""


async def register_organisation(cx: Context, organisation: Organisation) -> Organisation:
    """Register an organisation, or replace the one with this id.

    Raises:
        DocumentRefused: the unified social credit code is wrong (GB 32100).
    """
    if organisation.uscc is not None:
        papers.parse(Kind.USCC, organisation.uscc)
    values = asdict(organisation) | {"nicknames": list(organisation.nicknames)}
    await cx.db.execute(PUT_ORGANISATION, values)
    return organisation


async def register_department(cx: Context, department: Department) -> Department:
    """Register a department, or replace the one with this id.

    Raises:
        SpecialtyUnknown: the code is not in 《医疗机构诊疗科目名录》.
    """
    get_specialty(department.code)
    await cx.db.execute(PUT_DEPARTMENT, asdict(department))
    return department


async def register_practitioner(cx: Context, practitioner: Practitioner) -> Practitioner:
    """Register a practitioner, or replace the one with this id."""
    await cx.db.execute(PUT_PRACTITIONER, asdict(practitioner))
    return practitioner


async def add_role(cx: Context, practitioner_id: UUID, *, department_id: UUID) -> None:
    """Let a practitioner work in a department; doing it twice changes nothing."""
    await cx.db.execute(ADD_ROLE, {"practitioner": practitioner_id, "department": department_id})


async def _list(cx: Context, row: type[Any], statement: str, parameters: dict[str, Any]) -> Any:
    async with cx.db.cursor(row_factory=class_row(row)) as cursor:
        return await (await cursor.execute(statement.encode(), parameters)).fetchall()


def _given(ids: Collection[UUID] | None) -> list[UUID] | None:
    return None if ids is None else list(ids)


async def list_organisations(
    cx: Context, ids: Collection[UUID] | None = None
) -> list[Organisation]:
    """Return organisations, all (some dozens in a city) or these, by district and name."""
    found: list[Organisation] = await _list(cx, Organisation, ORGANISATIONS, {"ids": _given(ids)})
    return found


async def get_organisation(cx: Context, organisation_id: UUID) -> Organisation:
    """Return one organisation, or raise OrganisationUnknown."""
    found = await list_organisations(cx, [organisation_id])
    if not found:
        raise OrganisationUnknown
    return found[0]


async def list_departments(
    cx: Context, organisations: Collection[UUID] | None = None
) -> list[Department]:
    """Return the departments of these organisations, or of all, by code."""
    parameters = {"organisations": _given(organisations)}
    found: list[Department] = await _list(cx, Department, DEPARTMENTS, parameters)
    return found


async def list_practitioners(
    cx: Context,
    ids: Collection[UUID] | None = None,
    *,
    departments: Collection[UUID] | None = None,
) -> list[Practitioner]:
    """Return practitioners, all, these, or those of some departments, by how they sound."""
    parameters = {"ids": _given(ids), "departments": _given(departments)}
    found: list[Practitioner] = await _list(cx, Practitioner, PRACTITIONERS, parameters)
    return found
