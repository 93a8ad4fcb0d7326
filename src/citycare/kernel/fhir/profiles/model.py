"""A profile as rules: only what it asks beyond R4, so most elements have none.

Source: HL7 FHIR R4 4.0.1 ElementDefinition (meaning of each part), §5.1.0.13 Discriminator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from citycare.kernel.fhir.path import Path

Json = dict[str, Any]

STRUCTURES = "http://hl7.org/fhir/StructureDefinition/"
ELEMENTS_MAX = 2_000
SLICES_MAX = 200
BASES_MAX = 10
DEPTH_MAX = 60
NAME_MAX = 200  # of an element with its slice


class Unfit(Exception):
    """This StructureDefinition is none that resources can be held to; the reason is its text.

    It never leaves the kernel: callers are told the reason.
    """


@dataclass(frozen=True, slots=True)
class Held:
    """A constraint of severity error."""

    key: str
    path: Path
    words: str


@dataclass(frozen=True, slots=True)
class Expected:
    """What a value must be: the very same, or (a pattern) hold at least this."""

    value: Any
    whole: bool


@dataclass(frozen=True, slots=True)
class Test:
    """What tells that an item is of a slice: what stands at `steps` below it.

    Attributes:
        steps: names of elements; none: the item itself.
        kind: value, exists, type.
        any_of: of a value, one of these; of exists, whether; of a type, one of its names.
    """

    steps: tuple[str, ...]
    kind: str
    any_of: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """What a profile asks of one element; nothing where R4 asks as much.

    Attributes:
        name: of the element, without `[x]`.
        kinds: its names in JSON to the type each has.
        least: how many there must be.
        most: how many there may be; None: as many as R4 allows.
        types: that a choice, or a resource, may have; None: all of R4's.
        targets: types a reference may lead to; None: all of R4's.
        expected: by fixed[x] and pattern[x].
        value_set: canonical of the required binding; empty: none beyond R4's.
        held: constraints.
        inner: of its elements.
        slices: of its items.
        closed: each item must be of one of the slices.
    """

    name: str
    kinds: Mapping[str, str]
    least: int = 0
    most: int | None = None
    types: frozenset[str] | None = None
    targets: frozenset[str] | None = None
    expected: tuple[Expected, ...] = ()
    value_set: str = ""
    held: tuple[Held, ...] = ()
    inner: tuple[Rule, ...] = ()
    slices: tuple[Slice, ...] = ()
    closed: bool = False

    def asks(self) -> bool:
        """Tell whether there is anything to check."""
        return bool(
            self.least
            or self.most is not None
            or self.types is not None
            or self.targets is not None
            or self.expected
            or self.value_set
            or self.held
            or self.inner
            or self.slices
            or self.closed
        )


@dataclass(frozen=True, slots=True)
class Slice:
    """Some of the items of an element: those that pass all tests, and what is asked of them."""

    name: str
    tests: tuple[Test, ...]
    rule: Rule


@dataclass(frozen=True, slots=True)
class Profile:
    """A StructureDefinition, ready for checks.

    Attributes:
        url: its canonical, without version.
        type: of resources.
        root: rules of the resource itself.
        passed_over: what it asks and is not checked, each with its place, in English.
    """

    url: str
    type: str
    root: Rule
    passed_over: tuple[str, ...] = ()
