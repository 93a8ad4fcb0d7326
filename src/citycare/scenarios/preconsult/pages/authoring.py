"""For who writes questionnaires: how each stands and is used, and a place to try it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel import consent
from citycare.kernel.context import Context
from citycare.kernel.fhir import forms as fhir_forms
from citycare.kit.errors import NotFound
from citycare.scenarios.preconsult.pages.base import papers_of
from citycare.scenarios.preconsult.service import authoring
from citycare.scenarios.preconsult.service.authoring import LOOK
from citycare.web import forms, questions
from citycare.web.edge.contexts import WriteContext
from citycare.web.i18n import mark
from citycare.web.manner import Words, manner_of, words_of
from citycare.web.operator.common import operator_gate
from citycare.web.parts import Cell, Column, Option, Row, Tag, Tone
from citycare.web.questions import Asked
from citycare.web.respond import respond

router = APIRouter(include_in_schema=False)
PATH = "/operator/questionnaires"
SINCE = timedelta(days=30)
AGE_MAX, AGE = 120, 40
SEXES = (("female", mark("女")), ("male", mark("男")))
STATUS = {"draft": mark("草稿"), "active": mark("启用"), "retired": mark("停用")}


class QuestionnaireUnknown(NotFound):
    """There is no such questionnaire."""

    code = "preconsult.questionnaire_unknown"
    words = "没有这份问卷，它可能改了名字。请从列表里选一份。"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPage:
    """All questionnaires; `broken`: files that cannot be used, with what is wrong."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    minutes: int
    days: int
    broken: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TryPage:
    """One questionnaire, filled in for a look; `text` is what a doctor would read."""

    id: str
    title: str
    version: str
    about: tuple[str, ...]
    items: tuple[Asked, ...]
    errors: tuple[tuple[str, str], ...]
    labels: dict[str, str]
    text: str
    faults: tuple[str, ...]
    age: int
    sexes: tuple[Option, ...]
    tried: bool


@router.get(PATH, dependencies=[operator_gate(LOOK)])
async def list_all(request: Request, cx: WriteContext) -> Response:
    """List the questionnaires: version, state, reviewed or not, how much they are used."""
    papers, words = papers_of(request), words_of(request)
    listed = await authoring.list_all(cx, papers)
    minutes = await authoring.minutes_saved(cx, cx.now - SINCE)
    page = ListPage(
        columns=(
            Column(label=words("问卷")),
            Column(label=words("版本")),
            Column(label=words("状态")),
            Column(label=words("临床复核")),
            Column(label=words("错误"), is_number=True),
            Column(label=words("开始"), is_number=True),
            Column(label=words("发给医生"), is_number=True),
        ),
        rows=tuple(_row(one, papers.forms[one.id], request, words) for one in listed),
        minutes=round(minutes),
        days=SINCE.days,
        broken=tuple((name, "；".join(told)) for name, told in papers.faults.items()),
    )
    return await respond(request, cx, "preconsult/questionnaires.html", page)


def _row(one: authoring.Listed, form: fhir_forms.Form, request: Request, words: Words) -> Row:
    status = words(STATUS[one.status]) if one.status in STATUS else one.status
    reviewed = (
        Tag(text=words("已复核")) if one.reviewed else Tag(text=words("未复核"), tone=Tone.SOON)
    )
    faults = Tag(text=str(one.faults), tone=Tone.DANGER) if one.faults else None
    return Row(
        cells=(
            Cell(text=fhir_forms.said(form.source, "title", manner_of(request).lang), note=one.id),
            Cell(text=one.version),
            Cell(text=status),
            Cell(tag=reviewed),
            Cell(text="" if one.faults else "0", tag=faults),
            Cell(text=str(one.begun)),
            Cell(text=str(one.sent)),
        ),
        href=f"{PATH}/{one.id}",
    )


@router.get(PATH + "/{name}", dependencies=[operator_gate(LOOK)])
async def one(request: Request, cx: WriteContext, name: str) -> Response:
    """Show a questionnaire to be tried."""
    await consent.require(cx, LOOK)
    return await _try(request, cx, name, forms.Form(), tried=False)


@router.post(PATH + "/{name}", dependencies=[operator_gate(LOOK)])
async def tried(request: Request, cx: WriteContext, name: str) -> Response:
    """Take answers for a look: what is asked then, what a doctor would read. Nothing is kept."""
    await consent.require(cx, LOOK)
    return await _try(request, cx, name, await forms.read(request), tried=True)


async def _try(
    request: Request, cx: Context, name: str, sent: forms.Form, *, tried: bool
) -> Response:
    papers, words, lang = papers_of(request), words_of(request), manner_of(request).lang
    if name not in papers.forms:
        raise QuestionnaireUnknown(name=name[:40])
    age = sent.number("age", 0, AGE_MAX, required=False)
    age = AGE if age is None else age
    sex = sent.values.get("sex", "female")
    filling = authoring.begin(papers, name, cx.now, age, sex)
    drawn = sent.many.get("q", [])
    authoring.make_room(filling, drawn)
    posted = questions.take(filling, sent)
    found = authoring.tried(papers, name, filling)
    page = questions.draw(filling, lang, posted=posted, complete=tried)
    form = found.form
    description = form.source.get("description", "")
    shown = TryPage(
        id=name,
        title=fhir_forms.said(form.source, "title", lang),
        version=form.version,
        about=tuple(description.splitlines())
        if lang == "zh"
        else (form.source.get("purpose", ""),),
        items=page.items,
        errors=page.errors,
        labels=page.labels,
        text=found.text,
        faults=tuple(f"{fault.link_id} {fault.words}".strip() for fault in found.faults),
        age=age,
        sexes=tuple(
            Option(value=value, label=words(label), selected=value == sex) for value, label in SEXES
        ),
        tried=tried,
    )
    return await respond(request, cx, "preconsult/questionnaire.html", shown)
