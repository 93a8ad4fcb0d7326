"""The window: who stands there, what they hold here, and the places to offer them first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from citycare.kernel import audit, consent, identity
from citycare.kernel.context import Context, policy
from citycare.kernel.identity.documents import Document
from citycare.kit import clock
from citycare.kit.db import Row
from citycare.kit.errors import AppError
from citycare.scenarios.booking.model.core import Booking, Claim, Hold, Pool, Slot
from citycare.scenarios.booking.model.finder import Filters
from citycare.scenarios.booking.rules.limits import Limits, Standing, check_limits
from citycare.scenarios.booking.rules.places import is_elder
from citycare.scenarios.booking.rules.stop import half_day
from citycare.scenarios.booking.service import book as booking
from citycare.scenarios.booking.service import finder
from citycare.scenarios.booking.service.records import limits_in_force
from citycare.scenarios.booking.store import bookings as booking_store
from citycare.scenarios.booking.store import desk as desk_store
from citycare.scenarios.booking.store import holds as hold_store
from citycare.scenarios.booking.store import waits as wait_store

FOUND_MAX = 12
OFFERS_MAX = 9  # as many as there are number keys
READ_MAX = 200
PER_CLINIC = 2
OWN_MAX, TODAY_MAX = 4, 3
BOOKINGS_MAX = 10
CLINICS_MAX = 20
LOOK_BACK = timedelta(days=180)
HORIZON = timedelta(days=31)
DAY = timedelta(days=1)
PARTS = {"morning": 0, "afternoon": 1, "evening": 2}


@dataclass(frozen=True, slots=True)
class Customer:
    """Whoever stands at the window: only what is needed to serve them, and only of this house."""

    person: identity.Person
    documents: tuple[str, ...]
    bookings: Sequence[Row]
    waits: Sequence[Row]
    hold: Hold | None
    proxies: tuple[identity.Person, ...]


@dataclass(frozen=True, slots=True)
class Offer:
    """A window the person can have now. `why`: own, today or soon."""

    row: Row
    pool: Pool
    why: str


async def search(cx: Context, text: str) -> list[identity.Person]:
    """Find people by document number, name, pinyin or the tail of the phone; each is audited."""
    await consent.require(cx, "person.search")
    found = await identity.search_persons(cx, text, FOUND_MAX)
    entries = [audit.Entry("person.search", one.id, f"person/{one.id}") for one in found]
    await audit.append(cx, entries)
    return found


async def customer(cx: Context, person_id: UUID, organisation_id: UUID) -> Customer:
    """Return one person with bookings and waits in this organisation; the reading is audited."""
    await consent.require(cx, "person.read", person_id)
    person = await identity.get_person(cx, await identity.resolve(cx, person_id))
    await consent.require(cx, "booking.read", person.id, organisation_id)
    known_as = await identity.ids_of(cx.db, person.id)
    bookings = await desk_store.bookings_here(
        cx.db,
        known_as,
        organisation_id,
        since=cx.now - LOOK_BACK,
        now=cx.now,
        count=BOOKINGS_MAX,
    )
    relations = await identity.list_proxies(cx, person.id)
    proxies = await identity.list_persons(cx, [one.proxy_id for one in relations])
    held = await identity.list_documents(cx, person.id)
    papers = [Document(identity.Kind(one.kind), one.number) for one in held if one.verified_at]
    here = consent.Scope(organisations=frozenset({organisation_id}))
    waits = await wait_store.list_of_person(cx.db, known_as, here)
    await audit.append(cx, [audit.Entry("person.read", person.id, f"person/{person.id}")])
    return Customer(
        person=person,
        documents=tuple(identity.mask(one) for one in papers),
        bookings=bookings,
        waits=waits,
        hold=await hold_store.current(cx.db, person.id, cx.now),
        proxies=tuple(proxies.values()),
    )


async def offers(
    cx: Context,
    organisation_id: UUID,
    person: identity.Person,
    wanted: str = "",
    moved: Row | None = None,
) -> tuple[list[Offer], AppError | None]:
    """Return at most nine windows to offer: own doctors, today's on-site places, then the soonest.

    What the person could not book anyway, by the limits, is left out; where that leaves nothing,
    the reason is returned too.

    Args:
        cx: of a clerk.
        organisation_id: where the window is.
        person: who stands there.
        wanted: narrows by department, doctor or day, as people say it.
        moved: the booking that is moved; then only its own pool counts.
    """
    pool = Pool(moved["pool"]) if moved is not None else None
    await consent.require(cx, "booking.book", person.id, organisation_id)
    today = clock.day_of(cx.now)
    elder = int(await policy.value(cx, "booking.elder.age"))
    plain = [Pool.ONSITE, Pool.ELDER, Pool.PUBLIC]
    if not is_elder(person.born_on, today, elder):
        plain.remove(Pool.ELDER)
    pools = [pool] if pool is not None else plain
    history = await booking_store.last_clinics(cx.db, person.id)
    own = [row["clinic_id"] for row in history if row["organisation_id"] == organisation_id]
    fit = await _limits(cx, person.id, moved)
    if wanted:
        return fit.of(await _wanted(cx, organisation_id, pools, wanted, frozenset(own)))
    found: list[Offer] = []
    if own:
        first = pools if pool is not None else [Pool.FOLLOWUP, *pools]
        rows = await _read(cx, organisation_id, first, clinics=own)
        found += [_offer(row, "own") for row in _few(fit.rows(rows), PER_CLINIC)[:OWN_MAX]]
    if Pool.ONSITE in pools:
        rows = await _read(cx, organisation_id, [Pool.ONSITE])
        found += [_offer(row, "today") for row in _few(fit.rows(rows), 1)[:TODAY_MAX]]
    rows = await _read(cx, organisation_id, pools)
    found += [_offer(row, "soon") for row in _few(fit.rows(rows), 1)]
    first_of = {one.row["id"]: one for one in reversed(found)}
    return fit.of([one for one in found if first_of[one.row["id"]] is one])


@dataclass(slots=True)
class _Fit:
    """Which windows the limits let one person have; remembers why one was refused."""

    cx: Context
    person_id: UUID
    standing: Standing
    limits: Limits
    follows: UUID | None
    refused: AppError | None = None

    def rows(self, rows: Sequence[Row]) -> list[Row]:
        """Keep the windows the person may still book."""
        return [row for row in rows if self._admits(row)]

    def of(self, offers: Sequence[Offer]) -> tuple[list[Offer], AppError | None]:
        """Return the first nine that fit; with none of them, why."""
        fitting = [one for one in offers if self._admits(one.row)][:OFFERS_MAX]
        return fitting, None if fitting else self.refused

    def _admits(self, row: Row) -> bool:
        cx = self.cx
        claim = Claim(
            row["id"], self.person_id, Pool(row["pool"]), cx.actor, cx.channel, cx.request_id,
            follows=self.follows,
        )  # fmt: skip
        slot = Slot(
            row["id"], row["clinic_id"], row["organisation_id"], row["department_code"],
            row["practitioner_id"], row["starts_at"], row["ends_at"], "open", "first_come", 0, 0,
        )  # fmt: skip
        error = check_limits(claim, slot, self.standing, self.limits, cx.now)
        self.refused = self.refused or error
        return error is None


async def _limits(cx: Context, person_id: UUID, moved: Row | None) -> _Fit:
    held = await booking_store.held(cx.db, [person_id], cx.now - DAY)
    follows = moved["id"] if moved is not None else None
    return _Fit(cx, person_id, Standing(held, ()), await limits_in_force(cx), follows)


async def fitting(
    cx: Context, person_id: UUID, rows: Sequence[Row]
) -> tuple[list[Row], AppError | None]:
    """Leave out the windows a person could not book anyway, by the limits.

    Where that leaves nothing, the reason is returned too. Each row carries its `pool`.
    """
    await consent.require(cx, "booking.book", person_id)
    fit = await _limits(cx, person_id, None)
    kept = fit.rows(rows)
    return kept, None if kept else fit.refused


async def _read(
    cx: Context,
    organisation_id: UUID,
    pools: Sequence[Pool],
    span: tuple[datetime, datetime] | None = None,
    clinics: Sequence[UUID] | None = None,
) -> list[Row]:
    return await desk_store.offers(
        cx.db,
        organisation_id,
        pools,
        span or (cx.now, cx.now + HORIZON),
        now=cx.now,
        tomorrow=clock.bounds(clock.day_of(cx.now))[1],
        clinics=clinics,
        count=READ_MAX,
    )


def _offer(row: Row, why: str) -> Offer:
    return Offer(row, Pool(row["pool"]), why)


async def _wanted(
    cx: Context, organisation_id: UUID, pools: Sequence[Pool], wanted: str, own: frozenset[UUID]
) -> list[Offer]:
    answer = await finder.find_clinics(
        cx, wanted, Filters(organisation_id=organisation_id), limit=CLINICS_MAX
    )
    clinics = [one.clinic.id for one in answer.items]
    if not clinics:
        return []
    query = answer.query
    first = clock.bounds(query.from_day)[0]
    last = clock.bounds(query.to_day)[1] if query.to_day else first + HORIZON
    rows = await _read(cx, organisation_id, pools, (first, last), clinics)
    if query.part_of_day is not None:
        part = PARTS[query.part_of_day]
        rows = [row for row in rows if half_day(row["starts_at"])[1] == part]
    rows = _few(rows, PER_CLINIC) if len(clinics) > 1 else list(rows)
    rows.sort(key=lambda row: (row["clinic_id"] not in own, row["starts_at"], row["id"]))
    return [_offer(row, "own" if row["clinic_id"] in own else "soon") for row in rows]


def _few(rows: Sequence[Row], each: int) -> list[Row]:
    """Keep the first windows of each clinic, in the order of time."""
    counts: dict[UUID, int] = {}
    kept = []
    for row in rows:
        counts[row["clinic_id"]] = counts.get(row["clinic_id"], 0) + 1
        if counts[row["clinic_id"]] <= each:
            kept.append(row)
    return kept


async def held_in(
    cx: Context, person_id: UUID, slot_id: UUID, organisation_id: UUID
) -> UUID | None:
    """Return the booking a person already holds in this window, so that a repeat answers it."""
    await consent.require(cx, "booking.read", person_id, organisation_id)
    return await desk_store.held_in(cx.db, person_id, slot_id)


async def book(
    cx: Context, slot_id: UUID, person_id: UUID, pool: Pool, moved: UUID | None
) -> Booking:
    """Book at the window, or move a booking to this window.

    Raises:
        As `book.book` and `book.reschedule`.
    """
    if moved is not None:
        return await booking.reschedule(cx, moved, slot_id)
    return await booking.book(cx, slot_id, person_id, pool)


async def register(cx: Context, new: identity.NewPerson, document: Document) -> identity.Person:
    """Register somebody whose papers the clerk has seen; the one who holds them is found again."""
    await consent.require(cx, "person.register")
    by = f"window:{cx.actor.account_id}"
    person = await identity.register_person(cx, new, [document], verified_by=by)
    action = "person.register" if person.created_at >= cx.now else "person.read"
    await audit.append(cx, [audit.Entry(action, person.id, f"person/{person.id}")])
    return person
