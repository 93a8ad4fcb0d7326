"""A small town for tests that come in over HTTP: people, staff, one clinic, and the application.

Everything is committed at NOW; the town's clock moves only when a test moves it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import httpx
from fastapi import FastAPI

from citycare import app as application
from citycare.kernel import identity
from citycare.kernel.context import SYSTEM, Channel, Context, Grant, Role
from citycare.kernel.identity import ProxyScope, RelationKind
from citycare.kit import ids
from citycare.kit.db import Database
from citycare.scenarios.booking.model.core import Booking, Pool, State
from citycare.scenarios.booking.model.schedule import Clinic, NewPlace, NewSlot, Window
from citycare.scenarios.booking.service import book, clinics, schedule
from citycare.settings import read
from tests.conftest import NOW

BASE = "http://127.0.0.1:8000"
HERE = UUID("00000000-0000-7000-8000-00000000b001")
ELSEWHERE = UUID("00000000-0000-7000-8000-00000000b002")
LONG = timedelta(days=60)
DAYS = 12
T = TypeVar("T")


class Who(StrEnum):
    """Everybody who may come in; PATIENT is the one whom it is about."""

    ANONYMOUS = "anonymous"
    PATIENT = "patient"
    DAUGHTER = "daughter"  # may book for the patient
    NEPHEW = "nephew"  # may read her record, not book
    STRANGER = "stranger"
    CLERK = "clerk"
    CLERK_ELSEWHERE = "clerk elsewhere"
    CLINICIAN = "clinician"
    SCHEDULER = "scheduler"
    GP = "gp"  # does not treat the patient
    OPERATOR = "operator"


STAFF: dict[Who, Grant] = {
    Who.CLERK: Grant(Role.CLERK, HERE),
    Who.CLERK_ELSEWHERE: Grant(Role.CLERK, ELSEWHERE),
    Who.CLINICIAN: Grant(Role.CLINICIAN, HERE),
    Who.SCHEDULER: Grant(Role.SCHEDULER, HERE),
    Who.GP: Grant(Role.COMMUNITY_GP, ELSEWHERE),
    Who.OPERATOR: Grant(Role.OPERATOR),
}
BORN: dict[Who, date] = {
    Who.PATIENT: date(1959, 3, 8),
    Who.DAUGHTER: date(1986, 5, 1),
    Who.NEPHEW: date(1990, 6, 1),
    Who.STRANGER: date(1975, 7, 1),
}


class Clock:
    """The town's clock."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def move(self, by: timedelta) -> None:
        self.now += by


@dataclass
class Town:
    """What was built, by name."""

    database: Database
    clock: Clock
    clinic: Clinic
    slots: list[NewSlot]
    people: dict[Who, UUID] = field(default_factory=dict)
    tokens: dict[Who, str] = field(default_factory=dict)

    @property
    def patient(self) -> UUID:
        return self.people[Who.PATIENT]

    async def do(self, run: Callable[[Context], Awaitable[T]]) -> T:
        """Run something as the system in a transaction of its own that is kept."""
        async with self.database.transaction() as db:
            cx = Context(db, SYSTEM, self.clock.now, "setup-request", Channel.PHONE, "test")
            return await run(cx)

    async def book(self, slot: NewSlot, who: Who = Who.PATIENT) -> Booking:
        return await self.do(lambda cx: book.book(cx, slot.id, self.people[who]))

    async def elsewhere(self) -> NewSlot:
        """Open a clinic with one window in the other house."""
        clinic = replace(self.clinic, id=ids.new(), organisation_id=ELSEWHERE)
        slot = slot_of(clinic, self.clock.now + timedelta(days=4, hours=3), 3)
        await self.do(lambda cx: clinics.save_clinics(cx, [clinic]))
        await self.do(lambda cx: schedule.load_slots(cx, [slot]))
        return slot

    @asynccontextmanager
    async def held(self, slot: NewSlot) -> AsyncIterator[Booking]:
        """Lend a booking of the patient's, and give back whatever it has become."""
        booking = await self.book(slot)
        yield booking
        await self.clear()

    async def clear(self) -> None:
        """End all bookings of the patient that stand, and open their places again."""
        await self.do(_clear)

    async def count(self, statement: str) -> int:
        async with self.database.autocommit() as db:
            row = await (await db.execute(statement.encode())).fetchone()
        assert row is not None
        return int(next(iter(row.values())))

    async def traces(self) -> dict[str, int]:
        """Count all that a request may leave behind, to show that it left nothing."""
        tables = (
            "booking.booking",
            "booking.wait",
            "booking.message",
            "events.event",
            "events.reply",
            "fhir.resource",
            "consent.care",
        )
        found = {name: await self.count(f"SELECT count(*) FROM {name}") for name in tables}
        taken = "SELECT count(*) FROM booking.place WHERE state <> 'free'"
        return {**found, "places taken": await self.count(taken)}


