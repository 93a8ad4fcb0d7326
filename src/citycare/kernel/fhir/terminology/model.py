"""Values and errors of terminology.

Source: HL7 FHIR R4 4.0.1 §4 Terminology Module; §4.8 CodeSystem, §4.9 ValueSet, §4.10 ConceptMap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from citycare.kit.errors import Conflict, Incorrect, NotFound

Json = dict[str, Any]

CONCEPTS_MAX = 1_000_000
"""Concepts of one code system; entries of one concept map."""
EXPANSION_MAX = 10_000
"""Codes one expansion gives; more only page by page."""
LISTED_MAX = 50_000
"""Codes one value set may list one by one."""
NESTING_MAX = 30
"""Value sets that import one another; maps that hand on to one another."""
CODE_MAX = 1_000
"""Bytes of a code or an address: they are indexed as a whole."""
NAME_MAX = 200
"""Bytes of a version or the name of a property."""
TEXT_MAX = 10_000


def fits(text: str, most: int = CODE_MAX) -> bool:
    """Tell whether a text has no more than so many bytes."""
    return len(text) * 4 <= most or len(text.encode()) <= most


@dataclass(frozen=True, slots=True)
class Property:
    """A property of a concept: `kind` names value[x] (`Code`, `String`, `Coding` …)."""

    name: str
    kind: str
    value: str
    whole: Json | None = None


@dataclass(frozen=True, slots=True)
class Designation:
    """Another word for a concept."""

    value: str
    language: str = ""
    use: Json | None = None


@dataclass(frozen=True, slots=True)
class Concept:
    """A concept as it is read from a file.

    Attributes:
        place: where it stands there, for messages: `row 17`, `concept[3].concept[0]`.
        parents: codes.
    """

    place: str
    code: str
    display: str = ""
    definition: str | None = None
    parents: tuple[str, ...] = ()
    designations: tuple[Designation, ...] = ()
    properties: tuple[Property, ...] = ()
    inactive: bool = False
    abstract: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of a concept map; `target` is empty where there is none."""

    place: str
    source: str
    target: str
    equivalence: str
    source_display: str = ""
    target_display: str = ""
    more: Json | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong in a file, and where."""

    place: str
    field: str
    wrong: str


class State(StrEnum):
    """What became of a resource that was handed in."""

    LOADED = "loaded"
    REPLACED = "replaced"
    UNCHANGED = "unchanged"
    KEPT = "kept"  # in the record alone: it has no url, so nothing can refer to it


@dataclass(frozen=True, slots=True)
class Loaded:
    """What became of one resource; `count` of its concepts, listed codes or entries."""

    type: str
    url: str
    version: str
    state: State
    count: int
    resource_id: str


@dataclass(frozen=True, slots=True)
class System:
    """One version of one code system that is here."""

    id: int
    url: str
    version: str
    status: str
    name: str
    language: str
    content: str
    cased: bool

    def key(self, code: str) -> str:
        """Return a code as it is compared in this system."""
        return code if self.cased else code.lower()

    @property
    def low(self) -> int:
        """The number of its first concept."""
        return self.id << 32

    @property
    def high(self) -> int:
        """The first number after its concepts."""
        return (self.id + 1) << 32


@dataclass(frozen=True, slots=True)
class Coding:
    """A code as somebody uses it; empty where nothing was said."""

    code: str
    system: str = ""
    version: str = ""
    display: str = ""

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Coding:
        """Read a FHIR Coding."""
        return cls(
            *(str(value.get(name) or "") for name in ("code", "system", "version", "display"))
        )

    def as_fhir(self) -> Json:
        """Write it as a FHIR Coding."""
        made = {"system": self.system, "version": self.version, "code": self.code,
                "display": self.display}  # fmt: skip
        return {name: value for name, value in made.items() if value}


@dataclass(frozen=True, slots=True)
class Looked:
    """What is known of a concept."""

    system: System
    code: str
    display: str
    definition: str | None
    inactive: bool
    abstract: bool
    designations: tuple[Designation, ...]
    properties: tuple[Property, ...]


@dataclass(frozen=True, slots=True)
class Checked:
    """Whether a code is right; if not, `message` says why. `coding` is what it was found to be."""

    result: bool
    message: str = ""
    coding: Coding | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """One target of a translation, and the map (`url|version`) that says so."""

    equivalence: str
    coding: Coding | None
    source: str
    more: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Translated:
    """Targets of a code; `result` if one of them is a match."""

    result: bool
    message: str
    matches: tuple[Match, ...]


class Subsumption(StrEnum):
    """How the first of two codes stands to the second.

    Source: HL7 FHIR R4 4.0.1, value set concept-subsumption-outcome.
    """

    EQUIVALENT = "equivalent"
    SUBSUMES = "subsumes"
    SUBSUMED_BY = "subsumed-by"
    NOT_SUBSUMED = "not-subsumed"


class SystemUnknown(NotFound):
    """This code system has not been loaded."""

    code = "terminology.system_unknown"
    words = "还没有导入这个编码体系，请先导入（citycare terminology import）或核对网址和版本。"


class CodeUnknown(NotFound):
    """The code system has no such code."""

    code = "terminology.code_unknown"
    words = "这个编码体系里没有这个编码，请核对编码和版本。"


class ValueSetUnknown(NotFound):
    """This value set is not known."""

    code = "terminology.value_set_unknown"
    words = "没有这个值集，请先导入或核对网址和版本。"


class MapUnknown(NotFound):
    """There is no such concept map."""

    code = "terminology.map_unknown"
    words = "没有这个编码对照表，请先导入或核对网址和版本。"


class Circular(Incorrect):
    """Value sets, or concept maps, refer to one another in a circle."""

    code = "terminology.circular"
    words = "值集或对照表互相引用成了环，无法处理，请修改它们的定义。"


class ComposeBroken(Incorrect):
    """The definition of a value set asks for what cannot be done."""

    code = "terminology.compose_broken"
    words = "值集的定义有错或用了不支持的条件，请按提示修改。"


class TooCostly(Incorrect):
    """The value set is too large to be given at once; narrow it with a filter or take pages."""

    code = "terminology.too_costly"
    words = "这个值集太大，请加上筛选文字或分页查看。"


class Ask(Incorrect):
    """What was asked is incomplete or contradicts itself."""

    code = "terminology.ask_broken"
    words = "查询编码时给的内容不全或互相矛盾，请按提示补齐。"


class VersionTaken(Conflict):
    """Another resource already has this url and version."""

    code = "terminology.version_taken"
    words = "已经有同一网址、同一版本的内容，请更新原来的那条或换一个版本号。"


class Unreadable(Incorrect):
    """What was to be loaded has faults; nothing of it was loaded."""

    code = "terminology.unreadable"
    words = "要导入的内容有错，这个文件没有导入。请按提示改正后重试。"

    def __init__(self, problems: list[Problem], count: int | None = None) -> None:
        """Keep the faults; the facts show the first."""
        first = problems[0]
        super().__init__(
            place=first.place, field=first.field, problem=first.wrong, count=count or len(problems)
        )
        self.problems = tuple(problems)
