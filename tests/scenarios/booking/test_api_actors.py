"""Who may do what over the API: each route, each kind of actor, status and code."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from citycare.kit import clock, ids
from citycare.kit.db import Database
from citycare.scenarios.booking.model.core import Booking
from tests import town as town_of
from tests.town import HERE, Desk, Town, Who

Answer = tuple[int, str]
SIGN_IN: Answer = (401, "access.sign_in_needed")
NO: Answer = (403, "access.forbidden")
NOBODY: Answer = (404, "request.not_found")
NOTHING: Answer = (404, "booking.unknown")


@pytest.fixture
async def town(database: Database) -> Town:
    return await town_of.build(database)


@pytest.fixture(params=["lane", "framework"])
async def both(town: Town, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    """The API with the booking lane in front, and without."""
    async with town_of.desk(town, tmp_path, lane=request.param == "lane") as opened:
        yield opened


@pytest.fixture
async def desk(town: Town, tmp_path: Path) -> AsyncIterator[Desk]:
    async with town_of.desk(town, tmp_path) as opened:
        yield opened


def said(answer: httpx.Response) -> Answer:
    if answer.status_code < 400:
        return answer.status_code, ""
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


async def compare(
    expected: Mapping[Who, Answer], ask: Callable[[Who], Awaitable[httpx.Response]]
) -> None:
    assert set(expected) == set(Who), "every kind of actor has its line"
    found = {who: said(await ask(who)) for who in expected}
    assert found == expected


BOOK = {
    Who.ANONYMOUS: SIGN_IN,
    Who.PATIENT: (201, ""),
    Who.DAUGHTER: (201, ""),
    Who.NEPHEW: NO,
    Who.STRANGER: NOBODY,
    Who.CLERK: (201, ""),
    Who.CLERK_ELSEWHERE: NO,
    Who.CLINICIAN: NOBODY,
    Who.SCHEDULER: NOBODY,
    Who.GP: NOBODY,
    Who.OPERATOR: NO,
}


async def test_who_may_book_for_her(both: Desk, town: Town) -> None:
    async def ask(who: Who) -> httpx.Response:
        answer = await both.book(who, town.slots[2], town.patient)
        await town.clear()
        return answer

    await compare(BOOK, ask)


READ = {
    Who.ANONYMOUS: SIGN_IN,
    Who.PATIENT: (200, ""),
    Who.DAUGHTER: (200, ""),
    Who.NEPHEW: NOTHING,
    Who.STRANGER: NOTHING,
    Who.CLERK: (200, ""),
    Who.CLERK_ELSEWHERE: NOTHING,
    Who.CLINICIAN: (200, ""),
    Who.SCHEDULER: (200, ""),
    Who.GP: NOTHING,
    Who.OPERATOR: NOTHING,
}
CHANGE = READ | {Who.CLINICIAN: NOBODY, Who.SCHEDULER: NOBODY}


async def test_who_may_see_her_booking(desk: Desk, town: Town) -> None:
    booking = await town.book(town.slots[2])

    async def ask(who: Who) -> httpx.Response:
        return await desk.call(who, "GET", f"/bookings/{booking.id}")

    await compare(READ, ask)


@pytest.mark.parametrize(("verb", "status"), [("cancel", 200), ("reschedule", 201)])
async def test_who_may_change_her_booking(desk: Desk, town: Town, verb: str, status: int) -> None:
    async def ask(who: Who) -> httpx.Response:
        async with town.held(town.slots[2]) as booking:
            return await desk.call(
                who, "POST", f"/bookings/{booking.id}/{verb}", json=body_of(verb, town)
            )

    expected = {who: (status, "") if one == (200, "") else one for who, one in CHANGE.items()}
    await compare(expected, ask)


def body_of(verb: str, town: Town) -> dict[str, str]:
    return {"reason": "感冒好了"} if verb == "cancel" else {"slot_id": str(town.slots[5].id)}


# Staff see a list of what a person has in their own houses, which may be nothing.
LIST = {
    Who.ANONYMOUS: SIGN_IN,
    Who.PATIENT: (200, ""),
    Who.DAUGHTER: (200, ""),
    Who.NEPHEW: NO,
    Who.STRANGER: NOBODY,
    Who.CLERK: (200, ""),
    Who.CLERK_ELSEWHERE: (200, ""),
    Who.CLINICIAN: (200, ""),
    Who.SCHEDULER: (200, ""),
    Who.GP: NOBODY,
    Who.OPERATOR: NO,
}
ALL = {Who.PATIENT, Who.DAUGHTER}
HERE_ONLY = {Who.CLERK, Who.CLINICIAN, Who.SCHEDULER}


async def test_who_may_list_her_bookings(desk: Desk, town: Town) -> None:
    async def ask(who: Who) -> httpx.Response:
        return await desk.call(who, "GET", "/bookings", params={"person_id": str(town.patient)})

    await compare(LIST, ask)


async def test_staff_see_of_her_bookings_those_in_their_own_hospital(
    desk: Desk, town: Town
) -> None:
    here, there = await town.book(town.slots[2]), await town.book(await town.elsewhere())
    expected = {who: {str(here.id)} for who in HERE_ONLY}
    expected |= {who: {str(here.id), str(there.id)} for who in ALL}
    expected |= {Who.CLERK_ELSEWHERE: {str(there.id)}}
    params = {"person_id": str(town.patient)}
    for who, seen in expected.items():
        answer = await desk.call(who, "GET", "/bookings", params=params)
        assert {one["id"] for one in answer.json()["items"]} == seen, who


async def test_who_is_not_there_and_who_has_nothing_here_look_the_same_to_staff(
    desk: Desk, town: Town
) -> None:
    await town.book(await town.elsewhere())
    for path in ("/bookings", "/waitlist"):
        for person in (town.patient, ids.new()):
            answer = await desk.call(Who.CLERK, "GET", path, params={"person_id": str(person)})
            assert (answer.status_code, answer.json()["items"]) == (200, []), path


async def test_her_access_log_says_that_staff_looked_even_in_vain(desk: Desk, town: Town) -> None:
    params = {"person_id": str(town.patient)}
    for path in ("/bookings", "/waitlist"):
        await desk.call(Who.CLERK_ELSEWHERE, "GET", path, params=params)
    read = await town.count(
        "SELECT count(*) FROM audit.entry WHERE line::jsonb->>'outcome' = 'ok'"
        " AND line::jsonb->>'action' IN ('booking.list', 'booking.list_waits')"
        f" AND person_id = '{town.patient}'"
    )
    assert read == 2


DAY = {
    Who.ANONYMOUS: SIGN_IN,
    Who.PATIENT: NO,
    Who.DAUGHTER: NO,
    Who.NEPHEW: NO,
    Who.STRANGER: NO,
    Who.CLERK: (200, ""),
    Who.CLERK_ELSEWHERE: NO,
    Who.CLINICIAN: (200, ""),
    Who.SCHEDULER: (200, ""),
    Who.GP: NO,
    Who.OPERATOR: NO,
}


async def test_who_may_list_the_bookings_of_a_day_in_a_hospital(desk: Desk, town: Town) -> None:
    booking = await town.book(town.slots[2])
    params = {"on": str(clock.day_of(booking.starts_at)), "clinic_id": str(town.clinic.id)}

    async def ask(who: Who) -> httpx.Response:
        answer = await desk.call(who, "GET", f"/organisations/{HERE}/bookings", params=params)
        if answer.status_code == 200:
            assert [one["id"] for one in answer.json()["items"]] == [str(booking.id)]
        return answer

    await compare(DAY, ask)


WAIT = LIST | {
    Who.PATIENT: (201, ""),
    Who.DAUGHTER: (201, ""),
    Who.CLERK: (201, ""),
    Who.CLERK_ELSEWHERE: NO,
    Who.CLINICIAN: NOBODY,
    Who.SCHEDULER: NOBODY,
}
SEE_WAITS = LIST | {Who.CLINICIAN: NOBODY, Who.SCHEDULER: NOBODY}


def wish_at(town: Town, clinic: UUID) -> dict[str, str]:
    return {
        "person_id": str(town.patient),
        "clinic_id": str(clinic),
        "from_day": "2026-11-23",
        "to_day": "2026-11-30",
    }


async def test_who_may_put_her_on_the_waiting_list(desk: Desk, town: Town) -> None:
    body = wish_at(town, town.clinic.id)

    async def ask(who: Who) -> httpx.Response:
        answer = await desk.call(who, "POST", "/waitlist", json=body)
        await town.clear()
        return answer

    await compare(WAIT, ask)


async def test_who_may_see_where_she_waits(desk: Desk, town: Town) -> None:
    async def ask(who: Who) -> httpx.Response:
        return await desk.call(who, "GET", "/waitlist", params={"person_id": str(town.patient)})

    await compare(SEE_WAITS, ask)


async def test_clerks_see_where_she_waits_in_their_own_hospital(desk: Desk, town: Town) -> None:
    there = (await town.elsewhere()).clinic.id
    for clinic in (town.clinic.id, there):
        await desk.call(Who.PATIENT, "POST", "/waitlist", json=wish_at(town, clinic))
    expected = {
        Who.PATIENT: {str(town.clinic.id), str(there)},
        Who.CLERK: {str(town.clinic.id)},
        Who.CLERK_ELSEWHERE: {str(there)},
    }
    params = {"person_id": str(town.patient)}
    for who, seen in expected.items():
        answer = await desk.call(who, "GET", "/waitlist", params=params)
        assert {one["clinic_id"] for one in answer.json()["items"]} == seen, who


async def test_everybody_may_see_open_windows(desk: Desk) -> None:
    async def ask(who: Who) -> httpx.Response:
        return await desk.call(who, "GET", "/slots")

    await compare(dict.fromkeys(Who, (200, "")), ask)


async def test_a_refused_booking_is_in_the_trail_and_nothing_else_is_written(
    both: Desk, town: Town
) -> None:
    before = await town.traces()
    for who in (Who.STRANGER, Who.NEPHEW, Who.CLERK_ELSEWHERE):
        await both.book(who, town.slots[2], town.patient)
    assert await town.traces() == before
    refused = "FROM audit.entry WHERE line::jsonb->>'outcome' = 'refused'"
    assert await town.count(f"SELECT count(*) {refused}") == 3
    actors = f"SELECT count(DISTINCT line::jsonb->>'account') {refused}"
    assert await town.count(actors) == 3, "each by the name of who tried"


async def test_a_signed_out_token_is_nobody(both: Desk, town: Town) -> None:
    await town.do(lambda cx: cx.db.execute("UPDATE identity.session SET revoked_at = now()"))
    assert said(await both.book(Who.PATIENT, town.slots[0])) == SIGN_IN


async def test_the_same_is_said_of_what_is_not_there_and_what_is_not_yours(
    desk: Desk, town: Town
) -> None:
    booking: Booking = await town.book(town.slots[2])
    missing = await desk.call(Who.STRANGER, "GET", f"/bookings/{town.clinic.id}")
    hidden = await desk.call(Who.STRANGER, "GET", f"/bookings/{booking.id}")
    same = ("type", "title", "status", "detail", "code")
    assert {key: missing.json()[key] for key in same} == {key: hidden.json()[key] for key in same}
    assert set(missing.json()["facts"]) == set(hidden.json()["facts"])
