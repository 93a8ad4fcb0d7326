"""What a criterion asks, as a condition on a row of `fhir.resource`.

Keys and measures decide most; what they only narrow is rechecked (`searching.meeting`). A condition
is for all types that are searched at once: a key is of one type's lane, so the keys of all types
stand in one array.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from citycare.kernel.fhir.finding import spans
from citycare.kernel.fhir.finding.lanes import every, keys_of, lanes_of
from citycare.kernel.fhir.finding.model import SHARED, Visible
from citycare.kernel.fhir.finding.sql import ALL, NOTHING, Values, all_of, any_of
from citycare.kernel.fhir.searching import keys as of
from citycare.kernel.fhir.searching import meeting
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
    Value,
)
from citycare.kernel.fhir.searching.ways import Taken, main_of

LIKE = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_"})


@dataclass(frozen=True, slots=True)
class Checked:
    """A criterion of which what keys do not decide has been rechecked already.

    Attributes:
        criterion: which.
        doubtful: keys of the rows that had to be; empty: all had to be.
        rids: those of them that meet it.
    """

    criterion: Criterion
    doubtful: tuple[int, ...]
    rids: tuple[int, ...]


Asked = Criterion | Having | Checked


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
            case Checked():
                return self._checked(types, asked, alias)
            case Having():
                return self._having(asked, alias)
            case Criterion(chain=Chain() as chain):
                return self._chained(types, asked, chain, alias)
            case Criterion(values=(Missing(missing=missing),)):
                return self._missing(types, asked.param, alias, missing=missing)
        met = self._met(types, asked, alias)
        return met if asked.modifier != "not" else f"NOT {met}"

    def few(self, types: Sequence[str], asked: Asked) -> tuple[int, ...]:
        """Return the keys of a criterion that only few resources meet, and that keys decide.

        It says whose they are, or names a number of somebody or something. Empty: it is another.
        """
        match asked:
            case Criterion(param="_compartment", values=values):
                return tuple(key for each in values for key in _belonging(each))
            case Criterion(param=param, modifier="", chain=None, values=values):
                if not values or not all(map(_of_somebody, values)):
                    return ()
                lanes = lanes_of(types, param)
                numbered = all(lane.kind == "Identifier" for lane, _ in lanes)
                if not lanes or not (numbered or isinstance(values[0], Link)):
                    return ()
                found = [each for value in values for each in keys_of(lanes, "", value)]
                return tuple(key for each in found for key in each) if all(found) else ()
        return ()

    def has(self, keys: Sequence[int], alias: str) -> str:
        """Return the condition that a row has one of these keys."""
        return f"{alias}.keys && {self.values.keys(dict.fromkeys(keys))}" if keys else NOTHING

    def seen(self, alias: str) -> str:
        """Return the condition of what may be seen."""
        may = self.visible
        lines = []
        if may.types is not None:
            lines.append(f"{alias}.type = ANY({self.values.texts(sorted(may.types))})")
        if not may.everything:
            keys = [
                of.compartment_key("Patient", of.resource_hash("Patient", patient))
                for patient in may.patients
            ]
            owners = [of.owner_key(str(one)) for one in may.organisations]
            opened = f"{alias}.type = ANY({self.values.texts(sorted(may.open_types))})"
            seen = [opened, self.has([*keys, *owners], alias)]
            lines.append(any_of(seen))
            if keys:  # what several share is no member's to read
                shared = f"{alias}.type <> ALL({self.values.texts(SHARED)})"
                lines.append(any_of([shared, opened, self.has(owners, alias)]))
        for kind, limits in may.limits.items():
            met = [all_of([self.of((kind,), one, alias) for one in limit]) for limit in limits]
            lines.append(any_of([f"{alias}.type <> {self.values.put(kind)}", *met]))
        return all_of(lines)

    # Links between resources

    def _checked(self, types: Sequence[str], asked: Checked, alias: str) -> str:
        met = f"{alias}.rid = ANY({self.values.keys(asked.rids)})"
        if not asked.doubtful:
            return met
        sure = [self.of(types, asked.criterion, alias), f"NOT {self.has(asked.doubtful, alias)}"]
        return any_of([all_of(sure), met])

    def _having(self, asked: Having, alias: str) -> str:
        """Some resource refers here and holds: its keys hold the hash of this row, by its lanes."""
        other = self._other()
        lanes = [lane.hash for lane, _ in lanes_of((asked.type,), asked.param)]
        inner = self._inside(asked.type, asked.criterion, other)
        targets = known((asked.type,))[asked.param].targets
        return (
            f"({alias}.type = ANY({self.values.texts(targets)}) AND {alias}.hash IN (SELECT k # l"
            f" FROM {self.rows} {other}, unnest({other}.keys) k,"
            f" unnest({self.values.keys(lanes)}) l WHERE {inner}))"
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
            if lanes:
                other = self._other()
                inner = self._inside(target, criterion, other)
                some.append(
                    f"{alias}.keys && ARRAY(SELECT {other}.hash # l FROM {self.rows} {other},"
                    f" unnest({self.values.keys(lanes)}) l WHERE {inner})"
                )
        return any_of(some)

    def _other(self) -> str:
        self.depth += 1
        return f"t{self.depth}"

    def _inside(self, kind: str, asked: Asked, alias: str) -> str:
        lines = [f"{alias}.type = {self.values.put(kind)}", f"NOT {alias}.deleted"]
        return all_of([*lines, self.seen(alias), self.of((kind,), asked, alias)])

    # Presence

    def _missing(self, types: Sequence[str], param: str, alias: str, *, missing: bool) -> str:
        """Where a lane may have a value and the parameter none, only the recheck knows."""
        if param in ("_id", "_lastUpdated"):
            return NOTHING if missing else ALL
        if not missing:
            return self._there(types, param, alias)
        unsure = [kind for kind in every(types) if lanes_of((kind,), param)]
        unsure = [kind for kind in unsure if meeting.resolves(kind, param)]
        some = [f"NOT {self._there(types, param, alias)}"]
        some += [f"{alias}.type = ANY({self.values.texts(unsure)})"] if unsure else []
        return any_of(some)

    def _there(self, types: Sequence[str], param: str, alias: str) -> str:
        """Return the condition that the parameter's element has a value, by the bits."""
        some = []
        for kind in every(types):
            bits = [
                f"substring({alias}.present FROM {lane.number + 1} FOR 1) = B'1'"
                for lane, _ in lanes_of((kind,), param)
            ]
            if bits:
                some.append(all_of([f"{alias}.type = {self.values.put(kind)}", any_of(bits)]))
        return any_of(some)

    # Values

    def _met(self, types: Sequence[str], asked: Criterion, alias: str) -> str:
        """Return the condition that one of the values is met; keys of all of them are one array."""
        lanes = lanes_of(types, asked.param)
        keys: list[int] = []
        some: list[str] = []
        for value in asked.values:
            condition = self._by_column(types, asked, value, alias)
            if condition is None:
                condition = self._by_other(types, lanes, asked, value, alias)
            if condition is not None:
                some.append(condition)
                continue
            found = keys_of(lanes, asked.modifier, value)
            if isinstance(value, Token) or all(found):
                keys += [key for each in found for key in each]
            else:
                some.append(self._there(types, asked.param, alias))
        return any_of([self.has(keys, alias), *some])

    def _by_column(
        self, types: Sequence[str], asked: Criterion, value: Value, alias: str
    ) -> str | None:
        """Return the condition of what is in the row itself, or is a composite."""
        match asked.param, value:
            case "_id", Token(code=code):
                return f"{alias}.id = {self.values.put(code or '')}"
            case "_lastUpdated", Moment():
                return spans.updated_meets(self.values, value, f"{alias}.updated_at")
            case "_main", Moment():  # of $everything: what has no date of care is of any time
                meets = spans.date_meets(self.values, value, f"{alias}.since", f"{alias}.until")
                born = f"{alias}.type = ANY({self.values.texts(_born())})"
                return any_of([f"{alias}.until IS NULL", born, meets])
            case "_compartment", _:
                return self.has(_belonging(value), alias)
            case _, Parts() if asked.type is ParamType.COMPOSITE:
                return self._parts(types, asked, value, alias)
        return None

    def _by_other(
        self,
        types: Sequence[str],
        lanes: Sequence[Taken],
        asked: Criterion,
        value: Value,
        alias: str,
    ) -> str | None:
        """Return the condition of what measures and wordings decide, or several keys together."""
        match value:
            case Moment():
                return self._dated(types, lanes, value, alias)
            case Number() | Amount():
                ways = [lane.hash32 for lane, _ in lanes]
                return spans.number_measured(self.values, alias, ways, value)
            case Near():
                return spans.near(self.values, alias, [lane.hash32 for lane, _ in lanes], value)
            case Text(words=words) if asked.modifier == "text":
                return self._worded(lanes, words, alias)
            case Text(words=words) if asked.modifier == "contains":
                return self._contained(types, lanes, asked.param, words, alias)
        return None

    def _contained(
        self, types: Sequence[str], lanes: Sequence[Taken], param: str, text: str, alias: str
    ) -> str:
        pieces = [of.contained_keys(lane, text) for lane, _ in lanes]
        if not all(pieces):
            return self._there(types, param, alias)
        some = [f"{alias}.keys @> {self.values.keys(each)}" for each in pieces]
        return any_of([*some, self.has([of.long_key(lane) for lane, _ in lanes], alias)])

    def _worded(self, lanes: Sequence[Taken], text: str, alias: str) -> str:
        """What has a coding whose display or text has a word that begins so."""
        pattern = self.values.put(f"% {wording.fold(text).translate(LIKE)}%")
        ways = self.values.ways(lane.hash32 for lane, _ in lanes)
        found = (
            f"{alias}.keys && ARRAY(SELECT w.key FROM fhir.wording w"
            f" WHERE w.way = ANY({ways}) AND ' ' || w.words LIKE {pattern})"
        )
        return any_of([found, self.has([of.long_key(lane) for lane, _ in lanes], alias)])

    def _dated(
        self, types: Sequence[str], lanes: Sequence[Taken], value: Moment, alias: str
    ) -> str:
        """A main date is in the row, for the types it is the main date of; others are measures."""
        searched = every(types)
        mains = [kind for kind in searched if any(lane in main_of(kind) for lane, _ in lanes)]
        main = {lane for kind in mains for lane in main_of(kind)}
        ways = [lane.hash32 for lane, _ in lanes if lane not in main]
        some = []
        if mains:
            lines = [f"{alias}.until IS NOT NULL"]
            if len(mains) < len(searched):
                lines.append(f"{alias}.type = ANY({self.values.texts(mains)})")
            lines.append(spans.date_meets(self.values, value, f"{alias}.since", f"{alias}.until"))
            some.append(all_of(lines))
        if ways:
            some.append(spans.date_measured(self.values, alias, ways, value))
        return any_of(some)

    def _parts(self, types: Sequence[str], asked: Criterion, value: Parts, alias: str) -> str:
        """Return the condition of one value of a composite, of each type by itself."""
        some = []
        for kind in every(types):
            lanes = lanes_of((kind,), asked.param)
            keys = [of.tuple_keys(lane, value) for lane, _ in lanes]
            if not lanes:
                continue
            if all(keys):
                found = self.has([key for each in keys for key in each], alias)
            else:
                parts = zip(known((kind,))[asked.param].parts, value.parts, strict=True)
                each = [Criterion(part.code, part.type, "", (one,)) for part, one in parts]
                found = all_of([self._met((kind,), one, alias) for one in each])
            some.append(all_of([f"{alias}.type = {self.values.put(kind)}", found]))
        return any_of(some)


@cache
def _born() -> tuple[str, ...]:
    """Return the types of people: their main date is that of their birth."""
    return tuple(
        kind for kind in every(()) if any(one.name.endswith(".birthDate") for one in main_of(kind))
    )


def _belonging(value: Value) -> list[int]:
    """Return the keys of what belongs to a compartment."""
    assert isinstance(value, Link)
    own = value.id
    return [of.compartment_key(kind, of.resource_hash(kind, own)) for kind in value.types]


def _of_somebody(value: Value) -> bool:
    match value:
        case Link(types=types, address=""):
            return types == ("Patient",)
        case Token(code=str() as code):
            return code != ""
    return False
