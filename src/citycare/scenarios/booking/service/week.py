"""What the scheduler looks at and sets: clinics, their weeks, their way of release."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime, timedelta
from uuid import UUID

from citycare.kernel import audit, consent
from citycare.kernel.context import Context
from citycare.kit import clock
from citycare.kit.db import Row
from citycare.scenarios.booking.model.schedule import Clinic, ClinicUnknown
from citycare.scenarios.booking.store import clinics as clinic_store
from citycare.scenarios.booking.store import day as day_store
from citycare.scenarios.booking.store import draw_list as draw_store
from citycare.scenarios.booking.store import week as store

WINDOWS_MAX = 2_000
STOPPED_MAX = 500
DRAW_MAX = 5_000
CLINICS_MAX = 500
RELEASES = ("first_come", "draw")


async def clinics_of(cx: Context, organisation_id: UUID) -> list[Clinic]:
    """Return the clinics of an organisation the actor schedules, by department and doctor."""
    await consent.require(cx, "booking.schedule", organisation_id=organisation_id)
    found = await clinic_store.list_of_organisation(cx.db, organisation_id)
    return sorted(found, key=lambda one: (one.department_name, one.practitioner_name, one.id))


async def busiest(cx: Context, organisation_id: UUID, from_day: date, days: int = 7) -> UUID | None:
    """Return the clinic with the most people in some days: where a scheduler looks first."""
    await consent.require(cx, "booking.schedule", organisation_id=organisation_id)
    bounds = clock.bounds(from_day)[0], clock.bounds(from_day + timedelta(days=days - 1))[1]
    rows = await day_store.clinics_on(cx.db, organisation_id, bounds, CLINICS_MAX)
    return max(rows, key=lambda row: row["busy"])["id"] if rows else None


async def _own(cx: Context, clinic_id: UUID, action: str) -> Clinic:
    found = await clinic_store.get(cx.db, [clinic_id])
    if not found:
        raise ClinicUnknown(clinic=clinic_id)
    await consent.require(cx, action, organisation_id=found[0].organisation_id)
    return found[0]


async def windows(cx: Context, clinic_id: UUID, from_day: date, days: int = 7) -> list[Row]:
    """Return the windows of a clinic for some days, with taken and all places of each pool."""
    await _own(cx, clinic_id, "booking.schedule")
    first, last = clock.bounds(from_day)[0], clock.bounds(from_day + timedelta(days=days - 1))[1]
    return await store.windows(cx.db, clinic_id, (first, last), WINDOWS_MAX)


async def set_release(cx: Context, clinic_id: UUID, release: str) -> Clinic:
    """Choose first come or draw for the windows made from now on.

    Raises:
        ClinicUnknown, Forbidden.
    """
    clinic = await _own(cx, clinic_id, "booking.schedule")
    await store.set_release(cx.db, clinic_id, release)
    detail: dict[str, str | int | bool | None] = {"release": release}
    entry = audit.Entry("booking.release.set", None, f"Schedule/{clinic_id}", detail=detail)
    await audit.append(cx, [entry])
    return clinic


async def stopped(cx: Context, clinic_id: UUID, from_: datetime, to: datetime) -> list[Row]:
    """Return whom a stop touched and what they have now; each of them is audited as read."""
    await _own(cx, clinic_id, "booking.stop_clinic")
    rows = await store.stopped(cx.db, clinic_id, (from_, to), STOPPED_MAX)
    await note_shown(cx, {row["person_id"] for row in rows})
    return rows


async def note_shown(cx: Context, persons: Collection[UUID]) -> None:
    """Write down that these people's bookings were shown to the scheduler."""
    entries = [audit.Entry("booking.list_stopped", one, "Appointment") for one in persons]
    await audit.append(cx, entries)


async def for_draw(
    cx: Context, organisation_id: UUID, clinics: Collection[UUID], from_day: date, to_day: date
) -> list[Row]:
    """Return the windows a draw over these clinics and days would take."""
    await consent.require(cx, "booking.draw", organisation_id=organisation_id)
    bounds = (clock.bounds(from_day)[0], clock.bounds(to_day)[1])
    return await store.for_draw(cx.db, organisation_id, clinics, bounds, DRAW_MAX)


async def entrants(cx: Context, draw_id: UUID) -> int:
    """Count who has entered an open draw; public."""
    return await draw_store.entrants(cx.db, draw_id)
