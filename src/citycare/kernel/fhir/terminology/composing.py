"""What a value set holds, as one statement: sets of rows that are joined, cut and taken away.

Each part of a definition is a SELECT of (part, place, url, key, code, number): where a code stands
in the order, the index of its system's url in `Composer.urls`, the code as it is compared and as it
is written, and its concept, or null where a code is listed of a system that is not here. The value
sets that one include names are joined, as R4 has it (R5 cuts them), then cut with the include's own
system.

A code that is listed of a system that is here as a whole must exist in it; of others it is taken
as listed.

Not done: `lockedDate`.

Source: HL7 FHIR R4 4.0.1 §4.9 ValueSet, definitions of compose.include, exclude, inactive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from citycare.kernel.context import Context
from citycare.kernel.fhir import validate
from citycare.kernel.fhir.model import Invalid
from citycare.kernel.fhir.searching.words import fold
from citycare.kernel.fhir.terminology import catalogue, filters, implicit, reading
from citycare.kernel.fhir.terminology.model import (
    LISTED_MAX,
    NESTING_MAX,
    Circular,
    ComposeBroken,
    Json,
    System,
    SystemUnknown,
    TooCostly,
)
from citycare.kernel.fhir.terminology.sql import Sql
from citycare.kernel.fhir.terminology.wording import pieces_of

PARTS_MAX = 500
WHOLE = ("complete", "supplement")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of a value set is wanted: codes found by all words, only such as may still be used."""

    words: tuple[str, ...] = ()
    active_only: bool = False
    versions: Mapping[str, str] | None = None
    """Versions by system, where the definition names none."""


@dataclass(frozen=True, slots=True)
class _Scope:
    """Where a definition is read: within which value sets, and what of it counts there."""

    within: tuple[str, ...] = ()
    inactive: bool = True
    words: tuple[str, ...] = ()


