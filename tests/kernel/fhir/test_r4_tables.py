"""The tables against the official definitions themselves, which are among the official examples.

The package they are compiled from is another party's, who has changed things here and there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from citycare.kernel.fhir.definitions import codes, generate, invariants, structures
from citycare.kernel.fhir.r4 import compartments, parameters

Json = dict[str, Any]

pytestmark = pytest.mark.outside_data

MENDED = {  # rules the package has mended, as later versions of FHIR have them
    "app-4": "says `no-show`, which is no code of the status",
    "bdl-8": "of an entry without fullUrl it says nothing",
    "tim-9": "fails where there is more than one `when`",
}
TARGETS = {  # the package is the stricter, but for MeasureReport
    "patient": "a patient is no Group",
    "subject": "MeasureReport: of types its element cannot refer to",
}


@pytest.fixture(scope="module")
def official(examples: list[tuple[str, str]]) -> Mapping[str, Mapping[str, Json]]:
    """The definitions by kind and address."""
    found: dict[str, dict[str, Json]] = {}
    for name, text in examples:
        kind = name.partition("-")[0]
        if kind.startswith(("StructureDef", "SearchParam", "CompartmentDef", "ValueS", "CodeS")):
            one = json.loads(text)
            if one.get("url", "").startswith("http") and "example" not in one["url"]:
                found.setdefault(kind, {})[one["url"]] = one
    return found


def shapes_of(official: Mapping[str, Mapping[str, Json]]) -> tuple[Json, Json, set[str]]:
    return generate.structures(
        one
        for url, one in official["StructureDefinition"].items()
        if url.startswith(generate.STRUCTURES) and one.get("fhirVersion") == generate.VERSION
    )


def test_structures_are_the_official_ones(official: Mapping[str, Mapping[str, Json]]) -> None:
    shapes, _, _ = shapes_of(official)
    assert set(shapes) == set(structures())
    assert {name for name, one in shapes.items() if one != structures()[name]} == set()


def test_invariants_are_the_official_ones(official: Mapping[str, Mapping[str, Json]]) -> None:
    _, rules, _ = shapes_of(official)
    table = invariants()
    assert set(rules) == set(table)
    corrected = set(generate.CORRECTED)
    assert {key for key, one in rules.items() if one != table[key]} - corrected == set(MENDED)


def test_codes_of_required_bindings_are_the_official_ones(
    official: Mapping[str, Mapping[str, Json]],
) -> None:
    sets, systems = official["ValueSet"], official["CodeSystem"]
    compared = 0
    for url, table in codes().items():
        for part in sets[url]["compose"]["include"] if url in sets else ():
            if part["system"] in systems or "concept" in part:
                compared += 1
                assert set(generate._included(part, systems)) <= set(table[part["system"]]), url
    assert compared > 200


def test_parameters_are_the_official_ones(official: Mapping[str, Mapping[str, Json]]) -> None:
    resources = {name for name, one in structures().items() if one["kind"] == "resource"}
    found = [one for one in official["SearchParameter"].values() if one.keys() >= {"base", "code"}]
    theirs = generate.parameters(found, resources)
    for name, table in parameters().items():
        assert set(table) - set(theirs[name]) == set()
        for code, one in table.items():
            other = theirs[name][code]
            same = {key: each for key, each in one.items() if key != "r" or code not in TARGETS}
            assert {key: other[key] for key in same} == same
        for code in set(theirs[name]) - set(table) - {"_filter"}:  # of extensions, not of R4's own
            assert "extension" in theirs[name][code]["d"] + theirs[name][code]["x"]


def test_compartments_are_the_official_ones(official: Mapping[str, Mapping[str, Json]]) -> None:
    found = official["CompartmentDefinition"].values()
    assert generate.compartments(found) == compartments()
