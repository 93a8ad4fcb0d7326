"""From identity's rows to the resources others read: people, relations, organisations, staff.

`kernel.identity` knows no FHIR, so the mapping stands here. Ids are the same on both sides. Some
derived ids: a department's Location and a role's PractitionerRole.
Source: HL7 FHIR R4 4.0.1; HL7 v3 RoleCode and Organization type from the FHIR terminology.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from uuid import UUID

from citycare.kernel.context import Context
from citycare.kernel.fhir import store
from citycare.kernel.fhir.model import Resource
from citycare.kernel.identity import HeldDocument, Person, Relation, RelationKind
from citycare.kernel.identity.organisations import Department, Organisation, Practitioner
from citycare.kernel.identity.specialties import get_specialty
from citycare.kit import ids

BATCH = 2_000

# Which name space a number belongs to. UNVERIFIED: the OIDs are from memory and nobody has
# checked them against WS 365 / WS/T 500; our own URNs stand where we know no OID at all.
SYSTEMS = {
    "resident_id": "urn:oid:2.16.156.10011.1.3",  # UNVERIFIED
    "foreign_resident": "urn:citycare:document:foreign-resident",
    "hmt_resident": "urn:citycare:document:hmt-resident",
    "passport": "urn:citycare:document:passport",
    "hk_macao_pass": "urn:citycare:document:hk-macao-pass",
    "taiwan_pass": "urn:citycare:document:taiwan-pass",
    "birth_certificate": "urn:citycare:document:birth-certificate",
    "uscc": "urn:citycare:uscc",
    "licence": "urn:citycare:licence",
    "specialty": "urn:citycare:specialty",  # 《医疗机构诊疗科目名录》
    "title": "urn:citycare:title",
    "level": "urn:citycare:organisation-level",
    "district": "urn:citycare:district",  # GB/T 2260
}
ORGANISATION_TYPE = "http://terminology.hl7.org/CodeSystem/organization-type"
ROLE_CODE = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"
PINYIN = {
    "url": "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation",
    "valueCode": "SYL",
}
RELATIONSHIPS = {
    RelationKind.GUARDIAN: ("GUARD", "监护人"),
    RelationKind.SPOUSE: ("SPS", "配偶"),
    RelationKind.CHILD: ("CHILD", "子女"),
    RelationKind.RELATIVE: ("FAMMEMB", "亲属"),
    RelationKind.FRIEND: ("FRND", "朋友"),
    RelationKind.FAMILY_DOCTOR: ("", "家庭医生"),
    RelationKind.COMMUNITY_WORKER: ("", "社区工作者"),
}


@dataclass(frozen=True, slots=True)
class Service:
    """What one can book: a clinic of a department. Its id is the clinic's."""

    id: UUID
    organisation_id: UUID
    department_id: UUID
    department_code: str
    name: str
    room: str = ""
    active: bool = True


def patient(person: Person, documents: Iterable[HeldDocument] = ()) -> Resource:
    """Write a person as a Patient; a merged one points to the record that replaces it."""
    resource: Resource = {
        "resourceType": "Patient",
        "id": str(person.id),
        "active": person.merged_into is None,
        "name": _names(person.name, person.name_pinyin),
        "gender": str(person.sex),
        "birthDate": person.born_on.isoformat(),
    }
    identifiers = [_identifier(document.kind, document.number) for document in documents]
    if identifiers:
        resource["identifier"] = identifiers
    if person.phone:
        resource["telecom"] = [{"system": "phone", "value": person.phone, "use": "mobile"}]
    if person.address or person.district:
        resource["address"] = [_address(person.address, person.district or "")]
    if person.merged_into is not None:
        other = {"reference": f"Patient/{person.merged_into}"}
        resource["link"] = [{"other": other, "type": "replaced-by"}]
    return resource


def related_person(relation: Relation, proxy: Person) -> Resource:
    """Write who may act for a person as a RelatedPerson, with the time it holds."""
    code, text = RELATIONSHIPS[relation.kind]
    concept: dict[str, Any] = {"text": text}
    if code:
        concept["coding"] = [{"system": ROLE_CODE, "code": code}]
    period = {"start": _instant(relation.starts_at)}
    if relation.ends_at is not None:
        period["end"] = _instant(relation.ends_at)
    resource: Resource = {
        "resourceType": "RelatedPerson",
        "id": str(relation.id),
        "active": relation.ends_at is None or relation.ends_at > relation.starts_at,
        "patient": {"reference": f"Patient/{relation.person_id}"},
        "relationship": [concept],
        "name": _names(proxy.name, proxy.name_pinyin),
        "gender": str(proxy.sex),
        "period": period,
    }
    if proxy.phone:
        resource["telecom"] = [{"system": "phone", "value": proxy.phone, "use": "mobile"}]
    return resource


def organisation(row: Organisation) -> Resource:
    """Write a hospital, centre or commission as an Organization."""
    kind = "govt" if row.kind == "commission" else "prov"
    resource: Resource = {
        "resourceType": "Organization",
        "id": str(row.id),
        "active": True,
        "type": [{"coding": [{"system": ORGANISATION_TYPE, "code": kind}]}],
        "name": row.name,
        "address": [_address(row.address, row.district)],
    }
    if row.uscc:
        resource["identifier"] = [_identifier("uscc", row.uscc)]
    if row.level:
        resource["type"].append({"coding": [{"system": SYSTEMS["level"], "code": row.level}]})
    aliases = [name for name in (row.short_name, *row.nicknames) if name and name != row.name]
    if aliases:
        resource["alias"] = list(dict.fromkeys(aliases))
    if row.phone:
        resource["telecom"] = [{"system": "phone", "value": row.phone}]
    if row.parent_id is not None:
        resource["partOf"] = _reference("Organization", row.parent_id)
    return resource


