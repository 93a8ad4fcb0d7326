"""From entries to arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from citycare.scenarios.triage.model.entries import BANDS, URGENCIES, Condition, Entries
from citycare.scenarios.triage.model.knowledge import SEXES, Floats, Knowledge, Tables

LEAK = 0.15  # a condition that does not list a finding has it this much as often as anybody
KIND_OF_PARENT = 0.4  # at most so much of a general finding is its special form, if nobody says
KIND_MAX = 0.3  # but no more than this
NAMED_ONLY = 0.05  # what a condition without findings weighs until it is named
COURSE = {"acute": (0.85, 0.12, 0.03), "subacute": (0.25, 0.6, 0.15), "chronic": (0.08, 0.2, 0.72),
          "episodic": (0.4, 0.25, 0.35)}  # fmt: skip
OF_MOTHERS = ("pregnant", "breastfeeding", "postpartum")
URGENCY_SPREAD = 0.1


def compile_entries(entries: Entries, version: str) -> Knowledge:
    """Make the tables. Entries must have been read without problems.

    A finding implies its parents: a condition that lists only the special form has the general
    one at least as often; one that lists only the general form has the special one less often.

    Source: ours (a bipartite network as in Shwe et al., QMR-DT, Methods Inf Med 1991;30:241,
    with one condition at a time).
    """
    finding = {one.id: n for n, one in enumerate(entries.findings)}
    department = {one.code: n for n, one in enumerate(entries.departments)}
    ancestors = _closure([[finding[up] for up in one.implies] for one in entries.findings])
    descendants: list[set[int]] = [set() for _ in ancestors]
    for n, above in enumerate(ancestors):
        for up in above:
            descendants[up].add(n)
    return Knowledge(
        version=version,
        entries=entries,
        tables=_tables(entries, finding, department, ancestors),
        finding=finding,
        condition={one.id: n for n, one in enumerate(entries.conditions)},
        department=department,
        ancestors=ancestors,
        descendants=tuple(frozenset(one) for one in descendants),
        flagged=_flagged(entries),
    )


def _flagged(entries: Entries) -> dict[str, tuple[tuple[int, int], ...]]:
    found: dict[str, list[tuple[int, int]]] = {}
    for place, flag in enumerate(entries.red_flags):
        for number, group in enumerate(flag.every):
            for name in group:
                found.setdefault(name, []).append((place, number))
    return {name: tuple(pairs) for name, pairs in found.items()}


def _closure(parents: Sequence[Sequence[int]]) -> tuple[frozenset[int], ...]:
    found: list[frozenset[int]] = []
    for n in range(len(parents)):
        seen: set[int] = set()
        todo = list(parents[n])
        while todo:
            one = todo.pop()
            if one not in seen and one != n:
                seen.add(one)
                todo.extend(parents[one])
        found.append(frozenset(seen))
    return tuple(found)


def _tables(
    entries: Entries,
    finding: Mapping[str, int],
    department: Mapping[str, int],
    ancestors: tuple[frozenset[int], ...],
) -> Tables:
    conditions = entries.conditions
    frequency = np.array([one.frequency for one in conditions], dtype=np.float32)
    base = np.array([one.base for one in entries.findings], dtype=np.float32)
    share, listed = _shares(conditions, base, finding, ancestors)
    adult = np.zeros((len(conditions), len(department)), dtype=np.float32)
    for n, one in enumerate(conditions):
        for code, part in one.departments.items():
            adult[n, department[code]] += part
    return Tables(
        prior=frequency / frequency.sum(),
        ages=np.array([one.ages for one in conditions], dtype=np.float32).T,
        sexes=np.array([one.sex for one in conditions], dtype=np.float32).T,
        share=share,
        listed=listed,
        told=np.asarray(listed.any(axis=1)),
        base=base,
        adult=adult,
        child=_for_children(adult, entries, department),
        cues=_cues(entries, adult, department),
        asked=np.array(
            [
                [bool(one.ask) and one.sex in ("", sex or one.sex) for one in entries.findings]
                for sex in SEXES
            ]
        ),
        of_mothers=np.array([one.id in OF_MOTHERS for one in entries.findings]),
        named_only=np.array([not one.findings for one in conditions]),
        urgency=_urgencies(conditions),
        course=np.array([_course(one) for one in conditions], dtype=np.float32).T,
    )


def _shares(
    conditions: Sequence[Condition],
    base: Floats,
    finding: Mapping[str, int],
    ancestors: tuple[frozenset[int], ...],
) -> tuple[Floats, np.typing.NDArray[np.bool_]]:
    share = np.tile(base[:, None] * LEAK, (1, len(conditions))).astype(np.float32)
    listed = np.zeros(share.shape, dtype=bool)
    for n, one in enumerate(conditions):
        for name, part in one.findings.items():
            share[finding[name], n] = part
            listed[finding[name], n] = True
        for name, part in one.findings.items():
            for up in ancestors[finding[name]]:
                if not listed[up, n]:
                    share[up, n] = max(share[up, n], part)
    said = listed.copy()
    for f, above in enumerate(ancestors):
        for up in above:
            heirs = said[up] & ~said[f]
            kind = min(KIND_OF_PARENT, float(base[f] / base[up]))
            given = np.minimum(share[up, heirs] * kind, KIND_MAX)
            share[f, heirs] = np.maximum(share[f, heirs], given)
            listed[f] |= heirs
            listed[up] |= said[f]
    return share, listed


def _for_children(adult: Floats, entries: Entries, department: Mapping[str, int]) -> Floats:
    child = adult.copy()
    for one in entries.departments:
        if one.child:
            here = department[one.code]
            child[:, department[one.child]] += child[:, here]
            child[:, here] = 0
    return child


def _cues(entries: Entries, adult: Floats, department: Mapping[str, int]) -> Floats:
    """Ratios by condition: what the cue says of the departments that treat it, else of none."""
    ratios = np.ones((len(entries.cues), len(department)), dtype=np.float32)
    for n, cue in enumerate(entries.cues):
        for code, ratio in cue.departments.items():
            for other, place in department.items():
                if other == code or other.startswith(code + "."):
                    ratios[n, place] = max(ratio, ratios[n, place])
    return np.asarray(ratios @ adult.T, dtype=np.float32)


def _urgencies(conditions: Sequence[Condition]) -> Floats:
    table = np.zeros((len(conditions), len(URGENCIES)), dtype=np.float32)
    for n, one in enumerate(conditions):
        place = URGENCIES.index(one.urgency)
        table[n, place] = 1 - URGENCY_SPREAD
        table[n, min(place + 1, len(URGENCIES) - 1)] += URGENCY_SPREAD
    return table


def _course(one: Condition) -> tuple[float, float, float]:
    rows = [COURSE[course] for course in one.course] or [(1 / 3, 1 / 3, 1 / 3)]
    a, b, c = (sum(column) / len(rows) for column in zip(*rows, strict=True))
    return a, b, c


def band_of(age: float) -> int:
    """Return the place of an age (years) in BANDS.

    Source: ours.
    """
    edges = (1, 14, 45, 65)
    return min(sum(age >= edge for edge in edges), len(BANDS) - 1)
