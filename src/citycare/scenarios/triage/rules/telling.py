"""An advice as plain values, and a finished dialogue as the FHIR record others read."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from citycare.scenarios.triage.model.answer import Advice
from citycare.scenarios.triage.model.dialogue import Dialogue, State
from citycare.scenarios.triage.model.heard import Heard, Kind, Said, When
from citycare.scenarios.triage.model.knowledge import Knowledge

KNOWLEDGE_URL = "urn:citycare:triage:knowledge"
URGENCY_URL = "urn:citycare:triage:urgency"
SPECIALTY_URL = "urn:citycare:specialty"  # 《医疗机构诊疗科目名录》


def plain(knowledge: Knowledge, advice: Advice) -> dict[str, Any]:
    """Return an advice as values JSON can hold; findings with their plain names.

    Source: ours; field names as in `citycare triage ask --json`.
    """
    names = {one.id: one.name for one in knowledge.entries.findings}
    question = advice.question
    return {
        "departments": [
            {
                "code": one.code,
                "name": one.name,
                "probability": one.probability,
                "reasons": [names[name] for name in one.because],
                "without": [names[name] for name in one.without],
            }
            for one in advice.departments
        ],
        "urgency": advice.urgency.value,
        "red_flags": [
            {"id": one.id, "name": one.name, "urgency": one.urgency.value, "say": one.say}
            for one in advice.alarms
        ],
        "sure": advice.sure,
        "gp": advice.gp,
        "crisis": advice.crisis,
        "intents": list(advice.intents),
        "odd": advice.odd,
        "next_question": None
        if question is None
        else {
            "id": question.id,
            "text": question.text,
            "danger": question.danger,
            "options": [{"id": name, "name": names[name]} for name in question.findings],
        },
        "knowledge": knowledge.version,
    }


def response_as_fhir(knowledge: Knowledge, one: Dialogue, heard: Heard) -> dict[str, Any]:
    """Write a dialogue of a person as a QuestionnaireResponse: words, findings, answers, advice.

    Args:
        knowledge: the one that gave the advice.
        one: the dialogue.
        heard: what was understood of its first words; an answer given later wins.

    Source: HL7 FHIR R4 QuestionnaireResponse.
    """
    names = {entry.id: entry.name for entry in knowledge.entries.findings}
    said = {name: _said(there) for name, there in _understood(knowledge, heard).items()}
    for answer in one.answers:
        for name in answer.findings:
            said[name] = _said(name in answer.yes, unsure=answer.unsure)
    answers = [
        {"linkId": f"finding/{name}", "text": names.get(name, name), "answer": [value]}
        for name, value in said.items()
    ]
    if heard.days is not None:
        lasted = {"valueDecimal": Decimal(f"{heard.days:.3f}")}  # minutes are told, seconds not
        answers.append({"linkId": "days", "text": "几天了", "answer": [lasted]})
    if one.advice["intents"]:
        wishes = [{"valueString": wish} for wish in one.advice["intents"]]
        answers.append({"linkId": "intents", "text": "想要什么", "answer": wishes})
    departments = [
        {"valueCoding": {"system": SPECIALTY_URL, "code": entry["code"], "display": entry["name"]}}
        for entry in one.advice["departments"]
    ]
    items: list[dict[str, Any]] = [
        {"linkId": "complaint", "text": "哪里不舒服", "answer": [{"valueString": one.text}]},
        *answers,
        {"linkId": "urgency", "text": "多急", "answer": [
            {"valueCoding": {"system": URGENCY_URL, "code": one.urgency.value}}]},
        {"linkId": "departments", "text": "建议科室", "answer": departments},
        {"linkId": "knowledge", "text": "知识库版本", "answer": [{"valueString": one.knowledge}]},
    ]  # fmt: skip
    if one.advice["red_flags"]:
        flags = [{"valueString": flag["id"]} for flag in one.advice["red_flags"]]
        items.append({"linkId": "red-flags", "text": "危险信号", "answer": flags})
    done = one.state is not State.ASKING
    return {
        "resourceType": "QuestionnaireResponse",
        "id": str(one.id),
        "identifier": {"system": "urn:citycare:triage:dialogue", "value": str(one.id)},
        "questionnaire": f"{KNOWLEDGE_URL}|{one.knowledge}",
        "status": "completed" if done else "in-progress",
        "subject": {"reference": f"Patient/{one.person_id}"},
        "authored": one.updated_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "item": items,
    }


def _understood(knowledge: Knowledge, heard: Heard) -> dict[str, bool]:
    """Return the findings that are there now, or are said not to be, as far as words tell."""
    findings = knowledge.entries.findings
    return {
        findings[one.index].id: one.said is Said.YES
        for one in heard.mentions
        if one.kind is Kind.FINDING and one.when is When.NOW and one.said is not Said.UNSURE
    }


def _said(there: bool, *, unsure: bool = False) -> dict[str, Any]:  # noqa: FBT001
    if unsure and not there:
        return {"valueString": "不清楚"}
    return {"valueBoolean": there}
