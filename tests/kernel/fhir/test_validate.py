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
    "participant": [
        {"status": "accepted", "actor": {"reference": "Patient/p"}},
        {"status": "accepted", "actor": {"reference": "Practitioner/d"}},
    ],
}

PATIENT: Json = APPOINTMENT["participant"][0]


def without(resource: Json, *names: str) -> Json:
    return {name: value for name, value in resource.items() if name not in names}


CASES: list[tuple[Json, list[tuple[str, str]]]] = [
    (SLOT, []),
    (APPOINTMENT, []),
    ({}, [("resourceType", "type")]),
    ({"resourceType": "slot"}, [("resourceType", "type")]),
    (without(SLOT, "id"), [("Slot.id", "id")]),
    (SLOT | {"id": "room 17"}, [("Slot.id", "value")]),
    (SLOT | {"id": "x" * 65}, [("Slot.id", "value")]),
    (SLOT | {"id": 17}, [("Slot.id", "value")]),
    (without(SLOT, "schedule", "end"), [("Slot.schedule", "required"), ("Slot.end", "required")]),
    (SLOT | {"status": "open"}, [("Slot.status", "code")]),
    (SLOT | {"status": ["free"]}, [("Slot.status", "single")]),
    (SLOT | {"start": "2026-11-23"}, [("Slot.start", "value")]),
    (SLOT | {"start": "2026-11-23T08:00:00"}, [("Slot.start", "value")]),
    (SLOT | {"start": "2026-02-30T08:00:00Z"}, [("Slot.start", "value")]),
    (SLOT | {"start": 20261123}, [("Slot.start", "value")]),
    (SLOT | {"specialty": {"text": "内科"}}, [("Slot.specialty", "array")]),
    (SLOT | {"specialty": []}, [("Slot.specialty", "empty")]),
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
            "contained": [
                {"resourceType": "Schedule", "id": "inside", "actor": [{"reference": "Location/l"}]}
            ],
        },
        [],
    ),
    (SLOT | {"schedule": {"reference": "urn:uuid:0188b0a5-8e3a-7cc1-a7a0-2f0d3a5b8f11"}}, []),
    (SLOT | {"schedule": {"reference": "https://h.example/fhir/Schedule/9/_history/2"}}, []),
    (SLOT | {"schedule": {"display": "only shown"}}, []),
    (
        APPOINTMENT | {"participant": [PATIENT, {"type": [{"text": "医生"}]}]},
        [("Appointment.participant[1].status", "required")],
    ),
    (
        APPOINTMENT | {"participant": [PATIENT | {"status": "coming"}]},
        [("Appointment.participant[0].status", "code")],
    ),
    (
        APPOINTMENT
        | {"participant": [{"status": "accepted", "actor": {"reference": "Patient/a b"}}]},
        [("Appointment.participant[0].actor.reference", "reference")],
    ),
    (without(APPOINTMENT, "end"), [("Appointment", "app-2"), ("Appointment", "app-3")]),
    (without(APPOINTMENT, "start", "end"), [("Appointment", "app-3")]),
    (without(APPOINTMENT, "start", "end") | {"status": "proposed"}, []),
    ({"resourceType": "Organization", "id": "o"}, [("Organization", "org-1")]),
    (
        {"resourceType": "Patient", "id": "p", "gender": "男", "birthDate": "1990/01/01"},
        [("Patient.gender", "code"), ("Patient.birthDate", "value")],
    ),
    (
        {
            "resourceType": "Schedule",
            "id": "k",
            "actor": [{"reference": "Practitioner/d"}],
            "planningHorizon": {"start": "2026-12-01", "end": "2026-11-01"},
        },
        [("Schedule.planningHorizon", "per-1")],
    ),
    (
        {"resourceType": "Invoice", "id": "i", "subject": {"reference": "nobody"}},
        [("Invoice.subject.reference", "reference"), ("Invoice.status", "required")],
    ),
]


@pytest.mark.parametrize(("resource", "expected"), CASES)
def test_each_fault_names_its_element(resource: Json, expected: list[tuple[str, str]]) -> None:
    assert [(each.element, each.code) for each in fhir.violations(resource)] == expected


def test_a_bottomless_resource_is_refused() -> None:
    bottom: Json = {"url": "urn:x", "valueString": "x"}
    for _ in range(80):
        bottom = {"url": "urn:x", "extension": [bottom]}
    found = fhir.violations(SLOT | {"extension": [bottom]})
    assert {each.code for each in found} == {"depth"}


def test_faults_speak_both_languages() -> None:
    (fault,) = fhir.violations(SLOT | {"status": "open"})
    assert fault.words == "Slot.status 取值不在允许的范围内"
    assert fault.message == "Slot.status is not one of the allowed codes"
