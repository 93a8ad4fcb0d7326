"""Bookings of the demo keep the rules real ones keep, and follow the clock."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest

from citycare.journeys.demo import cast, institutions, people, stories, visits
from citycare.journeys.demo.model import SMALL, Institutions, Visit
from citycare.journeys.demo.numbers import Births
from citycare.kit import clock
from citycare.scenarios.booking.model.core import Pool, State
from citycare.scenarios.booking.model.schedule import Release

SUNDAY_0912 = datetime(2026, 11, 22, 1, 12, tzinfo=UTC)
TINY = replace(SMALL, residents=4_000, crowd=4_000, past_windows=600)
RELEASE = Release(
    {Pool.PUBLIC: 14, Pool.REFERRAL: 21, Pool.ONSITE: 0, Pool.ELDER: 14, Pool.FOLLOWUP: 28},
    dict.fromkeys(Pool, time(7)),
    give_back_hours=24,
    onsite_min=60,
)
HOLDING = {State.BOOKED, State.ARRIVED, State.FULFILLED, State.NO_SHOW}


def crowd_at(now: datetime) -> visits.Crowd:
    births = Births()
    own = cast.family(births)
    others = people.families(TINY.residents - len(own.residents), births)
    residents = [*own.residents, *(one for family in others for one in family.residents)]
    return visits.Crowd(residents, clock.day_of(now))


def books(
    city: Institutions, crowd: visits.Crowd, now: datetime
) -> tuple[visits.Booker, list[Visit]]:
    plans = stories.plans(city, {}, now)
    booker = visits.Booker(crowd, plans, now)
    made: list[Visit] = []
    for slot, desk in visits.past(city, TINY, plans, RELEASE, now):
        made += booker.fill(slot, desk, 86)
    for slot, desk in visits.ahead(city, stories.closures(now), RELEASE, now):
        days = (clock.day_of(slot.window.starts_at) - clock.day_of(now)).days
        made += booker.fill(slot, desk, visits.fullness(desk, days, TINY))
    return booker, made


@pytest.fixture(scope="module")
def city() -> Institutions:
    return institutions.build(TINY)


@pytest.fixture(scope="module")
def crowd() -> visits.Crowd:
    return crowd_at(SUNDAY_0912)


@pytest.fixture(scope="module")
def sunday(city: Institutions, crowd: visits.Crowd) -> tuple[visits.Booker, list[Visit]]:
    return books(city, crowd, SUNDAY_0912)


def test_the_same_seed_and_clock_give_the_same_bookings(
    city: Institutions, crowd: visits.Crowd, sunday: tuple[visits.Booker, list[Visit]]
) -> None:
    assert books(city, crowd, SUNDAY_0912)[1] == sunday[1]


def test_no_rule_of_booking_is_broken(sunday: tuple[visits.Booker, list[Visit]]) -> None:
    held = [one.booking for one in sunday[1] if one.booking.state in HOLDING]
    places = Counter((one.slot_id, one.number) for one in held)
    windows = Counter((one.person_id, one.starts_at) for one in held)
    days = Counter((one.person_id, clock.day_of(one.starts_at)) for one in held)
    departments = Counter(
        (one.person_id, clock.day_of(one.starts_at), one.department_code) for one in held
    )
    ahead = Counter(one.person_id for one in held if one.starts_at > SUNDAY_0912)
    assert max(places.values()) == max(windows.values()) == max(departments.values()) == 1
    assert max(days.values()) <= 2
    assert max(ahead.values()) <= 6
    assert len({one.booking.id for one in sunday[1]}) == len(sunday[1])


def test_places_go_to_those_they_are_for(
    crowd: visits.Crowd, sunday: tuple[visits.Booker, list[Visit]]
) -> None:
    for one in (visit.booking for visit in sunday[1]):
        if one.pool is Pool.ELDER:
            assert crowd.is_elder(one.person_id, clock.day_of(one.starts_at))
        if one.pool is Pool.ONSITE:
            assert clock.day_of(one.starts_at) <= clock.day_of(SUNDAY_0912)


def test_bookings_were_made_after_release_and_before_now(
    sunday: tuple[visits.Booker, list[Visit]],
) -> None:
    for one in sunday[1]:
        booking = one.booking
        opens_at = one.slot.places[booking.number - 1].opens_at
        assert opens_at <= booking.created_at <= SUNDAY_0912
        if booking.ended_at:
            assert booking.created_at <= booking.ended_at <= SUNDAY_0912


def test_the_past_has_visits_no_shows_and_cancellations(
    sunday: tuple[visits.Booker, list[Visit]],
) -> None:
    states = Counter(
        one.booking.state
        for one in sunday[1]
        if clock.day_of(one.booking.starts_at) < clock.day_of(SUNDAY_0912)
    )
    assert set(states) == {State.FULFILLED, State.NO_SHOW, State.CANCELLED}
    assert 0.03 < states[State.NO_SHOW] / states.total() < 0.15


def test_who_missed_thrice_is_paused_and_one_appeals(
    sunday: tuple[visits.Booker, list[Visit]],
) -> None:
    booker, made = sunday
    paused = stories.holds(booker, SUNDAY_0912)
    assert paused
    assert sum(one.appeal is not None for one in paused) == 1
    states = {one.booking.id: one.booking for one in made}
    for hold in paused:
        assert len(hold.no_shows) == 3
        assert all(states[one].state is State.NO_SHOW for one in hold.no_shows)
        assert hold.starts_at < SUNDAY_0912 < hold.ends_at
    counts = Counter(one.booking.person_id for one in made if one.booking.state is State.NO_SHOW)
    unpaused = counts.keys() - {hold.person_id for hold in paused}
    assert max(counts[one] for one in unpaused) < 3


def test_at_912_lin_xiuying_is_on_the_list_of_chen_li(
    city: Institutions, sunday: tuple[visits.Booker, list[Visit]]
) -> None:
    clinic = stories.desk_of(city, "chenli").clinic
    today = [
        one.booking
        for one in sunday[1]
        if one.slot.clinic is clinic
        and clock.day_of(one.booking.starts_at) == clock.day_of(SUNDAY_0912)
    ]
    assert clinic.department_name == "心血管内科"
    nine = clock.at(clock.day_of(SUNDAY_0912), time(9))
    present = {one.person_id for one in today if one.starts_at == nine}
    assert {cast.person_id(key) for key in ("linxiuying", "zhoujianguo", "hemin")} <= present
    assert len([one for one in today if one.state in HOLDING]) >= 50
    assert {one.state for one in today} >= {State.FULFILLED, State.ARRIVED, State.BOOKED}


@pytest.mark.parametrize("hour", [0, 3, 7, 12, 18, 23])
def test_whatever_the_hour_the_story_has_its_people(city: Institutions, hour: int) -> None:
    now = clock.at(clock.day_of(SUNDAY_0912), time(hour, 30))
    plans = stories.plans(city, {}, now)
    today = {
        plan.person
        for (_, at), some in plans.items()
        for plan in some
        if clock.day_of(at) == clock.day_of(now)
    }
    assert cast.person_id("linxiuying") in today


def test_a_holiday_closes_a_whole_hospital_for_a_day(city: Institutions) -> None:
    (closure,) = stories.closures(SUNDAY_0912)
    days = Counter(
        clock.day_of(slot.window.starts_at)
        for slot, desk in visits.ahead(city, [closure], RELEASE, SUNDAY_0912)
        if desk.clinic.organisation_id == closure.organisation_id
    )
    assert days[closure.on_day] == 0
    assert days[closure.on_day - timedelta(days=7)] > 0


def test_the_community_doctor_has_seen_those_whom_he_refers(
    city: Institutions, sunday: tuple[visits.Booker, list[Visit]]
) -> None:
    clinic = stories.desk_of(city, "wuhai").clinic.id
    seen = {
        one.booking.person_id
        for one in sunday[1]
        if one.booking.clinic_id == clinic and one.booking.state is State.FULFILLED
    }
    assert {cast.person_id("zhoujianguo"), cast.person_id("linxiuying")} <= seen


def test_children_go_with_nobody_else_to_adult_clinics(
    crowd: visits.Crowd, city: Institutions, sunday: tuple[visits.Booker, list[Visit]]
) -> None:
    audience = {one.clinic.id: one.audience for one in city.desks}
    children = set(crowd.by["child"])
    for one in (visit.booking for visit in sunday[1]):
        if audience[one.clinic_id] in {"adult", "elder", "woman", "man"}:
            assert one.person_id not in children
        elif audience[one.clinic_id] == "child":
            assert one.person_id in children
