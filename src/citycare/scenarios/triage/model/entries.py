"""What clinicians write in `knowledge/`: departments, findings, conditions, cues, red flags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum


class Urgency(StrEnum):
    """How soon, most urgent first."""

    NOW = "now"
    TODAY = "today"
    WEEK = "week"
    ROUTINE = "routine"
    SELF_CARE = "self_care"


URGENCIES: tuple[Urgency, ...] = tuple(Urgency)


class Course(StrEnum):
    """How long a condition usually lasts: under 2 weeks, 2 to 12 weeks, longer, in episodes."""

    ACUTE = "acute"
    SUBACUTE = "subacute"
    CHRONIC = "chronic"
    EPISODIC = "episodic"


class AgeBand(StrEnum):
    """Ages in which frequencies differ: under 1, 1-13, 14-44, 45-64, 65 and older."""

    INFANT = "infant"
    CHILD = "child"
    YOUNG = "young"
    MIDDLE = "middle"
    ELDER = "elder"


BANDS: tuple[AgeBand, ...] = tuple(AgeBand)
BAND_FROM: tuple[float, ...] = (0, 1, 14, 45, 65)


@dataclass(frozen=True, slots=True)
class Department:
    """Where people can be sent. `child` is the code that takes over under 14 years."""

    code: str
    name: str
    en: str
    plain: str = ""
    child: str = ""
    words: tuple[str, ...] = ()
    age_min: float = 0
    age_max: float = 200
    sex: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something noticed or said. `base` is its share of all outpatients, 0 to 1.

    `excepted` are longer words in which its words mean something else, whoever uses them;
    `unless` the same for this finding, those it implies and those it means. The kind `alarm` is
    for red flags only: its words stand beside longer ones, and say all that it `means` as well.
    """

    id: str
    name: str
    en: str
    ask: str = ""
    ask_en: str = ""
    kind: str = "symptom"
    site: str = "body"
    base: float = 0.02
    implies: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    excepted: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    means: tuple[str, ...] = ()
    sex: str = ""


@dataclass(frozen=True, slots=True)
class Condition:
    """What may be behind findings. Never shown to residents.

    `frequency` counts first visits in 10,000; `ages` and `sex` (female, male) multiply it;
    `findings` maps a finding to the share of patients with this condition who have it.
    """

    id: str
    name: str
    en: str
    frequency: float
    departments: Mapping[str, float]
    icd: str = ""
    names: tuple[str, ...] = ()
    ages: tuple[float, ...] = (1, 1, 1, 1, 1)
    sex: tuple[float, float] = (1, 1)
    urgency: Urgency = Urgency.ROUTINE
    gp: bool = False
    course: tuple[Course, ...] = ()
    findings: Mapping[str, float] = field(default_factory=dict)
    drugs: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cue:
    """Words that point to departments without being a symptom.

    `departments` maps a code to how many times likelier such words are among its patients.
    `intent` names a wish (renew a prescription …) that the answer page speaks to.
    """

    id: str
    words: tuple[str, ...]
    departments: Mapping[str, float]
    intent: str = ""
    name: str = ""
    advice: str = ""
    advice_en: str = ""
    sex: str = ""


@dataclass(frozen=True, slots=True)
class RedFlag:
    """A rule that stops everything.

    It holds if for each group in `every` at least one finding is present, none of `none` is, and
    age (years), sex, pregnancy and duration fit. `ask` allows its last missing finding to be
    asked for.
    """

    id: str
    name: str
    en: str
    group: str
    every: tuple[tuple[str, ...], ...]
    none: tuple[str, ...] = ()
    age: tuple[float, float] = (0, 200)
    sex: str = ""
    pregnant: bool | None = None
    days_max: float | None = None
    urgency: Urgency = Urgency.NOW
    say: str = ""
    say_en: str = ""
    ask: bool = True
    source: str = ""


@dataclass(frozen=True, slots=True)
class Value:
    """A measured number in the text that means a finding: `pattern` has one group, the number."""

    pattern: str
    finding: str
    at_least: float | None = None
    below: float | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with the knowledge: file, entry, and the sentence to act on."""

    file: str
    entry: str
    words: str


@dataclass(frozen=True, slots=True)
class Entries:
    """All that the files say, checked."""

    departments: Sequence[Department]
    findings: Sequence[Finding]
    conditions: Sequence[Condition]
    cues: Sequence[Cue]
    red_flags: Sequence[RedFlag]
    values: Sequence[Value]
    classes: Mapping[str, tuple[str, ...]]
    sounds: Mapping[str, str]  # syllable without tone → the characters that sound so
    reviewed: Mapping[str, str]  # file → review status
