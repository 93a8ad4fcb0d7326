"""The operator's audit and policy pages: search, one entry, the chain; values, changes, history."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from citycare import app as application
from citycare.kernel import audit, identity
from citycare.kernel.context import Context, policy
from citycare.kit.db import Database
from citycare.settings import Settings
from citycare.web.operator.shapes import same_shape, shape_of
from tests.web.operator_city import (
    NOBODY,
    acting,
    committed,
    doctor,
    entries_of,
    operator,
    plain,
    said,
    somebody,
)

KEY = "booking.elder.age"


@pytest.fixture
def app(settings: Settings, database: Database) -> FastAPI:
    return application.create(settings, database)


@pytest.fixture
async def client(app: FastAPI, database: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with await operator(app, database) as opened:
        yield opened


async def look(cx: Context) -> identity.Person:
    """A doctor reads somebody's record, and is refused once."""
    person = await somebody(cx)
    by = acting(cx, await doctor(cx), "record.read")
    await audit.append(by, [audit.Entry("record.read", person.id, f"Patient/{person.id}")])
    refused = audit.Entry("record.read", person.id, f"Patient/{person.id}", "refused")
    await audit.append(by, [refused])
    return person


async def test_entries_are_found_by_person_actor_record_and_day(
    client: httpx.AsyncClient, database: Database
) -> None:
    person = await committed(database, look)
    path = "/operator/audit"
    by_id = await said(client, f"{path}?person={person.id}")
    assert "陈立" in by_id
    assert "被拒绝" in by_id
    assert "陈立" in await said(client, f"{path}?person=林秀英")  # one fits: no need to choose
    assert "查看健康档案" in await said(client, f"{path}?actor=陈立")
    assert "查看健康档案" in await said(client, f"{path}?record=Patient/{person.id}")
    assert "被拒绝" in await said(client, f"{path}?person={person.id}&outcome=refused")
    empty = await said(client, f"{path}?day=2020-01-01")
    assert "没有这样的记录" in empty
    assert "只看 2020-01-01 这一天" in empty
    looked = await entries_of(database, "record.access_log")
    assert {one["person"] for one in looked} == {str(person.id)}  # looking is itself written down


async def test_several_people_are_offered_masked(
    client: httpx.AsyncClient, database: Database
) -> None:
    async def two(cx: Context) -> None:
        await somebody(cx, "王芳", "13900000002")
        await somebody(cx, "王方", "13900000003")

    await committed(database, two)
    page = await said(client, "/operator/audit?person=wf")
    assert "是哪一位" in page
    assert "王*" in page
    assert "王芳" not in page


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("day=2026-13-01", "日期不对"),
        ("day=9999-12-31", "没有这样的记录"),
        ("person=%00", "谁在什么时候做了什么"),
        (f"person={NOBODY}", "没有找到这个人"),
        ("person=谁也不是", "没有找到这个人"),
        ("actor=谁也不是", "没有这个账号"),
        ("record='%22;--", "没有这样的记录"),
        ("outcome=strange", "谁在什么时候做了什么"),
    ],
)
async def test_what_cannot_be_found_is_said(
    client: httpx.AsyncClient, query: str, words: str
) -> None:
    assert words in await said(client, f"/operator/audit?{query}")


async def test_an_entry_reads_plainly_and_raw(
    client: httpx.AsyncClient, database: Database
) -> None:
    person = await committed(database, look)
    page = await said(client, f"/operator/audit?person={person.id}&outcome=refused")
    found = re.search(r'href="(/operator/audit/\d+/\d+[^"]*)"', page)
    assert found is not None
    href = unescape(found[1])
    entry = plain(await said(client, href))
    assert f'"person":"{person.id}"' in entry
    assert re.search(r"第 \d+ 道第 \d+ 条", entry)
    assert "<html" not in (await client.get(href, headers={"hx-request": "true"})).text
    for wrong in ("/operator/audit/1/999999", "/operator/audit/99/1", "/operator/audit/1/-4"):
        await said(client, wrong, 404)


async def test_entries_come_in_pages(client: httpx.AsyncClient, database: Database) -> None:
    async def many(cx: Context) -> identity.Person:
        person = await somebody(cx)
        entry = audit.Entry("booking.read", person.id, "Appointment/1")
        await audit.append(cx, [entry] * 60)
        return person

    person = await committed(database, many)
    first = await said(client, f"/operator/audit?person={person.id}")
    assert first.count('class="row-link"') == 50
    found = re.search(r'href="([^"]+)"[^>]*rel="next"', first)
    assert found is not None
    second = await said(client, unescape(found[1]))
    assert 10 <= second.count('class="row-link"') < 50
    await said(client, f"/operator/audit?person={person.id}&page=bad", 400)


