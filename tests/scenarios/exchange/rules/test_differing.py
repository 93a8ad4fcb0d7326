"""What two versions differ in: each element, whatever is put in front of it."""

from __future__ import annotations

import copy
import json
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from citycare.scenarios.exchange.rules.differing import ROWS_MAX, How, compare

VALUES = st.recursive(
    st.one_of(st.text(max_size=3), st.integers(-3, 3), st.booleans()),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3),
        st.dictionaries(st.sampled_from("abcd"), inner, min_size=1, max_size=3),
    ),
    max_leaves=12,
)
RESOURCES = st.dictionaries(st.sampled_from("abcde"), VALUES, max_size=4)


def rows(before: Any, after: Any) -> list[tuple[str, How, str, str]]:
    return [(one.path, one.how, one.before, one.after) for one in compare(before, after).rows]


def leaves(value: Any) -> int:
    if isinstance(value, dict):
        return sum(map(leaves, value.values()))
    return sum(map(leaves, value)) if isinstance(value, list) else 1


def test_each_element_is_named() -> None:
    before = {"status": "final", "value": {"value": 72, "unit": "/min"}, "note": "x"}
    after = {"status": "amended", "value": {"value": 76, "unit": "/min"}, "code": {"text": "y"}}
    assert rows(before, after) == [
        ("status", How.CHANGED, "final", "amended"),
        ("value.value", How.CHANGED, "72", "76"),
        ("note", How.REMOVED, "x", ""),
        ("code.text", How.ADDED, "", "y"),
    ]
    assert compare(before, after).same == 1


def test_one_put_in_front_is_one_that_is_new() -> None:
    before = {"name": [{"text": "a"}, {"text": "b"}]}
    after = {"name": [{"text": "new"}, {"text": "a"}, {"text": "b"}]}
    assert rows(before, after) == [("name[0].text", How.ADDED, "", "new")]


def test_one_that_is_changed_among_others_is_named_at_its_place() -> None:
    before = {"name": [{"text": "a"}, {"text": "b", "use": "old"}]}
    after = {"name": [{"text": "a"}, {"text": "c", "use": "old"}]}
    assert rows(before, after) == [("name[1].text", How.CHANGED, "b", "c")]


def test_written_precision_is_a_difference_and_kinds_are() -> None:
    assert rows({"v": Decimal("72.5")}, {"v": Decimal("72.50")})
    assert rows({"v": 1}, {"v": True}) == [("v", How.CHANGED, "1", "true")]
    assert rows({"v": 1}, {"v": "1"})


def test_what_each_version_has_of_its_own_is_left_out() -> None:
    before = {"meta": {"versionId": "1", "lastUpdated": "x", "source": "s"}}
    after = {"meta": {"versionId": "2", "lastUpdated": "y", "source": "t"}}
    assert rows(before, after) == [("meta.source", How.CHANGED, "s", "t")]


def test_a_deletion_takes_all_away() -> None:
    assert rows({"a": 1, "b": [2]}, None) == [
        ("a", How.REMOVED, "1", ""),
        ("b[0]", How.REMOVED, "2", ""),
    ]


def test_there_is_a_limit() -> None:
    found = compare({}, {"a": list(range(ROWS_MAX + 7))})
    assert (len(found.rows), found.left) == (ROWS_MAX, 7)


@given(RESOURCES)
def test_the_same_does_not_differ(one: dict[str, Any]) -> None:
    found = compare(one, copy.deepcopy(one))
    assert (found.rows, found.same) == ((), leaves(one))


@given(RESOURCES, RESOURCES)
def test_only_the_same_has_no_difference(one: dict[str, Any], other: dict[str, Any]) -> None:
    """In JSON: to Python, 1 is True, and no order of elements counts."""
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert bool(compare(one, other).rows) is not same


@given(RESOURCES, RESOURCES)
def test_each_side_is_told_where_it_is(one: dict[str, Any], other: dict[str, Any]) -> None:
    for row in compare(one, other).rows:
        assert row.how is not How.ADDED or row.before == ""
        assert row.how is not How.REMOVED or row.after == ""
