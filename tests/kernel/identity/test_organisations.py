"""Organisations, departments, practitioners; the specialty list; loads by COPY."""

from dataclasses import replace
from datetime import date

import pytest
from psycopg.errors import UniqueViolation

from citycare.kernel import identity
from citycare.kernel.context import Context, Grant, Role
from citycare.kernel.identity import (
    Account,
    Department,
    Organisation,
    OrganisationKind,
    Person,
    Practitioner,
    ProxyScope,
    Relation,
    RelationKind,
    Sex,
    documents,
    organisations,
    specialties,
)
from citycare.kit import ids

HOSPITAL = Organisation(
    ids.derive("org", 1), "淀山湖人民医院", "淀山湖医院", OrganisationKind.HOSPITAL, "310118",
    uscc="91350100M000100Y43", nicknames=("湖医",), level="三级乙等",
    latitude=31.1, longitude=121.0,
)  # fmt: skip
WARD = Department(ids.derive("dep", 1), HOSPITAL.id, "03.04", "心血管内科", "门诊楼3层")
DOCTOR = Practitioner(ids.derive("doc", 1), "曾望溪", Sex.MALE, "主任医师", "冠心病", "A-1127")


async def test_what_is_registered_is_listed(cx: Context) -> None:
    await identity.register_organisation(cx, HOSPITAL)
    await identity.register_department(cx, WARD)
    await identity.register_practitioner(cx, DOCTOR)
    for _ in range(2):
        await identity.add_role(cx, DOCTOR.id, department_id=WARD.id)
    assert await identity.get_organisation(cx, HOSPITAL.id) == HOSPITAL
    assert await identity.list_departments(cx, [HOSPITAL.id]) == [WARD]
    assert await identity.list_practitioners(cx, departments=[WARD.id]) == [DOCTOR]
    assert DOCTOR.name_pinyin == "zengwangxi"
    renamed = replace(HOSPITAL, level="三级甲等")
    await identity.register_organisation(cx, renamed)
    assert await identity.list_organisations(cx) == [renamed]


async def test_what_is_wrong_is_refused(cx: Context) -> None:
    with pytest.raises(documents.ChecksumWrong):
        await identity.register_organisation(cx, replace(HOSPITAL, uscc="91350100M000100Y44"))
    with pytest.raises(specialties.SpecialtyUnknown):
        await identity.register_department(cx, replace(WARD, code="99.99"))
    with pytest.raises(organisations.OrganisationUnknown):
        await identity.get_organisation(cx, ids.new())


def test_the_specialty_list_holds_together() -> None:
    table = specialties.specialties()
    assert {"03", "04", "05", "07", "20", "28", "50", "52"} <= set(table)
    assert list(table) == sorted(table)
    assert all(not one.parent or one.parent in table for one in table.values())
    assert {one.status for one in table.values()} == {"UNVERIFIED"}
    assert table["03.04"].name == "心血管内科专业"


async def test_a_city_is_loaded_by_copy(cx: Context) -> None:
    born = date(1990, 1, 1)
    people = [
        Person(ids.derive("p", n), f"沈{n}", "", "", Sex.FEMALE, born, None, None, "", cx.now)
        for n in range(200)
    ]
    papers = [documents.synthetic_number(born, Sex.FEMALE, n) for n in range(200)]
    held = list(zip([one.id for one in people], papers, strict=True))
    accounts = [
        Account(ids.derive("a", n), "demo", f"{n}", person.id, None, person.name, None, False)
        for n, person in enumerate(people)
    ]
    relation = Relation(
        ids.new(), people[0].id, people[1].id, RelationKind.FRIEND, (ProxyScope.BOOKING,),
        cx.now, None, "",
    )  # fmt: skip
    assert await identity.load_people(cx, iter(people)) == 200
    assert await identity.load_documents(cx, held, verified_at=cx.now, verified_by="seed") == 200
    assert await identity.load_relations(cx, [relation]) == 1
    assert await identity.load_organisations(cx, [HOSPITAL]) == 1
    assert await identity.load_departments(cx, [WARD]) == 1
    assert await identity.load_practitioners(cx, [DOCTOR]) == 1
    assert await identity.load_roles(cx, [(DOCTOR.id, WARD.id)]) == 1
    assert await identity.load_accounts(cx, accounts) == 200
    assert await identity.load_grants(cx, [(accounts[7].id, Grant(Role.CLERK, HOSPITAL.id))]) == 1
    found = await identity.find_person_by_document(cx, papers[177])
    assert found == replace(people[177], name_pinyin="shen", name_initials="s")
    assert await identity.get_organisation(cx, HOSPITAL.id) == HOSPITAL
    assert await identity.list_practitioners(cx) == [DOCTOR]
    assert (await identity.relations_of(cx, people[1].id)).acts_for == (relation,)
    token = await identity.open_session(cx, accounts[7].id, second_factor=True)
    actor = (await identity.actor_of(cx.db, [token], cx.now))[token]
    assert actor.has(Role.CLERK, HOSPITAL.id)
    with pytest.raises(UniqueViolation):
        await identity.load_documents(cx, held[:1], verified_at=cx.now, verified_by="seed")
