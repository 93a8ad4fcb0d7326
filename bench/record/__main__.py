"""Measure the record: `./run bench record [FIGURE…] [--patients N]`."""

from __future__ import annotations

import asyncio
import json
import socket
import sys

from bench import city, load
from bench.record import calls, stage

Figures = dict[str, float]
CONNECTIONS = 8
PATIENTS = 400
WARM = 20


def measure(names: list[str], url: str, patients: int) -> Figures:
    """Run each figure against the application."""
    token = stage.token(url)
    port = _free_port()
    figures: Figures = {}
    with city.application(port):
        for name in names:
            make, count = calls.CALLS[name]
            _run(make(WARM, token, patients), port)
            outcome = _run(make(count, token, patients), port)
            wrong = {status: n for status, n in outcome.counts.items() if status not in (200, 201)}
            if wrong:
                print(f"  {name}: {wrong}", file=sys.stderr)
            good = sum(n for status, n in outcome.counts.items() if status in (200, 201))
            figures[name] = good / outcome.seconds
            print(
                f"  {name}: {figures[name]:.0f}/s, p95 {outcome.percentile_ms(0.95):.1f} ms",
                file=sys.stderr,
            )
    return figures


def _run(requests: list[bytes], port: int) -> load.Outcome:
    return asyncio.run(load.run(requests, ("127.0.0.1", port), CONNECTIONS))


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def main() -> None:
    """Measure, and print one JSON object on the last line."""
    arguments = sys.argv[1:]
    patients = PATIENTS
    if "--patients" in arguments:
        at = arguments.index("--patients")
        patients = int(arguments[at + 1])
        del arguments[at : at + 2]
    embedded = city.server()
    try:
        url = city.fresh(embedded)
        stage.fill(url, patients)
        figures = measure(arguments or list(calls.CALLS), url, patients)
        figures["bytes_per_json_byte"] = stage.bytes_per_json_byte(url)
    finally:
        city.throw_away()
    result = {"bench": "record", "figures": {k: round(v, 2) for k, v in figures.items()}}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
