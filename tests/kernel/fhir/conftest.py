"""The official R4 examples (outside data), resources, a count of statements."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from citycare.kernel import fhir

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
EXAMPLES = DATA / "fhir" / "hl7.fhir.r4.examples-4.0.1.tar.xz"
TYPES = (
    "Patient",
    "RelatedPerson",
    "Practitioner",
    "PractitionerRole",
    "Organization",
    "Location",
    "HealthcareService",
    "Schedule",
    "Slot",
    "Appointment",
    "AuditEvent",
)

Json = dict[str, Any]


@pytest.fixture(scope="session")
def examples() -> list[tuple[str, str]]:
    """All official examples as (file name, text)."""
    if not EXAMPLES.exists():
        pytest.skip(f"outside data missing: {EXAMPLES}")
    with tarfile.open(EXAMPLES) as archive:
        found = []
        for member in archive:
            stream = archive.extractfile(member) if member.name.endswith(".json") else None
            if stream is not None:
                found.append((Path(member.name).name, stream.read().decode("utf-8-sig")))
    return found


@pytest.fixture
def examples_of_our_types(examples: list[tuple[str, str]]) -> list[Json]:
    return [fhir.loads(text) for name, text in examples if name.partition("-")[0] in TYPES]


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Counts the statements sent since the last call."""
    sent = []
    execute = psycopg.AsyncCursor.execute

    async def counted(self: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        sent.append(query)
        return await execute(self, query, *args, **kwargs)

    monkeypatch.setattr(psycopg.AsyncCursor, "execute", counted)

    def count() -> int:
        number = len(sent)
        sent.clear()
        return number

    return count


@pytest.fixture
def appointments() -> Callable[[int], list[Json]]:
    """Makes so many new appointments."""

    def make(number: int) -> list[Json]:
        return [
            {
                "resourceType": "Appointment",
                "id": f"a-{index}",
                "status": "booked",
                "slot": [{"reference": f"Slot/s-{index // 10}"}],
                "start": f"2026-11-23T{index % 24:02d}:00:00+08:00",
                "end": f"2026-11-23T{index % 24:02d}:30:00+08:00",
                "participant": [
                    {"actor": {"reference": f"Patient/p-{index}"}, "status": "accepted"},
                    {"actor": {"reference": "Practitioner/d-7"}, "status": "accepted"},
                    {"actor": {"reference": "Location/room-3"}, "status": "accepted"},
                ],
            }
            for index in range(number)
        ]

    return make
