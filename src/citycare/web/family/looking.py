"""Who may act for whom now, what waits for an answer, and ending a relation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel import identity
from citycare.kernel.context import Context
from citycare.kernel.identity import Relation, RelationKind, RequestState
from citycare.kernel.identity.model import RelationUnknown
from citycare.web.edge.contexts import WriteContext, gate
from citycare.web.family.base import ACTION, HOME, me_of, names_of, note, require_person, wards_of
from citycare.web.family.words import KINDS, scope_words, scopes_in_full, until
from citycare.web.i18n import mark
from citycare.web.manner import Words, words_of
from citycare.web.parts import Fact, Link, Tag, Tone
from citycare.web.respond import redirect, respond
from citycare.web.shell import Toast

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Who may act for one person."""

    title: str
    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyPage:
    """Both sides of the person's relations, and the requests under way."""

    to_answer: tuple[Link, ...]
    acts_for: tuple[Link, ...]
    groups: tuple[Group, ...]
    asked: tuple[Link, ...]


@router.get(HOME, dependencies=[gate(ACTION)])
async def family(request: Request, cx: WriteContext) -> Response:
    """Show for whom I may act, who may act for me and my children."""
    words = words_of(request)
    me = me_of(cx)
    mine = await identity.relations_of(cx, me)
    wards = await wards_of(cx, me)
    children = [one.person_id for one in wards]
    theirs = {one: await identity.list_proxies(cx, one) for one in children}
    asked = await identity.list_asked(cx, [me, *children])
    waiting = await identity.list_to_answer(cx, me, children)
    relations = [*mine.acts_for, *mine.proxies, *(one for all_ in theirs.values() for one in all_)]
    people = {me, *(one.person_id for one in relations), *(one.proxy_id for one in relations)}
    names = await names_of(cx, [*people, *(one.asker_id for one in waiting)])
    await note(cx, sorted(people))
    page = FamilyPage(
        to_answer=tuple(
            Link(
                label=_question(one, names, words),
                href=f"{HOME}/requests/{one.id}",
                note=scope_words(one.scopes, words),
                tag=Tag(text=words("等您答复"), tone=Tone.SOON),
            )
            for one in waiting
        ),
        acts_for=tuple(
            _link(request, one, names.get(one.person_id, ""), words, mine=True)
            for one in mine.acts_for
        ),
        groups=tuple(
            _group(request, name, [one for one in found if one.proxy_id != me], names, words)
            for name, found in (
                ("", mine.proxies),
                *((names.get(child, ""), theirs[child]) for child in children),
            )
        ),
        asked=tuple(_asked_link(cx, one, words) for one in asked),
    )
    return await respond(request, cx, "family/family.html", page)


def _question(asked: identity.Request, names: dict[UUID, str], words: Words) -> str:
    asker = names.get(asked.asker_id, "")
    if asked.way is identity.Way.BE_ACTED_FOR:
        return words("%(name)s 请您帮忙办理", name=asker)
    return words("%(name)s 想替%(whom)s办理", name=asker, whom=asked.other_name)


def _link(request: Request, one: Relation, name: str, words: Words, *, mine: bool = False) -> Link:
    about = (scope_words(one.scopes, words), until(request, one.ends_at, words))
    kind = words(KINDS[one.kind])
    return Link(
        label=name,
        href=f"{HOME}/relations/{one.id}",
        note=" · ".join(about),
        tag=Tag(text=words("我是%(kind)s", kind=kind) if mine else kind, tone=Tone.GRAY),
    )


def _group(
    request: Request, name: str, found: Sequence[Relation], names: dict[UUID, str], words: Words
) -> Group:
    title = words("谁可以为%(name)s办", name=name) if name else words("谁可以为我办")
    links = (_link(request, one, names.get(one.proxy_id, ""), words) for one in found)
    return Group(title=title, links=tuple(links))


