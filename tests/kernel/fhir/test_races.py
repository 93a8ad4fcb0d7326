from __future__ import annotations

import asyncio
from typing import Any

import pytest

from citycare.kernel import fhir
from citycare.kernel.context import SYSTEM, Context
from citycare.kit import clock
from citycare.kit.db import Database

CROWD = 8


def place(name: str) -> dict[str, Any]:
    return {"resourceType": "Location", "id": "room-17", "name": name}


@pytest.mark.race
async def test_writers_at_once_give_one_version_each(database: Database) -> None:
    async def one(number: int) -> int:
        async with database.transaction() as db:
            cx = Context(db, SYSTEM, clock.now(), "race")
            return (await fhir.put(cx, [place(f"{number}楼")]))[0].key.version

    await one(0)
    versions = await asyncio.gather(*(one(number) for number in range(1, CROWD)))
    assert sorted(versions) == list(range(2, CROWD + 1))
    async with database.transaction() as db:
        page = await fhir.history(Context(db, SYSTEM, clock.now(), "race"), "Location", "room-17")
    assert len({fhir.loads(each.body)["name"] for each in page.items if each.body}) == CROWD


@pytest.mark.race
async def test_one_of_many_creators_wins_and_the_others_are_told(database: Database) -> None:
    async def one(number: int) -> str:
        try:
            async with database.transaction() as db:
                cx = Context(db, SYSTEM, clock.now(), "race")
                await fhir.create(cx, [place(f"{number}楼")])
        except fhir.ResourceExists:
            return "told"
        return "won"

    outcomes = await asyncio.gather(*(one(number) for number in range(CROWD)))
    assert sorted(outcomes) == ["told"] * (CROWD - 1) + ["won"]
