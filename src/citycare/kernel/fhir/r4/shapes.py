"""Shapes made ready for checking: each JSON name of a type with what may stand there.

Made when a type is first met; a process that sees five types of resources holds five.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from citycare.kernel.fhir.definitions import RESOURCES, codes, invariants, structures
from citycare.kernel.fhir.path import Path, compiled
from citycare.kernel.fhir.r4.narrative import is_narrative
from citycare.kernel.fhir.r4.primitives import CHECKS, Check

ANY_RESOURCE = "Resource"
NATIVE = frozenset(("dom-2", "dom-3", "dom-4", "dom-5", "dom-6", "ref-1", "txt-1", "txt-2"))
"""Invariants held by the walk itself, which is faster than their expressions; and dom-6, advice
to write a narrative, which no machine that sends laboratory values follows."""
CODED = ("code", "Coding", "CodeableConcept", "Quantity", "string", "uri")
EXTENSION = "extension"
ADDRESSES = ("uri", "url", "canonical")  # what may lead to a contained resource


@dataclass(frozen=True, slots=True)
class Invariant:
    """A rule of a shape or an element."""

    key: str
    path: Path
    words: str
    warning: bool


@dataclass(frozen=True, slots=True)
class Field:
    """What may stand under one JSON name.

    Attributes:
        element: its name in the definition, without `[x]`.
        type: of the value: a primitive, a shape, or `Resource`.
        many: it is an array.
        check: of a primitive; None for an object.
        simple: the check is all there is to do, but for arrays.
        allowed: codes by system of a required binding; None: no binding that can be checked.
        targets: types a reference may lead to; empty: any.
        held: invariants of the element beyond those of its type.
        summary: it is one of the elements of summaries.
        modifier: it may alter what the rest means, so it must not be left out silently.
    """

    element: str
    type: str
    many: bool
    check: Check | None
    allowed: Mapping[str, frozenset[str]] | None
    targets: frozenset[str]
    held: tuple[Invariant, ...]
    summary: bool
    modifier: bool
    simple: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """One type, or one element with elements of its own.

    Attributes:
        fields: by JSON name: `valueQuantity`, not `value[x]`.
        required: each a name for messages and the JSON names of which one must be there.
        choices: JSON names of which at most one may be there.
        held: its invariants.
    """

    name: str
    resource: bool
    fields: Mapping[str, Field]
    required: tuple[tuple[str, tuple[str, ...]], ...]
    choices: tuple[tuple[str, tuple[str, ...]], ...]
    held: tuple[Invariant, ...]


@cache
def shape(name: str) -> Shape:
    """Return the shape of a type or of an element's path.

    Raises:
        KeyError: R4 has none of this name.
    """
    entry = structures()[name]
    above = entry.get("base")
    inherited = shape(above) if above in structures() else None
    fields: dict[str, Field] = dict(inherited.fields) if inherited else {}
    required = list(inherited.required) if inherited else []
    choices = list(inherited.choices) if inherited else []
    held = list(inherited.held) if inherited else []
    for element, told in entry["elements"].items():
        made = _fields(element, told)
        fields |= made
        bare = element.removesuffix("[x]")
        if told.get("m"):
            required.append((bare, (*made, *(f"_{one}" for one in made))))
        if len(made) > 1:
            choices.append((bare, tuple(made)))
    held += _invariants(entry.get("c", ()))
    return Shape(
        name, name in RESOURCES, fields, tuple(required), tuple(choices), tuple(held)
    )  # fmt: skip


def _fields(element: str, told: Mapping[str, Any]) -> dict[str, Field]:
    bare = element.removesuffix("[x]")
    made = {}
    for one in told["t"]:
        name = bare + one[0].upper() + one[1:] if element.endswith("[x]") else bare
        check, allowed = _check_of(one), _allowed(told.get("v"), one)
        held = tuple(_invariants(told.get("c", ())))
        made[name] = Field(
            bare, one, bool(told.get("n")), check, allowed,
            frozenset(told.get("r", ())) if one == "Reference" else frozenset(),
            held, bool(told.get("s")), bool(told.get("a")),
            simple=check is not None and allowed is None and not held and one not in ADDRESSES,
        )  # fmt: skip
    return made


def _check_of(name: str) -> Check | None:
    return is_narrative if name == "xhtml" else CHECKS.get(name)


@cache
def _allowed(value_set: str | None, kind: str) -> Mapping[str, frozenset[str]] | None:
    if value_set is None or kind not in CODED or value_set not in codes():
        return None
    found = {system: frozenset(some) for system, some in codes()[value_set].items()}
    return found if all(found.values()) else None


def _invariants(keys: Any) -> list[Invariant]:
    return [_invariant(key) for key in keys if key not in NATIVE]


@cache
def _invariant(key: str) -> Invariant:
    told = invariants()[key]
    return Invariant(key.partition(" ")[0], compiled(told["x"]), told["h"], bool(told.get("w")))
