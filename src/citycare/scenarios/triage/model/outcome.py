"""What was diagnosed after a dialogue, and how often the advice was right."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Waiting:
    """A dialogue of which it is not known yet what was found; `departments` were advised."""

    dialogue_id: UUID
    person_id: UUID
    departments: tuple[str, ...]
    age_years: float | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was found: the ICD-10 category of three signs, where, and whether the advice fits."""

    dialogue_id: UUID
    diagnosis: str
    organisation: str
    department_code: str
    first_right: bool
    three_right: bool


@dataclass(frozen=True, slots=True)
class Tally:
    """Outcomes of one group: its month, the department advised first, the organisation."""

    month: date
    department_code: str
    organisation: str
    count: int
    first_right: int
    three_right: int
