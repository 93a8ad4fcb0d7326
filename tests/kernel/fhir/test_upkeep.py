"""The index after a change of its rules, and after pages are over."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from citycare.kernel import fhir
from citycare.kernel.context import Context
from citycare.kernel.fhir import finding, upkeep
from citycare.kernel.fhir.finding import Place
from citycare.kernel.fhir.searching import reading

Json = dict[str, Any]
OLD = """
    UPDATE fhir.resource SET rid = NULL, xid = NULL, hash = 0, keys = '{}', present = '',
                             since = '-Infinity', until = NULL, indexed = 0
"""
COUNTS = """
    SELECT (SELECT count(*) FROM fhir.measure) AS measures,
           (SELECT count(*) FROM fhir.version WHERE searchable) AS versions
"""


def invoice(key: str, amount: int) -> Json:
    return {
        "resourceType": "Invoice",
        "id": key,
        "status": "issued",
        "date": "2026-11-20",
        "totalNet": {"value": amount, "currency": "CNY"},
    }


async def found(cx: Context, query: str, after: Place | None = None) -> list[str]:
    pairs = [tuple(one.split("=", 1)) for one in query.split("&")]
    asked = reading.read(("Invoice",), pairs, now=cx.now)  # type: ignore[arg-type]
    page = await finding.find(cx, asked, after=after)
    return [f"{hit.id}/{hit.version}" for hit in page.matches]


async def counts(cx: Context) -> tuple[int, int]:
    row = await (await cx.db.execute(COUNTS)).fetchone()
    assert row is not None
    return row["measures"], row["versions"]


async def test_what_was_stored_before_is_found_once_it_is_put_into_the_index(cx: Context) -> None:
    await fhir.create(cx, [invoice("a", 3), invoice("b", 5)])
    await fhir.put(cx, [invoice("b", 6)])
    await fhir.delete(cx, "Invoice", "a")
    await cx.db.execute(OLD)
    assert await found(cx, "date=2026-11-20&totalnet=gt4") == []
    assert await upkeep.count_stale(cx) == 2
    assert await upkeep.reindex(cx) == 2
    assert await upkeep.reindex(cx) == 0
    assert await found(cx, "date=2026-11-20&totalnet=gt4") == ["b/2"]
    assert await found(cx, "totalnet=gt5&status=issued") == ["b/2"]


async def test_what_no_page_can_ask_for_any_more_is_taken_out(cx: Context) -> None:
    await fhir.create(cx, [invoice("a", 3)])
    await fhir.put(cx, [invoice("a", 4)])
    before = await counts(cx)
    assert before[1] == 1
    soon = replace(cx, now=cx.now + timedelta(minutes=30))
    later = replace(cx, now=cx.now + timedelta(days=400))
    assert await upkeep.purge(soon) == 0
    assert await upkeep.purge(later) == 1
    after = await counts(cx)
    assert after[1] == 0
    assert after[0] == before[0] - 1
    assert await found(cx, "totalnet=4") == ["a/2"]
