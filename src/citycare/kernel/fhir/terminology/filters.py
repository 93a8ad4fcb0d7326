"""Filters of a value set as conditions on `fhir.concept c`.

Regular expressions are read by our own reader first (no back references, no looking about, limits
of size) and then run by PostgreSQL, whose machine is linear for those; they match the whole value.

Source: HL7 FHIR R4 4.0.1 §4.9 ValueSet.compose.include.filter, value set filter-operator; §4.8
CodeSystem: properties `inactive`, `notSelectable`, `parent`, `child` every system has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import psycopg

from citycare.kernel.context import Context
from citycare.kernel.fhir.path import PathError
from citycare.kernel.fhir.path.regex import compiled
from citycare.kernel.fhir.terminology.model import ComposeBroken, System
from citycare.kernel.fhir.terminology.sql import Sql

ITSELF = frozenset(("concept", "code"))
TREE = frozenset(("is-a", "descendent-of", "is-not-a", "generalizes"))
NOT_ALIKE = re.compile(r"\\[bBxu]")  # mean something else to PostgreSQL
VALUES_MAX = 1_000
OR_MAX = 8  # ranges that are cheaper one by one than counted up
COUNTED_MAX = 20_000  # numbers that are sent, so that PostgreSQL knows how many they are
PROPERTY_HEAD = 100  # characters of a value that are indexed
COLUMNS = {  # what of a concept is no property of its own
    "concept": "c.key", "code": "c.key", "display": "c.display",
    "inactive": "c.inactive::text", "notSelectable": "c.abstract::text",
}  # fmt: skip

SPANS = "SELECT low, high FROM fhir.concept_span WHERE number = %(number)s ORDER BY low"
NUMBER = "SELECT number FROM fhir.concept WHERE system = %(system)s AND key = %(key)s"
ABOVE = """
    WITH RECURSIVE above AS (
        SELECT parent FROM fhir.concept_parent WHERE child = %(number)s
        UNION
        SELECT p.parent FROM above a JOIN fhir.concept_parent p ON p.child = a.parent)
    SELECT parent FROM above
