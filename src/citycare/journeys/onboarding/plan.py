"""From rows to what will be written: references are followed, ids given, contradictions noted.

Ids: what the database has under the same natural key (credit code or name, department name,
licence) keeps its id; new things get an id derived from that key, so importing the same files
again changes the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from citycare.journeys.onboarding import gather
from citycare.journeys.onboarding.faults import Faults
from citycare.journeys.onboarding.model import (
    ClinicRow,
    DepartmentRow,
    OrganisationRow,
    Origin,
    PractitionerRow,
    Read,
    Ref,
    TemplateRow,
    WindowRow,
)
from citycare.kernel.identity.documents import Sex
from citycare.kernel.identity.organisations import (
    Department,
    Organisation,
    OrganisationKind,
    Practitioner,
)
from citycare.kernel.identity.specialties import specialties
from citycare.kit import ids
from citycare.scenarios.booking.model.schedule import Clinic

R = TypeVar("R", OrganisationRow, DepartmentRow, PractitionerRow)
T = TypeVar("T", Organisation, Department, Practitioner, Clinic)


@dataclass(frozen=True, slots=True)
class Known:
    """What the database has already."""

    organisations: Iterable[Organisation] = ()
    departments: Iterable[Department] = ()
    practitioners: Iterable[Practitioner] = ()
    clinics: Iterable[Clinic] = ()


@dataclass(slots=True)
class Plan:
    """What will be written, and by which id which row is meant."""

    organisations: dict[UUID, Organisation] = field(default_factory=dict)
    departments: dict[UUID, Department] = field(default_factory=dict)
    practitioners: dict[UUID, Practitioner] = field(default_factory=dict)
    roles: set[tuple[UUID, UUID]] = field(default_factory=set)
    clinics: dict[UUID, Clinic] = field(default_factory=dict)
    templates: dict[UUID, list[TemplateRow]] = field(default_factory=dict)
    windows: dict[UUID, list[WindowRow]] = field(default_factory=dict)
    origins: dict[UUID, Origin] = field(default_factory=dict)
    there: dict[UUID, Clinic] = field(default_factory=dict)

    def clinic(self, clinic_id: UUID) -> Clinic:
        """Return a clinic of the files, or else of the database."""
        return self.clinics.get(clinic_id) or self.there[clinic_id]


class _Index(dict[str, T | None]):
    """Things by every key they may be called; None where two have the same name."""

    def add(self, thing: T, *keys: str | None) -> None:
        """Let a thing be found by these keys."""
        for key in filter(None, keys):
            there = self.get(key, thing)
            self[key] = thing if there is not None and there.id == thing.id else None

    def replace(self, thing: T, *keys: str) -> None:
        """Let a thing be found by these keys, instead of an older state of it."""
        for key in keys:
            there = self.get(key)
            if there is not None and there.id == thing.id:
                self[key] = thing
            else:
                self.add(thing, key)


def _tables_first(rows: Sequence[R]) -> list[R]:
    return sorted(rows, key=lambda row: row.origin.unit != "row")


class Planner:
    """Follows references through the rows, kind after kind, in the order of dependence."""

    def __init__(self, read: Read, known: Known, faults: Faults) -> None:
        """Begin with what the database has."""
        self.read, self.faults, self.plan = read, faults, Plan()
        self.known = known
        self.kept_back: list[tuple[str, Origin, str, str]] = []
        self.organisations: _Index[Organisation] = _Index()
        self.departments: _Index[Department] = _Index()
        self.practitioners: _Index[Practitioner] = _Index()
        self.clinics: _Index[Clinic] = _Index()
        for one in known.organisations:
            self.organisations.add(one, one.uscc, one.name, f"Organization/{one.id}")
        for each in known.departments:
            self.departments.add(
                each, _within(each.organisation_id, each.name), f"Organization/{each.id}"
            )
        self.plan.there = {clinic.id: clinic for clinic in known.clinics}
        for clinic in known.clinics:
            self.clinics.add(clinic, f"Schedule/{clinic.id}")
        for person in known.practitioners:
            self.practitioners.add(person, person.licence, f"Practitioner/{person.id}")

    def run(self, now: datetime, window_min: int | None, minutes_max: int) -> Plan:
        """Plan everything; faults are noted, nothing raised."""
        self._organisations()
        self._parents()
        self._departments()
        self._practitioners()
        self._roles()
        self._clinics()
        self._times(now, window_min, minutes_max)
        if self.faults.count == 0:
            for fault in self.kept_back:
                self.faults.add(*fault)
        return self.plan

    # Finding ---------------------------------------------------------------------------------

    def _find(self, index: _Index[T], text: str, origin: Origin, field: str) -> T | None:
        found = index.get(text)
        if found is None:
            code = "reference_ambiguous" if text in index else "reference_missing"
            self._missing(code, text, origin, field, text)
        return found

    def _missing(self, code: str, key: str, origin: Origin, field: str, text: str) -> None:
        """Note a reference to nothing; one to a thing that is itself at fault is kept back."""
        if key in self.read.named:
            self.kept_back.append((code, origin, field, text))
        else:
            self.faults.add(code, origin, field, text)

    def _organisation_of(self, ref: Ref, origin: Origin, field: str) -> Organisation | None:
        return self._find(self.organisations, ref.text, origin, field)

    def _department_of(self, ref: Ref, origin: Origin) -> Department | None:
        if not ref.within:
            return self._find(self.departments, ref.text, origin, "department")
        organisation = self._organisation_of(Ref(ref.within), origin, "organisation")
        if organisation is None:
            return None
        found = self.departments.get(_within(organisation.id, ref.text))
        if found is None:
            key = f"department {ref.text}"
            self._missing("reference_missing", key, origin, "department", ref.text)
        return found

    def _keep(self, rows: dict[UUID, T], thing: T, origin: Origin, field: str) -> bool:
        """Take a thing in, once. A CSV row may say more of what a FHIR resource names."""
        there = rows.get(thing.id)
        if there is not None and self.plan.origins[thing.id].unit == "row" != origin.unit:
            return False
        if there is not None:
            code = "duplicate" if there == thing else "differs"
            other = gather.place(self.plan.origins[thing.id])
            self.faults.add(code, origin, field, getattr(thing, "name", ""), other=other)
            return False
        rows[thing.id] = thing
        self.plan.origins[thing.id] = origin
        return True

    # Kinds -----------------------------------------------------------------------------------

    def _organisations(self) -> None:
        by_uscc = {one.uscc: one for one in self.known.organisations if one.uscc}
        by_name = {one.name: one for one in self.known.organisations}
        for row in _tables_first(self.read.organisations):
            there = by_uscc.get(row.uscc or "") or by_name.get(row.name)
            id_ = there.id if there else ids.derive("organisation", row.uscc or row.name)
            thing = _organisation(row, id_, there)
            if self._keep(self.plan.organisations, thing, row.origin, "uscc"):
                self.organisations.replace(thing, f"Organization/{id_}")
            self.organisations.replace(self.plan.organisations[id_], *row.keys)
        names: dict[str, UUID] = {}
        for one in self.plan.organisations.values():
            other = names.setdefault(one.name, one.id)
            if other != one.id:
                where = gather.place(self.plan.origins[other])
                origin = self.plan.origins[one.id]
                self.faults.add("duplicate", origin, "name", one.name, other=where)

    def _parents(self) -> None:
        for row in self.read.organisations:
            if row.parent is None:
                continue
            me = self.organisations.get(row.keys[0])
            parent = self._organisation_of(row.parent, row.origin, "parent")
            if me is not None and parent is not None and me.id in self.plan.organisations:
                mine = self.plan.organisations[me.id]
                self.plan.organisations[me.id] = replace(mine, parent_id=parent.id)
        rows = self.plan.organisations
        for one in rows.values():
            seen, at = {one.id}, one.parent_id
            while at is not None and at in rows and at not in seen:
                seen.add(at)
                at = rows[at].parent_id
            if at == one.id:
                self.faults.add("parent_circle", self.plan.origins[one.id], "parent", one.name)

    def _departments(self) -> None:
        for row in _tables_first(self.read.departments):
            if row.code not in specialties():
                self.faults.add("department_code", row.origin, "code", row.code)
                continue
            organisation = self._organisation_of(row.organisation, row.origin, "organisation")
            if organisation is None:
                continue
            key = _within(organisation.id, row.name)
            there = self.departments.get(key)
            id_ = there.id if there else ids.derive("department", organisation.id, row.name)
            place = row.place or (there.place if there else "")
            thing = Department(id_, organisation.id, row.code, row.name, place)
            self._keep(self.plan.departments, thing, row.origin, "name")
            self.departments.replace(self.plan.departments[id_], key, *row.keys)

    def _practitioners(self) -> None:
        for row in _tables_first(self.read.practitioners):
            there = self.practitioners.get(row.licence)
            thing = _practitioner(row, there)
            self._keep(self.plan.practitioners, thing, row.origin, "licence")
            self.practitioners.replace(self.plan.practitioners[thing.id], *row.keys)

    def _roles(self) -> None:
        for row in self.read.roles:
            who = self._find(self.practitioners, row.practitioner.text, row.origin, "practitioner")
            where = self._department_of(row.department, row.origin)
            if who is not None and where is not None:
                self.plan.roles.add((who.id, where.id))

    def _clinics(self) -> None:
        listed = [row for row in self.read.clinics if row.fee_fen >= 0 and not row.keys]
        codes = {row.code for row in listed}
        for row in listed:
            self._clinic(row)
        for row in self.read.clinics:
            if not row.keys:
                continue
            if row.code in codes:  # clinics.csv says the rest of this Schedule
                found = self._by_code(row.code)
                if found is not None:
                    self.clinics.add(found, *row.keys)
            elif row.fee_fen < 0:
                self.faults.add("fee_missing", row.origin, "Schedule.extension", row.code)
            else:
                self._clinic(row)

    def _by_code(self, code: str) -> Clinic | None:
        return self.clinics.get(f"code/{code}")

    def _clinic(self, row: ClinicRow) -> None:
        department = self._department_of(row.department, row.origin)
        person = None
        if row.practitioner is not None:
            person = self._find(
                self.practitioners, row.practitioner.text, row.origin, "practitioner"
            )
        if department is None or (row.practitioner is not None and person is None):
            return
        text = row.organisation.text or f"Organization/{department.organisation_id}"
        organisation = self._find(self.organisations, text, row.origin, "organisation")
        if organisation is None:
            return
        thing = _new_clinic(row, organisation, department, person)
        if self._keep(self.plan.clinics, thing, row.origin, "clinic"):
            self.clinics.add(
                thing, _within(organisation.id, row.code), f"code/{row.code}", *row.keys
            )

    def _times(self, now: datetime, window_min: int | None, minutes_max: int) -> None:
        """Put templates and windows to their clinics, gather, and check each clinic's times."""
        windows: dict[UUID | Ref, list[WindowRow]] = {}
        for each in self.read.templates:
            clinic = self._clinic_of(each.clinic, each.origin)
            if clinic is not None:
                self.plan.templates.setdefault(clinic.id, []).append(each)
        for row in self.read.windows:
            clinic = self._clinic_of(row.clinic, row.origin)
            windows.setdefault(clinic.id if clinic else row.clinic, []).append(row)
        for key, rows in windows.items():
            gathered = gather.gather(rows, window_min)
            gather.check_windows(gathered, self.faults, now, minutes_max)
            if isinstance(key, UUID):
                gather.check_both(gathered, self.plan.templates.get(key, []), self.faults)
                self.plan.windows[key] = gathered
        for rules in self.plan.templates.values():
            gather.check_templates(rules, self.faults, minutes_max)

    def _clinic_of(self, ref: Ref, origin: Origin) -> Clinic | None:
        if not ref.within:
            return self._find(self.clinics, ref.text, origin, "schedule")
        organisation = self._organisation_of(Ref(ref.within), origin, "organisation")
        if organisation is None:
            return None
        found = self.clinics.get(_within(organisation.id, ref.text))
        if found is None:
            found = self.plan.there.get(clinic_id(organisation.id, ref.text))
        if found is None:
            key = f"clinic {ref.text}"
            self._missing("reference_missing", key, origin, "clinic", ref.text)
        return found


