"""The next question: the one after which the department is least in doubt."""

from __future__ import annotations

import numpy as np

from citycare.scenarios.triage.model.answer import Evidence
from citycare.scenarios.triage.model.knowledge import Floats, Knowledge
from citycare.scenarios.triage.rules.reason import HEARD, Belief

QUESTIONS_MAX = 12
SURE = 0.80
SURE_THREE = 0.97
GAIN_MIN = 0.006
CANDIDATES = 48
FERTILE = (12, 55)


def loss(departments: Floats) -> Floats:
    """Return the expected loss of sending to the likeliest: wrong, or not even among three.

    Args:
        departments: probabilities [..., D].

    Source: ours.
    """
    top = -np.partition(-departments, 2, axis=-1)[..., :3]
    return np.asarray((1 - top[..., 0]) + 0.5 * (1 - top.sum(axis=-1)), dtype=np.float32)


def is_sure(belief: Belief) -> bool:
    """Tell whether asking on is not worth it.

    Source: ours.
    """
    top = np.sort(belief.departments)[::-1]
    return bool(top[0] >= SURE and top[:3].sum() >= SURE_THREE)


def next_question(
    knowledge: Knowledge, evidence: Evidence, belief: Belief, told: frozenset[int], sharpness: float
) -> int | None:
    """Return the finding whose answer is worth most, or None where none is worth asking.

    Args:
        knowledge: all there is to ask.
        evidence: what is known.
        belief: what follows from it.
        told: findings already asked or said.
        sharpness: as in `believe`.

    Source: expected loss one step ahead (Heckerman et al., Methods Inf Med 1992;31:106, there
    over diseases, here over departments).
    """
    tables = knowledge.tables
    yes = HEARD * tables.share @ belief.conditions
    known = set(told)
    for index, _ in evidence.present:
        known |= {index, *knowledge.ancestors[index]}
    known.update(evidence.absent)
    known.update(evidence.unsure)
    spread = (tables.share - yes[:, None]) ** 2 @ belief.conditions
    usable = np.array(
        [bool(one.ask) and n not in known and _asks(one.sex, evidence, one.id)
         for n, one in enumerate(knowledge.entries.findings)]
    )  # fmt: skip
    spread = np.where(usable, spread, -1.0)
    best = np.argsort(-spread)[:CANDIDATES]
    best = best[spread[best] > 0]
    if not len(best):
        return None
    share = HEARD * tables.share[best]
    after_yes = belief.conditions * np.maximum(share, 1e-5) ** sharpness
    after_no = belief.conditions * (1 - share) ** sharpness
    after_yes /= after_yes.sum(axis=1, keepdims=True)
    after_no /= after_no.sum(axis=1, keepdims=True)
    chance = yes[best]
    expected = chance * loss(after_yes @ belief.treats)
    expected += (1 - chance) * loss(after_no @ belief.treats)
    gain = loss(belief.departments) - expected
    place = int(np.argmax(gain))
    return int(best[place]) if gain[place] >= GAIN_MIN else None


def _asks(sex: str, evidence: Evidence, name: str) -> bool:
    patient = evidence.patient
    if sex and patient.sex and sex != patient.sex:
        return False
    if name in ("pregnant", "breastfeeding", "postpartum"):
        return patient.sex == "female" and (
            patient.age is None or FERTILE[0] <= patient.age <= FERTILE[1]
        )
    return True
