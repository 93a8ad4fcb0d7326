from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citycare.kernel.fhir.path import PathError
from citycare.kernel.fhir.path.quantity import (
    METRIC,
    PLAIN,
    PREFIXES,
    Quantity,
    compare,
    convert,
    measure,
    powers_of,
)

Shown = Callable[..., list[str]]

CASES = [
    ("4.0000 'g' = 4000.0 'mg'", ["True"]),
    ("4 'g' ~ 4040 'mg'", ["True"]),  # rounded to the grams the first one has
    ("4 'g' ~ 5000 'mg'", ["False"]),
    ("1 'g' < 1 'kg'", ["True"]),
    ("1 'mg' < 1 'cm'", []),
    ("1 'mg' = 1 'cm'", ["False"]),
    ("7 days = 1 week", ["True"]),
    ("7 days = 1 'wk'", ["True"]),
    ("1 year = 12 months", ["True"]),
    ("1 year = 1 'a'", []),
    ("1 year ~ 1 'a'", ["True"]),
    ("1 month ~ 1 'mo'", ["True"]),
    ("1 'mmol/L' = 1 'mol/m3'", ["True"]),
    ("5.5 'mmol/L' > 100 'umol/L'", ["True"]),
    ("120 'mm[Hg]' > 15 'kPa'", ["True"]),
    ("1 '[in_i]' = 2.54 'cm'", ["True"]),
    ("60 '/min' = 1 'Hz'", ["True"]),
    ("60 '{beats}/min' = 60 '/min'", ["True"]),
    ("37 'Cel' = 37 'Cel'", ["True"]),
    ("3 'furlong' = 3 'furlong'", ["True"]),
    ("1 'g' + 500 'mg'", ["1.5 'g'"]),
    ("1 'g' - 500 'mg'", ["0.5 'g'"]),
    ("1 'g' + 1 'm'", []),
    ("2.0 'cm' * 2.0 'm' = 0.040 'm2'", ["True"]),
    ("4.0 'g' / 2.0 'm'", ["2 'g/m'"]),
    ("1.0 'm' / 1.0 'm'", ["1 '1'"]),
    ("70 'kg' / (1.75 'm' * 1.75 'm') > 22 'kg/m2'", ["True"]),
    ("3 * 2 'mg'", ["6 'mg'"]),
    ("1 'g' = 1", ["False"]),
    ("5 '1' = 5", ["True"]),
    ("-(1 'mg')", ["-1 'mg'"]),
    ("2 days.unit", []),
]


@pytest.mark.parametrize(("expression", "expected"), CASES)
def test_quantities(shown: Shown, expression: str, expected: list[str]) -> None:
    assert shown(expression) == expected


def test_a_product_of_unreadable_units_is_refused(shown: Shown) -> None:
    with pytest.raises(PathError, match="UCUM"):
        shown("1 ')' * 1 'm'")


@pytest.mark.parametrize(
    ("unit", "powers"),
    [
        ("kg/m2", {"kg": 1, "m": -2}),
        ("10*9/L", {"10*": 9, "L": -1}),
        ("ug/(kg.min)", {"ug": 1, "kg": -1, "min": -1}),
        ("kg.m.s-2", {"kg": 1, "m": 1, "s": -2}),
        ("cm[H2O]", {"cm[H2O]": 1}),
        ("mL/min/{1.73_m2}", {"mL": 1, "min": -1}),
        ("{score}", {}),
        ("m/m", {}),
    ],
)
def test_units_are_taken_apart(unit: str, powers: dict[str, int]) -> None:
    assert dict(powers_of(unit) or ()) == powers


@pytest.mark.parametrize("unit", ["(", ")", "m10", "kg m", "m" * 101, "{a"])
def test_what_is_no_unit_stands_for_itself(unit: str) -> None:
    assert powers_of(unit) is None
    assert measure(unit).dimension == ((unit, 1),)


def test_no_prefixed_unit_means_two_things() -> None:
    clashes = {
        prefix + unit
        for prefix in PREFIXES
        for unit in METRIC
        if prefix + unit in PLAIN or prefix + unit in METRIC
    }
    assert clashes == set()


amounts = st.decimals(-(10**6), 10**6, allow_nan=False, places=3)
units = st.sampled_from(
    ["kg", "g", "mg", "ug", "[lb_av]", "mol", "mmol", "d", "h", "day", "L", "mL"]
)


@given(amounts, units, amounts, units)
def test_order_of_quantities_is_antisymmetric(
    left: Decimal, mine: str, right: Decimal, other: str
) -> None:
    order = compare(Quantity(left, mine), Quantity(right, other))
    back = compare(Quantity(right, other), Quantity(left, mine))
    assert order == (None if back is None else -back)


@given(amounts, units, units)
def test_conversion_there_and_back_changes_nothing(amount: Decimal, unit: str, other: str) -> None:
    there = convert(Quantity(amount, unit), other)
    if there is not None:
        back = convert(there, unit)
        assert back is not None
        assert abs(back.value - amount) <= abs(amount) * Decimal("1E-20")
