"""The operator's pages: doors, jobs, events, the first page."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from citycare import app as application
from citycare.kernel import events, identity
from citycare.kernel.context import Context, Grant, Role
from citycare.kit import ids, keyring
from citycare.kit.db import Database
from citycare.kit.pages import Page, encode
from citycare.settings import Settings
from citycare.web.login.tokens import issue_token
from citycare.web.operator import home
from tests.web.operator_city import NOBODY, browser, committed, entries_of, operator, said

PAGES = (
    "/operator",
    "/operator/jobs",
    "/operator/jobs?state=waiting",
    "/operator/jobs?state=running",
    "/operator/events",
    "/operator/audit",
    "/operator/policy",
    "/operator/policy?show=unverified&q=booking",
    "/operator/people",
    "/operator/people/merges",
    "/operator/glass",
    "/operator/glass?show=reviewed",
    "/operator/accounts",
    "/operator/appeals",
)
FORMS = (
    "/operator/jobs/1/replay",
    "/operator/jobs/1/discard",
    "/operator/audit/verify",
    "/operator/policy/booking.elder.age",
    "/operator/policy/booking.elder.age/preview",
    f"/operator/people/{NOBODY}/merge",
    f"/operator/people/{NOBODY}/reject",
    f"/operator/people/merges/{NOBODY}/undo",
    f"/operator/glass/{NOBODY}",
    f"/operator/accounts/{NOBODY}/grants",
    f"/operator/accounts/{NOBODY}/grants/end",
    f"/operator/accounts/{NOBODY}/sessions/end",
    f"/operator/accounts/{NOBODY}/second-factor",
    f"/operator/accounts/{NOBODY}/close",
    f"/operator/appeals/{NOBODY}",
)


@pytest.fixture
def app(settings: Settings, database: Database) -> FastAPI:
    return application.create(settings, database)


@pytest.fixture
async def client(app: FastAPI, database: Database) -> AsyncIterator[httpx.AsyncClient]:
    async with await operator(app, database) as opened:
        yield opened


async def fail(cx: Context, name: str = "booking.offer") -> int:
    job = await events.defer(cx, name, {"wait": str(ids.new())})
    assert job is not None
    await cx.db.execute(
        "UPDATE jobs.procrastinate_jobs SET status = 'failed', attempts = 6 WHERE id = %(job)s",
        {"job": job},
    )
    await cx.db.execute(
        "INSERT INTO events.failure (job_id, at, error, place)"
        " VALUES (%(job)s, %(at)s, 'KeyError', 'wait.py:118')",
        {"job": job, "at": cx.now},
    )
    return job


async def test_every_page_opens_empty_in_both_languages(client: httpx.AsyncClient) -> None:
    for path in PAGES:
        page = await said(client, path)
        assert "<h1" in page, path
        english = await said(client, f"{path}{'&' if '?' in path else '?'}lang=en")
        assert '<html lang="en"' in english, path
        await said(client, f"{path}{'&' if '?' in path else '?'}lang=zh")


async def test_each_page_has_at_most_one_filled_button(client: httpx.AsyncClient) -> None:
    for path in PAGES:
        assert (await said(client, path)).count('class="btn"') <= 1, path


async def test_nobody_else_enters(app: FastAPI, database: Database) -> None:
    async with browser(app, await issue_token(database, Role.CLERK)) as clerk:
        for path in (*PAGES, "/design/parts"):
            await said(clerk, path, 403)
        for path in FORMS:
            form = {"reason": "x", "since": "x", "value": "1", "source": "x", "keep": str(NOBODY)}
            form |= {"verdict": "justified", "role": "clerk", "decision": "lift"}
            assert (await clerk.post(path, data=form)).status_code == 403, path


async def test_an_operator_of_one_house_does_not_run_the_city(
    app: FastAPI, database: Database
) -> None:
    async def house(cx: Context) -> UUID:
        organisation = identity.Organisation(
            ids.new(), "示例第一医院", "示例一院", identity.OrganisationKind.HOSPITAL, "310106"
        )
        await identity.register_organisation(cx, organisation)
        return organisation.id

    place = await committed(database, house)
    token = await issue_token(database, Role.OPERATOR, organisation=place)
    async with browser(app, token) as local:
        for path in PAGES:
            await said(local, path, 403)


async def test_all_is_well_and_then_not(client: httpx.AsyncClient, database: Database) -> None:
    assert "运行正常" in await said(client, "/operator")
    await committed(database, fail)
    page = await said(client, "/operator")
    assert "有 1 件事要看" in page
    assert "1\u00a0个任务试了几次都失败" in page
    assert "今天每小时的号" in page  # booking's charts: without a number a sentence, no axes
    assert "没有记报到，所以没有数" in page
    assert "data-chart" not in page


async def test_a_full_disk_is_told() -> None:
    assert home.Disk(free=5, total=100).share_free < home.DISK_FREE_MIN
    assert home.Disk(free=0, total=0).share_free == 0
    assert home.size_of(1_234_000_000) == "1.2 GB"
    assert home.size_of(340_000_000) == "340 MB"


async def test_a_dead_letter_is_read_and_replayed(
    client: httpx.AsyncClient, database: Database
) -> None:
    job = await committed(database, fail)
    page = await said(client, f"/operator/jobs/{job}")
    assert "KeyError" in page
    assert "wait.py:118" in page
    partial = await client.get(f"/operator/jobs/{job}", headers={"hx-request": "true"})
    assert "<html" not in partial.text
    assert "KeyError" in partial.text
    answer = await client.post(f"/operator/jobs/{job}/replay")
    assert answer.status_code == 303
    assert "没有失败的任务" in await said(client, "/operator/jobs")
    assert f"job/{job}" in [one["record"] for one in await entries_of(database, "job.replayed")]
    again = await client.post(f"/operator/jobs/{job}/replay")
    assert again.status_code == 404
    assert "events.no_dead_letter" in again.text


async def test_a_dead_letter_is_given_up_with_a_reason(
    client: httpx.AsyncClient, database: Database
) -> None:
    job = await committed(database, fail)
    assert "不再做这个任务" in await said(client, f"/operator/jobs/{job}/discard")
    assert (await client.post(f"/operator/jobs/{job}/discard")).status_code == 422
    reason = {"reason": "数据已由医院重新上传"}
    assert (await client.post(f"/operator/jobs/{job}/discard", data=reason)).status_code == 303
    (entry,) = await entries_of(database, "job.discarded")
    assert entry["detail"] == reason
    await said(client, f"/operator/jobs/{job}", 404)


async def test_dead_letters_come_in_pages(client: httpx.AsyncClient, database: Database) -> None:
    async def many(cx: Context) -> None:
        for _ in range(53):
            await fail(cx)

    await committed(database, many)
    first = await said(client, "/operator/jobs")
    assert first.count('class="row-link"') == 50
    found = re.search(r'href="([^"]+)"[^>]*rel="next"', first)
    assert found is not None
    second = await said(client, unescape(found[1]))
    assert second.count('class="row-link"') == 3


async def test_events_show_what_is_left_to_do(
    client: httpx.AsyncClient, database: Database
) -> None:
    async def happen(cx: Context) -> None:
        await events.emit(cx, [events.Event("booking.booked", {"booking": "b-1"})])

    await committed(database, happen)
    assert "booking=b-1" in await said(client, "/operator/events?name=booking")
    assert "没有这样的事件" in await said(client, "/operator/events?name=visit")
    await said(client, "/operator/events?page=nonsense", 400)
    await said(client, "/operator/jobs?state=waiting&page=nonsense", 400)


@pytest.mark.parametrize(
    ("path", "made_up"),
    [
        ("jobs?", encode("a")),
        ("jobs?", "9" * 30),
        ("jobs?state=waiting&", encode(2**63)),
        ("glass?", encode("a", "b")),
        ("people/merges?", encode(1)),
        ("accounts?", encode("a", "b")),
        ("accounts?", encode(1, 2)),
        ("events?", encode("2026-01-01", "x")),
        ("audit?", encode("a", "b", "c")),
    ],
)
async def test_a_made_up_page_is_refused(
    client: httpx.AsyncClient, path: str, made_up: str
) -> None:
    await said(client, f"/operator/{path}page={made_up}", 400)


async def test_accounts_are_given_and_lose_roles(
    client: httpx.AsyncClient, database: Database
) -> None:
    async def register(cx: Context) -> identity.Account:
        return await identity.register_account(cx, "urn:test", "zhao", name="赵芳")

    account = await committed(database, register)
    path = f"/operator/accounts/{account.id}"
    assert "没有工作角色" in await said(client, path)
    refused = await client.post(f"{path}/grants", data={"role": "clerk"})
    assert refused.status_code == 409
    assert "operator.place_missing" in refused.text
    grant = {"role": "clerk", "organisation": "city"}
    assert (await client.post(f"{path}/grants", data=grant)).status_code == 303
    assert "窗口 · 全市" in await said(client, path)
    assert "赵芳" in await said(client, "/operator/accounts?role=clerk")
    await client.post(f"{path}/grants/end", data={"role": "clerk", "organisation": ""})
    assert "没有工作角色" in await said(client, path)
    assert len(await entries_of(database, "account.granted")) >= 1
    assert len(await entries_of(database, "account.grant_ended")) == 1
    assert (await client.post(f"{path}/grants", data={"role": "king"})).status_code == 422
    for role in ("resident", "system"):
        answer = await client.post(f"{path}/grants", data={"role": role, "organisation": "city"})
        assert answer.status_code == 409, role
    await said(client, f"/operator/accounts/{NOBODY}", 404)


async def test_sessions_are_ended_and_accounts_closed(
    app: FastAPI, client: httpx.AsyncClient, database: Database
) -> None:
    token = await issue_token(database, Role.CLERK)

    async def find(cx: Context) -> identity.AccountCard:
        return (await identity.search_accounts(cx, role=Role.CLERK)).items[0]

    clerk = await committed(database, find)
    path = f"/operator/accounts/{clerk.id}"
    async with browser(app, token) as desk:
        await said(desk, "/desk")
        assert "citycare token" in await said(client, path)
        assert (await client.post(f"{path}/sessions/end")).status_code == 303
        assert (await desk.get("/desk")).status_code in (303, 401)
    assert "停用" in await said(client, f"{path}/close")
    assert (await client.post(f"{path}/close")).status_code == 303
    assert "已停用" in await said(client, "/operator/accounts")


async def test_nobody_locks_themselves_out(client: httpx.AsyncClient, database: Database) -> None:
    async def find(cx: Context) -> identity.AccountCard:
        return (await identity.search_accounts(cx, role=Role.OPERATOR)).items[0]

    me = await committed(database, find)
    path = f"/operator/accounts/{me.id}"
    form = {"role": "operator", "organisation": ""}
    assert (await client.post(f"{path}/grants/end", data=form)).status_code == 409
    assert (await client.post(f"{path}/close")).status_code == 409
    await said(client, "/operator")


async def test_nobody_gives_themselves_a_role(
    client: httpx.AsyncClient, database: Database
) -> None:
    me = (await committed(database, _operators)).items[0]
    path = f"/operator/accounts/{me.id}"
    assert "加一个角色" not in await said(client, path)
    for place in ("city", str(ids.new())):
        form = {"role": "clinician", "organisation": place}
        answer = await client.post(f"{path}/grants", data=form)
        assert (answer.status_code, "operator.own_access" in answer.text) == (409, True)
    grants = (await committed(database, _operators)).items[0].grants
    assert [grant.role for grant, _ in grants] == [Role.OPERATOR]


async def test_a_lost_phone_is_answered_by_another_operator(
    client: httpx.AsyncClient, database: Database, settings: Settings
) -> None:
    async def hire(cx: Context) -> UUID:
        clerk = await identity.register_account(cx, "urn:test", "lost", name="丢了手机")
        await identity.add_grant(cx, clerk.id, Grant(Role.CLERK))
        await identity.enrol_second_factor(cx, keyring.open_ring(settings.home), clerk.id)
        await identity.open_session(cx, clerk.id, "老手机")
        return clerk.id

    path = f"/operator/accounts/{await committed(database, hire)}"
    page = await said(client, path)
    assert "老手机" in page
    assert f"{path}/second-factor" in page
    assert "请当面核对是本人" in await said(client, f"{path}/second-factor")
    assert (await client.post(f"{path}/second-factor")).status_code == 303
    after = await said(client, path)
    assert "老手机" not in after
    assert "还没有动态码" in after
    assert f"{path}/second-factor" not in after
    me = (await committed(database, _operators)).items[0]
    assert (await client.post(f"/operator/accounts/{me.id}/second-factor")).status_code == 409


async def _operators(cx: Context) -> Page[identity.AccountCard]:
    return await identity.search_accounts(cx, role=Role.OPERATOR)


async def test_searching_accounts_takes_names_as_they_are(
    client: httpx.AsyncClient, database: Database
) -> None:
    async def register(cx: Context) -> None:
        for name in ("100%真", "100分", "a_b"):
            account = await identity.register_account(cx, "urn:test", name, name=name)
            await identity.add_grant(cx, account.id, Grant(Role.CLERK))

    await committed(database, register)
    page = await said(client, "/operator/accounts?q=100%25")
    assert "100%真" in page
    assert "100分" not in page
    assert "没有这样的账号" in await said(client, "/operator/accounts?q=a%25")
    assert "没有这样的账号" in await said(client, "/operator/accounts?q=%00%27")


@pytest.mark.parametrize("name", ["parts", "home", "choose", "clinic", "slip", "error"])
async def test_the_design_pages_open_for_operators(client: httpx.AsyncClient, name: str) -> None:
    await said(client, f"/design/{name}")


async def test_an_unknown_design_page_is_not_found(client: httpx.AsyncClient) -> None:
    await said(client, "/design/nothing", 404)
    answer = await client.get("/design")
    assert answer.headers["location"] == "/design/parts"
