"""Templates, closures, and making windows from them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice
from uuid import UUID

from citycare.kernel import audit, consent, events, fhir
from citycare.kernel.context import Context, policy
from citycare.kit import clock
from citycare.scenarios.booking.model.core import PeriodWrong, Pool, SlotPast
from citycare.scenarios.booking.model.schedule import (
    Clinic,
    ClinicUnknown,
    Closure,
    ClosurePast,
    ClosureUnknown,
    Made,
    NewSlot,
    Release,
    Skipped,
    Template,
    Window,
)
from citycare.scenarios.booking.rules import schedule as rules
from citycare.scenarios.booking.service.clinics import require_organisations
from citycare.scenarios.booking.store import clinics as clinic_store
from citycare.scenarios.booking.store import schedule as schedule_store

BATCH = 5_000
DAYS_MAX = 92
GIVE_BACK_MAX = 20_000
PREVIEW_DAYS = 14
EXTEND = "booking.extend_schedule"


async def _own_clinics(cx: Context, clinic_ids: Collection[UUID]) -> dict[UUID, Clinic]:
    """Read clinics the actor may manage, or raise ClinicUnknown for the first that is not."""
    found = {one.id: one for one in await clinic_store.get(cx.db, set(clinic_ids))}
    for clinic_id in clinic_ids:
        if clinic_id not in found:
            raise ClinicUnknown(clinic=clinic_id)
    await require_organisations(cx, (one.organisation_id for one in found.values()))
    return found


async def save_templates(cx: Context, templates: Sequence[Template]) -> None:
    """Add or replace weekly templates. Windows already made are not touched.

    Raises:
        WindowTooLong, SharesWrong, TemplateWrong, TemplateClash, ClinicUnknown: nothing is saved.
    """
    clinics = await _own_clinics(cx, {one.clinic_id for one in templates})
    longest = int(await policy.value(cx, "booking.window.minutes_max"))
    for one in templates:
        rules.check_template(one, longest)
    changed = {one.id for one in templates}
    there = await schedule_store.list_templates(cx.db, clinics)
    rules.check_clashes([*templates, *(one for one in there if one.id not in changed)])
    await schedule_store.save_templates(cx.db, templates)
    await _audit(cx, "booking.templates.save", {"templates": len(templates)})


async def delete_templates(cx: Context, clinic_id: UUID, ids: Collection[UUID]) -> int:
    """Remove templates of one clinic; windows already made stay."""
    await _own_clinics(cx, {clinic_id})
    mine = {one.id for one in await schedule_store.list_templates(cx.db, [clinic_id])}
    count = await schedule_store.delete_templates(cx.db, mine & set(ids))
    await _audit(cx, "booking.templates.delete", {"templates": count})
    return count


async def list_templates(cx: Context, clinic_id: UUID) -> list[Template]:
    """Return the templates of one clinic, by weekday and time."""
    await _own_clinics(cx, {clinic_id})
    return await schedule_store.list_templates(cx.db, [clinic_id])


async def save_closures(cx: Context, closures: Sequence[Closure]) -> None:
    """Add or replace days closed or open in spite of the calendar.

    They decide about windows not made yet; a window already made is stopped with `stop_clinic`.
    """
    await require_organisations(cx, (one.organisation_id for one in closures))
    owners = await _own_clinics(cx, {one.clinic_id for one in closures if one.clinic_id})
    for one in closures:
        if one.clinic_id and owners[one.clinic_id].organisation_id != one.organisation_id:
            raise ClinicUnknown(clinic=one.clinic_id)
    await schedule_store.save_closures(cx.db, closures)
    await _audit(cx, "booking.closures.save", {"closures": len(closures)})


async def delete_closure(cx: Context, closure_id: UUID) -> Closure:
    """Take back a day closed or open in spite of the calendar; it must not be over. Audited.

    No window is touched: those of a day that was closed are made the next time windows are made
    (each night, or by hand); those made on a day that was open stay and must be stopped.

    Raises:
        ClosureUnknown: there is none, or not of the actor's houses.
        ClosurePast: the day is over.
    """
    found = await schedule_store.lock_closure(cx.db, closure_id)
    if found is None:
        raise ClosureUnknown(closure=closure_id)
    await require_organisations(cx, [found.organisation_id])
    if found.on_day < clock.day_of(cx.now):
        raise ClosurePast(on_day=found.on_day.isoformat())
    await schedule_store.delete_closure(cx.db, closure_id)
    detail = {"on_day": found.on_day.isoformat(), "kind": found.kind}
    entry = audit.Entry("booking.closures.delete", None, "Schedule", detail=dict(detail))
    await audit.append(cx, [entry])
    return found


async def list_closures(
    cx: Context, organisation_id: UUID, from_day: date, to_day: date
) -> list[Closure]:
    """Return the closures of an organisation in a period, both ends included."""
    await consent.require(cx, "booking.schedule", organisation_id=organisation_id)
    return await schedule_store.list_closures(cx.db, [organisation_id], from_day, to_day)


async def default_shares(cx: Context, capacity: int) -> dict[Pool, int]:
    """Divide a window's places by the policy's percentages (20 % for primary care)."""
    values = await policy.values(cx, "booking.share.")
    percents = {Pool(name): int(part) for name, part in values["percents"].items()}
    percents[Pool.REFERRAL] = int(values["referral_percent"])
    percents[Pool.ELDER] = int(values["elder_percent"])
    return rules.shares(capacity, percents)


@dataclass(frozen=True, slots=True)
class PreviewDay:
    """What a template would give on one day: windows, or the reason why none."""

    day: date
    windows: tuple[Window, ...]
    reason: str


async def preview(cx: Context, template: Template) -> list[PreviewDay]:
    """Show what a template would make in the next 14 days; writes nothing."""
    clinics = await _own_clinics(cx, {template.clinic_id})
    rules.check_template(template, int(await policy.value(cx, "booking.window.minutes_max")))
    today = clock.day_of(cx.now)
    last = today + timedelta(days=PREVIEW_DAYS - 1)
    organisation = clinics[template.clinic_id].organisation_id
    closures = await schedule_store.list_closures(cx.db, [organisation], today, last)
    mine = [one for one in closures if one.clinic_id in (None, template.clinic_id)]
    shown: list[PreviewDay] = []
    for day in _days(today, last):
        plan = rules.plan_day(day, mine)
        windows = rules.windows_of(template, day) if plan.weekday == template.weekday else []
        if windows or (plan.reason and day.isoweekday() == template.weekday):
            shown.append(PreviewDay(day, tuple(windows), plan.reason))
    return shown


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


async def make_slots(
    cx: Context,
    from_day: date,
    to_day: date,
    *,
    clinic_ids: Collection[UUID] = (),
    organisation_id: UUID | None = None,
    publish: bool = True,
) -> Made:
    """Make the windows and places of a period from the templates; again changes nothing.

    Written together: slots, places, one FHIR Slot each (with `publish`), the event
    `booking.slots_made` per clinic, an audit entry.

    Raises:
        SlotPast: the period begins before today.
        PeriodWrong: it ends before it begins, or spans over 92 days.
        ClinicUnknown: no such clinic, or not the actor's to manage.
        ValueError: neither clinics nor a house were named; a fault of the caller.
    """
    if not clinic_ids and organisation_id is None:
        raise ValueError("name clinics or a house to make windows for")
    if from_day < clock.day_of(cx.now):
        raise SlotPast(from_day=from_day.isoformat())
    if not 0 <= (to_day - from_day).days < DAYS_MAX:
        raise PeriodWrong(days_max=DAYS_MAX)
    clinics = await _clinics(cx, clinic_ids, organisation_id)
    templates: dict[UUID, list[Template]] = {}
    for one in await schedule_store.list_templates(cx.db, clinics):
        templates.setdefault(one.clinic_id, []).append(one)
    organisations = {one.organisation_id for one in clinics.values()}
    closures = await schedule_store.list_closures(cx.db, organisations, from_day, to_day)
    release = rules.release_from_policy(await policy.values(cx, "booking."))
    skipped: set[Skipped] = set()

    def planned() -> Iterator[NewSlot]:
        for clinic_id, mine in templates.items():
            clinic = clinics[clinic_id]
            days = _plan(clinic, closures, _days(from_day, to_day))
            off = {day for day, plan in days.items() if plan.weekday is None}
            skipped.update(Skipped(day, days[day].reason) for day in off)
            yield from rules.slots_of(clinic, mine, days, release, cx.now)

    made = await load_slots(cx, planned(), publish=publish)
    return Made(
        made.slots,
        made.places,
        tuple(sorted(skipped, key=lambda one: (one.day, one.reason))),
        rules.calendar_unknown(from_day, to_day),
    )


async def furthest_day(cx: Context) -> date:
    """Return the last day whose windows must be there: places of some pool are released for it."""
    release = rules.release_from_policy(await policy.values(cx, "booking."))
    return clock.day_of(cx.now) + timedelta(days=max(release.days_ahead.values()))


async def extend_later(cx: Context) -> int:
    """Ask for one job for each house that has templates, so that none waits for another."""
    houses = await schedule_store.list_houses(cx.db)
    for house in houses:
        await events.defer(cx, EXTEND, {"organisation": str(house)}, once=f"{EXTEND}:{house}")
    return len(houses)


async def _clinics(
    cx: Context, clinic_ids: Collection[UUID], organisation_id: UUID | None
) -> Mapping[UUID, Clinic]:
    if organisation_id is None:
        found = await _own_clinics(cx, clinic_ids)
        return {id_: one for id_, one in found.items() if one.active}
    await consent.require(cx, "booking.schedule", organisation_id=organisation_id)
    every = await clinic_store.list_of_organisation(cx.db, organisation_id)
    return {one.id: one for one in every if not clinic_ids or one.id in clinic_ids}


def _plan(
    clinic: Clinic, closures: Iterable[Closure], days: Sequence[date]
) -> dict[date, rules.Day]:
    mine = [
        one
        for one in closures
        if one.clinic_id == clinic.id
        or (one.clinic_id is None and one.organisation_id == clinic.organisation_id)
    ]
    return {day: rules.plan_day(day, mine) for day in days}


async def load_slots(cx: Context, slots: Iterable[NewSlot], *, publish: bool = True) -> Made:
    """Write windows in batches of 5,000, so memory is bounded however many come.

    Those already there (same clinic, same start) are left as they are. The actor must be allowed
    to manage the schedules of every organisation among them.
    """
    source = iter(slots)
    count = places = 0
    allowed: set[UUID] = set()
    per_clinic: dict[UUID, int] = {}
    while batch := list(islice(source, BATCH)):
        unseen = {one.clinic.organisation_id for one in batch} - allowed
        await require_organisations(cx, unseen)
        allowed |= unseen
        added = await schedule_store.add_slots(cx.db, batch)
        fresh = [one for one in batch if one.id in added]
        count += len(fresh)
        places += sum(len(one.places) for one in fresh)
        for one in fresh:
            per_clinic[one.clinic.id] = per_clinic.get(one.clinic.id, 0) + 1
        if publish and fresh:
            await fhir.create(cx, [_as_fhir(one) for one in fresh])
    await events.emit(
        cx,
        [
            events.Event("booking.slots_made", {"clinic": str(clinic), "slots": str(number)})
            for clinic, number in per_clinic.items()
        ],
    )
    await _audit(cx, "booking.slots.make", {"slots": count, "places": places})
    return Made(count, places)


def _as_fhir(slot: NewSlot) -> dict[str, object]:
    size = len(slot.places)
    return rules.slot_as_fhir(slot.id, slot.clinic, slot.window, capacity=size, free=size)


async def give_back_due(cx: Context) -> int:
    """Turn unused reserved places public once their time has come; return how many.

    At most 20,000 a call, in one statement; a tick job calls it every minute.
    """
    rows = await schedule_store.give_back(cx.db, cx.now, GIVE_BACK_MAX)
    total = sum(int(row["places"]) for row in rows)
    if total:
        await _audit(cx, "booking.places.give_back", {"places": total, "slots": len(rows)})
    return total


async def release_in_force(cx: Context) -> Release:
    """Read when places open and turn public, for whoever builds windows for `load_slots`."""
    return rules.release_from_policy(await policy.values(cx, "booking."))


async def _audit(cx: Context, action: str, detail: dict[str, int]) -> None:
    await audit.append(cx, [audit.Entry(action, None, "Schedule", detail=dict(detail))])
