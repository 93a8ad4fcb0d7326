"""The queue of first come: in a rush the fast line or the script gets no better place. Pure.

Everybody who arrives before the opening or in the first `gather_s` seconds after it is put in one
random order, and later everybody of the same second, so neither milliseconds nor quick fingers
buy anything. A person has one place in a queue, whatever the number of devices. As many are let
in as there are places for, so whoever stands before really chooses before. The queue guards
fairness and load only: places are sold once by the constraints of the database, with or without it.

Sources: Hakimov et al. 2021 (AER 111(7):2127) on speed as the scalper's edge; Budish, Cramton,
Shim, Quarterly Journal of Economics 130(4):1547–1621, 2015 (batching time removes races for
speed); RFC 2104 (HMAC).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from citycare.kernel.context import Role
from citycare.kit.errors import AppError
from citycare.scenarios.booking.model.core import ASKED_FOR, Claim, Pool, Slot
from citycare.scenarios.booking.model.queue import (
    Ticket,
    TicketMissing,
    TicketNotAdmitted,
    TicketSpent,
    TicketWrong,
)

ID = 16
SECOND = 8
MAC = 16
BODY = 2 * ID + SECOND
CREDIT_S_MAX = 5.0
POLL_S_MIN, POLL_S_MAX = 3, 30
IDLE_S, TICK_S = 15.0, 1.0
NOBODY = UUID(int=0)
STAFF = (Role.CLERK, Role.SCHEDULER, Role.CLINICIAN)


def arrival_second(now: datetime, opens_at: datetime, gather_s: int) -> int:
    """Return the second (Unix time, whole seconds) in which an arrival counts.

    Whoever is early, or comes in the first `gather_s` seconds (at least 1), counts as arriving in
    the last of these seconds: nobody gains by waiting since last night, nor by a script.

    Source: ours; Budish et al. 2015 for batches by time; `booking.queue.gather_s` is policy.
    """
    return max(int(now.timestamp()), int(opens_at.timestamp()) + gather_s - 1)


def tie(key: bytes, queue_id: UUID, person_id: UUID, second: int) -> int:
    """Return the number (63 bits) by which arrivals of one second are put in order.

    It is a keyed hash: nobody without the key can foresee it, and asking again does not change it.

    Source: RFC 2104.
    """
    body = b"tie" + queue_id.bytes + person_id.bytes + second.to_bytes(SECOND, "big")
    return int.from_bytes(hmac.digest(key, body, "sha256")[:8], "big") >> 1


def new_ticket(key: bytes, queue_id: UUID, person_id: UUID, second: int) -> Ticket:
    """Return the ticket of a person who arrives in a second (see `arrival_second`).

    Source: as `tie`.
    """
    return Ticket(queue_id, person_id, second, tie(key, queue_id, person_id, second))


def sign(key: bytes, ticket: Ticket) -> str:
    """Write a ticket as a token of 75 characters: queue, person, second, 128-bit MAC.

    Source: RFC 2104, RFC 4648 §5 (base64url without padding).
    """
    body = _body(ticket)
    mac = hmac.digest(key, b"ticket" + body, "sha256")[:MAC]
    return base64.urlsafe_b64encode(body + mac).rstrip(b"=").decode()


def read(key: bytes, token: str, person_id: UUID | None = None) -> Ticket:
    """Read a token back.

    Args:
        key: of this installation.
        token: as `sign` wrote it.
        person_id: whom it must belong to; None: whoever it says.

    Raises:
        TicketWrong: not ours, changed, or somebody else's.

    Source: RFC 2104; the comparison takes the same time wherever they differ.
    """
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise TicketWrong from error
    body, mac = raw[:BODY], raw[BODY:]
    if not hmac.compare_digest(mac, hmac.digest(key, b"ticket" + body, "sha256")[:MAC]):
        raise TicketWrong
    queue_id, owner = UUID(bytes=body[:ID]), UUID(bytes=body[ID : 2 * ID])
    if person_id not in (None, owner):
        raise TicketWrong
    second = int.from_bytes(body[2 * ID :], "big")
    return Ticket(queue_id, owner, second, tie(key, queue_id, owner, second))


def claimed(key: bytes, token: str | None, person_id: UUID | None = None) -> Ticket | None:
    """Read the token that comes with a claim; one that is not right is a ticket of no queue.

    So a stale token does no harm where no queue is in force, and is refused where one is. Whose
    it must be may be left out where that is not known yet: `refusal` looks at it again.

    Source: ours.
    """
    if not token:
        return None
    try:
        return read(key, token, person_id)
    except TicketWrong:
        return Ticket(NOBODY, person_id or NOBODY, 0, 0)


def _body(ticket: Ticket) -> bytes:
    return ticket.queue_id.bytes + ticket.person_id.bytes + ticket.second.to_bytes(SECOND, "big")


@dataclass(frozen=True, slots=True)
class Held:
    """A ticket as the database has it: let in if `until` is set, and works until then."""

    second: int
    until: datetime | None
    used: bool


def must_queue(claim: Claim, slot: Slot, now: datetime) -> bool:
    """Tell whether a claim needs a ticket: a public place of a window whose queue is in force.

    Staff of the house may book for who has no phone (their name is in the audit trail).

    Source: ours; manual service must stay: 无障碍环境建设法 art 39.
    """
    return (
        slot.queue_until is not None
        and slot.queue_until > now
        and claim.pool is Pool.PUBLIC
        and claim.source in ASKED_FOR
        and not any(claim.actor.has(role, slot.organisation_id) for role in STAFF)
    )


def refusal(
    claim: Claim, slot: Slot, held: Held | None, now: datetime, spent: Collection[UUID]
) -> AppError | None:
    """Return why a claim that must queue may not book now, or None.

    `held` is the person's ticket as the database has it, `spent` who used theirs in this batch.

    Source: ours; a ticket is bound to queue, person and second, works once and for a while.
    """
    facts = {"clinic": slot.clinic_id}
    ticket = claim.ticket
    if ticket is None:
        return TicketMissing(**facts)
    if held is None:
        return TicketWrong(**facts)
    expected = (slot.queue_id, claim.person_id, held.second)
    if (ticket.queue_id, ticket.person_id, ticket.second) != expected:
        return TicketWrong(**facts)
    if held.used or claim.person_id in spent:
        return TicketSpent(**facts)
    if held.until is None:
        return TicketNotAdmitted(**facts)
    return TicketSpent(**facts) if held.until <= now else None


def admit(
    admitted: int, ranked: int, elapsed_s: float, rate_per_s: int, room: int
) -> tuple[int, float]:
    """Return up to which position people are let in now, and the seconds of credit used.

    `rate_per_s` people a second, never beyond those who have a position, and no more than there is
    room for: places left, less the people who are choosing. Time in which nobody could be let in
    gives no credit, and after a standstill at most CREDIT_S_MAX seconds are made up for, so that
    the system gets no burst it cannot bear.

    Source: token bucket, RFC 2697 §3; the numbers are policy (`booking.queue.rate_per_s`).
    """
    credit_s = min(max(elapsed_s, 0.0), CREDIT_S_MAX)
    people = math.floor(credit_s * rate_per_s + 1e-9)
    limit = min(ranked, admitted + max(0, room))
    reached = min(limit, admitted + people)
    if reached == limit:
        return reached, elapsed_s
    return reached, elapsed_s - credit_s + people / rate_per_s


def wait_s(ahead: int, rate_per_s: int, room: int, choosing: int, use_s: int) -> int | None:
    """Return at most how many seconds somebody with `ahead` people before waits, or None.

    For whom there is room now the rate decides. Others wait until somebody who is choosing lets the
    time pass: as many can follow in `use_s` as are choosing. None: nobody is choosing any more.

    Source: Little's law with the slowest rate possible.
    """
    if ahead < room:
        return math.ceil((ahead + 1) / rate_per_s)
    if choosing <= 0:
        return None
    return use_s * (1 + (ahead - max(room, 0)) // choosing)


def poll_s(expected_s: int | None) -> int:
    """Return after how many seconds it is worth asking again: a quarter of the wait, 3 to 30.

    Source: ours, so that a hundred thousand who wait do not become the load they wait for.
    """
    if expected_s is None:
        return POLL_S_MAX
    return min(max(expected_s // 4, POLL_S_MIN), POLL_S_MAX)


def pause_s(openings: Iterable[datetime], now: datetime) -> float:
    """Return how long whoever moves the queues may sleep: a second while one is open.

    Source: ours; queues are made minutes before they open (`booking.queue.before_min`).
    """
    until = [(opens_at - now).total_seconds() for opens_at in openings]
    return min(max(min(until, default=IDLE_S), TICK_S), IDLE_S)
