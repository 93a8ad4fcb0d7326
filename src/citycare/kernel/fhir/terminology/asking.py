"""What is known of one code: looked up, checked, set against another.

Source: HL7 FHIR R4 4.0.1, operations CodeSystem/$lookup, CodeSystem/$validate-code,
ValueSet/$validate-code, CodeSystem/$subsumes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from citycare.kernel.context import Context
from citycare.kernel.fhir.searching.words import fold
from citycare.kernel.fhir.terminology import catalogue, filters
from citycare.kernel.fhir.terminology.composing import WHOLE, Composer, Wanted
from citycare.kernel.fhir.terminology.model import (
    Ask,
    Checked,
    CodeUnknown,
    Coding,
    Designation,
    Json,
    Looked,
    Property,
    Subsumption,
    System,
    SystemUnknown,
    TooCostly,
)
from citycare.kernel.fhir.terminology.sql import Sql

RELATED_MAX = 1_000
"""Children of a concept that are named when it is looked up."""
CODINGS_MAX = 50

CONCEPT = """
    SELECT number, code, display, definition, inactive, abstract FROM fhir.concept
     WHERE system = %(system)s AND key = %(key)s
"""
DESIGNATIONS = """
    SELECT language, used, value FROM fhir.concept_designation
     WHERE number = %(number)s ORDER BY place
"""
PROPERTIES = """
    SELECT name, kind, value, whole FROM fhir.concept_property
     WHERE number = %(number)s ORDER BY place
"""
PARENTS = """
    SELECT c.code FROM fhir.concept_parent p JOIN fhir.concept c ON c.number = p.parent
     WHERE p.child = %(number)s ORDER BY c.number
"""
CHILDREN = """
    SELECT c.code FROM fhir.concept_parent p JOIN fhir.concept c ON c.number = p.child
     WHERE p.parent = %(number)s ORDER BY c.number LIMIT %(most)s
