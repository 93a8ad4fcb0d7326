import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from citycare.kernel.context import SYSTEM, Actor, Channel, Context
from citycare.kit import clock, ids
from citycare.kit.db import Database
from citycare.kit.embedded import Embedded
from citycare.scenarios.booking.model.core import AlreadyBooked
from citycare.scenarios.booking.model.draw import (
    Draw,
    DrawEmpty,
    DrawNotOpen,
    DrawState,
    DrawStep,
    Keys,
    SeedUnreadable,
    WishesWrong,
)
from citycare.scenarios.booking.rules import draw as rules
from citycare.scenarios.booking.rules import draw_check
from citycare.scenarios.booking.service import draw as service
from citycare.scenarios.booking.service import draw_run
from citycare.scenarios.booking.store import draw as store
from citycare.scenarios.booking.store import draw_run as run_store

KEYS = Keys(b"\x01" * 32, b"\x02" * 32, b"\x03" * 32)
HOSPITAL = UUID(int=0x4051)
CLINICS = """
    INSERT INTO booking.clinic (id, organisation_id, organisation_name, organisation_short,
        district, department_id, department_code, department_name, kind, release, fee_fen)
    SELECT ids.id, %(hospital)s, '某医院', '某', '310101', %(hospital)s, '03.0' || ids.n, '内科',
           'general', 'draw', 2500
      FROM unnest(%(clinics)s::uuid[]) WITH ORDINALITY AS ids (id, n)
"""
SLOTS = """
    WITH made AS (
        INSERT INTO booking.slot (id, clinic_id, organisation_id, district, department_code,
            starts_at, ends_at, release, capacity, free, busy)
        SELECT s.id, s.clinic_id, %(hospital)s, '310101', '03.01',
               s.starts_at, s.starts_at + interval '30 min', 'draw', %(places)s, %(places)s, 0
          FROM unnest(%(slots)s::uuid[], %(clinics)s::uuid[], %(starts)s::timestamptz[])
               AS s (id, clinic_id, starts_at)
     RETURNING id)
    SELECT count(*) FROM made
"""
PLACES = """
    INSERT INTO booking.place (slot_id, number, pool, opens_at)
    SELECT s.id, n, 'public', '2026-11-01'
      FROM unnest(%(slots)s::uuid[]) AS s (id), generate_series(1, %(places)s) AS n
"""


@dataclass(frozen=True, slots=True)
class City:
    """A clinic with windows, and an open draw over them."""

    database: Database
    slots: list[UUID]
    draw: Draw

    def cx(self, db: Any, now: datetime | None = None, actor: Actor = SYSTEM) -> Context:
        return Context(db, actor, now or clock.now(), "test", Channel.PHONE, "test")

    async def ask(self, person: UUID, *wishes: int, now: datetime | None = None) -> None:
        async with self.database.transaction() as db:
            await service.request_places(
                self.cx(db, now), KEYS, self.draw.id, person, [self.slots[n] for n in wishes]
            )

    async def close(self, server_url: str) -> None:
        await sql(
            server_url,
            "UPDATE booking.draw SET opens_at = now() - interval '2 days',"
            " closes_at = now() - interval '1 second'",
        )


async def sql(url: str, text: str) -> list[tuple[Any, ...]]:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        cursor = await connection.execute(text)
        return await cursor.fetchall() if cursor.description else []


async def make_city(database: Database, windows: int = 4, places: int = 3) -> City:
    starts = clock.now().replace(microsecond=0) + timedelta(days=3)
    slots = sorted(ids.derive("slot", n) for n in range(windows))
    clinics = [ids.derive("clinic", n) for n in range(windows)]
    parameters = {
        "hospital": HOSPITAL,
        "clinics": clinics,
        "slots": slots,
        "starts": [starts + timedelta(days=n) for n in range(windows)],
        "places": places,
    }
    async with database.transaction() as db:
        await db.execute(CLINICS, parameters)
        await db.execute(SLOTS, parameters)
        await db.execute(PLACES, parameters)
        cx = Context(db, SYSTEM, clock.now(), "test", Channel.PHONE, "test")
        new = service.NewDraw(
            HOSPITAL, "专家号摇号", cx.now - timedelta(hours=1), cx.now + timedelta(hours=1), slots
        )
        draw = await service.open_draw(cx, KEYS, new)
    return City(database, slots, draw)


