from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from citycare.kernel import fhir
from citycare.kernel.context import SYSTEM, Context
from citycare.kernel.fhir import importing
from citycare.kernel.fhir.importing import Counts, Result, asking, preparing, reading
from citycare.kit import clock
from citycare.kit.db import Database
from tests.kernel.fhir.importing.conftest import Kept, Take, bundle, patient, post, weight

Json = dict[str, Any]
Written = Callable[[str, Any], Path]
Faults = Callable[[Result], Awaitable[list[tuple[int, str, str]]]]
WU = "urn:uuid:7277a553-d195-6596-0124-b482d859691e"
NUMBER = {"system": "urn:oid:2.16.156.1", "value": "A-771"}


async def test_entries_of_a_transaction_call_each_other_by_the_ids_they_get(
    take: Take, kept: Kept, written: Written
) -> None:
    new = patient("", name=[{"family": "吴"}])
    del new["id"]
    file = written("wu.json", bundle("transaction", post(weight("w1", WU)), post(new, WU)))
    result = await take(file)
    assert (result.counts, result.error) == (Counts(created=2), "")
    there = await kept()
    assert there["Observation/w1"][1]["subject"] == {"reference": f"Patient/{WU[9:]}"}
    assert there[f"Patient/{WU[9:]}"][1]["name"] == [{"family": "吴"}]


ODD = [
    patient("odd", name=[{"text": 'a\\b "c" \\N \\. \\t 吴\n\td'}], gender="male"),
    weight("open", "Patient/odd", effectivePeriod={"end": "2026-11"}),
    weight("less", "Patient/odd", effectivePeriod={"start": "2026-11-29"},
           valueQuantity={"value": Decimal("72.50"), "comparator": "<", "unit": "kg"}),
    {"resourceType": "Basic", "id": "b.-1", "code": {"text": "x"}},
]  # fmt: skip
ROWS = """
    SELECT type, id, version, deleted, hash, since, until, keys, present, indexed,
           regexp_replace(body, '"lastUpdated":"[^"]*"', '') AS body, xid IS NOT NULL AS xid,
           (SELECT string_agg(concat_ws(' ', way, unit, low, high), ',' ORDER BY way, unit)
              FROM fhir.measure m WHERE m.rid = r.rid) AS measures
      FROM fhir.resource r ORDER BY type, id
"""


async def test_a_row_that_is_imported_is_the_row_that_is_created(
    take: Take, written: Written, database: Database
) -> None:
    async with database.transaction() as db, db.transaction() as kept_back:
        await fhir.create(Context(db, SYSTEM, clock.now(), "test"), ODD)
        created = await (await db.execute(ROWS)).fetchall()
        kept_back.force_rollback = True
    assert (await take(written("odd.ndjson", ODD))).counts == Counts(created=4)
    async with database.autocommit() as db:
        assert await (await db.execute(ROWS)).fetchall() == created
    assert [row["measures"] is None for row in created] == [True, False, True, True]


async def test_other_bundles_are_taken_too(take: Take, kept: Kept, written: Written) -> None:
    for kind in ("collection", "document", "message", "searchset", "batch"):
        url = f"http://a.b/fhir/Patient/{kind}"
        entry: Json = {"resource": patient(kind), "fullUrl": url}
        second: Json = {"resource": weight(kind, url)}
        if kind == "searchset":
            entry["search"] = {"mode": "match"}
        if kind == "batch":
            entry, second = post(entry["resource"], url), post(second["resource"])
        result = await take(written(f"{kind}.json", bundle(kind, entry, second)))
        assert result.counts == Counts(created=2)
        subject = (await kept())[f"Observation/{kind}"][1]["subject"]
        assert subject == {"reference": f"Patient/{kind}"}


async def test_the_same_again_writes_nothing_and_what_differs_is_the_next_version(
    take: Take, kept: Kept, written: Written
) -> None:
    value = {"value": 72.5, "unit": "kg"}
    people = [patient("p1"), weight("w1", "Patient/p1", valueQuantity=value)]
    file = written("a.ndjson", people)
    assert (await take(file)).counts == Counts(created=2)
    second = await take(file)
    assert (second.skipped, second.taken, second.counts.created) == (True, 0, 2)
    assert (await take(file, again=True)).counts == Counts(unchanged=2)
    before = await kept()
    given = [{**people[0], "meta": {"versionId": "9", "lastUpdated": "2001-01-01T00:00:00Z"}}]
    assert (await take(written("b.ndjson", given))).counts == Counts(unchanged=1)
    assert await kept() == before
    changed = [people[0], {**people[1], "status": "amended"}]
    assert (await take(written("c.ndjson", changed))).counts == Counts(updated=1, unchanged=1)
    assert (await kept())["Observation/w1"][0] == 2


