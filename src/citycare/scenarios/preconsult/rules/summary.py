"""The answers as a doctor reads them: fragments that each lead to the answers they rest on.

Nothing is told that was not answered. Source: `knowledge/questionnaires/README.md`, "What the
doctor reads"; the order of a case history: 《病历书写基本规范》 (卫医政发〔2010〕11号) art 18.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from citycare.scenarios.preconsult.model import Fragment, Origin, Said, Section
from citycare.scenarios.preconsult.rules.paper import (
    Json,
    Option,
    Paper,
    Question,
    group_of,
    link_of,
)

SECTIONS = {
    "chief": "主诉",
    "present": "现病史",
    "past": "既往史",
    "medicine": "用药",
    "allergy": "过敏史",
    "family": "家族史",
    "social": "个人史",
}
LINE_STOP = "。"
LIST_COMMA = "、"
COMMA = "，"
STOPS = "。！？.!?；;，, \n\t"

Answers = Mapping[str, Sequence[Json]]


def sections_of(
    paper: Paper,
    answers: Answers,
    origins: Mapping[str, str],
    told: Mapping[str, Json] | None = None,
) -> tuple[Section, ...]:
    """Return the case history: sections in their order, those without a word left out.

    Args:
        paper: the questionnaire that was answered.
        answers: place to its answers, as `Filling.answers()`.
        origins: place to who said so; a place that is not named was answered by the patient.
        told: questions' units by linkId: the Coding of what a plain number counts.

    Source: `knowledge/questionnaires/README.md`, "What the doctor reads".
    """
    found: dict[str, list[Fragment]] = {code: [] for code in SECTIONS}
    units = told or {}
    repetition: dict[str, tuple[str, int]] = {}
    for path, given in answers.items():
        question = paper.questions.get(link_of(path))
        if question is None or question.section not in found:
            continue
        origin = Origin(origins.get(path, Origin.RESIDENT))
        into = found[question.section]
        said = [one for one in given if str(one.get("valueString", "-")).strip(STOPS)]
        told_now = _fragments(question, path, said, origin, units.get(question.link_id))
        group = group_of(path)
        for one in told_now:
            at = repetition.get(group) if group else None
            if at is not None and at[0] == question.section:
                before = into[at[1]]
                words = f"{before.words}{COMMA}{one.words}"
                into[at[1]] = replace(before, words=words, said=(*before.said, *one.said))
                continue
            into.append(one)
            if group:
                repetition[group] = (question.section, len(into) - 1)
    return tuple(Section(code, tuple(parts)) for code, parts in found.items() if parts)


def text_of(sections: Iterable[Section]) -> str:
    """Write a case history as text: one line a section, its name before it.

    Source: 《病历书写基本规范》 (卫医政发〔2010〕11号) art 18, names of the parts.
    """
    lines = []
    for section in sections:
        words = (one.words.strip(STOPS) for one in section.fragments)
        lines.append(f"{SECTIONS[section.code]}：{COMMA.join(words)}{LINE_STOP}")
    return "\n".join(lines)


def shown(question: Question, given: Sequence[Json], unit: Json | None = None) -> str:
    """Write answers as they were given: texts of options, yes and no, numbers with units.

    Source: ours.
    """
    return LIST_COMMA.join(_plain(question, one, unit) for one in given)


def _fragments(
    question: Question, path: str, given: Sequence[Json], origin: Origin, unit: Json | None
) -> list[Fragment]:
    said = Said(path, question.link_id, question.text, shown(question, given, unit), origin)
    if not given:
        return []
    if question.value:
        parts = (_own_words(question, one, unit) for one in given)
        words = question.value.replace("{}", LIST_COMMA.join(one for one in parts if one), 1)
        return [Fragment(words, (said,))]
    if question.type == "boolean":
        there = given[0].get("valueBoolean") is True
        words = question.yes if there else question.no
        return [Fragment(words, (said,), negative=not there)] if words else []
    return [
        Fragment(words, (said,), negative=negative)
        for words, negative in _options(question, given, origin)
    ]


def _options(
    question: Question, given: Sequence[Json], origin: Origin
) -> Iterable[tuple[str, bool]]:
    """Yield the words of what was chosen; of what was not, if the patient had it to choose."""
    codes = {one["valueCoding"].get("code") for one in given if "valueCoding" in one}
    for one in question.options:
        if one.code in codes and (one.yes or not one.exclusive):
            yield one.yes or one.text, False
    if origin is Origin.RESIDENT:
        for one in question.options:
            if one.code not in codes and one.no:
                yield one.no, True


def _own_words(question: Question, answer: Json, unit: Json | None) -> str:
    option = _option(question, answer)
    if option is not None and option.yes:
        return option.yes
    return _plain(question, answer, unit)


def _plain(question: Question, answer: Json, unit: Json | None) -> str:
    option = _option(question, answer)
    if option is not None:
        return option.text
    found = ((n, v) for n, v in answer.items() if n.startswith("value"))
    name, value = next(found, ("", None))
    if name == "valueBoolean":
        return "是" if value else "否"
    if isinstance(value, dict) and name == "valueCoding":
        return str(value.get("display") or value.get("code") or "")
    if isinstance(value, dict):
        return f"{value.get('value', '')} {value.get('unit') or value.get('code') or ''}".strip()
    if name == "valueString":
        return " ".join(str(value).split()).strip(STOPS) or str(value).strip()
    counted = (unit or {}).get("display") or (unit or {}).get("code") or ""
    return f"{value} {counted}".strip() if name in ("valueInteger", "valueDecimal") else str(value)


def _option(question: Question, answer: Json) -> Option | None:
    code = answer["valueCoding"].get("code") if "valueCoding" in answer else None
    return next((one for one in question.options if code and one.code == code), None)
