"""Fixtures every level shares: a real PostgreSQL, a template database, a context in a rolled-back
transaction.

The server is the embedded one in `.var/test`, kept between runs; each run clones its own
databases from a template that carries all migrations.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from psycopg import sql

from citycare.kernel.context import SYSTEM, Channel, Context
from citycare.kit import migrate
from citycare.kit.db import Database
from citycare.kit.embedded import Embedded

ROOT = Path(__file__).resolve().parents[1]
NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)  # a Sunday, 9:00 in the city

# No test fails for how long a machine takes; the rest is as it was, in CI its own.
settings.register_profile(
    "untimed", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def server() -> Embedded:
    """A PostgreSQL server that stays up between runs."""
    embedded = Embedded(ROOT / ".var" / "test")
    embedded.ensure_running()
    return embedded


@pytest.fixture(scope="session")
def template(server: Embedded) -> str:
    """A database with all migrations applied, named after their content."""
    text = "".join(m.name + m.digest for m in migrate.find(ROOT / "migrations"))
    name = "template_" + hashlib.sha256(text.encode()).hexdigest()[:16]
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(42)")
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        if found.fetchone() is None:
            building = name + "_building"
            drop = sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(building))
            connection.execute(drop)
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(building)))
            migrate.apply(server.url(building), ROOT / "migrations")
            connection.execute(
                sql.SQL("ALTER DATABASE {} RENAME TO {}").format(
                    sql.Identifier(building), sql.Identifier(name)
                )
            )
    return name


def _clone(server: Embedded, template: str, name: str) -> Iterator[str]:
    target = sql.Identifier(name)
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(42)")
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(target))
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(target, sql.Identifier(template))
        )
        connection.execute("SELECT pg_advisory_unlock(42)")
        yield name
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(target))


@pytest.fixture(scope="session")
def shared_database(server: Embedded, template: str) -> Iterator[str]:
    """One database for all tests that roll back."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    yield from _clone(server, template, f"test_{os.getpid()}_{worker}")


@pytest.fixture
def own_database(server: Embedded, template: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """A database of its own for a test that commits (races, faults, jobs)."""
    digest = hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:12]
    yield from _clone(server, template, f"own_{os.getpid()}_{digest}")


@pytest.fixture
async def database(server: Embedded, own_database: str) -> AsyncIterator[Database]:
    """The pool on a database of its own, as the application's role."""
    pool = Database(server.url(own_database, user=migrate.APP), size_max=20)
    await pool.open()
    yield pool
    await pool.close()


@pytest.fixture
async def cx(server: Embedded, shared_database: str) -> AsyncIterator[Context]:
    """A context of the system actor at NOW, in a transaction that is rolled back."""
    pool = Database(server.url(shared_database, user=migrate.APP), size_max=1)
    await pool.open()
    try:
        async with pool.transaction() as db:
            yield Context(db, SYSTEM, NOW, "test-request", Channel.PHONE, "test")
            raise _RollBack  # noqa: TRY301 - leaves the transaction
    except _RollBack:
        pass
    finally:
        await pool.close()


class _RollBack(Exception):
    """Ends a test's transaction without keeping anything."""
