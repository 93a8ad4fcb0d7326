"""Reads of one call: each statement by itself, on whichever connection of the pool is free.

None is held while an answer is made of what was read. A statement that reads a few rows may say so
(`FEW`): those of one turn of the event loop that say the same, with other values, go out as one.
Nobody waits for who comes later: under load a turn brings several, alone each goes by itself.
`web.batch` is for writes, where one batch waits for the one before; here none does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from types import TracebackType
from typing import Any, Self, cast

import psycopg
from psycopg.rows import tuple_row

from citycare.kit.db import Connection, Database, tell

FEW = "/* few */ "
"""Begins a statement that reads few rows, of which several may be asked for together."""
TOGETHER_MAX = 8
TEXT_MAX = 4_096  # characters; what psycopg keeps the reading of

TUPLES = {"row_factory": tuple_row}

Values = Mapping[str, Any]
Rows = list[tuple[Any, ...]]
Asked = tuple[Values, "asyncio.Future[Rows]"]


class Reads:
    """The reads of one process."""

    def __init__(self, database: Database) -> None:
        """Read from this database."""
        self.database = database
        self._waiting: dict[str, list[Asked]] = {}
        self._running: set[asyncio.Task[None]] = set()

    def lend(self) -> AbstractAsyncContextManager[Connection]:
        """Lend what stands for a connection, for reads: `cursor`, `execute`, `transaction`.

        Raises:
            Unavailable, Busy: as of `Database.autocommit`, when it is given back.
        """
        return _Lent(self)

    async def together(self, text: str, values: Values) -> Rows:
        """Return the rows of a statement, sent with those alike.

        Raises:
            psycopg.Error: as if it had been sent by itself.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Rows] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._start)
        self._waiting.setdefault(text, []).append((values, future))
        return await future

    def _start(self) -> None:
        waiting, self._waiting = self._waiting, {}
        loop = asyncio.get_running_loop()
        for text, some in waiting.items():
            most = min(TOGETHER_MAX, TEXT_MAX // len(text)) or 1
            for at in range(0, len(some), most):
                task = loop.create_task(self._settle(text, some[at : at + most]))
                self._running.add(task)  # or nobody would hold it
                task.add_done_callback(self._running.discard)

    async def _settle(self, text: str, some: Sequence[Asked]) -> None:
        """Answer each; where one of several is refused, the others need not be: each by itself."""
        try:
            results = await self._sent(text, [values for values, _ in some])
        except Exception as error:  # noqa: BLE001 - handed on to all who wait
            if len(some) > 1 and isinstance(error, psycopg.Error) and error.sqlstate:
                await asyncio.gather(*[self._settle(text, [one]) for one in some])
                return
            for _, future in some:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), rows in zip(some, results, strict=True):
            if not future.done():  # or who asked has gone
                future.set_result(rows)

    async def _sent(self, text: str, some: Sequence[Values]) -> list[Rows]:
        async with self.database.plain() as db:
            cursor = db.cursor(row_factory=tuple_row)
            if len(some) == 1:
                return [await (await cursor.execute(text, some[0])).fetchall()]
            found: list[Rows] = [[] for _ in some]
            for row in await (await cursor.execute(*united(text, some))).fetchall():
                found[row[0]].append(row[1:])
            return found


def united(text: str, some: Sequence[Values]) -> tuple[str, dict[str, Any]]:
    """Return one statement for all these values; its first column says whose row it is."""
    parts = [
        f"SELECT {at} AS at, q{at}.* FROM ({text.replace('%(', f'%(q{at}_')}) q{at}"
        for at in range(len(some))
    ]
    values = {f"q{at}_{name}": one for at, each in enumerate(some) for name, one in each.items()}
    return " UNION ALL ".join(parts), values


class _Lent:
    """What stands for a connection, on loan; by hand, since every read pays for it."""

    __slots__ = ("_reads",)

    def __init__(self, reads: Reads) -> None:
        self._reads = reads

    async def __aenter__(self) -> Connection:
        return cast("Connection", _Apart(self._reads))

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            tell(error)


class _Apart:
    """What stands for a connection: each statement takes one, those of a transaction the same."""

    __slots__ = ("held", "reads")

    def __init__(self, reads: Reads) -> None:
        self.reads = reads
        self.held: Connection | None = None

    def cursor(self, **how: Any) -> _Cursor:
        """Make a cursor."""
        return _Cursor(self, how)

    async def execute(self, text: Any, values: Any = None, **how: Any) -> _Cursor:
        """Send a statement."""
        return await self.cursor().execute(text, values, **how)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Send what follows in one transaction; within another, after a savepoint."""
        if self.held is not None:
            async with self.held.transaction():
                yield
            return
        async with self.reads.database.plain() as db, db.transaction():
            self.held = db
            try:
                yield
            finally:
                self.held = None

    def one(self) -> AbstractAsyncContextManager[Connection]:
        """Lend a real connection: that of the transaction, or any."""
        return self.reads.database.plain() if self.held is None else nullcontext(self.held)


class _Cursor:
    """The rows of one statement."""

    __slots__ = ("_how", "_of", "_rows", "rowcount")

    def __init__(self, of: _Apart, how: dict[str, Any]) -> None:
        self._of = of
        self._how = how
        self._rows: list[Any] = []
        self.rowcount = -1

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._rows = []

    async def execute(self, text: Any, values: Any = None, **how: Any) -> Self:
        """Send a statement, and take all its rows."""
        if self._of.held is None and self._how == TUPLES and text.startswith(FEW):
            self._rows = await self._of.reads.together(text, values)
        else:
            async with self._of.one() as db:
                cursor = await db.cursor(**self._how).execute(text, values, **how)
                has_rows = cursor.pgresult is not None and cursor.pgresult.nfields > 0
                self._rows = await cursor.fetchall() if has_rows else []  # `description` is dear
        self.rowcount = len(self._rows)
        return self

    async def fetchall(self) -> list[Any]:
        """Return the rows that are left."""
        rows, self._rows = self._rows, []
        return rows

    async def fetchone(self) -> Any:
        """Return the next row, or None."""
        return self._rows.pop(0) if self._rows else None

    async def stream(self, text: Any, values: Any = None, *, size: int = 1) -> AsyncIterator[Any]:
        """Yield rows as they come, `size` at once."""
        async with self._of.one() as db:
            async for row in db.cursor(**self._how).stream(text, values, size=size):
                yield row
