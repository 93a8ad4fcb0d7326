"""Profiles of the record by their canonical, compiled once and kept by what they were made of.

A canonical without version means the newest active one, as for code systems. What is kept is found
by id, version and row of the StructureDefinition, so a process never holds to an old one: each
time it asks which ones there are now, which reads no definition.

Source: HL7 FHIR R4 4.0.1 §2.24 canonical references; StructureDefinition.url, version.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg.rows import class_row

from citycare.kernel.context import Context
from citycare.kernel.fhir.finding.lanes import lanes_of
from citycare.kernel.fhir.profiles.compiling import base_of, compiled, targets_of
from citycare.kernel.fhir.profiles.model import BASES_MAX, Json, Profile, Unfit
from citycare.kernel.fhir.rows import loads
from citycare.kernel.fhir.searching import keys as of
from citycare.kernel.fhir.terminology import catalogue

KIND = "StructureDefinition"
ASKED_MAX = 100  # canonicals of one statement
HERE_MAX = 500  # definitions that have one of their urls
READ_MAX = 20  # definitions of one statement
HEADS_MAX = 1_000
PROFILES_MAX = 200


@dataclass(frozen=True, slots=True)
class Key:
    """One version of one StructureDefinition of the record."""

    id: str
    version: int
    rid: int


@dataclass(frozen=True, slots=True)
class Head:
    """What has to be known of a definition before it is compiled."""

    key: Key
    url: str
    version: str
    status: str
    dated: str
    type: str
    base: str
    targets: tuple[str, ...]


Heads = Mapping[str, Head | None]

_heads: dict[Key, Head] = {}
_profiles: dict[tuple[int | Key, ...], Profile | str] = {}

HERE = f"""
    SELECT id, version, rid FROM fhir.resource
     WHERE type = '{KIND}' AND NOT deleted AND keys && %(keys)s::bigint[]
     LIMIT {HERE_MAX}
"""
BODIES = f"""
    SELECT id, version, rid, body FROM fhir.resource
     WHERE type = '{KIND}' AND NOT deleted AND id = ANY(%(ids)s::text[])
"""


async def gathered(cx: Context, canonicals: Iterable[str]) -> Heads:
    """Return what is known of these, their bases, and what the references of both lead to."""
    known: dict[str, Head | None] = {}
    level = dict.fromkeys(canonicals, True)  # True: its bases and targets are wanted as well
    followed: set[str] = set()
    for _ in range(BASES_MAX + 1):
        new = {one for one, whole in level.items() if one not in known or whole}
        new -= followed
        if not new:
            break
        known |= await _find(cx, sorted(new))
        heads = [known[one] for one in new if level[one]]
        followed |= {one for one in new if level[one]}
        level = {}
        for head in heads:
            if head is not None:
                level = dict.fromkeys(head.targets, False) | level
                level |= dict.fromkeys(filter(None, (head.base,)), True)
    return known


async def _find(cx: Context, canonicals: Sequence[str]) -> dict[str, Head | None]:
    """Return the definition each canonical means."""
    found: dict[str, Head | None] = {}
    for start in range(0, len(canonicals), ASKED_MAX):
        some = canonicals[start : start + ASKED_MAX]
        heads = await _here(cx, {one.partition("|")[0] for one in some})
        for one in some:
            url, version = catalogue.parted(one)
            rows = [
                {"version": head.version, "status": head.status, "dated": head.dated,
                 "id": head.key.id, "head": head}
                for head in heads
                if head.url == url
            ]  # fmt: skip
            row = catalogue.meant(rows, version)
            found[one] = row["head"] if row is not None else None
    return found


async def _here(cx: Context, urls: Iterable[str]) -> list[Head]:
    """Return what is known of all definitions with these urls."""
    lanes = lanes_of((KIND,), "url")
    keys = [key for url in urls for lane, _ in lanes for key in of.uri_keys(lane, url)]
    values = {"keys": "{" + ",".join(map(str, keys)) + "}"}
    async with cx.db.cursor(row_factory=class_row(Key)) as cursor:
        rows = await (await cursor.execute(HERE.encode(), values)).fetchall()
    missing = [one for one in rows if one not in _heads]
    known = {one: _heads[one] for one in rows if one in _heads}
    made = {key: _head(key, body) for key, body in await _read(cx, missing)}
    _keep(_heads, made, HEADS_MAX)
    return list((known | made).values())


async def _read(cx: Context, keys: Sequence[Key]) -> list[tuple[Key, Json]]:
    """Return definitions as they are now."""
    found = []
    for start in range(0, len(keys), READ_MAX):
        ids = [one.id for one in keys[start : start + READ_MAX]]
        rows = await (await cx.db.execute(BODIES, {"ids": ids})).fetchall()
        for row in rows:
            key = Key(row["id"], row["version"], row["rid"])
            found.append((key, loads(row["body"])))
    return found


def _head(key: Key, definition: Json) -> Head:
    version, status, dated, kind = (
        str(definition.get(one, "")) for one in ("version", "status", "date", "type")
    )
    url = str(definition.get("url", "")).partition("|")[0]
    base, targets = base_of(definition), targets_of(definition)
    return Head(key, url, version, status, dated, kind, base, targets)


def _keep(kept: dict[Any, Any], new: Mapping[Any, Any], most: int) -> None:
    """Keep what is new, and of the rest no more than `most`: the oldest go."""
    kept |= new
    for one in list(kept)[: max(0, len(kept) - most)]:
        del kept[one]


async def profile_of(cx: Context, known: Heads, canonical: str) -> Profile | str:
    """Return a profile of those gathered; as text why there is none."""
    head = known.get(canonical)
    if head is None:
        return "it is not here"
    chain = [head]
    while (base := known.get(chain[-1].base)) is not None and base not in chain:
        chain.append(base)
    targets = [known.get(each) for one in chain for each in one.targets]
    made_of = dict.fromkeys(one.key for one in (*chain, *targets) if one is not None)
    key: tuple[int | Key, ...] = (len(chain), *made_of)
    if key in _profiles:
        return _profiles[key]
    read = await _read(cx, [one.key for one in chain])
    made = _made(head, known, {one.id: body for one, body in read})
    if {one.key for one in chain} == {one for one, _ in read}:  # none was changed meanwhile
        _keep(_profiles, {key: made}, PROFILES_MAX)
    return made


def _made(head: Head, known: Heads, bodies: Mapping[str, Json]) -> Profile | str:
    def find(canonical: str) -> Json | None:
        found = known.get(canonical)
        return None if found is None else bodies.get(found.key.id, {"type": found.type})

    if head.key.id not in bodies:
        return "it was deleted just now"
    try:
        return compiled(bodies[head.key.id], find)
    except Unfit as error:
        return str(error)