async def test_the_chain_is_checked_step_by_step(
    client: httpx.AsyncClient, database: Database
) -> None:
    async def happen(cx: Context) -> None:
        await look(cx)
        await audit.checkpoint(cx)

    await committed(database, happen)
    assert "最新检查点" in await said(client, "/operator/audit")
    async with client.stream("POST", "/operator/audit/verify") as answer:
        assert answer.status_code == 200
        pieces = [piece async for piece in answer.aiter_text()]
    page = "".join(pieces)
    assert "链是完整的" in page
    assert page.count("<progress") >= 2
    assert page.rstrip().endswith("</html>")
    (verdict,) = await entries_of(database, "audit.verified")
    assert isinstance(verdict["detail"], dict)
    assert verdict["detail"]["ok"] is True


async def test_the_first_broken_link_is_named(
    client: httpx.AsyncClient, database: Database, superuser_url: str
) -> None:
    await committed(database, look)
    with psycopg.connect(superuser_url, autocommit=True) as db:
        row = db.execute(
            "UPDATE audit.entry SET line = replace(line, 'refused', 'ok') WHERE (lane, seq) ="
            " (SELECT lane, seq FROM audit.entry WHERE line LIKE '%refused%' LIMIT 1)"
            " RETURNING lane, seq"
        ).fetchone()
    assert row is not None
    page = plain((await client.post("/operator/audit/verify")).text)
    assert "审计链断了" in page
    assert f"第 {row[0]} 道第 {row[1]} 条" in page
    assert "内容被改过" in page


async def test_parameters_show_what_nobody_checked(client: httpx.AsyncClient) -> None:
    everything = await said(client, "/operator/policy")
    doubtful = await said(client, "/operator/policy?show=unverified")
    assert KEY in everything
    assert KEY not in doubtful
    assert "待核实" in doubtful
    assert "没有这样的参数" in await said(client, "/operator/policy?q=nothing-like-it")
    await said(client, "/operator/policy/no.such_thing", 404)


async def since_of(client: httpx.AsyncClient) -> str:
    found = re.search(
        r'name="since" value="([^"]+)"', await said(client, f"/operator/policy/{KEY}")
    )
    assert found is not None
    return unescape(found[1])


async def test_a_change_is_shown_first_then_made_and_kept_as_history(
    client: httpx.AsyncClient, database: Database
) -> None:
    form = {"since": await since_of(client), "value": "65", "source": "示例文件第 3 条", "note": ""}
    preview = await client.post(f"/operator/policy/{KEY}/preview", data=form)
    assert preview.status_code == 200
    assert "改成" in preview.text
    assert await committed(database, lambda cx: policy.value(cx, KEY)) == 60
    assert (await client.post(f"/operator/policy/{KEY}", data=form)).status_code == 303
    assert await committed(database, lambda cx: policy.value(cx, KEY)) == 65
    page = await said(client, f"/operator/policy/{KEY}")
    assert "示例文件第 3 条" in page
    assert "老年人权益保障法第二条" in page  # the value before
    (entry,) = await entries_of(database, "policy.changed")
    assert entry["detail"] == {"from": "60", "to": "65", "source": "示例文件第 3 条"}
    stale = await client.post(f"/operator/policy/{KEY}", data=form | {"value": "70"})
    assert stale.status_code == 409
    assert "operator.parameter_changed" in stale.text


@pytest.mark.parametrize(
    ("value", "source", "words"),
    [
        ("sixty", "x", "不是一个完整的值"),
        ('"60"', "x", "不是一类"),
        ("60.5", "x", "不是一类"),
        ("[60]", "x", "不是一类"),
        ("null", "x", "不是一类"),
        ("60", "x", "没有要改的"),
        ("65", " ", "这里还没有填"),
        ("", "x", "不是一个完整的值"),
    ],
)
async def test_a_wrong_value_changes_nothing_and_loses_nothing(
    client: httpx.AsyncClient, database: Database, value: str, source: str, words: str
) -> None:
    form = {"since": await since_of(client), "value": value, "source": source, "note": "为了试试"}
    for path in (f"/operator/policy/{KEY}/preview", f"/operator/policy/{KEY}"):
        answer = await client.post(path, data=form)
        assert answer.status_code == 422, path
        if value or path.endswith("preview"):
            assert words in answer.text
            assert "为了试试" in answer.text
    assert await committed(database, lambda cx: policy.value(cx, KEY)) == 60


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(JSON)
def test_a_value_has_its_own_shape(value: object) -> None:
    assert same_shape(value, value)
    assert shape_of(value) in {"bool", "int", "float", "text", "list", "dict", "null"}


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        (1, 2, True),
        (1, 1.5, False),
        (1.5, 2, True),
        (True, 1, False),
        (1, True, False),
        ([1, 2], [3], True),
        ([1], ["a"], False),
        ([], ["anything"], True),
        ({"a": 1}, {"a": 2}, True),
        ({"a": 1}, {"b": 2}, False),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": {"b": "x"}}, {"a": {"b": 1}}, False),
        (None, None, True),
        (None, 1, False),
    ],
)
def test_shapes(old: object, new: object, same: bool) -> None:  # noqa: FBT001
    assert same_shape(old, new) is same
