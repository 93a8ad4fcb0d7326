"""What the screen of a FHIR form shows: every look of a question, some answered, one wrong."""

from __future__ import annotations

from typing import Any

from citycare.kernel.fhir import forms
from citycare.web import questions
from citycare.web.design.say import Say
from citycare.web.forms import NOT_A_NUMBER

CONTROL = "http://hl7.org/fhir/StructureDefinition/questionnaire-itemControl"
CALCULATED = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-calculatedExpression"
UNIT_OPTION = "http://hl7.org/fhir/StructureDefinition/questionnaire-unitOption"


def page(say: Say) -> questions.Page:
    """Return a form with some answers."""
    filling = forms.begin(forms.read(_questionnaire(say)))
    filling.add("drugs[0]")
    filling.answer(
        {
            "fever": [{"valueBoolean": True}],
            "drugs[0]/name": [{"valueString": say("氨氯地平", "Amlodipine")}],
            "weight": [{"valueQuantity": {"value": 61, "unit": "kg", "code": "kg"}}],
        }
    )
    days = questions.Posted(
        errors={"days": NOT_A_NUMBER}, typed={"days": questions.Typed(values=("三天",))}
    )
    return questions.draw(filling, say.lang, posted=days, complete=True)


def _questionnaire(say: Say) -> dict[str, Any]:
    def item(link_id: str, kind: str, zh: str, en: str, **more: Any) -> dict[str, Any]:
        return {"linkId": link_id, "type": kind, "text": say(zh, en), **more}

    def option(code: str, zh: str, en: str) -> dict[str, Any]:
        return {"valueCoding": {"code": code, "display": say(zh, en)}}

    def extension(url: str, **value: Any) -> dict[str, Any]:
        return {"url": url, **value}

    total = extension(CALCULATED, valueExpression={"language": "text/fhirpath", "expression": "{}"})
    where = [option("throat", "嗓子", "Throat"), option("chest", "胸口", "Chest")]
    asked_if = {"question": "fever", "operator": "=", "answerBoolean": True}
    help_control = extension(CONTROL, valueCodeableConcept={"coding": [{"code": "help"}]})
    hint = item(
        "h", "display", "量三次取中间的", "The middle one of three", extension=[help_control]
    )
    units = [
        extension(UNIT_OPTION, valueCoding={"code": "kg", "display": say("公斤", "kg")}),
        extension(UNIT_OPTION, valueCoding={"code": "[lb_av]", "display": say("磅", "lb")}),
    ]
    items = [
        item("safe", "display", "很难受就先打 120", "Very unwell? Call 120 first"),
        item("fever", "boolean", "发烧吗？", "Do you have a fever?", required=True),
        item("high", "decimal", "最高多少度", "How high", enableWhen=[asked_if], item=[hint]),
        item("days", "integer", "几天了", "For how many days"),
        item("where", "open-choice", "哪里疼", "Where", repeats=True, answerOption=where),
        item("since", "date", "从哪天开始", "Since when"),
        item("weight", "quantity", "体重", "Weight", extension=units),
        item("told", "text", "还想告诉医生什么", "What else the doctor should know"),
        item(
            "drugs",
            "group",
            "正在吃的药",
            "Medicines you take",
            repeats=True,
            item=[item("name", "string", "药名", "Name", required=True)],
        ),
        item("photo", "attachment", "照片", "Photo"),
        item("sum", "integer", "共几天", "Days in all", readOnly=True, extension=[total]),
    ]
    return {"resourceType": "Questionnaire", "title": "", "item": items}
