r"""Search: parameters become one statement on the term index; pages are keyset by (date, id).

Repeated parameters must all hold; values parted by commas are alternatives (`\,` is a comma).
What is not supported is refused, never passed over. Source: HL7 FHIR R4 §3.1.1.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from citycare.kernel.context import Context
from citycare.kernel.fhir import dates, terms
from citycare.kernel.fhir.definitions import DATES, DEFINITIONS, TYPES, Kind, Param
from citycare.kernel.fhir.model import (
    ParameterUnknown,
    Params,
    Resource,
    TypeUnknown,
    ValueBroken,
)
from citycare.kernel.fhir.store import loads
from citycare.kit import pages
from citycare.kit.pages import Page

PARAMS_MAX = 20
VALUES_MAX = 100
COMMA = re.compile(r"(?<!\\),")
ESCAPED = re.compile(r"\\([\\,|$])")
PREFIXED = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb)?(\d.*)")
COMPARE = {
    "eq": "low >= %({0}_low)s AND low < %({0}_high)s AND high <= %({0}_high)s",
    "ne": "NOT (low >= %({0}_low)s AND high <= %({0}_high)s)",
    "gt": "high > %({0}_high)s",
    "lt": "low < %({0}_low)s",
    "ge": "high > %({0}_low)s",
    "le": "low < %({0}_high)s",
    "sa": "low >= %({0}_high)s",
    "eb": "high <= %({0}_low)s",
}
# An instant spans a second at most, so the index on `low` can start there.
NEAR = {"gt": "%({0}_high)s", "ge": "%({0}_low)s"}
ID = Param("_id", Kind.CODE)

SEARCH = """
    SELECT id, low, body FROM fhir.resource
     WHERE type = %(type)s AND NOT deleted {clauses}
     ORDER BY low, id LIMIT %(count)s
