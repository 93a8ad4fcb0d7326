"""Two records, one person? Proposals, decided by a person; merges, and taking them back.

Lists show no more than is needed to choose; the opened pair shows all, and opening it is written
down for both people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel import audit, consent, identity
from citycare.kernel.context import Context
from citycare.kernel.identity import Document, Kind, Merge, Person, Proposal, Sex
from citycare.kernel.identity.model import MergeRefused
from citycare.kit.errors import AppError
from citycare.web import i18n
from citycare.web.actors import actor_words, cards_of, masked
from citycare.web.edge.contexts import ReadContext, WriteContext
from citycare.web.i18n import mark
from citycare.web.manner import Words, manner_of, words_of
from citycare.web.operator.common import (
    TEXT_MAX,
    address,
    clean,
    date_of,
    operator_gate,
    short,
    stamp,
)
from citycare.web.parts import Cell, Column, Fact, Option, Row, Tag, Tone
from citycare.web.respond import redirect, respond
from citycare.web.shell import Toast

router = APIRouter(include_in_schema=False)
ACTION = "operator.people"
GATE = operator_gate(ACTION)
PATH = "/operator/people"
Reason = Annotated[str, Form(max_length=TEXT_MAX)]

LEVELS = {
    "name_same": mark("姓名一样"),
    "name_sound": mark("姓名读音一样，字不同"),
    "name_like": mark("姓名读音相近"),
    "name_other": mark("姓名不同"),
    "born_same": mark("出生日期一样"),
    "born_swapped": mark("出生日期的月和日对调了"),
    "born_digit": mark("出生日期差一个数字"),
    "born_other": mark("出生日期不同"),
    "sex_same": mark("性别一样"),
    "sex_other": mark("性别不同"),
    "phone_same": mark("手机号一样"),
    "phone_other": mark("手机号不同"),
    "district_same": mark("住在同一个区"),
    "district_other": mark("住在不同的区"),
}
COMMA = mark("、")
SEXES = {Sex.FEMALE: mark("女"), Sex.MALE: mark("男"), Sex.UNKNOWN: mark("没有登记")}
KINDS = {
    Kind.RESIDENT_ID: mark("居民身份证"),
    Kind.FOREIGN_RESIDENT: mark("外国人永久居留身份证"),
    Kind.HMT_RESIDENT: mark("港澳台居民居住证"),
    Kind.PASSPORT: mark("护照"),
    Kind.HK_MACAO_PASS: mark("港澳居民来往内地通行证"),
    Kind.TAIWAN_PASS: mark("台湾居民来往大陆通行证"),
    Kind.BIRTH_CERTIFICATE: mark("出生医学证明"),
    Kind.USCC: mark("统一社会信用代码"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PeoplePage:
    """Pairs that may be one person, strongest first."""

    tabs: tuple[Option, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    next: str


@router.get(PATH, dependencies=[GATE])
async def list_proposals(request: Request, cx: ReadContext) -> Response:
    """List the pairs that wait for a decision."""
    await consent.require(cx, ACTION)
    words = words_of(request)
    found = await identity.list_proposals(cx)
    people = await identity.list_persons(
        cx, {one for pair in found for one in (pair.left_id, pair.right_id)}
    )
    heads = (mark("两份档案"), mark("出生"), mark("像的地方"), mark("证据"), mark("提出"))
    page = PeoplePage(
        tabs=_tabs(words, merges=False),
        columns=tuple(
            Column(label=words(head), is_number=head in ("证据", "提出")) for head in heads
        ),
        rows=tuple(_proposal_row(one, people, words) for one in found),
        next="",
    )
    return await respond(request, cx, "operator/people.html", page)


def _tabs(words: Words, *, merges: bool) -> tuple[Option, ...]:
    return (
        Option(value=PATH, label=words("可能是同一个人"), selected=not merges),
        Option(value=f"{PATH}/merges", label=words("合并过的"), selected=merges),
    )


def _proposal_row(one: Proposal, people: dict[UUID, Person], words: Words) -> Row:
    left, right = people[one.left_id], people[one.right_id]
    years = sorted({left.born_on.year, right.born_on.year})
    alike = [
        words(LEVELS.get(str(reason["level"]), str(reason["level"])))
        for reason in one.reasons
        if float(str(reason["weight"])) > 0
    ]
    return Row(
        cells=(
            Cell(text=f"{masked(left.name)} / {masked(right.name)}"),
            Cell(text=" / ".join(str(year) for year in years)),
            Cell(text=words(COMMA).join(alike)),
            Cell(text=f"{one.weight:.1f}"),
            Cell(text=date_of(one.created_at)),
        ),
        href=f"{PATH}/{one.id}",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PairPage:
    """Two records side by side, why they were proposed, and the decision."""

    id: UUID
    title: str
    open: bool
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    reason_columns: tuple[Column, ...]
    reasons: tuple[Row, ...]
    weight: str
    keep: tuple[Option, ...]
    reason: str
    error: str
    reason_error: str


@router.get(PATH + "/merges", dependencies=[GATE])
async def list_merges(request: Request, cx: ReadContext, page: str = "") -> Response:
    """List merges of anybody, newest first."""
    await consent.require(cx, ACTION)
    words = words_of(request)
    found = await identity.list_all_merges(cx, page or None)
    cards = await cards_of(cx, {one.merged_by for one in found.items})
    people = await identity.list_persons(
        cx, {one for merge in found.items for one in (merge.kept_id, merge.merged_id)}
    )
    heads = (mark("留下"), mark("并入"), mark("为什么"), mark("谁合并的"), mark("时间"), "")
    shown = PeoplePage(
        tabs=_tabs(words, merges=True),
        columns=tuple(
            Column(label=words(head) if head else "", is_number=head == "时间") for head in heads
        ),
        rows=tuple(
            Row(
                cells=(
                    Cell(text=_brief(people, one.kept_id), note=short(one.kept_id)),
                    Cell(text=_brief(people, one.merged_id), note=short(one.merged_id)),
                    Cell(text=one.reason),
                    Cell(text=actor_words(one.merged_by, "system", cards, words)[0]),
                    Cell(text=stamp(one.merged_at)),
                    Cell(tag=_merge_tag(one, words)),
                ),
                href=f"{PATH}/merges/{one.id}",
            )
            for one in found.items
        ),
        next=address(f"{PATH}/merges", page=found.next) if found.next else "",
    )
    return await respond(request, cx, "operator/people.html", shown)


def _brief(people: dict[UUID, Person], person_id: UUID) -> str:
    person = people.get(person_id)
    return masked(person.name) if person else ""


def _merge_tag(one: Merge, words: Words) -> Tag:
    if one.undone_at is not None:
        return Tag(text=words("已拆回"), tone=Tone.GRAY)
    return Tag(text=words("合并着"))


@router.get(PATH + "/{proposal_id}", dependencies=[GATE])
async def pair(request: Request, cx: WriteContext, proposal_id: UUID) -> Response:
    """Show the two side by side; for both it is an access, and is written down."""
    await consent.require(cx, ACTION)
    page = await _pair(request, cx, proposal_id)
    return await respond(request, cx, "operator/pair.html", page)


async def _pair(
    request: Request,
    cx: Context,
    proposal_id: UUID,
    *,
    reason: str = "",
    error: str = "",
    reason_error: str = "",
) -> PairPage:
    words = words_of(request)
    found = await identity.get_proposal(cx, proposal_id)
    both = (found.left_id, found.right_id)
    people = await identity.list_persons(cx, both)
    await audit.append(
        cx, [audit.Entry("person.read", one, f"proposal/{proposal_id}") for one in both]
    )
    left, right = people[found.left_id], people[found.right_id]
    return PairPage(
        id=proposal_id,
        title=f"{left.name} / {right.name}" if left.name != right.name else left.name,
        open=found.state == "open",
        columns=(Column(label=""), Column(label=words("甲")), Column(label=words("乙"))),
        rows=await _compared(cx, left, right, words),
        reason_columns=(Column(label=words("比什么")), Column(label=words("证据"), is_number=True)),
        reasons=_reasons(found, words),
        weight=f"{found.weight:.1f}",
        keep=(
            Option(value=str(left.id), label=words("留下甲"), note=left.name, selected=True),
            Option(value=str(right.id), label=words("留下乙"), note=right.name),
        ),
        reason=reason,
        error=error,
        reason_error=reason_error,
    )


async def _compared(cx: Context, left: Person, right: Person, words: Words) -> tuple[Row, ...]:
    """Put what both records say beside each other; what differs is marked."""
    papers = [await _papers(cx, one.id, words) for one in (left, right)]
    lines: Sequence[tuple[str, str, str]] = (
        (words("姓名"), left.name, right.name),
        (words("性别"), words(SEXES[left.sex]), words(SEXES[right.sex])),
        (words("出生日期"), str(left.born_on), str(right.born_on)),
        (words("证件"), papers[0], papers[1]),
        (words("手机号"), left.phone or "", right.phone or ""),
        (words("住在"), left.address or left.district or "", right.address or right.district or ""),
        (words("登记于"), stamp(left.created_at), stamp(right.created_at)),
        (words("编号"), str(left.id), str(right.id)),
    )
    nothing = words("没有登记")
    other = Tag(text=words("不同"), tone=Tone.SOON)
    always = {words("登记于"), words("编号"), words("证件")}
    return tuple(
        Row(
            cells=(
                Cell(text=name),
                Cell(text=one or nothing),
                Cell(
                    text=two or nothing,
                    tag=other if one and two and one != two and name not in always else None,
                ),
            )
        )
        for name, one, two in lines
    )


async def _papers(cx: Context, person_id: UUID, words: Words) -> str:
    held = await identity.list_documents(cx, person_id)
    texts = []
    for one in held:
        kind = Kind(one.kind)
        name = words(KINDS[kind])
        number = identity.mask(Document(kind, one.number))
        checked = words("已核对") if one.verified_at else words("没有核对")
        texts.append(f"{name} {number} · {checked}")
    return " / ".join(texts)


def _reasons(found: Proposal, words: Words) -> tuple[Row, ...]:
    return tuple(
        Row(
            cells=(
                Cell(text=words(LEVELS.get(str(one["level"]), str(one["level"])))),
                Cell(text=f"{float(str(one['weight'])):+.1f}"),
            )
        )
        for one in found.reasons
    )


@router.post(PATH + "/{proposal_id}/merge", dependencies=[GATE])
async def merge(
    request: Request,
    cx: WriteContext,
    proposal_id: UUID,
    keep: Annotated[UUID, Form()],
    reason: Reason = "",
) -> Response:
    """Make the two one; the number that goes keeps working."""
    await consent.require(cx, ACTION)
    words = words_of(request)
    if not clean(reason):
        return await _again(request, cx, proposal_id, reason, None)
    found = await identity.get_proposal(cx, proposal_id)
    other = found.right_id if keep == found.left_id else found.left_id
    try:
        async with cx.db.transaction():
            if keep not in (found.left_id, found.right_id):
                raise MergeRefused
            done = await identity.merge(cx, keep, other, clean(reason))
    except AppError as error:
        return await _again(request, cx, proposal_id, reason, error)
    text = words("合并好了，两个编号都还能用。合错了可以拆回。")
    return redirect(request, f"{PATH}/merges/{done.id}", notice=Toast(text=text))


@router.post(PATH + "/{proposal_id}/reject", dependencies=[GATE])
async def reject(
    request: Request, cx: WriteContext, proposal_id: UUID, reason: Reason = ""
) -> Response:
    """Decide that they are two people; the pair is not proposed again."""
    await consent.require(cx, ACTION)
    if not clean(reason):
        return await _again(request, cx, proposal_id, reason, None)
    await identity.reject_proposal(cx, proposal_id, clean(reason))
    text = words_of(request)(mark("记下了：是两个人，以后不再提这一对。"))
    return redirect(request, PATH, notice=Toast(text=text))


async def _again(
    request: Request, cx: Context, proposal_id: UUID, reason: str, error: AppError | None
) -> Response:
    """Show the pair again with what is wrong; nothing typed is lost."""
    words = words_of(request)
    lang = manner_of(request).lang
    page = await _pair(
        request,
        cx,
        proposal_id,
        reason=reason,
        error=i18n.words_of(error, lang) if error else "",
        reason_error="" if error else words("请写明根据什么判断，例如“核对了身份证原件”。"),
    )
    status = 409 if error else 422
    return await respond(request, cx, "operator/pair.html", page, status=status)


@dataclass(frozen=True, slots=True, kw_only=True)
class MergePage:
    """One merge, and the form to take it back."""

    id: UUID
    facts: tuple[Fact, ...]
    undone: bool
    error: str


MOVED = {
    "documents": mark("证件"),
    "represented": mark("由别人代办的关系"),
    "representing": mark("代别人办的关系"),
    "accounts": mark("账号"),
    "practitioners": mark("医生身份"),
    "merged_before": mark("更早并入的档案"),
}


@router.get(PATH + "/merges/{merge_id}", dependencies=[GATE])
async def one_merge(request: Request, cx: WriteContext, merge_id: UUID) -> Response:
    """Show one merge; an access to both people."""
    await consent.require(cx, ACTION)
    page = await _merge_page(request, cx, merge_id, None)
    return await respond(request, cx, "operator/merge.html", page)


async def _merge_page(
    request: Request, cx: Context, merge_id: UUID, error: AppError | None
) -> MergePage:
    words = words_of(request)
    done = await identity.get_merge(cx, merge_id)
    both = (done.kept_id, done.merged_id)
    people = await identity.list_persons(cx, both)
    await audit.append(cx, [audit.Entry("person.read", one, f"merge/{merge_id}") for one in both])
    cards = await cards_of(cx, {done.merged_by})
    kept, merged = people[done.kept_id], people[done.merged_id]
    moved = [
        words("%(what)s %(n)d 项", what=words(MOVED.get(name, name)), n=len(ids))
        for name, ids in done.moved.items()
        if ids
    ]
    facts = [
        Fact(name=words("留下"), text=f"{kept.name} · {kept.id}"),
        Fact(name=words("并入"), text=f"{merged.name} · {merged.id}"),
        Fact(name=words("为什么"), text=done.reason),
        Fact(name=words("谁合并的"), text=actor_words(done.merged_by, "system", cards, words)[0]),
        Fact(name=words("时间"), text=stamp(done.merged_at)),
        Fact(name=words("一起移过去的"), text=words(COMMA).join(moved) or words("没有")),
    ]
    if done.undone_at is not None:
        facts.append(Fact(name=words("拆回于"), text=stamp(done.undone_at)))
    return MergePage(
        id=merge_id,
        facts=tuple(facts),
        undone=done.undone_at is not None,
        error=i18n.words_of(error, manner_of(request).lang) if error else "",
    )


@router.post(PATH + "/merges/{merge_id}/undo", dependencies=[GATE])
async def undo(
    request: Request,
    cx: WriteContext,
    merge_id: UUID,
    reason: Annotated[str, Form(min_length=1, max_length=TEXT_MAX)],
) -> Response:
    """Take a merge back: exactly what moved goes back."""
    await consent.require(cx, ACTION)
    try:
        async with cx.db.transaction():
            await identity.unmerge(cx, merge_id, clean(reason))
    except AppError as error:
        page = await _merge_page(request, cx, merge_id, error)
        return await respond(request, cx, "operator/merge.html", page, status=409)
    text = words_of(request)(mark("拆回了：当时移过去的都回到原处。"))
    return redirect(request, f"{PATH}/merges/{merge_id}", notice=Toast(text=text))
