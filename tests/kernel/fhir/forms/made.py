"""Small questionnaires, written in one line each."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from citycare.kernel.fhir import forms
from citycare.kernel.fhir.forms.extensions import CORE, SDC

Json = dict[str, Any]

NOW = datetime(2026, 11, 29, 1, 0, tzinfo=UTC)  # 9:00 in the city
SYSTEM = "urn:test:codes"


def item(link_id: str, kind: str, *items: Json, **more: Any) -> Json:
    """One item; `ext` is a list of extensions, `when` one enableWhen or a list of them."""
    made: Json = {"linkId": link_id, "type": kind, "text": f"问题 {link_id}"}
    if "ext" in more:
        made["extension"] = more.pop("ext")
    if "when" in more:
        when = more.pop("when")
        made["enableWhen"] = when if isinstance(when, list) else [when]
    if items:
        made["item"] = list(items)
    return made | more


def questionnaire(*items: Any, **more: Any) -> Json:
    made: Json = {
        "resourceType": "Questionnaire",
        "id": "q",
        "url": "https://citycare.example/fhir/Questionnaire/q",
        "version": "1",
        "title": "测试问卷",
        "status": "draft",
        "item": list(items),
    }
    if "ext" in more:
        made["extension"] = more.pop("ext")
    return made | more


def form(*items: Json, **more: Any) -> forms.Form:
    return forms.read(questionnaire(*items, **more))


def begun(*items: Json, sources: forms.Sources = forms.NO_SOURCES, **more: Any) -> forms.Filling:
    return forms.begin(form(*items, **more), now=NOW, sources=sources)


def coding(code: str, **more: Any) -> Json:
    return {"valueCoding": {"system": SYSTEM, "code": code, **more}}


def options(*codes: str, **more: Any) -> list[Json]:
    return [coding(code, display=f"选项 {code}") | more for code in codes]


def core(name: str, **value: Any) -> Json:
    return {"url": CORE + name, **value}


def control(code: str) -> Json:
    return core("questionnaire-itemControl", valueCodeableConcept={"coding": [{"code": code}]})


def sdc(extension: str, expression: str, **more: Any) -> Json:
    value = {"language": "text/fhirpath", "expression": expression, **more}
    return {"url": SDC + extension, "valueExpression": value}


def variable(name: str, expression: str) -> Json:
    value = {"name": name, "language": "text/fhirpath", "expression": expression}
    return core("variable", valueExpression=value)


def calculated(expression: str) -> Json:
    return sdc("calculatedExpression", expression)


def of(link_id: str) -> str:
    """The expression of a question's values."""
    return f"%resource.descendants().where(linkId = '{link_id}').answer.value"


def at(filling: forms.Filling, path: str, lang: str = "zh") -> forms.Shown:
    return next(each for each in forms.flat(filling.shown(lang)) if each.path == path)


def is_on(filling: forms.Filling, path: str) -> bool:
    return at(filling, path).enabled


def values(filling: forms.Filling, path: str) -> list[Any]:
    """The values that count at a place."""
    return [next(iter(each.values())) for each in filling.answers().get(path, ())]


def codes(filling: forms.Filling, *, complete: bool = True) -> list[tuple[str, str]]:
    """(place, code) of all that is wrong."""
    return [(each.path, each.code) for each in filling.problems(complete=complete)]
