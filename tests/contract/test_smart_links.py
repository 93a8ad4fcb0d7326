"""SMART Scheduling Links: the manifest and each line of its files are valid FHIR R4."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from citycare.kernel import fhir
from citycare.kit import ids
from citycare.kit.db import Database
from citycare.scenarios.booking.service import clinics
from tests import town as town_of
from tests.town import BASE, HERE, Town

LINKS = "/api/v1/smart-scheduling"
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
CAPACITY = "http://fhir-registry.smarthealthit.org/StructureDefinition/slot-capacity"
DEEP_LINK = "http://fhir-registry.smarthealthit.org/StructureDefinition/booking-deep-link"


@pytest.fixture
async def town(database: Database) -> Town:
    """A doctor's clinic with windows, and a general one without a doctor, or a place on the map."""
    town = await town_of.build(database)
    general = replace(
        town.clinic, id=ids.new(), practitioner_id=None, practitioner_name="", title="",
        kind="general", latitude=None, longitude=None,
    )  # fmt: skip
    await town.do(lambda cx: clinics.save_clinics(cx, [general]))
    return town


@pytest.fixture
async def reader(town: Town, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A search engine that nobody has signed in."""
    async with town_of.desk(town, tmp_path) as desk:
        yield desk.client


async def lines_of(reader: httpx.AsyncClient, kind: str) -> list[dict[str, Any]]:
    """Follow the manifest to one type's files and read them."""
    manifest = (await reader.get(LINKS + "/$bulk-publish")).json()
    found: list[dict[str, Any]] = []
    for one in manifest["output"]:
        if one["type"] == kind:
            answer = await reader.get(one["url"])
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "application/fhir+ndjson"
            assert answer.content.endswith(b"\n")
            found += [orjson.loads(line) for line in answer.content.splitlines()]
    return found


async def test_the_manifest_names_its_time_itself_and_its_files(reader: httpx.AsyncClient) -> None:
    answer = await reader.get(LINKS + "/$bulk-publish")
    assert answer.headers["content-type"] == "application/json"
    manifest = answer.json()
    assert set(manifest) == {"transactionTime", "request", "output", "error"}
    assert INSTANT.fullmatch(manifest["transactionTime"])
    assert manifest["request"] == f"{BASE}{LINKS}/$bulk-publish"
    assert {one["type"] for one in manifest["output"]} == {"Location", "Schedule", "Slot"}
    assert manifest["error"] == []


@pytest.mark.parametrize(("kind", "count"), [("Location", 1), ("Schedule", 2), ("Slot", 12)])
async def test_every_line_is_valid(reader: httpx.AsyncClient, kind: str, count: int) -> None:
    lines = await lines_of(reader, kind)
    assert len(lines) == count
    for line in lines:
        assert line["resourceType"] == kind
        assert fhir.violations(line) == []
        assert not any(value in ([], {}, "", None) for value in line.values()), line


async def test_slots_lead_to_schedules_and_schedules_to_places(reader: httpx.AsyncClient) -> None:
    schedules = {f"Schedule/{one['id']}": one for one in await lines_of(reader, "Schedule")}
    locations = {f"Location/{one['id']}" for one in await lines_of(reader, "Location")}
    assert locations == {f"Location/{HERE}"}
    for slot in await lines_of(reader, "Slot"):
        schedule = schedules[slot["schedule"]["reference"]]
        assert {one["reference"] for one in schedule["actor"]} <= locations
        assert INSTANT.fullmatch(slot["start"])
        assert slot["start"] < slot["end"]


async def test_capacity_and_status_follow_what_is_booked(
    reader: httpx.AsyncClient, town: Town
) -> None:
    for who in (town_of.Who.PATIENT, town_of.Who.DAUGHTER, town_of.Who.STRANGER):
        await town.book(town.slots[0], who)
    await town.book(town.slots[1])
    by_id = {one["id"]: one for one in await lines_of(reader, "Slot")}
    full, partly = by_id[str(town.slots[0].id)], by_id[str(town.slots[1].id)]
    assert (full["status"], extension(full, CAPACITY)) == ("busy", 0)
    assert (partly["status"], extension(partly, CAPACITY)) == ("free", 2)


async def test_the_deep_link_leads_to_a_page_of_ours(reader: httpx.AsyncClient) -> None:
    slot = (await lines_of(reader, "Slot"))[0]
    url = extension(slot, DEEP_LINK)
    assert str(url).startswith(BASE)
    answer = await reader.get(str(url), headers={"accept": "text/html"}, follow_redirects=False)
    assert answer.status_code in (200, 303), f"{url} leads nowhere: {answer.status_code}"


async def test_no_person_is_in_any_file(reader: httpx.AsyncClient, town: Town) -> None:
    await town.book(town.slots[0])
    for kind in ("Location", "Schedule", "Slot"):
        text = orjson.dumps(await lines_of(reader, kind)).decode()
        assert not any(str(person) in text for person in town.people.values())


async def test_a_file_that_is_none_is_refused(reader: httpx.AsyncClient) -> None:
    answer = await reader.get(LINKS + "/patients.ndjson")
    assert answer.status_code == 422
    assert answer.json()["code"] == "request.invalid"


def extension(resource: dict[str, Any], url: str) -> object:
    [found] = [one for one in resource["extension"] if one["url"] == url]
    return next(value for name, value in found.items() if name.startswith("value"))
