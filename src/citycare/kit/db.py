"""The database pool, and the one place where transactions begin and end.

A lost or overloaded server becomes `Unavailable`/`Busy`, so that every edge answers 503 with a
time to come back instead of a stack trace.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

import orjson
import psycopg
from psycopg import AsyncConnection, errors
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import set_json_dumps, set_json_loads
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

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

LOST = (psycopg.OperationalError, psycopg.InterfaceError, errors.AdminShutdown)
CROWDED = (errors.LockNotAvailable, errors.DeadlockDetected, errors.SerializationFailure)


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
            " -c client_connection_check_interval=1000",
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

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Lend a connection inside one transaction: commit at the end, roll back on any error."""
        async with self.autocommit() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def autocommit(self) -> AsyncIterator[Connection]:
        """Lend a connection where each statement is its own transaction: for single reads."""
        try:
            async with self.pool.connection() as connection:
                yield connection
        except CROWDED as error:
            raise Busy from error
        except errors.UntranslatableCharacter as error:  # in JSON
            raise TextUnreadable from error
        except psycopg.DataError as error:  # in text; any other one is a fault of ours
            if error.sqlstate is not None or "NUL" not in str(error):
                raise
            raise TextUnreadable from error
        except errors.QueryCanceled as error:
            raise Busy from error
        except (PoolTimeout, TooManyRequests, *LOST) as error:
            raise Unavailable from error


def uuids(values: Iterable[UUID | None]) -> str:
    """Write ids as the text of a uuid[] parameter: a third of what psycopg's own list costs."""
    return "{" + ",".join([f"{one.int:032x}" if one else "NULL" for one in values]) + "}"
