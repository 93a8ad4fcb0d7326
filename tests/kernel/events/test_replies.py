"""Requests that come twice, and throwing away what is old."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from citycare.kernel import events
from citycare.kernel.context import SYSTEM, Context
from citycare.kernel.events import Event, KeyReused, Reply, purging
from citycare.kit.db import Database

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
WANG = UUID("018f0000-0000-7000-8000-0000000000a1")
LI = UUID("018f0000-0000-7000-8000-0000000000b2")


def reply(key: str = "k1", account: UUID = WANG, digest: bytes = b"one") -> Reply:
    return Reply(account, key, digest, 201, {"place": "p7", "名": "王"})


async def test_a_kept_reply_is_found_again_as_it_was(cx: Context) -> None:
    assert await events.keep_replies(cx, [reply()]) == 1
    found = await events.find_replies(cx.db, [(WANG, "k1"), (WANG, "k2"), (LI, "k1")])
    assert found == {(WANG, "k1"): reply()}


async def test_hundreds_are_kept_in_one_go(cx: Context) -> None:
    many = [reply(f"k{i}", account=(WANG, LI)[i % 2]) for i in range(256)]
    assert await events.keep_replies(cx, many) == 256
    found = await events.find_replies(cx.db, [(r.account_id, r.key) for r in many])
    assert list(found.values()) == many


async def test_nothing_asked_nothing_found(cx: Context) -> None:
    assert await events.find_replies(cx.db, []) == {}
    assert await events.keep_replies(cx, []) == 0


async def test_the_first_reply_stays(cx: Context) -> None:
    await events.keep_replies(cx, [reply(digest=b"one")])
    kept = await events.keep_replies(cx, [reply(digest=b"two"), reply("k2")])
    assert kept == 1
    found = await events.find_replies(cx.db, [(WANG, "k1")])
    assert found[WANG, "k1"].digest == b"one"


async def test_the_same_key_with_another_content_is_refused(cx: Context) -> None:
    await events.keep_replies(cx, [reply(digest=b"one")])
    found = await events.find_replies(cx.db, [(WANG, "k1")])
    assert events.reply_to(found, WANG, "k1", b"one") == reply(digest=b"one")
    assert events.reply_to(found, LI, "k1", b"two") is None
    with pytest.raises(KeyReused) as caught:
        events.reply_to(found, WANG, "k1", b"two")
    assert caught.value.code == "request.key_reused"


@pytest.mark.race
async def test_of_two_at_once_one_is_kept(database: Database) -> None:
    both = asyncio.Barrier(2)

    async def keep(keys: list[str]) -> int:
        async with database.transaction() as db:
            cx = Context(db, SYSTEM, NOW, "test-request")
            await both.wait()
            return await events.keep_replies(cx, [reply(key) for key in keys])

    keys = [f"k{i}" for i in range(50)]
    async with asyncio.TaskGroup() as group:
        first = group.create_task(keep(keys))
        second = group.create_task(keep(keys[::-1]))
    assert sorted((first.result(), second.result())) == [0, 50]


async def test_old_replies_and_events_are_thrown_away_and_open_ones_stay(cx: Context) -> None:
    old = replace(cx, now=NOW - timedelta(days=31))
    await events.keep_replies(old, [reply("old")])
    await events.keep_replies(cx, [reply("new")])
    opened, closed, fresh = (Event("booking.booked", {"n": n}) for n in range(3))
    await events.emit(old, [opened, closed])
    await events.emit(cx, [fresh])
    await cx.db.execute(
        "INSERT INTO events.handled VALUES (%s, 'a.b', 'handed_on', %s), (%s, 'a.b', 'done', %s)",
        [opened.id, NOW, closed.id, NOW],
    )
    assert await events.purge(cx) == 2
    rows = await (await cx.db.execute("SELECT id FROM events.event")).fetchall()
    assert {row["id"] for row in rows} == {opened.id, fresh.id}
    found = await events.find_replies(cx.db, [(WANG, "old"), (WANG, "new")])
    assert set(found) == {(WANG, "new")}


async def test_a_great_heap_is_thrown_away_in_portions(
    cx: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purging, "ROWS_MAX", 3)
    old = replace(cx, now=NOW - timedelta(days=31))
    await events.keep_replies(old, [reply(f"k{i}") for i in range(5)])
    assert await events.purge(cx) == 3
    rows = await (await cx.db.execute("SELECT task_name FROM procrastinate_jobs")).fetchall()
    assert [row["task_name"] for row in rows] == ["events.purge_on"]
