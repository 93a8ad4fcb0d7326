"""The files of `knowledge/questionnaires/`, and how the tests look into them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from citycare.kernel.fhir import forms

Json = dict[str, Any]

KNOWLEDGE = Path(__file__).parents[3] / "knowledge"
FOLDER = KNOWLEDGE / "questionnaires"
OWN = "https://citycare.example/fhir/StructureDefinition/"
TRANSLATION = "http://hl7.org/fhir/StructureDefinition/translation"
EXCLUSIVE = "http://hl7.org/fhir/StructureDefinition/questionnaire-optionExclusive"
FINDING_SYSTEM = "https://citycare.example/fhir/CodeSystem/triage-finding"
ANSWER_SYSTEM = "https://citycare.example/fhir/CodeSystem/preconsult-answer"
SECTIONS = {"chief", "present", "past", "medicine", "allergy", "family", "social"}
NOW = datetime(2026, 11, 29, 3, 0, tzinfo=UTC)
EMPTY = forms.record_of({"resourceType": "Patient"})


def load(name: str) -> Json:
    found: Json = yaml.safe_load((FOLDER / name).read_text("utf-8"))
    return found


FORMS: dict[str, Json] = {
    path.stem: json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))
}
FINDINGS: set[str] = {
    name
    for path in (KNOWLEDGE / "findings").glob("*.yaml")
    for name in yaml.safe_load(path.read_text("utf-8"))["findings"]
}
DEPARTMENTS: list[str] = [
    one["code"]
    for one in yaml.safe_load((KNOWLEDGE / "departments.yaml").read_text("utf-8"))["departments"]
]
INTENTS: set[str] = {
    one["intent"]
    for one in yaml.safe_load((KNOWLEDGE / "cues.yaml").read_text("utf-8"))["cues"].values()
    if "intent" in one
}
CHOOSE: list[Json] = load("choose.yaml")["choose"]
SUGGESTIONS: list[Json] = load("suggestions.yaml")["suggestions"]
every_form = pytest.mark.parametrize("name", FORMS)


def items(within: Json) -> Iterator[Json]:
    for item in within.get("item", ()):
        yield item
        yield from items(item)


def questions(form: Json) -> list[Json]:
    return [item for item in items(form) if item["type"] not in {"group", "display"}]


def options(item: Json) -> list[Json]:
    found: list[Json] = item.get("answerOption", [])
    return found


def extensions(element: Json, url: str) -> list[Json]:
    return [one for one in element.get("extension", ()) if one["url"] == url]


def finding(element: Json) -> list[str]:
    return [one["valueCode"] for one in extensions(element, OWN + "triage-finding")]


def summary(element: Json) -> Json:
    found = extensions(element, OWN + "summary")
    assert len(found) <= 1, element
    parts = found[0]["extension"] if found else ()
    return {one["url"]: one.get("valueCode") or one.get("valueString") for one in parts}


def english(beside: Json | None) -> str:
    for one in extensions(beside or {}, TRANSLATION):
        parts = {part["url"]: part for part in one["extension"]}
        if parts["lang"]["valueCode"] == "en":
            return str(parts["content"]["valueString"])
    return ""


def has_chinese(text: str) -> bool:
    return any("\u4e00" <= one <= "\u9fff" for one in text)


def coding(name: str, link: str, code: str) -> Json:
    """Return an option as an answer."""
    item = next(one for one in questions(FORMS[name]) if one["linkId"] == link)
    found = next(one for one in options(item) if one["valueCoding"]["code"] == code)
    return {"valueCoding": found["valueCoding"]}
