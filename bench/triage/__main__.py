"""Measure the triage: `./run bench triage [consult internal patients drawn alarms speed]`."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable

from bench import publish
from bench.triage import truth
from bench.triage.speed import speed
from bench.triage.truth import Judged
from citycare.scenarios.triage.model.entries import Urgency
from citycare.scenarios.triage.rules import simulate
from citycare.scenarios.triage.rules.advise import Triage
from citycare.scenarios.triage.service.knowledge import load

Figures = dict[str, float]
KNOWLEDGE = truth.ROOT / "knowledge"
DRAWN = 1000


def consult(triage: Triage) -> Figures:
    """Real first messages of online consultations, any department."""
    accepted = truth.labels("consultations")
    cases = truth.lines_of(truth.OUTSIDE / "consultations_dev.jsonl")
    judged = [
        _judge(triage, case["text"], label, accepted[label])
        for case in cases if (label := case["second_department"]) in accepted
    ]  # fmt: skip
    return _figures("consult", judged)


def internal(triage: Triage) -> Figures:
    """Questions to internal medicine, title and text."""
    accepted = truth.labels("internal_medicine")
    cases = truth.lines_of(truth.OUTSIDE / "internal_medicine_dev.jsonl")
    judged = [
        _judge(triage, f"{case['title']}\n{case['text']}", label, accepted[label])
        for case in cases if (label := case["department"]) in accepted
    ]  # fmt: skip
    return _figures("internal", judged)


def _judge(triage: Triage, text: str, label: str, accepted: truth.Label) -> Judged:
    advice = triage.advise(triage.hear(text))
    rest = [one for one in advice.departments if not advice.alarms or one.code != "20"]
    shown = list(advice.departments)
    right = [accepted.takes(one.code) for one in shown]
    return Judged(
        text, label, tuple(one.code for one in shown), (rest or shown)[0].probability,
        right[0], any(right),
    )  # fmt: skip


def _figures(name: str, judged: list[Judged]) -> Figures:
    truth.write_report(name, judged)
    return {
        f"{name}_top1": truth.share(one.first for one in judged),
        f"{name}_top3": truth.share(one.three for one in judged),
        f"{name}_ece": simulate.calibration([(one.probability, one.first) for one in judged]),
    }


def patients(triage: Triage) -> Figures:
    """Written patients, who answer questions from their facts."""
    cases = [
        simulate.case_of(entry)
        for path in sorted(truth.CASES.glob("patients_*.jsonl"))
        for entry in truth.lines_of(path)
    ]
    return _simulated("sim", triage, cases, noise=0.05)


def drawn(triage: Triage) -> Figures:
    """Patients drawn from our own network: a check of the inference, not of the knowledge."""
    dice = random.Random(20261128)
    cases = [simulate.draw(triage.knowledge, n, dice) for n in range(DRAWN)]
    return _simulated("drawn", triage, cases, noise=0.05)


def _simulated(name: str, triage: Triage, cases: list[simulate.Case], noise: float) -> Figures:
    dice = random.Random(7)
    played = [simulate.play(triage, case, noise, dice) for case in cases]
    judged = []
    for one in played:
        codes = tuple(suggested.code for suggested in one.last.departments)
        right = [code in one.case.departments for code in codes]
        judged.append(
            Judged(one.case.says, one.case.departments[0], codes,
                   one.last.departments[0].probability, right[0], any(right))
        )  # fmt: skip
    truth.write_report(name, judged)
    asked = [len(one.asked) for one in played]
    return {
        f"{name}_top1": truth.share(one.first for one in judged),
        f"{name}_top3": truth.share(one.three for one in judged),
        f"{name}_first_top3": truth.share(
            any(s.code in one.case.departments for s in one.first.departments) for one in played
        ),
        f"{name}_questions_mean": sum(asked) / len(asked),
        f"{name}_questions_max": max(asked),
        "ece" if name == "sim" else f"{name}_ece": simulate.calibration(
            [(one.probability, one.first) for one in judged]
        ),
    }


def alarms(triage: Triage) -> Figures:
    """Emergencies and their harmless look-alikes, from the first message alone.

    Those held back were never mended on: what to expect of the next person's words.
    """
    figures: Figures = {}
    for key, name, wanted in (
        ("red_flag_recall", "emergencies", True),
        ("false_alarm", "lookalikes", False),
        ("red_flag_recall_held", "held_emergencies", True),
        ("false_alarm_held", "held_lookalikes", False),
    ):
        missed, stopped = [], []
        plain = []
        for entry in truth.lines_of(truth.CASES / f"{name}.jsonl"):
            case = simulate.case_of(entry)
            advice = triage.advise(triage.hear(case.says, age=case.age, sex=case.sex))
            now = advice.urgency is Urgency.NOW
            stopped.append(now)
            if entry.get("manner") == "plain":
                plain.append(now)
            if now is not wanted:
                missed.append({**entry, "alarms": [one.id for one in advice.alarms]})
        figures[key] = truth.share(stopped)
        if plain:
            figures[f"{key}_plain"] = truth.share(plain)
        truth.REPORT.mkdir(parents=True, exist_ok=True)
        text = "\n".join(json.dumps(one, ensure_ascii=False) for one in missed)
        (truth.REPORT / f"{name}-failed.jsonl").write_text(text + "\n", encoding="utf8")
    return figures


PHASES: dict[str, Callable[[Triage], Figures]] = {
    "consult": consult,
    "internal": internal,
    "patients": patients,
    "drawn": drawn,
    "alarms": alarms,
    "speed": speed,
}
OUTSIDE_ONLY = ("consult", "internal")


def main() -> None:
    """Measure, print one JSON object on the last line, keep it in docs/performance.md."""
    wanted = sys.argv[1:] or list(PHASES)
    triage = load(KNOWLEDGE)
    figures: Figures = {}
    for name in wanted:
        if name in OUTSIDE_ONLY and not truth.OUTSIDE.exists():
            print(f"· {name}: left out, the outside texts are not here", file=sys.stderr)
            continue
        print(f"· {name}", file=sys.stderr)
        figures |= PHASES[name](triage)
    result = {
        "bench": "triage",
        "figures": {name: round(value, 4) for name, value in figures.items()},
        "ratios": {},
    }
    if not sys.argv[1:]:
        publish.keep(result)
    print(f"confusion tables and failed cases: {truth.REPORT}", file=sys.stderr)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
