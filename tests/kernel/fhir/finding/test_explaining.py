"""What is told of how a search is done."""

from __future__ import annotations

from typing import Any

import pytest

from citycare.kernel import fhir
from citycare.kernel.context import Context
from citycare.kernel.fhir import finding
from citycare.kernel.fhir.finding import explaining
from citycare.kernel.fhir.searching import reading

Json = dict[str, Any]


@pytest.fixture
async def town(cx: Context) -> Context:
    """A patient with three observations."""
    seen: list[Json] = [
        {
            "resourceType": "Observation",
            "id": f"o-{number}",
            "status": "final",
            "code": {"text": "合成"},
            "subject": {"reference": "Patient/p-1"},
            "valueQuantity": {"value": number},
        }
        for number in range(3)
    ]
    await fhir.put(cx, [{"resourceType": "Patient", "id": "p-1", "name": [{"text": "曾"}]}, *seen])
    return cx


@pytest.mark.parametrize(
    ("name", "text", "rechecked"),
    [
        ("subject", "Patient/p-1", "none"),
        ("date", "ge2026", "none"),
        ("value-quantity", "gt0", "all"),
        ("subject:Patient.name", "曾", "some"),
        ("subject:Patient.name:exact", "曾", "all"),
        ("subject:Patient._has:Observation:subject:status", "final", "none"),
    ],
)
async def test_each_criterion_is_said_to_be_rechecked_or_not(
    town: Context, name: str, text: str, rechecked: str
) -> None:
    query = reading.read(("Observation",), [(name, text)], now=town.now)
    told = await finding.explain(town, query)
    (one,) = told.criteria
    assert one.rechecked == rechecked
    assert one.param.rsplit(":", 1)[-1] == name.rsplit(":", 1)[-1]


async def test_the_statements_are_those_of_the_search_itself(town: Context) -> None:
    pairs = [("value-quantity", "gt0"), ("_total", "accurate"), ("_include", "Observation:subject")]
    query = reading.read(("Observation",), pairs, now=town.now)
    told = await finding.explain(town, query)
    found = await finding.find(town, query)
    assert [hit.id for hit in told.found.matches] == [hit.id for hit in found.matches]
    assert (len(found.matches), found.total) == (2, 2)
    assert len(told.statements) > 2, "a count, a page, what is included"
    assert all(one.plan["Plan"]["Node Type"] for one in told.statements)
    assert told.read >= 4


async def test_what_takes_too_long_is_too_costly(
    town: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slow(cx: Context, *_: Any, **__: Any) -> Any:
        await cx.db.execute("SELECT pg_sleep(60)")

    monkeypatch.setattr(explaining, "TIMEOUT_S", 0.01)
    monkeypatch.setattr(explaining, "find", slow)
    query = reading.read(("Observation",), [], now=town.now)
    with pytest.raises(finding.TooCostly):
        await finding.explain(town, query)
    assert (await finding.find(town, query)).matches, "the transaction goes on"
