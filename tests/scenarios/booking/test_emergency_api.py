"""Break-glass from end to end: refused, opened with a reason, seen, reviewed, over."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from citycare.kit import ids
from citycare.kit.db import Database
from tests import town as town_of
from tests.town import Desk, Town, Who

WHY = "患者昏迷送来，需要知道他在哪里看病"


@pytest.fixture
async def town(database: Database) -> Town:
    return await town_of.build(database)


@pytest.fixture
async def desk(town: Town, tmp_path: Path) -> AsyncIterator[Desk]:
    async with town_of.desk(town, tmp_path) as opened:
        yield opened


async def page(desk: Desk, who: Who, path: str) -> str:
    headers = {"authorization": f"Bearer {desk.town.tokens[who]}", "accept": "text/html"}
    answer = await desk.client.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.text


async def test_a_clinician_opens_the_bookings_of_a_stranger_until_it_is_over(
    desk: Desk, town: Town
) -> None:
    booking = await town.book(await town.elsewhere())
    path = f"/bookings/{booking.id}"
    mine = f"/bookings?person_id={town.patient}"
    assert (await desk.call(Who.CLINICIAN, "GET", path)).status_code == 404
    assert (await desk.call(Who.CLINICIAN, "GET", mine)).json()["items"] == []
    body = {"person_id": str(town.patient), "reason": WHY}
    first = await desk.call(Who.CLINICIAN, "POST", "/break-glass", key="k-1", json=body)
    assert (first.status_code, first.json()["reason"]) == (201, WHY)
    again = await desk.call(Who.CLINICIAN, "POST", "/break-glass", key="k-1", json=body)
    assert again.json() == first.json()
    assert await town.count("SELECT count(*) FROM consent.break_glass") == 1
    assert (await desk.call(Who.CLINICIAN, "GET", path)).status_code == 200
    seen = (await desk.call(Who.CLINICIAN, "GET", mine)).json()["items"]
    assert [one["id"] for one in seen] == [str(booking.id)]
    cancel = await desk.call(Who.CLINICIAN, "POST", f"{path}/cancel", json={"reason": ""})
    assert cancel.status_code in (403, 404), "it is for reading"
    assert WHY in await page(desk, Who.OPERATOR, "/operator/glass")
    looked = await page(desk, Who.PATIENT, "/me/access")
    assert "紧急查阅" in looked
    assert WHY in looked
    town.clock.move(timedelta(hours=24))
    assert (await desk.call(Who.CLINICIAN, "GET", path)).status_code == 404
    assert (await desk.call(Who.CLINICIAN, "GET", mine)).json()["items"] == []


async def test_nobody_else_breaks_the_glass_and_not_without_a_reason(
    desk: Desk, town: Town
) -> None:
    body = {"person_id": str(town.patient), "reason": WHY}
    refused = {
        who: (await desk.call(who, "POST", "/break-glass", json=body)).status_code for who in Who
    }
    assert refused.pop(Who.CLINICIAN) == 201
    assert refused.pop(Who.ANONYMOUS) == 401
    assert set(refused.values()) <= {403, 404}

    async def ask(**changes: str) -> tuple[int, str]:
        answer = await desk.call(Who.CLINICIAN, "POST", "/break-glass", json=body | changes)
        return answer.status_code, answer.json()["code"]

    assert await ask(reason=" " * 40) == (400, "consent.reason_too_short")
    assert await ask(reason="\x00" * 40) == (400, "consent.reason_too_short")
    assert (await ask(reason="急"))[0] == 422
    assert (await ask(person_id=str(ids.new())))[0] == 404
