from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from citycare.kernel import fhir
from citycare.kernel.context import Context
from citycare.kit.pages import TokenBroken

Json = dict[str, Any]
Make = Callable[[int], list[Json]]

PATIENTS: list[Json] = [
    {
        "resourceType": "Patient",
        "id": "zeng",
        "identifier": [{"system": "urn:oid:2.16.156.10011.1.3", "value": "310101199001010012"}],
        "name": [
            {"text": "曾小贤", "family": "曾", "given": ["小贤"]},
            {"text": "zeng xiaoxian"},
        ],
        "telecom": [{"system": "phone", "value": "138 0000-1111"}],
        "birthDate": "1990-01-01",
    },
    {
        "resourceType": "Patient",
        "id": "wang",
        "identifier": [{"value": "no-system-5"}, {"system": "urn:x", "value": "a,b"}],
        "name": [{"family": "王", "given": ["芳"]}],
        "telecom": [{"system": "email", "value": "13800001111"}],
        "birthDate": "1990-02",
    },
    {
        "resourceType": "Patient",
        "id": "chalmers",
        "name": [{"family": "Chálmers", "given": ["Peter", "James"], "text": "P. J. Chálmers"}],
    },
]
PATIENT_SEARCHES: list[tuple[dict[str, str | list[str]], str]] = [
    ({}, "chalmers wang zeng"),
    ({"_id": "wang,zeng,nobody"}, "wang zeng"),
    ({"identifier": "urn:oid:2.16.156.10011.1.3|310101199001010012"}, "zeng"),
    ({"identifier": "310101199001010012"}, "zeng"),
    ({"identifier": "urn:other|310101199001010012"}, ""),
    ({"identifier": "|no-system-5"}, "wang"),
    ({"identifier": "|310101199001010012"}, ""),
    ({"identifier": "urn:oid:2.16.156.10011.1.3|"}, "zeng"),
    ({"identifier": "urn:oid:2.16.156.10011.1|"}, ""),
    ({"identifier": r"urn:x|a\,b"}, "wang"),
    ({"identifier": "a,b"}, ""),
    ({"name": "曾"}, "zeng"),
    ({"name": "曾小贤"}, "zeng"),
    ({"name": "小贤"}, "zeng"),
    ({"name": "贤"}, ""),
    ({"name": "zengxiao"}, "zeng"),
    ({"name": "Zeng Xiaoxian"}, "zeng"),
    ({"name": "王芳"}, "wang"),
    ({"name": "wangf"}, "wang"),
    ({"name": "wf"}, "wang"),
    ({"name": "chal"}, "chalmers"),
    ({"name": "CHÁL"}, "chalmers"),
    ({"name": "jam"}, "chalmers"),
    ({"name": "曾,王"}, "wang zeng"),
    ({"name": ["peter", "chal"]}, "chalmers"),
    ({"name": ["peter", "曾"]}, ""),
    ({"phone": "13800001111"}, "zeng"),
    ({"phone": "138-0000-1111"}, "zeng"),
    ({"birthdate": "1990-01-01"}, "zeng"),
    ({"birthdate": "1990"}, "wang zeng"),
    ({"birthdate": "1990-02"}, "wang"),
    ({"birthdate": "1990-02-01"}, ""),
    ({"birthdate": "ne1990-01-01"}, "wang"),
    ({"birthdate": "lt1990-01-15"}, "zeng"),
    ({"birthdate": "ge1990-02-10"}, "wang"),
    ({"birthdate": ["ge1990-01-01", "lt1990-02-01"]}, "zeng"),
]


@pytest.mark.parametrize(("params", "expected"), PATIENT_SEARCHES)
async def test_patients_are_found(
    cx: Context, params: dict[str, str | list[str]], expected: str
) -> None:
    await fhir.put(cx, PATIENTS)
    page = await fhir.search(cx, "Patient", params)
    assert sorted(each["id"] for each in page.items) == expected.split()


SLOT_SEARCHES: list[tuple[dict[str, str | list[str]], str]] = [
    ({"schedule": "Schedule/k-1"}, "s-8 s-9"),
    ({"schedule": "k-1,k-2"}, "s-8 s-9 s-next"),
    ({"status": "free"}, "s-8 s-next"),
    ({"status": "http://hl7.org/fhir/slotstatus|busy"}, "s-9"),
    ({"status": "free", "schedule": "k-1"}, "s-8"),
    ({"start": "2026-11-23"}, "s-8 s-9"),
    ({"start": "eq2026-11-23"}, "s-8 s-9"),
    ({"start": "2026-11"}, "s-8 s-9 s-next"),
    ({"start": "2026-11-23T08:00"}, "s-8"),
    ({"start": "2026-11-23T08:00:00+08:00"}, "s-8"),
    ({"start": "2026-11-23T00:00:00Z"}, "s-8"),
    ({"start": "ge2026-11-23T09:00:00+08:00"}, "s-9 s-next"),
    ({"start": "gt2026-11-23T09:00:00+08:00"}, "s-next"),
    ({"start": "le2026-11-23T09:00:00+08:00"}, "s-8 s-9"),
    ({"start": "lt2026-11-23T09:00:00+08:00"}, "s-8"),
    ({"start": "gt2026-11-23"}, "s-next"),
    ({"start": "lt2026-11-24"}, "s-8 s-9"),
    ({"start": ["ge2026-11-23", "le2026-11-23"]}, "s-8 s-9"),
    ({"start": "2026-11-22,2026-11-24"}, "s-next"),
    ({"start": "sa2026-11-23"}, "s-next"),
    ({"start": "eb2026-11-24"}, "s-8 s-9"),
]


