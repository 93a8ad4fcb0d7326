"""What is in the record, and what a search finds: a FHIR query, or words about a person."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel.context import Context
from citycare.kernel.fhir import ParameterUnknown, TypeUnknown, ValueBroken
from citycare.kernel.fhir.finding import TooCostly
from citycare.kernel.fhir.integrity import persons_of
from citycare.kernel.fhir.looking import Amount
from citycare.kit.pages import TokenBroken
from citycare.scenarios.exchange.pages import asking, reasons, rows
from citycare.scenarios.exchange.pages.asking import Asked, Problem
from citycare.scenarios.exchange.pages.common import (
    GATE,
    PATH,
    clean_query,
    minute,
    resource_url,
    search_url,
    server_of,
    tabs,
    type_words,
)
from citycare.scenarios.exchange.service import browsing
from citycare.scenarios.exchange.service.browsing import Looked
from citycare.web.edge.contexts import WriteContext
from citycare.web.i18n import mark
from citycare.web.manner import Words, manner_of, words_of
from citycare.web.operator.common import address
from citycare.web.parts import Cell, Column, Option, Row
from citycare.web.respond import redirect, respond

router = APIRouter(include_in_schema=False)
REFUSED = (TypeUnknown, ParameterUnknown, ValueBroken, TooCostly, TokenBroken)
EXAMPLES = (
    "Patient?birthdate=ge1950&gender=female",
    "Observation?code=http://loinc.org|8867-4&_sort=-date",
    "Encounter?date=ge2026-11&_include=Encounter:location",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HomePage:
    """What there is of each type."""

    tabs: tuple[Option, ...]
    text: str
    examples: tuple[Option, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    total: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultsPage:
    """A page of a search, told in words; or why it was not done."""

    tabs: tuple[Option, ...]
    text: str
    query: str
    plain: bool
    told: tuple[str, ...]
    problem: Problem | None
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    total: str
    next: str
    first: str
    slow: str


@router.get(PATH, dependencies=[GATE])
async def browse(request: Request, cx: WriteContext, q: str = "", page: str = "") -> Response:
    """Show what there is, or search."""
    text = clean_query(q)
    if not text:
        return await _home(request, cx)
    asked = asking.understood(text)
    if asked.resource is not None:
        return redirect(request, resource_url(*asked.resource))
    return await _results(request, cx, asked, page)


async def _home(request: Request, cx: Context) -> Response:
    words = words_of(request)
    found = await browsing.amounts(cx)
    heads = (
        (mark("类型"), False),
        (mark("是什么"), False),
        (mark("多少"), True),
        (mark("最近写入"), True),
    )
    shown = HomePage(
        tabs=tabs("", words),
        text="",
        examples=tuple(Option(value=search_url(one), label=one) for one in EXAMPLES),
        columns=tuple(Column(label=words(head), is_number=number) for head, number in heads),
        rows=tuple(_type_row(one, words) for one in found),
        total=_total(found, words),
    )
    return await respond(request, cx, "exchange/record.html", shown)


def _type_row(one: Amount, words: Words) -> Row:
    return Row(
        cells=(
            Cell(text=one.type),
            Cell(text=type_words(one.type, words)),
            Cell(text=_count(one, words)),
            Cell(text=minute(one.newest_at)),
        ),
        href=search_url(f"{one.type}?_sort=-_lastUpdated"),
    )


def _count(one: Amount, words: Words) -> str:
    if one.is_exact:
        return f"{one.count:,}"
    if one.estimate > one.count:
        return words("约 %(n)s", n=f"{one.estimate:,}")
    return words("多于 %(n)s", n=f"{one.count:,}")


def _total(found: list[Amount], words: Words) -> str:
    total = sum(max(one.count, one.estimate if not one.is_exact else 0) for one in found)
    exact = all(one.is_exact for one in found)
    text = mark("%(types)d 种，共 %(n)s 条") if exact else mark("%(types)d 种，共约 %(n)s 条")
    return words(text, types=len(found), n=f"{total:,}")


async def _results(request: Request, cx: Context, asked: Asked, page: str) -> Response:
    words = words_of(request)
    server = server_of(request)
    looked, problem = None, None
    try:
        looked = await browsing.search(
            cx, asked.kind, asked.pairs, page=page, tokens=server.tokens, base=server.base
        )
    except REFUSED as error:
        problem = asking.problem_of(error, asked, words, manner_of(request).lang)
    shown = ResultsPage(
        tabs=tabs("", words),
        text=asked.text,
        query=asked.query,
        plain=asked.plain,
        told=asking.told(asked, looked.query, words) if looked else (),
        problem=problem,
        columns=rows.columns(words, typed=looked is None or _is_mixed(looked)),
        rows=await _rows(request, cx, looked, words) if looked else (),
        total=_found(looked, words) if looked else "",
        next=address(PATH, q=asked.text, page=looked.next) if looked and looked.next else "",
        first=search_url(asked.text) if page else "",
        slow=address(PATH + "/slow", q=asked.query),
    )
    status = 422 if problem else 200
    return await respond(request, cx, "exchange/results.html", shown, status=status)


async def _rows(request: Request, cx: Context, looked: Looked, words: Words) -> tuple[Row, ...]:
    """Return what was found as rows; with names of those for whom a reason was given."""
    hits = (*looked.found.matches, *looked.found.included)
    given = reasons.of(request, cx)
    persons = {one for hit in hits for one in persons_of(hit.resource())} & given.keys()
    names = await browsing.names_for(cx, persons) if persons else {}
    count, typed = len(looked.found.matches), _is_mixed(looked)
    return tuple(
        rows.row(hit, names, words, typed=typed, included=place >= count)
        for place, hit in enumerate(hits)
    )


def _is_mixed(looked: Looked) -> bool:
    return len(looked.query.types) != 1 or bool(looked.found.included)


def _found(looked: Looked, words: Words) -> str:
    found = looked.found
    if found.total is not None:
        return words("共 %(n)s 条", n=f"{found.total:,}")
    shown = len(found.matches)
    text = mark("这一页 %(n)d 条，后面还有") if looked.next else mark("%(n)d 条")
    return words(text, n=shown)
