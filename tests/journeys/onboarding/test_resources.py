from __future__ import annotations

import copy
import json
import tarfile
import tracemalloc
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from citycare.journeys.onboarding import Report
from citycare.journeys.onboarding.faults import Faults
from citycare.journeys.onboarding.read import read_files
from citycare.journeys.onboarding.resources import FEE_URL
from citycare.kit.db import Database
from citycare.scenarios.booking.rules.schedule import CAPACITY_URL

Json = dict[str, Any]
Import = Callable[..., Awaitable[Report]]
Counts = Callable[[], Awaitable[dict[str, int]]]

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
EXAMPLES = DATA / "fhir" / "hl7.fhir.r4.examples-4.0.1.tar.xz"


def ref(target: str) -> Json:
    return {"reference": target}


def slot(number: int, start: str, end: str, **more: Any) -> Json:
    return {
        "resourceType": "Slot",
        "id": f"s-{number}",
        "schedule": ref("Schedule/k-1"),
        "status": "free",
        "start": f"2026-11-24T{start}:00+08:00",
        "end": f"2026-11-24T{end}:00+08:00",
        **more,
    }


HOSPITAL: list[Json] = [
    {
        "resourceType": "Organization",
        "id": "o-1",
        "identifier": [{"system": "urn:x", "value": "91350100M000100Y43"}],
        "name": "青浦区中山医院",
        "alias": ["中山青浦", "青中山"],
        "address": [{"text": "公园东路1158号", "district": "310118"}],
        "telecom": [{"system": "phone", "value": "021-69719190"}],
    },
    {
        "resourceType": "Organization",
        "id": "o-2",
        "name": "心内科",
        "type": [{"coding": [{"code": "dept"}, {"code": "03.04"}]}],
        "partOf": ref("Organization/o-1"),
    },
    {
        "resourceType": "Practitioner",
        "id": "d-1",
        "identifier": [{"value": "N-77"}],
        "name": [{"family": "曾", "given": ["小贤"]}],
        "gender": "male",
        "qualification": [{"code": {"text": "主任医师"}}],
    },
    {
        "resourceType": "PractitionerRole",
        "id": "r-1",
        "practitioner": ref("Practitioner/d-1"),
        "organization": ref("Organization/o-2"),
    },
    {"resourceType": "Location", "id": "l-1", "name": "305诊室"},
    {
        "resourceType": "Schedule",
        "id": "k-1",
        "actor": [ref("PractitionerRole/r-1"), ref("Location/l-1")],
        "extension": [{"url": FEE_URL, "valueMoney": {"value": 50, "currency": "CNY"}}],
    },
]
QUARTERS = ["08:00", "08:15", "08:30", "08:45", "09:00"]
SLOTS = [slot(n, QUARTERS[n], QUARTERS[n + 1]) for n in range(4)]


@pytest.fixture
def hospital() -> list[Json]:
    return copy.deepcopy(HOSPITAL)


def ndjson(*resources: Json) -> str:
    return "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in resources)


def bundle(*resources: Json) -> str:
    entries = [
        {"fullUrl": f"https://h.example/fhir/{each['resourceType']}/{each['id']}", "resource": each}
        for each in resources
    ]
    return json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries})


def seen(report: Report) -> list[tuple[str, str, str, str]]:
    return [
        (each.file, each.where, each.field, each.code.removeprefix("onboarding."))
        for each in report.faults
    ]


async def windows(database: Database) -> list[tuple[str, int, int]]:
    statement = """
        SELECT to_char(starts_at AT TIME ZONE 'Asia/Shanghai', 'HH24:MI') AS at, capacity,
               extract(epoch FROM ends_at - starts_at)::int / 60 AS minutes
          FROM booking.slot ORDER BY starts_at
    """
    async with database.autocommit() as db:
        rows = await (await db.execute(statement)).fetchall()
    return [(row["at"], row["minutes"], row["capacity"]) for row in rows]


async def test_resources_in_any_order_and_file_become_a_clinic(
    load: Import, hospital: list[Json], database: Database, counts: Counts
) -> None:
    first, rest = [*reversed(hospital[3:]), *SLOTS], hospital[:3]
    report = await load({"a.ndjson": ndjson(*first), "b.json": bundle(*rest)})
    assert seen(report) == []
    assert await windows(database) == [(at, 15, 1) for at in QUARTERS[:4]]
    async with database.autocommit() as db:
        row = await (await db.execute("SELECT * FROM booking.clinic")).fetchone()
    assert row is not None
    assert (row["practitioner_name"], row["title"]) == ("曾小贤", "主任医师")
    assert (row["department_code"], row["room"], row["fee_fen"]) == ("03.04", "305诊室", 5000)
    assert (row["kind"], row["organisation_short"]) == ("expert", "中山青浦")
    assert (await counts())["places"] == 4


