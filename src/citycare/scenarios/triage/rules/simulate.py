"""Playing patients against the triage: written ones with facts, and ones drawn from the network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from citycare.scenarios.triage.model.answer import Advice, Question
from citycare.scenarios.triage.model.dialogue import Answer
from citycare.scenarios.triage.model.heard import Kind, Said
from citycare.scenarios.triage.model.knowledge import Knowledge
from citycare.scenarios.triage.rules.advise import Triage
from citycare.scenarios.triage.rules.compiling import band_of

FIRST_WORDS_MAX = 3


class Dice(Protocol):
    """Chance, handed in: `random.Random` is one."""

    def random(self) -> float:
        """Return a number from 0 up to 1."""

    def choices(self, population: Any, weights: Any = None, *, k: int = 1) -> list[Any]:
        """Draw with weights."""


@dataclass(frozen=True, slots=True)
class Case:
    """A patient to play: first words, facts as sentences or findings, and what would be right."""

    id: str
    says: str
    age: float | None = None
    sex: str = ""
    facts: tuple[str, ...] = ()
    truth: Mapping[str, bool] = field(default_factory=dict)
    departments: tuple[str, ...] = ()
    urgency: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class Played:
    """How it went: the last advice, the questions asked in order, and the advice at first."""

    case: Case
    first: Advice
    last: Advice
    asked: tuple[str, ...]


def case_of(entry: Mapping[str, Any]) -> Case:
    """Read one line of a case file; `text` and `says` are the same.

    Source: `knowledge/cases/README.md`.
    """
    age = entry.get("age")
    return Case(
        id=str(entry.get("id", "")),
        says=str(entry.get("says") or entry.get("text") or ""),
        age=float(age) if age is not None else None,
        sex=entry.get("sex") or "",
        facts=tuple(entry.get("facts") or ()),
        departments=tuple(entry.get("departments") or ()),
        urgency=entry.get("urgency") or "",
        group=entry.get("group") or "",
    )


def truth_of(triage: Triage, case: Case) -> dict[str, bool]:
    """Understand a written patient's facts one by one: finding to there or not there.

    Source: ours. What the lexicon does not understand is not known to the player either.
    """
    findings = triage.knowledge.entries.findings
    truth: dict[str, bool] = dict(case.truth)
    for fact in (*case.facts, case.says):
        for one in triage.hear(fact).mentions:
            if one.kind is not Kind.FINDING or one.said is Said.UNSURE:
                continue
            there = one.said is Said.YES
            truth.setdefault(findings[one.index].id, there)
            if there:
                for up in triage.knowledge.ancestors[one.index]:
                    truth[findings[up].id] = True
    return truth


def play(triage: Triage, case: Case, noise: float = 0.0, dice: Dice | None = None) -> Played:
    """Let a patient go through the whole dialogue.

    What the patient does not know they have, they deny; with `noise` that share of answers is
    turned into 'not sure' or the opposite, half each.

    Source: ours.
    """
    truth = truth_of(triage, case)
    heard = triage.hear(case.says, age=case.age, sex=case.sex)
    answers: list[Answer] = []
    first = advice = triage.advise(heard)
    while advice.question is not None:
        answers.append(_answer(advice.question, truth, noise, dice))
        advice = triage.advise(heard, tuple(answers))
    return Played(case, first, advice, tuple(one.question for one in answers))


def _answer(
    question: Question, truth: Mapping[str, bool], noise: float, dice: Dice | None
) -> Answer:
    told = {name: truth.get(name, False) for name in question.findings}
    if dice is None or question.danger:
        return Answer(question.id, question.findings, tuple(n for n in told if told[n]))
    if not question.several and dice.random() < noise / 2:
        return Answer(question.id, question.findings, (), unsure=True)
    yes = tuple(name for name in told if told[name] is not (dice.random() < noise / 2))
    return Answer(question.id, question.findings, yes)


def draw(knowledge: Knowledge, number: int, dice: Dice) -> Case:
    """Draw a patient from the network: a condition, its findings, and words for some of them.

    Source: ours; one's own network flatters itself, so figures name these apart.
    """
    tables = knowledge.tables
    entries = knowledge.entries
    while True:
        age = dice.random() * 90
        female = dice.random() < 0.5  # noqa: PLR2004
        weights = tables.prior * tables.ages[band_of(age)] * tables.sexes[0 if female else 1]
        weights = np.where(tables.named_only, 0, weights)
        index = dice.choices(range(len(weights)), weights.tolist())[0]
        condition = entries.conditions[index]
        truth = {
            name: dice.random() < share
            for name, share in condition.findings.items()
        }  # fmt: skip
        said = [
            name for name, there in truth.items()
            if there and _plain(entries.findings[knowledge.finding[name]].words)
        ][:FIRST_WORDS_MAX]  # fmt: skip
        if said:
            break
    words = [
        dice.choices(_plain(entries.findings[knowledge.finding[name]].words))[0] for name in said
    ]
    treats = (tables.child if age < 14 else tables.adult)[index]  # noqa: PLR2004
    order = np.argsort(-treats)
    return Case(
        id=f"drawn-{number}",
        says="，".join(words),
        age=round(age, 1),
        sex="female" if female else "male",
        truth=truth,
        departments=tuple(
            entries.departments[n].code for n in order if treats[n] >= treats[order[0]] * 0.3
        ),
        urgency=condition.urgency,
    )


def _plain(words: Sequence[str]) -> list[str]:
    return [word for word in words if "~" not in word and "<" not in word]


def calibration(pairs: Sequence[tuple[float, bool]], bins: int = 10) -> float:
    """Return the expected calibration error of (probability, was right) pairs.

    Source: Naeini et al., AAAI 2015 (equal-width bins).
    """
    if not pairs:
        return 0.0
    total = 0.0
    for n in range(bins):
        inside = [
            (p, right) for p, right in pairs
            if n / bins <= p < (n + 1) / bins or (n == bins - 1 and p == 1)
        ]  # fmt: skip
        if inside:
            mean = sum(p for p, _ in inside) / len(inside)
            share = sum(right for _, right in inside) / len(inside)
            total += len(inside) * abs(mean - share)
    return total / len(pairs)


Tell = Callable[[int, int], None]
