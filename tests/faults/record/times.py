"""When each version can have come to be: bounds that the log proves, no more.

A version came after its write was sent, and after those before it; it was there before its write
was answered, before anybody saw it, and before the versions after it were.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf

from tests.faults.record.history import GONE, NEVER, Act, History, Kind, Outcome, Past


@dataclass(frozen=True, slots=True)
class Span:
    """A state was reached not before `earliest` and not after `latest`."""

    earliest: float
    latest: float


class Times:
    """The bounds of every version of a run."""

    def __init__(self, history: History) -> None:
        self._versions = history.versions
        self.past = {(name, past.version): past for name, pasts in history.versions.items()
                     for past in pasts}  # fmt: skip
        self.writer = _writers(self.past, history.acts)
        deletes: dict[str, list[Act]] = defaultdict(list)
        for act in history.acts:
            if act.kind is Kind.DELETE and act.outcome is not Outcome.REFUSED:
                deletes[act.about].append(act)
        seen = _first_seen(history.acts)
        self._spans = {
            name: self._bounds(name, pasts, deletes.get(name, ()), seen.get(name, {}))
            for name, pasts in history.versions.items()
        }
        self._numbers = {
            name: [past.version for past in pasts] for name, pasts in history.versions.items()
        }

    def _bounds(
        self, name: str, pasts: Sequence[Past], deletes: Sequence[Act], seen: Mapping[int, float]
    ) -> list[Span]:
        earliest: list[float] = []
        latest: list[float] = []
        for past in pasts:
            writer = self.writer.get((name, past.version))
            if past.deleted:
                begun = min((one.began for one in deletes), default=-inf)
            else:
                begun = writer.began if writer else -inf
            told = writer.ended if writer and writer.outcome is Outcome.DONE else inf
            earliest.append(max(begun, earliest[-1] if earliest else -inf))
            latest.append(min(told, seen.get(past.version, inf)))
        _pull(latest)
        gone = [at for at, past in enumerate(pasts) if past.deleted]
        for act in deletes:
            if act.outcome is Outcome.DONE and (at := _told(act, gone, earliest, latest)) >= 0:
                latest[at] = min(latest[at], act.ended)
                _pull(latest)
        return [Span(*one) for one in zip(earliest, latest, strict=True)]

    def reached(self, name: str, at: int) -> Span:
        """Return the bounds of the version at a place of the history; -1: before the first."""
        spans = self._spans.get(name, [])
        if at < 0:
            return Span(-inf, -inf)
        return spans[at] if at < len(spans) else Span(inf, inf)

    def lived(self, name: str, version: int) -> list[Span]:
        """Return from when at the earliest until when at the latest a state can have been seen.

        Of GONE one span for each deletion. Empty: there is no such state.
        """
        if version == GONE:
            return self.absences(name)[1:]
        if version == NEVER:
            return self.absences(name)[:1]
        numbers = self._numbers.get(name, [])
        at = bisect_left(numbers, version)
        if at == len(numbers) or numbers[at] != version:
            return []
        return [Span(self.reached(name, at).earliest, self.reached(name, at + 1).latest)]

    def absences(self, name: str) -> list[Span]:
        """Return the spans in which a resource can have been absent."""
        found = [Span(-inf, self.reached(name, 0).latest)]
        for at, past in enumerate(self._versions.get(name, ())):
            if past.deleted:
                span = self.reached(name, at).earliest, self.reached(name, at + 1).latest
                found.append(Span(*span))
        return found


def _writers(
    past: Mapping[tuple[str, int], Past], acts: Iterable[Act]
) -> dict[tuple[str, int], Act]:
    """Return the write that made each version, by what it sent."""
    by_token = {one.token: act for act in acts for one in act.sent}
    return {key: by_token[one.token] for key, one in past.items() if one.token in by_token}


def _pull(latest: list[float]) -> None:
    """A version was there before those after it were."""
    for at in range(len(latest) - 2, -1, -1):
        latest[at] = min(latest[at], latest[at + 1])


def _told(act: Act, gone: Sequence[int], earliest: Sequence[float], latest: Sequence[float]) -> int:
    """Return the place of the deletion that a client was told of; -1: it may be one of several.

    It may also have been told of what was not there before the first version.
    """
    after = [*latest, inf]
    able = [at for at in gone if earliest[at] <= act.ended and after[at + 1] >= act.began]
    return able[0] if len(able) == 1 and after[0] < act.began else -1


def _first_seen(acts: Iterable[Act]) -> dict[str, dict[int, float]]:
    """Return when each version was first shown to anybody."""
    found: dict[str, dict[int, float]] = defaultdict(dict)
    for act in acts:
        for one in act.seen:
            if one.version > 0:
                known = found[one.name].get(one.version, inf)
                found[one.name][one.version] = min(known, act.seen_at)
    return found