async def test_what_is_refused_does_not_stop_the_rest(
    take: Take, kept: Kept, written: Written, faults: Faults
) -> None:
    lines = """{"resourceType": "Patient", "id": "p1"}

{
{"resourceType": "Wolf"}
7
{"resourceType": "Patient", "id": "p2", "gender": "x", "colour": "red"}
{"resourceType": "Patient", "id": "p3", "name": [{"family": "\\ud800"}]}
{"resourceType": "Patient", "id": "p4", "name": [{"family": "\\u0000"}]}
{"resourceType": "Patient", "id": "p 9"}
{"resourceType": "Patient", "id": "p5"}"""
    result = await take(written("a.ndjson", lines.encode()))
    assert result.counts == Counts(created=2, refused=7)
    assert sorted(await kept()) == ["Patient/p1", "Patient/p5"]
    told = await faults(result)
    assert [one[:2] for one in told] == [
        (3, "/"), (4, "Wolf/"), (5, "/"), (6, "Patient/p2"), (7, "Patient/p3"),
        (8, "Patient/p4"), (9, "Patient/p 9"),
    ]  # fmt: skip
    assert told[3][2] == "Patient.colour:unknown Patient.gender:code"


async def test_strict_refuses_a_bundle_whole_and_a_later_import_may_take_it(
    take: Take, kept: Kept, written: Written, faults: Faults
) -> None:
    given = bundle(
        "transaction", post(patient("p1")), post(patient("p2", gender="x")), post(patient("p3"))
    )
    file = written("b.json", given)
    result = await take(file, strict=True)
    assert (result.counts, await kept()) == (Counts(refused=3), {})
    assert await faults(result) == [(1, "Patient/p2", "Patient.gender:code")]
    assert (await take(file)).counts == Counts(created=2, refused=1)
    twice = written("c.json", bundle("transaction", post(patient("p8")), {"resource": 7}))
    result = await take(twice, strict=True)
    assert result.counts == Counts(refused=2)
    assert "Patient/p8" not in await kept()


async def test_a_check_tells_what_would_come_of_it_and_stores_nothing(
    take: Take, kept: Kept, written: Written, faults: Faults
) -> None:
    await take(written("a.ndjson", [patient("p1"), patient("p2")]))
    before = await kept()
    given = [patient("p1"), patient("p2", gender="male"), patient("p3"), patient("p4", gender="x")]
    file = written("b.ndjson", given)
    would = Counts(created=1, updated=1, unchanged=1, refused=1)
    result = await take(file, check=True)
    assert (result.counts, await kept()) == (would, before)
    assert await faults(result) == [(4, "Patient/p4", "Patient.gender:code")]
    assert (await take(file)).counts == would


async def test_references_by_a_condition_are_found_or_kept_as_logical_ones(
    take: Take, kept: Kept, written: Written, faults: Faults
) -> None:
    doctor = {"resourceType": "Practitioner", "id": "d1", "identifier": [NUMBER]}
    twins = [patient(f"t{n}", identifier=[{"system": "urn:x", "value": "7"}]) for n in (1, 2)]
    await take(written("a.ndjson", [doctor, *twins]))
    by = {"reference": "Practitioner?identifier=urn:oid:2.16.156.1|A-771", "display": "李医生"}
    away = {"reference": "Organization?identifier=urn:oid:2.16.156.1%7CB-1"}
    given = weight("w1", "Patient/p1", performer=[by, away])
    result = await take(written("b.ndjson", [given, weight("w2", "Patient?identifier=urn:x|7")]))
    assert result.counts == Counts(created=1, refused=1)
    assert (await kept())["Observation/w1"][1]["performer"] == [
        {"display": "李医生", "reference": "Practitioner/d1"},
        {"type": "Organization", "identifier": {"system": "urn:oid:2.16.156.1", "value": "B-1"}},
    ]
    assert await faults(result) == [(2, "Observation/w2", "Observation:unresolved")]
    strict = await take(written("c.json", bundle("collection", {"resource": given})), strict=True)
    assert strict.counts == Counts(refused=1)


async def test_a_create_by_a_condition_makes_one_resource_however_often_it_is_said(
    take: Take, kept: Kept, written: Written
) -> None:
    known = {"resourceType": "Practitioner", "identifier": [NUMBER]}
    condition = "identifier=urn:oid:2.16.156.1|A-771"
    for name in ("a", "b"):
        entries = [post(known, WU, ifNoneExist=condition), post(weight(name, f"Patient/{name}"))]
        entries[1]["resource"]["performer"] = [{"reference": WU}]
        await take(written(f"{name}.json", bundle("transaction", *entries)))
    there = await kept()
    (doctor,) = (name for name in there if name.startswith("Practitioner/"))
    for name in ("a", "b"):
        assert there[f"Observation/{name}"][1]["performer"] == [{"reference": doctor}]


