"""Why a search is slow: what the database did for it, in words; the plan itself is folded away.

Source: PostgreSQL 17 documentation, §14.1 Using EXPLAIN.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel.fhir import ParameterUnknown, TypeUnknown, ValueBroken
from citycare.kernel.fhir.finding import Explained, TooCostly
from citycare.kernel.fhir.finding.explaining import Statement
from citycare.scenarios.exchange.pages import asking
from citycare.scenarios.exchange.pages.asking import Asked, Problem
from citycare.scenarios.exchange.pages.common import (
    GATE,
    PATH,
    clean_query,
    search_url,
    server_of,
    tabs,
)
from citycare.scenarios.exchange.rules import plans
from citycare.scenarios.exchange.rules.plans import Told
from citycare.scenarios.exchange.service import browsing
from citycare.web.edge.contexts import ReadContext
from citycare.web.i18n import mark
from citycare.web.manner import Words, manner_of, words_of
from citycare.web.parts import Cell, Column, Kpi, Option, Row, Tag, Tone
from citycare.web.respond import respond

router = APIRouter(include_in_schema=False)
REFUSED = (TypeUnknown, ParameterUnknown, ValueBroken, TooCostly)
FAST_MS, SLOW_MS = 20, 500
WASTE = 10
"""Times as many rows read as kept: more than that, and a criterion is missing."""
WASTE_ROWS_MIN = 1_000
DISK_KB_MIN = 1_000

DECIDED: dict[str, tuple[str, Tone]] = {
    "none": (mark("索引直接判定"), Tone.OK),
    "some": (mark("索引找出来，长的文字再逐条核对"), Tone.SOON),
    "all": (mark("索引只能缩小范围，每条都要读出来核对"), Tone.SOON),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    """A statement and its plan, as the database tells it."""

    title: str
    text: str
    plan: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowPage:
    """A search explained; before one is asked for, or where it was refused, nothing of it."""

    tabs: tuple[Option, ...]
    text: str
    problem: Problem | None
    verdict: str
    tone: Tone
    told: tuple[str, ...]
    advice: tuple[str, ...]
    kpis: tuple[Kpi, ...]
    criteria_columns: tuple[Column, ...]
    criteria: tuple[Row, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    raw: tuple[Raw, ...]
    results: str


@router.get(PATH + "/slow", dependencies=[GATE])
async def slow(request: Request, cx: ReadContext, q: str = "") -> Response:
    """Do a search once more, in a transaction that only reads, and explain it."""
    text = clean_query(q)
    words = words_of(request)
    asked = asking.understood(text) if text else Asked("")
    found, problem = None, None
    sentences: tuple[str, ...] = ()
    if text and asked.resource is None:
        server = server_of(request)
        try:
            query = browsing.read(asked.kind, asked.pairs, now=cx.now, base=server.base)
            found = await browsing.explain(cx, asked.kind, asked.pairs, base=server.base)
            sentences = asking.told(asked, query, words)
        except REFUSED as error:
            problem = asking.problem_of(error, asked, words, manner_of(request).lang)
    elif text:
        problem = Problem(title=words("这里看的是查询"), hint=words("例如 Observation?code=8867-4"))
    page = _page(asked, found, problem, sentences, words)
    return await respond(request, cx, "exchange/slow.html", page, status=422 if problem else 200)


def _page(
    asked: Asked,
    found: Explained | None,
    problem: Problem | None,
    told_query: tuple[str, ...],
    words: Words,
) -> SlowPage:
    statements = [(one, plans.told(one.plan)) for one in found.statements] if found else []
    told = [each for _, each in statements]
    milliseconds = found.seconds * 1000 if found else 0.0
    heads = (
        mark("第几步"),
        mark("用时"),
        mark("读了"),
        mark("留下"),
        mark("丢掉"),
        mark("用的索引"),
    )
    return SlowPage(
        tabs=tabs("/slow", words),
        text=asked.text,
        problem=problem,
        verdict=_verdict(milliseconds, words) if found else "",
        tone=_tone(milliseconds),
        told=told_query,
        advice=tuple(_advice(found, told, words)) if found else (),
        kpis=_kpis(found, told, milliseconds, words) if found else (),
        criteria_columns=(Column(label=words("条件")), Column(label=words("怎么判定"))),
        criteria=_criteria(found, words) if found else (),
        columns=tuple(
            Column(label=words(head), is_number=0 < place < len(heads) - 1)
            for place, head in enumerate(heads)
        ),
        rows=tuple(_row(n, one, each, words) for n, (one, each) in enumerate(statements, 1)),
        raw=tuple(_raw(n, one, words) for n, (one, _) in enumerate(statements, 1)),
        results=search_url(asked.query) if found else "",
    )


def _verdict(milliseconds: float, words: Words) -> str:
    if milliseconds < FAST_MS:
        return words("不慢：%(n)s 毫秒", n=f"{milliseconds:.1f}")
    if milliseconds < SLOW_MS:
        return words("还可以：%(n)s 毫秒", n=f"{milliseconds:.0f}")
    return words("慢：%(n)s 秒", n=f"{milliseconds / 1000:.1f}")


def _tone(milliseconds: float) -> Tone:
    if milliseconds < FAST_MS:
        return Tone.OK
    return Tone.INFO if milliseconds < SLOW_MS else Tone.SOON


def _kpis(
    found: Explained, told: Sequence[Told], milliseconds: float, words: Words
) -> tuple[Kpi, ...]:
    cache = sum(one.from_cache_kb for one in told)
    disk = sum(one.from_disk_kb for one in told)
    return (
        Kpi(number=f"{milliseconds:,.1f}", unit=words("毫秒"), label=words("用时")),
        Kpi(number=f"{len(found.found.matches):,}", label=words("找到的数据")),
        Kpi(number=f"{sum(one.looked_at for one in told):,}", label=words("读过的行")),
        Kpi(number=f"{cache:,}", unit="kB", label=words("从内存读")),
        Kpi(number=f"{disk:,}", unit="kB", label=words("从磁盘读")),
    )


def _criteria(found: Explained, words: Words) -> tuple[Row, ...]:
    rows = []
    for one in found.criteria:
        text, tone = DECIDED[one.rechecked]
        rows.append(Row(cells=(Cell(text=one.param), Cell(tag=Tag(text=words(text), tone=tone)))))
    return tuple(rows)


def _row(number: int, one: Statement, told: Told, words: Words) -> Row:
    scanned = Tag(text=words("整表扫描"), tone=Tone.DANGER) if told.scanned else None
    return Row(
        cells=(
            Cell(text=words("第 %(n)d 步", n=number)),
            Cell(text=words("%(n)s 毫秒", n=f"{one.seconds * 1000:,.1f}")),
            Cell(text=f"{told.looked_at:,}"),
            Cell(text=f"{told.found:,}"),
            Cell(text=f"{told.thrown_away:,}"),
            Cell(text=", ".join(told.indexes) or words("没有用"), tag=scanned),
        )
    )


def _advice(found: Explained, told: Sequence[Told], words: Words) -> Iterator[str]:
    """Say what makes it slow, and what to change."""
    tables = sorted({name for one in told for name in one.scanned})
    if tables:
        yield words("整张表都读了一遍：%(tables)s。数据少时这样最快，数据多时加一个条件。",
                    tables=", ".join(tables))  # fmt: skip
    looked, kept = sum(one.looked_at for one in told), max(1, len(found.found.matches))
    if looked > WASTE_ROWS_MIN and looked > WASTE * kept:
        yield words("读了 %(looked)s 行，只有 %(kept)d 条用得上。再加一个条件，例如患者或日期。",
                    looked=f"{looked:,}", kept=kept)  # fmt: skip
    checked = [one.param for one in found.criteria if one.rechecked == "all"]
    if checked:
        yield words("%(params)s 要逐条核对。换成代码、开头的字或日期会快。",
                    params=", ".join(checked))  # fmt: skip
    if sum(one.from_disk_kb for one in told) > DISK_KB_MIN:
        yield words("有一部分从磁盘读，再查一次通常会快；一直这样，就给数据库加内存。")
    if any(one.sorted_on_disk for one in told):
        yield words("排序放不进内存。少要一些，或去掉排序。")
    if not found.criteria:
        yield words("没有条件，只是按顺序翻。")


def _raw(number: int, one: Statement, words: Words) -> Raw:
    return Raw(
        title=words("第 %(n)d 步", n=number),
        text=one.text.strip(),
        plan=orjson.dumps(one.plan, option=orjson.OPT_INDENT_2).decode(),
    )
