"""The queue of first come: tickets, where somebody stands, and what can be refused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from citycare.kit.errors import Conflict, Forbidden, Incorrect


@dataclass(frozen=True, slots=True)
class Ticket:
    """A person's place in a rush: the second that counts as arrival, and the lot within it."""

    queue_id: UUID
    person_id: UUID
    second: int
    tie: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What the waiting person is told.

    `position` counts from 1 and is None until the seconds that are put in one order are over.
    `wait_s` is at most how long it takes, None while nobody can say. `left`: places nobody has and
    nobody is choosing.
    `until`: an admitted ticket works so long. `poll_s`: when it is worth asking again.
    """

    token: str
    opens_at: datetime
    position: int | None
    ahead: int | None
    wait_s: int | None
    left: int
    admitted: bool
    used: bool
    until: datetime | None
    poll_s: int

    @property
    def expired(self) -> bool:
        """Tell whether the ticket was admitted and its time is over."""
        return self.until is not None and not self.admitted and not self.used


@dataclass(frozen=True, slots=True)
class Setting:
    """How a clinic's releases go: by queue or not, and how many a second are let in.

    `rate_per_s` is the clinic's own pace, None as in the whole city (`usual_per_s`). `before_min`:
    how long before a release people may join; `gather_s`: who comes within it is put in one
    random order.
    """

    queued: bool
    rate_per_s: int | None
    usual_per_s: int
    before_min: int
    gather_s: int


class QueueNotOpen(Conflict):
    """Nobody needs to queue for this clinic now: choose a time, or come back near the release."""

    code = "booking.queue_not_open"
    words = "这个门诊现在不用排队，直接选时间就行。要放新号时，提前十分钟来排就可以。"


class TicketMissing(Conflict):
    """These places are being released: join the queue first and book when it is your turn."""

    code = "booking.queue_token_missing"
    words = "正在放号，要先排队。请进入排队，轮到您再选时间，不用抢。"


class TicketWrong(Incorrect):
    """This queue token is not one of ours, of another queue, or belongs to somebody else."""

    code = "booking.queue_token_wrong"
    words = "排队凭证不对，请重新进入排队。"


class TicketNotAdmitted(Conflict):
    """It is not your turn yet; your position is kept."""

    code = "booking.queue_token_early"
    words = "还没有排到您。位置一直给您留着，请稍等，不用反复刷新。"


class TicketSpent(Forbidden):
    """This queue token has been used or has expired; join again."""

    code = "booking.queue_token_used"
    words = "这个排队凭证已经用过或过期了，请重新排队。"


class PaceWrong(Incorrect):
    """A queue lets in at least one person a second and at most 10,000."""

    code = "booking.queue_pace_wrong"
    words = "每秒放进的人数要在 1 到 10000 之间。请改一改再存。"
