from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from citycare.kernel.context import Channel, Context, Role
from citycare.kit import ids
from citycare.kit.errors import NotFound
from citycare.scenarios.booking.model.core import (
    AlreadyBooked,
    Claim,
    DrawOnly,
    NotYetOpen,
    OfferGone,
    OnHold,
    Pool,
    PoolClosed,
    SlotFilter,
    SlotPast,
    SlotUnavailable,
    SlotUnknown,
    State,
    TooLate,
    TooManyBookings,
    WrongState,
)
from citycare.scenarios.booking.model.schedule import NewSlot
from citycare.scenarios.booking.service import book, holds, lists, wait
from tests.conftest import NOW
from tests.scenarios.booking.conftest import (
    HOSPITAL,
    acting,
    appointment,
    clinic_of,
    make_person,
    open_slot,
    resident,
    staff,
)
from tests.trail import about


async def test_a_resident_books_for_herself_and_everything_is_written_together(
    cx: Context, slot: NewSlot, person: UUID
) -> None:
    booking = await book.book(acting(cx, resident(person)), slot.id, person)
    assert (booking.number, booking.state, booking.channel) == (1, State.BOOKED, Channel.PHONE)
    published = await appointment(cx, booking.id)
    assert published["status"] == "booked"
    assert published["slot"] == [{"reference": f"Slot/{slot.id}"}]
    seen = await about(cx, person)
    assert any(one.action == "booking.book" for one in seen)


async def test_the_third_of_three_is_told_that_the_window_is_full(
    cx: Context, slot: NewSlot
) -> None:
    numbers = []
    for _ in range(2):
        someone = await make_person(cx)
        numbers.append((await book.book(acting(cx, resident(someone)), slot.id, someone)).number)
    assert numbers == [1, 2]
    late = await make_person(cx)
    with pytest.raises(SlotUnavailable):
        await book.book(acting(cx, resident(late)), slot.id, late)


async def test_a_stranger_learns_nothing_of_somebody_else(
    cx: Context, slot: NewSlot, person: UUID
) -> None:
    stranger = resident(await make_person(cx))
    with pytest.raises(NotFound):
        await book.book(acting(cx, stranger), slot.id, person)
    booking = await book.book(acting(cx, resident(person)), slot.id, person)
    with pytest.raises(NotFound):
        await book.cancel(acting(cx, stranger), booking.id)
    with pytest.raises(NotFound):
        await lists.get_booking(acting(cx, stranger), booking.id)


async def test_a_clerk_books_in_her_own_hospital_only(
    cx: Context, slot: NewSlot, person: UUID
) -> None:
    here = acting(cx, staff(Role.CLERK), Channel.WINDOW)
    assert (await book.book(here, slot.id, person)).acted_by == here.actor.account_id
    elsewhere = await open_slot(cx, clinic_changes={"organisation_id": ids.new()})
    other = await make_person(cx)
    outcome = (await book.book_many(here, [claim_of(here, elsewhere.id, other)]))[0]
    assert isinstance(outcome, Exception)


def claim_of(cx: Context, slot_id: UUID, person_id: UUID, pool: Pool = Pool.PUBLIC) -> Claim:
    return Claim(slot_id, person_id, pool, cx.actor, cx.channel, cx.request_id)


async def test_each_reason_to_refuse_has_its_own_code(cx: Context, person: UUID) -> None:
    me = acting(cx, resident(person))
    past = await open_slot(cx, starts_at=NOW - timedelta(minutes=5))
    early = await open_slot(cx, opens_at=NOW + timedelta(hours=1))
    drawn = await open_slot(cx, clinic_changes={"release": "draw"})
    kept = await open_slot(cx, shares={Pool.REFERRAL: 1})
    for slot_id, pool, error in (
        (ids.new(), Pool.PUBLIC, SlotUnknown),
        (past.id, Pool.PUBLIC, SlotPast),
        (early.id, Pool.PUBLIC, NotYetOpen),
        (drawn.id, Pool.PUBLIC, DrawOnly),
        (kept.id, Pool.REFERRAL, PoolClosed),
        (kept.id, Pool.PUBLIC, SlotUnavailable),
    ):
        with pytest.raises(error):
            await book.book(me, slot_id, person, pool)


