"""What others read: the answers, the text a doctor kept, the tests ordered, as FHIR R4.

Source: HL7 FHIR R4 QuestionnaireResponse, Composition, ServiceRequest (http://hl7.org/fhir/R4/).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Any
from uuid import UUID

from citycare.kit import ids
from citycare.scenarios.preconsult.model import Origin, Review, State, Suggestion, Visit
from citycare.scenarios.preconsult.rules.paper import OWN, Json
from citycare.scenarios.preconsult.rules.summary import SECTIONS

ANSWERED_FROM = OWN + "answered-from"
ORIGIN_SYSTEM = "https://citycare.example/fhir/CodeSystem/answered-from"
APPOINTMENT = "urn:citycare:preconsult:appointment"
SUGGESTION = "urn:citycare:preconsult:suggestion"
XHTML = "http://www.w3.org/1999/xhtml"
TITLE = "预问诊病史"
UNNAMED = "医生"  # an account without a practitioner's name


@dataclass(frozen=True, slots=True)
class Doctor:
    """Who decides or orders: the name, and the practitioner where the account has one."""

    name: str
    practitioner_id: UUID | None

    def as_reference(self) -> Json:
        """Point at them.

        Source: HL7 FHIR R4 Reference.
        """
        found: Json = {"display": self.name or UNNAMED}
        if self.practitioner_id is not None:
            found["reference"] = f"Practitioner/{self.practitioner_id}"
        return found


def response_id(appointment_id: UUID) -> UUID:
    """Return the id of the answers of a visit.

    Source: ours; the same visit, the same id.
    """
    return ids.derive("preconsult.response", appointment_id)


def response_as_fhir(
    response: Json,
    visit: Visit,
    origins: Mapping[str, str],
    *,
    authored: datetime,
    by_self: bool,
    again: bool,
) -> Json:
    """Write the answers as others read them, each with who said so.

    Args:
        response: as `Filling.response` wrote it.
        visit: what they are for.
        origins: place to origin.
        authored: the instant they were sent.
        by_self: the person answered, not somebody for them.
        again: it was sent before.

    Source: HL7 FHIR R4 QuestionnaireResponse; the extension `answered-from` is ours.
    """
    made = {name: each for name, each in response.items() if name != "item"}
    subject = {"reference": f"Patient/{visit.person_id}"}
    made |= {
        "resourceType": "QuestionnaireResponse",
        "id": str(response_id(visit.id)),
        "identifier": {"system": APPOINTMENT, "value": str(visit.id)},
        "status": "amended" if again else "completed",
        "subject": subject,
        "authored": instant(authored),
    }
    if by_self:
        made["source"] = subject
    items = _marked(response.get("item", ()), "", origins)
    return made | {"item": items} if items else made


def composition_as_fhir(review: Review, visit: Visit, doctor: Doctor, *, again: bool) -> Json:
    """Write the text a doctor kept as a Composition; one taken back is entered in error.

    Source: HL7 FHIR R4 Composition; 《病历书写基本规范》 (卫医政发〔2010〕11号) names of the parts.
    """
    answers = {"reference": f"QuestionnaireResponse/{response_id(visit.id)}"}
    kept = review.kept or review.offered
    status = "amended" if again else "final"
    if review.decision is State.REJECTED:
        status = "entered-in-error"
    return {
        "resourceType": "Composition",
        "id": str(ids.derive("preconsult.composition", visit.id)),
        "identifier": {"system": APPOINTMENT, "value": str(visit.id)},
        "status": status,
        "type": {"text": TITLE},
        "subject": {"reference": f"Patient/{visit.person_id}"},
        "date": instant(review.decided_at),
        "author": [doctor.as_reference()],
        "title": TITLE,
        "section": [
            {
                "title": title,
                "text": {"status": "additional", "div": _xhtml(words)},
                "entry": [answers],
            }
            for title, words in parts_of(kept)
        ],
    }


def parts_of(text: str) -> list[tuple[str, str]]:
    """Part a text at the names of the case history's sections; what has no name comes first.

    Source: the form of `summary.text_of`.
    """
    found: list[tuple[str, str]] = []
    names = tuple(SECTIONS.values())
    for line in text.splitlines():
        name, colon, words = line.partition("：")
        if colon and name.strip() in names:
            found.append((name.strip(), words.strip()))
        elif found:
            found[-1] = (found[-1][0], f"{found[-1][1]}\n{line}".strip())
        elif line.strip():
            found.append((TITLE, line.strip()))
    return found


def order_as_fhir(
    one: Suggestion, test: str, visit: Visit, doctor: Doctor, authored: datetime
) -> Json:
    """Write one test a doctor ordered as an active ServiceRequest.

    Source: HL7 FHIR R4 ServiceRequest.
    """
    return {
        "resourceType": "ServiceRequest",
        "id": str(ids.derive("preconsult.order", visit.id, one.id, test)),
        "identifier": [{"system": SUGGESTION, "value": one.id}],
        "status": "active",
        "intent": "order",
        "code": {"text": test},
        "subject": {"reference": f"Patient/{visit.person_id}"},
        "authoredOn": instant(authored),
        "requester": doctor.as_reference(),
        "reasonCode": [{"text": one.why}],
        "supportingInfo": [
            {"reference": f"QuestionnaireResponse/{response_id(visit.id)}"},
            {"reference": f"Appointment/{visit.id}"},
        ],
    }


def instant(at: datetime) -> str:
    """Write an instant as FHIR does.

    Source: HL7 FHIR R4 dateTime.
    """
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _xhtml(words: str) -> str:
    lines = "<br/>".join(escape(line) for line in words.splitlines())
    return f'<div xmlns="{XHTML}"><p>{lines}</p></div>'


def _marked(items: Sequence[Json], above: str, origins: Mapping[str, str]) -> list[Json]:
    """Return items with who said so on each answer; places are counted as `Shown.path` does."""
    made = []
    for index, item in enumerate(items):
        path = _place(items, index, above, origins)
        one: dict[str, Any] = dict(item)
        if "item" in item:
            one["item"] = _marked(item["item"], path, origins)
        if "answer" in item:
            origin = origins.get(path, Origin.RESIDENT)
            coding = {"system": ORIGIN_SYSTEM, "code": str(origin)}
            mark = {"url": ANSWERED_FROM, "valueCoding": coding}
            one["answer"] = [{"extension": [mark]} | dict(each) for each in item["answer"]]
        made.append(one)
    return made


def _place(items: Sequence[Json], index: int, above: str, origins: Mapping[str, str]) -> str:
    link = str(items[index]["linkId"])
    name = link.replace("~", "~0").replace("/", "~1").replace("[", "~2")
    path = f"{above}/{name}" if above else name
    number = sum(1 for one in items[:index] if one["linkId"] == link)
    numbered = f"{path}[{number}]"
    is_group = "item" in items[index] and "answer" not in items[index]
    many = number or any(place.startswith(f"{numbered}/") for place in origins)
    return numbered if is_group and many else path
