"""Rows of concepts and mappings, written set-wise: COPY in batches, whatever the size.

The source of rows is read twice: once to check all of it and to number the hierarchy, once to
write. So memory holds codes and numbers, not texts.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from citycare.kernel.context import Context
from citycare.kernel.fhir.rows import dumps
from citycare.kernel.fhir.terminology import hierarchy
from citycare.kernel.fhir.terminology.hierarchy import Circle, Numbering
from citycare.kernel.fhir.terminology.listing import Faults
from citycare.kernel.fhir.terminology.model import (
    CODE_MAX,
    CONCEPTS_MAX,
    NAME_MAX,
    Concept,
    Entry,
    fits,
)
from citycare.kernel.fhir.terminology.wording import pieces_of, words_of

BATCH = 10_000
ANALYZED_MIN = 10_000
"""Concepts that change the statistics PostgreSQL plans by; a few are left to autovacuum."""
FILLING = ("fragment", "example")  # contents in which a parent may be missing

Tell = Callable[[str, int, int | None], None]
Read = Callable[[], Iterator[Concept]]
Row = tuple[Any, ...]


def silent(what: str, done: int, total: int | None) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Ordered:
    """Concepts as `checked` found them: parents by index, and places."""

    parents: Sequence[Sequence[int]]
    numbering: Numbering


def checked(read: Read, *, cased: bool, content: str, faults: Faults) -> Ordered:
    """Read all concepts once, and number them.

    Raises:
        Unreadable: a code comes twice, a parent is not there, or concepts lie below themselves.
    """
    known: dict[str, int] = {}
    codes: list[str] = []
    named: list[tuple[str, ...]] = []
    for concept in read():
        key = concept.code if cased else concept.code.lower()
        if not fits(key):
            faults.add(concept.place, "code", f"more than {CODE_MAX} bytes")
        for one in concept.properties:
            if not fits(one.name, NAME_MAX):
                faults.add(concept.place, "property", f"a name of more than {NAME_MAX} bytes")
        if known.setdefault(key, len(codes)) != len(codes):
            faults.add(concept.place, "code", f"{concept.code} comes twice")
            continue
        codes.append(concept.code)
        named.append(concept.parents)
        if len(codes) > CONCEPTS_MAX:
            faults.add(concept.place, "", f"more than {CONCEPTS_MAX} concepts")
            break
    parents: list[Sequence[int]] = []
    for code, above in zip(codes, named, strict=True):
        keys = [one if cased else one.lower() for one in above]
        lost = [one for one, key in zip(above, keys, strict=True) if key not in known]
        if lost and content not in FILLING:
            faults.add(code, "parent", f"there is no concept {lost[0]}")
        parents.append([known[key] for key in keys if key in known])
    faults.check()
    try:
        return Ordered(parents, hierarchy.number(parents))
    except Circle as error:
        faults.add(codes[error.index], "parent", "lies below itself")
        faults.check()
        raise


async def write_concepts(
    cx: Context, system: int, read: Read, order: Ordered, *, cased: bool, tell: Tell = silent
) -> int:
    """Write the concepts of a system that `checked` let pass; return how many."""
    base = system << 32
    numbers = [base + place for place in order.numbering.places]
    done = 0
    for batch in _batches(read()):
        some = numbers[done : done + len(batch)]
        rows: list[Row] = []
        for number, one in zip(some, batch, strict=True):
            key = one.code if cased else one.code.lower()
            words = words_of((one.code, one.display, *(each.value for each in one.designations)))
            rows.append((
                number, system, key, one.code, one.display, one.definition, one.inactive,
                one.abstract, words, _array(pieces_of(words)),
            ))  # fmt: skip
        await copy(cx, CONCEPTS, rows)
        await copy(cx, DESIGNATIONS, _designations(batch, some))
        await copy(cx, PROPERTIES, _properties(batch, some, system))
        done += len(batch)
        tell("concepts", done, len(numbers))
    edges = (
        (numbers[at], numbers[parent]) for at, above in enumerate(order.parents) for parent in above
    )
    await copy(cx, PARENTS, edges)
    spans = (
        (numbers[at], base + low, base + high)
        for at, every in order.numbering.spans.items()
        for low, high in every
    )
    await copy(cx, SPANS, spans)
    if done >= ANALYZED_MIN:
        await cx.db.execute("SELECT fhir.analyze_concepts()")
    return done


CONCEPTS = """
    COPY fhir.concept (number, system, key, code, display, definition, inactive, abstract, words,
                       pieces) FROM STDIN
"""
DESIGNATIONS = "COPY fhir.concept_designation (number, place, language, used, value) FROM STDIN"
PROPERTIES = """
    COPY fhir.concept_property (number, place, system, name, kind, value, whole) FROM STDIN
"""
PARENTS = "COPY fhir.concept_parent (child, parent) FROM STDIN"
SPANS = "COPY fhir.concept_span (number, low, high) FROM STDIN"
ENTRIES = """
    COPY fhir.concept_map_entry (map, grouped, place, source, source_display, target,
                                 target_display, equivalence, more) FROM STDIN
"""


async def copy(cx: Context, statement: str, rows: Iterable[Row]) -> None:
    """Send rows, a COPY for each 100,000: one statement must end before its time-out."""
    every = iter(rows)
    while part := list(itertools.islice(every, BATCH * 10)):
        async with cx.db.cursor() as cursor, cursor.copy(statement) as stream:
            for row in part:
                await stream.write_row(row)


def _batches(concepts: Iterator[Concept]) -> Iterator[list[Concept]]:
    while batch := list(itertools.islice(concepts, BATCH)):
        yield batch


def _array(numbers: Iterable[int]) -> str:
    return "{" + ",".join(map(str, numbers)) + "}"


def _json(value: Mapping[str, Any] | None) -> str | None:
    return None if value is None else dumps(value)


def _designations(batch: Sequence[Concept], numbers: Sequence[int]) -> Iterator[Row]:
    for one, number in zip(batch, numbers, strict=True):
        for at, told in enumerate(one.designations):
            yield number, at, told.language, _json(told.use), told.value


def _properties(batch: Sequence[Concept], numbers: Sequence[int], system: int) -> Iterator[Row]:
    for one, number in zip(batch, numbers, strict=True):
        for at, told in enumerate(one.properties):
            yield number, at, system, told.name, told.kind, told.value, _json(told.whole)


async def write_entries(
    cx: Context, map_id: int, grouped: int, entries: Iterator[Entry], tell: Tell = silent
) -> int:
    """Write the entries of a group of a map; return how many."""
    done = 0
    while batch := list(itertools.islice(entries, BATCH)):
        rows = [
            (map_id, grouped, done + at, one.source, one.source_display, one.target,
             one.target_display, one.equivalence, _json(one.more))
            for at, one in enumerate(batch)
        ]  # fmt: skip
        await copy(cx, ENTRIES, rows)
        done += len(batch)
        tell("entries", done, None)
    return done
