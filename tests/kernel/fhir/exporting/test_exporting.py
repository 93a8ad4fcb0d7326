from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from citycare.kernel import audit, events, fhir
from citycare.kernel.context import SYSTEM, Context
from citycare.kernel.fhir import exporting
from citycare.kernel.fhir.exporting import Asked, Level, Status, running, store
from citycare.kernel.fhir.finding import EVERYTHING, Visible
from citycare.kernel.fhir.searching.model import Criterion, ParamType, Token
from citycare.kit.db import Database

Json = dict[str, Any]
Lines = list[Json]
NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
ORGANISATION = UUID("0199aaaa-0000-7000-8000-000000000001")
At = Callable[..., AbstractAsyncContextManager[Context]]
Export = Callable[..., Awaitable[tuple[Status, dict[str, Lines]]]]


@pytest.fixture
def at(database: Database) -> At:
    """A context so many minutes after NOW, in a transaction that is committed."""

    @asynccontextmanager
    async def open_(minutes: int = 0) -> AsyncIterator[Context]:
        async with database.transaction() as db:
            yield Context(db, SYSTEM, NOW + timedelta(minutes=minutes), "test", purpose="test")

    return open_


@pytest.fixture
def export(database: Database, at: At) -> Export:
    """Exports to the end; the status and the resources by type."""

    async def whole(
        asked: Asked, *, meanwhile: Callable[[], Awaitable[object]] | None = None, **reading: Any
    ) -> tuple[Status, dict[str, Lines]]:
        async with at(60) as cx:
            id_ = await exporting.start(cx, asked)
        if meanwhile is not None:
            await meanwhile()
        await events.drain(database, jobs=exporting.JOBS)
        async with at(61) as cx:
            told = await exporting.status(cx, id_)
            return told, await read_all(cx, told, **reading)

    return whole


async def read_all(cx: Context, told: Status, visible: Visible = EVERYTHING) -> dict[str, Lines]:
    found: dict[str, Lines] = {}
    for file in told.files:
        text, after = b"", 0
        while True:
            piece = await exporting.read(cx, told.id, file.number, after, visible=visible)
            text += piece.text
            if piece.after is None:
                break
            after = piece.after
        lines = [json.loads(line) for line in text.splitlines()]
        if visible is EVERYTHING:
            assert (len(lines), len(text)) == (file.count, file.bytes)
        assert {one["resourceType"] for one in lines} <= {file.type}
        found.setdefault(file.type, []).extend(lines)
    return found


def patient(id_: str, **more: Any) -> Json:
    return {"resourceType": "Patient", "id": id_, **more}


def weight(id_: str, subject: str, **more: Any) -> Json:
    code = {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]}
    return {"resourceType": "Observation", "id": id_, "status": "final", "code": code,
            "subject": {"reference": subject}, **more}  # fmt: skip


def place(id_: str) -> Json:
    return {"resourceType": "Location", "id": id_, "name": "三楼"}


