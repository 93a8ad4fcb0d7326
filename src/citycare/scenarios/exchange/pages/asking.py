"""What an operator typed: a FHIR query, a resource, or plain words; told back in words.

Source: HL7 FHIR R4 4.0.1 §3.1.1.4 (parameters, prefixes, modifiers); GB 11643 (18 signs of a
citizen's number).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import reduce
from urllib.parse import quote, unquote

from citycare.kernel.fhir import RESOURCES, ParameterUnknown, TypeUnknown, ValueBroken
from citycare.kernel.fhir.searching.criteria import known
from citycare.kernel.fhir.searching.model import (
    Amount,
    Criterion,
    Having,
    Moment,
    Number,
    ParamType,
    Prefix,
    Query,
)
from citycare.kernel.fhir.searching.reading import PASSED_OVER, RESULTS
from citycare.kernel.fhir.searching.values import split
from citycare.kit.errors import AppError
from citycare.scenarios.exchange.pages.common import search_url, type_words
from citycare.web.i18n import mark
from citycare.web.i18n import words_of as said
from citycare.web.manner import Words
from citycare.web.parts import Link
from citycare.web.shell import Lang

ROOT = re.compile(r"(?:https?://[^?]*?)?/?(?:fhir/R4/)?(?=[A-Za-z?])")
NAMED = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})")
NUMBER = re.compile(r"\d{17}[\dXx]|\d{15}", re.ASCII)
PHONE = re.compile(r"1\d{10}", re.ASCII)
UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
WORD = re.compile(r"[A-Za-z]+", re.ASCII)
KEEP = "/:|,.-_*$@"
SUGGESTED = 3
LISTED = 12
VALUES_SHOWN = 5

COMPARED: dict[Prefix, str] = {
    Prefix.EQ: mark("%(param)s 是 %(value)s"),
    Prefix.NE: mark("%(param)s 不是 %(value)s"),
    Prefix.GT: mark("%(param)s 超过 %(value)s"),
    Prefix.LT: mark("%(param)s 不到 %(value)s"),
    Prefix.GE: mark("%(param)s 从 %(value)s 起"),
    Prefix.LE: mark("%(param)s 到 %(value)s 为止"),
    Prefix.SA: mark("%(param)s 整个在 %(value)s 之后"),
    Prefix.EB: mark("%(param)s 整个在 %(value)s 之前"),
    Prefix.AP: mark("%(param)s 大约是 %(value)s"),
}
MODIFIED: dict[str, str] = {
    "exact": mark("%(param)s 正好是 %(value)s"),
    "contains": mark("%(param)s 含有 %(value)s"),
    "not": mark("%(param)s 不是 %(value)s"),
    "text": mark("%(param)s 的文字里有 %(value)s"),
    "identifier": mark("%(param)s 指向的标识是 %(value)s"),
    "of-type": mark("%(param)s 的种类和号码是 %(value)s"),
    "above": mark("%(param)s 是 %(value)s 或它的上级"),
    "below": mark("%(param)s 是 %(value)s 或它的下级"),
    "in": mark("%(param)s 在值集 %(value)s 里"),
    "not-in": mark("%(param)s 不在值集 %(value)s 里"),
}
PLAIN: dict[ParamType, str] = {
    ParamType.STRING: mark("%(param)s 以 %(value)s 开头"),
    ParamType.REFERENCE: mark("%(param)s 指向 %(value)s"),
    ParamType.COMPOSITE: mark("%(param)s 同时是 %(value)s"),
    ParamType.SPECIAL: mark("%(param)s 在 %(value)s 附近"),
}
EXAMPLES: dict[ParamType, str] = {
    ParamType.DATE: "=2026-11 · =ge2026-11-01 · =2026-11-29T09:00:00+08:00",
    ParamType.NUMBER: "=5 · =gt0.8",
    ParamType.QUANTITY: "=5.4 · =gt5.4|http://unitsofmeasure.org|mmol/L",
    ParamType.TOKEN: "=2345-7 · =http://loinc.org|2345-7",
    ParamType.REFERENCE: "=Patient/… · =…",
    ParamType.STRING: "=林 · :exact=林秀英",
    ParamType.URI: "=http://…",
    ParamType.COMPOSITE: "=8480-6$gt140",
    ParamType.SPECIAL: "=31.23|121.47|5|km",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What was typed, read.

    Attributes:
        text: as it stands in the box.
        kind, pairs: of a search; no kind: of every type.
        resource: type and id, where one was named; the search is empty then.
        plain: it was words, which were made into a search of persons.
    """

    text: str
    kind: str = ""
    pairs: tuple[tuple[str, str], ...] = ()
    resource: tuple[str, str] | None = None
    plain: bool = False

    @property
    def query(self) -> str:
        """Write the search as FHIR has it."""
        written = "&".join(
            f"{quote(name, safe=KEEP)}={quote(value, safe=KEEP)}" for name, value in self.pairs
        )
        return f"{self.kind}?{written}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why it was not done, and what to write instead."""

    title: str
    hint: str = ""
    links: tuple[Link, ...] = ()