async def test_short_slots_are_gathered_into_windows_with_numbered_places(
    load: Import, hospital: list[Json], database: Database
) -> None:
    extra = [slot(7, "09:30", "09:40"), slot(8, "09:30", "09:40"), slot(9, "10:00", "10:30")]
    extra[2]["extension"] = [{"url": CAPACITY_URL, "valueInteger": 6}]
    report = await load({"a.ndjson": ndjson(*hospital, *SLOTS, *extra)}, window_min=30)
    assert seen(report) == []
    assert await windows(database) == [
        ("08:00", 30, 2),
        ("08:30", 30, 2),
        ("09:30", 10, 2),
        ("10:00", 30, 6),
    ]


async def test_taken_slots_are_passed_over_and_told(
    load: Import, hospital: list[Json], database: Database
) -> None:
    slots = copy.deepcopy(SLOTS)
    slots[1]["status"] = "busy"
    report = await load({"a.ndjson": ndjson(*hospital, *slots)})
    assert seen(report) == []
    assert [each.code for each in report.notes] == ["onboarding.slot_taken"]
    assert len(await windows(database)) == 3


async def test_a_table_says_what_a_schedule_leaves_out(
    load: Import, hospital: list[Json], database: Database
) -> None:
    del hospital[5]["extension"]
    report = await load({"a.ndjson": ndjson(*hospital, *SLOTS)})
    assert seen(report)[0] == ("a.ndjson", "line 6", "Schedule.extension", "fee_missing")
    table = (
        "organisation,clinic,department,licence,kind,fee\n青浦区中山医院,k-1,心内科,N-77,特需,300\n"
    )
    report = await load({"a.ndjson": ndjson(*hospital, *SLOTS), "clinics.csv": table})
    assert seen(report) == []
    assert len(await windows(database)) == 4


async def test_a_specialty_of_the_hospital_itself_implies_a_department(
    load: Import, hospital: list[Json], counts: Counts
) -> None:
    hospital[3]["organization"] = ref("Organization/o-1")
    hospital[3]["specialty"] = [{"coding": [{"code": "10"}]}]
    report = await load({"a.ndjson": ndjson(*hospital, *SLOTS)})
    assert seen(report) == []
    assert (await counts())["departments"] == 2


async def test_importing_the_same_resources_again_adds_nothing(
    load: Import, hospital: list[Json], counts: Counts
) -> None:
    given = {"a.ndjson": ndjson(*hospital, *SLOTS)}
    await load(given)
    before = await counts()
    assert (await load(given)).ok
    assert await counts() == before


async def test_slots_may_name_our_own_schedules(
    load: Import, hospital: list[Json], database: Database
) -> None:
    await load({"a.ndjson": ndjson(*hospital)})
    async with database.autocommit() as db:
        row = await (await db.execute("SELECT id FROM booking.clinic")).fetchone()
    assert row is not None
    own = slot(1, "08:00", "08:15", schedule=ref(f"Schedule/{row['id']}"))
    report = await load({"b.ndjson": ndjson(own)})
    assert seen(report) == []
    assert await windows(database) == [("08:00", 15, 1)]


