"""Checking the audit chain, with progress: the page is sent as the work goes on.

No script is needed: each piece of progress replaces the one before it by style (`.live`). What
came out is written into the trail itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from citycare.kernel import audit, consent
from citycare.kernel.context import Context
from citycare.kit.db import Database
from citycare.kit.errors import AppError
from citycare.web import i18n, rendering
from citycare.web.edge.contexts import WriteContext
from citycare.web.edge.exchange import edge_of
from citycare.web.i18n import mark
from citycare.web.manner import Words, manner_of, words_of
from citycare.web.operator.common import operator_gate
from citycare.web.parts import Fact
from citycare.web.portals import shells

router = APIRouter(include_in_schema=False)
ACTION = "operator.audit"
PIECE = "operator/_verify.html"
LIVE = "<!--live-->"
WRONG: dict[str, str] = {
    "entry missing": mark("少了一条"),
    "line changed": mark("内容被改过"),
    "differs from the checkpoint": mark("和检查点对不上"),
    "end cut off": mark("末尾被截掉"),
    "head differs": mark("链头对不上"),
    "head missing": mark("链头不见了"),
    "checkpoint missing": mark("少了一个检查点"),
    "checkpoint changed": mark("检查点被改过"),
    "witnessed checkpoint missing or changed": mark("留存的检查点对不上"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyPage:
    """One state of the work: how far, or what came out, or why it stopped."""

    done: int = 0
    all: int = 0
    words: str = ""
    verdict: str = ""
    ok: bool = False
    facts: tuple[Fact, ...] = ()
    hash: str = ""
    failed: str = ""


@router.post("/operator/audit/verify", dependencies=[operator_gate(ACTION)])
async def verify(request: Request, cx: WriteContext) -> Response:
    """Check every link and show how far it is."""
    await consent.require(cx, ACTION)
    edge = edge_of(request)
    shell = await shells.shell_for(request, cx)
    translations = i18n.translations(manner_of(request).lang)

    def draw(name: str, page: VerifyPage) -> str:
        return rendering.render(edge.templates, name, shell, page, translations)

    head, _, tail = draw("operator/verify.html", VerifyPage()).partition(LIVE)

    async def pieces() -> AsyncIterator[str]:
        yield head
        async for page in _work(request, edge.database, cx):
            yield draw(PIECE, page)
        yield tail

    return StreamingResponse(pieces(), media_type="text/html")


async def _work(request: Request, database: Database, asked: Context) -> AsyncIterator[VerifyPage]:
    """Check in the background and hand on each step; write down what came out."""
    words = words_of(request)
    steps: asyncio.Queue[tuple[int, int] | None] = asyncio.Queue()

    async def check() -> audit.Report | AppError:
        try:
            async with database.autocommit() as db:
                return await audit.verify(db, lambda done, count: steps.put_nowait((done, count)))
        except AppError as error:
            return error
        finally:
            steps.put_nowait(None)

    task = asyncio.create_task(check())
    try:
        while (step := await steps.get()) is not None:
            done, count = step
            text = words("已核对 %(done)s 条，共约 %(all)s 条", done=f"{done:,}", all=f"{count:,}")
            yield VerifyPage(done=done, all=max(count, 1), words=text)
        report = await task
    finally:
        task.cancel()  # the browser went away: nobody reads the rest
    if isinstance(report, AppError):
        yield VerifyPage(failed=i18n.words_of(report, manner_of(request).lang))
        return
    await _keep(database, asked, report)
    yield _verdict(report, words)


async def _keep(database: Database, asked: Context, report: audit.Report) -> None:
    """Write the verdict into the trail, in a transaction of its own."""
    first = report.first_broken
    detail: dict[str, str | int | bool | None] = {"checked": report.checked, "ok": report.ok}
    if first is not None:
        detail |= {"lane": first.lane, "seq": first.seq, "wrong": first.wrong}
    async with database.transaction() as db:
        cx = replace(asked, db=db)
        await audit.append(cx, [audit.Entry("audit.verified", None, "audit/chain", "ok", detail)])


def _verdict(report: audit.Report, words: Words) -> VerifyPage:
    count = f"{report.checked:,}"
    newest = report.checkpoint
    digest = newest.hash.hex() if newest else ""
    first = report.first_broken
    if first is None:
        text = words("%(n)s 条都对得上，链是完整的", n=count)
        return VerifyPage(verdict=text, ok=True, hash=digest)
    place = (
        words("检查点第 %(seq)d 个", seq=first.seq)
        if first.lane is None
        else words("第 %(lane)d 道第 %(seq)d 条", lane=first.lane, seq=first.seq)
    )
    facts = (
        Fact(name=words("第一处断开"), text=place),
        Fact(name=words("怎么了"), text=words(WRONG.get(first.wrong, first.wrong))),
        Fact(name=words("断开"), text=words("%(n)d 处", n=len(report.broken))),
        Fact(name=words("已核对"), text=words("%(n)s 条", n=count)),
    )
    return VerifyPage(verdict=words("审计链断了"), facts=facts, hash=digest)
