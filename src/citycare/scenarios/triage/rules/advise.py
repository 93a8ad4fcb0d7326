"""One turn: red flags first, then belief, then what to say and what to ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from citycare.scenarios.triage.model.answer import Advice, Alarm, Evidence, Question, Suggested
from citycare.scenarios.triage.model.dialogue import Answer, Dialogue
from citycare.scenarios.triage.model.entries import URGENCIES, Urgency
from citycare.scenarios.triage.model.heard import Heard, Kind, Mention, Patient, Said, When
from citycare.scenarios.triage.model.knowledge import Floats, Knowledge
from citycare.scenarios.triage.rules import ask, flags
from citycare.scenarios.triage.rules.evidence import evidence_of
from citycare.scenarios.triage.rules.lexicon import Lexicon
from citycare.scenarios.triage.rules.reason import ADULT_FROM, Belief, believe
from citycare.scenarios.triage.rules.understand import understand, with_answers

SHOWN = 3
WHOLE_LIKELIER = 2.0
SHARPNESS = 0.65
NOT_SURE = 0.4
CALIBRATION = (1.8, 0.85)
URGENT_SHARE = {Urgency.TODAY: 0.5, Urgency.WEEK: 0.4, Urgency.ROUTINE: 0.35}
GP_SHARE = 0.6
REASONS = 4
CHANGE_OF_ODDS = 1.25
EMERGENCY = "20"
PREGNANT = "pregnant"
ALARM = "alarm"  # the kind of findings that are for red flags only
GENERAL_PRACTICE = "02"
MENTAL = "mental"
PROPOSED = "proposed"
TICK = "下面这些，有吗？有的都点上。"
ALSO = "also-"  # several findings at once; the number tells the questions apart


class Triage:
    """The knowledge and its lexicon, ready to answer. Holds no state of anybody."""

    def __init__(self, knowledge: Knowledge) -> None:
        self.knowledge = knowledge
        self.lexicon = Lexicon(knowledge.entries)
        self._parts = _parts(knowledge)

    def hear(
        self, text: str, *, age: float | None = None, sex: str = "", history: Sequence[str] = ()
    ) -> Heard:
        """Understand a first message; `history` are lines of the record, illnesses and medicines.

        Of the history only what lasts counts, and less than what is said today.
        """
        heard = understand(self.knowledge, self.lexicon, text, age=age, sex=sex)
        known = {(one.kind, one.index) for one in heard.mentions}
        more = [one for one in self._recalled(history) if (one.kind, one.index) not in known]
        return replace(heard, mentions=(*heard.mentions, *more)) if more else heard

    def _recalled(self, history: Sequence[str]) -> list[Mention]:
        findings = self.knowledge.entries.findings
        found: dict[tuple[Kind, int], Mention] = {}
        for line in history:
            for one in understand(self.knowledge, self.lexicon, line).mentions:
                lasting = one.kind in (Kind.NAME, Kind.DRUG) or (
                    one.kind is Kind.FINDING
                    and (
                        findings[one.index].kind == "history" or findings[one.index].id == PREGNANT
                    )
                )
                if lasting and one.said is Said.YES:
                    found[one.kind, one.index] = replace(one, when=When.RECORD, words=line)
        return list(found.values())

    def hear_again(self, one: Dialogue) -> Heard:
        """Understand the first message of a dialogue, as it was when it began."""
        return self.hear(one.text, age=one.age_years, sex=one.sex, history=one.history)

    def with_answers(self, heard: Heard, answers: tuple[Answer, ...]) -> Heard:
        """Add what was answered since; findings this knowledge does not know are passed over."""
        return with_answers(heard, tuple(_mentions(self.knowledge, answers)))

    def advise(
        self, heard: Heard, answers: tuple[Answer, ...] = (), proposed: tuple[str, ...] = ()
    ) -> Advice:
        """Answer one turn: what was said first and what was answered since.

        Answers about findings this knowledge does not know are passed over (it may have changed
        in between). Findings `proposed` by somebody else, as a language model, are only asked for.
        """
        knowledge = self.knowledge
        heard = self.with_answers(heard, answers)
        told = frozenset(
            knowledge.finding[name]
            for one in answers for name in one.findings if name in knowledge.finding
        )  # fmt: skip
        alarms = flags.alarms(knowledge, heard)
        evidence = evidence_of(knowledge, heard, told)
        belief = believe(knowledge, evidence, SHARPNESS)
        urgent = [one for one in alarms if one.urgency is Urgency.NOW]
        if urgent:
            return self._stop(alarms, heard, evidence, belief)
        question = None
        if not heard.odd and len(answers) < ask.QUESTIONS_MAX:
            question = self._proposed(heard, answers, proposed) or self._question(
                heard, evidence, belief, told, answers
            )
        departments = self._departments(evidence, belief)
        sure = not heard.odd and departments[0].probability >= NOT_SURE
        return Advice(
            departments=departments,
            urgency=self._urgency(belief, alarms, heard),
            alarms=alarms,
            question=question,
            sure=sure,
            gp=self._gp(belief),
            intents=self._intents(heard),
            odd=heard.odd,
        )

    def behind(self, heard: Heard, count: int = 8) -> tuple[tuple[int, float], ...]:
        """Return the likeliest conditions (places and probabilities), for clinicians only."""
        belief = believe(self.knowledge, evidence_of(self.knowledge, heard), SHARPNESS)
        order = np.argsort(-belief.conditions)[:count]
        return tuple((int(n), float(belief.conditions[n])) for n in order)

    def _stop(
        self, alarms: tuple[Alarm, ...], heard: Heard, evidence: Evidence, belief: Belief
    ) -> Advice:
        """Say at once where to go; what else is likely stands behind."""
        group = {one.id: one.group for one in self.knowledge.entries.red_flags}
        crisis = any(group[one.id] == MENTAL for one in alarms)
        rest = self._departments(evidence, belief)
        first = self.knowledge.entries.departments[self.knowledge.department[EMERGENCY]]
        emergency = Suggested(first.code, first.name, 1.0)
        return Advice(
            departments=(emergency, *[one for one in rest if one.code != EMERGENCY][: SHOWN - 1]),
            urgency=Urgency.NOW,
            alarms=alarms,
            sure=True,
            intents=self._intents(heard),
            crisis=crisis,
        )

    def _departments(self, evidence: Evidence, belief: Belief) -> tuple[Suggested, ...]:
        entries = self.knowledge.entries
        patient = evidence.patient
        share = belief.departments.copy()
        for n, one in enumerate(entries.departments):
            if (one.sex and patient.sex and one.sex != patient.sex) or (
                patient.age is not None and not one.age_min <= patient.age <= one.age_max
            ):
                share[n] = 0
        told = any(self.knowledge.tables.told[f] for f, _ in evidence.present)
        if not (told or evidence.names or evidence.cues or evidence.departments):
            share[self._first_port_of_call(patient)] += 1.0
        total = float(share.sum())
        share = calibrated(share / total if total > 0 else belief.departments)
        return tuple(
            Suggested(
                entries.departments[n].code,
                entries.departments[n].name,
                round(likely, 4),
                *self._reasons(evidence, belief, parts),
            )
            for n, likely, parts in self._shown(share)
        )

    def _shown(self, share: Floats) -> list[tuple[int, float, list[int]]]:
        """The likeliest departments, each with its share and the places of its parts.

        In place of the last one its betters' whole, where that is much likelier: who has a trouble
        of internal medicine that fits no one part of it is better off with 内科 than with a guess.
        """
        best = [int(n) for n in np.argsort(-share)[:SHOWN]]
        shown = [(n, float(share[n]), [n]) for n in best]
        if len(best) < SHOWN:
            return shown
        wholes = [
            (float(share[rest].sum()), whole, rest)
            for whole, parts in self._parts.items() if whole not in best
            for rest in ([n for n in parts if n not in best[:-1] and share[n] > 0],)
        ]  # fmt: skip
        likely, whole, rest = max(wholes, default=(0.0, 0, []))
        if likely > WHOLE_LIKELIER * shown[-1][1]:
            shown[-1] = (whole, likely, rest)
            shown[1:] = sorted(shown[1:], key=lambda one: -one[1])
        return shown

    def _first_port_of_call(self, patient: Patient) -> int:
        """Where somebody goes of whom nothing is known: general practice, children to theirs."""
        general = self.knowledge.department[GENERAL_PRACTICE]
        child = self.knowledge.entries.departments[general].child
        small = patient.age is not None and patient.age < ADULT_FROM
        return self.knowledge.department[child] if small and child else general

    def _reasons(
        self, evidence: Evidence, belief: Belief, departments: list[int]
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What of the findings makes the departments likelier: those there and those not."""
        tables = self.knowledge.tables
        inside = belief.treats[:, departments].sum(axis=1) * belief.conditions
        if inside.sum() <= 0:
            return (), ()
        inside = inside / inside.sum()
        names = self.knowledge.entries.findings
        here = [(float(tables.share[f] @ inside) / tables.base[f], f) for f, _ in evidence.present]
        gone = [
            (float((1 - tables.share[f]) @ inside) / float((1 - tables.share[f]) @ tables.prior), f)
            for f in evidence.absent
            if self.knowledge.ancestors[f].isdisjoint(evidence.absent)
        ]
        because = [
            names[f].id for odds, f in sorted(here, reverse=True)
            if odds > CHANGE_OF_ODDS and names[f].kind != ALARM
        ]  # fmt: skip
        without = [names[f].id for odds, f in sorted(gone, reverse=True) if odds > 1]
        return tuple(because[:REASONS]), tuple(without[:2])

    def _proposed(
        self, heard: Heard, answers: tuple[Answer, ...], proposed: tuple[str, ...]
    ) -> Question | None:
        """Ask, before all else, for what was proposed and is not known yet."""
        if any(one.question == PROPOSED for one in answers):
            return None
        known = {one.index for one in heard.mentions if one.kind is Kind.FINDING}
        findings = self.knowledge.entries.findings
        names = tuple(
            name for name in proposed
            if (n := self.knowledge.finding.get(name)) is not None
            and n not in known and findings[n].ask
        )  # fmt: skip
        return Question(PROPOSED, TICK, names[: ask.TOGETHER]) if names else None

    def _question(
        self, heard: Heard, evidence: Evidence, belief: Belief, told: frozenset[int],
        answers: tuple[Answer, ...],
    ) -> Question | None:  # fmt: skip
        findings = self.knowledge.entries.findings
        names = tuple(findings[n].id for n in told)
        if not any(one.question == "danger" for one in answers):
            danger = flags.to_ask(self.knowledge, heard, names, belief)
            if danger:
                return Question("danger", "下面这些，现在有吗？", danger, danger=True)
        if ask.is_sure(belief) or _in_vain(answers):
            return None
        best = ask.next_questions(self.knowledge, evidence, belief, told, SHARPNESS)
        if not best:
            return None
        if len(best) == 1:
            one = findings[best[0]]
            return Question(one.id, one.ask, (one.id,))
        names = tuple(findings[n].id for n in best)
        return Question(f"{ALSO}{len(answers)}", TICK, names)

    def _urgency(self, belief: Belief, alarms: tuple[Alarm, ...], heard: Heard) -> Urgency:
        """The most urgent level likely enough; doubt goes up, not down."""
        share = belief.conditions @ self.knowledge.tables.urgency
        share = np.cumsum(share)
        found = Urgency.SELF_CARE
        for level, least in URGENT_SHARE.items():
            if share[URGENCIES.index(level)] >= least:
                found = level
                break
        if heard.odd:
            found = Urgency.ROUTINE
        for alarm in alarms:
            if URGENCIES.index(alarm.urgency) < URGENCIES.index(found):
                found = alarm.urgency
        return found

    def _gp(self, belief: Belief) -> bool:
        enough = np.array([one.gp for one in self.knowledge.entries.conditions])
        return bool(belief.conditions[enough].sum() >= GP_SHARE)

    def _intents(self, heard: Heard) -> tuple[str, ...]:
        cues = self.knowledge.entries.cues
        found = [
            cues[one.index].intent for one in heard.mentions
            if one.kind is Kind.CUE and cues[one.index].intent
        ]  # fmt: skip
        return tuple(dict.fromkeys(found))


