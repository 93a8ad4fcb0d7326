"""An interview before a visit, and what a doctor made of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from citycare.kit.errors import Conflict, Incorrect, NotFound

Json = dict[str, Any]


class State(StrEnum):
    """How far an interview is."""

    DRAFT = "draft"
    COMPLETED = "completed"
    ACCEPTED = "accepted"
    EDITED = "edited"
    REJECTED = "rejected"


class Origin(StrEnum):
    """From where an answer is known."""

    TRIAGE = "triage"
    RECORD = "record"
    RESIDENT = "resident"


class By(StrEnum):
    """Who gave the answers."""

    NOBODY = ""
    SELF = "self"
    PROXY = "proxy"
    CLERK = "clerk"


class InterviewUnknown(NotFound):
    """There is no such visit, or you may not see it."""

    code = "preconsult.unknown"
    words = "没有找到这次就诊。它可能已经退掉或改到别的时间，请从“我的预约”进来。"


class InterviewClosed(Conflict):
    """The visit has begun; its questions can no longer be answered."""

    code = "preconsult.closed"
    words = "这次就诊已经开始或已经取消，这里不能再改了。要补充的请直接告诉医生。"


class NothingSent(Conflict):
    """The patient has not sent the answers yet."""

    code = "preconsult.nothing_sent"
    words = "病人还没有把回答发过来，现在没有可以采用的内容。"


class AnswersChanged(Conflict):
    """The patient has changed the answers since they were shown."""

    code = "preconsult.answers_changed"
    words = "病人刚刚改过回答。您写的还没有存，请先看一遍新的内容再决定。"


class TextMissing(Incorrect):
    """The text to keep is empty, or too long."""

    code = "preconsult.text_missing"
    words = "要留下的文字是空的，或超过两万字。请写上内容；不要的话请按“不采用”。"


@dataclass(frozen=True, slots=True)
class Told:
    """What the triage heard of a person: its words, findings that are there and not there.

    `days`: how long it had lasted by then. `on` is when; None: nothing was told.
    """

    words: str = ""
    days: float | None = None
    yes: frozenset[str] = frozenset()
    no: frozenset[str] = frozenset()
    intents: frozenset[str] = frozenset()
    on: datetime | None = None


@dataclass(frozen=True, slots=True)
class Visit:
    """The visit the questions are for, as the record tells it."""

    id: UUID
    person_id: UUID
    organisation_id: UUID | None
    practitioner_id: UUID | None
    department: str
    department_name: str
    status: str
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Interview:
    """One interview. `response`: the draft; `sent`: what the doctor reads, None until then."""

    appointment_id: UUID
    person_id: UUID
    questionnaire: str
    response: Json
    provenance: Mapping[str, str]
    told: Json
    state: State
    revision: int
    seconds: int
    answered_by: By
    sent: Json | None
    sent_provenance: Mapping[str, str] | None
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Review:
    """What a doctor decided about the text offered."""

    id: UUID
    appointment_id: UUID
    account_id: UUID | None
    reviewer: str
    decision: State
    reason: str
    offered: str
    kept: str
    difference: str
    chars_kept: int
    seconds_saved: int
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class Said:
    """One answer behind a sentence: where, what was asked, what was answered, from whom."""

    path: str
    link_id: str
    question: str
    answer: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class Fragment:
    """A few words told to the doctor, and the answers they rest on."""

    words: str
    said: tuple[Said, ...]
    negative: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """One part of a case history: its code, and its fragments in the order of the questions."""

    code: str
    fragments: tuple[Fragment, ...]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Tests a doctor may want to think of: why, from where that is known, what it rests on."""

    id: str
    tests: tuple[str, ...]
    tests_en: tuple[str, ...]
    why: str
    source: str
    because: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Count:
    """Of one questionnaire: how many interviews began and were sent."""

    questionnaire: str
    begun: int
    sent: int


Alarm = tuple[str, str]  # what it is, what to do at once
Alarms = Callable[[Collection[str], float | None, str, str], Sequence[Alarm]]
