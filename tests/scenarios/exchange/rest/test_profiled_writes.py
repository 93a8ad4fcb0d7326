"""What claims to follow a profile that is loaded is held to it wherever it is written."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.scenarios.exchange.rest.test_interactions import PATIENT, made, told
from tests.scenarios.exchange.rest.test_profiles import URL, profile

__all__ = ["profile"]
Json = dict[str, Any]
CLAIMS: Json = PATIENT | {"meta": {"profile": [URL]}}
RIGHT = CLAIMS | {"address": [{"text": "示例路1号"}]}


@pytest.mark.usefixtures("profile")
async def test_a_create_an_update_and_a_patch_are_held_to_it(city: httpx.AsyncClient) -> None:
    refused = await city.post("Patient", json=CLAIMS | {"gender": "purple"})
    assert refused.status_code == 422
    places = [one["expression"][0] for one in refused.json()["issue"]]
    assert places == ["Patient.gender", "Patient.address"]
    assert URL in refused.json()["issue"][1]["diagnostics"]
    key = await made(city, RIGHT)
    late = await city.put(f"Patient/{key}", json=CLAIMS | {"id": key})
    assert (late.status_code, told(late)["expression"]) == (422, ["Patient.address"])
    patch = [{"op": "remove", "path": "/address"}]
    headers = {"Content-Type": "application/json-patch+json"}
    patched = await city.patch(f"Patient/{key}", json=patch, headers=headers)
    assert patched.status_code == 422
    assert (await city.get(f"Patient/{key}")).json()["meta"]["versionId"] == "1"


@pytest.mark.usefixtures("profile")
async def test_of_a_transaction_nothing_is_stored_where_one_breaks_it(
    city: httpx.AsyncClient,
) -> None:
    entries = [
        {"resource": each, "request": {"method": "POST", "url": "Patient"}}
        for each in (RIGHT, CLAIMS)
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    assert (await city.post("", json=bundle)).status_code == 422
    found = await city.get("Patient?_total=accurate")
    assert found.json()["total"] == 0


async def test_a_profile_that_is_not_here_asks_nothing(city: httpx.AsyncClient) -> None:
    key = await made(city, CLAIMS)
    assert (await city.get(f"Patient/{key}")).json()["meta"]["profile"] == [URL]
