from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from citycare import app as application
from citycare.kit.db import Database
from citycare.kit.embedded import Embedded
from citycare.settings import Settings, read
from citycare.web.assembly import Parts

BASE = "http://127.0.0.1:8000"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return read({"CITYCARE_HOME": str(tmp_path), "CITYCARE_DEMO": "1", "CITYCARE_BASE_URL": BASE})


@pytest.fixture
def app(settings: Settings, database: Database) -> FastAPI:
    return application.create(settings, database, Parts())


@pytest.fixture
def browser(app: FastAPI) -> Callable[[], httpx.AsyncClient]:
    return lambda: httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE)


@pytest.fixture
async def client(
    browser: Callable[[], httpx.AsyncClient],
) -> AsyncIterator[httpx.AsyncClient]:
    async with browser() as opened:
        yield opened


@pytest.fixture
def superuser_url(server: Embedded, own_database: str) -> str:
    return server.url(own_database)
