"""A resource element by element: labels, codes, links; all of R4's official shapes are readable."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from citycare.kernel.fhir import dumps, loads
from citycare.scenarios.exchange.pages import elements
from citycare.scenarios.exchange.pages.elements import LINES_MAX, Line

Json = dict[str, Any]


def plain(text: str, /, **facts: Any) -> str:
    return text % facts if facts else text


def lines(resource: Json) -> list[tuple[str, str, str]]:
    found = elements.lines(resource, plain, "https://city.example/fhir/R4")
    return [(one.label, one.text, one.href) for one in found]


def test_values_are_said_as_people_do() -> None:
    told = lines(
        {
            "resourceType": "Observation",
            "id": "o-1",
            "status": "final",
            "subject": {"reference": "Patient/p-1", "display": "林"},
            "effectivePeriod": {"start": "2026-11-28", "end": "2026-11-29"},
            "valueQuantity": {"value": Decimal("72.50"), "unit": "mmol/L", "comparator": "<"},
            "referenceRange": [{"low": {"value": 3}, "text": "常规"}],
        }
    )
    assert ("状态", "final", "") in told
    assert ("关于谁", "林", "/operator/record/resource/Patient/p-1") in told
    assert ("测量时间", "2026-11-28 – 2026-11-29", "") in told
    assert ("值", "< 72.50 mmol/L", "") in told
    assert ("参考范围", "", "") in told
    assert ("文字", "常规", "") in told


def test_references_lead_only_to_what_is_here() -> None:
    outside = {"reference": "https://elsewhere.example/fhir/Patient/1"}
    ours = {"reference": "https://city.example/fhir/R4/Patient/1"}
    inner = {"reference": "#a"}
    told = lines({"resourceType": "Group", "id": "g", "member": [
        {"entity": outside}, {"entity": ours}, {"entity": inner},
        {"entity": {"identifier": {"system": "urn:x", "value": "7"}}},
    ]})  # fmt: skip
    links = [(text, href) for label, text, href in told if label == "entity"]
    assert links == [
        (outside["reference"], ""),
        (ours["reference"], "/operator/record/resource/Patient/1"),
        ("#a", ""),
        ("7", ""),
    ]


def test_extensions_and_contained_are_shown() -> None:
    nested = {"url": "http://x/out", "extension": [{"url": "http://x/in", "valueBoolean": True}]}
    told = lines(
        {
            "resourceType": "Patient",
            "id": "p",
            "extension": [{"url": "http://x/ward", "valueString": "三病区"}, nested],
            "contained": [{"resourceType": "Organization", "id": "o", "name": "一院"}],
            "unheard": {"of": 1},
        }
    )
    assert ("扩展 1", "三病区", "") in told
    assert ("扩展", "是", "") in told
    assert ("内含 Organization", "", "") in told
    assert ("名称", "一院", "") in told
    assert ("of", "1", "") in told


def test_there_is_a_limit() -> None:
    many = [{"text": str(n)} for n in range(LINES_MAX + 5)]
    found = elements.lines({"resourceType": "Patient", "id": "p", "name": many}, plain)
    assert len(found) == LINES_MAX + 1
    assert found[-1] == Line("后面还有，请看 JSON")
    deep: Json = {"resourceType": "QuestionnaireResponse", "id": "q"}
    here = deep
    for _ in range(50):
        here["item"] = [{"linkId": "1"}]
        here = here["item"][0]
    assert "太深了，请看 JSON" in [one.text for one in elements.lines(deep, plain)]


def test_paths_are_said() -> None:
    said = elements.path_words("component[1].valueQuantity.value", plain)
    assert said == "组成部分 2 › 值"
    assert elements.path_words("extension[0].url", plain) == "扩展 1 › 网址"


def test_json_for_eyes_is_the_same_json() -> None:
    text = '{"a": [1, {"b": 72.50, "c": []}], "d": "林\\n", "e": {}, "f": true}'
    written = elements.indented(loads(text))
    assert "72.50" in written
    assert loads(written) == loads(text)
    assert dumps(loads(written)) == dumps(loads(text))
