from __future__ import annotations

from datetime import date
from typing import Any

from citycare.kernel import fhir
from citycare.kernel.context import Context
from citycare.kernel.fhir import publish
from citycare.kernel.identity import HeldDocument, Person, ProxyScope, Relation, RelationKind, Sex
from citycare.kernel.identity.organisations import (
    Department,
    Organisation,
    OrganisationKind,
    Practitioner,
)
from citycare.kit import ids

HOSPITAL = Organisation(
    ids.derive("hospital"),
    "青浦区中山医院",
    "中山青浦",
    OrganisationKind.HOSPITAL,
    "310118",
    uscc="91350100M000100Y43",
    nicknames=("青中山",),
    level="三级乙等",
    phone="021-69719190",
)
CARDIOLOGY = Department(ids.derive("dept"), HOSPITAL.id, "03.04", "心内科", "3号楼2层")
DOCTOR = Practitioner(ids.derive("doctor"), "曾医生", Sex.FEMALE, "主任医师", licence="N-77")
CLINIC = publish.Service(
    ids.derive("clinic"), HOSPITAL.id, CARDIOLOGY.id, "03.04", "心内科专家门诊", "305诊室"
)


def person(cx: Context, name: str, **more: Any) -> Person:
    return Person(
        ids.derive("person", name),
        name,
        "zengxiaoxian",
        "zxx",
        Sex.MALE,
        date(1990, 1, 1),
        "13800001111",
        "310118",
        "城中路1号",
        cx.now,
        **more,
    )


async def test_a_person_is_found_as_patient_by_number_name_and_phone(cx: Context) -> None:
    row = person(cx, "曾小贤")
    held = HeldDocument(ids.new(), "resident_id", "310101199001010012", row.id, cx.now, "window")
    await fhir.put(cx, [publish.patient(row, [held])])
    for params in (
        {"identifier": f"{publish.SYSTEMS['resident_id']}|310101199001010012"},
        {"name": "曾小"},
        {"name": "zengxiaox"},
        {"phone": "13800001111"},
        {"birthdate": "1990-01-01"},
    ):
        page = await fhir.search(cx, "Patient", params)
        assert [each["id"] for each in page.items] == [str(row.id)], params


async def test_a_merged_person_points_to_the_kept_one(cx: Context) -> None:
    kept = ids.derive("kept")
    resource = publish.patient(person(cx, "曾小贤", merged_into=kept))
    assert resource["active"] is False
    assert resource["link"][0]["other"] == {"reference": f"Patient/{kept}"}
    assert fhir.violations(resource) == []


async def test_a_proxy_is_found_as_related_person(cx: Context) -> None:
    proxy = person(cx, "曾大贤")
    child = ids.derive("child")
    scopes = (ProxyScope.BOOKING,)
    kind = RelationKind.GUARDIAN
    relation = Relation(ids.derive("r"), child, proxy.id, kind, scopes, cx.now, None, "")
    await fhir.put(cx, [publish.related_person(relation, proxy)])
    page = await fhir.search(cx, "RelatedPerson", {"patient": str(child)})
    assert page.items[0]["relationship"][0]["coding"][0]["code"] == "GUARD"


async def test_institutions_are_published_and_point_to_each_other(cx: Context) -> None:
    count = await publish.publish_institutions(
        cx,
        organisations=[HOSPITAL],
        departments=[CARDIOLOGY],
        practitioners=[DOCTOR],
        roles=[(DOCTOR.id, CARDIOLOGY)],
        services=[CLINIC],
    )
    assert count == 7
    for kind, params, found in (
        ("Organization", {"identifier": "91350100M000100Y43"}, HOSPITAL.id),
        ("Organization", {"name": "青中山"}, HOSPITAL.id),
        ("Organization", {"partof": str(HOSPITAL.id)}, CARDIOLOGY.id),
        ("Practitioner", {"identifier": "urn:citycare:licence|N-77"}, DOCTOR.id),
        ("Practitioner", {"name": "zengyi"}, DOCTOR.id),
        ("HealthcareService", {"specialty": "03.04"}, CLINIC.id),
        ("Location", {"organization": str(CARDIOLOGY.id)}, publish.place_id(CARDIOLOGY.id)),
    ):
        page = await fhir.search(cx, kind, params)
        assert [each["id"] for each in page.items] == [str(found)], (kind, params)
    roles = await fhir.search(cx, "PractitionerRole", {"practitioner": str(DOCTOR.id)})
    assert roles.items[0]["organization"] == {"reference": f"Organization/{CARDIOLOGY.id}"}


async def test_publishing_again_makes_a_new_version(cx: Context) -> None:
    for _ in range(2):
        await publish.publish_institutions(cx, organisations=[HOSPITAL])
    kept = await fhir.get(cx, "Organization", str(HOSPITAL.id))
    assert kept["meta"]["versionId"] == "2"
