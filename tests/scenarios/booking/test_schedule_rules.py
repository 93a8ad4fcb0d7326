from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citycare.kit import clock
from citycare.kit.errors import AppError
from citycare.scenarios.booking.model.core import Pool, SlotPast
from citycare.scenarios.booking.model.schedule import (
    Clinic,
    Closure,
    Release,
    SharesWrong,
    Template,
    TemplateClash,
    TemplateWrong,
    Window,
    WindowTooLong,
)
from citycare.scenarios.booking.rules import schedule as rules

NOW = datetime(2026, 11, 22, 1, tzinfo=UTC)
SUNDAY = date(2026, 11, 22)
ORGANISATION = UUID(int=7)
CLINIC = Clinic(
    id=UUID(int=70),
    organisation_id=ORGANISATION,
    organisation_name="上海交通大学医学院附属瑞金医院",
    organisation_short="瑞金医院",
    district="310101",
    department_id=UUID(int=71),
    department_code="03.04",
    department_name="心血管内科",
    kind="expert",
    fee_fen=5_000,
    practitioner_id=UUID(int=72),
    practitioner_name="陈静",
    title="主任医师",
)
RELEASE = Release(
    days_ahead={pool: 0 if pool is Pool.ONSITE else 14 for pool in Pool},
    clocks=dict.fromkeys(Pool, time(7)),
    give_back_hours=24,
    onsite_min=60,
)
MORNING = Template(
    id=UUID(int=1),
    clinic_id=CLINIC.id,
    weekday=1,
    starts=time(8),
    ends=time(11, 30),
    capacity=5,
    shares={Pool.PUBLIC: 4, Pool.REFERRAL: 1},
    valid_from=date(2026, 1, 1),
)
percents = st.dictionaries(st.sampled_from(list(Pool)), st.integers(0, 25))


@given(st.integers(1, 60), percents)
def test_shares_always_sum_to_the_capacity(capacity: int, wanted: dict[Pool, int]) -> None:
    parts = rules.shares(capacity, wanted)
    assert sum(parts.values()) == capacity
    rules.check_shares(capacity, parts)
    for pool, percent in wanted.items():
        if pool is not Pool.PUBLIC:
            assert abs(parts.get(pool, 0) - capacity * percent / 100) < 1


def test_a_fifth_is_kept_for_primary_care() -> None:
    assert rules.shares(10, {Pool.REFERRAL: 20}) == {Pool.PUBLIC: 8, Pool.REFERRAL: 2}
    assert rules.shares(5, {Pool.REFERRAL: 20}) == {Pool.PUBLIC: 4, Pool.REFERRAL: 1}


@pytest.mark.parametrize("wanted", [{Pool.ELDER: 101}, {Pool.ELDER: -1}])
def test_percentages_beyond_a_hundred_are_refused(wanted: dict[Pool, int]) -> None:
    with pytest.raises(SharesWrong):
        rules.shares(5, wanted)


sessions = st.builds(
    lambda window, count, start: (window, count, start),
    st.integers(5, 60),
    st.integers(1, 10),
    st.integers(0, 13 * 60),
)


@given(sessions)
def test_windows_tile_the_session(session: tuple[int, int, int]) -> None:
    window_min, count, start = session
    end = start + window_min * count
    template = replace(
        MORNING,
        starts=time(start // 60, start % 60),
        ends=time(end // 60, end % 60),
        window_min=window_min,
    )
    rules.check_template(template, 60)
    windows = rules.windows_of(template, date(2026, 11, 23))
    assert len(windows) == count
    assert windows[0].starts_at == clock.at(date(2026, 11, 23), template.starts)
    assert windows[-1].ends_at == clock.at(date(2026, 11, 23), template.ends)
    for one, following in pairwise(windows):
        assert one.ends_at == following.starts_at
        assert one.ends_at - one.starts_at == timedelta(minutes=window_min)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"window_min": 61, "ends": time(9, 1)}, WindowTooLong),
        ({"window_min": 45}, TemplateWrong),
        ({"ends": time(8)}, TemplateWrong),
        ({"window_min": 3}, TemplateWrong),
        ({"capacity": 61}, TemplateWrong),
        ({"capacity": 4}, SharesWrong),
        ({"weekday": 8}, TemplateWrong),
        ({"valid_to": date(2025, 1, 1)}, TemplateWrong),
        ({"shares": {Pool.PUBLIC: 6, Pool.ELDER: -1}}, SharesWrong),
    ],
)
def test_wrong_templates_are_refused(change: dict[str, object], error: type[AppError]) -> None:
    with pytest.raises(error):
        rules.check_template(replace(MORNING, **change), 60)  # type: ignore[arg-type]


