"""Two workers that hold the same job, as after a false alarm about a slow one."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from citycare.kernel import events
from citycare.kernel.context import SYSTEM, Context
from citycare.kernel.events import Event, Handler
from citycare.kernel.events.running import Runner
from citycare.kit.db import Database

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)


async def times_handled(database: Database) -> int:
    """Let two workers deliver the same three events at the same moment."""
    sent = [Event("booking.booked", {"n": n}) for n in range(3)]
    async with database.transaction() as db:
        await events.emit(Context(db, SYSTEM, NOW, "test-request"), sent)

    async def work(cx: Context, event: Event) -> None:
        await asyncio.sleep(0.05)
        await events.emit(cx, [Event("visit.taken_in", event.facts)])

    runner = Runner(database, [Handler("booking.booked", "visit.take_in", work)])
    numbers = [str(event.id) for event in sent]
    await asyncio.gather(runner.deliver(1, numbers), runner.deliver(2, numbers))
    async with database.autocommit() as db:
        rows = await db.execute("SELECT 1 FROM events.event WHERE name = 'visit.taken_in'")
        return len(await rows.fetchall())


@pytest.mark.race
async def test_two_workers_with_the_same_delivery_handle_each_event_once(
    database: Database,
) -> None:
    assert await times_handled(database) == 3


@pytest.mark.race
async def test_control_without_the_claim_each_event_is_handled_twice(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def always(_cx: Context, _event: Event, _handler: Handler) -> bool:
        return True

    monkeypatch.setattr("citycare.kernel.events.outbox.take_pair", always)
    assert await times_handled(database) == 6


@pytest.mark.race
async def test_two_that_look_for_lost_jobs_take_each_back_once(database: Database) -> None:
    async with database.transaction() as db:
        cx = Context(db, SYSTEM, NOW, "test-request")
        for n in range(20):
            await events.defer(cx, "booking.tick", {"n": n})
        await db.execute("UPDATE procrastinate_jobs SET status = 'doing'")

    async def look() -> int:
        async with database.transaction() as db:
            return len(await events.take_back(db, stalled_s=5.0))

    assert sum(await asyncio.gather(look(), look(), look())) == 20
