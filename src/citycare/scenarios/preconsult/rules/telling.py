"""What the triage left in the record, and the answers that follow from it.

Source: `knowledge/questionnaires/README.md`; HL7 FHIR R4 QuestionnaireResponse.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from citycare.kit import clock
from citycare.scenarios.preconsult.model import Told
from citycare.scenarios.preconsult.rules.paper import Json, Option, Paper, Question

DIALOGUE = "urn:citycare:triage:dialogue"
FINDING = "finding/"
DAY_S = 86_400


def is_told(response: Json) -> bool:
    """Tell whether a QuestionnaireResponse is a dialogue of the triage.

    Source: `citycare.scenarios.triage`, FHIR of its card: the identifier's system.
    """
    identifier = response.get("identifier")
    return isinstance(identifier, Mapping) and identifier.get("system") == DIALOGUE


def told_of(response: Json, on: datetime | None) -> Told:
    """Read a dialogue: its words, how long, what is there and what is not, wishes.

    Source: `citycare.scenarios.triage`, items `complaint`, `finding/<id>`, `days`, `intents`.
    """
    words, days = "", None
    yes: set[str] = set()
    no: set[str] = set()
    intents: set[str] = set()
    for item in response.get("item", ()):
        link, answers = str(item.get("linkId", "")), item.get("answer", ())
        first = answers[0] if answers else {}
        if link == "complaint":
            words = str(first.get("valueString", ""))
        elif link == "days" and "valueDecimal" in first:
            days = float(first["valueDecimal"])
        elif link == "intents":
            intents |= {str(one["valueString"]) for one in answers if "valueString" in one}
        elif link.startswith(FINDING) and "valueBoolean" in first:
            (yes if first["valueBoolean"] else no).add(link.removeprefix(FINDING))
    return Told(words, days, frozenset(yes), frozenset(no), frozenset(intents), on)


def told_as_json(told: Told) -> Json:
    """Write what was told as it is kept with the interview.

    Source: ours.
    """
    return {
        "words": told.words,
        "days": told.days,
        "yes": sorted(told.yes),
        "no": sorted(told.no),
        "intents": sorted(told.intents),
        "on": told.on.isoformat() if told.on else None,
    }


def told_from_json(kept: Mapping[str, Any]) -> Told:
    """Read what `told_as_json` wrote.

    Source: ours.
    """
    return Told(
        words=str(kept.get("words", "")),
        days=None if kept.get("days") is None else float(kept["days"]),
        yes=frozenset(kept.get("yes", ())),
        no=frozenset(kept.get("no", ())),
        intents=frozenset(kept.get("intents", ())),
        on=datetime.fromisoformat(kept["on"]) if kept.get("on") else None,
    )


def days_now(told: Told, now: datetime) -> float | None:
    """Return how many days it has lasted by now: as told then, and what has passed since.

    Who says "three days" counts days of the calendar, not hours; who says "an hour" does.

    Source: ours.
    """
    if told.days is None or told.on is None or now <= told.on:
        return told.days
    if told.days < 1:
        return told.days + (now - told.on).total_seconds() / DAY_S
    return told.days + (clock.day_of(now) - clock.day_of(told.on)).days


def answers_told(
    paper: Paper, told: Told, now: datetime, known: Mapping[str, Sequence[Json]]
) -> dict[str, list[Json]]:
    """Return the answers that follow from the triage, by linkId; `known` is there already.

    Only outside repeating groups. A finding there is yes, one that is not there is no; of options
    those there are ticked beside what is known. Silence answers nothing.

    Source: `knowledge/questionnaires/README.md`, `triage-finding`, `triage-value`, `triage-days`.
    """
    found: dict[str, list[Json]] = {}
    for link, question in paper.questions.items():
        if not question.group:
            answer = _answer(question, told, days_now(told, now), known.get(link, ()))
            if answer:
                found[link] = answer
    return found


def is_known(question: Question, told: Told) -> bool:
    """Tell whether triage knows all of a question of several options.

    Source: `knowledge/questionnaires/README.md`, rule 3.
    """
    heard = told.yes | told.no
    return all(one.finding in heard for one in question.options if not one.exclusive)


def _answer(
    question: Question, told: Told, days: float | None, known: Iterable[Json]
) -> list[Json]:
    already = list(known)
    if question.type == "boolean":
        if already or question.finding not in told.yes | told.no:
            return []
        return [{"valueBoolean": question.finding in told.yes}]
    if question.told == "words":
        return [{"valueString": told.words}] if told.words and not already else []
    if question.told == "days":
        fitting = _fitting(question.options, days)
        return [{"valueCoding": fitting.coding}] if fitting and not already else []
    if question.type != "choice":
        return []
    return _ticked(question, told, already)


def _fitting(options: Iterable[Option], days: float | None) -> Option | None:
    if days is None:
        return None
    return next((one for one in options if one.days is not None and days <= one.days), None)


def _ticked(question: Question, told: Told, already: list[Json]) -> list[Json]:
    codes = {one["valueCoding"].get("code") for one in already if "valueCoding" in one}
    there = [one for one in question.options if one.finding and one.finding in told.yes]
    if not question.repeats:
        return [{"valueCoding": there[0].coding}] if len(there) == 1 and not already else []
    new = [one for one in there if one.code not in codes]
    if new:
        return [*already, *({"valueCoding": one.coding} for one in new)]
    none = next((one for one in question.options if one.exclusive), None)
    if not already and none is not None and is_known(question, told):
        return [{"valueCoding": none.coding}]
    return []
