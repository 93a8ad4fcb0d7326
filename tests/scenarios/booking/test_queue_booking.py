"""Booking while a release is queued for: who may, and that nobody else pays for it."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from citycare import app as application
from citycare.kernel.context import Channel, Context, Role
from citycare.kit import clock, ids
from citycare.kit.db import Connection, Database
from citycare.kit.errors import AppError
from citycare.scenarios.booking.model.core import Booking, Claim, Pool, SlotUnavailable
from citycare.scenarios.booking.model.queue import (
    TicketMissing,
    TicketNotAdmitted,
    TicketSpent,
    TicketWrong,
)
from citycare.scenarios.booking.rules import queue as rules
from citycare.scenarios.booking.service import book, lists, rush
from citycare.scenarios.booking.service import queue as service
from citycare.scenarios.booking.store import places as place_store
from citycare.scenarios.booking.store import queue as store
from citycare.settings import read
from citycare.web.login.tokens import issue_token
from tests.scenarios.booking.conftest import PORTAL, make_person, open_slot, resident, staff
from tests.scenarios.booking.queueing import (
    KEY,
    KEYS,
    Release,
    let_all_in,
    make_release,
    open_now,
    run,
)


@pytest.fixture
async def release(database: Database) -> Release:
    """Two windows of two places, open, with a queue in force."""
    made = await make_release(database, windows=2)
    await open_now(database, made)
    return made


async def join(database: Database, release: Release) -> tuple[UUID, str]:
    """A person with a place in the queue; who they are and their token."""

    async def enter(cx: Context) -> tuple[UUID, str]:
        person = await make_person(cx)
        early = replace(cx, now=cx.now - timedelta(seconds=10))
        found = await service.join(early, KEYS, release.clinic_id, person)
        return person, found.token

    return await run(database, enter)


async def press(
    database: Database, slot: UUID, person: UUID, token: str = "", **changes: object
) -> Booking | AppError:
    """Book with a token; return the booking or the refusal."""

    async def work(cx: Context) -> Booking | AppError:
        claim = Claim(
            slot,
            person,
            Pool.PUBLIC,
            resident(person),
            Channel.PHONE,
            "request",
            ticket=rules.claimed(KEY, token, person),
        )
        return (await book.book_many(cx, [replace(claim, **changes)]))[0]  # type: ignore[arg-type]

    return await run(database, work)


async def test_only_who_was_let_in_books_and_only_once(
    database: Database, release: Release
) -> None:
    person, token = await join(database, release)
    slot, other = release.slots
    assert isinstance(await press(database, slot, person), TicketMissing)
    assert isinstance(await press(database, slot, person, token), TicketNotAdmitted)
    await let_all_in(database, release)
    assert isinstance(await press(database, slot, person, token), Booking)
    assert isinstance(await press(database, other, person, token), TicketSpent)


async def test_a_token_is_of_one_person_and_one_queue_and_cannot_be_changed(
    database: Database, release: Release
) -> None:
    person, token = await join(database, release)
    thief, _ = await join(database, release)
    await let_all_in(database, release)
    elsewhere = await make_release(database)
    await open_now(database, elsewhere)
    slot = release.slots[0]
    assert isinstance(await press(database, slot, thief, token), TicketWrong)
    changed = token[:30] + ("A" if token[30] != "A" else "B") + token[31:]
    assert isinstance(await press(database, slot, person, changed), TicketWrong)
    assert isinstance(await press(database, elsewhere.slots[0], person, token), TicketWrong)
    assert isinstance(await press(database, slot, person, token), Booking)


async def test_a_token_runs_out(database: Database, release: Release) -> None:
    person, token = await join(database, release)
    await let_all_in(database, release)
    await run(
        database,
        lambda cx: cx.db.execute(
            "UPDATE booking.queue_ticket SET admitted_at = now() - interval '301 s'"
        ),
    )
    assert isinstance(await press(database, release.slots[0], person, token), TicketSpent)


async def test_a_refused_booking_does_not_use_the_token_up(
    database: Database, release: Release
) -> None:
    person, token = await join(database, release)
    await let_all_in(database, release)
    full, other = release.slots
    await run(
        database,
        lambda cx: cx.db.execute(
            "UPDATE booking.place SET state = 'taken' WHERE slot_id = %(slot)s", {"slot": full}
        ),
    )
    assert isinstance(await press(database, full, person, token), SlotUnavailable)
    assert isinstance(await press(database, other, person, token), Booking)


async def test_the_window_clerk_and_who_comes_later_need_no_token(
    database: Database, release: Release
) -> None:
    at_the_window, later = [await run(database, make_person) for _ in range(2)]
    clerk = staff(Role.CLERK)
    stranger = staff(Role.CLERK, ids.new())
    slot = release.slots[0]
    posing = await press(database, slot, at_the_window, channel=Channel.WINDOW)
    assert isinstance(posing, TicketMissing)
    assert not isinstance(await press(database, slot, at_the_window, actor=stranger), Booking)
    assert isinstance(await press(database, slot, at_the_window, actor=clerk), Booking)
    await run(
        database,
        lambda cx: cx.db.execute("UPDATE booking.slot SET queue_until = now() - interval '1 s'"),
    )
    assert isinstance(await press(database, slot, later, "nonsense"), Booking)


async def counted(
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    slot: UUID,
    people: list[tuple[UUID, str]],
) -> tuple[list[str], list[rush.Answer]]:
    """Answer a batch; return the statements it took."""
    ran: list[str] = []

    async def work(cx: Context) -> list[rush.Answer]:
        execute = cx.db.execute

        async def counting(*args: object, **options: object) -> object:
            ran.append(str(args[0]))
            return await execute(*args, **options)  # type: ignore[call-overload]

        monkeypatch.setattr(cx.db, "execute", counting)
        wanted = []
        for person, token in people:
            actor = resident(person)
            ticket = rules.claimed(KEY, token, person)
            claim = Claim(slot, person, Pool.PUBLIC, actor, Channel.PHONE, "request", ticket=ticket)
            key = str(ids.new())
            digest = hashlib.sha256(key.encode()).digest()
            assert actor.account_id is not None
            wanted.append(rush.Request(actor.account_id, claim, key, digest))
        return await rush.answer_many(cx, wanted)

    answers = await run(database, work)
    monkeypatch.undo()
    return ran, answers


async def test_a_rush_without_queue_pays_nothing_and_with_one_two_statements_in_all(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = await make_release(database, places=9)
    await open_now(database, release)
    queued = [await join(database, release) for _ in range(9)]
    await let_all_in(database, release)
    plain = await run(
        database,
        lambda cx: open_slot(
            cx,
            starts_at=cx.now + timedelta(days=4),
            shares={Pool.PUBLIC: 1},
            opens_at=cx.now - timedelta(days=1),
        ),
    )
    token = queued[0][1]
    free, [answer] = await counted(database, monkeypatch, plain.id, [(queued[0][0], token)])
    assert answer.error is None
    assert not [statement for statement in free if "booking.queue" in statement]
    for batch in (queued[1:2], queued[2:]):
        ran, answers = await counted(database, monkeypatch, release.slots[0], batch)
        assert [one.error for one in answers] == [None] * len(batch)
        assert len(ran) == len(free) + 2


async def press_everywhere(database: Database) -> list[Booking | AppError]:
    """Press one token on 18 devices at once, in six windows."""
    release = await make_release(database, windows=6)
    await open_now(database, release)
    person, token = await join(database, release)
    await let_all_in(database, release)
    return await asyncio.gather(
        *(press(database, slot, person, token) for slot in release.slots * 3)
    )


@pytest.mark.race
async def test_one_token_pressed_on_many_devices_gets_one_place(database: Database) -> None:
    outcomes = await press_everywhere(database)
    assert sum(isinstance(one, Booking) for one in outcomes) == 1
    assert sum(isinstance(one, TicketSpent) for one in outcomes) == 17


@pytest.mark.race
async def test_control_without_its_two_guards_one_token_gets_several_places(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock on the person, and the count of tickets that were still unused."""

    async def unlocked(_db: Connection, _persons: object) -> dict[UUID, set[UUID]]:
        await asyncio.sleep(0.02)
        return {}

    async def uncounted(_db: Connection, tickets: Collection[object], _now: object) -> int:
        return len(tickets)

    monkeypatch.setattr(place_store, "lock_persons", unlocked)
    monkeypatch.setattr(store, "spend", uncounted)
    outcomes = await press_everywhere(database)
    assert sum(isinstance(one, Booking) for one in outcomes) > 1