def names(lines: Sequence[Json]) -> list[str]:
    found = [one["id"] for one in lines]
    assert len(found) == len(set(found)), "a resource came twice"
    return sorted(found)


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few resources are many steps, files and pieces."""
    for module in (store, running):
        monkeypatch.setattr(module, "STEP_ROWS", 7)
    monkeypatch.setattr(running, "STEP_MEMBERS", 2)
    monkeypatch.setattr(running, "PIECE", 3)


async def put(cx: Context, *resources: Json, **more: Any) -> None:
    await fhir.put(cx, resources, **more)


async def town(at: At) -> None:
    """30 patients with two weights each, of which one is of p0 and p1 both; two places."""
    for minute in range(3):
        async with at(minute) as cx:
            people = [f"p{n}" for n in range(minute, 30, 3)]
            both = [{"reference": "Patient/p0"}, {"reference": "Patient/p1"}]
            await put(
                cx,
                *map(patient, people),
                *(weight(f"{n}{one}", f"Patient/{one}") for one in people for n in "ab"),
                *([weight("both", "Patient/p0", performer=both[1:])] if minute == 2 else []),
                place(f"room-{minute}"),
            )


async def test_the_system_is_exported_whole_once_each(at: At, export: Export) -> None:
    await town(at)
    told, found = await export(Asked(Level.SYSTEM, request="http://city/$export"))
    assert told.ended
    assert {kind: len(names(lines)) for kind, lines in found.items()} == {
        "Location": 3, "Observation": 61, "Patient": 30,
    }  # fmt: skip
    assert told.count == 94
    assert max(file.count for file in told.files) <= 7
    async with at(62) as cx:
        entries = await audit.search(cx, audit.Query(action="fhir.export"))
    assert entries.items[0].seen.record == f"fhir.export/{told.id}"


async def test_exactly_the_types_asked_for(at: At, export: Export) -> None:
    await town(at)
    told, found = await export(Asked(Level.SYSTEM, types=("Location", "Patient", "Device")))
    assert set(found) == {"Location", "Patient"}
    assert (told.types, told.done) == (["Location", "Patient", "Device"], 3)
    async with at() as cx:
        for wrong, error in (("Wolf", fhir.TypeUnknown), ("Location", exporting.TypeOutside)):
            with pytest.raises(error):
                await exporting.start(cx, Asked(Level.PATIENT, types=(wrong,)))


async def test_since_leaves_out_what_was_not_changed_after_it(at: At, export: Export) -> None:
    await town(at)
    async with at(5) as cx:
        await put(cx, patient("p7", gender="female"))
    _, found = await export(Asked(Level.SYSTEM, since=NOW + timedelta(minutes=2)))
    assert {kind: names(lines) for kind, lines in found.items()} == {"Patient": ["p7"]}
    _, found = await export(Asked(Level.SYSTEM, since=NOW + timedelta(minutes=1)))
    assert len(found["Patient"]) == 11


async def test_patients_are_exported_with_what_is_theirs_alone(at: At, export: Export) -> None:
    await town(at)
    async with at(3) as cx:
        await put(cx, weight("room", "Location/room-1"), weight("lost", "Patient/nobody"))
    _, found = await export(Asked(Level.PATIENT))
    assert set(found) == {"Patient", "Observation"}
    assert not {"room", "lost"} & set(names(found["Observation"]))
    assert len(found["Observation"]) == 61
    _, found = await export(Asked(Level.PATIENT, patients=("p1", "p4"), types=("Observation",)))
    assert names(found["Observation"]) == ["ap1", "ap4", "both", "bp1", "bp4"]


async def test_a_group_is_its_members_who_have_not_left(at: At, export: Export) -> None:
    await town(at)
    members: list[Json] = [{"entity": {"reference": f"Patient/p{n}"}} for n in (0, 9, 4, 1, 0, 12)]
    members.append({"entity": {"reference": "Patient/p5"}, "inactive": True})
    group = {"resourceType": "Group", "id": "g", "type": "person", "actual": True}
    async with at(3) as cx:
        await put(cx, {**group, "member": members}, {**group, "id": "none"})
    _, found = await export(Asked(Level.GROUP, group="g"))
    assert names(found["Patient"]) == ["p0", "p1", "p12", "p4", "p9"]
    assert len(names(found["Observation"])) == 11
    assert names(found["Group"]) == ["g"]
    told, found = await export(Asked(Level.GROUP, group="none"))
    assert (told.ended, found) == (True, {})
    async with at() as cx:
        with pytest.raises(fhir.ResourceNotFound):
            await exporting.start(cx, Asked(Level.GROUP, group="away"))


@pytest.mark.parametrize("asked", [
    Asked(Level.SYSTEM), Asked(Level.PATIENT), Asked(Level.PATIENT, patients=("p0", "p1", "p2")),
])  # fmt: skip
async def test_all_files_are_of_the_instant_of_the_start(
    at: At, export: Export, asked: Asked
) -> None:
    await town(at)
    _, before = await export(asked)

    async def change() -> None:
        async with at(70) as cx:
            await put(cx, patient("p0", gender="female"), patient("p2"), weight("n", "Patient/p1"))
            await put(cx, patient("p0", gender="male"))
            await fhir.delete(cx, "Observation", "ap0")
            await fhir.delete(cx, "Observation", "both")

    told, after = await export(asked, meanwhile=change)
    assert {k: sorted(v, key=str) for k, v in after.items()} == {
        k: sorted(v, key=str) for k, v in before.items()
    }
    async with at(90) as cx:
        assert await read_all(cx, told) == after
    assert told.transaction_time < NOW + timedelta(minutes=60)


async def test_only_what_may_be_seen_is_exported(at: At, export: Export) -> None:
    await town(at)
    async with at(3) as cx:
        await put(cx, weight("ours", "Patient/p3"), owner=ORGANISATION)
    may = Visible(organisations=frozenset({ORGANISATION}), open_types=frozenset({"Location"}))
    _, found = await export(Asked(Level.SYSTEM, visible=may))
    assert {kind: names(lines) for kind, lines in found.items()} == {
        "Location": ["room-0", "room-1", "room-2"], "Observation": ["ours"],
    }  # fmt: skip
    only = Visible(everything=True, types=frozenset({"Patient"}))
    _, found = await export(Asked(Level.SYSTEM, visible=only))
    assert set(found) == {"Patient"}
    less = Visible(open_types=frozenset({"Location"}))
    _, found = await export(Asked(Level.SYSTEM), visible=less)
    assert {kind for kind, lines in found.items() if lines} == {"Location"}


async def test_a_type_seen_within_limits_alone_is_not_exported(at: At, export: Export) -> None:
    await town(at)
    limit = (Criterion("_id", ParamType.TOKEN, values=(Token(None, "ap0"),)),)
    for types in (None, frozenset({"Patient", "Observation"})):
        may = Visible(everything=True, types=types, limits={"Observation": (limit,)})
        _, found = await export(Asked(Level.SYSTEM, visible=may))
        assert set(found) == {"Patient"} | ({"Location"} if types is None else set())


async def test_an_export_is_cancelled_expires_and_is_not_served_before_its_end(
    database: Database, at: At, export: Export
) -> None:
    await town(at)
    async with at(60) as cx:
        id_ = await exporting.start(cx, Asked(Level.SYSTEM))
        with pytest.raises(exporting.ExportUnfinished):
            await exporting.open_file(cx, id_, 1)
        await exporting.cancel(cx, id_)
    await events.drain(database, jobs=exporting.JOBS)
    async with at(61) as cx:
        with pytest.raises(exporting.ExportNotFound):
            await exporting.cancel(cx, id_)
    told, _ = await export(Asked(Level.SYSTEM))
    async with at(62) as cx:
        assert (await exporting.open_file(cx, told.id, 1)).count == told.files[0].count
        with pytest.raises(exporting.ExportNotFound):
            await exporting.open_file(cx, told.id, 99)
        assert await exporting.purge(cx) == 0
    late = told.expires_at + timedelta(seconds=1)
    async with database.transaction() as db:
        cx = Context(db, SYSTEM, late, "test", purpose="test")
        with pytest.raises(exporting.ExportNotFound):
            await exporting.read(cx, told.id, 1)
        assert await exporting.purge(cx) == 1


async def test_only_so_many_are_under_way(at: At, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "RUNNING_MAX", 1)
    async with at() as cx:
        await exporting.start(cx, Asked(Level.SYSTEM))
        with pytest.raises(exporting.TooManyExports):
            await exporting.start(cx, Asked(Level.SYSTEM))
