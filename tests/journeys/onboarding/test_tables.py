from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from citycare.journeys.onboarding import NothingToImport, Report, import_paths
from citycare.kernel import fhir
from citycare.kernel.context import SYSTEM, Context
from citycare.kit import clock
from citycare.kit.db import Database

Import = Callable[..., Awaitable[Report]]
Counts = Callable[[], Awaitable[dict[str, int]]]


def seen(report: Report) -> list[tuple[str, str, str, str]]:
    return [
        (each.file, each.where, each.field, each.code.removeprefix("onboarding."))
        for each in report.faults
    ]


async def test_a_hospitals_tables_become_clinics_and_windows(
    load: Import, files: dict[str, str], counts: Counts
) -> None:
    report = await load(files)
    assert seen(report) == []
    found = await counts()
    assert report.written["windows"] == found["windows"]
    assert {name: found[name] for name in report.written} == dict(report.written)
    assert found["organisations"] == 1
    assert (found["departments"], found["practitioners"], found["roles"]) == (2, 2, 3)
    assert (found["clinics"], found["templates"]) == (2, 2)
    # As far as follow-up places are released, four weeks: Mondays (7 windows), Wednesdays (6), and
    # the two explicit ones.
    assert found["windows"] == 4 * 7 + 4 * 6 + 2


async def test_what_was_imported_is_in_the_record(
    load: Import, files: dict[str, str], database: Database
) -> None:
    await load(files)
    async with database.transaction() as db:
        cx = Context(db, SYSTEM, clock.now(), "t")
        (hospital,) = (await fhir.search(cx, "Organization", {"name": "青中山"})).items
        parts = await fhir.search(cx, "Organization", {"partof": hospital["id"]})
        (doctor,) = (await fhir.search(cx, "Practitioner", {"name": "zengxiao"})).items
        roles = await fhir.search(cx, "PractitionerRole", {"practitioner": doctor["id"]})
        (schedule,) = (await fhir.search(cx, "Schedule", {"actor": doctor["id"]})).items
        params = {"schedule": schedule["id"], "start": "2026-11-23"}
        slots = await fhir.search(cx, "Slot", params)
        services = await fhir.search(cx, "HealthcareService", {"specialty": "03.04"})
    assert sorted(each["name"] for each in parts.items) == ["心内科", "眼科"]
    assert len(roles.items) == 1
    assert len(slots.items) == 7
    assert [each["id"] for each in services.items] == [schedule["id"]]


async def test_importing_again_changes_nothing_but_versions(
    load: Import, files: dict[str, str], counts: Counts
) -> None:
    await load(files)
    before = await counts()
    report = await load(files)
    assert seen(report) == []
    assert await counts() == before
    assert [each.code for each in report.notes] == ["onboarding.slots_there"]


async def test_check_only_writes_nothing(refuse: Import, files: dict[str, str]) -> None:
    report = await refuse(files, check_only=True)
    assert report.ok
    assert report.read["windows"] == 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
async def test_encodings_are_detected(
    load: Import, files: dict[str, str], encoding: str, database: Database
) -> None:
    report = await load({name: text.encode(encoding) for name, text in files.items()})
    assert seen(report) == []
    async with database.autocommit() as db:
        row = await (await db.execute("SELECT name FROM identity.organisation")).fetchone()
    assert row == {"name": "青浦区中山医院"}


async def test_chinese_headers_tabs_and_full_width_are_understood(
    load: Import, files: dict[str, str]
) -> None:
    files["clinics.csv"] = (
        "机构\t门诊代码\t科室\t工号\t门诊类别\t挂号费\n"
        "青浦区中山医院\tXN-01\t心内科\tN-77\t专家\t50元\n"
        "青浦区中山医院\tYK-00\t眼科\t\t普通\t25\n"
    )
    files["windows.csv"] = (
        "机构,门诊代码,日期,开始,结束,号数\n青浦区中山医院,YK-00,2026/11/24,8:00,8:30,5\n"
    )
    report = await load(files)
    assert seen(report) == []


