"""Tests a doctor may want to think of; nothing is ordered by it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from citycare.scenarios.preconsult.model import Origin, Suggestion
from citycare.scenarios.preconsult.rules.choosing import fits_person
from citycare.scenarios.preconsult.rules.paper import Json, Paper, Question, link_of
from citycare.scenarios.preconsult.rules.summary import Answers, shown


def findings_of(paper: Paper, answers: Answers) -> dict[str, str]:
    """Return the findings that are there by the answers, each with the place that says so.

    Source: `knowledge/questionnaires/README.md`, `triage-finding`.
    """
    found: dict[str, str] = {}
    for path, given in answers.items():
        question = paper.questions.get(link_of(path))
        if question is None:
            continue
        if question.finding and any(one.get("valueBoolean") is True for one in given):
            found[question.finding] = path
        codes = {one["valueCoding"].get("code") for one in given if "valueCoding" in one}
        for option in question.options:
            if option.finding and option.code in codes:
                found[option.finding] = path
    return found


def denied_of(paper: Paper, answers: Answers, origins: Mapping[str, str]) -> set[str]:
    """Return the findings the answers say are not there: no, or not ticked by the patient.

    Source: as `findings_of`.
    """
    found: set[str] = set()
    for path, given in answers.items():
        question = paper.questions.get(link_of(path))
        if question is None or not given:
            continue
        if question.finding and given[0].get("valueBoolean") is False:
            found.add(question.finding)
        if question.options and origins.get(path, Origin.RESIDENT) == Origin.RESIDENT:
            codes = {one["valueCoding"].get("code") for one in given if "valueCoding" in one}
            found |= {one.finding for one in question.options if one.code not in codes}
    return found - {""}


def suggest(
    entries: Iterable[Mapping[str, Any]],
    paper: Paper,
    answers: Answers,
    origins: Mapping[str, str],
    *,
    told: Iterable[str] = (),
    age: float | None = None,
    sex: str = "",
) -> tuple[Suggestion, ...]:
    """Return the suggestions that fit, in the order of the file, with the answers they rest on.

    Args:
        entries: `suggestions` of the file.
        paper: the questionnaire answered.
        answers: place to its answers.
        origins: place to who said so.
        told: findings the triage heard that are there; what is answered here wins.
        age: in years, if known.
        sex: `female`, `male` or "".

    Source: `knowledge/questionnaires/README.md`, "Suggested tests"; each entry names its own.
    """
    there = dict.fromkeys(set(told) - denied_of(paper, answers, origins), "")
    there |= findings_of(paper, answers)
    by_link: dict[str, list[tuple[str, Sequence[Json]]]] = {}
    for path, given in answers.items():
        by_link.setdefault(link_of(path), []).append((path, given))
    found = []
    for one in entries:
        if not _fits(one, paper, there, age, sex):
            continue
        grounds = [_ground(wanted, paper, by_link, origins) for wanted in one.get("answers", ())]
        if not all(grounds):
            continue
        because = [there[name] for group in one.get("every", ()) for name in group if name in there]
        because += [path for path in grounds if path]
        found.append(_suggestion(one, because, paper, answers))
    return tuple(found)


def _fits(
    one: Mapping[str, Any], paper: Paper, there: Mapping[str, str], age: float | None, sex: str
) -> bool:
    if "questionnaires" in one and paper.id not in one["questionnaires"]:
        return False
    if not there.keys().isdisjoint(one.get("none", ())):
        return False
    if not fits_person(one, age, sex):
        return False
    return all(not there.keys().isdisjoint(group) for group in one.get("every", ()))


def _ground(
    wanted: Mapping[str, Any],
    paper: Paper,
    by_link: Mapping[str, list[tuple[str, Sequence[Json]]]],
    origins: Mapping[str, str],
) -> str:
    """Return the place of an answer that fits, or "" where none does."""
    for path, given in by_link.get(wanted["link"], ()):
        if paper.questions.get(wanted["link"]) and any(
            _holds(wanted, given, origins.get(path, ""))
        ):
            return path
    return ""


def _holds(wanted: Mapping[str, Any], given: Sequence[Json], origin: str) -> Iterator[bool]:
    codes = {one["valueCoding"].get("code") for one in given if "valueCoding" in one}
    if "lacks" in wanted:
        yield bool(given) and origin in ("", Origin.RESIDENT) and wanted["lacks"] not in codes
    if "is" in wanted:
        yield not codes.isdisjoint(wanted["is"])
    numbers = [float(number) for one in given for number in _numbers(one)]
    limits: dict[str, Callable[[float, float], bool]] = {
        "at_least": lambda number, limit: number >= limit,
        "below": lambda number, limit: number < limit,
    }
    for name, compare in limits.items():
        if name in wanted:
            yield any(compare(number, float(wanted[name])) for number in numbers)


def _numbers(answer: Json) -> Iterator[Any]:
    for name in ("valueInteger", "valueDecimal"):
        if name in answer:
            yield answer[name]
    if "value" in answer.get("valueQuantity", {}):
        yield answer["valueQuantity"]["value"]


def _suggestion(
    one: Mapping[str, Any], because: Iterable[str], paper: Paper, answers: Answers
) -> Suggestion:
    words = []
    for path in dict.fromkeys(path for path in because if path):
        question: Question = paper.questions[link_of(path)]
        words.append(f"{question.text} {shown(question, answers[path])}")
    return Suggestion(
        id=str(one["id"]),
        tests=tuple(one["tests"]),
        tests_en=tuple(one["en"]),
        why=str(one["why"]),
        source=str(one["source"]),
        because=tuple(words),
    )
