"""From paths to parts, and from a part to its lines or its one document; memory stays bounded.

NDJSON of any size is read line by line, a line of 32 MB at most. A document (one Bundle or one
resource) is read whole, decompressed 128 MB at most: its references may lead anywhere in it.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import IO, cast

from citycare.kernel.fhir.importing.model import (
    BATCH,
    BUNDLE_MB_MAX,
    LINE_MB_MAX,
    MB,
    STRETCH_MB,
    NothingToImport,
    Part,
    Refused,
    fault,
)

LINES = (".ndjson", ".jsonl")
FORMS = (".json", *LINES)
PACKED = (".gz", ".bz2")
CHUNK = MB
BROKEN = (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError)
"""What a damaged or encrypted archive raises; a file that cannot be opened is not among it."""


class Broken(Exception):
    """A part that cannot be read, or not on from here."""

    def __init__(self, code: str, told: str = "") -> None:
        """Keep the reason as a refused file."""
        super().__init__(code)
        self.refused = Refused(0, "", "", (fault("", code, told),))


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is not blank; `text` is empty where it was too long."""

    number: int
    text: bytes


@dataclass(frozen=True, slots=True)
class Group:
    """What is prepared together: lines, or a document; `read`: bytes of the part up to its end."""

    lines: Sequence[Line]
    document: bytes
    read: int


def find_files(paths: Sequence[Path]) -> list[Path]:
    """Return the files at these paths, folders opened up to the bottom, in the order of names.

    Raises:
        NothingToImport: there is none, or a named one is of no form we know.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            files += sorted(each for each in path.rglob("*") if each.is_file() and _is_ours(each))
        elif path.is_file() and _is_ours(path):
            files.append(path)
        else:
            raise NothingToImport(path=path)
    if not files:
        raise NothingToImport(path=" ".join(map(str, paths)))
    return list(dict.fromkeys(files))


def _form(name: PurePath) -> str:
    """Return the suffix below the packing, in small letters."""
    bare = name.with_suffix("") if name.suffix.lower() in PACKED else name
    return bare.suffix.lower()


def _is_ours(path: Path) -> bool:
    return path.suffix.lower() == ".zip" or _form(path) in FORMS


def parts(files: Sequence[Path]) -> Iterator[Part]:
    """Yield the parts of files; a large NDJSON file is looked through as far as they are asked.

    The largest file comes first: one that is begun last would be waited for by all workers but one.
    """
    for size, path in sorted(((path.stat().st_size, path) for path in files), reverse=True):
        suffix = path.suffix.lower()
        if suffix == ".zip" and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for one in archive.infolist():
                    if PurePath(one.filename).suffix.lower() in FORMS and not one.is_dir():
                        yield Part(path, one.compress_size, member=one.filename)
        elif suffix in LINES and size > STRETCH_MB * MB:
            yield from _stretches(path)
        else:
            yield Part(path, size)


def _stretches(path: Path) -> Iterator[Part]:
    start, line = 0, 1
    with path.open("rb") as file:
        while block := file.read(STRETCH_MB * MB):
            ends = block.count(b"\n")
            while not block.endswith(b"\n") and (block := file.readline(CHUNK)):
                ends += block.endswith(b"\n")
            end = file.tell()
            yield Part(path, end - start, start=start, end=end, line=line)
            start, line = end, line + ends


def digest(part: Part, kind: bytes) -> bytes:
    """Return the SHA-256 of a part's content as it lies there, another one for each kind of import.

    Raises:
        Broken: a member of a zip cannot be decompressed.
    """
    made = hashlib.sha256(kind)
    left = part.end - part.start if part.end else None
    with _open(part, packed=True) as (file, _):
        while chunk := file.read(CHUNK if left is None else min(CHUNK, left)):
            made.update(chunk)
            left = None if left is None else left - len(chunk)
    return made.digest()


def groups(part: Part) -> Iterator[Group]:
    """Read a part.

    Raises:
        Broken: it is too large or cannot be decompressed; what came before is good.
    """
    named = PurePath(part.member) if part.member else part.path
    with _open(part) as (file, raw):
        if _form(named) in LINES:
            yield from _lines(part, file, raw)
            return
        document = file.read(BUNDLE_MB_MAX * MB + 1)
        if len(document) > BUNDLE_MB_MAX * MB:
            raise Broken("large", f"{BUNDLE_MB_MAX} MB")
        yield Group((), document, part.size)


@contextmanager
def _open(part: Part, *, packed: bool = False) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """Lend the content, and the file below it, whose place tells how far one is."""
    suffix = part.path.suffix.lower()
    with part.path.open("rb") as raw:
        raw.seek(part.start)
        if not part.member and (packed or suffix not in (*PACKED, ".zip")):
            yield raw, raw
            return
        try:
            if suffix == ".zip":
                with zipfile.ZipFile(raw) as archive, archive.open(part.member) as member:
                    yield member, raw
            else:
                with gzip.open(raw) if suffix == ".gz" else bz2.open(raw) as file:
                    yield cast("IO[bytes]", file), raw
        except BROKEN as error:
            raise Broken("compressed", str(error)) from error


def _lines(part: Part, file: IO[bytes], raw: IO[bytes]) -> Iterator[Group]:
    limit = LINE_MB_MAX * MB
    begun = raw.tell()
    number, held = part.line - 1, 0
    lines: list[Line] = []
    while not part.end or raw.tell() < part.end:
        text = file.readline(limit)
        if not text:
            break
        number += 1
        long = len(text) == limit and not text.endswith(b"\n")
        while long and (more := file.readline(CHUNK)) and not more.endswith(b"\n"):
            pass
        if long or text.strip():
            lines.append(Line(number, b"" if long else text))
            held += len(text)
        if len(lines) == BATCH or held > limit:
            yield Group(lines, b"", min(part.size, raw.tell() - begun))
            lines, held = [], 0
    if lines:
        yield Group(lines, b"", part.size)
