"""The record under kill -9 and cut connections, and controls: what the checker must find."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from citycare.kit.embedded import Embedded
from tests.faults.record import checking, running
from tests.faults.record.history import History, Outcome

SEED = 40_127
STRIKES = (
    "answers to clients lost",
    "web process killed",
    "answers of the database lost",
    "database killed",
    "database cut off",
)


@pytest.fixture(scope="module")
def own_server() -> Iterator[Embedded]:
    """A server of these tests alone, which they may kill.

    Not below pytest's own directory: the next pytest on this machine closes that to all others, and
    the server runs as a user of its own.
    """
    with tempfile.TemporaryDirectory(prefix="record-") as folder:
        embedded = Embedded(Path(folder) / "postgres")
        embedded.ensure_running()
        yield embedded
        embedded.ensure_running()
        embedded.stop()


@pytest.mark.fault
async def test_under_fire_nothing_is_lost_doubled_or_halved(
    own_server: Embedded, tmp_path: Path
) -> None:
    came = await running.run(tmp_path, own_server, seconds=15, seed=SEED, strikes=STRIKES)
    found = checking.check(came.history)
    report = checking.report(came.history, found, came.happened)
    sys.stdout.write(f"\n{report}\n")
    assert not found, report
    assert came.happened == STRIKES
    outcomes = {act.outcome for act in came.history.acts}
    assert outcomes == set(Outcome), "nothing was refused, or nobody noticed the faults"


CONTROLS = {
    "numbers": {"duplicate"},
    "match": {"If-Match", "If-None-Match"},
    "transaction": {"half transaction", "lost write", "If-Match"},
    "rows": {"version gap", "lost write", "stale read"},
    "snapshot": {"repeated", "missed", "no moment"},
    "index": {"index"},
    "moment": {"not told"},
    "commit": {"lost write"},
}


@pytest.mark.fault
@pytest.mark.parametrize("broken", CONTROLS)
async def test_control_without_a_safeguard_the_checker_finds_it(
    own_server: Embedded, tmp_path: Path, broken: str
) -> None:
    """Most are found within two seconds of work; each has ten."""
    found: set[str] = set()

    def enough(history: History) -> bool:
        found.update(one.kind for one in checking.check(history))
        return bool(found & CONTROLS[broken])

    strikes = ("database killed",) if broken == "commit" else ()
    await running.run(
        tmp_path, own_server, seconds=2, seed=SEED, strikes=strikes, broken=broken, rounds=5,
        enough=enough,
    )  # fmt: skip
    assert found & CONTROLS[broken], found
