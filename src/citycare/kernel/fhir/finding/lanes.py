"""The lanes of a parameter among several types, and the keys a value has in them."""

from __future__ import annotations

from collections.abc import Sequence

from citycare.kernel.fhir.r4 import RESOURCES
from citycare.kernel.fhir.searching import keys as of
from citycare.kernel.fhir.searching.model import Link, Parts, Text, Token, Uri, Value
from citycare.kernel.fhir.searching.ways import Lane, Taken, lanes_for

OF_THE_ROW = frozenset(("_compartment", "_main"))
"""Criteria that are no parameter of any type: the row itself decides them."""


def every(types: Sequence[str]) -> Sequence[str]:
    """Return the types that are searched: those, or all."""
    return types or sorted(RESOURCES)


def lanes_of(types: Sequence[str], param: str) -> list[Taken]:
    """Return the lanes of a parameter in all these types; a type that has no such adds none."""
    found: dict[Lane, frozenset[str]] = {}
    for kind in every(types) if param not in OF_THE_ROW else ():
        found |= dict(_of_one(kind, param))
    return list(found.items())


def _of_one(kind: str, param: str) -> Sequence[Taken]:
    try:
        return lanes_for(kind, param)
    except KeyError:
        return ()


def keys_of(lanes: Sequence[Taken], modifier: str, value: Value) -> list[of.Keys]:
    """Return the keys of a value in each lane, of which one must be there.

    Where one is empty, keys do not decide, and all that has the parameter is a candidate; but of a
    token: then nothing in that lane can meet it.

    Raises:
        ValueError: no keys are for this value, or for this modifier.
    """
    match value, modifier:
        case Token(), "" | "not" | "identifier":
            return [of.token_keys(lane, value) for lane, _ in lanes]
        case Parts(), "of-type":
            return [(of.of_type_key(lane, value),) for lane, _ in lanes]
        case Text(words=words), "" | "exact":
            return [of.word_keys(lane, words) for lane, _ in lanes]
        case Uri(address=address), "" | "below" | "above":
            ask = URI[modifier]
            return [ask(lane, address) for lane, _ in lanes]
        case Link(), "":
            return [of.reference_keys(lane, value, targets) for lane, targets in lanes]
    raise ValueError(f"{value} with {modifier!r}")


URI = {"": of.uri_keys, "below": of.below_keys, "above": of.above_keys}
