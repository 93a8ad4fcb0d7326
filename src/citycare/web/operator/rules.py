"""Policy parameters: what is in force, from which source, since when; changing one.

A change is shown before it is made, takes effect at once, and is in the audit trail with the old
and the new value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel import audit, consent
from citycare.kernel.context import Context, policy
from citycare.kernel.context.policy import Parameter, ParameterUnknown, Status
from citycare.kit.errors import Conflict
from citycare.web.edge.contexts import ReadContext, WriteContext
from citycare.web.forms import MISSING
from citycare.web.i18n import mark
from citycare.web.manner import Words, words_of
from citycare.web.operator.common import address, clean, operator_gate, stamp
from citycare.web.operator.rule_names import NAMES, name_of, unit_of
from citycare.web.operator.shapes import same_shape, shape_of
from citycare.web.parts import Cell, Column, Fact, Option, Row, Tag, Tone
from citycare.web.respond import redirect, respond
from citycare.web.shell import Toast

router = APIRouter(include_in_schema=False)
ACTION = "operator.policy"
GATE = operator_gate(ACTION)
PATH = "/operator/policy"
VALUE_CHARS_MAX = 4_000
DETAIL_CHARS_MAX = 1_500
Value = Annotated[str, Form(max_length=VALUE_CHARS_MAX)]
Text = Annotated[str, Form(max_length=500)]

NOT_JSON = mark("这不是一个完整的值。文字要加英文双引号，列表用方括号。")
OTHER_SHAPE = mark("和原来的值不是一类，请照原来的样子改。")
SAME = mark("和现在的值一样，没有要改的。")
SHAPES = {
    "int": mark("填一个整数。"),
    "float": mark("填一个数，可以有小数。"),
    "bool": mark("填 true 或 false。"),
    "text": mark("文字，两边加英文双引号。"),
    "list": mark("一个列表，每一项和原来的一类。"),
    "dict": mark("一组名称和值，名称不能改。"),
    "null": mark("现在是空的。"),
}


class ChangedMeanwhile(Conflict):
    """Somebody changed this parameter while you were looking."""

    code = "operator.parameter_changed"
    words = "这一项刚刚被别人改过。请回到列表看现在的值，再决定要不要改。"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleForm:
    """What was typed, and what is wrong with it."""

    value: str = ""
    source: str = ""
    note: str = ""
    value_error: str = ""
    source_error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RulePanel:
    """One parameter: now, before, and the form to change it."""

    key: str
    name: str
    facts: tuple[Fact, ...]
    current: str
    since: str
    hint: str
    form: RuleForm
    columns: tuple[Column, ...]
    history: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesPage:
    """Every parameter in force, and one in the panel."""

    filters: tuple[Option, ...]
    text: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    rule: RulePanel | None


@router.get(PATH, dependencies=[GATE])
async def list_rules(request: Request, cx: ReadContext, show: str = "", q: str = "") -> Response:
    """List what is in force."""
    await consent.require(cx, ACTION)
    page = await _page(request, cx, None, show, clean(q))
    return await respond(request, cx, "operator/policy.html", page)


@router.get(PATH + "/{key}", dependencies=[GATE])
async def one(request: Request, cx: ReadContext, key: str, show: str = "", q: str = "") -> Response:
    """Show one parameter with its history."""
    await consent.require(cx, ACTION)
    panel = await _panel(request, cx, key, None)
    page = await _page(request, cx, panel, show, clean(q))
    return await respond(request, cx, "operator/policy.html", page, partial="operator/_rule.html")


async def _page(
    request: Request, cx: Context, panel: RulePanel | None, show: str, text: str
) -> RulesPage:
    words = words_of(request)
    found = await policy.list_in_force(cx)
    doubtful = [one for one in found if one.status == Status.UNVERIFIED]
    shown = [
        one
        for one in (doubtful if show == "unverified" else found)
        if not text or text.lower() in _searched(one, words)
    ]
    heads = (mark("名称"), mark("值"), mark("核实"), mark("出处"))
    return RulesPage(
        filters=(
            Option(
                value=address(PATH, q=text),
                label=words("全部 %(n)d", n=len(found)),
                selected=show != "unverified",
            ),
            Option(
                value=address(PATH, q=text, show="unverified"),
                label=words("待核实 %(n)d", n=len(doubtful)),
                selected=show == "unverified",
            ),
        ),
        text=text,
        columns=tuple(Column(label=words(head)) for head in heads),
        rows=tuple(_row(one, panel, show, text, words) for one in shown),
        rule=panel,
    )


def _searched(one: Parameter, words: Words) -> str:
    return f"{words(name_of(one.key))} {one.key} {one.source} {one.note}".lower()


def _row(one: Parameter, panel: RulePanel | None, show: str, text: str, words: Words) -> Row:
    return Row(
        cells=(
            Cell(text=words(name_of(one.key)), note=one.key if one.key in NAMES else ""),
            Cell(text=shortened(one.value), note=words(unit_of(one.unit))),
            Cell(tag=status_tag(one.status, words)),
            Cell(text=one.source),
        ),
        href=address(f"{PATH}/{one.key}", show=show, q=text),
        selected=panel is not None and panel.key == one.key,
    )


def status_tag(status: str, words: Words) -> Tag:
    """Say whether somebody held the value against its source."""
    if status == Status.UNVERIFIED:
        return Tag(text=words("待核实"), tone=Tone.SOON)
    return Tag(text=words("已核实"), tone=Tone.GRAY)


def written(value: Any) -> str:
    """Write a value as JSON, as people edit it."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def shortened(value: Any, chars_max: int = 18) -> str:
    """Write a value on one line of a table."""
    text = orjson.dumps(value).decode()
    return text if len(text) <= chars_max else text[: chars_max - 1] + "…"


