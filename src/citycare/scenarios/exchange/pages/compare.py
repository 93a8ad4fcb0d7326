"""Two versions of a resource side by side: what differs, who wrote each, and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel.context import Context
from citycare.kernel.fhir.versions import Stored
from citycare.kit.errors import NotFound
from citycare.scenarios.exchange.pages import one as single
from citycare.scenarios.exchange.pages import reasons
from citycare.scenarios.exchange.pages.common import GATE, resource_url, tabs, type_words
from citycare.scenarios.exchange.pages.elements import path_words
from citycare.scenarios.exchange.rules import differing
from citycare.scenarios.exchange.rules.differing import Difference, How
from citycare.scenarios.exchange.service import browsing
from citycare.scenarios.exchange.service.browsing import Opened, ReasonMissing
from citycare.web.edge.contexts import WriteContext
from citycare.web.i18n import mark
from citycare.web.manner import Words, words_of
from citycare.web.operator.common import stamp
from citycare.web.parts import Cell, Column, Fact, Option, Row, Tag, Tone
from citycare.web.respond import respond

router = APIRouter(include_in_schema=False)

HOWS: dict[How, tuple[str, Tone]] = {
    How.ADDED: (mark("新增"), Tone.OK),
    How.REMOVED: (mark("去掉"), Tone.DANGER),
    How.CHANGED: (mark("改了"), Tone.SOON),
}


class OneVersion(NotFound):
    """There is only one version; there is nothing to compare."""

    code = "exchange.one_version"
    words = "这条数据只有一个版本，没有可以对比的。请返回查看它的内容。"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparePage:
    """Two versions."""

    tabs: tuple[Option, ...]
    title: str
    kind: str
    back: str
    action: str
    before: tuple[Option, ...]
    after: tuple[Option, ...]
    facts: tuple[tuple[str, tuple[Fact, ...]], ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    same: int
    left: int


@router.get(single.ONE + "/versions", dependencies=[GATE])
async def compare(
    request: Request, cx: WriteContext, kind: str, id_: str, a: int = 0, b: int = 0
) -> Response:
    """Compare version a with version b; by default the newest with the one before."""
    _, names = await browsing.stored(cx, kind, id_)
    given = reasons.of(request, cx)
    if not names <= given.keys():
        to = f"{resource_url(kind, id_)}/versions"
        return await single.ask(request, cx, kind, id_, to)
    past = (await browsing.past(cx, kind, id_)).items
    numbers = [each.version for each in past]
    if len(numbers) < 2:  # noqa: PLR2004 (two are compared)
        raise OneVersion(type=kind, id=id_)
    after_number = b if b in numbers else numbers[0]
    before_number = a if a in numbers else next(
        (each for each in numbers if each < after_number), numbers[1]
    )  # fmt: skip
    try:
        before = await browsing.open_one(cx, kind, id_, given, before_number)
        after = await browsing.open_one(cx, kind, id_, given, after_number)
    except ReasonMissing:  # an old version was about somebody else
        to = f"{resource_url(kind, id_)}/versions"
        return await single.ask(request, cx, kind, id_, to)
    page = await _page(request, cx, past, before, after)
    return await respond(request, cx, "exchange/compare.html", page)


async def _page(
    request: Request, cx: Context, past: Sequence[Stored], before: Opened, after: Opened
) -> ComparePage:
    words = words_of(request)
    compared = differing.compare(before.resource, after.resource)
    kind, id_ = after.stored.type, after.stored.id
    old, new = before.stored.version, after.stored.version
    heads = (
        words("数据项"),
        words("怎么变的"),
        words("第 %(n)d 版", n=old),
        words("第 %(n)d 版", n=new),
    )
    return ComparePage(
        tabs=tabs("", words),
        title=f"{kind}/{id_}",
        kind=type_words(kind, words),
        back=resource_url(kind, id_),
        action=f"{resource_url(kind, id_)}/versions",
        before=_options(past, old, words),
        after=_options(past, new, words),
        facts=tuple([await _facts(cx, each, words) for each in (before, after)]),
        columns=tuple(Column(label=head) for head in heads),
        rows=tuple(_row(each, words) for each in compared.rows),
        same=compared.same,
        left=compared.left,
    )


def _options(past: Sequence[Stored], chosen: int, words: Words) -> tuple[Option, ...]:
    return tuple(
        Option(
            value=str(each.version),
            label=f"{words('第 %(n)d 版', n=each.version)} · {stamp(each.updated_at)}",
            selected=each.version == chosen,
        )
        for each in past
    )


async def _facts(cx: Context, opened: Opened, words: Words) -> tuple[str, tuple[Fact, ...]]:
    stored = opened.stored
    deleted = Tag(text=words("删除"), tone=Tone.DANGER) if stored.body is None else None
    return words("第 %(n)d 版", n=stored.version), (
        Fact(name=words("写入时间"), text=stamp(stored.updated_at), tag=deleted),
        Fact(name=words("谁写的"), text=await single.writer(cx, stored, words)),
    )


def _row(one: Difference, words: Words) -> Row:
    text, tone = HOWS[one.how]
    label = path_words(one.path, words)
    return Row(
        cells=(
            Cell(text=label, note=one.path if one.path != label else ""),
            Cell(tag=Tag(text=words(text), tone=tone)),
            Cell(text=one.before),
            Cell(text=one.after),
        )
    )
