"""Which questionnaire a visit gets: the first rule all of whose conditions hold."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Case:
    """What is known of a visit. `age` in years; None and "" are not known."""

    department: str = ""
    age: float | None = None
    sex: str = ""
    findings: frozenset[str] = frozenset()
    intents: frozenset[str] = frozenset()


def choose(rules: Iterable[Mapping[str, Any]], case: Case, there: Collection[str]) -> str:
    """Return the id of the questionnaire, of those that are `there`; "" where no rule holds.

    A condition that is not written does not matter; age or sex that is not known fits none that is.

    Source: `knowledge/questionnaires/README.md`, "Which questionnaire"; `choose.yaml`.
    """
    return next(
        (
            str(one["questionnaire"])
            for one in rules
            if one["questionnaire"] in there and holds(one, case)
        ),
        "",
    )


def holds(rule: Mapping[str, Any], case: Case) -> bool:
    """Tell whether all conditions of a rule hold.

    Source: as `choose`; a department takes in those below it, ages are [from, to) in years.
    """
    if "departments" in rule and not any(
        within(case.department, one) for one in rule["departments"]
    ):
        return False
    if "findings" in rule and case.findings.isdisjoint(rule["findings"]):
        return False
    if "intents" in rule and case.intents.isdisjoint(rule["intents"]):
        return False
    return fits_person(rule, case.age, case.sex)


def fits_person(rule: Mapping[str, Any], age: float | None, sex: str) -> bool:
    """Tell whether a rule's age [from, to) and sex fit a person.

    Source: `knowledge/questionnaires/README.md`.
    """
    if "age" in rule and (age is None or not rule["age"][0] <= age < rule["age"][1]):
        return False
    return "sex" not in rule or rule["sex"] == sex


def within(code: str, above: str) -> bool:
    """Tell whether a department is another or below it (03.04 is within 03, 50.10 not within 5).

    Source: 《医疗机构诊疗科目名录》 (卫医发〔1994〕第27号), codes by level.
    """
    return code == above or code.startswith(above + ".")
