"""The checker: from the log of a run to what is wrong with it. Pure.

It proves the presence of an anomaly, never the absence of all: bounds are as wide as the log leaves
them, so what it reports has happened.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from tests.faults.record import sights, writes
from tests.faults.record.history import History, Kind, Outcome
from tests.faults.record.times import Times


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Something that must not happen."""

    kind: str
    text: str


RULES = (
    writes.gaps,
    writes.origins,
    writes.kept,
    writes.halves,
    writes.matched,
    writes.once,
    writes.deletions,
    sights.shown,
    sights.moments,
    sights.pasts,
    sights.polls,
    sights.end,
)


def check(history: History) -> list[Anomaly]:
    """Return everything that is wrong with a run, by kind and in the order of the rules."""
    times = Times(history)
    found = [Anomaly(*one) for rule in RULES for one in rule(history, times)]
    return found + [Anomaly("fault", str(act)) for act in history.acts if act.status == 500]


def report(history: History, anomalies: Iterable[Anomaly], happened: Iterable[str]) -> str:
    """Write what was done, what was done to it, and what came out, for people."""
    some = list(anomalies)
    by_what: Counter[tuple[str, Outcome]] = Counter()
    for act in history.acts:
        by_what[act.what.partition(" ")[0], act.outcome] += 1
    lines = [f"{'':16}{''.join(f'{one:>9}' for one in Outcome)}"]
    lines += [
        f"{what:16}" + "".join(f"{by_what[what, one]:>9}" for one in Outcome)
        for what in sorted({what for what, _ in by_what})
    ]
    versions = sum(map(len, history.versions.values()))
    pages = sum(len(act.seen) for act in history.acts if act.kind is Kind.SEARCH)
    lines += [
        f"{len(history.acts)} acts, {len(history.versions)} resources of {versions} versions",
        f"{pages} resources shown by searches",
        "done to it: " + ", ".join(f"{what} ×{n}" for what, n in Counter(happened).items()),
        f"anomalies: {len(some)}",
    ]
    for kind, count in Counter(one.kind for one in some).items():
        examples = [one.text for one in some if one.kind == kind][:3]
        lines.append(f"  {kind} ×{count}: " + "; ".join(examples))
    return "\n".join(lines)
