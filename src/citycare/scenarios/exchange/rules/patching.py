"""JSON Patch on a resource.

Nothing is changed in place: a step copies the objects and arrays on its way and shares the rest, so
that the resource stays as it was, decimals keep their digits, and a `copy` costs no memory. What
copies would come to when written is bounded by the work that all steps together may do.

Not by a library: `jsonpatch` takes 1 for true in a `test` and bounds nothing.

Source: RFC 6902 (JSON Patch), RFC 6901 (JSON Pointer); HL7 FHIR R4 4.0.1 §3.1.0 "patch".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from citycare.scenarios.exchange.model.errors import PatchBroken, PatchUnfit

Json = dict[str, Any]

OPERATIONS_MAX = 1_000
POINTER_MAX = 2_000
TOKENS_MAX = 100
DEPTH_MAX = 130
WORK_MAX = 1_000_000  # values that all steps together put somewhere or compare
CHARACTERS = 16  # of a text that count as one value
COPIED = 16  # references that count as one value, where an object or array is copied

INDEX = re.compile(r"0|[1-9]\d{0,8}", re.ASCII)
ESCAPE = re.compile(r"~(?![01])")
END = "-"
NEEDS_VALUE = ("add", "replace", "test")
NEEDS_FROM = ("move", "copy")
NAMES = (*NEEDS_VALUE, *NEEDS_FROM, "remove")
SERVERS_OWN = ("versionId", "lastUpdated")
MISSING = object()


@dataclass(frozen=True, slots=True)
class Operation:
    """One step; pointers as their tokens, `""` elsewhere."""

    place: int
    name: str
    path: tuple[str, ...]
    source: tuple[str, ...]
    value: Any


def read(document: Any) -> tuple[Operation, ...]:
    """Read a patch.

    Args:
        document: JSON as `fhir.loads` gives it.

    Raises:
        PatchBroken: it is none; the facts name the operation.

    Source: RFC 6902 §3, §4.
    """
    if not isinstance(document, list) or not document:
        raise PatchBroken(problem="not an array of operations")
    if len(document) > OPERATIONS_MAX:
        raise PatchBroken(operations=len(document), most=OPERATIONS_MAX)
    return tuple(_operation(place, given) for place, given in enumerate(document))


def _operation(place: int, given: Any) -> Operation:
    if not isinstance(given, dict):
        raise PatchBroken(operation=place, problem="not an object")
    name = given.get("op")
    if name not in NAMES:
        raise PatchBroken(operation=place, problem="op is none of " + ", ".join(NAMES))
    if name in NEEDS_VALUE and "value" not in given:
        raise PatchBroken(operation=place, problem="no value")
    path = _tokens(place, given, "path")
    source = _tokens(place, given, "from") if name in NEEDS_FROM else ()
    if name == "move" and path[: len(source)] == source and path != source:
        raise PatchBroken(operation=place, problem="moves a value into itself")
    return Operation(place, name, path, source, given.get("value"))


def _tokens(place: int, given: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Take a pointer apart (RFC 6901 §3, §4)."""
    text = given.get(name)
    if not isinstance(text, str) or (text and text[0] != "/") or ESCAPE.search(text):
        raise PatchBroken(operation=place, problem=f"{name} is no pointer")
    if len(text) > POINTER_MAX or text.count("/") > TOKENS_MAX:
        raise PatchBroken(operation=place, problem=f"{name} is too long")
    return tuple(one.replace("~1", "/").replace("~0", "~") for one in text.split("/")[1:])


def patched(resource: Json, operations: Sequence[Operation]) -> Json:
    """Return the resource with all operations applied; the one that is given stays as it is.

    `meta.versionId` and `meta.lastUpdated` stay the server's, whatever the patch says of them.
    Whether the outcome is a right resource is for the validator to say.

    Raises:
        PatchUnfit: an operation cannot be applied, a test fails, or type or id would change.

    Source: RFC 6902 §4, §5; HL7 FHIR R4 4.0.1 §3.1.0.6 patch.
    """
    patch = _Patch(resource)
    for one in operations:
        patch.apply(one)
    made = patch.root
    last = operations[-1]
    if not isinstance(made, dict):
        raise _unfit(last, "leaves no resource")
    for name in ("resourceType", "id"):
        if made.get(name) != resource.get(name):
            raise _unfit(last, f"changes {name}")
    return _with_own_meta(made, resource)


def _with_own_meta(made: Json, resource: Json) -> Json:
    before, after = resource.get("meta"), made.get("meta", {})
    if not isinstance(before, dict) or not isinstance(after, dict):
        return made
    kept = {name: before[name] for name in SERVERS_OWN if name in before}
    meta = kept | {name: one for name, one in after.items() if name not in SERVERS_OWN}
    return made | {"meta": meta} if meta else made


