"""One story of booking, told over HTTP from the first search to the last person provided for."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from citycare.kernel import audit, events
from citycare.kernel.context import Context
from citycare.kernel.events import Event, Handler
from citycare.kit.db import Database
from citycare.scenarios.booking.model.schedule import NewSlot
from tests import town as town_of
from tests.town import Desk, Town, Who

NEIGHBOUR = Who.STRANGER
EVENTS = ("booking.booked", "booking.cancelled", "booking.moved", "booking.offered")
STOPPED = "booking.stopped"
LIVE = "state IN ('booked', 'arrived', 'fulfilled')"


@pytest.fixture
async def town(database: Database) -> Town:
    """A doctor with one place on each of the next twelve mornings."""
    return await town_of.build(database, capacity=1)


@pytest.fixture
async def desk(town: Town, tmp_path: Path) -> AsyncIterator[Desk]:
    async with town_of.desk(town, tmp_path) as opened:
        yield opened


def good(answer: httpx.Response, status: int = 200) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def first_window(desk: Desk) -> str:
    """Search as she would: this department, this doctor, the coming days."""
    params = {"department": "03.04", "doctor": str(desk.town.clinic.practitioner_id)}
    found = good(await desk.call(Who.ANONYMOUS, "GET", "/slots", params=params))
    assert [one["open"] for one in found["items"]] == [1] * 12
    assert found["items"][0]["practitioner_name"] == "陈立"
    return str(found["items"][0]["id"])


async def list_of_the_day(desk: Desk, day: str) -> str:
    page = await desk.client.get(
        "/clinic",
        params={"clinic": str(desk.town.clinic.id), "day": day},
        headers={
            "authorization": f"Bearer {desk.town.tokens[Who.CLINICIAN]}",
            "accept": "text/html",
        },
    )
    assert page.status_code == 200
    return page.text


async def wait_for(desk: Desk, who: Who, day: str) -> str:
    body = {
        "person_id": str(desk.town.people[who]),
        "clinic_id": str(desk.town.clinic.id),
        "from_day": day,
        "to_day": day,
    }
    return str(good(await desk.call(who, "POST", "/waitlist", json=body), 201)["id"])


async def waits_of(desk: Desk, who: Who) -> list[dict[str, Any]]:
    params = {"person_id": str(desk.town.people[who])}
    found = good(await desk.call(who, "GET", "/waitlist", params=params))
    return list(found["items"])


async def windows_of(desk: Desk, who: Who) -> list[str]:
    """Return the windows in which somebody holds a place."""
    params = {"person_id": str(desk.town.people[who])}
    found = good(await desk.call(who, "GET", "/bookings", params=params))
    return [one["slot_id"] for one in found["items"]]


async def move(desk: Desk, booking: str, to: NewSlot) -> dict[str, Any]:
    path = f"/bookings/{booking}/reschedule"
    answer = await desk.call(Who.PATIENT, "POST", path, json={"slot_id": str(to.id)})
    return good(answer, 201)


async def cancel(desk: Desk, booking: str) -> None:
    path = f"/bookings/{booking}/cancel"
    good(await desk.call(Who.PATIENT, "POST", path, json={"reason": "女儿接我去外地"}))


async def stop_clinic(desk: Desk, first: str, last: str) -> None:
    answer = await desk.client.post(
        "/scheduler/stop",
        data={
            "clinic": str(desk.town.clinic.id),
            "from_day": first,
            "from_half": "am",
            "to_day": last,
            "to_half": "pm",
            "reason": "医生外出开会",
        },
        headers={
            "authorization": f"Bearer {desk.town.tokens[Who.SCHEDULER]}",
            "accept": "text/html",
        },
    )
    assert answer.status_code == 303, answer.text


async def delivered(town: Town) -> Counter[tuple[str, str]]:
    """Deliver all events, twice over; return how often each came."""
    seen: Counter[tuple[str, str]] = Counter()

    async def note(_: Context, event: Event) -> None:
        seen[event.name, str(event.id)] += 1

    handlers = [Handler(name, f"story.{name}", note) for name in (*EVENTS, STOPPED)]
    for _ in range(2):
        await events.drain(town.database, handlers, now=town.clock.now)
    return seen


async def check_the_books(town: Town) -> None:
    """Every place has one holder or none, the trail is whole, each event came once."""
    taken = await town.count("SELECT count(*) FROM booking.place WHERE state = 'taken'")
    assert taken == await town.count(f"SELECT count(*) FROM booking.booking WHERE {LIVE}")
    seen = await delivered(town)
    assert set(seen.values()) == {1}
    for name in (*EVENTS, STOPPED):
        told = sum(count for (kind, _), count in seen.items() if kind == name)
        stored = await town.count(f"SELECT count(*) FROM events.event WHERE name = '{name}'")
        assert told == stored > 0, name
    async with town.database.autocommit() as db:
        report = await audit.verify(db)
    assert report.ok, report
    assert report.checked > 30


async def test_she_books_moves_and_cancels_and_her_neighbour_gets_the_place(
    desk: Desk, town: Town
) -> None:
    # Given a place she found by searching and booked
    monday, sunday = town.slots[0], town.slots[6]
    assert await first_window(desk) == str(monday.id)
    booked = good(await desk.book(Who.PATIENT, monday), 201)
    assert (booked["number"], booked["state"]) == (1, "booked")
    # Then the clinic sees her on Monday's list
    assert "林patient" in await list_of_the_day(desk, "2026-11-23")
    # When she moves to Sunday, Monday's list is empty again
    moved = await move(desk, booked["id"], sunday)
    assert (moved["follows"], moved["slot_id"]) == (booked["id"], str(sunday.id))
    assert "林patient" not in await list_of_the_day(desk, "2026-11-23")
    # Given a neighbour who found Sunday full and waits
    refused = await desk.book(NEIGHBOUR, sunday)
    assert (refused.status_code, refused.json()["code"]) == (409, "booking.slot_unavailable")
    waiting = await wait_for(desk, NEIGHBOUR, "2026-11-29")
    # When she cancels, the place is offered to the neighbour and to nobody else
    await cancel(desk, moved["id"])
    [offer] = await waits_of(desk, NEIGHBOUR)
    assert (offer["state"], offer["offer_slot_id"]) == ("offered", str(sunday.id))
    assert (await desk.book(Who.DAUGHTER, sunday)).status_code == 409
    # Then the neighbour accepts, twice by a slip of the thumb, and holds one place
    for _ in range(2):
        path = f"/waitlist/{waiting}/accept"
        taken = good(await desk.call(NEIGHBOUR, "POST", path, key="accept-31177"), 201)
    assert taken["source"] == "waitlist"
    assert await windows_of(desk, NEIGHBOUR) == [str(sunday.id)]
    assert await windows_of(desk, Who.PATIENT) == []


async def test_a_stopped_clinic_leaves_everybody_with_a_place_or_ahead_in_the_list(
    desk: Desk, town: Town
) -> None:
    # Given four people on four mornings, a fifth who waits, and two mornings still free after
    people = (NEIGHBOUR, Who.PATIENT, Who.DAUGHTER, Who.NEPHEW)
    mornings = [town.slots[n] for n in (6, 5, 8, 9)]
    booked = {
        who: good(await desk.book(who, slot), 201)
        for who, slot in zip(people, mornings, strict=True)
    }
    moved = await move(desk, booked[Who.PATIENT]["id"], town.slots[7])
    await wait_for(desk, Who.PATIENT, "2026-12-03")
    # When the doctor has to be away on those four days
    await stop_clinic(desk, "2026-11-29", "2026-12-02")
    # Then those who come first have the two mornings after, with the same doctor
    assert await windows_of(desk, NEIGHBOUR) == [str(town.slots[10].id)]
    assert await windows_of(desk, Who.PATIENT) == [str(town.slots[11].id)]
    # and the other two stand before the one who waited already
    assert await windows_of(desk, Who.DAUGHTER) == await windows_of(desk, Who.NEPHEW) == []
    places = [(await waits_of(desk, who))[0]["position"] for who in (Who.DAUGHTER, Who.NEPHEW)]
    assert sorted(places) == [1, 2]
    assert (await waits_of(desk, Who.PATIENT))[0]["position"] == 3
    # When she gives her new morning back, the head of the list is asked
    replaced = good(await desk.call(
        Who.PATIENT, "GET", "/bookings", params={"person_id": str(town.patient)}
    ))["items"][0]  # fmt: skip
    assert (replaced["source"], replaced["follows"]) == ("replacement", moved["id"])
    await cancel(desk, replaced["id"])
    states = [(await waits_of(desk, who))[0]["state"] for who in (Who.DAUGHTER, Who.NEPHEW)]
    assert sorted(states) == ["offered", "waiting"]
    # Then the books are in order
    told = await town.count("SELECT count(DISTINCT person_id) FROM booking.message")
    assert told == len(people)
    await check_the_books(town)
