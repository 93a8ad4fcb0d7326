"""A way to evaluate in one call; one patient that has a bit of everything."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from citycare.kernel.fhir.path import Hooks, compiled

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)  # 9:00 in the city

Evaluate = Callable[..., list[Any]]

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p-17",
    "contained": [{"resourceType": "Organization", "id": "o-1", "name": "城东医院"}],
    "active": True,
    "name": [
        {"use": "official", "family": "欧阳", "given": ["建国"]},
        {"use": "usual", "given": ["小国", "阿国"], "_given": [None, {"id": "g-2"}]},
    ],
    "telecom": [
        {"system": "phone", "value": "13800001111", "rank": 1},
        {"system": "phone", "value": "021-64071234", "rank": 2},
        {"system": "email", "value": "a@example.org"},
    ],
    "gender": "male",
    "birthDate": "1961-03-07",
    "_birthDate": {
        "extension": [{"url": "urn:time", "valueDateTime": "1961-03-07T04:30:00+08:00"}]
    },
    "deceasedBoolean": False,
    "_language": {"extension": [{"url": "urn:why", "valueCode": "unknown"}]},
    "managingOrganization": {"reference": "#o-1"},
    "generalPractitioner": [{"reference": "Practitioner/d-7"}],
    "extension": [
        {"url": "urn:weight", "valueQuantity": {"value": Decimal("71.50"), "unit": "kg"}},
        {"url": "urn:weight", "valueQuantity": {"value": 70, "code": "kg"}},
    ],
}


@pytest.fixture
def patient() -> dict[str, Any]:
    return PATIENT


@pytest.fixture(scope="session")
def evaluate() -> Evaluate:
    """Evaluates an expression on a focus (nothing, if none is given) at NOW."""

    def run(
        expression: str, focus: Any = None, *, hooks: Hooks | None = None, **variables: Any
    ) -> list[Any]:
        given = hooks or Hooks()
        return compiled(expression).evaluate(focus, variables, now=NOW, hooks=given)

    return run


@pytest.fixture(scope="session")
def shown(evaluate: Evaluate) -> Callable[..., list[str]]:
    """The same, items as text: what has a precision shows it."""

    def run(expression: str, focus: Any = None, **variables: Any) -> list[str]:
        return [str(item) for item in evaluate(expression, focus, **variables)]

    return run
