"""PostgreSQL is killed with -9 in the middle of a rush; the supervisor brings it back."""

from __future__ import annotations

import os
import signal

import pytest

from tests.faults import rush


@pytest.mark.fault
async def test_a_database_killed_in_a_rush_loses_no_confirmed_booking(
    real_city: rush.RealCity,
) -> None:
    real_city.supervise()
    postmaster = real_city.embedded.pid()
    assert postmaster is not None

    story = await rush.rush_and_kill(real_city, lambda: os.kill(postmaster, signal.SIGKILL))

    story.tell("postgres killed")
    assert story.well_s < rush.WELL_S_MAX
    assert real_city.embedded.pid() != postmaster
    assert story.first.counts[503] + story.first.counts[0] > 0, "nobody noticed the outage"
    rush.check_confirmed_is_kept(real_city, story)
    rush.check_nothing_sold_twice(real_city)
    await rush.check_trail_and_events(real_city)
    await rush.check_queue_is_worked_off(real_city)
