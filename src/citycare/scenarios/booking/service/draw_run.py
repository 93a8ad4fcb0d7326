"""Running a draw after its closing: in phases, each a transaction, safe to kill at any point.

    open ──freeze──> frozen ──digest──> frozen, published ──(beacon)──lottery──> drawn
         ──bookings window by window, then the others are told──> ──finish──> done

Every phase begins by locking the draw's row, or its lane's, and reading how far it is; what it does
follows from the frozen list and the seed alone. So a second run goes on where the first stopped,
two at once only wait for each other, and the result is the same. Bookings and messages are written
in lanes side by side, because this process and the server can work at the same time.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from uuid import UUID

import orjson

from citycare.kernel import audit, events
from citycare.kernel.context import SYSTEM, Actor, Channel, Context
from citycare.kit import clock
from citycare.kit.db import Connection, Database
from citycare.scenarios.booking.model.core import Booking, Claim, Slot, Source
from citycare.scenarios.booking.model.draw import (
    BeaconMissing,
    Draw,
    DrawNotOpen,
    DrawSlot,
    DrawState,
    DrawUnknown,
    Keys,
    Lane,
    SeedUnreadable,
    Won,
)
from citycare.scenarios.booking.rules import draw as rules
from citycare.scenarios.booking.rules.limits import Limits, Standing, check_limits
from citycare.scenarios.booking.rules.places import Taken
from citycare.scenarios.booking.service import draw as draw_service
from citycare.scenarios.booking.service.records import limits_in_force, new_booking, record
from citycare.scenarios.booking.store import bookings as booking_store
from citycare.scenarios.booking.store import draw as store
from citycare.scenarios.booking.store import draw_run
from citycare.scenarios.booking.store import keys as key_store
from citycare.scenarios.booking.store import places as place_store

log = logging.getLogger(__name__)

PLACES_A_CHUNK = 1_000
TOLD_A_CHUNK = 100_000
BOOKING_LANES = 2
DUE_MAX = 20

Tell = Callable[[str, int, int], None]


def _silent(_phase: str, _done: int, _of: int) -> None:
    """Tell nobody."""


async def run_due(database: Database, keys: Keys, tell: Tell = _silent) -> list[UUID]:
    """Run every draw whose time has come, one after the other; to be called each minute.

    One that fails does not keep the others waiting.

    Raises:
        Exception: of the first that failed, after the others were run.
    """
    async with database.autocommit() as db:
        due = await store.list_due(db, clock.now(), DUE_MAX)
    failed: list[Exception] = []
    for draw_id in due:
        try:
            await run_draw(database, keys, draw_id, tell)
        except Exception as error:  # noqa: BLE001 - kept, and raised below
            log.warning("draw %s failed: %r", draw_id, error)
            failed.append(error)
    if failed:
        raise failed[0]
    return due


async def run_draw(database: Database, keys: Keys, draw_id: UUID, tell: Tell = _silent) -> Draw:
    """Bring a closed draw as far as it can go; call it again after a crash or a beacon.

    Args:
        database: the pool; each phase takes its own transaction.
        keys: of this installation, to open the seed.
        draw_id: the draw.
        tell: called with (phase, done, of) for progress.

    Returns:
        The draw as it stands: done, or frozen and waiting for its announced beacon.

    Raises:
        DrawUnknown, DrawNotOpen (not closed yet), SeedUnreadable.
    """
    await _freeze(database, draw_id, tell)
    await _digest(database, draw_id, tell)
    try:
        await _lottery(database, keys, draw_id, tell)
    except BeaconMissing:
        async with database.autocommit() as db:
            return await draw_service.get_draw(db, draw_id)
    await _write_all(database, draw_id, tell)
    return await _finish(database, keys, draw_id, tell)


@asynccontextmanager
async def _phase(database: Database, draw_id: UUID) -> AsyncIterator[tuple[Context, Draw]]:
    """Open a transaction of the system actor with the draw locked."""
    async with _system(database, draw_id) as cx:
        draw = await store.lock(cx.db, draw_id)
        if draw is None:
            raise DrawUnknown(draw=draw_id)
        yield cx, draw


@asynccontextmanager
async def _system(database: Database, draw_id: UUID) -> AsyncIterator[Context]:
    async with database.transaction() as db:
        request_id = f"draw-{draw_id}"
        yield Context(db, SYSTEM, clock.now(), request_id, Channel.HOSPITAL, "booking.draw")


async def _freeze(database: Database, draw_id: UUID, tell: Tell) -> None:
    async with database.transaction() as db:
        await draw_run.freeze(db, draw_id, clock.now())
        draw = await draw_service.get_draw(db, draw_id)
        if draw.state is DrawState.OPEN:
            raise DrawNotOpen(closes_at=draw.closes_at)
        tell("frozen", draw.requests or 0, draw.requests or 0)


async def _digest(database: Database, draw_id: UUID, tell: Tell) -> None:
    async with _phase(database, draw_id) as (cx, draw):
        if draw.list_digest is not None:
            return
        so_far = hashlib.sha256()
        async for _ in draw_service.list_part(cx.db, draw, so_far):
            pass
        await draw_run.set_digest(cx.db, draw_id, so_far.digest())
        entry = audit.Entry("booking.draw.freeze", None, f"draw/{draw_id}")
        await audit.append(cx, [entry])
        tell("list published", draw.requests or 0, draw.requests or 0)


async def _seed(db: Connection, keys: Keys, draw: Draw) -> bytes:
    seed = key_store.unseal(keys, draw.id, await draw_run.sealed_seed(db, draw.id))
    if rules.commitment(seed) != draw.commitment:
        raise SeedUnreadable(draw=draw.id)
    return seed


async def _lottery(database: Database, keys: Keys, draw_id: UUID, tell: Tell) -> None:
    """Order the frozen list and write every result, in one transaction."""
    async with _phase(database, draw_id) as (cx, draw):
        if draw.state is not DrawState.FROZEN:
            return
        if draw.beacon_source and draw.beacon is None:
            raise BeaconMissing(draw=draw_id)
        assert draw.list_digest is not None
        seed = await _seed(cx.db, keys, draw)
        key = rules.lottery_key(seed, draw.list_digest, draw.beacon or "")
        slots = await store.slots_of(cx.db, draw_id)
        records: list[bytes] = []
        async for chunk in store.packed_requests(cx.db, draw_id, rules.RECORD):
            records.extend(chunk)
        tickets = await asyncio.to_thread(rules.ranked, key, records)
        del records
        tell("ordered", len(tickets), len(tickets))
        won = await draw_run.add_results(cx.db, draw_id, rules.allot(tickets, slots))
        await draw_run.add_lanes(cx.db, draw_id, shared_out(len(slots), len(tickets)))
        tell("results", won, len(tickets))


def shared_out(slots: int, requests: int) -> list[Lane]:
    """Return the lanes of a draw: its windows cut into BOOKING_LANES, and all positions in one."""
    cuts = [slots * lane // BOOKING_LANES for lane in range(BOOKING_LANES + 1)]
    lanes = [Lane(n, "book", after, upto) for n, (after, upto) in enumerate(pairwise(cuts))]
    return [*lanes, Lane(BOOKING_LANES, "tell", 0, requests)]


async def _write_all(database: Database, draw_id: UUID, tell: Tell) -> None:
    """Run the lanes side by side; when one fails, the others end, then its error is raised."""
    async with database.autocommit() as db:
        lanes = await draw_run.lanes_of(db, draw_id)
        slots = await store.slots_of(db, draw_id)
    work = []
    for lane in lanes:
        if lane.kind == "book":
            ends = chunk_ends(slots[lane.reached : lane.upto])
        else:
            ends = [*range(lane.reached + TOLD_A_CHUNK, lane.upto, TOLD_A_CHUNK), lane.upto]
        work.append(_write_lane(database, draw_id, lane, ends, tell))
    for outcome in await asyncio.gather(*work, return_exceptions=True):
        if outcome is not None:
            raise outcome


async def _write_lane(
    database: Database, draw_id: UUID, lane: Lane, ends: Sequence[int], tell: Tell
) -> None:
    for end in ends:
        async with _system(database, draw_id) as cx:
            now = await draw_run.lock_lane(cx.db, draw_id, lane.lane)
            if now.reached >= end:
                continue
            await draw_run.set_reached(cx.db, draw_id, lane.lane, end)
            if lane.kind == "book":
                draw = await draw_service.get_draw(cx.db, draw_id)
                await _book_chunk(cx, draw, now.reached, end)
                tell("booked", end, lane.upto)
            else:
                await draw_run.tell_losers(cx.db, draw_id, now.reached, end, cx.now)
                tell("told", end, lane.upto)


def chunk_ends(slots: Sequence[DrawSlot]) -> list[int]:
    """Return the last window number of each chunk of about PLACES_A_CHUNK places."""
    ends: list[int] = []
    places = 0
    for slot in slots:
        places += len(slot.numbers)
        if places >= PLACES_A_CHUNK:
            ends.append(slot.n)
            places = 0
    if slots and (not ends or ends[-1] != slots[-1].n):
        ends.append(slots[-1].n)
    return ends


async def _book_chunk(cx: Context, draw: Draw, after: int, end: int) -> None:
    won = await draw_run.winners(cx.db, draw.id, after, end)
    persons = {one.person_id for one in won}
    known_as = await place_store.lock_persons(cx.db, persons)
    slots = await place_store.lock_slots(cx.db, {one.slot_id for one in won})
    held = await booking_store.held(cx.db, persons, cx.now - draw_service.LOOK_BACK)
    standing, limits = Standing(held, (), known_as), await limits_in_force(cx)
    granted: list[tuple[Booking, Slot]] = []
    missed: list[tuple[int, str]] = []
    messages: list[tuple[UUID, str, str]] = []
    for one in won:
        slot = slots[one.slot_id]
        claim = _claim(cx, draw, one)
        why = _refusal(claim, slot, standing, limits, cx)
        if why:
            missed.append((one.position, why))
            messages.append((one.person_id, "draw_missed", _facts(draw, one, why=why)))
            continue
        booking = new_booking(cx, claim, Taken(slot, one.number))
        booking = replace(booking, channel=Channel(one.channel), acted_by=one.acted_by)
        standing.add(claim, slot)
        granted.append((booking, slot))
        messages.append((one.person_id, "draw_won", _facts(draw, one, booking=str(booking.id))))
    await draw_run.tell(cx.db, messages, cx.now)
    if missed:
        await draw_run.mark_missed(cx.db, draw.id, missed)
    await _write(cx, granted, limits)


def _claim(cx: Context, draw: Draw, won: Won) -> Claim:
    actor = Actor(won.acted_by, None, ())
    return Claim(
        won.slot_id,
        won.person_id,
        draw.pool,
        actor,
        Channel(won.channel),
        cx.request_id,
        Source.DRAW,
    )


def _refusal(
    claim: Claim, slot: Slot, standing: Standing, limits: Limits, cx: Context
) -> str | None:
    if slot.state != "open" or slot.starts_at <= cx.now:
        return "stopped"
    return "clash" if check_limits(claim, slot, standing, limits, cx.now) else None


def _facts(draw: Draw, won: Won, **more: str) -> str:
    facts = {"draw": str(draw.id), "slot": str(won.slot_id), "number": won.number, **more}
    return orjson.dumps(facts).decode()


async def _write(cx: Context, granted: Sequence[tuple[Booking, Slot]], limits: Limits) -> None:
    if not granted:
        return
    places = [(booking.slot_id, booking.number) for booking, _ in granted]
    took = await place_store.take(cx.db, places, was=("offered",))
    if took != len(granted):
        raise RuntimeError(f"a place of the draw was given away: {took} of {len(granted)} left")
    await record(cx, granted, limits)
    await audit.append(
        cx,
        [
            audit.Entry("booking.draw", booking.person_id, f"Appointment/{booking.id}")
            for booking, _ in granted
        ],
    )


async def _finish(database: Database, keys: Keys, draw_id: UUID, tell: Tell) -> Draw:
    async with _phase(database, draw_id) as (cx, draw):
        if draw.state is DrawState.DONE:
            return draw
        if any(lane.reached < lane.upto for lane in await draw_run.lanes_of(cx.db, draw_id)):
            raise RuntimeError(f"draw {draw_id} is not written to the end")
        limits = await limits_in_force(cx)
        seed = await _seed(cx.db, keys, draw)
        minutes = (limits.return_min_minutes, limits.return_max_minutes)
        left = await draw_run.finish(cx.db, draw_id, seed, cx.now, minutes)
        facts: dict[str, str | int] = {"draw": str(draw_id), "won": draw.won or 0, "left": left}
        await events.emit(cx, [events.Event("booking.drawn", facts)])
        await audit.append(cx, [audit.Entry("booking.draw.done", None, f"draw/{draw_id}")])
        tell("done", draw.won or 0, draw.requests or 0)
        return await draw_service.get_draw(cx.db, draw_id)
