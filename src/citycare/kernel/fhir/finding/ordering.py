"""The order of what is found, as SQL, and where in it a page begins.

What a measure or a column says is sorted by the database. Texts, codes, addresses and references
are in no column: `texts` sorts those of a bounded number of matches here.

Source: HL7 FHIR R4 4.0.1 §3.1.1.5.1, which leaves to the server: of several values the least counts
ascending and the greatest descending; what has no value comes last either way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import inf
from operator import itemgetter
from typing import Any

from citycare.kernel.fhir.finding.lanes import lanes_of
from citycare.kernel.fhir.finding.sql import ALL, Values, all_of, any_of
from citycare.kernel.fhir.searching import measures, words
from citycare.kernel.fhir.searching.extracting import extractors
from citycare.kernel.fhir.searching.keys import target_of
from citycare.kernel.fhir.searching.model import ParamType, Sort
from citycare.kernel.fhir.searching.walking import Json
from citycare.kernel.fhir.searching.ways import main_of

BY_COLUMN = frozenset((ParamType.DATE, ParamType.NUMBER, ParamType.QUANTITY))
BY_NAME = frozenset(("_id", "_lastUpdated"))


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the order: an expression on rows called `r`, and the type its value is cast to."""

    text: str
    kind: str
    descending: bool


UNDATED_LAST = "CASE WHEN r.until IS NULL THEN 'Infinity' ELSE r.since END"


def by_texts(sort: Sequence[Sort]) -> bool:
    """Tell whether an order cannot be had from columns."""
    return any(one.type not in BY_COLUMN and one.param not in BY_NAME for one in sort)


def keys_of(values: Values, types: Sequence[str], sort: Sequence[Sort]) -> list[Key]:
    """Return the keys of an order; the newest first where nothing is asked; `rid` comes last."""
    found = [_key(values, types, one) for one in sort]
    if not found:
        found = [Key("r.updated_at", "timestamptz", descending=True)]
    return [*found, Key("r.rid", "bigint", descending=found[-1].descending)]


def _key(values: Values, types: Sequence[str], one: Sort) -> Key:
    match one.param:
        case "_id":
            return Key("r.id", 'text COLLATE "C"', one.descending)
        case "_lastUpdated":
            return Key("r.updated_at", "timestamptz", one.descending)
    lanes = [lane for lane, _ in lanes_of(types, one.param)]
    main = {lane for kind in types for lane in main_of(kind)}
    if all(lane in main for lane in lanes):
        text = "r.since"
        if not one.descending:  # what has none stands first in the index, and last here
            text = UNDATED_LAST
        return Key(text, "double precision", one.descending)
    ways = values.ways(lane.hash32 for lane in lanes if lane not in main)
    least = "max" if one.descending else "min"
    amount = "m.low" if one.type is ParamType.DATE else AMOUNT
    none = "'-Infinity'" if one.descending else "'Infinity'"
    columns = [
        f"(SELECT {least}({amount}) FROM fhir.measure m"
        f" WHERE m.rid = r.rid AND m.way = ANY({ways}) AND m.unit {unit} 0)"
        for unit in ("<>", "=")  # base units first
    ]
    if any(lane in main for lane in lanes):
        columns.append("CASE WHEN r.until IS NOT NULL THEN r.since END")
    return Key(
        f"coalesce({', '.join(columns)}, {none}::double precision)",
        "double precision",
        one.descending,
    )


AMOUNT = (
    "CASE WHEN m.low = '-Infinity' THEN m.high WHEN m.high = 'Infinity' THEN m.low"
    " ELSE (m.low + m.high) / 2 END"
)


def stretches(keys: Sequence[Key]) -> list[tuple[str, Sequence[Key]]]:
    """Return the order as stretches that an index walks one behind the other, with conditions.

    What has no main date stands first in the index (`rows.MISSING`), and last among the oldest.
    """
    first, *rest = keys
    if first.text != UNDATED_LAST:
        return [(ALL, keys)]
    return [
        ("r.since > '-Infinity'", [replace(first, text="r.since"), *rest]),
        ("r.since = '-Infinity'", [replace(first, text="'Infinity'::double precision"), *rest]),
    ]


def order_by(keys: Sequence[Key]) -> str:
    """Return the ORDER BY."""
    return ", ".join(f"{one.text} {'DESC' if one.descending else 'ASC'}" for one in keys)


