"""Values of batch and transaction, and the words of their faults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from citycare.kernel.fhir.definitions import invariants
from citycare.kernel.fhir.model import Key, Violation
from citycare.kernel.fhir.validate import RULE, WORDS

Json = dict[str, Any]

FAULTS_MAX = 100

OWN_WORDS = {
    "url": ("不是这种操作可用的地址", "is not an address that {told} can be used with"),
    "differs": ("与地址中的类型或编号不一致", "does not agree with {told}"),
    "full_url": ("不是不带版本的完整地址", "is not an absolute address without a version"),
    "repeated": ("与前面的条目重复", "is used by {told} already"),
    "overlap": ("与前面的条目写的是同一条数据", "writes the same resource as {told}"),
    "unexpected": ("在这种操作中不能使用", "has no place with {told}"),
    "modifier": ("改变含义的扩展无法识别", "is a modifier that is not understood"),
    "patch": ("不是JSON Patch格式的补丁", "is not a Binary that holds a JSON Patch"),
    "condition": ("查找条件不能为空或带“#”", "is not a condition"),
    "tag": ("版本标记的格式不对", "is not a version tag"),
    "unresolved": ("引用的数据没有找到", "refers to what was not found: {told}"),
}


class Kind(StrEnum):
    """Types of Bundle that ask for something to be done."""

    BATCH = "batch"
    TRANSACTION = "transaction"


class Method(StrEnum):
    """What an entry asks for."""

    DELETE = "DELETE"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    GET = "GET"
    HEAD = "HEAD"


@dataclass(frozen=True, slots=True)
class Step:
    """One entry, checked.

    Attributes:
        place: its index in the Bundle.
        type: resource type of the url, `""` for the whole system.
        id: of the url, `""` where there is none.
        rest: what follows: `_history`, `_history/3`, `_search`, `$everything`, `metadata`,
            the type of a compartment search.
        query: of the url, without `?`, as written; of a PUT, PATCH or DELETE: its condition.
        resource: what is sent, references as written; of a PATCH: the Binary.
        patch: operations of a PATCH; their values have no types, so that links are to be resolved
            in the resource they make, and `references` does not see them.
        full_url: as written, `""` where there is none.
        root: of a RESTful `full_url`, what relative references of the resource start from.
        if_match, if_none_match: a version, or `*`; `""` where nothing was said.
        if_none_exist: condition of a create, without `?`.
        if_modified_since: an instant as written.
    """

    place: int
    method: Method
    type: str
    id: str = ""
    rest: str = ""
    query: str = ""
    resource: Json | None = None
    patch: tuple[Json, ...] = ()
    full_url: str = ""
    root: str = ""
    if_match: str = ""
    if_none_match: str = ""
    if_none_exist: str = ""
    if_modified_since: str = ""

    @property
    def at(self) -> str:
        """Where it stands, as faults name it."""
        return f"Bundle.entry[{self.place}]"

    @property
    def writes(self) -> bool:
        """Whether it makes, changes or deletes a resource; operations may, but say not which."""
        reading = (Method.GET, Method.HEAD)
        return self.method not in reading and not self.rest


@dataclass(frozen=True, slots=True)
class Plan:
    """What a Bundle asks.

    Attributes:
        base: of this server, without a slash at the end.
        count: of entries.
        steps: in the order to be done: DELETE, POST, PUT and PATCH, GET and HEAD; as in the
            Bundle among those of one kind.
        refused: of a batch: entries that are no steps, with their faults.
        urls: each `fullUrl` with the place of its entry.
    """

    kind: Kind
    base: str
    count: int
    steps: tuple[Step, ...]
    refused: Mapping[int, tuple[Violation, ...]]
    urls: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Use:
    """Where something is referred to: entry, and element as `Observation.subject.reference`."""

    place: int
    element: str


@dataclass(frozen=True, slots=True)
class References:
    """Who refers to what.

    Attributes:
        links: by fullUrl of an entry.
        conditional: by text: `Patient?identifier=…`.
        missing: `urn:uuid:` and `urn:oid:` references that no entry has as its fullUrl.
    """

    links: Mapping[str, tuple[Use, ...]]
    conditional: Mapping[str, tuple[Use, ...]]
    missing: Mapping[str, tuple[Use, ...]]

    @property
    def places(self) -> frozenset[int]:
        """The entries that refer to anything of these: the others need not be `resolved`."""
        every = (self.links, self.conditional, self.missing)
        return frozenset(use.place for some in every for uses in some.values() for use in uses)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a step.

    Attributes:
        status: of HTTP: 200, 201, 204, 304, 404, 412 …
        key: the version that was written or read; None where there is none.
        modified: when that version was written, with its zone.
        resource: what is given back.
        outcome: an OperationOutcome.
    """

    status: int
    key: Key | None = None
    modified: datetime | None = None
    resource: Json | None = None
    outcome: Json | None = None


def violation(bundle_id: str, place: str, code: str, told: str = "") -> Violation:
    """Put one fault of a Bundle into words; `told` is shown shortened."""
    told = told[:200]
    rule = invariants().get(code)
    if rule is not None:
        words, message, told = *RULE, str(rule["h"])
    else:
        words, message = OWN_WORDS.get(code) or WORDS[code]
    return Violation(
        "Bundle", bundle_id, place, code,
        f"{place} {words.format(code=code, told=told)}",
        f"{place} {message.format(code=code, told=told)}",
    )  # fmt: skip
