"""What changed between two snapshots: each version once, in order, whoever commits when."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from citycare.kernel import fhir
from citycare.kernel.context import SYSTEM, Context
from citycare.kernel.fhir import changes
from citycare.kernel.fhir.changes import Change, Interaction
from citycare.kit.db import Connection, Database
from tests.conftest import NOW

Json = dict[str, Any]


def place(id_: str, name: str) -> Json:
    return {"resourceType": "Location", "id": id_, "name": name}


def on(db: Connection) -> Context:
    return Context(db, SYSTEM, NOW, "test-request")


async def snapshot(database: Database) -> str:
    async with database.transaction() as db:
        return await changes.snapshot(on(db))


async def between(database: Database, old: str, new: str, **more: Any) -> list[Change]:
    async with database.transaction() as db:
        return await changes.between(on(db), old, new, **more)


async def put(database: Database, *resources: Json) -> None:
    async with database.transaction() as db:
        await fhir.put(on(db), resources)


async def test_every_version_stands_there_as_it_was_written(database: Database) -> None:
    await put(database, place("a", "一楼"))
    old = await snapshot(database)
    await put(database, place("a", "二楼"), place("b", "三楼"))
    async with database.transaction() as db:
        await fhir.delete(on(db), "Location", "a")
        await fhir.put(on(db), [place("a", "四楼")])
    found = await between(database, old, await snapshot(database))
    assert [(each.id, each.version, each.interaction) for each in found] == [
        ("a", 2, Interaction.UPDATE),
        ("b", 1, Interaction.CREATE),
        ("a", 3, Interaction.DELETE),
        ("a", 4, Interaction.UPDATE),
    ]
    names = [each.resource() and (each.resource() or {})["name"] for each in found]
    assert names == ["二楼", "三楼", None, "四楼"]
    assert found[0].keys
    assert not found[2].keys


async def test_a_transaction_that_was_under_way_comes_when_it_has_ended(
    database: Database,
) -> None:
    async with database.transaction() as slow:
        await fhir.put(on(slow), [place("slow", "一楼")])
        first = await snapshot(database)
        await put(database, place("quick", "二楼"))
        second = await snapshot(database)
        assert [each.id for each in await between(database, first, second)] == ["quick"]
    third = await snapshot(database)
    assert [each.id for each in await between(database, second, third)] == ["slow"]
    assert await between(database, third, third) == []


async def test_what_was_replaced_after_the_second_snapshot_is_still_in_it(
    database: Database,
) -> None:
    first = await snapshot(database)
    await put(database, place("a", "一楼"))
    second = await snapshot(database)
    await put(database, place("a", "二楼"))
    third = await snapshot(database)
    assert [each.version for each in await between(database, first, second)] == [1]
    assert [each.version for each in await between(database, second, third)] == [2]


async def test_what_this_transaction_replaces_is_still_in_it(database: Database) -> None:
    first = await snapshot(database)
    await put(database, place("a", "一楼"))
    second = await snapshot(database)
    async with database.transaction() as db:
        await fhir.put(on(db), [place("a", "二楼")])
        found = await changes.between(on(db), first, second)
        assert [(each.id, each.version) for each in found] == [("a", 1)]


async def test_what_was_rolled_back_never_comes(database: Database) -> None:
    first = await snapshot(database)
    wrong = {"resourceType": "Location", "id": "b", "nonsense": 1}

    async def write() -> None:
        async with database.transaction() as db:
            await fhir.put(on(db), [place("a", "一楼")])
            await fhir.put(on(db), [wrong])

    with pytest.raises(fhir.Invalid):
        await write()
    assert await between(database, first, await snapshot(database)) == []


async def test_pages_neither_repeat_nor_miss(database: Database) -> None:
    first = await snapshot(database)
    for round_ in range(3):
        await put(database, *(place(f"l-{number}", f"{round_}楼") for number in range(5)))
    second = await snapshot(database)
    whole = await between(database, first, second)
    pages: list[Change] = []
    while page := await between(
        database, first, second, after_rid=pages[-1].rid if pages else 0, count=4
    ):
        pages += page
    assert pages == whole
    assert len(whole) == 15
    with pytest.raises(fhir.TooMany):
        await between(database, first, second, count=0)


async def test_types_that_nobody_asks_for_take_no_place_in_a_page(database: Database) -> None:
    first = await snapshot(database)
    basic = {"resourceType": "Basic", "code": {"text": "x"}}
    await put(database, *(place(f"l-{number}", "楼") for number in range(3)), basic | {"id": "x"})
    await put(database, place("l-1", "新楼"), basic | {"id": "y"}, basic | {"id": "x"})
    second = await snapshot(database)
    async with database.autocommit() as db:
        found = await changes.between(on(db), first, second, ["Basic"], count=3)
        assert await changes.between(on(db), first, second, []) == []
    assert [(each.id, each.version) for each in found] == [("x", 1), ("x", 2), ("y", 1)]


async def test_a_page_that_is_not_full_is_the_last(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await snapshot(database)
    await put(database, *(place(f"l-{number}", "楼" * 200) for number in range(4)))
    page = await between(database, first, await snapshot(database), count=5)
    assert changes.is_last(page, 5)
    assert not changes.is_last(page, 4)
    monkeypatch.setattr(changes, "BYTES_MAX", sum(each.size for each in page))
    assert not changes.is_last(page, 5)  # there may be more that found no room
    assert changes.is_last([], 5)


async def test_the_newest_number_stays_while_nothing_is_written(database: Database) -> None:
    async def number() -> int:
        async with database.autocommit() as db:
            return await changes.newest_number(on(db))

    await put(database, place("a", "一楼"))
    before = await number()
    await snapshot(database)
    assert await number() == before
    await put(database, place("a", "二楼"))
    assert await number() == before + 1


@pytest.mark.race
async def test_writers_at_once_and_a_reader_that_follows_them(database: Database) -> None:
    """Eight writers of the same ten resources in long and short transactions."""
    start = await snapshot(database)
    dice = random.Random(7)
    ended = False

    async def write(number: int) -> None:
        for round_ in range(12):
            async with database.transaction() as db:
                for id_ in sorted(dice.sample(range(10), 3)):
                    await fhir.put(on(db), [place(f"l-{id_}", f"{number}号{round_}次")])
                    await asyncio.sleep(dice.random() / 100)

    async def read() -> list[Change]:
        found: list[Change] = []
        old = start
        while True:
            last_round = ended
            new = await snapshot(database)
            found += await between(database, old, new)
            old = new
            if last_round:
                return found
            await asyncio.sleep(0.005)

    reading = asyncio.create_task(read())
    # ten places are made first: two who make the same one at once refuse each other
    await put(database, *(place(f"l-{number}", "最初") for number in range(10)))
    await asyncio.gather(*(write(number) for number in range(8)))
    ended = True
    found = await reading
    assert len(found) == 10 + 8 * 12 * 3
    for id_ in {each.id for each in found}:
        versions = [each.version for each in found if each.id == id_]
        assert versions == list(range(1, len(versions) + 1)), id_


async def test_versions_are_found_new_and_old(database: Database) -> None:
    await put(database, place("a", "一楼"))
    await put(database, place("a", "二楼"))
    async with database.transaction() as db:
        await fhir.delete(on(db), "Location", "a")
        asked = [fhir.Key("Location", "a", number) for number in (1, 2, 3, 4)]
        found = await changes.find_versions(on(db), asked)
        assert await changes.find_versions(on(db), []) == {}
    assert sorted(key.version for key in found) == [1, 2, 3]
    assert "一楼" in (found[asked[0]].body or "")
    assert found[asked[2]].body is None


async def test_a_page_is_found_by_the_index(database: Database) -> None:
    await put(database, *(place(f"l-{number}", "楼") for number in range(3_000)))
    async with database.transaction() as db:
        old = await changes.snapshot(on(db))
        await fhir.put(on(db), [place("l-3", "新楼")])
    new = await snapshot(database)
    async with database.transaction() as db:
        rows = await db.execute(
            f"EXPLAIN {changes.BETWEEN}".encode(),
            {"old": old, "new": new, "types": ["Location"], "after": 0, "count": 500},
        )
        plan = "\n".join(row["QUERY PLAN"] for row in await rows.fetchall())
    assert plan.count("resource_xid") == 2
    assert plan.count("version_replaced") == 2
    assert "Seq Scan" not in plan


async def test_a_page_ends_before_its_bytes_are_too_many(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "BETWEEN", changes.BETWEEN.replace(f"{changes.BYTES_MAX}", "1000"))
    first = await snapshot(database)
    await put(database, *(place(f"l-{number}", "楼" * 200) for number in range(4)))
    second = await snapshot(database)
    pages: list[list[Change]] = []
    while page := await between(
        database, first, second, after_rid=pages[-1][-1].rid if pages else 0
    ):
        pages.append(page)
    assert [len(page) for page in pages] == [2, 2]
    assert pages[0][0].size == len((pages[0][0].body or "").encode())


async def newest(
    database: Database, old: str | None, new: str, kind: str = "Location", **more: int
) -> list[Change]:
    """Read all pages of the newest versions of a type."""
    found: list[Change] = []
    while True:
        after = found[-1].rid if found else 0
        async with database.transaction() as db:
            page = await changes.newest_between(
                on(db), old, new, [kind], after_rid=after, count=more.get("count", 100)
            )
        if not page:
            return found
        found += page


async def test_the_newest_come_once_in_pages_and_of_their_type_alone(database: Database) -> None:
    await put(database, place("a", "一楼"), place("b", "一楼"))
    old = await snapshot(database)
    await put(database, *(place(f"p{n}", "二楼") for n in range(9)), place("a", "二楼"))
    await put(
        database, place("a", "三楼"), {"resourceType": "Basic", "code": {"text": "x"}, "id": "x"}
    )
    async with database.transaction() as db:
        await fhir.delete(on(db), "Location", "p3")
    new = await snapshot(database)
    await put(database, place("later", "四楼"), place("p4", "五楼"))  # comes in the next round
    for count in (1, 3, 100):
        found = await newest(database, old, new, count=count)
        names = {each.id: each.version for each in found}
        assert len(found) == len(names)
        assert names == {f"p{n}": 2 if n == 3 else 1 for n in range(9) if n != 4} | {"a": 3}
        assert [each.id for each in found if each.deleted] == ["p3"]
    assert [each.id for each in await newest(database, old, new, "Basic")] == ["x"]
    following = await newest(database, new, await snapshot(database))
    assert {each.id for each in following} == {"later", "p4"}


async def test_from_the_beginning_all_are_new_also_those_of_a_restored_dump(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(database, *(place(f"p{n}", "一楼" * 100) for n in range(5)))
    async with database.transaction() as slow:
        await fhir.put(on(slow), [place("slow", "一楼")])
        first = await snapshot(database)
        assert len(await newest(database, None, first, count=2)) == 5
    assert [each.id for each in await newest(database, first, await snapshot(database))] == ["slow"]
    async with database.transaction() as db:  # as the runbook has it after a pg_restore
        await db.execute("UPDATE fhir.resource SET xid = NULL")
    again = await snapshot(database)
    assert len(await newest(database, None, again, count=2)) == 6
    assert await newest(database, first, again) == []
    small = changes.ALL.replace(str(changes.BYTES_MAX), "700")
    assert small != changes.ALL
    monkeypatch.setattr(changes, "ALL", small)
    async with database.transaction() as db:
        page = await changes.newest_between(on(db), None, first, ["Location"], count=100)
        assert 0 < len(page) < 5  # bodies have an end, too


async def test_what_a_transaction_under_way_wrote_comes_after_it(database: Database) -> None:
    dice = random.Random(7)
    told: set[tuple[str, int]] = set()
    old = await snapshot(database)
    for turn in range(6):
        async with database.transaction() as slow:
            await fhir.put(on(slow), [place(f"s{turn}", "一楼")])
            await put(database, *(place(f"q{dice.randrange(5)}", f"{turn}") for _ in range(1)))
            new = await snapshot(database)
            some = await newest(database, old, new, count=1)
        assert told.isdisjoint((each.id, each.version) for each in some)
        told |= {(each.id, each.version) for each in some}
        old = new
    told |= {(one.id, one.version) for one in await newest(database, old, await snapshot(database))}
    assert {f"s{turn}" for turn in range(6)} <= {id_ for id_, _ in told}
