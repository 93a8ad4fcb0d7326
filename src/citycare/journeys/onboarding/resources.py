"""FHIR R4 resources become rows. What depends on others waits until all files are read.

One Schedule is one clinic; its actors tell the department, the practitioner and the room. One
Slot is one place, unless the extension `slot-capacity` says more. A clinic of the same key in
clinics.csv says the rest (fee, kind), so both can be mixed.
Source: HL7 FHIR R4 4.0.1, the pages of the seven types.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from citycare.journeys.onboarding.cells import DISTRICT, fen_of, uscc_of
from citycare.journeys.onboarding.faults import Faults
from citycare.journeys.onboarding.model import (
    ClinicRow,
    DepartmentRow,
    OrganisationRow,
    Origin,
    PractitionerRow,
    Read,
    Ref,
    RoleRow,
    WindowRow,
)
from citycare.kernel import fhir
from citycare.kernel.identity.specialties import specialties
from citycare.scenarios.booking.rules.schedule import CAPACITY_URL

FEE_URL = "https://citycare.example/fhir/StructureDefinition/clinic-fee"
CAPACITY_MAX = 60
LICENCE_SYSTEM = "urn:citycare:licence"
PART_OF_HOSPITAL = frozenset({"dept"})
KIND_OF_TYPE = {"govt": "commission"}

Json = dict[str, Any]


def texts(value: Any, *steps: str) -> Iterator[str]:
    """Walk a path through objects and arrays and give the strings at its end."""
    if isinstance(value, list):
        for item in value:
            yield from texts(item, *steps)
    elif isinstance(value, str) and not steps:
        yield value
    elif isinstance(value, dict) and steps and steps[0] in value:
        yield from texts(value[steps[0]], *steps[1:])


def first(value: Any, *steps: str) -> str:
    """Return the first string at a path, or nothing."""
    return next(texts(value, *steps), "")


class Mapper:
    """Takes resources in any order; `finish` turns those that depend on others into rows."""

    def __init__(self, into: Read, faults: Faults) -> None:
        """Write rows to `into` and faults to `faults`."""
        self.into, self.faults = into, faults
        self.seen: dict[str, Origin] = {}
        self.aliases: dict[str, str] = {}
        self.organisations: dict[str, tuple[Origin, Json]] = {}
        self.services: dict[str, tuple[Origin, Json]] = {}
        self.places: dict[str, tuple[Origin, Json]] = {}
        self.roles: dict[str, tuple[Origin, Json]] = {}
        self.schedules: dict[str, tuple[Origin, Json]] = {}
        self.late = {
            "Organization": self.organisations,
            "HealthcareService": self.services,
            "Location": self.places,
            "PractitionerRole": self.roles,
            "Schedule": self.schedules,
        }
        self.slot_keys: set[int] = set()
        self.refs: dict[str, Ref] = {}
        self.implied: set[tuple[str, str]] = set()

    def take(self, origin: Origin, resource: Json, url: str = "") -> None:
        """Take one resource: check its structure, then keep it or make its row."""
        kind = resource.get("resourceType")
        if kind not in self.late and kind not in ("Practitioner", "Slot"):
            if any(each.element == "resourceType" for each in fhir.violations(resource)):
                self._invalid(origin, resource)
            else:
                self.faults.note("resource_unused", origin, str(kind))
            return
        if "id" not in resource and url:
            resource["id"] = url.rpartition("/")[2].rpartition(":")[2]
        key = f"{kind}/{resource.get('id')}"
        if kind != "Slot":
            self.into.named.add(key)
        if self._invalid(origin, resource):
            return
        if url:
            self.aliases[url] = key
        if kind == "Slot":
            self._slot(origin, resource)
            return
        if key in self.seen:
            self.faults.add("duplicate", origin, f"{kind}.id", key, other=self._at(key))
            return
        self.seen[key] = origin
        if kind == "Practitioner":
            self._practitioner(origin, resource, key)
        else:
            resource.pop("text", None)
            self.late[str(kind)][key] = (origin, resource)

    def _invalid(self, origin: Origin, resource: Json) -> bool:
        found = fhir.violations(resource)
        for each in found:
            self.faults.add(
                "fhir_invalid", origin, each.element, words=each.words, message=each.message
            )
        return bool(found)

    def _at(self, key: str) -> str:
        origin = self.seen[key]
        return f"{origin.file} {origin}"

    def finish(self) -> None:
        """Make the rows of what depends on others."""
        for key, (origin, resource) in self.organisations.items():
            self._organisation(key, origin, resource)
        for key, (origin, resource) in self.roles.items():
            self._role(key, origin, resource)
        for origin, resource in self.services.values():
            self._check_reference(origin, resource, "HealthcareService", "providedBy")
        for origin, resource in self.places.values():
            self._check_reference(origin, resource, "Location", "managingOrganization")
        for key, (origin, resource) in self.schedules.items():
            self._schedule(key, origin, resource)

    # References ------------------------------------------------------------------------------

    def _target(self, reference: Any) -> str:
        """Return what a reference names: `Type/id`, an identifier's value, or nothing."""
        text = first(reference, "reference")
        if text:
            text = text.partition("/_history/")[0]
            if text in self.aliases:
                return self.aliases[text]
            if "://" in text:
                return "/".join(text.split("/")[-2:])
            return text
        return first(reference, "identifier", "value")

    def _require(self, origin: Origin, reference: Any, element: str) -> Ref | None:
        """Return what is named, or note that it names nothing."""
        target = self._target(reference)
        if target:
            return Ref(target)
        if first(reference, "display"):
            self.faults.add("reference_display_only", origin, element, first(reference, "display"))
        else:
            self.faults.add("required", origin, element)
        return None

    def _check_reference(self, origin: Origin, resource: Json, kind: str, name: str) -> None:
        """Check a reference that no row carries: it must lead to something in the files."""
        reference = resource.get(name)
        if reference is None:
            return
        target = self._target(reference)
        if not target:
            display = first(reference, "display")
            self.faults.note("reference_unused", origin, f"{kind}.{name}", display)
        elif target.startswith("Organization/") and target not in self.into.named:
            self.faults.add("reference_missing", origin, f"{kind}.{name}", target)

    # Types -----------------------------------------------------------------------------------

    def _organisation(self, key: str, origin: Origin, resource: Json) -> None:
        part_of = resource.get("partOf")
        types = set(texts(resource, "type", "coding", "code"))
        name = first(resource, "name")
        if not name:
            self.faults.add("required", origin, "Organization.name")
            return
        if part_of is not None and (types & PART_OF_HOSPITAL or types & set(specialties())):
            self._department(key, origin, resource, types)
            return
        uscc = next(filter(None, map(uscc_of, texts(resource, "identifier", "value"))), None)
        address = resource.get("address")
        district = next(
            (text for text in texts(address, "district") if DISTRICT.fullmatch(text)), ""
        )
        if not district:
            self.faults.add(
                "district", origin, "Organization.address.district", first(address, "district")
            )
            return
        aliases = tuple(texts(resource, "alias"))
        parent = self._require(origin, part_of, "Organization.partOf") if part_of else None
        self.into.organisations.append(
            OrganisationRow(
                origin,
                tuple(filter(None, (key, uscc, name))),
                name,
                uscc,
                next((KIND_OF_TYPE[code] for code in types if code in KIND_OF_TYPE), "hospital"),
                district,
                aliases[0] if aliases else "",
                aliases[1:],
                address=first(address, "text") or "".join(texts(address, "line")),
                phone=_phone(resource),
                parent=parent,
            )
        )

    def _department(self, key: str, origin: Origin, resource: Json, types: set[str]) -> None:
        organisation = self._require(origin, resource["partOf"], "Organization.partOf")
        code = next((code for code in sorted(types, reverse=True) if code in specialties()), "")
        if not code:
            self.faults.add("department_code", origin, "Organization.type", " ".join(types))
        elif organisation is not None:
            name = first(resource, "name")
            row = DepartmentRow(origin, (key,), organisation, code, name)
            self.into.departments.append(row)

    def _practitioner(self, origin: Origin, resource: Json, key: str) -> None:
        identifiers = [each for each in resource.get("identifier", []) if isinstance(each, dict)]
        identifiers.sort(key=lambda each: each.get("system") != LICENCE_SYSTEM)
        licence = first(identifiers, "value")
        names = [_name(each) for each in resource.get("name", [])]
        name = next((each for each in names if not each.isascii()), (names or [""])[0])
        if not licence:
            self.faults.add("required", origin, "Practitioner.identifier")
        if not name:
            self.faults.add("required", origin, "Practitioner.name")
        if licence and name:
            sex = first(resource, "gender")
            title = first(resource, "qualification", "code", "text")
            sex = sex if sex in ("male", "female") else "unknown"
            row = PractitionerRow(origin, (key, licence), licence, name, sex, title)
            self.into.practitioners.append(row)

    def _department_of(self, origin: Origin, holder: Json, element: str, field: str) -> Ref | None:
        """Tell the department from an organisation and a specialty; may imply a new one."""
        if field not in holder:
            return None
        organisation = self._require(origin, holder[field], f"{element}.{field}")
        if organisation is None:
            return None
        known = self.organisations.get(organisation.text)
        if known is not None and "partOf" in known[1]:
            return organisation
        codes = texts(holder, "specialty", "coding", "code")
        code = next((each for each in codes if each in specialties()), None)
        if code is None:
            # Named by an id of ours it may be a department; the check will tell.
            return organisation if known is None else None
        name = first(holder, "specialty", "text") or specialties()[code].name
        if (organisation.text, name) not in self.implied:
            self.implied.add((organisation.text, name))
            row = DepartmentRow(origin, (), organisation, code, name)
            self.into.departments.append(row)
        return Ref(name, organisation.text)

    def _role(self, key: str, origin: Origin, resource: Json) -> None:
        element = "PractitionerRole"
        practitioner = self._require(
            origin, resource.get("practitioner"), f"{element}.practitioner"
        )
        if "organization" not in resource:
            self.faults.add("required", origin, f"{element}.organization")
            return
        department = self._department_of(origin, resource, element, "organization")
        if department is None:
            self.faults.add("department_missing", origin, f"{element}.specialty")
        elif practitioner is not None:
            self.into.roles.append(RoleRow(origin, (key,), practitioner, department))

    def _schedule(self, key: str, origin: Origin, resource: Json) -> None:
        if resource.get("active") is False:
            self.faults.note("resource_unused", origin, "Schedule.active")
        actors = _Actors(self, origin, resource)
        if actors.broken:
            return
        if actors.department is None:
            self.faults.add("department_missing", origin, "Schedule.actor")
            return
        extensions = resource.get("extension", [])
        fee = -1
        for each in extensions if isinstance(extensions, list) else []:
            if isinstance(each, dict) and each.get("url") == FEE_URL:
                money = each.get("valueMoney", {})
                value = fen_of(str(money.get("value", ""))) if isinstance(money, dict) else None
                if value is None:
                    self.faults.add("money", origin, "Schedule.extension[clinic-fee]")
                    return
                fee = value
        self.into.clinics.append(
            ClinicRow(
                origin,
                (key,),
                str(resource["id"]),
                Ref(""),
                actors.department,
                actors.practitioner,
                "expert" if actors.practitioner else "general",
                fee,
                room=actors.room,
            )
        )

    def _slot(self, origin: Origin, resource: Json) -> None:
        key = hash(resource["id"])
        if key in self.slot_keys:
            self.faults.add("duplicate", origin, "Slot.id", resource["id"], other="Slot")
            return
        self.slot_keys.add(key)
        if resource["status"] != "free":
            self.faults.note("slot_taken", origin, "Slot.status", resource["status"])
            return
        schedule = self._require(origin, resource["schedule"], "Slot.schedule")
        try:
            ends = datetime.fromisoformat(resource["end"]).astimezone(UTC)
        except (TypeError, ValueError):
            self.faults.add("date", origin, "Slot.end", resource["end"])
            return
        starts = datetime.fromisoformat(resource["start"]).astimezone(UTC)
        capacity = self._capacity(origin, resource)
        if schedule is not None and capacity:
            schedule = self.refs.setdefault(schedule.text, schedule)
            row = WindowRow(origin, schedule, starts, ends, capacity, None, part=True)
            self.into.windows.append(row)

    def _capacity(self, origin: Origin, resource: Json) -> int:
        extensions = resource.get("extension", [])
        for each in extensions if isinstance(extensions, list) else []:
            if isinstance(each, dict) and each.get("url") == CAPACITY_URL:
                value = each.get("valueInteger", each.get("valuePositiveInt"))
                if not isinstance(value, int) or not 1 <= value <= CAPACITY_MAX:
                    self.faults.add("capacity", origin, "Slot.extension[slot-capacity]", value)
                    return 0
                return value
        return 1


