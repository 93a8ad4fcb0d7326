"""What is in the record, searching it, and opening a resource with a reason."""

from __future__ import annotations

import httpx
import psycopg
import pytest
from fastapi import FastAPI

from citycare.kernel import audit, fhir
from citycare.kernel.context import Context, Role
from citycare.kernel.fhir import finding
from citycare.kernel.fhir.finding import TooCostly
from citycare.kit.db import Database
from citycare.scenarios.exchange.pages import reasons
from citycare.web.login.tokens import issue_token
from tests.scenarios.exchange.pages.conftest import ANNA, BORA, pulse
from tests.web.operator_city import acting, browser, committed, doctor, entries_of, plain, said

HOME = "/operator/record"
PULSE = f"{HOME}/resource/Observation/o-1"
REASON = "医院报错，核对化验单"
PAGES = (
    HOME,
    f"{HOME}?q=林秀英",
    f"{HOME}?q=Observation?code=8867-4",
    f"{HOME}/slow",
    f"{HOME}/slow?q=Observation?code=8867-4",
    f"{HOME}/subscriptions",
    f"{HOME}/imports",
    f"{HOME}/check",
)


async def reasoned(client: httpx.AsyncClient, path: str = PULSE) -> None:
    answer = await client.post(f"{path}/reason", data={"reason": REASON, "next": path})
    assert answer.status_code == 303, answer.text[:500]


async def open_all(client: httpx.AsyncClient) -> None:
    for path in PAGES:
        page = await said(client, path)
        assert page.count("<h1") == 1, path
        assert page.count('class="btn"') <= 1, path
        mark = "&" if "?" in path else "?"
        assert '<html lang="en"' in await said(client, f"{path}{mark}lang=en"), path
        await said(client, f"{path}{mark}lang=zh")


async def test_every_page_opens_empty_in_both_languages(client: httpx.AsyncClient) -> None:
    assert "档案库还是空的" in await said(client, HOME)
    await open_all(client)


@pytest.mark.usefixtures("record")
async def test_every_page_opens_full_in_both_languages(client: httpx.AsyncClient) -> None:
    await open_all(client)


async def test_nobody_but_operators_enters(app: FastAPI, database: Database) -> None:
    for role in (Role.CLERK, Role.CLINICIAN, Role.EXCHANGE, Role.SCHEDULER):
        async with browser(app, await issue_token(database, role)) as other:
            for path in (*PAGES, PULSE, f"{PULSE}/versions"):
                await said(other, path, 403)
            for path in (f"{PULSE}/reason", f"{HOME}/check", f"{HOME}/subscriptions/x/resume"):
                assert (await other.post(path, data={"reason": REASON})).status_code == 403


@pytest.mark.usefixtures("record")
async def test_types_are_counted(client: httpx.AsyncClient) -> None:
    page = plain(await said(client, HOME))
    assert "3 种，共 5 条" in page
    assert "检验结果和测量值" in page


@pytest.mark.usefixtures("record")
async def test_lists_have_no_names_until_a_reason_is_given(
    client: httpx.AsyncClient, database: Database
) -> None:
    path = f"{HOME}?q=Observation?code=8867-4%26_sort=-date"
    page = plain(await said(client, path))
    assert "心率" in page
    assert "林秀英" not in page
    assert "周建国" not in page
    await reasoned(client)
    page = plain(await said(client, path))
    assert "林秀英" in page
    assert "周建国" not in page
    looks = await entries_of(database, "operator.record")
    assert str(ANNA) in {look["person"] for look in looks}


@pytest.mark.usefixtures("record")
async def test_people_are_found_by_words_and_not_named(client: httpx.AsyncClient) -> None:
    for words in ("林秀英", "linxiuying", "31010119a11a"):
        page = plain(await said(client, f"{HOME}?q={words}"))
        if words == "林秀英":
            assert "018f6b2e…a11a" in page
        assert "1958-03-14" not in page
        assert (
            "林秀英"
            not in page.replace('value="林秀英"', "")
            .replace("“林秀英”", "")
            .replace("?name=林秀英", "")
            or words != "林秀英"
        )


@pytest.mark.usefixtures("record")
async def test_a_resource_is_opened_with_a_reason_that_is_kept(
    client: httpx.AsyncClient, database: Database
) -> None:
    page = plain(await said(client, PULSE))
    assert "为什么要看" in page
    assert "76 /min" not in page
    assert "复测" not in page
    short = await client.post(f"{PULSE}/reason", data={"reason": "看", "next": PULSE})
    assert short.status_code == 422
    assert "写清楚一些" in short.text
    looks = await entries_of(database, "operator.record")
    assert [look["detail"] for look in looks] == [{"shown": "outline"}] * 2
    await reasoned(client)
    page = plain(await said(client, PULSE))
    assert "76 /min" in page
    assert "LOINC 8867-4" in page
    assert "2026-11-28 9:30" in page
    *_, look = await entries_of(database, "operator.record")
    assert (look["person"], look["record"]) == (str(ANNA), "Observation/o-1")
    assert look["detail"] == {"reason": REASON}
    patient = plain(await said(client, f"{HOME}/resource/Patient/{ANNA}"))  # the same person
    assert "林秀英" in patient
    assert "Observation/o-1" in patient  # refers to her