class Composer:
    """Puts one statement together; of value sets within value sets too."""

    def __init__(self, cx: Context, wanted: Wanted) -> None:
        """Begin with nothing."""
        self.cx = cx
        self.wanted = wanted
        self.sql = Sql()
        self.urls: list[str] = []
        self.systems: dict[int, System] = {}
        self.listed: dict[tuple[int, str], Json] = {}  # by url and key
        self._parts = self._listed_count = 0

    def url(self, url: str) -> int:
        """Return the index of a system's url."""
        if url not in self.urls:
            self.urls.append(url)
        return self.urls.index(url)

    async def rows(self, value_set: str | Json) -> str:
        """Return the SELECT of a value set by its canonical, or of a ValueSet as it was sent.

        Raises:
            Invalid: what was sent breaks the rules of R4.
            ValueSetUnknown, SystemUnknown: it, or something it needs, is not here.
            Circular: it imports itself.
            ComposeBroken, TooCostly: it cannot be done.
        """
        scope = _Scope((), not self.wanted.active_only, self.wanted.words)
        if isinstance(value_set, str):
            return await self._value_set(value_set, scope)
        if found := validate.violations(value_set | {"id": value_set.get("id", "x")}):
            raise Invalid(found)
        return await self._compose(reading.composed(value_set), scope)

    async def _value_set(self, canonical: str, scope: _Scope) -> str:
        if canonical in scope.within:
            raise Circular(value_set=canonical)
        if len(scope.within) >= NESTING_MAX:
            raise TooCostly(problem="value sets import one another too deeply", limit=NESTING_MAX)
        compose = await implicit.compose_of(self.cx, canonical)
        return await self._compose(compose, replace(scope, within=(*scope.within, canonical)))

    async def _compose(self, compose: Mapping[str, Any], scope: _Scope) -> str:
        """Return the SELECT of a definition; no code comes twice."""
        if not compose.get("inactive", True):
            scope = replace(scope, inactive=False)
        includes = [await self._include(one, scope) for one in compose.get("include", ())]
        if not includes:
            raise ComposeBroken(problem="a value set needs an include")
        rows = includes[0]
        if len(includes) > 1:
            every = " UNION ALL ".join(f"({one})" for one in includes)
            rows = (
                f"SELECT DISTINCT ON (url, key) * FROM ({every}) AS every"
                " ORDER BY url, key, part, place"
            )
        for one in compose.get("exclude", ()):
            out = await self._include(one, _Scope(scope.within))
            rows = (
                f"SELECT * FROM ({rows}) AS kept WHERE NOT EXISTS (SELECT 1 FROM ({out}) AS gone"
                " WHERE gone.url = kept.url AND gone.key = kept.key)"
            )
        return rows

    async def _include(self, told: Mapping[str, Any], scope: _Scope) -> str:
        """Return the SELECT of an include or exclude."""
        self._parts += 1
        if self._parts > PARTS_MAX:
            raise TooCostly(problem="too many includes in all", limit=PARTS_MAX)
        part = self._parts
        # what only cuts the include's own codes need not be found by the words itself
        cut = replace(scope, words=()) if told.get("system") else scope
        sets = [await self._value_set(one, cut) for one in told.get("valueSet", ())]
        imported = " UNION ALL ".join(f"({one})" for one in sets)
        if not told.get("system"):
            if len(sets) == 1:  # vsd-1 holds: without a system there is a value set
                return sets[0]
            return (  # parts within are numbered in order already
                f"SELECT DISTINCT ON (url, key) * FROM ({imported}) AS every"
                " ORDER BY url, key, part, place"
            )
        rows = await self._of_system(told, part, scope)
        if not imported:
            return rows
        return (
            f"SELECT * FROM ({rows}) AS own WHERE EXISTS (SELECT 1 FROM ({imported}) AS other"
            " WHERE other.url = own.url AND other.key = own.key)"
        )

    async def _of_system(self, told: Mapping[str, Any], part: int, scope: _Scope) -> str:
        url, version = str(told["system"]), str(told.get("version", ""))
        version = version or (self.wanted.versions or {}).get(url, "")
        system = await catalogue.find_system(self.cx, url, version)
        if system is not None:
            self.systems[system.id] = system
        conditions = [] if scope.inactive else ["NOT c.inactive"]
        if "concept" in told:
            return self._listed(system, url, told["concept"], part, scope)
        if system is None:
            raise SystemUnknown(system=url, version=version)
        low, high = self.sql.value(system.low), self.sql.value(system.high)
        # the same twice: a code is looked up in the one index, an order is read from the other
        conditions.append(f"c.system = {self.sql.value(system.id)}")
        conditions.append(f"c.number >= {low} AND c.number < {high}")
        conditions += [self._words(word) for word in scope.words]
        for one in told.get("filter", ()):
            conditions.append(await filters.condition(self.cx, self.sql, system, one))
        return (
            f"SELECT {part} AS part, c.number AS place, {self.url(url)} AS url, c.key, c.code,"
            f" c.number FROM fhir.concept c WHERE {' AND '.join(conditions)}"
        )

    def _words(self, word: str) -> str:
        """Return that a concept is found by a word: pairs of its signs first, which are indexed."""
        pieces = sorted(pieces_of(word))
        held = f"c.words LIKE {self.sql.value(f'%{word}%')}"
        return f"c.pieces @> {self.sql.value(pieces)}::integer[] AND {held}" if pieces else held

    def _listed(
        self, system: System | None, url: str, concepts: Sequence[Json], part: int, scope: _Scope
    ) -> str:
        """Return the SELECT of codes that are listed one by one."""
        self._listed_count += len(concepts)
        if self._listed_count > LISTED_MAX:
            raise TooCostly(problem="too many codes are listed", limit=LISTED_MAX)
        at = self.url(url)
        codes: dict[str, str] = {}
        hits = []
        for one in concepts:
            key = system.key(one["code"]) if system is not None else one["code"]
            if key in codes:
                continue
            codes[key] = one["code"]
            self.listed.setdefault((at, key), one)
            told = fold(one["code"]) + "\n" + fold(one.get("display", ""))
            hits.append(all(word in told for word in scope.words))
        columns = [self.sql.value(one) for one in ([*codes.values()], [*codes], hits)]
        source = (
            f"unnest({columns[0]}::text[], {columns[1]}::text[], {columns[2]}::boolean[])"
            " WITH ORDINALITY AS l (code, key, hit, place)"
        )
        if system is None:
            return (
                f"SELECT {part} AS part, l.place, {at} AS url, l.key, l.code,"
                f" NULL::bigint AS number FROM {source} WHERE l.hit"
            )
        join = "JOIN" if system.content in WHOLE else "LEFT JOIN"
        words = " AND ".join(map(self._words, scope.words)) or "true"
        held = f"(l.hit OR coalesce({words}, false))"
        if not scope.inactive:  # a code missing from a part of a system counts as active
            held += " AND NOT coalesce(c.inactive, false)"
        return (
            f"SELECT {part} AS part, l.place, {at} AS url, l.key, coalesce(c.code, l.code) AS code,"
            f" c.number FROM {source} {join} fhir.concept c"
            f" ON c.system = {self.sql.value(system.id)} AND c.key = l.key"
            f" WHERE {held}"
        )
