"""What the index says of one resource, asked as a search asks it, but without a database.

Source: the promises of `searching.keys`, `searching.measures` and `searching.meeting.coarse`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import cos, degrees, radians
from typing import Any

from citycare.kernel.fhir.r4 import parameters
from citycare.kernel.fhir.searching import keys, measures, words
from citycare.kernel.fhir.searching.indexing import Indexed, Measure, indexed
from citycare.kernel.fhir.searching.meeting import coarse, doubtful, meets, resolves
from citycare.kernel.fhir.searching.meeting.ordered import EARTH_M, SPANS
from citycare.kernel.fhir.searching.model import (
    Amount,
    Criterion,
    Link,
    Missing,
    Moment,
    Near,
    Number,
    ParamType,
    Parts,
    Prefix,
    Text,
    Token,
    Uri,
    Value,
)
from citycare.kernel.fhir.searching.ways import Lane, lanes_for, main_of

Json = dict[str, Any]
Wordings = Iterable[tuple[int, int, str]]


def looked(town: Sequence[Json], base: str = "") -> dict[tuple[str, str], Looked]:
    """Return each resource in the index of all of them, by type and id."""
    some = [(one, indexed(one, base)) for one in town]
    rows = {row for _, index in some for row in index.wordings}
    return {(one["resourceType"], one["id"]): Looked(one, index, rows) for one, index in some}


def agree(one: Looked, criterion: Criterion, base: str, *, met: bool) -> None:
    """Assert that `meets` and the index are right about a resource.

    Args:
        one: see there.
        criterion: without a chain, and without sets of codes.
        base: the server's own address.
        met: whether the resource meets it.
    """
    kind = one.resource["resourceType"]
    told = (one.resource, criterion, met)
    assert meets(criterion, one.resource, base) == met, told
    found = one.says(criterion)
    assert found or not met, told
    unsure = coarse(kind, criterion)
    rare = doubtful(kind, criterion)
    assert unsure or not rare
    if rare:
        unsure = one.has(rare)
    assert met or unsure or not found, told


@dataclass(frozen=True, slots=True)
class Looked:
    """One resource in the index; `wordings` are those of all resources, as in the table."""

    resource: Json
    index: Indexed
    wordings: Wordings

    def says(self, criterion: Criterion) -> bool:
        """Tell whether the index finds the resource."""
        values = criterion.values
        if criterion.param == "_compartment":
            links = [one for one in values if isinstance(one, Link)]
            return self.has(
                keys.compartment_key(kind, keys.resource_hash(kind, one.id))
                for one in links
                for kind in one.types
            )
        if criterion.modifier == "missing":
            return any(self._missing(criterion, one) for one in values if isinstance(one, Missing))
        met = any(self._says(criterion, one) for one in values)
        return met != (criterion.modifier == "not")

    def has(self, some: Iterable[int]) -> bool:
        """Tell whether the resource has one of these keys."""
        return not set(some).isdisjoint(self.index.keys)

    def there(self, lane: Lane) -> bool:
        """Tell whether a lane has a value."""
        return bool(self.index.present >> lane.number & 1)

    def _missing(self, criterion: Criterion, asked: Missing) -> bool:
        kind = self.resource["resourceType"]
        there = any(self.there(lane) for lane, _ in lanes_for(kind, criterion.param))
        open_ = criterion.type is ParamType.REFERENCE and resolves(kind, criterion.param)
        return asked.missing != there or (asked.missing and open_)

    def _says(self, criterion: Criterion, asked: Value) -> bool:
        if isinstance(asked, Parts) and criterion.type is ParamType.COMPOSITE:
            return self._parts(criterion.param, asked)
        lanes = lanes_for(self.resource["resourceType"], criterion.param)
        return any(self._lane(lane, criterion.modifier, asked, targets) for lane, targets in lanes)

    def _parts(self, code: str, asked: Parts) -> bool:
        """By the keys of the whole, or by its parts, each a parameter of its own."""
        kind = self.resource["resourceType"]
        some = [keys.tuple_keys(lane, asked) for lane, _ in lanes_for(kind, code)]
        if all(some):
            return self.has(key for each in some for key in each)
        told = parameters()[kind]
        return all(
            self._says(Criterion(part, ParamType(told[part]["t"])), one)
            for (part, _), one in zip(told[code]["p"], asked.parts, strict=True)
        )

    def _lane(  # noqa: PLR0911 - a line for each kind of value
        self, lane: Lane, modifier: str, asked: Value, targets: frozenset[str]
    ) -> bool:
        match asked:
            case Token() if not lane.indexed:
                return bool(self.resource.get("id") == asked.code)
            case Token():
                return self.has(keys.token_keys(lane, asked))
            case Parts():
                return self.has([keys.of_type_key(lane, asked)])
            case Text():
                return self._texts(lane, modifier, asked.words)
            case Uri():
                return self._uris(lane, modifier, asked.address)
            case Link():
                return self.has(keys.reference_keys(lane, asked, targets))
            case Moment():
                return any(_date_met(span, asked) for span in self._dates(lane))
            case Number() | Amount():
                rows = (row for row in self.index.measures if row.way == lane.hash32)
                return any(_number_met(row, asked) for row in rows)
            case Near():
                return self._near(lane, asked)
        raise AssertionError(asked)

    def _texts(self, lane: Lane, modifier: str, text: str) -> bool:
        long = [keys.long_key(lane)]
        if modifier == "text":
            wanted = " " + words.fold(text)
            told = [
                key for way, key, said in self.wordings
                if way == lane.hash32 and wanted in " " + said
            ]  # fmt: skip
            return self.has(told + long)
        if modifier == "contains":
            pieces = keys.contained_keys(lane, text)
            found = set(pieces) <= set(self.index.keys) if pieces else self.there(lane)
            return found or self.has(long)
        some = keys.word_keys(lane, text)
        return self.has(some) if some else self.there(lane)

    def _uris(self, lane: Lane, modifier: str, address: str) -> bool:
        if modifier == "above":
            return self.has(keys.above_keys(lane, address))
        if modifier == "":
            return self.has(keys.uri_keys(lane, address))
        some = keys.below_keys(lane, address)
        return self.has(some) if some else self.there(lane)

    def _dates(self, lane: Lane) -> list[tuple[float, float]]:
        if not lane.indexed:  # a column: the last update
            told = measures.DATES["instant"](self.resource["meta"]["lastUpdated"])
            return [(low, high) for _, low, high in told]
        if lane in main_of(self.resource["resourceType"]):
            main = self.index.main if self.there(lane) else None
            return [main] if main else []
        return [(row.low, row.high) for row in self.index.measures if row.way == lane.hash32]

    def _near(self, lane: Lane, asked: Near) -> bool:
        """By a square around the circle, where that is not near a pole or the date line."""
        told = {row.unit: row.low for row in self.index.measures if row.way == lane.hash32}
        reach = degrees(asked.metres / EARTH_M) + 1e-9
        narrow = cos(radians(min(abs(asked.latitude) + reach, 90.0)))
        wide = reach >= 90 * narrow or abs(asked.longitude) + reach / narrow >= 180
        return len(told) == 2 and (
            abs(told[measures.LATITUDE] - asked.latitude) <= reach
            and (wide or abs(told[measures.LONGITUDE] - asked.longitude) <= reach / narrow)
        )


def _date_met(span: tuple[float, float], asked: Moment) -> bool:
    _, first, end = measures.asked_moment(asked)
    return SPANS[asked.prefix](*span, first, end)


def _number_met(row: Measure, asked: Number | Amount) -> bool:
    """Tell whether a row may meet what is asked: never too few, and rechecked."""
    if isinstance(asked, Amount):
        span, value = measures.asked_amount(asked)
        prefix = asked.number.prefix
    else:
        span, value = measures.asked_number(asked)
        prefix = asked.prefix
    if row.unit != span.unit:
        return False
    match prefix:
        case Prefix.EQ:
            return span.low <= row.low and row.high <= span.high
        case Prefix.AP:
            return row.low <= span.high and row.high >= span.low
        case Prefix.GT | Prefix.GE | Prefix.SA:
            return row.high >= value
        case Prefix.LT | Prefix.LE | Prefix.EB:
            return row.low <= value
    return True
