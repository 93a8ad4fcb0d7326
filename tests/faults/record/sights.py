"""What must hold of what clients were shown: of one moment, neither stale nor of the future."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from tests.faults.record.history import (
    GONE,
    NEVER,
    Act,
    History,
    Kind,
    Outcome,
    Past,
    Seen,
    group_of,
)
from tests.faults.record.times import Span, Times

Found = Iterator[tuple[str, str]]


def shown(history: History, times: Times) -> Found:
    """Each version that was ever shown is kept, with the same content."""
    for act in history.acts:
        for one in act.seen:
            if one.version in (NEVER, GONE):
                continue
            past = times.past.get((one.name, one.version))
            if past is None or (past.token, past.value) != (one.token, one.value):
                held = (
                    f"held {one.token or 'nothing'}, now {past.token if past else 'is not there'}"
                )
                yield "dirty read", f"{one.name} version {one.version} {held}: {act}"


def moments(history: History, times: Times) -> Found:
    """What one answer shows was all so at one moment between question and answer."""
    names: dict[str, list[str]] = {}
    for name in history.versions:
        names.setdefault(group_of(name), []).append(name)
    for act in history.acts:
        if act.kind not in (Kind.READ, Kind.SEARCH):
            continue
        yield from _moment(act, times)
        if act.kind is Kind.SEARCH:
            for name, count in Counter(one.name for one in act.seen).items():
                if count > 1:
                    yield "repeated", f"{name} {count} times in {act}"
            if act.outcome is Outcome.DONE:
                yield from _missing(act, times, names.get(act.about, ()))
    yield from _pairs(history, times)


def _bounds(act: Act, times: Times) -> Span:
    """Return between when and when all that is shown was so: empty (from > to) if never."""
    low, high = act.began, act.seen_at
    for one in act.seen:
        spans = times.lived(one.name, one.version)
        if len(spans) == 1:
            low, high = max(low, spans[0].earliest), min(high, spans[0].latest)
    return Span(low, high)


def _moment(act: Act, times: Times) -> Found:
    if act.outcome is not Outcome.DONE and not act.settled:
        return
    for one in act.seen:
        spans = times.lived(one.name, one.version)
        if spans and not any(_meet(span, Span(act.began, act.seen_at)) for span in spans):
            late = all(span.latest < act.began for span in spans)
            state = {NEVER: "its absence", GONE: "its deletion"}.get(one.version, str(one.version))
            yield "stale read" if late else "future read", f"{one.name} {state}: {act}"
    bounds = _bounds(act, times)
    if len(act.seen) > 1 and bounds.earliest > bounds.latest:
        yield "no moment", f"what was shown was never there together: {act}"


def _missing(act: Act, times: Times, names: Sequence[str]) -> Found:
    """Find what was there all the while and was not shown."""
    bounds = _bounds(act, times)
    if bounds.earliest > bounds.latest:
        return
    there = {one.name for one in act.seen}
    for name in names:
        if name not in there and not any(_meet(span, bounds) for span in times.absences(name)):
            yield "missed", f"{name} in {act}"


def _meet(one: Span, other: Span) -> bool:
    return one.earliest <= other.latest and other.earliest <= one.latest


def _pairs(history: History, times: Times) -> Found:
    """Find answers that show a transaction in one resource and not in another."""
    versions: dict[int, dict[str, int]] = {}
    acts = {id(act): act for act in history.acts if len(act.sent) > 1}
    touching: dict[str, list[int]] = {}
    for (name, version), act in times.writer.items():
        if id(act) in acts:
            versions.setdefault(id(act), {})[name] = version
            touching.setdefault(name, []).append(id(act))
    for act in history.acts:
        if act.kind is not Kind.SEARCH or len(act.seen) < 2:
            continue
        shown = {one.name: one.version for one in act.seen if one.version > 0}
        for mark in {mark for name in shown for mark in touching.get(name, ())}:
            both = {name: made for name, made in versions[mark].items() if name in shown}
            if len({shown[name] >= made for name, made in both.items()}) > 1:
                yield "half transaction", f"of {acts[mark]} seen in {act}"
                break


def pasts(history: History, times: Times) -> Found:
    """A history shows every version up to one, which was the newest at that moment."""
    for act in history.acts:
        if act.kind is not Kind.PAST or act.outcome is not Outcome.DONE or not act.whole:
            continue
        numbers = [one.version for one in act.seen]
        if any(before != after + 1 for before, after in pairwise(numbers)) or numbers[-1:] != [1]:
            yield "version gap", f"{act.about} shows {numbers}: {act}"
        elif not _newest(act.seen[0], act, times):
            yield "stale read", f"{act.about} history ends at {numbers[0]}: {act}"


def _newest(one: Seen, act: Act, times: Times) -> bool:
    spans = times.lived(one.name, one.version)
    return any(_meet(span, Span(act.began, act.ended)) for span in spans)


def polls(history: History, _: Times) -> Found:
    """Whoever goes on asking from where the server said is told of every version, and no other."""
    if history.polled is None:
        return
    there = {(name, one.version) for name, some in history.versions.items() for one in some}
    for name, version in sorted(there - history.polled):
        yield "not told", f"{name} version {version} never came to who asked for what is new"
    for name, version in sorted(history.polled - there):
        yield "dirty read", f"{name} version {version} was told as new, and is not there"


def end(history: History, _: Times) -> Found:
    """In the end reads, searches and histories agree, and no reference leads nowhere."""
    newest = {name: pasts[-1] for name, pasts in history.versions.items() if pasts}
    for name, version in history.reads.items():
        past = newest.get(name)
        if past is None or version != (GONE if past.deleted else past.version):
            told = "nothing" if past is None else past
            yield "read and history differ", f"{name}: read {version}, history {told}"
    for group, found in history.found.items():
        there = {(name, past.version) for name, past in newest.items()
                 if group_of(name) == group and not past.deleted}  # fmt: skip
        if found != there:
            more, fewer = sorted(found - there)[:5], sorted(there - found)[:5]
            yield "index", f"{group}: found {more} that are not there, not {fewer} that are"
    for name, past in newest.items():
        if past.link and (past.link not in newest or newest[past.link].deleted):
            yield "dangling", f"{name} refers to {past.link}, which is not there"
    yield from _tokens(history, newest)


def _tokens(history: History, newest: dict[str, Past]) -> Found:
    held: dict[str, set[str]] = {}
    for name, past in newest.items():
        if not past.deleted:
            held.setdefault(past.token, set()).add(name)
    for token, found in history.by_token.items():
        if found != held.get(token, set()):
            yield "index", f"{token} finds {sorted(found)}, is in {sorted(held.get(token, ()))}"
