"""One map from error categories to HTTP and FHIR.

Source: RFC 9110 §15 (status codes), RFC 9457 (problem details), HL7 FHIR R4 IssueType.
"""

from __future__ import annotations

from citycare.kit.errors import AppError, Category

STATUS: dict[Category, int] = {
    Category.INCORRECT: 400,
    Category.FORBIDDEN: 403,
    Category.NOT_FOUND: 404,
    Category.CONFLICT: 409,
    Category.BUSY: 503,
    Category.UNAVAILABLE: 503,
}
FHIR_ISSUE: dict[Category, str] = {
    Category.INCORRECT: "invalid",
    Category.FORBIDDEN: "forbidden",
    Category.NOT_FOUND: "not-found",
    Category.CONFLICT: "conflict",
    Category.BUSY: "throttled",
    Category.UNAVAILABLE: "transient",
}
RETRY_AFTER_S = 2
PROBLEM_TYPE = "application/problem+json"

assert set(STATUS) == set(FHIR_ISSUE) == set(Category)


def problem(error: AppError, request_id: str) -> dict[str, object]:
    """Shape an error as an RFC 9457 problem; `detail` is the Chinese sentence for people."""
    return {
        "type": f"/docs/errors#{error.code}",
        "title": error.message(),
        "status": STATUS[error.category],
        "detail": error.words,
        "code": error.code,
        "facts": {name: str(value) for name, value in error.facts.items()},
        "request_id": request_id,
    }


def headers(error: AppError) -> dict[str, str]:
    """Tell the caller when to come back, where coming back helps."""
    if error.category in (Category.BUSY, Category.UNAVAILABLE):
        return {"Retry-After": str(RETRY_AFTER_S)}
    return {}
