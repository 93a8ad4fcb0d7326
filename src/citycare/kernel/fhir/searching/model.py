"""What a search asks, in the words of R4.

A query holds criteria that must all be met; a criterion holds values of which one must be met.

Source: HL7 FHIR R4 4.0.1 §3.1.1 Search.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class ParamType(StrEnum):
    """Types of search parameters."""

    NUMBER = "number"
    DATE = "date"
    STRING = "string"
    TOKEN = "token"  # noqa: S105 - the FHIR name
    REFERENCE = "reference"
    COMPOSITE = "composite"
    QUANTITY = "quantity"
    URI = "uri"
    SPECIAL = "special"


class Prefix(StrEnum):
    """How an ordered value compares; `high` of a span is its first instant outside."""

    EQ = "eq"
    NE = "ne"
    GT = "gt"
    LT = "lt"
    GE = "ge"
    LE = "le"
    SA = "sa"
    EB = "eb"
    AP = "ap"


@dataclass(frozen=True, slots=True)
class Token:
    """`system|code`: None means that nothing was said of it, `""` as system that there is none."""

    system: str | None
    code: str | None


@dataclass(frozen=True, slots=True)
class Text:
    """Words of a string parameter, as written."""

    words: str


@dataclass(frozen=True, slots=True)
class Uri:
    """An address."""

    address: str


@dataclass(frozen=True, slots=True)
class Moment:
    """A span of time, as wide as the date was exact: low ≤ t < high."""

    prefix: Prefix
    low: datetime
    high: datetime


@dataclass(frozen=True, slots=True)
class Number:
    """A number with the span its precision implies: `100` is 99.5 ≤ n < 100.5."""

    prefix: Prefix
    value: Decimal
    low: Decimal
    high: Decimal


@dataclass(frozen=True, slots=True)
class Amount:
    """A quantity: `[number]|[system]|[code]`; None where nothing was said."""

    number: Number
    system: str | None
    code: str | None


@dataclass(frozen=True, slots=True)
class Link:
    """What a reference leads to: type and id here, or an address elsewhere, of any version.

    `types` are tried where only an id was given.
    """

    id: str
    types: tuple[str, ...] = ()
    address: str = ""


@dataclass(frozen=True, slots=True)
class Parts:
    """A value of a composite: one of each component, in order."""

    parts: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Near:
    """Within a distance (metres) of a point (WGS 84 degrees)."""

    latitude: float
    longitude: float
    metres: float


@dataclass(frozen=True, slots=True)
class Missing:
    """Whether the element is not there."""

    missing: bool


Value = (
    Token | Text | Uri | Moment | Number | Amount | Link | Parts | Near | Missing
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Criterion:
    """One parameter.

    Attributes:
        param: its code.
        type: its type, as the definitions say.
        modifier: `""`, `exact`, `contains`, `missing`, `not`, `text`, `identifier`, `of-type`,
            `above`, `below`, `in`, `not-in`.
        values: of which one must be met; empty with `chain`.
        chain: of a reference: what must hold of a target (`subject:Patient.name`).
    """

    param: str
    type: ParamType
    modifier: str = ""
    values: tuple[Value, ...] = ()
    chain: Chain | None = None


@dataclass(frozen=True, slots=True)
class Chain:
    """What must hold of the target of a reference, for each type it may be of."""

    criteria: tuple[tuple[str, Criterion | Having], ...]  # (type of the target, criterion)


@dataclass(frozen=True, slots=True)
class Having:
    """`_has:Observation:patient:code=…`: somebody of `type` refers here by `param`, and holds."""

    type: str
    param: str
    criterion: Criterion | Having


@dataclass(frozen=True, slots=True)
class Sort:
    """One key of the order."""

    param: str
    type: ParamType
    descending: bool


@dataclass(frozen=True, slots=True)
class Include:
    """`_include` or, with `reverse`, `_revinclude`: type, parameter, type of the target or ""."""

    source: str
    param: str  # "*": every reference
    target: str
    reverse: bool
    iterate: bool


class Total(StrEnum):
    """How exactly matches are counted."""

    NONE = "none"
    ESTIMATE = "estimate"
    ACCURATE = "accurate"


class Summary(StrEnum):
    """What of each resource is returned."""

    FALSE = "false"
    TRUE = "true"
    TEXT = "text"
    DATA = "data"
    COUNT = "count"


@dataclass(frozen=True, slots=True)
class Query:
    """A search over one type, or over several (`types` from `_type`, all where it is empty)."""

    types: tuple[str, ...]
    criteria: tuple[Criterion | Having, ...] = ()
    sort: tuple[Sort, ...] = ()
    includes: tuple[Include, ...] = ()
    count: int = 50
    total: Total = Total.NONE
    summary: Summary = Summary.FALSE
    elements: tuple[str, ...] = ()
    content: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()  # parameters passed over, where the client is lenient