def joined(texts: Sequence[str], keys: Sequence[Key], limit: str) -> str:
    """Return the statement that joins the beginnings of stretches; their keys are k0, k1…."""
    each = [replace(one, text=f"k{at}::{one.kind}") for at, one in enumerate(keys)]
    every = " UNION ALL ".join(f"({text})" for text in texts)
    return f"SELECT * FROM ({every}) r ORDER BY {order_by(each)} LIMIT {limit}"


def beyond(values: Values, keys: Sequence[Key], last: Sequence[Any]) -> str:
    """Return the condition of what comes after a place in the order."""
    told = [f"{values.put(value)}::{key.kind}" for key, value in zip(keys, last, strict=True)]
    if len({key.descending for key in keys}) == 1:
        sign = "<" if keys[0].descending else ">"
        return f"({', '.join(key.text for key in keys)}) {sign} ({', '.join(told)})"
    some = []
    for at, key in enumerate(keys):
        same = [f"{one.text} = {value}" for one, value in zip(keys[:at], told[:at], strict=True)]
        sign = "<" if key.descending else ">"
        some.append(all_of([*same, f"{key.text} {sign} {told[at]}"]))
    return any_of(some)


# Texts


def ranks(resource: Json, sort: Sequence[Sort]) -> list[Any]:
    """Return what a resource is sorted by, for each key; None: it has nothing.

    Source: ours; a string is compared folded, a code as written, a reference by `Type/id`.
    """
    return [_rank(resource, one) for one in sort]


def sorted_here(found: Iterable[tuple[int, list[Any]]], sort: Sequence[Sort]) -> list[int]:
    """Return the numbers of resources by their `ranks`; of equal ones the last written first."""
    ranked = sorted(found, key=itemgetter(0), reverse=True)
    for at in range(len(sort) - 1, -1, -1):
        there = [one for one in ranked if one[1][at] is not None]
        rest = [one for one in ranked if one[1][at] is None]
        there.sort(key=lambda one: one[1][at], reverse=sort[at].descending)
        ranked = there + rest
    return [number for number, _ in ranked]


def _rank(resource: Json, one: Sort) -> Any:
    taken = extractors(resource["resourceType"]).get(one.param)
    if taken is None:
        return None
    found = [
        text for kind, value in taken.values(resource) for text in _texts(one.type, kind, value)
    ]
    if not found:
        return None
    return max(found) if one.descending else min(found)


def _texts(searched: ParamType, kind: str, value: Any) -> list[Any]:
    match searched:
        case ParamType.DATE:
            return [span.low for span in measures.DATES.get(kind, _none)(value)]
        case ParamType.NUMBER | ParamType.QUANTITY:
            return _amounts(searched, kind, value)
        case ParamType.STRING:
            return [words.fold(text) for text in words.texts_of(kind, value)]
        case ParamType.TOKEN:
            return _codes(kind, value)
        case ParamType.URI:
            return [str(value)]
        case ParamType.REFERENCE:
            text = value.get("reference") if isinstance(value, dict) else value
            target = target_of(text) if isinstance(text, str) else None
            return ["/".join(target)] if target else [text] if isinstance(text, str) else []
    raise ValueError(f"{searched} has no order")


def _amounts(searched: ParamType, kind: str, value: Any) -> list[float]:
    """Return the middle of a number's span, or the end it has; in base units where it has any."""
    table = measures.NUMBERS if searched is ParamType.NUMBER else measures.QUANTITIES
    found = list(table.get(kind, _none)(value))
    based = [span for span in found if span.unit != measures.RAW] or found
    return [_middle(span) for span in based]


def _middle(span: measures.Span) -> float:
    if span.low == -inf:
        return span.high
    return span.low if span.high == inf else (span.low + span.high) / 2


def _none(_: Any) -> list[measures.Span]:
    return []


def _codes(kind: str, value: Any) -> list[str]:
    if not isinstance(value, dict):
        return [str(value).lower() if isinstance(value, bool) else str(value)]
    some = value.get("coding", [value]) if kind == "CodeableConcept" else [value]
    codes = [one.get("value" if kind in ("Identifier", "ContactPoint") else "code") for one in some]
    return [code for code in codes if isinstance(code, str)]
