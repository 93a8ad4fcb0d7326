"""A tiny demo city in a database of its own, and one real web process that serves it."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from bench.city import ROOT, wait_ready
from citycare.journeys import demo
from citycare.journeys.demo.model import SMALL, Scale
from citycare.kernel import identity
from citycare.kernel.context import SYSTEM, Channel, Context
from citycare.kernel.identity import documents
from citycare.kit import clock, migrate
from citycare.kit.db import Database
from citycare.kit.embedded import Embedded
from citycare.kit.supervise import web_command
from citycare.scenarios.booking.service import draw
from citycare.web.login.demo_people import DEMO_ISSUER, PREFIX
from tests.browser import serving

T = TypeVar("T")
NOW = datetime(2026, 11, 22, 1, 12, tzinfo=UTC)  # a Sunday, 9:12 in the city
TINY = replace(SMALL, residents=700, crowd=700, past_windows=240)
HOST = "127.0.0.1"
FACTORY = "tests.browser.serving:create"


@dataclass(frozen=True)
class Stage:
    """Where the city is served, and a way behind the scenes."""

    address: str
    url: str
    owner_url: str
    home: Path

    def ask(self, statement: LiteralString, **values: Any) -> list[dict[str, Any]]:
        """Run one statement as the owner of the database; return its rows."""
        with psycopg.connect(self.owner_url, autocommit=True, row_factory=dict_row) as db:
            found = db.execute(statement, values)
            return found.fetchall() if found.description else []

    def run(self, work: Callable[[Context], Awaitable[T]]) -> T:
        """Do something as the system in one transaction (in a thread: a browser has this one)."""

        async def whole() -> T:
            database = Database(self.url, size_max=1)
            await database.open()
            try:
                async with database.transaction() as db:
                    return await work(Context(db, SYSTEM, NOW, "stage", Channel.WINDOW, "test"))
            finally:
                await database.close()

        with ThreadPoolExecutor(1) as thread:
            return thread.submit(lambda: asyncio.run(whole())).result()


@contextmanager
def open_stage(
    server: Embedded, template: str, home: Path, name: str, scale: Scale = TINY
) -> Iterator[Stage]:
    """Build the city, serve it, and take everything away again."""
    with _database(server, template, name):
        database = server.url(name, user=migrate.APP)
        port = free_port()
        stage = Stage(f"http://{HOST}:{port}", database, server.url(name), home)
        migrate.apply(stage.owner_url, ROOT / "migrations")
        _build(stage, scale)
        process = serve(stage, port)
        try:
            yield stage
        finally:
            process.terminate()
            process.wait(15)


@contextmanager
def _database(server: Embedded, template: str, name: str) -> Iterator[None]:
    drop = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
    make = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(42)")
        connection.execute(drop)
        connection.execute(make.format(sql.Identifier(name), sql.Identifier(template)))
        connection.execute("SELECT pg_advisory_unlock(42)")
        try:
            yield
        finally:
            connection.execute(drop)


def _build(stage: Stage, scale: Scale) -> None:
    async def build() -> None:
        database = Database(stage.url, size_max=2)
        await database.open()
        try:
            keys = draw.read_keys(stage.home)
            await demo.build(database, scale, keys=keys, now=NOW)
        finally:
            await database.close()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(build())).result()
    stage.run(_register)


async def _register(cx: Context) -> None:
    """Give each person of the stories an account with a checked document."""
    for count, (key, name) in enumerate(serving.PEOPLE):
        born = date(1985 + count, 4, 1 + count)
        sex = identity.Sex.FEMALE if count % 2 == 0 else identity.Sex.MALE
        number = documents.synthetic_number(born, sex, 480)
        document = {"kind": number.kind, "number": number.number, "verified": True}
        claims = {"name": name, "id_document": document}
        await identity.find_or_make_account(cx, DEMO_ISSUER, f"{PREFIX}{key}", claims)


def serve(
    stage: Stage, port: int, *, factory: str = FACTORY, url: str = "", ready: bool = True
) -> subprocess.Popen[bytes]:
    """Start one web process on a port and wait until it is ready."""
    shift = (NOW - clock.now()).total_seconds()
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("CITYCARE_")},
        "CITYCARE_DEMO": "1",
        "CITYCARE_HOME": str(stage.home),
        "CITYCARE_DATABASE_URL": url or stage.owner_url,
        "CITYCARE_BASE_URL": f"http://{HOST}:{port}",
        "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}",
        "PYTHONWARNINGS": "ignore",
        serving.SHIFT: str(shift),
    }
    command = [*web_command(HOST, port, 1)[:-1], factory]
    with (stage.home / "web.log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    if ready:
        wait_ready(port)
    return process


def free_port() -> int:
    with socket.socket() as found:
        found.bind((HOST, 0))
        return int(found.getsockname()[1])


CHROMIUM = shutil.which("chromium") or ""
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
