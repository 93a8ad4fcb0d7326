"""The lexicon as one automaton: every word and pattern of the knowledge, found in one pass."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import ahocorasick

from citycare.scenarios.triage.model.entries import Entries
from citycare.scenarios.triage.model.heard import Kind
from citycare.scenarios.triage.rules.sounds import Sounds

GAP_MAX = 6
DENYING = frozenset("不没无未")
Target = tuple[Kind, int]
K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Hit:
    """A word of the lexicon at start..end of a clause; `parts`: the stretches of its own words.

    A pattern has more than one part; between its parts are gaps.
    """

    kind: Kind
    index: int
    start: int
    end: int
    parts: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class _Pattern:
    targets: tuple[Target, ...]  # none: an exception
    rest: tuple[int, ...]  # numbers of the parts after the first
    not_for: frozenset[int] | None = None  # exception: for these findings; None: no exception
    of: int | None = None  # the red flag's own finding that says it; None: the target's own words


EVERYBODY: frozenset[int] = frozenset({-1})
ALARM = "alarm"
ALONE = -1  # in place of the second part of a pattern that is one class only
PART_BITS = 24


def _even(word: str) -> str:
    even = word.lower().replace(" ", "")
    return word if even == word else even  # tens of thousands of words: no copy without need


def _shared(made: Mapping[K, Sequence[V]]) -> dict[K, tuple[V, ...]]:
    """Freeze the lists; equal ones become one, for most words stand for one thing only."""
    known: dict[tuple[V, ...], tuple[V, ...]] = {}
    frozen = ((key, tuple(values)) for key, values in made.items())
    return {key: known.setdefault(one, one) for key, one in frozen}


class _Made:
    """The words while they are gathered."""

    def __init__(self, classes: Mapping[str, Sequence[str]]) -> None:
        self._classes = classes
        self._parts: dict[str, int] = {}
        self.whole: dict[str, list[Target]] = defaultdict(list)
        self.excepted: set[str] = set()
        self.literals: dict[str, list[int]] = defaultdict(list)
        self.patterns: dict[int, list[_Pattern]] = defaultdict(list)
        self.seconds: dict[int, list[int]] = defaultdict(list)

    def add(self, target: Target, word: str) -> None:
        if "~" in word or word.startswith("<"):
            self.add_pattern((target,), word)
        else:
            self.whole[word].append(target)

    def add_exception(self, word: str) -> None:
        if "~" in word or word.startswith("<"):
            self.add_pattern((), word, EVERYBODY)
        else:
            self.excepted.add(word)

    def add_pattern(
        self,
        targets: tuple[Target, ...],
        word: str,
        not_for: frozenset[int] | None = None,
        of: int | None = None,
    ) -> None:
        first, *rest = (self._part(one) for one in word.split("~"))
        second = rest[0] if rest else ALONE
        if _key(first, second) not in self.patterns:
            self.seconds[first].append(second)
        self.patterns[_key(first, second)].append(_Pattern(targets, tuple(rest), not_for, of))

    def _part(self, part: str) -> int:
        if part not in self._parts:
            number = self._parts[part] = len(self._parts)
            words = self._classes.get(part[1:-1], ()) if part.startswith("<") else (part,)
            for word in words:
                self.literals[word.lower()].append(number)
        return self._parts[part]


class Lexicon:
    """Finds all words at once, in time that grows with the text alone."""

    def __init__(self, entries: Entries) -> None:
        made = _Made(entries.classes)
        for target, words in _all(entries):
            for word in map(_even, words):
                made.add(target, word)
        for of, targets, words in _alarms(entries):
            for word in map(_even, words):
                made.add_pattern(targets, word, of=of)
        above = _above(entries)
        for n, finding in enumerate(entries.findings):
            for word in map(_even, finding.excepted):
                made.add_exception(word)
            for word in map(_even, finding.unless):
                made.add_pattern((), word, above[n])
        self._whole = _shared(made.whole)
        self._literals = _shared(made.literals)
        self._patterns = _shared(made.patterns)
        self._seconds = _shared(made.seconds)
        self._except = frozenset(made.excepted)
        self._automaton = ahocorasick.Automaton()
        for word in {*self._whole, *self._literals, *self._except}:
            self._automaton.add_word(word, word)
        self._automaton.make_automaton()
        self._sounds = Sounds(self._whole, entries.sounds)

    def __len__(self) -> int:
        """Return how many different strings are looked for."""
        return len(self._automaton)

    def find(self, words: str) -> list[Hit]:
        """Find all that one clause (even, without blanks) says; longer words swallow shorter."""
        whole: list[tuple[int, int, str]] = []
        parts: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for last, word in self._automaton.iter(words):
            start = last + 1 - len(word)
            if word in self._whole or word in self._except:
                whole.append((start, last + 1, word))
            for number in self._literals.get(word, ()):
                parts[number].append((start, last + 1))
        whole.extend(self._sounds.find(words))
        found = [
            (pattern, at)
            for number, places in list(parts.items())
            for key in self._keys(number, parts)
            for pattern in self._patterns[key]
            for at in _follow(places, pattern.rest, parts, every=not pattern.targets)
        ]
        kept, nested = self._outermost(whole)
        cover = [(start, end, EVERYBODY) for start, end, word in kept if word in self._except]
        cover += [
            (at[0][0], at[-1][1], pattern.not_for) for pattern, at in found if pattern.not_for
        ]
        hits = [
            Hit(kind, index, start, end, ((start, end),))
            for start, end, word in kept
            for kind, index in self._targets(word, inside=(start, end) in nested)
            if not _covered(kind, index, start, end, cover)
        ]
        hits.extend(
            Hit(*target, at[0][0], at[-1][1], at)
            for pattern, at in found
            for target in pattern.targets
            if not _covered(*_hidden_as(pattern, target), at[0][0], at[-1][1], cover)
        )
        return sorted(hits, key=lambda hit: (hit.start, hit.end, hit.kind, hit.index))

    def _keys(self, first: int, parts: Mapping[int, object]) -> list[int]:
        """Keys of the patterns whose first two parts are there: most patterns' are not."""
        seconds = self._seconds.get(first, ())
        if len(seconds) <= len(parts):
            there = [_key(first, one) for one in seconds if one in parts or one == ALONE]
        else:
            keys = [_key(first, one) for one in (ALONE, *parts)]
            there = [key for key in keys if key in self._patterns]
        return there

    def _targets(self, word: str, *, inside: bool) -> tuple[Target, ...]:
        targets = self._whole.get(word, ())
        return tuple(one for one in targets if one[0] is Kind.FINDING) if inside else targets

    def _outermost(
        self, found: list[tuple[int, int, str]]
    ) -> tuple[list[tuple[int, int, str]], set[tuple[int, int]]]:
        """Leave out what lies inside a longer word, and 没有呼吸 where 没有呼吸困难 is written.

        The name of a disease swallows no finding: who has 咳嗽变异性哮喘 coughs. Where such
        findings lie comes back too.
        """
        kept: list[tuple[int, int, str]] = []
        findings: list[tuple[int, int, str]] = []
        for one in sorted(found, key=lambda hit: (hit[0], -hit[1])):
            around = kept[-1] if kept else (0, 0, "")
            if around[0] <= one[0] and one[1] <= around[1]:
                last = findings[-1] if findings else (0, 0, "")
                inner = last[0] <= one[0] and one[1] <= last[1]
                if self._is_name(around[2]) and self._is_finding(one[2]) and not inner:
                    findings.append(one)
                continue
            if around[0] < one[0] < around[1] and around[2][0] in DENYING:
                kept.pop()
            kept.append(one)
        return sorted(kept + findings), {(start, end) for start, end, _ in findings}

    def _is_name(self, word: str) -> bool:
        targets = self._whole.get(word, ())
        return word not in self._except and all(kind is Kind.NAME for kind, _ in targets)

    def _is_finding(self, word: str) -> bool:
        return any(kind is Kind.FINDING for kind, _ in self._whole.get(word, ()))