async def test_the_elder_pool_asks_for_the_age_on_the_day(cx: Context) -> None:
    slot = await open_slot(cx, shares={Pool.ELDER: 2})
    elder = await make_person(cx, NOW.date().replace(year=NOW.year - 61))
    young = await make_person(cx, NOW.date().replace(year=NOW.year - 59))
    booking = await book.book(acting(cx, resident(elder)), slot.id, elder, Pool.ELDER)
    assert booking.pool is Pool.ELDER
    with pytest.raises(PoolClosed):
        await book.book(acting(cx, resident(young)), slot.id, young, Pool.ELDER)


async def test_limits_count_the_same_window_the_department_and_the_day(
    cx: Context, slot: NewSlot, person: UUID
) -> None:
    me = acting(cx, resident(person))
    await book.book(me, slot.id, person)
    at = slot.window.starts_at
    with pytest.raises(AlreadyBooked):
        await book.book(me, slot.id, person)
    same_department = await open_slot(cx, starts_at=at + timedelta(hours=1))
    with pytest.raises(TooManyBookings):
        await book.book(me, same_department.id, person)
    second = await open_slot(
        cx, starts_at=at + timedelta(hours=1), clinic_changes={"department_code": "10"}
    )
    await book.book(me, second.id, person)
    third = await open_slot(
        cx, starts_at=at + timedelta(hours=2), clinic_changes={"department_code": "11"}
    )
    with pytest.raises(TooManyBookings):
        await book.book(me, third.id, person)


async def test_a_cancelled_place_does_not_open_at_once_for_who_watches(
    cx: Context, slot: NewSlot, person: UUID
) -> None:
    me = acting(cx, resident(person))
    booking = await book.book(me, slot.id, person)
    ended = await book.cancel(me, booking.id, "有事")
    assert ended.state is State.CANCELLED
    assert (await appointment(cx, booking.id))["status"] == "cancelled"
    watchers = [await make_person(cx) for _ in range(2)]
    await book.book(acting(cx, resident(watchers[0])), slot.id, watchers[0])
    watcher = acting(cx, resident(watchers[1]))
    with pytest.raises(NotYetOpen):
        await book.book(watcher, slot.id, watchers[1])
    later = replace(watcher, now=NOW + timedelta(minutes=121))
    assert (await book.book(later, slot.id, watchers[1])).number == booking.number
    assert await book.cancel(me, booking.id) is not None  # once more says the same


async def test_a_cancelled_place_is_offered_to_who_waits(
    cx: Context, slot: NewSlot, person: UUID
) -> None:
    me = acting(cx, resident(person))
    booking = await book.book(me, slot.id, person)
    day = slot.window.starts_at.date()
    waiting = await make_person(cx)
    them = acting(cx, resident(waiting))
    entry = await wait.join(them, waiting, slot.clinic.id, NOW.date(), day + timedelta(days=1))
    await book.cancel(me, booking.id)
    offers = await lists.list_waits(them, waiting)
    assert [one["state"] for one in offers] == ["offered"]
    accepted = await wait.accept(them, entry.id)
    assert (accepted.slot_id, accepted.number) == (slot.id, booking.number)
    assert [one["kind"] for one in await lists.list_messages(them, waiting)] == ["offer"]


