from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from citycare.journeys.onboarding.gather import gather
from citycare.journeys.onboarding.model import Origin, Ref, WindowRow

EIGHT = datetime(2026, 11, 24, tzinfo=UTC)


def row(start: int, length: int, capacity: int = 1, *, part: bool = True) -> WindowRow:
    begins = EIGHT + timedelta(minutes=start)
    ends = begins + timedelta(minutes=length)
    return WindowRow(Origin("f", "line", 1), Ref("k"), begins, ends, capacity, None, part=part)


def shape(rows: list[WindowRow]) -> list[tuple[int, int, int]]:
    minute = timedelta(minutes=1)
    return [
        ((one.starts_at - EIGHT) // minute, (one.ends_at - EIGHT) // minute, one.capacity)
        for one in rows
    ]


def test_table_of_slots_and_windows() -> None:
    tens = [row(at, 10) for at in (0, 10, 20, 30, 50)]
    assert shape(gather(tens, 30)) == [(0, 30, 3), (30, 40, 1), (50, 60, 1)]
    assert shape(gather(tens, None)) == [(at, at + 10, 1) for at in (0, 10, 20, 30, 50)]
    twins = [row(0, 15), row(0, 15), row(15, 15), row(15, 15)]
    assert shape(gather(twins, None)) == [(0, 15, 2), (15, 30, 2)]
    assert shape(gather(twins, 30)) == [(0, 30, 4)]
    assert shape(gather([row(0, 30, 40), row(30, 30, 40)], 60)) == [(0, 30, 40), (30, 60, 40)]
    given_windows = [row(0, 30, 5, part=False), row(30, 30, 5, part=False)]
    assert shape(gather(given_windows, 60)) == [(0, 30, 5), (30, 60, 5)]


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.sampled_from([5, 10, 15]), st.integers(1, 8)),
        max_size=40,
    ),
    st.sampled_from([None, 15, 30, 60]),
)
def test_no_place_is_lost_and_no_window_grows_too_long(
    slots: list[tuple[int, int, int]], window_min: int | None
) -> None:
    rows = [row(at * 5, length, capacity) for at, length, capacity in slots]
    gathered = gather(rows, window_min)
    assert sum(one.capacity for one in gathered) == sum(one.capacity for one in rows)
    spans = {(one.starts_at, one.ends_at) for one in rows}
    for one in gathered:
        joined = (one.starts_at, one.ends_at) not in spans
        assert not joined or one.ends_at - one.starts_at <= timedelta(minutes=window_min or 0)
        assert one.capacity <= 60