Browser = Callable[[UUID], Awaitable[httpx.AsyncClient]]


@pytest.fixture
async def browser(database: Database, tmp_path: Path) -> AsyncIterator[Browser]:
    """Sign a resident in, at the real time."""
    settings = read({"CITYCARE_HOME": str(tmp_path), "CITYCARE_BASE_URL": PORTAL})
    app = application.create(settings, database)
    opened: list[httpx.AsyncClient] = []

    async def sign_in(person: UUID) -> httpx.AsyncClient:
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=PORTAL)
        token = await issue_token(database, Role.RESIDENT, person=person)
        client.headers.update({"authorization": f"Bearer {token}"})
        opened.append(client)
        return client

    yield sign_in
    for client in opened:
        await client.aclose()


async def test_join_wait_and_book_over_json(
    database: Database, release: Release, browser: Browser
) -> None:
    person = await run(database, make_person)
    client = await browser(person)
    address = f"/api/v1/queues/{release.clinic_id}/join"
    other = await client.post(address, json={"person_id": str(ids.new())})
    assert other.status_code in (403, 404)
    joined = await client.post(address, json={"person_id": str(person)})
    assert joined.status_code == 200
    assert joined.json()["position"] is None
    token = {"Queue-Token": joined.json()["token"]}
    body = {"slot_id": str(release.slots[0]), "person_id": str(person)}

    async def book_it(**headers: str) -> httpx.Response:
        key = {"Idempotency-Key": str(ids.new())}
        return await client.post("/api/v1/bookings", json=body, headers={**key, **headers})

    refused = await book_it()
    assert (refused.status_code, refused.json()["code"]) == (409, "booking.queue_token_missing")
    refused = await book_it(**token)
    assert (refused.status_code, refused.json()["code"]) == (409, "booking.queue_token_early")
    await asyncio.sleep(1.1)
    await let_all_in(database, release)
    del client.headers["authorization"]
    stands = (await client.get("/api/v1/queues/standing", headers=token)).json()
    assert (stands["position"], stands["admitted"], stands["left"]) == (1, True, 3)
    client = await browser(person)
    booked = await client.post(
        "/api/v1/bookings", json=body, headers={**token, "Idempotency-Key": "key-1"}
    )
    assert booked.status_code == 201, booked.text
    wrong = await client.get("/api/v1/queues/standing", headers={"Queue-Token": "x"})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "booking.queue_token_wrong")


