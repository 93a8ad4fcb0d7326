"""What the record tells of a visit and its person; reading it is audited by who asks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from citycare.kernel import consent, fhir, identity
from citycare.kernel.consent import Claim
from citycare.kernel.context import Context, policy
from citycare.kernel.fhir import forms
from citycare.kit import clock
from citycare.scenarios.preconsult.model import InterviewUnknown, Told, Visit
from citycare.scenarios.preconsult.rules.telling import is_told, told_of

DAYS_A_YEAR = 365.25
DIALOGUES_MAX = 200
HELD_MAX = 200  # of one type, of one person
SEXES = ("female", "male")
# Those the record can be searched for by person; Observation and MedicationRequest are not yet.
HELD = ("Condition", "AllergyIntolerance", "MedicationStatement")


@dataclass(frozen=True, slots=True)
class Patient:
    """Whom a visit is for, as forms and rules ask: age in years, sex or "", the resource."""

    person: identity.Person
    age: float
    sex: str
    resource: dict[str, Any]


async def get(cx: Context, appointment_id: UUID) -> Visit:
    """Return a visit as the record tells it; who may see it is asked by the caller.

    Raises:
        InterviewUnknown: there is no such Appointment, or it names no person.
    """
    name = str(appointment_id)
    found = (await fhir.find_many(cx, "Appointment", [name])).get(name)
    actors = _actors(found) if found else {}
    if found is None or "Patient" not in actors or "start" not in found:
        raise InterviewUnknown
    clinic = await _one(cx, "HealthcareService", actors.get("HealthcareService"))
    coding = _coding(clinic)
    return Visit(
        id=appointment_id,
        person_id=UUID(actors["Patient"]),
        organisation_id=await _organisation(cx, clinic),
        practitioner_id=UUID(actors["Practitioner"]) if "Practitioner" in actors else None,
        department=str(coding.get("code", "")),
        department_name=str(coding.get("display", "") or clinic.get("name", "")),
        status=str(found.get("status", "")),
        starts_at=datetime.fromisoformat(str(found["start"])),
        ends_at=datetime.fromisoformat(str(found.get("end", found["start"]))),
    )


async def patient_of(cx: Context, person_id: UUID) -> Patient:
    """Return the least forms need to know of a person: age and sex."""
    person = await identity.get_person(cx, person_id)
    sex = str(person.sex)
    resource = {
        "resourceType": "Patient",
        "id": str(person.id),
        "gender": sex,
        "birthDate": person.born_on.isoformat(),
    }
    age = (clock.day_of(cx.now) - person.born_on).days / DAYS_A_YEAR
    return Patient(person, age, sex if sex in SEXES else "", resource)


async def sources_of(cx: Context, patient: Patient) -> forms.Sources:
    """Return what the record holds for a form to be filled from, oldest first."""
    held: list[dict[str, Any]] = []
    for kind in HELD:
        page = await fhir.search(
            cx, kind, {"patient": f"Patient/{patient.person.id}"}, count=HELD_MAX
        )
        held += page.items
    return forms.record_of(patient.resource, held)


async def told(cx: Context, person_id: UUID) -> Told:
    """Return the newest of the person's dialogues with the triage of the last days."""
    days = int(await policy.value(cx, "preconsult.told.days"))
    since = (cx.now - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
    found = await fhir.search(
        cx,
        "QuestionnaireResponse",
        {"patient": f"Patient/{person_id}", "status": "completed", "authored": f"ge{since}"},
        count=DIALOGUES_MAX,
    )
    dialogues = [one for one in found.items if is_told(one)]
    if not dialogues:
        return Told()
    newest = max(dialogues, key=lambda one: str(one.get("authored", "")))
    authored = newest.get("authored")
    return told_of(newest, datetime.fromisoformat(authored) if authored else None)


async def may_see_record(cx: Context, person_id: UUID) -> bool:
    """Tell whether the actor may read the record itself; others answer without seeing it."""
    claim = Claim(cx.actor, "record.read", person_id)
    return (await consent.require_many(cx.db, cx.now, [claim]))[0] is None


def _actors(appointment: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in appointment.get("participant", ()):
        kind, _, name = str(one.get("actor", {}).get("reference", "")).partition("/")
        found.setdefault(kind, name)
    return found


async def _one(cx: Context, kind: str, name: str | None) -> dict[str, Any]:
    if not name:
        return {}
    return (await fhir.find_many(cx, kind, [name])).get(name, {})


def _coding(clinic: dict[str, Any]) -> dict[str, Any]:
    for concept in clinic.get("specialty", ()):
        for coding in concept.get("coding", ()):
            found: dict[str, Any] = coding
            return found
    return {}


async def _organisation(cx: Context, clinic: dict[str, Any]) -> UUID | None:
    """Return the hospital of a clinic: its department's organisation."""
    reference = str(clinic.get("providedBy", {}).get("reference", ""))
    department = await _one(cx, "Organization", reference.rpartition("/")[2] or None)
    above = str(department.get("partOf", {}).get("reference", "")).rpartition("/")[2]
    return UUID(above) if above else None
