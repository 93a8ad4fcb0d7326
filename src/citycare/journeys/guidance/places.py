"""The triage's ports, answered by booking: open places, emergency departments, what led where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from math import cos, hypot, radians
from uuid import UUID

from citycare.kernel import identity
from citycare.kernel.context import Context
from citycare.kit.money import Money
from citycare.scenarios.booking.model.finder import Filters, Found, Point
from citycare.scenarios.booking.rules.position import point_of
from citycare.scenarios.booking.service import finder, lists
from citycare.scenarios.triage.model.places import Emergency, Offer, Position

LOOKED_AT = 30  # open clinics ranked for an answer of a few
HOURS_A_KM = 2.0  # one kilometre more is worth two hours of waiting; ours, to be settled by use
HOURS_GOOD_AT = 48.0  # so much sooner counts who says to be good at it
HOURS_SEEN_BEFORE = 120.0
SECONDS_AN_HOUR = 3600
ROUND_M = 100
METRES_A_DEGREE = 111_320
GENERAL_PRACTICE = "02"
EMERGENCY, FEVER_CLINIC, INTERNAL, SURGERY, CHILDREN = "20", "16.02", "03", "04", "07"


async def places_for(
    cx: Context,
    department_code: str,
    person_id: UUID | None,
    limit: int,
    *,
    words: Sequence[str] = (),
    near: Position | None = None,
    until: date | None = None,
) -> tuple[Offer, ...]:
    """Return clinics with an open place: own family doctor, then seen before, soon, near, fitting.

    Where nobody in the city runs the sub-department, its main department is looked at (12.03 口腔
    黏膜 → 12 口腔科).
    """
    history = finder.NOBODY
    if person_id is not None:
        history, _ = await lists.history_of(cx, person_id)
    point = point_of(near.latitude, near.longitude) if near is not None else None
    family = await _family_doctors(cx, department_code, person_id)
    for code in dict.fromkeys((department_code, department_code.partition(".")[0])):
        filters = Filters(department_code=code, only_open=True, to_day=until)
        answer = await finder.find_clinics(
            cx, "", filters, near=point, history=history, limit=LOOKED_AT
        )
        if answer.items:
            ranking = _Ranking(cx, tuple(words), family)
            best = sorted(answer.items, key=ranking.of)
            return tuple(_offer(one, family) for one in best[:limit] if one.next_starts_at)
    return ()


@dataclass(frozen=True, slots=True)
class _Ranking:
    cx: Context
    words: tuple[str, ...]
    family: frozenset[UUID]

    def of(self, one: Found) -> tuple[bool, float, str]:
        """Rank by hours: until the place, plus what distance costs, less what speaks for it."""
        assert one.next_starts_at is not None
        hours = (one.next_starts_at - self.cx.now).total_seconds() / SECONDS_AN_HOUR
        hours += (one.distance_m or 0) / 1000 * HOURS_A_KM
        if any(word in one.clinic.good_at for word in self.words):
            hours -= HOURS_GOOD_AT
        if one.known > 1:
            hours -= HOURS_SEEN_BEFORE
        return one.clinic.practitioner_id not in self.family, hours, str(one.clinic.id)


async def _family_doctors(
    cx: Context, department_code: str, person_id: UUID | None
) -> frozenset[UUID]:
    """Return the practitioners who are somebody's family doctor; only general practice has any."""
    if person_id is None or department_code != GENERAL_PRACTICE:
        return frozenset()
    held = (await identity.relations_of(cx, person_id)).proxies
    doctors = {
        one.proxy_id for one in held if one.kind is identity.RelationKind.FAMILY_DOCTOR
    }  # fmt: skip
    if not doctors:
        return frozenset()
    practices = [
        one.id
        for one in await identity.list_departments(cx)
        if one.code.partition(".")[0] == GENERAL_PRACTICE
    ]
    found = await identity.list_practitioners(cx, departments=practices)
    return frozenset(one.id for one in found if one.person_id in doctors)


def _offer(one: Found, family: frozenset[UUID]) -> Offer:
    assert one.next_starts_at is not None
    clinic = one.clinic
    drawn = clinic.release == "draw" or one.next_slot_id is None
    return Offer(
        doctor=clinic.practitioner_name,
        title=clinic.title if clinic.practitioner_name else "",
        good_at=clinic.good_at,
        department=clinic.department_name,
        hospital=clinic.organisation_short or clinic.organisation_name,
        starts_at=one.next_starts_at,
        fee=Money(clinic.fee_fen),
        href=f"/book?clinic={clinic.id}" if drawn else f"/book/{one.next_slot_id}",
        metres=_rounded(one.distance_m),
        known=one.known > 1,
        family=clinic.practitioner_id in family,
    )


async def emergencies_for(
    cx: Context,
    limit: int,
    *,
    near: Position | None = None,
    child: bool = False,
    fever: bool = False,
) -> tuple[Emergency, ...]:
    """Return hospitals with an emergency department, or a fever clinic, the nearest first.

    Where the city's list names no emergency department (code 20) at all, general hospitals stand
    in: those with internal medicine and surgery; for a fever clinic none does. For a child, those
    that treat children too.
    """
    codes: dict[UUID, set[str]] = {}
    for one in await identity.list_departments(cx):
        codes.setdefault(one.organisation_id, set()).update((one.code, one.code.partition(".")[0]))
    wanted, instead = (FEVER_CLINIC, None) if fever else (EMERGENCY, {INTERNAL, SURGERY})
    named = {house for house, have in codes.items() if wanted in have}
    houses = named or {house for house, have in codes.items() if instead and have >= instead}
    if child and houses:
        houses = {house for house in named or codes if CHILDREN in codes[house]} or houses
    point = point_of(near.latitude, near.longitude) if near is not None else None
    found = [
        one
        for one in await identity.list_organisations(cx, houses)
        if one.kind is identity.OrganisationKind.HOSPITAL
    ]
    found.sort(key=lambda one: (_metres(one, point) or 0, one.name))
    return tuple(
        Emergency(
            name=one.name,
            address=one.address,
            phone=one.phone,
            metres=_rounded(_metres(one, point)),
        )
        for one in found[:limit]
    )


def _metres(one: identity.Organisation, point: Point | None) -> int | None:
    """Measure as the crow flies, on a flat map: right to a metre in a thousand within a city."""
    if point is None or one.latitude is None or one.longitude is None:
        return None
    north = one.latitude - point.latitude
    east = (one.longitude - point.longitude) * cos(radians(point.latitude))
    return int(hypot(north, east) * METRES_A_DEGREE)


def _rounded(metres: int | None) -> int | None:
    return None if metres is None else max(ROUND_M, round(metres / ROUND_M) * ROUND_M)