async def test_a_booking_is_moved_into_a_queued_window_with_the_same_token(
    database: Database, release: Release, browser: Browser
) -> None:
    tokens = []
    for person in [await run(database, make_person) for _ in range(2)]:
        client = await browser(person)
        address = f"/api/v1/queues/{release.clinic_id}/join"
        joined = await client.post(address, json={"person_id": str(person)})
        tokens.append(joined.json()["token"])
    stolen, token = tokens
    await asyncio.sleep(1.1)
    await let_all_in(database, release)
    shares = {Pool.PUBLIC: 1}
    plain = await run(
        database,
        lambda cx: open_slot(
            cx,
            starts_at=cx.now + timedelta(days=9),
            shares=shares,
            opens_at=cx.now - timedelta(days=1),
        ),
    )
    made = await press(database, plain.id, person)
    assert isinstance(made, Booking)
    body = {"slot_id": str(release.slots[0])}

    async def move(**headers: str) -> httpx.Response:
        key = {"Idempotency-Key": str(ids.new())}
        address = f"/api/v1/bookings/{made.id}/reschedule"
        return await client.post(address, json=body, headers={**key, **headers})

    assert (await move()).json()["code"] == "booking.queue_token_missing"
    for wrong in ("nonsense", stolen):
        refused = await move(**{"Queue-Token": wrong})
        assert refused.json()["code"] == "booking.queue_token_wrong"
    moved = await move(**{"Queue-Token": token})
    assert (moved.status_code, moved.json()["slot_id"]) == (201, body["slot_id"])


async def test_joining_again_is_the_same_place_without_any_key(
    database: Database, release: Release, browser: Browser
) -> None:
    person = await run(database, make_person)
    address, body = f"/api/v1/queues/{release.clinic_id}/join", {"person_id": str(person)}
    first = await (await browser(person)).post(address, json=body)
    await asyncio.sleep(1.1)  # in another second it would be a later place
    again = await (await browser(person)).post(address, json=body)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json()["token"] == first.json()["token"]
    async with database.autocommit() as db:
        row = await (await db.execute("SELECT count(*) FROM booking.queue_ticket")).fetchone()
    assert row is not None
    assert row["count"] == 1


