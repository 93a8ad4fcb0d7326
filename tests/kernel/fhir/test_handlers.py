"""People as others read them follow the index: by event, once or ten times, in any order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any
from uuid import UUID

import pytest

from citycare import worker
from citycare.kernel import events, fhir, identity
from citycare.kernel.context import SYSTEM, Channel, Context
from citycare.kernel.fhir.handlers import HANDLERS
from citycare.kernel.identity import NewPerson, ProxyScope, RelationKind, Sex, documents
from citycare.kit.db import Database
from tests.conftest import NOW

MOTHER = NewPerson("林秀英", Sex.FEMALE, date(1959, 3, 12), phone="13800001111")
DAUGHTER = NewPerson("林静", Sex.FEMALE, date(1986, 6, 20))


async def within(database: Database, run: Callable[[Context], Awaitable[Any]]) -> Any:
    async with database.transaction() as db:
        return await run(Context(db, SYSTEM, NOW, "test-request", Channel.PHONE, "test"))


async def read(database: Database, kind: str, id_: UUID) -> dict[str, Any]:
    return dict(await within(database, lambda cx: fhir.get(cx, kind, str(id_))))


async def register(database: Database, new: NewPerson, *, verified: bool = True) -> UUID:
    number = documents.synthetic_number(new.born_on, new.sex, 1)
    by = "window:test" if verified else None
    made = await within(
        database, lambda cx: identity.register_person(cx, new, [number], verified_by=by)
    )
    return UUID(str(made.id))


def test_the_worker_knows_every_handler() -> None:
    assert set(HANDLERS) <= set(worker.HANDLERS)


async def test_a_registered_person_becomes_a_patient(database: Database) -> None:
    person = await register(database, MOTHER)
    with pytest.raises(fhir.ResourceNotFound):
        await read(database, "Patient", person)
    await events.drain(database, HANDLERS)
    patient = await read(database, "Patient", person)
    assert patient["name"][0]["text"] == "林秀英"
    assert patient["telecom"][0]["value"] == "13800001111"
    assert len(patient["identifier"]) == 1


async def test_a_number_nobody_checked_is_not_published(database: Database) -> None:
    person = await register(database, MOTHER, verified=False)
    await events.drain(database, HANDLERS)
    assert "identifier" not in await read(database, "Patient", person)


async def test_a_relation_is_published_and_its_end_too(database: Database) -> None:
    mother, daughter = await register(database, MOTHER), await register(database, DAUGHTER)
    relation = await within(
        database,
        lambda cx: identity.add_relation(
            cx, mother, daughter, RelationKind.CHILD, [ProxyScope.BOOKING]
        ),
    )
    await events.drain(database, HANDLERS)
    published = await read(database, "RelatedPerson", relation.id)
    assert published["patient"]["reference"] == f"Patient/{mother}"
    assert published["name"][0]["text"] == "林静"
    assert published["active"] is True
    await within(database, lambda cx: identity.end_relation(cx, relation.id))
    await events.drain(database, HANDLERS)
    ended = await read(database, "RelatedPerson", relation.id)
    assert ended["active"] is False
    assert ended["period"]["end"].startswith("2026-11-22T01:00")


async def test_corrections_and_merges_follow(database: Database) -> None:
    mother = await register(database, MOTHER)
    twin = await register(database, MOTHER, verified=False)
    await within(database, lambda cx: identity.correct_person(cx, mother, phone="13900002222"))
    merged = await within(database, lambda cx: identity.merge(cx, mother, twin, "同一人"))
    await events.drain(database, HANDLERS)
    assert (await read(database, "Patient", mother))["telecom"][0]["value"] == "13900002222"
    gone = await read(database, "Patient", twin)
    assert gone["active"] is False
    assert gone["link"][0]["other"]["reference"] == f"Patient/{mother}"
    await within(database, lambda cx: identity.unmerge(cx, merged.id))
    await events.drain(database, HANDLERS)
    assert (await read(database, "Patient", twin))["active"] is True


async def test_overtaking_events_end_in_the_same_record(database: Database) -> None:
    person = await register(database, MOTHER)
    await within(database, lambda cx: identity.correct_person(cx, person, name="林秀瑛"))
    await events.drain(database, HANDLERS)
    before = await read(database, "Patient", person)
    late = events.Event("identity.person_registered", {"person": str(person)})
    await within(database, lambda cx: HANDLERS[0].run(cx, late))
    after = await read(database, "Patient", person)
    assert before["name"] == after["name"]
    assert before["name"][0]["text"] == "林秀瑛"
