"""The phases of the booking bench; each returns figures by name."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import psutil
import uvloop

from bench import city, load
from bench.booking import rush, truth
from citycare.kit.embedded import Embedded

Figures = dict[str, float]
RUNS = 3
RUSH_CLAIMS = 40_000  # about as long as the bare loop
STORM_CLAIMS, STORM_PLACES = 100_000, 20_000
CRASH_CLAIMS, CRASH_PLACES = STORM_CLAIMS, STORM_PLACES
CAPACITY = 5
LIST_CALLS = 2_000
LIST_CONNECTIONS = 20
IDLE_AFTER_S = 20
IDLE_SLOTS = 10_000


def rush_phase(embedded: Embedded) -> Figures:
    """Measure raw and ours in turn, three times each, and give the medians."""
    raw, ours, p99 = [], [], []
    for number in range(RUNS):
        url = city.fresh(embedded)
        stage = city.fill(url, people=RUSH_CLAIMS, slots=RUSH_CLAIMS // CAPACITY, capacity=CAPACITY)
        raw.append(rush.raw_per_s(url))
        ready = rush.requests(stage, stage.slots, range(RUSH_CLAIMS), number)
        with city.application(rush.PORT):
            measured = rush.send(ready)
        oversold, lost = truth.check(url, [measured.outcome])
        assert (oversold, lost) == (0, 0), (oversold, lost)
        ours.append(measured.per_s)
        p99.append(measured.p99_ms)
        print(f"  rush {number + 1}: raw {raw[-1]:.0f}/s, ours {ours[-1]:.0f}/s", file=sys.stderr)
    return {
        "raw_per_s": statistics.median(raw),
        "rush_per_s": statistics.median(ours),
        "rush_p99_ms": statistics.median(p99),
    }


def storm_phase(embedded: Embedded) -> Figures:
    """Let 100,000 people claim 20,000 places."""
    url = city.fresh(embedded)
    slots = STORM_PLACES // CAPACITY
    stage = city.fill(url, people=STORM_CLAIMS, slots=slots, capacity=CAPACITY)
    ready = rush.requests(stage, stage.slots, range(STORM_CLAIMS), 7)
    with city.application(rush.PORT):
        measured = rush.send(ready)
    oversold, lost = truth.check(url, [measured.outcome])
    counts = measured.outcome.counts
    return {
        "oversold": oversold,
        "lost": lost,
        "storm_booked": counts[201],
        "storm_claims_per_s": STORM_CLAIMS / measured.outcome.seconds,
        "storm_p99_ms": measured.p99_ms,
        "storm_other": STORM_CLAIMS - counts[201] - counts[409],
    }


@contextmanager
def supervised(port: int) -> Iterator[psutil.Process]:
    """Run the whole demo as it runs: the supervisor with the server, the web and the worker."""
    environment = {**os.environ, "CITYCARE_HOME": str(city.HOME), "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-m", "citycare.kit.supervise", "127.0.0.1", str(port), "2"]
    process = subprocess.Popen([*command, str(city.HOME / "postgres")], env=environment)
    try:
        city.wait_ready(port)
        yield psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _victims(supervisor: psutil.Process, embedded: Embedded) -> list[tuple[str, int]]:
    found = []
    for child in supervisor.children(recursive=True):
        words = " ".join(child.cmdline())
        if "citycare.worker" in words:
            found.append(("worker", child.pid))
        elif "granian" in words and child.ppid() != supervisor.pid:
            found.append(("web", child.pid))
    pid = embedded.pid()
    assert pid is not None
    return [next(one for one in found if one[0] == kind) for kind in ("web", "worker")] + [
        ("postgres", pid)
    ]


def crash_phase(embedded: Embedded) -> Figures:
    """Kill a web process, the worker and PostgreSQL with -9 in the middle of a rush."""
    url = city.fresh(embedded)
    slots = CRASH_PLACES // CAPACITY
    stage = city.fill(url, people=CRASH_CLAIMS, slots=slots, capacity=CAPACITY)
    ready = rush.requests(stage, stage.slots, range(CRASH_CLAIMS), 11)
    back: list[float] = []
    with supervised(rush.PORT) as supervisor:

        def kill() -> None:
            for name, pid in _victims(supervisor, embedded):
                time.sleep(1.0)
                os.kill(pid, signal.SIGKILL)
                killed = time.monotonic()
                print(f"  killed {name}", file=sys.stderr)
                if name == "postgres":
                    time.sleep(0.2)
                    city.wait_ready(rush.PORT)
                    back.append(time.monotonic() - killed)

        killer = threading.Thread(target=kill)
        killer.start()
        first = rush.send(ready)
        killer.join()
        again = [
            request
            for request, status in zip(ready, first.outcome.statuses, strict=True)
            if status not in (201, 409)
        ]
        outcomes = [first.outcome]
        if again:
            outcomes.append(rush.send(again).outcome)
    embedded.ensure_running()
    oversold, lost = truth.check(embedded.url(city.DATABASE), outcomes)
    return {
        "crash_oversold": oversold,
        "crash_lost": lost,
        "crash_back_s": back[0],
        "crash_retried": len(again),
        "crash_unsettled": sum(
            status not in (201, 409) for status in (outcomes[-1].statuses if again else ())
        ),
    }


def _list_p95(port: int) -> float:
    start = datetime.now(UTC)
    paths = []
    for n in range(LIST_CALLS):
        day = (start + timedelta(days=n % 10)).strftime("%Y-%m-%dT%H:%M:%SZ")
        kinds = ("", f"&department={n % 30:02d}", f"&district={310100 + n % 16}")
        paths.append(load.get(f"/api/v1/slots?from={day}{kinds[n % 3]}"))
    uvloop.run(load.run(paths[:1_000], ("127.0.0.1", port), LIST_CONNECTIONS))
    outcome = uvloop.run(load.run(paths, ("127.0.0.1", port), LIST_CONNECTIONS))
    assert outcome.counts[200] == LIST_CALLS, outcome.counts
    return outcome.percentile_ms(0.95)


def slots_phase(embedded: Embedded) -> Figures:
    """List open windows at 10,000, 100,000 and 1,000,000 open places."""
    found = {}
    for places in (10_000, 100_000, 1_000_000):
        url = city.fresh(embedded)
        city.fill(url, people=1, slots=places // CAPACITY, capacity=CAPACITY)
        with city.application(rush.PORT):
            found[places] = _list_p95(rush.PORT)
        print(f"  list at {places:,} open places: p95 {found[places]:.1f} ms", file=sys.stderr)
    return {
        "slots_p95_ms": found[10_000],
        "slots_p95_100k_ms": found[100_000],
        "slots_p95_1m_ms": found[1_000_000],
    }


def idle_phase(embedded: Embedded) -> Figures:
    """Measure what the whole demo holds in memory when nobody asks for anything.

    Proportional set size, summed: memory shared between processes counts once.
    """
    city.fill(city.fresh(embedded), people=1, slots=IDLE_SLOTS, capacity=CAPACITY)
    with supervised(rush.PORT) as supervisor:
        time.sleep(IDLE_AFTER_S)
        pid = embedded.pid()
        assert pid is not None
        processes = [supervisor, *supervisor.children(recursive=True)]
        server = psutil.Process(pid)
        known = {process.pid for process in processes}
        processes += [
            one for one in (server, *server.children(recursive=True)) if one.pid not in known
        ]
        total = sum(process.memory_full_info().pss for process in processes)
        naive = sum(process.memory_info().rss for process in processes)
    embedded.ensure_running()
    return {"idle_rss_mb": total / 1e6, "idle_rss_sum_mb": naive / 1e6}
