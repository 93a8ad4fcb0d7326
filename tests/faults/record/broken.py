"""The application with one safeguard taken out: what the checker must find.

Run as web processes of its own, `RECORD_BROKEN` in their environment saying which.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

from citycare import app
from citycare.kernel.context import Context
from citycare.kernel.fhir import store, versions
from citycare.kernel.fhir.finding import running
from citycare.kit.db import Connection, Database
from citycare.scenarios.exchange.rules import headers


def numbers() -> None:
    """Nobody waits for who looks for the same condition, or makes the same name."""

    async def pass_by(_: Context, __: Iterable[int]) -> None:
        return

    _replace(store, "lock_numbers", pass_by)


def match() -> None:
    """If-Match and If-None-Match are not looked at."""

    def agree(*_: Any) -> None:
        return

    _replace(headers, "require_version", agree)


def transaction() -> None:
    """Each statement is a transaction of its own."""

    @asynccontextmanager
    async def each(database: Database) -> AsyncIterator[Connection]:
        async with database.autocommit() as db:
            yield db

    _replace(Database, "transaction", each)


def rows() -> None:
    """Rows are read without a lock."""
    store.LOCK = store.LOCK.replace("FOR NO KEY UPDATE", "")


def snapshot() -> None:
    """Later pages show what is there by then."""
    running.THEN = running.NOW


def index() -> None:
    """An update leaves the keys of the index as they were."""
    store.REPLACE = store.REPLACE.replace("keys = coalesce(r.keys, '{}')", "keys = o.keys")


def moment() -> None:
    """A history says the present, whoever is about to commit."""
    versions.COMPLETE = "%(now)s::timestamptz"


def commit() -> None:
    """A commit does not wait for the disk."""
    configure = Database._configure

    async def hasty(database: Database, connection: Connection) -> None:
        await configure(database, connection)
        await connection.execute("SET synchronous_commit = off")

    _replace(Database, "_configure", hasty)


SAFEGUARDS: dict[str, Callable[[], None]] = {
    one.__name__: one
    for one in (numbers, match, transaction, rows, snapshot, index, moment, commit)
}


def _replace(where: Any, name: str, what: Any) -> None:
    setattr(where, name, what)


def application() -> Any:
    """Build the application without the safeguard that the environment names."""
    SAFEGUARDS[os.environ["RECORD_BROKEN"]]()
    return app.create_from_environment()
