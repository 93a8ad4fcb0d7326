"""Who asks again for what has come since misses nothing: what a Bundle says of its time is safe."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import orjson
import pytest

from citycare.kernel.context import SYSTEM, Context
from citycare.kernel.fhir import store
from citycare.kit import clock
from citycare.kit.db import Database
from tests.scenarios.exchange.rest.hostile import BASIC, Attacker
from tests.scenarios.exchange.rest.test_interactions import PATIENT, made, observed

POLLS = [
    "Observation/_history?_since={}",
    "_history?_since={}",
    "Observation?_lastUpdated=ge{}",
    "Patient/{patient}/$everything?_since={}",
]


async def poll(client: httpx.AsyncClient, way: str, patient: str, since: str) -> dict[str, Any]:
    answer = await client.get(way.format(quote(since), patient=patient))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def found(page: dict[str, Any]) -> set[str]:
    return {one["resource"]["id"] for one in page.get("entry", ())}


@pytest.mark.parametrize("way", POLLS)
async def test_what_is_committed_late_comes_with_the_next_poll(
    city: httpx.AsyncClient, database: Database, way: str
) -> None:
    patient = await made(city, PATIENT)
    begun = clock.now().isoformat()
    async with database.transaction() as db:
        late = observed(patient) | {"id": "late"}
        await store.create(Context(db, SYSTEM, clock.now(), "test"), [late])
        first = await poll(city, way, patient, begun)
        naive = clock.now().isoformat()
        assert "late" not in found(first)
    assert "late" not in found(await poll(city, way, patient, naive))  # that is the danger
    for told in (first["timestamp"], first["meta"]["lastUpdated"]):
        assert "late" in found(await poll(city, way, patient, told))


@pytest.mark.parametrize("way", POLLS[:3])
async def test_later_pages_say_nothing_of_their_time(city: httpx.AsyncClient, way: str) -> None:
    patient = await made(city, PATIENT)
    for _ in range(3):
        await made(city, observed(patient))
    page = await poll(city, f"{way}&_count=2", patient, "2026-01-01T00:00:00Z")
    assert page["timestamp"]
    following = next(one["url"] for one in page["link"] if one["relation"] == "next")
    later = (await city.get(following)).json()
    assert found(later)
    assert "timestamp" not in later
    assert "meta" not in later


async def test_a_write_is_of_the_time_its_body_had_come(attacker: Attacker) -> None:
    pause = asyncio.Event()

    def pieces() -> Iterator[bytes]:
        yield orjson.dumps(BASIC)

    sending = asyncio.create_task(attacker.send("POST", "/Basic", pieces(), pause=pause))
    await asyncio.sleep(0.05)
    came = clock.now().isoformat(timespec="milliseconds")
    pause.set()
    assert (await sending).json()["meta"]["lastUpdated"] >= came.replace("+00:00", "Z")
