"""The index on broken data and on many resources: no exception, and how much it is."""

from __future__ import annotations

import bz2
import random
import time
from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citycare.kernel import fhir
from citycare.kernel.fhir.r4 import RESOURCES
from citycare.kernel.fhir.searching.indexing import Indexed, indexed
from citycare.kernel.fhir.searching.ways import ways_of
from tests.kernel.fhir.conftest import DATA
from tests.kernel.fhir.searching import made
from tests.kernel.fhir.searching.test_extracting import made_resource, mutated

Json = dict[str, Any]
SYNTHEA = DATA / "fhir" / "synthea"
KG = {"value": Decimal("72.50"), "system": made.UCUM, "code": "kg", "unit": "公斤"}


def index(kind: str, **elements: Any) -> Indexed:
    return indexed({"resourceType": kind, **elements}, made.BASE)


# --- broken data


@given(st.sampled_from(sorted(RESOURCES)), st.randoms(use_true_random=False))
@settings(max_examples=300)
def test_broken_data_is_indexed_as_far_as_it_goes(kind: str, dice: random.Random) -> None:
    resource = mutated(dice, made_resource(dice, kind))
    if not isinstance(resource, dict) or resource.get("resourceType") != kind:
        resource = {"resourceType": kind}
    found = indexed(resource)
    assert list(found.keys) == sorted(set(found.keys))
    assert all(-(2**63) <= key < 2**63 for key in found.keys)
    assert all(-(2**31) <= row.way < 2**31 for row in found.measures)
    assert not any(row.low != row.low or row.high != row.high for row in found.measures)
    assert found.present < 1 << len(ways_of(kind))


@pytest.mark.parametrize(
    "value", [Decimal("1E+999999999"), Decimal("-1E-999999999"), Decimal("NaN"), float("inf"),
              10**4000, True, "5", Decimal(1) / 3],
)  # fmt: skip
def test_odd_numbers_harm_nothing(value: Any) -> None:
    index("Observation", valueQuantity=KG | {"value": value})


def test_half_a_character_harms_nothing() -> None:
    assert index("Patient", name=[{"family": "\ud800"}], gender="\udfff", id="x").keys


# --- how much


@pytest.fixture(scope="module")
def synthea() -> dict[str, list[Json]]:
    if not SYNTHEA.exists():
        pytest.skip(f"outside data missing: {SYNTHEA}")
    found: dict[str, list[Json]] = defaultdict(list)
    for path in sorted(SYNTHEA.glob("*.bz2")):
        for entry in fhir.loads(bz2.decompress(path.read_bytes()).decode())["entry"]:
            found[entry["resource"]["resourceType"]].append(entry["resource"])
    return found


@pytest.mark.outside_data
def test_sizes_and_time(
    synthea: dict[str, list[Json]], record_property: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = []
    for kind, keys_max in (("Observation", 30), ("Patient", 400), ("Encounter", 40)):
        some = synthea[kind][:4_000]
        best = min(_timed(some) for _ in range(3))
        found = [indexed(one) for one in some]
        average = sum(len(one.keys) for one in found) / len(found)
        rows = sum(len(one.measures) for one in found) / len(found)
        record_property(kind, average)
        lines.append(f"{kind}: {average:.1f} keys, {rows:.1f} measures, {best:.0f} µs")
        assert average < keys_max
    with capsys.disabled():
        print("\n" + "\n".join(lines))  # noqa: T201 - what the test is for


def _timed(some: list[Json]) -> float:
    start = time.perf_counter()
    for one in some:
        indexed(one)
    return (time.perf_counter() - start) / len(some) * 1e6
