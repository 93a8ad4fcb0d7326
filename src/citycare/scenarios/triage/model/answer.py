"""What the triage says at one turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from citycare.scenarios.triage.model.entries import Urgency
from citycare.scenarios.triage.model.heard import Patient


@dataclass(frozen=True, slots=True)
class Evidence:
    """What counts: findings there and not there, and what was named, each with its weight."""

    present: tuple[tuple[int, float], ...] = ()  # (finding, leak: how freely people say it)
    absent: tuple[int, ...] = ()
    unsure: tuple[int, ...] = ()
    names: tuple[tuple[int, float], ...] = ()  # (condition, log ratio)
    cues: tuple[tuple[int, float], ...] = ()
    departments: tuple[int, ...] = ()
    past: tuple[int, ...] = ()
    days: float | None = None
    patient: Patient = field(default_factory=Patient)
    severe: bool = False


@dataclass(frozen=True, slots=True)
class Suggested:
    """A department with its probability, what speaks for it and against it (finding ids)."""

    code: str
    name: str
    probability: float
    because: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Alarm:
    """A red flag that holds."""

    id: str
    name: str
    urgency: Urgency
    say: str


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask next: one finding with yes, no, not sure; or several to tick, or none."""

    id: str
    text: str
    findings: tuple[str, ...]
    danger: bool = False

    @property
    def several(self) -> bool:
        """Whether what is there is to be ticked, rather than yes or no said."""
        return self.danger or len(self.findings) > 1


@dataclass(frozen=True, slots=True)
class Advice:
    """One turn's answer. `sure` is False where the desk or a general practitioner is better."""

    departments: Sequence[Suggested]
    urgency: Urgency
    alarms: Sequence[Alarm] = ()
    question: Question | None = None
    sure: bool = True
    gp: bool = False
    intents: tuple[str, ...] = ()
    odd: str = ""
    crisis: bool = False