async def _clear(cx: Context) -> None:
    rows = await cx.db.execute(
        "UPDATE booking.booking SET state = %s, ended_at = %s"
        " WHERE state IN ('booked', 'arrived') RETURNING slot_id, number",
        [State.CANCELLED, cx.now],
    )
    for row in await rows.fetchall():
        await cx.db.execute(
            "UPDATE booking.place SET state = 'free' WHERE slot_id = %s AND number = %s",
            [row["slot_id"], row["number"]],
        )
    await cx.db.execute("UPDATE booking.place SET opens_at = %s WHERE state = 'free'", [cx.now])
    await cx.db.execute("UPDATE booking.wait SET state = 'left' WHERE state = 'waiting'")


async def build(database: Database, *, capacity: int = 3) -> Town:
    """Build the town: a window on each of the next twelve days, with public places."""
    clinic = Clinic(
        ids.new(), HERE, "示例第一医院", "示例一院", "310106", ids.new(), "03.04", "心血管内科",
        "expert", 5000, practitioner_id=ids.new(), practitioner_name="陈立", title="主任医师",
        latitude=31.21, longitude=121.46,
    )  # fmt: skip
    slots = [
        slot_of(clinic, NOW + timedelta(days=day, hours=-1), capacity) for day in range(1, DAYS + 1)
    ]
    town = Town(database, Clock(), clinic, slots)
    await town.do(lambda cx: _settle(cx, town))
    return town


def slot_of(clinic: Clinic, starts_at: datetime, capacity: int, **changes: datetime) -> NewSlot:
    """A window of half an hour with public places."""
    opens_at = changes.get("opens_at", NOW - timedelta(days=1))
    places = tuple(NewPlace(n, Pool.PUBLIC, opens_at, None) for n in range(1, capacity + 1))
    return NewSlot(ids.new(), clinic, Window(starts_at, starts_at + timedelta(minutes=30)), places)


async def _settle(cx: Context, town: Town) -> None:
    for id_, name in ((HERE, "示例第一医院"), (ELSEWHERE, "示例社区卫生服务中心")):
        house = identity.Organisation(
            id_, name, name[:4], identity.OrganisationKind.HOSPITAL, "310106"
        )
        await identity.register_organisation(cx, house)
    for who, born_on in BORN.items():
        new = identity.NewPerson(name=f"林{who}", sex=identity.Sex.FEMALE, born_on=born_on)
        town.people[who] = (await identity.register_person(cx, new)).id
        account = await identity.register_account(
            cx, "test", who, name=who, person_id=town.people[who]
        )
        town.tokens[who] = await identity.open_session(cx, account.id, lifetime=LONG)
    for who, grant in STAFF.items():
        account = await identity.register_account(cx, "test", who, name=who)
        await identity.add_grant(cx, account.id, grant)
        town.tokens[who] = await identity.open_session(
            cx, account.id, lifetime=LONG, second_factor=True
        )
    for proxy, scope in ((Who.DAUGHTER, ProxyScope.BOOKING), (Who.NEPHEW, ProxyScope.RECORD)):
        kind = RelationKind.RELATIVE
        await identity.add_relation(cx, town.patient, town.people[proxy], kind, [scope])
    await clinics.save_clinics(cx, [town.clinic])
    await schedule.load_slots(cx, town.slots)


def serve(town: Town, home: Path) -> FastAPI:
    """The whole application by the town's clock."""
    settings = read({"CITYCARE_HOME": str(home), "CITYCARE_BASE_URL": BASE})
    return application.create(settings, town.database, replace(application.PARTS, now=town.clock))


class Desk:
    """Calls the API as anybody; each POST gets a key of its own unless one is given."""

    def __init__(self, town: Town, client: httpx.AsyncClient) -> None:
        self.town = town
        self.client = client

    async def call(
        self,
        who: Who,
        method: str,
        path: str,
        *,
        key: str | None = None,
        headers: dict[str, str] | None = None,
        **options: object,
    ) -> httpx.Response:
        given = {"idempotency-key": key or str(ids.new())} if method == "POST" else {}
        if who is not Who.ANONYMOUS:
            given["authorization"] = f"Bearer {self.town.tokens[who]}"
        return await self.client.request(
            method,
            "/api/v1" + path,
            headers=given | (headers or {}),
            **options,  # type: ignore[arg-type]
        )

    async def book(
        self, who: Who, slot: NewSlot, person: UUID | None = None, **options: str
    ) -> httpx.Response:
        person = person or self.town.people.get(who, self.town.patient)
        body = {"slot_id": str(slot.id), "person_id": str(person)}
        pool = options.pop("pool", None)
        if pool is not None:
            body["pool"] = pool
        return await self.call(who, "POST", "/bookings", json=body, **options)  # type: ignore[arg-type]


@asynccontextmanager
async def desk(town: Town, home: Path, *, lane: bool = True) -> AsyncIterator[Desk]:
    """The API as granian serves it, or without the booking lane in front."""
    app = serve(town, home)
    transport = httpx.ASGITransport(application.with_lane(app) if lane else app)
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        yield Desk(town, client)
