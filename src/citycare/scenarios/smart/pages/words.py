"""What an app asks for, in words a person can weigh."""

from __future__ import annotations

from citycare.scenarios.smart.rules.scopes import ANY_TYPE, Asked, Scope
from citycare.web.i18n import mark
from citycare.web.manner import Words

TYPES: dict[str, str] = {
    ANY_TYPE: mark("健康档案里的全部内容"),
    "AllergyIntolerance": mark("过敏史"),
    "Appointment": mark("预约"),
    "CarePlan": mark("治疗和康复计划"),
    "CareTeam": mark("照护您的医护人员"),
    "Claim": mark("费用单"),
    "Composition": mark("病历文书"),
    "Condition": mark("诊断和健康问题"),
    "Consent": mark("签过的同意书"),
    "Coverage": mark("医保信息"),
    "Device": mark("植入或使用的器械"),
    "DiagnosticReport": mark("检查检验报告"),
    "DocumentReference": mark("病历文书"),
    "Encounter": mark("就诊和住院经过"),
    "ExplanationOfBenefit": mark("医保结算单"),
    "FamilyMemberHistory": mark("家族病史"),
    "Goal": mark("健康目标"),
    "ImagingStudy": mark("影像检查"),
    "Immunization": mark("疫苗接种"),
    "Invoice": mark("发票和收据"),
    "Location": mark("就诊地点"),
    "Medication": mark("药品信息"),
    "MedicationAdministration": mark("给药记录"),
    "MedicationDispense": mark("取药记录"),
    "MedicationRequest": mark("处方"),
    "MedicationStatement": mark("在用的药"),
    "Observation": mark("检验结果和测量值"),
    "Organization": mark("医院和机构信息"),
    "Patient": mark("姓名、性别、出生日期、电话、住址"),
    "Practitioner": mark("医生姓名和科室"),
    "PractitionerRole": mark("医生姓名和科室"),
    "Procedure": mark("手术和操作"),
    "QuestionnaireResponse": mark("填过的问卷"),
    "RelatedPerson": mark("家人和联系人"),
    "ServiceRequest": mark("检查检验申请"),
    "Specimen": mark("标本"),
}
CATEGORIES: dict[str, str] = {
    "vital-signs": mark("生命体征（血压、体温、体重等）"),
    "laboratory": mark("化验结果"),
    "imaging": mark("影像检查结果"),
    "social-history": mark("吸烟、饮酒等生活情况"),
    "survey": mark("问卷和量表结果"),
    "exam": mark("体格检查结果"),
    "procedure": mark("检查操作结果"),
    "therapy": mark("治疗中的观察"),
    "activity": mark("运动和活动"),
    "encounter-diagnosis": mark("就诊时的诊断"),
    "problem-list-item": mark("长期的健康问题"),
    "health-concern": mark("关注的健康问题"),
}
READ, WRITE = frozenset("rs"), frozenset("cud")


def kind_words(scope: Scope, words: Words) -> str:
    """Say which kind of data a scope is about."""
    categories = [_code(value) for name, value in scope.filters if name == "category"]
    if len(scope.filters) == 1 and categories and categories[0] in CATEGORIES:
        return words(CATEGORIES[categories[0]])
    known = TYPES.get(scope.type)
    whole = words(known) if known else words("其他健康数据（%(type)s）", type=scope.type)
    if not scope.filters:
        return whole
    conditions = words("、").join(f"{name}={value}" for name, value in scope.filters)
    return words("%(kind)s，只限 %(conditions)s", kind=whole, conditions=conditions)


def _code(value: str) -> str:
    return value.rpartition("|")[2]


def doing_words(scope: Scope, words: Words) -> str:
    """Say what may be done with it."""
    reads, writes = scope.interactions & READ, scope.interactions & WRITE
    if reads and writes:
        return words("查看，并且写入")
    if writes:
        return words("写入，不能查看")
    return words("只查看，不改动")


def kinds_in_full(asked: Asked, words: Words) -> str:
    """List the kinds of data on one line."""
    kinds = dict.fromkeys(kind_words(one, words) for one in asked.data)
    return words("；").join(kinds) or words("只有登录身份，没有健康数据")
