"""What a hospital keeps of a resident under its own id: joined by the card, and taken back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from citycare.kernel import consent, fhir, identity
from citycare.kernel.consent import CareRow
from citycare.kernel.context import SYSTEM, Actor, Context, Grant, Role
from citycare.kernel.fhir import importing, publish
from citycare.kernel.fhir.importing import Options, reading
from citycare.kernel.identity import LinkState, NewPerson, Person, ProxyScope, RelationKind, Sex
from citycare.kernel.identity import documents as papers
from citycare.kit import clock
from citycare.kit.db import Database
from citycare.scenarios.exchange.service import linking
from citycare.scenarios.exchange.service.access import access_of, seen_by
from citycare.scenarios.exchange.service.callers import LIFE
from citycare.scenarios.exchange.service.linking import Linker
from citycare.scenarios.exchange.store import linking as store
from tests.scenarios.exchange.rest.conftest import Enter
from tests.scenarios.exchange.rest.test_access import hospital
from tests.scenarios.exchange.rest.test_interactions import observed
from tests.web.operator_city import committed

Json = dict[str, Any]
BORN = date(1962, 4, 17)
CARD = papers.synthetic_number(BORN, Sex.FEMALE, 29)  # ends in X
OTHER_CARD = papers.synthetic_number(BORN, Sex.FEMALE, 32)
SYSTEM_OF_CARDS = publish.SYSTEMS["resident_id"]
X = "hospital-1.p-77"
READS = """SELECT line::json ->> 'record' AS record, action FROM audit.entry
    WHERE person_id = ANY(%(ids)s::uuid[])"""


def patient(id_: str = X, number: str = CARD.number, name: str = "沈玉兰", **more: Any) -> Json:
    return {
        "resourceType": "Patient",
        "id": id_,
        "identifier": [
            {"system": "urn:hospital-1:mrn", "value": "77"},
            {"system": SYSTEM_OF_CARDS, "value": number},
        ],
        "name": [{"use": "official", "family": name[:1], "given": [name[1:]]}],
        "gender": "female",
        "birthDate": "1962-04-17",
        **more,
    }


async def resident(database: Database, name: str = "沈玉兰", card: Any = CARD) -> UUID:
    """Register somebody with a verified card, and publish them."""

    async def register(cx: Context) -> Person:
        new = NewPerson(name, Sex.FEMALE, BORN)
        made = await identity.register_person(cx, new, [card], verified_by="window:5")
        held = await identity.list_documents(cx, made.id)
        await fhir.put(cx, [publish.patient(made, held)])
        return made

    return (await committed(database, register)).id


async def go_round(database: Database) -> None:
    """Let the worker look at all that has changed."""
    while await Linker(database).go_round() == 0.0:
        pass


async def links(database: Database, person: UUID) -> dict[str, UUID]:
    return await committed(database, lambda cx: identity.list_links(cx, [person]))


@dataclass
class Story:
    """What the end-to-end story holds in hand."""

    me: UUID
    resident: httpx.AsyncClient
    stranger: httpx.AsyncClient
    doctor: httpx.AsyncClient


@pytest.fixture
async def later(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let a second and a little pass for the edge."""
    now = [clock.now()]
    edge = type(app.state.edge)
    monkeypatch.setattr(edge, "now", property(lambda _: lambda: now[0]), raising=False)

    def passes() -> None:
        now[0] += LIFE + timedelta(milliseconds=1)

    return passes


@pytest.fixture
async def story(enter: Enter, database: Database, tmp_path: Path) -> Story:
    """A resident, a stranger, a doctor who treats the resident; a hospital's Bundle, imported."""
    me, other = await resident(database), await resident(database, "林静", OTHER_CARD)
    house = await hospital(database, "示例医院")

    async def care(cx: Context) -> None:
        window = consent.care_window(cx.now, 1, 30)
        await consent.open_care(cx, [CareRow(me, house, None, "booking:1", *window)])

    await committed(database, care)
    pulse = observed(X) | {"id": "pulse-1"}
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": patient()}, {"resource": pulse}],
    }
    file = tmp_path / "bundle.json"
    file.write_text(fhir.dumps(bundle), "utf-8")
    (part,) = reading.parts([file])
    await importing.take(database, part, Options(), lambda *_: None)
    return Story(
        me,
        await enter(Role.RESIDENT, person=me),
        await enter(Role.RESIDENT, person=other),
        await enter(Role.CLINICIAN, organisation=house),
    )


