"""One dialogue: what was said, what was answered since, and what was advised last."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from citycare.kit.errors import Conflict, Incorrect, NotFound
from citycare.scenarios.triage.model.entries import Urgency


class State(StrEnum):
    """How far a dialogue is."""

    ASKING = "asking"
    ADVISED = "advised"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Answer:
    """What somebody answered to one question: findings asked for, those there, or not sure."""

    question: str
    findings: tuple[str, ...]
    yes: tuple[str, ...] = ()
    unsure: bool = False


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A dialogue as it stands. `advice` is what the last turn said, as plain values."""

    id: UUID
    person_id: UUID | None
    account_id: UUID | None
    text: str
    age_years: float | None
    sex: str
    answers: tuple[Answer, ...]
    advice: Mapping[str, Any]
    knowledge: str
    urgency: Urgency
    department_code: str
    state: State
    channel: str
    created_at: datetime
    updated_at: datetime
    history: tuple[str, ...] = ()  # lines of the record the person let us use
    proposed: tuple[str, ...] = ()  # findings a language model proposes to ask for


class DialogueUnknown(NotFound):
    """There is no such dialogue that you can see."""

    code = "triage.dialogue_unknown"
    words = "没有找到这次问询，可能时间太久已经删除。请从头说一遍哪里不舒服。"


class QuestionNotAsked(Conflict):
    """The answer is to a question that is not the one being asked."""

    code = "triage.question_not_asked"
    words = "这个问题已经答过了。您之前说的都还在，请接着答现在的问题。"


class TextMissing(Incorrect):
    """Nothing was said."""

    code = "triage.text_missing"
    words = "还没有写哪里不舒服。用平常的话说一句就行，比如“肚子疼两天了”。"
