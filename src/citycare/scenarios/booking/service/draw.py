"""Draws before and after the lottery: opening, requests, the beacon, and what is published."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from uuid import UUID

from citycare.kernel import audit, consent
from citycare.kernel.context import Context, policy
from citycare.kit import ids
from citycare.kit.db import Connection
from citycare.kit.errors import AppError
from citycare.kit.pages import PAGE_MAX
from citycare.scenarios.booking.model.core import (
    Claim,
    Pool,
    PoolClosed,
    Slot,
    SlotPast,
    SlotStopped,
    Source,
)
from citycare.scenarios.booking.model.draw import (
    BeaconMissing,
    Draw,
    DrawNotOpen,
    DrawPeriod,
    DrawRequest,
    DrawState,
    DrawStep,
    DrawUnknown,
    Keys,
    Report,
    WishesWrong,
)
from citycare.scenarios.booking.rules import draw as rules
from citycare.scenarios.booking.rules import draw_check
from citycare.scenarios.booking.rules.limits import Standing, check_limits
from citycare.scenarios.booking.rules.places import may_use_pool
from citycare.scenarios.booking.service.pools import people_of
from citycare.scenarios.booking.service.records import limits_in_force
from citycare.scenarios.booking.store import bookings as booking_store
from citycare.scenarios.booking.store import draw as store
from citycare.scenarios.booking.store import keys as key_store

LOOK_BACK = timedelta(days=1)
BEACON_CHARS_MAX = 500
SPOOL_BYTES = 16 << 20
TELL_BYTES = 1 << 20
Tell = Callable[[str, int, int | None], None]

read_keys = key_store.read_keys
keys_in = cache(read_keys)  # once a process


@dataclass(frozen=True, slots=True)
class NewDraw:
    """What a scheduler decides about a draw. `beacon_source` names a public text of later."""

    organisation_id: UUID
    name: str
    opens_at: datetime
    closes_at: datetime
    slots: Sequence[UUID]
    pool: Pool = Pool.PUBLIC
    beacon_source: str = ""


async def open_draw(cx: Context, keys: Keys, new: NewDraw) -> Draw:
    """Open a draw over windows; its commitment is public from now on.

    Written together: the draw, the sealed seed, its windows, the audit entry.

    Raises:
        Forbidden: not a scheduler of the organisation.
        DrawPeriod: it closes before it opens, or in the past.
        DrawEmpty: a window is not of the organisation, not released by draw, begins before the
            closing, or is in another draw.
    """
    await consent.require(cx, "booking.draw", organisation_id=new.organisation_id)
    if not max(new.opens_at, cx.now) < new.closes_at:
        raise DrawPeriod(opens_at=new.opens_at, closes_at=new.closes_at)
    seed, draw_id = key_store.new_seed(), ids.new()
    draw = Draw(
        id=draw_id,
        organisation_id=new.organisation_id,
        name=new.name,
        pool=new.pool,
        opens_at=new.opens_at,
        closes_at=new.closes_at,
        state=DrawState.OPEN,
        commitment=rules.commitment(seed),
        beacon_source=new.beacon_source,
    )
    await store.add(cx.db, draw, key_store.seal(keys, draw_id, seed), new.slots)
    await audit.append(cx, [audit.Entry("booking.draw.open", None, f"draw/{draw_id}")])
    return draw


async def get_draw(db: Connection, draw_id: UUID) -> Draw:
    """Return a draw; everything in it is public."""
    draw = await store.find(db, draw_id)
    if draw is None:
        raise DrawUnknown(draw=draw_id)
    return draw


async def list_draws(
    db: Connection, organisation_id: UUID | None, after: UUID | None, count: int
) -> list[Draw]:
    """Return a page of draws, oldest first; public."""
    return await store.list_draws(db, organisation_id, after or store.NOBODY, min(count, PAGE_MAX))


async def wishes_max(cx: Context) -> int:
    """Return how many windows a request may name now."""
    return rules.wishes_allowed(int(await policy.value(cx, "booking.draw.wishes_max")))


async def request_places(
    cx: Context, keys: Keys, draw_id: UUID, person_id: UUID, wishes: Sequence[UUID]
) -> DrawRequest:
    """Enter a person into a draw with ranked wishes, or change the wishes.

    One request a person; the last wishes before the closing count. Limits and holds are those of
    booking, asked for each wish (`check_claim`), and asked again when the place is booked. Whose
    the pool is, is asked here only.

    Raises:
        Forbidden, NotFound: the actor may not act for this person.
        DrawUnknown, DrawNotOpen, WishesWrong; OnHold, AlreadyBooked, TooManyBookings, PoolClosed.
    """
    await consent.require(cx, "booking.enter_draw", person_id)
    draw = await get_draw(cx.db, draw_id)
    found = await store.wished(cx.db, draw_id, wishes)
    most = await wishes_max(cx)
    numbers = [n for n, _ in found.values()]
    if len(found) != len(wishes) or not rules.check_wishes(numbers, most):
        raise WishesWrong(wishes=len(wishes), most=most)
    refused = await check_claim(cx, draw, person_id, [slot for _, slot in found.values()])
    if refused is not None:
        raise refused
    request = DrawRequest(
        draw_id=draw_id,
        public_id=rules.public_id(keys.public, draw_id, person_id),
        person_id=person_id,
        wishes=list(wishes),
        changed_at=cx.now,
    )
    ranked = [found[slot_id][0] for slot_id in wishes]
    await store.put_request(cx.db, request, ranked, cx.channel, cx.actor.account_id)
    entry = audit.Entry("booking.enter_draw", person_id, f"draw/{draw_id}")
    await audit.append(cx, [entry])
    return request


async def check_claim(
    cx: Context, draw: Draw, person_id: UUID, wishes: Sequence[Slot]
) -> AppError | None:
    """Return why a person could not hold one of these places if it were drawn, or None."""
    held = await booking_store.held(cx.db, [person_id], cx.now - LOOK_BACK)
    standing = Standing(held, await booking_store.on_hold(cx.db, [person_id], cx.now))
    limits = await limits_in_force(cx)
    people = await people_of(cx, [(draw.pool, person_id)])
    for slot in wishes:
        claim = Claim(
            slot.id, person_id, draw.pool, cx.actor, cx.channel, cx.request_id, Source.DRAW
        )
        if slot.starts_at <= cx.now:
            return SlotPast(slot=slot.id)
        if slot.state != "open":
            return SlotStopped(slot=slot.id)
        if not may_use_pool(claim, slot, people, limits, cx.now):
            return PoolClosed(slot=slot.id, pool=draw.pool)
        refused = check_limits(claim, slot, standing, limits, cx.now)
        if refused is not None:
            return refused
    return None


async def withdraw(cx: Context, draw_id: UUID, person_id: UUID) -> None:
    """Take a person out of a draw while it is open; again is the same.

    Raises:
        DrawNotOpen: the list is closed.
    """
    await consent.require(cx, "booking.enter_draw", person_id)
    draw = await get_draw(cx.db, draw_id)
    if draw.state is not DrawState.OPEN or draw.closes_at <= cx.now:
        raise DrawNotOpen(draw=draw_id)
    if await store.withdraw(cx.db, draw_id, person_id, cx.now):
        entry = audit.Entry("booking.leave_draw", person_id, f"draw/{draw_id}")
        await audit.append(cx, [entry])


async def set_beacon(cx: Context, draw_id: UUID, text: str) -> None:
    """Enter the announced public text, once, after the digest of the list is out.

    Raises:
        DrawStep: the list is not published yet, the beacon is set, or none was announced.
    """
    draw = await get_draw(cx.db, draw_id)
    await consent.require(cx, "booking.draw", organisation_id=draw.organisation_id)
    if not text.strip() or len(text) > BEACON_CHARS_MAX:
        raise BeaconMissing(draw=draw_id)
    if not await store.set_beacon(cx.db, draw_id, text.strip()):
        raise DrawStep(draw=draw_id, state=draw.state)
    await audit.append(cx, [audit.Entry("booking.draw.beacon", None, f"draw/{draw_id}")])


async def published(db: Connection, draw_id: UUID) -> AsyncIterator[bytes]:
    """Yield the published file of a draw in blocks of whole lines, in bounded memory.

    From the freezing on: the windows and the requests. Once done: seed, results and the end too.

    Raises:
        DrawStep: the list is not frozen and digested yet.
    """
    draw = await get_draw(db, draw_id)
    if draw.list_digest is None:
        raise DrawStep(draw=draw_id, state=draw.state)
    so_far = hashlib.sha256()
    async for block in list_part(db, draw, so_far):
        yield block
    if draw.seed is None:
        return
    line = rules.draw_line(draw.seed, draw.list_digest, draw.beacon or "")
    so_far.update(line)
    yield line
    async for first, records in store.packed_results(db, draw_id, rules.RECORD):
        block = b"".join(rules.result_lines(first, records))
        so_far.update(block)
        yield block
    yield rules.end_line(so_far)


async def list_part(db: Connection, draw: Draw, so_far: hashlib._Hash) -> AsyncIterator[bytes]:
    """Yield the first part of the file, whose sha256 is the list digest, hashing as it goes."""
    block = b"".join(rules.head(draw, await store.slots_of(db, draw.id)))
    so_far.update(block)
    yield block
    async for records in store.packed_requests(db, draw.id, rules.RECORD):
        yield b"".join(rules.request_lines(records, so_far))


def _silent(_phase: str, _done: int, _of: int | None) -> None:
    """Tell nobody."""


async def verify_draw(
    db: Connection, draw_id: UUID, tell: Tell = _silent, **noted: bytes | None
) -> Report:
    """Recompute a draw from what we publish, against the commitment and digest of its record.

    `tell` is called with (phase, bytes done, bytes in all) for progress. `noted` may name
    commitment, list_digest and seed as somebody wrote them down; they count before the record's.

    Raises:
        DrawStep: the draw is not done.
    """
    draw = await get_draw(db, draw_id)
    if draw.state is not DrawState.DONE:
        raise DrawStep(draw=draw_id, state=draw.state)
    with tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES) as file:
        async for block in published(db, draw_id):
            file.write(block)
            tell("read", file.tell(), None)
        size = file.tell()
        file.seek(0)
        held = {
            "seed": draw.seed,
            "commitment": draw.commitment,
            "list_digest": draw.list_digest,
        }
        held |= {name: value for name, value in noted.items() if value is not None}
        return await asyncio.to_thread(draw_check.verify, counted(file, size, tell), **held)


def counted(lines: Iterable[bytes], size: int, tell: Tell) -> Iterator[bytes]:
    """Pass lines on and tell, now and then, how many of `size` bytes went by."""
    done = told = 0
    for line in lines:
        done += len(line)
        if done - told >= TELL_BYTES or done == size:
            told = done
            tell("checked", done, size)
        yield line


def verify_file(lines: Iterable[bytes], **noted: bytes | None) -> Report:
    """Check a published file, given as lines of bytes: an open binary file will do.

    `noted` may name commitment, list_digest and seed as somebody wrote them down.
    """
    return draw_check.verify(lines, **noted)
