"""The index after a change of its rules, and after pages are over."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from citycare.kernel import fhir
from citycare.kernel.context import Context
from citycare.kernel.fhir import Key, changes, finding, upkeep
from citycare.kernel.fhir.finding import Place
from citycare.kernel.fhir.searching import reading
from citycare.kernel.fhir.searching.keys import owner_key
from citycare.kernel.identity import organisations
from citycare.kernel.identity.organisations import Organisation, OrganisationKind
from citycare.kit import ids

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


async def test_who_wrote_an_old_version_stays_known(cx: Context) -> None:
    house = Organisation(ids.new(), "甲院", "甲院", OrganisationKind.HOSPITAL, "310106")
    await organisations.register_organisation(cx, house)
    await fhir.create(cx, [invoice("a", 3)], owner=house.id)
    await fhir.put(cx, [invoice("a", 4)])
    await fhir.put(cx, [invoice("a", 5)])
    assert await upkeep.purge(replace(cx, now=cx.now + timedelta(days=400))) == 2
    old = await changes.find_versions(cx, [Key("Invoice", "a", number) for number in (1, 2)])
    assert {one.version: one.keys for one in old.values()} == {1: [owner_key(str(house.id))], 2: []}


async def test_who_wrote_it_stays_known_in_a_new_index(cx: Context) -> None:
    house = Organisation(ids.new(), "甲院", "甲院", OrganisationKind.HOSPITAL, "310106")
    await organisations.register_organisation(cx, house)
    await fhir.create(cx, [invoice("a", 3)], owner=house.id)
    before = await changes.find_versions(cx, [Key("Invoice", "a", 1)])
    await cx.db.execute("UPDATE fhir.resource SET indexed = 0")
    assert await upkeep.reindex(cx) == 1
    after = await changes.find_versions(cx, [Key("Invoice", "a", 1)])
    assert [set(one.keys) for one in after.values()] == [set(one.keys) for one in before.values()]
    assert owner_key(str(house.id)) in [key for one in after.values() for key in one.keys]
