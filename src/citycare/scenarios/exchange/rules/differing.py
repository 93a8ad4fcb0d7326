"""What two versions of a resource differ in: by element, not by lines of text.

Elements that repeat are matched by what they say, so that one put in front of others is one that is
new, not a change of all that follow.

Source: ours.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from typing import Any

ROWS_MAX = 500
VALUE_MAX = 400
OF_THE_SERVER = ("meta.versionId", "meta.lastUpdated")


class How(StrEnum):
    """What became of an element."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Difference:
    """One element that differs; `before` or `after` is empty where it is not there."""

    path: str
    how: How
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Compared:
    """Differences in the order of elements; `same` values stayed; `left` were not listed."""

    rows: tuple[Difference, ...]
    same: int
    left: int


def compare(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Compared:
    """Compare two versions; None is a deletion. What each version has of its own is left out.

    Source: ours; HL7 FHIR R4 4.0.1 §2.20 (elements).
    """
    found: list[Difference] = []
    same = 0
    for one in _differences("", before or {}, after or {}):
        if one is None:
            same += 1
        elif not one.path.startswith(OF_THE_SERVER):
            found.append(one)
    return Compared(tuple(found[:ROWS_MAX]), same, max(0, len(found) - ROWS_MAX))


def _differences(path: str, before: Any, after: Any) -> Iterator[Difference | None]:
    """Yield each difference, and None for each value that stayed."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in dict.fromkeys((*before, *after)):
            below = f"{path}.{name}" if path else str(name)
            if name not in before:
                yield from _whole(below, after[name], How.ADDED)
            elif name not in after:
                yield from _whole(below, before[name], How.REMOVED)
            else:
                yield from _differences(below, before[name], after[name])
    elif isinstance(before, list) and isinstance(after, list):
        yield from _repeated(path, before, after)
    elif _written(before) == _written(after):
        yield None
    else:
        yield Difference(path, How.CHANGED, shown(before), shown(after))


def _repeated(path: str, before: list[Any], after: list[Any]) -> Iterator[Difference | None]:
    old, new = [_written(one) for one in before], [_written(one) for one in after]
    for how, i, i_end, j, j_end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if how == "equal":
            yield from (None for one in before[i:i_end] for _ in _leaves("", one))
            continue
        both = min(i_end - i, j_end - j)
        for n in range(both):
            yield from _differences(f"{path}[{j + n}]", before[i + n], after[j + n])
        for n in range(i + both, i_end):
            yield from _whole(f"{path}[{n}]", before[n], How.REMOVED)
        for n in range(j + both, j_end):
            yield from _whole(f"{path}[{n}]", after[n], How.ADDED)


def _whole(path: str, value: Any, how: How) -> Iterator[Difference]:
    for place, leaf in _leaves(path, value):
        text = shown(leaf)
        yield Difference(place, how, *(("", text) if how is How.ADDED else (text, "")))


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for name, one in value.items():
            yield from _leaves(f"{path}.{name}" if path else str(name), one)
    elif isinstance(value, list) and value:
        for number, one in enumerate(value):
            yield from _leaves(f"{path}[{number}]", one)
    else:
        yield path, value


def _written(value: Any) -> str:
    """Write a value so that it is compared as it is written: `72.50` is not `72.5`."""
    return json.dumps(value, default=str, sort_keys=True, ensure_ascii=False)


def shown(value: Any) -> str:
    """Write a value for a cell, shortened.

    Source: ours.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    text = value if isinstance(value, str) else _plain(value)
    return text if len(text) <= VALUE_MAX else text[: VALUE_MAX - 1] + "…"


def _plain(value: Any) -> str:
    return _written(value) if isinstance(value, (dict, list)) else str(value)
