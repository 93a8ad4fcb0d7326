"""References that lead nowhere in the end are told, with their place; old notes are forgotten."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson

from citycare.kernel import fhir
from citycare.kernel.context import SYSTEM, Context
from citycare.kernel.fhir import importing
from citycare.kernel.fhir.importing import Dangling, Result
from citycare.kit import clock
from citycare.kit.db import Database
from tests.kernel.fhir.importing.conftest import Take, patient, weight

Written = Callable[[str, Any], Path]
BASE = "http://city/fhir/R4"


async def lost(database: Database, *results: Result) -> Dangling:
    async with database.transaction() as db:
        cx = Context(db, SYSTEM, clock.now(), "test")
        return await importing.dangling(cx, results, BASE)


def told(found: Dangling) -> list[tuple[str, str, str]]:
    return [(one.id, one.element, one.message.rpartition(" ")[2]) for one in found.told]


async def test_what_comes_later_is_found(take: Take, written: Written, database: Database) -> None:
    first = await take(written("w.ndjson", [weight("w1", "Patient/p1"), weight("w2", "Patient/q")]))
    then = await take(written("p.ndjson", [patient("p1")]))
    found = await lost(database, first, then)
    assert (found.count, told(found)) == (1, [("w2", "Observation.subject.reference", "Patient/q")])
    third = await take(written("q.ndjson", [patient("q")]))
    assert await lost(database, first, then, third) == Dangling()


async def test_every_way_a_reference_is_written(
    take: Take, written: Written, database: Database
) -> None:
    links = [
        f"{BASE}/Patient/gone", f"{BASE}/Patient/here", "Patient/gone/_history/2",
        "Patient/here/_history/7", "http://elsewhere/fhir/Patient/gone", "#part", "Patient/deleted",
    ]  # fmt: skip
    more = {
        "contained": [patient("part")],
        "performer": [{"reference": one} for one in links],
        "note": [{"text": '{"reference":"Patient/said"}'}],
    }
    result = await take(
        written("all.ndjson", [weight("w1", "Patient/here", **more), patient("here")])
    )
    async with database.transaction() as db:
        cx = Context(db, SYSTEM, clock.now(), "test")
        await fhir.create(cx, [patient("deleted")])
        await fhir.delete(cx, "Patient", "deleted")
    found = await lost(database, result)
    assert told(found) == [
        ("w1", "Observation.performer[0].reference", "Patient/gone"),
        ("w1", "Observation.performer[6].reference", "Patient/deleted"),
    ]
    assert found.count == 3, "by its address, its version, its name"


async def test_only_what_this_import_wrote_counts(
    take: Take, written: Written, database: Database
) -> None:
    file = written("w.ndjson", [weight("w1", "Patient/q")])
    first = await take(file)
    assert (await lost(database, first)).count == 1
    again = await take(file)
    assert again.skipped
    assert await lost(database, again) == Dangling(), "finished before: told before"
    same = await take(file, again=True)
    assert same.counts.unchanged == 1
    assert await lost(database, same) == Dangling()


async def test_the_report_has_them_last_without_a_place(
    take: Take, written: Written, database: Database, tmp_path: Path
) -> None:
    broken = patient("p", gender="x")
    result = await take(written("v.ndjson", [weight("w1", "Patient/q"), broken]))
    found = await lost(database, result)
    for name in ("faults.ndjson", "faults.csv"):
        async with database.transaction() as db:
            cx = Context(db, SYSTEM, clock.now(), "test")
            path = tmp_path / name
            assert await importing.write_report(cx, [result], path, found.told) == 1
    *_, last = (tmp_path / "faults.ndjson").read_text("utf-8").splitlines()
    row = orjson.loads(last)
    assert (row["file"], row["place"], row["id"]) == ("", None, "w1")
    assert row["faults"][0]["code"] == "unresolved"
    lines = (tmp_path / "faults.csv").read_text("utf-8-sig").splitlines()
    assert len(lines) == 3
    assert lines[2].startswith(",,Observation,w1,Observation.subject.reference,unresolved,")


async def test_notes_of_imports_are_forgotten_after_ninety_days(
    take: Take, written: Written, database: Database
) -> None:
    result = await take(written("p.ndjson", [patient("p"), patient("x", gender="x")]))
    async with database.transaction() as db:
        cx = Context(db, SYSTEM, clock.now(), "test")
        stopped = (
            "INSERT INTO fhir.import_part (digest, name, bytes, began_at) VALUES (%s, 'x', 1, %s)"
        )
        await db.execute(stopped, [bytes(32), cx.now])
        assert await importing.purge(replace(cx, now=cx.now + timedelta(days=89))) == 0
        later = replace(cx, now=cx.now + timedelta(days=91))
        assert await importing.purge(later) == 1
        assert [one.name for one in (await importing.list_parts(cx)).items] == ["x"]
        assert [one async for one in importing.refused(cx, result.digest)] == []
