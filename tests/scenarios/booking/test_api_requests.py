"""How the booking API takes requests: repetitions, pages, wrong bodies, headers and dates."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from psycopg import AsyncConnection

from citycare.kernel import fhir
from citycare.kernel.context import Channel
from citycare.kit import clock, ids
from citycare.kit.db import Database
from citycare.scenarios.booking.service import clinics, schedule
from tests import town as town_of
from tests.conftest import NOW
from tests.town import Desk, Town, Who

KEYS = {"type", "title", "status", "detail", "code", "facts", "request_id"}


@pytest.fixture
async def town(database: Database) -> Town:
    return await town_of.build(database)


@pytest.fixture
async def desk(town: Town, tmp_path: Path) -> AsyncIterator[Desk]:
    async with town_of.desk(town, tmp_path) as opened:
        yield opened


@pytest.fixture(params=["lane", "framework"])
async def both(town: Town, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    """The API with the booking lane in front, and without."""
    async with town_of.desk(town, tmp_path, lane=request.param == "lane") as opened:
        yield opened


def problem(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert set(body) == KEYS
    assert body["status"] == answer.status_code
    assert body["request_id"] == answer.headers["x-request-id"]
    return answer.status_code, body["code"]


def wish(town: Town, **changes: Any) -> dict[str, Any]:
    return {"slot_id": str(town.slots[0].id), "person_id": str(town.patient)} | changes


def waiting(town: Town, **changes: Any) -> dict[str, Any]:
    return {
        "person_id": str(town.patient),
        "clinic_id": str(town.clinic.id),
        "from_day": "2026-11-23",
        "to_day": "2026-11-30",
    } | changes


async def test_a_repeated_booking_answers_the_same_and_takes_one_place(
    both: Desk, town: Town
) -> None:
    first = await both.book(Who.PATIENT, town.slots[0], key="key-55190")
    again = await both.book(Who.PATIENT, town.slots[0], key="key-55190")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert await town.count("SELECT count(*) FROM booking.booking") == 1


async def test_a_key_used_for_something_else_is_a_conflict(both: Desk, town: Town) -> None:
    await both.book(Who.PATIENT, town.slots[0], key="key-55191")
    other = await both.book(Who.PATIENT, town.slots[1], key="key-55191")
    assert problem(other) == (409, "request.key_reused")
    assert await town.count("SELECT count(*) FROM booking.booking") == 1


async def test_two_people_may_use_the_same_key(both: Desk, town: Town) -> None:
    one = await both.book(Who.PATIENT, town.slots[0], key="key-55192")
    two = await both.book(Who.STRANGER, town.slots[0], key="key-55192")
    assert (one.status_code, two.status_code) == (201, 201)
    assert one.json()["id"] != two.json()["id"]


@pytest.mark.parametrize(
    ("verb", "body", "other"),
    [("cancel", {"reason": "好了"}, None), ("reschedule", {"slot_id": 3}, {"slot_id": 4})],
)
async def test_a_repeated_change_answers_the_same(
    desk: Desk, town: Town, verb: str, body: dict[str, Any], other: dict[str, Any] | None
) -> None:
    booking = await town.book(town.slots[1])
    sent, different = filled(town, body), filled(town, other or {})
    path = f"/bookings/{booking.id}/{verb}"
    first = await desk.call(Who.PATIENT, "POST", path, key="key-55193", json=sent)
    again = await desk.call(Who.PATIENT, "POST", path, key="key-55193", json=sent)
    assert first.status_code in (200, 201), first.text
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    if other is not None:
        answer = await desk.call(Who.PATIENT, "POST", path, key="key-55193", json=different)
        assert problem(answer) == (409, "request.key_reused")


def filled(town: Town, body: dict[str, Any]) -> dict[str, Any]:
    return {
        name: str(town.slots[value].id) if name == "slot_id" else value
        for name, value in body.items()
    }


async def test_a_repeated_wish_to_wait_is_one_entry(desk: Desk, town: Town) -> None:
    first = await desk.call(Who.PATIENT, "POST", "/waitlist", key="w-1", json=waiting(town))
    again = await desk.call(Who.PATIENT, "POST", "/waitlist", key="w-1", json=waiting(town))
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    other = waiting(town, to_day="2026-12-01")
    assert problem(await desk.call(Who.PATIENT, "POST", "/waitlist", key="w-1", json=other)) == (
        409,
        "request.key_reused",
    )


@pytest.mark.parametrize("key", [None, "", "k" * 201])
async def test_without_a_usable_key_nothing_is_booked(
    both: Desk, town: Town, key: str | None
) -> None:
    headers = {"authorization": f"Bearer {town.tokens[Who.PATIENT]}"}
    if key is not None:
        headers["idempotency-key"] = key
    answer = await both.client.post("/api/v1/bookings", headers=headers, json=wish(town))
    assert problem(answer) == (400, "request.key_missing")


async def test_nobody_waits_for_a_clinic_that_is_not_there(desk: Desk, town: Town) -> None:
    gone = replace(town.clinic, id=ids.new(), active=False)
    await town.do(lambda cx: clinics.save_clinics(cx, [gone]))
    for clinic in (ids.new(), gone.id):
        body = waiting(town, clinic_id=str(clinic))
        answer = await desk.call(Who.PATIENT, "POST", "/waitlist", json=body)
        assert problem(answer) == (404, "booking.clinic_unknown")


async def test_leaving_the_list_again_is_the_same(desk: Desk, town: Town) -> None:
    entry = (await desk.call(Who.PATIENT, "POST", "/waitlist", json=waiting(town))).json()
    path = f"/waitlist/{entry['id']}/leave"
    for key in ("l-1", "l-1", "l-2"):
        answer = await desk.call(Who.PATIENT, "POST", path, key=key)
        assert (answer.status_code, answer.content) == (204, b"")
    other = (await desk.call(Who.PATIENT, "POST", "/waitlist", json=waiting(town))).json()
    reused = await desk.call(Who.PATIENT, "POST", f"/waitlist/{other['id']}/leave", key="l-1")
    assert problem(reused) == (409, "request.key_reused")


async def a_draw(town: Town) -> dict[str, Any]:
    clinic = replace(town.clinic, id=ids.new(), release="draw")
    slot = town_of.slot_of(clinic, NOW + timedelta(days=9), 3)
    await town.do(lambda cx: clinics.save_clinics(cx, [clinic]))
    await town.do(lambda cx: schedule.load_slots(cx, [slot]))
    return {
        "organisation_id": str(town_of.HERE),
        "name": "专家号",
        "opens_at": NOW.isoformat(),
        "closes_at": (NOW + timedelta(days=2)).isoformat(),
        "slots": [str(slot.id)],
    }


async def test_a_repeated_opening_of_a_draw_is_one_draw(desk: Desk, town: Town) -> None:
    wanted = await a_draw(town)
    first = await desk.call(Who.SCHEDULER, "POST", "/draws", key="d-1", json=wanted)
    again = await desk.call(Who.SCHEDULER, "POST", "/draws", key="d-1", json=wanted)
    assert first.status_code == again.status_code == 201, first.text
    assert first.json() == again.json()
    shown = (await desk.client.get(f"/api/v1/draws/{first.json()['id']}")).json()
    assert shown == first.json()
    assert await town.count("SELECT count(*) FROM booking.draw") == 1
    changed = wanted | {"name": "普通号"}
    other = await desk.call(Who.SCHEDULER, "POST", "/draws", key="d-1", json=changed)
    assert problem(other) == (409, "request.key_reused")


@pytest.mark.parametrize(
    "path",
    [
        "/bookings/{id}/cancel",
        "/bookings/{id}/reschedule",
        "/waitlist",
        "/waitlist/{id}/accept",
        "/waitlist/{id}/leave",
        "/draws",
    ],
)
async def test_every_other_post_asks_for_a_key_too(desk: Desk, town: Town, path: str) -> None:
    booking = await town.book(town.slots[0])
    headers = {"authorization": f"Bearer {town.tokens[Who.PATIENT]}"}
    answer = await desk.client.post(
        "/api/v1" + path.format(id=booking.id), headers=headers, json={"reason": ""}
    )
    assert problem(answer) == (422, "request.invalid")
    assert "header.Idempotency-Key" in answer.json()["facts"]


@pytest.mark.parametrize(
    ("content", "kind", "status", "code"),
    [
        (b'{"slot_id": ', "application/json", 400, "request.body_broken"),
        (b"\xff\xfe", "application/json", 400, "request.body_broken"),
        (b"", "application/json", 400, "request.body_broken"),
        (b"[]", "application/json", 422, "request.invalid"),
        (b"null", "application/json", 422, "request.invalid"),
        (b'{"slot_id": "x", "person_id": 5}', "application/json", 422, "request.invalid"),
        (b"slot_id=1", "application/x-www-form-urlencoded", 415, "request.type_not_accepted"),
        (b"<x/>", "text/xml", 415, "request.type_not_accepted"),
        (b" " * 10_000_000, "application/json", 413, "request.too_large"),
        (b" " * 900_000 + b"{}", "application/json", 422, "request.invalid"),
    ],
    ids=lambda value: repr(value)[:24],
)
async def test_a_body_that_is_none_is_refused_by_name(
    both: Desk, town: Town, content: bytes, kind: str, status: int, code: str
) -> None:
    before = await town.traces()
    answer = await both.call(
        Who.PATIENT, "POST", "/bookings", content=content, headers={"content-type": kind}
    )
    assert problem(answer) == (status, code)
    assert await town.traces() == before


@pytest.mark.parametrize(
    "changes",
    [{"pol": "public"}, {"pool": "vip"}, {"slot_id": None}, {"person_id": "林秀英"}],
    ids=str,
)
async def test_wrong_fields_are_named_and_not_repeated(
    both: Desk, town: Town, changes: dict[str, Any]
) -> None:
    answer = await both.call(Who.PATIENT, "POST", "/bookings", json=wish(town, **changes))
    assert problem(answer) == (422, "request.invalid")
    assert set(answer.json()["facts"]) == {f"body.{next(iter(changes))}"}
    assert "林秀英" not in answer.text


async def test_a_wrong_channel_is_refused_with_those_there_are(both: Desk, town: Town) -> None:
    answer = await both.book(Who.PATIENT, town.slots[0], headers={"x-channel": "fax"})  # type: ignore[arg-type]
    assert problem(answer) == (400, "request.header_wrong")
    assert answer.json()["facts"]["allowed"] == " ".join(Channel)


async def test_the_clerks_channel_is_kept_with_the_booking(both: Desk, town: Town) -> None:
    answer = await both.call(
        Who.CLERK, "POST", "/bookings", json=wish(town), headers={"x-channel": "window"}
    )
    assert answer.json()["channel"] == "window"


async def test_each_booking_is_an_appointment(both: Desk, town: Town) -> None:
    booked = (await both.book(Who.PATIENT, town.slots[0])).json()
    kind, _, id_ = booked["appointment"].partition("/")
    found = await town.do(lambda cx: fhir.get(cx, kind, id_))
    assert (found["resourceType"], found["status"]) == ("Appointment", "booked")
    assert fhir.violations(found) == []
    assert found["slot"][0]["reference"] == f"Slot/{town.slots[0].id}"
    people = [one["actor"]["reference"] for one in found["participant"]]
    assert f"Patient/{town.patient}" in people
    await both.call(Who.PATIENT, "POST", f"/bookings/{id_}/cancel", json={"reason": ""})
    assert (await town.do(lambda cx: fhir.get(cx, kind, id_)))["status"] == "cancelled"


async def test_open_windows_come_in_pages_without_gaps_or_repeats(desk: Desk, town: Town) -> None:
    found: list[str] = []
    token: dict[str, str] = {}
    while True:
        page = (await desk.client.get("/api/v1/slots", params={"count": "5", **token})).json()
        found += [one["id"] for one in page["items"]]
        if page["next"] is None:
            break
        token = {"page": page["next"]}
    assert found == [str(one.id) for one in town.slots]


async def test_her_bookings_come_in_pages_newest_first_when_they_are_past(
    desk: Desk, town: Town
) -> None:
    for slot in town.slots[:4]:
        await town.book(slot)
    town.clock.move(timedelta(days=8))
    params = {"person_id": str(town.patient), "upcoming": "false"}
    page = (await desk.call(Who.PATIENT, "GET", "/bookings", params=params)).json()
    starts = [one["starts_at"] for one in page["items"]]
    assert starts == sorted(starts, reverse=True)
    assert len(starts) == 4


async def paged(desk: Desk, who: Who, path: str, **params: str) -> list[dict[str, Any]]:
    """Follow `next` to the end, two at a time."""
    found: list[dict[str, Any]] = []
    token: dict[str, str] = {}
    for _ in range(10):
        params_now = {"count": "2", **params, **token}
        page = (await desk.call(who, "GET", path, params=params_now)).json()
        found += page["items"]
        if page["next"] is None:
            return found
        token = {"page": page["next"]}
    raise AssertionError(f"{path} never ends")


@pytest.mark.parametrize("upcoming", [True, False])
async def test_her_bookings_come_in_pages_without_gaps_or_repeats(
    desk: Desk, town: Town, *, upcoming: bool
) -> None:
    slots = town.slots[:5]
    for slot in slots:
        await town.book(slot)
    if not upcoming:
        town.clock.move(timedelta(days=9))
        slots = slots[::-1]
    person = str(town.patient)
    found = await paged(
        desk, Who.PATIENT, "/bookings", person_id=person, upcoming=str(upcoming).lower()
    )
    assert [one["slot_id"] for one in found] == [str(one.id) for one in slots]


async def test_the_bookings_of_a_day_come_in_pages_in_the_order_of_numbers(
    desk: Desk, town: Town
) -> None:
    booked = [
        await town.book(town.slots[1], who) for who in (Who.PATIENT, Who.DAUGHTER, Who.STRANGER)
    ]
    path = f"/organisations/{town_of.HERE}/bookings"
    day = str(clock.day_of(booked[0].starts_at))
    found = await paged(desk, Who.CLERK, path, on=day)
    assert [one["id"] for one in found] == [str(one.id) for one in booked]
    assert await paged(desk, Who.CLERK, path, on=day, clinic_id=str(ids.new())) == []


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31", "2040-01-01"])
async def test_a_day_that_must_be_a_mistake_is_said_to_be_one(desk: Desk, day: str) -> None:
    path = f"/organisations/{town_of.HERE}/bookings"
    answer = await desk.call(Who.CLERK, "GET", path, params={"on": day})
    assert problem(answer) == (400, "booking.period_wrong")


@pytest.mark.parametrize(
    "token", ["x", "W10", "WzEsMl0", "a" * 200, "IiI", "WyIyMDI2LTExLTIyIiwieCJd"]
)
async def test_a_broken_page_token_is_said_to_be_one(desk: Desk, town: Town, token: str) -> None:
    day = {"on": "2026-11-23"}
    for who, path, params in (
        (Who.PATIENT, "/slots", {}),
        (Who.PATIENT, "/bookings", {"person_id": str(town.patient)}),
        (Who.CLERK, f"/organisations/{town_of.HERE}/bookings", day),
    ):
        answer = await desk.call(who, "GET", path, params={**params, "page": token})
        assert problem(answer) == (400, "page.token_broken")


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"from": "2026-11-24T00:00:00", "to": "2026-11-25T00:00:00"}, 1),  # no zone: UTC
        ({"from": "2026-11-24T08:00:00+08:00", "to": "2026-11-24T08:30:00+08:00"}, 1),
        ({"from": "2026-11-24T08:30:00+08:00", "to": "2026-11-24T09:00:00+08:00"}, 0),
        ({"from": "2026-11-30", "to": "2026-11-23"}, 0),
        ({"from": "0001-01-01T00:00:00", "to": "9999-12-31T23:59:59"}, 12),
        ({"from": "0001-01-01T00:00:00+14:00", "to": "9999-12-31T23:59:59-12:00"}, 12),
    ],
    ids=str,
)
async def test_dates_are_instants(desk: Desk, params: dict[str, str], found: int) -> None:
    answer = await desk.client.get("/api/v1/slots", params=params)
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["items"]) == found


@pytest.mark.parametrize(
    "params",
    [
        {"from": "morgen"},
        {"count": "0"},
        {"count": "201"},
        {"doctor": "陈立"},
        {"pool": "vip"},
        {"department": "x" * 17},
    ],
    ids=str,
)
async def test_wrong_filters_are_refused(desk: Desk, params: dict[str, str]) -> None:
    answer = await desk.client.get("/api/v1/slots", params=params)
    assert problem(answer) == (422, "request.invalid")


@pytest.mark.parametrize("text", ["03\x00", "\x00"])
async def test_text_that_cannot_be_kept_is_refused(desk: Desk, town: Town, text: str) -> None:
    answer = await desk.client.get("/api/v1/slots", params={"department": text})
    assert problem(answer) == (400, "request.text_unreadable")
    booking = await town.book(town.slots[0])
    path = f"/bookings/{booking.id}/cancel"
    answer = await desk.call(Who.PATIENT, "POST", path, json={"reason": text})
    assert problem(answer) == (400, "request.text_unreadable")
    assert await town.count("SELECT count(*) FROM booking.booking WHERE state = 'booked'") == 1


async def statements_of(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, path: str, params: dict[str, str]
) -> int:
    """Count the statements one GET runs."""
    ran: list[object] = []
    execute = AsyncConnection.execute

    async def counting(self: Any, query: Any, *args: Any, **options: Any) -> Any:
        if query != "":  # the pool's look whether a connection still lives
            ran.append(query)
        return await execute(self, query, *args, **options)

    monkeypatch.setattr(AsyncConnection, "execute", counting)
    answer = await desk.call(Who.PATIENT, "GET", path, params=params)
    monkeypatch.undo()
    assert answer.status_code == 200
    return len(ran)


@pytest.mark.parametrize("path", ["/slots", "/bookings", "/waitlist"])
async def test_a_list_takes_the_same_number_of_statements_however_long(
    desk: Desk, town: Town, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    params = {} if path == "/slots" else {"person_id": str(town.patient)}
    await statements_of(desk, monkeypatch, path, params)  # the first of all opens connections
    short = await statements_of(desk, monkeypatch, path, params | {"count": "1"})
    for slot in town.slots[:5]:
        await town.book(slot)
    long = await statements_of(desk, monkeypatch, path, params)
    assert short == long
    assert long <= 8


async def test_nothing_of_a_person_is_in_the_public_list(desk: Desk, town: Town) -> None:
    await town.book(town.slots[0])
    text = (await desk.client.get("/api/v1/slots")).text
    assert not any(str(person) in text for person in town.people.values())


async def test_names_nobody_knows_are_not_found(desk: Desk) -> None:
    nobody = ids.new()
    for method, path in (
        ("GET", f"/bookings/{nobody}"),
        ("POST", f"/bookings/{nobody}/cancel"),
        ("POST", f"/waitlist/{nobody}/accept"),
        ("POST", f"/waitlist/{nobody}/leave"),
    ):
        body = {"reason": ""} if path.endswith("cancel") else None
        answer = await desk.call(Who.PATIENT, method, path, json=body)
        assert problem(answer) == (404, "booking.unknown"), path


def test_the_town_begins_on_a_sunday() -> None:
    assert NOW.isoweekday() == 7
