"""People: registered once for one verified document, found by what a clerk types."""

import asyncio
from dataclasses import replace
from datetime import date

import psycopg
import pytest

from citycare.kernel import identity
from citycare.kernel.context import SYSTEM, Channel, Context
from citycare.kernel.identity import Kind, NewPerson, Sex, documents, model
from citycare.kit.db import Database
from citycare.kit.embedded import Embedded
from tests.conftest import NOW

BORN = date(1961, 4, 9)
PAPER = documents.synthetic_number(BORN, Sex.FEMALE, 417)
NEW = NewPerson("单雅琴", Sex.FEMALE, BORN, phone="13917094417", district="310118")
CHILD = NewPerson("单小满", Sex.MALE, date(2019, 6, 1))


async def test_a_verified_document_brings_back_the_same_person(cx: Context) -> None:
    first = await identity.register_person(cx, NEW, [PAPER], verified_by="window:7")
    again = await identity.register_person(cx, NEW, [PAPER], verified_by="issuer:city")
    assert again.id == first.id
    assert await identity.find_person_by_document(cx, PAPER) == first
    assert [held.number for held in await identity.list_documents(cx, first.id)] == [PAPER.number]


async def test_an_unverified_document_matches_nobody_and_locks_nobody_out(cx: Context) -> None:
    claimed = await identity.register_person(cx, NEW, [PAPER])
    assert await identity.find_person_by_document(cx, PAPER) is None
    true = await identity.register_person(cx, NEW, [PAPER], verified_by="window:7")
    assert true.id != claimed.id
    assert await identity.find_person_by_document(cx, PAPER) == true


async def test_a_form_that_contradicts_the_document_is_refused(cx: Context) -> None:
    for wrong in (replace(NEW, sex=Sex.MALE), replace(NEW, born_on=date(1961, 9, 4))):
        with pytest.raises(model.DocumentContradicts):
            await identity.register_person(cx, wrong, [PAPER], verified_by="window:7")
    with pytest.raises(model.NameMissing):
        await identity.register_person(cx, replace(NEW, name="  "), [PAPER])
    with pytest.raises(model.BornAhead):
        await identity.register_person(cx, replace(NEW, born_on=date(2026, 11, 23)))
    paper = documents.parse(Kind.USCC, "91350100M000100Y43")
    with pytest.raises(model.DocumentNotPersonal):
        await identity.register_person(cx, NEW, [paper])


async def test_another_name_on_a_verified_document_goes_to_the_window(cx: Context) -> None:
    await identity.register_person(cx, NEW, [PAPER], verified_by="window:7")
    other = replace(NEW, name="单雅芹")
    with pytest.raises(model.DocumentNameDiffers):
        await identity.register_person(cx, other, [PAPER], verified_by="window:7")


async def test_two_documents_of_two_people_are_not_joined(cx: Context) -> None:
    passport = documents.parse(Kind.PASSPORT, "E41709441")
    await identity.register_person(cx, NEW, [PAPER], verified_by="window:7")
    await identity.register_person(cx, NEW, [passport], verified_by="window:7")
    with pytest.raises(model.DocumentsOfTwoPeople):
        await identity.register_person(cx, NEW, [PAPER, passport], verified_by="window:7")


async def test_a_second_document_joins_the_person_of_the_first(cx: Context) -> None:
    passport = documents.parse(Kind.PASSPORT, "E41709441")
    first = await identity.register_person(cx, NEW, [PAPER], verified_by="window:7")
    again = await identity.register_person(cx, NEW, [PAPER, passport], verified_by="window:7")
    assert again.id == first.id
    assert await identity.find_person_by_document(cx, passport) == first


async def test_a_child_is_registered_with_a_guardian_until_grown_up(cx: Context) -> None:
    with pytest.raises(model.GuardianMissing):
        await identity.register_person(cx, CHILD)
    mother = await identity.register_person(cx, NEW, [PAPER], verified_by="window:7")
    child = await identity.register_person(cx, replace(CHILD, guardian_id=mother.id))
    (guardianship,) = await identity.list_proxies(cx, child.id)
    assert guardianship.proxy_id == mother.id
    assert str(guardianship.ends_at) == "2037-05-31 16:00:00+00:00"  # midnight in the city


async def test_a_newborn_is_known_by_certificate_and_mother(cx: Context) -> None:
    paper = documents.parse(Kind.BIRTH_CERTIFICATE, "P310417094")
    mother = await identity.register_person(cx, NEW, [PAPER], verified_by="window:7")
    stranger = await identity.register_person(cx, replace(NEW, name="白露"))
    baby = NewPerson("单雅琴之女", Sex.FEMALE, date(2026, 11, 20), guardian_id=mother.id)
    first = await identity.register_person(cx, baby, [paper], verified_by="ward:3")
    named = replace(baby, name="单知夏")
    assert (await identity.register_person(cx, named, [paper], verified_by="w")).id == first.id
    other = replace(baby, guardian_id=stranger.id)
    with pytest.raises(model.DocumentsOfTwoPeople):
        await identity.register_person(cx, other, [paper], verified_by="ward:3")


@pytest.mark.parametrize(
    "typed",
    ["单雅琴", "单雅", "shanyaqin", "ShanYa", "syq", "4417", "13917094417", PAPER.number,
     " ".join(PAPER.number), "09\uff14\uff14\uff11\uff17"],
)  # fmt: skip
async def test_the_clerk_finds_a_person_by(cx: Context, typed: str) -> None:
    person = await identity.register_person(cx, NEW, [PAPER], verified_by="window:7")
    assert person.id in {found.id for found in await identity.search_persons(cx, typed)}


@pytest.mark.parametrize("typed", ["", "  ", "%", "_雅琴", "单%琴", "\\", "9999", "zzz"])
async def test_the_clerk_finds_nobody_by(cx: Context, typed: str) -> None:
    await identity.register_person(cx, NEW, [PAPER], verified_by="window:7")
    assert await identity.search_persons(cx, typed) == []


CROWD = 8


async def _register_at_once(database: Database) -> list[object]:
    start = asyncio.Barrier(CROWD)

    async def one() -> object:
        async with database.transaction() as db:
            cx = Context(db, SYSTEM, NOW, "race", Channel.WINDOW, "test")
            await start.wait()
            return (await identity.register_person(cx, NEW, [PAPER], verified_by="w")).id

    return await asyncio.gather(*(one() for _ in range(CROWD)))


@pytest.mark.race
async def test_one_document_registered_by_many_at_once_is_one_person(database: Database) -> None:
    assert len(set(await _register_at_once(database))) == 1
    async with database.autocommit() as db:
        row = await (await db.execute("SELECT count(*) AS n FROM identity.person")).fetchone()
    assert row is not None
    assert row["n"] == 1


@pytest.mark.race
async def test_control_without_the_constraint_there_are_several(
    database: Database, server: Embedded, own_database: str
) -> None:
    with psycopg.connect(server.url(own_database), autocommit=True) as owner:
        owner.execute("DROP INDEX identity.document_once")
    assert len(set(await _register_at_once(database))) > 1


def test_age_counts_full_years() -> None:
    assert identity.age_on(date(2012, 11, 22), date(2026, 11, 22)) == 14
    assert identity.age_on(date(2012, 11, 22), date(2026, 11, 21)) == 13
    assert identity.age_on(date(2012, 2, 29), date(2026, 2, 28)) == 13
