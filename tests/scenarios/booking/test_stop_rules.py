from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citycare.kernel.context import Channel
from citycare.kit import clock
from citycare.scenarios.booking.model.core import Booking, Held, Pool, Slot, Source, State
from citycare.scenarios.booking.model.stop import Option, Standard, Terms, Why
from citycare.scenarios.booking.rules import stop as rules

NOW = datetime(2026, 11, 22, 1, tzinfo=UTC)
MONDAY = date(2026, 11, 23)
TERMS = Terms(NOW, days_max=7, notice=timedelta(hours=2), answer=timedelta(hours=24))
HOSPITAL = UUID(int=1)
CHEN = Standard(UUID(int=10), UUID(int=20), HOSPITAL, "03.04", "expert", "副主任医师", 3_800)


def slot(number: int, standard: Standard, day: date = MONDAY, at: time = time(9)) -> Slot:
    start = clock.at(day, at)
    return Slot(
        UUID(int=number),
        standard.clinic_id,
        standard.organisation_id,
        standard.department_code,
        standard.practitioner_id,
        start,
        start + timedelta(minutes=30),
        "open",
        "first_come",
        5,
        5,
    )


def booking(
    number: int, day: date = MONDAY, at: time = time(9), pool: Pool = Pool.PUBLIC
) -> Booking:
    return Booking(
        UUID(int=number),
        UUID(int=999),
        number % 60,
        pool,
        CHEN.clinic_id,
        HOSPITAL,
        "03.04",
        UUID(int=5_000 + number),
        clock.at(day, at),
        State.BOOKED,
        Channel.PHONE,
        None,
        Source.BOOK,
        None,
        NOW - timedelta(minutes=number),
    )


def option(
    number: int,
    standard: Standard,
    day: date = MONDAY,
    at: time = time(9),
    **free: Sequence[int],
) -> Option:
    places = {Pool(name): numbers for name, numbers in free.items()} or {Pool.PUBLIC: [1]}
    return Option(slot(number, standard, day, at), standard, places)


def other(number: int, **changes: object) -> Standard:
    wanted = {"clinic_id": UUID(int=100 + number), "practitioner_id": UUID(int=200 + number)}
    return replace(CHEN, **(wanted | changes))  # type: ignore[arg-type]


WEDNESDAY = MONDAY + timedelta(days=2)


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        (option(1, CHEN, WEDNESDAY), Why.SAME_DOCTOR),
        (option(1, CHEN, MONDAY + timedelta(days=7)), Why.SAME_DOCTOR),
        (option(1, CHEN, MONDAY + timedelta(days=8)), None),
        (option(1, CHEN, date(2026, 11, 22), time(16)), None),  # a day earlier
        (option(1, replace(CHEN, fee_fen=3_801), WEDNESDAY), None),
        (option(1, replace(CHEN, fee_fen=2_000), WEDNESDAY), Why.SAME_DOCTOR),
        (option(1, other(1), at=time(11)), Why.SAME_HALF_DAY),
        (option(1, other(1), at=time(13)), None),
        (option(1, other(1), WEDNESDAY), None),
        (option(1, other(1, title="主任医师")), Why.SAME_HALF_DAY),
        (option(1, other(1, title="主治医师")), None),
        (option(1, other(1, kind="general")), None),
        (option(1, other(1, department_code="12")), None),
        (option(1, other(1, organisation_id=UUID(int=2))), None),
    ],
)
def test_what_counts_as_equal_or_better(what: Option, expected: Why | None) -> None:
    assert rules.why(booking(1), CHEN, what, TERMS) is expected


def test_nobody_is_sent_somewhere_within_the_hour() -> None:
    soon = booking(1, date(2026, 11, 22), time(9, 30))
    at_ten = option(1, other(1), date(2026, 11, 22), time(10))
    at_eleven = option(1, other(1), date(2026, 11, 22), time(11))
    assert rules.why(soon, CHEN, at_ten, TERMS) is None
    assert rules.why(soon, CHEN, at_eleven, TERMS) is Why.SAME_HALF_DAY


def test_an_experts_patient_keeps_the_doctor_others_keep_the_day() -> None:
    options = [option(1, CHEN, WEDNESDAY), option(2, other(1))]
    chosen = rules.replacement(booking(1), CHEN, options, TERMS)
    assert chosen is not None
    assert chosen.why is Why.SAME_DOCTOR
    general = replace(CHEN, kind="general", practitioner_id=None, title="")
    chosen = rules.replacement(
        booking(1), general, [option(1, general, WEDNESDAY), option(2, other(1))], TERMS
    )
    assert chosen is not None
    assert chosen.why is Why.SAME_HALF_DAY


