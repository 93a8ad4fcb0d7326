"""A resource shortened: `_summary` and `_elements`, marked as SUBSETTED.

Summary elements are those the definitions call so, at every level; extensions are none, so they are
left out. With `_elements`, and in the text summary, what is mandatory comes as well. What may alter
the meaning of the rest (`MedicationRequest.doNotPerform`, `modifierExtension`) is never left out.

Source: HL7 FHIR R4 4.0.1 §3.1.1 Search ("Summary", "Elements"); ElementDefinition.isSummary,
isModifier; v3 ObservationValue SUBSETTED.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from citycare.scenarios.exchange.model.values import Outline, Outlines

Json = dict[str, Any]

SYSTEM = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"
CODE = "SUBSETTED"
TRUE, TEXT, DATA = "true", "text", "data"
ALWAYS = frozenset(("resourceType", "id", "meta", "implicitRules"))
RESOURCE = "Resource"
DEPTH_MAX = 130


def summarised(resource: Json, summary: str, outlines: Outlines) -> Json:
    """Return what a summary keeps of a resource.

    Args:
        resource: a right one; not changed.
        summary: `true`, `text` or `data`.
        outlines: of the definitions.

    Raises:
        ValueError: it is another summary; `count` has no resources.

    Source: HL7 FHIR R4 4.0.1 §3.1.1.5.8 summary.
    """
    outline = outlines(resource["resourceType"])
    if summary == TRUE:
        return marked(_summary(resource, outlines, 0))
    if summary == TEXT:
        kept = ALWAYS | {"text"} | outline.mandatory | outline.modifiers
        return marked(_kept(resource, outline, kept))
    if summary == DATA:
        return marked({name: one for name, one in resource.items() if name != "text"})
    raise ValueError(f"no such summary: {summary}")


def shortened(resource: Json, elements: Collection[str], outlines: Outlines) -> Json:
    """Return the elements that were asked for, and those that must not be missed.

    Args:
        resource: a right one; not changed.
        elements: names at its top: `value` and `valueQuantity` mean the same.
        outlines: of the definitions.

    Source: HL7 FHIR R4 4.0.1 §3.1.1.5.9 elements.
    """
    outline = outlines(resource["resourceType"])
    asked = {name for name, element in outline.elements.items() if element in elements}
    kept = ALWAYS | outline.mandatory | outline.modifiers | asked.union(elements)
    return marked(_kept(resource, outline, kept))


def marked(resource: Json) -> Json:
    """Return the resource with the tag that says that it is not the whole.

    Source: HL7 FHIR R4 4.0.1 §3.1.1.5.8 (SUBSETTED).
    """
    meta = resource.get("meta", {})
    tags = meta.get("tag", [])
    if any(one.get("system") == SYSTEM and one.get("code") == CODE for one in tags):
        return resource
    tag = {"system": SYSTEM, "code": CODE}
    head = {name: one for name, one in resource.items() if name in ("resourceType", "id")}
    return head | {"meta": {**meta, "tag": [*tags, tag]}} | {
        name: one for name, one in resource.items() if name != "meta"
    }  # fmt: skip


def _kept(resource: Json, outline: Outline, kept: Collection[str]) -> Json:
    """Return some elements, each with the ids and extensions of its primitives (`_name`)."""
    return {
        name: one
        for name, one in resource.items()
        if name in kept or (name[:1] == "_" and name[1:] in kept and name[1:] in outline.elements)
    }


def _summary(value: Json, outlines: Outlines, depth: int, shape: str = "") -> Json:
    """Keep the summary elements of an object and of what is below."""
    outline = outlines(shape or value["resourceType"])
    made: Json = {}
    for name, one in value.items():
        bare = name.removeprefix("_")
        if name == "resourceType":
            made[name] = one
        elif bare not in outline.summary and bare not in outline.modifiers:
            continue
        elif name != bare or not (below := outline.below.get(name, "")) or depth == DEPTH_MAX:
            made[name] = one
        elif (short := _below(one, outlines, depth, below)) not in ({}, []):
            made[name] = short
    return made


def _below(value: Any, outlines: Outlines, depth: int, below: str) -> Any:
    shape = "" if below == RESOURCE else below
    if type(value) is list:
        every = (_summary(one, outlines, depth + 1, shape) for one in value)
        return [one for one in every if one]
    return _summary(value, outlines, depth + 1, shape)
