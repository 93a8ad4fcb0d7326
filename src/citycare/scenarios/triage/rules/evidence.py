"""From mentions to evidence: what counts, and how much."""

from __future__ import annotations

import math

from citycare.scenarios.triage.model.answer import Evidence
from citycare.scenarios.triage.model.heard import Heard, Kind, Mention, Said, When
from citycare.scenarios.triage.model.knowledge import Knowledge

VOLUNTEERED = 0.05  # who writes unasked of a thing seldom means something incidental
ANSWERED = 0.6
LOG_NAME = math.log(4000)  # naming a disease first thing, against anybody else naming it
LOG_DRUG = math.log(400)
LOG_TEST = math.log(600)
BACKGROUND = 0.45  # what was, what is only asked about, what runs in the family
FAMILY = 0.2  # so does what the record knows: it is seldom why somebody comes today


def evidence_of(
    knowledge: Knowledge, heard: Heard, answered: frozenset[int] = frozenset()
) -> Evidence:
    """Weigh what was heard.

    What holds now counts in full; the past and questions count by name only; the family counts
    little and never as a finding. Parents of a present finding say nothing more; children of an
    absent one are absent too.

    Source: ours.
    """
    present: dict[int, float] = {}
    absent: set[int] = set()
    unsure: set[int] = set()
    past: set[int] = set()
    for one in heard.mentions:
        if one.kind is not Kind.FINDING:
            continue
        if one.when is When.FAMILY:
            continue
        if one.said is Said.YES:
            present[one.index] = ANSWERED if one.index in answered else VOLUNTEERED
            if one.when is not When.NOW:
                past.add(one.index)
        elif one.said is Said.NO:
            absent.add(one.index)
        else:
            unsure.add(one.index)
    for index in list(present):
        for up in knowledge.ancestors[index]:
            present.pop(up, None)
            absent.discard(up)
    for index in list(absent):
        absent |= {down for down in knowledge.descendants[index] if down not in present}
    return Evidence(
        present=tuple(sorted(present.items())),
        absent=tuple(sorted(absent - present.keys())),
        unsure=tuple(sorted(unsure - present.keys())),
        names=_names(heard),
        cues=tuple(_cues(heard)),
        departments=tuple(
            dict.fromkeys(
                one.index for one in heard.mentions
                if one.kind is Kind.DEPARTMENT and one.when is not When.FAMILY
            )
        ),
        past=tuple(sorted(past)),
        days=heard.days,
        patient=heard.patient,
        severe=heard.severe,
    )  # fmt: skip


def _weight(one: Mention) -> float:
    if one.when in (When.FAMILY, When.RECORD):
        return FAMILY
    if one.when is When.PAST:
        return BACKGROUND
    return 1.0


def _names(heard: Heard) -> tuple[tuple[int, float], ...]:
    found: dict[int, float] = {}
    logs = {Kind.NAME: LOG_NAME, Kind.DRUG: LOG_DRUG, Kind.TEST: LOG_TEST}
    for one in heard.mentions:
        if one.kind in logs:
            found[one.index] = max(found.get(one.index, 0.0), logs[one.kind] * _weight(one))
    return tuple(sorted(found.items()))


def _cues(heard: Heard) -> list[tuple[int, float]]:
    found: dict[int, float] = {}
    for one in heard.mentions:
        if one.kind is Kind.CUE:
            weight = 1.0 if one.when in (When.NOW, When.ASKED, When.PAST) else FAMILY
            found[one.index] = max(found.get(one.index, 0.0), weight)
    return sorted(found.items())
