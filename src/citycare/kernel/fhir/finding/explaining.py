"""How a search is done: the statements it sends, the database's plan of each, what is rechecked.

The search is run as it always is, and its statements are noted as they go out: what is explained
is what is done.

Source: PostgreSQL 17, EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON).
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import psycopg

from citycare.kernel.context import Context
from citycare.kernel.fhir.finding.lanes import every, lanes_of
from citycare.kernel.fhir.finding.model import EVERYTHING, Found, TooCostly, Visible
from citycare.kernel.fhir.finding.running import find
from citycare.kernel.fhir.searching import meeting
from citycare.kernel.fhir.searching.model import Criterion, Having, Query
from citycare.kit.db import Connection

TIMEOUT_S = 10
"""Of a statement; after as long in all no other is explained."""
STATEMENTS_MAX = 20
"""Statements that are explained; a search that rechecks much sends more."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a search.

    Attributes:
        text: with names for values.
        plan: as PostgreSQL explains it.
        seconds: that it took, once its data was in memory.
    """

    text: str
    plan: Mapping[str, Any]
    seconds: float


@dataclass(frozen=True, slots=True)
class Decided:
    """How a criterion is decided.

    Attributes:
        param: as it was asked, `subject:Patient.name`.
        rechecked: `none`: the index decides; `some`: hits with long texts are read; `all`: all are.
    """

    param: str
    rechecked: str


@dataclass(frozen=True, slots=True)
class Explained:
    """A search and how it was done; `seconds` of the whole, `read` rows sent by the database."""

    found: Found
    criteria: tuple[Decided, ...]
    statements: tuple[Statement, ...]
    seconds: float
    read: int


@dataclass(slots=True)
class _Noting:
    """A connection, or a cursor of it, that notes what is sent, and how many rows come back."""

    db: Any
    sent: list[tuple[str, Any]] = field(default_factory=list)
    read: list[int] = field(default_factory=list)

    def cursor(self, **more: Any) -> Any:
        """Make a cursor."""
        return _Noting(self.db.cursor(**more), self.sent, self.read)

    async def stream(self, query: Any, params: Any = None, **more: Any) -> AsyncIterator[Any]:
        """Send a statement, and yield what comes back."""
        self.sent.append((str(query), params))
        async for row in self.db.stream(query, params, **more):
            self.read.append(1)
            yield row

    async def execute(self, query: Any, params: Any = None, **more: Any) -> Any:
        """Send a statement."""
        self.sent.append((str(query), params))
        cursor = await self.db.execute(query, params, **more)
        self.read.append(max(cursor.rowcount, 0))
        return cursor


async def explain(
    cx: Context, query: Query, *, visible: Visible = EVERYTHING, base: str = ""
) -> Explained:
    """Run a search in a transaction that only reads, and explain it.

    Raises:
        TooCostly: it takes more than TIMEOUT_S; see also `find`.
    """
    try:
        async with cx.db.transaction():
            await cx.db.execute("SET TRANSACTION READ ONLY")
            await cx.db.execute(f"SET LOCAL statement_timeout = '{TIMEOUT_S * 1000:.0f}ms'")
            noting = _Noting(cx.db)
            began = time.perf_counter()
            watched = replace(cx, db=cast("Connection", noting))
            found = await find(watched, query, visible=visible, base=base)
            took = time.perf_counter() - began
            statements = []
            for text, values in noting.sent[:STATEMENTS_MAX]:
                if time.perf_counter() - began < TIMEOUT_S:
                    statements.append(await _planned(cx, text, values))
    except psycopg.errors.QueryCanceled as error:
        raise TooCostly(problem="time") from error
    criteria = [told for one in query.criteria for told in _decided(query.types, one, "")]
    return Explained(found, tuple(criteria), tuple(statements), took, sum(noting.read))


async def _planned(cx: Context, text: str, values: Any) -> Statement:
    cursor = await cx.db.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {text}", values)
    row = await cursor.fetchone()
    assert row is not None
    (plan,) = row["QUERY PLAN"]
    return Statement(text, plan, float(plan["Execution Time"]) / 1000)


def _decided(types: tuple[str, ...], one: Criterion | Having, before: str) -> Iterator[Decided]:
    if isinstance(one, Having):
        yield from _decided((one.type,), one.criterion, f"{before}_has:{one.type}:{one.param}:")
    elif one.chain is not None:
        for kind, inner in one.chain.criteria:
            yield from _decided((kind,), inner, f"{before}{one.param}:{kind}.")
    else:
        name = before + one.param + (f":{one.modifier}" if one.modifier else "")
        yield Decided(name, _rechecked(types, one))


def _rechecked(types: tuple[str, ...], one: Criterion) -> str:
    kinds = [kind for kind in every(types) if lanes_of((kind,), one.param)]
    coarse = [kind for kind in kinds if meeting.coarse(kind, one)]
    if not coarse:
        return "none"
    return "some" if all(meeting.doubtful(kind, one) for kind in kinds) else "all"
