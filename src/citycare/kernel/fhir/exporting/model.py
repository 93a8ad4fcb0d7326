"""Values of a bulk export: what is asked, how far it is, its files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from citycare.kernel.fhir.finding import EVERYTHING, Visible
from citycare.kit.errors import Busy, Incorrect, NotFound

KEPT = timedelta(days=1)
RUNNING_MAX = 20
ACCOUNT_MAX = 5
"""Under way at a time: of all, and of one account, so that it leaves room for others."""
MEMBERS_MAX = 100_000
STEP_ROWS = 10_000
"""Rows a step looks at, and resources a file has, at most; of a group: files have those of 50."""
STEP_MEMBERS = 50
SPARSE = 10
"""A file may have looked at so many times STEP_ROWS, if what may be seen is rare."""


class Level(StrEnum):
    """Whose data is asked for."""

    SYSTEM = "system"
    PATIENT = "patient"
    GROUP = "group"


@dataclass(frozen=True, slots=True)
class Asked:
    """What an export is to have.

    Attributes:
        level: all there is, what belongs to patients, or to the members of a group.
        group: id of the Group.
        patients: of the level patient: only these ids; empty: all.
        types: exactly these, in this order; empty: all that the level has.
        since: only what was changed after it.
        request: the address that was asked, for the manifest.
        visible: what whoever asks may see; a type seen within `limits` is left out, whole: an
            export keeps no criteria.
    """

    level: Level
    group: str = ""
    patients: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    since: datetime | None = None
    request: str = ""
    visible: Visible = EVERYTHING


@dataclass(frozen=True, slots=True)
class File:
    """NDJSON of one type: `count` lines, `bytes` in UTF-8 with the line ends."""

    number: int
    type: str
    count: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Status:
    """How far an export is.

    Attributes:
        account: who asked for it; whether another may see it is decided above.
        done: so many of `types` are through.
        transaction_time: whatever was changed before is in it; `_since` of the next export.
        files: what there is so far; all of it once it has ended.
    """

    id: UUID
    account: UUID | None
    request: str
    types: Sequence[str]
    done: int
    transaction_time: datetime
    asked_at: datetime
    expires_at: datetime
    ended: bool
    files: Sequence[File]

    @property
    def count(self) -> int:
        """Return how many resources its files have."""
        return sum(file.count for file in self.files)


@dataclass(frozen=True, slots=True)
class Piece:
    """Some lines of a file: type, id and JSON text of each; `after`: where the next begin.

    None: that was the end.
    """

    resources: Sequence[tuple[str, str, str]]
    after: int | None

    @property
    def text(self) -> bytes:
        """Return the lines as they are sent."""
        return "".join(f"{body}\n" for _, _, body in self.resources).encode()


class ExportNotFound(NotFound):
    """There is no such export, or it has expired."""

    code = "fhir.export_not_found"
    words = "没有找到这次导出，它可能已经过期或被取消。"


class ExportUnfinished(NotFound):
    """The export is under way; its files cannot be fetched yet."""

    code = "fhir.export_unfinished"
    words = "导出还没有完成，请稍后再取文件。"


class TypeOutside(Incorrect):
    """This type has nothing that belongs to a patient."""

    code = "fhir.export_type_outside"
    words = "这种健康数据不属于患者，不能按患者导出。"


class GroupTooLarge(Incorrect):
    """A group or list of more patients than an export takes."""

    code = "fhir.export_group_too_large"
    words = "患者太多，请分成几次导出。"


class TooManyExports(Busy):
    """As many exports are under way as are made at a time, of all or of one account."""

    code = "fhir.export_busy"
    words = "正在进行的导出太多，请稍后再试。"
