"""Measure the record: `./run bench record [FIGURE…] [--patients N] [--growth]`.

Ok answers only, fsync on, eight connections. Beside each figure stands bare psycopg doing the least
SQL for the same (`peer`), in the same run. `--growth` measures at 10,000 and at 1,000,000 resources
and says by how much the worst figure fell.
"""

from __future__ import annotations

import json
import socket
import sys

import psutil
import uvloop

from bench import city, load, publish
from bench.record import calls, data, imports, peer, stage
from citycare.kit.embedded import Embedded

Figures = dict[str, float]
CONNECTIONS = 8
PATIENTS = 2_400  # 60,000 resources with their observations
SMALL = 400  # 10,000
LARGE = 40_000  # 1,000,000
WARM = 40
IDLE_PERCENT = 8.0  # of all cores
REST_S_MAX = 30
OK = (200, 201)


def measure(names: list[str], url: str, patients: int) -> Figures:
    """Run each figure against the application."""
    token = stage.token(url)
    port = _free_port()
    figures: Figures = {}
    with city.application(port) as (web, _):
        processes = psutil.Process(web.pid).children()
        for name in names:
            make, count = calls.CALLS[name]
            _run(make(WARM, token, patients), port, processes)
            _rested()
            outcome = _run(make(count, token, patients), port, processes)
            wrong = {status: n for status, n in outcome.counts.items() if status not in OK}
            if wrong:
                print(f"  {name}: not ok: {wrong}", file=sys.stderr)
            good = sum(n for status, n in outcome.counts.items() if status in OK)
            figures[name] = good / outcome.seconds
            took = outcome.percentile_ms(0.95)
            print(f"  {name}: {figures[name]:.0f}/s, p95 {took:.1f} ms", file=sys.stderr)
    return figures


def _run(requests: list[bytes], port: int, processes: list[psutil.Process]) -> load.Outcome:
    """Send requests, by as many connections to each process as bare psycopg's have."""
    address = "127.0.0.1", port
    sockets = load.spread(address, processes, CONNECTIONS // len(processes))
    return uvloop.run(load.run(requests, address, CONNECTIONS, sockets=sockets))


def _rested() -> None:
    """Wait until the machine does nothing else: each figure is of its own work, as the peer's is.

    The worker goes on after many writes, and so does the vacuum after the stage was filled.
    """
    for _ in range(REST_S_MAX):
        if psutil.cpu_percent(interval=1.0) < IDLE_PERCENT:
            return
    print("  the machine did not come to rest", file=sys.stderr)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def at_size(embedded: Embedded, names: list[str], patients: int) -> tuple[Figures, str]:
    """Fill the record and measure; return the figures, and where the record is."""
    url = city.fresh(embedded)
    print(f"· {patients * (data.PER_PATIENT + 1)} resources", file=sys.stderr)
    stage.fill(url, patients)
    return measure(names, url, patients), url


def main() -> None:
    """Measure, print one JSON object on the last line, keep it in docs/performance.md."""
    arguments = sys.argv[1:]
    growth = "--growth" in arguments
    patients = PATIENTS
    if "--patients" in arguments:
        at = arguments.index("--patients")
        patients = int(arguments[at + 1])
        del arguments[at : at + 2]
    names = [one for one in arguments if not one.startswith("--")]
    served = [one for one in names or calls.CALLS if one in calls.CALLS]
    embedded = city.server()
    ratios: Figures = {}
    try:
        figures, url = at_size(embedded, served, patients)
        figures["bytes_per_json_byte"] = stage.bytes_per_json_byte(url)
        if not names or "import_resources" in names:
            _rested()
            figures["import_resources"] = imports.measure(url)
        for name in [one for one in figures if one in peer.WORK]:
            _rested()
            bare = peer.measure(name, url, patients)
            ratios[name] = figures[name] / bare
            print(f"  bare {name}: {bare:.0f}/s", file=sys.stderr)
        if growth:
            figures_10k, _ = at_size(embedded, served, SMALL)
            large, _ = at_size(embedded, served, LARGE)
            ratios["growth"] = max(figures_10k[name] / large[name] for name in served)
            figures |= {f"{name}_10k": value for name, value in figures_10k.items()}
            figures |= {f"{name}_1m": value for name, value in large.items()}
    finally:
        city.throw_away()
    result = {
        "bench": "record",
        "figures": {name: round(value, 2) for name, value in figures.items()},
        "ratios": {name: round(value, 2) for name, value in ratios.items()},
    }
    if not names:
        publish.keep(result)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