def slot(name: str, start: str, status: str = "free", schedule: str = "k-1") -> Json:
    return {
        "resourceType": "Slot",
        "id": name,
        "schedule": {"reference": f"Schedule/{schedule}"},
        "status": status,
        "start": f"2026-11-{start}:00+08:00",
        "end": "2026-11-30T09:30:00+08:00",
    }


@pytest.mark.parametrize(("params", "expected"), SLOT_SEARCHES)
async def test_slots_are_found_by_day_and_instant(
    cx: Context, params: dict[str, str | list[str]], expected: str
) -> None:
    slots = [
        slot("s-8", "23T08:00"),
        slot("s-9", "23T09:00", "busy"),
        slot("s-next", "24T00:00", schedule="k-2"),
    ]
    await fhir.put(cx, slots)
    page = await fhir.search(cx, "Slot", params)
    assert sorted(each["id"] for each in page.items) == expected.split()


APPOINTMENT_SEARCHES: list[tuple[dict[str, str | list[str]], int]] = [
    ({"patient": "p-3"}, 1),
    ({"patient": "Patient/p-3"}, 1),
    ({"actor": "p-3"}, 1),
    ({"actor:Patient": "p-3"}, 1),
    ({"actor:Practitioner": "p-3"}, 0),
    ({"patient": "d-7"}, 0),
    ({"practitioner": "d-7"}, 30),
    ({"location": "Location/room-3", "slot": "s-1"}, 10),
    ({"status": "booked,cancelled", "date": "2026-11-23"}, 30),
    ({"date": "lt2026-11-23T03:00+08:00"}, 6),
]


@pytest.mark.parametrize(("params", "expected"), APPOINTMENT_SEARCHES)
async def test_appointments_are_found_by_who_takes_part(
    cx: Context, appointments: Make, params: dict[str, str | list[str]], expected: int
) -> None:
    await fhir.create(cx, appointments(30))
    page = await fhir.search(cx, "Appointment", params)
    assert len(page.items) == expected


def of(key: str, kind: str, **more: Any) -> Json:
    return {"resourceType": kind, "id": key, **more}


def ref(target: str) -> Json:
    return {"reference": target}


SPECIALTY = [{"coding": [{"system": "urn:sct", "code": "03.04"}]}]
HOSPITAL = "上海市普陀区长寿路街道第一人民社区卫生服务中心"
OTHERS = [
    of("o-1", "Organization", name=HOSPITAL, alias=["长寿社区"]),
    of("o-2", "Organization", name="心内科", partOf=ref("Organization/o-1")),
    of("l-1", "Location", name="3号楼 2层", managingOrganization=ref("Organization/o-1")),
    of(
        "h-1",
        "HealthcareService",
        name="心内科门诊",
        providedBy=ref("Organization/o-1"),
        specialty=SPECIALTY,
    ),
    of("d-1", "Practitioner", identifier=[{"value": "N7"}], name=[{"text": "单雄信"}]),
    of(
        "r-1",
        "PractitionerRole",
        practitioner=ref("Practitioner/d-1"),
        organization=ref("Organization/o-1/_history/2"),
        specialty=SPECIALTY,
    ),
    of("rp-1", "RelatedPerson", patient=ref("Patient/p"), identifier=[{"value": "R1"}]),
    of(
        "k-1",
        "Schedule",
        actor=[ref("Practitioner/d-1"), ref("HealthcareService/h-1")],
        planningHorizon={"start": "2026-11-01", "end": "2026-11-30"},
    ),
    of("k-2", "Schedule", actor=[ref("https://elsewhere.example/fhir/Location/9")]),
    of(
        "e-1",
        "AuditEvent",
        type={"code": "rest"},
        recorded="2026-11-22T01:00:00Z",
        agent=[{"who": ref("Practitioner/d-1"), "requestor": True}],
        source={"observer": ref("Organization/o-1")},
        entity=[{"what": ref("Patient/p")}],
    ),
]


