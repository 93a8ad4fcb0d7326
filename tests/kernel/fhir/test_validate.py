from __future__ import annotations

from typing import Any

import pytest

from citycare.kernel import fhir

Json = dict[str, Any]

SLOT: Json = {
    "resourceType": "Slot",
    "id": "s-1",
    "schedule": {"reference": "Schedule/k-1"},
    "status": "free",
    "start": "2026-11-23T08:00:00+08:00",
    "end": "2026-11-23T08:30:00+08:00",
}
APPOINTMENT: Json = {
    "resourceType": "Appointment",
    "id": "a-1",
    "status": "booked",
    "start": "2026-11-23T08:00:00Z",
    "end": "2026-11-23T08:30:00Z",
    "participant": [{"status": "accepted"}, {"status": "accepted"}],
}


def without(resource: Json, *names: str) -> Json:
    return {name: value for name, value in resource.items() if name not in names}


CASES: list[tuple[Json, list[tuple[str, str]]]] = [
    (SLOT, []),
    (APPOINTMENT, []),
    ({}, [("resourceType", "type")]),
    ({"resourceType": "slot"}, [("resourceType", "type")]),
    (without(SLOT, "id"), [("Slot.id", "id")]),
    (SLOT | {"id": "room 17"}, [("Slot.id", "id")]),
    (SLOT | {"id": "x" * 65}, [("Slot.id", "id")]),
    (SLOT | {"id": 17}, [("Slot.id", "id")]),
    (without(SLOT, "schedule", "end"), [("Slot.schedule", "required"), ("Slot.end", "required")]),
    (SLOT | {"status": "open"}, [("Slot.status", "code")]),
    (SLOT | {"status": ["free"]}, [("Slot.status", "single")]),
    (SLOT | {"start": "2026-11-23"}, [("Slot.start", "date")]),
    (SLOT | {"start": "2026-11-23T08:00:00"}, [("Slot.start", "date")]),
    (SLOT | {"start": "2026-02-30T08:00:00Z"}, [("Slot.start", "date")]),
    (SLOT | {"start": 20261123}, [("Slot.start", "date")]),
    (SLOT | {"specialty": {"text": "内科"}}, [("Slot.specialty", "array")]),
    (SLOT | {"specialty": []}, [("Slot.specialty", "required")]),
    (
        SLOT | {"schedule": {"reference": "k-1"}},
        [("Slot.schedule.reference", "reference")],
    ),
    (
        SLOT | {"schedule": {"reference": "Table/4"}},
        [("Slot.schedule.reference", "reference")],
    ),
    (
        SLOT | {"schedule": {"reference": "#inside"}},
        [("Slot.schedule.reference", "contained")],
    ),
    (
        SLOT
        | {
            "schedule": {"reference": "#inside"},
            "contained": [{"resourceType": "Schedule", "id": "inside"}],
        },
        [],
    ),
    (SLOT | {"schedule": {"reference": "urn:uuid:0188b0a5-8e3a-7cc1-a7a0-2f0d3a5b8f11"}}, []),
    (SLOT | {"schedule": {"reference": "https://h.example/fhir/Schedule/9/_history/2"}}, []),
    (SLOT | {"schedule": {"display": "only shown"}}, []),
    (
        APPOINTMENT | {"participant": [{"status": "accepted"}, {"required": "required"}]},
        [("Appointment.participant[1].status", "required")],
    ),
    (
        APPOINTMENT | {"participant": [{"status": "coming"}]},
        [("Appointment.participant.status", "code")],
    ),
    (
        APPOINTMENT
        | {"participant": [{"status": "accepted", "actor": {"reference": "Patient/a b"}}]},
        [("Appointment.participant[0].actor.reference", "reference")],
    ),
    (without(APPOINTMENT, "end"), [("Appointment.end", "required")]),
    (without(APPOINTMENT, "start", "end"), [("Appointment.start", "required")]),
    (without(APPOINTMENT, "start", "end") | {"status": "proposed"}, []),
    ({"resourceType": "Organization", "id": "o"}, [("Organization.name", "required")]),
    (
        {"resourceType": "Patient", "id": "p", "gender": "男", "birthDate": "1990/01/01"},
        [("Patient.gender", "code"), ("Patient.birthDate", "date")],
    ),
    (
        {
            "resourceType": "Schedule",
            "id": "k",
            "actor": [{"reference": "Practitioner/d"}],
            "planningHorizon": {"start": "2026-12-01", "end": "2026-11-01"},
        },
        [("Schedule.planningHorizon", "date")],
    ),
    (
        {"resourceType": "Invoice", "id": "i", "subject": {"reference": "nobody"}},
        [("Invoice.subject.reference", "reference")],
    ),
]


@pytest.mark.parametrize(("resource", "expected"), CASES)
def test_each_fault_names_its_element(resource: Json, expected: list[tuple[str, str]]) -> None:
    assert [(each.element, each.code) for each in fhir.violations(resource)] == expected


def test_a_bottomless_resource_is_refused() -> None:
    bottom: Json = {}
    for _ in range(60):
        bottom = {"extension": [bottom]}
    found = fhir.violations(SLOT | {"extension": [bottom]})
    assert {each.code for each in found} == {"depth"}


def test_faults_speak_both_languages() -> None:
    (fault,) = fhir.violations(SLOT | {"status": "open"})
    assert fault.words == "Slot.status 取值不在允许的范围内"
    assert fault.message == "Slot.status is not one of the allowed codes"
