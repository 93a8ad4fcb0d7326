"""The generated resources are right and linked, and the generated queries reach them."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from citycare.kernel import fhir
from citycare.kernel.fhir.r4 import faults
from citycare.kernel.fhir.searching.model import (
    Amount,
    Criterion,
    Having,
    Moment,
    Number,
    ParamType,
    Prefix,
)
from tests.kernel.fhir.searching.asked import member, queries
from tests.kernel.fhir.searching.made import KINDS, resources
from tests.kernel.fhir.searching.oracle import Oracle

Json = dict[str, Any]

TOWNS = 100
ASKED_OF_EACH = 10
HITS_MIN = 0.3

plain = settings(
    max_examples=TOWNS,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.data_too_large],
)


@settings(plain, max_examples=50)
@given(resources())
def test_resources_are_right(town: list[Json]) -> None:
    assert [each for one in town for each in faults(one)] == []
    assert len({(one["resourceType"], one["id"]) for one in town}) == len(town)


@settings(plain, max_examples=50)
@given(resources())
def test_resources_come_back_from_json_as_they_were(town: list[Json]) -> None:
    for one in town:
        text = fhir.dumps(one)
        assert fhir.loads(text) == one
        assert fhir.dumps(fhir.loads(text)) == text


def test_resources_of_every_kind_with_every_form_and_links() -> None:
    seen: Counter[str] = Counter()

    @plain
    @given(resources())
    def look(town: list[Json]) -> None:
        keys = {f"{one['resourceType']}/{one['id']}" for one in town}
        for one in town:
            seen[one["resourceType"]] += 1
            seen.update(list(one))
            for link in _references(one):
                seen["here" if link in keys else "not here"] += 1

    look()
    assert all(seen[kind] for kind in KINDS)
    forms = "Quantity CodeableConcept String Boolean Integer Range Ratio SampledData Time Period"
    assert all(seen[f"value{form}"] for form in forms.split())
    assert seen["effectiveTiming"]
    assert seen["onsetAge"]
    assert seen["component"]
    assert seen["here"] > seen["not here"]


def _references(value: Any) -> list[str]:
    if isinstance(value, list):
        return [found for each in value for found in _references(each)]
    if not isinstance(value, dict):
        return []
    own = [value["reference"]] if isinstance(value.get("reference"), str) else []
    return own + [found for each in value.values() for found in _references(each)]


def test_queries_reach_what_there_is() -> None:
    asked, hits, some = 0, 0, 0
    ways: Counter[Any] = Counter()
    met: Counter[Any] = Counter()

    @plain
    @given(st.data())
    def look(data: st.DataObject) -> None:
        nonlocal asked, hits, some
        town = data.draw(resources())
        oracle = Oracle(town, member=member)
        for _ in range(ASKED_OF_EACH):
            query = data.draw(queries(town))
            matches = oracle.matches(query)
            every = sum(not query.types or one["resourceType"] in query.types for one in town)
            asked += 1
            hits += bool(matches)
            some += 0 < len(matches) < every
            for criterion in query.criteria:
                ways.update(_ways(criterion))
                met.update(_ways(criterion) if matches else ())
            if oracle.included(query, matches):
                met["included"] += 1

    look()
    assert hits / asked > HITS_MIN
    assert some / asked > HITS_MIN / 2  # neither none nor all of a type
    assert hits < asked
    wanted: list[Any] = [*ParamType, *((ParamType.DATE, each) for each in Prefix)]
    wanted += ["exact", "contains", "missing", "not", "text", "identifier", "above", "below"]
    wanted += ["in", "not-in", "chain", "having", "included"]
    assert [one for one in wanted if not met[one]] == []
    seldom = ["of-type", *((ParamType.QUANTITY, each) for each in Prefix)]
    assert [one for one in seldom if not ways[one]] == []


def _ways(criterion: Criterion | Having) -> set[Any]:
    if isinstance(criterion, Having):
        return {"having"}
    found: set[Any] = {criterion.modifier, "chain" if criterion.chain else criterion.type}
    for value in criterion.values:
        if isinstance(value, Moment | Number):
            found.add((criterion.type, value.prefix))
        elif isinstance(value, Amount):
            found.add((criterion.type, value.number.prefix))
    return found


@settings(plain, max_examples=60)
@given(st.data())
def test_what_is_found_does_not_hang_on_the_order_of_the_resources(data: st.DataObject) -> None:
    town = data.draw(resources())
    query = data.draw(queries(town))
    before = json.dumps(town, default=str)
    one, other = (Oracle(each, member=member) for each in (town, town[::-1]))
    matches = one.matches(query)
    assert matches == other.matches(query)
    assert one.included(query, matches) == other.included(query, matches)
    assert json.dumps(town, default=str) == before
