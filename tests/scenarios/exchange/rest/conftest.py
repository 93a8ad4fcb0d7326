"""The FHIR server over HTTP: a client that acts as the city's system, and others."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from citycare import app as application
from citycare.kernel.context import Role
from citycare.kit.db import Database
from citycare.scenarios.exchange.api import bulk, rest
from citycare.settings import read
from citycare.web.assembly import Parts
from citycare.web.login.tokens import issue_token
from tests.scenarios.exchange.rest.hostile import Attacker

BASE = "http://city.example"
Enter = Callable[..., Awaitable[httpx.AsyncClient]]


@pytest.fixture
def app(tmp_path: Path, database: Database) -> FastAPI:
    settings = read({"CITYCARE_HOME": str(tmp_path), "CITYCARE_BASE_URL": BASE})
    return application.create(settings, database, Parts(routers=(rest.router, bulk.router)))


@pytest.fixture
async def enter(app: FastAPI, database: Database) -> AsyncIterator[Enter]:
    """Make clients that act in some roles, or as a person."""
    opened: list[httpx.AsyncClient] = []

    async def enter(role: Role | None = None, **more: UUID) -> httpx.AsyncClient:
        told = {}
        if role is not None:
            token = await issue_token(database, role, **more)
            told = {"Authorization": f"Bearer {token}"}
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url=f"{BASE}/fhir/R4/", headers=told
        )
        opened.append(client)
        return client

    yield enter
    for client in opened:
        await client.aclose()


@pytest.fixture
async def city(enter: Enter) -> httpx.AsyncClient:
    """Return a client of the city's own system, which sees everything."""
    return await enter(Role.EXCHANGE)


@pytest.fixture
async def attacker(app: FastAPI, database: Database) -> Attacker:
    """Return somebody with a token of the city's own system, who sends anything."""
    return Attacker(app, await issue_token(database, Role.EXCHANGE))