def clinic_id(organisation_id: UUID, code: str) -> UUID:
    """Return the id of a clinic, which follows from the hospital's own code of it."""
    return ids.derive("clinic", organisation_id, code)


def _within(organisation_id: UUID, name: str) -> str:
    return f"{organisation_id}|{name}"


def _organisation(row: OrganisationRow, id_: UUID, there: Organisation | None) -> Organisation:
    """Build the row; what a file leaves out stays as the database has it."""
    return Organisation(
        id=id_,
        name=row.name,
        short_name=row.short_name or (there.short_name if there else row.name),
        kind=OrganisationKind(row.kind),
        district=row.district,
        uscc=row.uscc or (there.uscc if there else None),
        nicknames=row.nicknames or (there.nicknames if there else ()),
        level=row.level or (there.level if there else ""),
        address=row.address or (there.address if there else ""),
        phone=row.phone or (there.phone if there else ""),
        latitude=_either(row.latitude, there.latitude if there else None),
        longitude=_either(row.longitude, there.longitude if there else None),
        parent_id=there.parent_id if there else None,
    )


def _either(given: float | None, there: float | None) -> float | None:
    return there if given is None else given


def _practitioner(row: PractitionerRow, there: Practitioner | None) -> Practitioner:
    return Practitioner(
        id=there.id if there else ids.derive("practitioner", row.licence),
        name=row.name,
        sex=Sex(row.sex),
        title=row.title or (there.title if there else ""),
        good_at=row.good_at or (there.good_at if there else ""),
        licence=row.licence,
        person_id=there.person_id if there else None,
    )


