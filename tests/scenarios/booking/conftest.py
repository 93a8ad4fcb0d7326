"""People, a clinic and windows with places, as small as a test can use."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from citycare import app as application
from citycare.kernel import fhir, identity
from citycare.kernel.context import SYSTEM, Actor, Channel, Context, Grant, Role
from citycare.kit import ids
from citycare.kit.db import Database
from citycare.scenarios.booking.model.core import Pool
from citycare.scenarios.booking.model.schedule import Clinic, NewPlace, NewSlot, Window
from citycare.scenarios.booking.service import clinics, schedule
from citycare.settings import read
from citycare.web.login.tokens import issue_token
from tests.conftest import NOW

Kept = TypeVar("Kept")
HOSPITAL = UUID("00000000-0000-7000-8000-00000000a001")
WHOLE_DAY = timedelta(days=1)


def clinic_of(**changes: Any) -> Clinic:
    """A doctor's clinic of cardiology at one hospital."""
    clinic = Clinic(
        id=ids.new(),
        organisation_id=HOSPITAL,
        organisation_name="示例第一医院",
        organisation_short="示例一院",
        district="310106",
        department_id=ids.new(),
        department_code="03.04",
        department_name="心血管内科",
        kind="expert",
        fee_fen=5000,
        practitioner_id=ids.new(),
        practitioner_name="陈立",
        title="主任医师",
    )
    return replace(clinic, **changes)


def slot_of(
    clinic: Clinic,
    starts_at: datetime,
    shares: Mapping[Pool, int],
    *,
    opens_at: datetime = NOW - WHOLE_DAY,
    minutes: int = 30,
) -> NewSlot:
    """A window with numbered places, pool after pool."""
    pools = [pool for pool, count in shares.items() for _ in range(count)]
    return NewSlot(
        ids.new(),
        clinic,
        Window(starts_at, starts_at + timedelta(minutes=minutes)),
        tuple(NewPlace(n, pool, opens_at, None) for n, pool in enumerate(pools, 1)),
    )


async def make_person(cx: Context, born_on: date = date(1959, 3, 8)) -> UUID:
    """A person of our own, without documents."""
    new = identity.NewPerson(name="林秀英", sex=identity.Sex.FEMALE, born_on=born_on)
    return (await identity.register_person(cx, new, documents=[])).id


def resident(person_id: UUID, account_id: UUID | None = None) -> Actor:
    """The account of a person."""
    return Actor(account_id or ids.new(), person_id, (Grant(Role.RESIDENT),), ids.new())


def staff(role: Role, organisation_id: UUID | None = HOSPITAL) -> Actor:
    """Somebody who works in the hospital."""
    return Actor(ids.new(), None, (Grant(role, organisation_id),), ids.new())


def acting(cx: Context, actor: Actor, channel: Channel = Channel.PHONE) -> Context:
    """The same transaction with somebody else in it."""
    return replace(cx, actor=actor, channel=channel)


MakeSlot = Callable[..., Awaitable[NewSlot]]


async def open_slot(cx: Context, **options: Any) -> NewSlot:
    """Write a clinic with one window tomorrow 8:30 and its places."""
    clinic = options.pop("clinic", None) or clinic_of(**options.pop("clinic_changes", {}))
    starts_at = options.pop("starts_at", NOW + timedelta(hours=23, minutes=30))
    shares = options.pop("shares", {Pool.PUBLIC: 2})
    await clinics.save_clinics(cx, [clinic])
    slot = slot_of(clinic, starts_at, shares, **options)
    await schedule.load_slots(cx, [slot])
    return slot


@pytest.fixture
async def slot(cx: Context) -> NewSlot:
    """A window with two public places."""
    return await open_slot(cx)


@pytest.fixture
async def person(cx: Context) -> UUID:
    """A woman of 67."""
    return await make_person(cx)


async def committed(database: Database, run: Callable[[Context], Awaitable[Kept]]) -> Kept:
    """Run something in a transaction of its own that is kept."""
    async with database.transaction() as db:
        return await run(Context(db, SYSTEM, NOW, "setup-request", Channel.PHONE, "test"))


async def appointment(cx: Context, booking_id: UUID) -> dict[str, Any]:
    """What others read of a booking."""
    return await fhir.get(cx, "Appointment", str(booking_id))


PORTAL = "http://127.0.0.1:8000"
SHORT = "示例一院"


@pytest.fixture
def pages(tmp_path: Path, database: Database) -> FastAPI:
    """The whole application at NOW, on a database of its own."""
    settings = read({"CITYCARE_HOME": str(tmp_path), "CITYCARE_BASE_URL": PORTAL})
    parts = replace(application.PARTS, now=lambda: NOW)
    return application.create(settings, database, parts)


@pytest.fixture
async def hospital(database: Database) -> UUID:
    """The hospital where the staff of the tests work."""
    house = identity.Organisation(
        HOSPITAL, "示例第一医院", SHORT, identity.OrganisationKind.HOSPITAL, "310106"
    )
    await committed(database, lambda cx: identity.register_organisation(cx, house))
    return HOSPITAL


Enter = Callable[[Role], Awaitable[httpx.AsyncClient]]


@pytest.fixture
async def enter(pages: FastAPI, database: Database, hospital: UUID) -> AsyncIterator[Enter]:
    """Sign somebody in who works in the hospital, in a browser that takes pages."""
    opened: list[httpx.AsyncClient] = []

    async def sign_in(role: Role) -> httpx.AsyncClient:
        client = httpx.AsyncClient(transport=httpx.ASGITransport(pages), base_url=PORTAL)
        token = await issue_token(database, role, organisation=hospital)
        client.headers.update({"authorization": f"Bearer {token}", "accept": "text/html"})
        opened.append(client)
        return client

    yield sign_in
    for client in opened:
        await client.aclose()
