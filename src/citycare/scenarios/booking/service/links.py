"""Open windows as SMART Scheduling Links, so that any search engine can offer them.

Source: SMART Scheduling Links 1.0: manifest with `transactionTime`, `request`, `output`; Slot
extensions booking-deep-link and slot-capacity; Location with address; Schedule with actor.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from citycare.kernel.context import Context
from citycare.kit.db import Row
from citycare.scenarios.booking.store import links as link_store

EXTENSION = "http://fhir-registry.smarthealthit.org/StructureDefinition/"
SPAN = timedelta(days=15)
SPECIALTY = "urn:citycare:specialty"


class Kind(StrEnum):
    """The files there are."""

    LOCATIONS = "locations"
    SCHEDULES = "schedules"
    SLOTS = "slots"


TYPES = {Kind.LOCATIONS: "Location", Kind.SCHEDULES: "Schedule", Kind.SLOTS: "Slot"}


def manifest(base: str, now: datetime) -> dict[str, Any]:
    """Return the manifest that names the files."""
    return {
        "transactionTime": _instant(now),
        "request": f"{base}/$bulk-publish",
        "output": [{"type": TYPES[kind], "url": f"{base}/{kind.value}.ndjson"} for kind in Kind],
        "error": [],
    }


async def stream(cx: Context, kind: Kind, base: str) -> AsyncIterator[dict[str, Any]]:
    """Yield one file's resources, in bounded memory."""
    if kind is Kind.SLOTS:
        async for row in link_store.slots(cx.db, cx.now, cx.now + SPAN):
            yield _slot(row, base)
        return
    rows = link_store.organisations if kind is Kind.LOCATIONS else link_store.clinics
    shape = _location if kind is Kind.LOCATIONS else _schedule
    async for row in rows(cx.db):
        yield shape(row)


def _location(row: Row) -> dict[str, Any]:
    location: dict[str, Any] = {
        "resourceType": "Location",
        "id": str(row["organisation_id"]),
        "name": row["organisation_name"],
        "address": {"district": row["district"], "country": "CN"},
    }
    if row["latitude"] is not None:
        location["position"] = {"latitude": row["latitude"], "longitude": row["longitude"]}
    return location


def _schedule(row: Row) -> dict[str, Any]:
    schedule: dict[str, Any] = {
        "resourceType": "Schedule",
        "id": str(row["id"]),
        "serviceType": [
            {
                "coding": [{"system": SPECIALTY, "code": row["department_code"]}],
                "text": row["department_name"],
            }
        ],
        "actor": [{"reference": f"Location/{row['organisation_id']}"}],
    }
    if row["practitioner_name"]:
        schedule["comment"] = " ".join(filter(None, (row["practitioner_name"], row["title"])))
    return schedule


def _slot(row: Row, base: str) -> dict[str, Any]:
    return {
        "resourceType": "Slot",
        "id": str(row["id"]),
        "schedule": {"reference": f"Schedule/{row['clinic_id']}"},
        "status": "free" if row["open"] else "busy",
        "start": _instant(row["starts_at"]),
        "end": _instant(row["ends_at"]),
        "extension": [
            {"url": EXTENSION + "slot-capacity", "valueInteger": row["open"]},
            {"url": EXTENSION + "booking-deep-link", "valueUrl": f"{base}/book/{row['id']}"},
        ],
    }


def _instant(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
