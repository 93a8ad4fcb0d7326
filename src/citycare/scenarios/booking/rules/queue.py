"""The queue of first come: in a rush the fast line or the script gets no better place. Pure.

Everybody who arrives before the opening or in the first `gather_s` seconds after it is put in one
random order, and later everybody of the same second, so neither milliseconds nor quick fingers
buy anything. A person has one place in a
queue, whatever the number of devices. The queue guards fairness and load only: places are sold
once by the constraints of the database, with or without it.

Sources: Hakimov et al. 2021 (AER 111(7):2127) on speed as the scalper's edge; Budish, Cramton,
Shim, Quarterly Journal of Economics 130(4):1547–1621, 2015 (batching time removes races for
speed); RFC 2104 (HMAC).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import math
from datetime import datetime
from uuid import UUID

from citycare.scenarios.booking.model.draw import Ticket, TicketWrong

ID = 16
SECOND = 8
MAC = 16
BODY = 2 * ID + SECOND
CREDIT_S_MAX = 5.0


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


def _body(ticket: Ticket) -> bytes:
    return ticket.queue_id.bytes + ticket.person_id.bytes + ticket.second.to_bytes(SECOND, "big")


def admit(admitted: int, ranked: int, elapsed_s: float, rate_per_s: int) -> tuple[int, float]:
    """Return up to which position people are let in now, and the seconds of credit used.

    `rate_per_s` people a second, never beyond those who have a position. Time in which nobody
    waited gives no credit, and after a standstill at most CREDIT_S_MAX seconds are made up for,
    so that the system gets no burst it cannot bear.

    Source: token bucket, RFC 2697 §3; the numbers are policy (`booking.queue.rate_per_s`).
    """
    credit_s = min(max(elapsed_s, 0.0), CREDIT_S_MAX)
    people = math.floor(credit_s * rate_per_s + 1e-9)
    reached = min(ranked, admitted + people)
    if reached == ranked:
        return reached, elapsed_s
    return reached, elapsed_s - credit_s + people / rate_per_s


def wait_s(position: int, admitted: int, rate_per_s: int) -> int:
    """Return the estimated wait in whole seconds, rounded up; 0: it is this person's turn.

    Source: Little's law with a constant rate of admission.
    """
    return max(0, math.ceil((position - admitted) / rate_per_s))
