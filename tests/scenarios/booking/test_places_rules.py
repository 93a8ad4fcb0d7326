from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from citycare.kernel.context import ANONYMOUS, Channel
from citycare.kernel.fhir import violations
from citycare.kit.errors import AppError
from citycare.scenarios.booking.model.core import (
    Booking,
    Claim,
    Held,
    Place,
    Pool,
    Slot,
    Source,
    State,
)
from citycare.scenarios.booking.rules import limits as limit_rules
from citycare.scenarios.booking.rules import places as rules
from citycare.scenarios.booking.rules.appointment import appointment_as_fhir
from citycare.scenarios.booking.rules.limits import Limits, Standing

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
LIMITS = Limits(
    per_day=2,
    per_department_day=1,
    per_period=6,
    cancel_before_min=30,
    return_min_minutes=10,
    return_max_minutes=120,
    offer_minutes=120,
    no_show_count=3,
    no_show_months=12,
    hold_days=90,
    elder_age=60,
    horizon_days=14,
    care_before_days=7,
    care_after_days=30,
)
SLOTS = [
    Slot(
        UUID(int=n), UUID(int=100 + n), UUID(int=9), f"0{n}", None,
        NOW + timedelta(hours=n), NOW + timedelta(hours=n, minutes=30),
        "open", "first_come", 60, 60,
    )
    for n in range(1, 5)
]  # fmt: skip

claims = st.lists(
    st.builds(
        Claim,
        slot_id=st.sampled_from([slot.id for slot in SLOTS] + [UUID(int=77)]),
        person_id=st.integers(1000, 1010).map(lambda n: UUID(int=n)),
        pool=st.just(Pool.PUBLIC),
        actor=st.just(ANONYMOUS),
        channel=st.sampled_from(Channel),
        request_id=st.just("r"),
    ),
    max_size=60,
)
capacities = st.fixed_dictionaries({slot.id: st.integers(0, 5) for slot in SLOTS})


def desk_with(capacity: dict[UUID, int]) -> rules.Desk:
    places = [
        Place(slot, number, Pool.PUBLIC, NOW)
        for slot, count in capacity.items()
        for number in range(1, count + 1)
    ]
    standing = Standing((), ())
    slots = {slot.id: slot for slot in SLOTS}
    return rules.Desk(slots, places, standing, rules.People(), LIMITS, NOW)


@given(claims, capacities)
def test_no_place_goes_twice_and_no_limit_is_passed(
    wanted: list[Claim], capacity: dict[UUID, int]
) -> None:
    desk = desk_with(capacity)
    given_out: set[tuple[UUID, int]] = set()
    by_person: dict[UUID, list[Slot]] = {}
    for claim in wanted:
        outcome = desk.decide(claim)
        if isinstance(outcome, AppError):
            continue
        key = (outcome.slot.id, outcome.number)
        assert key not in given_out
        assert 1 <= outcome.number <= capacity[outcome.slot.id]
        given_out.add(key)
        by_person.setdefault(claim.person_id, []).append(outcome.slot)
    for held in by_person.values():
        assert len(held) <= LIMITS.per_day
        assert len({slot.department_code for slot in held}) == len(held)


ELDER, YOUNG = UUID(int=1000), UUID(int=1001)
BORN = {ELDER: date(1959, 3, 8), YOUNG: date(1996, 2, 29)}
asked = st.lists(
    st.tuples(
        st.sampled_from([ELDER, YOUNG]),
        st.sampled_from(list(Pool)),
        st.sampled_from(SLOTS),
        st.sampled_from(Source),
    ),
    min_size=1,
    max_size=20,
)
offered = st.lists(st.tuples(st.sampled_from(Pool), st.booleans()), max_size=8)


@given(asked, offered, st.sampled_from(["first_come", "draw"]))
def test_a_place_goes_only_to_whom_its_pool_is_for_and_only_when_it_is_open(
    wanted: list[tuple[UUID, Pool, Slot, Source]],
    kinds: list[tuple[Pool, bool]],
    release: str,
) -> None:
    places = {
        (slot.id, n): Place(slot.id, n, pool, NOW if is_open else NOW + timedelta(hours=1))
        for slot in SLOTS
        for n, (pool, is_open) in enumerate(kinds, start=1)
    }
    slots = {slot.id: replace(slot, release=release) for slot in SLOTS}
    people = rules.People(born_on=BORN, seen=frozenset({(YOUNG, SLOTS[0].clinic_id)}))
    desk = rules.Desk(slots, list(places.values()), Standing((), ()), people, LIMITS, NOW)
    for person, pool, slot, source in wanted:
        claim = Claim(slot.id, person, pool, ANONYMOUS, Channel.PHONE, "r", source)
        given_out = desk.decide(claim)
        if isinstance(given_out, AppError):
            continue
        place = places[slot.id, given_out.number]
        assert (place.pool, place.opens_at) == (pool, NOW)
        assert pool not in (Pool.REFERRAL, Pool.ONSITE)  # a phone, and nobody's doctor
        assert pool is not Pool.ELDER or person == ELDER
        assert pool is not Pool.FOLLOWUP or (person, slot) == (YOUNG, SLOTS[0])
        drawn = release == "draw" and pool is Pool.PUBLIC
        assert not (drawn and source in (Source.BOOK, Source.RESCHEDULE))


