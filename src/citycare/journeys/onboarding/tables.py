"""The CSV tables: which columns each has, in English and Chinese, and how a row is read.

A table is known by its columns, so files may have any name. `docs/import.md` describes them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from citycare.journeys.onboarding.cells import Cells
from citycare.journeys.onboarding.model import (
    ClinicRow,
    DepartmentRow,
    OrganisationRow,
    PractitionerRow,
    Read,
    Ref,
    RoleRow,
    Shares,
    TemplateRow,
    WindowRow,
)
from citycare.kit import clock
from citycare.scenarios.booking.model.core import Pool

CAPACITY_MAX = 60
WINDOW_MIN_MAX = 1_440  # the real limit is policy; over it is `window_too_long`
DEGREES_MAX = 180

KINDS = {
    "hospital": "hospital",
    "医院": "hospital",
    "community_centre": "community_centre",
    "社区卫生服务中心": "community_centre",
    "emergency_centre": "emergency_centre",
    "急救中心": "emergency_centre",
    "commission": "commission",
    "卫生健康委": "commission",
}
SEXES = {"male": "male", "男": "male", "female": "female", "女": "female", "unknown": "unknown"}
CLINIC_KINDS = {
    "general": "general",
    "普通": "general",
    "expert": "expert",
    "专家": "expert",
    "special": "special",
    "特需": "special",
}
RELEASES = {"first_come": "first_come", "先到先得": "first_come", "draw": "draw", "摇号": "draw"}
WEEKDAYS = {
    **{str(day): str(day) for day in range(1, 8)},
    **{f"周{name}": str(day) for day, name in enumerate("一二三四五六日", 1)},
}
POOLS = {
    "public": "公开",
    "referral": "基层预留",
    "onsite": "现场",
    "elder": "老年",
    "followup": "复诊",
}


@dataclass(frozen=True, slots=True)
class Table:
    """One kind of CSV: its columns with their Chinese names, and what a row becomes."""

    name: str
    required: dict[str, str]
    optional: dict[str, str]
    read: Callable[[Cells, Read], None]

    def column(self, header: str) -> str | None:
        """Return the column a header cell names, in either language."""
        wanted = header.strip().lower()
        for columns in (self.required, self.optional):
            for name, chinese in columns.items():
                if wanted in (name, chinese):
                    return name
        return None


def _organisation(cells: Cells, into: Read) -> None:
    name = cells.text("name", required=True)
    uscc = cells.uscc("uscc")
    parent = cells.text("parent")
    into.named |= {name, cells.text("uscc")}
    row = OrganisationRow(
        cells.origin,
        tuple(filter(None, (uscc, name))),
        name,
        uscc,
        cells.choice("kind", KINDS, "hospital"),
        cells.district("district"),
        cells.text("short_name"),
        cells.texts("nicknames"),
        cells.text("level"),
        cells.text("address"),
        cells.text("phone"),
        cells.degrees("latitude", DEGREES_MAX // 2),
        cells.degrees("longitude", DEGREES_MAX),
        Ref(parent) if parent else None,
    )
    if not cells.wrong:
        into.organisations.append(row)


def _department(cells: Cells, into: Read) -> None:
    into.named.add(f"department {cells.text('name')}")
    row = DepartmentRow(
        cells.origin,
        (),
        Ref(cells.text("organisation", required=True)),
        cells.text("code", required=True),
        cells.text("name", required=True),
        cells.text("place"),
    )
    if not cells.wrong:
        into.departments.append(row)


def _practitioner(cells: Cells, into: Read) -> None:
    licence = cells.text("licence", required=True)
    into.named.add(licence)
    row = PractitionerRow(
        cells.origin,
        (licence,),
        licence,
        cells.text("name", required=True),
        cells.choice("sex", SEXES, "unknown"),
        cells.text("title"),
        cells.text("good_at"),
    )
    organisation = cells.text("organisation", required=True)
    roles = [
        RoleRow(cells.origin, (), Ref(licence), Ref(department, organisation))
        for department in cells.texts("departments")
    ]
    if not cells.wrong:
        into.practitioners.append(row)
        into.roles += roles


def _clinic(cells: Cells, into: Read) -> None:
    code = cells.text("clinic", required=True)
    into.named.add(f"clinic {code}")
    organisation = cells.text("organisation", required=True)
    licence = cells.text("licence")
    row = ClinicRow(
        cells.origin,
        (),
        code,
        Ref(organisation),
        Ref(cells.text("department", required=True), organisation),
        Ref(licence) if licence else None,
        cells.choice("kind", CLINIC_KINDS, "expert" if licence else "general"),
        cells.fen("fee"),
        cells.choice("release", RELEASES, "first_come"),
        cells.text("room"),
    )
    if not cells.wrong:
        into.clinics.append(row)


def _shares(cells: Cells, capacity: int) -> Shares | None:
    """Read the pools' columns; all empty means that policy divides the places."""
    given = [name for name in POOLS if cells.text(name)]
    if not given:
        return None
    parts = {Pool(name): cells.number(name, 0, CAPACITY_MAX, 0) for name in POOLS}
    if sum(parts.values()) != capacity and not cells.wrong:
        cells.fail("shares_sum", "capacity", sum=sum(parts.values()), capacity=capacity)
    return {pool: count for pool, count in parts.items() if count}