"""


async def find_number(cx: Context, system: System, code: str) -> int | None:
    """Return the number of a code, or None."""
    row = await (
        await cx.db.execute(NUMBER, {"system": system.id, "key": system.key(code)})
    ).fetchone()
    return int(row["number"]) if row is not None else None


async def ancestors(cx: Context, number: int) -> list[int]:
    """Return the numbers of all concepts above one."""
    rows = await (await cx.db.execute(ABOVE, {"number": number})).fetchall()
    return [row["parent"] for row in rows]


async def below(cx: Context, number: int) -> list[tuple[int, int]]:
    """Return ranges of the concepts below one, itself too: low ≤ n < high."""
    rows = await (await cx.db.execute(SPANS, {"number": number})).fetchall()
    return [(row["low"], row["high"]) for row in rows] or [(number, number + 1)]


def within(sql: Sql, spans: list[tuple[int, int]]) -> str:
    """Return the condition that a concept lies in one of some ranges.

    Every number in a range is a concept, so many ranges are counted up and compared as equal.
    Joined by `<` and `>=`, thousands of ranges took over 30 s on 350,000 concepts: PostgreSQL then
    reads the whole table for each.
    """
    if len(spans) <= OR_MAX:
        parts = [
            f"(c.number >= {sql.value(low)} AND c.number < {sql.value(high)})"
            for low, high in spans
        ]
        return f"({' OR '.join(parts)})"
    if sum(high - low for low, high in spans) <= COUNTED_MAX:
        every = ",".join(str(one) for low, high in spans for one in range(low, high))
        return f"c.number = ANY({sql.value('{' + every + '}')}::bigint[])"
    lows, highs = sql.value([low for low, _ in spans]), sql.value([high for _, high in spans])
    return (
        f"c.number IN (SELECT n FROM unnest({lows}::bigint[], {highs}::bigint[]) AS r (low, high),"
        " generate_series(r.low, r.high - 1) AS n)"
    )


async def condition(cx: Context, sql: Sql, system: System, told: Mapping[str, Any]) -> str:
    """Return one filter as a condition.

    Raises:
        ComposeBroken: the filter has no meaning here.
    """
    name, operator, value = (str(told.get(part, "")) for part in ("property", "op", "value"))
    if operator in TREE:
        if name not in ITSELF:
            raise _broken(told, "works on the property concept only")
        return await _tree(cx, sql, system, operator, value)
    if name in ("parent", "child") and operator in ("=", "in"):
        return _related(sql, system, name, _several(told, operator, value))
    if operator == "regex":
        await _try(cx, told, value)
    if operator == "not-in":
        return f"NOT {await condition(cx, sql, system, {**told, 'op': 'in'})}"
    test = _test(sql, system, name in ITSELF, operator, value, told)
    if name in COLUMNS:
        return test(COLUMNS[name])
    return _on_property(sql, system, name, operator, value, test)


def _broken(told: Mapping[str, Any], wrong: str) -> ComposeBroken:
    shown = f"{told.get('property')} {told.get('op')} {str(told.get('value'))[:100]}"
    return ComposeBroken(filter=shown, problem=wrong)


async def _tree(cx: Context, sql: Sql, system: System, operator: str, value: str) -> str:
    """Return where a concept must stand in the hierarchy; below an unknown code stands nothing."""
    number = await find_number(cx, system, value)
    if number is None:
        return "true" if operator == "is-not-a" else "false"
    if operator == "generalizes":
        return f"c.number = ANY({sql.value([number, *await ancestors(cx, number)])}::bigint[])"
    inside = within(sql, await below(cx, number))
    if operator == "descendent-of":
        return f"({inside} AND c.number <> {sql.value(number)})"
    return inside if operator == "is-a" else f"NOT {inside}"


def _related(sql: Sql, system: System, name: str, codes: list[str]) -> str:
    """Return that a concept is a child of one of some (its property `parent`), or a parent."""
    keys = [system.key(one) for one in codes]
    mine, other = ("child", "parent") if name == "parent" else ("parent", "child")
    return (
        f"EXISTS (SELECT 1 FROM fhir.concept_parent p JOIN fhir.concept o ON o.number = p.{other}"
        f" WHERE p.{mine} = c.number AND o.system = {sql.value(system.id)}"
        f" AND o.key = ANY({sql.value(keys)}::text[]))"
    )


def _several(told: Mapping[str, Any], operator: str, value: str) -> list[str]:
    if operator == "=":
        return [value]
    values = [one.strip() for one in value.split(",")]
    if len(values) > VALUES_MAX:
        raise _broken(told, f"names more than {VALUES_MAX} values")
    return values


def _test(
    sql: Sql, system: System, coded: bool, operator: str, value: str, told: Mapping[str, Any]  # noqa: FBT001
) -> Callable[[str], str]:  # fmt: skip
    """Return what writes the condition on a column."""
    match operator:
        case "=" | "in":
            values = _several(told, operator, value)
            values = [system.key(one) for one in values] if coded else values
            given = f"ANY({sql.value(values)}::text[])"
            return lambda column: f"({column} = {given})"
        case "regex":
            pattern = sql.value(_whole(value))
            return lambda column: f"{'c.code' if coded else column} ~ {pattern}"
        case "exists" if value in ("true", "false"):
            return lambda _: value
    raise _broken(told, "is not a filter of R4 with this value")


async def _try(cx: Context, told: Mapping[str, Any], pattern: str) -> None:
    """Refuse a pattern that our reader refuses, or PostgreSQL; in a savepoint, to go on after."""
    try:
        compiled(pattern)
        async with cx.db.transaction():
            await cx.db.execute("SELECT '' ~ %(pattern)s", {"pattern": _whole(pattern)})
    except PathError as error:
        raise _broken(told, str(error.facts.get("problem", "cannot be read"))) from error
    except psycopg.errors.InvalidRegularExpression as error:
        raise _broken(told, "cannot be read as a pattern") from error
    if NOT_ALIKE.search(pattern.replace("\\\\", "")):
        raise _broken(told, r"\b, \B, \x and \u are not understood in value sets")


def _whole(pattern: str) -> str:
    return f"^(?:{pattern})$"


def _on_property(
    sql: Sql, system: System, name: str, operator: str, value: str, test: Callable[[str], str]
) -> str:
    """Return a condition on a property that the system itself defines."""
    held = "" if operator == "exists" else f" AND {test('p.value')}"
    if operator == "=":
        held += f" AND left(p.value, {PROPERTY_HEAD}) = {sql.value(value[:PROPERTY_HEAD])}"
    found = (
        "c.number IN (SELECT p.number FROM fhir.concept_property p"
        f" WHERE p.system = {sql.value(system.id)} AND p.name = {sql.value(name)}{held})"
    )
    return f"NOT {found}" if operator == "exists" and value == "false" else found
