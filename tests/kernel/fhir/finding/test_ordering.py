"""The oldest first: what has no date comes last, page by page, and nothing is sorted for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

import psycopg
import pytest

from citycare.kernel import fhir
from citycare.kernel.context import SYSTEM, Context
from citycare.kernel.fhir import finding
from citycare.kernel.fhir.finding import Place
from citycare.kernel.fhir.finding.explaining import _Noting, _planned
from citycare.kernel.fhir.searching import reading
from citycare.kit.db import Database
from citycare.kit.embedded import Embedded
from tests.conftest import NOW

Json = dict[str, Any]
DATED, UNDATED, ASKED = 400, 40, 7


def invoice(number: int, day: int | None, **more: Any) -> Json:
    made: Json = {"resourceType": "Invoice", "id": f"i-{number}", "status": "issued"}
    month, rest = divmod((day or 0) % 300, 25)
    date = {} if day is None else {"date": f"2026-{month + 1:02d}-{rest + 1:02d}"}
    return made | date | more


def town() -> list[Json]:
    """Some with the same day, some without any, in no order."""
    days = [(number * 37) % DATED for number in range(DATED)]
    made = [invoice(number, day) for number, day in enumerate(days)]
    return made + [invoice(DATED + number, None) for number in range(UNDATED)]


async def page(cx: Context, query: str, after: Place | None = None) -> finding.Found:
    pairs = [tuple(one.split("=", 1)) for one in query.split("&")]
    asked = reading.read(("Invoice",), pairs, now=cx.now)  # type: ignore[arg-type]
    return await finding.find(cx, asked, after=after)


async def test_page_by_page_all_come_once_the_undated_last(cx: Context) -> None:
    kept = await fhir.put(cx, town())
    dates = {one["id"]: one.get("date", "9999") for one in (fhir.loads(k.body) for k in kept)}
    for count in (ASKED, 50, 440):
        seen: list[str] = []
        after: Place | None = None
        while True:
            found = await page(cx, f"_sort=date&_count={count}", after)
            seen += [hit.id for hit in found.matches]
            after = found.next
            if after is None:
                break
        assert len(seen) == len(set(seen)) == DATED + UNDATED
        assert [dates[one] for one in seen] == sorted(dates.values())


async def test_pages_are_of_one_snapshot_over_the_border(cx: Context) -> None:
    await fhir.put(cx, [invoice(n, n) for n in range(3)] + [invoice(n, None) for n in range(3, 6)])
    first = await page(cx, "_sort=date&_count=2&status=issued")
    second = await page(cx, "_sort=date&_count=2&status=issued", first.next)
    third = await page(cx, "_sort=date&_count=2&status=issued", second.next)
    seen = [hit.id for part in (first, second, third) for hit in part.matches]
    assert seen == ["i-0", "i-1", "i-2", "i-3", "i-4", "i-5"]
    assert third.next is None
    total = await page(cx, "_sort=date&_count=2&_total=accurate")
    assert total.total == 6


async def test_a_reference_sorts_only_by_what_its_parameter_may_lead_to(cx: Context) -> None:
    """`patient` is `subject` where it leads to a Patient; a Location, sorted before it, is none."""
    seen = {"resourceType": "Observation", "status": "final", "code": {"text": "痛"}}
    about = {"o-1": "Location/l-1", "o-2": "Patient/p-2", "o-3": "Patient/p-1"}
    await fhir.put(cx, [seen | {"id": k, "subject": {"reference": v}} for k, v in about.items()])
    for query, order in (("patient", "o-3 o-2 o-1"), ("subject", "o-1 o-3 o-2")):
        asked = reading.read(("Observation",), [("_sort", query)], now=cx.now)
        assert " ".join(one.id for one in (await finding.find(cx, asked)).matches) == order


def nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield plan
    for one in plan.get("Plans", ()):
        yield from nodes(one)


async def walks(cx: Context, query: str, after: Place | None = None) -> list[Mapping[str, Any]]:
    """Return the parts of the plan of a page that read a table."""
    noting = _Noting(cx.db)
    await page(replace(cx, db=cast("Any", noting)), query, after)
    ((text, values),) = noting.sent
    plan = (await _planned(cx, text, values)).plan["Plan"]
    return [one for one in nodes(plan) if one.get("Relation Name")]


MANY = 20_000
COPY = """
    INSERT INTO fhir.{table} ({columns}) SELECT {columns} FROM (
        SELECT (jsonb_populate_record(r, jsonb_build_object(
                   'id', 'x-' || g, 'rid', nextval('fhir.rid'), 'replaced', '3',
                   'since', CASE WHEN g % 10 = 0 THEN '-Infinity' ELSE (1.7e9 + g)::text END,
                   'until', CASE WHEN g % 10 = 0 THEN NULL ELSE 1.7e9 + g END,
                   'updated_at', r.updated_at - g * interval '1 s'))).*
          FROM fhir.{table} r, generate_series(1, {many}) g WHERE r.id = 'i-1') made
"""
COLUMNS_OF = """
    SELECT string_agg(column_name, ', ') FROM information_schema.columns
     WHERE table_schema = 'fhir' AND table_name = %s
"""


@pytest.fixture
async def many(database: Database, server: Embedded, own_database: str) -> AsyncIterator[Context]:
    """So many that the planner thinks twice: the newest, and as many that were replaced.

    Long ago: before any transaction that another test may have open in this server by now.
    """
    async with database.transaction() as db:
        for day in (1, 2):
            await fhir.put(Context(db, SYSTEM, NOW, "test-many"), [invoice(1, day)])
    with psycopg.connect(server.url(own_database), autocommit=True) as owner:
        for table in ("resource", "version"):
            (columns,) = owner.execute(COLUMNS_OF, [table]).fetchone() or ("",)
            copy = COPY.format(table=table, columns=columns, many=MANY)
            owner.execute(copy.encode())
            owner.execute(f"ANALYZE fhir.{table}".encode())
    async with database.transaction() as db:
        yield Context(db, SYSTEM, NOW, "test-many")


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("_sort=date", "resource_main"),
        ("_sort=date&status=issued", "resource_main"),
        ("_sort=-date", "resource_main"),
        ("_sort=-_lastUpdated", "resource_updated"),
        ("status=issued", "resource_updated"),
    ],
)
async def test_an_index_is_walked_no_further_than_a_page(
    many: Context, query: str, index: str
) -> None:
    query += f"&_count={ASKED}"
    first = await page(many, query)
    for after in (None, first.next):
        read = await walks(many, query, after)
        newest = [one for one in read if one["Relation Name"] == "resource"]
        assert {one["Index Name"] for one in newest} == {index}
        for one in read:
            rows = one["Actual Rows"] + one.get("Rows Removed by Filter", 0)
            assert rows <= ASKED + 2, "of what was replaced long ago nothing"
