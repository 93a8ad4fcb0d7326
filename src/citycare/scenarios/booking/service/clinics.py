"""Saving clinics, and finding them the way people speak."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from citycare.kernel import audit, consent, fhir
from citycare.kernel.context import Context
from citycare.scenarios.booking.model.schedule import Clinic
from citycare.scenarios.booking.rules import finder, schedule
from citycare.scenarios.booking.store import clinics as clinic_store

BATCH = 2_000


async def require_organisations(cx: Context, organisations: Iterable[UUID]) -> None:
    """Raise unless the actor may manage the schedules of all these organisations."""
    for organisation_id in sorted(set(organisations)):
        await consent.require(cx, "booking.schedule", organisation_id=organisation_id)


async def save_clinics(cx: Context, clinics: Sequence[Clinic], *, publish: bool = True) -> None:
    """Add or replace clinics, with the words they are found by.

    Written together: clinics, words, one FHIR Schedule each (with `publish`), an audit entry.

    Raises:
        Forbidden, NotFound: the actor may not manage schedules there.
    """
    await require_organisations(cx, (one.organisation_id for one in clinics))
    for at in range(0, len(clinics), BATCH):
        batch = clinics[at : at + BATCH]
        await clinic_store.save(cx.db, [(one, finder.search_text(one)) for one in batch])
        await clinic_store.save_words(cx.db, finder.words_of(batch))
        if publish:
            await fhir.put(cx, [schedule.schedule_as_fhir(one) for one in batch])
    detail = {"clinics": len(clinics)}
    await audit.append(cx, [audit.Entry("booking.clinics.save", None, "Schedule", detail=detail)])