async def test_a_scheduler_says_which_clinics_queue(database: Database, browser: Browser) -> None:
    release = await make_release(database)
    client = await browser(await run(database, make_person))
    address = f"/api/v1/queues/{release.clinic_id}"
    assert (await client.put(address, json={"queued": False})).status_code in (403, 404)
    unknown = await client.put(f"/api/v1/queues/{ids.new()}", json={"queued": False})
    assert unknown.status_code == 404


async def test_the_waiting_room_leads_on_to_choosing(
    database: Database, release: Release, browser: Browser
) -> None:
    person = await run(database, make_person)
    client = await browser(person)
    client.headers["accept"] = "text/html"
    room = f"/queue/{release.clinic_id}"
    first = await client.get(room)
    assert "现在就可以进来等" in first.text
    assert f'action="{room}"' in first.text
    slot = release.slots[0]
    sent = await client.post(f"/book/{slot}")
    assert (sent.status_code, sent.headers["location"]) == (303, room)
    chosen = await client.get(f"/book?clinic={release.clinic_id}")
    assert f'href="{room}"' in chosen.text
    assert (await client.post(room)).status_code == 303
    waiting = await client.get(room)
    assert "不用刷新，刷新不会变快" in waiting.text
    assert '<meta http-equiv="refresh"' in waiting.text
    assert 'hx-trigger="every ' in waiting.text
    part = await client.get(room, headers={"hx-request": "true"})
    assert part.text.lstrip().startswith("<div")
    await asyncio.sleep(1.1)
    await let_all_in(database, release)
    moved = await client.get(room, headers={"hx-request": "true"})
    assert moved.headers["hx-redirect"] == f"/book?clinic={release.clinic_id}"
    assert (await client.get(room)).headers["location"] == f"/book?clinic={release.clinic_id}"
    chosen = await client.get(f"/book?clinic={release.clinic_id}")
    assert f'href="/book/{slot}"' in chosen.text
    booked = await client.post(f"/book/{slot}")
    assert booked.headers["location"].startswith("/bookings/")


async def test_in_elder_mode_one_queues_before_the_release_and_books_when_let_in(
    database: Database, browser: Browser
) -> None:
    release = await make_release(database)
    person = await run(database, make_person)
    client = await browser(person)
    client.headers["accept"] = "text/html"
    room, choosing = f"/queue/{release.clinic_id}", f"/book?clinic={release.clinic_id}"
    day = await day_of(database, release)
    for address in (f"{choosing}&elder=1", f"{choosing}&day={day}&elder=1"):
        assert f'href="{room}"' in (await client.get(address)).text
    await open_now(database, release)
    assert (await client.post(room)).status_code == 303
    await asyncio.sleep(1.1)
    await let_all_in(database, release)
    chosen = await client.get(f"{choosing}&day={day}&elder=1")
    assert f'href="/book/{release.slots[0]}"' in chosen.text


async def test_where_nothing_is_queued_for_the_room_leads_to_choosing(
    database: Database, browser: Browser
) -> None:
    release = await make_release(database, opens_in=timedelta(hours=3))
    client = await browser(await run(database, make_person))
    client.headers["accept"] = "text/html"
    found = await client.get(f"/queue/{release.clinic_id}")
    assert found.headers["location"] == f"/book?clinic={release.clinic_id}"


async def test_a_window_that_is_full_while_one_queues_is_shown_as_full(
    database: Database, release: Release, browser: Browser
) -> None:
    client = await browser(await run(database, make_person))
    client.headers["accept"] = "text/html"
    await run(database, lambda cx: cx.db.execute("UPDATE booking.place SET state = 'taken'"))
    day = await day_of(database, release)
    shown = await client.get(f"/book?clinic={release.clinic_id}&day={day}")
    assert shown.status_code == 200
    assert f'href="/wait/{release.clinic_id}' in shown.text


async def day_of(database: Database, release: Release) -> date:
    """The day of the first window of a release."""

    async def read_day(cx: Context) -> date:
        return clock.day_of((await lists.get_slot(cx, release.slots[0]))["starts_at"])

    return await run(database, read_day)