@given(claims, capacities)
def test_nobody_is_told_full_while_a_place_is_left(
    wanted: list[Claim], capacity: dict[UUID, int]
) -> None:
    desk = desk_with(capacity)
    left = dict(capacity)
    for claim in wanted:
        outcome = desk.decide(claim)
        if isinstance(outcome, AppError):
            if outcome.code == "booking.slot_unavailable":
                assert left[claim.slot_id] == 0
        else:
            left[outcome.slot.id] -= 1


@given(st.floats(0, 1, exclude_max=True), st.integers(1, 60 * 24 * 14))
def test_a_returned_place_opens_within_policy_and_well_before_the_visit(
    chance: float, minutes: int
) -> None:
    starts_at = NOW + timedelta(minutes=minutes)
    opens = rules.return_at(NOW, starts_at, chance, LIMITS)
    assert NOW <= opens <= NOW + timedelta(minutes=LIMITS.return_max_minutes)
    assert opens - NOW <= (starts_at - NOW) / 2


@given(st.lists(st.integers(0, 800), max_size=8))
def test_a_pause_follows_exactly_from_enough_recent_misses(days_ago: list[int]) -> None:
    missed = [NOW - timedelta(days=days) for days in days_ago]
    recent = sum(days <= 365.28 for days in days_ago)
    until = limit_rules.hold_until(missed, NOW, LIMITS)
    assert (until is not None) == (recent >= LIMITS.no_show_count)


def test_a_booking_that_is_replaced_does_not_count_against_its_successor() -> None:
    old = Held(UUID(int=1), UUID(int=5), SLOTS[0].starts_at, SLOTS[0].department_code)
    standing = Standing([old], ())
    claim = Claim(
        SLOTS[0].id, UUID(int=5), Pool.PUBLIC, ANONYMOUS, Channel.PHONE, "r", follows=old.id
    )
    assert limit_rules.check_limits(claim, SLOTS[0], standing, LIMITS, NOW) is None


def test_every_state_is_in_the_table_and_ended_ones_stay_ended() -> None:
    assert set(rules.NEXT) == set(State)
    for ended in (State.CANCELLED, State.MOVED, State.STOPPED):
        assert not rules.NEXT[ended]


@given(st.sampled_from(State), st.sampled_from(SLOTS), st.booleans())
def test_what_is_published_without_checks_passes_them(
    state: State,
    slot: Slot,
    has_doctor: bool,  # noqa: FBT001 - Hypothesis gives it by position
) -> None:
    doctor = UUID(int=8) if has_doctor else None
    booking = Booking(
        UUID(int=1), slot.id, 3, Pool.PUBLIC, slot.clinic_id, slot.organisation_id,
        slot.department_code, UUID(int=5), slot.starts_at, state, Channel.PHONE, None,
        Source.BOOK, None, NOW,
    )  # fmt: skip
    published = appointment_as_fhir(booking, replace(slot, practitioner_id=doctor))
    assert not violations(published)


steps = st.lists(st.sampled_from(State), max_size=12)


@given(steps)
def test_taking_back_reaches_only_where_one_was_and_never_reopens_what_was_given_up(
    asked: list[State],
) -> None:
    state, been = State.BOOKED, {State.BOOKED}
    for new in asked:
        if not rules.may_become(state, new):
            continue
        if rules.takes_back(state, new):
            assert new in been
        assert state not in (State.CANCELLED, State.MOVED, State.STOPPED)
        state = new
        been.add(new)


@given(st.sampled_from(State), st.sampled_from(State))
def test_whatever_may_be_taken_back_is_a_step_of_the_table_and_leads_forward_again(
    old: State, new: State
) -> None:
    if rules.takes_back(old, new):
        assert rules.may_become(old, new)
        assert rules.may_become(new, old)
        assert not rules.takes_back(new, old)