async def test_who_is_paused_meanwhile_cannot_take_the_offer(
    cx: Context, slot: NewSlot, person: UUID
) -> None:
    me = acting(cx, resident(person))
    booking = await book.book(me, slot.id, person)
    waiting = await make_person(cx)
    them = acting(cx, resident(waiting))
    last = slot.window.starts_at.date() + timedelta(days=1)
    entry = await wait.join(them, waiting, slot.clinic.id, NOW.date(), last)
    await book.cancel(me, booking.id)
    await cx.db.execute(
        "INSERT INTO booking.hold (id, person_id, starts_at, ends_at, no_shows)"
        " VALUES (%(id)s, %(person)s, %(now)s, %(until)s, '{}')",
        {"id": ids.new(), "person": waiting, "now": NOW, "until": NOW + timedelta(days=9)},
    )
    with pytest.raises(OnHold):
        await wait.accept(them, entry.id)
    clerk = acting(cx, staff(Role.CLERK), Channel.WINDOW)
    assert (await wait.accept(clerk, entry.id)).number == booking.number


async def test_an_unanswered_offer_goes_to_the_next(cx: Context, slot: NewSlot) -> None:
    holder, first, second = [await make_person(cx) for _ in range(3)]
    booking = await book.book(acting(cx, resident(holder)), slot.id, holder)
    entries = []
    for n, someone in enumerate((first, second)):
        them = replace(acting(cx, resident(someone)), now=NOW - timedelta(days=1 - n))
        last = slot.window.starts_at.date() + timedelta(days=1)
        entries.append(await wait.join(them, someone, slot.clinic.id, NOW.date(), last))
    await book.cancel(acting(cx, resident(holder)), booking.id)
    later = replace(cx, now=NOW + timedelta(hours=3))
    assert await wait.expire_offers(later) == 1
    them = replace(acting(cx, resident(second)), now=later.now)
    assert (await wait.accept(them, entries[1].id)).number == booking.number


async def test_who_says_no_leaves_the_list_and_the_next_is_asked(
    cx: Context, slot: NewSlot, person: UUID
) -> None:
    booking = await book.book(acting(cx, resident(person)), slot.id, person)
    last = slot.window.starts_at.date() + timedelta(days=1)
    entries = {}
    for days_ago in (2, 1):
        someone = await make_person(cx)
        them = replace(acting(cx, resident(someone)), now=NOW - timedelta(days=days_ago))
        entries[someone] = await wait.join(them, someone, slot.clinic.id, NOW.date(), last)
    first, second = entries
    await book.cancel(acting(cx, resident(person)), booking.id)
    for _ in range(2):  # the second time says the same
        await wait.leave(acting(cx, resident(first)), entries[first].id)
    cursor = await cx.db.execute("SELECT state FROM booking.wait ORDER BY created_at")
    assert [row["state"] for row in await cursor.fetchall()] == ["declined", "offered"]
    assert await lists.list_waits(acting(cx, resident(first)), first) == []
    with pytest.raises(OfferGone):
        await wait.accept(acting(cx, resident(first)), entries[first].id)
    await wait.accept(acting(cx, resident(second)), entries[second].id)


async def test_rescheduling_takes_the_new_place_before_it_lets_the_old_one_go(
    cx: Context, slot: NewSlot, person: UUID
) -> None:
    me = acting(cx, resident(person))
    booking = await book.book(me, slot.id, person)
    other = await open_slot(cx, clinic=slot.clinic, starts_at=slot.window.ends_at)
    moved = await book.reschedule(me, booking.id, other.id)
    assert (moved.follows, moved.slot_id, moved.state) == (booking.id, other.id, State.BOOKED)
    assert (await appointment(cx, booking.id))["status"] == "cancelled"
    seen = await about(cx, person)
    records = {one.record for one in seen if one.action == "booking.reschedule"}
    assert records == {f"Appointment/{booking.id}"}
    with pytest.raises(WrongState):
        await book.reschedule(me, booking.id, slot.id)


async def test_moving_a_booking_is_no_way_round_the_lottery(
    cx: Context, slot: NewSlot, person: UUID
) -> None:
    me = acting(cx, resident(person))
    booking = await book.book(me, slot.id, person)
    drawn = await open_slot(
        cx, clinic_changes={"release": "draw"}, starts_at=NOW + timedelta(days=3)
    )
    with pytest.raises(DrawOnly):
        await book.reschedule(me, booking.id, drawn.id)


