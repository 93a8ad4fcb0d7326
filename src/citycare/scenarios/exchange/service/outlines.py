"""What shortening a resource needs of the definitions, by shape; made when first met."""

from __future__ import annotations

from functools import cache

from citycare.kernel.fhir.definitions import structures
from citycare.kernel.fhir.r4.shapes import ANY_RESOURCE, Shape, shape
from citycare.scenarios.exchange.model.values import Outline


@cache
def outline(name: str) -> Outline:
    """Return the outline of a type or of an element's path.

    Below a shape none of whose own elements is called a summary element (Extension, Narrative)
    nothing can be chosen, so that it is kept whole.

    Raises:
        KeyError: R4 has none of this name.

    Source:
        HL7 FHIR R4 4.0.1: ElementDefinition.isSummary, isModifier, min of each definition.
    """
    known = shape(name)
    return Outline(
        elements={json: one.element for json, one in known.fields.items()},
        below={
            json: one.type
            for json, one in known.fields.items()
            if one.check is None and (one.type == ANY_RESOURCE or _chooses(shape(one.type)))
        },
        summary=frozenset(json for json, one in known.fields.items() if one.summary),
        mandatory=frozenset(json for _, names in known.required for json in names),
        modifiers=frozenset(json for json, one in known.fields.items() if one.modifier),
    )


@cache
def _inherited() -> frozenset[str]:
    """Return names every backbone element has."""
    return frozenset(
        name for base in ("Element", "BackboneElement") for name in structures()[base]["elements"]
    )


def _chooses(known: Shape) -> bool:
    return any(one.summary and one.element not in _inherited() for one in known.fields.values())
