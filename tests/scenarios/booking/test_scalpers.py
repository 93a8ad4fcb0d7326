import importlib.util
import math
import sys
from pathlib import Path
from types import ModuleType

import pytest


def _bench() -> ModuleType:
    """Load the bench from its file: `bench/` is a folder of scripts, not an installed package."""
    path = Path(__file__).resolve().parents[3] / "bench" / "scalpers.py"
    spec = importlib.util.spec_from_file_location("bench_scalpers", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up by name
    spec.loader.exec_module(module)
    return module


scalpers = _bench()
PLACES, REGIMES, World, simulate = (
    scalpers.PLACES,
    scalpers.REGIMES,
    scalpers.World,
    scalpers.simulate,
)


@pytest.mark.parametrize("name", REGIMES)
def test_no_place_is_counted_twice_and_none_is_lost(name: str) -> None:
    for seed in range(5):
        outcome = simulate(World(), REGIMES[name], seed)
        assert outcome.residents + outcome.paid + outcome.idle <= PLACES
        assert outcome.grabbed <= PLACES
        assert outcome.clients <= World().clients


def test_a_simulation_repeats_exactly() -> None:
    assert simulate(World(), REGIMES["draw"], 7) == simulate(World(), REGIMES["draw"], 7)


def test_without_bots_all_ways_serve_residents_alike() -> None:
    world = World(clients=0, borrowed=0)
    for regime in REGIMES.values():
        assert simulate(world, regime, 3).residents == PLACES


def test_bots_take_nearly_all_of_plain_first_come_and_little_of_a_fair_draw() -> None:
    plain = [simulate(World(), REGIMES["plain"], seed).paid for seed in range(10)]
    fair = [simulate(World(), REGIMES["draw"], seed).paid for seed in range(10)]
    assert min(plain) > 0.9 * PLACES
    assert max(fair) < 0.12 * PLACES


def test_interval_is_that_of_students_t() -> None:
    values = [0.0, 1.0] * 10
    mean, width = scalpers.interval(values)
    assert mean == pytest.approx(0.5)
    assert width == pytest.approx(2.093 * 0.51299 / math.sqrt(20), abs=1e-4)