def site(row: Organisation) -> Resource:
    """Write where an organisation stands as a Location.

    FHIR's position is WGS 84 and ours GCJ-02, so it is left out until somebody converts it.
    """
    return {
        "resourceType": "Location",
        "id": str(ids.derive("fhir.site", row.id)),
        "status": "active",
        "name": row.name,
        "mode": "instance",
        "address": _address(row.address, row.district),
        "managingOrganization": _reference("Organization", row.id),
    }


def department(row: Department) -> Resource:
    """Write a department as an Organization below its hospital."""
    return {
        "resourceType": "Organization",
        "id": str(row.id),
        "active": True,
        "type": [
            {"coding": [{"system": ORGANISATION_TYPE, "code": "dept"}]},
            _specialty(row.code),
        ],
        "name": row.name,
        "partOf": _reference("Organization", row.organisation_id),
    }


def place(row: Department) -> Resource:
    """Write where a department is as a Location."""
    return {
        "resourceType": "Location",
        "id": str(place_id(row.id)),
        "status": "active",
        "name": row.place or row.name,
        "mode": "instance",
        "managingOrganization": _reference("Organization", row.id),
        "partOf": _reference("Location", ids.derive("fhir.site", row.organisation_id)),
    }


def place_id(department_id: UUID) -> UUID:
    """Return the id of a department's Location."""
    return ids.derive("fhir.place", department_id)


def service(row: Service) -> Resource:
    """Write a clinic as a HealthcareService."""
    resource: Resource = {
        "resourceType": "HealthcareService",
        "id": str(row.id),
        "active": row.active,
        "providedBy": _reference("Organization", row.department_id),
        "specialty": [_specialty(row.department_code)],
        "location": [_reference("Location", place_id(row.department_id))],
        "name": row.name,
        "appointmentRequired": True,
    }
    if row.room:
        resource["comment"] = row.room
    return resource


def practitioner(row: Practitioner) -> Resource:
    """Write somebody who treats as a Practitioner."""
    resource: Resource = {
        "resourceType": "Practitioner",
        "id": str(row.id),
        "active": True,
        "name": _names(row.name, row.name_pinyin),
        "gender": str(row.sex),
    }
    if row.licence:
        resource["identifier"] = [_identifier("licence", row.licence)]
    if row.title:
        coding = [{"system": SYSTEMS["title"], "code": row.title}]
        resource["qualification"] = [{"code": {"coding": coding, "text": row.title}}]
    return resource


def role(practitioner_id: UUID, of: Department) -> Resource:
    """Write that somebody works in a department as a PractitionerRole."""
    return {
        "resourceType": "PractitionerRole",
        "id": str(ids.derive("fhir.role", practitioner_id, of.id)),
        "active": True,
        "practitioner": _reference("Practitioner", practitioner_id),
        "organization": _reference("Organization", of.id),
        "specialty": [_specialty(of.code)],
        "location": [_reference("Location", place_id(of.id))],
    }


async def publish(cx: Context, resources: Iterable[Resource]) -> int:
    """Put resources in batches; return how many."""
    source = iter(resources)
    count = 0
    while batch := list(islice(source, BATCH)):
        await store.put(cx, batch)
        count += len(batch)
    return count


async def publish_institutions(
    cx: Context,
    *,
    organisations: Sequence[Organisation] = (),
    departments: Sequence[Department] = (),
    practitioners: Sequence[Practitioner] = (),
    roles: Iterable[tuple[UUID, Department]] = (),
    services: Iterable[Service] = (),
) -> int:
    """Put everything others read of these institutions; return how many resources."""

    def every() -> Iterable[Resource]:
        for one in organisations:
            yield organisation(one)
            yield site(one)
        for each in departments:
            yield department(each)
            yield place(each)
        yield from map(practitioner, practitioners)
        for practitioner_id, of in roles:
            yield role(practitioner_id, of)
        yield from map(service, services)

    return await publish(cx, every())


def _identifier(kind: str, value: str) -> dict[str, str]:
    return {"system": SYSTEMS.get(kind, f"urn:citycare:document:{kind}"), "value": value}


def _names(name: str, pinyin: str) -> list[dict[str, Any]]:
    names: list[dict[str, Any]] = [{"text": name}]
    if pinyin:
        names.append({"text": pinyin, "extension": [PINYIN]})
    return names


def _address(text: str, district: str) -> dict[str, str]:
    address = {"country": "CN"}
    if text:
        address["text"] = text
    if district:
        address["district"] = district
    return address


def _specialty(code: str) -> dict[str, Any]:
    name = get_specialty(code).name
    coding = {"system": SYSTEMS["specialty"], "code": code, "display": name}
    return {"coding": [coding], "text": name}


def _reference(kind: str, target: UUID) -> dict[str, str]:
    return {"reference": f"{kind}/{target}"}


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