"""


@dataclass(slots=True)
class _Query:
    """Collects clauses and their values; `every` are terms that must all be there."""

    every: list[str] = field(default_factory=list)
    clauses: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)

    def add(self, clause: str, **values: Any) -> None:
        """Add a clause; `{0}` in it becomes a name of its own for its values."""
        name = f"v{len(self.clauses)}"
        self.clauses.append(clause.format(name))
        self.values.update({f"{name}{key}": value for key, value in values.items()})


async def search(
    cx: Context, resource_type: str, params: Params, after: str | None = None, count: int = 50
) -> Page[Resource]:
    """Return a page of the resources of a type that match, by main date, then id.

    The caller has decided who may see what (kernel.consent) and puts it in `params`.

    Raises:
        TypeUnknown, ParameterUnknown, ValueBroken: the search cannot be understood.
        TokenBroken: `after` is not a token of ours.
    """
    query = _read(resource_type, params)
    count = max(1, min(count, pages.PAGE_MAX))
    if after is not None:
        low, last = pages.read(after, datetime, str)
        query.add("(low, id) > (%({0}_low)s, %({0}_id)s)", _low=low, _id=last)
    if query.every:
        query.add("terms @> %({0})s::text[]", **{"": query.every})
    clauses = "".join(f"\n       AND {clause}" for clause in query.clauses)
    values = query.values | {"type": resource_type, "count": count + 1}
    rows = await (await cx.db.execute(SEARCH.format(clauses=clauses), values)).fetchall()
    items = [loads(row["body"]) for row in rows[:count]]
    following = None
    if len(rows) > count:
        last_row = rows[count - 1]
        following = pages.encode(last_row["low"].isoformat(), last_row["id"])
    return Page(items, following)


def _read(resource_type: str, params: Params) -> _Query:
    if resource_type not in TYPES:
        raise TypeUnknown(type=resource_type)
    definition = DEFINITIONS.get(resource_type)
    known = {param.code: param for param in definition.params} if definition else {}
    known["_id"] = ID
    query = _Query()
    pairs = [
        (name, text)
        for name, given in params.items()
        for text in ([given] if isinstance(given, str) else given)
    ]
    if len(pairs) > PARAMS_MAX:
        raise ValueBroken(parameter=pairs[PARAMS_MAX][0], problem="too many parameters")
    for name, text in pairs:
        param, target = _param(resource_type, name, known)
        values = [ESCAPED.sub(r"\1", part) for part in COMMA.split(text)]
        if not all(values) or len(values) > VALUES_MAX:
            raise ValueBroken(parameter=name, value=text[:100])
        _add(query, param, target, values)
    return query


def _param(resource_type: str, name: str, known: dict[str, Param]) -> tuple[Param, str]:
    """Find the parameter, and the type of `actor:Patient`; other modifiers are refused."""
    code, _, modifier = name.partition(":")
    param = known.get(code)
    if param is None or (modifier and modifier not in param.targets):
        raise ParameterUnknown(type=resource_type, parameter=name, known=" ".join(sorted(known)))
    return param, modifier


def _add(query: _Query, param: Param, target: str, values: Sequence[str]) -> None:
    if param is ID:
        query.add("id = ANY(%({0})s)", **{"": list(values)})
    elif param.kind in DATES:
        _add_date(query, param, values)
    else:
        wanted, checks = _terms(param, target, values)
        if len(wanted) == 1 and not checks:
            query.every += wanted
        elif not checks:
            query.add("terms && %({0})s::text[]", **{"": wanted})
        else:
            _add_checked(query, wanted, checks)


def _add_checked(query: _Query, wanted: list[str], checks: list[str]) -> None:
    """Look through the terms themselves where no single term answers: long names, `system|`."""
    query.add(
        "(terms && %({0}_any)s::text[] OR EXISTS (SELECT FROM unnest(terms) AS t"
        " WHERE t LIKE ANY(%({0}_like)s)))",
        _any=wanted,
        _like=checks,
    )


def _add_date(query: _Query, param: Param, values: Sequence[str]) -> None:
    options = []
    bounds: dict[str, datetime] = {}
    for index, value in enumerate(values):
        found = PREFIXED.fullmatch(value)
        if found is None:
            raise ValueBroken(parameter=param.code, value=value[:100])
        try:
            low, high = dates.span_of_query(found[2])
        except (ValueError, OverflowError) as error:
            raise ValueBroken(parameter=param.code, value=value[:100]) from error
        compare = found[1] or "eq"
        clause = COMPARE[compare]
        if param.kind is Kind.INSTANT and compare in NEAR:
            clause += f" AND low > {NEAR[compare]} - interval '1 s'"
        options.append(f"({clause.replace('{0}', f'{{0}}_{index}')})")
        bounds |= {f"_{index}_low": low, f"_{index}_high": high}
    query.add(f"high IS NOT NULL AND ({' OR '.join(options)})", **bounds)


def _terms(param: Param, target: str, values: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the terms of which one must be there, and LIKE patterns for the rest."""
    wanted: list[str] = []
    checks: list[str] = []
    for name in param.terms or (param.code,):
        for value in values:
            match param.kind:
                case Kind.REFERENCE:
                    wanted += [terms.term(name, each) for each in _targets(param, target, value)]
                case Kind.TOKEN if value.endswith("|"):
                    checks.append(_like(terms.term(name, value)) + "%")
                case Kind.TOKEN:
                    wanted.append(terms.term(name, value))
                case Kind.CODE:
                    wanted.append(terms.term(name, value.rpartition("|")[2]))
                case Kind.PHONE:
                    wanted.append(terms.term(name, terms.phone(value.rpartition("|")[2])))
                case _:
                    word = terms.fold(value)[: terms.WORD_MAX]
                    if not word:
                        raise ValueBroken(parameter=param.code, value=value[:100])
                    if len(word) > terms.PREFIX_MAX:
                        checks.append(_like(terms.term(name, word)) + "%")
                    else:
                        wanted.append(terms.term(name, word))
    return wanted, checks


def _targets(param: Param, target: str, value: str) -> list[str]:
    """Write a reference value in the forms resources may hold it."""
    if "://" in value or value.startswith("urn:"):
        return [value]
    kind, slash, _ = value.partition("/")
    if slash:
        if kind not in TYPES or kind not in param.targets or (target and kind != target):
            raise ValueBroken(parameter=param.code, value=value[:100])
        return [value]
    return [f"{each}/{value}" for each in ([target] if target else param.targets)]


def _like(text: str) -> str:
    return re.sub(r"([\\%_])", r"\\\1", text)