def _parts(knowledge: Knowledge) -> dict[int, list[int]]:
    """Main departments that have parts (03 内科: 03.01 呼吸内科 …), each with itself and these."""
    found: dict[int, list[int]] = {}
    for code, place in knowledge.department.items():
        inside = [n for other, n in knowledge.department.items() if other.startswith(f"{code}.")]
        if len(inside) > 1:
            found[place] = [place, *inside]
    return found


def _in_vain(answers: tuple[Answer, ...]) -> bool:
    """Tell whether the last lists to tick brought nothing: who has no more to say is let go."""
    last = answers[-ask.IN_VAIN_MAX :]
    return len(last) == ask.IN_VAIN_MAX and not any(one.yes or one.unsure for one in last)


def calibrated(share: Floats) -> Floats:
    """Make of the shares of departments [D] how often each is right; order and sum stay.

    More than one department is right for many conditions, so small shares are right more often
    than they say; and no knowledge is complete, so great ones less often.

    Source: ours, fitted on written patients (docs/scenarios/triage.md).
    """
    top = float(share.max())
    first = top * (CALIBRATION[0] - CALIBRATION[1] * top)
    if top >= 1 or first >= 1:
        return share
    made = share * ((1 - first) / (1 - top))
    made[int(share.argmax())] = first
    return np.asarray(made, dtype=np.float32)


def _mentions(knowledge: Knowledge, answers: tuple[Answer, ...]) -> list[Mention]:
    made: list[Mention] = []
    for one in answers:
        for name in one.findings:
            if name not in knowledge.finding:
                continue
            said = Said.YES if name in one.yes else Said.UNSURE if one.unsure else Said.NO
            made.append(Mention(Kind.FINDING, knowledge.finding[name], said, When.NOW, "", 0))
    return made
