"""The queue before a rush: a ticket, a position, an estimated wait, admission at a steady rate.

One queue is one release (`ids.derive("booking.queue", …)` of whatever opens together). Nothing
here sells a place: the booking itself asks `check_many` first and `spend_many` after.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from citycare.kernel import consent
from citycare.kernel.context import Context, policy
from citycare.kit import clock
from citycare.kit.db import Database, Row
from citycare.kit.errors import AppError
from citycare.scenarios.booking.model.draw import (
    Keys,
    QueueUnknown,
    Standing,
    Ticket,
    TicketNotAdmitted,
    TicketSpent,
    TicketWrong,
)
from citycare.scenarios.booking.rules import queue as rules
from citycare.scenarios.booking.store import queue as store

OPEN_MAX = 100
KEPT = timedelta(hours=12)


async def open_queue(cx: Context, queue_id: UUID, opens_at: datetime) -> None:
    """Open a queue with the rate and deadline in force; again changes nothing."""
    values = await policy.values(cx, "booking.queue.")
    rate, use_s, gather_s = (int(values[name]) for name in ("rate_per_s", "use_s", "gather_s"))
    await store.add(cx.db, queue_id, opens_at, rate, use_s, gather_s)


async def join(cx: Context, keys: Keys, queue_id: UUID, person_id: UUID) -> Standing:
    """Put one person in the queue, or tell where they stand.

    Raises:
        Forbidden, NotFound: the actor may not act for this person, or there is no such queue.
    """
    await consent.require(cx, "booking.book", person_id)
    return (await join_many(cx, keys, queue_id, [person_id]))[0]


async def join_many(
    cx: Context, keys: Keys, queue_id: UUID, persons: Sequence[UUID]
) -> list[Standing]:
    """Put many in the queue in two statements; whoever stands there already keeps the place.

    The caller has asked `consent` for each person.
    """
    queue = await _queue(cx, queue_id)
    second = rules.arrival_second(cx.now, queue["opens_at"], queue["gather_s"])
    tickets = {person: rules.new_ticket(keys.queue, queue_id, person, second) for person in persons}
    spent = cx.now - timedelta(seconds=queue["use_s"])
    await store.join(cx.db, queue_id, list(tickets.values()), spent)
    rows = await store.tickets_of(cx.db, queue_id, persons)
    return [_standing(keys, queue, rows[person]) for person in persons]


async def standing(cx: Context, keys: Keys, token: str) -> Standing:
    """Tell the holder of a token where they stand. The token itself is the permission.

    Raises:
        TicketWrong: not ours, or no longer the person's ticket.
    """
    ticket = rules.read(keys.queue, token)
    queue = await _queue(cx, ticket.queue_id)
    rows = await store.tickets_of(cx.db, ticket.queue_id, [ticket.person_id])
    row = rows.get(ticket.person_id)
    if row is None or row["second"] != ticket.second:
        raise TicketWrong(queue=ticket.queue_id)
    return _standing(keys, queue, row)


async def _queue(cx: Context, queue_id: UUID) -> Row:
    queue = await store.find(cx.db, queue_id)
    if queue is None:
        raise QueueUnknown(queue=queue_id)
    return queue


def _standing(keys: Keys, queue: Row, row: Row) -> Standing:
    ticket = Ticket(queue["id"], row["person_id"], row["second"], row["tie"])
    position, admitted = row["position"], row["admitted_at"] is not None
    if position is None:
        return Standing(rules.sign(keys.queue, ticket), None, None, None, admitted=False)
    return Standing(
        token=rules.sign(keys.queue, ticket),
        position=position,
        ahead=0 if admitted else max(0, position - queue["admitted"] - 1),
        wait_s=0 if admitted else rules.wait_s(position, queue["admitted"], queue["rate_per_s"]),
        admitted=admitted,
    )


async def advance(database: Database, queue_id: UUID) -> int:
    """Rank the seconds that are over and let the next in; for a tick each second.

    Any process may do it: while one does, the others skip. Returns up to which position people
    are let in.
    """
    async with database.transaction() as db:
        now = clock.now()
        queue = await store.try_lock(db, queue_id)
        if queue is None or now < queue["opens_at"]:
            return queue["admitted"] if queue else 0
        ranked: int = queue["ranked"]
        ranked += await store.rank(db, queue_id, ranked, int(now.timestamp()))
        elapsed_s = (now - queue["advanced_at"]).total_seconds()
        admitted, used_s = rules.admit(queue["admitted"], ranked, elapsed_s, queue["rate_per_s"])
        used = timedelta(seconds=used_s)
        await store.move_on(db, queue, ranked=ranked, admitted=admitted, used=used, now=now)
        return admitted


async def advance_all(database: Database) -> int:
    """Advance every queue that opened lately or is about to; return how many."""
    async with database.autocommit() as db:
        queues = await store.list_open(db, clock.now() - KEPT, OPEN_MAX)
    for queue_id in queues:
        await advance(database, queue_id)
    return len(queues)


async def check_many(
    cx: Context, keys: Keys, queue_id: UUID, claims: Sequence[tuple[UUID, str]]
) -> list[AppError | None]:
    """Tell for each (person, token) why it may not book now, or None. Reads only, one statement."""
    queue = await _queue(cx, queue_id)
    rows = await store.tickets_of(cx.db, queue_id, [person for person, _ in claims])
    spent = cx.now - timedelta(seconds=queue["use_s"])
    return [_refusal(keys, queue_id, claim, rows.get(claim[0]), spent) for claim in claims]


def _refusal(
    keys: Keys, queue_id: UUID, claim: tuple[UUID, str], row: Row | None, spent: datetime
) -> AppError | None:
    person_id, token = claim
    try:
        ticket = rules.read(keys.queue, token, person_id)
    except TicketWrong as error:
        return error
    if row is None or ticket.queue_id != queue_id or ticket.second != row["second"]:
        return TicketWrong(queue=queue_id)
    if row["used_at"] is not None:
        return TicketSpent(queue=queue_id)
    if row["admitted_at"] is None:
        return TicketNotAdmitted(queue=queue_id)
    return TicketSpent(queue=queue_id) if row["admitted_at"] <= spent else None


async def spend_many(cx: Context, queue_id: UUID, persons: Sequence[UUID]) -> None:
    """Use up the tickets of those who got a place, in the transaction of the booking.

    Raises:
        TicketSpent: one of them was used by another request meanwhile; nothing may be booked.
    """
    if await store.spend(cx.db, queue_id, persons, cx.now) != len(set(persons)):
        raise TicketSpent(queue=queue_id)