async def ids_in(client: httpx.AsyncClient, path: str) -> set[str]:
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return {one["resource"]["id"] for one in answer.json().get("entry", ())}


async def test_a_search_by_ones_own_id_finds_what_is_linked_where_that_is_asked(
    story: Story, database: Database, later: Callable[[], None], city: httpx.AsyncClient
) -> None:
    await go_round(database)
    later()
    for who in (story.resident, story.doctor, city):
        assert await ids_in(who, f"Observation?subject=Patient/{story.me}") == set()
        assert await ids_in(who, f"Observation?subject:mdm=Patient/{story.me}") == {"pulse-1"}
        assert await ids_in(who, f"Observation?patient:mdm={story.me}&status=final") == {"pulse-1"}
    assert await ids_in(story.stranger, f"Observation?subject:mdm=Patient/{story.me}") == set()
    assert await ids_in(story.stranger, f"Observation?subject:mdm=Patient/{X}") == set()
    answer = await story.resident.get(f"Observation?subject:mdm=Patient/{story.me}")
    assert "subject:mdm=" in answer.json()["link"][0]["url"]
    unknown = await story.resident.get("Observation?status:mdm=final")
    assert unknown.status_code == 400


async def test_links_of_many_are_asked_for_at_once(
    story: Story, database: Database, city: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await go_round(database)
    asked: list[int] = []
    find = identity.list_links

    async def noted(cx: Context, persons: Any) -> dict[str, UUID]:
        asked.append(len(persons))
        return await find(cx, persons)

    monkeypatch.setattr(identity, "list_links", noted)
    ids = [str(story.me), *(f"00000000-0000-4000-8000-{n:012d}" for n in range(30))]
    found = await ids_in(city, f"Observation?patient:mdm={','.join(ids)}")
    assert (found, asked[-1:]) == ({"pulse-1"}, [31])


async def test_an_imported_record_is_the_residents_until_it_is_taken_back(
    story: Story, database: Database, app: FastAPI, later: Callable[[], None]
) -> None:
    assert (await story.resident.get("Observation/pulse-1")).status_code == 404
    await go_round(database)
    later()
    for client, status in ((story.resident, 200), (story.doctor, 200), (story.stranger, 404)):
        assert (await client.get("Observation/pulse-1")).status_code == status
        assert (await client.get(f"Patient/{X}")).status_code == status
    assert await ids_in(story.resident, "Observation?code=8867-4") == {"pulse-1"}
    assert await ids_in(story.resident, f"Observation?patient={story.me}") == set()  # literal
    everything = f"Patient/{story.me}/$everything"
    assert await ids_in(story.resident, everything) == {str(story.me), X, "pulse-1"}
    assert await ids_in(story.doctor, everything) >= {X, "pulse-1"}
    changed = await story.resident.put(f"Patient/{X}", json=patient())
    assert changed.status_code in (403, 404)
    written = await story.doctor.post("Observation", json=observed(X))
    assert written.status_code == 403, written.text  # by a link one sees, and never writes
    await app.state.exchange.server.trail.flush()
    ids = await committed(database, lambda cx: identity.audit_ids_of(cx, story.me))
    async with database.autocommit() as db:
        rows = await (await db.execute(READS, {"ids": list(ids)})).fetchall()
    assert ("record.read", "Observation/pulse-1") in {(r["action"], r["record"]) for r in rows}
    assert ("record.linked", f"Patient/{X}") in {(r["action"], r["record"]) for r in rows}

    async def unlink(cx: Context) -> None:
        await identity.decide_link(cx, X, story.me, "是同名的人", same=False)

    await committed(database, unlink)
    later()
    for client in (story.resident, story.doctor):
        assert (await client.get("Observation/pulse-1")).status_code == 404
    await go_round(database)
    assert await links(database, story.me) == {}


async def test_looks_before_the_link_are_among_those_of_the_resident(
    city: httpx.AsyncClient, database: Database, app: FastAPI
) -> None:
    await committed(database, lambda cx: fhir.put(cx, [patient()]))
    assert (await city.get(f"Patient/{X}")).status_code == 200
    await app.state.exchange.server.trail.flush()
    me = await resident(database)
    await go_round(database)
    ids = await committed(database, lambda cx: identity.audit_ids_of(cx, me))
    async with database.autocommit() as db:
        rows = await (await db.execute(READS, {"ids": list(ids)})).fetchall()
    assert ("record.exchange", f"Patient/{X}") in {(r["action"], r["record"]) for r in rows}
    everything = await ids_in(city, f"Patient/{me}/$everything")
    assert everything == {str(me), X}


@pytest.mark.parametrize(
    "number",
    [CARD.number, CARD.number.lower(), f"{CARD.number[:6]} {CARD.number[6:14]} {CARD.number[14:]}"],
)
@pytest.mark.parametrize("system", [SYSTEM_OF_CARDS, SYSTEM_OF_CARDS.removeprefix("urn:oid:")])
async def test_numbers_count_however_they_are_written(
    database: Database, number: str, system: str
) -> None:
    me = await resident(database)
    written = [{"system": system, "value": number}]
    await committed(database, lambda cx: fhir.put(cx, [patient(identifier=written)]))
    await go_round(database)
    assert await links(database, me) == {X: me}


async def test_who_registers_after_the_import_gets_the_record_and_loses_it_with_the_card(
    database: Database,
) -> None:
    await committed(database, lambda cx: fhir.put(cx, [patient(), patient("y", name="李华")]))
    await go_round(database)
    me = await resident(database)
    await go_round(database)
    assert await links(database, me) == {X: me}
    doubtful = await committed(database, identity.list_doubtful)
    assert [one.patient_id for one in doubtful.items] == ["y"]  # the name is another's

    async def end(cx: Context) -> None:
        (held,) = await identity.list_documents(cx, me)
        await identity.end_document(cx, held.id, "登错了人")
        person = await identity.get_person(cx, me)
        await fhir.put(cx, [publish.patient(person, ())])

    await committed(database, end)
    await go_round(database)
    assert await links(database, me) == {}
    left = await committed(database, lambda cx: identity.get_link(cx, X))
    assert left.state is LinkState.DOUBTFUL  # name and day of birth still agree


async def test_a_hospital_puts_its_mistake_right_or_deletes_it(database: Database) -> None:
    me = await resident(database)
    await committed(database, lambda cx: fhir.put(cx, [patient(), patient("y")]))
    await go_round(database)
    assert set(await links(database, me)) == {X, "y"}
    other = patient(number=OTHER_CARD.number, name="李华", birthDate="2001-12-03")
    await committed(database, lambda cx: fhir.put(cx, [other]))
    await committed(database, lambda cx: fhir.delete(cx, "Patient", "y"))
    await go_round(database)
    assert await links(database, me) == {}
    assert await committed(database, lambda cx: identity.find_link(cx, "y")) is None


class Everything:
    """Scopes that narrow nothing."""

    def types_for(self, _: str) -> None:
        return None

    def limits(self, *_: str) -> tuple[()]:
        return ()


async def test_an_app_launched_for_one_person_sees_that_ones_links_alone(
    database: Database,
) -> None:
    me, ward = await resident(database), await resident(database, "林静", OTHER_CARD)
    theirs = patient("y", OTHER_CARD.number, "林静")
    await committed(database, lambda cx: fhir.put(cx, [patient(), theirs]))
    await go_round(database)
    token = SimpleNamespace(allowed=Everything(), actor=SYSTEM, patient_id=me)

    async def look(cx: Context) -> None:
        end = clock.now() + timedelta(days=30)
        scopes = tuple(ProxyScope)
        await identity.add_relation(cx, ward, me, RelationKind.SPOUSE, scopes, ends_at=end)
        acting = replace(cx, actor=Actor(None, me, (Grant(Role.RESIDENT),)))
        whole = await access_of(acting)
        assert whole.visible.patients == {str(me), str(ward), X, "y"}
        one = await access_of(acting, token)
        assert one.visible.patients == {str(me), X}
        assert not one.writable.patients & {X, "y"}

    await committed(database, look)


async def test_what_is_sent_to_a_subscriber_follows_the_links_too(database: Database) -> None:
    me = await resident(database)
    await committed(database, lambda cx: fhir.put(cx, [patient()]))
    await go_round(database)

    async def seen(cx: Context) -> frozenset[str]:
        account = await identity.register_account(cx, "urn:test", "me", name="me", person_id=me)
        return (await seen_by(cx, account.id)).patients

    assert await committed(database, seen) == {str(me), X}


async def two_linkers(database: Database) -> int:
    """Let two look through the same Patients at once; return how often somebody got one."""
    me = await resident(database)
    linkers = [Linker(database), Linker(database)]
    for n in range(20):
        await committed(database, lambda cx, n=n: fhir.put(cx, [patient(f"p-{n}")]))  # type: ignore[misc]
        await asyncio.gather(*(each.go_round() for each in linkers))
    await go_round(database)
    assert len(await links(database, me)) == 20
    async with database.autocommit() as db:
        sql = "SELECT count(*) AS told FROM audit.entry WHERE action = 'record.linked'"
        row = await (await db.execute(sql)).fetchone()
    assert row is not None
    return int(row["told"])


@pytest.mark.race
async def test_two_rounds_at_once_make_one_link(database: Database) -> None:
    assert await two_linkers(database) == 20


@pytest.mark.race
async def test_control_without_the_lock_a_link_is_made_twice(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    peek = store.peek_mark
    before: list[Any] = []

    async def no_lock(_: object) -> Any:
        return before.pop(0)

    async def peeked(db: Any) -> Any:
        before.append(await peek(db))
        return before[-1]

    monkeypatch.setattr(store, "peek_mark", peeked)
    monkeypatch.setattr(store, "lock_mark", no_lock)
    assert await two_linkers(database) > 20


class Killed(BaseException):
    """What a kill -9 is to the code: nothing after it is done."""


async def test_killed_in_a_page_it_is_looked_at_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = await resident(database)
    await committed(database, lambda cx: fhir.put(cx, [patient()]))

    async def move(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(store, "move_mark", move)
        with pytest.raises(Killed):
            await Linker(database).go_round()
    assert await links(database, me) == {}
    await go_round(database)
    assert await links(database, me) == {X: me}


async def test_many_are_looked_at_in_pages(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linking, "PAGE", 7)
    monkeypatch.setattr(linking, "FOUND", 3)
    some = [patient(f"p-{n}", number=CARD.number) for n in range(30)]
    strangers = [patient(f"s-{n}", number="1", name="李华", birthDate="2001-12") for n in range(30)]
    await committed(database, lambda cx: fhir.put(cx, [*some, *strangers]))
    me = await resident(database)
    work: Callable[[], Awaitable[float]] = Linker(database).go_round
    rounds = 0
    while await work() == 0.0:
        rounds += 1
    assert rounds == 8  # 61 in nine pages of 7; after the last it rests
    assert len(await links(database, me)) == 30


async def test_the_mark_moves_with_what_is_written_and_rests_with_it(database: Database) -> None:
    linker = Linker(database)

    async def since() -> str | None:
        await linker.go_round()
        return (await committed(database, lambda cx: store.peek_mark(cx.db))).since

    before = await since()
    assert await since() == before
    basic = {"resourceType": "Basic", "id": "x", "code": {"text": "nobody's"}}
    await committed(database, lambda cx: fhir.put(cx, [basic]))
    assert await since() != before
