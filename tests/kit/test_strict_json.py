"""What is read, and what two readers would read differently and is refused."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citycare.kit import strict_json

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
)


@given(VALUES, st.booleans())
def test_what_was_written_is_read(value: Any, escaped: bool) -> None:  # noqa: FBT001
    assert strict_json.loads(json.dumps(value, ensure_ascii=escaped)) == value


def test_numbers_keep_their_digits() -> None:
    assert [str(one) for one in strict_json.loads("[72.50, 1e2, 7]")] == ["72.50", "1E+2", "7"]
    assert strict_json.loads("0.1") == Decimal("0.1")


def test_whole_pairs_are_characters() -> None:
    assert strict_json.loads('"\\ud842\\udfb7 \\\\ud800"') == "\U00020bb7 \\ud800"


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":2}', '[{"b":{"a":1,"a":1}}]', '"\\ud800"', '{"\\uDFFF":1}', '"\\ud800\\ud800"',
        "NaN", "[Infinity]", "-Infinity", "1E+999999999999999999999", "1" * 5_000, "[" * 100_000,
        '{"a":' * 100_000, "", "{", "[1,]", "01", "'a'",
    ],
)  # fmt: skip
def test_what_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        strict_json.loads(text)
