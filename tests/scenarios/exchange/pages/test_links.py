"""Whose a hospital's Patient is, before an operator: nothing, a list, a pair, what is wrong."""

from __future__ import annotations

from datetime import date
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from citycare.kernel import audit, fhir, identity
from citycare.kernel.context import Context, Role
from citycare.kernel.fhir import publish
from citycare.kernel.identity import NewPerson, Person, Sex
from citycare.kernel.identity import documents as papers
from citycare.kit.db import Database
from citycare.scenarios.exchange.service.linking import Linker
from citycare.web.login.tokens import issue_token
from tests.web.operator_city import browser, committed, entries_of, plain, said, somebody

HOME = "/operator/record/links"
BORN = date(1962, 4, 17)
CARD = papers.synthetic_number(BORN, Sex.FEMALE, 31)
REASON = "核对了身份证原件"


def hospitals(id_: str, name: str, number: str = "", **more: object) -> fhir.Resource:
    identifier = [{"system": "urn:hospital-1:mrn", "value": "77"}]
    if number:
        identifier.append({"system": publish.SYSTEMS["resident_id"], "value": number})
    told = {"resourceType": "Patient", "id": id_, "identifier": identifier}
    return told | {"name": [{"text": name}], "birthDate": BORN.isoformat(), **more}


@pytest.fixture
async def person(database: Database) -> UUID:
    """A resident, and Patients of hospitals: one linked, two doubtful, one of somebody else."""

    async def fill(cx: Context) -> Person:
        new = NewPerson("沈玉兰", Sex.FEMALE, BORN, phone="13900008831")
        made = await identity.register_person(cx, new, [CARD], verified_by="window:5")
        some = [
            hospitals("linked.1", "沈玉兰", CARD.number),
            hospitals("borrowed.1", "李华", CARD.number, gender="female"),
            hospitals("alike.1", "沈玉兰"),
            hospitals("nobody.1", "王强", birthDate="2001-12-03"),
        ]
        await fhir.put(cx, some)
        return made

    made = await committed(database, fill)
    while await Linker(database).go_round() == 0.0:
        pass
    return made.id


async def test_with_nothing_to_decide_the_page_says_so(client: httpx.AsyncClient) -> None:
    assert "没有要您判断的" in plain(await said(client, HOME))
    assert "没有找到" in plain(await said(client, f"{HOME}?view=decided&q=沈玉兰"))
    await said(client, f"{HOME}/nobody.1", 404)
    await said(client, f"{HOME}?page=x", 400)


@pytest.mark.usefixtures("person")
async def test_lists_name_nobody_in_full(client: httpx.AsyncClient) -> None:
    page = plain(await said(client, HOME))
    assert "等您判断 2" in page
    assert page.index("alike.1") < page.index("borrowed.1")
    assert "沈**" in page
    assert "沈玉兰" not in page
    assert "linked.1" not in page
    assert "nobody.1" not in page
    for text in ("沈玉兰", "shenyulan", "8831", "linked.1", "Patient/linked.1", CARD.number):
        found = plain(await said(client, f"{HOME}?view=decided&q={text}"))
        assert "linked.1" in found, text
        assert "borrowed.1" not in found


async def test_a_pair_is_opened_masked_and_on_record_for_both(
    client: httpx.AsyncClient, person: UUID, database: Database
) -> None:
    page = plain(await said(client, f"{HOME}/borrowed.1"))
    assert "李华" in page
    assert "沈玉兰" in page
    assert "姓名不同" in page
    assert "出生日期一样" not in page  # the number says that itself
    assert CARD.number not in page
    assert identity.mask(CARD) in page
    entries = await entries_of(database, "person.read")
    both = {str(person), str(identity.audit_id("borrowed.1"))}
    assert {entry["person"] for entry in entries} == both
    assert {entry["record"] for entry in entries} == {"Patient/borrowed.1"}


async def test_an_operator_links_takes_back_and_must_say_why(
    client: httpx.AsyncClient, person: UUID, database: Database
) -> None:
    here = f"{HOME}/alike.1"
    sent = {"person": str(person), "verdict": "same", "reason": " "}
    missing = await client.post(here, data=sent)
    assert missing.status_code == 422
    assert "请写明根据什么判断" in missing.text
    stale = await client.post(here, data=sent | {"person": str(UUID(int=7)), "reason": REASON})
    assert stale.status_code == 409
    assert REASON in stale.text
    assert (await client.post(here, data=sent | {"reason": REASON})).status_code == 303
    links = await committed(database, lambda cx: identity.list_links(cx, [person]))
    assert set(links) == {"linked.1", "alike.1"}
    page = plain(await said(client, here))
    assert REASON in page
    assert "撤回" in page
    assert "不是本人的，撤回" in page
    other = {"person": str(person), "verdict": "other", "reason": "同名的人"}
    assert (await client.post(here, data=other)).status_code == 303
    links = await committed(database, lambda cx: identity.list_links(cx, [person]))
    assert set(links) == {"linked.1"}
    told = [
        entry["detail"]
        for action in ("record.linked", "record.unlinked")
        for entry in await entries_of(database, action)
        if entry["record"] == "Patient/alike.1"
    ]
    assert [one["reason"] for one in told] == [REASON, "同名的人"]  # type: ignore[index]


async def test_refusing_keeps_it_out_of_the_list(client: httpx.AsyncClient, person: UUID) -> None:
    sent = {"person": str(person), "verdict": "other", "reason": "借用了别人的卡"}
    assert (await client.post(f"{HOME}/borrowed.1", data=sent)).status_code == 303
    assert "等您判断 1" in plain(await said(client, HOME))
    found = plain(await said(client, f"{HOME}?view=decided"))
    assert "不是这个人" in found
    assert "borrowed.1" in found


async def test_it_is_there_in_english_and_for_nobody_else(
    client: httpx.AsyncClient, person: UUID, app: FastAPI, database: Database
) -> None:
    page = plain(await said(client, f"{HOME}/borrowed.1?lang=en"))
    assert "Is it this resident’s record?" in page
    assert "speaks much" in page
    sent = {"person": str(person), "verdict": "same", "reason": REASON}
    for role in (Role.CLERK, Role.CLINICIAN):
        other = browser(app, await issue_token(database, role))
        for path in (HOME, f"{HOME}/borrowed.1"):
            assert (await other.get(path)).status_code in (403, 404)
        assert (await other.post(f"{HOME}/borrowed.1", data=sent)).status_code in (403, 404)


async def test_the_resident_sees_who_looked_at_what_a_hospital_keeps(
    person: UUID, app: FastAPI, database: Database
) -> None:
    """Of the linked record, also before it was linked; of the doubtful one only the comparison."""

    async def look(cx: Context) -> None:
        names = (identity.audit_id("linked.1"), identity.audit_id("nobody.1"))
        some = [audit.Entry("record.break_glass", one, "Observation/o-1") for one in names]
        await audit.append(cx, some)

    await committed(database, look)
    token = await issue_token(database, Role.RESIDENT, person=person)
    page = plain(await said(browser(app, token), "/me/access"))
    assert page.count("紧急查阅") >= 1
    assert "医院病历归到本人名下" in page
    other = await committed(database, somebody)
    theirs = await issue_token(database, Role.RESIDENT, person=other.id)
    page = plain(await said(browser(app, theirs), "/me/access"))
    assert "紧急查阅" not in page
