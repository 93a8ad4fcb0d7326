"""Bodies under way have a limit in all, and of time; small ones find room beside the large."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress

import orjson
import pytest

from citycare.scenarios.exchange.api import rest
from tests.scenarios.exchange.rest.hostile import BASIC, Attacker, Got

ALL = 1_000_000
LARGE = orjson.dumps(BASIC | {"code": {"text": "x" * 600_000}})


@pytest.fixture(autouse=True)
def _little_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "BODIES_MAX", ALL)


async def begun(attacker: Attacker, pause: asyncio.Event) -> asyncio.Task[Got]:
    """Send a large body but for its end."""
    sent = asyncio.Event()

    def pieces() -> Iterator[bytes]:
        yield LARGE
        sent.set()

    sending = asyncio.create_task(attacker.send("POST", "/Basic", pieces(), pause=pause))
    async with asyncio.timeout(30):
        await sent.wait()
    return sending


async def test_a_body_beyond_what_all_may_hold_is_refused_and_small_ones_are_not(
    attacker: Attacker,
) -> None:
    pause = asyncio.Event()
    sending = await begun(attacker, pause)
    less = BASIC | {"code": {"text": "x" * 200_000}}  # what is left is for small ones
    refused = await attacker.post(less)
    assert (refused.status, refused.headers["retry-after"]) == (503, "2")
    issue = refused.json()["issue"][0]
    assert issue["code"] == "throttled"
    assert issue["details"]["coding"][0]["code"] == "exchange.bodies_many"
    assert (await attacker.post(BASIC)).status == 201
    pause.set()
    assert (await sending).status == 201
    assert (await attacker.post(less)).status == 201


async def test_what_is_given_up_or_refused_gives_its_room_back(
    attacker: Attacker, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        sending = await begun(attacker, asyncio.Event())
        sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending
        broken = await attacker.post(LARGE[:-1], "/Basic")
        assert broken.status == 400
        with monkeypatch.context() as less:
            less.setattr(rest, "BODY_MAX", 500_000)
            assert (await attacker.send("PUT", "/Basic/a", LARGE)).status == 413
        with monkeypatch.context() as fault:
            fault.setattr("citycare.scenarios.exchange.rules.bodies.json_of", None)
            assert (await attacker.post(LARGE, "/Basic")).status == 500
        assert (await attacker.post(LARGE, "/Basic")).status == 201


async def test_many_small_bodies_are_bounded_too(attacker: Attacker) -> None:
    def pieces() -> Iterator[bytes]:
        yield b" " * 60_000

    pauses = asyncio.Event()
    every = [
        asyncio.create_task(attacker.send("POST", "/Basic", pieces(), pause=pauses))
        for _ in range(20)
    ]
    done, waiting = await asyncio.wait(every, timeout=30, return_when=asyncio.FIRST_COMPLETED)
    assert {one.result().status for one in done} == {503}
    pauses.set()
    ended = [(await one).status for one in waiting]
    assert len(ended) >= ALL // 60_000 - 3
    assert set(ended) <= {400, 503}


async def test_a_body_that_does_not_end_in_time_is_refused_and_gives_its_room_back(
    attacker: Attacker, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as soon:
        soon.setattr(rest, "BODY_S_MAX", 0.2)
        sending = await begun(attacker, asyncio.Event())
        late = await sending
    assert late.status == 408
    issue = late.json()["issue"][0]
    assert (issue["code"], issue["details"]["coding"][0]["code"]) == (
        "timeout",
        "exchange.body_slow",
    )
    assert (await attacker.post(LARGE, "/Basic")).status == 201
