"""Filters of an app's scopes that cannot be decided here: they open nothing, and nothing breaks."""

from __future__ import annotations

import httpx
import pytest

from tests.scenarios.exchange.rest.test_interactions import PATIENT, made
from tests.scenarios.exchange.rest.test_scoped import CATEGORY, of_category
from tests.scenarios.smart.apps import Town, exchanging
from tests.scenarios.smart.conftest import town

__all__ = ["town"]


@pytest.mark.parametrize(
    ("filtered", "status"),
    [
        (f"category={CATEGORY}|laboratory", 200),
        ("category:in=http://city.example/sets/1", 403),
        (f"category:below={CATEGORY}|laboratory", 403),
        (f"category:above={CATEGORY}|laboratory", 403),
        ("code:text=heart", 403),
        ("value-quantity=gt5", 403),
    ],
)
async def test_a_filter_that_cannot_be_decided_opens_nothing(
    town: Town, city: httpx.AsyncClient, filtered: str, status: int
) -> None:
    patient = await made(city, PATIENT)
    lab = await made(city, of_category(patient, "laboratory"))
    scopes = f"system/Patient.rs system/Observation.rs?{filtered}"
    _, client = await exchanging(town, scopes)
    for path in (f"Observation/{lab}", "Observation"):
        assert (await client.get(path)).status_code == status, path
    everything = await client.get(f"Patient/{patient}/$everything")
    assert everything.status_code == 200
    found = {one["resource"]["id"] for one in everything.json()["entry"]}
    assert found == ({patient, lab} if status == 200 else {patient})