def _hidden_as(pattern: _Pattern, target: Target) -> Target:
    """Exceptions of a red flag's finding hide what it says, not what the plain finding says."""
    return target if pattern.of is None else (Kind.FINDING, pattern.of)


def _key(first: int, second: int) -> int:
    return first << PART_BITS | second + 1


def _alarms(entries: Entries) -> Iterable[tuple[int, tuple[Target, ...], Sequence[str]]]:
    """Yield the words of red flags' own findings, for these and for what they mean."""
    place = {one.id: n for n, one in enumerate(entries.findings)}
    for n, finding in enumerate(entries.findings):
        if finding.kind == ALARM:
            means = (n, *(place[name] for name in finding.means))
            yield n, tuple((Kind.FINDING, one) for one in means), finding.words


def _all(entries: Entries) -> Iterable[tuple[Target, Sequence[str]]]:
    for n, finding in enumerate(entries.findings):
        if finding.kind != ALARM:
            yield (Kind.FINDING, n), finding.words
    for n, condition in enumerate(entries.conditions):
        yield (Kind.NAME, n), (*condition.names, condition.name)
        yield (Kind.DRUG, n), condition.drugs
        yield (Kind.TEST, n), condition.tests
    for n, cue in enumerate(entries.cues):
        yield (Kind.CUE, n), cue.words
    for n, department in enumerate(entries.departments):
        yield (Kind.DEPARTMENT, n), (*department.words, department.name)


def _above(entries: Entries) -> list[frozenset[int]]:
    """Each finding and all that it implies or means, by place; of red flags' own only itself."""
    place = {one.id: n for n, one in enumerate(entries.findings)}
    found = []
    for n in range(len(entries.findings)):
        seen: set[int] = set()
        todo = [n]
        if entries.findings[n].kind == ALARM:
            seen, todo = {n}, []
        while todo:
            one = todo.pop()
            if one not in seen:
                seen.add(one)
                finding = entries.findings[one]
                todo.extend(place[up] for up in finding.implies + finding.means if up in place)
        found.append(frozenset(seen))
    return found


def _covered(
    kind: Kind, index: int, start: int, end: int,
    cover: Iterable[tuple[int, int, frozenset[int]]],
) -> bool:  # fmt: skip
    """Tell whether an exception hides a hit; the very word that it is hides nothing but parts."""
    return any(
        a <= start and end <= b
        and (
            (a, b) != (start, end) if not_for is EVERYBODY
            else kind is Kind.FINDING and index in not_for
        )
        for a, b, not_for in cover
    )  # fmt: skip


def _follow(
    places: list[tuple[int, int]], rest: tuple[int, ...],
    parts: dict[int, list[tuple[int, int]]], *, every: bool,
) -> list[tuple[tuple[int, int], ...]]:  # fmt: skip
    """Find the parts of a pattern in order, each at most GAP_MAX characters after the last.

    The first place only, or every one.
    """
    made: list[tuple[tuple[int, int], ...]] = []
    for place in places:
        found = [place]
        for number in rest:
            end = found[-1][1]
            after = [one for one in parts.get(number, ()) if end <= one[0] <= end + GAP_MAX]
            if not after:
                break
            found.append(min(after, key=lambda one: (one[1], -one[0])))
        else:
            made.append(tuple(found))
            if not every:
                break
    return made