async def test_entries_that_are_no_resources_to_store_are_refused(
    take: Take, written: Written, faults: Faults
) -> None:
    given = bundle(
        "transaction",
        {"request": {"method": "DELETE", "url": "Patient/p1"}},
        {"request": {"method": "GET", "url": "Patient/p1"}},
        post(weight("w1", "urn:uuid:11111111-2222-4333-8444-555555555555")),
        post(patient("p1")),
    )
    result = await take(written("b.json", given))
    assert result.counts == Counts(created=1, refused=3)
    codes = {place: codes.rpartition(":")[2] for place, _, codes in await faults(result)}
    assert codes == {0: "unexpected", 1: "unexpected", 2: "unresolved"}


async def test_the_last_of_one_id_in_a_file_is_the_newest(
    take: Take, kept: Kept, written: Written
) -> None:
    several = [patient("p1", gender=gender) for gender in ("male", "female", "other")]
    assert (await take(written("a.ndjson", several))).counts == Counts(created=1, updated=2)
    version, newest = (await kept())["Patient/p1"]
    assert (version, newest["gender"]) == (3, "other")


async def test_an_import_that_stops_goes_on_where_it_was(
    take: Take, kept: Kept, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BATCH", 4)
    monkeypatch.setattr(preparing, "BATCH", 4)
    people = [patient(f"p{n}", gender="x" if n == 5 else "male") for n in range(11)]
    entries = [post(one) for one in people]
    for file in (written("a.ndjson", people), written("b.json", bundle("batch", *entries))):
        told: list[Counts] = []

        def stop_after_the_second(_: int, counts: Counts, told: list[Counts] = told) -> None:
            told.append(counts)
            if len(told) == 2:
                raise _Stopped

        with pytest.raises(_Stopped):
            await take(file, tell=stop_after_the_second)
        result = await take(file)
        assert (result.taken, result.counts.all, result.counts.refused) == (3, 11, 1)
        assert {version for version, _ in (await kept()).values()} == {1}


class _Stopped(Exception):
    pass


async def test_parts_are_listed_page_by_page_the_last_first(
    take: Take, database: Database, written: Written
) -> None:
    for n in range(5):
        await take(written(f"{n}.ndjson", [patient(f"p{n}"), patient("x", gender="x")]))
    names, token = list[str](), None
    async with database.transaction() as db:
        cx = Context(db, SYSTEM, clock.now(), "test")
        while token is not None or not names:
            page = await importing.list_parts(cx, token, 2)
            names += [Path(one.name).stem for one in page.items]
            assert {(one.done, one.refused) for one in page.items} == {(2, 1)}
            token = page.next
    assert names == ["4", "3", "2", "1", "0"]


async def test_what_is_nested_beyond_reason_is_refused(
    take: Take, written: Written, faults: Faults
) -> None:
    inner = '{"extension":[' * 400 + "]}" * 400
    deep = '{"resourceType":"Patient","id":"p","extension":[' + inner + "]}"
    result = await take(written("a.ndjson", f"{'[' * 200_000}\n{deep}\n".encode()))
    assert result.counts == Counts(refused=2)
    assert [one[2] for one in await faults(result)] == [":json", "resource:depth"]


@pytest.mark.race
async def test_two_imports_of_one_content_write_it_once(
    take: Take, kept: Kept, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BATCH", 5)
    file = written("a.ndjson", [patient(f"p{n}") for n in range(200)])
    results = await asyncio.gather(take(file), take(file), take(file))
    assert {one.counts for one in results} == {Counts(created=200)}
    assert sum(one.taken for one in results) == 200
    assert {version for version, _ in (await kept()).values()} == {1}


@pytest.mark.race
async def test_two_files_with_one_new_id_make_one_resource(
    take: Take, kept: Kept, written: Written
) -> None:
    names = [f"p{n}" for n in range(60)]
    files = [written(f"{k}.ndjson", [*map(patient, names), patient(f"x{k}")]) for k in range(4)]
    results = await asyncio.gather(*map(take, files))
    assert sum(one.counts.created for one in results) == 64
    assert {version for version, _ in (await kept()).values()} == {1}


@pytest.mark.parametrize(
    ("condition", "read"),
    [
        ("Patient?identifier=urn:x|7", ("Patient", "urn:x", "7")),
        ("Patient?identifier=|7", ("Patient", "", "7")),
        ("Patient?identifier=urn%3Ax%7C7%2F8", ("Patient", "urn:x", "7/8")),
        ("Patient?identifier=7", None),
        ("Patient?identifier=urn:x|7,urn:x|8", None),
        ("Patient?identifier=urn:x|7&active=true", None),
        ("Patient?name=wu", None),
        ("Wolf?identifier=urn:x|7", None),
        ("Patient?", None),
    ],
)
def test_only_identifiers_are_looked_for(condition: str, read: object) -> None:
    assert asking.identifier_of(condition) == read
