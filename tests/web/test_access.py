"""Who looked at my record: what a person reads about the accesses to their own record."""

from __future__ import annotations

import ast
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from html import unescape
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from citycare import app as application
from citycare.kernel import audit, consent, identity
from citycare.kernel.context import Actor, App, Context, Grant, Role
from citycare.kernel.identity import NewPerson, Person, RequestState
from citycare.kit.db import Database
from citycare.kit.pages import encode
from citycare.scenarios.booking.model.core import State
from citycare.settings import Settings
from citycare.web.actions import ACTIONS, POLICY_WORDS
from citycare.web.gates import list_routes
from citycare.web.login.tokens import issue_token
from tests.arch.sources import package
from tests.web.operator_city import acting, browser, committed, doctor, said, somebody


@pytest.fixture
def app(settings: Settings, database: Database) -> FastAPI:
    return application.create(settings, database)


@pytest.fixture
async def me(database: Database) -> Person:
    return await committed(database, somebody)


@pytest.fixture
async def client(app: FastAPI, database: Database, me: Person) -> AsyncIterator[httpx.AsyncClient]:
    async with browser(app, await issue_token(database, Role.RESIDENT, me.id)) as opened:
        yield opened


async def test_nobody_looked_yet(client: httpx.AsyncClient) -> None:
    page = await said(client, "/me/access")
    assert "还没有别人看过" in page
    assert "觉得哪一次不对" in page
    assert "/me/access" in await said(client, "/me")


async def test_who_why_through_what_and_from_where(
    client: httpx.AsyncClient, database: Database, me: Person
) -> None:
    async def look(cx: Context) -> None:
        who = await doctor(cx)
        seen = audit.Entry("record.read", me.id, f"Patient/{me.id}")
        await audit.append(acting(cx, who, "record.read"), [seen])
        refused = audit.Entry("record.read", me.id, f"Patient/{me.id}", "refused")
        await audit.append(acting(cx, who, "record.read"), [refused])
        await consent.break_glass(acting(cx, who), me.id, "患者昏迷，需要马上知道过敏史")

    await committed(database, look)
    page = await said(client, "/me/access")
    for words in ("陈立", "医生", "查看健康档案", "没有看成", "患者昏迷", "手机或网页"):
        assert words in page, words
    assert "urn:test" not in page  # name, role and workplace of staff, nothing else


async def test_an_operator_says_why(
    client: httpx.AsyncClient, database: Database, me: Person
) -> None:
    async def look(cx: Context) -> None:
        who = acting(cx, await doctor(cx, "周平"), "operator.record")
        why = {"reason": "家属来电，核对一份重复的检验"}
        about = f"Patient/{me.id}"
        await audit.append(who, [audit.Entry("operator.record", me.id, about, detail=why)])

    await committed(database, look)
    page = await said(client, "/me/access")
    for words in ("周平", "运维查看健康档案", "为了：家属来电，核对一份重复的检验"):
        assert words in page, words


async def test_an_app_is_named_whoever_let_it_in(
    client: httpx.AsyncClient, database: Database, me: Person
) -> None:
    app = App(UUID(int=7), "血压日记")
    await said(client, "/bookings")  # by now the account has done something

    async def look(cx: Context) -> None:
        mine = await account_of(cx, me.id)
        seen = audit.Entry("record.read", me.id, f"Patient/{me.id}")
        own = Actor(mine, me.id, (Grant(Role.RESIDENT),), None, me.name, app)
        theirs = replace(await doctor(cx), app=App(UUID(int=8), "查房助手"))
        for who in (own, theirs):
            await audit.append(acting(cx, who, "record.exchange"), [seen])

    await committed(database, look)
    page = await said(client, "/me/access")
    for words in ("应用“血压日记”", "您允许的应用", "陈立", "通过应用“查房助手”"):
        assert words in page, words
    assert "您自己" not in page, "an app is not the person"
    assert "app “血压日记”" in await said(client, "/me/access?lang=en")


async def account_of(cx: Context, person: UUID) -> UUID:
    rows = await cx.db.execute("SELECT id FROM identity.account WHERE person_id = %s", [person])
    row = await rows.fetchone()
    assert row is not None
    return UUID(str(row["id"]))


