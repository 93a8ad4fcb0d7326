"""The outbox: announced with the change, handled exactly once, dead letters and replays."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from psycopg import sql

from citycare.kernel import events
from citycare.kernel.context import SYSTEM, Channel, Context
from citycare.kernel.events import Event, Handler, Job, Limits
from citycare.kit import migrate
from citycare.kit.db import Connection, Database
from citycare.kit.embedded import Embedded
from citycare.kit.pages import encode

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
BOOKED = "booking.booked"


class Refused(Exception):
    """What a failing handler raises."""


def context(db: Connection) -> Context:
    return Context(db, SYSTEM, NOW, "test-request", Channel.PHONE, "test")


async def count(db: Connection, table: str) -> int:
    schema, name = table.split(".")
    cursor = await db.execute(
        sql.SQL("SELECT count(*) AS n FROM {}").format(sql.Identifier(schema, name))
    )
    row = await cursor.fetchone()
    assert row is not None
    return int(row["n"])


HEARD = Handler(BOOKED, "test.listen", lambda _cx, _event: asyncio.sleep(0))


async def announce(database: Database, number: int = 1) -> list[Event]:
    happened = [Event(BOOKED, {"place": f"p{i}", "fee_fen": 2_300 + i}) for i in range(number)]
    async with database.transaction() as db:
        await events.subscribe(context(db), [HEARD])
        await events.emit(context(db), happened)
    return happened


class Recorder:
    """A handler that notes the events it gets, and fails as often as it is told to."""

    def __init__(self, name: str, failures: int = 0) -> None:
        self.got: list[Event] = []
        self.failures = failures
        self.handler = Handler(BOOKED, name, self.run)

    async def run(self, cx: Context, event: Event) -> None:
        assert cx.actor == SYSTEM
        assert cx.purpose == self.handler.name
        if self.failures:
            self.failures -= 1
            raise Refused(event.facts["place"])
        self.got.append(event)


async def test_an_event_reaches_every_handler_of_its_name_and_no_other(database: Database) -> None:
    visit, letter = Recorder("visit.take_in"), Recorder("letter.write")
    other = Handler("booking.cancelled", "visit.drop", visit.run)
    sent = await announce(database, 2)
    await events.drain(database, [visit.handler, letter.handler, other])
    assert visit.got == letter.got == sent
    assert [event.id for event in visit.got] == [event.id for event in sent]
    assert visit.got[0].at == NOW


async def test_an_event_is_handled_once_however_often_it_is_delivered(database: Database) -> None:
    visit = Recorder("visit.take_in")
    (sent,) = await announce(database)
    await events.drain(database, [visit.handler])
    async with database.transaction() as db:
        await events.defer(context(db), "events.deliver", {"ids": sent.id.hex})
    await events.drain(database, [visit.handler])
    assert visit.got == [sent]


OTHER = Handler("visit.taken_in", "test.other", lambda _cx, _event: asyncio.sleep(0))


async def test_before_the_first_worker_everything_waits_for_it(database: Database) -> None:
    visit = Recorder("visit.take_in")
    early = Event(BOOKED, {"place": "early"})
    async with database.transaction() as db:
        await events.emit(context(db), [early])
    await events.drain(database, [visit.handler])
    assert visit.got == [early]


async def test_what_nobody_hears_is_kept_without_a_job(database: Database) -> None:
    async with database.transaction() as db:
        await events.subscribe(context(db), [OTHER])
        await events.emit(context(db), [Event(BOOKED, {"place": "early"})])
        assert await count(db, "events.event") == 1
        assert await count(db, "jobs.procrastinate_jobs") == 0


async def test_a_handler_hears_what_is_announced_once_it_is_subscribed(database: Database) -> None:
    visit = Recorder("visit.take_in")
    async with database.transaction() as db:
        await events.subscribe(context(db), [OTHER])
        await events.emit(context(db), [Event(BOOKED, {"place": "early"})])
    for _ in range(2):  # again changes nothing
        async with database.transaction() as db:
            await events.subscribe(context(db), [visit.handler])
    late = Event(BOOKED, {"place": "late"})
    async with database.transaction() as db:
        await events.emit(context(db), [Event("visit.arrived", {}), late])
    await events.drain(database, [visit.handler])
    assert visit.got == [late]


async def test_nothing_is_announced_after_a_rollback(database: Database) -> None:
    async def book_and_fail() -> None:
        async with database.transaction() as db:
            await events.subscribe(context(db), [HEARD])
            await events.emit(context(db), [Event(BOOKED, {"place": "p"})])
            raise Refused

    with pytest.raises(Refused):
        await book_and_fail()
    async with database.autocommit() as db:
        assert await count(db, "events.event") == 0
        assert await count(db, "jobs.procrastinate_jobs") == 0


async def test_hundreds_of_events_are_one_statement_and_one_job(
    cx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: list[Any] = []
    execute = type(cx.db.cursor()).execute

    async def counted(self: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        statements.append(query)
        return await execute(self, query, *args, **kwargs)

    await events.subscribe(cx, [HEARD])
    monkeypatch.setattr(type(cx.db.cursor()), "execute", counted)
    await events.emit(cx, [Event(BOOKED, {"place": i}) for i in range(256)])
    monkeypatch.undo()
    assert len(statements) == 1
    assert await count(cx.db, "events.event") == 256
    assert await count(cx.db, "jobs.procrastinate_jobs") == 1


async def test_more_than_a_thousand_events_are_split_over_jobs(cx: Context) -> None:
    await events.subscribe(cx, [HEARD])
    await events.emit(cx, [Event(BOOKED, {"place": i}) for i in range(2_001)])
    assert await count(cx.db, "jobs.procrastinate_jobs") == 3


async def test_emitting_nothing_does_nothing(cx: Context) -> None:
    await events.emit(cx, [])
    assert await count(cx.db, "jobs.procrastinate_jobs") == 0


async def test_a_failing_handler_is_tried_again_and_does_not_hold_up_the_others(
    database: Database,
) -> None:
    stubborn, calm = Recorder("visit.take_in", failures=3), Recorder("letter.write")
    sent = await announce(database, 2)
    failures = await events.drain(database, [stubborn.handler, calm.handler], failures_ok=True)
    assert len(failures) == 3
    assert calm.got == sent
    assert sorted(e.facts["place"] for e in stubborn.got) == ["p0", "p1"]


async def test_what_a_failing_handler_wrote_is_rolled_back(database: Database) -> None:
    async def write_and_fail(cx: Context, event: Event) -> None:
        await events.emit(cx, [Event("visit.taken_in", event.facts)])
        raise Refused

    await announce(database)
    await events.drain(database, [Handler(BOOKED, "v.fail", write_and_fail)], failures_ok=True)
    async with database.autocommit() as db:
        assert await count(db, "events.event") == 1


async def test_a_handler_that_keeps_failing_ends_as_a_dead_letter_that_can_be_replayed(
    database: Database,
) -> None:
    broken = Recorder("visit.take_in", failures=6)
    (sent,) = await announce(database)
    await events.drain(database, [broken.handler], failures_ok=True)
    async with database.transaction() as db:
        assert (await events.list_dead_letters(context(db))).items == []  # one try is left
    broken.failures = 99
    (other,) = await announce(database)
    await events.drain(database, [broken.handler], failures_ok=True)
    async with database.transaction() as db:
        (letter,) = (await events.list_dead_letters(context(db))).items
        assert letter.args == {"event": str(other.id), "handler": "visit.take_in"}
        assert (letter.tries, letter.error) == (6, "Refused")
        before = encode(letter.job_id)
        assert (await events.list_dead_letters(context(db), before)).items == []
        await events.replay(context(db), letter.job_id)
    broken.failures = 0
    await events.drain(database, [broken.handler])
    assert [event.id for event in broken.got] == [sent.id, other.id]


async def test_a_dead_letter_can_be_given_up(database: Database) -> None:
    broken = Recorder("visit.take_in", failures=99)
    await announce(database)
    await events.drain(database, [broken.handler], failures_ok=True)
    async with database.transaction() as db:
        assert (await events.backlog(db)).dead == 1
        (letter,) = (await events.list_dead_letters(context(db))).items
        await events.discard(context(db), letter.job_id)
        assert await events.backlog(db) == events.Backlog(0, 0, 0)
        later = replace(context(db), now=NOW + timedelta(days=31))
        await events.purge(later)
        assert await count(db, "events.event") == 0
        with pytest.raises(events.NoDeadLetter):
            await events.discard(context(db), letter.job_id)


async def test_a_worker_takes_on_the_role_of_its_database(
    server: Embedded, own_database: str
) -> None:
    """A pool that came in as superuser and took on the application's role."""
    pool = Database(server.url(own_database), size_max=3, role=migrate.APP)
    await pool.open()
    who: list[str] = []
    done = asyncio.Event()

    async def tick(cx: Context) -> None:
        row = await (await cx.db.execute("SELECT current_user AS who")).fetchone()
        who.append(row["who"] if row else "")
        done.set()

    worker = events.Worker(pool, jobs=[Job("booking.tick", tick)], limits=Limits(poll_s=0.1))
    running = asyncio.create_task(worker.run(signals=False))
    async with pool.transaction() as db:
        await events.defer(context(db), "booking.tick", {})
    async with asyncio.timeout(10):
        await done.wait()
        worker.stop()
        await running
    await pool.close()
    assert who == [migrate.APP]


