"""A booking, what the triage and the record hold of its person, the patient and the doctor."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx

from citycare.kernel import fhir, identity
from citycare.kernel.context import Context, Role
from citycare.kernel.fhir import publish
from citycare.kit import ids
from citycare.scenarios.booking.model.core import Pool
from citycare.scenarios.booking.service import book
from citycare.web.login.tokens import issue_token
from tests.conftest import NOW
from tests.scenarios.booking.conftest import HOSPITAL, PORTAL, clinic_of, make_person, open_slot
from tests.scenarios.booking.resident import HTML, Browser, House

SOON = NOW + timedelta(minutes=30)
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
Json = dict[str, Any]
FIELD = re.compile(r'<input type="hidden" name="(q|was|shown_at)" value="([^"]*)">')


@dataclass(frozen=True, slots=True)
class Booked:
    """One booking of cardiology, half an hour from now."""

    person: UUID
    id: UUID

    @property
    def prepare(self) -> str:
        return f"/prepare/{self.id}"

    @property
    def prepared(self) -> str:
        return f"/clinic/prepared/{self.id}"


async def booked(cx: Context, **clinic: Any) -> Booked:
    """Book a woman of 67; the clinic and its hospital are on record."""
    made = clinic_of(**clinic)
    slot = await open_slot(cx, clinic=made, starts_at=SOON, shares={Pool.PUBLIC: 2})
    person = await make_person(cx)
    service = publish.Service(
        made.id, HOSPITAL, made.department_id, made.department_code, made.department_name
    )
    department = {
        "resourceType": "Organization",
        "id": str(made.department_id),
        "name": made.department_name,
        "partOf": {"reference": f"Organization/{HOSPITAL}"},
    }
    await fhir.put(cx, [publish.service(service), department])
    return Booked(person, (await book.book(cx, slot.id, person)).id)


def dialogue(
    person: UUID, there: dict[str, bool], *, words: str = "走快了胸闷", days: float = 21
) -> Json:
    """A finished dialogue of the triage, an hour ago."""
    items: list[Json] = [
        {"linkId": "complaint", "answer": [{"valueString": words}]},
        {"linkId": "days", "answer": [{"valueDecimal": days}]},
        *(
            {"linkId": f"finding/{name}", "answer": [{"valueBoolean": value}]}
            for name, value in there.items()
        ),
    ]
    return {
        "resourceType": "QuestionnaireResponse",
        "id": str(ids.new()),
        "identifier": {"system": "urn:citycare:triage:dialogue", "value": "1"},
        "status": "completed",
        "subject": {"reference": f"Patient/{person}"},
        "authored": (NOW - timedelta(hours=1)).isoformat().replace("+00:00", "Z"),
        "item": items,
    }


def held(person: UUID) -> list[Json]:
    """What the record holds: high blood pressure, a medicine, an allergy."""
    subject = {"reference": f"Patient/{person}"}
    return [
        {
            "resourceType": "Condition",
            "id": str(ids.new()),
            "subject": subject,
            "code": {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "I10.x00"}]},
        },
        {
            "resourceType": "MedicationStatement",
            "id": str(ids.new()),
            "status": "active",
            "subject": subject,
            "medicationCodeableConcept": {"text": "缬沙坦"},
        },
        {
            "resourceType": "AllergyIntolerance",
            "id": str(ids.new()),
            "clinicalStatus": {
                "coding": [
                    {"system": f"{TERMINOLOGY}/allergyintolerance-clinical", "code": "active"}
                ]
            },
            "patient": subject,
            "code": {"text": "青霉素"},
        },
    ]


async def prepared_city(house: House, *, record: bool = True, **there: bool) -> Booked:
    """Book, and put the dialogue and the record there."""
    made: Booked = await house.within(booked)

    async def write(cx: Context) -> None:
        told = dialogue(made.person, there or {"chest_tight": True, "cold_sweat": False})
        await fhir.put(cx, [told, *(held(made.person) if record else ())])

    await house.within(write)
    return made


async def doctor(house: House, role: Role = Role.CLINICIAN) -> httpx.AsyncClient:
    """Somebody of the hospital, with a token."""
    at = identity.Organisation(
        HOSPITAL, "示例第一医院", "示例一院", identity.OrganisationKind.HOSPITAL, "310106"
    )
    await house.within(lambda cx: identity.register_organisation(cx, at))
    client = httpx.AsyncClient(transport=httpx.ASGITransport(house.app), base_url=PORTAL)
    token = await issue_token(house.database, role, organisation=HOSPITAL)
    client.headers.update({"authorization": f"Bearer {token}", **HTML})
    return client


def fields(page: str) -> dict[str, Any]:
    """What a browser would send of a drawn page untouched: hidden fields, chosen, typed."""
    found: dict[str, Any] = {}
    for name, value in FIELD.findall(page):
        found.setdefault(name, []).append(value)
    for tag in re.findall(r"<input\b[^>]*>", page):
        known = dict(re.findall(r'([a-z-]+)="([^"]*)"', tag))
        if known.get("name", "").startswith("q."):
            is_chosen = re.search(r"\bchecked\b", tag) is not None
            if known.get("type") not in ("radio", "checkbox") or is_chosen:
                found.setdefault(known["name"], []).append(known.get("value", ""))
    for name, text in re.findall(r'<textarea[^>]*name="([^"]*)"[^>]*>([^<]*)<', page):
        found.setdefault(name, []).append(text)
    lists = re.compile(r'<select[^>]*name="([^"]*)"[^>]*>(.*?)</select>', re.DOTALL)
    for name, body in lists.findall(page):
        values = re.findall(r'<option value="([^"]*)"\s*(selected)?', body)
        chosen = [value for value, mark in values if mark] or [values[0][0]]
        found.setdefault(name, []).extend(chosen)
    return found


async def sent(browser: Browser, at: str, shown_on: str = "", **changes: Any) -> httpx.Response:
    """Send a page as it is drawn, but for these fields."""
    shown_on = shown_on or at
    page = (await browser.get(shown_on)).text
    return await browser.post(at, shown_on, **(fields(page) | changes))
