"""A hospital's onboarding check: paste or upload some data and see what of it would be refused.

Nothing is stored, not even for a while: the report is the answer, and a table of it comes from the
same form by its other button.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from fastapi import APIRouter
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel import audit, consent
from citycare.kernel.context import Context
from citycare.kernel.fhir import Violation
from citycare.kernel.fhir.importing.model import Refused
from citycare.scenarios.exchange.pages.common import GATE, PATH, brief, server_of, tabs, type_words
from citycare.scenarios.exchange.service import checking
from citycare.scenarios.exchange.service.browsing import ACTION
from citycare.scenarios.exchange.service.checking import BYTES_MAX, LISTED_MAX, Report
from citycare.web.edge.contexts import ReadContext, WriteContext
from citycare.web.i18n import mark
from citycare.web.manner import Words, manner_of, words_of
from citycare.web.parts import Cell, Column, Kpi, Option, Row
from citycare.web.respond import respond

router = APIRouter(include_in_schema=False)
PATH_CHECK = PATH + "/check"
BODY_MAX = BYTES_MAX + 1_000_000
"""Bytes of the form: the file, and what was pasted beside it."""
PASTED_MAX = 300_000
NOTHING = mark("请粘贴数据，或选一个文件。")
TOO_LARGE = mark("超过 5 MB。请先取一部分来查，例如一个患者的数据。")

KINDS: dict[str, tuple[str, str]] = {
    "required": (mark("缺必填的数据项"), mark("补上这一项；真的没有，用 dataAbsentReason 说明。")),
    "unknown": (mark("没有这个数据项"), mark("核对拼写和大小写；R4 没有的内容放进 extension。")),
    "type": (mark("类型不对"), mark("例如数字不要加引号，文字要加引号。")),
    "array": (mark("应当是数组"), mark("用方括号括起来，即使只有一个。")),
    "single": (mark("不能是数组"), mark("去掉方括号，只留一个。")),
    "empty": (mark("是空的"), mark("没有值就整项去掉，不要写空的。")),
    "choice": (
        mark("填了不止一种"),
        mark("例如 value 只能填 valueQuantity、valueString 等中的一种。"),
    ),
    "value": (mark("格式不对"), mark("例如日期写 2026-11-29，时刻要带时区。")),
    "code": (mark("代码不在允许的范围内"), mark("用 R4 规定的代码，注意大小写。")),
    "reference": (mark("引用的格式不对"), mark("写成“类型/编号”，例如 Patient/123。")),
    "target": (mark("引用了不允许的类型"), mark("看这一项能引用哪些类型。")),
    "contained": (mark("引用了内部没有的条目"), mark("核对 # 后面的编号。")),
    "id": (mark("编号不合规定"), mark("只用字母、数字、“-”和“.”，最长 64 个字符。")),
    "depth": (mark("嵌套太深"), mark("不要超过 60 层。")),
    "json": (mark("不是 JSON"), mark("检查引号、逗号和括号；多条数据每行一条，或放进 Bundle。")),
    "encoding": (mark("不是 UTF-8"), mark("另存为 UTF-8 再试。")),
    "kind": (mark("不是 FHIR 数据"), mark("最外层要有 resourceType。")),
    "number": (mark("数字或字符存不下"), mark("数字不要超过 18 位有效数字，去掉不可见字符。")),
    "unresolved": (mark("引用的数据没有找到"), mark("把它一起发来，或先发它。")),
    "large": (mark("太大"), mark("拆成小一些的。")),
}
RULE = (mark("不符合 R4 的规则"), mark("照规则的英文说明改；说明在下载的表里。"))
KIND_HEADS = ((mark("问题"), False), (mark("多少处"), True), (mark("怎么改"), False))
HEADS = (mark("哪一条"), mark("数据"), mark("数据项"), mark("问题"))


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckPage:
    """The form; after a check, what came out."""

    tabs: tuple[Option, ...]
    title: str
    text: str
    error: str
    checked: bool
    good: bool
    kpis: tuple[Kpi, ...]
    kind_columns: tuple[Column, ...]
    kinds: tuple[Row, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    left: int
    from_file: bool
    chars_max: int


@router.get(PATH_CHECK, dependencies=[GATE])
async def form(request: Request, cx: ReadContext) -> Response:
    """Show the form."""
    await consent.require(cx, ACTION)
    return await _answer(request, cx, None)


@router.post(PATH_CHECK, dependencies=[GATE])
async def check(request: Request, cx: WriteContext) -> Response:
    """Check what was sent, and answer with a page or a table."""
    await consent.require(cx, ACTION)
    text, data, as_csv, from_file = await _sent(request)
    kept = text if len(text) <= PASTED_MAX else ""
    if not data or len(data) > BYTES_MAX:
        error = TOO_LARGE if data else NOTHING
        return await _answer(request, cx, None, kept, words_of(request)(error))
    report = await asyncio.to_thread(checking.check, data, server_of(request).base)
    detail = {"resources": report.size, "refused": len(report.refused)}
    await audit.append(cx, [audit.Entry(ACTION, None, "check", detail=detail)])
    if as_csv:
        headers = {"Content-Disposition": 'attachment; filename="check.csv"'}
        table = checking.as_csv(report)
        return Response(table, media_type="text/csv; charset=utf-8", headers=headers)
    return await _answer(request, cx, report, kept, from_file=from_file)


async def _sent(request: Request) -> tuple[str, bytes, bool, bool]:
    """Return what was pasted, the data, whether a table is wanted, whether it came as a file."""
    form = await request.form()
    typed, file = form.get("text"), form.get("file")
    text = typed.strip() if isinstance(typed, str) else ""
    data, from_file = text.encode(), False
    if isinstance(file, UploadFile):
        if file.size:
            data, from_file = await file.read(), True
        await file.close()
    return text, data, form.get("as") == "csv", from_file


async def _answer(
    request: Request,
    cx: Context,
    report: Report | None,
    text: str = "",
    error: str = "",
    *,
    from_file: bool = False,
) -> Response:
    words = words_of(request)
    zh = manner_of(request).lang == "zh"
    listed = list(report.listed()) if report else []
    lines = report is not None and report.lines
    page = CheckPage(
        tabs=tabs("/check", words),
        title=_title(report, words),
        text=text,
        error=error,
        checked=report is not None,
        good=report is not None and not report.refused,
        kpis=_kpis(report, words) if report else (),
        kind_columns=tuple(Column(label=words(head), is_number=n) for head, n in KIND_HEADS),
        kinds=tuple(_kind(code, count, words) for code, count in report.by_kind) if report else (),
        columns=tuple(Column(label=words(head)) for head in HEADS),
        rows=tuple(_row(*each, words, zh=zh, lines=lines) for each in listed[:LISTED_MAX]),
        left=max(0, len(listed) - LISTED_MAX),
        from_file=from_file,
        chars_max=PASTED_MAX,
    )
    status = 422 if error else 200
    return await respond(request, cx, "exchange/check.html", page, status=status)


def _title(report: Report | None, words: Words) -> str:
    if report is None:
        return words("接入前先查一查")
    if not report.refused:
        return words("%(n)d 条都可以收", n=report.size)
    if not report.size:
        return words("读不了")
    return words("%(n)d 条要改，共 %(all)d 条", n=len(report.refused), all=report.size)


def _kpis(report: Report, words: Words) -> tuple[Kpi, ...]:
    return (
        Kpi(number=f"{report.size:,}", label=words("条数据")),
        Kpi(number=f"{report.good:,}", label=words("可以收")),
        Kpi(number=f"{len(report.refused):,}", label=words("要改")),
        Kpi(number=f"{report.faults:,}", label=words("处问题")),
    )


def _kind(code: str, count: int, words: Words) -> Row:
    name, mend = KINDS.get(code, RULE)
    note = "" if code in KINDS else code
    return Row(
        cells=(Cell(text=words(name), note=note), Cell(text=f"{count:,}"), Cell(text=words(mend)))
    )


def _row(one: Refused, fault: Violation, words: Words, *, zh: bool, lines: bool) -> Row:
    told = fault.words if zh else fault.message
    return Row(
        cells=(
            Cell(text=words("第 %(n)d 行", n=one.place) if lines else f"entry[{one.place}]"),
            Cell(text=f"{one.type} {brief(one.id)}".strip(), note=type_words(one.type, words)),
            Cell(text=fault.element),
            Cell(text=told.removeprefix(fault.element).strip()),
        )
    )
