"""The database pool, and the one place where transactions begin and end.

A lost or overloaded server becomes `Unavailable`/`Busy`, so that every edge answers 503 with a
time to come back instead of a stack trace.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

import orjson
import psycopg
from psycopg import AsyncConnection, AsyncTransaction, errors
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import set_json_dumps, set_json_loads
from psycopg_pool import AsyncConnectionPool

from citycare.kit.errors import Busy, Incorrect, Unavailable

Connection = AsyncConnection[DictRow]
Row = DictRow

CHECKOUT_S_MAX = 3.0
CHECK_AFTER_S = 1.0
WAITING_MAX = 2_000
STATEMENT_TIMEOUT_MS = 30_000
LOCK_TIMEOUT_MS = 3_000

set_json_dumps(orjson.dumps)
set_json_loads(orjson.loads)


class TextUnreadable(Incorrect):
    """A text holds a character that cannot be kept (NUL)."""

    code = "request.text_unreadable"
    words = "内容里有无法保存的字符，请删掉后重新输入。"


class Database:
    """A pool of connections to one PostgreSQL database, as one role."""

    def __init__(self, url: str, *, size_max: int = 8, role: str | None = None) -> None:
        """Prepare the pool; `open` connects. `role` is taken on with SET ROLE."""
        self.url = url
        self.role = role
        self._checked: WeakKeyDictionary[Connection, float] = WeakKeyDictionary()
        options: dict[str, Any] = {
            "row_factory": dict_row,
            "autocommit": True,
            "options": f"-c search_path=jobs -c statement_timeout={STATEMENT_TIMEOUT_MS}"
            f" -c lock_timeout={LOCK_TIMEOUT_MS} -c timezone=UTC"
            " -c client_connection_check_interval=1000"
            " -c max_parallel_workers_per_gather=0",  # many small statements side by side
        }
        self.pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            kwargs=options,
            min_size=1,
            max_size=size_max,
            max_waiting=WAITING_MAX,
            timeout=CHECKOUT_S_MAX,
            reconnect_timeout=3600.0,
            configure=self._configure,
            check=self.check,
            open=False,
        )

    async def _configure(self, connection: Connection) -> None:
        if self.role is not None:
            await connection.execute(
                psycopg.sql.SQL("SET ROLE {}").format(psycopg.sql.Identifier(self.role))
            )

    async def check(self, connection: Connection) -> None:
        """Ask a connection that was idle whether it still works; a busy one has just shown it."""
        now = time.monotonic()
        if now - self._checked.get(connection, 0.0) > CHECK_AFTER_S:
            await AsyncConnectionPool.check_connection(connection)
        self._checked[connection] = now

    async def open(self) -> None:
        """Start the pool; connections are made in the background."""
        await self.pool.open()

    async def close(self) -> None:
        """Give all connections back."""
        await self.pool.close()

    def transaction(self) -> AbstractAsyncContextManager[Connection]:
        """Lend a connection inside one transaction: commit at the end, roll back on any error."""
        return _Lent(self.pool, whole=True)

    def autocommit(self) -> AbstractAsyncContextManager[Connection]:
        """Lend a connection where each statement is its own transaction: for single reads."""
        return _Lent(self.pool, whole=False)

    def plain(self) -> AbstractAsyncContextManager[Connection]:
        """Lend a connection as `autocommit` does; what goes wrong is not yet told (`tell`)."""
        return _Lent(self.pool, whole=False, tells=False)


class _Lent:
    """A connection on loan.

    By hand, since the pool's own context manager and generators cost a third of a small read.
    """

    __slots__ = ("_connection", "_pool", "_tells", "_transaction", "_whole")

    def __init__(
        self, pool: AsyncConnectionPool[Connection], *, whole: bool, tells: bool = True
    ) -> None:
        self._pool = pool
        self._tells = tells
        self._whole = whole
        self._transaction: AsyncTransaction | None = None

    async def __aenter__(self) -> Connection:
        try:
            self._connection = await self._pool.getconn()
        except psycopg.Error as error:
            if self._tells:
                tell(error)
            raise
        if self._whole:
            await self._begin()
        return self._connection

    async def _begin(self) -> None:
        self._transaction = AsyncTransaction(self._connection)
        try:
            await self._transaction.__aenter__()
        except BaseException as error:
            await self._pool.putconn(self._connection)
            tell(error)
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        swallowed = False
        try:
            if self._transaction is not None:
                swallowed = bool(await self._transaction.__aexit__(kind, error, trace))
        except psycopg.Error as lost:  # by the commit
            tell(lost)
            raise
        finally:
            await self._pool.putconn(self._connection)
        if error is not None and self._tells:
            tell(error)
        return swallowed


def tell(error: BaseException) -> None:
    """Raise what an edge can answer with; what is a fault of ours goes on as it is."""
    match error:
        case errors.LockNotAvailable() | errors.DeadlockDetected() | errors.SerializationFailure():
            raise Busy from error
        case errors.UntranslatableCharacter():  # in JSON
            raise TextUnreadable from error
        case psycopg.DataError(sqlstate=None) if "NUL" in str(error):  # in text
            raise TextUnreadable from error
        case errors.QueryCanceled():
            raise Busy from error
        case psycopg.OperationalError() | psycopg.InterfaceError():  # PoolTimeout is one of these
            raise Unavailable from error


def uuids(values: Iterable[UUID | None]) -> str:
    """Write ids as the text of a uuid[] parameter: a third of what psycopg's own list costs."""
    return "{" + ",".join([f"{one.int:032x}" if one else "NULL" for one in values]) + "}"
