"""Slices: which items are of one, how many there may be, and what is asked of them."""

from __future__ import annotations

from typing import Any

import pytest

from citycare.kernel.fhir.profiles import compiled, violations
from tests.kernel.fhir.profiles.test_rules import PULSE, defined, element, found, types

Json = dict[str, Any]


def sliced(path: str, *names: tuple[str, Json], by: str = "value", at: str, **more: Any) -> Json:
    """A profile that slices an element; each slice with what is asked: by the element below it."""
    slicing = {"discriminator": [{"type": by, "path": at}], "rules": "open"} | more
    every = [element(path, slicing=slicing)]
    for name, asked in names:
        every.append(element(path, sliceName=name, **asked.get("", {})))
        every += [element(f"{path}.{one}", **told) for one, told in asked.items() if one]
    return defined(*every)


def part(code: str, **own: Any) -> Json:
    return {"": own, "code.coding.code": {"fixedCode": code}}


CODE = "code.coding.code"
LIKE_A = {"patternCodeableConcept": {"coding": [{"code": "a"}]}}
SLICES: list[tuple[Json, list[tuple[str, str]]]] = [
    (sliced("component", ("a", part("a", min=1, max="1")), ("b", part("b")), at=CODE), []),
    (
        sliced("component", ("a", part("a")), ("b", part("b")), at=CODE, rules="closed"),
        [("component[2]", "profile-slice")],
    ),
    (sliced("component", ("z", part("z", min=1)), at=CODE), [("component", "profile-min")]),
    (sliced("component", ("a", part("a", max="0")), at=CODE), [("component", "profile-max")]),
    (
        sliced("component", ("a", part("a") | {"value[x]": {"max": "0"}}), at=CODE),
        [("component[0].value", "profile-max")],
    ),
    (
        sliced(
            "component", ("a", {"code": LIKE_A, "valueString": {"min": 1}}), by="pattern", at="code"
        ),
        [("component[0].valueInteger", "profile-type"), ("component[0].value", "profile-min")],
    ),
    (
        sliced("component", ("a", {"code": LIKE_A, "interpretation": {"min": 1}}), at=CODE),
        [("component[0].interpretation", "profile-min")],
    ),
    (
        sliced(
            "component",
            ("with", {"": {"max": "1"}, "value[x]": {"min": 1}}),
            ("without", {"value[x]": {"max": "0"}, "dataAbsentReason.coding": {"min": 1}}),
            by="exists",
            at="value",
        ),
        [("component", "profile-max"), ("component[2].dataAbsentReason.coding", "profile-min")],
    ),
    (
        sliced(
            "component",
            ("number", {"": {"max": "0"}, "value[x]": {"type": types("integer")}}),
            by="type",
            at="value",
        ),
        [("component", "profile-max")],
    ),
    (
        sliced(
            "value[x]",
            ("valueQuantity", {"": {"type": types("Quantity")}, "code": {"min": 1}}),
            by="type",
            at="$this",
        ),
        [("valueQuantity.code", "profile-min")],
    ),
    (
        sliced(
            "extension",
            ("a", {"": {"min": 1}, "url": {"fixedUri": "urn:e:a"}}),
            ("c", {"": {"min": 1}, "url": {"fixedUri": "urn:e:c"}}),
            at="url",
            rules="closed",
        ),
        [("extension[1]", "profile-slice"), ("extension", "profile-min")],
    ),
]


@pytest.mark.parametrize(("profile", "faults"), SLICES)
def test_slices(profile: Json, faults: list[tuple[str, str]]) -> None:
    assert found(profile) == [(f"Observation.{place}", code) for place, code in faults]


def test_an_extension_is_told_by_the_url_of_its_definition() -> None:
    own = [{"code": "Extension", "profile": ["urn:e:b|2"]}]
    asked = compiled(defined(element("extension", sliceName="b", type=own, max="0")))
    told = [(one.element, one.code) for one in violations(PULSE, asked)]
    assert told == [("Observation.extension", "profile-max")]
    assert asked.passed_over == ("Observation.extension:b: the definition urn:e:b|2 of its type",)


def test_a_slice_in_a_slice_tells_it_apart_too() -> None:
    asked = defined(
        element("component", slicing={"discriminator": [{"type": "value", "path": CODE}]}),
        element("component", sliceName="a", max="0"),
        element(
            "component.code.coding", slicing={"discriminator": [{"type": "value", "path": "code"}]}
        ),
        element("component.code.coding", sliceName="c", min=1),
        element("component.code.coding.code", fixedCode="a"),
    )
    assert found(asked) == [
        ("Observation.component", "profile-max"),
    ]
