"""The codes of a value set, page by page.

Source: HL7 FHIR R4 4.0.1, operation ValueSet/$expand; §4.9 ValueSet.expansion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from citycare.kernel.context import Context
from citycare.kernel.fhir.rows import instant
from citycare.kernel.fhir.terminology import catalogue
from citycare.kernel.fhir.terminology.composing import Composer, Wanted
from citycare.kernel.fhir.terminology.model import EXPANSION_MAX, Ask, Json, TooCostly
from citycare.kernel.fhir.terminology.wording import filter_words
from citycare.kit import ids

OFFSET_MAX = 10_000_000


@dataclass(frozen=True, slots=True)
class Options:
    """How an expansion is asked for.

    Attributes:
        filter: words that must occur in code, display or a designation; the shortest come first.
        offset: codes to pass over.
        count: codes to give; None: all, if they are not too many; 0: only how many there are.
        active_only: leave out codes that are not to be used any more.
        language: of displays, where the system has them in it (`en`, `zh-CN`).
        designations: give all designations as well.
        versions: of systems for which the definition names none, by url.
    """

    filter: str = ""
    offset: int = 0
    count: int | None = None
    active_only: bool = False
    language: str = ""
    designations: bool = False
    versions: Mapping[str, str] = field(default_factory=dict)


PLAIN = Options()


async def expand(cx: Context, value_set: str | Json, options: Options = PLAIN) -> Json:
    """Return a value set with its expansion.

    Args:
        cx: the action.
        value_set: a canonical (`url|version`), or a ValueSet resource.
        options: see there.

    Raises:
        ValueSetUnknown, SystemUnknown: it, or something it needs, is not here.
        Invalid, Circular, ComposeBroken: its definition cannot be followed.
        TooCostly: it has more than EXPANSION_MAX codes, and no count was given.
    """
    if not 0 <= options.offset <= OFFSET_MAX or (options.count is not None and options.count < 0):
        raise Ask(problem="offset and count must not be negative", limit=OFFSET_MAX)
    words = tuple(filter_words(options.filter))
    composer = Composer(cx, Wanted(words, options.active_only, options.versions))
    rows = await composer.rows(value_set)
    if isinstance(value_set, str):
        told = await _named(cx, value_set)
    else:
        told = {name: one for name, one in value_set.items() if name not in ("compose", "text")}
    total = await _count(cx, composer, rows)
    if options.count is None and total > EXPANSION_MAX:
        raise TooCostly(codes=total, limit=EXPANSION_MAX)
    count = EXPANSION_MAX if options.count is None else min(options.count, EXPANSION_MAX)
    found = await _page(cx, composer, rows, options.offset, count) if count else []
    expansion: Json = {
        "identifier": f"urn:uuid:{ids.new()}",
        "timestamp": instant(cx.now),
        "total": total,
        "offset": options.offset,
        "parameter": _parameters(composer, options, count),
    }
    if found:
        names = await designations(cx, [row["number"] for row in found if row["number"]], options)
        expansion["contains"] = [_contained(composer, row, names, options) for row in found]
    return told | {"expansion": expansion}


async def _named(cx: Context, canonical: str) -> Json:
    url, version = catalogue.parted(canonical)
    known = await catalogue.find_value_set(cx, url, version)
    made = {"resourceType": "ValueSet", "url": url, "status": "active"}
    if known is None:
        return made
    told = {"version": known.version, "title": known.name, "status": known.status}
    return made | {name: one for name, one in told.items() if one}


async def _count(cx: Context, composer: Composer, rows: str) -> int:
    row = await (
        await cx.db.execute(f"SELECT count(*) AS n FROM ({rows}) AS f", composer.sql.values)
    ).fetchone()
    return int(row["n"]) if row is not None else 0


async def _page(
    cx: Context, composer: Composer, rows: str, offset: int, count: int
) -> Sequence[Mapping[str, Any]]:
    """Return codes in order: of the definition; those found by words, the shortest first."""
    values = composer.sql.values | {"offset": offset, "count": count}
    told = "p.url, p.key, p.code, p.number, c.display, c.inactive, c.abstract"
    limit = "OFFSET %(offset)s LIMIT %(count)s"
    if composer.wanted.words:
        statement = (
            f"SELECT {told} FROM ({rows}) AS p LEFT JOIN fhir.concept c USING (number)"
            f" ORDER BY coalesce(length(c.display), 0), p.part, p.place {limit}"
        )
    else:
        statement = (
            f"SELECT {told} FROM (SELECT * FROM ({rows}) AS f ORDER BY part, place {limit}) AS p"
            " LEFT JOIN fhir.concept c USING (number) ORDER BY p.part, p.place"
        )
    return await (await cx.db.execute(statement, values)).fetchall()


def _parameters(composer: Composer, options: Options, count: int) -> list[Json]:
    told: list[Json] = [
        {"name": "version", "valueUri": f"{one.url}|{one.version}"}
        for one in composer.systems.values()
        if one.version
    ]
    if options.filter:
        told.append({"name": "filter", "valueString": options.filter})
    if options.active_only:
        told.append({"name": "activeOnly", "valueBoolean": True})
    if options.language:
        told.append({"name": "displayLanguage", "valueCode": options.language})
    if options.count is not None:
        told.append({"name": "count", "valueInteger": count})
    return told


DESIGNATIONS = """
    SELECT number, language, used, value FROM fhir.concept_designation
     WHERE number = ANY(%(numbers)s::bigint[]) ORDER BY number, place
