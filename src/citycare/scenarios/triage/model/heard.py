"""What was understood of somebody's words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Said(StrEnum):
    """Whether something is there."""

    YES = "yes"
    NO = "no"
    UNSURE = "unsure"


class When(StrEnum):
    """Whether it is so now, was once, runs in the family, or is only asked about."""

    NOW = "now"
    PAST = "past"
    FAMILY = "family"
    ASKED = "asked"
    RECORD = "record"


class Kind(StrEnum):
    """What a word of the lexicon stands for."""

    FINDING = "finding"
    NAME = "name"
    DRUG = "drug"
    TEST = "test"
    CUE = "cue"
    DEPARTMENT = "department"


@dataclass(frozen=True, slots=True)
class Mention:
    """One thing said. `index` is its place in the list of its kind; `words` as written."""

    kind: Kind
    index: int
    said: Said
    when: When
    words: str
    start: int
    focus: bool = False


@dataclass(frozen=True, slots=True)
class Patient:
    """Who is ill. Age in years; empty or None: not known.

    `grown` is how likely a child whose age nobody said is 14 or older, 0 to 1.
    """

    age: float | None = None
    sex: str = ""
    pregnant: bool | None = None
    who: str = "self"
    grown: float = 0.0


@dataclass(frozen=True, slots=True)
class Heard:
    """All that was understood of one text. `days` is how long it has lasted, if said."""

    text: str
    mentions: Sequence[Mention] = ()
    patient: Patient = Patient()
    days: float | None = None
    sudden: bool = False
    severe: bool = False
    odd: str = ""  # why nothing could be understood: "empty", "abuse", "english", "nonsense"