@pytest.mark.parametrize(
    ("kind", "params", "expected"),
    [
        ("Organization", {"name": "上海市普陀区"}, "o-1"),
        ("Organization", {"name": HOSPITAL}, "o-1"),
        ("Organization", {"name": HOSPITAL[:20]}, "o-1"),
        ("Organization", {"name": HOSPITAL[:20] + "x"}, ""),
        ("Organization", {"name": "长寿"}, "o-1"),
        ("Organization", {"partof": "o-1"}, "o-2"),
        ("Location", {"name": "2层"}, "l-1"),
        ("Location", {"organization": "Organization/o-1"}, "l-1"),
        ("HealthcareService", {"specialty": "03.04", "organization": "o-1"}, "h-1"),
        ("HealthcareService", {"name": "心内"}, "h-1"),
        ("Practitioner", {"identifier": "N7"}, "d-1"),
        ("Practitioner", {"name": "shanxiong"}, "d-1"),
        ("PractitionerRole", {"practitioner": "d-1", "organization": "o-1"}, "r-1"),
        ("PractitionerRole", {"specialty": "urn:sct|03.04"}, "r-1"),
        ("RelatedPerson", {"patient": "Patient/p", "identifier": "R1"}, "rp-1"),
        ("Schedule", {"actor": "d-1"}, "k-1"),
        ("Schedule", {"actor": "HealthcareService/h-1"}, "k-1"),
        ("Schedule", {"actor": "https://elsewhere.example/fhir/Location/9"}, "k-2"),
        ("Schedule", {"date": "ge2026-11-15"}, "k-1"),
        ("Schedule", {"date": "2026-11"}, "k-1"),
        ("Schedule", {"date": "2026-11-15"}, ""),
        ("Schedule", {"date": "gt2026-11-30"}, ""),
        ("AuditEvent", {"patient": "p"}, "e-1"),
        ("AuditEvent", {"agent": "d-1", "date": "2026-11-22"}, "e-1"),
        ("Invoice", {"_id": "none"}, ""),
    ],
)
async def test_the_other_types_are_found(
    cx: Context, kind: str, params: dict[str, str], expected: str
) -> None:
    await fhir.put(cx, OTHERS)
    page = await fhir.search(cx, kind, params)
    assert [each["id"] for each in page.items] == expected.split()


@pytest.mark.parametrize(
    ("kind", "params", "error"),
    [
        ("Patient", {"favourite-colour": "red"}, fhir.ParameterUnknown),
        ("Patient", {"name:below": "x"}, fhir.ParameterUnknown),
        ("Slot", {"patient": "p"}, fhir.ParameterUnknown),
        ("patient", {}, fhir.TypeUnknown),
        ("Slot", {"start": "yesterday"}, fhir.ValueBroken),
        ("Slot", {"start": "2026-13-01"}, fhir.ValueBroken),
        ("Slot", {"status": ""}, fhir.ValueBroken),
        ("Slot", {"status": "free,"}, fhir.ValueBroken),
        ("Appointment", {"patient": "Practitioner/d-7"}, fhir.ValueBroken),
        ("Appointment", {"actor": "Table/4"}, fhir.ValueBroken),
        ("Patient", {"name": " , "}, fhir.ValueBroken),
        ("Patient", {"_id": ["x"] * 65}, fhir.ValueBroken),
    ],
)
async def test_what_is_not_understood_is_refused(
    cx: Context, kind: str, params: dict[str, str], error: type[Exception]
) -> None:
    with pytest.raises(error):
        await fhir.search(cx, kind, params)


async def test_pages_hold_everything_once_in_order(cx: Context, appointments: Make) -> None:
    await fhir.create(cx, appointments(53))
    seen: list[str] = []
    after = None
    while True:
        page = await fhir.search(cx, "Appointment", {"practitioner": "d-7"}, after, 10)
        seen += [f"{each['start']} {each['id']}" for each in page.items]
        after = page.next
        if after is None:
            break
    assert len(seen) == 53
    assert seen == sorted(set(seen))


async def test_a_foreign_page_token_is_refused(cx: Context) -> None:
    with pytest.raises(TokenBroken):
        await fhir.search(cx, "Patient", {}, after="WyJ4IiwgInkiXQ")


async def test_search_is_one_statement(
    cx: Context, appointments: Make, statements: Callable[[], int]
) -> None:
    await fhir.create(cx, appointments(40))
    statements()
    await fhir.search(cx, "Appointment", {"practitioner": "d-7", "status": "booked"})
    assert statements() == 1


async def test_an_update_moves_what_it_is_found_by(cx: Context) -> None:
    await fhir.put(cx, [slot("s-8", "23T08:00")])
    await fhir.put(cx, [slot("s-8", "25T08:00", "busy")])
    assert (await fhir.search(cx, "Slot", {"start": "2026-11-23"})).items == []
    assert (await fhir.search(cx, "Slot", {"status": "free"})).items == []
    assert len((await fhir.search(cx, "Slot", {"start": "2026-11-25"})).items) == 1
