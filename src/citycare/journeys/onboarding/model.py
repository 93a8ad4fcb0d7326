"""What a file says, as plain rows that remember where they stood; faults; the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any

from citycare.kit.errors import Incorrect
from citycare.scenarios.booking.model.core import Pool

FAULTS_MAX = 1_000

Tell = Callable[[str, int, int], None]  # what is being done, how much of it, of how much
Shares = Mapping[Pool, int]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where something stood. `unit`: row of a CSV, line of an NDJSON, entry of a Bundle."""

    file: str
    unit: str
    number: int

    def __str__(self) -> str:
        """Write it as people look for it."""
        return f"entry[{self.number}]" if self.unit == "entry" else f"{self.unit} {self.number}"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong: where, what field, a stable code, words in both languages."""

    file: str
    where: str
    field: str
    code: str
    words: str
    message: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Ref:
    """Names another thing: a key, a `Type/id`, or a name within an organisation."""

    text: str
    within: str = ""


@dataclass(frozen=True, slots=True)
class OrganisationRow:
    """A hospital, community centre, emergency centre or commission."""

    origin: Origin
    keys: tuple[str, ...]
    name: str
    uscc: str | None
    kind: str
    district: str
    short_name: str = ""
    nicknames: tuple[str, ...] = ()
    level: str = ""
    address: str = ""
    phone: str = ""
    latitude: float | None = None
    longitude: float | None = None
    parent: Ref | None = None


@dataclass(frozen=True, slots=True)
class DepartmentRow:
    """A department of an organisation, with its code of 《医疗机构诊疗科目名录》."""

    origin: Origin
    keys: tuple[str, ...]
    organisation: Ref
    code: str
    name: str
    place: str = ""


@dataclass(frozen=True, slots=True)
class PractitionerRow:
    """Somebody who sees patients, known by licence or staff number."""

    origin: Origin
    keys: tuple[str, ...]
    licence: str
    name: str
    sex: str = "unknown"
    title: str = ""
    good_at: str = ""


@dataclass(frozen=True, slots=True)
class RoleRow:
    """A practitioner works in a department."""

    origin: Origin
    keys: tuple[str, ...]
    practitioner: Ref
    department: Ref


@dataclass(frozen=True, slots=True)
class ClinicRow:
    """What one books with. Without a practitioner it is a general clinic."""

    origin: Origin
    keys: tuple[str, ...]
    code: str
    organisation: Ref
    department: Ref
    practitioner: Ref | None
    kind: str
    fee_fen: int
    release: str = "first_come"
    room: str = ""


@dataclass(frozen=True, slots=True)
class TemplateRow:
    """A weekly rule. `shares` None: divided by policy."""

    origin: Origin
    clinic: Ref
    weekday: int
    starts: time
    ends: time
    window_min: int
    capacity: int
    shares: Shares | None
    valid_from: date
    valid_to: date | None


@dataclass(frozen=True, slots=True)
class WindowRow:
    """One window. `part`: it comes from a FHIR Slot and may be gathered with its neighbours."""

    origin: Origin
    clinic: Ref
    starts_at: datetime
    ends_at: datetime
    capacity: int
    shares: Shares | None
    part: bool = False


@dataclass(slots=True)
class Read:
    """Everything the files hold, by kind, in the order read.

    `named` are the keys of all things in the files, also of those whose own row is wrong: who
    refers to such a thing is not at fault.
    """

    organisations: list[OrganisationRow] = field(default_factory=list)
    departments: list[DepartmentRow] = field(default_factory=list)
    practitioners: list[PractitionerRow] = field(default_factory=list)
    roles: list[RoleRow] = field(default_factory=list)
    clinics: list[ClinicRow] = field(default_factory=list)
    templates: list[TemplateRow] = field(default_factory=list)
    windows: list[WindowRow] = field(default_factory=list)
    named: set[str] = field(default_factory=set)

    def counts(self) -> dict[str, int]:
        """Count the rows by kind."""
        return {name: len(getattr(self, name)) for name in self.__slots__ if name != "named"}


@dataclass(frozen=True, slots=True)
class Report:
    """What an import came to. With faults nothing was written."""

    files: tuple[str, ...]
    checked_only: bool
    faults: tuple[Fault, ...]
    fault_count: int
    notes: tuple[Fault, ...]
    read: Mapping[str, int]
    written: Mapping[str, int]

    @property
    def ok(self) -> bool:
        """Tell whether there was no fault."""
        return self.fault_count == 0

    def as_dict(self) -> dict[str, Any]:
        """Shape it for `--json`."""

        def shape(fault: Fault) -> dict[str, str]:
            return {name: getattr(fault, name) for name in fault.__slots__}

        return {
            "ok": self.ok,
            "checked_only": self.checked_only,
            "files": list(self.files),
            "read": dict(self.read),
            "written": dict(self.written),
            "fault_count": self.fault_count,
            "faults": [shape(fault) for fault in self.faults],
            "notes": [shape(fault) for fault in self.notes],
        }

    def text(self) -> str:
        """Write it for a person at a terminal."""
        lines = [
            f"{each.file} {each.where} {each.field}: {each.words} / {each.message} [{each.code}]"
            + (f" «{each.value}»" if each.value else "")
            for each in (*self.faults, *self.notes)
        ]
        more = self.fault_count - len(self.faults)
        if more:
            lines.append(f"另有 {more} 处问题未列出 / {more} more faults not listed")
        if not self.ok:
            lines.append(f"发现 {self.fault_count} 处问题，没有写入任何内容 / nothing was written")
        elif self.checked_only:
            lines.append("检查通过，没有写入 / checked, nothing was written")
        else:
            counts = ", ".join(f"{name} {number}" for name, number in self.written.items())
            lines.append(f"导入完成 / imported: {counts}")
        return "\n".join(lines)


class NothingToImport(Incorrect):
    """There is no file to import at this path."""

    code = "onboarding.nothing_to_import"
    words = "这个位置没有可以导入的文件，请检查路径；支持 .csv、.ndjson 和 .json。"
