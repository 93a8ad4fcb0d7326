"""What the macros in templates/macros/ are fed with: small frozen parts of a page.

Words in them are already in the person's language; instants are aware, money is `Money`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from citycare.kit.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A link or a button: `href` is where to go, or with `post` where to send."""

    label: str
    href: str
    icon: str = ""
    key: str = ""
    post: bool = False


class StepState(StrEnum):
    """How far one step is."""

    DONE = "done"
    NOW = "now"
    LATER = "later"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of a way; `note` says when, where, or how many are before."""

    label: str
    state: StepState = StepState.LATER
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """The answer to: what do I do now? `calm`: nothing is under way."""

    title: str
    where: str = ""
    note: str = ""
    action: Action | None = None
    steps: tuple[Step, ...] = ()
    calm: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """One way in on the home page; `count` is what waits behind it."""

    label: str
    href: str
    icon: str
    count: str = ""


class DayState(StrEnum):
    """What a day still has."""

    OPEN = "open"
    FULL = "full"
    UNOPENED = "unopened"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One day of the strip; `left` counts free places."""

    on: date
    href: str
    left: int = 0
    state: DayState = DayState.OPEN
    is_today: bool = False
    selected: bool = False


class ChipState(StrEnum):
    """What a window of time offers."""

    FREE = "free"
    FEW = "few"
    FULL = "full"
    DRAW = "draw"
    UNOPENED = "unopened"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """One window of time; without `href` it can't be chosen.

    `left` belongs to free and few, `position` (what one would get on the waiting list) to full,
    `entrants` to a draw, `opens_at` to one not yet open.
    """

    starts_at: datetime
    state: ChipState = ChipState.FREE
    href: str = ""
    left: int = 0
    position: int = 0
    entrants: int = 0
    opens_at: datetime | None = None
    selected: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Doctor:
    """A clinic as people choose it: a doctor's, or (no title) a department's general one."""

    name: str
    title: str = ""
    good_at: str = ""
    place: str = ""
    metres: int | None = None
    fee: Money | None = None
    note: str = ""
    tag: str = ""
    href: str = ""


class Tone(StrEnum):
    """How loud a tag or a notice is. Never told by colour alone."""

    OK = "ok"
    SOON = "soon"
    DANGER = "danger"
    INFO = "info"
    GRAY = "gray"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A word or two about the thing it stands beside."""

    text: str
    tone: Tone = Tone.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """A booking in a list; `place` is 'doctor · department · site', `note` what is left to do."""

    starts_at: datetime
    ends_at: datetime
    place: str
    href: str
    note: str = ""
    tag: Tag | None = None
    ended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One row of a list that leads somewhere."""

    label: str
    href: str
    note: str = ""
    icon: str = ""
    tag: Tag | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A name and what it is, with the tone of a value that needs a look."""

    name: str
    text: str
    tag: Tag | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kpi:
    """A number, its unit and what it counts."""

    number: str
    label: str
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One answer to a question."""

    value: str
    label: str
    note: str = ""
    selected: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column: numbers stand at the end of their cell."""

    label: str
    is_number: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What stands in a cell: text, a quieter word after it, or a tag."""

    text: str = ""
    note: str = ""
    tag: Tag | None = None
    action: Action | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row; with `href` all of it can be chosen, the link being on the words of cell `lead`.

    `group` puts a heading row above it.
    """

    cells: tuple[Cell, ...]
    href: str = ""
    lead: int = 0
    selected: bool = False
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartRow:
    """One point of a chart: its name and a value for each series, as numbers and as written."""

    name: str
    values: tuple[int, ...]
    written: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A chart is its table; `kind` is bar or line. `source` and `as_of` are never left out."""

    title: str
    kind: str
    columns: tuple[str, ...]
    rows: tuple[ChartRow, ...]
    source: str
    as_of: datetime
    sentence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorPage:
    """What happened, that nothing is lost, what to do. `code` is for whoever helps."""

    status: int
    title: str
    words: str
    code: str = ""
    request_id: str = ""
    action: Action | None = None
