"""Write the generated city through the kernel and booking; all of it in one transaction.

One transaction is what makes it whole or absent: a crash in the middle leaves an empty database,
and the next start builds again. Everything streams, so a million residents need no more memory
than the crowd that is kept to be patients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import time, timedelta
from itertools import chain, islice

from citycare.journeys.demo import cast, catalogue, institutions, stories, visits
from citycare.journeys.demo import people as people_of
from citycare.journeys.demo.model import (
    Department,
    Doctor,
    Family,
    Institutions,
    Organisation,
    Resident,
    Scale,
    Visit,
)
from citycare.journeys.demo.numbers import Births, dice
from citycare.kernel import fhir, identity
from citycare.kernel.context import Context, Grant
from citycare.kernel.fhir import publish
from citycare.kernel.identity import bulk, proposals
from citycare.kernel.identity import organisations as houses_of
from citycare.kernel.identity.documents import Document, Kind
from citycare.kit import clock
from citycare.scenarios.booking.model.core import Booking
from citycare.scenarios.booking.model.draw import Keys
from citycare.scenarios.booking.model.schedule import Clinic, NewSlot
from citycare.scenarios.booking.service import clinics, draw, loading, schedule, stop
from citycare.web.login.demo_people import DEMO_ISSUER

Tell = Callable[[str, int, int], None]
CHECKED_BY = "demo"
FAMILIES_A_BATCH = 2_000
TELL_EVERY = 1_000
DRAW_REQUESTS = 60
PAST_PERCENT = 86.0


@dataclass(frozen=True, slots=True)
class Loader:
    """One run: where to write, how big, whom to tell, and booking's keys if there are any."""

    cx: Context
    scale: Scale
    tell: Tell
    keys: Keys | None

    async def load(self) -> None:
        """Build the city, from organisations to messages."""
        city = institutions.build(self.scale)
        await self._institutions(city)
        crowd = await self._residents()
        await self._accounts()
        booker, drawn = await self._bookings(city, crowd)
        await self._stories(city, crowd, booker, drawn)

    async def _institutions(self, city: Institutions) -> None:
        cx, total = self.cx, len(city.organisations) + len(city.doctors) + len(city.desks)
        self.tell("医院、科室和医生", 0, total)
        houses = [_organisation(one) for one in city.organisations]
        wards = {one.id: _department(one) for one in city.departments}
        staff = [_practitioner(one) for one in city.doctors]
        roles = [(one.id, one.department.id) for one in city.doctors]
        await bulk.load_organisations(cx, houses)
        await bulk.load_departments(cx, wards.values())
        await bulk.load_practitioners(cx, staff)
        await bulk.load_roles(cx, roles)
        await publish.publish_institutions(
            cx,
            organisations=houses,
            departments=list(wards.values()),
            practitioners=staff,
            roles=[(doctor, wards[ward]) for doctor, ward in roles],
            services=[_service(desk.clinic) for desk in city.desks],
        )
        await clinics.save_clinics(cx, [desk.clinic for desk in city.desks])
        templates = [template for desk in city.desks for template in desk.templates]
        await schedule.save_templates(cx, templates)
        await schedule.save_closures(cx, stories.closures(cx.now))
        self.tell("医院、科室和医生", total, total)

    async def _residents(self) -> visits.Crowd:
        births = Births()
        own = cast.family(births)
        others = people_of.families(self.scale.residents - len(own.residents), births)
        families: Iterator[Family] = chain([own], others)
        kept: list[Resident] = []
        count = 0
        self.tell("居民", 0, self.scale.residents)
        while batch := list(islice(families, FAMILIES_A_BATCH)):
            residents = [one for family in batch for one in family.residents]
            await self._people(residents)
            relations = [one for family in batch for one in family.relations]
            await bulk.load_relations(self.cx, relations)
            await self._publish(residents, relations)
            count += len(residents)
            kept += residents[: max(0, self.scale.crowd - len(kept))]
            self.tell("居民", count, self.scale.residents)
        return visits.Crowd(kept, clock.day_of(self.cx.now))

    async def _people(self, residents: Sequence[Resident]) -> None:
        cx = self.cx
        await bulk.load_people(cx, (one.person for one in residents))
        for doubtful in (False, True):
            await bulk.load_documents(
                cx,
                (
                    (one.person.id, Document(Kind.RESIDENT_ID, one.number))
                    for one in residents
                    if one.doubtful is doubtful
                ),
                verified_at=None if doubtful else people_of.REGISTERED_AT,
                verified_by=None if doubtful else CHECKED_BY,
            )

    async def _publish(
        self, residents: Sequence[Resident], relations: Sequence[identity.Relation]
    ) -> None:
        people = {one.person.id: one.person for one in residents}
        patients = [publish.patient(one.person, _documents(one)) for one in residents]
        related = [publish.related_person(one, people[one.proxy_id]) for one in relations]
        await fhir.create(self.cx, patients)
        await fhir.create(self.cx, related)

    async def _accounts(self) -> None:
        logins = cast.demo_logins()
        accounts = [
            identity.Account(
                id=cast.account_id(one.key),
                issuer=DEMO_ISSUER,
                subject=one.subject,
                person_id=one.person_id,
                practitioner_id=one.practitioner_id,
                name=one.name,
                disabled_at=None,
                has_second_factor=False,
            )
            for one in logins
        ]
        await bulk.load_accounts(self.cx, accounts)
        grants = (
            (cast.account_id(one.key), Grant(one.role, one.organisation_id)) for one in logins
        )
        await bulk.load_grants(self.cx, grants)

    async def _bookings(
        self, city: Institutions, crowd: visits.Crowd
    ) -> tuple[visits.Booker, list[NewSlot]]:
        cx, now = self.cx, self.cx.now
        accounts = {one.key: cast.account_id(one.key) for one in cast.demo_logins()}
        plans = stories.plans(city, accounts, now)
        booker = visits.Booker(crowd, plans, now)
        release = await schedule.release_in_force(cx)
        closures = stories.closures(now)
        made: list[Visit] = []
        drawn: list[NewSlot] = []
        total = self.scale.past_windows + _windows_in_two_weeks(city)
        today = clock.day_of(now)

        def windows() -> Iterator[NewSlot]:
            planned = chain(
                visits.past(city, self.scale, plans, release, now),
                visits.ahead(city, closures, release, now),
            )
            for count, (slot, desk) in enumerate(planned, 1):
                days = (clock.day_of(slot.window.starts_at) - today).days
                full = PAST_PERCENT if days < 0 else visits.fullness(desk, days, self.scale)
                made.extend(booker.fill(slot, desk, full))
                if desk.clinic.release == "draw" and days >= visits.DRAW_DAYS:
                    drawn.append(slot)
                yield slot
                if count % TELL_EVERY == 0:
                    self.tell("号源", min(count, total), total)

        await schedule.load_slots(cx, windows())
        self.tell("号源", total, total)
        await loading.load_bookings(cx, self._counted(made))
        self.tell("预约", len(made), len(made))
        return booker, drawn

    def _counted(self, made: Sequence[Visit]) -> Iterator[tuple[Booking, NewSlot]]:
        for number, visit in enumerate(made):
            if number % TELL_EVERY == 0:
                self.tell("预约", number, len(made))
            yield visit.booking, visit.slot

    async def _stories(
        self,
        city: Institutions,
        crowd: visits.Crowd,
        booker: visits.Booker,
        drawn: Sequence[NewSlot],
    ) -> None:
        cx = self.cx
        self.tell("候补、爽约和摇号", 0, 1)
        paused = stories.holds(booker, cx.now)
        await loading.load_holds(cx, paused)
        await loading.load_messages(cx, stories.messages(booker, paused, cx.now))
        await loading.load_waits(cx, stories.waits(city, crowd, cx.now), "phone")
        await proposals.propose_matches(cx, cast.person_id(cast.TWICE[0]))
        await self._draw(drawn, crowd, booker)
        await self._stop(city)
        self.tell("候补、爽约和摇号", 1, 1)

    async def _stop(self, city: Institutions) -> None:
        """Stop a morning of another doctor: those booked get another place, or wait ahead."""
        rule = catalogue.clinic_rules()["stopped"]
        desk = stories.desk_of(city, "guminghua")
        day = clock.day_of(self.cx.now) + timedelta(days=rule["days_ahead"])
        if not stories.windows_on(desk, day):  # a public holiday
            return
        from_, to = clock.at(day, time(7)), clock.at(day, time(12))
        await stop.stop_clinic(self.cx, desk.clinic.id, from_, to, rule["reason"])

    async def _draw(
        self, drawn: Sequence[NewSlot], crowd: visits.Crowd, booker: visits.Booker
    ) -> None:
        """Open a draw that closes tomorrow evening, with requests in it already."""
        cx, today = self.cx, clock.day_of(self.cx.now)
        if self.keys is None or not drawn:
            return
        clinic = drawn[0].clinic
        mine = [one.id for one in drawn if one.clinic.organisation_id == clinic.organisation_id]
        new = draw.NewDraw(
            organisation_id=clinic.organisation_id,
            name=f"{clinic.organisation_short}专家号摇号",
            opens_at=cx.now - timedelta(hours=20),
            closes_at=clock.at(today + timedelta(days=1), time(20)),
            slots=mine,
        )
        opened = await draw.open_draw(cx, self.keys, new)
        throw = dice("draw", today)
        people = [
            one
            for one in throw.sample(crowd.by["adult"], DRAW_REQUESTS * 3)
            if booker.diary.ahead[one] == 0 and one not in booker.missed
        ]
        for person in people[:DRAW_REQUESTS]:
            wishes = throw.sample(mine, min(len(mine), throw.randint(1, 3)))
            await draw.request_places(cx, self.keys, opened.id, person, wishes)


