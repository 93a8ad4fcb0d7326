"""What keeps a resource out of the record: every fault, in words people and programs understand.

The rules are R4's own (`r4`); here they get words, and one of ours is added: what is stored has an
id.
"""

from __future__ import annotations

from typing import Any

from citycare.kernel.fhir.model import Violation
from citycare.kernel.fhir.r4 import Fault, faults

WORDS = {
    "type": ("类型不对", "has the wrong type"),
    "id": ("编号只能由字母、数字、“-”和“.”组成，最长64个字符", "is not a FHIR id"),
    "unknown": ("没有这个数据项", "is not an element of R4"),
    "required": ("缺少必填的数据项", "is missing"),
    "array": ("应当是数组", "must be an array"),
    "single": ("不能是数组", "must not be an array"),
    "empty": ("不能为空", "must not be empty"),
    "choice": ("只能填其中一种", "may be given in one form only"),
    "value": ("取值的格式不对", "is not well formed"),
    "code": ("取值不在允许的范围内", "is not one of the allowed codes"),
    "reference": ("引用的格式不对", "is not a well-formed reference"),
    "target": ("不能引用这种资源", "refers to a type that is not allowed here"),
    "contained": ("引用了资源内部没有的条目", "refers to something not contained here"),
    "depth": ("嵌套层数太多", "is nested too deeply"),
}
RULE = ("不符合规则 {code}", "breaks {code}: {told}")


def violations(resource: dict[str, Any]) -> list[Violation]:
    """Return every fault found, empty when the resource may be stored."""
    found = [one for one in faults(resource) if not one.warning]
    name = resource.get("resourceType")
    known = not found or found[0].place != "resourceType"
    if known and "id" not in resource:
        found.insert(0, Fault(f"{name}.id", "id"))
    return [_violation(resource, one) for one in found]


def _violation(resource: dict[str, Any], fault: Fault) -> Violation:
    words, message = WORDS.get(fault.code, RULE)
    told = {"code": fault.code, "told": fault.told}
    return Violation(
        str(resource.get("resourceType", "?")),
        str(resource.get("id", "?")),
        fault.place,
        fault.code,
        f"{fault.place} {words.format(**told)}",
        f"{fault.place} {message.format(**told)}",
    )
