"""R4's own definitions as tables, compiled by `generate` and kept beside this file.

Each is read once in a process, and only when asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import orjson

FOLDER = Path(__file__).parent


@cache
def _table(name: str) -> Mapping[str, Any]:
    made: Mapping[str, Any] = orjson.loads((FOLDER / f"{name}.json").read_bytes())
    return made


def structures() -> Mapping[str, Any]:
    """Return shapes by name; what an entry holds is said at `generate.structures`."""
    return _table("structures")


def invariants() -> Mapping[str, Any]:
    """Return invariants by key: `x` expression, `h` in words, `w` 1 for a warning."""
    return _table("invariants")


def codes() -> Mapping[str, Any]:
    """Return value sets of required bindings: system to codes, an empty list for any code."""
    return _table("codes")


def parameters() -> Mapping[str, Any]:
    """Return search parameters by type and code; see `generate.parameters`."""
    return _table("parameters")


def compartments() -> Mapping[str, Any]:
    """Return parameters that put a resource into a compartment, by compartment and type."""
    return _table("compartments")


RESOURCES: frozenset[str] = frozenset(
    name
    for name, one in structures().items()
    if one["kind"] == "resource" and "abstract" not in one
)
"""The names of all resource types that can be stored."""
