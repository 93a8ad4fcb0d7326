"""Bulk import as a hospital does it: Synthea's Bundles through `citycare import fhir`."""

from __future__ import annotations

import bz2
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import orjson

from bench import city
from bench.record import data

OUTSIDE = city.ROOT.parent / "shared" / "data" / "fhir" / "synthea"
BUNDLES = 60
PATIENTS = 40  # a Bundle, where Synthea's are not at hand


def measure(url: str) -> float:
    """Return resources a second, by what the command itself says."""
    with tempfile.TemporaryDirectory() as folder:
        paths = sorted(OUTSIDE.glob("*.json.bz2")) or _made(Path(folder))
        command = [sys.executable, "-m", "citycare.cli", "import", "fhir", "--json"]
        environment = {**os.environ, "CITYCARE_HOME": str(city.HOME), "CITYCARE_DATABASE_URL": url}
        answer = subprocess.run(
            [*command, *map(str, paths)],
            env=environment,
            check=True,
            stdout=subprocess.PIPE,
        )
    told = json.loads(answer.stdout.splitlines()[-1])
    print(f"  import: {told}", file=sys.stderr)
    return float(told["per_second"])


def _made(folder: Path) -> list[Path]:
    """Write Bundles of our own."""
    paths = []
    for number in range(BUNDLES):
        entries = []
        for each in range(PATIENTS):
            entries += data.transaction((number * PATIENTS + each) * 10)["entry"]
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        path = folder / f"{number}.json.bz2"
        path.write_bytes(bz2.compress(orjson.dumps(bundle)))
        paths.append(path)
    return paths
