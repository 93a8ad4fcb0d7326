"""Refusals in FHIR's terms: the HTTP status and the OperationOutcome of each error.

Most errors are as their category says (`kit.http`); where R4 or HTTP asks for more exactness, the
tables here say so by the error's code.

Source: HL7 FHIR R4 4.0.1 §3.1.0 RESTful API (status codes of each interaction), OperationOutcome,
IssueType; RFC 9110 §15.5; RFC 5789 §2.2 (PATCH).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from citycare.kit import http
from citycare.kit.errors import AppError
from citycare.scenarios.exchange.model.values import Issue

Json = dict[str, Any]

ISSUES_MAX = 100
UNAUTHORIZED = 401
ERROR_SYSTEM = "urn:citycare:error"

STATUS: Mapping[str, int] = {
    "access.sign_in_needed": 401,
    "access.second_factor_needed": 401,
    "fhir.deleted": 410,
    "fhir.invalid": 422,
    "fhir.version_conflict": 412,
    "exchange.method_unfit": 405,
    "exchange.format_not_offered": 406,
    "exchange.version_conflict": 412,
    "exchange.multiple_matches": 412,
    "exchange.condition_missing": 412,
    "exchange.body_slow": 408,
    "exchange.too_large": 413,
    "exchange.media_type_unsupported": 415,
    "exchange.patch_unfit": 422,
}
ISSUE: Mapping[str, str] = {
    "access.sign_in_needed": "login",
    "access.second_factor_needed": "login",
    "fhir.referenced": "conflict",
    "fhir.deleted": "deleted",
    "fhir.exists": "duplicate",
    "fhir.too_many": "too-costly",
    "fhir.too_costly": "too-costly",
    "fhir.type_unknown": "not-supported",
    "fhir.search_parameter_unknown": "not-supported",
    "fhir.search_value_broken": "value",
    "exchange.type_unknown": "not-supported",
    "exchange.interaction_unknown": "not-supported",
    "exchange.method_unfit": "not-supported",
    "exchange.format_not_offered": "not-supported",
    "exchange.media_type_unsupported": "not-supported",
    "exchange.id_broken": "value",
    "exchange.header_wrong": "value",
    "exchange.query_broken": "value",
    "exchange.body_broken": "structure",
    "exchange.body_slow": "timeout",
    "exchange.too_large": "too-long",
    "exchange.condition_missing": "required",
    "exchange.out_of_time": "timeout",
    "exchange.multiple_matches": "multiple-matches",
    "exchange.version_required": "required",
    "exchange.patch_broken": "structure",
    "exchange.patch_unfit": "processing",
    "exchange.parameter_wrong": "value",
    "exchange.profile_unknown": "not-supported",
    "terminology.too_costly": "too-costly",
}
FAULTS: Mapping[str, str] = {  # codes of faults of a resource; all others are invariants
    **dict.fromkeys(
        ("type", "unknown", "array", "single", "choice", "empty", "depth"), "structure"
    ),
    **dict.fromkeys(("value", "id", "date", "reference"), "value"),
    **dict.fromkeys(("url", "full_url", "tag", "condition", "patch", "differs"), "value"),
    "required": "required",
    "code": "code-invalid",
    **dict.fromkeys(("profile-type", "profile-max", "profile-slice"), "structure"),
    **dict.fromkeys(("profile-fixed", "profile-pattern", "profile-target"), "value"),
    "profile-min": "required",
    "profile-binding": "code-invalid",
    **dict.fromkeys(("profile-many", "profile-costly"), "too-costly"),
    "modifier": "extension",
    "repeated": "duplicate",
    "overlap": "conflict",
    "unresolved": "not-found",
}
SEGMENT = re.compile(r"(?P<name>[A-Za-z_]\w*)(?:\[(?P<index>\d+)\])?", re.ASCII)
UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
INVARIANT = "invariant"


class Told(Protocol):
    """A fault of a resource, as `kernel.fhir` gives it."""

    @property
    def element(self) -> str:
        """Where, as FHIRPath."""

    @property
    def code(self) -> str:
        """What, as a stable code."""

    @property
    def words(self) -> str:
        """For people."""

    @property
    def message(self) -> str:
        """For programmers."""


def status_of(error: AppError) -> int:
    """Return the HTTP status of an error.

    Source: HL7 FHIR R4 4.0.1 §3.1.0 (status codes of each interaction).
    """
    return STATUS.get(error.code) or http.STATUS[error.category]


def headers_of(error: AppError) -> dict[str, str]:
    """Return the headers that go with an error: what is allowed, what is taken, when to return.

    Source: RFC 9110 §10.2.1, §11.6.1; RFC 5789 §3.1.
    """
    found = http.headers(error)
    if status_of(error) == UNAUTHORIZED:
        found["WWW-Authenticate"] = 'Bearer realm="citycare"'
    if error.code == "exchange.method_unfit":
        found["Allow"] = str(error.facts.get("allowed", ""))
    if error.code == "exchange.media_type_unsupported":
        name = "Accept-Patch" if "patch" in str(error.facts.get("takes")) else "Accept-Post"
        found[name] = ", ".join(str(error.facts.get("takes", "")).split())
    return found


def issues_of(error: AppError) -> list[Issue]:
    """Return what an error comes to: one issue, or one for each fault of what was sent.

    The facts `header` and `parameter` say what of the request is meant, `element` what of the body.

    Source: HL7 FHIR R4 4.0.1 OperationOutcome, IssueType.
    """
    faults: Sequence[Told] = getattr(error, "violations", ())
    if faults:
        return [issue_of(one, error.code) for one in faults[:ISSUES_MAX]]
    facts = error.facts.items()
    code = ISSUE.get(error.code) or http.FHIR_ISSUE[error.category]
    header = error.facts.get("header") or error.facts.get("parameter")
    return [
        Issue(
            code=code,
            words=error.words,
            message=" ".join([error.message(), *(f"{name}={value}" for name, value in facts)]),
            expression=f"http.{header}" if header else str(error.facts.get("element", "")),
            error=error.code,
        )
    ]


def issue_of(fault: Told, error: str = "", *, severity: str = "error") -> Issue:
    """Return a fault of a resource as an issue.

    Source: HL7 FHIR R4 4.0.1 OperationOutcome.issue.
    """
    code = FAULTS.get(fault.code, INVARIANT)
    return Issue(code, fault.words, fault.message, severity, fault.element, error)


def outcome(issues: Iterable[Issue], *, id: str = "") -> Json:  # noqa: A002 (the FHIR name)
    """Write an OperationOutcome; R4 wants an issue at least, so none becomes "all is well".

    Source: HL7 FHIR R4 4.0.1 OperationOutcome.
    """
    told = [_issue(one) for one in issues] or [_issue(ALL_WELL)]
    return {"resourceType": "OperationOutcome", **({"id": id} if id else {}), "issue": told}


ALL_WELL = Issue("informational", "没有发现问题。", "No issues were found.", "information")


def outcome_of(error: AppError, *, id: str = "") -> Json:  # noqa: A002 (the FHIR name)
    """Write what a client is told of an error.

    Source: HL7 FHIR R4 4.0.1 OperationOutcome.
    """
    return outcome(issues_of(error), id=id)


def _issue(one: Issue) -> Json:
    one = replace(
        one, words=_text(one.words), message=_text(one.message), expression=_text(one.expression)
    )
    details: Json = {"text": one.words}
    if one.error:
        details = {"coding": [{"system": ERROR_SYSTEM, "code": one.error}], "text": one.words}
    made: Json = {
        "severity": one.severity,
        "code": one.code,
        "details": details,
        "diagnostics": one.message,
    }
    if one.expression.startswith("http."):  # a header or a parameter is no FHIRPath
        made["location"] = [one.expression]
    elif one.expression:
        made["location"] = [xpath(one.expression)]
        made["expression"] = [one.expression]
    return made


def _text(text: str) -> str:
    """Show a client what it sent, without what no FHIR text may hold (or is half a character)."""
    return UNFIT.sub("\N{REPLACEMENT CHARACTER}", text)


def xpath(expression: str) -> str:
    """Write a place as the simple XPath of `issue.location`: indexes count from 1.

    Anything but names and indexes is left as it is.

    Source: HL7 FHIR R4 4.0.1 OperationOutcome.issue.location.
    """
    parts = [SEGMENT.fullmatch(one) for one in expression.split(".")]
    if not all(parts):
        return expression
    return "".join(
        f"/f:{one['name']}" + (f"[{int(one['index']) + 1}]" if one["index"] else "")
        for one in parts
        if one is not None
    )
