"""Every search parameter of R4 gives the values that FHIRPath finds, and never an exception.

The oracle is the FHIRPath engine, on the same expressions but for two things R4's text leaves no
doubt about: `as` is written `ofType`, since it is applied to elements that repeat, where FHIRPath
forbids it; and `DateTime`, a slip in one definition, is `dateTime`. The parts of a union are
evaluated one by one, since FHIRPath leaves out what is equal, 1.0 g beside 1.00 g too, and an index
keeps both. Beyond these there is no difference on any example.
"""

from __future__ import annotations

import copy
import json
import random
import re
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citycare.kernel import fhir
from citycare.kernel.fhir.definitions import structures
from citycare.kernel.fhir.path import Hooks, compiled
from citycare.kernel.fhir.r4 import RESOURCES, parameters
from citycare.kernel.fhir.r4.shapes import Field, shape
from citycare.kernel.fhir.searching import extracting
from citycare.kernel.fhir.searching.extracting import Beyond, Extractor, Found, extractors
from citycare.kernel.fhir.searching.model import ParamType

Json = dict[str, Any]

TYPES = sorted(RESOURCES)
ANY = TYPES + ["Patient"] * len(TYPES)  # what expressions ask for most
PLAIN = ("Binary", "Bundle", "Parameters")
PLAIN_VALUES: dict[str, tuple[Any, ...]] = {
    "boolean": (True, False),
    "decimal": (Decimal("1.50"), 2, Decimal("-1E-7")),
    **dict.fromkeys(("integer", "positiveInt", "unsignedInt"), (1, 20, 300)),
}
OF_ALL = {"_id", "_lastUpdated", "_profile", "_security", "_source", "_tag"}
JUNK: tuple[Any, ...] = (
    None, True, 0, -1.5, Decimal("1E+9"), "", "#", "#x", "x/y/z", "Patient/", [], {}, [[]], [None],
    [{}], {"reference": 7}, {"reference": "#", "type": 3}, {"resourceType": []},
    "http://x//Patient/1",
)  # fmt: skip


def definitions(resource_type: str) -> dict[str, Json]:
    """The definitions of a type, told without the code under test."""
    above = ("Resource",) if resource_type in PLAIN else ("Resource", "DomainResource")
    found: dict[str, Json] = {}
    for kind in (*above, resource_type):
        found |= parameters().get(kind, {})
    return {code: one for code, one in found.items() if one["x"]}


# --- what is there


@pytest.mark.parametrize("resource_type", TYPES)
def test_every_parameter_of_every_type_is_compiled(resource_type: str) -> None:
    told = definitions(resource_type)
    made = extractors(resource_type)
    assert set(made) == set(told)
    assert set(made) >= OF_ALL
    for code, one in told.items():
        assert (made[code].code, made[code].type) == (code, one["t"])
        assert made[code].targets == set(one.get("r", ()))
        assert [part.code for part in made[code].parts] == [part[0] for part in one.get("p", ())]
        assert bool(made[code].parts) == (made[code].type is ParamType.COMPOSITE)


def test_only_parameters_without_expression_are_left_out() -> None:
    without = {c for table in parameters().values() for c, one in table.items() if not one["x"]}
    assert without == extracting.WITHOUT_VALUES


def test_a_type_is_compiled_once() -> None:
    assert extractors("Patient") is extractors("Patient")
    with pytest.raises(fhir.TypeUnknown):
        extractors("Nonsense")


@pytest.mark.parametrize(
    "expression",
    [
        "Patient.name.first()",
        "Patient.colour",
        "Encounter.status",
        "Patient.deceased as Quantity",
        "Patient.name.where(use != 'old')",
        "Patient.name.where(given = 'x')",
        "Patient.name.where(use = 1)",
        "Patient.name.where(resolve() is Patient)",
        "Patient.name[0].given[0]",
        "Patient.birthDate[0]",
        "Patient.active.exists()",
        "Patient.active.exists() and Patient.deceased != false",
        "Patient.active.exists() or Patient.active != false",
        "1 | 2",
        "%context.name",
    ],
)
def test_what_is_not_understood_is_refused(expression: str) -> None:
    with pytest.raises(Beyond):
        extracting._extractor("Patient", "x", {"t": "token", "x": expression})


# --- the oracle


def plainly(expression: str) -> list[str]:
    """The parts of an expression as FHIRPath must have them."""
    text = re.sub(r"\(([^()]*) as (\w+)\)", r"\1.ofType(\2)", expression)
    text = text.replace(".as(", ".ofType(").replace("DateTime", "dateTime")
    return re.split(r"\s+\|\s+", text)


def stub(reference: str) -> Json | None:
    found = re.search(r"(?:^|/)([A-Z]\w+)/[A-Za-z0-9.\-]+(?:/_history/[^/]+)?$", reference)
    return {"resourceType": found[1]} if found else None


HOOKS = Hooks(resolve=stub)


def by_fhirpath(expression: str, focus: Any, resource: Json) -> Counter[str]:
    return Counter(
        written(value)
        for part in plainly(expression)
        for value in compiled(part).evaluate(focus, resource=resource, hooks=HOOKS)
    )