def _organisation(one: Organisation) -> houses_of.Organisation:
    return houses_of.Organisation(
        id=one.id,
        name=one.name,
        short_name=one.short_name,
        kind=houses_of.OrganisationKind(one.kind),
        district=one.district,
        uscc=one.uscc,
        nicknames=one.nicknames,
        level=one.level,
        address=one.address,
        phone=one.phone,
        latitude=one.latitude,
        longitude=one.longitude,
        parent_id=one.parent_id,
    )


def _department(one: Department) -> houses_of.Department:
    specialty = one.specialty
    return houses_of.Department(
        one.id, one.organisation.id, specialty.code, specialty.name, one.place
    )


def _practitioner(one: Doctor) -> houses_of.Practitioner:
    return houses_of.Practitioner(
        id=one.id,
        name=one.name,
        sex=identity.Sex(one.sex),
        title=one.title,
        good_at=one.good_at,
        licence=one.licence,
        name_pinyin=one.name_pinyin,
    )


def _service(clinic: Clinic) -> publish.Service:
    doctor = f" {clinic.practitioner_name} {clinic.title}" if clinic.practitioner_name else " 普通"
    return publish.Service(
        id=clinic.id,
        organisation_id=clinic.organisation_id,
        department_id=clinic.department_id,
        department_code=clinic.department_code,
        name=f"{clinic.organisation_short} {clinic.department_name}{doctor}门诊",
        room=clinic.room,
    )


def _documents(one: Resident) -> list[identity.HeldDocument]:
    """Return the identity card where it was checked: an unproven number is not published."""
    if one.doubtful:
        return []
    return [
        identity.HeldDocument(
            id=one.person.id,
            kind=Kind.RESIDENT_ID,
            number=one.number,
            person_id=one.person.id,
            verified_at=people_of.REGISTERED_AT,
            verified_by=CHECKED_BY,
        )
    ]


def _windows_in_two_weeks(city: Institutions) -> int:
    def minutes(of: time) -> int:
        return of.hour * 60 + of.minute

    return 2 * sum(
        (minutes(one.ends) - minutes(one.starts)) // one.window_min
        for desk in city.desks
        for one in desk.templates
    )
