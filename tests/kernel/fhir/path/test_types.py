"""The tables of types against the official definitions, and all official examples walked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from citycare.kernel import fhir
from citycare.kernel.fhir.definitions import RESOURCES
from citycare.kernel.fhir.path import compiled, types

Json = dict[str, Any]

TEXT_RESOURCES = types.PRIMITIVES - {
    *("boolean", "decimal", "integer", "positiveInt", "unsignedInt", "xhtml", "uuid", "oid")
} | {"xhtml"}
TEMPORAL = {"date", "dateTime", "instant"}


@pytest.fixture(scope="module")
def definitions(examples: list[tuple[str, str]]) -> list[Json]:
    """The definitions of R4's resources and types, without profiles."""
    found = [
        fhir.loads(text)
        for name, text in examples
        if name.startswith("StructureDefinition-") and '"snapshot"' in text
    ]
    return [
        each
        for each in found
        if each.get("derivation") != "constraint"
        and each["kind"] != "logical"
        and each["id"] == each["type"]
    ]


def elements(definition: Json) -> Iterator[tuple[str, set[str]]]:
    for element in definition["snapshot"]["element"][1:]:
        name = element["path"].rpartition(".")[2]
        codes = {each["code"].rpartition("/")[2] for each in element.get("type", ())}
        yield name, {"string" if code.startswith("System") else code for code in codes}


def types_of_texts(definitions: list[Json]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for definition in definitions:
        if definition["id"][0].isupper():
            for name, codes in elements(definition):
                if not name.endswith("[x]"):
                    found[name] |= codes & (TEXT_RESOURCES | {"oid", "uuid"})
    return found


@pytest.mark.outside_data
def test_names_of_texts_have_the_type_the_definitions_say(definitions: list[Json]) -> None:
    expected = {"start": "temporal"}  # a code in one type, a date in all others
    for name, codes in types_of_texts(definitions).items():
        if len(codes) == 1 and codes != {"string"}:
            expected[name] = next(iter(codes))
        elif len(codes) > 1 and codes <= TEMPORAL:
            expected[name] = "temporal"
    assert expected == types.TEXTS


@pytest.mark.outside_data
def test_types_derive_from_what_the_definitions_say(definitions: list[Json]) -> None:
    base = {
        each["id"]: each.get("baseDefinition", "").rpartition("/")[2]
        for each in definitions
        if each["kind"] in ("primitive-type", "complex-type")
    }
    assert set(base) - {"BackboneElement", "Element"} == types.PRIMITIVES | types.COMPLEX
    above = {kind: over for kind, over in base.items() if over not in ("Element", "")}
    backbone = {kind for kind, over in above.items() if over == "BackboneElement"}
    assert above == {**types.ABOVE, **dict.fromkeys(backbone, "BackboneElement")}
    assert {each["id"] for each in definitions if each["kind"] == "resource"} >= RESOURCES


@pytest.mark.outside_data
def test_every_official_example_is_walked_and_typed(examples: list[tuple[str, str]]) -> None:
    walk = compiled("descendants().where($this.is(string) or $this.is(Element)).count() >= 0")
    rooted = compiled("$this is Resource and type().name = resourceType")
    walked = 0
    for name, text in examples:
        if len(text) > 50_000 or name.partition("-")[0] not in RESOURCES:
            continue
        resource = fhir.loads(text)
        assert walk.evaluate(resource) == [True], name
        assert rooted.evaluate(resource) == [True], name
        walked += 1
    assert walked > 2_500