def understood(text: str) -> Asked:
    """Read what was typed."""
    bare = ROOT.sub("", text, count=1) if "?" in text or "/" in text else text
    named = NAMED.fullmatch(bare)
    if named and named[1] in RESOURCES:
        return Asked(text, resource=(named[1], named[2]))
    kind, mark_, rest = bare.partition("?")
    if mark_ and (not kind or WORD.fullmatch(kind)):
        return Asked(text, kind, _pairs(rest))
    if bare in RESOURCES:
        return Asked(text, bare)
    return Asked(text, "Patient", (_person(text),), plain=True)


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    """Read pairs as people write them: a plus is a plus (of a time zone), not a blank."""
    pairs = []
    for part in filter(None, text.split("&")):
        name, _, value = part.partition("=")
        pairs.append((unquote(name), unquote(value)))
    return tuple(pairs)


def _person(text: str) -> tuple[str, str]:
    """Return by what a person is looked for."""
    if NUMBER.fullmatch(text):
        return "identifier", text.upper()
    if PHONE.fullmatch(text):
        return "phone", text
    if UUID.fullmatch(text):
        return "_id", text.lower()
    escaped = re.sub(r"([\\,$|])", r"\\\1", text)
    return "name", escaped


def told(asked: Asked, query: Query, words: Words) -> tuple[str, ...]:
    """Say what a search asks, a sentence for each thing."""
    if not query.types:
        whole = words("所有类型")
    else:
        whole = "、".join(
            " ".join(filter(None, (kind, type_words(kind, words)))) for kind in query.types
        )
    lines = [words("找：%(types)s", types=whole)]
    criteria = [
        text for name, text in asked.pairs
        if text and name.partition(":")[0] not in RESULTS and name not in (*PASSED_OVER, "_type")
    ]  # fmt: skip
    for one, text in zip(query.criteria, criteria, strict=False):
        lines.append(_said(one, text, words))
    if query.content:
        lines.append(words("全文里有：%(words)s", words=" ".join(query.content)))
    for sort in query.sort:
        order = (
            mark("按 %(param)s 从后往前排") if sort.descending else mark("按 %(param)s 从前往后排")
        )
        lines.append(words(order, param=sort.param))
    for include in query.includes:
        name = f"{include.source}:{include.param}" if include.source else include.param
        lines.append(
            words("一并带出用 %(name)s 指过来的", name=name)
            if include.reverse
            else words("一并带出 %(name)s 指向的", name=name)
        )
    return tuple(lines)


