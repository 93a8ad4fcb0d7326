"""The operator decides about people: one or two, justified or not, lifted or kept."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI

from citycare import app as application
from citycare.kernel import consent, identity
from citycare.kernel.context import Context
from citycare.kernel.identity import NewPerson, Person, Proposal
from citycare.kit import ids
from citycare.kit.db import Database
from citycare.scenarios.booking.model.core import Hold
from citycare.scenarios.booking.store import holds as hold_store
from citycare.settings import Settings
from tests.web.operator_city import (
    NOBODY,
    acting,
    committed,
    doctor,
    entries_of,
    operator,
    said,
    somebody,
)


@pytest.fixture
def app(settings: Settings, database: Database) -> FastAPI:
    return application.create(settings, database)


@pytest.fixture
async def client(app: FastAPI, database: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with await operator(app, database) as opened:
        yield opened


async def pair(cx: Context) -> Proposal:
    """Two records of the same name, sound, sex and telephone."""
    person = await somebody(cx)
    again = NewPerson(person.name, person.sex, person.born_on, phone=person.phone)
    other = await identity.register_person(cx, again)
    return (await identity.propose_matches(cx, other.id))[0]


async def test_lists_show_little_the_pair_shows_all_and_is_written_down(
    client: httpx.AsyncClient, database: Database
) -> None:
    found = await committed(database, pair)
    listed = await said(client, "/operator/people")
    assert "林**" in listed
    assert "林秀英" not in listed
    assert "手机号一样" in listed
    page = await said(client, f"/operator/people/{found.id}")
    assert "13900000001" in page
    assert page.count("checked") >= 1
    read = await entries_of(database, "person.read")
    assert {one["person"] for one in read} == {str(found.left_id), str(found.right_id)}
    await said(client, f"/operator/people/{NOBODY}", 404)


async def test_merge_and_take_it_back(client: httpx.AsyncClient, database: Database) -> None:
    found = await committed(database, pair)
    path = f"/operator/people/{found.id}"
    missing = await client.post(f"{path}/merge", data={"keep": str(found.left_id), "reason": " "})
    assert missing.status_code == 422
    assert "请写明根据什么判断" in missing.text
    stranger = await client.post(f"{path}/merge", data={"keep": str(NOBODY), "reason": "核对了"})
    assert stranger.status_code == 409
    form = {"keep": str(found.right_id), "reason": "核对了身份证原件"}
    done = await client.post(f"{path}/merge", data=form)
    assert done.status_code == 303
    merge = done.headers["location"]
    assert "核对了身份证原件" in await said(client, merge)
    assert "合并着" in await said(client, "/operator/people/merges")
    twice = await client.post(f"{path}/merge", data=form)
    assert twice.status_code == 409
    assert "这两份档案不能合并" in twice.text
    assert "已经有人判断过" in twice.text
    assert (await client.post(f"{merge}/undo", data={"reason": "认错了"})).status_code == 303
    assert "已拆回" in await said(client, "/operator/people/merges")
    again = await client.post(f"{merge}/undo", data={"reason": "认错了"})
    assert again.status_code == 409
    assert len(await entries_of(database, "person.merged")) == 2
    assert len(await entries_of(database, "person.unmerged")) == 2


async def test_two_people_stay_two(client: httpx.AsyncClient, database: Database) -> None:
    found = await committed(database, pair)
    path = f"/operator/people/{found.id}"
    assert (await client.post(f"{path}/reject", data={"reason": ""})).status_code == 422
    assert (await client.post(f"{path}/reject", data={"reason": "两张照片不同"})).status_code == 303
    assert "没有要您判断的" in await said(client, "/operator/people")
    assert "已经有人判断过" in await said(client, path)
    (entry,) = await entries_of(database, "person.match_rejected")
    assert entry["detail"] == {"reason": "两张照片不同"}


async def break_glass(cx: Context) -> consent.BreakGlass:
    person = await somebody(cx)
    by = acting(cx, await doctor(cx), "record.break_glass")
    return await consent.break_glass(by, person.id, "患者昏迷，需要马上知道过敏史")


async def test_emergency_access_gets_a_verdict(
    client: httpx.AsyncClient, database: Database
) -> None:
    glass = await committed(database, break_glass)
    assert "1\u00a0次紧急查阅没有审核" in await said(client, "/operator")
    page = await said(client, f"/operator/glass/{glass.id}")
    assert "患者昏迷" in page
    assert "林秀英" not in page
    path = f"/operator/glass/{glass.id}"
    assert (await client.post(path, data={"verdict": "perhaps"})).status_code == 422
    verdict = {"verdict": "unjustified", "note": "值班表上没有这位医生"}
    assert (await client.post(path, data=verdict)).status_code == 303
    assert "没有等审核的" in await said(client, "/operator/glass")
    reviewed = await said(client, "/operator/glass?show=reviewed")
    assert "理由不成立" in reviewed
    again = await client.post(path, data=verdict)
    assert again.status_code == 409
    assert "consent.glass_reviewed" in again.text
    assert "值班表上没有这位医生" in await said(client, f"{path}?show=reviewed")
    await said(client, f"/operator/glass/{NOBODY}", 404)


async def appealed(cx: Context) -> tuple[Hold, Person]:
    person = await somebody(cx)
    start = cx.now - timedelta(days=3)
    until = cx.now + timedelta(days=80)
    hold = Hold(ids.new(), person.id, start, until, [ids.new()] * 3, None, None, None, "")
    await hold_store.add(cx.db, hold)
    await hold_store.appeal(cx.db, hold.id, "那天住院了，有证明", cx.now)
    return replace(hold), person


@pytest.mark.parametrize(("decision", "state"), [("lift", "lifted"), ("keep", "kept")])
async def test_an_appeal_is_decided_with_a_reason(
    client: httpx.AsyncClient, database: Database, decision: str, state: str
) -> None:
    hold, person = await committed(database, appealed)
    listed = await said(client, "/operator/appeals")
    assert "那天住院了" in listed
    assert person.name not in listed
    path = f"/operator/appeals/{hold.id}"
    assert person.name in await said(client, path)
    silent = await client.post(path, data={"decision": decision, "reason": " "})
    assert silent.status_code == 422
    assert "这里还没有填" in silent.text
    answer = await client.post(path, data={"decision": decision, "reason": "看了出院小结"})
    assert answer.status_code == 303
    assert "没有等着看的申诉" in await said(client, "/operator/appeals")
    async with database.autocommit() as db:
        row = await (
            await db.execute("SELECT decision, decision_reason FROM booking.hold")
        ).fetchone()
    assert row == {"decision": state, "decision_reason": "看了出院小结"}
    twice = await client.post(path, data={"decision": decision, "reason": "看了出院小结"})
    assert twice.status_code == 409
    assert re.search(r"booking\.\w+", twice.text)
