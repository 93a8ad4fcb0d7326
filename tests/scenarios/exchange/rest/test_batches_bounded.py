"""What one Bundle may take: time of reads and conditions, steps of checks against profiles."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import httpx
import pytest

from citycare.kernel.context import Context
from citycare.kernel.fhir import Violation
from citycare.kernel.fhir.profiles import loading
from citycare.scenarios.exchange.service import batches
from tests.scenarios.exchange.rest.test_interactions import PATIENT, made, told
from tests.scenarios.exchange.rest.test_profiled_writes import RIGHT
from tests.scenarios.exchange.rest.test_profiles import profile

__all__ = ["profile"]
Json = dict[str, Any]


def bundle(kind: str, *entries: Json) -> Json:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def asks(method: str, url: str, resource: Json | None = None) -> Json:
    sent = {"resource": resource} if resource is not None else {}
    return {**sent, "request": {"method": method, "url": url}}


async def test_reads_of_a_batch_end_when_its_time_is_over_and_the_others_stand(
    city: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = await made(city, PATIENT)
    read, search = asks("GET", f"Patient/{key}"), asks("GET", "Patient?name=曾")
    validate = asks("POST", "Patient/$validate", PATIENT)
    create = asks("POST", "Patient", PATIENT)
    many = bundle("batch", read, search, validate, create, read)
    answer = (await city.post("", json=many)).json()["entry"]
    assert [one["response"]["status"][:3] for one in answer] == ["200", "200", "200", "201", "200"]
    monkeypatch.setattr(batches, "Room", partial(batches.Room, left_s=1e-9))
    answer = (await city.post("", json=many)).json()["entry"]
    statuses = [one["response"]["status"][:3] for one in answer]
    assert (statuses[3], sorted(statuses[:3] + statuses[4:])) == ("201", ["200", *["503"] * 3])
    late = answer[statuses.index("503")]["response"]["outcome"]["issue"][0]
    assert late["code"] == "timeout"
    assert late["details"]["coding"][0]["code"] == "exchange.out_of_time"


@pytest.mark.parametrize("kind", ["batch", "transaction"])
async def test_conditions_of_a_bundle_are_looked_for_no_longer_than_reads(
    city: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    puts = [asks("PUT", f"Patient?name={name}", PATIENT) for name in ("甲", "乙")]
    post = asks("POST", "Patient", PATIENT)
    post["request"]["ifNoneExist"] = "name=丙"
    plain = asks("POST", "Patient", PATIENT)
    monkeypatch.setattr(batches, "Room", partial(batches.Room, left_s=1e-9))
    answer = await city.post("", json=bundle(kind, *puts, post, plain))
    there = (await city.get("Patient?_summary=count")).json()["total"]
    if kind == "transaction":
        assert (answer.status_code, told(answer)["code"], there) == (503, "timeout", 0)
        return
    statuses = [one["response"]["status"][:3] for one in answer.json()["entry"]]
    assert (statuses, there) == (["503", "503", "201", "201"], 2)  # creates are done first


async def test_a_transaction_that_reads_too_long_is_refused_whole(
    city: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, create = asks("GET", "Patient?name=曾"), asks("POST", "Patient", PATIENT)
    monkeypatch.setattr(batches, "Room", partial(batches.Room, left_s=1e-9))
    answer = await city.post("", json=bundle("transaction", create, read, read))
    assert (answer.status_code, told(answer)["code"]) == (503, "timeout")
    assert answer.headers["retry-after"]
    assert (await city.get("Patient?_summary=count")).json()["total"] == 0
    once = await city.post("", json=bundle("transaction", create, read))
    assert once.status_code == 200


@pytest.mark.usefixtures("profile")
async def test_what_claims_profiles_is_checked_within_the_steps_of_one_call(
    city: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared, check = [], loading.claimed_violations

    async def spied(cx: Context, some: Sequence[Json], checks: loading.Checks) -> list[Violation]:
        shared.append(checks)
        return await check(cx, some, checks)

    monkeypatch.setattr(loading, "claimed_violations", spied)
    for kind in ("batch", "transaction"):
        await city.post("", json=bundle(kind, *[asks("POST", "Patient", RIGHT)] * 3))
    first, *others, last = shared
    assert all(one is first for one in others)
    assert len(others) == 2
    assert last is not first
    assert first.left == last.left < loading.Checks().left  # three were checked in each