@dataclass(slots=True)
class _Patch:
    """What is patched, as it stands, and the work that may still be done."""

    root: Any
    left: int = WORK_MAX

    def apply(self, one: Operation) -> None:
        """Take one step."""
        value = one.value
        if one.name in ("replace", "remove", "test"):
            found = self._at(one.path, one)
        if one.name == "test":
            self._count(one, value, 0)
            if not _same(found, value):
                raise _unfit(one, "the test fails")
            return
        if one.name in NEEDS_FROM:
            value = self._at(one.source, one)
        if one.name in ("move", "remove"):
            leaves = one.source if one.name == "move" else one.path
            self.root = self._changed(self.root, leaves, 0, one, MISSING)
        if one.name != "remove":
            self._count(one, value, len(one.path))
            self.root = self._changed(self.root, one.path, 0, one, value)

    def _count(self, one: Operation, value: Any, depth: int) -> None:
        """Count a value that is put somewhere `depth` levels deep.

        Raises:
            PatchUnfit: it is too much in all, or nested too deeply.
        """
        level = [value]
        while level:
            if depth > DEPTH_MAX:
                raise _unfit(one, "nested too deeply")
            inner: list[Any] = []
            for each in level:
                if type(each) is dict:
                    self._spend(one, 1 + sum(map(len, each)) // CHARACTERS)
                    inner += each.values()
                elif type(each) is list:
                    self._spend(one, 1)
                    inner += each
                else:
                    self._spend(one, 1 + (len(each) // CHARACTERS if type(each) is str else 0))
            self._spend(one, len(inner) // COPIED)
            level, depth = inner, depth + 1

    def _spend(self, one: Operation, work: int) -> None:
        self.left -= work
        if self.left < 0:
            raise _unfit(one, "too much work")

    def _at(self, path: tuple[str, ...], one: Operation) -> Any:
        """Return what is at a pointer."""
        value = self.root
        for token in path:
            if type(value) is dict and token in value:
                value = value[token]
            elif type(value) is list and INDEX.fullmatch(token) and int(token) < len(value):
                value = value[int(token)]
            else:
                raise _unfit(one, "there is nothing at " + _written(path))
        return value

    def _changed(self, value: Any, path: tuple[str, ...], at: int, one: Operation, put: Any) -> Any:
        """Return a copy in which something is put at a pointer, or (MISSING) removed.

        Goes no deeper than a pointer is long. A replaced item of an array takes its place, an
        added one moves what follows.
        """
        if at == len(path):
            if put is MISSING:
                raise _unfit(one, "removes the whole")
            return put
        if type(value) is not dict and type(value) is not list:
            raise _unfit(one, "there is nothing to hold " + _written(path))
        self._spend(one, len(value) // COPIED)
        token, is_last = path[at], at == len(path) - 1
        if is_last and put is not MISSING and one.name != "replace":
            return _added(value, token, one, put)
        key = token if type(value) is dict else _index(token, len(value))
        if key is None or (type(value) is dict and key not in value):
            raise _unfit(one, "there is nothing at " + _written(path))
        copy: Any = value.copy()
        if is_last and put is MISSING:
            del copy[key]
        else:
            copy[key] = self._changed(copy[key], path, at + 1, one, put)
        return copy


def _index(token: str, length: int) -> int | None:
    index = int(token) if INDEX.fullmatch(token) else length
    return index if index < length else None


def _added(value: Any, token: str, one: Operation, put: Any) -> Any:
    """Return a copy with a value more (RFC 6902 §4.1)."""
    if type(value) is dict:
        return value | {token: put}
    index = len(value) if token == END else _index(token, len(value) + 1)
    if index is None:
        raise _unfit(one, "there is no place " + _written(one.path))
    return [*value[:index], put, *value[index:]]


def _same(left: Any, right: Any) -> bool:
    """Tell whether two values are equal (RFC 6902 §4.6): numbers by value, true is not 1.

    Without recursion, and no longer than the shorter of both.
    """
    waiting = [(left, right)]
    while waiting:
        one, other = waiting.pop()
        if _kind(one) is not _kind(other):
            return False
        if type(one) is dict:
            if one.keys() != other.keys():
                return False
            waiting += ((each, other[name]) for name, each in one.items())
        elif type(one) is list:
            if len(one) != len(other):
                return False
            waiting += zip(one, other, strict=True)
        elif one != other:
            return False
    return True


def _kind(value: Any) -> type:
    return Decimal if type(value) is int else type(value)


def _written(path: tuple[str, ...]) -> str:
    return "".join(f"/{one.replace('~', '~0').replace('/', '~1')}" for one in path)[:200]


def _unfit(one: Operation, problem: str) -> PatchUnfit:
    return PatchUnfit(operation=one.place, op=one.name, path=_written(one.path), problem=problem)