@pytest.fixture
async def city(database: Database) -> City:
    return await make_city(database)


@pytest.fixture
def admin(server: Embedded, own_database: str) -> str:
    return server.url(own_database)


def person(n: int) -> UUID:
    return ids.derive("person", n)


async def fill(city: City, count: int = 30) -> None:
    for n in range(count):
        await city.ask(person(n), n % 4, (n + 1) % 4)


async def holders(admin: str) -> list[tuple[Any, ...]]:
    return await sql(
        admin,
        "SELECT slot_id, number, person_id FROM booking.booking WHERE state = 'booked'"
        " ORDER BY 1, 2",
    )


async def test_a_draw_gives_all_places_once_and_verifies(city: City, admin: str) -> None:
    await fill(city)
    await city.close(admin)
    draw = await draw_run.run_draw(city.database, KEYS, city.draw.id)
    assert (draw.state, draw.requests, draw.won) == (DrawState.DONE, 30, 12)
    held = await holders(admin)
    assert len(held) == len({holder for _, _, holder in held}) == 12
    assert await sql(admin, "SELECT sum(free), sum(busy) FROM booking.slot") == [(0, 12)]
    assert await sql(
        admin, "SELECT kind, count(*)::int FROM booking.message GROUP BY 1 ORDER BY 1"
    ) == [("draw_lost", 18), ("draw_won", 12)]
    async with city.database.autocommit() as db:
        report = await service.verify_draw(db, draw.id)
    assert (report.ok, report.requests, report.won) == (True, 30, 12)


async def test_the_commitment_is_public_at_once_and_the_seed_only_when_done(
    city: City, admin: str
) -> None:
    await fill(city, 3)
    async with city.database.autocommit() as db:
        open_ = await service.get_draw(db, city.draw.id)
        with pytest.raises(DrawStep):
            [block async for block in service.published(db, city.draw.id)]
    assert (open_.commitment, open_.seed) == (city.draw.commitment, None)
    await city.close(admin)
    done = await draw_run.run_draw(city.database, KEYS, city.draw.id)
    assert done.seed is not None
    assert rules.commitment(done.seed) == open_.commitment


async def test_the_sealed_seed_cannot_be_read_with_another_key(city: City, admin: str) -> None:
    await fill(city, 3)
    await city.close(admin)
    other = replace(KEYS, seal=b"\x09" * 32)
    with pytest.raises(SeedUnreadable):
        await draw_run.run_draw(city.database, other, city.draw.id)
    done = await draw_run.run_draw(city.database, KEYS, city.draw.id)
    sealed = await sql(admin, "SELECT sealed FROM booking.draw_secret")
    assert done.seed is not None
    assert done.seed not in bytes(sealed[0][0])


async def test_what_is_left_opens_first_come_later(city: City, admin: str) -> None:
    await city.ask(person(1), 0)
    await city.close(admin)
    done = await draw_run.run_draw(city.database, KEYS, city.draw.id)
    rows = await sql(
        admin, "SELECT min(opens_at), count(*) FROM booking.place WHERE state = 'free'"
    )
    assert rows[0][1] == 11
    assert done.done_at is not None
    assert rows[0][0] >= done.done_at + timedelta(minutes=10)
    assert await sql(admin, "SELECT DISTINCT release FROM booking.slot") == [("first_come",)]


class Killed(Exception):
    """The process ends here."""


async def run_until(city: City, step: int) -> int:
    """Run, and stop dead at the given step of progress; return the steps seen."""
    seen = 0

    def tell(_phase: str, _done: int, _of: int) -> None:
        nonlocal seen
        seen += 1
        if seen == step:
            raise Killed

    await draw_run.run_draw(city.database, KEYS, city.draw.id, tell)
    return seen