@pytest.mark.usefixtures("record")
async def test_a_reason_is_for_one_person_and_one_operator(
    app: FastAPI, client: httpx.AsyncClient, database: Database
) -> None:
    await reasoned(client)
    assert "为什么要看" in await said(client, f"{HOME}/resource/Observation/o-2")
    await said(client, PULSE)
    edge = app.state.edge
    until = int((edge.now() + reasons.LIFE).timestamp())
    for account, opens in ((str(ANNA), False), (await _account(database), True)):
        value = [account, [[until, REASON, [str(ANNA)]]]]
        sealed = edge.sealer.seal(reasons.PURPOSE, value, edge.now(), reasons.LIFE)
        client.cookies.clear()
        client.cookies.set(reasons.COOKIE, sealed)
        assert ("为什么要看" not in await said(client, PULSE)) is opens


async def _account(database: Database) -> str:
    (look, *_) = await entries_of(database, "operator.record")
    return str(look["account"])


@pytest.mark.usefixtures("record")
async def test_what_is_about_nobody_needs_no_reason(client: httpx.AsyncClient) -> None:
    assert "示例第一医院" in await said(client, f"{HOME}/resource/Organization/h-1")


@pytest.mark.usefixtures("record")
async def test_json_keeps_its_digits(client: httpx.AsyncClient) -> None:
    await reasoned(client)
    page = plain(await said(client, f"{PULSE}?view=json"))
    assert '"birthDate"' not in page
    assert '"value": 76' in page
    assert "http://loinc.org" in page


async def test_what_is_not_there_is_not_found(client: httpx.AsyncClient) -> None:
    await said(client, f"{HOME}/resource/Observation/nothing", 404)
    await said(client, f"{HOME}/resource/Nonsense/1", 404)
    await said(client, f"{PULSE}?version=99999999999", 404)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("Observatoin?code=1", "改成：Observation?code=1"),
        ("Observation?cod=1", "改成：Observation?code=1"),
        ("Observation?date=yesterday", "可以这样写：date=2026-11"),
        ("Observation?code:exact=1", "后面不能加 exact"),
        ("Observation?page=x&_count=many", "不是"),
    ],
)
async def test_what_is_refused_says_what_to_write(
    client: httpx.AsyncClient, query: str, says: str
) -> None:
    answer = await client.get(HOME, params={"q": query})
    assert answer.status_code == 422
    assert says in plain(answer.text)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("Observation?date=ge2026-11&_sort=-date", "date 从 “2026-11” 起"),
        ("Observation?code=a,b", "code 是 “a” 或 “b”"),
        ("Observation?subject:Patient.name=林", "name 以 “林” 开头"),
        ("Patient?_has:Observation:patient:code=8867-4", "有 Observation 用 patient 指着它"),
        ("Patient?phone:missing=true", "phone 没有填"),
        (
            "Patient?_id=x&_revinclude=Observation:patient",
            "一并带出用 Observation:patient 指过来的",
        ),
    ],
)
async def test_a_query_is_told_in_words(client: httpx.AsyncClient, query: str, says: str) -> None:
    answer = await client.get(HOME, params={"q": query})
    assert answer.status_code == 200
    assert says in plain(answer.text)


@pytest.mark.usefixtures("record")
async def test_pages_follow_each_other(client: httpx.AsyncClient) -> None:
    first = await client.get(HOME, params={"q": "Observation?_count=1"})
    assert "下一页" in first.text
    again = plain(first.text).partition('rel="next"')[0].rpartition('href="')[2].partition('"')[0]
    second = await said(client, again)
    assert "o-1" in first.text + second
    assert "o-2" in first.text + second
    broken = await client.get(HOME, params={"q": "Observation?_count=1", "page": "forged"})
    assert broken.status_code == 422


@pytest.mark.usefixtures("record")
async def test_versions_stand_side_by_side(client: httpx.AsyncClient) -> None:
    assert "为什么要看" in await said(client, f"{PULSE}/versions")
    await reasoned(client)
    page = plain(await said(client, f"{PULSE}/versions"))
    assert "valueQuantity.value" in page
    assert "72" in page
    assert "76" in page
    assert "note[0].text" in page
    assert "新增" in page
    assert "城医通自己的业务" in page
    old = plain(await said(client, f"{PULSE}?version=1"))
    assert "这是以前的一版" in old
    assert "72 /min" in old


@pytest.mark.usefixtures("record")
async def test_an_address_of_a_resource_leads_to_it(client: httpx.AsyncClient) -> None:
    answer = await client.get(HOME, params={"q": "http://127.0.0.1:8000/fhir/R4/Observation/o-1"})
    assert (answer.status_code, answer.headers["location"]) == (303, PULSE)


async def test_a_search_that_takes_too_long_is_told(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def endless(cx: Context, *_: object, **__: object) -> None:
        await cx.db.execute("SET LOCAL statement_timeout = '50ms'")
        try:
            await cx.db.execute("SELECT pg_sleep(5)")
        except psycopg.errors.QueryCanceled as error:
            raise TooCostly(problem="time") from error

    monkeypatch.setattr(finding, "find", endless)
    page = plain(await said(client, f"{HOME}?q=Observation?code=1", 422))
    assert "这个查询范围太大" in page
    assert 'value="Observation?code=1"' in page


@pytest.mark.usefixtures("record")
async def test_who_wrote_a_version_over_the_interface_is_named(
    client: httpx.AsyncClient, database: Database
) -> None:
    async def write(cx: Context) -> None:
        writer = await doctor(cx)
        (kept,) = await fhir.put(cx, [pulse("o-2", BORA, 95)])
        record = f"Observation/o-2/_history/{kept.key.version}"
        entry = audit.Entry("record.write", BORA, record, detail={"change": "update"})
        await audit.append(acting(cx, writer, "record.write"), [entry])

    await committed(database, write)
    path = f"{HOME}/resource/Observation/o-2"
    await reasoned(client, path)
    for where in (path, f"{path}/versions"):
        assert "陈立 · 医生" in plain(await said(client, where))
