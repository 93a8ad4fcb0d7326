"""Windows in the city's record: busy when they are full, free when a place came back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from citycare.kernel import fhir
from citycare.kernel.context import Context
from citycare.kit.db import Database
from citycare.scenarios.booking import tasks
from citycare.scenarios.booking.model.core import Booking, Pool
from citycare.scenarios.booking.model.schedule import NewSlot
from citycare.scenarios.booking.service import book, links, schedule, status, stop
from citycare.scenarios.booking.store import places as place_store
from tests import town as town_of
from tests.conftest import NOW
from tests.town import Town, Who

THREE = (Who.PATIENT, Who.DAUGHTER, Who.STRANGER)


@pytest.fixture
async def town(database: Database) -> Town:
    """Windows of three places each."""
    return await town_of.build(database)


async def fill(town: Town, slot: NewSlot) -> list[Booking]:
    return [await town.book(slot, who) for who in THREE]


async def told(town: Town, slot: NewSlot) -> tuple[str, int]:
    """What the record says of a window, and in which version."""
    found = await town.do(lambda cx: fhir.get(cx, "Slot", str(slot.id)))
    assert fhir.violations(found) == []
    return found["status"], int(found["meta"]["versionId"])


async def publish(town: Town) -> int:
    return await town.do(status.publish_changed)


async def test_a_full_window_is_busy_and_free_again_when_a_place_comes_back(town: Town) -> None:
    full, partly = town.slots[0], town.slots[1]
    held = await fill(town, full)
    await town.book(partly)
    assert (await publish(town), await told(town, full)) == (1, ("busy", 2))
    assert await told(town, partly) == ("free", 1)
    await town.do(lambda cx: book.cancel(cx, held[0].id, "好了"))
    assert (await publish(town), await told(town, full)) == (1, ("free", 3))


async def test_looking_again_writes_nothing(town: Town) -> None:
    await fill(town, town.slots[0])
    assert [await publish(town) for _ in range(3)] == [1, 0, 0]
    assert await told(town, town.slots[0]) == ("busy", 2)


async def test_what_filled_and_freed_between_two_looks_is_not_written(town: Town) -> None:
    held = await fill(town, town.slots[0])
    await town.do(lambda cx: book.cancel(cx, held[0].id, ""))
    assert await publish(town) == 0
    assert await told(town, town.slots[0]) == ("free", 1)


async def test_a_look_that_was_broken_off_left_nothing_and_the_next_makes_it_good(
    town: Town,
) -> None:
    await fill(town, town.slots[0])

    async def break_off(cx: Context) -> None:
        assert await status.publish_changed(cx) == 1
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        await town.do(break_off)
    assert await told(town, town.slots[0]) == ("free", 1)
    assert (await publish(town), await told(town, town.slots[0])) == (1, ("busy", 2))


@asynccontextmanager
async def held_fast(town: Town, slot: NewSlot) -> AsyncIterator[None]:
    """Somebody is booking in this window at this moment."""
    async with town.database.transaction() as db:
        await place_store.lock_slots(db, [slot.id])
        yield


async def test_nobody_waits_for_a_window_that_is_being_booked(town: Town) -> None:
    for slot in town.slots[:2]:
        await fill(town, slot)
    async with held_fast(town, town.slots[0]):
        assert await asyncio.wait_for(publish(town), 2) == 1
    assert await told(town, town.slots[0]) == ("free", 1)
    assert await told(town, town.slots[1]) == ("busy", 2)
    assert (await publish(town), await told(town, town.slots[0])) == (1, ("busy", 2))


async def test_a_stopped_window_stays_stopped(town: Town) -> None:
    slot = town.slots[0]
    await fill(town, slot)
    span = (slot.window.starts_at, slot.window.ends_at)
    await town.do(lambda cx: stop.stop_clinic(cx, town.clinic.id, *span, "医生生病"))
    assert await told(town, slot) == ("busy-unavailable", 2)
    await publish(town)
    assert await told(town, slot) == ("busy-unavailable", 2)


async def test_windows_that_are_over_are_left_as_they_were(town: Town) -> None:
    await fill(town, town.slots[0])
    town.clock.move(timedelta(days=2))
    assert await publish(town) == 0


async def test_many_windows_go_in_steps_and_the_worker_comes_back_soon(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "BATCH", 2)
    for slot in town.slots[:3]:
        await fill(town, slot)
    pauses = [await town.do(tasks.publish_windows) for _ in range(3)]
    assert pauses == [tasks.WINDOWS_MORE_S, tasks.WINDOWS_S, tasks.WINDOWS_S]
    assert [(await told(town, slot))[0] for slot in town.slots[:4]] == ["busy"] * 3 + ["free"]


async def linked(cx: Context) -> dict[str, str]:
    """What the public links say of each window."""
    lines = links.stream(cx, links.Kind.SLOTS, "http://127.0.0.1")
    return {line["id"]: line["status"] async for line in lines}


async def test_the_public_links_say_of_public_windows_what_the_record_says(town: Town) -> None:
    for slot in town.slots[:2]:
        await fill(town, slot)
    await publish(town)
    record = {str(slot.id): (await told(town, slot))[0] for slot in town.slots}
    assert await town.do(linked) == record


async def test_what_is_left_for_referrals_only_is_free_but_not_for_the_public(town: Town) -> None:
    public = town_of.slot_of(town.clinic, NOW + timedelta(days=2, hours=4), 1)
    slot = replace(public, places=(replace(public.places[0], pool=Pool.REFERRAL),))
    await town.do(lambda cx: schedule.load_slots(cx, [slot]))
    assert (await publish(town), await told(town, slot)) == (0, ("free", 1))
    assert (await town.do(linked))[str(slot.id)] == "busy"
