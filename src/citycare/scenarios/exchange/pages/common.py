"""What the pages of the record share: addresses, the gate, tabs, names of types, how values stand.

Source: ours; names of types after HL7 FHIR R4 4.0.1 §2.20 Resource Index.
"""

from __future__ import annotations

from datetime import datetime
from typing import cast

from starlette.requests import Request

from citycare.kit.clock import CITY
from citycare.scenarios.exchange.service.browsing import ACTION
from citycare.scenarios.exchange.service.serving import Server
from citycare.web.i18n import mark
from citycare.web.manner import Words
from citycare.web.operator.common import address, operator_gate
from citycare.web.parts import Option

PATH = "/operator/record"
GATE = operator_gate(ACTION)
QUERY_CHARS_MAX = 2_000
ID_SHOWN = 12

TABS = (
    ("", mark("浏览和查找")),
    ("/slow", mark("查询为什么慢")),
    ("/subscriptions", mark("订阅")),
    ("/imports", mark("导入")),
    ("/links", mark("病历归属")),
    ("/check", mark("接入自查")),
)
TYPES: dict[str, str] = {
    "AllergyIntolerance": mark("过敏史"),
    "Appointment": mark("预约"),
    "AuditEvent": mark("查看记录"),
    "Basic": mark("其他记录"),
    "Binary": mark("文件"),
    "Bundle": mark("数据包"),
    "CarePlan": mark("治疗和康复计划"),
    "CareTeam": mark("照护团队"),
    "Claim": mark("费用单"),
    "CodeSystem": mark("代码表"),
    "Composition": mark("病历文书"),
    "ConceptMap": mark("代码对照"),
    "Condition": mark("诊断和健康问题"),
    "Consent": mark("签过的同意书"),
    "Coverage": mark("医保信息"),
    "Device": mark("植入或使用的器械"),
    "DiagnosticReport": mark("检查检验报告"),
    "DocumentReference": mark("文书索引"),
    "Encounter": mark("就诊和住院经过"),
    "ExplanationOfBenefit": mark("医保结算单"),
    "FamilyMemberHistory": mark("家族病史"),
    "Goal": mark("健康目标"),
    "Group": mark("人群"),
    "HealthcareService": mark("门诊和服务"),
    "ImagingStudy": mark("影像检查"),
    "Immunization": mark("疫苗接种"),
    "Invoice": mark("发票和收据"),
    "List": mark("清单"),
    "Location": mark("就诊地点"),
    "Medication": mark("药品信息"),
    "MedicationAdministration": mark("给药记录"),
    "MedicationDispense": mark("取药记录"),
    "MedicationRequest": mark("处方"),
    "MedicationStatement": mark("在用的药"),
    "Observation": mark("检验结果和测量值"),
    "Organization": mark("医院和机构信息"),
    "Patient": mark("人员"),
    "Practitioner": mark("医务人员"),
    "PractitionerRole": mark("医务人员的岗位"),
    "Procedure": mark("手术和操作"),
    "Provenance": mark("数据来源"),
    "Questionnaire": mark("问卷"),
    "QuestionnaireResponse": mark("填过的问卷"),
    "RelatedPerson": mark("家人和联系人"),
    "Schedule": mark("排班"),
    "ServiceRequest": mark("检查检验申请"),
    "Slot": mark("号源"),
    "Specimen": mark("标本"),
    "Subscription": mark("订阅"),
    "Task": mark("任务"),
    "ValueSet": mark("值集"),
}


def server_of(request: Request) -> Server:
    """Return the record's server, which the composition root has put into the application."""
    return cast("Server", request.app.state.exchange.server)


def tabs(here: str, words: Words) -> tuple[Option, ...]:
    """Return the pages of the record, this one marked."""
    return tuple(
        Option(value=PATH + path, label=words(label), selected=path == here) for path, label in TABS
    )


def type_words(kind: str, words: Words) -> str:
    """Say a type as people do; `""` where only its own name is known."""
    known = TYPES.get(kind)
    return words(known) if known else ""


def minute(instant: datetime) -> str:
    """Write an instant to the minute, on the city's clock, unbroken: `2026-11-29 9:05`."""
    there = instant.astimezone(CITY)
    return f"{there.date()}\u00a0{there.hour}:{there.minute:02d}"


def resource_url(kind: str, id_: str, **facts: object) -> str:
    """Write where a resource is shown."""
    return address(f"{PATH}/resource/{kind}/{id_}", **facts)


def search_url(query: str, **facts: object) -> str:
    """Write where a search is done."""
    return address(PATH, q=query, **facts)


def clean_query(text: str) -> str:
    """Take a typed query as it can be read: no NUL, no spaces around it, not too long."""
    return text.replace("\x00", "").strip()[:QUERY_CHARS_MAX]


def brief(id_: str) -> str:
    """Write an id so that it fits a cell."""
    return id_ if len(id_) <= ID_SHOWN else f"{id_[:8]}…{id_[-4:]}"
