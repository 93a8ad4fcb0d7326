"""Sets of codes that a search asks for, replaced by the codes they mean.

`:in` becomes the codes of a value set, `:not-in` none of them, `:below` a code and all under it,
`:above` a code and all over it; also inside chains and `_has`. What is left is decided by keys.

Source: HL7 FHIR R4 4.0.1 §3.1.1.4.4 modifiers; §3.1.1.4.10 token.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from citycare.kernel.context import Context
from citycare.kernel.fhir import terminology
from citycare.kernel.fhir.finding.model import TooCostly
from citycare.kernel.fhir.rows import loads
from citycare.kernel.fhir.searching.criteria import broken
from citycare.kernel.fhir.searching.keys import target_of
from citycare.kernel.fhir.searching.model import (
    Chain,
    Criterion,
    Having,
    ParamType,
    Query,
    Token,
    Uri,
    Value,
)
from citycare.kernel.fhir.versions import find_stored
from citycare.kit.errors import AppError

CODES_MAX = 10_000
"""Codes that the sets of one search may come to."""
SETS = {"in": "", "not-in": "not", "below": "", "above": ""}
"""Modifiers that name a set, and what they become."""
Asked = Criterion | Having


async def resolve_sets(cx: Context, query: Query, base: str = "") -> Query:
    """Return the same search with codes in place of sets.

    Args:
        cx: the action.
        query: as it was read.
        base: the server's own address: a value set may be named by where it is kept.

    Raises:
        ValueBroken: a value set, a system or a code is not here, or cannot be followed.
        TooCostly: the sets have more than CODES_MAX codes.
    """
    if not any(map(_asks, query.criteria)):
        return query
    sets = _Sets(cx, base)
    return replace(query, criteria=tuple([await sets.replaced(one) for one in query.criteria]))


def _asks(one: Asked) -> bool:
    if isinstance(one, Having):
        return _asks(one.criterion)
    if one.chain is not None:
        return any(_asks(inner) for _, inner in one.chain.criteria)
    return one.type is ParamType.TOKEN and one.modifier in SETS


@dataclass(slots=True)
class _Sets:
    """The sets of one search; each is looked up once."""

    cx: Context
    base: str
    count: int = 0
    found: dict[tuple[str, Value], tuple[Value, ...]] = field(default_factory=dict)

    async def replaced(self, one: Asked) -> Asked:
        """Return a criterion with codes in place of sets."""
        if not _asks(one):
            return one
        if isinstance(one, Having):
            return replace(one, criterion=await self.replaced(one.criterion))
        if one.chain is not None:
            inner = [(kind, await self.replaced(each)) for kind, each in one.chain.criteria]
            return replace(one, chain=Chain(tuple(inner)))
        codes = [code for value in one.values for code in await self._codes(one, value)]
        return replace(one, modifier=SETS[one.modifier], values=tuple(dict.fromkeys(codes)))

    async def _codes(self, one: Criterion, value: Value) -> tuple[Value, ...]:
        key = one.modifier, value
        if key not in self.found:
            try:
                self.found[key] = tuple([Token(*each) for each in await self._asked(one, value)])
            except terminology.TooCostly as error:
                raise TooCostly(problem="codes", most=CODES_MAX) from error
            except AppError as error:
                shown = value.address if isinstance(value, Uri) else _shown(value)
                name = f"{one.param}:{one.modifier}"
                raise broken(name, shown, str(error)) from error
            self.count += len(self.found[key])
            if self.count > CODES_MAX:
                raise TooCostly(problem="codes", most=CODES_MAX)
        return self.found[key]

    async def _asked(self, one: Criterion, value: Value) -> Iterable[tuple[str, str]]:
        match value:
            case Uri(address=address):
                canonical = await self._canonical(address)
                return await terminology.members(self.cx, canonical, CODES_MAX)
            case Token(system=system, code=code) if system and code:
                if one.modifier == "below":
                    codes = await terminology.below(self.cx, system, code, CODES_MAX)
                else:
                    codes = await terminology.above(self.cx, system, code)
                return [(system, each) for each in codes]
        raise broken(f"{one.param}:{one.modifier}", _shown(value), "not [system]|[code]")

    async def _canonical(self, address: str) -> str:
        """Return the url of a value set that is named by where it is kept: `ValueSet/7`."""
        target = target_of(address, self.base)
        if target is None or target[0] != "ValueSet":
            return address
        stored = await find_stored(self.cx, *target)
        resource = loads(stored.body) if stored is not None and stored.body else {}
        url = resource.get("url")
        if not isinstance(url, str):
            raise terminology.ValueSetUnknown(id=target[1])
        version = resource.get("version")
        return f"{url}|{version}" if version else url


def _shown(value: Value) -> str:
    if not isinstance(value, Token):
        return ""
    return value.code or "" if value.system is None else f"{value.system}|{value.code or ''}"