def _asked_link(cx: Context, one: identity.Request, words: Words) -> Link:
    if one.state is RequestState.REFUSED:
        tag = Tag(text=words("对方没有同意"), tone=Tone.GRAY)
    elif one.is_open(cx.now):
        tag = Tag(text=words("等对方同意"), tone=Tone.SOON)
    else:
        tag = Tag(text=words("过期了"), tone=Tone.GRAY)
    return Link(
        label=one.other_name,
        href=f"{HOME}/requests/{one.id}",
        note=f"{one.other_document} · {scope_words(one.scopes, words)}",
        tag=tag,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationPage:
    """One relation in plain words. `may_end`: a guardianship ends at a window only."""

    id: UUID
    title: str
    facts: tuple[Fact, ...]
    may_end: bool
    is_mine: bool
    proxy: str


@router.get(HOME + "/relations/{relation_id}", dependencies=[gate(ACTION)])
async def relation(request: Request, cx: WriteContext, relation_id: UUID) -> Response:
    """Show what a relation allows, and the way to end it."""
    page = await _relation_page(request, cx, relation_id)
    return await respond(request, cx, "family/relation.html", page)


async def _visible(cx: Context, relation_id: UUID) -> Relation:
    """Return a relation in force to the proxy, the person or the guardian; nobody else."""
    found = await identity.get_relation(cx, relation_id)
    if not found.is_in_force(cx.now):
        raise RelationUnknown
    if found.proxy_id != me_of(cx):
        await require_person(cx, found.person_id)
    return found


async def _relation_page(request: Request, cx: Context, relation_id: UUID) -> RelationPage:
    words = words_of(request)
    found = await _visible(cx, relation_id)
    names = await names_of(cx, [found.person_id, found.proxy_id])
    await note(cx, [found.person_id])
    person, proxy = names.get(found.person_id, ""), names.get(found.proxy_id, "")
    return RelationPage(
        id=relation_id,
        title=words("%(proxy)s 可以为 %(person)s 办理", proxy=proxy, person=person),
        facts=(
            _kin(words, found.kind, proxy, person),
            Fact(name=words("可以办"), text=scopes_in_full(found.scopes, words)),
            Fact(name=words("有效期"), text=until(request, found.ends_at, words)),
        ),
        may_end=found.kind is not RelationKind.GUARDIAN,
        is_mine=found.proxy_id == cx.actor.person_id,
        proxy=proxy,
    )


def _kin(words: Words, kind: RelationKind, proxy: str, person: str) -> Fact:
    """Say who is what of whom: '子女' alone could be read either way."""
    text = words(
        "%(proxy)s 是 %(person)s 的%(kind)s", proxy=proxy, person=person, kind=words(KINDS[kind])
    )
    return Fact(name=words("关系"), text=text)


def _sides(asked: identity.Request, asker: str) -> tuple[str, str]:
    """Return who would act, and for whom."""
    if asked.way is identity.Way.BE_ACTED_FOR:
        return asked.other_name, asker
    return asker, asked.other_name


@router.get(HOME + "/relations/{relation_id}/end", dependencies=[gate(ACTION)])
async def ask_end(request: Request, cx: WriteContext, relation_id: UUID) -> Response:
    """Ask once before a relation is ended."""
    page = await _relation_page(request, cx, relation_id)
    return await respond(request, cx, "family/end.html", page)


@router.post(HOME + "/relations/{relation_id}/end", dependencies=[gate(ACTION)])
async def end(request: Request, cx: WriteContext, relation_id: UUID) -> Response:
    """End a relation from this instant on."""
    await _visible(cx, relation_id)
    await identity.leave_relation(cx, relation_id)
    text = words_of(request)(mark("结束了。从现在起就不能代办了，约好的号不受影响。"))
    return redirect(request, HOME, notice=Toast(text=text))


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestPage:
    """One request: to answer, or one's own. `is_open`: it can still be answered."""

    id: UUID
    title: str
    words: str
    facts: tuple[Fact, ...]
    is_mine: bool
    is_open: bool
    state: str


@router.get(HOME + "/requests/{request_id}", dependencies=[gate(ACTION)])
async def asked(request: Request, cx: WriteContext, request_id: UUID) -> Response:
    """Show a request to whoever answers it, or to whoever made it."""
    words = words_of(request)
    found, is_mine = await _request(cx, request_id)
    asker = await identity.get_person(cx, found.asker_id)
    names = {found.asker_id: asker.name}
    facts = [
        _kin(words, found.kind, *_sides(found, asker.name)),
        Fact(name=words("可以办"), text=scopes_in_full(found.scopes, words)),
        Fact(name=words("有效期"), text=until(request, found.ends_at, words)),
    ]
    if is_mine:
        facts.insert(0, Fact(name=words("证件"), text=found.other_document))
        title = words("发给 %(name)s 的请求", name=found.other_name)
    else:
        tail = (asker.phone or "")[-4:]
        if tail:
            facts.insert(0, Fact(name=words("对方手机尾号"), text=tail))
        title = _question(found, names, words)
        await note(cx, [found.asker_id])
    page = RequestPage(
        id=request_id,
        title=title,
        words=words("请求的有效期：%(day)s。", day=until(request, found.expires_at, words)),
        facts=tuple(facts),
        is_mine=is_mine,
        is_open=found.is_open(cx.now),
        state=found.state,
    )
    return await respond(request, cx, "family/request.html", page)


async def _request(cx: Context, request_id: UUID) -> tuple[identity.Request, bool]:
    """Return a request and whether it is one's own; to strangers there is none."""
    me = me_of(cx)
    found = await identity.get_request(cx, request_id)
    wards = {one.person_id for one in await wards_of(cx, me)}
    if found.asker_id == me or (found.asker_id in wards and found.other_id != me):
        return found, True
    if found.other_id == me:
        return found, False
    if found.way is identity.Way.ACT_FOR and found.other_id in wards:
        return found, False
    raise identity.requests.RequestUnknown


@router.post(HOME + "/requests/{request_id}/agree", dependencies=[gate(ACTION)])
async def agree(request: Request, cx: WriteContext, request_id: UUID) -> Response:
    """Say yes: from now on the proxy may act."""
    found, is_mine = await _request(cx, request_id)
    if is_mine:
        raise identity.requests.RequestUnknown
    if found.way is identity.Way.ACT_FOR and found.other_id is not None:
        await require_person(cx, found.other_id)
    made = await identity.agree(cx, request_id)
    words = words_of(request)
    names = await names_of(cx, [made.proxy_id])
    text = words("同意了，%(name)s现在就能办。", name=names.get(made.proxy_id, ""))
    return redirect(request, HOME, notice=Toast(text=text))


@router.post(HOME + "/requests/{request_id}/refuse", dependencies=[gate(ACTION)])
async def refuse(request: Request, cx: WriteContext, request_id: UUID) -> Response:
    """Say no: nothing changes."""
    _, is_mine = await _request(cx, request_id)
    if is_mine:
        raise identity.requests.RequestUnknown
    await identity.refuse(cx, request_id)
    text = words_of(request)(mark("没有同意，什么都没有变。"))
    return redirect(request, HOME, notice=Toast(text=text))


@router.post(HOME + "/requests/{request_id}/withdraw", dependencies=[gate(ACTION)])
async def withdraw(request: Request, cx: WriteContext, request_id: UUID) -> Response:
    """Take one's own request back."""
    _, is_mine = await _request(cx, request_id)
    if not is_mine:
        raise identity.requests.RequestUnknown
    await identity.withdraw_request(cx, request_id)
    text = words_of(request)(mark("撤回了。"))
    return redirect(request, HOME, notice=Toast(text=text))
