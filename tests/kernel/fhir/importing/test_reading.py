from __future__ import annotations

import bz2
import gzip
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from citycare.kernel.fhir.importing import NothingToImport, Part, find_files, reading
from citycare.kernel.fhir.importing.reading import Broken
from tests.kernel.fhir.importing.conftest import patient

Written = Callable[[str, Any], Path]
LINES = b'{"a": 1}\n\n{"b": 2}\n'


def lines_of(part: Part) -> list[tuple[int, bytes]]:
    return [(line.number, line.text) for group in reading.groups(part) for line in group.lines]


def test_folders_are_opened_and_other_files_passed_over(tmp_path: Path, written: Written) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("b.json", "deep/a.ndjson.gz", "c.ZIP", "d.jsonl", "readme.txt", "e.csv.gz"):
        written(name, b"{}")
    found = [file.relative_to(tmp_path).as_posix() for file in find_files([tmp_path])]
    assert found == ["b.json", "c.ZIP", "d.jsonl", "deep/a.ndjson.gz"]
    for wrong in (tmp_path / "readme.txt", tmp_path / "none.json", tmp_path / "deep" / "nothing"):
        with pytest.raises(NothingToImport):
            find_files([wrong])


@pytest.mark.parametrize("name", ["a.ndjson", "a.ndjson.gz", "a.ndjson.bz2", "a.zip"])
def test_lines_come_with_their_numbers_however_they_are_packed(
    tmp_path: Path, written: Written, name: str
) -> None:
    if name == "a.zip":
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("in/x.ndjson", LINES)
            archive.writestr("in/readme.txt", "no")
    elif name == "a.ndjson":
        written(name, LINES)
    else:
        written(name, gzip.compress(LINES) if name.endswith(".gz") else bz2.compress(LINES))
    (part,) = reading.parts([tmp_path / name])
    assert lines_of(part) == [(1, b'{"a": 1}\n'), (3, b'{"b": 2}\n')]
    assert list(reading.groups(part))[-1].read == part.size


@pytest.mark.parametrize("name", ["a.ndjson.gz", "a.json.bz2", "a.zip", "b.zip"])
def test_damaged_archives_are_told(tmp_path: Path, written: Written, name: str) -> None:
    many = b"".join(b'{"n": %d}\n' % n for n in range(20_000))
    if name == "b.zip":
        with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("x.ndjson", many)
        whole = bytearray((tmp_path / name).read_bytes())
        whole[400:420] = b"\0" * 20
        written(name, bytes(whole))
    else:
        pack = bz2.compress if name.endswith("bz2") else gzip.compress
        written(name, pack(many)[:-400])
    (part,) = reading.parts([tmp_path / name])
    with pytest.raises(Broken) as broken:
        list(reading.groups(part))
    assert broken.value.refused.faults[0].code == "compressed"


def test_a_line_that_is_too_long_is_passed_over_not_kept(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LINE_MB_MAX", 1)
    long = b"x" * 3_500_000
    (part,) = reading.parts([written("a.ndjson", b'{"a": 1}\n' + long + b"\n" + LINES)])
    assert lines_of(part) == [
        (1, b'{"a": 1}\n'), (2, b""), (3, b'{"a": 1}\n'), (5, b'{"b": 2}\n'),
    ]  # fmt: skip


def test_a_document_that_is_too_large_is_refused_before_it_is_held(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BUNDLE_MB_MAX", 1)
    bomb = written("a.json.bz2", bz2.compress(b" " * 50_000_000))
    with pytest.raises(Broken) as broken:
        list(reading.groups(Part(bomb, bomb.stat().st_size)))
    assert broken.value.refused.faults[0].message == " is larger than 1 MB".strip()


def test_stretches_of_a_large_file_hold_each_line_once(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "STRETCH_MB", 1)
    people = [patient(f"p{n}", language="x" * (n * 37 % 3_000)) for n in range(3_000)]
    file = written("a.ndjson", people)
    whole = lines_of(Part(file, file.stat().st_size))
    parts = list(reading.parts([file]))
    assert len(parts) > 3
    assert sum(part.size for part in parts) == file.stat().st_size
    assert [line for part in parts for line in lines_of(part)] == whole
    assert [number for number, _ in whole] == list(range(1, 3_001))
    assert len({reading.digest(part, b"") for part in parts}) == len(parts)


def test_the_digest_is_of_the_content_not_of_the_name(written: Written) -> None:
    parts = [Part(written(name, LINES), len(LINES)) for name in ("a.ndjson", "b.ndjson")]
    first, second = (reading.digest(part, b"") for part in parts)
    assert first == second != reading.digest(parts[0], b"strict ")
