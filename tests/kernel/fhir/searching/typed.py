"""A copy of a resource in which every value knows its R4 type.

The FHIRPath engine tells types by names and shapes; a comparison needs the one the definitions
give: `code` or `string`, `decimal` or `integer`, and the systems of a required binding. So each
value becomes an instance of a subclass that carries both, and the engine hands these back.

Source: HL7 FHIR R4 4.0.1, StructureDefinitions, as `kernel.fhir.r4` has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from citycare.kernel.fhir.r4.shapes import ANY_RESOURCE, Field, shape

Allowed = Mapping[str, frozenset[str]]


class Thing(dict[str, Any]):
    """An object of a known type; `targets`: what a Reference may lead to, empty for anything."""

    kind: str = ""
    allowed: Allowed | None = None
    targets: frozenset[str] = frozenset()


class Word(str):  # noqa: SLOT000 - a few thousand of them in a test
    """A text of a known type; `allowed`: codes by system of its required binding."""

    kind: str = ""
    allowed: Allowed | None = None


class Whole(int):
    """A JSON number without a point; `kind` may still be `decimal`."""

    kind: str = ""
    allowed: Allowed | None = None


class Exact(Decimal):
    """A JSON number with a point."""

    kind: str = ""
    allowed: Allowed | None = None


CLASSES = {dict: Thing, str: Word, int: Whole, Decimal: Exact}


def typed(resource: Mapping[str, Any]) -> Thing:
    """Return the copy. Elements R4 does not know stay as they are, without a type."""
    kind = resource["resourceType"]
    made = Thing(_inside(resource, kind))
    made.kind = kind
    return made


def kind_of(value: Any) -> str:
    """Return the R4 type of a value the engine gave back."""
    if isinstance(value, bool):  # cannot be subclassed
        return "boolean"
    return getattr(value, "kind", "")


def _inside(value: Mapping[str, Any], kind: str) -> dict[str, Any]:
    fields = shape(kind).fields
    return {
        name: _marked(inner, fields[name]) if name in fields else inner
        for name, inner in value.items()
    }


def _marked(value: Any, field: Field) -> Any:
    if isinstance(value, list):
        return [_marked(each, field) for each in value]
    kind = field.type
    if isinstance(value, dict):
        if kind == ANY_RESOURCE:
            return typed(value)
        value = _inside(value, kind)
    if isinstance(value, float):
        value = Decimal(str(value))
    if type(value) not in CLASSES:  # bool, None
        return value
    made = CLASSES[type(value)](value)
    made.kind, made.allowed = kind, field.allowed
    if isinstance(made, Thing):
        made.targets = field.targets
    return made