class _Actors:
    """What the actors of a Schedule say: department, practitioner, room."""

    def __init__(self, mapper: Mapper, origin: Origin, resource: Json) -> None:
        self.mapper, self.origin = mapper, origin
        self.department: Ref | None = None
        self.practitioner: Ref | None = None
        self.room = ""
        self.broken = False
        for number, actor in enumerate(resource["actor"]):
            self._read(f"Schedule.actor[{number}]", actor)
        if self.department is None and self.practitioner is not None:
            self._department_of_practitioner()

    def _read(self, element: str, actor: Any) -> None:
        target = self.mapper._target(actor)  # noqa: SLF001 - one unit in two classes
        kind = target.partition("/")[0]
        found = self.mapper.late.get(kind, {}).get(target)
        if not target:
            self.room = self.room or first(actor, "display")
            self.mapper.faults.note("reference_unused", self.origin, element, self.room)
        elif kind == "Practitioner":
            self.practitioner = Ref(target)
        elif found is None:
            self.broken = True
            if target not in self.mapper.into.named:
                self.mapper.faults.add("reference_missing", self.origin, element, target)
        elif kind == "Location":
            self.room = first(found[1], "name")
        else:
            self._service_or_role(kind, *found)

    def _service_or_role(self, kind: str, origin: Origin, resource: Json) -> None:
        field = "providedBy" if kind == "HealthcareService" else "organization"
        find = self.mapper._department_of  # noqa: SLF001
        self.department = find(origin, resource, kind, field) or self.department
        person = self.mapper._target(resource.get("practitioner"))  # noqa: SLF001
        if person:
            self.practitioner = Ref(person)

    def _department_of_practitioner(self) -> None:
        """With only a Practitioner as actor, take the department of the only role they have."""
        roles = [
            held
            for held in self.mapper.roles.values()
            if self.practitioner
            and self.mapper._target(held[1].get("practitioner"))  # noqa: SLF001
            == self.practitioner.text
        ]
        if len(roles) == 1:
            self._service_or_role("PractitionerRole", *roles[0])


def _name(name: Any) -> str:
    """Write a HumanName as one calls the person; Chinese names without a gap."""
    text = first(name, "text")
    if text:
        return text
    family, given = first(name, "family"), list(texts(name, "given"))
    if family.isascii() and family:
        return " ".join([*given, family])
    return family + "".join(given)


def _phone(resource: Json) -> str:
    for telecom in resource.get("telecom", []):
        if isinstance(telecom, dict) and telecom.get("system") == "phone":
            return first(telecom, "value")
    return ""
