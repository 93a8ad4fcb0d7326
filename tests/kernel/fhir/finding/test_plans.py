"""What a search reads does not grow with what it does not ask for: rows are counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from citycare.kernel import fhir
from citycare.kernel.context import Context
from citycare.kernel.fhir import finding, versions
from citycare.kernel.fhir.searching import reading
from citycare.kernel.fhir.searching.model import Link, Query

Json = dict[str, Any]
PATIENTS, PAGE = 1_500, 20


def patient(number: int) -> Json:
    return {
        "resourceType": "Patient",
        "id": f"p-{number}",
        "identifier": [{"system": "urn:x:card", "value": f"{number}"}],
        "gender": "male",
    }


def seen(number: int, patient: int) -> Json:
    return {
        "resourceType": "Observation",
        "id": f"o-{patient}-{number}",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
        "subject": {"reference": f"Patient/p-{patient}"},
        "effectiveDateTime": f"2026-11-{1 + number:02d}",
    }


@pytest.fixture
async def town(cx: Context) -> Context:
    """Many patients, two observations of the same code for each."""
    made = [patient(number) for number in range(PATIENTS)]
    made += [seen(number, one) for one in range(PATIENTS) for number in range(2)]
    await fhir.create(cx, made, valid=True)
    return cx


def scans(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the parts of a plan that read the table."""
    if plan.get("Relation Name"):
        yield plan
    for inner in plan.get("Plans", ()):
        yield from scans(inner)


def rows_read(plan: Mapping[str, Any]) -> int:
    read = 0
    for one in scans(plan):
        read += int(
            (one["Actual Rows"] + one.get("Rows Removed by Filter", 0)) * one["Actual Loops"]
        )
    return read


@pytest.mark.parametrize(
    ("kind", "pairs", "rows"),
    [
        ("Patient", [("identifier", "urn:x:card|77")], 1),
        ("Patient", [("identifier", "urn:x:card|77"), ("gender", "male")], 1),
        ("Patient", [("identifier", "77,78"), ("_sort", "_lastUpdated")], 2),
        ("Observation", [("subject", "Patient/p-9"), ("_sort", "-date")], 2),
        ("Observation", [("patient", "p-9"), ("code", "http://loinc.org|8867-4")], 2),
    ],
)
async def test_what_few_can_meet_is_looked_up_first(
    town: Context, kind: str, pairs: list[tuple[str, str]], rows: int
) -> None:
    query = reading.read((kind,), pairs, now=town.now)
    told = await finding.explain(town, query)
    assert len(told.found.matches) == rows
    (statement,) = told.statements
    assert rows_read(statement.plan["Plan"]) == rows


async def test_a_compartment_is_looked_up_first(town: Context) -> None:
    inside = reading.within_compartments(Link("p-9", ("Patient",)))
    told = await finding.explain(town, Query((), (inside,), count=PAGE))
    assert len(told.found.matches) == 3
    assert rows_read(told.statements[0].plan["Plan"]) == 3


async def test_the_newest_changes_are_read_and_no_more(town: Context) -> None:
    text = versions.EVERY.format(where="rid IS NOT NULL")
    types = ["Observation", "Patient"]
    values = {"types": types, "count": PAGE, "most": versions.share(PAGE)}
    rows = await (
        await town.db.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {text}", values)
    ).fetchall()
    read = rows_read(rows[0]["QUERY PLAN"][0]["Plan"])
    assert PAGE <= read <= PAGE * len(types)
