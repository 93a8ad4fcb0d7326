"""The queue before a rush: a ticket, a position, an estimated wait, admission in order.

One queue is one release of one clinic. Nothing here sells a place: `Turnstile` tells the booking
who may take one now, and uses their tickets up with it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from citycare.kernel import audit, consent
from citycare.kernel.context import Context, policy
from citycare.kit import clock, ids
from citycare.kit.db import Database, Row
from citycare.kit.errors import AppError
from citycare.scenarios.booking.model.core import Claim, Slot
from citycare.scenarios.booking.model.draw import Keys
from citycare.scenarios.booking.model.queue import (
    PaceWrong,
    QueueNotOpen,
    Setting,
    Standing,
    Ticket,
    TicketSpent,
    TicketWrong,
)
from citycare.scenarios.booking.model.schedule import ClinicUnknown
from citycare.scenarios.booking.rules import queue as rules
from citycare.scenarios.booking.store import clinics as clinic_store
from citycare.scenarios.booking.store import places as place_store
from citycare.scenarios.booking.store import queue as store

PACE_MAX = 10_000
ADVANCE_MAX = 300  # a second; about 3 ms each


async def set_queued(cx: Context, clinic_id: UUID, *, queued: bool) -> None:
    """Say whether a clinic's releases go by queue. One that is open goes on; audited.

    Raises:
        ClinicUnknown; Forbidden: not a scheduler of the house.
    """
    await _require(cx, clinic_id)
    await store.set_queued(cx.db, clinic_id, queued=queued)
    detail = {"queued": queued}
    await audit.append(
        cx, [audit.Entry("booking.queue.set", None, f"Schedule/{clinic_id}", detail=detail)]
    )


async def set_pace(cx: Context, clinic_id: UUID, rate_per_s: int | None) -> None:
    """Say how many a second a clinic's queues let in; None as in the whole city.

    A queue that is open follows at once; audited.

    Raises:
        ClinicUnknown; Forbidden: not a scheduler of the house.
        PaceWrong: less than one or over 10,000.
    """
    await _require(cx, clinic_id)
    if rate_per_s is not None and not 1 <= rate_per_s <= PACE_MAX:
        raise PaceWrong(rate_per_s=rate_per_s)
    usual = int(await policy.value(cx, "booking.queue.rate_per_s"))
    await store.set_pace(cx.db, clinic_id, rate_per_s, cx.now, usual)
    entry = audit.Entry(
        "booking.queue.set", None, f"Schedule/{clinic_id}", detail={"rate_per_s": rate_per_s}
    )
    await audit.append(cx, [entry])


async def setting_of(cx: Context, clinic_id: UUID) -> tuple[Setting, Row | None]:
    """Return how a clinic's releases go, and the queue that is open or about to be.

    Raises:
        ClinicUnknown; Forbidden: not a scheduler of the house.
    """
    await _require(cx, clinic_id)
    row = await store.how(cx.db, clinic_id)
    assert row is not None
    values = await policy.values(cx, "booking.queue.")
    setting = Setting(
        queued=row["queued"],
        rate_per_s=row["queue_rate_per_s"],
        usual_per_s=int(values["rate_per_s"]),
        before_min=int(values["before_min"]),
        gather_s=int(values["gather_s"]),
    )
    return setting, await store.of_clinic(cx.db, clinic_id, cx.now)


async def _require(cx: Context, clinic_id: UUID) -> None:
    """Raise ClinicUnknown or Forbidden unless the actor schedules this clinic."""
    found = await clinic_store.get(cx.db, [clinic_id])
    if not found:
        raise ClinicUnknown(clinic=clinic_id)
    await consent.require(cx, "booking.schedule", organisation_id=found[0].organisation_id)


async def open_due(cx: Context, clinic_id: UUID | None = None) -> int:
    """Open the queues of releases that are near; for a job each minute. Return how many.

    Again changes nothing. Written together: the queues, and on each window which queue guards it
    until when, so that a booking learns it from the row it reads anyway.
    """
    values = await policy.values(cx, "booking.queue.")
    until = cx.now + timedelta(minutes=int(values["before_min"]))
    coming = await store.list_coming(cx.db, cx.now, until, clinic_id)
    if not coming:
        return 0
    after = timedelta(minutes=int(values["after_min"]))
    queues: list[tuple[UUID, UUID, datetime, datetime, int]] = []
    usual = int(values["rate_per_s"])
    windows: list[tuple[UUID, UUID]] = []
    for row in coming:
        opens_at: datetime = row["opens_at"]
        queue_id = ids.derive("booking.queue", row["clinic_id"], opens_at.isoformat())
        rate = row["rate_per_s"] or usual
        queues.append((queue_id, row["clinic_id"], opens_at, opens_at + after, rate))
        windows.extend((slot_id, queue_id) for slot_id in row["slots"])
    use_s, gather_s = int(values["use_s"]), int(values["gather_s"])
    await store.add(cx.db, queues, use_s=use_s, gather_s=gather_s)
    await place_store.lock_slots(cx.db, {slot_id for slot_id, _ in windows})
    await store.mark(cx.db, windows)
    return len(queues)


async def forget_old(cx: Context) -> int:
    """Delete queues that are long over; return how many tickets. For a job each night."""
    days = int(await policy.value(cx, "booking.queue.kept_days"))
    return await store.forget(cx.db, cx.now - timedelta(days=days))


async def join(cx: Context, keys: Keys, clinic_id: UUID, person_id: UUID) -> Standing:
    """Put one person in the queue of a clinic's release, or tell where they stand.

    Raises:
        Forbidden, NotFound: the actor may not act for this person.
        QueueNotOpen: there is nothing to queue for now.
    """
    await consent.require(cx, "booking.book", person_id)
    queue = await store.of_clinic(cx.db, clinic_id, cx.now)
    if queue is None and await open_due(cx, clinic_id):
        queue = await store.of_clinic(cx.db, clinic_id, cx.now)
    if queue is None:
        raise QueueNotOpen(clinic=clinic_id)
    return (await join_many(cx, keys, queue, [person_id]))[0]


async def join_many(cx: Context, keys: Keys, queue: Row, persons: Sequence[UUID]) -> list[Standing]:
    """Put many in a queue in three statements; whoever stands there already keeps the place.

    The caller has asked `consent` for each person. They are locked, so that a ticket cannot be
    written anew while a booking is using it up.
    """
    await place_store.lock_persons(cx.db, persons)
    second = rules.arrival_second(cx.now, queue["opens_at"], queue["gather_s"])
    tickets = [rules.new_ticket(keys.queue, queue["id"], person, second) for person in persons]
    await store.join(cx.db, queue["id"], tickets, cx.now - timedelta(seconds=queue["use_s"]))
    rows = await store.tickets_of(cx.db, [(queue["id"], person) for person in persons])
    return [_standing(keys, rows[queue["id"], person], cx.now) for person in persons]


async def standing(cx: Context, keys: Keys, token: str) -> Standing:
    """Tell the holder of a token where they stand. The token itself is the permission.

    Raises:
        TicketWrong: not ours, or no longer the person's ticket.
    """
    ticket = rules.read(keys.queue, token)
    key = (ticket.queue_id, ticket.person_id)
    row = (await store.tickets_of(cx.db, [key])).get(key)
    if row is None or row["second"] != ticket.second:
        raise TicketWrong(queue=ticket.queue_id)
    return _standing(keys, row, cx.now)


async def standing_of(
    cx: Context, keys: Keys, clinic_id: UUID, person_id: UUID
) -> tuple[Row | None, Standing | None]:
    """Return the queue of a clinic's release, and where a person stands in it; None: nowhere.

    Raises:
        Forbidden, NotFound: the actor may not act for this person.
    """
    await consent.require(cx, "booking.book", person_id)
    queue = await store.of_clinic(cx.db, clinic_id, cx.now)
    if queue is None:
        return None, None
    key = (queue["id"], person_id)
    row = (await store.tickets_of(cx.db, [key])).get(key)
    return queue, _standing(keys, row, cx.now) if row is not None else None


async def ticket_for(cx: Context, slot_id: UUID, person_id: UUID) -> Ticket | None:
    """Return a person's ticket for the queue that guards a window, for pages: they keep no token.

    Whether it is this person's turn, the booking decides.
    """
    slot = (await place_store.read_slots(cx.db, [slot_id])).get(slot_id)
    if slot is None or slot.queue_id is None or slot.queue_until is None:
        return None
    if slot.queue_until <= cx.now:
        return None
    key = (slot.queue_id, person_id)
    row = (await store.tickets_of(cx.db, [key])).get(key)
    return Ticket(slot.queue_id, person_id, row["second"], row["tie"]) if row else None


async def is_open(cx: Context, clinic_id: UUID) -> bool:
    """Tell whether one queues for a clinic's release now. Public."""
    return await store.of_clinic(cx.db, clinic_id, cx.now) is not None


