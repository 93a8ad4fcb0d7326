"""The list of the day as the clinic sees it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, timedelta
from uuid import UUID

import pytest

from citycare.kernel.context import Channel, Context, Role
from citycare.kit.db import Database
from citycare.scenarios.booking.model.core import Booking, Pool, State
from citycare.scenarios.booking.service import book, lists
from tests.conftest import NOW
from tests.scenarios.booking.conftest import (
    HOSPITAL,
    Enter,
    acting,
    clinic_of,
    committed,
    make_person,
    open_slot,
    staff,
)
from tests.trail import about

HX = {"hx-request": "true"}
SOON = NOW + timedelta(minutes=30)


async def seat(cx: Context, ages: Sequence[date], **options: object) -> list[Booking]:
    """Book one person a birthday into a new window half an hour from now."""
    slot = await open_slot(cx, starts_at=SOON, shares={Pool.PUBLIC: 5}, **options)
    clerk = acting(cx, staff(Role.CLERK), Channel.WINDOW)
    return [await book.book(clerk, slot.id, await make_person(cx, born)) for born in ages]


@pytest.fixture
async def seated(database: Database) -> list[Booking]:
    births = (date(1959, 3, 8), date(1990, 5, 5))
    made: list[Booking] = await committed(database, lambda cx: seat(cx, births))
    return made


async def state_of(database: Database, booking: Booking) -> State:
    async def read(cx: Context) -> State:
        row, _ = await lists.get_booking(acting(cx, staff(Role.CLERK)), booking.id)
        return State(row["state"])

    state: State = await committed(database, read)
    return state


async def test_the_list_shows_windows_numbers_ages_and_counts_only_what_is_known(
    enter: Enter, seated: list[Booking], database: Database
) -> None:
    page = await (await enter(Role.CLINICIAN)).get("/clinic")
    assert page.status_code == 200
    for words in ("心血管内科", "9:30–10:00", "女 67", "女 36", "长者优先", "首诊", "未到"):
        assert words in page.text
    assert page.text.count("长者优先") == 1
    assert "平均等到看完" not in page.text
    async with database.autocommit() as db:
        cx = Context(db, staff(Role.OPERATOR, None), NOW, "test-request")
        for one in seated:
            read = await about(cx, one.person_id)
            assert "booking.list_day" in {entry.action for entry in read}


async def test_choosing_a_person_changes_only_the_panel(
    enter: Enter, seated: list[Booking]
) -> None:
    client = await enter(Role.CLINICIAN)
    whole = await client.get("/clinic", params={"at": str(seated[1].id)})
    part = await client.get("/clinic", params={"at": str(seated[1].id)}, headers=HX)
    assert "<html" in whole.text
    assert "<html" not in part.text
    assert "第 2 号" in part.text.replace("\u00a0", " ")
    assert "窗口" in part.text


async def test_arrived_is_noted_with_its_undo_and_seen_follows(
    enter: Enter, seated: list[Booking], database: Database
) -> None:
    client = await enter(Role.CLINICIAN)
    where = f"/clinic/bookings/{seated[0].id}/state"
    answer = await client.post(where, data={"state": "arrived", "back": "/clinic"}, headers=HX)
    assert answer.status_code == 200
    assert f'id="row-{seated[0].id}"' in answer.text
    assert "已报到" in answer.text
    assert await state_of(database, seated[0]) is State.ARRIVED
    undo = await client.post(f"/clinic/bookings/{seated[0].id}/undo?back=/clinic")
    assert undo.headers["location"].startswith("/clinic?at=")
    assert await state_of(database, seated[0]) is State.BOOKED
    for state in ("arrived", "fulfilled"):
        assert (await client.post(where, data={"state": state})).status_code == 303
    assert await state_of(database, seated[0]) is State.FULFILLED


async def test_seen_by_mistake_is_taken_back_from_the_toast_or_the_panel(
    enter: Enter, seated: list[Booking], database: Database
) -> None:
    client = await enter(Role.CLINICIAN)
    where = f"/clinic/bookings/{seated[0].id}"
    await client.post(f"{where}/state", data={"state": "arrived"})
    seen = await client.post(f"{where}/state", data={"state": "fulfilled"}, headers=HX)
    assert "平均等到看完（1 人）" in seen.text
    [undo] = set(re.findall(rf'action="({where}/undo[^"]*)"', seen.text))
    back = await client.post(undo.replace("&amp;", "&"), headers=HX)
    assert "还在等" in back.text
    assert "平均等到看完" not in back.text
    assert await state_of(database, seated[0]) is State.ARRIVED
    await client.post(f"{where}/state", data={"state": "fulfilled"})
    page = await client.get("/clinic", params={"at": str(seated[0].id)})
    assert "还没看完" in page.text
    stale = await client.post(f"{where}/state", data={"state": "arrived"})
    assert stale.status_code == 409
    assert await state_of(database, seated[0]) is State.FULFILLED


async def test_nobody_is_missing_before_the_window_begins(
    enter: Enter, seated: list[Booking], database: Database
) -> None:
    client = await enter(Role.CLINICIAN)
    where = f"/clinic/bookings/{seated[0].id}/state"
    answer = await client.post(where, data={"state": "no_show"})
    assert answer.status_code == 409
    assert "booking.not_begun" in answer.text
    assert await state_of(database, seated[0]) is State.BOOKED


async def test_an_arrival_is_noted_only_on_the_day(enter: Enter, database: Database) -> None:
    async def later(cx: Context) -> Booking:
        slot = await open_slot(cx)
        clerk = acting(cx, staff(Role.CLERK), Channel.WINDOW)
        return await book.book(clerk, slot.id, await make_person(cx))

    booking: Booking = await committed(database, later)
    client = await enter(Role.CLINICIAN)
    answer = await client.post(f"/clinic/bookings/{booking.id}/state", data={"state": "arrived"})
    assert answer.status_code == 409
    assert "booking.not_today" in answer.text


async def test_the_watch_says_when_something_changed_and_moves_nothing(
    enter: Enter, seated: list[Booking]
) -> None:
    client = await enter(Role.CLINICIAN)
    page = await client.get("/clinic")
    watch = page.text.split('hx-get="/clinic/changes', 1)[1].split('"', 1)[0].replace("&amp;", "&")
    still = await client.get("/clinic/changes" + watch, headers=HX)
    assert "名单有变化" not in still.text
    await client.post(f"/clinic/bookings/{seated[0].id}/state", data={"state": "arrived"})
    moved = await client.get("/clinic/changes" + watch, headers=HX)
    assert "名单有变化" in moved.text


async def test_paper_has_the_names_and_no_buttons_to_press(
    enter: Enter, seated: list[Booking]
) -> None:
    page = await (await enter(Role.CLINICIAN)).get("/clinic/print")
    assert page.status_code == 200
    assert page.text.count("林秀英") == len(seated)
    assert "/state" not in page.text


async def test_an_empty_day_says_what_will_be_here(enter: Enter) -> None:
    page = await (await enter(Role.CLINICIAN)).get("/clinic")
    assert page.status_code == 200
    assert "这一天没有门诊" in page.text


async def test_another_hospitals_list_is_not_shown(enter: Enter, database: Database) -> None:
    other = clinic_of(organisation_id=UUID(int=77))
    born = [date(1990, 1, 1)]
    await committed(database, lambda cx: _elsewhere(cx, other.organisation_id, born))
    assert other.organisation_id != HOSPITAL
    client = await enter(Role.CLINICIAN)
    found = await client.get("/clinic", params={"clinic": str(await _first(database))})
    assert found.status_code == 403
    assert "林秀英" not in found.text


async def _elsewhere(cx: Context, house: UUID, born: Sequence[date]) -> None:
    slot = await open_slot(cx, starts_at=SOON, clinic_changes={"organisation_id": house})
    clerk = acting(cx, staff(Role.CLERK, house), Channel.WINDOW)
    await book.book(clerk, slot.id, await make_person(cx, born[0]))


async def _first(database: Database) -> UUID:
    async with database.autocommit() as db:
        row = await (await db.execute("SELECT id FROM booking.clinic LIMIT 1")).fetchone()
    assert row is not None
    found: UUID = row["id"]
    return found


async def test_a_family_doctor_sees_whom_he_looks_after(enter: Enter) -> None:
    page = await (await enter(Role.COMMUNITY_GP)).get("/clinic")
    assert page.status_code == 200
    assert "还没有您管的人" in page.text


@pytest.mark.parametrize("role", [Role.CLERK, Role.SCHEDULER])
async def test_other_staff_do_not_enter(enter: Enter, role: Role) -> None:
    assert (await (await enter(role)).get("/clinic")).status_code == 403


@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01"])
async def test_a_day_no_calendar_has_is_no_fault(enter: Enter, day: str) -> None:
    nurse, scheduler = await enter(Role.CLINICIAN), await enter(Role.SCHEDULER)
    assert (await nurse.get(f"/clinic?day={day}")).status_code == 422
    assert (await nurse.get(f"/clinic/print?day={day}")).status_code == 422
    assert (await scheduler.get(f"/scheduler?week={day}")).status_code == 422
    span = f"from_day={day}&to_day={day}"
    assert (await scheduler.get(f"/scheduler/stop?{span}")).status_code == 422
