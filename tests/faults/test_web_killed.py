"""A web process is killed with -9 in the middle of a rush: nothing sold twice, nothing lost.

No worker runs meanwhile, so that afterwards a handler can count each event that comes to it.
"""

from __future__ import annotations

from collections import Counter

import pytest

from citycare.kernel import events
from citycare.kernel.context import Context
from citycare.kernel.events import Event, Handler
from tests.faults import rush


@pytest.mark.fault
async def test_a_web_process_killed_in_a_rush_loses_no_confirmed_booking(
    real_city: rush.RealCity,
) -> None:
    parent = real_city.serve()
    victim = rush.workers_of(parent)[0]

    story = await rush.rush_and_kill(real_city, victim.kill)

    story.tell("web process killed")
    assert story.well_s < rush.WELL_S_MAX
    rush.check_confirmed_is_kept(real_city, story)
    rush.check_nothing_sold_twice(real_city)
    await rush.check_trail_and_events(real_city)
    alive = rush.workers_of(parent)
    assert len(alive) == 2
    assert victim.pid not in {one.pid for one in alive}


@pytest.mark.fault
async def test_events_of_a_rush_with_a_killed_web_process_are_delivered_once_each(
    real_city: rush.RealCity,
) -> None:
    seen: Counter[str] = Counter()

    async def count(_: Context, event: Event) -> None:
        seen[str(event.facts["booking"])] += 1

    victim = rush.workers_of(real_city.serve())[1]
    await rush.rush_and_kill(real_city, victim.kill)
    database = real_city.database()
    await database.open()
    for _ in range(2):  # the second time there is nothing left to deliver
        await events.drain(database, [Handler("booking.booked", "fault.count", count)])
    await database.close()
    assert set(seen.values()) == {1}
    assert len(seen) == real_city.ask("SELECT count(*) FROM booking.booking")
