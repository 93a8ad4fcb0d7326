"""From paths to rows: finds the files, detects encoding and form, reads one record at a time.

An NDJSON or CSV file of any size within the limit is streamed; only the compact rows stay in
memory. A Bundle is read whole, so its limit is lower.
"""

from __future__ import annotations

import codecs
import csv
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO

from citycare.journeys.onboarding import resources, tables
from citycare.journeys.onboarding.cells import Cells
from citycare.journeys.onboarding.faults import Faults
from citycare.journeys.onboarding.model import NothingToImport, Origin, Read, Tell

MB = 1_000_000
STREAM_MB_MAX = 1_000
BUNDLE_MB_MAX = 64
LINE_MAX = 5 * MB
CHUNK = MB
SUFFIXES = (".csv", ".ndjson", ".jsonl", ".json")
STEP = 2_000


def find_files(paths: Sequence[Path]) -> list[Path]:
    """Return the files at these paths, folders opened up, in the order of their names."""
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            files += sorted(each for each in path.iterdir() if each.suffix.lower() in SUFFIXES)
        elif path.is_file():
            files.append(path)
        else:
            raise NothingToImport(path=path)
    if not files:
        raise NothingToImport(path=" ".join(map(str, paths)))
    return list(dict.fromkeys(files))


def read_files(files: Sequence[Path], faults: Faults, tell: Tell) -> Read:
    """Read all files, noting every fault; rows with a fault of their own are left out."""
    into = Read()
    mapper = resources.Mapper(into, faults)
    total = sum(path.stat().st_size for path in files)
    names = Counter(path.name for path in files)
    done = 0
    for path in files:
        name = path.name if names[path.name] == 1 else str(path)
        _File(path, name, faults, tell, done, total).read(into, mapper)
        done += path.stat().st_size
        tell(path.name, done, total)
    mapper.finish()
    return into


class _File:
    """One file being read."""

    def __init__(
        self, path: Path, name: str, faults: Faults, tell: Tell, done: int, total: int
    ) -> None:
        self.path, self.name, self.faults = path, name, faults
        self.tell, self.done, self.total = tell, done, total

    def read(self, into: Read, mapper: resources.Mapper) -> None:
        """Find out the form, then read."""
        suffix = self.path.suffix.lower()
        size = self.path.stat().st_size
        limit = BUNDLE_MB_MAX if suffix == ".json" else STREAM_MB_MAX
        if size == 0:
            self.faults.add("file_empty", self.name)
            return
        if size > limit * MB:
            self.faults.add("file_too_large", self.name, limit=limit)
            return
        encoding = _encoding(self.path)
        if encoding is None:
            self.faults.add("encoding", self.name)
            return
        with self.path.open(encoding=encoding, newline="") as stream:
            if suffix == ".csv":
                self._csv(stream, into)
            elif suffix == ".json":
                self._bundle(stream, mapper)
            else:
                self._ndjson(stream, mapper)

    def _tick(self, number: int, stream: TextIO) -> None:
        if number % STEP == 0:
            self.tell(self.name, self.done + stream.buffer.tell(), self.total)

    def _csv(self, stream: TextIO, into: Read) -> None:
        first = stream.readline(LINE_MAX)
        stream.seek(0)
        delimiter = max(",\t;", key=first.count)
        rows = csv.reader(stream, delimiter=delimiter, strict=True)
        number = 1
        try:
            table, columns = self._header(next(rows, []))
            if table is None:
                return
            for number, row in enumerate(rows, 2):
                self._tick(number, stream)
                if not any(cell.strip() for cell in row):
                    continue
                origin = Origin(self.name, "row", number)
                if len(row) != len(columns):
                    self.faults.add("cells", origin, "", len(row))
                    continue
                values = {c: v for c, v in zip(columns, row, strict=True) if c is not None}
                table.read(Cells(origin, values, self.faults), into)
        except csv.Error as error:
            self.faults.add("csv_broken", Origin(self.name, "row", number + 1), "", error)

    def _header(self, header: list[str]) -> tuple[tables.Table | None, list[str | None]]:
        """Match the header to a table, noting all columns that are wrong."""
        origin = Origin(self.name, "row", 1)
        table = tables.find_table(header)
        if table is None:
            self.faults.add("table_unknown", origin, "", ",".join(header))
            return None, []
        columns = [table.column(cell) for cell in header]
        before = self.faults.count
        for cell, column in zip(header, columns, strict=True):
            if column is None:
                self.faults.add("column_unknown", origin, cell.strip())
            elif columns.count(column) > 1:
                self.faults.add("column_twice", origin, column)
        for name in table.required:
            if name not in columns:
                self.faults.add("column_missing", origin, name)
        return (table if self.faults.count == before else None), columns

    def _ndjson(self, stream: TextIO, mapper: resources.Mapper) -> None:
        number = 0
        while line := stream.readline(LINE_MAX):
            number += 1
            self._tick(number, stream)
            origin = Origin(self.name, "line", number)
            if len(line) == LINE_MAX:
                self.faults.add("line_too_long", origin)
                return
            if not line.strip():
                continue
            try:
                resource = _loads(line)
            except ValueError as error:
                self.faults.add("json_broken", origin, "", error)
                continue
            self._take(mapper, origin, resource)

    def _bundle(self, stream: TextIO, mapper: resources.Mapper) -> None:
        try:
            whole = _loads(stream.read())
        except ValueError as error:
            line = error.lineno if isinstance(error, json.JSONDecodeError) else 1
            self.faults.add("json_broken", Origin(self.name, "line", line), "", error)
            return
        kind = whole.get("resourceType") if isinstance(whole, dict) else None
        if not isinstance(kind, str):
            self.faults.add("bundle_wrong", self.name)
        elif kind != "Bundle":
            self._take(mapper, Origin(self.name, "line", 1), whole)
        else:
            self._entries(whole.get("entry", []), mapper)

    def _entries(self, entries: Any, mapper: resources.Mapper) -> None:
        if not isinstance(entries, list):
            self.faults.add("bundle_wrong", self.name, "Bundle.entry")
            return
        for number, entry in enumerate(entries):
            origin = Origin(self.name, "entry", number)
            resource = entry.get("resource") if isinstance(entry, dict) else None
            if resource is None:
                self.faults.add("required", origin, "resource")
                continue
            self._take(mapper, origin, resource, str(entry.get("fullUrl", "")))

    def _take(self, mapper: resources.Mapper, origin: Origin, resource: Any, url: str = "") -> None:
        if isinstance(resource, dict):
            mapper.take(origin, resource, url)
        else:
            self.faults.add("json_broken", origin)


def _loads(text: str) -> Any:
    """Read JSON strictly: NaN is none, and nesting beyond reason is refused."""
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _refuse(word: str) -> None:
    raise ValueError(word)


def _encoding(path: Path) -> str | None:
    """Tell UTF-8 (with or without mark) from GB18030 by decoding all of it, in chunks."""
    with path.open("rb") as stream:
        marked = stream.read(3) == codecs.BOM_UTF8
    for name in ("utf-8-sig",) if marked else ("utf-8", "gb18030"):
        if _decodes(path, name):
            return name
    return None


def _decodes(path: Path, name: str) -> bool:
    decoder = codecs.getincrementaldecoder(name)()
    try:
        for chunk in _chunks(path):
            if "\x00" in decoder.decode(chunk):
                return False
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            yield chunk
