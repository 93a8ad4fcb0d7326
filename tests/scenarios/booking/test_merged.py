"""Two records of one person are made one: what stands under the old id is theirs as before."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from citycare.kernel import identity
from citycare.kernel.context import Channel, Context, Role
from citycare.scenarios.booking.model.schedule import NewSlot
from citycare.scenarios.booking.service import book, desk, lists, wait
from tests.conftest import NOW
from tests.scenarios.booking.conftest import HOSPITAL, acting, make_person, resident, staff


async def merged_with_a_visit(cx: Context, slot: NewSlot) -> tuple[UUID, UUID]:
    """Somebody known twice, who booked and waits under the record that is merged away."""
    kept, old = await make_person(cx), await make_person(cx)
    me = acting(cx, resident(old))
    await book.book(me, slot.id, old)
    today = NOW.date()
    await wait.join(me, old, slot.clinic.id, today, today + timedelta(days=3))
    await identity.merge(cx, kept, old, "同一人建了两次档")
    return kept, old


async def test_the_person_goes_on_seeing_what_was_booked_under_the_old_id(
    cx: Context, slot: NewSlot
) -> None:
    kept, old = await merged_with_a_visit(cx, slot)
    me = acting(cx, resident(kept))
    for asked in (kept, old):
        [row] = (await lists.list_mine(me, asked, upcoming=True)).items
        assert row["person_id"] == old
        [entry] = await lists.list_waits(me, asked)
        assert entry["person_id"] == old
    assert not (await lists.list_mine(me, kept, upcoming=False)).items


async def test_a_clerk_sees_it_at_the_window_and_a_stranger_does_not(
    cx: Context, slot: NewSlot
) -> None:
    kept, _ = await merged_with_a_visit(cx, slot)
    clerk = acting(cx, staff(Role.CLERK), Channel.WINDOW)
    assert len((await lists.list_mine(clerk, kept, upcoming=True)).items) == 1
    customer = await desk.customer(clerk, kept, HOSPITAL)
    assert (len(customer.bookings), len(customer.waits)) == (1, 1)
    elsewhere = acting(cx, staff(Role.CLERK, UUID(int=9)), Channel.WINDOW)
    assert (await lists.list_mine(elsewhere, kept, upcoming=True)).items == []
