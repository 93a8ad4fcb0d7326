"""What must hold of writes: none lost, none doubled, none by halves, no version left out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from tests.faults.record.history import Act, History, Kind, Outcome, Past, Sent
from tests.faults.record.times import Times

Found = Iterator[tuple[str, str]]
"""Anomalies: which, and what was seen."""


def gaps(history: History, _: Times) -> Found:
    """Versions count from 1 without gap or repetition, and time does not run backwards in them."""
    for name, pasts in history.versions.items():
        numbers = [past.version for past in pasts]
        if numbers != list(range(1, len(pasts) + 1)):
            yield "version gap", f"{name} has versions {numbers}"
        for before, after in pairwise(pasts):
            if after.updated_at < before.updated_at:
                told = f"{before.updated_at}, then {after.updated_at}"
                yield (
                    "clock",
                    f"{name} version {after.version} is older than the one before: {told}",
                )
        if any(before.deleted and after.deleted for before, after in pairwise(pasts)):
            yield "deleted twice", f"{name} {numbers}"


def origins(history: History, _: Times) -> Found:
    """What each version holds is what one write sent, and that write was not refused."""
    sent = {one.token: (act, one) for act in history.acts for one in act.sent}
    for name, pasts in history.versions.items():
        for past in pasts:
            if past.deleted:
                continue
            if past.token not in sent:
                yield "from nowhere", f"{name} version {past.version} holds {past.token}"
                continue
            act, one = sent[past.token]
            if one.name not in ("", name):
                yield "misplaced", f"{name} version {past.version} was sent to {one.name}"
            if past.value != one.value:
                yield "altered", f"{name} version {past.version}: {one.value} became {past.value}"
            if act.outcome is Outcome.REFUSED:
                yield "refused but kept", f"{name} version {past.version}, {act}"


def kept(history: History, times: Times) -> Found:
    """What was acknowledged is there, as the version that was told."""
    for act in history.acts:
        if act.kind is not Kind.WRITE or act.outcome is not Outcome.DONE:
            continue
        for seen in act.seen:
            past = times.past.get((seen.name, seen.version))
            if past is None or past.token != seen.token:
                yield "lost write", f"{seen.name} version {seen.version} of {act}"
        if len(act.seen) != len(act.sent):
            yield "half answer", f"{len(act.seen)} of {len(act.sent)} told by {act}"
    yield from _out_of_order(history, times)


def _out_of_order(history: History, times: Times) -> Found:
    for name, pasts in history.versions.items():
        for at, past in enumerate(pasts):
            span = times.reached(name, at)
            if span.earliest > span.latest:
                told = f"was there at {span.latest:.3f}, or a later one was,"
                before = f"but it or an earlier one was not sent before {span.earliest:.3f}"
                yield "order", f"{name} version {past.version} {told} {before}"


def halves(history: History, _: Times) -> Found:
    """Each resource of a write is stored once, and all of them or none."""
    places: dict[str, list[str]] = defaultdict(list)
    for name, pasts in history.versions.items():
        for past in pasts:
            if not past.deleted:
                places[past.token].append(f"{name}/{past.version}")
    for act in history.acts:
        if any(len(places[one.token]) > 1 for one in act.sent):
            stored = [places[one.token] for one in act.sent]
            yield "doubled", f"{stored} by {act}"
        must = [one for one in act.sent if not one.unless]
        there = [one for one in must if places[one.token]]
        if there and len(there) < len(must):
            yield "half transaction", f"{len(there)} of {len(must)} kept of {act}"
        if must and not there and act.outcome is Outcome.DONE:
            yield "lost write", f"nothing kept of {act}"


def matched(history: History, times: Times) -> Found:
    """A version that If-Match names has one successor, made by who named it."""
    for (name, version), act in times.writer.items():
        past, before = times.past[name, version], times.past.get((name, version - 1))
        one = next(one for one in act.sent if one.token == past.token)
        if one.expected is not None and (one.expected != version - 1 or not _is_there(before)):
            yield "If-Match", f"{name}: {act} asked for {one.expected} and made {version}"
        if one.fresh and _is_there(before):
            yield "If-None-Match", f"{name}: {act} made version {version} of what was there"
        if one.stepped and (before is None or past.value != before.value + 1):
            yield "lost update", f"{name} version {version}: a step on what was not the newest"
    yield from _groundless(history, times)


def _is_there(past: Past | None) -> bool:
    return past is not None and not past.deleted


def _groundless(history: History, times: Times) -> Found:
    """Find refusals of If-Match although the version was the newest all the while."""
    for act in history.acts:
        expected = act.sent[0].expected if len(act.sent) == 1 else None
        if act.status != 412 or expected is None:
            continue
        one, at = act.sent[0], expected - 1
        if at >= len(history.versions.get(one.name, ())):
            continue
        after = times.reached(one.name, at + 1).earliest
        if times.reached(one.name, at).latest < act.began and act.ended < after:
            yield "refused without cause", f"{one.name} version {one.expected}: {act}"


def once(history: History, times: Times) -> Found:
    """Of each condition there is one resource at most, and everybody is told of the same.

    One that was deleted may have had a successor, and is left out.
    """
    gone = {name for name, pasts in history.versions.items() if any(p.deleted for p in pasts)}
    sent: dict[str, list[tuple[Act, Sent]]] = defaultdict(list)
    for act in history.acts:
        for one in act.sent:
            if one.key:
                sent[one.key].append((act, one))
    made: dict[str, set[str]] = defaultdict(set)
    for (name, version), act in times.writer.items():
        for one in act.sent:
            if one.key and times.past[name, version].token == one.token:
                made[one.key].add(name)
    for key, some in sent.items():
        told = {
            seen.name
            for act, one in some
            if act.outcome is Outcome.DONE
            for seen in act.seen[act.sent.index(one) : act.sent.index(one) + 1]
        }
        if len((made[key] | told) - gone) > 1:
            yield "duplicate", f"{key} is met by {sorted((made[key] | told) - gone)}"
        if told and not made[key]:
            yield "lost write", f"{key} is met by nothing"


def deletions(history: History, times: Times) -> Found:
    """Who was told that it is deleted was told the truth; nothing is deleted by itself."""
    asked: dict[str, list[Act]] = defaultdict(list)
    for act in history.acts:
        if act.kind is Kind.DELETE:
            asked[act.about].append(act)
    for name, pasts in history.versions.items():
        count = sum(past.deleted for past in pasts)
        able = [act for act in asked[name] if act.outcome is not Outcome.REFUSED]
        if count > len(able):
            yield "deleted by nobody", f"{name}: {count} deletions, {len(able)} asked for"
    for acts in asked.values():
        for act in acts:
            if act.outcome is Outcome.DONE and not any(
                span.latest >= act.began and span.earliest <= act.ended
                for span in times.absences(act.about)
            ):
                yield "not deleted", f"{act.about} by {act}"
