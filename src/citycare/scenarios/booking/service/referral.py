"""A family doctor's places: windows reserved for referrals, else public ones; and the booking."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from citycare.kernel.context import Context
from citycare.kit import clock
from citycare.kit.db import Row
from citycare.kit.errors import AppError
from citycare.scenarios.booking.model.core import Booking, Pool, SlotFilter
from citycare.scenarios.booking.model.finder import PartOfDay
from citycare.scenarios.booking.rules.stop import half_day
from citycare.scenarios.booking.service import book, desk, finder, lists
from citycare.scenarios.booking.store import holds as hold_store

CLINICS_MAX = 10
PER_CLINIC = 4
SHOWN = 20
PAGE, PAGES_MAX = 100, 20
HORIZON = timedelta(days=31)
PARTS = {PartOfDay.MORNING: 0, PartOfDay.AFTERNOON: 1, PartOfDay.EVENING: 2}
RESERVED_OR_PUBLIC = (Pool.REFERRAL, Pool.PUBLIC)
Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Found:
    """Windows with the pool to book from; with none of them, why the limits refuse."""

    rows: Sequence[tuple[Row, Pool]]
    refused: AppError | None = None
    ignored: tuple[str, ...] = ()


async def find(cx: Context, person_id: UUID, text: str) -> Found:
    """Return what fits the words typed; without words the soonest windows of the city."""
    if not text:
        return await _open(cx, person_id, (cx.now, cx.now + HORIZON), (None,))
    answer = await finder.find_clinics(cx, text, limit=CLINICS_MAX)
    query = answer.query
    first = clock.bounds(query.from_day)[0]
    last = clock.bounds(query.to_day)[1] if query.to_day else first + HORIZON
    clinics = [one.clinic.id for one in answer.items]
    found = await _open(cx, person_id, (first, last), clinics, query.part_of_day)
    return replace(found, ignored=answer.ignored)


async def _open(
    cx: Context,
    person_id: UUID,
    span: Span,
    clinics: Sequence[UUID | None],
    part: PartOfDay | None = None,
) -> Found:
    """Return the first open windows of these clinics by time: reserved ones, else public ones.

    Windows the limits forbid are left out; public ones do not take the place of those.
    """
    for pool in RESERVED_OR_PUBLIC:
        wanted = [SlotFilter(*span, pool=pool, clinic=clinic) for clinic in clinics]
        there, kept, refused = await _first(cx, person_id, wanted, part)
        if there:
            return Found([(row, pool) for row in _few(kept)], refused)
    return Found(())


async def _first(
    cx: Context, person_id: UUID, wanted: Sequence[SlotFilter], part: PartOfDay | None
) -> tuple[bool, list[Row], AppError | None]:
    """Read windows by time, page after page, until enough fit the patient or none are left.

    Returns whether there were any, those that fit, and why the limits leave none.
    """
    rows: list[Row] = []
    kept: list[Row] = []
    refused: AppError | None = None
    unread: dict[SlotFilter, str | None] = dict.fromkeys(wanted)
    for _ in range(PAGES_MAX):
        further: dict[SlotFilter, str] = {}
        for one, token in unread.items():
            page = await lists.list_open_slots(cx, one, token, PAGE)
            fresh = [{**row, "pool": one.pool} for row in page.items]
            rows += [row for row in fresh if _fits(row, one.pool, part)]
            if page.next is not None:
                further[one] = page.next
        kept, refused = await desk.fitting(cx, person_id, rows)
        unread = {one: token for one, token in further.items() if not _enough(one, kept)}
        if not unread:
            break
    return bool(rows), kept, refused


def _enough(wanted: SlotFilter, kept: Sequence[Row]) -> bool:
    """Tell whether the list is as long as it can be shown: for its clinic, or for the city."""
    if wanted.clinic is None:
        return len(_few(kept)) >= SHOWN
    return len([row for row in kept if row["clinic_id"] == wanted.clinic]) >= PER_CLINIC


def _few(rows: Sequence[Row]) -> list[Row]:
    """Keep the first windows of each clinic, in the order of time."""
    counts: Counter[UUID] = Counter()
    kept: list[Row] = []
    for row in sorted(rows, key=lambda row: (row["starts_at"], row["id"])):
        counts[row["clinic_id"]] += 1
        if counts[row["clinic_id"]] <= PER_CLINIC:
            kept.append(row)
    return kept[:SHOWN]


def _fits(row: Row, pool: Pool, part: PartOfDay | None) -> bool:
    if pool is Pool.PUBLIC and row["release"] == "draw":
        return False
    return part is None or half_day(row["starts_at"])[1] == PARTS[part]


async def left(cx: Context, slot_id: UUID, pool: Pool) -> int:
    """Count the open places of a pool in a window; one already begun has none."""
    card = await lists.get_slot(cx, slot_id)
    day = clock.day_of(card["starts_at"])
    windows = await lists.windows_of(cx, [card["clinic_id"]], day, (pool,))
    rows = windows.get(card["clinic_id"], ())
    return next((int(row["open"]) for row in rows if row["id"] == slot_id), 0)


async def following(cx: Context, person_id: UUID, card: Row) -> Sequence[tuple[Row, Pool]]:
    """Return the next windows of the same clinic."""
    found = await _open(cx, person_id, (cx.now, cx.now + HORIZON), [card["clinic_id"]])
    return [one for one in found.rows if one[0]["id"] != card["id"]]


async def refer(cx: Context, slot_id: UUID, person_id: UUID, pool: Pool) -> Booking:
    """Book a place for a patient, who is not there and so is told of it in the same transaction.

    Raises:
        As `book.book`.
    """
    made = await book.book(cx, slot_id, person_id, pool)
    await hold_store.tell(cx.db, [(person_id, "referred", {"booking": made.id})], cx.now)
    return made