def _said(one: Criterion | Having, text: str, words: Words) -> str:
    if isinstance(one, Having):
        rest = _said(one.criterion, text, words)
        return words(
            "有 %(type)s 用 %(param)s 指着它，而且 %(rest)s",
            type=one.type,
            param=one.param,
            rest=rest,
        )
    if one.chain is not None:
        kind, inner = one.chain.criteria[0]
        rest = _said(inner, text, words)
        more = "" if len(one.chain.criteria) == 1 else "…"
        return words(
            "%(param)s 指向的 %(type)s 里，%(rest)s", param=one.param, type=kind + more, rest=rest
        )
    if one.modifier == "missing":
        absent = mark("%(param)s 没有填") if text == "true" else mark("%(param)s 填了")
        return words(absent, param=one.param)
    values = [_shown(piece) for piece in split(text, ",")]
    sentence = MODIFIED.get(one.modifier) or PLAIN.get(one.type)
    if sentence is None:
        prefixes = [_prefix(value) for value in one.values]
        sentence = COMPARED[prefixes[0] if prefixes else Prefix.EQ]
        if one.type in (ParamType.DATE, ParamType.NUMBER, ParamType.QUANTITY):
            values = [re.sub(r"^(?:eq|ne|gt|lt|ge|le|sa|eb|ap)", "", each) for each in values]
    return words(sentence, param=one.param, value=_either(values, words))


def _prefix(value: object) -> Prefix:
    if isinstance(value, Amount):
        return value.number.prefix
    return value.prefix if isinstance(value, (Moment, Number)) else Prefix.EQ


def _either(values: Sequence[str], words: Words) -> str:
    shown = [f"“{one}”" for one in values[:VALUES_SHOWN]]
    text = reduce(lambda one, other: words("%(one)s 或 %(other)s", one=one, other=other), shown)
    return text if len(values) <= VALUES_SHOWN else text + "…"


def _shown(text: str) -> str:
    return text.replace("\\", "")


def problem_of(error: AppError, asked: Asked, words: Words, lang: Lang) -> Problem:
    """Say why a search was not done, and what to write instead."""
    facts = error.facts
    if isinstance(error, TypeUnknown):
        named = str(facts.get("type", asked.kind))
        return Problem(
            title=words("没有“%(name)s”这种数据", name=named),
            hint=words("类型按 FHIR R4 的英文名写，区分大小写。"),
            links=_offered(asked, get_close_matches(named, RESOURCES, SUGGESTED), named, words),
        )
    if isinstance(error, ParameterUnknown):
        return _parameter(error, asked, words)
    if isinstance(error, ValueBroken):
        name = str(facts.get("parameter", ""))
        param = known((asked.kind,) if asked.kind else ()).get(name.partition(":")[0])
        example = EXAMPLES.get(param.type, "") if param else ""
        return Problem(
            title=words(
                "“%(name)s”的内容读不懂：%(value)s", name=name, value=facts.get("value", "")
            ),
            hint=words("可以这样写：%(example)s", example=f"{name}{example}")
            if example
            else str(facts.get("problem", "")),
        )
    return Problem(title=said(error, lang))


def _parameter(error: ParameterUnknown, asked: Asked, words: Words) -> Problem:
    name, modifier = str(error.facts.get("parameter", "")), error.facts.get("modifier")
    if modifier is not None:
        bare = name.partition(":")[0]
        return Problem(
            title=words("“%(name)s”后面不能加 %(modifier)s", name=bare, modifier=modifier),
            hint=words("去掉冒号后面的部分再查。"),
            links=_offered(asked, [bare], name, words),
        )
    all_known = sorted(str(error.facts.get("known", "")).split())
    close = get_close_matches(name, all_known, SUGGESTED, 0.5)
    plain = sorted(all_known, key=lambda one: (one.count("-"), one))
    own = [one for one in plain if not one.startswith("_")]
    listed = "、".join(own[:LISTED]) + ("…" if len(own) > LISTED else "")
    return Problem(
        title=words(
            "“%(name)s”不是 %(type)s 的查询条件", name=name, type=asked.kind or words("全部类型")
        ),
        hint=words("可以用：%(names)s", names=listed),
        links=_offered(asked, close, name, words),
    )


def _offered(asked: Asked, names: Iterable[str], wrong: str, words: Words) -> tuple[Link, ...]:
    """Offer the same search with another word in the place of the wrong one."""
    links = []
    for name in names:
        query = asked.query.replace(quote(wrong, safe=KEEP), quote(name, safe=KEEP), 1)
        links.append(
            Link(label=words("改成：%(query)s", query=query), href=search_url(query), icon="edit")
        )
    return tuple(links)
