"""Imports with real processes, killed with -9; the same command goes on, nothing comes twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from citycare.kit.embedded import Embedded
from tests.kernel.fhir.importing.conftest import bundle, patient, post, weight

ROOT = Path(__file__).resolve().parents[4]
SYNTHEA = ROOT.parent / "shared" / "data" / "fhir" / "synthea"
Start = Callable[..., "subprocess.Popen[str]"]
Ask = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def start(server: Embedded, own_database: str, tmp_path: Path) -> Iterator[Start]:
    """Starts `citycare import …` on the test's database."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "src"),
        "PYTHONWARNINGS": "ignore",
        "CITYCARE_HOME": str(tmp_path / "home"),
        "CITYCARE_DATABASE_URL": server.url(own_database),
    }
    started = []

    def begin(*words: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "citycare.cli", "import", *map(str, words)]
        process = subprocess.Popen(
            command, env=environment, cwd=tmp_path, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def ask(server: Embedded, own_database: str) -> Ask:
    def query(statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(server.url(own_database), autocommit=True) as connection:
            return connection.execute(statement.encode()).fetchall()

    return query


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four Bundles and an NDJSON file: 6,000 resources, 30 of them broken."""
    place = tmp_path / "files"
    place.mkdir()
    for number in range(4):
        entries = []
        for n in range(500):
            name = f"{number}-{n}"
            url = f"urn:uuid:{number:08d}-0000-4000-8000-{n:012d}"
            broken = {"gender": "x"} if n % 100 == 7 else {}
            entries.append(post(patient(f"p{name}", **broken), url))
            entries.append(post(weight(f"w{name}", url)))
        (place / f"{number}.json").write_text(json.dumps(bundle("transaction", *entries)))
    lines = [patient(f"n{n}", **({"gender": "x"} if n % 200 == 7 else {})) for n in range(2_000)]
    (place / "n.ndjson").write_text("\n".join(map(json.dumps, lines)))
    return place


def answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate(timeout=300)
    assert "Traceback" not in err
    found: dict[str, Any] = json.loads(out)
    return found


def wait_for(true: Callable[[], bool]) -> None:
    start = time.monotonic()
    while not true():
        assert time.monotonic() - start < 120
        time.sleep(0.02)


def reached(ask: Ask, share: int) -> bool:
    return int(ask("SELECT coalesce(sum(done), 0) FROM fhir.import_part")[0][0]) >= share


WHOLE = """
    SELECT (SELECT count(*) FROM fhir.resource), (SELECT max(version) FROM fhir.resource),
           (SELECT count(*) FROM fhir.import_fault), sum(done), sum(created), sum(refused),
           count(*), count(ended_at) FROM fhir.import_part
"""
EVERYTHING = [(5_970, 1, 30, 6_000, 5_970, 30, 5, 5)]


@pytest.mark.fault
def test_killed_at_any_point_the_same_command_goes_on(start: Start, ask: Ask, folder: Path) -> None:
    for share in (1, 2_500, 4_000):
        process = start("fhir", folder, "--workers", 2, "--json")
        wait_for(partial(reached, ask, share))
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait()
        assert ask("SELECT count(*) - count(ended_at) > 0 FROM fhir.import_part") == [(True,)]
        psutil.wait_procs(children, timeout=20)
        assert not [one for one in children if one.is_running()]
    told = answer(start("fhir", folder, "--json"))
    assert (told["created"], told["refused"], told["failed"]) == (5_970, 30, [])
    assert told["taken"] < 2_500
    assert ask(WHOLE) == EVERYTHING


@pytest.mark.fault
def test_a_worker_that_is_killed_is_told_and_the_others_go_on(
    start: Start, ask: Ask, folder: Path
) -> None:
    process = start("fhir", folder, "--workers", 2, "--json")
    wait_for(lambda: bool(ask("SELECT 1 FROM fhir.import_part WHERE done > 0")))
    workers = psutil.Process(process.pid).children()
    assert len(workers) == 2
    os.kill(workers[0].pid, signal.SIGKILL)
    told = answer(process)
    assert process.returncode == 1
    assert [one["why"] for one in told["failed"]] == ["its process was killed"]
    assert answer(start("fhir", folder, "--json"))["failed"] == []
    assert ask(WHOLE) == EVERYTHING


@pytest.mark.fault
def test_lost_connections_are_waited_for(start: Start, ask: Ask, folder: Path) -> None:
    process = start("fhir", folder, "--workers", 2, "--json")
    lost = 0
    for share in (1, 1_500, 3_000, 4_500):
        wait_for(partial(reached, ask, share))
        lost += ask(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )[0][0]
    assert lost > 0
    assert answer(process)["failed"] == []
    assert ask(WHOLE) == EVERYTHING


def test_the_answer_and_the_reports(start: Start, folder: Path, tmp_path: Path) -> None:
    process = start("fhir", folder, "--json")
    told = answer(process)
    assert process.returncode == 1
    assert {name: told[name] for name in ("created", "refused", "parts", "skipped", "taken")} == {
        "created": 5_970, "refused": 30, "parts": 5, "skipped": 0, "taken": 6_000,
    }  # fmt: skip
    assert told["dangling"] == 20, "of refused people there are weights"
    lines = (tmp_path / "import-faults.ndjson").read_text("utf-8").splitlines()
    first = json.loads(lines[0])
    assert (len(lines), first["type"], first["place"]) == (30 + 20, "Patient", 14)
    assert first["faults"][0]["element"] == "Patient.gender"
    last = json.loads(lines[-1])
    assert (last["place"], last["faults"][0]["element"]) == (None, "Observation.subject.reference")
    told = answer(start("fhir", folder, "--json", "--report", tmp_path / "faults.csv"))
    assert (told["taken"], told["skipped"]) == (0, 5)
    rows = (tmp_path / "faults.csv").read_text("utf-8-sig").splitlines()
    assert rows[0] == "file,place,type,id,element,code,words,message"
    assert len(rows) == 31


def test_the_import_of_a_hospitals_files_needs_no_name(start: Start, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("colour,size\nred,7\n")
    for words in (("x.csv",), ("--check", "x.csv"), ("files", "x.csv")):
        out, _ = start(*words, "--json").communicate(timeout=120)
        assert json.loads(out)["ok"] is False, words


@pytest.mark.outside_data
def test_synthea_bundles_are_taken_whole(start: Start, ask: Ask) -> None:
    if not SYNTHEA.exists():
        pytest.skip(f"outside data missing: {SYNTHEA}")
    files = sorted(SYNTHEA.iterdir(), key=lambda file: file.stat().st_size)[:20]
    told = answer(start("fhir", *files, "--json"))
    counts = {name: told[name] for name in ("created", "updated", "unchanged", "refused")}
    assert counts == {"created": 6_240, "updated": 0, "unchanged": 0, "refused": 0}
    dangling = """
        SELECT count(*) FROM (
            SELECT (regexp_matches(body, '"reference":"([A-Z][A-Za-z]+)/([^"]+)"', 'g')) AS link
              FROM fhir.resource) AS every
         WHERE NOT EXISTS (SELECT 1 FROM fhir.resource WHERE type = link[1] AND id = link[2])
    """
    assert ask(dangling) == [(0,)]
    written = answer(start("fhir", *files, "--json", "--again"))
    assert (written["unchanged"], written["created"], written["updated"]) == (6_240, 0, 0)
