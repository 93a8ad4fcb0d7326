"""What somebody looks for, and what is found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from citycare.scenarios.booking.model.schedule import Clinic


class PartOfDay(StrEnum):
    """Half-days as clinics run: to 12:00, to 17:30, after."""

    MORNING = "morning"
    AFTERNOON = "afternoon"
    EVENING = "evening"


class WordKind(StrEnum):
    """What a word can stand for."""

    HOSPITAL = "hospital"
    DEPARTMENT = "department"
    DOCTOR = "doctor"
    DISTRICT = "district"


@dataclass(frozen=True, slots=True, order=True)
class Word:
    """One way to say something: `part` is looked up, `key` is what it means."""

    part: str
    kind: WordKind
    key: str
    name: str
    whole: bool


@dataclass(frozen=True, slots=True)
class Query:
    """What was understood: words to look up, days (both included), half-day, nearness."""

    words: tuple[str, ...]
    from_day: date
    to_day: date | None = None
    part_of_day: PartOfDay | None = None
    near: bool = False


@dataclass(frozen=True, slots=True)
class Filters:
    """What was chosen from lists beside the text. Empty: anything."""

    organisation_id: UUID | None = None
    department_code: str = ""
    district: str = ""
    practitioner_id: UUID | None = None
    from_day: date | None = None
    to_day: date | None = None
    part_of_day: PartOfDay | None = None
    only_open: bool = False


@dataclass(frozen=True, slots=True)
class Point:
    """A position, GCJ-02 degrees."""

    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class History:
    """Where the person has been before: doctors and clinics, for ranking only."""

    practitioners: frozenset[UUID] = frozenset()
    clinics: frozenset[UUID] = frozenset()
    departments: frozenset[tuple[UUID, str]] = frozenset()  # (organisation, department code)


@dataclass(frozen=True, slots=True)
class Meant:
    """What one word of the query can stand for: any of these, or text in the search column."""

    organisations: frozenset[UUID] = frozenset()
    departments: frozenset[str] = frozenset()
    practitioners: frozenset[UUID] = frozenset()
    districts: frozenset[str] = frozenset()
    text: str = ""
    fitting: frozenset[str] = frozenset()  # of the departments, those meant first


@dataclass(frozen=True, slots=True)
class Found:
    """A clinic that fits, its next open window, and how far it is."""

    clinic: Clinic
    next_slot_id: UUID | None
    next_starts_at: datetime | None
    distance_m: int | None
    known: int  # 2: been with this doctor or clinic, 1: in this department, 0: new


@dataclass(frozen=True, slots=True)
class DayCount:
    """One day of the strip. `places` is the number of open places counted, `more` if capped."""

    day: date
    places: int
    by_clinic: Mapping[UUID, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What to offer while somebody types."""

    kind: WordKind
    key: str
    name: str
