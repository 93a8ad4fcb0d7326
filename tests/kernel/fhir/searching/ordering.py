"""What a value is sorted by. R4 leaves it to the server; the rules here are this model's own.

    date        the first instant of its span, ascending and descending
    number      the number (of a Range as below)
    quantity    the number in base units, whatever they are (Range: its low end, else its high end)
    string      the text as it is compared (`wording.fold`), of names each part
    token       the code as written; of codes without a code nothing
    uri         the address
    reference   `Type/id`, or the address elsewhere

Source: HL7 FHIR R4 4.0.1 §3.1.1.5.1 sorting.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

from citycare.kernel.fhir.path import quantity
from citycare.kernel.fhir.searching.model import ParamType
from tests.kernel.fhir.searching import comparing, wording
from tests.kernel.fhir.searching.typed import kind_of


def rank(values: Iterable[Any], kind: ParamType, descending: bool) -> Any:  # noqa: FBT001
    """Return what a resource with these values is sorted by; None: it has nothing to sort by."""
    found = [each for value in values for each in _ranks(value, kind)]
    if not found:
        return None
    return max(found) if descending else min(found)


def _ranks(value: Any, kind: ParamType) -> Iterator[Any]:
    match kind:
        case ParamType.DATE:
            span = comparing.span_of(value)
            if span is not None:
                yield span[0]
        case ParamType.NUMBER | ParamType.QUANTITY:
            yield from _amounts(value if isinstance(value, dict) else {"value": value})
        case ParamType.STRING:
            yield from (wording.fold(text) for text in wording.texts_of(value))
        case ParamType.TOKEN:
            yield from (one.code for one in wording.codes_of(value) if one.code is not None)
        case ParamType.URI:
            yield str(value)
        case ParamType.REFERENCE:
            target = wording.target_of(value, "")
            if target != wording.Target():
                yield target.address or f"{target.type}/{target.id}"
        case _:
            raise ValueError(f"{kind} has no order")


def _amounts(value: Any) -> Iterator[Fraction]:
    if kind_of(value) == "Range":
        value = value.get("low") or value.get("high") or {}
    elif kind_of(value) == "SampledData":
        value = value.get("origin", {})
    if value.get("value") is None:
        return
    amount = Fraction(Decimal(value["value"]))
    if value.get("system") == quantity.UCUM and "code" in value:
        amount *= Fraction(quantity.measure(value["code"]).factor)
    yield amount
