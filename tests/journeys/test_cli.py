"""The command line as a person types it: a process of its own on a database of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from citycare.kit.embedded import Embedded

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def cli(server: Embedded, own_database: str, tmp_path: Path):  # type: ignore[no-untyped-def]
    """Run `citycare …` against the test's database; return the finished process."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "src"),
        "PYTHONWARNINGS": "ignore",
        "CITYCARE_HOME": str(tmp_path),
        "CITYCARE_DATABASE_URL": server.url(own_database),
    }

    def run(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "citycare.cli", *words]
        return subprocess.run(
            command, env=environment | more, capture_output=True, text=True, timeout=60, check=False
        )

    return run


def test_a_mistyped_setting_is_one_sentence(cli) -> None:  # type: ignore[no-untyped-def]
    finished = cli("jobs", "dead", CITYCARE_CITTY="上海")
    assert (finished.returncode, "Traceback" in finished.stderr) == (1, False)
    assert "unknown settings: CITYCARE_CITTY; see docs/settings.md" in finished.stderr


def test_a_token_opens_the_door_and_leaves_a_trail_that_verifies(cli) -> None:  # type: ignore[no-untyped-def]
    token = json.loads(cli("token", "--as", "operator", "--json").stdout)["token"]
    assert len(token) > 30
    verdict = cli("audit", "verify", "--json")
    report = json.loads(verdict.stdout)
    assert (verdict.returncode, report["ok"], report["first_broken"]) == (0, True, None)
    assert report["checked"] > 0


def test_a_token_holds_for_one_organisation_that_must_be_there(cli) -> None:  # type: ignore[no-untyped-def]
    refused = cli(
        "token", "--as", "clerk", "--organisation", "0199aaaa-0000-7000-8000-000000000001"
    )
    assert (refused.returncode, "Traceback" in refused.stderr, refused.stdout) == (1, False, "")


def test_a_changed_line_is_named_and_the_exit_code_says_so(  # type: ignore[no-untyped-def]
    cli, server: Embedded, own_database: str
) -> None:
    cli("token", "--as", "operator")
    with psycopg.connect(server.url(own_database)) as superuser:
        superuser.execute("SET session_replication_role = replica")
        superuser.execute("UPDATE audit.entry SET line = replace(line, 'ok', 'ko')")
    verdict = cli("audit", "verify", "--json")
    report = json.loads(verdict.stdout)
    assert (verdict.returncode, report["ok"]) == (1, False)
    assert report["first_broken"].startswith("lane ")


def test_there_are_no_dead_jobs_in_a_new_city(cli) -> None:  # type: ignore[no-untyped-def]
    assert json.loads(cli("jobs", "dead", "--json").stdout) == {"dead": [], "more": False}


def test_a_broken_file_is_refused_with_file_row_and_field(cli, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    broken = tmp_path / "organisations.csv"
    broken.write_text("name,kind\n示例医院,hospital\n", encoding="gb18030")
    done = cli("import", str(broken), "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert report["faults"]
    assert "organisations.csv" in json.dumps(report["faults"], ensure_ascii=False)


def test_a_secret_that_others_can_read_is_refused_with_the_next_step(cli, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    key = tmp_path / "secrets" / "booking.key"
    key.parent.mkdir()
    key.write_bytes(bytes(32))
    key.chmod(0o644)
    done = cli("booking", "draw", "018f0000-0000-7000-8000-0000000000a1")
    assert done.returncode == 1
    assert f"Next: chmod 600 {key}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_new_key_begins_and_the_fields_are_brought_under_it(cli, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "secrets" / "fields.keys"
    begun = json.loads(cli("secrets", "rotate", "--suite", "sm4gcm", "--json").stdout)
    assert begun["suite"] == "sm4gcm"
    first, second = path.read_text().splitlines()
    assert first.startswith(f"{begun['key']} sm4gcm ")
    assert " a256gcm " in second
    done = cli("secrets", "reseal", "--json")
    assert json.loads(done.stdout) == {"key": begun["key"], "resealed": 0}
    refused = cli("secrets", "rotate", "--suite", "rot13")
    assert refused.returncode == 1
    assert "take one of a256gcm, sm4gcm" in refused.stderr
    assert len(path.read_text().splitlines()) == 2


LAST_OUT = """
    WITH gone AS (DELETE FROM audit.entry e USING audit.lane l
                   WHERE e.lane = l.lane AND e.seq = l.seq RETURNING e.lane, e.seq)
    UPDATE audit.lane l SET seq = l.seq - 1,
           hash = coalesce((SELECT hash FROM audit.entry e
                             WHERE e.lane = l.lane AND e.seq = l.seq - 1),
                           sha256(convert_to('citycare audit lane ' || l.lane, 'UTF8')))
      FROM gone WHERE gone.lane = l.lane
"""


def test_a_head_kept_elsewhere_shows_that_the_end_was_cut_off(  # type: ignore[no-untyped-def]
    cli, server: Embedded, own_database: str, tmp_path: Path
) -> None:
    cli("token", "--as", "operator")
    witness = tmp_path / "witness.json"
    witness.write_text(cli("audit", "head", "--json").stdout)
    cli("token", "--as", "clerk")
    held = cli("audit", "verify", "--witness", str(witness), "--json")
    assert (held.returncode, json.loads(held.stdout)["ok"]) == (0, True)
    with psycopg.connect(server.url(own_database)) as superuser:
        while superuser.execute(LAST_OUT).rowcount:
            pass
    assert json.loads(cli("audit", "verify", "--json").stdout)["ok"]
    cut = cli("audit", "verify", "--witness", str(witness), "--json")
    report = json.loads(cut.stdout)
    assert (cut.returncode, report["ok"]) == (1, False)
    assert report["first_broken"].endswith(": end cut off")


def test_what_is_no_witness_is_said_to_be_none(cli, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    wrong = tmp_path / "wrong.json"
    wrong.write_text("{}")
    done = cli("audit", "verify", "--witness", str(wrong))
    assert done.returncode == 1
    assert "audit.witness_unreadable" in done.stderr
    assert "digest" in cli("audit", "head").stdout
