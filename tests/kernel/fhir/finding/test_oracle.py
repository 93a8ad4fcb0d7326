"""Search in the database against the plain model: what is found, in which order, what with it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from citycare.kernel import fhir
from citycare.kernel.context import SYSTEM, Context
from citycare.kernel.fhir import finding
from citycare.kernel.fhir.finding import Found, Hit
from citycare.kernel.fhir.searching.model import Criterion, Having, ParamType, Query
from citycare.kit import migrate
from citycare.kit.db import Database
from citycare.kit.embedded import Embedded
from tests.conftest import NOW
from tests.kernel.fhir.searching import ordering
from tests.kernel.fhir.searching.asked import member, queries
from tests.kernel.fhir.searching.made import BASE, resources
from tests.kernel.fhir.searching.oracle import Oracle

Json = dict[str, Any]
SETS = frozenset(("in", "not-in", "above", "below"))
QUERIES = 12


class _RollBack(Exception):
    """Ends a transaction."""


def asks_for_sets(one: Criterion | Having) -> bool:
    """Tell whether a criterion asks for a set of codes, which is resolved above."""
    if isinstance(one, Having):
        return asks_for_sets(one.criterion)
    if one.chain is not None:
        return any(asks_for_sets(each) for _, each in one.chain.criteria)
    return one.type is ParamType.TOKEN and one.modifier in SETS


async def answers(
    url: str, town: list[Json], asked: Iterable[Query]
) -> tuple[list[Json], list[Found]]:
    """Store a town in a transaction that is rolled back; return it as stored, and what is found."""
    pool = Database(url, size_max=1)
    await pool.open()
    found: list[Found] = []
    stored: list[Json] = []
    try:
        async with pool.transaction() as db:
            cx = Context(db, SYSTEM, NOW, "oracle")
            for number in range(3):
                later = replace(cx, now=NOW + timedelta(hours=number * 13))
                kept = await fhir.put(later, town[number::3], base=BASE)
                stored += [fhir.loads(one.body) for one in kept]
            found += [await finding.find(cx, query, base=BASE) for query in asked]
            raise _RollBack  # noqa: TRY301 - leaves the transaction
    except _RollBack:
        return stored, found
    finally:
        await pool.close()


def names(hits: Iterable[Hit]) -> list[tuple[str, str]]:
    return [(hit.type, hit.id) for hit in hits]


def ranks(oracle: Oracle, keys: Iterable[tuple[str, str]], query: Query) -> list[Any]:
    """Return what each is sorted by; those without come last."""
    return [
        [
            ordering.rank(oracle.values(key, one.param), one.type, one.descending)
            for one in query.sort
        ]
        for key in keys
    ]


@settings(max_examples=25, suppress_health_check=list(HealthCheck), print_blob=True)
@given(data=st.data())
def test_the_database_finds_what_the_model_finds(
    server: Embedded, shared_database: str, data: st.DataObject
) -> None:
    town = data.draw(resources())
    asked = [data.draw(queries(town)) for _ in range(QUERIES)]
    asked = [
        replace(one, count=1_000) for one in asked if not any(map(asks_for_sets, one.criteria))
    ]
    url = server.url(shared_database, user=migrate.APP)
    stored, found = asyncio.run(answers(url, town, asked))
    oracle = Oracle(stored, member=member, base=BASE)
    for query, page in zip(asked, found, strict=True):
        expected = oracle.matches(query, now=NOW)
        there = [(one["resourceType"], one["id"]) for one in expected]
        assert sorted(names(page.matches)) == sorted(there), query
        assert ranks(oracle, names(page.matches), query) == ranks(oracle, there, query), query
        more = [(one["resourceType"], one["id"]) for one in oracle.included(query, expected)]
        assert sorted(names(page.included)) == sorted(more), query
