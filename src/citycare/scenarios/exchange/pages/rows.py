"""Resources as rows of a table: what, when, about whom; no name without a reason.

Source: HL7 FHIR R4 4.0.1: the elements of each resource; its main date is `ways.main_of`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from citycare.kernel.fhir.finding import Hit
from citycare.kernel.fhir.integrity import persons_of
from citycare.kernel.fhir.searching.ways import main_of
from citycare.kit.clock import CITY
from citycare.scenarios.exchange.pages.common import brief, resource_url, type_words
from citycare.scenarios.exchange.service.access import OPEN_TYPES
from citycare.scenarios.exchange.service.browsing import name_of
from citycare.web.i18n import mark
from citycare.web.manner import Words
from citycare.web.operator.common import stamp
from citycare.web.parts import Cell, Column, Row, Tag, Tone

Json = dict[str, Any]

CODED = (
    "code",
    "vaccineCode",
    "medicationCodeableConcept",
    "type",
    "class",
    "category",
    "serviceType",
    "specialty",
    "relationship",
    "scope",
)
TITLED = ("title", "name", "url")
SEX = {"male": mark("男"), "female": mark("女"), "other": mark("其他"), "unknown": mark("未知")}
HEADS = (
    (mark("类型"), False),
    (mark("资源编号"), False),
    (mark("日期"), True),
    (mark("代码或名称"), False),
    (mark("关于谁"), False),
    (mark("写入时间"), True),
)
PERSONS_SHOWN = 2
DAY_CHARS = 10


def columns(words: Words, *, typed: bool = True) -> tuple[Column, ...]:
    """Return the heads; where all are of one type, without the type."""
    heads = HEADS if typed else HEADS[1:]
    return tuple(Column(label=words(head), is_number=number) for head, number in heads)


def row(
    hit: Hit, names: Mapping[str, str], words: Words, *, typed: bool = True, included: bool = False
) -> Row:
    """Return a resource as a row; `names` are of those for whom a reason was given."""
    resource = hit.resource()
    persons = sorted(persons_of(resource))
    known = persons and set(persons) <= names.keys()
    tag = Tag(text=words("一并带出"), tone=Tone.GRAY) if included else None
    first = (Cell(text=hit.type, note=type_words(hit.type, words), tag=tag),) if typed else ()
    return Row(
        cells=(
            *first,
            Cell(text=brief(hit.id)),
            Cell(text=date_of(resource, whole=bool(known) or hit.type != "Patient")),
            Cell(text=content_of(resource, words)),
            Cell(text=", ".join(_whom(persons, names, words))),
            Cell(text=stamp(hit.updated_at)),
        ),
        href=resource_url(hit.type, hit.id),
        lead=len(first),
    )


def _whom(persons: Collection[str], names: Mapping[str, str], words: Words) -> list[str]:
    shown = [
        names.get(one) or words("人员 %(id)s", id=brief(one))
        for one in list(persons)[:PERSONS_SHOWN]
    ]
    left = len(persons) - len(shown)
    return [*shown, words("还有 %(n)d 人", n=left)] if left else shown


def date_of(resource: Json, *, whole: bool = True) -> str:
    """Return the main date as it stands, or its year alone: a birthday says who it is."""
    for lane in main_of(resource["resourceType"]):
        for _, value in lane.values(resource):
            text = _start(value)
            if text:
                return day_of(text) if whole else text[:4]
    return ""


def _start(value: Any) -> str:
    if isinstance(value, dict):
        value = value.get("start") or value.get("end") or next(iter(value.get("event", ())), "")
    return value if isinstance(value, str) else ""


def day_of(text: str) -> str:
    """Write a date or an instant of FHIR: to the minute, on the city's clock, where it has one."""
    if len(text) <= DAY_CHARS:
        return text
    try:
        there = datetime.fromisoformat(text).astimezone(CITY)
    except (ValueError, OverflowError):
        return text
    return f"{there.date()}\u00a0{there.hour}:{there.minute:02d}"


def content_of(resource: Json, words: Words) -> str:
    """Say what it is by its codes; of nobody's data, by its name."""
    kind = resource["resourceType"]
    if kind == "Patient":
        sex = SEX.get(str(resource.get("gender", "")))
        return words(sex) if sex else ""
    if kind in OPEN_TYPES:
        titled = name_of(resource) if isinstance(resource.get("name"), list) else ""
        titled = titled or next(
            (one for name in TITLED if isinstance(one := resource.get(name), str)), ""
        )
        if titled:
            return titled
    for name in CODED:
        for one in _many(resource.get(name)):
            text = concept_text(one)
            if text:
                return text
    return ""


def _many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def concept_text(value: Any) -> str:
    """Say a CodeableConcept, a Coding or a code."""
    if isinstance(value, str):
        return value
    if not isinstance(value, dict):
        return ""
    codings = [one for one in _many(value.get("coding")) if isinstance(one, dict)] or [value]
    return str(
        value.get("text")
        or next((one["display"] for one in codings if one.get("display")), "")
        or next((one["code"] for one in codings if one.get("code")), "")
    )