def written(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def ours(found: list[Found]) -> Counter[str]:
    return Counter(written(value) for _, value in found)


def compare(resource: Json, seen: Counter[tuple[str, ...]]) -> Iterator[str]:
    """Yield what differs between the two, and count the values of each parameter."""
    kind = resource["resourceType"]
    told = told_once(kind)
    for code, one in extractors(kind).items():
        found = one.values(resource)
        seen[kind, code] += len(found)
        if ours(found) != by_fhirpath(told[code]["x"], resource, resource):
            yield f"{kind}.{code}: {found}"
        for _, value in found if one.parts else ():
            for part, (_, expression) in zip(one.parts, told[code]["p"], strict=True):
                inner = part.values(value, resource)
                seen[kind, code, part.code] += len(inner)
                if ours(inner) != by_fhirpath(expression, value, resource):
                    yield f"{kind}.{code}, {part.code}: {inner}"


told_once = cache(definitions)


@pytest.mark.outside_data
def test_official_examples_give_what_fhirpath_finds(examples: list[tuple[str, str]]) -> None:
    seen: Counter[tuple[str, ...]] = Counter()
    differ = []
    for name, text in examples:
        resource = fhir.loads(text)
        if resource.get("resourceType") in RESOURCES:  # the package's own description is none
            differ += [f"{name}: {each}" for each in compare(resource, seen)]
    assert differ == []
    assert len(seen) > 2_000
    assert sum(1 for count in seen.values() if count) > 1_500


# --- resources made from R4's structures: all elements that any parameter of the type names


def made(dice: random.Random, kind: str, names: frozenset[str], texts: list[str]) -> Json:
    fields = shape(kind).fields
    keys: dict[str, list[str]] = {}
    for key, field in fields.items():
        keys.setdefault(field.element, []).append(key)
    found: Json = {"resourceType": kind} if kind in RESOURCES else {"id": str(dice.random())}
    for key in [dice.choice(some) for element, some in keys.items() if element in names]:
        field = fields[key]
        if field.type == kind or dice.random() < 0.1:
            continue
        inner = [piece(dice, field, names, texts) for _ in range(dice.choice((1, 1, 2)))]
        found[key] = inner if field.many else inner[0]
    return found


def piece(dice: random.Random, field: Field, names: frozenset[str], texts: list[str]) -> Any:
    kind = field.type
    if kind == "Reference":
        return reference(dice, sorted(field.targets - {"Resource"}) or ANY)
    if kind == "Resource":
        return {"resourceType": dice.choice(("Composition", "MessageHeader"))}
    if structures()[kind]["kind"] != "primitive":
        return made(dice, kind, names, texts)
    if kind in PLAIN_VALUES:
        return dice.choice(PLAIN_VALUES[kind])
    return dice.choice(texts) if dice.random() < 0.5 else f"t{dice.randrange(10_000)}"


def reference(dice: random.Random, targets: list[str]) -> Json:
    kind = dice.choice(targets)
    texts = (f"{kind}/1", f"https://a.example/r4/{kind}/x-1/_history/2", "#in", "urn:uuid:0", "#")
    return {
        "reference": dice.choice(texts[: dice.choice((1, 2, 5))]),
        "display": str(dice.random()),
    }


@cache
def vocabulary(kind: str) -> tuple[frozenset[str], list[str]]:
    words = [
        text
        for one in told_once(kind).values()
        for text in (one["x"], *(part[1] for part in one.get("p", ())))
    ]
    names = {name for text in words for name in re.findall(r"\b[a-z]\w*", text)}
    quoted = {name for text in words for name in re.findall(r"'([^']*)'", text)}
    return frozenset(names - {"contained"}), sorted(quoted | {"x"})


def made_resource(dice: random.Random, kind: str) -> Json:
    resource = made(dice, kind, *vocabulary(kind))
    if kind not in PLAIN:
        resource["contained"] = [made(dice, "Patient", *vocabulary("Patient")) | {"id": "in"}]
    return resource


@pytest.mark.parametrize("kind", TYPES)
def test_resources_of_every_shape_give_what_fhirpath_finds(kind: str) -> None:
    dice = random.Random(kind)
    seen: Counter[tuple[str, ...]] = Counter()
    for _ in range(60):
        resource = made_resource(dice, kind)
        assert list(compare(resource, seen)) == []
    assert [param for param, count in seen.items() if not count] == []


# --- hostile data


def mutated(dice: random.Random, value: Any) -> Any:
    if dice.random() < 0.1:
        return copy.deepcopy(dice.choice(JUNK))
    if dice.random() < 0.05:
        return [value]
    if isinstance(value, dict):
        return {key: mutated(dice, inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [mutated(dice, inner) for inner in value]
    return value


def every_value(extractor: Extractor, resource: Any) -> Iterator[Found]:
    for found in extractor.values(resource):
        yield found
        for part in extractor.parts:
            yield from part.values(found[1], resource)


@given(st.sampled_from(TYPES), st.randoms(use_true_random=False))
@settings(max_examples=300)
def test_broken_data_gives_nothing_but_values_of_their_type(kind: str, dice: random.Random) -> None:
    resource = mutated(dice, made_resource(dice, kind))
    for extractor in extractors(kind).values():
        for told, value in every_value(extractor, resource):
            primitive = structures()[told]["kind"] == "primitive"
            assert isinstance(value, dict) != primitive
            assert not isinstance(value, list)
            assert value is not None


@pytest.mark.parametrize("junk", [None, 1, "x", [], [{}], {}, True])
def test_what_is_no_object_has_no_values(junk: Any) -> None:
    for extractor in extractors("Observation").values():
        assert extractor.values(junk) == ([("Observation", {})] if whole(extractor, junk) else [])
        for part in extractor.parts:
            assert part.values(junk) == part.values({}, junk) == []


def whole(extractor: Extractor, junk: Any) -> bool:
    """Composites whose value is the Observation itself."""
    return junk == {} and bool(extractor.parts) and not extractor.code.startswith("component")


# --- by example

WEIGHT: Json = {"value": Decimal("72.50"), "system": "http://unitsofmeasure.org", "code": "kg"}
CODE: Json = {"coding": [{"code": "29463-7"}]}


def values(kind: str, code: str, **elements: Any) -> list[Found]:
    return extractors(kind)[code].values({"resourceType": kind, **elements})


def test_a_choice_tells_its_type() -> None:
    assert values("Observation", "value-quantity", valueQuantity=WEIGHT) == [("Quantity", WEIGHT)]
    assert values("Observation", "date", effectivePeriod={}) == [("Period", {})]
    assert values("Observation", "date", effectiveDateTime="2026") == [("dateTime", "2026")]
    assert values("Condition", "onset-age", onsetAge=WEIGHT) == [("Age", WEIGHT)]
    assert values("Group", "value", characteristic=[{"valueBoolean": False}]) == [
        ("boolean", False)
    ]


def test_whoever_is_not_said_to_be_dead_is_alive() -> None:
    assert values("Patient", "deceased") == [("boolean", False)]
    assert values("Patient", "deceased", deceasedBoolean=False) == [("boolean", False)]
    assert values("Patient", "deceased", deceasedBoolean=True) == [("boolean", True)]
    assert values("Patient", "deceased", deceasedDateTime="2026") == [("boolean", True)]
    assert values("Patient", "deceased", _deceasedBoolean={"id": "unknown"}) == []


@pytest.mark.parametrize(
    ("reference", "there"),
    [
        ({"reference": "Patient/1"}, True),
        ({"reference": "Patient/1/_history/2"}, True),
        ({"reference": "https://hospital.example/fhir/Patient/1"}, True),
        ({"reference": "Group/1"}, False),
        ({"reference": "Group/1", "type": "Patient"}, False),
        ({"reference": "https://hospital.example/Patient/1/more"}, False),
        ({"reference": "Patient"}, False),
        ({"reference": "urn:uuid:1"}, False),
        ({"reference": "urn:uuid:1", "type": "Patient"}, True),
        ({"type": "Patient", "identifier": {"value": "1"}}, True),
        ({"identifier": {"value": "1"}}, False),
        ({"reference": "#p"}, True),
        ({"reference": "#g"}, False),
        ({"reference": "#nobody"}, False),
    ],
)
def test_where_a_reference_leads(reference: Json, *, there: bool) -> None:
    inside = [{"resourceType": "Patient", "id": "p"}, {"resourceType": "Group", "id": "g"}]
    found = values("Observation", "patient", subject=reference, contained=inside)
    assert found == ([("Reference", reference)] if there else [])


def test_parts_of_a_composite_belong_to_one_value() -> None:
    resource = {
        "resourceType": "Observation",
        "code": {"text": "血压"},
        "component": [
            {"code": {"text": "收缩压"}, "valueQuantity": WEIGHT},
            {"code": {"text": "舒张压"}, "valueString": "没量"},
        ],
    }
    composite = extractors("Observation")["combo-code-value-quantity"]
    assert [
        (kind, *(part.values(value, resource) for part in composite.parts))
        for kind, value in composite.values(resource)
    ] == [
        ("Observation", [("CodeableConcept", {"text": "血压"})], []),
        (
            "Observation.component",
            [("CodeableConcept", {"text": "收缩压"})],
            [("Quantity", WEIGHT)],
        ),
        ("Observation.component", [("CodeableConcept", {"text": "舒张压"})], []),
    ]


def test_a_part_may_look_at_the_whole_resource() -> None:
    resource = {
        "resourceType": "MolecularSequence",
        "referenceSeq": {"chromosome": CODE},
        "variant": [{"start": 3}],
    }
    composite = extractors("MolecularSequence")["chromosome-variant-coordinate"]
    ((_, variant),) = composite.values(resource)
    assert [part.values(variant, resource) for part in composite.parts] == [
        [("CodeableConcept", CODE)],
        [("integer", 3)],
        [],
    ]


def test_what_is_contained_is_not_searched() -> None:
    inside = [{"resourceType": "Patient", "id": "p", "name": [{"family": "示例"}]}]
    assert values("Observation", "_id", contained=inside) == []
    assert values("Patient", "family", contained=inside) == []
