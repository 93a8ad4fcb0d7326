"""Corrections: what is wrong is put right, unless a verified document says otherwise."""

from datetime import date

import pytest

from citycare.kernel import identity
from citycare.kernel.context import Context
from citycare.kernel.identity import NewPerson, Person, Sex, documents, model
from citycare.kit import ids
from tests.trail import about

BORN = date(1968, 1, 30)
PAPER = documents.synthetic_number(BORN, Sex.MALE, 68)
NEW = NewPerson("解思远", Sex.MALE, BORN, phone="13666801308")


@pytest.fixture
async def person(cx: Context) -> Person:
    return await identity.register_person(cx, NEW, [PAPER], verified_by="window:6")


async def test_a_new_name_is_found_under_its_new_sound(cx: Context, person: Person) -> None:
    changed = await identity.correct_person(cx, person.id, name=" 解思源 ", phone="")
    assert (changed.name, changed.name_pinyin, changed.phone) == ("解思源", "xiesiyuan", None)
    assert await identity.get_person(cx, person.id) == changed
    assert await identity.search_persons(cx, "解思源") == [changed]
    line = (await about(cx, person.id))[0]
    assert (line.action, line.detail) == ("person.corrected", {"fields": "name phone"})


async def test_nothing_new_is_written_nowhere(cx: Context, person: Person) -> None:
    assert await identity.correct_person(cx, person.id, name="解思远", sex=Sex.MALE) == person
    assert await about(cx, person.id) == []


async def test_a_verified_document_outweighs_the_form_until_it_ends(
    cx: Context, person: Person
) -> None:
    right = date(1968, 1, 31)
    with pytest.raises(model.DocumentContradicts):
        await identity.correct_person(cx, person.id, born_on=right)
    with pytest.raises(model.DocumentContradicts):
        await identity.correct_person(cx, person.id, sex=Sex.FEMALE)
    (held,) = await identity.list_documents(cx, person.id)
    await identity.end_document(cx, held.id, "登记时录错")
    assert await identity.find_person_by_document(cx, PAPER) is None
    assert (await identity.correct_person(cx, person.id, born_on=right)).born_on == right
    with pytest.raises(model.DocumentUnknown):
        await identity.end_document(cx, held.id, "again")
    other = await identity.register_person(cx, NEW, [PAPER], verified_by="window:6")
    assert other.id != person.id


async def test_what_cannot_be_so_is_refused(cx: Context, person: Person) -> None:
    with pytest.raises(model.NameMissing):
        await identity.correct_person(cx, person.id, name="  ")
    with pytest.raises(model.BornAhead):
        await identity.correct_person(cx, person.id, born_on=date(2026, 11, 23))
    with pytest.raises(model.PersonUnknown):
        await identity.correct_person(cx, ids.new(), name="x")
