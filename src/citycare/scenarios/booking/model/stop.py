"""What stopping a clinic does to people, and what they are offered instead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from citycare.kit.errors import Conflict, Incorrect
from citycare.scenarios.booking.model.core import Booking, Pool, Slot


class Why(StrEnum):
    """What makes a replacement equal or better."""

    SAME_DOCTOR = "same_doctor"
    SAME_HALF_DAY = "same_half_day"


class Answer(StrEnum):
    """What a person said to a replacement. Unanswered, it stays their booking."""

    ACCEPTED = "accepted"
    MOVED = "moved"
    CANCELLED = "cancelled"
    UNANSWERED = "unanswered"


@dataclass(frozen=True, slots=True)
class Terms:
    """The policy in force: how much later, how soon, how long to answer."""

    now: datetime
    days_max: int
    notice: timedelta
    answer: timedelta


@dataclass(frozen=True, slots=True)
class Standard:
    """What a clinic is, as far as 'equal or better' goes. Fee in fen."""

    clinic_id: UUID
    practitioner_id: UUID | None
    organisation_id: UUID
    department_code: str
    kind: str
    title: str
    fee_fen: int


@dataclass(frozen=True, slots=True)
class Option:
    """A window that could take people, with its free numbers by pool."""

    slot: Slot
    standard: Standard
    free: Mapping[Pool, Sequence[int]]


@dataclass(frozen=True, slots=True)
class Replacement:
    """A booking that is stopped, and the place found for it."""

    booking: Booking
    option: Option
    number: int
    pool: Pool
    why: Why


@dataclass(frozen=True, slots=True)
class StopPlan:
    """What stopping does: windows stopped, people moved, people sent to the head of the list."""

    clinic_id: UUID
    slots: Sequence[Slot]
    replaced: Sequence[Replacement]
    waiting: Sequence[Booking]

    @property
    def affected(self) -> int:
        """Count everyone who had a place."""
        return len(self.replaced) + len(self.waiting)


@dataclass(frozen=True, slots=True)
class OpenReplacement:
    """A replacement nobody has answered yet."""

    booking_id: UUID
    replaces: UUID
    person_id: UUID
    why: Why
    answer_until: datetime


class NothingToStop(Conflict):
    """No open windows of this clinic lie in this period."""

    code = "booking.nothing_to_stop"
    words = "这段时间里没有可停的时段：可能还没有放号、已经停诊或已经过去。请看看日期。"


class StopTooMany(Incorrect):
    """Too many people for one action: stop the clinic in shorter periods."""

    code = "booking.stop_too_many"
    words = "这段时间已预约的人太多，一次办不完。请分几段日期停诊，例如先停第一周。"


class ReasonMissing(Incorrect):
    """Say why the clinic is stopped; people are told."""

    code = "booking.reason_missing"
    words = "请写明停诊原因，会告诉已预约的人。"
