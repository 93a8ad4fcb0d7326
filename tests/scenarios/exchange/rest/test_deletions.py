"""Deletions in a transaction: judged by what is there in the end, holding nobody up meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from citycare.kernel.context import Context
from citycare.kernel.fhir import integrity
from citycare.kernel.fhir.finding import Visible
from citycare.kit.db import Database
from citycare.scenarios.exchange.model.calls import Answer, Call
from citycare.scenarios.exchange.service import serving
from tests.scenarios.exchange.rest.test_interactions import PATIENT, made, observed, told
from tests.scenarios.exchange.rest.test_races import waits
from tests.scenarios.exchange.rest.test_refused import bundle, entry

Json = dict[str, Any]
GONE, THERE = 410, 200


async def statuses(city: httpx.AsyncClient, *paths: str) -> list[int]:
    return [(await city.get(path)).status_code for path in paths]


def organisation(key: str, part_of: str) -> Json:
    belongs = {"partOf": {"reference": f"Organization/{part_of}"}} if part_of else {}
    return {"resourceType": "Organization", "id": key, "name": key, **belongs}


async def test_a_ring_is_deleted_in_one_transaction(city: httpx.AsyncClient) -> None:
    ring = [organisation("a", "b"), organisation("b", "c"), organisation("c", "a")]
    puts = [entry("PUT", f"Organization/{one['id']}", one) for one in ring]
    assert (await city.post("", json=bundle("transaction", *puts))).status_code == 200
    paths = [f"Organization/{one}" for one in "abc"]
    assert (await city.delete(paths[0])).status_code == 409
    two = bundle("transaction", *[entry("DELETE", one) for one in paths[:2]])
    assert (await city.post("", json=two)).status_code == 409
    assert await statuses(city, *paths) == [THERE] * 3
    every = bundle("transaction", *[entry("DELETE", one) for one in paths])
    assert (await city.post("", json=every)).status_code == 200
    assert await statuses(city, *paths) == [GONE] * 3


async def test_what_is_no_longer_referred_to_may_go_at_once(city: httpx.AsyncClient) -> None:
    for one in (organisation("top", ""), organisation("below", "top")):
        await city.put(f"Organization/{one['id']}", json=one)
    alone = entry("PUT", "Organization/below", organisation("below", ""))
    both = bundle("transaction", entry("DELETE", "Organization/top"), alone)
    answer = await city.post("", json=both)
    assert answer.status_code == 200, answer.text
    assert await statuses(city, "Organization/top", "Organization/below") == [GONE, THERE]


async def test_what_goes_may_not_be_referred_to_by_what_comes(city: httpx.AsyncClient) -> None:
    key = await made(city, PATIENT)
    new = entry("POST", "Observation", observed(key))
    answer = await city.post("", json=bundle("transaction", new, entry("DELETE", f"Patient/{key}")))
    assert answer.status_code == 422
    assert told(answer)["expression"] == ["Bundle.entry[0].resource.subject.reference"]
    assert await statuses(city, f"Patient/{key}") == [THERE]
    assert (await city.get("Observation?_summary=count")).json()["total"] == 0


async def test_while_a_transaction_that_deletes_reads_others_write(
    city: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They refer to something, so they wait for who holds the lock of deletions."""
    gone, kept = await made(city, PATIENT), await made(city, PATIENT)
    answer, beside = serving.Serving.answer, list[int]()

    async def slowly(serving_: serving.Serving, call: Call) -> Answer:
        if call.asked.type == "Location" and not beside:
            beside.append(0)
            written = await city.post("Observation", json=observed(kept))
            beside.append(written.status_code)
        return await answer(serving_, call)

    monkeypatch.setattr(serving.Serving, "answer", slowly)
    steps = entry("DELETE", f"Patient/{gone}"), entry("GET", "Location?name=x")
    assert (await city.post("", json=bundle("transaction", *steps))).status_code == 200
    assert beside == [0, 201]
    assert await statuses(city, f"Patient/{gone}") == [GONE]


async def test_to_ask_whether_something_may_be_deleted_waits_for_nobody(
    city: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await made(city, PATIENT)
    mode = {"name": "mode", "valueCode": "delete"}
    asked = {"resourceType": "Parameters", "parameter": [mode]}
    answer, beside = serving.Serving.answer, list[str]()

    async def slowly(serving_: serving.Serving, call: Call) -> Answer:
        if call.asked.type == "Location" and not beside:
            beside.append((await city.post(f"Patient/{key}/$validate", json=asked)).text)
        return await answer(serving_, call)

    monkeypatch.setattr(serving.Serving, "answer", slowly)
    steps = entry("POST", "Observation", observed(key)), entry("GET", "Location?name=x")
    assert (await city.post("", json=bundle("transaction", *steps))).status_code == 200
    assert "No issues were found" in beside[0]


@pytest.mark.race
@pytest.mark.parametrize("held", [True, False])
async def test_who_refers_to_what_is_being_deleted_waits_and_is_refused(
    city: httpx.AsyncClient,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    *,
    held: bool,
) -> None:
    """Without the lock both would be done: the control."""
    key = await made(city, PATIENT)
    check = integrity.require_unreferenced
    beside: list[asyncio.Task[httpx.Response]] = []

    async def checked(cx: Context, gone: Sequence[tuple[str, str]], visible: Visible) -> None:
        await check(cx, gone, visible)
        beside.append(asyncio.create_task(city.post("Observation", json=observed(key))))
        await (waits(database) if held else asyncio.wait(beside))

    async def pass_by(_: Context) -> None:
        return

    monkeypatch.setattr(integrity, "require_unreferenced", checked)
    if not held:
        monkeypatch.setattr(integrity, "hold_writers", pass_by)
    steps = entry("DELETE", f"Patient/{key}"), entry("POST", "Patient", PATIENT)
    assert (await city.post("", json=bundle("transaction", *steps))).status_code == 200
    assert (await beside[0]).status_code == (422 if held else 201)
    assert await statuses(city, f"Patient/{key}") == [GONE]
