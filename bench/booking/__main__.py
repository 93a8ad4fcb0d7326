"""Run the phases and publish what they found.

`./run bench booking [PHASE…]` with rush, storm, crash, slots, draw, idle; all without a name.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

from bench import city, draw, publish
from bench.booking import phases
from bench.booking.phases import Figures
from citycare.kit.embedded import Embedded


def _draw(_: Embedded) -> Figures:
    measured = draw.measure()
    assert measured["verified"], "the draw does not verify"
    return {"draw_s": float(measured["draw_s"])}


PHASES: dict[str, Callable[[Embedded], Figures]] = {
    "rush": phases.rush_phase,
    "storm": phases.storm_phase,
    "crash": phases.crash_phase,
    "slots": phases.slots_phase,
    "draw": _draw,
    "idle": phases.idle_phase,
}


def main() -> None:
    """Measure, print one JSON object on the last line, keep it in docs/performance.md."""
    wanted = sys.argv[1:] or list(PHASES)
    embedded = city.server()
    figures: Figures = {}
    try:
        for name in wanted:
            print(f"· {name}", file=sys.stderr)
            figures |= PHASES[name](embedded)
    finally:
        city.throw_away()
    ratios: Figures = {}
    if "rush_per_s" in figures:
        ratios["rush_vs_raw"] = figures["rush_per_s"] / figures["raw_per_s"]
    if "slots_p95_ms" in figures:
        ratios["slots_p95_growth"] = figures["slots_p95_1m_ms"] / figures["slots_p95_ms"]
    result = {
        "bench": "booking",
        "figures": {name: round(value, 2) for name, value in figures.items()},
        "ratios": {name: round(value, 2) for name, value in ratios.items()},
    }
    if not sys.argv[1:]:
        publish.keep(result)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
