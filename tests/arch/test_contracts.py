"""Each import contract catches what it is for: a violation is planted in a copy of the tree."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "citycare"
LINTER = Path(sys.executable).with_name("lint-imports")
VERDICT = re.compile(r"^(.+) (KEPT|BROKEN)\b", re.MULTILINE)
BOOKING = "scenarios/booking"
KINDS = {
    "layers": "Layers:",
    "kernel": "Kernel parts",
    "scenarios": "No scenario imports",
    "journeys": "No journey imports",
    "shape": "Inside a scenario",
    "sql": "Only a store",
    "pure": "Rules and model",
    "store": "A store is seen",
    "kernel-http": "The kernel has no HTTP",
    "cycles": "No cycles",
}


@dataclass(frozen=True, slots=True)
class Plant:
    """A line put at the end of a file (a new one, if need be), and the contract it breaks."""

    file: str
    line: str
    breaks: str


IN_A_FUNCTION = "def planted() -> None:\n    import citycare.scenarios.booking.service.book\n"
FOR_TYPES = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import citycare.kernel\n"
PLANTS = {
    "rules use psycopg": Plant(f"{BOOKING}/rules/places.py", "import psycopg", "pure"),
    "rules ask the clock": Plant(f"{BOOKING}/rules/places.py", "import time", "pure"),
    "rules throw dice": Plant(f"{BOOKING}/rules/draw.py", "import random", "pure"),
    "model emits events": Plant(
        f"{BOOKING}/model/core.py", "import citycare.kernel.events", "pure"
    ),
    "scenario uses another": Plant(
        "scenarios/planted/service.py", "import citycare.scenarios.booking.model.core", "scenarios"
    ),
    "the same inside a function": Plant("scenarios/planted/service.py", IN_A_FUNCTION, "scenarios"),
    "audit uses fhir": Plant("kernel/audit/trail.py", "import citycare.kernel.fhir", "kernel"),
    "a new kernel part": Plant("kernel/planted.py", "", "kernel"),
    "a stray utils": Plant(f"{BOOKING}/utils.py", "", "shape"),
    "store calls service": Plant(
        f"{BOOKING}/store/places.py", "import citycare.scenarios.booking.service.book", "shape"
    ),
    "api uses pages": Plant(
        f"{BOOKING}/api/slots.py", "import citycare.scenarios.booking.pages.words", "shape"
    ),
    "back import in a new scenario": Plant(
        "scenarios/planted/rules.py", "import citycare.scenarios.planted.service", "shape"
    ),
    "pages call the store": Plant(
        f"{BOOKING}/pages/words.py", "import citycare.scenarios.booking.store.places", "store"
    ),
    "a journey calls the store": Plant(
        "journeys/demo/model.py", "import citycare.scenarios.booking.store.places", "store"
    ),
    "service speaks SQL": Plant(f"{BOOKING}/service/book.py", "import psycopg", "sql"),
    "kit knows the kernel": Plant("kit/money.py", "import citycare.kernel.context", "layers"),
    "kit knows it for types only": Plant("kit/money.py", FOR_TYPES, "layers"),
    "a new top package": Plant("planted/__init__.py", "", "layers"),
    "web knows a scenario": Plant("web/forms.py", "import citycare.scenarios.booking", "layers"),
    "scenario uses a journey": Plant(
        f"{BOOKING}/service/book.py", "import citycare.journeys.demo", "layers"
    ),
    "journey uses another": Plant(
        "journeys/demo/model.py", "import citycare.journeys.onboarding", "journeys"
    ),
    "kernel speaks HTTP": Plant("kernel/fhir/store.py", "import fastapi", "kernel-http"),
    "two modules need each other": Plant("kit/errors.py", "import citycare.kit.http", "cycles"),
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package's Python files."""
    target = tmp_path_factory.mktemp("planted") / "citycare"
    shutil.copytree(
        PACKAGE,
        target,
        ignore=lambda folder, names: [
            name
            for name in names
            if name == "__pycache__" or not (name.endswith(".py") or Path(folder, name).is_dir())
        ],
    )
    return target


@pytest.fixture
def planted(tree: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """The copy with one violation in it, taken out again afterwards."""
    plant: Plant = request.param
    file = tree / plant.file
    before = file.read_text("utf-8") if file.exists() else None
    new_folder = None if file.parent.exists() else file.parent
    file.parent.mkdir(exist_ok=True)
    (file.parent / "__init__.py").touch()
    if plant.breaks == "shape" and "planted" in plant.file:
        (file.parent / "service.py").touch()
    file.write_text(f"{before or ''}\n{plant.line}\n", "utf-8")
    yield tree
    if new_folder is not None:
        shutil.rmtree(new_folder)
    elif before is None:
        file.unlink()
    else:
        file.write_text(before, "utf-8")


def broken(tree: Path) -> set[str]:
    """Return the kinds of contract that do not hold in a tree."""
    done = subprocess.run(
        [LINTER, "--config", ROOT / "pyproject.toml", "--no-cache", "--no-logo"],
        cwd=tree.parent,
        env={**os.environ, "COLUMNS": "200", "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    verdicts = dict(VERDICT.findall(done.stdout))
    assert len(verdicts) == len(KINDS), done.stdout + done.stderr
    assert done.returncode == (1 if "BROKEN" in verdicts.values() else 0)
    return {
        kind
        for kind, start in KINDS.items()
        for name, verdict in verdicts.items()
        if name.startswith(start) and verdict == "BROKEN"
    }


def test_without_a_plant_every_contract_holds(tree: Path) -> None:
    assert broken(tree) == set()


@pytest.mark.parametrize(
    ("planted", "kind"),
    [(plant, plant.breaks) for plant in PLANTS.values()],
    ids=list(PLANTS),
    indirect=["planted"],
)
def test_a_planted_violation_is_caught(planted: Path, kind: str) -> None:
    assert kind in broken(planted)


def test_every_contract_is_shown_to_catch_something() -> None:
    assert {plant.breaks for plant in PLANTS.values()} == set(KINDS)
