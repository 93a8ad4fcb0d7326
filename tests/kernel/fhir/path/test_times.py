from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citycare.kernel.fhir.path import PathError, PathSyntax, Temporal, compiled
from citycare.kernel.fhir.path.temporal import DATE_TIME, compare, of_instant, read

Shown = Callable[..., list[str]]

COMPARED = [
    ("@2012-04-15 = @2012-04-15", ["True"]),
    ("@2012-04-15 < @2012-04-16", ["True"]),
    ("@2012-04 = @2012-04-15", []),
    ("@2012-04 < @2012-05-01", ["True"]),
    ("@2012 > @2011-12-31", ["True"]),
    ("@2012-04-15 = @2012-04-15T10:00:00", []),
    ("@2012-04-15 < @2012-04-16T10:00:00", ["True"]),
    ("@2012-04-15T15:30:31 = @2012-04-15T15:30:31.0", ["True"]),
    ("@2012-04-15T15:30:31 = @2012-04-15T15:30:31.1", ["False"]),
    ("@2012-04-15T15:30 = @2012-04-15T15:30:31", []),
    ("@2012-04-15T15:00:00+02:00 = @2012-04-15T16:00:00+03:00", ["True"]),
    ("@2012-04-15T23:00:00-05:00 > @2012-04-16T00:00:00Z", ["True"]),
    ("@2012-04-15T15:00:00Z = @2012-04-15T10:00:00", []),
    ("@2012-04-15T15:00:00Z < @2012-04-17T15:00:00", ["True"]),
    ("@2012-04-18T15:00:00 > @2012-04-17T00:00:00Z", ["True"]),
    ("@2012-04-15T15:00:00Z ~ @2012-04-15T10:00:00", ["False"]),
    ("@2012-04-15 ~ @2012-04-15T10:00:00", ["False"]),
    ("@T10:30 < @T10:31", ["True"]),
    ("@T10:30 = @T10:30:00", []),
    ("@T10 = @2012", ["False"]),
    ("'2012-04-15' = @2012-04-15", ["True"]),
    ("@2012-04-15.combine(@2012-04-15T).distinct().count()", ["1"]),
]
ADDED = [
    ("@1973-12-25 + 7 days", "1974-01-01"),
    ("@1973-12-25 + 7.9 days", "1974-01-01"),
    ("@1973-12-25 + 1 week", "1974-01-01"),
    ("@1973-12-25 + 1 'wk'", "1974-01-01"),
    ("@1974-12-25 - 1 'month'", "1974-11-25"),
    ("@2012-01-31 + 1 month", "2012-02-29"),
    ("@2016-02-29 + 1 year", "2017-02-28"),
    ("@2016-02-29 - 48 months", "2012-02-29"),
    ("@2014 + 24 months", "2016"),
    ("@2014 + 25 months", "2016"),
    ("@2014 - 13 months", "2013"),
    ("@2014-03 + 40 days", "2014-04"),
    ("@2014 + 365 days", "2015"),
    ("@2014-01-01 + 25 hours", "2014-01-02"),
    ("@2014-01-01T10 + 90 minutes", "2014-01-01T11"),
    ("@1973-12-25T00:00:00.000+10:00 + 10 'ms'", "1973-12-25T00:00:00.010+10:00"),
    ("@1973-12-25T00:00:00.000+10:00 + 0.5 seconds", "1973-12-25T00:00:00.500+10:00"),
    ("@1973-12-31T23:59:59Z + 1 second", "1974-01-01T00:00:00Z"),
    ("@1974-01-01T00:00:00Z - 1 second", "1973-12-31T23:59:59Z"),
    ("@T23:59 + 2 minutes", "00:01"),
    ("@T00:00:01 - 2 seconds", "23:59:59"),
    ("@T01 + 90 minutes", "02"),
]
WRONG = ["@2012 + 1 'mo'", "@2012 + 1 'a'", "@2012 + 1 'cm'", "@T10 + 1 day", "@T10 + 1 month"]
UNREADABLE = ["@2012-13", "@2012-02-30", "@2012-04-15T25:00", "@T10:60", "@0000", "@2012T14"]

zones = st.integers(-12 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
instants = st.builds(
    lambda seconds, thousandths, zone: (
        datetime(2, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds, milliseconds=thousandths)
    ).astimezone(zone),
    st.integers(0, 9_990 * 365 * 86_400),
    st.integers(0, 999),
    zones,
)


@pytest.mark.parametrize(("expression", "expected"), COMPARED)
def test_dates_compare_as_far_as_both_are_known(
    shown: Shown, expression: str, expected: list[str]
) -> None:
    assert shown(expression) == expected


@pytest.mark.parametrize(("expression", "expected"), ADDED)
def test_durations_are_added_by_the_calendar(shown: Shown, expression: str, expected: str) -> None:
    assert shown(expression) == [expected]


@pytest.mark.parametrize("expression", ["@9999-12-31 + 1 day", "@0001 - 1 year", "@2012 + 1E9"])
def test_no_year_is_past_9999_or_before_1(shown: Shown, expression: str) -> None:
    assert shown(expression.replace("1E9", "1" * 12 + " years")) == []


@pytest.mark.parametrize("expression", WRONG)
def test_what_is_no_calendar_duration_is_refused(shown: Shown, expression: str) -> None:
    with pytest.raises(PathError):
        shown(expression)


@pytest.mark.parametrize("expression", UNREADABLE)
def test_days_that_do_not_exist_are_not_read(shown: Shown, expression: str) -> None:
    with pytest.raises(PathSyntax):
        shown(expression)


def test_now_is_handed_in_and_told_in_the_zone_of_the_city(shown: Shown) -> None:
    assert shown("now()") == ["2026-11-22T09:00:00.000+08:00"]
    assert shown("today()") == ["2026-11-22"]
    assert shown("timeOfDay()") == ["09:00:00.000"]
    late = datetime(2026, 11, 22, 17, 0, tzinfo=UTC)
    assert [str(each) for each in compiled("today()").evaluate([], now=late)] == ["2026-11-23"]


def test_without_an_instant_there_is_no_now() -> None:
    with pytest.raises(PathError, match="no instant"):
        compiled("now()").evaluate([])


@given(instants, instants)
def test_date_times_order_like_the_instants_they_are(left: datetime, right: datetime) -> None:
    mine, other = of_instant(left), of_instant(right)
    assert compare(mine, other) == (left > right) - (left < right)
    assert compare(other, mine) == (right > left) - (right < left)


@given(instants)
def test_what_is_written_is_read_back(instant: datetime) -> None:
    value = of_instant(instant)
    assert read(str(value), DATE_TIME) == value


@given(st.lists(st.integers(1, 12), min_size=1, max_size=3), st.integers(-500, 500))
def test_months_there_and_back_end_in_the_same_month(parts: list[int], months: int) -> None:
    value = Temporal("Date", (2000 + parts[0], *parts[1:2], *[min(p, 28) for p in parts[2:]]))
    there = f"@{value} + {abs(months)} months - {abs(months)} months"
    if len(parts) > 1:
        assert [str(each) for each in compiled(there).evaluate([])] == [str(value)]
