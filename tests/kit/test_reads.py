"""Reads take a connection for each statement; those alike of one turn are one statement."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

import psycopg
import pytest
from psycopg.rows import tuple_row

from citycare.kit.db import Connection, Database
from citycare.kit.embedded import Embedded
from citycare.kit.errors import Busy, Unavailable
from citycare.kit.reads import FEW, TEXT_MAX, TOGETHER_MAX, Reads

COUNTED = f"{FEW}SELECT n, pg_backend_pid() FROM generate_series(1, %(count)s::int) n ORDER BY n"
DIVIDED = f"{FEW}SELECT 100 / %(by)s::int"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the statements that were sent."""
    texts: list[str] = []
    execute = psycopg.AsyncCursor.execute

    async def heard(self: Any, query: Any, *args: Any, **more: Any) -> Any:
        if query and not isinstance(query, psycopg.sql.Composed):  # of the pool's own
            texts.append(str(query))
        return await execute(self, query, *args, **more)

    monkeypatch.setattr(psycopg.AsyncCursor, "execute", heard)
    return texts


@asynccontextmanager
async def _hurried(
    plain: Callable[[], AbstractAsyncContextManager[Connection]],
) -> AsyncIterator[Connection]:
    async with plain() as db:
        await db.execute("SET statement_timeout = 1")
        yield db
        await db.execute("RESET statement_timeout")


async def _rows(db: Connection, text: str, **values: Any) -> list[tuple[Any, ...]]:
    return await (await db.cursor(row_factory=tuple_row).execute(text, values)).fetchall()


async def test_alike_of_one_turn_are_one_and_each_gets_its_own(
    database: Database, sent: list[str]
) -> None:
    async with Reads(database).lend() as db:
        found = await asyncio.gather(*[_rows(db, COUNTED, count=n) for n in (2, 0, 3)])
    assert [[n for n, _ in rows] for rows in found] == [[1, 2], [], [1, 2, 3]]
    assert len(sent) == 1


async def test_others_go_by_themselves(database: Database, sent: list[str]) -> None:
    reads = Reads(database)
    plain = COUNTED.removeprefix(FEW)
    async with reads.lend() as db:
        asked = [_rows(db, COUNTED, count=1), _rows(db, COUNTED + " DESC", count=1)]
        await asyncio.gather(*asked, *[_rows(db, plain, count=1) for _ in range(2)])
    assert len(sent) == 4
    assert not any("UNION" in text for text in sent)


async def test_no_statement_is_for_too_many(database: Database, sent: list[str]) -> None:
    async with Reads(database).lend() as db:
        await asyncio.gather(*[_rows(db, COUNTED, count=1) for _ in range(TOGETHER_MAX + 1)])
        assert len(sent) == 2
        sent.clear()
        long = COUNTED + f"/* {'x' * TEXT_MAX} */"
        await asyncio.gather(*[_rows(db, long, count=1) for _ in range(3)])
        assert len(sent) == 3


async def test_one_that_fails_spoils_none_of_the_others(database: Database) -> None:
    async with Reads(database).lend() as db:
        asked = [_rows(db, DIVIDED, by=n) for n in (1, 0, 4)]
        first, second, third = await asyncio.gather(*asked, return_exceptions=True)
    assert (first, third) == ([(100,)], [(25,)])
    assert isinstance(second, psycopg.errors.DivisionByZero)


async def test_one_who_gives_up_keeps_nobody_waiting(database: Database) -> None:
    async with Reads(database).lend() as db:
        asked = [asyncio.create_task(_rows(db, COUNTED, count=n)) for n in (1, 2)]
        await asyncio.sleep(0)
        asked[0].cancel()
        assert len(await asked[1]) == 2
        with pytest.raises(asyncio.CancelledError):
            await asked[0]


async def test_none_is_held_between_statements(server: Embedded, own_database: str) -> None:
    database = Database(server.url(own_database), size_max=1)
    await database.open()
    async with Reads(database).lend() as db:
        cursor = await db.execute("SELECT 1 AS one")
        async with database.autocommit() as only:
            assert await _rows(only, "SELECT 3") == [(3,)]
        assert await cursor.fetchone() == {"one": 1}
        assert await cursor.fetchone() is None
        async with db.cursor(row_factory=tuple_row) as other:
            assert await (await other.execute("SELECT 2")).fetchall() == [(2,)]
            rows = [row async for row in other.stream("SELECT generate_series(1, 3)", size=2)]
            assert rows == [(1,), (2,), (3,)]
    await database.close()


async def test_a_transaction_is_of_one_connection(database: Database, sent: list[str]) -> None:
    async with Reads(database).lend() as db, db.transaction():
        await db.execute("CREATE TEMP TABLE seen (n int) ON COMMIT DROP")
        with pytest.raises(psycopg.errors.UndefinedTable):
            async with db.transaction():
                await db.execute("SELECT * FROM unseen")
        assert await _rows(db, f"{FEW}SELECT count(*) FROM seen") == [(0,)]
    assert len([one for one in sent if "seen" in one]) == 3


async def test_what_goes_wrong_is_told_when_it_is_given_back(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = Reads(database)
    slow = f"{FEW}SELECT pg_sleep(%(s)s::float8)::text"
    monkeypatch.setattr(database, "plain", partial(_hurried, database.plain))
    async with reads.lend() as db:
        with pytest.raises(psycopg.errors.QueryCanceled):  # who asked may know better
            await _rows(db, slow, s=9)
    with pytest.raises(Busy):
        async with reads.lend() as db:
            await _rows(db, slow, s=9)

    async def away() -> Any:
        raise psycopg.OperationalError("away")

    monkeypatch.setattr(database.pool, "getconn", away)
    for text in (COUNTED, COUNTED.removeprefix(FEW)):
        with pytest.raises(Unavailable):
            async with reads.lend() as db:
                await asyncio.gather(*[_rows(db, text, count=1) for _ in range(2)])
