"""Why a search is slow, subscriptions, imports."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from citycare.kernel import events, fhir
from citycare.kernel.context import Context
from citycare.kernel.fhir import importing
from citycare.kernel.fhir.importing import Options, reading
from citycare.kit.db import Database
from citycare.scenarios.exchange.model.subscriptions import Owner, State
from citycare.scenarios.exchange.service.subscriptions import keeping
from citycare.scenarios.exchange.store import subscriptions as store
from tests.scenarios.exchange.pages.conftest import ANNA, patient, pulse
from tests.scenarios.exchange.subscriptions.conftest import ACCOUNT, subscription
from tests.web.operator_city import committed, entries_of, plain, said

HOME = "/operator/record"
RECEIVER = "https://hospital.example/told"


@pytest.mark.usefixtures("record")
async def test_a_search_is_explained_without_its_data(
    client: httpx.AsyncClient, database: Database
) -> None:
    page = plain(await said(client, f"{HOME}/slow?q=Observation?code=8867-4%26_sort=-date"))
    assert "毫秒" in page
    assert "索引直接判定" in page
    assert "语句和原始计划" in page
    assert "Execution Time" in page
    assert "林秀英" not in page
    assert "o-1" not in page
    (entry,) = await entries_of(database, "operator.record")
    assert (entry["record"], entry["person"]) == ("Observation/$explain", None)


@pytest.mark.usefixtures("record")
async def test_what_is_checked_one_by_one_is_told(client: httpx.AsyncClient) -> None:
    page = plain(await said(client, f"{HOME}/slow?q=Patient?name:contains=秀"))
    assert "逐条核对" in page or "每条都要读出来核对" in page


async def test_a_broken_query_is_refused_there_too(client: httpx.AsyncClient) -> None:
    page = plain(await said(client, f"{HOME}/slow?q=Observation?cod=1", 422))
    assert "不是 Observation 的查询条件" in page


async def stop(cx: Context) -> None:
    """A subscription whose receiver is away: in error, three events wait, its job is dead."""
    await fhir.put(cx, [subscription(RECEIVER, id="s-1", channel={"header": ["Authorization: k"]})])
    asked = keeping.read(await fhir.get(cx, "Subscription", "s-1"))
    await store.put(cx.db, asked, cx.now)
    await store.own(cx.db, "s-1", Owner(ACCOUNT, None))
    await store.set_state(cx.db, "s-1", State.ERROR, asked.version, "HTTP status 503", cx.now)
    await cx.db.execute(
        "UPDATE exchange.subscription SET numbered = 3, failures = 12, failing_at = now()"
    )
    job = await events.defer(cx, keeping.RESUME, {"subscription": "s-1"})
    await cx.db.execute(
        "UPDATE jobs.procrastinate_jobs SET status = 'failed' WHERE id = %(job)s", {"job": job}
    )


async def test_a_stopped_subscription_is_shown_and_tried_again(
    client: httpx.AsyncClient, database: Database
) -> None:
    await committed(database, stop)
    page = plain(await said(client, f"{HOME}/subscriptions"))
    assert "停下了" in page
    assert "Observation?" in page
    panel = plain(await said(client, f"{HOME}/subscriptions/s-1"))
    assert "接收方回答 HTTP 503，没有收。" in panel
    assert "第一次联系（握手）没有成功" in panel
    assert "3 条" in panel
    assert RECEIVER in panel
    assert "看失败的任务" in panel
    answer = await client.post(f"{HOME}/subscriptions/s-1/resume")
    assert answer.status_code == 303
    async with database.autocommit() as db:
        rows = await (await db.execute("SELECT status FROM jobs.procrastinate_jobs")).fetchall()
    assert [row["status"] for row in rows] == ["todo"]
    (entry,) = await entries_of(database, "job.replayed")
    assert entry["record"] == "Subscription/s-1"


@pytest.mark.parametrize(
    ("problem", "said_as"),
    [
        ("name not found", "找不到接收方的网址"),
        ("address not allowed", "要用 https 和公网地址"),
        ("no answer in time", "没有按时回答"),
        ("connection failed: ConnectError", "连不上接收方（ConnectError）"),
        ("Subscription.criteria: cannot be served", "Subscription.criteria: cannot be served"),
    ],
)
async def test_why_a_receiver_is_not_reached_is_said_plainly(
    client: httpx.AsyncClient, database: Database, problem: str, said_as: str
) -> None:
    async def taken(cx: Context) -> None:
        await stop(cx)
        await cx.db.execute(
            "UPDATE exchange.subscription SET told_at = now(), error = %(problem)s",
            {"problem": problem},
        )

    await committed(database, taken)
    panel = plain(await said(client, f"{HOME}/subscriptions/s-1"))
    assert said_as in panel
    assert "试了多次都送不到" in panel


async def test_filters_hide_other_states(client: httpx.AsyncClient, database: Database) -> None:
    await committed(database, stop)
    assert "s-1" in await said(client, f"{HOME}/subscriptions?state=error")
    assert "没有这样的订阅" in await said(client, f"{HOME}/subscriptions?state=active")
    await said(client, f"{HOME}/subscriptions/nothing", 404)


async def test_secrets_of_a_subscription_are_not_shown(
    client: httpx.AsyncClient, database: Database
) -> None:
    await committed(database, stop)
    path = f"{HOME}/resource/Subscription/s-1"
    await client.post(f"{path}/reason", data={"reason": "核对接收地址", "next": path})
    for view in ("", "?view=json"):
        page = plain(await said(client, path + view))
        assert "Authorization: …" in page
        assert "Authorization: k" not in page


async def test_imports_tell_what_was_refused(
    client: httpx.AsyncClient, database: Database, tmp_path: Path
) -> None:
    wrong = pulse("o-9", ANNA, status="finished")
    file = tmp_path / "hospital.ndjson"
    file.write_text("\n".join(map(fhir.dumps, [patient(ANNA, "林秀英"), wrong])), "utf-8")

    (part,) = reading.parts([file])
    await importing.take(database, part, Options(), lambda *_: None)
    page = plain(await said(client, f"{HOME}/imports"))
    assert "hospital.ndjson" in page
    assert "有拒收" in page
    link = page.partition("/operator/record/imports/")[2].partition('"')[0]
    panel = plain(await said(client, f"{HOME}/imports/{link}"))
    assert "Observation.status" in panel
    assert "下载全部拒收原因" in panel
    table = await client.get(f"{HOME}/imports/{link}/faults")
    assert table.headers["content-disposition"].startswith("attachment")
    assert "Observation.status" in table.text
    await said(client, f"{HOME}/imports/{'0' * 64}", 404)
    await said(client, f"{HOME}/imports/nonsense", 404)
