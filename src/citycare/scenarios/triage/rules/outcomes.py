"""Holding later diagnoses against the advice, and telling chance from drift."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import sqrt

from citycare.scenarios.triage.model.knowledge import Knowledge
from citycare.scenarios.triage.rules.reason import ADULT_FROM

CATEGORY_SIGNS = 3
ACCEPTED_SHARE = 0.15
Z = 1.959964  # two-sided 95 %


def accepted(knowledge: Knowledge, code: str, age: float | None) -> dict[str, float]:
    """Return the departments the knowledge sends an ICD-10 code to, with their shares.

    The conditions with the longest ICD code that begins this one (or the same category) count.
    Empty: the knowledge has nothing of the kind. Children go to the children's departments.

    Source: ours.
    """
    wanted = code.upper().strip()
    found: dict[str, float] = {}
    near = 0
    for one in knowledge.entries.conditions:
        icd = one.icd.upper()
        fits = len(icd) if icd and wanted.startswith(icd) else 0
        if not fits and icd[:CATEGORY_SIGNS] == wanted[:CATEGORY_SIGNS]:
            fits = 1
        if not fits or fits < near:
            continue
        if fits > near:
            found, near = {}, fits
        for name, share in one.departments.items():
            found[name] = max(found.get(name, 0.0), share)
    if age is not None and age < ADULT_FROM:
        found = _children(knowledge, found)
    return {name: share for name, share in found.items() if share >= ACCEPTED_SHARE}


def _children(knowledge: Knowledge, found: dict[str, float]) -> dict[str, float]:
    led = dict(found)
    for name, share in found.items():
        child = knowledge.entries.departments[knowledge.department[name]].child
        if child:
            led[child] = max(led.get(child, 0.0), share)
    return led


def is_right(code: str, wanted: Iterable[str]) -> bool:
    """Tell whether a department is one of those wanted, a part of one, or the whole of one.

    Source: 《医疗机构诊疗科目名录》: `03.01` is a part of `03`.
    """
    return any(
        code == one or code.startswith(f"{one}.") or one.startswith(f"{code}.") for one in wanted
    )


def interval(right: int, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a share, 0 to 1.

    Source: Wilson, J Am Stat Assoc 1927;22:209.
    """
    if count == 0:
        return 0.0, 1.0
    share = right / count
    middle = (share + Z * Z / (2 * count)) / (1 + Z * Z / count)
    half = Z * sqrt(share * (1 - share) / count + Z * Z / (4 * count * count)) / (1 + Z * Z / count)
    return max(0.0, middle - half), min(1.0, middle + half)


def has_drifted(before: Sequence[int], after: Sequence[int]) -> bool:
    """Tell whether the share right has changed by more than chance: (right, count) of both.

    Source: ours: the 95 % intervals do not touch, which is stricter than 95 %.
    """
    if not before[1] or not after[1]:
        return False
    old, new = interval(*before), interval(*after)
    return old[1] < new[0] or new[1] < old[0]