async def passed(cx: Context, person_id: UUID, queues: Collection[UUID]) -> set[UUID]:
    """Return those of these queues in which it is a person's turn now."""
    rows = await store.tickets_of(cx.db, [(queue_id, person_id) for queue_id in queues])
    held = {queue_id: store.held_of(row) for (queue_id, _), row in rows.items()}
    return {
        queue_id
        for queue_id, one in held.items()
        if one.until is not None and one.until > cx.now and not one.used
    }


def _standing(keys: Keys, row: Row, now: datetime) -> Standing:
    ticket = Ticket(row["id"], row["person_id"], row["second"], row["tie"])
    held = store.held_of(row)
    position = row["position"]
    admitted = held.until is not None and held.until > now and not held.used
    ahead, wait_s, next_s = None, None, None
    if position is None:
        opens_in = row["second"] + 1 - now.timestamp()
        next_s = max(int(opens_in), 0)
    elif held.until is None:
        ahead = max(0, position - row["admitted"] - 1)
        room = row["places_left"] - row["choosing"]
        wait_s = rules.wait_s(ahead, row["rate_per_s"], room, row["choosing"], row["use_s"])
        next_s = wait_s
    else:
        ahead = wait_s = 0
    return Standing(
        token=rules.sign(keys.queue, ticket),
        opens_at=row["opens_at"],
        position=position,
        ahead=ahead,
        wait_s=wait_s,
        left=max(0, row["places_left"] - row["choosing"]),
        admitted=admitted,
        used=held.used,
        until=held.until,
        poll_s=rules.poll_s(next_s),
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
        left, choosing = await store.room(db, queue, now)
        elapsed_s = (now - queue["advanced_at"]).total_seconds()
        admitted, used_s = rules.admit(
            queue["admitted"], ranked, elapsed_s, queue["rate_per_s"], left - choosing
        )
        await store.move_on(
            db,
            queue,
            ranked=ranked,
            admitted=admitted,
            places_left=left,
            choosing=choosing,
            used=timedelta(seconds=used_s),
            now=now,
        )
        return admitted


async def advance_all(database: Database) -> float:
    """Advance every open queue in which anybody waits; return the seconds until the next look.

    One read, when there is no queue; those that were not moved for longest come first.
    """
    now = clock.now()
    async with database.autocommit() as db:
        queues = await store.list_open(db, now)
    waiting = [row["id"] for row in queues if row["waiting"] and row["opens_at"] <= now]
    for queue_id in waiting[:ADVANCE_MAX]:
        await advance(database, queue_id)
    return rules.pause_s((row["opens_at"] for row in queues), now)


class Turnstile:
    """Who of a batch may book while queues are in force, and whose tickets are used up by it."""

    def __init__(
        self, cx: Context, slots: Mapping[UUID, Slot], held: Mapping[tuple[UUID, UUID], rules.Held]
    ) -> None:
        """`held`: the tickets of those who must have one, by (queue, person)."""
        self._cx = cx
        self._slots = slots
        self._held = held
        self._spent: set[tuple[UUID, UUID]] = set()

    @classmethod
    async def before(
        cls, cx: Context, claims: Sequence[Claim], slots: Mapping[UUID, Slot]
    ) -> Turnstile:
        """Read the tickets needed in one statement; in none when no claim must queue."""
        asked = {
            (slot.queue_id, claim.person_id)
            for claim in claims
            if (slot := slots.get(claim.slot_id)) is not None
            and slot.queue_id is not None
            and rules.must_queue(claim, slot, cx.now)
        }
        rows = await store.tickets_of(cx.db, asked) if asked else {}
        return cls(cx, slots, {key: store.held_of(row) for key, row in rows.items()})

    def refusal(self, claim: Claim) -> AppError | None:
        """Return why a claim may not pass, or None."""
        key = self._key(claim)
        if key is None:
            return None
        slot = self._slots[claim.slot_id]
        spent = {person for queue_id, person in self._spent if queue_id == key[0]}
        return rules.refusal(claim, slot, self._held.get(key), self._cx.now, spent)

    def let_through(self, claim: Claim) -> None:
        """Note that a claim got its place."""
        key = self._key(claim)
        if key is not None:
            self._spent.add(key)

    async def close(self) -> None:
        """Use up the tickets of those who got a place, in the transaction of the booking.

        Raises:
            TicketSpent: one was used meanwhile; under the locks on the persons this cannot be.
        """
        if self._spent and await store.spend(self._cx.db, self._spent, self._cx.now) != len(
            self._spent
        ):
            raise TicketSpent(tickets=len(self._spent))

    def _key(self, claim: Claim) -> tuple[UUID, UUID] | None:
        slot = self._slots.get(claim.slot_id)
        if slot is None or slot.queue_id is None:
            return None
        if not rules.must_queue(claim, slot, self._cx.now):
            return None
        return slot.queue_id, claim.person_id