async def test_killed_anywhere_it_ends_with_the_same_result(
    city: City, admin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each `tell` runs inside the phase's transaction: raising there loses that phase."""
    monkeypatch.setattr(draw_run, "PLACES_A_CHUNK", 3)
    monkeypatch.setattr(draw_run, "TOLD_A_CHUNK", 7)
    await fill(city)
    await city.close(admin)
    deaths = 0
    for step in range(1, 4):  # die at the first, second, third step again and again
        for _ in range(4):
            try:
                await run_until(city, step)
            except Killed:
                deaths += 1
    done = await draw_run.run_draw(city.database, KEYS, city.draw.id)
    assert deaths >= 5
    assert done.state is DrawState.DONE
    async with city.database.autocommit() as db:
        assert (await service.verify_draw(db, done.id)).ok
        lines = b"".join([block async for block in service.published(db, done.id)])
    held = await holders(admin)
    drawn = await sql(
        admin,
        "SELECT s.slot_id, r.number, q.person_id FROM booking.draw_result r"
        " JOIN booking.draw_slot s USING (draw_id, n)"
        " JOIN booking.draw_request q USING (draw_id, public_id) ORDER BY 1, 2",
    )
    assert held == drawn
    assert len(held) == 12
    assert await sql(
        admin, "SELECT count(*)::int, count(DISTINCT person_id)::int FROM booking.message"
    ) == [(30, 30)]
    assert draw_check.verify(lines.splitlines(keepends=True)).won == 12


@pytest.mark.race
async def test_two_runners_at_once_write_one_result(city: City, admin: str) -> None:
    await fill(city)
    await city.close(admin)
    await asyncio.gather(*(draw_run.run_draw(city.database, KEYS, city.draw.id) for _ in range(3)))
    assert len(await holders(admin)) == 12
    assert await sql(admin, "SELECT count(*)::int FROM booking.message") == [(30,)]


@pytest.mark.race
async def test_control_without_the_lock_on_a_lane_two_runners_do_the_work_twice(
    city: City, admin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlocked = run_store.LANE.replace("FOR UPDATE", "")
    assert unlocked != run_store.LANE
    monkeypatch.setattr(run_store, "LANE", unlocked)
    await fill(city)
    await city.close(admin)
    runs = [draw_run.run_draw(city.database, KEYS, city.draw.id) for _ in range(3)]
    outcomes = await asyncio.gather(*runs, return_exceptions=True)
    failed = [one for one in outcomes if isinstance(one, BaseException)]
    [(told,)] = await sql(admin, "SELECT count(*)::int FROM booking.message")
    assert failed or told != 30


async def at_once(city: City, crowd: int) -> None:
    await asyncio.gather(*(city.ask(person(1), n % 4) for n in range(crowd)))


@pytest.mark.race
async def test_fifty_submissions_of_one_person_are_one_request(city: City, admin: str) -> None:
    await at_once(city, 50)
    assert await sql(admin, "SELECT count(*)::int FROM booking.draw_request") == [(1,)]


@pytest.mark.race
async def test_control_without_the_constraints_one_person_has_many_requests(
    city: City, admin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sql(
        admin,
        "ALTER TABLE booking.draw_request DROP CONSTRAINT draw_request_once,"
        " DROP CONSTRAINT draw_request_pkey",
    )
    monkeypatch.setattr(store, "PUT", store.PUT.split("ON CONFLICT")[0])
    await at_once(city, 50)
    assert (await sql(admin, "SELECT count(*)::int FROM booking.draw_request"))[0][0] > 1


async def test_wishes_can_be_changed_withdrawn_and_given_again(city: City) -> None:
    await city.ask(person(1), 0)
    await city.ask(person(1), 2, 1, 0)
    async with city.database.transaction() as db:
        cx = city.cx(db)
        request = (await store.requests_of(db, person(1)))[0]
        assert request.wishes == [city.slots[2], city.slots[1], city.slots[0]]
        await service.withdraw(cx, city.draw.id, person(1))
        await service.withdraw(cx, city.draw.id, person(1))
    before = request.public_id
    await city.ask(person(1), 3)
    async with city.database.transaction() as db:
        request = (await store.requests_of(db, person(1)))[0]
    assert (request.public_id, request.withdrawn_at) == (before, None)


async def test_withdrawn_requests_are_not_drawn(city: City, admin: str) -> None:
    await fill(city, 5)
    async with city.database.transaction() as db:
        await service.withdraw(city.cx(db), city.draw.id, person(2))
    await city.close(admin)
    done = await draw_run.run_draw(city.database, KEYS, city.draw.id)
    assert (done.requests, done.won) == (4, 4)


async def test_nothing_is_taken_after_the_closing(city: City, admin: str) -> None:
    with pytest.raises(DrawNotOpen):
        await draw_run.run_draw(city.database, KEYS, city.draw.id)
    await city.ask(person(1), 0)
    await city.close(admin)
    with pytest.raises(DrawNotOpen):
        await city.ask(person(2), 0)
    async with city.database.transaction() as db:
        with pytest.raises(DrawNotOpen):
            await service.withdraw(city.cx(db), city.draw.id, person(1))


@pytest.mark.parametrize("wishes", [(), (0, 0), (0, 1, 2, 3)])
async def test_wrong_wishes_are_refused(city: City, wishes: tuple[int, ...]) -> None:
    with pytest.raises(WishesWrong):
        await city.ask(person(1), *wishes)


async def test_a_window_of_no_draw_or_of_another_is_refused(city: City) -> None:
    async with city.database.transaction() as db:
        with pytest.raises(WishesWrong):
            await service.request_places(city.cx(db), KEYS, city.draw.id, person(1), [ids.new()])
    now = clock.now()
    new = service.NewDraw(HOSPITAL, "又一次", now, now + timedelta(hours=1), city.slots)
    with pytest.raises(DrawEmpty):
        async with city.database.transaction() as db:
            await service.open_draw(city.cx(db), KEYS, new)


async def test_a_beacon_is_awaited_entered_once_and_used(database: Database, admin: str) -> None:
    city = await make_city(database)
    await sql(admin, "UPDATE booking.draw SET beacon_source = '双色球 第2026134期'")
    await fill(city)
    async with database.transaction() as db:
        with pytest.raises(DrawStep):
            await service.set_beacon(city.cx(db), city.draw.id, "03 07 12")
    await city.close(admin)
    waiting = await draw_run.run_draw(database, KEYS, city.draw.id)
    assert (waiting.state, waiting.list_digest is None) == (DrawState.FROZEN, False)
    assert await draw_run.run_due(database, KEYS) == []
    async with database.transaction() as db:
        await service.set_beacon(city.cx(db), city.draw.id, "03 07 12 19 25 31 + 08")
        with pytest.raises(DrawStep):
            await service.set_beacon(city.cx(db), city.draw.id, "another")
    assert await draw_run.run_due(database, KEYS) == [city.draw.id]
    async with database.autocommit() as db:
        assert (await service.verify_draw(db, city.draw.id)).ok


async def test_a_winner_of_a_stopped_window_is_told_and_gets_no_booking(
    city: City, admin: str
) -> None:
    await fill(city)
    await city.close(admin)
    seen: Callable[[str, int, int], None] = _stop_before_booking
    with pytest.raises(Killed):
        await draw_run.run_draw(city.database, KEYS, city.draw.id, seen)
    await sql(admin, f"UPDATE booking.slot SET state = 'stopped' WHERE id = '{city.slots[1]}'")
    await draw_run.run_draw(city.database, KEYS, city.draw.id)
    assert len(await holders(admin)) == 9
    assert await sql(
        admin,
        "SELECT missed, count(*)::int FROM booking.draw_result WHERE wish > 0 GROUP BY 1"
        " ORDER BY 1",
    ) == [("stopped", 3), (None, 9)]


def _stop_before_booking(phase: str, _done: int, _of: int) -> None:
    if phase == "booked":
        raise Killed


async def test_a_person_who_holds_a_place_at_that_time_may_not_ask_for_it(
    city: City, admin: str
) -> None:
    await city.ask(person(1), 0)
    await city.close(admin)
    await draw_run.run_draw(city.database, KEYS, city.draw.id)
    await sql(admin, "UPDATE booking.slot SET release = 'draw'")
    await sql(admin, "DELETE FROM booking.draw_result; DELETE FROM booking.draw_slot")
    now = clock.now()
    async with city.database.transaction() as db:
        new = service.NewDraw(HOSPITAL, "下一次", now, now + timedelta(hours=1), city.slots)
        again = await service.open_draw(city.cx(db), KEYS, new)
        with pytest.raises(AlreadyBooked):
            await service.request_places(
                city.cx(db, clock.now()), KEYS, again.id, person(1), [city.slots[0]]
            )


def test_the_key_file_is_made_once_and_private(tmp_path: Path) -> None:
    first = service.read_keys(tmp_path)
    path = tmp_path / "secrets" / "booking.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert service.read_keys(tmp_path) == first
    assert len({first.seal, first.public, first.queue}) == 3
    path.write_bytes(b"short")
    with pytest.raises(SeedUnreadable):
        service.read_keys(tmp_path)