async def test_close_to_the_visit_only_staff_may_still_cancel(
    cx: Context, slot: NewSlot, person: UUID
) -> None:
    me = acting(cx, resident(person))
    booking = await book.book(me, slot.id, person)
    late = slot.window.starts_at - timedelta(minutes=10)
    with pytest.raises(TooLate):
        await book.cancel(replace(me, now=late), booking.id)
    clerk = replace(acting(cx, staff(Role.CLERK), Channel.WINDOW), now=late)
    assert (await book.cancel(clerk, booking.id)).state is State.CANCELLED


async def test_three_missed_visits_pause_the_phone_but_not_the_window(
    cx: Context, person: UUID
) -> None:
    me = acting(cx, resident(person))
    for days in range(1, 4):
        window = await open_slot(cx, starts_at=NOW + timedelta(days=days))
        await book.book(me, window.id, person)
    later = replace(cx, now=NOW + timedelta(days=5))
    assert await holds.mark_no_shows(later) == 3
    next_week = await open_slot(cx, starts_at=NOW + timedelta(days=7))
    with pytest.raises(OnHold):
        await book.book(replace(me, now=later.now), next_week.id, person)
    clerk = replace(acting(cx, staff(Role.CLERK), Channel.WINDOW), now=later.now)
    assert (await book.book(clerk, next_week.id, person)).state is State.BOOKED


async def test_an_appeal_that_is_granted_lifts_the_pause(cx: Context, person: UUID) -> None:
    me = acting(cx, resident(person))
    for days in range(1, 4):
        window = await open_slot(cx, starts_at=NOW + timedelta(days=days))
        await book.book(me, window.id, person)
    later = replace(cx, now=NOW + timedelta(days=5))
    await holds.mark_no_shows(later)
    await holds.appeal(replace(me, now=later.now), person, "那几天住院了,来不了。")
    operator = replace(acting(cx, staff(Role.OPERATOR, None)), now=later.now)
    [hold] = await holds.open_appeals(operator)
    await holds.decide(operator, hold.id, lift=True, reason="有住院证明")
    next_week = await open_slot(cx, starts_at=NOW + timedelta(days=7))
    assert await book.book(replace(me, now=later.now), next_week.id, person)
    missed_again = replace(cx, now=NOW + timedelta(days=8))
    assert await holds.mark_no_shows(missed_again) == 1
    me = replace(me, now=missed_again.now)
    assert await holds.current(me, person) is None  # what was excused counts no more


async def test_the_list_of_the_day_is_for_the_hospital_and_every_name_on_it_is_audited(
    cx: Context, slot: NewSlot, person: UUID
) -> None:
    await book.book(acting(cx, resident(person)), slot.id, person)
    nurse = acting(cx, staff(Role.CLINICIAN))
    day = slot.window.starts_at.date()
    rows = await lists.list_day(nurse, HOSPITAL, day)
    assert [row["person_id"] for row in rows] == [person]
    seen = await about(cx, person)
    assert any(one.action == "booking.list_day" for one in seen)


async def test_open_windows_come_in_pages_without_gaps(cx: Context) -> None:
    clinic = clinic_of()
    made = [
        (await open_slot(cx, clinic=clinic, starts_at=NOW + timedelta(minutes=30 * n))).id
        for n in range(1, 8)
    ]
    wanted = SlotFilter(NOW, NOW + timedelta(days=2), clinic=clinic.id)
    found, token = [], None
    while True:
        page = await lists.list_open_slots(cx, wanted, token, count=3)
        found += [row["id"] for row in page.items]
        token = page.next
        if token is None:
            break
    assert found == made


async def test_the_list_of_open_windows_ends_with_the_furthest_release(cx: Context) -> None:
    near = await open_slot(cx)
    await open_slot(cx, clinic=near.clinic, starts_at=NOW + timedelta(days=200))
    wanted = SlotFilter(NOW, NOW + timedelta(days=999), clinic=near.clinic.id)
    page = await lists.list_open_slots(cx, wanted)
    assert [row["id"] for row in page.items] == [near.id]