BROKEN: list[tuple[int, dict[str, Any], tuple[str, str, str]]] = [
    (0, {"address": None}, ("line 1", "Organization.address.district", "district")),
    (0, {"name": None}, ("line 1", "Organization.name", "required")),
    (1, {"partOf": ref("Organization/x")}, ("line 2", "organisation", "reference_missing")),
    (2, {"identifier": None}, ("line 3", "Practitioner.identifier", "required")),
    (2, {"gender": "m"}, ("line 3", "Practitioner.gender", "fhir_invalid")),
    (2, {"id": "a b"}, ("line 3", "Practitioner.id", "fhir_invalid")),
    (
        3,
        {"practitioner": {"display": "曾医生"}},
        ("line 4", "PractitionerRole.practitioner", "reference_display_only"),
    ),
    (
        3,
        {"practitioner": ref("Practitioner/x")},
        ("line 4", "practitioner", "reference_missing"),
    ),
    (3, {"organization": None}, ("line 4", "PractitionerRole.organization", "required")),
    (5, {"actor": [ref("Location/l-1")]}, ("line 6", "Schedule.actor", "department_missing")),
    (
        5,
        {"actor": [ref("PractitionerRole/r-9")]},
        ("line 6", "Schedule.actor[0]", "reference_missing"),
    ),
    (
        5,
        {"extension": [{"url": FEE_URL, "valueMoney": {"value": 1.234}}]},
        ("line 6", "Schedule.extension[clinic-fee]", "money"),
    ),
    (6, {"schedule": ref("Schedule/k-9")}, ("line 7", "schedule", "reference_missing")),
    (6, {"schedule": {"display": "x"}}, ("line 7", "Slot.schedule", "reference_display_only")),
    (6, {"start": "2026-11-24T08:00:00"}, ("line 7", "Slot.start", "fhir_invalid")),
    (6, {"end": "2026-11-24T07:00:00+08:00"}, ("line 7", "end", "window_order")),
    (6, {"end": "2026-11-24T09:01:00+08:00"}, ("line 7", "end", "window_too_long")),
    (6, {"start": "2025-11-24T08:00:00+08:00"}, ("line 7", "start", "window_past")),
    (7, {"start": "2026-11-24T08:10:00+08:00"}, ("line 8", "start", "window_overlap")),
    (7, {"id": "s-0"}, ("line 8", "Slot.id", "duplicate")),
    (
        7,
        {"extension": [{"url": CAPACITY_URL, "valueInteger": 61}]},
        ("line 8", "Slot.extension[slot-capacity]", "capacity"),
    ),
]


@pytest.mark.parametrize(("index", "change", "expected"), BROKEN)
async def test_a_fault_names_line_and_element_and_nothing_is_written(
    refuse: Import,
    hospital: list[Json],
    index: int,
    change: dict[str, Any],
    expected: tuple[str, str, str],
) -> None:
    resources = [*hospital, *copy.deepcopy(SLOTS)]
    for name, value in change.items():
        resources[index][name] = value
        if value is None:
            del resources[index][name]
    report = await refuse({"a.ndjson": ndjson(*resources)})
    assert ("a.ndjson", *expected) in seen(report), seen(report)


async def test_broken_json_is_named_by_line_or_entry(refuse: Import, hospital: list[Json]) -> None:
    report = await refuse(
        {
            "a.ndjson": ndjson(*hospital[:2]) + '{"resourceType": "Slot",\n' + "[1]\nNaN\n",
            "b.json": bundle(*hospital)[:-5],
            "c.json": '{"resourceType": "Bundle", "entry": [{"fullUrl": "x"}]}',
            "d.json": "[1, 2]",
            "e.ndjson": '{"resourceType": "Slat", "id": "1"}\n{"a": ' + "[" * 10_000 + "\n",
        }
    )
    assert {(name, where, code) for name, where, _, code in seen(report)} == {
        ("a.ndjson", "line 3", "json_broken"),
        ("a.ndjson", "line 4", "json_broken"),
        ("a.ndjson", "line 5", "json_broken"),
        ("b.json", "line 1", "json_broken"),
        ("c.json", "entry[0]", "required"),
        ("d.json", "", "bundle_wrong"),
        ("e.ndjson", "line 1", "fhir_invalid"),
        ("e.ndjson", "line 2", "json_broken"),
    }


def test_a_large_file_is_read_with_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "large.ndjson"
    with path.open("w") as file:
        for n in range(1_500):
            file.write(ndjson(slot(n, "08:00", "08:15", comment="x" * 4_000)))
    tracemalloc.start()
    try:
        rows = read_files([path], Faults(), lambda *_: None)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(rows.windows) == 1_500
    assert peak < path.stat().st_size / 2


@pytest.mark.outside_data
async def test_official_examples_are_refused_with_clear_faults(refuse: Import) -> None:
    if not EXAMPLES.exists():
        pytest.skip(f"outside data missing: {EXAMPLES}")
    kinds = ("HealthcareService", "Location", "PractitionerRole", "Schedule", "Slot")
    lines = []
    with tarfile.open(EXAMPLES) as archive:
        for member in archive:
            name = Path(member.name).name
            stream = archive.extractfile(member) if name.split("-")[0] in kinds else None
            if stream is not None and name.endswith(".json"):
                lines.append(json.dumps(json.load(stream)))
    report = await refuse({"official.ndjson": "\n".join(lines)})
    found = {(field, code) for _, _, field, code in seen(report)}
    assert ("HealthcareService.providedBy", "reference_missing") in found
    assert ("Schedule.actor[1]", "reference_missing") in found
    assert ("start", "window_past") in found
    assert ("schedule", "reference_missing") not in found
    assert all(code != "json_broken" for _, code in found)