"""


async def _find(cx: Context, system: System, code: str) -> Mapping[str, Any] | None:
    values = {"system": system.id, "key": system.key(code)}
    return await (await cx.db.execute(CONCEPT, values)).fetchone()


async def _all(cx: Context, statement: str, number: int) -> list[Mapping[str, Any]]:
    values = {"number": number, "most": RELATED_MAX}
    return [*await (await cx.db.execute(statement, values)).fetchall()]


async def lookup(cx: Context, coding: Coding) -> Looked:
    """Return what is known of a code: names, properties, what stands above and right below it.

    Raises:
        SystemUnknown, CodeUnknown: it, or its system, is not here.
    """
    system = await catalogue.get_system(cx, coding.system, coding.version)
    row = await _find(cx, system, coding.code)
    if row is None:
        raise CodeUnknown(system=coding.system, version=system.version, code=coding.code)
    number = row["number"]
    properties = [
        Property(one["name"], one["kind"], one["value"], one["whole"])
        for one in await _all(cx, PROPERTIES, number)
    ]
    for name, statement in (("parent", PARENTS), ("child", CHILDREN)):
        properties += [
            Property(name, "Code", one["code"]) for one in await _all(cx, statement, number)
        ]
    return Looked(
        system, row["code"], row["display"], row["definition"], row["inactive"], row["abstract"],
        tuple(
            Designation(one["value"], one["language"], one["used"])
            for one in await _all(cx, DESIGNATIONS, number)
        ),
        tuple(properties),
    )  # fmt: skip


async def validate_code(
    cx: Context, coding: Coding, value_set: str | Json | None = None, *, abstract: bool = False
) -> Checked:
    """Tell whether a code is one of its system, or of a value set, and its display is right.

    Args:
        cx: the action.
        coding: without a system only with a value set in which one system has the code.
        value_set: a canonical or a ValueSet resource; None: any code of the system.
        abstract: codes that are not to be chosen by a person are right as well.

    Raises:
        SystemUnknown, ValueSetUnknown: it cannot be told, because something is not here.
        Ask: no code, or neither system nor value set.
    """
    if not coding.code or not (coding.system or value_set is not None):
        raise Ask(problem="needs a code, and its system or a value set")
    if value_set is None:
        return await _in_system(cx, coding, abstract=abstract)
    versions = {}
    if coding.system and coding.version:
        await catalogue.get_system(cx, coding.system, coding.version)
        versions[coding.system] = coding.version
    composer = Composer(cx, Wanted(versions=versions))
    rows = await composer.rows(value_set)
    found = await _members(cx, composer, rows, coding)
    systems = {composer.urls[one["url"]] for one in found}
    if len(systems) > 1:
        raise Ask(problem="several systems have this code", systems=" ".join(sorted(systems)))
    if not found:
        return Checked(False, f"{_shown(coding)} is not in the value set")
    return await _as_member(cx, composer, found[0], coding, abstract=abstract)


async def _members(
    cx: Context, composer: Composer, rows: str, coding: Coding
) -> list[Mapping[str, Any]]:
    """Return the codes of a set that are meant; without a system one of each system."""
    if coding.system and coding.system not in composer.urls:
        return []
    cased = [one.cased for one in composer.systems.values() if coding.system in ("", one.url)]
    keys = {coding.code, coding.code if all(cased) else coding.code.lower()}
    where = f"key = ANY({composer.sql.value(sorted(keys))}::text[])"
    if coding.system:
        where += f" AND url = {composer.url(coding.system)}"
    statement = f"SELECT url, key, code, number FROM ({rows}) AS f WHERE {where} LIMIT 10"
    return [*await (await cx.db.execute(statement, composer.sql.values)).fetchall()]


async def _as_member(
    cx: Context, composer: Composer, row: Mapping[str, Any], coding: Coding, *, abstract: bool
) -> Checked:
    url = composer.urls[row["url"]]
    listed = composer.listed.get((row["url"], row["key"]), {})
    if row["number"] is not None:
        system = composer.systems[row["number"] >> 32]
        concept = await _find(cx, system, row["code"])
        if concept is not None:
            return await _judged(cx, system, concept, coding, listed, abstract=abstract)
    names = [str(listed[name]) for name in ("display",) if listed.get(name)]
    right = Coding(row["code"], url, "", names[0] if names else "")
    if coding.display and names and fold(coding.display) not in map(fold, names):
        return Checked(False, _misnamed(coding, names[0]), right)
    return Checked(True, "", right)


async def _in_system(cx: Context, coding: Coding, *, abstract: bool) -> Checked:
    system = await catalogue.get_system(cx, coding.system, coding.version)
    row = await _find(cx, system, coding.code)
    if row is not None:
        return await _judged(cx, system, row, coding, {}, abstract=abstract)
    if system.content not in WHOLE:
        raise SystemUnknown(
            system=system.url, problem=f"only a part of it is here, {coding.code} not"
        )
    return Checked(False, f"{_shown(coding)} is not in {_named(system)}")


async def _judged(
    cx: Context, system: System, row: Mapping[str, Any], coding: Coding,
    listed: Mapping[str, Any], *, abstract: bool,
) -> Checked:  # fmt: skip
    """Tell whether a code that is there may be used, and is called what it is."""
    display = listed.get("display") or row["display"]
    right = Coding(row["code"], system.url, system.version, display)
    if row["abstract"] and not abstract:
        return Checked(False, f"{_shown(coding)} is not to be chosen, it stands for a group", right)
    if coding.display:
        said = [one["value"] for one in await _all(cx, DESIGNATIONS, row["number"])]
        said += [one["value"] for one in listed.get("designation", ())]
        if fold(coding.display) not in map(fold, (display, row["display"], *said)):
            return Checked(False, _misnamed(coding, display), right)
    return Checked(True, "this code is no longer active" if row["inactive"] else "", right)


def _named(system: System) -> str:
    return f"{system.url}|{system.version}" if system.version else system.url


def _shown(coding: Coding) -> str:
    return f"{coding.system}#{coding.code}" if coding.system else coding.code


def _misnamed(coding: Coding, display: str) -> str:
    return f"{coding.display!r} is not a name of {_shown(coding)}; it is called {display!r}"


async def validate_concept(
    cx: Context,
    concept: Mapping[str, Any],
    value_set: str | Json | None = None,
    *,
    abstract: bool = False,
) -> Checked:
    """Tell whether one of the codings of a CodeableConcept is right.

    Raises:
        SystemUnknown: none is right, and of one it cannot be told.
        ValueSetUnknown, Ask: see `validate_code`.
    """
    codings: Sequence[Mapping[str, Any]] = concept.get("coding", ())
    if not codings or len(codings) > CODINGS_MAX:
        raise Ask(problem=f"needs 1 to {CODINGS_MAX} codings")
    said = []
    unknown: SystemUnknown | None = None
    for one in codings:
        try:
            found = await validate_code(cx, Coding.of(one), value_set, abstract=abstract)
        except SystemUnknown as error:
            unknown = error
            continue
        if found.result:
            return found
        said.append(found)
    if unknown is not None:
        raise unknown
    return Checked(False, "; ".join(one.message for one in said), said[0].coding)


async def subsumes(
    cx: Context, system: str, first: str, second: str, version: str = ""
) -> Subsumption:
    """Tell how one code stands to another of the same system: one look-up each way.

    Raises:
        SystemUnknown, CodeUnknown: one of them is not here.
    """
    known = await catalogue.get_system(cx, system, version)
    numbers = [await _number(cx, known, code) for code in (first, second)]
    if numbers[0] == numbers[1]:
        return Subsumption.EQUIVALENT
    if await _lies_below(cx, numbers[1], numbers[0]):
        return Subsumption.SUBSUMES
    if await _lies_below(cx, numbers[0], numbers[1]):
        return Subsumption.SUBSUMED_BY
    return Subsumption.NOT_SUBSUMED


async def _number(cx: Context, system: System, code: str) -> int:
    number = await filters.find_number(cx, system, code)
    if number is None:
        raise CodeUnknown(system=system.url, version=system.version, code=code)
    return number


COVERS = """
    SELECT high FROM fhir.concept_span
     WHERE number = %(upper)s AND low <= %(lower)s ORDER BY low DESC LIMIT 1