async def test_an_error_is_kept_without_its_words(database: Database) -> None:
    async def fail(_cx: Context, _event: Event) -> None:
        raise ValueError("王小明 胸痛三天")

    await announce(database)
    await events.drain(database, [Handler(BOOKED, "v.fail", fail)], failures_ok=True)
    async with database.autocommit() as db:
        rows = await (await db.execute("SELECT * FROM events.failure")).fetchall()
    assert rows
    assert "王小明" not in str(rows)
    assert rows[0]["error"] == "ValueError"


async def test_only_a_dead_letter_can_be_replayed(cx: Context) -> None:
    number = await events.defer(cx, "booking.tick", {})
    assert number is not None
    for wrong in (number, 7_000_000):
        with pytest.raises(events.NoDeadLetter):
            await events.replay(cx, wrong)


async def test_two_handlers_of_one_name_are_refused(database: Database) -> None:
    twin = Recorder("visit.take_in").handler
    with pytest.raises(ValueError, match=r"visit\.take_in"):
        await events.drain(database, [twin, twin])


async def test_a_job_gets_its_arguments_and_one_transaction(database: Database) -> None:
    got: list[Any] = []

    async def tick(cx: Context, *, clinic: str, round_: int) -> None:
        got.append((cx.purpose, cx.now, clinic, round_))

    async with database.transaction() as db:
        await events.defer(context(db), "booking.tick", {"clinic": "c7", "round_": 3})
    await events.drain(database, jobs=[Job("booking.tick", tick)], now=NOW)
    assert got == [("booking.tick", NOW, "c7", 3)]