async def test_later_files_may_name_what_is_in_the_database(
    load: Import, files: dict[str, str], counts: Counts
) -> None:
    first = ("organisations.csv", "departments.csv")
    assert (await load({name: files[name] for name in first})).ok
    report = await load({name: text for name, text in files.items() if name not in first})
    assert seen(report) == []
    assert (await counts())["clinics"] == 2


async def test_a_daily_file_of_windows_names_clinics_in_the_database(
    load: Import, files: dict[str, str], counts: Counts
) -> None:
    windows = files.pop("windows.csv")
    await load(files)
    before = await counts()
    report = await load({"windows.csv": windows})
    assert seen(report) == []
    after = await counts()
    assert (after["windows"], after["clinics"]) == (before["windows"] + 2, before["clinics"])


BROKEN: list[tuple[str, str, str, tuple[str, str, str]]] = [
    ("organisations.csv", "91350100M000100Y43", "91350100M000100Y44", ("row 2", "uscc", "uscc")),
    ("organisations.csv", "310118", "青浦区", ("row 2", "district", "district")),
    ("organisations.csv", "hospital", "pub", ("row 2", "kind", "choice")),
    ("organisations.csv", ",district", ",distrikt", ("row 1", "distrikt", "column_unknown")),
    ("organisations.csv", "kind,level", "kind,kind", ("row 1", "kind", "column_twice")),
    ("departments.csv", "03.04", "99.99", ("row 2", "code", "department_code")),
    ("departments.csv", "眼科", "心内科", ("row 3", "name", "differs")),
    ("departments.csv", ",3号楼2层", "", ("row 2", "", "cells")),
    ("practitioners.csv", "N-78", "N-77", ("row 3", "licence", "differs")),
    ("practitioners.csv", "曾小贤", "", ("row 2", "name", "required")),
    ("practitioners.csv", "眼科|", "骨科|", ("row 3", "department", "reference_missing")),
    ("clinics.csv", "N-77", "N-99", ("row 2", "practitioner", "reference_missing")),
    ("clinics.csv", "25.5", "25.505", ("row 3", "fee", "money")),
    ("clinics.csv", "25.5", "-1", ("row 3", "fee", "money")),
    ("clinics.csv", "YK-00", "XN-01", ("row 3", "clinic", "differs")),
    ("schedules.csv", "周三", "周八", ("row 3", "weekday", "choice")),
    ("schedules.csv", ",30,6", ",90,6", ("row 2", "window_min", "template_tiles")),
    ("schedules.csv", "11:30,30", "11:30,70", ("row 2", "window_min", "window_too_long")),
    ("schedules.csv", "11:30,30", "07:30,30", ("row 2", "ends", "window_order")),
    ("schedules.csv", "周三,13:30", "1,09:30", ("row 3", "starts", "window_overlap")),
    ("windows.csv", "5,3,1,1", "5,3,1,2", ("row 2", "capacity", "shares_sum")),
    ("windows.csv", "5,3,1,1", "61,,,", ("row 2", "capacity", "capacity")),
    ("windows.csv", "5,3,1,1", "5,three,1,1", ("row 2", "public", "number")),
    ("windows.csv", "08:00,08:30", "06:00,07:01", ("row 2", "end", "window_too_long")),
    ("windows.csv", "08:30,09:00", "08:15,09:00", ("row 3", "start", "window_overlap")),
    ("windows.csv", "2026-11-24,08:00", "2026-11-20,08:00", ("row 2", "start", "window_past")),
    ("windows.csv", "2026-11-24,08:00", "2026-02-30,08:00", ("row 2", "date", "date")),
    ("windows.csv", "08:00,08:30", "8点,08:30", ("row 2", "starts", "time")),
    (
        "windows.csv",
        "YK-00,2026-11-24,08:30",
        "YK-07,2026-11-24,08:30",
        ("row 3", "clinic", "reference_missing"),
    ),
    (
        "windows.csv",
        "YK-00,2026-11-24,08:30,09:00",
        "XN-01,2026-11-23,08:15,08:45",
        ("row 3", "start", "window_on_template"),
    ),
    ("windows.csv", ",date", "", ("row 1", "date", "column_missing")),
]