"""


async def _lies_below(cx: Context, lower: int, upper: int) -> bool:
    row = await (await cx.db.execute(COVERS, {"upper": upper, "lower": lower})).fetchone()
    return row is not None and row["high"] > lower


CODES = "SELECT code FROM fhir.concept WHERE number = ANY(%(numbers)s::bigint[]) ORDER BY number"


async def below(cx: Context, system: str, code: str, most: int) -> list[str]:
    """Return a code and all below it: what `:below` looks for.

    Raises:
        SystemUnknown, CodeUnknown: it is not here.
        TooCostly: there are more than `most`.
    """
    known = await catalogue.get_system(cx, system)
    spans = await filters.below(cx, await _number(cx, known, code))
    if sum(high - low for low, high in spans) > most:
        raise TooCostly(system=system, code=code, limit=most)
    sql = Sql()
    where = filters.within(sql, spans)
    rows = await (
        await cx.db.execute(
            f"SELECT c.code FROM fhir.concept c WHERE {where} ORDER BY c.number",
            sql.values,
        )
    ).fetchall()
    return [row["code"] for row in rows]


async def above(cx: Context, system: str, code: str) -> list[str]:
    """Return a code and all above it: what `:above` looks for.

    Raises:
        SystemUnknown, CodeUnknown: it is not here.
    """
    known = await catalogue.get_system(cx, system)
    number = await _number(cx, known, code)
    values = {"numbers": [number, *await filters.ancestors(cx, number)]}
    return [row["code"] for row in await (await cx.db.execute(CODES, values)).fetchall()]
