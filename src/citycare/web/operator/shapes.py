"""Whether a new policy value has the shape of the old one. Pure."""

from __future__ import annotations

from typing import Any


def same_shape(old: Any, new: Any) -> bool:
    """Tell whether `new` can stand where `old` stood: same kinds, same names, at every depth.

    A whole number may not become a fraction; a fraction may become whole. A list may grow and
    shrink, if each element has the shape of some old one; of an empty list anything goes.
    """
    if isinstance(old, bool) or isinstance(new, bool):
        return isinstance(old, bool) and isinstance(new, bool)
    if isinstance(old, float):
        return isinstance(new, int | float)
    if isinstance(old, dict) and isinstance(new, dict):
        return old.keys() == new.keys() and all(same_shape(old[key], new[key]) for key in old)
    if isinstance(old, list) and isinstance(new, list):
        return not old or all(any(same_shape(one, other) for one in old) for other in new)
    return type(old) is type(new)


def shape_of(value: Any) -> str:
    """Name the shape for the hint of a form: a word of ours the page puts into sentences."""
    for kind, name in (
        (bool, "bool"),
        (int, "int"),
        (float, "float"),
        (str, "text"),
        (list, "list"),
        (dict, "dict"),
    ):
        if isinstance(value, kind):
            return name
    return "null"
