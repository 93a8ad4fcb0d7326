"""A criterion against a resource: which values there are, and which comparison decides.

Source: HL7 FHIR R4 4.0.1 §3.1.1.4 search parameters, §3.1.1.4.17 composites.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from citycare.kernel.fhir.r4 import compartments
from citycare.kernel.fhir.searching.extracting import extractors
from citycare.kernel.fhir.searching.keys import target_of
from citycare.kernel.fhir.searching.meeting import ordered, worded
from citycare.kernel.fhir.searching.model import (
    Amount,
    Criterion,
    Link,
    Missing,
    Moment,
    Near,
    Number,
    ParamType,
    Parts,
    Text,
    Token,
    Uri,
    Value,
)
from citycare.kernel.fhir.searching.walking import Json
from citycare.kernel.fhir.searching.ways import Lane, belonging_of, lanes_for

COMPARTMENT = "_compartment"

OF_SETS = frozenset(("in", "not-in", "above", "below"))
TEXTS: Mapping[str, Callable[[str, Any, str], bool]] = {
    "": worded.begins,
    "contains": worded.contains,
    "exact": worded.same_text,
    "text": worded.named,
}
ADDRESSES: Mapping[str, Callable[[str, Any, str], bool]] = {
    "": worded.same_uri,
    "below": worded.below,
    "above": worded.above,
}
"""By modifier, from FHIR type, JSON and what is asked."""
Valued = tuple[Lane, str, Any]
"""A lane (of a reference: any of its parameter), and FHIR type and JSON of one of its values."""


def meets(criterion: Criterion, resource: Json, base: str = "") -> bool:
    """Tell whether a resource meets a criterion.

    Args:
        criterion: of a parameter that the resource's type has; see `reading` for its values.
        resource: as it is kept, with its id and `meta.lastUpdated`.
        base: the server's own address: references written with it lead here.

    Raises:
        ValueError: it looks beyond the resource: a chain, `:in`, `:not-in`, `:above` or `:below` of
            codes.
        KeyError: the type has no such parameter.
        TypeUnknown: R4 has no such type.
    """
    if criterion.chain is not None:
        raise ValueError(f"{criterion.param}: a chain")
    if criterion.param == COMPARTMENT:
        return any(
            _belongs(resource, asked, base) for asked in criterion.values if isinstance(asked, Link)
        )
    values = _values(resource, criterion)
    if criterion.modifier == "missing":
        there = next(values, None) is not None
        return any(
            isinstance(asked, Missing) and asked.missing != there for asked in criterion.values
        )
    if criterion.type is ParamType.TOKEN and criterion.modifier in OF_SETS:
        raise ValueError(f"{criterion.param}: a set of codes")
    modifier = criterion.modifier
    found = any(
        _parts_meet(lane, value, asked, resource, base)
        if lane.parts and isinstance(asked, Parts)
        else _met(lane, kind, value, asked, modifier, base)
        for lane, kind, value in values
        for asked in criterion.values
    )
    return found != (modifier == "not")


def _values(resource: Json, criterion: Criterion) -> Iterator[Valued]:
    """Yield the values; those of a reference as its own expression has them, with `resolve()`."""
    kind = resource["resourceType"]
    lanes = lanes_for(kind, criterion.param)
    if criterion.type is ParamType.REFERENCE:
        for told, value in extractors(kind)[criterion.param].values(resource):
            yield lanes[0][0], told, value
        return
    for lane, _ in lanes:
        for told, value in lane.values(resource):
            yield lane, told, value


def _parts_meet(lane: Lane, element: Any, asked: Parts, resource: Json, base: str) -> bool:
    """Tell whether one and the same element meets every part."""
    return all(
        any(
            _met(part, kind, value, wanted, "", base)
            for kind, value in part.values(element, resource)
        )
        for part, wanted in zip(lane.parts, asked.parts, strict=True)
    )


def _met(  # noqa: C901, PLR0911 - a line for each kind of value
    lane: Lane, kind: str, value: Any, asked: Value, modifier: str, base: str
) -> bool:
    """Tell whether a value meets what is asked, of which there is a kind for each comparison."""
    match asked:
        case Token() if modifier == "identifier":
            return worded.identified(value, asked)
        case Token():
            return worded.token_met(lane, kind, value, asked)
        case Link():
            return worded.leads(value, asked, base)
        case Moment():
            return ordered.date_met(kind, value, asked)
        case Text():
            return TEXTS[modifier](kind, value, asked.words)
        case Amount():
            return ordered.quantity_met(kind, value, asked)
        case Uri():
            return ADDRESSES[modifier](kind, value, asked.address)
        case Parts():
            return worded.of_type(kind, value, asked)
        case Number():
            return ordered.number_met(kind, value, asked)
        case Near():
            return ordered.near_met(value, asked)
    raise ValueError(f"{modifier}: {asked}")


def _belongs(resource: Json, asked: Link, base: str) -> bool:
    """Tell whether a resource belongs to a compartment: of itself, or as what it refers to."""
    kind = resource["resourceType"]
    if kind in asked.types and resource.get("id") == asked.id:
        return kind in compartments()
    for lane, kinds in belonging_of(kind).items():
        if not kinds.isdisjoint(asked.types):
            for _, value in lane.values(resource):
                text = value.get("reference") if type(value) is dict else None
                here = target_of(text, base) if isinstance(text, str) else None
                if here is not None and here[0] in kinds and worded.is_asked(here, asked):
                    return True
    return False
