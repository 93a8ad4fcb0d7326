"""A booking as the FHIR R4 Appointment others read.

Source: HL7 FHIR R4 Appointment (http://hl7.org/fhir/R4/appointment.html).
"""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from citycare.scenarios.booking.model.core import Booking, Slot, State

STATUS: dict[State, str] = {
    State.BOOKED: "booked",
    State.ARRIVED: "arrived",
    State.FULFILLED: "fulfilled",
    State.CANCELLED: "cancelled",
    State.MOVED: "cancelled",
    State.STOPPED: "cancelled",
    State.NO_SHOW: "noshow",
}
NUMBER = "urn:citycare:booking:number"


def appointment_as_fhir(booking: Booking, slot: Slot) -> dict[str, Any]:
    """Write a booking as an Appointment: ids and times only, no names (least data).

    Source: FHIR R4 Appointment; `minutesDuration` from the window; participants are the patient,
    the doctor where there is one, and the organisation's department as HealthcareService.
    """
    active = booking.state in (State.BOOKED, State.ARRIVED, State.FULFILLED)
    participants = [_participant(f"Patient/{booking.person_id}", active)]
    if slot.practitioner_id is not None:
        participants.append(_participant(_reference("Practitioner", slot.practitioner_id), active))
    participants.append(_participant(_reference("HealthcareService", slot.clinic_id), active))
    return {
        "resourceType": "Appointment",
        "id": str(booking.id),
        "identifier": [{"system": NUMBER, "value": str(booking.number)}],
        "status": STATUS[booking.state],
        "slot": [{"reference": f"Slot/{slot.id}"}],
        "start": _instant(slot.starts_at),
        "end": _instant(slot.ends_at),
        "minutesDuration": int((slot.ends_at - slot.starts_at).total_seconds() // 60),
        "created": _instant(booking.created_at),
        "participant": participants,
    }


def _participant(reference: str, active: bool) -> dict[str, Any]:  # noqa: FBT001
    return {
        "actor": {"reference": reference},
        "required": "required",
        "status": "accepted" if active else "declined",
    }


@lru_cache(maxsize=4_096)  # windows share their doctors and clinics, and their instants
def _reference(kind: str, of: UUID) -> str:
    return f"{kind}/{of}"


@lru_cache(maxsize=4_096)
def _instant(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
