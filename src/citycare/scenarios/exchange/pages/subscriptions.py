"""Subscriptions: how each stands, what waits to be told, what has been given up; try again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel.context import Context
from citycare.kernel.identity import AccountCard
from citycare.scenarios.exchange.model.subscriptions import (
    CONNECTION,
    LATE,
    NOT_ALLOWED,
    NOT_FOUND,
    STATUS,
    Backlog,
    State,
)
from citycare.scenarios.exchange.pages.common import GATE, PATH, brief, resource_url, tabs
from citycare.scenarios.exchange.service.subscriptions import overseeing
from citycare.scenarios.exchange.service.subscriptions.overseeing import Overseen
from citycare.web.actors import actor_words, cards_of
from citycare.web.edge.contexts import ReadContext, WriteContext
from citycare.web.i18n import mark
from citycare.web.manner import Words, words_of
from citycare.web.operator.common import address, stamp
from citycare.web.parts import Cell, Column, Fact, Kpi, Option, Row, Tag, Tone
from citycare.web.respond import redirect, respond
from citycare.web.shell import Toast

router = APIRouter(include_in_schema=False)
HERE = PATH + "/subscriptions"

STATES: dict[State, tuple[str, Tone]] = {
    State.REQUESTED: (mark("等握手"), Tone.INFO),
    State.ACTIVE: (mark("在送"), Tone.OK),
    State.ERROR: (mark("停下了"), Tone.DANGER),
    State.OFF: (mark("已关闭"), Tone.GRAY),
}
HEADS = (
    (mark("订阅"), False),
    (mark("状态"), False),
    (mark("要什么"), False),
    (mark("等着送"), True),
    (mark("上次送到"), True),
)


PROBLEMS = {
    NOT_FOUND: mark("找不到接收方的网址。请核对网址有没有写错。"),
    NOT_ALLOWED: mark("接收方的地址不让送：要用 https 和公网地址，内网地址由平台设置放行。"),
    LATE: mark("接收方没有按时回答。"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionPanel:
    """One subscription; `error`: what went wrong last. `stopped`: it can be tried again.

    `new`: the receiver never took anything, not even the handshake.
    """

    id: str
    title: str
    facts: tuple[Fact, ...]
    error: str
    stopped: bool
    new: bool
    dead: str
    record: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionsPage:
    """All in one state, and one in the panel."""

    tabs: tuple[Option, ...]
    filters: tuple[Option, ...]
    kpis: tuple[Kpi, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    next: str
    one: SubscriptionPanel | None


@router.get(HERE, dependencies=[GATE])
async def list_all(request: Request, cx: ReadContext, state: str = "", page: str = "") -> Response:
    """List subscriptions."""
    shown = await _page(request, cx, None, state, page)
    return await respond(request, cx, "exchange/subscriptions.html", shown)


@router.get(HERE + "/{id_}", dependencies=[GATE])
async def one(
    request: Request, cx: ReadContext, id_: str, state: str = "", page: str = ""
) -> Response:
    """Show one beside the list."""
    found = await overseeing.one(cx, id_)
    shown = await _page(request, cx, found, state, page)
    return await respond(
        request, cx, "exchange/subscriptions.html", shown, partial="exchange/_subscription.html"
    )


@router.post(HERE + "/{id_}/resume", dependencies=[GATE])
async def resume(request: Request, cx: WriteContext, id_: str) -> Response:
    """Try again to reach a receiver that has been given up."""
    words = words_of(request)
    if await overseeing.resume(cx, id_):
        text = words("正在重新联系接收方。通了就从停下的地方接着送，一条不少。")
    else:
        text = words("它已经不在停下的状态，不用再试。")
    return redirect(request, f"{HERE}/{id_}", notice=Toast(text=text))


async def _page(
    request: Request, cx: Context, chosen: Overseen | None, state: str, token: str
) -> SubscriptionsPage:
    words = words_of(request)
    wanted = State(state) if state in set(State) else None
    backlog = await overseeing.backlog(cx)
    found = await overseeing.overview(cx, wanted, token)
    return SubscriptionsPage(
        tabs=tabs("/subscriptions", words),
        filters=_filters(backlog, wanted, words),
        kpis=_kpis(backlog, cx.now, words),
        columns=tuple(Column(label=words(head), is_number=number) for head, number in HEADS),
        rows=tuple(_row(each, chosen, state, words) for each in found.items),
        next=address(HERE, state=state, page=found.next) if found.next else "",
        one=await _panel(cx, chosen, words) if chosen else None,
    )


def _filters(backlog: Backlog, wanted: State | None, words: Words) -> tuple[Option, ...]:
    total = sum(backlog.by_state.values())
    return (
        Option(value=HERE, label=words("全部 %(n)d", n=total), selected=wanted is None),
        *(
            Option(
                value=address(HERE, state=state),
                label=f"{words(label)} {backlog.by_state.get(state, 0)}",
                selected=state is wanted,
            )
            for state, (label, _) in STATES.items()
        ),
    )


def _kpis(backlog: Backlog, now: datetime, words: Words) -> tuple[Kpi, ...]:
    kpis = [
        Kpi(number=f"{backlog.events:,}", label=words("等着送的通知")),
        Kpi(number=f"{backlog.by_state.get(State.ERROR, 0):,}", label=words("停下的订阅")),
    ]
    if backlog.oldest_at is not None:
        waited = max(0, round((now - backlog.oldest_at).total_seconds()))
        kpis.append(Kpi(number=f"{waited:,}", unit=words("秒"), label=words("最早的等了")))
    return tuple(kpis)


def _row(one: Overseen, chosen: Overseen | None, state: str, words: Words) -> Row:
    standing = one.standing
    return Row(
        cells=(
            Cell(text=brief(standing.id)),
            Cell(tag=_state(one, words)),
            Cell(text=_wanted(one, words)),
            Cell(text=f"{standing.numbered - standing.delivered:,}"),
            Cell(text=stamp(standing.told_at) if standing.told_at else words("还没有")),
        ),
        href=address(f"{HERE}/{standing.id}", state=state),
        selected=chosen is not None and chosen.standing.id == standing.id,
    )


def _wanted(one: Overseen, words: Words) -> str:
    if one.asked is None:
        return words("读不懂")
    return one.asked.topic or f"{one.asked.type}?{one.asked.query}"


def _state(one: Overseen, words: Words) -> Tag:
    standing = one.standing
    text, tone = STATES[standing.state]
    if standing.state is State.ACTIVE and standing.failures:
        return Tag(text=words("送不到，在重试"), tone=Tone.SOON)
    return Tag(text=words(text), tone=tone)


async def _panel(cx: Context, one: Overseen, words: Words) -> SubscriptionPanel:
    cards = await cards_of(cx, {one.owner.account_id if one.owner else None})
    standing, asked = one.standing, one.asked
    waiting = standing.numbered - standing.delivered
    facts = [
        Fact(name=words("状态"), text="", tag=_state(one, words)),
        Fact(name=words("要什么"), text=_wanted(one, words)),
        Fact(name=words("送到哪里"), text=asked.endpoint if asked else ""),
        Fact(name=words("谁的"), text=_owner(one, cards, words)),
        Fact(name=words("已送"), text=words("%(n)s 条", n=f"{standing.delivered:,}")),
        Fact(name=words("等着送"), text=words("%(n)s 条", n=f"{waiting:,}")),
        Fact(name=words("上次送到"), text=_at(standing.told_at)),
        Fact(name=words("连着失败"), text=_failures(one, words)),
        Fact(name=words("下次再试"), text=_due(one)),
        Fact(name=words("到期"), text=_at(standing.ends_at)),
    ]
    letter = one.letter
    return SubscriptionPanel(
        id=standing.id,
        title=brief(standing.id),
        facts=tuple(fact for fact in facts if fact.text or fact.tag),
        error=_problem(standing.error, words),
        stopped=standing.state is State.ERROR,
        new=standing.told_at is None,
        dead=address(f"/operator/jobs/{letter.job_id}") if letter else "",
        record=resource_url("Subscription", standing.id),
    )


def _problem(error: str, words: Words) -> str:
    if error.startswith(STATUS):
        return words("接收方回答 HTTP %(status)s，没有收。", status=error.removeprefix(STATUS))
    if error.startswith(CONNECTION):
        return words("连不上接收方（%(what)s）。", what=error.removeprefix(CONNECTION))
    return words(PROBLEMS[error]) if error in PROBLEMS else error


def _owner(one: Overseen, cards: Mapping[UUID, AccountCard], words: Words) -> str:
    if one.owner is None:
        return words("没有人认领，什么都不会送")
    return " · ".join(filter(None, actor_words(one.owner.account_id, None, cards, words)))


def _failures(one: Overseen, words: Words) -> str:
    standing = one.standing
    if not standing.failures:
        return ""
    since = f" · {stamp(standing.failing_at)}" if standing.failing_at else ""
    return words("%(n)d 次", n=standing.failures) + since


def _due(one: Overseen) -> str:
    standing = one.standing
    return stamp(standing.due_at) if standing.failures and standing.state is State.ACTIVE else ""


def _at(instant: datetime | None) -> str:
    return stamp(instant) if instant is not None else ""
