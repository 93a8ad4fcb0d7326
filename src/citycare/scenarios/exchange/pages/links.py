"""Whose a hospital's Patient is: doubtful ones side by side, what was decided, taking it back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel import identity
from citycare.kernel.context import Context
from citycare.kernel.identity import Basis, Document, Kind, Link, LinkState
from citycare.kernel.identity.links import LinkChanged, LinkUnreasoned
from citycare.scenarios.exchange.pages.common import GATE, PATH, brief, minute, resource_url, tabs
from citycare.scenarios.exchange.service import belonging
from citycare.scenarios.exchange.service.belonging import Pair, Shown
from citycare.web import i18n
from citycare.web.actors import actor_words, cards_of, masked
from citycare.web.edge.contexts import ReadContext, WriteContext
from citycare.web.i18n import mark
from citycare.web.manner import Words, manner_of, words_of
from citycare.web.operator.common import TEXT_MAX, address, clean
from citycare.web.operator.people import COMMA, KINDS, LEVELS, SEXES
from citycare.web.parts import Cell, Column, Fact, Option, Row, Tag, Tone
from citycare.web.respond import redirect, respond
from citycare.web.shell import Toast

router = APIRouter(include_in_schema=False)
HERE = PATH + "/links"
MUCH, SOME = 8.0, 3.0  # bits
LIKELY, VERY_LIKELY = 6.0, 15.0

STATES: dict[LinkState, tuple[str, Tone]] = {
    LinkState.LINKED: (mark("已归到本人"), Tone.OK),
    LinkState.DOUBTFUL: (mark("等您判断"), Tone.SOON),
    LinkState.REFUSED: (mark("不是这个人"), Tone.GRAY),
}
BASES: dict[Basis, str] = {
    Basis.DOCUMENT: mark("证件号码和这位居民核对过的证件一样"),
    Basis.DOCUMENTS: mark("写了几个证件号码，在不同的居民名下"),
    Basis.LIKENESS: mark("没有对得上的证件号码，只是像"),
}
HEADS = (
    (mark("医院的病历 / 居民"), False),
    (mark("根据"), False),
    (mark("其他内容"), False),
    (mark("哪家医院"), False),
    (mark("时间"), True),
)


class View(StrEnum):
    """Which list."""

    WAITING = ""
    DECIDED = "decided"


class Verdict(StrEnum):
    """What was decided."""

    SAME = "same"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class LinksPage:
    """What waits, or what was decided; `searching`: the list can be searched, for `text`."""

    tabs: tuple[Option, ...]
    views: tuple[Option, ...]
    searching: bool
    text: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    next: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPage:
    """Two records side by side, what speaks for and against, and the decision.

    `numbered`: a document number speaks for it. `gone`: the hospital has deleted its record.
    """

    id: str
    person_id: UUID
    title: str
    linked: bool
    refused: bool
    gone: bool
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    basis: str
    numbered: bool
    verdict: str
    reason_columns: tuple[Column, ...]
    reasons: tuple[Row, ...]
    facts: tuple[Fact, ...]
    record: str
    reason: str
    error: str
    reason_error: str


@router.get(HERE, dependencies=[GATE])
async def list_all(
    request: Request, cx: ReadContext, view: View = View.WAITING, q: str = "", page: str = ""
) -> Response:
    """List what waits for a decision, or search what was decided."""
    words = words_of(request)
    text = clean(q) if view is View.DECIDED else ""
    if view is View.DECIDED:
        found = await belonging.decided(cx, text, page)
    else:
        found = await belonging.waiting(cx, page)
    waiting = await belonging.count_waiting(cx)
    label = words("等您判断 %(n)d", n=waiting)
    shown = LinksPage(
        tabs=tabs("/links", words),
        views=(
            Option(value=HERE, label=label, selected=view is View.WAITING),
            Option(
                value=address(HERE, view=View.DECIDED),
                label=words("判断过的"),
                selected=view is View.DECIDED,
            ),
        ),
        searching=view is View.DECIDED,
        text=text,
        columns=tuple(Column(label=words(head), is_number=number) for head, number in HEADS),
        rows=tuple(_row(one, words) for one in found.items),
        next=address(HERE, view=view, q=text, page=found.next) if found.next else "",
    )
    return await respond(request, cx, "exchange/links.html", shown)


def _row(one: Shown, words: Words) -> Row:
    link = one.link
    written = masked(one.claim.name) if one.claim and one.claim.name else words("没有写姓名")
    doubtful = link.state is LinkState.DOUBTFUL
    return Row(
        cells=(
            Cell(text=f"{written} / {masked(one.person.name)}", note=brief(link.patient_id)),
            Cell(text=words(BASES[link.basis]), tag=None if doubtful else _state(link, words)),
            Cell(text=_verdict(link, words)),
            Cell(text=one.organisation.short_name if one.organisation else ""),
            Cell(text=minute(link.decided_at or link.made_at)),
        ),
        href=f"{HERE}/{link.patient_id}",
    )


def _state(link: Link, words: Words) -> Tag:
    text, tone = STATES[link.state]
    return Tag(text=words(text), tone=tone)


def _verdict(link: Link, words: Words) -> str:
    """Say in words how much the rest of both records speaks for one person."""
    if not link.reasons:
        return words("没有别的可以比")
    if link.weight <= 0:
        return words("对不上")
    if link.weight < LIKELY:
        return words("有一点像")
    return words("比较像") if link.weight < VERY_LIKELY else words("很像")


@router.get(HERE + "/{patient_id}", dependencies=[GATE])
async def pair(request: Request, cx: WriteContext, patient_id: str) -> Response:
    """Show the two side by side; for both it is an access, and is written down."""
    page = await _page(request, cx, patient_id)
    return await respond(request, cx, "exchange/link.html", page)


@router.post(HERE + "/{patient_id}", dependencies=[GATE])
async def decide(
    request: Request,
    cx: WriteContext,
    patient_id: str,
    person: Annotated[UUID, Form()],
    verdict: Annotated[Verdict, Form()],
    reason: Annotated[str, Form(max_length=TEXT_MAX)] = "",
) -> Response:
    """Link, refuse, or take a link back."""
    words = words_of(request)
    same = verdict is Verdict.SAME
    try:
        await belonging.decide(cx, patient_id, person, clean(reason), same=same)
    except LinkUnreasoned:
        wrong = words("请写明根据什么判断，例如“核对了身份证原件”。")
        page = await _page(request, cx, patient_id, reason=reason, reason_error=wrong)
        return await respond(request, cx, "exchange/link.html", page, status=422)
    except LinkChanged as error:
        told = i18n.words_of(error, manner_of(request).lang)
        page = await _page(request, cx, patient_id, reason=reason, error=told)
        return await respond(request, cx, "exchange/link.html", page, status=409)
    if same:
        text = words("归好了。本人和能看本人档案的医生，一秒后就看得到这份病历。")
    else:
        text = words("记下了：不是这个人的。原来看得到的，一秒后就看不到了。")
    return redirect(request, f"{HERE}/{patient_id}", notice=Toast(text=text))


async def _page(
    request: Request,
    cx: Context,
    patient_id: str,
    *,
    reason: str = "",
    error: str = "",
    reason_error: str = "",
) -> LinkPage:
    words = words_of(request)
    found = await belonging.open_pair(cx, patient_id)
    link = found.shown.link
    return LinkPage(
        id=patient_id,
        person_id=link.person_id,
        title=found.shown.person.name,
        linked=link.state is LinkState.LINKED,
        refused=link.state is LinkState.REFUSED,
        gone=found.shown.claim is None,
        columns=(
            Column(label=""),
            Column(label=words("医院的病历")),
            Column(label=words("登记的居民")),
        ),
        rows=_compared(found, words),
        basis=words(BASES[link.basis]),
        numbered=link.basis is not Basis.LIKENESS,
        verdict=_verdict(link, words),
        reason_columns=(Column(label=words("比什么")), Column(label=words("说明什么"))),
        reasons=tuple(_reason(one, words) for one in link.reasons),
        facts=await _facts(cx, found.shown, words),
        record=resource_url("Patient", patient_id),
        reason=reason,
        error=error,
        reason_error=reason_error,
    )


def _reason(one: dict[str, object], words: Words) -> Row:
    level, weight = str(one["level"]), float(str(one["weight"]))
    size = abs(weight)
    if weight > 0:
        text = words("很像一个人") if size >= MUCH else words("有些像一个人")
        text = text if size >= SOME else words("说明不了多少")
    else:
        text = words("很不像") if size >= SOME else words("不太像")
    return Row(cells=(Cell(text=words(LEVELS.get(level, level))), Cell(text=text)))


def _compared(found: Pair, words: Words) -> tuple[Row, ...]:
    """Put what both records say beside each other; what differs is marked."""
    said, person = found.shown.claim, found.shown.person
    unknown = words(SEXES[identity.Sex.UNKNOWN])
    lines: Sequence[tuple[str, str, str]] = (
        (words("姓名"), said.name if said else "", person.name),
        (words("性别"), words(SEXES[said.sex]) if said else "", words(SEXES[person.sex])),
        (words("出生日期"), str(said.born_on or "") if said else "", str(person.born_on)),
        (words("手机号"), (said.phone or "") if said else "", person.phone or ""),
    )
    rows = []
    for name, one, two in lines:
        differs = one and two and one != two and unknown not in (one, two)
        tag = Tag(text=words("不同"), tone=Tone.SOON) if differs else None
        cells = (Cell(text=name), Cell(text=one or unknown), Cell(text=two or unknown, tag=tag))
        rows.append(Row(cells=cells))
    held = [
        (Document(Kind(one.kind), one.number), one.verified_at is not None)
        for one in found.documents
    ]
    told = _papers([(one, None) for one in said.documents] if said else [], words)
    rows.append(Row(cells=(Cell(text=words("证件")), told, _papers(held, words))))
    return tuple(rows)


def _papers(some: Sequence[tuple[Document, bool | None]], words: Words) -> Cell:
    """Write the numbers masked, and below of what they are and whether somebody has checked."""
    if not some:
        return Cell(text=words(SEXES[identity.Sex.UNKNOWN]))
    notes = []
    for document, checked in some:
        state = "" if checked is None else words("已核对") if checked else words("没有核对")
        notes.append(" · ".join(filter(None, (words(KINDS[document.kind]), state))))
    numbers = [identity.mask(document) for document, _ in some]
    return Cell(text=" ".join(numbers), note=words(COMMA).join(notes))


async def _facts(cx: Context, found: Shown, words: Words) -> tuple[Fact, ...]:
    """Say who decided what, and why; of what came from the evidence, since when it is so."""
    link, house = found.link, found.organisation
    facts = [
        Fact(name=words("状态"), text="", tag=_state(link, words)),
        Fact(name=words("病历编号"), text=link.patient_id),
        Fact(name=words("居民编号"), text=str(link.person_id)),
    ]
    if house is not None:
        facts.append(Fact(name=words("哪家医院"), text=house.short_name))
    if link.decided_at is None:
        return (*facts, Fact(name=words("从什么时候起"), text=minute(link.made_at)))
    cards = await cards_of(cx, {link.decided_by})
    who = actor_words(link.decided_by, "system", cards, words)[0]
    return (
        *facts,
        Fact(name=words("谁判断的"), text=who),
        Fact(name=words("为什么"), text=link.reason),
        Fact(name=words("时间"), text=minute(link.decided_at)),
    )
