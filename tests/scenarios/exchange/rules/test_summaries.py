"""Shortened resources: what the definitions keep, what is asked for, and the mark on them."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citycare.kernel import fhir
from citycare.scenarios.exchange.rules.summaries import marked, shortened, summarised
from citycare.scenarios.exchange.service.outlines import outline

Json = dict[str, Any]

TAG = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"
}  # fmt: skip
DIV = '<div xmlns="http://www.w3.org/1999/xhtml">示例</div>'
EXTENSION = {"url": "urn:x", "valueString": "y"}
OBSERVATION: Json = {
    "resourceType": "Observation",
    "id": "o",
    "meta": {"versionId": "2", "tag": [{"code": "own"}]},
    "implicitRules": "urn:rules",
    "language": "zh",
    "text": {"status": "generated", "div": DIV},
    "contained": [{"resourceType": "Patient", "id": "p"}],
    "extension": [EXTENSION],
    "modifierExtension": [EXTENSION],
    "identifier": [{"system": "urn:i", "value": "1", "extension": [EXTENSION]}],
    "status": "final",
    "category": [{"text": "检验"}],
    "code": {"text": "血压", "coding": [{"code": "85354-9", "extension": [EXTENSION]}]},
    "subject": {"reference": "#p"},
    "valueQuantity": {"value": Decimal("72.50"), "unit": "mmHg"},
    "_issued": {"extension": [EXTENSION]},
    "note": [{"text": "附注"}],
    "component": [
        {
            "code": {"text": "收缩压"},
            "valueQuantity": {"value": Decimal("1.0")},
            "interpretation": [{"text": "高"}],
        }
    ],
}


def test_the_whole_is_given_to_be_shortened() -> None:
    assert fhir.violations(OBSERVATION) == []


def test_a_summary_keeps_summary_elements_at_every_level() -> None:
    made = summarised(OBSERVATION, "true", outline)
    assert made == {
        "resourceType": "Observation",
        "id": "o",
        "meta": {"versionId": "2", "tag": [{"code": "own"}, TAG]},
        "implicitRules": "urn:rules",
        "modifierExtension": [EXTENSION],
        "identifier": [{"system": "urn:i", "value": "1"}],
        "status": "final",
        "code": {"text": "血压", "coding": [{"code": "85354-9"}]},
        "subject": {"reference": "#p"},
        "valueQuantity": {"value": Decimal("72.50"), "unit": "mmHg"},
        "_issued": {"extension": [EXTENSION]},
        "component": [{"code": {"text": "收缩压"}, "valueQuantity": {"value": Decimal("1.0")}}],
    }
    assert fhir.violations(made)[0].element == "Observation.subject.reference"  # `#p` is gone
    assert str(made["component"][0]["valueQuantity"]["value"]) == "1.0"


def test_a_summary_of_text() -> None:
    made = summarised(OBSERVATION, "text", outline)
    assert set(made) == {
        "resourceType", "id", "meta", "implicitRules", "modifierExtension", "text", "status", "code"
    }  # fmt: skip


def test_a_summary_of_data() -> None:
    made = summarised(OBSERVATION, "data", outline)
    assert set(OBSERVATION) - set(made) == {"text"}
    assert made["meta"]["tag"][-1] == TAG


def test_a_count_has_no_resources() -> None:
    with pytest.raises(ValueError, match="count"):
        summarised(OBSERVATION, "count", outline)


@pytest.mark.parametrize(
    ("asked", "more"),
    [
        (["subject"], {"subject"}),
        (["value"], {"valueQuantity"}),
        (["valueQuantity"], {"valueQuantity"}),
        (["issued", "note"], {"_issued", "note"}),
        (["bodySite"], set()),
        (["text", "extension"], {"text", "extension"}),
    ],
)
def test_elements_that_are_asked_for(asked: list[str], more: set[str]) -> None:
    made = shortened(OBSERVATION, asked, outline)
    assert set(made) - more == {
        "resourceType", "id", "meta", "implicitRules", "modifierExtension", "status", "code"
    }  # fmt: skip
    assert made["code"] == OBSERVATION["code"]
    assert made["meta"]["tag"][-1] == TAG


def test_what_alters_the_meaning_is_not_left_out() -> None:
    request = {"resourceType": "MedicationRequest", "id": "m", "doNotPerform": True, "note": []}
    assert shortened(request, ["authoredOn"], outline)["doNotPerform"] is True


def test_the_mark_comes_once_and_after_the_id() -> None:
    once = marked({"resourceType": "Patient", "id": "p", "active": True})
    assert list(once) == ["resourceType", "id", "meta", "active"]
    assert marked(once) is once


def test_a_bundle_is_shortened_inside() -> None:
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"fullUrl": "urn:uuid:1", "resource": OBSERVATION}],
    }
    made = summarised(bundle, "true", outline)
    assert "note" not in made["entry"][0]["resource"]


def test_what_would_be_left_empty_goes() -> None:
    media = {"resourceType": "Media", "id": "m", "content": {"data": "AAAA"}}
    assert "content" not in summarised(media, "true", outline)


@given(st.sets(st.sampled_from(sorted(OBSERVATION))), st.sampled_from(["true", "text", "data"]))
def test_nothing_is_invented_and_nothing_given_is_changed(names: set[str], summary: str) -> None:
    given_one = {name: one for name, one in OBSERVATION.items() if name in names}
    given_one["resourceType"] = "Observation"
    before = copy.deepcopy(given_one)
    made = summarised(given_one, summary, outline)
    again = summarised(made, summary, outline)
    assert given_one == before
    assert set(made) <= {*given_one, "meta"}
    assert again == made