def test_ones_own_pool_comes_first_and_others_are_not_touched() -> None:
    elder = booking(1, pool=Pool.ELDER)
    both = option(1, CHEN, WEDNESDAY, public=[1], elder=[4])
    chosen = rules.replacement(elder, CHEN, [both], TERMS)
    assert chosen is not None
    assert (chosen.pool, chosen.number) == (Pool.ELDER, 4)
    referral = option(1, CHEN, WEDNESDAY, referral=[5])
    assert rules.replacement(elder, CHEN, [referral], TERMS) is None


def test_nobody_is_to_be_in_two_places() -> None:
    there = option(1, CHEN, WEDNESDAY)
    elsewhere = [Held(UUID(int=77), UUID(int=5_001), there.slot.starts_at, "12")]
    assert rules.replacement(booking(1), CHEN, [there], TERMS, elsewhere) is None


def test_titles_are_ranked() -> None:
    titles = ["主任医师", "副主任医师", "主治医师", "住院医师", ""]
    assert [rules.title_rank(title) for title in titles] == [4, 3, 2, 1, 0]
    assert rules.title_rank("主任中医师") == 4


people = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from([8, 9, 10, 14]), st.sampled_from(list(Pool))),
    min_size=1,
    max_size=25,
)
windows = st.lists(
    st.tuples(
        st.integers(0, 9),
        st.sampled_from([8, 9, 10, 14]),
        st.integers(0, 3),
        st.sampled_from(["主任医师", "副主任医师", "主治医师"]),
        st.sampled_from([2_000, 3_800, 5_000]),
        st.sampled_from(list(Pool)),
        st.integers(1, 4),
    ),
    max_size=20,
)


patients = st.lists(st.integers(0, 5), min_size=25, max_size=25)
elsewhere = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 9), st.sampled_from([7, 8, 9, 10, 14])),
    max_size=8,
)


def overlap(one: datetime, until: datetime, other: datetime) -> bool:
    """Whether a visit of an hour at `other` is during a window."""
    return one < other + timedelta(hours=1) and other < until


def held_of(bookings: list[Booking], busy: list[tuple[int, int, int]]) -> dict[UUID, list[Held]]:
    """What people hold: visits elsewhere, and what is stopped."""
    held: dict[UUID, list[Held]] = {}
    for n, (patient, day, hour) in enumerate(busy):
        at = clock.at(MONDAY + timedelta(days=day), time(hour))
        one_id = UUID(int=5_000 + patient)
        held.setdefault(one_id, []).append(Held(UUID(int=9_000 + n), one_id, at, "12"))
    for lost in bookings:  # what is stopped is in nobody's way
        mine = Held(lost.id, lost.person_id, lost.starts_at, "03.04")
        held.setdefault(lost.person_id, []).append(mine)
    return held


@given(people, windows, patients, elsewhere)
def test_everyone_gets_an_equal_or_better_place_or_none_was_left(
    who: list[tuple[int, int, Pool]],
    where: list[tuple[int, int, int, str, int, Pool, int]],
    whose: list[int],
    busy: list[tuple[int, int, int]],
) -> None:
    bookings = [
        replace(
            booking(n, MONDAY + timedelta(days=day), time(hour), pool),
            id=UUID(int=7_000 + n),  # no window has the id of a booking
            person_id=UUID(int=5_000 + whose[n - 1]),
        )
        for n, (day, hour, pool) in enumerate(who, start=1)
    ]
    options = []
    for n, (day, hour, doctor, title, fee, pool, count) in enumerate(where, start=1):
        standard = CHEN if doctor == 0 else other(doctor, title=title, fee_fen=fee)
        free = {pool.value: list(range(1, count + 1))}
        options.append(option(n, standard, MONDAY + timedelta(days=day), time(hour), **free))
    held = held_of(bookings, busy)
    stopped = {lost.id for lost in bookings}
    found, missed = rules.assign(bookings, CHEN, options, TERMS, held)
    assert len(found) + len(missed) == len(bookings)
    places = [(one.option.slot.id, one.number) for one in found]
    assert len(set(places)) == len(places)
    for one in found:
        assert one.why is rules.why(one.booking, CHEN, one.option, TERMS)
        assert one.option.standard.fee_fen <= CHEN.fee_fen
        assert one.pool in (one.booking.pool, Pool.PUBLIC)
    left = [
        replace_free(one, [number for id_, number in places if id_ == one.slot.id])
        for one in options
    ]
    now_held = {
        person: [kept for kept in theirs if kept.id not in stopped]
        for person, theirs in held.items()
    }
    for one in found:
        person, new = one.booking.person_id, one.option.slot
        assert not [
            other
            for other in now_held[person]
            if overlap(new.starts_at, new.ends_at, other.starts_at)
        ]
        now_held[person].append(Held(one.booking.id, person, new.starts_at, "03.04"))
    for late in missed:
        assert rules.replacement(late, CHEN, left, TERMS, now_held[late.person_id]) is None


def replace_free(one: Option, taken: list[int]) -> Option:
    free = {pool: [n for n in numbers if n not in taken] for pool, numbers in one.free.items()}
    return Option(one.slot, one.standard, free)
