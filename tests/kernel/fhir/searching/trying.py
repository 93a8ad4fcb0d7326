"""A resource and a criterion put together in one line, for tests of the model."""

from __future__ import annotations

from typing import Any

from citycare.kernel.fhir.r4 import faults
from citycare.kernel.fhir.searching.model import Criterion, Having, Include, ParamType, Query, Value
from tests.kernel.fhir.searching.asked import member
from tests.kernel.fhir.searching.oracle import Oracle

Json = dict[str, Any]


def one(kind: str, **elements: Any) -> Json:
    """Return a resource that R4 takes, with what it needs besides."""
    needed: dict[str, Json] = {
        "Observation": {"status": "final", "code": {"text": "x"}},
        "ChargeItem": {
            "status": "billed",
            "code": {"text": "x"},
            "subject": {"reference": "Patient/p"},
        },
        "Encounter": {"status": "finished", "class": {"code": "AMB"}},
        "Condition": {"subject": {"reference": "Patient/p"}},
        "ValueSet": {"status": "active"},
        "Invoice": {"status": "issued"},
    }
    made = {"resourceType": kind, "id": "1"} | needed.get(kind, {}) | elements
    assert [each for each in faults(made) if not each.warning] == []
    return made


def met(resource: Json, code: str, kind: ParamType, *values: Value, modifier: str = "") -> bool:
    """Tell whether a search by one criterion finds the resource."""
    query = Query((resource["resourceType"],), (Criterion(code, kind, modifier, values),))
    return bool(Oracle([resource], member=member).matches(query))


def found(resources: list[Json], kind: str, *criteria: Criterion | Having, base: str = "") -> str:
    """Return the ids of what a search over a type finds, in the order of the alphabet."""
    matches = Oracle(resources, member=member, base=base).matches(Query((kind,), criteria))
    return " ".join(sorted(one["id"] for one in matches))


def added(resources: list[Json], kind: str, *includes: Include) -> str:
    """Return the ids of what includes add to all resources of a type."""
    oracle = Oracle(resources)
    query = Query((kind,), includes=includes)
    return " ".join(one["id"] for one in oracle.included(query, oracle.matches(query)))
