"""One town for a module of contract tests: they may change it, none needs what others left."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from citycare import app as application
from citycare.kit import ids, migrate
from citycare.kit.db import Database
from citycare.kit.embedded import Embedded
from citycare.scenarios.booking.service import clinics, schedule
from tests import town as town_of
from tests.conftest import NOW, _clone
from tests.town import Town, Who

T = TypeVar("T")


class Served:
    """The application as granian serves it, on a database of its own and one event loop."""

    def __init__(self, runner: asyncio.Runner, url: str, home: Path) -> None:
        self._runner = runner
        self.database = Database(url, size_max=4)
        self.run(self.database.open())
        self.town: Town = self.run(town_of.build(self.database, capacity=40))
        transport = httpx.ASGITransport(application.with_lane(town_of.serve(self.town, home)))
        self.client = httpx.AsyncClient(transport=transport, base_url=town_of.BASE)
        self.drawn, self.draw = self.run(self._open_draw())

    async def _open_draw(self) -> tuple[str, str]:
        """Open a draw over one window; return the ids of both."""
        town = self.town
        clinic = replace(town.clinic, id=ids.new(), release="draw")
        slot = town_of.slot_of(clinic, NOW + timedelta(days=9, hours=2), 5)
        await town.do(lambda cx: clinics.save_clinics(cx, [clinic]))
        await town.do(lambda cx: schedule.load_slots(cx, [slot]))
        opening = {
            "organisation_id": str(town_of.HERE),
            "name": "专家号",
            "opens_at": NOW.isoformat(),
            "closes_at": (NOW + timedelta(days=2)).isoformat(),
            "slots": [str(slot.id)],
        }
        desk = town_of.Desk(town, self.client)
        answer = await desk.call(Who.SCHEDULER, "POST", "/draws", json=opening)
        assert answer.status_code == 201, answer.text
        return str(slot.id), answer.json()["id"]

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def close(self) -> None:
        self.run(self.client.aclose())
        self.run(self.database.close())


@pytest.fixture(scope="module")
def served(
    server: Embedded, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("home")
    with asyncio.Runner() as runner:
        for name in _clone(server, template, f"contract_{home.name}_{id(runner)}"):
            made = Served(runner, server.url(name, user=migrate.APP), home)
            yield made
            made.close()
