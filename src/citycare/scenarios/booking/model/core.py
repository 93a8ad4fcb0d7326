"""Places, bookings, waiting-list entries, holds, and what can be refused."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from citycare.kernel.context import Actor, Channel
from citycare.kit.errors import Busy, Conflict, Forbidden, Incorrect, NotFound
from citycare.scenarios.booking.model.queue import Ticket


class Pool(StrEnum):
    """Whose places they are (R11, R17, K16)."""

    PUBLIC = "public"
    REFERRAL = "referral"
    ONSITE = "onsite"
    ELDER = "elder"
    FOLLOWUP = "followup"


class State(StrEnum):
    """The life of a booking; `rules.places.NEXT` is the table of steps."""

    BOOKED = "booked"
    ARRIVED = "arrived"
    FULFILLED = "fulfilled"
    CANCELLED = "cancelled"
    MOVED = "moved"
    NO_SHOW = "no_show"
    STOPPED = "stopped"


class Source(StrEnum):
    """How a booking came about."""

    BOOK = "book"
    DRAW = "draw"
    WAITLIST = "waitlist"
    RESCHEDULE = "reschedule"
    REPLACEMENT = "replacement"


KnownAs = Mapping[UUID, Collection[UUID]]  # the other ids of those persons who were merged
ASKED_FOR = frozenset({Source.BOOK, Source.RESCHEDULE})  # somebody chose this window just now


@dataclass(frozen=True, slots=True)
class Slot:
    """One window of one clinic; instants are UTC.

    Until `queue_until` its public places are given in the order of the queue `queue_id`.
    """

    id: UUID
    clinic_id: UUID
    organisation_id: UUID
    department_code: str
    practitioner_id: UUID | None
    starts_at: datetime
    ends_at: datetime
    state: str
    release: str
    capacity: int
    free: int
    queue_id: UUID | None = None
    queue_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A numbered place that is free, perhaps not yet open."""

    slot_id: UUID
    number: int
    pool: Pool
    opens_at: datetime


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody wants a place in a window for a person; `ticket` is for a queue in force.

    `waits`: for another transaction that holds the window; else the claim is told `SlotHeld`.
    """

    slot_id: UUID
    person_id: UUID
    pool: Pool
    actor: Actor
    channel: Channel
    request_id: str
    source: Source = Source.BOOK
    follows: UUID | None = None
    ticket: Ticket | None = None
    waits: bool = True


@dataclass(frozen=True, slots=True)
class Booking:
    """A place held by a person."""

    id: UUID
    slot_id: UUID
    number: int
    pool: Pool
    clinic_id: UUID
    organisation_id: UUID
    department_code: str
    person_id: UUID
    starts_at: datetime
    state: State
    channel: Channel
    acted_by: UUID | None
    source: Source
    follows: UUID | None
    created_at: datetime
    ended_at: datetime | None = None
    reason: str = ""
    arrived_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A booking a person already holds, as the limits count it."""

    id: UUID
    person_id: UUID
    starts_at: datetime
    department_code: str


@dataclass(frozen=True, slots=True)
class Hold:
    """A pause from booking online after too many no-shows; windows still serve."""

    id: UUID
    person_id: UUID
    starts_at: datetime
    ends_at: datetime
    no_shows: list[UUID]
    appeal: str | None
    appealed_at: datetime | None
    decision: str | None
    decision_reason: str


@dataclass(frozen=True, slots=True)
class SlotFilter:
    """What a list of open windows is narrowed by; None means any."""

    starts_from: datetime
    starts_to: datetime
    pool: Pool = Pool.PUBLIC
    department: str | None = None
    practitioner: UUID | None = None
    organisation: UUID | None = None
    district: str | None = None
    clinic: UUID | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """A place in a clinic's waiting list, and the offer made, if any."""

    id: UUID
    person_id: UUID
    clinic_id: UUID
    from_day: date
    to_day: date
    pool: Pool
    state: str
    created_at: datetime
    offer_slot_id: UUID | None
    offer_number: int | None
    offer_until: datetime | None
    booking_id: UUID | None


class SlotUnknown(NotFound):
    """There is no such window."""

    code = "booking.slot_unknown"
    words = "没有找到这个时段。请返回重新选一个时间。"


class SlotUnavailable(Conflict):
    """No place is left in this window."""

    code = "booking.slot_unavailable"
    words = "这个时段刚刚约满了。您可以选别的时间，或者排候补。"


class SlotHeld(Busy):
    """Another batch is giving out places of this window; the claim has only to be made again."""

    code = "booking.slot_held"
    words = "这个时段正在办理别人的预约，请过几秒再试。"


class SlotPast(Conflict):
    """This window has already begun."""

    code = "booking.slot_past"
    words = "这个时段已经开始或过去了。请选一个之后的时间。"


class SlotStopped(Conflict):
    """The clinic has been stopped for this window."""

    code = "booking.slot_stopped"
    words = "医生这个时段停诊了。请选别的时间或别的医生。"


class NotYetOpen(Conflict):
    """These places are not released yet."""

    code = "booking.not_yet_open"
    words = "这个时段还没有放号。请到放号时间再来，不用一直守着。"


class DrawOnly(Conflict):
    """Places of this clinic are given by draw."""

    code = "booking.draw_only"
    words = "这个门诊用摇号放号。请先登记，人人机会相同，结果会通知您。"


class PoolClosed(Forbidden):
    """These places are kept for somebody else."""

    code = "booking.pool_closed"
    words = "这些号是为转诊、长者或现场患者留的。请选普通号。"


class AlreadyBooked(Conflict):
    """This person already holds a place at this time."""

    code = "booking.already_booked"
    words = "这个时间您已经有一个预约了，可以在“我的预约”里查看。"


class TooManyBookings(Conflict):
    """The limit of bookings for a person is reached."""

    code = "booking.too_many"
    words = "预约数量已到上限。取消一个不需要的预约后就可以再约。"


class OnHold(Forbidden):
    """Booking online is paused after missed appointments."""

    code = "booking.on_hold"
    words = "因多次没有按时就诊，线上预约暂停。您可以申诉，也可以到医院窗口现场挂号。"


class TooLate(Conflict):
    """It is too late to change this booking."""

    code = "booking.too_late"
    words = "快到就诊时间了，已经不能改约或取消。如果来不了，请打 12320 说一声。"


class WrongState(Conflict):
    """The booking is no longer in a state that allows this."""

    code = "booking.wrong_state"
    words = "这个预约的状态已经变了。请刷新后再看一次。"


class BookingUnknown(NotFound):
    """There is no such booking that you can see."""

    code = "booking.unknown"
    words = "没有找到这个预约。请到“我的预约”里看一看。"


class AlreadyWaiting(Conflict):
    """This person already waits for this clinic."""

    code = "booking.already_waiting"
    words = "您已经在这个门诊的候补名单里了，有空位会通知您。"


class OfferGone(Conflict):
    """This offer has run out or was answered."""

    code = "booking.offer_gone"
    words = "这个候补名额已经过期，让给下一位了。您仍可以重新候补或选别的时间。"


class PeriodWrong(Incorrect):
    """The last day lies before the first, or too far ahead."""

    code = "booking.period_wrong"
    words = "日期不对：结束日期要在开始日期之后，并在可预约的天数之内。"
