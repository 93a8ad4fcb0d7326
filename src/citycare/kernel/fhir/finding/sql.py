"""Pieces of a statement; what clients send becomes values, under names of their own."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

NOTHING = "FALSE"
ALL = "TRUE"


@dataclass(slots=True)
class Values:
    """The values of one statement."""

    named: dict[str, Any] = field(default_factory=dict)

    def put(self, value: Any) -> str:
        """Keep a value; return how the statement says it."""
        name = f"v{len(self.named)}"
        self.named[name] = value
        return f"%({name})s"

    def keys(self, some: Iterable[int]) -> str:
        """Keep keys of the index."""
        return self.put("{" + ",".join(map(str, some)) + "}") + "::bigint[]"

    def ways(self, some: Iterable[int]) -> str:
        """Keep numbers of ways."""
        return self.put("{" + ",".join(map(str, some)) + "}") + "::integer[]"

    def texts(self, some: Iterable[str]) -> str:
        """Keep texts."""
        return self.put(list(some)) + "::text[]"

    def number(self, value: float) -> str:
        """Keep a number, which may be infinite."""
        return self.put(value) + "::double precision"


def any_of(some: Collection[str]) -> str:
    """Return what holds if one of these does."""
    return _joined([one for one in some if one != NOTHING], " OR ", NOTHING, ALL)


def all_of(some: Collection[str]) -> str:
    """Return what holds if all of these do."""
    return _joined([one for one in some if one != ALL], " AND ", ALL, NOTHING)


def _joined(some: list[str], word: str, none: str, decides: str) -> str:
    if decides in some:
        return decides
    each = list(dict.fromkeys(some))
    if len(each) <= 1:
        return each[0] if each else none
    return "(" + word.join(each) + ")"