"""


async def designations(
    cx: Context, numbers: Sequence[int], options: Options
) -> dict[int, list[Json]]:
    """Return designations by concept, where they are needed."""
    if not numbers or not (options.language or options.designations):
        return {}
    found: dict[int, list[Json]] = {}
    values = {"numbers": list(numbers)}
    for row in await (await cx.db.execute(DESIGNATIONS, values)).fetchall():
        made = {"language": row["language"], "use": row["used"], "value": row["value"]}
        told = {name: one for name, one in made.items() if one}
        found.setdefault(row["number"], []).append(told)
    return found


def in_language(some: Sequence[Mapping[str, Any]], language: str) -> str:
    """Return the first designation in a language, `zh` for `zh-CN` too; empty: there is none."""
    wanted = language.lower()
    by_language = [(str(one.get("language", "")).lower(), str(one["value"])) for one in some]
    exact = [value for told, value in by_language if told == wanted]
    head = wanted.partition("-")[0]
    alike = [value for told, value in by_language if told.partition("-")[0] == head]
    return next(iter(exact + alike), "")


def _contained(
    composer: Composer, row: Mapping[str, Any], names: Mapping[int, list[Json]], options: Options
) -> Json:
    number, url = row["number"], composer.urls[row["url"]]
    listed = composer.listed.get((row["url"], row["key"]), {})
    said = [*listed.get("designation", ()), *names.get(number, ())]
    version = composer.systems[number >> 32].version if number else ""
    display = listed.get("display") or row["display"] or ""
    if options.language:
        display = in_language(said, options.language) or display
    made: Json = {
        "system": url,
        "version": version,
        "code": row["code"],
        "display": display,
        "abstract": bool(row["abstract"]),
        "inactive": bool(row["inactive"]),
        "designation": said if options.designations else [],
    }
    return {name: one for name, one in made.items() if one}


async def members(cx: Context, value_set: str, most: int) -> list[tuple[str, str]]:
    """Return (system, code) of all codes in a value set: what `:in` looks for.

    Raises:
        TooCostly: there are more than `most`.
        ValueSetUnknown, SystemUnknown, Circular, ComposeBroken: it cannot be had.
    """
    composer = Composer(cx, Wanted())
    rows = await composer.rows(value_set)
    values = composer.sql.values | {"count": most + 1}
    found = await (
        await cx.db.execute(f"SELECT url, code FROM ({rows}) AS f LIMIT %(count)s", values)
    ).fetchall()
    if len(found) > most:
        raise TooCostly(value_set=value_set, limit=most)
    return [(composer.urls[row["url"]], row["code"]) for row in found]
