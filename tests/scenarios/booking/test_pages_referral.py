"""A family doctor books reserved places for the patients of their centre, and for nobody else."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from citycare.kernel import consent, identity
from citycare.kernel.context import Channel, Context, Grant, Role
from citycare.kit import ids
from citycare.kit.db import Database
from citycare.scenarios.booking.model.core import Pool
from citycare.scenarios.booking.model.schedule import NewSlot
from citycare.scenarios.booking.service import book, clinics, lists, schedule
from citycare.web.login.tokens import issue_token
from tests.conftest import NOW
from tests.scenarios.booking.conftest import (
    PORTAL,
    Enter,
    acting,
    clinic_of,
    committed,
    make_person,
    open_slot,
    resident,
    slot_of,
    staff,
)

CENTRE = UUID("00000000-0000-7000-8000-00000000c001")
DAY = timedelta(days=1)


async def into_care(cx: Context, person_id: UUID) -> None:
    row = consent.CareRow(person_id, CENTRE, None, f"test:{ids.new()}", NOW - DAY, NOW + DAY)
    await consent.open_care(cx, [row])


async def patient_of_centre(cx: Context) -> UUID:
    person_id = await make_person(cx)
    await into_care(cx, person_id)
    return person_id


async def browser(pages: FastAPI, token: str) -> httpx.AsyncClient:
    client = httpx.AsyncClient(transport=httpx.ASGITransport(pages), base_url=PORTAL)
    client.headers.update({"authorization": f"Bearer {token}", "accept": "text/html"})
    return client


@pytest.fixture
async def patient(database: Database) -> UUID:
    found: UUID = await committed(database, patient_of_centre)
    return found


@pytest.fixture
async def centre(database: Database) -> UUID:
    """A community health centre."""
    kind = identity.OrganisationKind.COMMUNITY_CENTRE
    house = identity.Organisation(CENTRE, "示例社区卫生服务中心", "示例社区", kind, "310106")
    await committed(database, lambda cx: identity.register_organisation(cx, house))
    return CENTRE


@pytest.fixture
async def doctor(pages: FastAPI, database: Database, centre: UUID) -> httpx.AsyncClient:
    """The browser of a family doctor there."""
    token = await issue_token(database, Role.COMMUNITY_GP, organisation=centre)
    return await browser(pages, token)


@pytest.fixture
async def reserved(database: Database) -> NewSlot:
    """A window tomorrow with one place for referrals and two for everybody."""
    shares = {Pool.REFERRAL: 1, Pool.PUBLIC: 2}
    slot: NewSlot = await committed(database, lambda cx: open_slot(cx, shares=shares))
    return slot


async def take(cx: Context, slot: NewSlot) -> None:
    """Let a colleague take the reserved place."""
    other = await patient_of_centre(cx)
    colleague = acting(cx, staff(Role.COMMUNITY_GP, CENTRE), Channel.HOSPITAL)
    await book.book(colleague, slot.id, other, Pool.REFERRAL)


def first_row(page: str) -> str:
    found = re.search(r'href="([^"]+)"\s+data-key="1"', page)
    assert found is not None
    return unescape(found.group(1))


async def send(client: httpx.AsyncClient, page: str) -> httpx.Response:
    """Press the one filled button of the page."""
    form = re.search(r'<form class="commands" method="post" action="([^"]+)".*?</form>', page,
                     re.DOTALL)  # fmt: skip
    assert form is not None
    assert page.count('class="btn"') == 1
    fields = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', form.group(0)))
    return await client.post(form.group(1), data=fields)


async def test_from_my_people_to_the_slip_and_the_patient_sees_a_referral(
    doctor: httpx.AsyncClient,
    patient: UUID,
    reserved: NewSlot,
    pages: FastAPI,
    database: Database,
) -> None:
    mine = await doctor.get("/clinic")
    assert f'href="/clinic/care/{patient}"' in mine.text
    found = await doctor.get(f"/clinic/care/{patient}", params={"q": "示例一院 心内"})
    assert "林秀英" in found.text
    assert "转诊" in found.text
    assert "公开号" not in found.text
    sure = await doctor.get(first_row(found.text))
    assert str(reserved.id) in str(sure.url)
    done = await send(doctor, sure.text)
    assert done.status_code == 303
    slip = await doctor.get(done.headers["location"])
    assert "预约凭条" in slip.text
    booking_id = UUID(done.headers["location"].split("/")[4])

    async def read(cx: Context) -> dict[str, object]:
        row, _ = await lists.get_booking(acting(cx, staff(Role.CLERK)), booking_id)
        return dict(row)

    row = await committed(database, read)
    assert (row["pool"], row["channel"]) == (Pool.REFERRAL, Channel.HOSPITAL)
    assert row["acted_by"] is not None
    her = await browser(pages, await issue_token(database, Role.RESIDENT, person=patient))
    assert str(booking_id) in (await her.get("/bookings")).text
    assert "社区" in (await her.get(f"/bookings/{booking_id}")).text


async def test_the_patient_who_is_not_there_is_told_once(
    doctor: httpx.AsyncClient, patient: UUID, reserved: NewSlot, pages: FastAPI, database: Database
) -> None:
    where = f"/clinic/care/{patient}/book/{reserved.id}"
    for _ in range(2):
        done = await doctor.post(where, data={"pool": "referral"})
        assert done.status_code == 303
    slip = await doctor.get(done.headers["location"])
    assert "已经给本人发了消息" in slip.text
    token = await issue_token(database, Role.RESIDENT, person=patient)
    told = await (await browser(pages, token)).get("/messages")
    assert told.text.count("家庭医生给您约好了号") == 1
    assert f'href="/bookings/{done.headers["location"].split("/")[4]}"' in told.text


async def test_a_referral_that_fails_tells_nobody(
    doctor: httpx.AsyncClient, patient: UUID, reserved: NewSlot, database: Database
) -> None:
    await committed(database, lambda cx: take(cx, reserved))
    full = await doctor.post(
        f"/clinic/care/{patient}/book/{reserved.id}", data={"pool": "referral"}
    )
    assert full.status_code == 409

    async def read(cx: Context) -> list[str]:
        me = acting(cx, resident(patient))
        return [row["kind"] for row in await lists.list_messages(me, patient)]

    assert await committed(database, read) == []


async def test_without_words_the_soonest_reserved_places_are_shown(
    doctor: httpx.AsyncClient, patient: UUID, reserved: NewSlot, database: Database
) -> None:
    await committed(database, lambda cx: open_slot(cx, starts_at=NOW + timedelta(hours=2)))
    page = await doctor.get(f"/clinic/care/{patient}")
    assert str(reserved.id) in first_row(page.text)
    assert page.text.count('data-key="2"') == 0


async def test_pressed_twice_it_is_one_booking(
    doctor: httpx.AsyncClient, patient: UUID, reserved: NewSlot
) -> None:
    path = f"/clinic/care/{patient}/book/{reserved.id}"
    first = await doctor.post(path, data={"pool": "referral"})
    again = await doctor.post(path, data={"pool": "referral"})
    assert first.status_code == 303
    assert first.headers["location"] == again.headers["location"]


async def test_somebody_not_in_care_is_not_found(
    doctor: httpx.AsyncClient, reserved: NewSlot, database: Database
) -> None:
    stranger = await committed(database, make_person)
    where = f"/clinic/care/{stranger}"
    assert (await doctor.get(where)).status_code == 404
    assert (await doctor.get(f"{where}/book/{reserved.id}")).status_code == 404
    refused = await doctor.post(f"{where}/book/{reserved.id}", data={"pool": "referral"})
    assert refused.status_code == 404
    assert "林秀英" not in refused.text

    async def theirs(cx: Context) -> UUID:
        clerk = acting(cx, staff(Role.CLERK), Channel.WINDOW)
        return (await book.book(clerk, reserved.id, stranger)).id

    booking_id = await committed(database, theirs)
    assert (await doctor.get(f"/clinic/care/bookings/{booking_id}/slip")).status_code == 404


@pytest.mark.parametrize("treated", [True, False])
async def test_nobody_refers_themselves_even_as_a_patient_of_the_centre(
    pages: FastAPI,
    centre: UUID,
    reserved: NewSlot,
    database: Database,
    treated: bool,  # noqa: FBT001
) -> None:
    async def doctor_and_patient(cx: Context) -> tuple[UUID, str]:
        me = await make_person(cx)
        if treated:
            await into_care(cx, me)
        account = await identity.register_account(cx, "urn:test", "me", name="吴海", person_id=me)
        await identity.add_grant(cx, account.id, Grant(Role.COMMUNITY_GP, centre))
        return me, await identity.open_session(cx, account.id, "test", DAY, second_factor=True)

    me, token = await committed(database, doctor_and_patient)
    client = await browser(pages, token)
    assert (await client.get("/clinic")).status_code == 200
    answer = await client.post(f"/clinic/care/{me}/book/{reserved.id}")
    assert answer.status_code == 404


async def test_a_clerk_has_no_reserved_places(
    enter: Enter, patient: UUID, reserved: NewSlot
) -> None:
    client = await enter(Role.CLERK)
    assert (await client.get(f"/clinic/care/{patient}")).status_code == 403
    assert (await client.post(f"/clinic/care/{patient}/book/{reserved.id}")).status_code == 403


async def test_a_place_just_taken_is_told_with_the_next_windows_and_the_public_ones(
    doctor: httpx.AsyncClient, patient: UUID, reserved: NewSlot, database: Database
) -> None:
    later = await committed(
        database,
        lambda cx: open_slot(
            cx,
            clinic=reserved.clinic,
            starts_at=NOW + 2 * DAY,
            shares={Pool.REFERRAL: 1},
        ),
    )
    await committed(database, lambda cx: take(cx, reserved))
    path = f"/clinic/care/{patient}/book/{reserved.id}"
    answer = await doctor.post(path, data={"pool": "referral", "q": "心内"})
    assert answer.status_code == 409
    assert "转诊号约完了" in answer.text
    assert "booking.slot_unavailable" in answer.text
    assert str(later.id) in first_row(answer.text)
    assert f"{path}?pool=public" in answer.text
    assert answer.text.count('class="btn"') == 1
    told = await doctor.get(path, params={"pool": "referral"})
    assert "转诊号约完了" in told.text


async def test_where_reserved_places_were_given_back_public_ones_are_offered_and_booked(
    doctor: httpx.AsyncClient, patient: UUID, database: Database
) -> None:
    drawn = clinic_of(practitioner_name="摇号医生", release="draw")
    await committed(database, lambda cx: open_slot(cx, clinic=drawn))
    slot = await committed(database, open_slot)
    page = await doctor.get(f"/clinic/care/{patient}", params={"q": "心内"})
    assert "下面是公开号" in page.text
    assert "摇号医生" not in page.text
    assert str(slot.id) in first_row(page.text)
    sure = await doctor.get(first_row(page.text))
    done = await send(doctor, sure.text)
    assert done.status_code == 303
    assert "公开" in (await doctor.get(done.headers["location"])).text


async def test_what_nobody_has_is_said_with_a_way_on(
    doctor: httpx.AsyncClient, patient: UUID
) -> None:
    page = await doctor.get(f"/clinic/care/{patient}", params={"q": "没有这种科"})
    assert page.status_code == 200
    assert "没有可约的号" in page.text


async def test_what_the_limits_forbid_is_not_offered_and_the_reason_is_told(
    doctor: httpx.AsyncClient, patient: UUID, reserved: NewSlot, database: Database
) -> None:
    async def hold(cx: Context) -> None:
        starts_at = NOW + timedelta(hours=25)
        slot = await open_slot(cx, starts_at=starts_at, shares={Pool.PUBLIC: 1})
        await book.book(acting(cx, staff(Role.CLERK), Channel.WINDOW), slot.id, patient)

    await committed(database, hold)
    page = await doctor.get(f"/clinic/care/{patient}", params={"q": "心内"})
    assert str(reserved.id) not in page.text
    assert "booking.too_many" in page.text


async def test_a_late_window_is_found_behind_any_number_of_early_ones(
    doctor: httpx.AsyncClient, patient: UUID, database: Database
) -> None:
    """Asked for the afternoon, 120 mornings of the same clinic do not stand before it."""
    clinic = clinic_of()
    begins = NOW.replace(hour=0)  # 8:00 in the city
    shares = {Pool.REFERRAL: 1}
    mornings = [
        slot_of(clinic, begins + timedelta(days=1 + n // 8, minutes=n % 8 * 30), shares)
        for n in range(120)
    ]
    afternoon = slot_of(clinic, begins + timedelta(days=16, hours=6), shares)

    async def write(cx: Context) -> None:
        await clinics.save_clinics(cx, [clinic])
        await schedule.load_slots(cx, [*mornings, afternoon])

    await committed(database, write)
    found = await doctor.get(f"/clinic/care/{patient}", params={"q": "示例一院 心内 下午"})
    assert first_row(found.text).startswith(f"/clinic/care/{patient}/book/{afternoon.id}")
