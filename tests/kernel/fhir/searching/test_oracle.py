"""The model of search against R4's own examples: dates, numbers, quantities, strings, tokens."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from citycare.kernel.fhir.model import ParameterUnknown, ValueBroken
from citycare.kernel.fhir.searching.model import (
    Amount,
    Moment,
    Number,
    ParamType,
    Prefix,
    Token,
)
from tests.kernel.fhir.searching.asked import amount, moment, number
from tests.kernel.fhir.searching.trying import met, one

Json = dict[str, Any]

UCUM = "http://unitsofmeasure.org"
LOINC = "http://loinc.org"
MG = {"unit": "mg", "system": UCUM, "code": "mg"}
STRING, TOKEN, DATE, URI = ParamType.STRING, ParamType.TOKEN, ParamType.DATE, ParamType.URI
NUMBER, QUANTITY = ParamType.NUMBER, ParamType.QUANTITY


# §3.1.1.4.7 dates

DAY = {"effectiveDateTime": "2013-01-14"}
MIDNIGHT = {"effectiveDateTime": "2013-01-14T00:00:00+08:00"}
TEN = {"effectiveDateTime": "2013-01-14T10:00:00+08:00"}
NEXT = {"effectiveDateTime": "2013-01-15T00:00:00+08:00"}
ONWARDS = {"effectivePeriod": {"start": "2013-01-21"}}
UNTIL = {"effectivePeriod": {"end": "2013-01-21"}}
EVERY_OTHER_DAY = {
    "effectiveTiming": {"repeat": {"boundsPeriod": {"start": "2013-01-31", "end": "2013-03-24"}}}
}
EVENTS = {"effectiveTiming": {"event": ["2013-02-01", "2013-03-01T10:00:00+08:00"]}}


@pytest.mark.parametrize(
    ("element", "asked", "expected"),
    [
        (MIDNIGHT, "eq2013-01-14", True),
        (TEN, "eq2013-01-14", True),
        (NEXT, "eq2013-01-14", False),
        (MIDNIGHT, "ne2013-01-14", False),
        (TEN, "ne2013-01-14", False),
        (NEXT, "ne2013-01-14", True),
        (DAY, "lt2013-01-14T10:00", True),
        (DAY, "gt2013-01-14T10:00", True),
        (TEN, "gt2013-01-14", False),
        (TEN, "lt2013-01-14", False),
        (ONWARDS, "ge2013-03-14", True),
        (ONWARDS, "le2013-03-14", True),
        ({"effectiveDateTime": "2013-03-15"}, "sa2013-03-14", True),
        (ONWARDS, "sa2013-03-14", False),
        (ONWARDS, "sa2013-01-20", True),
        (ONWARDS, "eb2013-03-14", False),
        (UNTIL, "eb2013-03-14", True),
        (UNTIL, "eb2013-01-21", False),
        (UNTIL, "sa1900", False),
        (UNTIL, "lt1900", True),
        (ONWARDS, "eq2013", False),
        (EVERY_OTHER_DAY, "ap2013-02-01", True),
        (EVERY_OTHER_DAY, "ge2013-03-25", False),
        (EVERY_OTHER_DAY, "eq2013", True),
        (EVENTS, "eq2013", True),
        (EVENTS, "ap2013-02-15", True),
        (EVENTS, "sa2013-01-31", True),
        (EVENTS, "eb2013-03-02", True),
        ({"effectiveTiming": {"repeat": {"count": 2}}}, "ge1900", False),
        # a partial date is as wide as it is, in the city's zone
        ({"effectiveDateTime": "2013"}, "eq2013-01-14", False),
        ({"effectiveDateTime": "2013"}, "gt2013-01-14", True),
        ({"effectiveDateTime": "2013-01"}, "eq2013", True),
        ({"effectiveDateTime": "2013-01-13T16:00:00Z"}, "eq2013-01-14", True),
        ({"effectiveDateTime": "2013-01-13T15:59:59Z"}, "eq2013-01-14", False),
        ({"effectiveInstant": "2013-01-14T10:00:00.500+08:00"}, "eq2013-01-14T10:00:00", True),
        ({"effectivePeriod": {"start": "2013-01-13", "end": "2013-01-14"}}, "ge2013-01-14", True),
        ({"effectivePeriod": {"start": "2013-01-13", "end": "2013-01-14"}}, "gt2013-01-14", False),
        ({"effectivePeriod": {"start": "2013-01-13", "end": "2013-01-14"}}, "le2013-01-13", True),
        ({}, "ne2013-01-14", False),
    ],
)
def test_dates_are_compared_as_spans(element: Json, asked: str, *, expected: bool) -> None:
    value = moment(asked[2:], Prefix(asked[:2]))
    assert met(one("Observation", **element), "date", DATE, value) == expected


def test_approximately_is_any_overlap_with_the_span_that_is_given() -> None:
    low, high = moment("2013-01-10").low, moment("2013-01-14T10:00").high
    asked = Moment(Prefix.AP, low, high)
    for element, expected in ((TEN, True), (DAY, True), (NEXT, False), (ONWARDS, False)):
        assert met(one("Observation", **element), "date", DATE, asked) == expected


# §3.1.1.4.6 numbers


@pytest.mark.parametrize(
    ("written", "asked", "expected"),
    [
        ("100", "eq100", True),
        ("99.6", "eq100", True),
        ("100.4", "eq100", True),
        ("100.5", "eq100", False),
        ("99.5", "eq100", False),  # it may be 99.45
        ("99.55", "eq100", True),
        ("100.00", "eq100.00", True),
        ("100", "eq100.00", False),  # it may be 100.4
        ("100.004", "eq100.00", True),
        ("104", "eq1E2", True),
        ("106", "eq1E2", False),
        ("1E+2", "eq1E2", True),
        ("99.99", "lt100", True),
        ("100", "lt100", False),
        ("100", "le100", True),
        ("100.0", "gt100", False),
        ("100.01", "gt100", True),
        ("100", "ge100", True),
        ("100.4", "ne100", False),
        ("101", "ne100", True),
        ("101", "sa100", True),
        ("100", "sa100", False),
        ("99", "eb100", True),
        ("100", "eb100", False),
        ("-3.10", "eq-3.1", True),
        ("109", "ap100", True),
        ("111", "ap100", False),
    ],
)
def test_numbers_have_the_precision_they_are_written_with(
    written: str, asked: str, *, expected: bool
) -> None:
    item = one("ChargeItem", factorOverride=Decimal(written))
    value = number(asked[2:], Prefix(asked[:2]))
    assert met(item, "factor-override", NUMBER, value) == expected


@pytest.mark.parametrize(
    ("asked", "expected"),
    [("eq12", True), ("eq12.0", True), ("eq1.2E1", True), ("gt12", False), ("eq13", False)],
)
def test_whole_numbers_are_exact(asked: str, *, expected: bool) -> None:
    sequence = one("MolecularSequence", coordinateSystem=0, variant=[{"start": 12}])
    value = number(asked[2:], Prefix(asked[:2]))
    assert met(sequence, "variant-start", NUMBER, value) == expected


# §3.1.1.4.11 quantities


def measured(number_: str, **more: Any) -> Json:
    return one("Observation", valueQuantity={"value": Decimal(number_)} | more)


@pytest.mark.parametrize(
    ("resource", "asked", "expected"),
    [
        (measured("5.4", **MG), f"eq5.4|{UCUM}|mg", True),
        (measured("5.40", **MG), f"eq5.4|{UCUM}|mg", True),
        (measured("5.4", **MG), f"eq5.40|{UCUM}|mg", False),  # it may be 5.44
        (measured("0.0054", system=UCUM, code="g"), f"eq5.4|{UCUM}|mg", True),
        (measured("5.4", **MG), f"eq0.0054|{UCUM}|g", True),
        (measured("5.46", **MG), f"eq0.0054|{UCUM}|g", False),
        (measured("5.4", system=UCUM, code="g"), f"eq5.4|{UCUM}|mg", False),
        (measured("5.4", system=UCUM, code="mmol"), f"ne5.4|{UCUM}|mg", False),  # no such amount
        (measured("5.4", system="urn:x", code="mg"), f"eq5.4|{UCUM}|mg", False),
        (measured("5.4", unit="mg"), f"eq5.4|{UCUM}|mg", False),
        (measured("5.4", unit="mg"), "eq5.4||mg", True),
        (measured("5.4", system="urn:x", code="mg"), "eq5.4||mg", True),
        (measured("5.4", system=UCUM, code="g"), "eq5.4||mg", False),
        (measured("5.4", unit="furlong"), "eq5.4", True),
        (measured("5.4", **MG), f"gt5.4|{UCUM}|mg", False),
        (measured("5.41", **MG), f"gt5.4|{UCUM}|mg", True),
        (measured("5.41", **MG), f"gt5400|{UCUM}|ug", True),
        (measured("37", system=UCUM, code="Cel"), f"eq37|{UCUM}|Cel", True),
        (measured("37", system=UCUM, code="Cel"), f"eq310|{UCUM}|K", False),  # another zero
        (measured("5", comparator="<", **MG), f"lt3|{UCUM}|mg", True),
        (measured("5", comparator="<", **MG), f"ge5|{UCUM}|mg", False),
        (measured("5", comparator="<", **MG), f"eb5|{UCUM}|mg", True),
        (measured("5", comparator="<=", **MG), f"ge5|{UCUM}|mg", True),
        (measured("5", comparator=">=", **MG), f"gt1000|{UCUM}|mg", True),
        (measured("5", comparator=">", **MG), f"sa5|{UCUM}|mg", True),
        (measured("5", comparator=">", **MG), f"eq5|{UCUM}|mg", False),
        (one("Observation", valueString="5.4"), "eq5.4", False),
        (one("Observation", valueQuantity={"unit": "mg"}), "ne5.4", False),
    ],
)
def test_quantities_are_compared_in_their_units(
    resource: Json, asked: str, *, expected: bool
) -> None:
    value = amount(asked[2:], Prefix(asked[:2]))
    assert met(resource, "value-quantity", QUANTITY, value) == expected


def test_equal_numbers_of_different_precision_are_two_values() -> None:
    parts = [{"code": {"text": "x"}, "valueQuantity": {"value": Decimal("5.40")} | MG}]
    both = measured("5.4", **MG) | {"component": parts}
    assert met(both, "combo-value-quantity", QUANTITY, amount("5.40"))


def test_other_kinds_of_quantities() -> None:
    origin = {"origin": {"value": Decimal("5.4")} | MG, "period": 1, "dimensions": 1, "data": "1"}
    sampled = one("Observation", valueSampledData=origin)
    assert met(sampled, "value-quantity", QUANTITY, amount(f"5.4|{UCUM}|mg"))
    money = one("Invoice", totalNet={"value": Decimal("30.00"), "currency": "CNY"})
    assert met(money, "totalnet", QUANTITY, amount("30|urn:iso:std:iso:4217|CNY"))
    assert met(money, "totalnet", QUANTITY, amount("30||CNY"))
    assert not met(money, "totalnet", QUANTITY, amount("30||USD"))
    age = one("Condition", onsetAge={"value": 2, "system": UCUM, "code": "a"})
    assert met(age, "onset-age", QUANTITY, amount(f"2|{UCUM}|a"))
    assert met(age, "onset-age", QUANTITY, amount(f"24|{UCUM}|mo", Prefix.GE))
    length = one("Encounter", length={"value": Decimal("0.50"), "system": UCUM, "code": "h"})
    assert met(length, "length", QUANTITY, amount(f"30|{UCUM}|min"))


@pytest.mark.parametrize(
    ("low", "high", "asked", "expected"),
    [
        ("30", "39", "eq30", False),
        ("30", "30.4", "eq30", True),
        ("30", "39", "gt38", True),
        ("30", "39", "gt39", False),
        ("30", "39", "ge39", True),
        ("30", "39", "sa29", True),
        ("30", "39", "sa30", False),
        ("30", "39", "eb40", True),
        ("30", "39", "ap35", True),
        ("30", "39", "ne35", True),
        ("30", None, "gt200", True),
        ("30", None, "eq30", False),
        (None, "39", "lt1", True),
        (None, "39", "sa1", False),
    ],
)
def test_ranges_have_exact_ends(
    low: str | None, high: str | None, asked: str, *, expected: bool
) -> None:
    unit = {"system": UCUM, "code": "a"}
    ends = {"low": low, "high": high}
    onset = {name: {"value": Decimal(end)} | unit for name, end in ends.items() if end}
    value = amount(f"{asked[2:]}|{UCUM}|a", Prefix(asked[:2]))
    assert met(one("Condition", onsetRange=onset), "onset-age", QUANTITY, value) == expected


def test_what_cannot_be_asked_is_refused() -> None:
    with pytest.raises(ParameterUnknown):
        met(one("Patient"), "colour", TOKEN, Token(None, "red"))
    with pytest.raises(ValueBroken):
        met(one("Patient", gender="male"), "gender", TOKEN, moment("2026"))
    wrong = Amount(Number(Prefix.EQ, Decimal(1), Decimal(0), Decimal(2)), None, None)
    with pytest.raises(ValueBroken):
        met(one("Patient", birthDate="2026"), "birthdate", DATE, wrong)
