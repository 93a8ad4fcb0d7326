"""Draws: requests gather, then one lottery places them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from citycare.kit.errors import Conflict, Incorrect, NotFound, Unavailable
from citycare.scenarios.booking.model.core import Pool

WISHES_MAX = 3


class DrawState(StrEnum):
    """The life of a draw; `rules.draw.NEXT` is the table of steps."""

    OPEN = "open"
    FROZEN = "frozen"
    DRAWN = "drawn"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Draw:
    """One lottery over the places of some windows. Instants are UTC; digests are 32 bytes."""

    id: UUID
    organisation_id: UUID
    name: str
    pool: Pool
    opens_at: datetime
    closes_at: datetime
    state: DrawState
    commitment: bytes
    beacon_source: str
    beacon: str | None = None
    requests: int | None = None
    list_digest: bytes | None = None
    seed: bytes | None = None
    won: int | None = None
    done_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DrawSlot:
    """A window in a draw: its short number, and the places drawn for (fixed at freezing)."""

    n: int
    slot_id: UUID
    numbers: list[int]


@dataclass(frozen=True, slots=True)
class DrawRequest:
    """One person's request in one draw, as that person sees it."""

    draw_id: UUID
    public_id: UUID
    person_id: UUID
    wishes: list[UUID]
    changed_at: datetime
    withdrawn_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Lane:
    """A share of what is left to write: window numbers or positions after `reached`, to `upto`."""

    lane: int
    kind: str
    reached: int
    upto: int


@dataclass(frozen=True, slots=True)
class Won:
    """A request that won a place, before it is in the books."""

    position: int
    person_id: UUID
    channel: str
    acted_by: UUID | None
    slot_id: UUID
    number: int


@dataclass(frozen=True, slots=True)
class Report:
    """What checking a published draw found.

    `line` is the first line of the file that differs (from 1), `fault` says how.
    """

    ok: bool
    requests: int
    won: int
    line: int | None = None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Keys:
    """The secrets of this installation for booking, 32 bytes each; never in the database."""

    seal: bytes = field(repr=False)
    public: bytes = field(repr=False)
    queue: bytes = field(repr=False)


class DrawUnknown(NotFound):
    """There is no such draw."""

    code = "booking.draw_unknown"
    words = "没有找到这次摇号。请返回重新查找。"


class DrawNotOpen(Conflict):
    """This draw takes requests only between its opening and its closing."""

    code = "booking.draw_not_open"
    words = "这次摇号不在登记时间内。您可以看下一次摇号，或者排候补。"


class DrawStep(Conflict):
    """The draw is not at the step at which this can be done."""

    code = "booking.draw_step"
    words = "摇号还没有到这一步，或者已经过了这一步。请刷新后再看。"


class DrawEmpty(Incorrect):
    """A draw needs windows of one organisation released by draw, each in no other draw."""

    code = "booking.draw_slots_wrong"
    words = "摇号的时段不对：要选同一家医院、按摇号放号、还没有进别的摇号的时段。"


class DrawPeriod(Incorrect):
    """A draw must close after it opens, and in the future."""

    code = "booking.draw_period_wrong"
    words = "登记时间不对：结束要在开始之后，并且还没有过去。"


class WishesWrong(Incorrect):
    """Name different windows of this draw, no more than allowed."""

    code = "booking.draw_wishes_wrong"
    words = "请选不同的时段，不要超过规定的个数，都要在这次摇号里。"


class BeaconMissing(Conflict):
    """The public number announced for this draw has not been entered yet."""

    code = "booking.draw_beacon_missing"
    words = "还没有录入公布的公开号码，录入以后才能摇号。"


class SeedUnreadable(Unavailable):
    """The sealed seed cannot be opened with the key of this installation."""

    code = "booking.draw_seed_unreadable"
    words = "摇号的密钥文件不对，请平台管理员从备份恢复密钥文件。"
