"""Criteria of a search: one pair of name and value, with modifiers, chains and `_has`.

Source: HL7 FHIR R4 4.0.1 §3.1.1.4.4 (modifiers), §3.1.1.4.15 (chains), §3.1.1.4.16 (`_has`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from citycare.kernel.fhir.model import ParameterUnknown, ValueBroken
from citycare.kernel.fhir.r4 import RESOURCES, parameters
from citycare.kernel.fhir.searching.model import (
    Chain,
    Criterion,
    Having,
    Missing,
    ParamType,
    Value,
)
from citycare.kernel.fhir.searching.values import Param, Setting, split, value

ALTERNATIVES_MAX = 500
DEPTH_MAX = 8
CRITERIA_MAX = 1_000
"""Criteria one search may come to: a chain without types becomes one for each type."""
ATTEMPTS_MAX = 10_000
VALUES_MAX = 50_000  # of all criteria together
SHOWN_MAX = 100  # characters of what a client sent, in an error

HAS = "_has:"
NOT_HERE = frozenset(("_content", "_query", "_text"))
"""In the table of parameters, but of no element: `_content` is read elsewhere, the rest refused."""
MODIFIERS: Mapping[ParamType, frozenset[str]] = {
    ParamType.NUMBER: frozenset(("missing",)),
    ParamType.DATE: frozenset(("missing",)),
    ParamType.QUANTITY: frozenset(("missing",)),
    ParamType.SPECIAL: frozenset(("missing",)),
    ParamType.STRING: frozenset(("missing", "exact", "contains")),
    ParamType.URI: frozenset(("missing", "above", "below")),
    ParamType.REFERENCE: frozenset(("missing", "identifier")),
    ParamType.TOKEN: frozenset(
        ("missing", "not", "text", "of-type", "above", "below", "in", "not-in")
    ),
    ParamType.COMPOSITE: frozenset(),  # §3.1.1.4.17: modifiers are not used on composites
}
"""Modifiers by type of parameter; of a reference also each type it may lead to."""


class _Unknown(Exception):
    """There is no such parameter; with `modifier`, it does not take this modifier."""

    def __init__(self, types: tuple[str, ...], modifier: str | None = None) -> None:
        super().__init__()
        self.types = types
        self.modifier = modifier


class _Beyond(Exception):
    """A limit is passed; no other reading of the name can mend it."""


@lru_cache(maxsize=512)
def known(types: tuple[str, ...]) -> Mapping[str, Param]:
    """Return the parameters all these types have in common, by code; of no types, of all.

    A reference leads where it does in any of them.
    """
    first, *others = types or ("Resource",)
    table = parameters()
    told: dict[str, Any] = {**table["Resource"], **table.get(first, {})}
    found = {code: _param(code, one, told) for code, one in told.items() if code not in NOT_HERE}
    for other in others:
        theirs = known((other,))
        found = {
            code: shared
            for code, mine in found.items()
            if code in theirs and (shared := _shared(mine, theirs[code])) is not None
        }
    return found


def _param(code: str, one: Mapping[str, Any], told: Mapping[str, Any]) -> Param:
    parts = tuple(_param(part, told[part], told) for part, _ in one.get("p", ()))
    return Param(code, ParamType(one["t"]), tuple(one.get("r", ())), parts)


def _shared(mine: Param, theirs: Param) -> Param | None:
    if mine.type is not theirs.type or len(mine.parts) != len(theirs.parts):
        return None
    parts = [_shared(one, other) for one, other in zip(mine.parts, theirs.parts, strict=True)]
    if any(part is None for part in parts):
        return None
    targets = mine.targets
    if theirs.targets != targets:
        targets = tuple(sorted({*targets, *theirs.targets}))
    return Param(mine.code, mine.type, targets, tuple(part for part in parts if part))


def unknown(types: tuple[str, ...], name: str, modifier: str | None = None) -> ParameterUnknown:
    """Make the error for a name; its facts hold `modifier` where only that does not fit."""
    facts: dict[str, object] = {"type": " ".join(types[:3]), "parameter": shown(name)}
    if modifier is not None:
        facts["modifier"] = shown(modifier)
    else:
        facts["known"] = " ".join(sorted(known(types)))
    return ParameterUnknown(**facts)


def broken(name: str, text: str, problem: str) -> ValueBroken:
    """Make the error for a value."""
    return ValueBroken(parameter=shown(name), value=shown(text), problem=problem)


def shown(text: str) -> str:
    """Return a beginning of what a client sent that any encoding can carry."""
    return text[:SHOWN_MAX].encode("utf-8", "replace").decode("utf-8").replace("\x00", "?")


@dataclass(slots=True)
class Criteria:
    """Reads the criteria of one search, and counts what they come to."""

    setting: Setting
    attempts: int = 0
    made: int = 0
    values: int = 0
    _memo: dict[tuple[object, str], tuple[Value, ...]] = field(default_factory=dict)

    def read(self, types: tuple[str, ...], name: str, text: str) -> Criterion | Having:
        """Read one pair, for resources of these types (of any, where there are none).

        Raises:
            ParameterUnknown: no such parameter, or it does not take this modifier.
            ValueBroken: the value cannot be read, or a limit is passed.
        """
        self._memo.clear()
        try:
            return self._criterion(types, name, text, 0)
        except _Unknown as error:
            if error.modifier is not None:
                raise unknown(types, name, error.modifier) from error
            raise unknown(error.types, name) from error
        except (_Beyond, ValueError) as error:
            raise broken(name, text, str(error)) from error

    def _criterion(
        self, types: tuple[str, ...], name: str, text: str, depth: int
    ) -> Criterion | Having:
        """Read the rest of a name.

        Raises:
            _Unknown, _Beyond: see there.
            ValueError: the value is not one of the parameter that was found.
        """
        self.attempts += 1
        if depth > DEPTH_MAX:
            raise _Beyond(f"more than {DEPTH_MAX} chains")
        if self.attempts > ATTEMPTS_MAX:
            raise _Beyond("too many types in its chains: name them")
        if name.startswith(HAS):
            return self._having(types, name, text, depth)
        head, dot, rest = name.partition(".")
        code, colon, modifier = head.partition(":")
        param = known(types).get(code)
        if param is None:
            raise _Unknown(types)
        if dot:
            return self._chained(types, param, modifier if colon else None, rest, text, depth)
        return self._plain(types, param, modifier if colon else None, text)

    def _having(self, types: tuple[str, ...], name: str, text: str, depth: int) -> Having:
        _, source, code, rest = (*name.split(":", 3), "", "", "")[:4]
        param = known((source,)).get(code) if source in RESOURCES else None
        if param is None or param.type is not ParamType.REFERENCE or not rest:
            raise _Unknown(types)
        if types and not set(types) & set(param.targets):
            raise _Unknown(types)  # it leads to other types only
        return Having(source, code, self._criterion((source,), rest, text, depth + 1))

    def _chained(
        self,
        types: tuple[str, ...],
        param: Param,
        modifier: str | None,
        rest: str,
        text: str,
        depth: int,
    ) -> Criterion:
        """Read a chain: of the types it may lead to, those in which the rest means something."""
        if param.type is not ParamType.REFERENCE:
            raise _Unknown(types)
        if modifier is not None and modifier not in param.targets:
            raise _Unknown(types, modifier)
        found = []
        wrong: ValueError | None = None
        missed = _Unknown(types)
        targets = param.targets if modifier is None else (modifier,)
        for target in targets:
            try:
                found.append((target, self._criterion((target,), rest, text, depth + 1)))
            except ValueError as error:
                wrong = wrong or error
            except _Unknown as error:
                if missed.modifier is None and (len(targets) == 1 or error.modifier is not None):
                    missed = error
        if found:
            return Criterion(param.code, param.type, chain=Chain(tuple(found)))
        raise wrong or missed

    def _plain(
        self, types: tuple[str, ...], param: Param, modifier: str | None, text: str
    ) -> Criterion:
        if modifier is not None and modifier in param.targets:
            param = replace(param, targets=(modifier,))
            modifier = None
        if modifier is not None and modifier not in MODIFIERS[param.type]:
            raise _Unknown(types, modifier)
        self.made += 1
        if self.made > CRITERIA_MAX:
            raise _Beyond("too many types in its chains: name them")
        same = param if param.targets or param.parts or param.code == "_id" else param.type
        key = (same, modifier or "")
        if key not in self._memo:
            self._memo[key] = self._values(param, modifier or "", text)
        self.values += len(self._memo[key])
        if self.values > VALUES_MAX:
            raise _Beyond("too many alternatives in all")
        return Criterion(param.code, param.type, modifier or "", self._memo[key])

    def _values(self, param: Param, modifier: str, text: str) -> tuple[Value, ...]:
        if modifier == "missing":
            if text not in {"true", "false"}:
                raise ValueError("neither true nor false")
            return (Missing(text == "true"),)
        pieces = split(text, ",")
        if len(pieces) > ALTERNATIVES_MAX:
            raise _Beyond(f"more than {ALTERNATIVES_MAX} alternatives")
        return tuple(value(param, modifier, piece, self.setting) for piece in pieces)
