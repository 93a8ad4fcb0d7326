"""Where a scheduler works: the house, its clinics, and the clinic in hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from citycare.kernel import identity
from citycare.kernel.context import Context, Role
from citycare.scenarios.booking.model.schedule import Clinic, ClinicUnknown
from citycare.scenarios.booking.pages import staff
from citycare.scenarios.booking.service import lists, week
from citycare.web.edge.contexts import gate
from citycare.web.manner import Words
from citycare.web.parts import Option

SCHEDULER = [Role.SCHEDULER]
SCHEDULE = gate("booking.schedule", roles=SCHEDULER)


@dataclass(frozen=True, slots=True)
class Place:
    """The house, its clinics, the one chosen; all empty where there is nothing to schedule."""

    house: identity.Organisation | None
    houses: Sequence[identity.Organisation]
    clinics: Sequence[Clinic]
    clinic: Clinic | None


async def place_of(cx: Context, clinic_id: UUID | None, org: UUID | None) -> Place:
    """Find the clinic asked for and its house, else the first of the actor's own house.

    Raises:
        ClinicUnknown, Forbidden: it is not the actor's to schedule.
    """
    houses = await staff.workplaces(cx, Role.SCHEDULER)
    if clinic_id is not None:
        known = await lists.get_clinics(cx, [clinic_id])
        if not known:
            raise ClinicUnknown(clinic=clinic_id)
        org = known[0].organisation_id
    house = staff.chosen(houses, org)
    if house is None:
        return Place(None, (), (), None)
    clinics = await week.clinics_of(cx, org if clinic_id is not None and org else house.id)
    clinic = next((one for one in clinics if one.id == clinic_id), clinics[0] if clinics else None)
    return Place(house, houses, clinics, clinic)


def label_of(clinic: Clinic, words: Words) -> str:
    """Write '心血管内科 · 陈立 主任医师'."""
    doctor = " ".join(filter(None, (clinic.practitioner_name, clinic.title)))
    return f"{clinic.department_name} · {doctor or words('普通门诊')}"


def options_of(clinics: Sequence[Clinic], chosen: UUID | None, words: Words) -> tuple[Option, ...]:
    """Shape clinics for a list to choose from."""
    return tuple(
        Option(value=str(one.id), label=label_of(one, words), selected=one.id == chosen)
        for one in clinics
    )
