"""One resource: readable, as JSON, its versions, what refers to it; behind a reason, once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel.context import Context
from citycare.kernel.fhir.looking import REFERRING_MAX, Referring
from citycare.kernel.fhir.versions import Stored
from citycare.scenarios.exchange.pages import elements, reasons, rows
from citycare.scenarios.exchange.pages.common import (
    GATE,
    PATH,
    brief,
    resource_url,
    server_of,
    tabs,
    type_words,
)
from citycare.scenarios.exchange.pages.elements import Line
from citycare.scenarios.exchange.service import browsing
from citycare.scenarios.exchange.service.browsing import Opened, ReasonMissing
from citycare.web import forms
from citycare.web.actors import actor_words, cards_of
from citycare.web.edge.contexts import WriteContext
from citycare.web.i18n import mark
from citycare.web.manner import Words, words_of
from citycare.web.operator.common import stamp
from citycare.web.parts import Fact, Link, Option, Tag, Tone
from citycare.web.respond import redirect, respond

router = APIRouter(include_in_schema=False)
ONE = PATH + "/resource/{kind}/{id_}"
VERSION_MAX = 2**31 - 1
TOO_SHORT = mark("请写清楚一些，别人看审计时要能明白。")


class View(StrEnum):
    """How a resource is shown."""

    READABLE = ""
    JSON = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class OnePage:
    """A resource in one version, and what is about it.

    `reason`: under which it was opened. `until`: how long that holds, in minutes.
    """

    tabs: tuple[Option, ...]
    title: str
    kind: str
    views: tuple[Option, ...]
    lines: tuple[Line, ...]
    json: str
    is_newest: bool
    is_deleted: bool
    newest: str
    facts: tuple[Fact, ...]
    reason: str
    versions: tuple[Link, ...]
    compare: str
    referring: tuple[Link, ...]
    has_more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonPage:
    """What is about to be opened, and the question why."""

    tabs: tuple[Option, ...]
    title: str
    facts: tuple[Fact, ...]
    action: str
    next: str
    reason: str
    error: str
    minutes: int
    chars_max: int


@router.get(ONE, dependencies=[GATE])
async def one(
    request: Request,
    cx: WriteContext,
    kind: str,
    id_: str,
    version: int | None = None,
    view: View = View.READABLE,
) -> Response:
    """Show a resource, or ask why first."""
    number = version if version is None or 0 < version <= VERSION_MAX else 0
    try:
        opened = await browsing.open_one(cx, kind, id_, reasons.of(request, cx), number)
    except ReasonMissing:
        return await ask(request, cx, kind, id_, _here(request))
    page = await _page(request, cx, opened, view)
    return await respond(request, cx, "exchange/one.html", page)


def _here(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


async def ask(
    request: Request, cx: Context, kind: str, id_: str, to: str, typed: str = "", error: str = ""
) -> Response:
    """Ask for the reason, on a page that shows no more than the lists do."""
    words = words_of(request)
    resource, names = await browsing.outline(cx, kind, id_)
    persons = sorted(name for name in names if "/" not in name)
    facts = (
        (words("是什么"), type_words(kind, words)),
        (words("内容"), rows.content_of(resource, words)),
        (words("日期"), rows.date_of(resource, whole=kind != "Patient")),
        (words("关于谁"), ", ".join(words("人员 %(id)s", id=brief(one)) for one in persons)),
    )
    page = ReasonPage(
        tabs=tabs("", words),
        title=f"{kind}/{brief(id_)}",
        facts=tuple(Fact(name=name, text=text) for name, text in facts if text),
        action=f"{resource_url(kind, id_)}/reason",
        next=to,
        reason=typed,
        error=error,
        minutes=int(reasons.LIFE.total_seconds()) // 60,
        chars_max=reasons.CHARS_MAX,
    )
    status = 422 if error else 200
    return await respond(request, cx, "exchange/reason.html", page, status=status)


@router.post(ONE + "/reason", dependencies=[GATE])
async def give_reason(request: Request, cx: WriteContext, kind: str, id_: str) -> Response:
    """Keep the reason, and go on to what was asked for."""
    form = await forms.read(request)
    reason = form.text("reason", chars_max=reasons.CHARS_MAX)
    here = resource_url(kind, id_)
    to = form.values.get("next", "")
    to = to if to.partition("?")[0] in (here, f"{here}/versions") else here
    error = form.errors.get("reason", "")
    if not error and len(reason) < reasons.CHARS_MIN:
        error = TOO_SHORT
    if error:
        typed = form.values.get("reason", "")
        return await ask(request, cx, kind, id_, to, typed, words_of(request)(error))
    _, names = await browsing.stored(cx, kind, id_)
    response = redirect(request, to)
    reasons.give(request, response, cx, names, reason)
    return response


async def _page(request: Request, cx: Context, opened: Opened, view: View) -> OnePage:
    words = words_of(request)
    stored = opened.stored
    kind, id_ = stored.type, stored.id
    past = await browsing.past(cx, kind, id_)
    referring = await browsing.referring(cx, kind, id_)
    newest = past.items[0].version if past.items else stored.version
    here = resource_url(kind, id_, version=None if stored.version == newest else stored.version)
    json_url = resource_url(
        kind, id_, version=None if stored.version == newest else stored.version, view=View.JSON
    )
    resource = opened.resource
    return OnePage(
        tabs=tabs("", words),
        title=f"{kind}/{id_}",
        kind=type_words(kind, words),
        views=(
            Option(value=here, label=words("逐项看"), selected=view is View.READABLE),
            Option(value=json_url, label="JSON", selected=view is View.JSON),
        ),
        lines=elements.lines(resource, words, server_of(request).base) if resource else (),
        json=elements.indented(resource) if resource and view is View.JSON else "",
        is_newest=stored.version == newest,
        is_deleted=resource is None,
        newest=resource_url(kind, id_),
        facts=await _facts(cx, opened, words),
        reason=opened.reason,
        versions=_versions(past.items, stored.version, words),
        compare=f"{resource_url(kind, id_)}/versions" if len(past.items) > 1 else "",
        referring=_referring(referring, words),
        has_more=len(referring) > REFERRING_MAX,
    )


async def _facts(cx: Context, opened: Opened, words: Words) -> tuple[Fact, ...]:
    stored = opened.stored
    facts = [
        Fact(name=words("版本"), text=str(stored.version)),
        Fact(name=words("写入时间"), text=stamp(stored.updated_at)),
        Fact(name=words("谁写的"), text=await writer(cx, stored, words)),
    ]
    if stored.body:
        facts.append(Fact(name=words("大小"), text=f"{len(stored.body.encode()):,} B"))
    return tuple(facts)


async def writer(cx: Context, stored: Stored, words: Words) -> str:
    """Say who wrote a version."""
    seen = await browsing.writer_of(cx, stored)
    if seen is None:
        return words("城医通自己的业务")
    cards = await cards_of(cx, {seen.account_id})
    return " · ".join(filter(None, actor_words(seen.account_id, seen.actor, cards, words)))


def _versions(some: Sequence[Stored], here: int, words: Words) -> tuple[Link, ...]:
    newest = some[0].version if some else 0
    links = []
    for one in some:
        tag = None
        if one.body is None:
            tag = Tag(text=words("删除"), tone=Tone.DANGER)
        elif one.version == here:
            tag = Tag(text=words("正在看"), tone=Tone.INFO)
        href = resource_url(
            one.type, one.id, version=None if one.version == newest else one.version
        )
        label = words("第 %(n)d 版", n=one.version)
        links.append(Link(label=label, note=stamp(one.updated_at), href=href, tag=tag))
    return tuple(links)


def _referring(some: Sequence[Referring], words: Words) -> tuple[Link, ...]:
    return tuple(
        Link(
            label=f"{one.type}/{brief(one.id)}",
            note=" · ".join(filter(None, (type_words(one.type, words), stamp(one.updated_at)))),
            href=resource_url(one.type, one.id),
        )
        for one in sorted(some[:REFERRING_MAX], key=lambda one: (one.type, one.updated_at))
    )
