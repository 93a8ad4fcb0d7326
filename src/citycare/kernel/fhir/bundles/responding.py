"""What a batch or a transaction is answered, in the order it was asked.

Source: HL7 FHIR R4 4.0.1 §3.1.0.11.3 Batch/Transaction Response; Bundle.entry.response.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC
from http import HTTPStatus

from citycare.kernel.fhir.bundles.model import Json, Method, Plan, Result, Step
from citycare.kernel.fhir.model import Violation

WRITTEN = (Method.POST, Method.PUT, Method.PATCH)


def response(plan: Plan, results: Mapping[int, Result]) -> Json:
    """Write the answer: one entry for each that was asked; refused ones are answered here.

    Args:
        plan: what was asked.
        results: by place, of every step.

    Raises:
        KeyError: a step has no result.
    """
    steps = {step.place: step for step in plan.steps}
    used: set[str] = set()
    entries = [
        _refusal(plan.refused[place])
        if place in plan.refused
        else _entry(plan, steps[place], results[place], used)
        for place in range(plan.count)
    ]
    made: Json = {"resourceType": "Bundle", "type": f"{plan.kind}-response"}
    return made | {"entry": entries} if entries else made


def _entry(plan: Plan, step: Step, result: Result, used: set[str]) -> Json:
    made: Json = {}
    key = result.key
    if result.resource is not None:
        url = f"{plan.base}/{key.type}/{key.id}" if key is not None else ""
        if url and url not in used:  # bdl-7: a fullUrl stands once
            used.add(url)
            made["fullUrl"] = url
        made["resource"] = result.resource
    told: Json = {"status": _status(result.status)}
    if key is not None:
        if step.method in WRITTEN:
            told["location"] = f"{plan.base}/{key.type}/{key.id}/_history/{key.version}"
        told["etag"] = f'W/"{key.version}"'
    if result.modified is not None:
        instant = result.modified.astimezone(UTC).isoformat(timespec="milliseconds")
        told["lastModified"] = instant.replace("+00:00", "Z")
    if result.outcome is not None:
        told["outcome"] = result.outcome
    return made | {"response": told}


def _status(code: int) -> str:
    try:
        return f"{code} {HTTPStatus(code).phrase}"
    except ValueError:
        return str(code)


def _refusal(violations: Sequence[Violation]) -> Json:
    """Answer an entry that could not be understood."""
    issues = [
        {
            "severity": "error",
            "code": "invalid",
            "details": {"text": one.words},
            "diagnostics": one.message,
            "expression": [one.element],
        }
        for one in violations
    ]
    outcome = {"resourceType": "OperationOutcome", "issue": issues}
    return {"response": {"status": _status(HTTPStatus.BAD_REQUEST), "outcome": outcome}}
