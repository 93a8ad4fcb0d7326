"""The supervisor keeps web, worker and database up, and ends them all when told to."""

from __future__ import annotations

import asyncio
import sys
import time

import psutil
import pytest

from tests.faults import rush


async def new_child(supervisor: psutil.Process, word: str, old: psutil.Process) -> psutil.Process:
    """Wait until another process stands in for the old one."""
    end = time.monotonic() + rush.WELL_S_MAX
    while time.monotonic() < end:
        found = [one for one in rush.children_of(supervisor, word) if one.pid != old.pid]
        if found:
            return found[0]
        await asyncio.sleep(0.05)
    raise AssertionError(f"{word} did not come back")


@pytest.mark.fault
async def test_a_worker_killed_in_a_rush_comes_back_and_delivers_everything(
    real_city: rush.RealCity,
) -> None:
    supervisor = real_city.supervise()
    [worker] = rush.children_of(supervisor, "citycare.worker")

    story = await rush.rush_and_kill(real_city, worker.kill)

    story.tell("worker killed")
    assert set(story.first.counts) <= {201, 409}, "people noticed that the worker was away"
    await new_child(supervisor, "citycare.worker", worker)
    rush.check_confirmed_is_kept(real_city, story)
    rush.check_nothing_sold_twice(real_city)
    await rush.check_trail_and_events(real_city)
    await rush.check_queue_is_worked_off(real_city)


@pytest.mark.fault
async def test_a_killed_web_server_comes_back_and_leaves_no_old_process_behind(
    real_city: rush.RealCity,
) -> None:
    supervisor = real_city.supervise()
    [server] = rush.children_of(supervisor, "granian")
    orphans = rush.workers_of(server)
    assert len(orphans) == 2

    story = await rush.rush_and_kill(real_city, server.kill)

    story.tell("web server killed")
    assert story.well_s < rush.WELL_S_MAX
    await new_child(supervisor, "granian", server)
    rush.check_confirmed_is_kept(real_city, story)
    rush.check_nothing_sold_twice(real_city)
    _, alive = psutil.wait_procs(orphans, timeout=rush.WELL_S_MAX)
    assert not alive, "old web processes still serve"


@pytest.mark.fault
async def test_told_to_stop_it_ends_every_part_and_leaves_a_clean_database(
    real_city: rush.RealCity,
) -> None:
    supervisor = real_city.supervise()
    family = supervisor.children(recursive=True)
    started = time.monotonic()
    supervisor.terminate()
    real_city.processes[0].wait(20)
    took = time.monotonic() - started
    _, alive = psutil.wait_procs(family, timeout=5)
    assert not alive
    assert not real_city.embedded.is_running()
    with pytest.raises(OSError, match="Connect"):
        await asyncio.open_connection(*real_city.address)
    sys.stdout.write(f"\nstopped after {took:.1f} s\n")
    real_city.embedded.ensure_running()
    assert real_city.ask("SELECT count(*) FROM booking.booking") == 0


@pytest.mark.fault
async def test_a_worker_that_cannot_start_ends_instead_of_hanging(
    real_city: rush.RealCity,
) -> None:
    (real_city.home / "secrets").write_text("a file where the folder of keys should be")
    worker = real_city.start(sys.executable, "-m", "citycare.worker")
    assert await asyncio.to_thread(worker.wait, 20) != 0
