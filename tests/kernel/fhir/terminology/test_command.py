"""`citycare terminology import` on files, and two who import the same at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from citycare.cli import terminology as command
from citycare.kernel import fhir
from citycare.kernel.context import SYSTEM, Context
from citycare.kernel.fhir import terminology
from citycare.kernel.fhir.terminology import Coding, State
from citycare.kit.db import Database
from citycare.kit.embedded import Embedded
from tests.conftest import NOW
from tests.kernel.fhir.terminology.made import (
    CLINICAL,
    FRUIT,
    INSURANCE,
    fruit,
    include,
    value_set,
    written,
)

Run = Callable[..., tuple[int, Any]]


@pytest.fixture
def imported(
    server: Embedded, own_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Run:
    """Runs the command; gives its exit code and answer."""
    home = tmp_path / "home"
    (home / "secrets").mkdir(parents=True)
    monkeypatch.setenv("CITYCARE_HOME", str(home))
    monkeypatch.setenv("CITYCARE_DATABASE_URL", server.url(own_database))

    def run(*words: object) -> tuple[int, Any]:
        result = CliRunner().invoke(command.app, ["import", *map(str, words), "--json"])
        return result.exit_code, json.loads(result.stdout) if result.stdout else None

    return run


def problems(answer: Any) -> list[tuple[str, str, str]]:
    return [
        (Path(one["path"]).name, each["place"], each["field"])
        for one in answer["files"]
        for each in one["problems"]
    ]


def test_a_folder_is_taken_in_and_a_second_time_passed_over(imported: Run, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    other = {"resourceType": "Patient"}
    bundle = {"resourceType": "Bundle", "type": "collection",
              "entry": [{"resource": fruit()}, {"resource": other}]}  # fmt: skip
    written(folder, "a.json", fhir.dumps(bundle))
    lines = [fhir.dumps(value_set(f"urn:{at}", include())) for at in range(3)]
    written(folder, "b.ndjson", "\n".join(lines))
    written(folder, "readme.txt", "not terminology")
    code, answer = imported(folder)
    assert (code, answer["states"]) == (0, {"loaded": 4})
    assert [one["passed_over"] for one in answer["files"]] == [1, 0]
    code, answer = imported(folder)
    assert (code, answer["states"]) == (0, {"unchanged": 4})


def test_a_bad_file_is_refused_as_a_whole_and_stops_no_other(imported: Run, tmp_path: Path) -> None:
    lines = [fhir.dumps(fruit()), "", fhir.dumps(value_set("urn:x", include(), status="sold"))]
    bad = written(tmp_path, "bad.ndjson", "\n".join(lines))
    worse = written(tmp_path, "worse.json", "[{]")
    none = written(tmp_path, "none.json", '{"resourceType": "Patient"}')
    good = written(
        tmp_path, "good.json", fhir.dumps(value_set("urn:y", include("urn:away", ["a"])))
    )
    code, answer = imported(bad, worse, none, good)
    assert (code, answer["ok"], answer["states"]) == (1, False, {"loaded": 1})
    assert problems(answer)[:3] == [
        ("bad.ndjson", "line 3", "ValueSet.status"),
        ("worse.json", "file", ""),
        ("none.json", "file", "resourceType"),
    ]


def test_lists_and_their_map_come_with_their_options(imported: Run, tmp_path: Path) -> None:
    first = written(tmp_path, "a.csv", "主要编码,疾病名称\nQ01†,合成甲\nQ01.0,合成乙\n")
    second = written(tmp_path, "b.csv", "Nr;Titel\nR1;合成\n")
    between = written(tmp_path, "c.csv", "国临版编码,医保版编码\nQ01,R1\n")
    assert imported(first)[0] == 1, "a list does not say what it is a list of"
    named = ("--url", CLINICAL, "--version", "2.0", "--title", "合成")
    assert imported(first, *named, "--by-prefix", "--strip", "†")[0] == 0
    columns = ("--column", "code=Nr", "--column", "display=Titel", "--delimiter", ";")
    assert imported(second, "--url", INSURANCE, *columns)[0] == 0
    ends = ("--source", f"{CLINICAL}|2.0", "--target", INSURANCE)
    code, answer = imported(between, "--url", "urn:made-up:map", *ends)
    assert (code, answer["files"][0]["loaded"][0]["count"]) == (0, 1)


def test_a_sign_that_cannot_be_kept_refuses_the_file(imported: Run, tmp_path: Path) -> None:
    bad = written(tmp_path, "bad.json", fhir.dumps(fruit()).replace("水果", "\\u0000"))
    good = written(tmp_path, "good.json", fhir.dumps(value_set("urn:y", include())))
    code, answer = imported(bad, good)
    assert (code, answer["states"]) == (1, {"loaded": 1})
    assert problems(answer)[0][0] == "bad.json"


def test_rows_that_are_wrong_are_named(imported: Run, tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "code,display\nQ1,\nQ2,x\nQ2,y\n")
    code, answer = imported(path, "--url", CLINICAL)
    assert code == 1
    assert problems(answer) == [("a.csv", "row 2", "display"), ("a.csv", "row 4", "code")]


@pytest.mark.parametrize(
    "words",
    [
        ("--url", "urn:x", "--source", "urn:a"),
        ("--url", "urn:x", "--column", "kode=Nr"),
        ("--url", "urn:x", "--delimiter", ";;"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    imported: Run, tmp_path: Path, words: tuple[str, ...]
) -> None:
    assert imported(written(tmp_path, "a.csv", "code,display\nQ1,x\n"), *words)[0] == 2


@pytest.mark.race
async def test_of_two_who_load_the_same_at_once_one_waits_and_finds_it_there(
    database: Database,
) -> None:
    async def load() -> State:
        async with database.transaction() as db:
            cx = Context(db, SYSTEM, NOW, "race")
            made = await terminology.load(cx, fruit())
            await asyncio.sleep(0)
            return made.state

    states = await asyncio.gather(*(load() for _ in range(4)))
    assert sorted(states) == [State.LOADED, *[State.UNCHANGED] * 3]


@pytest.mark.race
async def test_who_asks_while_a_system_is_replaced_sees_it_whole(database: Database) -> None:
    async with database.transaction() as db:
        await terminology.load(Context(db, SYSTEM, NOW, "before"), fruit())
    async with database.transaction() as writing:
        await terminology.load(Context(writing, SYSTEM, NOW, "new"), fruit(title="新"))
        async with database.transaction() as db:
            found = await terminology.lookup(Context(db, SYSTEM, NOW, "ask"), Coding("leek", FRUIT))
        assert found.system.name == ""