def _new_clinic(
    row: ClinicRow,
    organisation: Organisation,
    department: Department,
    practitioner: Practitioner | None,
) -> Clinic:
    return Clinic(
        id=clinic_id(organisation.id, row.code),
        organisation_id=organisation.id,
        organisation_name=organisation.name,
        organisation_short=organisation.short_name,
        district=organisation.district,
        department_id=department.id,
        department_code=department.code,
        department_name=department.name,
        kind=row.kind,
        fee_fen=row.fee_fen,
        practitioner_id=practitioner.id if practitioner else None,
        practitioner_name=practitioner.name if practitioner else "",
        title=practitioner.title if practitioner else "",
        good_at=practitioner.good_at if practitioner else "",
        release=row.release,
        room=row.room,
        latitude=organisation.latitude,
        longitude=organisation.longitude,
        nicknames=organisation.nicknames,
    )


def parents_first(rows: Mapping[UUID, Organisation]) -> list[Organisation]:
    """Order organisations so that each comes after its parent."""
    ordered: dict[UUID, Organisation] = {}

    def add(one: Organisation) -> None:
        if one.parent_id in rows and one.parent_id not in ordered and one.parent_id is not None:
            add(rows[one.parent_id])
        ordered[one.id] = one

    for one in rows.values():
        add(one)
    return list(ordered.values())
