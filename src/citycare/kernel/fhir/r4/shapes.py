"""Shapes made ready for checking: each JSON name of a type with what may stand there.

Made when a type is first met; a process that sees five types of resources holds five.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from citycare.kernel.fhir.definitions import RESOURCES, codes, invariants, structures
from citycare.kernel.fhir.path import Path, compiled
from citycare.kernel.fhir.r4 import sparing
from citycare.kernel.fhir.r4.narrative import is_narrative
from citycare.kernel.fhir.r4.primitives import CHECKS, Check

ANY_RESOURCE = "Resource"
NATIVE = frozenset(("dom-2", "dom-3", "dom-4", "dom-5", "dom-6", "ref-1", "txt-1", "txt-2"))
"""Invariants held by the walk itself, which is faster than their expressions; and dom-6, advice
to write a narrative, which no machine that sends laboratory values follows."""
CODED = ("code", "Coding", "CodeableConcept", "Quantity", "string", "uri")
EXTENSION = "extension"
ADDRESSES = ("uri", "url", "canonical")  # what may lead to a contained resource
SEEN_MAX = 4_096
SEEN_LENGTH_MAX = 100
"""Of each type so many texts, so long, are known to be right: systems, codes, units, days recur."""


@dataclass(frozen=True, slots=True)
class Invariant:
    """A rule of a shape or an element; `spares`: where it plainly holds (see `sparing`)."""

    key: str
    path: Path
    words: str
    warning: bool
    spares: Callable[[Mapping[str, Any]], bool]


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
        seen: texts known to be right, of which nothing else is to be noted; of a code all there
            are, of most other types those met before.
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
    seen: set[str] = field(default_factory=set, compare=False, repr=False)

    def remember(self, value: Any) -> None:
        """Note a value that was right, if it is a short text."""
        if type(value) is str and len(value) <= SEEN_LENGTH_MAX:
            if len(self.seen) >= SEEN_MAX:
                self.seen.clear()
            self.seen.add(value)


@dataclass(frozen=True, slots=True)
class Shape:
    """One type, or one element with elements of its own.

    Attributes:
        fields: by JSON name: `valueQuantity`, not `value[x]`.
        required: each a name for messages and the JSON names of which one must be there.
        choices: JSON names of which at most one may be there, but for its `_name`.
        held: its invariants.
        whole: there is something that no element alone tells.
    """

    name: str
    resource: bool
    fields: Mapping[str, Field]
    required: tuple[tuple[str, tuple[str, ...]], ...]
    choices: tuple[tuple[str, frozenset[str]], ...]
    held: tuple[Invariant, ...]
    whole: bool


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
            choices.append((bare, frozenset((*made, *(f"_{one}" for one in made)))))
    held += _invariants(entry.get("c", ()))
    whole = bool(required or choices or name == "Extension")
    return Shape(
        name, name in RESOURCES, fields, tuple(required), tuple(choices), tuple(held), whole
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
            seen=set() if held else _seen(one) if allowed is None else _codes(told["v"], one),
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


@cache
def _seen(_: str) -> set[str]:
    """Return the texts of a type that were right before: one set for all its elements."""
    return set()


@cache
def _codes(value_set: str, kind: str) -> set[str]:
    """Return all codes of a binding, of whatever system: of a code they are all that is asked."""
    allowed = _allowed(value_set, kind) if kind == "code" else None
    return set().union(*(allowed or {}).values())


def _invariants(keys: Any) -> list[Invariant]:
    return [_invariant(key) for key in keys if key not in NATIVE]


@cache
def _invariant(key: str) -> Invariant:
    told = invariants()[key]
    path = compiled(told["x"])
    return Invariant(
        key.partition(" ")[0], path, told["h"], bool(told.get("w")), sparing.sparing(path.ast)
    )  # fmt: skip
