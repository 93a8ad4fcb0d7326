"""Values of a bulk import: what is read, how far it has come, what was refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from citycare.kernel.fhir.model import Violation
from citycare.kit.errors import Incorrect

Json = dict[str, Any]

MB = 1_000_000
BUNDLE_MB_MAX = 128
LINE_MB_MAX = 32
STRETCH_MB = 32
BATCH = 500

WORDS = {
    "json": ("不是有效的JSON", "is not JSON: {told}"),
    "encoding": ("不是UTF-8文本", "is not UTF-8 text"),
    "large": ("超过{told}", "is larger than {told}"),
    "kind": ("不是可以导入的FHIR资源或Bundle", "is no FHIR resource or Bundle to import: {told}"),
    "compressed": ("压缩文件已损坏", "cannot be decompressed: {told}"),
    "number": ("含有无法保存的字符或数字", "holds a sign or a number that cannot be kept"),
}


@dataclass(frozen=True, slots=True)
class Options:
    """How to import.

    Attributes:
        base: of this server: references written with it lead here.
        strict: a Bundle with one fault is refused whole, and every reference by a condition must
            find something.
        check: store nothing, only tell what would become of each resource.
        again: read anew what was begun before this instant, finished or not.
        owner: the organisation whose data it is.
    """

    base: str = ""
    strict: bool = False
    check: bool = False
    again: datetime | None = None
    owner: UUID | None = None

    @property
    def kind(self) -> bytes:
        """Tell imports apart that refuse other things of one content: each is noted by itself."""
        return b"strict " * self.strict + b"check " * self.check


@dataclass(frozen=True, slots=True)
class Part:
    """What one worker takes at a time: a file, a member of a zip, a stretch of a large NDJSON file.

    Attributes:
        path: of the file.
        size: bytes it stands for in the file, for the progress bar.
        member: of a zip; `""`: it is none.
        start, end: of a stretch, in bytes; end 0: the whole file.
        line: number of its first line, from 1.
    """

    path: Path
    size: int
    member: str = ""
    start: int = 0
    end: int = 0
    line: int = 1

    @property
    def name(self) -> str:
        """What people call it."""
        stretch = f"#line {self.line}" if self.line > 1 else ""
        return f"{self.path}{self.member and '!'}{self.member}{stretch}"


@dataclass(frozen=True, slots=True)
class Counts:
    """Resources by what became of them; they add up."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: int = 0

    def __add__(self, other: Counts) -> Counts:
        """Return the sums."""
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    @property
    def all(self) -> int:
        """Return how many there are."""
        return self.created + self.updated + self.unchanged + self.refused


@dataclass(frozen=True, slots=True)
class Refused:
    """A resource that was not stored, and each reason; `place`: line from 1, entry from 0."""

    place: int
    type: str
    id: str
    faults: tuple[Violation, ...]


@dataclass(frozen=True, slots=True)
class State:
    """What is known of a part: so many resources of it are settled, and whether that is all."""

    done: int
    ended: bool
    counts: Counts


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a part.

    Attributes:
        digest: of its content, under which its faults are kept.
        counts: of the part in all, earlier tries included.
        taken: resources this run has settled.
        skipped: it was finished before.
        error: what kept it from its end; `""`: nothing.
    """

    part: Part
    digest: bytes = b""
    counts: Counts = field(default_factory=Counts)
    taken: int = 0
    skipped: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """A part as it is noted, for those who watch imports.

    Attributes:
        done: resources that are settled.
        ended_at: None while it is under way, and where an import was stopped.
    """

    digest: bytes
    name: str
    bytes: int
    done: int
    created: int
    updated: int
    unchanged: int
    refused: int
    began_at: datetime
    ended_at: datetime | None


class NothingToImport(Incorrect):
    """There is no such file, or none in this folder."""

    code = "fhir.import_nothing"
    words = "没有找到可以导入的文件，请核对路径。"


class WorkersLost(Incorrect):
    """All processes of an import were killed; the same command goes on where they stopped."""

    code = "fhir.import_workers_lost"
    words = "导入进程被终止。再次运行同一命令即可从中断处继续。"


def fault(element: str, code: str, told: str = "", *, type_: str = "", id_: str = "") -> Violation:
    """Put a fault of a file or line into words."""
    words, message = WORDS[code]
    told = told[:200]
    return Violation(
        type_, id_, element, code,
        f"{element} {words.format(told=told)}".strip(),
        f"{element} {message.format(told=told)}".strip(),
    )  # fmt: skip


def as_told(one: Violation) -> Json:
    """Return what is told of a fault beside the resource it is of."""
    return {
        "element": one.element, "code": one.code, "words": one.words, "message": one.message,
    }  # fmt: skip


def named(resource: object) -> Mapping[str, str]:
    """Return type and id as far as they can be told, shortened."""
    given = resource if isinstance(resource, dict) else {}
    return {"type_": str(given.get("resourceType", ""))[:64], "id_": str(given.get("id", ""))[:64]}
