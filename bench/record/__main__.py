"""Measure the record: `./run bench record [FIGURE…] [--patients N] [--growth]`.

Ok answers only, fsync on, eight connections. What is compared is measured in turns, twice each,
since a machine may be a fifth slower some minutes later: each figure with bare psycopg doing the
least SQL for the same (`peer`), and for `--growth` at 10,000 and at 1,000,000 resources, which says
by how much the worst figure fell.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from statistics import fmean

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
WARM = 200  # until statements are prepared and planned on each connection
ROUNDS = 2
IMPORT = "import_resources"
IDLE_PERCENT = 8.0  # of all cores
REST_S_MAX = 30
OK = (200, 201)


@dataclass(frozen=True)
class Running:
    """An application at work on a record with so many patients on the stage."""

    url: str
    patients: int
    token: str
    port: int
    processes: list[psutil.Process]

    def measure(self, name: str) -> float:
        """Return ok answers a second; the calls of a figure are divided among the ROUNDS."""
        make, count = calls.CALLS[name]
        self._run(make(WARM, self.token, self.patients))
        _rested()
        outcome = self._run(make(count // ROUNDS, self.token, self.patients))
        wrong = {status: n for status, n in outcome.counts.items() if status not in OK}
        if wrong:
            print(f"  {name}: not ok: {wrong}", file=sys.stderr)
        good = sum(n for status, n in outcome.counts.items() if status in OK)
        return good / outcome.seconds

    def _run(self, requests: list[bytes]) -> load.Outcome:
        """Send requests, by as many connections to each process as bare psycopg's have."""
        address = "127.0.0.1", self.port
        sockets = load.spread(address, self.processes, CONNECTIONS // len(self.processes))
        return uvloop.run(load.run(requests, address, CONNECTIONS, sockets=sockets))


@contextmanager
def running(embedded: Embedded, patients: int) -> Iterator[Running]:
    """Fill a record of its own and run the application on it."""
    url = city.fresh(embedded, f"record_{patients}")
    print(f"· {patients * (data.PER_PATIENT + 1)} resources", file=sys.stderr)
    stage.fill(url, patients)
    port = _free_port()
    with city.application(port, url=url) as (web, _):
        processes = psutil.Process(web.pid).children()
        yield Running(url, patients, stage.token(url), port, processes)


def in_turns(name: str, one: Callable[[], float], other: Callable[[], float]) -> Sequence[float]:
    """Return what both reach, on average of the ROUNDS."""
    found = []
    for _ in range(ROUNDS):
        for each in (one, other):
            _rested()
            found.append(each())
    print(f"  {name}: {' '.join(f'{each:.0f}' for each in found)}", file=sys.stderr)
    return fmean(found[::2]), fmean(found[1::2])


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


def at_once(
    embedded: Embedded, names: Sequence[str], patients: int, *, imported: bool
) -> tuple[Figures, Figures]:
    """Measure each figure and bare psycopg in turns; return figures and ratios."""
    figures: Figures = {}
    ratios: Figures = {}
    with running(embedded, patients) as here:
        for name in names:
            bare = partial(peer.measure, name, here.url, patients)
            figures[name], peers = in_turns(name, partial(here.measure, name), bare)
            ratios[name] = figures[name] / peers
    figures["bytes_per_json_byte"] = stage.bytes_per_json_byte(here.url)
    if imported:
        _rested()
        figures[IMPORT] = imports.measure(here.url)  # once: what is there is not new again
        _rested()
        ratios[IMPORT] = figures[IMPORT] / peer.measure(IMPORT, here.url, patients)
    return figures, ratios


def growth(embedded: Embedded, names: Sequence[str]) -> tuple[Figures, float]:
    """Measure each figure at both sizes in turns; return the figures, and by how much one fell."""
    figures: Figures = {}
    with running(embedded, LARGE) as large, running(embedded, SMALL) as small:
        for name in names:
            both = in_turns(name, partial(small.measure, name), partial(large.measure, name))
            figures[f"{name}_10k"], figures[f"{name}_1m"] = both
    return figures, max(figures[f"{name}_10k"] / figures[f"{name}_1m"] for name in names)


def main() -> None:
    """Measure, print one JSON object on the last line, keep it in docs/performance.md."""
    arguments = sys.argv[1:]
    with_growth = "--growth" in arguments
    patients = PATIENTS
    if "--patients" in arguments:
        at = arguments.index("--patients")
        patients = int(arguments[at + 1])
        del arguments[at : at + 2]
    names = [one for one in arguments if not one.startswith("--")]
    served = [one for one in names or calls.CALLS if one in calls.CALLS]
    embedded = city.server()
    try:
        imported = not names or IMPORT in names
        figures, ratios = at_once(embedded, served, patients, imported=imported)
        if with_growth:
            more, ratios["growth"] = growth(embedded, served)
            figures |= more
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
