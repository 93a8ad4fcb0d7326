"""All or nothing: what was planned is written in the caller's one transaction."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from uuid import UUID

from citycare.journeys.onboarding import plan as plans
from citycare.journeys.onboarding.faults import Faults
from citycare.journeys.onboarding.model import Read, Tell, TemplateRow
from citycare.journeys.onboarding.plan import Known, Plan
from citycare.kernel import audit
from citycare.kernel.context import Context, policy
from citycare.kernel.fhir import publish
from citycare.kernel.identity import organisations as institutions
from citycare.kernel.identity.organisations import Organisation
from citycare.kit import clock, ids
from citycare.scenarios.booking.model.core import Pool
from citycare.scenarios.booking.model.schedule import Clinic, NewSlot, Shares, Template, Window
from citycare.scenarios.booking.rules import schedule as rules
from citycare.scenarios.booking.service import clinics as clinic_service
from citycare.scenarios.booking.service import lists as booking_lists
from citycare.scenarios.booking.service import schedule as schedule_service

STEP = 500
UUID_TEXT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


async def load_known(cx: Context, read: Read) -> Known:
    """Read what the database has of the kinds the files speak of."""
    practitioners = read.practitioners or read.roles or read.clinics
    organisations = await institutions.list_organisations(cx)
    return Known(
        organisations,
        await institutions.list_departments(cx),
        await institutions.list_practitioners(cx) if practitioners else (),
        await booking_lists.get_clinics(cx, _clinics_named(read, organisations)),
    )


def _clinics_named(read: Read, organisations: Iterable[Organisation]) -> list[UUID]:
    """Return the ids of clinics that schedules and windows name, as far as they may be there."""
    by_key = {key: one.id for one in organisations for key in (one.uscc, one.name) if key}
    named: set[UUID] = set()
    refs = {row.clinic for row in read.templates} | {row.clinic for row in read.windows}
    for ref in refs:
        kind, _, id_ = ref.text.partition("/")
        if ref.within in by_key:
            named.add(plans.clinic_id(by_key[ref.within], ref.text))
        elif kind == "Schedule" and UUID_TEXT.fullmatch(id_):
            named.add(UUID(id_))
    return sorted(named)


async def minutes_max(cx: Context) -> int:
    """Return how long a window may be (policy K01)."""
    return int(await policy.value(cx, "booking.window.minutes_max"))


async def write(cx: Context, plan: Plan, faults: Faults, tell: Tell) -> dict[str, int]:
    """Write everything planned; return what was written, by kind."""
    total = len(plan.organisations) + len(plan.departments) + len(plan.practitioners)
    total += len(plan.roles) + len(plan.clinics)
    total += sum(map(len, plan.windows.values()))
    progress = _Progress(tell, total)
    await _institutions(cx, plan, progress)
    await _publish(cx, plan)
    clinics = list(plan.clinics.values())
    if clinics:
        await clinic_service.save_clinics(cx, clinics)
        progress.step(len(clinics))
    templates = await _templates(cx, plan)
    if templates:
        await schedule_service.save_templates(cx, templates)
    made = await _windows(cx, plan, progress, faults)
    slots, places = made
    if templates:
        again = await _make(cx, plan)
        slots, places = slots + again[0], places + again[1]
    written = {
        "organisations": len(plan.organisations),
        "departments": len(plan.departments),
        "practitioners": len(plan.practitioners),
        "roles": len(plan.roles),
        "clinics": len(clinics),
        "templates": len(templates),
        "windows": slots,
        "places": places,
    }
    await audit.append(
        cx, [audit.Entry("onboarding.import", None, "Organization", detail=dict(written))]
    )
    return written


class _Progress:
    """Counts what is written and tells it now and then."""

    def __init__(self, tell: Tell, total: int) -> None:
        self.tell, self.total, self.done, self.told = tell, total, 0, 0

    def step(self, number: int = 1) -> None:
        """Count so many more as written."""
        self.done += number
        if self.done - self.told >= STEP or self.done == self.total:
            self.told = self.done
            self.tell("write", self.done, self.total)


async def _institutions(cx: Context, plan: Plan, progress: _Progress) -> None:
    for one in plans.parents_first(plan.organisations):
        await institutions.register_organisation(cx, one)
        progress.step()
    for department in plan.departments.values():
        await institutions.register_department(cx, department)
        progress.step()
    for person in plan.practitioners.values():
        await institutions.register_practitioner(cx, person)
        progress.step()
    for who, where in sorted(plan.roles):
        await institutions.add_role(cx, who, department_id=where)
        progress.step()


async def _publish(cx: Context, plan: Plan) -> None:
    """Put into the record what others read of these institutions."""
    wanted = {where for _, where in plan.roles} - plan.departments.keys()
    departments = dict(plan.departments)
    if wanted:
        known = await institutions.list_departments(cx)
        departments |= {one.id: one for one in known if one.id in wanted}
    await publish.publish_institutions(
        cx,
        organisations=list(plan.organisations.values()),
        departments=list(plan.departments.values()),
        practitioners=list(plan.practitioners.values()),
        roles=[(who, departments[where]) for who, where in sorted(plan.roles)],
        services=[_service(clinic) for clinic in plan.clinics.values()],
    )


def _service(clinic: Clinic) -> publish.Service:
    name = " ".join(filter(None, [clinic.department_name, clinic.practitioner_name, clinic.title]))
    return publish.Service(
        clinic.id,
        clinic.organisation_id,
        clinic.department_id,
        clinic.department_code,
        name,
        clinic.room,
    )


class _Divide:
    """Divides places by policy, each number of places once."""

    def __init__(self, cx: Context) -> None:
        self.cx = cx
        self.known: dict[int, Shares] = {}

    async def shares(self, given: Shares | None, capacity: int) -> Shares:
        """Return the shares given, or those of policy."""
        if given is not None:
            return given
        if capacity not in self.known:
            self.known[capacity] = await schedule_service.default_shares(self.cx, capacity)
        return self.known[capacity]


async def _templates(cx: Context, plan: Plan) -> list[Template]:
    divide = _Divide(cx)
    made = []
    for clinic_id, rows in plan.templates.items():
        for row in rows:
            shares = await divide.shares(row.shares, row.capacity)
            made.append(_template(row, plan.clinic(clinic_id), shares))
    return made


def _template(row: TemplateRow, clinic: Clinic, shares: Shares) -> Template:
    return Template(
        ids.derive("template", clinic.id, row.weekday, row.starts, row.valid_from),
        clinic.id,
        row.weekday,
        row.starts,
        row.ends,
        row.capacity,
        {Pool(pool): count for pool, count in shares.items()},
        row.valid_from,
        row.valid_to,
        row.window_min,
    )


async def _windows(cx: Context, plan: Plan, progress: _Progress, faults: Faults) -> tuple[int, int]:
    """Write the explicit windows; those that are there already stay as they are."""
    release = await schedule_service.release_in_force(cx)
    divide = _Divide(cx)
    for rows in plan.windows.values():
        for row in rows:
            await divide.shares(row.shares, row.capacity)

    def slots() -> Iterator[NewSlot]:
        for clinic_id, rows in plan.windows.items():
            for row in rows:
                shares = row.shares or divide.known[row.capacity]
                window = Window(row.starts_at, row.ends_at)
                progress.step()
                yield rules.new_slot(plan.clinic(clinic_id), window, shares, release, cx.now)

    total = sum(map(len, plan.windows.values()))
    if not total:
        return 0, 0
    made = await schedule_service.load_slots(cx, slots())
    if made.slots < total:
        faults.note("slots_there", "", count=total - made.slots)
    return made.slots, made.places


async def _make(cx: Context, plan: Plan) -> tuple[int, int]:
    """Make the windows of the new templates as far ahead as places of some pool are released."""
    last = await schedule_service.furthest_day(cx)
    made = await schedule_service.make_slots(
        cx, clock.day_of(cx.now), last, clinic_ids=list(plan.templates)
    )
    return made.slots, made.places