async def test_my_own_doings_are_left_out_until_asked_for(client: httpx.AsyncClient) -> None:
    await said(client, "/bookings")
    assert "您自己" not in await said(client, "/me/access")
    assert "您自己" in await said(client, "/me/access?show=all")


async def test_what_was_seen_under_a_merged_number_counts(
    client: httpx.AsyncClient, database: Database, me: Person
) -> None:
    async def merge(cx: Context) -> None:
        other = await identity.register_person(cx, NewPerson(me.name, me.sex, me.born_on))
        who = acting(cx, await doctor(cx, "吴海"), "record.read")
        await audit.append(who, [audit.Entry("record.read", other.id, f"Patient/{other.id}")])
        await identity.merge(cx, me.id, other.id, "核对了证件")

    await committed(database, merge)
    assert "吴海" in await said(client, "/me/access")


async def resident_did(database: Database, name: str, entry: audit.Entry) -> None:
    """Let another resident do this."""

    async def look(cx: Context) -> None:
        account = await identity.register_account(cx, "urn:test", "another", name=name)
        actor = Actor(account.id, None, (), None, account.name)
        await audit.append(acting(cx, actor), [entry])

    await committed(database, look)


async def test_other_residents_are_masked(
    client: httpx.AsyncClient, database: Database, me: Person
) -> None:
    await resident_did(database, "林小静", audit.Entry("booking.read", me.id, "Appointment/1"))
    page = await said(client, "/me/access")
    assert "林**" in page
    assert "代办的家人" in page
    assert "林小静" not in page


async def test_who_is_refused_is_no_family(
    client: httpx.AsyncClient, database: Database, me: Person
) -> None:
    entry = audit.Entry("record.read", me.id, f"Patient/{me.id}", "refused")
    await resident_did(database, "彭小民", entry)
    page = await said(client, "/me/access")
    assert "没有看成" in page
    assert "代办的家人" not in page
    assert "别的居民" in page


async def test_pages_follow_each_other(
    client: httpx.AsyncClient, database: Database, me: Person
) -> None:
    async def many(cx: Context) -> None:
        who = acting(cx, await doctor(cx), "record.read")
        await audit.append(who, [audit.Entry("record.read", me.id, "Patient/1")] * 25)

    await committed(database, many)
    first = await said(client, "/me/access")
    assert first.count("陈立") == 20
    found = re.search(r'href="([^"]+)"[^>]*rel="next"', first)
    assert found is not None
    assert (await said(client, unescape(found[1]))).count("陈立") == 5
    for made_up in ("bad", encode("a", "b", "c"), encode(2**63, 1, 1)):
        await said(client, f"/me/access?page={made_up}", 400)
    await said(client, f"/me/access?page={encode(1, 40_000, 1)}")  # nothing is that old


async def test_somebody_elses_log_needs_the_door(app: FastAPI) -> None:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as nobody:
        assert (await nobody.get("/me/access")).status_code == 401
        page = await nobody.get("/me/access", headers={"accept": "text/html"})
        assert page.headers["location"].startswith("/login?next=/me/access")


def test_every_action_of_the_policy_has_its_words() -> None:
    assert {action: rule.purpose for action, rule in consent.POLICY.items()} == POLICY_WORDS


def test_the_rest_have_words_too(app: FastAPI) -> None:
    declared = {one.gate.action for one in list_routes(app) if one.gate is not None}
    assert sorted(declared - set(ACTIONS)) == []


def test_whatever_is_written_into_the_trail_has_words() -> None:
    calls = [one for source in package() for one in ast.walk(source.tree) if is_entry(one)]
    first = [one.args[0] for one in calls if isinstance(one, ast.Call)]
    written = {str(one.value) for one in first if isinstance(one, ast.Constant)}
    answers = set(RequestState) - {RequestState.OPEN}
    written |= {f"relation.{one}" for one in ("asked", "added", "ended", *answers)}
    written |= {f"booking.{one}" for one in (State.ARRIVED, State.FULFILLED, State.NO_SHOW)}
    assert len(written) > 50
    assert sorted(written - set(ACTIONS)) == []


def is_entry(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call) or not node.args:
        return False
    return ast.unparse(node.func) in ("Entry", "audit.Entry")
