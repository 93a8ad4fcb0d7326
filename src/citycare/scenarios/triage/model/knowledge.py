"""The knowledge as arrays, made once and shared by every turn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from citycare.scenarios.triage.model.entries import Entries

Floats = NDArray[np.float32]
Ints = NDArray[np.intp]
SEXES = ("", "female", "male")


@dataclass(frozen=True, slots=True)
class Tables:
    """What the reasoning looks up. C conditions, F findings, D departments, U cues.

    `prior` [C] sums to 1; `ages` [5, C] and `sexes` [2, C] multiply it; `share` [F, C] is
    P(finding | condition); `listed` [F, C] where a clinician said so, or it follows, `told` [F]
    where any condition does; `base` [F];
    `adult` and `child` [C, D] say who treats it; `cues` [U, C] are likelihood ratios;
    `asked` [3, F] says what one may ask whom (SEXES) and `of_mothers` [F] what only of women who
    may be pregnant; `named_only` [C]; `urgency` [C, 5]; `course` [3, C] for acute, subacute and
    chronic.
    """

    prior: Floats
    ages: Floats
    sexes: Floats
    share: Floats
    listed: NDArray[np.bool_]
    told: NDArray[np.bool_]
    base: Floats
    adult: Floats
    child: Floats
    cues: Floats
    asked: NDArray[np.bool_]
    of_mothers: NDArray[np.bool_]
    named_only: NDArray[np.bool_]
    urgency: Floats
    course: Floats


@dataclass(frozen=True, slots=True)
class Knowledge:
    """Entries, tables and where each entry stands; `version` names exactly this state.

    `flagged`: for each finding the red flags it helps to meet, as (place, number of the group).
    """

    version: str
    entries: Entries
    tables: Tables
    finding: Mapping[str, int]
    condition: Mapping[str, int]
    department: Mapping[str, int]
    ancestors: tuple[frozenset[int], ...]
    descendants: tuple[frozenset[int], ...]
    flagged: Mapping[str, tuple[tuple[int, int], ...]]
