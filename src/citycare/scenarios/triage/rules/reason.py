"""The posterior over conditions and departments. One condition at a time, with leaks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from citycare.scenarios.triage.model.answer import Evidence
from citycare.scenarios.triage.model.heard import Patient
from citycare.scenarios.triage.model.knowledge import Floats, Knowledge
from citycare.scenarios.triage.rules.compiling import NAMED_ONLY, band_of

ADULT_FROM = 14
LOG_DEPARTMENT = float(np.log(60.0))
FLOOR = 1e-6
HEARD = 0.35  # how often who has something ticks it: lists are skimmed, questions misunderstood
NAMES_TOGETHER = 0.35  # named beside a stronger one, a disease may be the background
COURSE_EDGES = (14, 84)


@dataclass(frozen=True, slots=True)
class Belief:
    """Probabilities over conditions [C] and departments [D]; both sum to 1."""

    conditions: Floats
    departments: Floats
    treats: Floats  # [C, D], the table that held for this patient


def prior_of(knowledge: Knowledge, patient: Patient) -> Floats:
    """Return the prior [C] for an age and sex; unknown ones are averaged over adults.

    Source: ours.
    """
    tables = knowledge.tables
    if patient.age is None:
        ages = tables.ages[2:].mean(axis=0) * 0.9 + tables.ages[:2].mean(axis=0) * 0.1
    else:
        ages = tables.ages[band_of(patient.age)]
    sexes = tables.sexes.mean(axis=0)
    if patient.sex:
        sexes = tables.sexes[0 if patient.sex == "female" else 1]
    weight = np.where(tables.named_only, NAMED_ONLY, 1.0).astype(np.float32)
    return np.asarray(tables.prior * ages * sexes * weight, dtype=np.float32)


def logs_of(knowledge: Knowledge, evidence: Evidence, sharpness: float) -> Floats:
    """Return the log likelihood [C] of the evidence, times `sharpness` (1: as written).

    Source: ours; the leaks are explained in docs/scenarios/triage.md.
    """
    tables = knowledge.tables
    logs = np.zeros(tables.prior.shape, dtype=np.float32)
    for finding, leak in evidence.present:
        floor = tables.base[finding] * leak
        logs += np.log(np.where(tables.listed[finding], tables.share[finding], floor))
    for finding in evidence.absent:
        logs += np.log(1 - HEARD * tables.share[finding])
    logs *= sharpness
    if evidence.days is not None:
        logs += 0.5 * np.log(tables.course[sum(evidence.days >= edge for edge in COURSE_EDGES)])
    for cue, weight in evidence.cues:
        logs += weight * np.log(np.maximum(tables.cues[cue], FLOOR))
    return logs


def believe(knowledge: Knowledge, evidence: Evidence, sharpness: float = 1.0) -> Belief:
    """Work out what may be behind it, and so who treats it.

    Source: Bayes' rule; sharpness is fitted on simulated patients (docs/scenarios/triage.md).
    """
    tables = knowledge.tables
    prior = prior_of(knowledge, evidence.patient)
    logs = np.log(prior + 1e-12) + logs_of(knowledge, evidence, sharpness)
    for condition, log in evidence.names:
        bonus = log
        if tables.named_only[condition]:
            bonus -= float(np.log(NAMED_ONLY))
        logs[condition] += bonus
        if prior[condition] <= 0:
            logs[condition] += 12.0  # said all the same: age or sex may be wrong
    child = evidence.patient.age is not None and evidence.patient.age < ADULT_FROM
    treats = tables.child if child else tables.adult
    if grown := evidence.patient.grown:
        mixed = grown * tables.adult + (1 - grown) * tables.child
        treats = np.asarray(mixed, dtype=np.float32)
    for place in evidence.departments:
        code = knowledge.entries.departments[place].code
        inside = [
            n for n, one in enumerate(knowledge.entries.departments)
            if one.code == code or one.code.startswith(code + ".")
        ]  # fmt: skip
        logs += LOG_DEPARTMENT * np.minimum(treats[:, inside].sum(axis=1), 1.0)
    logs -= logs.max()
    conditions = np.exp(logs)
    conditions /= conditions.sum()
    departments = conditions @ treats
    return Belief(conditions, departments / departments.sum(), treats)
