"""Asking to act for somebody, or to be helped. The other side must agree before anything holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel import identity
from citycare.kernel.context import Context, policy
from citycare.kernel.identity import Document, Kind, ProxyScope, RelationKind, Way, Wish, documents
from citycare.kernel.identity.requests import KINDS as ASKED_KINDS
from citycare.kit import clock
from citycare.kit.errors import AppError
from citycare.web import forms, i18n
from citycare.web.edge.contexts import ReadContext, WriteContext, gate
from citycare.web.family import wizard
from citycare.web.family.base import ACTION, HOME, me_of, names_of, require_person, wards_of
from citycare.web.family.wizard import Field, Plan
from citycare.web.family.words import KINDS, OFFERED, PAPERS, SCOPES, SPANS
from citycare.web.forms import Form
from citycare.web.i18n import mark
from citycare.web.manner import Words, manner_of, words_of
from citycare.web.parts import Link, Option
from citycare.web.respond import redirect, respond
from citycare.web.shell import Toast

router = APIRouter(include_in_schema=False)
NOTHING_CHOSEN = mark("请至少选一项。")
FORM = "family/form.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class AddPage:
    """What somebody may want to add."""

    links: tuple[Link, ...]


@router.get(HOME + "/add", dependencies=[gate(ACTION)])
async def add(request: Request, cx: ReadContext) -> Response:
    """Ask what is to be added: one question."""
    words = words_of(request)
    me_of(cx)
    young = int(await policy.value(cx, "identity.guardian.age"))
    page = AddPage(
        links=(
            Link(
                label=words("让家人替我办"),
                note=words("比如让女儿替我挂号"),
                href=f"{HOME}/ask?way=be_acted_for",
                icon="people",
            ),
            Link(
                label=words("我替家人办"),
                note=words("比如替父母挂号，要他们点同意"),
                href=f"{HOME}/ask?way=act_for",
                icon="elder",
            ),
            Link(
                label=words("登记我的孩子"),
                note=words("未满 %(n)d 岁，包括刚出生的", n=young),
                href=f"{HOME}/child",
                icon="child",
            ),
        )
    )
    return await respond(request, cx, "family/add.html", page)


@router.get(HOME + "/ask", dependencies=[gate(ACTION)])
async def ask(
    request: Request, cx: WriteContext, way: Annotated[Way, Query()] = Way.BE_ACTED_FOR
) -> Response:
    """Show the form."""
    plan = await _plan(request, cx, way)
    page, _ = wizard.page_of(request, plan, Form(), {})
    return await respond(request, cx, FORM, page)


@router.post(HOME + "/ask", dependencies=[gate(ACTION)])
async def asked(request: Request, cx: WriteContext) -> Response:
    """Take the form; on anything wrong show it again as it was typed."""
    words, lang = words_of(request), manner_of(request).lang
    form = await forms.read(request)
    way = form.choice("way", Way) or Way.BE_ACTED_FOR
    plan = await _plan(request, cx, way)
    wish, errors = _read(cx, form, way, words, request)
    subject = form.id("subject", required=False) or me_of(cx)
    if wish is None or not wizard.is_complete(request, form):
        page, status = wizard.page_of(request, plan, form, errors)
        return await respond(request, cx, FORM, page, status=status)
    await require_person(cx, subject)
    try:
        async with cx.db.transaction():
            made = await identity.ask_relation(cx, subject, wish)
    except AppError as error:
        said = i18n.words_of(error, lang)
        page, status = wizard.page_of(request, plan, form, errors, said)
        return await respond(request, cx, FORM, page, status=status)
    days = (made.expires_at - made.created_at).days
    text = words("请求发出了。对方 %(n)d 天内登录点同意，就生效。", n=days)
    return redirect(request, HOME, notice=Toast(text=text))


async def _plan(request: Request, cx: Context, way: Way) -> Plan:
    words = words_of(request)
    helped = way is Way.BE_ACTED_FOR
    wards = await wards_of(cx, me_of(cx)) if helped else ()
    fields = [
        Field(name="name", label=words("对方的姓名"), ask=words("对方叫什么名字？")),
        paper_field(PAPERS, words, "number"),
        Field(
            name="number",
            label=words("证件号码"),
            ask=words("对方的证件号码是多少？"),
            hint=words("用来确认是同一个人，只给系统核对。"),
            companion="paper",
        ),
        _kind_field(words, helped=helped),
        _scope_field(words),
        _span_field(words),
    ]
    if wards:
        fields.insert(0, await _subject_field(cx, [one.person_id for one in wards], words))
    explain = (
        words("对方登录后点同意才生效。您随时可以结束。")
        if helped
        else words("对方登录后点同意才生效。对方不上网的话，带双方证件到任一医院窗口，当场就能办。")
    )
    return Plan(
        action=f"{HOME}/ask",
        title=words("让家人替我办") if helped else words("我替家人办"),
        words=explain,
        back=f"{HOME}/add",
        button=words("发出请求"),
        fields=tuple(fields),
        fixed=(("way", way),),
    )


async def _subject_field(cx: Context, wards: list[UUID], words: Words) -> Field:
    names = await names_of(cx, wards)
    options = [Option(value=str(me_of(cx)), label=words("我自己"), selected=True)]
    options += [Option(value=str(one), label=name) for one, name in names.items()]
    return Field(
        name="subject",
        label=words("为谁办"),
        ask=words("要对方为谁办？"),
        kind="choices",
        options=tuple(options),
    )


def paper_field(papers: dict[Kind, str], words: Words, companion: str) -> Field:
    """Ask for the kind of paper, on the screen of its number."""
    return Field(
        name="paper",
        label=words("证件"),
        ask=words("证件号码是多少？"),
        kind="select",
        options=tuple(
            Option(value=kind, label=words(label), selected=not n)
            for n, (kind, label) in enumerate(papers.items())
        ),
        companion=companion,
    )


def _kind_field(words: Words, *, helped: bool) -> Field:
    return Field(
        name="kind",
        label=words("对方是您的") if helped else words("您是对方的"),
        ask=words("对方是您的什么人？") if helped else words("您是对方的什么人？"),
        kind="choices",
        options=tuple(Option(value=one, label=words(KINDS[one])) for one in ASKED_KINDS),
    )


def _scope_field(words: Words) -> Field:
    options = tuple(
        Option(
            value=scope,
            label=words(SCOPES[scope][0]),
            note=words(SCOPES[scope][1]),
            selected=scope is ProxyScope.BOOKING,
        )
        for scope in OFFERED
    )
    return Field(
        name="scopes", label=words("可以办什么"), ask=words("可以办什么？"), kind="many",
        options=options,
    )  # fmt: skip


def _span_field(words: Words) -> Field:
    options = tuple(
        Option(value=value, label=words(label), selected=not n)
        for n, (value, (label, _)) in enumerate(SPANS.items())
    )
    return Field(
        name="span", label=words("多久"), ask=words("代办多久？"), kind="choices", options=options
    )


def _read(
    cx: Context, form: Form, way: Way, words: Words, request: Request
) -> tuple[Wish | None, dict[str, str]]:
    """Read the wish; None with what is wrong, in the person's language."""
    name = form.text("name", chars_max=50)
    document, refused = read_document(form, request)
    kind = form.choice("kind", RelationKind)
    if form.values.get("span") not in SPANS:
        form.errors["span"] = forms.NOT_A_CHOICE
    scopes = tuple(one for one in OFFERED if one in form.many.get("scopes", ()))
    if not scopes:
        form.errors["scopes"] = NOTHING_CHOSEN
    errors = {field: words(text) for field, text in form.errors.items()} | refused
    form.errors |= refused
    if errors or document is None or kind is None:
        return None, errors
    ends_at = _ends_at(cx.now, form.values["span"])
    return Wish(way, name, document, kind, scopes, ends_at), errors


def read_document(form: Form, request: Request) -> tuple[Document | None, dict[str, str]]:
    """Read kind and number of a paper; what is wrong is said at the number."""
    paper = form.choice("paper", Kind)
    number = form.text("number", chars_max=40)
    if paper is None or not number:
        return None, {}
    try:
        return documents.parse(paper, number), {}
    except AppError as error:
        return None, {"number": i18n.words_of(error, manner_of(request).lang)}


def _ends_at(now: datetime, span: str) -> datetime | None:
    """Return the end of the last whole day, or none."""
    days = SPANS[span][1]
    return clock.bounds(clock.day_of(now) + timedelta(days=days))[1] if days else None
