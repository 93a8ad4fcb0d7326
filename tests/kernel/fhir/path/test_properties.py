"""What holds of any expression and any data: an answer or a refusal, the same each time."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from citycare.kernel.fhir.path import PathError, PathSyntax, compiled
from tests.conftest import NOW

WORDS = """
1 2.5 'a' '' @2012 @2012-04-15T10:00:00Z @T10 true {} ( ) [ ] . , + - * / div
mod & | = != ~ < >= in contains and or xor implies is as Quantity name given
where select exists all count first repeat aggregate iif $this $index $total
%resource %x toString toQuantity substring 4 days 'mg' children descendants
distinct matches round ofType code today extension
"""
expressions = st.lists(st.sampled_from(WORDS.split()), min_size=1, max_size=10).map(" ".join)
terms = st.sampled_from(
    [
        *("1", "1.0", "2.50", "'a'", "'A'", "true", "@2012", "@2012-04-15", "@2012-04-15T10:00:00"),
        *("@2012-04-15T10:00:00Z", "@T10:30", "1 'mg'", "0.001 'g'", "1 year", "12 months"),
        *("1 'a'", "{}", "(1 | 2)", "(2 | 1)", "%x", "%x.name", "%x.name.given", "%x.birthDate"),
    ]
)
leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**40), 2**40),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
)
names = st.sampled_from(
    ["name", "given", "_given", "value", "valueQuantity", "birthDate", "_birthDate", "extension"]
)
documents = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)


def answer(expression: str, data: Any) -> str:
    """Return the result or the refusal as text; anything else that is raised is a fault."""
    try:
        found = compiled(expression).evaluate(data, {"x": data}, now=NOW)
    except (PathError, PathSyntax) as refusal:
        return f"{type(refusal).__name__} {refusal}"
    return repr(found)


@given(expressions, documents)
def test_anything_is_answered_or_refused_and_always_alike(expression: str, data: Any) -> None:
    before = json.dumps(data, default=str)
    assert answer(expression, data) == answer(expression, data)
    assert json.dumps(data, default=str) == before


@given(st.text(max_size=40))
def test_any_text_is_compiled_or_refused(text: str) -> None:
    answer(text, {})


@given(terms, terms, documents)
def test_equality_does_not_depend_on_the_side(left: str, right: str, data: Any) -> None:
    for operator in ("=", "!=", "~", "!~"):
        mine = answer(f"{left} {operator} {right}", data)
        assert mine == answer(f"{right} {operator} {left}", data)


@given(terms, terms, documents)
def test_order_turns_round_with_the_sides(left: str, right: str, data: Any) -> None:
    for operator, turned in (("<", ">"), ("<=", ">=")):
        mine = answer(f"{left} {operator} {right}", data)
        other = answer(f"{right} {turned} {left}", data)
        assert mine == other or (mine.startswith("PathError") and other.startswith("PathError"))


@given(terms, documents)
def test_everything_is_equivalent_to_itself(term: str, data: Any) -> None:
    assert answer(f"({term}) ~ ({term})", data) == "[True]"


@given(documents)
def test_distinct_things_stay(data: Any) -> None:
    once = answer("%x.descendants().distinct().count()", data)
    assert once == answer("%x.descendants().distinct().distinct().count()", data)
    assert answer("%x.descendants().distinct().isDistinct()", data) == "[True]"


@given(st.lists(st.integers(-1_000, 1_000)), st.decimals(-100, 100, places=2))
def test_sums_are_exact(numbers: list[int], more: Decimal) -> None:
    found = compiled("%n.sum() + %d - %d").evaluate([], {"n": numbers, "d": more})
    assert found == ([sum(numbers)] if numbers else [])
