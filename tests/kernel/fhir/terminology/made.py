"""Made-up code systems, value sets and maps; nothing of them is a fact of any classification."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from citycare.kernel.context import Context
from citycare.kernel.fhir import terminology
from citycare.kernel.fhir.terminology.model import Json

FRUIT = "urn:made-up:fruit"
CLINICAL, INSURANCE = "urn:made-up:icd10-clinical", "urn:made-up:icd10-insurance"


def concept(code: str, display: str = "", *below: Json, **more: Any) -> Json:
    made = {"code": code, **({"display": display} if display else {}), **more}
    return made | ({"concept": list(below)} if below else {})


def prop(name: str, **value: Any) -> Json:
    return {"code": name, **value}


def said(value: str, language: str) -> Json:
    return {"value": value, "language": language}


def system(url: str = FRUIT, *concepts: Json, version: str = "1", **more: Any) -> Json:
    return {
        "resourceType": "CodeSystem",
        "id": "fruit",
        "url": url,
        "version": version,
        "status": "active",
        "content": "complete",
        "concept": list(concepts),
        **more,
    }


def fruit(**more: Any) -> Json:
    """A hierarchy where a tomato is both fruit and vegetable, with every kind of property."""
    sour, sweet = prop("taste", valueString="sour"), prop("taste", valueString="sweet")
    gone, group = prop("inactive", valueBoolean=True), prop("notSelectable", valueBoolean=True)
    return system(
        more.pop("url", FRUIT),
        concept(
            "fruit", "水果",
            concept("apple", "苹果", concept("boskoop", "博斯科普苹果", property=[sour]),
                    designation=[said("Apple", "en"), said("Apfel", "de")], property=[sweet]),
            concept("lemon", "柠檬", property=[sour, prop("weight", valueInteger=100)]),
            concept("tomato", "番茄", property=[prop("parent", valueCode="vegetable")]),
            property=[group],
        ),
        concept("vegetable", "蔬菜", concept("leek", "韭葱"), property=[group]),
        concept("medlar", "欧楂", property=[gone]),
        **more,
    )  # fmt: skip


def include(url: str = FRUIT, codes: Sequence[str] = (), *filters: Json, **more: Any) -> Json:
    made: Json = {"system": url} if url else {}
    if codes:
        made["concept"] = [{"code": one} for one in codes]
    if filters:
        made["filter"] = list(filters)
    return made | more


def where(name: str, op: str, value: str) -> Json:
    return {"property": name, "op": op, "value": value}


def value_set(url: str, *includes: Json, exclude: Sequence[Json] = (), **more: Any) -> Json:
    compose: Json = {"include": list(includes)} | ({"exclude": list(exclude)} if exclude else {})
    made = {"resourceType": "ValueSet", "url": url, "status": "active", "compose": compose}
    return made | more


def concept_map(url: str, *groups: Json, **more: Any) -> Json:
    return {"resourceType": "ConceptMap", "url": url, "status": "active", "group": list(groups),
            **more}  # fmt: skip


def mapped(code: str, *targets: tuple[str, str]) -> Json:
    made = [{"code": to, "equivalence": how} if to else {"equivalence": how} for to, how in targets]
    return {"code": code, "target": made}


async def load(cx: Context, *resources: Json) -> list[terminology.Loaded]:
    return [await terminology.load(cx, one) for one in resources]


def codes(expanded: Json) -> list[str]:
    return [one["code"] for one in contained(expanded)]


def contained(expanded: Json) -> list[Json]:
    found: list[Json] = expanded["expansion"].get("contains", [])
    return found


def written(folder: Path, name: str, text: str, encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_text(text, encoding)
    return path


def walk(concepts: Sequence[Json]) -> Iterator[Json]:
    for one in concepts:
        yield one
        yield from walk(one.get("concept", ()))