@pytest.mark.parametrize(("name", "old", "new", "expected"), BROKEN)
async def test_a_fault_names_file_row_and_field_and_nothing_is_written(
    refuse: Import,
    files: dict[str, str],
    name: str,
    old: str,
    new: str,
    expected: tuple[str, str, str],
) -> None:
    assert old in files[name]
    files[name] = files[name].replace(old, new, 1 if name != "schedules.csv" else -1)
    report = await refuse(files)
    assert (name, *expected) in seen(report), seen(report)
    fault = next(each for each in report.faults if each.code.endswith(expected[2]))
    assert fault.words
    assert fault.message


async def test_all_faults_of_all_files_come_in_one_report(
    refuse: Import, files: dict[str, str]
) -> None:
    files["organisations.csv"] = files["organisations.csv"].replace("310118", "")
    files["departments.csv"] = files["departments.csv"].replace("03.04", "99.99")
    files["windows.csv"] = files["windows.csv"].replace("08:30,5", "08:30,0")
    files["notes.csv"] = "a,b\n1,2\n"
    files["empty.csv"] = ""
    report = await refuse(files)
    assert {
        ("organisations.csv", "row 2", "district", "required"),
        ("windows.csv", "row 2", "capacity", "capacity"),
        ("notes.csv", "row 1", "", "table_unknown"),
        ("empty.csv", "", "", "file_empty"),
    } <= set(seen(report))
    assert report.as_dict()["fault_count"] == report.fault_count > 4


async def test_who_names_a_faulty_thing_is_not_blamed(
    refuse: Import, files: dict[str, str]
) -> None:
    files["organisations.csv"] = files["organisations.csv"].replace("310118", "青浦")
    files["windows.csv"] = files["windows.csv"].replace("2026-11-24,08:00", "2026-11-20,08:00")
    report = await refuse(files)
    assert seen(report) == [
        ("organisations.csv", "row 2", "district", "district"),
        ("windows.csv", "row 2", "start", "window_past"),
    ]


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"\xff\xff\xff\xfe", "encoding"),
        (b"a\x00b", "encoding"),
        (b'organisation,code,name\n"x,1,2\n', "csv_broken"),
    ],
)
async def test_broken_files_are_named(
    refuse: Import, files: dict[str, str], raw: bytes, code: str
) -> None:
    report = await refuse({**files, "z.csv": raw})
    assert next(each for each in seen(report) if each[0] == "z.csv")[3] == code


async def test_a_file_over_the_limit_is_not_read(
    refuse: Import, files: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("citycare.journeys.onboarding.read.MB", 1)
    monkeypatch.setattr("citycare.journeys.onboarding.read.STREAM_MB_MAX", 150)
    report = await refuse({"departments.csv": files["departments.csv"], "z.csv": "x" * 151})
    large = [each for each in seen(report) if each[3] == "file_too_large"]
    assert large == [("z.csv", "", "", "file_too_large")]


async def test_only_so_many_faults_are_listed_but_all_are_counted(refuse: Import) -> None:
    rows = "".join(f"x,99.{n:04d},科{n}\n" for n in range(1_500))
    report = await refuse({"departments.csv": "organisation,code,name\n" + rows})
    assert report.fault_count == 1_500
    assert len(report.faults) == 1_000


async def test_no_file_is_an_error(database: Database, tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing.csv"):
        with pytest.raises(NothingToImport):
            await import_paths(database, [path])


async def test_progress_is_told_until_the_end(load: Import, files: dict[str, str]) -> None:
    told: list[tuple[str, int, int]] = []
    await load(files, tell=lambda what, done, total: told.append((what, done, total)))
    assert told[0][0] == "clinics.csv"
    assert told[-1][0] == "write"
    assert told[-1][1] == told[-1][2]
