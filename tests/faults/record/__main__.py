"""The history checker by hand, with its report: `python -m tests.faults.record --seconds 300`."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from citycare.kit.embedded import Embedded
from tests.faults.record import checking, running


def main() -> int:
    """Run, check, report; 1 if anything is wrong."""
    asked = argparse.ArgumentParser(prog="python -m tests.faults.record", description=__doc__)
    asked.add_argument("--seconds", type=float, default=300)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--broken", default="", help="take out a safeguard, see broken.py")
    asked.add_argument("--calm", action="store_true", help="nothing is killed or cut")
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        embedded = Embedded(Path(folder) / "postgres")
        embedded.ensure_running()
        try:
            came = asyncio.run(
                running.run(
                    Path(folder), embedded, seconds=given.seconds, seed=given.seed,
                    strikes=() if given.calm else None, broken=given.broken,
                )
            )  # fmt: skip
        finally:
            embedded.ensure_running()
            embedded.stop()
    found = checking.check(came.history)
    sys.stdout.write(f"seed {given.seed}, {given.seconds:g} s\n")
    sys.stdout.write(checking.report(came.history, found, came.happened) + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
