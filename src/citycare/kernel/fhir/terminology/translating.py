"""Codes of one system as codes of another, by concept maps, in both directions.

Backwards an equivalence is turned round too: what was wider is narrower. What a group says of codes
it does not list (`unmapped`) holds forwards alone.

Source: HL7 FHIR R4 4.0.1, operation ConceptMap/$translate; §4.10 ConceptMap, value set
concept-map-equivalence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from citycare.kernel.context import Context
from citycare.kernel.fhir.terminology import catalogue
from citycare.kernel.fhir.terminology.catalogue import Map
from citycare.kernel.fhir.terminology.model import (
    NESTING_MAX,
    Ask,
    Circular,
    Coding,
    Json,
    Match,
    Translated,
)

TURNED = {
    "wider": "narrower", "narrower": "wider", "subsumes": "specializes", "specializes": "subsumes",
}  # fmt: skip
NO_MATCH = frozenset(("unmatched", "disjoint"))
MATCHES_MAX = 1_000

COLUMNS = """
    SELECT e.map, e.grouped, e.source, e.source_display, e.target, e.target_display, e.equivalence,
           e.more, g.source AS source_system, g.source_version, g.target AS target_system,
           g.target_version
      FROM fhir.concept_map_entry e
      JOIN fhir.concept_map_group g ON g.map = e.map AND g.place = e.grouped
     WHERE e.map = ANY(%(maps)s::integer[])
"""
FORWARDS = f"""{COLUMNS}
       AND e.source = %(code)s AND g.source IN (%(system)s, '')
       AND (%(other)s = '' OR g.target = %(other)s)
       AND (%(version)s = '' OR g.source_version IN (%(version)s, ''))
     ORDER BY e.map, e.grouped, e.place LIMIT {MATCHES_MAX}
"""
BACKWARDS = f"""{COLUMNS}
       AND e.target = %(code)s AND g.target IN (%(system)s, '')
       AND (%(other)s = '' OR g.source = %(other)s)
       AND (%(version)s = '' OR g.target_version IN (%(version)s, ''))
     ORDER BY e.map, e.grouped, e.place LIMIT {MATCHES_MAX}
"""
UNMAPPED = """
    SELECT map, place, source, target, target_version, unmapped FROM fhir.concept_map_group g
     WHERE map = ANY(%(maps)s::integer[]) AND unmapped IS NOT NULL AND source IN (%(system)s, '')
       AND (%(other)s = '' OR target = %(other)s)
       AND NOT EXISTS (SELECT 1 FROM fhir.concept_map_entry e
                        WHERE e.map = g.map AND e.grouped = g.place AND e.source = %(code)s)
     ORDER BY map, place
"""


async def translate(
    cx: Context,
    coding: Coding,
    *,
    url: str = "",
    source: str = "",
    target: str = "",
    target_system: str = "",
    reverse: bool = False,
) -> Translated:
    """Return what a code is in another system.

    Args:
        cx: the action.
        coding: with its system.
        url: canonical of the map to use; empty: all that lead between `source` and `target`.
        source: value set the code comes from, as maps name it; empty: any.
        target: value set to translate into; empty: any.
        target_system: only codes of this system.
        reverse: the code is a target, its sources are wanted; `source` and `target` change places.

    Raises:
        MapUnknown: the map is not here.
        Ask: no code or no system.
        Circular: maps hand on to one another in a circle.
    """
    if not coding.code or not coding.system:
        raise Ask(problem="needs a code and its system")
    if url:
        maps = [await catalogue.get_map(cx, *catalogue.parted(url))]
    else:
        maps = await catalogue.list_maps(cx, *((target, source) if reverse else (source, target)))
    matches = await _matches(cx, coding, maps, target_system, reverse=reverse)
    result = any(one.equivalence not in NO_MATCH for one in matches)
    message = "" if result else f"no map leads from {coding.system}#{coding.code}"
    return Translated(result, message, tuple(matches))


async def _matches(
    cx: Context, coding: Coding, maps: Sequence[Map], target_system: str, *, reverse: bool,
    through: tuple[int, ...] = (),
) -> list[Match]:  # fmt: skip
    by_id = {one.id: one for one in maps}
    values = {
        "maps": list(by_id),
        "code": coding.code,
        "system": coding.system,
        "version": coding.version,
        "other": target_system,
    }
    statement = BACKWARDS if reverse else FORWARDS
    rows = await (await cx.db.execute(statement, values)).fetchall()
    found = [_match(row, by_id[row["map"]], reverse=reverse) for row in rows]
    if reverse:
        return found
    for row in await (await cx.db.execute(UNMAPPED, values)).fetchall():
        found += await _unmapped(cx, coding, row, by_id[row["map"]], target_system, through)
    return found


def _match(row: Mapping[str, Any], map_: Map, *, reverse: bool) -> Match:
    end = "source" if reverse else "target"
    equivalence = row["equivalence"]
    coding = Coding(row[end], row[f"{end}_system"], row[f"{end}_version"], row[f"{end}_display"])
    return Match(
        TURNED.get(equivalence, equivalence) if reverse else equivalence,
        coding if coding.code else None,
        map_.canonical,
        row["more"] or {},
    )


async def _unmapped(
    cx: Context, coding: Coding, row: Mapping[str, Any], map_: Map, target_system: str,
    through: tuple[int, ...],
) -> list[Match]:  # fmt: skip
    """Return what a group says of a code it does not list.

    R4 does not say how such a code is related: the weakest that fits is given.

    Source: HL7 FHIR R4 4.0.1, value set conceptmap-unmapped-mode.
    """
    told: Json = row["unmapped"]
    if told["mode"] == "provided":
        same = Coding(coding.code, row["target"], row["target_version"], coding.display)
        return [Match("relatedto", same, map_.canonical)]
    if told["mode"] == "fixed":
        fixed = Coding(told["code"], row["target"], row["target_version"], told.get("display", ""))
        return [Match("inexact", fixed, map_.canonical)]
    if map_.id in through or len(through) >= NESTING_MAX:
        raise Circular(map=map_.canonical)
    other = await catalogue.get_map(cx, *catalogue.parted(told["url"]))
    return await _matches(
        cx, coding, [other], target_system, reverse=False, through=(*through, map_.id)
    )
