"""Bad input, one line each: a stable code, a Chinese sentence with a next step, nothing written."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import time, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from citycare.kernel import identity
from citycare.kernel.context import Channel, Context
from citycare.kernel.identity import documents
from citycare.kit import ids
from citycare.kit.db import Database
from citycare.kit.errors import AppError
from citycare.kit.http import STATUS
from citycare.scenarios.booking.model.core import Pool
from citycare.scenarios.booking.model.schedule import NewSlot, Template
from citycare.scenarios.booking.service import clinics, schedule
from tests import town as town_of
from tests.conftest import NOW
from tests.town import BASE, Desk, Town, Who

Said = tuple[int, str, str]  # status, code, sentence
Case = Callable[[Desk, Town], Awaitable[Said]]
NEXT_STEP = re.compile(r"请|可以|才能|再|会通知|要")
FULL, LATER, THEIRS, TWIN = 0, -3, -2, -1  # windows that are special; see `town`
CASES: dict[str, tuple[int, str, Case]] = {}


def case(status: int, code: str) -> Callable[[Case], Case]:
    """Put a case into the table under its own name."""

    def put(run: Case) -> Case:
        CASES[run.__name__] = (status, code, run)
        return run

    return put


def heard(answer: httpx.Response) -> Said:
    body = answer.json()
    return answer.status_code, body["code"], body["detail"]


async def refused(town: Town, run: Callable[[Context], Awaitable[Any]]) -> Said:
    """Do something below the API that must be refused."""
    with pytest.raises(AppError) as caught:
        await town.do(run)
    error = caught.value
    return STATUS[error.category], error.code, error.words


async def add_slot(town: Town, slot: NewSlot) -> NewSlot:
    await town.do(lambda cx: schedule.load_slots(cx, [slot]))
    return slot


def template(town: Town, **changes: Any) -> Template:
    plain = Template(
        ids.new(), town.clinic.id, 1, time(8), time(9), 10, {Pool.PUBLIC: 10}, NOW.date()
    )
    return replace(plain, **changes)


@case(400, "identity.document_checksum")
async def wrong_id_digit(_: Desk, town: Town) -> Said:
    async def register(cx: Context) -> None:
        document = documents.parse(documents.Kind.RESIDENT_ID, "310101195903081224")
        new = identity.NewPerson("林秀英", identity.Sex.FEMALE, NOW.date())
        await identity.register_person(cx, new, [document], verified_by="window:test")

    return await refused(town, register)


@case(400, "booking.window_too_long")
async def window_of_61_minutes(_: Desk, town: Town) -> Said:
    wrong = template(town, ends=time(10, 2), window_min=61)
    return await refused(town, lambda cx: schedule.save_templates(cx, [wrong]))


@case(400, "booking.shares_wrong")
async def pool_over_the_capacity(_: Desk, town: Town) -> Said:
    wrong = template(town, shares={Pool.PUBLIC: 8, Pool.REFERRAL: 3})
    return await refused(town, lambda cx: schedule.save_templates(cx, [wrong]))


@case(409, "booking.slot_past")
async def slot_in_the_past(desk: Desk, town: Town) -> Said:
    town.clock.move(timedelta(days=3))
    return heard(await desk.book(Who.PATIENT, town.slots[1]))


@case(404, "booking.slot_unknown")
async def slot_that_is_none(desk: Desk, town: Town) -> Said:
    return heard(await desk.book(Who.PATIENT, replace(town.slots[0], id=ids.new())))


@case(409, "booking.slot_unavailable")
async def slot_that_is_full(desk: Desk, town: Town) -> Said:
    return heard(await desk.book(Who.DAUGHTER, town.slots[FULL]))


@case(409, "booking.already_booked")
async def same_time_twice(desk: Desk, town: Town) -> Said:
    return heard(await desk.book(Who.STRANGER, town.slots[TWIN]))


@case(409, "booking.not_yet_open")
async def slot_not_released_yet(desk: Desk, town: Town) -> Said:
    return heard(await desk.book(Who.PATIENT, town.slots[LATER]))


@case(403, "booking.pool_closed")
async def referral_place_without_referral(desk: Desk, town: Town) -> Said:
    return heard(await desk.book(Who.PATIENT, town.slots[2], pool="referral"))


@case(404, "booking.unknown")
async def someone_elses_booking(desk: Desk, town: Town) -> Said:
    found = await desk.call(
        Who.STRANGER, "GET", "/bookings", params={"person_id": str(town.people[Who.STRANGER])}
    )
    theirs = found.json()["items"][0]["id"]
    path = f"/bookings/{theirs}/cancel"
    return heard(await desk.call(Who.PATIENT, "POST", path, json={"reason": ""}))


@case(403, "access.forbidden")
async def proxy_out_of_scope(desk: Desk, town: Town) -> Said:
    return heard(await desk.book(Who.NEPHEW, town.slots[3], town.patient))


@case(404, "request.not_found")
async def person_one_does_not_know(desk: Desk, town: Town) -> Said:
    return heard(await desk.book(Who.STRANGER, town.slots[3], town.patient))


@case(409, "booking.too_late")
async def cancelling_at_the_last_minute(desk: Desk, town: Town) -> Said:
    starts_at = town.slots[THEIRS].window.starts_at
    town.clock.move(starts_at - town.clock.now - timedelta(minutes=5))
    found = await desk.call(
        Who.STRANGER, "GET", "/bookings", params={"person_id": str(town.people[Who.STRANGER])}
    )
    path = f"/bookings/{found.json()['items'][0]['id']}/cancel"
    return heard(await desk.call(Who.STRANGER, "POST", path, json={"reason": ""}))


@case(400, "booking.period_wrong")
async def waiting_from_tomorrow_until_yesterday(desk: Desk, town: Town) -> Said:
    body = {
        "person_id": str(town.patient),
        "clinic_id": str(town.clinic.id),
        "from_day": "2026-11-25",
        "to_day": "2026-11-24",
    }
    return heard(await desk.call(Who.PATIENT, "POST", "/waitlist", json=body))


@case(413, "request.too_large")
async def ten_megabytes(desk: Desk, _: Town) -> Said:
    content = b'{"slot_id": "' + b"x" * 10_000_000 + b'"}'
    headers = {"content-type": "application/json"}
    return heard(
        await desk.call(Who.PATIENT, "POST", "/bookings", content=content, headers=headers)
    )


@case(403, "request.form_stale")
async def stale_form(desk: Desk, town: Town) -> Said:
    answer = await desk.client.post(
        "/api/v1/bookings",
        json={"slot_id": str(town.slots[3].id), "person_id": str(town.patient)},
        headers={
            "cookie": f"cc_session={town.tokens[Who.PATIENT]}",
            "idempotency-key": "key-60017",
            "x-csrf-token": "1763773200.0000",
        },
    )
    return heard(answer)


@case(403, "request.channel_not_yours")
async def phone_that_says_it_is_the_window(desk: Desk, town: Town) -> Said:
    return heard(
        await desk.call(
            Who.PATIENT,
            "POST",
            "/bookings",
            json={"slot_id": str(town.slots[3].id), "person_id": str(town.patient)},
            headers={"x-channel": "window"},
        )
    )


@pytest.fixture
async def town(database: Database) -> Town:
    """One window is full, one opens later, the stranger holds one with a twin elsewhere."""
    town = await town_of.build(database, capacity=1)
    other = replace(town.clinic, id=ids.new(), department_code="05")
    twin = town_of.slot_of(other, town.slots[-1].window.starts_at, 1)
    await town.do(lambda cx: clinics.save_clinics(cx, [other]))
    town.slots.append(await add_slot(town, twin))
    await town.book(town.slots[FULL], Who.NEPHEW)
    await town.book(town.slots[THEIRS], Who.STRANGER)
    closed = "UPDATE booking.place SET opens_at = %s WHERE slot_id = %s"
    later = NOW + timedelta(days=3)
    await town.do(lambda cx: cx.db.execute(closed, [later, town.slots[LATER].id]))
    return town


@pytest.fixture
async def desk(town: Town, tmp_path: Path) -> AsyncIterator[Desk]:
    async with town_of.desk(town, tmp_path) as opened:
        yield opened


@pytest.mark.parametrize("name", CASES)
async def test_bad_input_is_said_clearly_and_leaves_nothing_behind(
    desk: Desk, town: Town, name: str
) -> None:
    status, code, run = CASES[name]
    before = await town.traces()
    found = await run(desk, town)
    assert found[:2] == (status, code)
    assert re.search(r"[\u4e00-\u9fff]", found[2])
    assert not re.search(r"[A-Za-z]{4,}", found[2]), "no English in the sentence for people"
    assert NEXT_STEP.search(found[2]), f"no next step in: {found[2]}"
    assert await town.traces() == before
    for person in town.people.values():
        assert str(person) not in found[2]


@pytest.mark.parametrize("lane", [True, False], ids=["lane", "framework"])
async def test_a_lost_database_is_said_with_a_time_to_come_back(
    town: Town,
    tmp_path: Path,
    lane: bool,  # noqa: FBT001
) -> None:
    away = Database("postgresql://nobody@127.0.0.1:1/none")
    await away.open()
    try:
        async with town_of.desk(replace(town, database=away), tmp_path, lane=lane) as desk:
            answer = await desk.book(Who.PATIENT, town.slots[3])
            listed = await desk.client.get("/api/v1/slots")
    finally:
        await away.close()
    for one in (answer, listed):
        assert heard(one)[:2] == (503, "service.unavailable")
        assert int(one.headers["retry-after"]) >= 1
        assert "您的内容没有丢" in one.json()["detail"]
        assert "127.0.0.1" not in one.text


@pytest.mark.parametrize("channel", [one for one in Channel if one is not Channel.PHONE])
async def test_only_staff_speak_for_windows_kiosks_and_telephones(
    desk: Desk, town: Town, channel: Channel
) -> None:
    body = {"slot_id": str(town.slots[3].id), "person_id": str(town.patient)}
    headers = {"x-channel": channel.value}
    mine = {"person_id": str(town.patient)}
    for answer in (
        await desk.call(Who.PATIENT, "POST", "/bookings", json=body, headers=headers),
        await desk.call(Who.PATIENT, "GET", "/bookings", params=mine, headers=headers),
    ):
        assert heard(answer)[:2] == (403, "request.channel_not_yours")
    answer = await desk.call(Who.CLERK, "POST", "/bookings", json=body, headers=headers)
    assert answer.status_code == 201, answer.text


def test_the_address_of_the_tests_is_the_settings_one() -> None:
    assert BASE.startswith("http://127.0.0.1")