async def test_a_job_for_later_waits_until_then(database: Database) -> None:
    ran: list[datetime] = []

    async def tick(cx: Context) -> None:
        ran.append(cx.now)

    later = NOW + timedelta(days=400)
    async with database.transaction() as db:
        await events.defer(context(db), "booking.tick", {}, at=later)
    tick_job = [Job("booking.tick", tick)]
    await events.drain(database, jobs=tick_job)
    assert ran == []
    await events.drain(database, jobs=tick_job, now=later)
    assert ran == [later]


async def test_a_job_for_later_waits_although_the_real_clock_is_past_it(database: Database) -> None:
    ran: list[datetime] = []

    async def tick(cx: Context) -> None:
        ran.append(cx.now)

    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    later = long_ago + timedelta(hours=3)
    async with database.transaction() as db:
        await events.defer(context(db), "booking.tick", {}, at=later)
    tick_job = [Job("booking.tick", tick)]
    await events.drain(database, jobs=tick_job, now=long_ago)
    assert ran == []
    await events.drain(database, jobs=tick_job, now=later)
    assert ran == [later]


async def test_a_job_asked_for_once_waits_only_once(cx: Context) -> None:
    first = await events.defer(cx, "booking.tick", {}, once="tick c7")
    second = await events.defer(cx, "booking.tick", {}, once="tick c7")
    assert first is not None
    assert second is None
    assert await count(cx.db, "jobs.procrastinate_jobs") == 1