def _clinic_ref(cells: Cells) -> Ref:
    return Ref(cells.text("clinic", required=True), cells.text("organisation", required=True))


def _capacity(cells: Cells) -> int:
    value = cells.text("capacity", required=True)
    if not value.isascii() or not value.isdigit() or not 1 <= int(value[:9]) <= CAPACITY_MAX:
        if value:
            cells.fail("capacity", "capacity")
        return 1
    return int(value)


def _template(cells: Cells, into: Read) -> None:
    ref = _clinic_ref(cells)
    weekday = cells.choice("weekday", WEEKDAYS)
    starts, ends = cells.clock("starts"), cells.clock("ends")
    window = cells.number("window_min", 1, WINDOW_MIN_MAX, 30)
    capacity = _capacity(cells)
    shares = _shares(cells, capacity)
    first, last = cells.day("valid_from"), cells.day("valid_to", required=False)
    if starts is not None and ends is not None:
        session = (ends.hour - starts.hour) * 60 + ends.minute - starts.minute
        if session <= 0:
            cells.fail("window_order", "ends")
        elif session % window:
            cells.fail("template_tiles", "window_min")
    if first and last and last < first:
        cells.fail("window_order", "valid_to")
    if not cells.wrong and starts and ends and first:
        row = TemplateRow(
            cells.origin, ref, int(weekday), starts, ends, window, capacity, shares, first, last
        )
        into.templates.append(row)


def _window(cells: Cells, into: Read) -> None:
    ref = _clinic_ref(cells)
    day, starts, ends = cells.day("date"), cells.clock("starts"), cells.clock("ends")
    capacity = _capacity(cells)
    shares = _shares(cells, capacity)
    if cells.wrong or day is None or starts is None or ends is None:
        return
    begin, end = clock.at(day, starts), clock.at(day, ends)
    if ends.hour == 0 and ends.minute == 0 and starts > ends:
        end += timedelta(days=1)  # up to midnight
    into.windows.append(WindowRow(cells.origin, ref, begin, end, capacity, shares))


CLINIC = {"organisation": "机构", "clinic": "门诊代码"}
TIMES = {"starts": "开始", "ends": "结束", "capacity": "号数"}

TABLES = (
    Table(
        "organisations",
        {"name": "机构名称", "uscc": "统一社会信用代码", "district": "行政区划代码"},
        {
            "short_name": "简称",
            "nicknames": "俗称",
            "kind": "机构类别",
            "level": "等级",
            "address": "地址",
            "phone": "电话",
            "latitude": "纬度",
            "longitude": "经度",
            "parent": "上级机构",
        },
        _organisation,
    ),
    Table(
        "departments",
        {"organisation": "机构", "code": "科目代码", "name": "科室名称"},
        {"place": "位置"},
        _department,
    ),
    Table(
        "practitioners",
        {"licence": "工号", "name": "姓名", "organisation": "机构", "departments": "科室"},
        {"sex": "性别", "title": "职称", "good_at": "擅长"},
        _practitioner,
    ),
    Table(
        "clinics",
        {**CLINIC, "department": "科室", "fee": "挂号费"},
        {"licence": "工号", "kind": "门诊类别", "release": "放号方式", "room": "诊室"},
        _clinic,
    ),
    Table(
        "schedules",
        {**CLINIC, "weekday": "星期", **TIMES, "valid_from": "生效日期"},
        {"window_min": "时段分钟", "valid_to": "失效日期", **POOLS},
        _template,
    ),
    Table(
        "windows",
        {**CLINIC, "date": "日期", **TIMES},
        POOLS,
        _window,
    ),
)


def find_table(headers: list[str]) -> Table | None:
    """Return the table whose required columns are most fully there; None when under half are."""

    def score(table: Table) -> tuple[float, int]:
        found = {table.column(header) for header in headers}
        needed = sum(name in found for name in table.required)
        return needed / len(table.required), len(found - {None})

    best = max(TABLES, key=score)
    return best if score(best)[0] > 1 / 2 else None
