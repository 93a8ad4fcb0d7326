"""What a criterion asks, as a condition on a row of `fhir.resource`.

Keys and measures decide most; what they only narrow is rechecked (`searching.meeting`). A condition
is for all types that are searched at once: a key is of one type's lane, so the keys of all types
stand in one array.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from citycare.kernel.fhir.finding import spans
from citycare.kernel.fhir.finding.model import Visible
from citycare.kernel.fhir.finding.sql import ALL, NOTHING, Values, all_of, any_of
from citycare.kernel.fhir.r4 import RESOURCES
from citycare.kernel.fhir.searching import keys as of
from citycare.kernel.fhir.searching import words as wording
from citycare.kernel.fhir.searching.criteria import known
from citycare.kernel.fhir.searching.model import (
    Amount,
    Chain,
    Criterion,
    Having,
    Link,
    Missing,
    Moment,
    Near,
    Number,
    ParamType,
    Parts,
    Text,
    Token,
    Uri,
    Value,
)
from citycare.kernel.fhir.searching.ways import Lane, Taken, lanes_for, main_of

LIKE = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_"})


@dataclass(frozen=True, slots=True)
class Rids:
    """A criterion that has been answered: these rows, and no others."""

    rids: tuple[int, ...]


Asked = Criterion | Having | Rids


@dataclass(slots=True)
class Conditions:
    """Writes conditions into one statement.

    Attributes:
        values: of the statement.
        rows: what stands for all rows: the table, or what of it and of older versions was visible
            in a snapshot.
        visible: what may be seen, in every part of the statement.
    """

    values: Values
    rows: str
    visible: Visible
    depth: int = 0

    def of(self, types: Sequence[str], asked: Asked, alias: str) -> str:
        """Return the condition of one criterion on the rows called `alias`, of these types."""
        match asked:
            case Rids(rids):
                return f"{alias}.rid = ANY({self.values.keys(rids)})"
            case Having():
                return self._having(asked, alias)
            case Criterion(chain=Chain() as chain):
                return self._chained(types, asked, chain, alias)
            case Criterion(param="_id"):
                return self._id(asked, alias)
            case Criterion(param="_compartment"):
                return self._within(asked, alias)
            case Criterion(values=(Missing(missing=missing),)):
                return self._missing(types, asked.param, missing, alias)
            case Criterion(param="_lastUpdated"):
                return any_of(
                    [
                        spans.updated_meets(self.values, one, f"{alias}.updated_at")
                        for one in asked.values
                        if isinstance(one, Moment)
                    ]
                )
        met = self._met(types, asked, alias)
        return met if asked.modifier != "not" else f"NOT {met}"

    def seen(self, alias: str) -> str:
        """Return the condition of what may be seen."""
        may = self.visible
        lines = []
        if may.types is not None:
            lines.append(f"{alias}.type = ANY({self.values.texts(sorted(may.types))})")
        if not may.everything:
            keys = [
                of.compartment_key("Patient", of.resource_hash("Patient", str(person)))
                for person in may.persons
            ]
            keys += [of.owner_key(str(one)) for one in may.organisations]
            some = [f"{alias}.type = ANY({self.values.texts(sorted(may.open_types))})"]
            some += [f"{alias}.keys && {self.values.keys(keys)}"] if keys else []
            lines.append(any_of(some))
        return all_of(lines)

    # Links between resources

    def _having(self, asked: Having, alias: str) -> str:
        """Some resource refers here and holds: its keys hold the hash of this row, by its lanes."""
        self.depth += 1
        other = f"h{self.depth}"
        lanes = lanes_for(asked.type, asked.param)
        inner = self._inside(asked.type, asked.criterion, other)
        targets = known((asked.type,))[asked.param].targets
        return (
            f"({alias}.type = ANY({self.values.texts(targets)}) AND {alias}.hash IN (SELECT k # l"
            f" FROM {self.rows} {other}, unnest({other}.keys) k,"
            f" unnest({self.values.keys(lane.hash for lane, _ in lanes)}) l WHERE {inner}))"
        )

    def _chained(self, types: Sequence[str], asked: Criterion, chain: Chain, alias: str) -> str:
        """The keys here hold the hash of a resource that holds, by one of the lanes."""
        some = []
        for target, criterion in chain.criteria:
            lanes = [
                lane.hash
                for lane, targets in lanes_of(types, asked.param)
                if not targets or target in targets
            ]
            if not lanes:
                continue
            self.depth += 1
            other = f"c{self.depth}"
            inner = self._inside(target, criterion, other)
            some.append(
                f"{alias}.keys && ARRAY(SELECT {other}.hash # l FROM {self.rows} {other},"
                f" unnest({self.values.keys(lanes)}) l WHERE {inner})"
            )
        return any_of(some)

    def _inside(self, kind: str, asked: Asked, alias: str) -> str:
        lines = [f"{alias}.type = {self.values.put(kind)}", f"NOT {alias}.deleted"]
        return all_of([*lines, self.seen(alias), self.of((kind,), asked, alias)])

    # What stands in the row

    def _id(self, asked: Criterion, alias: str) -> str:
        ids = [one.code for one in asked.values if isinstance(one, Token) and one.code]
        found = f"{alias}.id = ANY({self.values.texts(ids)})"
        return f"NOT {found}" if asked.modifier == "not" else found

    def _within(self, asked: Criterion, alias: str) -> str:
        keys = [
            of.compartment_key(kind, of.resource_hash(kind, one.id))
            for one in asked.values
            if isinstance(one, Link)
            for kind in one.types
        ]
        return f"{alias}.keys && {self.values.keys(keys)}"

    def _missing(self, types: Sequence[str], param: str, missing: bool, alias: str) -> str:  # noqa: FBT001
        if param in ("_id", "_lastUpdated"):
            return NOTHING if missing else ALL
        there = self._there(types, param, alias)
        return f"NOT {there}" if missing else there

    def _there(self, types: Sequence[str], param: str, alias: str) -> str:
        """Return the condition that the parameter's element has a value, by the bits."""
        some = []
        for kind in types or sorted(RESOURCES):
            bits = [
                f"substring({alias}.present FROM {lane.number + 1} FOR 1) = B'1'"
                for lane, _ in lanes_of((kind,), param)
            ]
            if bits:
                some.append(all_of([f"{alias}.type = {self.values.put(kind)}", any_of(bits)]))
        return any_of(some)

    # Values

    def _met(self, types: Sequence[str], asked: Criterion, alias: str) -> str:
        """Return the condition that one of the values is met, by keys together where keys decide."""
        if asked.type is ParamType.COMPOSITE:
            return any_of([self._parts(types, asked, one, alias) for one in asked.values])
        keys: dict[int, None] = {}
        some = []
        lanes = lanes_of(types, asked.param)
        for one in asked.values:
            condition = self._ordered(lanes, types, one, alias)
            if condition is None:
                found = self._keys(lanes, types, asked, one, alias)
                if isinstance(found, str):
                    some.append(found)
                else:
                    keys |= dict.fromkeys(found)
            else:
                some.append(condition)
        if keys:
            some.insert(0, f"{alias}.keys && {self.values.keys(keys)}")
        return any_of(some)

    def _keys(
        self,
        lanes: Sequence[Taken],
        types: Sequence[str],
        asked: Criterion,
        value: Value,
        alias: str,
    ) -> Iterable[int] | str:
        """Return the keys of which one must be there, or a condition where they are not enough."""
        match value, asked.modifier:
            case Token(), "text":
                return self._worded(lanes, value.code or "", alias)
            case Text(words=words), "text":
                return self._worded(lanes, words, alias)
            case Token(), "identifier":
                return [key for lane, _ in lanes for key in of.identifier_keys(lane, value)]
            case Token(), _:
                return [key for lane, _ in lanes for key in of.token_keys(lane, value)]
            case Parts(), "of-type":
                return [of.of_type_key(lane, value) for lane, _ in lanes]
            case Text(words=words), "contains":
                return self._contained(lanes, types, asked.param, words, alias)
            case Text(words=words), _:
                found = [of.word_keys(lane, words) for lane, _ in lanes]
            case Uri(address=address), "below":
                found = [of.below_keys(lane, address) for lane, _ in lanes]
            case Uri(address=address), "above":
                found = [of.above_keys(lane, address) for lane, _ in lanes]
            case Uri(address=address), _:
                found = [of.uri_keys(lane, address) for lane, _ in lanes]
            case Link(), _:
                found = [of.reference_keys(lane, value, targets) for lane, targets in lanes]
            case _:
                raise ValueError(f"{asked.param}: {value} with {asked.modifier!r}")
        if all(found):
            return [key for some in found for key in some]
        return self._there(types, asked.param, alias)

    def _contained(
        self, lanes: Sequence[Taken], types: Sequence[str], param: str, text: str, alias: str
    ) -> str:
        pieces = [of.contained_keys(lane, text) for lane, _ in lanes]
        if not all(pieces):
            return self._there(types, param, alias)
        some = [f"{alias}.keys @> {self.values.keys(each)}" for each in pieces]
        long = [of.long_key(lane) for lane, _ in lanes]
        return any_of([*some, f"{alias}.keys && {self.values.keys(long)}"])

    def _worded(self, lanes: Sequence[Taken], text: str, alias: str) -> str:
        """What has a coding whose display or text has a word that begins so."""
        asked = wording.fold(text)
        if not asked:
            return NOTHING
        long = [of.long_key(lane) for lane, _ in lanes]
        pattern = self.values.put(f"% {asked.translate(LIKE)}%")
        return (
            f"({alias}.keys && ARRAY(SELECT w.key FROM fhir.wording w"
            f" WHERE w.way = ANY({self.values.ways(lane.hash32 for lane, _ in lanes)})"
            f" AND ' ' || w.words LIKE {pattern})"
            f" OR {alias}.keys && {self.values.keys(long)})"
        )

    def _ordered(
        self, lanes: Sequence[Taken], types: Sequence[str], value: Value, alias: str
    ) -> str | None:
        match value:
            case Moment():
                return self._dated(lanes, types, value, alias)
            case Number() | Amount():
                ways = [lane.hash32 for lane, _ in lanes]
                return spans.number_measured(self.values, alias, ways, value)
            case Near():
                return spans.near(self.values, alias, [lane.hash32 for lane, _ in lanes], value)
        return None

    def _dated(
        self, lanes: Sequence[Taken], types: Sequence[str], value: Moment, alias: str
    ) -> str:
        """A main date is in the row, for the types it is the main date of; others are measures."""
        every = types or sorted(RESOURCES)
        mains = [kind for kind in every if any(lane in main_of(kind) for lane, _ in lanes)]
        main = {lane for kind in mains for lane in main_of(kind)}
        ways = [lane.hash32 for lane, _ in lanes if lane not in main]
        some = []
        if mains:
            lines = [f"{alias}.until IS NOT NULL"]
            if len(mains) < len(every):
                lines.append(f"{alias}.type = ANY({self.values.texts(mains)})")
            lines.append(spans.date_meets(self.values, value, f"{alias}.since", f"{alias}.until"))
            some.append(all_of(lines))
        if ways:
            some.append(spans.date_measured(self.values, alias, ways, value))
        return any_of(some)

    def _parts(self, types: Sequence[str], asked: Criterion, value: Value, alias: str) -> str:
        """Return the condition of one value of a composite, of each type by itself."""
        assert isinstance(value, Parts)
        some = []
        for kind in types or sorted(RESOURCES):
            lanes = lanes_of((kind,), asked.param)
            keys = [of.tuple_keys(lane, value) for lane, _ in lanes]
            if all(keys) and lanes:
                found = f"{alias}.keys && {self.values.keys(key for some in keys for key in some)}"
            else:
                found = all_of(
                    [
                        self._met((kind,), Criterion(part.code, part.type, "", (one,)), alias)
                        for part, one in zip(
                            known((kind,))[asked.param].parts, value.parts, strict=True
                        )
                    ]
                )
            some.append(all_of([f"{alias}.type = {self.values.put(kind)}", found]))
        return any_of(some)


def lanes_of(types: Sequence[str], param: str) -> list[Taken]:
    """Return the lanes of a parameter in all these types, or in all there are."""
    found: dict[Lane, frozenset[str]] = {}
    for kind in types or sorted(RESOURCES):
        found |= dict(_known_lanes(kind, param))
    return list(found.items())


def _known_lanes(kind: str, param: str) -> Sequence[Taken]:
    try:
        return lanes_for(kind, param)
    except KeyError:
        return ()
