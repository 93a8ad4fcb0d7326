"""Imports: each part, how far it is, what of it was refused and why, as a file to send on."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel import audit, consent
from citycare.kernel.context import Context
from citycare.kernel.fhir import importing
from citycare.kernel.fhir.importing import Known
from citycare.kernel.fhir.importing.reporting import FORMULA
from citycare.kit.errors import NotFound
from citycare.scenarios.exchange.pages.common import GATE, PATH, tabs
from citycare.scenarios.exchange.service.browsing import ACTION
from citycare.web.edge.contexts import ReadContext, WriteContext
from citycare.web.i18n import mark
from citycare.web.manner import Words, manner_of, words_of
from citycare.web.operator.common import address, stamp
from citycare.web.parts import Cell, Column, Fact, Option, Row, Tag, Tone
from citycare.web.respond import respond

router = APIRouter(include_in_schema=False)
HERE = PATH + "/imports"
SHOWN_MAX = 50
CSV_MAX = 50_000
NAME_SHOWN = 10, 10  # characters, from the beginning and from the end
DIGEST_CHARS = 64
COLUMNS = ("place", "type", "id", "element", "code", "words", "message")
HEADS = (
    (mark("文件"), False),
    (mark("状态"), False),
    (mark("拒收"), True),
    (mark("处理了"), True),
    (mark("新建"), True),
    (mark("更新"), True),
    (mark("没变"), True),
    (mark("开始"), True),
)


class ImportUnknown(NotFound):
    """There is no such import."""

    code = "exchange.import_unknown"
    words = "没有这次导入。请从列表重新打开。"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartPanel:
    """One part, and the first of what was refused of it."""

    title: str
    facts: tuple[Fact, ...]
    columns: tuple[Column, ...]
    faults: tuple[Row, ...]
    left: bool
    csv: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportsPage:
    """Parts, those begun last first."""

    tabs: tuple[Option, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    next: str
    part: PartPanel | None


@router.get(HERE, dependencies=[GATE])
async def list_all(request: Request, cx: ReadContext, page: str = "") -> Response:
    """List the parts of all imports."""
    await consent.require(cx, ACTION)
    shown = await _page(request, cx, "", page)
    return await respond(request, cx, "exchange/imports.html", shown)


@router.get(HERE + "/{digest}", dependencies=[GATE])
async def one(request: Request, cx: ReadContext, digest: str, page: str = "") -> Response:
    """Show one part beside the list."""
    await consent.require(cx, ACTION)
    shown = await _page(request, cx, digest, page)
    return await respond(
        request, cx, "exchange/imports.html", shown, partial="exchange/_import.html"
    )


@router.get(HERE + "/{digest}/faults", dependencies=[GATE])
async def faults(cx: WriteContext, digest: str) -> Response:
    """Give all that was refused of a part as a table, each fault on a line of its own."""
    await consent.require(cx, ACTION)
    text = await _csv(importing.refused(cx, _bytes(digest)))
    await audit.append(cx, [audit.Entry(ACTION, None, f"import/{digest}")])
    headers = {"Content-Disposition": f'attachment; filename="import-{digest[:8]}.csv"'}
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)


def _bytes(digest: str) -> bytes:
    try:
        return bytes.fromhex(digest[:DIGEST_CHARS])
    except ValueError as error:
        raise ImportUnknown from error


async def _csv(some: AsyncIterator[dict[str, Any]]) -> str:
    """Write faults for a spreadsheet, up to CSV_MAX lines."""
    file = io.StringIO("\ufeff", newline="")
    file.seek(1)
    table = csv.writer(file)
    table.writerow(COLUMNS)
    lines = 0
    async for row in some:
        for fault in row["faults"]:
            told = row | fault
            table.writerow([_cell(told.get(name, "")) for name in COLUMNS])
            lines += 1
        if lines >= CSV_MAX:
            break
    return file.getvalue()


def _cell(value: object) -> object:
    """Keep a spreadsheet from taking what came from outside for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


async def _page(request: Request, cx: Context, digest: str, token: str) -> ImportsPage:
    words = words_of(request)
    found = await importing.list_parts(cx, token or None)
    chosen = None
    if digest:
        key = _bytes(digest)
        chosen = next((each for each in found.items if each.digest == key), None)
        if chosen is None:
            raise ImportUnknown(digest=digest[:DIGEST_CHARS])
    return ImportsPage(
        tabs=tabs("/imports", words),
        columns=tuple(Column(label=words(head), is_number=number) for head, number in HEADS),
        rows=tuple(_row(each, chosen, token, words) for each in found.items),
        next=address(HERE, page=found.next) if found.next else "",
        part=await _panel(request, cx, chosen, words) if chosen else None,
    )


def _row(one: Known, chosen: Known | None, token: str, words: Words) -> Row:
    numbers = (one.refused, one.done, one.created, one.updated, one.unchanged)
    return Row(
        cells=(
            Cell(text=_narrow(_short(one.name))),
            Cell(tag=_state(one, words)),
            *(Cell(text=f"{number:,}") for number in numbers),
            Cell(text=stamp(one.began_at)),
        ),
        href=address(f"{HERE}/{one.digest.hex()}", page=token),
        selected=chosen is one,
    )


def _short(name: str) -> str:
    """Write the end of a path: folders of a server are long and say little."""
    return name.rpartition("/")[2]


def _narrow(name: str) -> str:
    """Leave the middle of a long name out, so that what became of the file is not pushed aside."""
    head, tail = NAME_SHOWN
    return name if len(name) <= head + tail else f"{name[:head]}…{name[-tail:]}"


def _state(one: Known, words: Words) -> Tag:
    if one.ended_at is None:
        return Tag(text=words("在导入，或中途停了"), tone=Tone.INFO)
    if one.refused:
        return Tag(text=words("有拒收"), tone=Tone.SOON)
    return Tag(text=words("完成"))


async def _panel(request: Request, cx: Context, one: Known, words: Words) -> PartPanel:
    zh = manner_of(request).lang == "zh"
    rows: list[Row] = []
    left = False
    async for refused in importing.refused(cx, one.digest):
        rows += [_fault(refused, fault, zh=zh) for fault in refused["faults"]]
        left = len(rows) > SHOWN_MAX
        if left:
            break
    ended = stamp(one.ended_at) if one.ended_at else ""
    facts: Sequence[tuple[str, str]] = (
        (words("文件"), one.name),
        (words("大小"), f"{one.bytes / 1_000:,.0f} kB"),
        (words("处理了"), words("%(n)s 条", n=f"{one.done:,}")),
        (words("拒收"), words("%(n)s 条", n=f"{one.refused:,}")),
        (words("开始"), stamp(one.began_at)),
        (words("完成"), ended),
    )
    return PartPanel(
        title=_short(one.name),
        facts=tuple(Fact(name=name, text=text) for name, text in facts if text),
        columns=(Column(label=words("哪一条")), Column(label=words("问题"))),
        faults=tuple(rows[:SHOWN_MAX]),
        left=left,
        csv=f"{HERE}/{one.digest.hex()}/faults" if one.refused else "",
    )


def _fault(refused: dict[str, Any], fault: dict[str, Any], *, zh: bool) -> Row:
    return Row(
        cells=(
            Cell(text=str(refused["place"]), note=refused["type"]),
            Cell(text=fault["words"] if zh else fault["message"]),
        )
    )
