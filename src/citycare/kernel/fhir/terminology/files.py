"""Files of terminology: JSON resources, Bundles of them, NDJSON, CSV lists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from citycare.kernel.context import Context
from citycare.kernel.fhir.model import Invalid, Resource
from citycare.kernel.fhir.rows import loads
from citycare.kernel.fhir.terminology import lists, loading
from citycare.kernel.fhir.terminology.listing import HEADERS, Layout
from citycare.kernel.fhir.terminology.lists import Ends, Named
from citycare.kernel.fhir.terminology.loading import TYPES
from citycare.kernel.fhir.terminology.model import Loaded, Problem, Unreadable
from citycare.kernel.fhir.terminology.writing import Tell, silent

RESOURCES, LISTS = (".json", ".ndjson"), (".csv",)
COLUMNS = tuple(HEADERS)
JSON_MAX = 100 << 20
"""Bytes of one JSON text: read as a whole, it takes twelve times as much. CSV has no limit."""
VIOLATIONS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Told:
    """What CSV files do not say themselves; `ends` makes them lists of mappings."""

    named: Named
    layout: Layout
    ends: Ends | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one file: all of it was loaded, or with problems nothing."""

    path: Path
    loaded: tuple[Loaded, ...] = ()
    passed_over: int = 0
    """Resources of other types."""
    problems: tuple[Problem, ...] = field(default=())


def find(paths: Sequence[Path]) -> list[Path]:
    """Return the files to take in: those named, and all of known kinds in named folders."""
    found: list[Path] = []
    for path in paths:
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        found += [one for one in inside if one == path or one.suffix.lower() in RESOURCES + LISTS]
    return list(dict.fromkeys(one for one in found if one.is_file()))


async def take(cx: Context, path: Path, told: Told | None, tell: Tell = silent) -> Taken:
    """Take in one file; the caller's transaction is all of it or, on an error, nothing.

    Raises:
        Unreadable: with every fault that was found.
    """
    if path.suffix.lower() in LISTS:
        if told is None:
            wrong = "a list needs --url: it does not say what it is a list of"
            raise Unreadable([Problem("file", "url", wrong)])
        if told.ends is not None:
            made = await lists.load_mapping(cx, path, told.named, told.ends, told.layout, tell)
        else:
            made = await lists.load_list(cx, path, told.named, told.layout, tell)
        return Taken(path, (made,))
    loaded, passed_over = [], 0
    for place, resource in resources(path):
        if resource.get("resourceType") not in TYPES:
            passed_over += 1
            continue
        loaded.append(await _load(cx, place, resource, tell))
    if not loaded:
        wrong = f"holds none of {', '.join(TYPES)}"
        raise Unreadable([Problem("file", "resourceType", wrong)])
    return Taken(path, tuple(loaded), passed_over)


async def _load(cx: Context, place: str, resource: Resource, tell: Tell) -> Loaded:
    """Load one resource; its faults get the place it has in the file."""
    try:
        return await loading.load(cx, resource, tell)
    except Invalid as error:
        found = [
            Problem(place, one.element, one.message)
            for one in error.violations[:VIOLATIONS_SHOWN]
        ]  # fmt: skip
        raise Unreadable(found, len(error.violations)) from error
    except Unreadable as error:
        found = [Problem(f"{place}.{one.place}", one.field, one.wrong) for one in error.problems]
        raise Unreadable(found, int(str(error.facts["count"]))) from error


def resources(path: Path) -> Iterator[tuple[str, Resource]]:
    """Yield resources with their places: the file's own, those of a Bundle, or a line each.

    Raises:
        Unreadable: it is no JSON, or too large to be read at once.
    """
    if path.suffix.lower() == ".ndjson":
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield from _parts(f"line {number}", _read(f"line {number}", line))
        return
    if path.stat().st_size > JSON_MAX:
        raise Unreadable([Problem("file", "", f"more than {JSON_MAX >> 20} MB: give it as CSV")])
    yield from _parts("file", _read("file", path.read_bytes()))


def _read(place: str, text: bytes) -> Any:
    try:
        return loads(text.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise Unreadable([Problem(place, "", f"is no JSON: {error}")]) from error


def _parts(place: str, made: Any) -> Iterator[tuple[str, Resource]]:
    if not isinstance(made, dict):
        raise Unreadable([Problem(place, "", "is no resource")])
    if made.get("resourceType") != "Bundle":
        yield place, made
        return
    entries = made.get("entry", ())
    for at, entry in enumerate(entries if isinstance(entries, list) else ()):
        inner = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(inner, dict):
            yield f"entry[{at}]" if place == "file" else f"{place} entry[{at}]", inner
