"""The onboarding check over HTTP: good, bad and unreadable data; nothing is kept."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import httpx
import pytest

from citycare.kit.db import Database
from citycare.scenarios.exchange.service import checking
from tests.scenarios.exchange.pages.conftest import ANNA, patient, pulse
from tests.web.operator_city import entries_of, plain

CHECK = "/operator/record/check"
Json = dict[str, Any]


def bad() -> Json:
    wrong = pulse("o-9", ANNA, status="finished", colour="red")
    del wrong["code"]
    return wrong


def bundle(*some: Json, kind: str = "collection") -> str:
    entries = [{"fullUrl": f"urn:uuid:{ANNA}", "resource": one} for one in some[:1]]
    entries += [{"resource": one} for one in some[1:]]
    return json.dumps({"resourceType": "Bundle", "type": kind, "entry": entries})


async def sent(client: httpx.AsyncClient, text: str, **more: str) -> httpx.Response:
    return await client.post(CHECK, data={"text": text, **more}, files={"file": ("", b"")})


async def test_each_fault_is_told_in_both_languages(client: httpx.AsyncClient) -> None:
    answer = await sent(client, bundle(patient(ANNA, "林秀英"), bad()))
    page = plain(answer.text)
    assert answer.status_code == 200
    assert "1 条要改，共 2 条" in page
    assert "缺必填的数据项" in page
    assert "代码不在允许的范围内" in page
    assert "没有这个数据项" in page
    assert "Observation.status" in page
    english = plain((await client.post(f"{CHECK}?lang=en", data={"text": json.dumps(bad())})).text)
    assert "is missing" in english


async def test_good_data_may_come(client: httpx.AsyncClient) -> None:
    answer = await sent(client, bundle(patient(ANNA, "林秀英"), pulse("o-1", ANNA)))
    assert "2 条都可以收" in plain(answer.text)


async def test_lines_are_named_by_their_number(client: httpx.AsyncClient) -> None:
    text = "\n".join([json.dumps(pulse("o-1", ANNA)), "", json.dumps(bad()), "{broken"])
    page = plain((await sent(client, text)).text)
    assert "2 条要改，共 3 条" in page
    assert "第 3 行" in page
    assert "第 4 行" in page
    assert "不是 JSON" in page


@pytest.mark.parametrize("text", ["", "   "])
async def test_nothing_is_asked_for_again(client: httpx.AsyncClient, text: str) -> None:
    answer = await sent(client, text)
    assert answer.status_code == 422
    assert "请粘贴数据，或选一个文件" in answer.text


@pytest.mark.parametrize("text", ["{", "[]", "null", '"x"', '{"resourceType": "Nonsense"}', "林"])
async def test_what_cannot_be_read_is_told(client: httpx.AsyncClient, text: str) -> None:
    answer = await sent(client, text)
    assert answer.status_code == 200
    assert "读不了" in answer.text or "要改" in answer.text


async def test_a_file_is_taken_up_to_its_limit(client: httpx.AsyncClient) -> None:
    file = {"file": ("one.json", bundle(patient(ANNA, "林秀英")).encode())}
    assert "1\u00a0条都可以收" in (
        await client.post(CHECK, data={"text": ""}, files=file)
    ).text.replace("1 条", "1\u00a0条")
    large = {"file": ("one.json", b"x" * (checking.BYTES_MAX + 1))}
    answer = await client.post(CHECK, data={"text": ""}, files=large)
    assert answer.status_code == 422
    assert "超过 5 MB" in answer.text
    whole = {"file": ("one.json", b"x" * (checking.BYTES_MAX * 2))}
    assert (await client.post(CHECK, data={"text": ""}, files=whole)).status_code == 413


async def test_the_table_is_a_download(client: httpx.AsyncClient) -> None:
    wrong = bad() | {"=cmd": "x"}
    answer = await sent(client, json.dumps(wrong), **{"as": "csv"})
    assert answer.headers["content-disposition"].startswith("attachment")
    rows = list(csv.reader(io.StringIO(answer.text.lstrip("\ufeff"))))
    assert rows[0][0] == "位置"
    assert {"required", "code", "unknown"} <= {row[4] for row in rows[1:]}
    assert not [cell for row in rows for cell in row if cell.startswith("=")]


async def test_nothing_is_stored_and_the_check_is_on_record(
    client: httpx.AsyncClient, database: Database
) -> None:
    await sent(client, bundle(patient(ANNA, "林秀英"), bad()))
    async with database.autocommit() as db:
        for table in ("fhir.resource", "fhir.import_part", "fhir.import_fault"):
            row = await (await db.execute(f"SELECT count(*) AS n FROM {table}")).fetchone()
            assert row == {"n": 0}
    (entry,) = await entries_of(database, "operator.record")
    assert entry["detail"] == {"resources": 2, "refused": 1}
    assert entry["person"] is None


def test_what_is_deep_or_huge_is_bounded() -> None:
    assert checking.check(b"[" * 100_000).refused
    many = "\n".join(json.dumps(bad()) for _ in range(200))
    report = checking.check(many.encode())
    assert (report.size, report.good, len(report.refused)) == (200, 0, 200)
    assert report.faults == sum(len(one.faults) for one in report.refused)