async def test_a_job_of_a_key_can_fail_while_the_next_of_that_key_waits(
    database: Database,
) -> None:
    """Back into the queue with the key both would collide, and the first would hang."""
    tries: list[int] = []

    async def tick(_cx: Context) -> None:
        async with database.transaction() as db:
            await events.defer(context(db), "booking.tick", {}, once="tick c7")
        tries.append(len(tries))
        if len(tries) == 1:
            raise Refused
        if len(tries) == 3:
            await events.drain(database)  # throw the endless next one away as unknown

    async with database.transaction() as db:
        await events.defer(context(db), "booking.tick", {}, once="tick c7")
    await events.drain(database, jobs=[Job("booking.tick", tick)], failures_ok=True)
    async with database.autocommit() as db:
        rows = await db.execute("SELECT 1 FROM procrastinate_jobs WHERE status = 'doing'")
        assert await rows.fetchall() == []
    assert len(tries) == 3


async def test_a_lost_job_of_a_key_is_taken_back_while_the_next_of_that_key_waits(
    cx: Context,
) -> None:
    await events.defer(cx, "booking.tick", {}, once="tick c7")
    await cx.db.execute("UPDATE procrastinate_jobs SET status = 'doing'")
    await events.defer(cx, "booking.tick", {}, once="tick c7")
    assert len(await events.take_back(cx.db, stalled_s=5.0)) == 1


async def test_an_unknown_job_fails_at_once_and_is_shown(database: Database) -> None:
    async with database.transaction() as db:
        await events.defer(context(db), "booking.unheard_of", {"n": 1})
    await events.drain(database)
    async with database.transaction() as db:
        (letter,) = (await events.list_dead_letters(context(db))).items
    assert letter.name == "booking.unheard_of"


async def test_a_job_whose_end_got_lost_is_not_done_again(database: Database) -> None:
    assert await times_done_when_the_end_got_lost(database) == 1


async def test_control_without_the_claim_a_job_is_done_twice(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def always(_cx: Context, _job_id: int) -> bool:
        return True

    monkeypatch.setattr("citycare.kernel.events.outbox.take_job", always)
    assert await times_done_when_the_end_got_lost(database) == 2


async def times_done_when_the_end_got_lost(database: Database) -> int:
    """Do a job, then pretend the worker died before it could say so; let another take it back."""
    done: list[int] = []

    async def tick(_cx: Context) -> None:
        done.append(1)

    async with database.transaction() as db:
        number = await events.defer(context(db), "booking.tick", {})
    await events.drain(database, jobs=[Job("booking.tick", tick)])
    async with database.transaction() as db:
        await db.execute(
            "INSERT INTO procrastinate_jobs (id, queue_name, task_name, status)"
            " VALUES (%s, 'default', 'booking.tick', 'doing')",
            [number],
        )
        assert await events.take_back(db, stalled_s=0.0) == [number]
    await events.drain(database, jobs=[Job("booking.tick", tick)])
    return len(done)


async def test_a_job_that_kills_its_worker_each_time_becomes_a_dead_letter(
    database: Database,
) -> None:
    async with database.transaction() as db:
        await events.defer(context(db), "booking.tick", {})
        for _ in range(6):
            assert (await events.list_dead_letters(context(db))).items == []
            await db.execute("UPDATE procrastinate_jobs SET status = 'doing'")
            assert len(await events.take_back(db, stalled_s=5.0)) == 1
        assert len((await events.list_dead_letters(context(db))).items) == 1


async def test_the_job_of_a_living_worker_is_left_alone(database: Database) -> None:
    async with database.transaction() as db:
        await events.defer(context(db), "booking.tick", {})
        await db.execute("SELECT procrastinate_register_worker_v1()")
        await db.execute(
            "UPDATE procrastinate_jobs SET status = 'doing',"
            " worker_id = (SELECT max(id) FROM procrastinate_workers)"
        )
        assert await events.take_back(db, stalled_s=5.0) == []
