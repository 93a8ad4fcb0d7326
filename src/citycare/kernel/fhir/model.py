"""Values and errors of the record store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from citycare.kit.errors import Conflict, Incorrect, NotFound

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Key:
    """Names one version of one resource."""

    type: str
    id: str
    version: int


@dataclass(frozen=True, slots=True)
class Violation:
    """One fault of one resource: where, what (stable code), and words in both languages."""

    type: str
    id: str
    element: str
    code: str
    words: str
    message: str


class Invalid(Incorrect):
    """A resource breaks the rules of FHIR R4; `violations` names each element."""

    code = "fhir.invalid"
    words = "提交的健康数据格式不对，没有保存任何内容。请按提示改正所列的数据项后重新提交。"

    def __init__(self, violations: Sequence[Violation]) -> None:
        """Keep all faults; the facts show the first."""
        first = violations[0]
        super().__init__(
            resource=f"{first.type}/{first.id}",
            element=first.element,
            problem=first.code,
            count=len(violations),
        )
        self.violations = tuple(violations)


class TypeUnknown(Incorrect):
    """FHIR R4 has no resource type of this name."""

    code = "fhir.type_unknown"
    words = "没有这种健康数据类型，请核对类型名称（区分大小写）后再试。"


class TooMany(Incorrect):
    """More resources in one call than the store takes."""

    code = "fhir.too_many"
    words = "一次提交的数据太多，请分批提交。"


class ResourceNotFound(NotFound):
    """There is no such resource."""

    code = "fhir.not_found"
    words = "没有找到这条健康数据，请核对编号后再试。"


class ResourceDeleted(NotFound):
    """The resource has been deleted; its history is kept."""

    code = "fhir.deleted"
    words = "这条健康数据已经删除。如需查看以前的内容，请查看历史版本。"


class ResourceExists(Conflict):
    """A resource with this id is there already."""

    code = "fhir.exists"
    words = "这条健康数据已经存在，没有重复保存。请刷新后再看。"


class VersionConflict(Conflict):
    """The resource has another version by now than the one this change was made from."""

    code = "fhir.version_conflict"
    words = "这条健康数据刚刚被别人改过，没有保存。请重新读取最新版本后再改。"


class ResourceReferenced(Conflict):
    """Other resources refer to this one; delete or change them first."""

    code = "fhir.referenced"
    words = "还有其他健康数据引用了这一条，不能删除。请先处理引用它的数据。"


class ParameterUnknown(Incorrect):
    """This search parameter does not exist for this type."""

    code = "fhir.search_parameter_unknown"
    words = "不支持这个查询条件，请去掉它或换一个条件后再查。"


class ValueBroken(Incorrect):
    """The value of a search parameter cannot be read."""

    code = "fhir.search_value_broken"
    words = "查询条件的内容不对，请按格式改正后再查。"


Params = Mapping[str, str | Sequence[str]]