def test_the_codes_people_rely_on() -> None:
    assert WindowTooLong.code == "booking.window_too_long"
    assert SharesWrong.code == "booking.shares_wrong"
    assert SlotPast.code == "booking.slot_past"


def test_templates_of_one_clinic_may_not_overlap() -> None:
    other = replace(MORNING, id=UUID(int=2), starts=time(11), ends=time(12))
    with pytest.raises(TemplateClash):
        rules.check_clashes([MORNING, other])
    rules.check_clashes([MORNING, replace(other, starts=time(11, 30))])
    rules.check_clashes([MORNING, replace(other, valid_to=date(2025, 12, 31), valid_from=date.min)])


def test_the_calendar_decides_which_day_is_run() -> None:
    assert rules.plan_day(date(2026, 10, 1), []).reason == "国庆节"
    assert rules.plan_day(date(2026, 10, 1), []).weekday is None
    # Saturday 10 October works for Wednesday 7 October
    assert rules.plan_day(date(2026, 10, 10), []).weekday == 3
    assert rules.plan_day(date(2026, 11, 21), []).weekday == 6
    assert rules.calendar_unknown(date(2026, 12, 1), date(2028, 1, 1)) == (2027, 2028)


def test_closures_win_over_the_calendar_and_closed_over_open() -> None:
    day = date(2026, 10, 2)
    opened = Closure(UUID(int=3), ORGANISATION, day, "open", "国庆门诊")
    closed = Closure(UUID(int=4), ORGANISATION, day, "closed", "停电")
    assert rules.plan_day(day, [opened]).weekday == 5
    assert rules.plan_day(day, [opened, closed]).weekday is None


@given(st.integers(0, 400), st.integers(0, 23), st.sampled_from(list(Pool)))
def test_a_place_opens_then_gives_back_then_begins(day: int, hour: int, pool: Pool) -> None:
    start = clock.at(SUNDAY + timedelta(days=day), time(hour))
    window = Window(start, start + timedelta(minutes=30))
    opens = rules.opens_at(pool, window, RELEASE)
    back = rules.gives_back_at(pool, window, RELEASE)
    assert opens <= (back or start) <= start
    assert (back is None) == (pool is Pool.PUBLIC)


def test_onsite_places_open_on_the_day() -> None:
    start = clock.at(date(2026, 11, 24), time(9))
    window = Window(start, start + timedelta(minutes=30))
    assert rules.opens_at(Pool.ONSITE, window, RELEASE) == clock.at(date(2026, 11, 24), time(7))
    assert rules.gives_back_at(Pool.ONSITE, window, RELEASE) == start - timedelta(hours=1)


def test_places_are_numbered_without_gaps_pool_after_pool() -> None:
    window = rules.windows_of(MORNING, date(2026, 11, 23))[0]
    places = rules.new_slot(CLINIC, window, MORNING.shares, RELEASE, NOW).places
    assert [place.number for place in places] == [1, 2, 3, 4, 5]
    assert [place.pool for place in places] == [Pool.PUBLIC] * 4 + [Pool.REFERRAL]


def test_a_window_that_has_begun_or_is_too_long_cannot_be_made() -> None:
    with pytest.raises(SlotPast):
        rules.new_slot(CLINIC, Window(NOW, NOW + timedelta(minutes=30)), {}, RELEASE, NOW)
    start = NOW + timedelta(hours=1)
    with pytest.raises(WindowTooLong):
        rules.new_slot(CLINIC, Window(start, start + timedelta(minutes=61)), {}, RELEASE, NOW)


def test_windows_that_have_begun_today_are_left_out() -> None:
    template = replace(MORNING, weekday=7)
    days = {SUNDAY: rules.plan_day(SUNDAY, [])}
    slots = list(rules.slots_of(CLINIC, [template], days, RELEASE, NOW))  # now is 9:00
    assert [slot.window.starts_at.astimezone(clock.CITY).time() for slot in slots] == [
        time(9, 30),
        time(10),
        time(10, 30),
        time(11),
    ]


def test_a_slot_in_fhir_says_whether_it_is_free() -> None:
    window = rules.windows_of(MORNING, date(2026, 11, 23))[0]
    slot = rules.slot_as_fhir(UUID(int=5), CLINIC, window, capacity=5, free=0)
    assert (slot["status"], slot["extension"][0]["valueInteger"]) == ("busy", 5)
    stopped = rules.slot_as_fhir(UUID(int=5), CLINIC, window, capacity=5, free=3, stopped=True)
    assert stopped["status"] == "busy-unavailable"
    assert rules.schedule_as_fhir(CLINIC)["actor"][0]["display"] == "陈静"
