from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citycare.kernel.fhir.terminology.hierarchy import Circle, Numbering, merged, number


@st.composite
def hierarchies(draw: st.DrawFn) -> list[list[int]]:
    """Parents by index, in an order that says nothing of the hierarchy."""
    size = draw(st.integers(0, 25))
    shuffled = draw(st.permutations(range(size)))
    parents: list[list[int]] = [[] for _ in range(size)]
    for at, index in enumerate(shuffled):
        above = st.sampled_from(shuffled[:at]) if at else st.nothing()
        parents[index] = draw(st.lists(above, unique=True, max_size=3)) if at else []
    return parents


def below(parents: list[list[int]], index: int) -> set[int]:
    found = {index}
    while True:
        more = {one for one, above in enumerate(parents) if found.intersection(above)} - found
        if not more:
            return found
        found |= more


def covered(made: Numbering, index: int) -> list[int]:
    place = made.places[index]
    spans = made.spans.get(index, ((place, place + 1),))
    return [one for low, high in spans for one in range(low, high)]


@given(hierarchies())
def test_the_ranges_of_a_concept_cover_what_lies_below_it_and_nothing_twice(
    parents: list[list[int]],
) -> None:
    made = number(parents)
    assert sorted(made.places) == list(range(len(parents)))
    for index in range(len(parents)):
        found = covered(made, index)
        assert len(found) == len(set(found))
        assert set(found) == {made.places[one] for one in below(parents, index)}


def test_a_tree_keeps_its_order_and_needs_one_range_a_branch() -> None:
    parents: list[list[int]] = [[], [0], [0], [2], [], [4], [2]]
    made = number(parents)
    assert list(made.places) == [0, 1, 2, 3, 5, 6, 4]
    assert made.spans == {0: ((0, 5),), 2: ((2, 5),), 4: ((5, 7),)}


def test_a_very_deep_tree_is_numbered() -> None:
    made = number([[], *([at] for at in range(100_000))])
    assert made.places[100_000] == 100_000
    assert made.spans[50_000] == ((50_000, 100_001),)


@pytest.mark.parametrize("parents", [[[0]], [[1], [0]], [[], [0, 3], [1], [2]]])
def test_a_circle_is_refused(parents: list[list[int]]) -> None:
    with pytest.raises(Circle):
        number(parents)


def test_ranges_that_touch_or_overlap_become_one() -> None:
    assert merged([(5, 7), (1, 3), (3, 4), (6, 6), (9, 10)]) == [(1, 4), (5, 7), (9, 10)]
