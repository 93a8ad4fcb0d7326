"""The next question: the one after which the department is least in doubt."""

from __future__ import annotations

import numpy as np

from citycare.scenarios.triage.model.answer import Evidence
from citycare.scenarios.triage.model.heard import Patient
from citycare.scenarios.triage.model.knowledge import SEXES, Floats, Ints, Knowledge
from citycare.scenarios.triage.rules.reason import HEARD, Belief

QUESTIONS_MAX = 12
SURE = 0.80
SURE_THREE = 0.97
GAIN_MIN = 0.002
CANDIDATES = 80
TOGETHER = 4  # asked at once, to tick: one page tells more than four pages of yes and no
FERTILE = (12, 55)
LIFT_MIN = 2.0  # a finding is worth asking for if so many times likelier than in anybody
CHANCE_MIN = 0.03  # and somebody like this has it at all often
IN_VAIN_MAX = 3  # lists to tick with nothing ticked, one after the other, end the asking
LIKELY_MIN = 1e-4  # less likely conditions change no question


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


def next_questions(
    knowledge: Knowledge, evidence: Evidence, belief: Belief, told: frozenset[int], sharpness: float
) -> tuple[int, ...]:
    """Return the findings worth asking for now, the most telling first; empty: none is.

    Args:
        knowledge: all there is to ask.
        evidence: what is known.
        belief: what follows from it.
        told: findings already asked or said.
        sharpness: as in `believe`.

    Source: expected loss one step ahead (Heckerman et al., Methods Inf Med 1992;31:106, there
    over diseases, here over departments).
    """
    likely = np.flatnonzero(belief.conditions > LIKELY_MIN)
    weights = belief.conditions[likely]
    weights = weights / weights.sum()
    treats = belief.treats[likely]
    shares = knowledge.tables.share[:, likely]
    best = _candidates(knowledge, evidence, told, shares, weights)
    if not len(best):
        return ()
    share = HEARD * shares[best]
    after_yes = weights * np.maximum(share, 1e-5) ** sharpness
    after_no = weights * (1 - share) ** sharpness
    after_yes /= after_yes.sum(axis=1, keepdims=True)
    after_no /= after_no.sum(axis=1, keepdims=True)
    chance = share @ weights
    expected = chance * loss(after_yes @ treats)
    expected += (1 - chance) * loss(after_no @ treats)
    gain = loss(weights @ treats) - expected
    chosen: list[int] = []
    for place in np.argsort(-gain, kind="stable"):
        if gain[place] < GAIN_MIN or len(chosen) == TOGETHER:
            break
        index = int(best[place])
        akin = {*knowledge.ancestors[index], *knowledge.descendants[index]}
        if akin.isdisjoint(chosen):
            chosen.append(index)
    return tuple(chosen)


def _candidates(
    knowledge: Knowledge, evidence: Evidence, told: frozenset[int], shares: Floats, weights: Floats
) -> Ints:
    """Return the findings that part the likely conditions most, of those one may ask for."""
    usable = knowledge.tables.asked[SEXES.index(evidence.patient.sex)].copy()
    if not _may_be_pregnant(evidence.patient):
        usable[knowledge.tables.of_mothers] = False
    known = {*told, *evidence.absent, *evidence.unsure}
    for index, _ in evidence.present:
        known |= {index, *knowledge.ancestors[index]}
    usable[list(known)] = False
    mean = shares @ weights
    spread = (shares - mean[:, None]) ** 2 @ weights
    usable &= mean >= LIFT_MIN * knowledge.tables.base  # 眼睛红: nobody is asked about teeth
    usable &= mean >= CHANCE_MIN
    spread = np.where(usable, spread, -1.0)
    best = np.argsort(-spread, kind="stable")[:CANDIDATES]
    found: Ints = best[spread[best] > 0]
    return found


def _may_be_pregnant(patient: Patient) -> bool:
    return patient.sex == "female" and (
        patient.age is None or FERTILE[0] <= patient.age <= FERTILE[1]
    )