def _with_unit(value: Any, unit: str, words: Words, chars_max: int = 300) -> str:
    """Write a value with the unit it has."""
    return f"{shortened(value, chars_max)} {words(unit_of(unit)) if unit else ''}".strip()


async def _panel(request: Request, cx: Context, key: str, form: RuleForm | None) -> RulePanel:
    words = words_of(request)
    history = await policy.list_history(cx, key)
    now = next((one for one in history if one.effective_from <= cx.now), None)
    if now is None:
        raise ParameterUnknown(key=key)
    facts = [
        Fact(name=words("值"), text=_with_unit(now.value, now.unit, words, chars_max=200)),
        Fact(name=words("出处"), text=now.source, tag=status_tag(now.status, words)),
        Fact(name=words("生效"), text=stamp(now.effective_from)),
    ]
    if now.note:
        facts.append(Fact(name=words("说明"), text=now.note))
    return RulePanel(
        key=key,
        name=words(name_of(key)),
        facts=tuple(facts),
        current=written(now.value),
        since=now.effective_from.isoformat(),
        hint=words(SHAPES[shape_of(now.value)]),
        form=form or RuleForm(value=written(now.value)),
        columns=tuple(
            Column(label=words(head), is_number=head != "出处")
            for head in (mark("生效"), mark("值"), mark("出处"))
        ),
        history=tuple(
            Row(
                cells=(
                    Cell(text=stamp(one.effective_from)),
                    Cell(text=shortened(one.value)),
                    Cell(text=one.source, note=one.note),
                )
            )
            for one in history
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewPage:
    """What would change, before it does."""

    key: str
    name: str
    facts: tuple[Fact, ...]
    form: RuleForm
    since: str


@router.post(PATH + "/{key}/preview", dependencies=[GATE])
async def preview(
    request: Request,
    cx: WriteContext,
    key: str,
    since: Annotated[str, Form(max_length=40)],
    value: Value = "",
    source: Text = "",
    note: Text = "",
) -> Response:
    """Show what would change, or what is wrong with what was typed."""
    await consent.require(cx, ACTION)
    words = words_of(request)
    now = await _in_force(cx, key, since)
    form = _checked(now, RuleForm(value=value, source=clean(source), note=clean(note)), words)
    if form.value_error or form.source_error:
        page = await _page(request, cx, await _panel(request, cx, key, form), "", "")
        return await respond(request, cx, "operator/policy.html", page, status=422)
    shown = PreviewPage(
        key=key,
        name=words(name_of(key)),
        facts=(
            Fact(name=words("现在"), text=_with_unit(now.value, now.unit, words)),
            Fact(name=words("改成"), text=_with_unit(orjson.loads(value), now.unit, words)),
            Fact(name=words("出处"), text=form.source),
            *((Fact(name=words("说明"), text=form.note),) if form.note else ()),
        ),
        form=form,
        since=since,
    )
    return await respond(request, cx, "operator/policy_preview.html", shown)


def _checked(now: Parameter, form: RuleForm, words: Words) -> RuleForm:
    """Return the form with what is wrong with it, in words."""
    value_error = ""
    try:
        new = orjson.loads(form.value)
    except orjson.JSONDecodeError:
        value_error = NOT_JSON
    else:
        if not same_shape(now.value, new):
            value_error = OTHER_SHAPE
        elif new == now.value and now.status == Status.VERIFIED:
            value_error = SAME
    return RuleForm(
        value=form.value,
        source=form.source,
        note=form.note,
        value_error=words(value_error) if value_error else "",
        source_error="" if form.source else words(MISSING),
    )


async def _in_force(cx: Context, key: str, since: str) -> Parameter:
    """Return the value in force, if it is still the one the form was made for."""
    history = await policy.list_history(cx, key)
    now = next((one for one in history if one.effective_from <= cx.now), None)
    if now is None:
        raise ParameterUnknown(key=key)
    if now.effective_from.isoformat() != since:
        raise ChangedMeanwhile(key=key)
    return now


@router.post(PATH + "/{key}", dependencies=[GATE])
async def change(
    request: Request,
    cx: WriteContext,
    key: str,
    since: Annotated[str, Form(max_length=40)],
    value: Value,
    source: Text,
    note: Text = "",
) -> Response:
    """Put the new value in force; the old one stays as history."""
    await consent.require(cx, ACTION)
    words = words_of(request)
    now = await _in_force(cx, key, since)
    form = _checked(now, RuleForm(value=value, source=clean(source), note=clean(note)), words)
    if form.value_error or form.source_error:
        page = await _page(request, cx, await _panel(request, cx, key, form), "", "")
        return await respond(request, cx, "operator/policy.html", page, status=422)
    await policy.change(cx, key, orjson.loads(value), source=form.source, note=form.note)
    detail = {
        "from": shortened(now.value, DETAIL_CHARS_MAX),
        "to": shortened(orjson.loads(value), DETAIL_CHARS_MAX),
        "source": form.source,
    }
    await audit.append(cx, [audit.Entry("policy.changed", None, f"policy/{key}", "ok", detail)])
    text = words("“%(name)s”改好了，现在起生效。", name=words(name_of(key)))
    return redirect(request, f"{PATH}/{key}", notice=Toast(text=text))
