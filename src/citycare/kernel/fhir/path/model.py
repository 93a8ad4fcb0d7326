"""Values, errors and limits of FHIRPath.

A collection is a list. Its items are System values (bool, int, Decimal, str, Temporal, Quantity)
or `Node`s, which are pieces of JSON that remember how they were reached.
Source: HL7 FHIRPath N1 (2.0.0) §2 Navigation model, §4.1 Literals; FHIR R4 §2.1.9 FHIRPath.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from citycare.kit.errors import Incorrect

LENGTH_MAX = 10_000  # characters of an expression
NESTING_MAX = 60  # brackets in brackets
DEPTH_MAX = 250  # steps, operators and calls on the longest way through an expression
STEPS_MAX = 1_000_000  # items produced and looked at in one evaluation
RESULT_MAX = 100_000  # items of a result
TEXT_MAX = 1_000_000  # characters of one string
JSON_DEPTH_MAX = 100  # how deep data may be nested

Items = list[Any]


class PathSyntax(Incorrect):
    """The FHIRPath expression cannot be understood."""

    code = "fhir.path_syntax"
    words = "这条表达式写得不对，无法识别。请按提示的位置改正后再试。"


class PathError(Incorrect):
    """The FHIRPath expression cannot be evaluated on this data."""

    code = "fhir.path"
    words = "这条表达式无法用于现有数据，没有得出结果。请检查表达式和数据类型后再试。"


class Node:
    """A piece of JSON in a resource.

    Attributes:
        value: an object, or a JSON primitive; None where there are only extensions.
        name: the element it was found under; "" for what was handed in.
        type: the FHIR type where the name of a choice tells it (`valueQuantity`), else "".
        extra: the object beside a primitive (`_birthDate`), or None.
    """

    __slots__ = ("extra", "name", "type", "value")

    def __init__(self, value: Any, name: str = "", kind: str = "", extra: Any = None) -> None:
        """Wrap a JSON value."""
        self.value = value
        self.name = name
        self.type = kind
        self.extra = extra

    def __repr__(self) -> str:
        """Show what it is, for test failures."""
        return f"Node({self.name or '.'}: {self.value!r:.80})"


Resolve = Callable[[str], Any]
"""Reference, as text, to the resource; None where there is none."""
Hook = Callable[[Any], Any]
Trace = Callable[[str, Sequence[Any]], None]


@dataclass(frozen=True, slots=True)
class Hooks:
    """What an evaluation may ask of its surroundings; all of it is handed in.

    Attributes:
        resolve: for `resolve()`.
        weight: for `weight()` and `ordinal()`: a Coding, as the very object in the data, to its
            number or None. Without it, or on None, the Coding's own extension counts.
        member: for `memberOf()`: (coding or code, canonical) to True, False or None (not known).
        trace: for `trace()`.
        spent: told, when an evaluation ends, how many items it made.
    """

    resolve: Resolve | None = None
    weight: Hook | None = None
    member: Callable[[Any, str], bool | None] | None = None
    trace: Trace | None = None
    spent: Callable[[int], None] | None = None


NO_HOOKS = Hooks()


@dataclass(slots=True)
class Run:
    """One evaluation: its surroundings and what it has used up."""

    resource: Items
    root: Items
    context: Items
    variables: Mapping[str, Any]
    now: datetime | None
    hooks: Hooks = NO_HOOKS
    steps: int = field(default=0)

    def spend(self, items: int) -> None:
        """Count items produced.

        Raises:
            PathError: the evaluation makes more of them than anything sensible needs.
        """
        self.steps += items
        if self.steps > STEPS_MAX:
            raise PathError(problem="too many steps", limit=STEPS_MAX)


class Frame:
    """What `$this`, `$index` and `$total` are at one place of an evaluation."""

    __slots__ = ("index", "run", "this", "total")

    def __init__(self, run: Run, this: Items, index: int | None = None, total: Any = None) -> None:
        """Open a frame over the items that `$this` names."""
        self.run = run
        self.this = this
        self.index = index
        self.total = total


Step = Callable[[Items, Frame], Items]
"""A compiled expression: (items it is applied to, frame) to items."""


def text_within(text: str) -> str:
    """Return the text, if it is not longer than a string may be."""
    if len(text) > TEXT_MAX:
        raise PathError(problem="text too long", limit=TEXT_MAX)
    return text
