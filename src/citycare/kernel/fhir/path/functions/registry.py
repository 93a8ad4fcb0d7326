"""How a function is told of: its name, how many arguments, how a call becomes a step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from citycare.kernel.fhir.path.model import Frame, Items, Step

Build = Callable[[tuple[Step, ...]], Step]


@dataclass(frozen=True, slots=True)
class Function:
    """A function: it takes `least` to `most` arguments; `build` makes the step of a call."""

    least: int
    most: int
    build: Build


def of_items(rule: Callable[[Items], Items]) -> Function:
    """Return a function without arguments that looks at the whole collection."""

    def build(_: tuple[Step, ...]) -> Step:
        def step(items: Items, frame: Frame) -> Items:
            found = rule(items)
            frame.run.spend(len(found))
            return found

        return step

    return Function(0, 0, build)


def of_lists(rule: Callable[..., Items], least: int, most: int | None = None) -> Function:
    """Return a function whose arguments are whole collections, found in the place of the call."""

    def build(args: tuple[Step, ...]) -> Step:
        def step(items: Items, frame: Frame) -> Items:
            given = [arg(frame.this, frame) for arg in args]
            found = rule(items, *given)
            frame.run.spend(len(found))
            return found

        return step

    return Function(least, least if most is None else most, build)


def inner(frame: Frame, item: Any, index: int) -> Frame:
    """Open a frame on one item."""
    return Frame(frame.run, [item], index, frame.total)
