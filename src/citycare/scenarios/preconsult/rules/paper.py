"""What a questionnaire of ours says beside FHIR: findings it asks for, words for the doctor.

Source: `knowledge/questionnaires/README.md`; HL7 FHIR R4 §2.4 Questionnaire.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
OWN = "https://citycare.example/fhir/StructureDefinition/"
FINDING, TOLD, TOLD_DAYS, SUMMARY = (
    OWN + name for name in ("triage-finding", "triage-value", "triage-days", "summary")
)
EXCLUSIVE = "http://hl7.org/fhir/StructureDefinition/questionnaire-optionExclusive"
DANGER = "danger"  # linkId of the list of what must not wait


@dataclass(frozen=True, slots=True)
class Option:
    """One answer that is offered: the Coding, the finding it asks for, words for the doctor."""

    coding: Json
    text: str
    finding: str = ""
    yes: str = ""
    no: str = ""
    days: float | None = None
    exclusive: bool = False

    @property
    def code(self) -> str:
        """Its code."""
        return str(self.coding.get("code", ""))


@dataclass(frozen=True, slots=True)
class Question:
    """One question: what it asks for and how its answer is told.

    Attributes:
        told: what else triage knows of it: `words` or `days`; "" for nothing.
        section: of the case history.
        yes, no, value: the words, `{}` in `value` stands for the answer.
        group: linkId of the repeating group it stands in, or "".
    """

    link_id: str
    type: str
    text: str
    section: str = ""
    yes: str = ""
    no: str = ""
    value: str = ""
    finding: str = ""
    told: str = ""
    options: tuple[Option, ...] = ()
    repeats: bool = False
    group: str = ""


@dataclass(frozen=True, slots=True)
class Paper:
    """A questionnaire as the rules read it: its questions by linkId, from top to bottom."""

    id: str
    questions: Mapping[str, Question]


def paper_of(questionnaire: Json) -> Paper:
    """Read our own extensions of a questionnaire that `kernel.fhir.forms` has accepted.

    Source: `knowledge/questionnaires/README.md`, "A question".
    """
    found = {one.link_id: one for one in _questions(questionnaire.get("item", ()), "")}
    return Paper(str(questionnaire.get("id", "")), found)


def link_of(path: str) -> str:
    """Return the linkId a place ends with (`medicine[0]/medicine-name` → `medicine-name`).

    Source: `kernel.fhir.forms.Shown.path`: names are parted by `/`, repetitions stand in `[ ]`,
    and `~`, `/`, `[` within a name are written `~0`, `~1`, `~2`.
    """
    name = path.rpartition("/")[2].partition("[")[0]
    return name.replace("~2", "[").replace("~1", "/").replace("~0", "~")


def group_of(path: str) -> str:
    """Return the repetition a place stands in (`g/medicine[0]/name` → `g/medicine[0]`), or "".

    Source: as `link_of`.
    """
    above = path.rpartition("/")[0]
    return above if above.endswith("]") else ""


def _questions(items: Any, group: str) -> Iterator[Question]:
    for item in items:
        repeats = item.get("repeats") is True
        if item["type"] == "group":
            yield from _questions(item.get("item", ()), item["linkId"] if repeats else group)
        elif item["type"] != "display":
            yield _question(item, group, repeats=repeats)
            yield from _questions(item.get("item", ()), group)


def _question(item: Json, group: str, *, repeats: bool) -> Question:
    summary = _summary(item)
    return Question(
        link_id=item["linkId"],
        type=item["type"],
        text=item.get("text", ""),
        section=summary.get("section", ""),
        yes=summary.get("yes", ""),
        no=summary.get("no", ""),
        value=summary.get("value", ""),
        finding=_value(item, FINDING) or "",
        told=_value(item, TOLD) or "",
        options=tuple(_option(one) for one in item.get("answerOption", ())),
        repeats=repeats,
        group=group,
    )


def _option(option: Json) -> Option:
    coding = option.get("valueCoding") or {"display": str(option.get("valueString", ""))}
    summary = _summary(option)
    return Option(
        coding=coding,
        text=str(coding.get("display", "")),
        finding=_value(option, FINDING) or "",
        yes=summary.get("yes", ""),
        no=summary.get("no", ""),
        days=_value(option, TOLD_DAYS),
        exclusive=_value(option, EXCLUSIVE) is True,
    )


def _summary(element: Json) -> dict[str, str]:
    for one in element.get("extension", ()):
        if one.get("url") == SUMMARY:
            parts = one.get("extension", ())
            return {p["url"]: str(p.get("valueCode") or p.get("valueString") or "") for p in parts}
    return {}


def _value(element: Json, url: str) -> Any:
    for one in element.get("extension", ()):
        if one.get("url") == url:
            return next((v for name, v in one.items() if name.startswith("value")), None)
    return None
