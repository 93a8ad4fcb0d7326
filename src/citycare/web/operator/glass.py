"""Reviewing emergency access: who opened whose record, why, and whether the reason holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel import consent, identity
from citycare.kernel.consent import BreakGlass, Review
from citycare.kernel.context import Context
from citycare.kernel.identity import AccountCard, Person
from citycare.web.actors import actor_words, cards_of, masked
from citycare.web.edge.contexts import ReadContext, WriteContext
from citycare.web.i18n import mark
from citycare.web.manner import Words, words_of
from citycare.web.operator.common import address, clean, operator_gate, stamp
from citycare.web.parts import Cell, Column, Fact, Option, Row, Tag, Tone
from citycare.web.respond import redirect, respond
from citycare.web.shell import Toast

router = APIRouter(include_in_schema=False)
ACTION = "operator.audit"
GATE = operator_gate(ACTION)
PATH = "/operator/glass"
VERDICTS: dict[Review, tuple[str, Tone]] = {
    Review.JUSTIFIED: (mark("理由成立"), Tone.OK),
    Review.UNJUSTIFIED: (mark("理由不成立"), Tone.DANGER),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GlassPanel:
    """One emergency access, and the form for the verdict."""

    id: UUID
    title: str
    facts: tuple[Fact, ...]
    reason: str
    open: bool
    own: bool
    verdicts: tuple[Option, ...]
    trail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GlassPage:
    """What waits for review, or what was reviewed."""

    tabs: tuple[Option, ...]
    reviewed: bool
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    next: str
    one: GlassPanel | None


@router.get(PATH, dependencies=[GATE])
async def list_all(request: Request, cx: ReadContext, show: str = "", page: str = "") -> Response:
    """List what waits, oldest first, or what was reviewed, newest first."""
    shown = await _page(request, cx, None, show, page)
    return await respond(request, cx, "operator/glass.html", shown)


@router.get(PATH + "/{glass_id}", dependencies=[GATE])
async def one(
    request: Request, cx: ReadContext, glass_id: UUID, show: str = "", page: str = ""
) -> Response:
    """Show one with its reason."""
    found = await consent.get_break_glass(cx, glass_id)
    panel = await _panel(request, cx, found)
    shown = await _page(request, cx, panel, show, page)
    return await respond(request, cx, "operator/glass.html", shown, partial="operator/_glass.html")


async def _page(
    request: Request, cx: Context, panel: GlassPanel | None, show: str, token: str
) -> GlassPage:
    words = words_of(request)
    reviewed = show == "reviewed"
    items: list[BreakGlass]
    more: str | None = None
    if reviewed:
        items = await consent.list_reviewed(cx)
    else:
        found = await consent.list_unreviewed(cx, token or None)
        items, more = list(found.items), found.next
    cards = await cards_of(cx, {one.account_id for one in items})
    people = await identity.list_persons(cx, {one.person_id for one in items})
    heads = (mark("打开时间"), mark("谁打开的"), mark("看了谁"), mark("理由"), mark("审核"))
    return GlassPage(
        tabs=(
            Option(value=PATH, label=words("等审核"), selected=not reviewed),
            Option(value=f"{PATH}?show=reviewed", label=words("审核过的"), selected=reviewed),
        ),
        reviewed=reviewed,
        columns=tuple(Column(label=words(head), is_number=head == "打开时间") for head in heads),
        rows=tuple(_row(one, cards, people, panel, show, words) for one in items),
        next=address(PATH, page=more) if more else "",
        one=panel,
    )


def _row(
    one: BreakGlass,
    cards: Mapping[UUID, AccountCard],
    people: Mapping[UUID, Person],
    panel: GlassPanel | None,
    show: str,
    words: Words,
) -> Row:
    name, role = actor_words(one.account_id, None, cards, words)
    person = people.get(one.person_id)
    return Row(
        cells=(
            Cell(text=stamp(one.opened_at)),
            Cell(text=name, note=role),
            Cell(text=masked(person.name) if person else ""),
            Cell(text=one.reason),
            Cell(tag=_tag(one, words)),
        ),
        href=address(f"{PATH}/{one.id}", show=show),
        lead=1,
        selected=panel is not None and panel.id == one.id,
    )


def _tag(one: BreakGlass, words: Words) -> Tag:
    if one.verdict is None:
        return Tag(text=words("等审核"), tone=Tone.SOON)
    text, tone = VERDICTS[one.verdict]
    return Tag(text=words(text), tone=tone)


async def _panel(request: Request, cx: Context, one: BreakGlass) -> GlassPanel:
    words = words_of(request)
    cards = await cards_of(cx, {one.account_id, one.reviewed_by})
    people = await identity.list_persons(cx, [one.person_id])
    name, role = actor_words(one.account_id, None, cards, words)
    person = people.get(one.person_id)
    facts = [
        Fact(name=words("身份"), text=role),
        Fact(
            name=words("看了谁"), text=masked(person.name) if person else "", tag=_tag(one, words)
        ),
        Fact(name=words("打开"), text=stamp(one.opened_at)),
        Fact(name=words("到期"), text=stamp(one.ends_at)),
    ]
    if one.reviewed_at is not None:
        reviewer = actor_words(one.reviewed_by, None, cards, words)[0]
        facts.append(Fact(name=words("审核"), text=f"{stamp(one.reviewed_at)} · {reviewer}"))
        if one.note:
            facts.append(Fact(name=words("说明"), text=one.note))
    return GlassPanel(
        id=one.id,
        title=name,
        facts=tuple(facts),
        reason=one.reason,
        open=one.reviewed_at is None,
        own=one.account_id == cx.actor.account_id,
        verdicts=tuple(
            Option(value=verdict, label=words(text)) for verdict, (text, _) in VERDICTS.items()
        ),
        trail=address("/operator/audit", person=one.person_id, actor=one.account_id),
    )


@router.post(PATH + "/{glass_id}", dependencies=[GATE])
async def review(
    request: Request,
    cx: WriteContext,
    glass_id: UUID,
    verdict: Annotated[Review, Form()],
    note: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Write the verdict down; 'unjustified' ends what is still open."""
    await consent.review(cx, glass_id, verdict, clean(note))
    text = words_of(request)(mark("审核已记下，当事人在自己的查看记录里也看得到。"))
    return redirect(request, PATH, notice=Toast(text=text))
