"""Who was and is where: sixty days of the past, today as the clock stands, the coming two weeks.

Everything follows from the seed, the day, and the instant `now` (which decides who has arrived).
The rules that real bookings obey hold here too: one place a window, at most two a day, one a
department and day, six ahead; elders' places go to elders.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from uuid import UUID

from citycare.journeys.demo import cast
from citycare.journeys.demo.model import Desk, Institutions, Resident, Scale, Visit
from citycare.journeys.demo.numbers import dice
from citycare.kernel.context import Channel
from citycare.kernel.identity.persons import age_on
from citycare.kit import clock, ids
from citycare.scenarios.booking.model.core import Booking, Pool, Source, State
from citycare.scenarios.booking.model.schedule import Closure, NewPlace, NewSlot, Release, Window
from citycare.scenarios.booking.rules import schedule

PAST_DAYS = 60
AHEAD_DAYS = 14
PER_DAY, AHEAD_MAX, ELDER, CHILD, ADULT = 2, 6, 60, 14, 18
HOLDERS, MISSES_TO_HOLD, MISSES_MAX = 12, 3, 2
HANDLED_MIN = 20
DRAW_DAYS = 5  # clinics released by draw: days nearer than this were drawn already
CANCELLED_PERCENT, NO_SHOW_PERCENT = 8, 6
CHANNELS = (Channel.PHONE, Channel.TELEPHONE, Channel.WINDOW, Channel.KIOSK, Channel.VOLUNTEER)
CHANNEL_WEIGHTS = (72, 9, 9, 8, 2)
REASONS = ("时间不合适", "症状已经好转", "改到别的医院", "临时有事")
AUDIENCES = ("child", "woman", "man", "elder", "adult", "all")


@dataclass(frozen=True, slots=True)
class Plan:
    """Somebody of the cast who sits in a certain window."""

    person: UUID
    pool: Pool
    channel: Channel = Channel.PHONE
    acted_by: UUID | None = None


Plans = dict[tuple[UUID, datetime], list[Plan]]


class Crowd:
    """The residents who can be patients, by audience."""

    def __init__(self, residents: Iterable[Resident], day: date) -> None:
        """Sort residents by age and sex on a day."""
        self.born: dict[UUID, date] = {}
        self.by: dict[str, list[UUID]] = {name: [] for name in AUDIENCES}
        for one in residents:
            person = one.person
            age = age_on(person.born_on, day)
            self.born[person.id] = person.born_on
            fits = {
                "child": age < CHILD,
                "woman": age >= ADULT and person.sex == "female",
                "man": age >= ADULT and person.sex == "male",
                "elder": age >= ELDER,
                "adult": age >= ADULT,
                "all": True,
            }
            for name, fit in fits.items():
                if fit:
                    self.by[name].append(person.id)

    def is_elder(self, person_id: UUID, day: date) -> bool:
        """Tell whether a person of the crowd is sixty or over."""
        return age_on(self.born[person_id], day) >= ELDER


@dataclass(slots=True)
class Diary:
    """What every person holds already, so that no rule of booking is broken."""

    windows: set[tuple[UUID, datetime]] = field(default_factory=set)
    days: Counter[tuple[UUID, date]] = field(default_factory=Counter)
    departments: set[tuple[UUID, date, str]] = field(default_factory=set)
    ahead: Counter[UUID] = field(default_factory=Counter)
    misses: Counter[UUID] = field(default_factory=Counter)
    seen: dict[UUID, list[UUID]] = field(default_factory=dict)

    def is_free(self, person: UUID, at: datetime, department: str, now: datetime) -> bool:
        """Tell whether one more booking breaks no rule."""
        day = clock.day_of(at)
        return (
            (person, at) not in self.windows
            and self.days[person, day] < PER_DAY
            and (person, day, department) not in self.departments
            and (at <= now or self.ahead[person] < AHEAD_MAX)
        )

    def note(self, person: UUID, at: datetime, department: str, now: datetime) -> None:
        """Remember one booking."""
        day = clock.day_of(at)
        self.windows.add((person, at))
        self.days[person, day] += 1
        self.departments.add((person, day, department))
        self.ahead[person] += at > now


class Booker:
    """Fills windows with people, one window after the other in the order of time."""

    def __init__(self, crowd: Crowd, plans: Plans, now: datetime) -> None:
        """Start with empty diaries."""
        self.crowd, self.plans, self.now = crowd, plans, now
        self.diary = Diary()
        self.dice = dice("visits", clock.day_of(now))
        adults = crowd.by["adult"]
        cast_ids = {plan.person for some in plans.values() for plan in some}
        chosen = dice("holders").sample(adults, min(HOLDERS, len(adults)))
        self.holders = [one for one in chosen if one not in cast_ids]
        self.missed: dict[UUID, list[Booking]] = {one: [] for one in self.holders}

    def fill(self, slot: NewSlot, desk: Desk, percent: float) -> Iterator[Visit]:
        """Book that percentage of the open places of a window; planned people come first."""
        planned = list(self.plans.get((desk.clinic.id, slot.window.starts_at), ()))
        for place in slot.places:
            if place.opens_at > self.now:
                continue
            plan = next((one for one in planned if one.pool is place.pool), None)
            if plan is not None:
                planned.remove(plan)
                self.diary.note(
                    plan.person, slot.window.starts_at, desk.clinic.department_code, self.now
                )
                yield self._visit(slot, place, plan)
                continue
            if self.dice.random() * 100 < percent:
                yield from self._booked(slot, desk, place)
            elif self.dice.random() * 10_000 < CANCELLED_PERCENT * percent:
                yield from self._cancelled(slot, desk, place)

    def _booked(self, slot: NewSlot, desk: Desk, place: NewPlace) -> Iterator[Visit]:
        starts_at, code = slot.window.starts_at, desk.clinic.department_code
        person = None
        if starts_at < self.now and desk.audience == "adult" and place.pool is Pool.PUBLIC:
            person = next((one for one in self.holders if self._may_miss(one, slot, desk)), None)
        missing = person is not None
        person = person or self._someone(slot, desk, place.pool)
        if person is None:
            return
        self.diary.note(person, starts_at, code, self.now)
        visit = self._visit(slot, place, self._plan(person, place, slot), missing=missing)
        if missing:
            self.missed[person].append(visit.booking)
        yield visit

    def _may_miss(self, person: UUID, slot: NewSlot, desk: Desk) -> bool:
        """Tell whether a future holder misses this window: thrice, on different days."""
        day = clock.day_of(slot.window.starts_at)
        missed = self.missed[person]
        return (
            len(missed) < MISSES_TO_HOLD
            and day < clock.day_of(self.now) - timedelta(days=3)
            and self.dice.randrange(40) == 0
            and self.diary.days[person, day] == 0
            and desk.clinic.release == "first_come"
        )

    def _someone(self, slot: NewSlot, desk: Desk, pool: Pool) -> UUID | None:
        day = clock.day_of(slot.window.starts_at)
        audience = "elder" if pool is Pool.ELDER else desk.audience
        if desk.audience == "child" and pool is Pool.ELDER:
            return None
        if pool is Pool.ONSITE and day > clock.day_of(self.now):
            return None
        if pool is Pool.FOLLOWUP:
            people = self.diary.seen.get(desk.clinic.id, [])
        else:
            older = audience == "adult" and self.dice.randrange(100) < 40  # noqa: PLR2004
            people = self.crowd.by["elder" if older else audience]
        for _ in range(6 if people else 0):
            found = self.dice.choice(people)
            free = self.diary.is_free(
                found, slot.window.starts_at, desk.clinic.department_code, self.now
            )
            fits = pool is not Pool.ELDER or self.crowd.is_elder(found, day)
            if free and fits and found not in self.missed and found not in CAST_IDS:
                return found
        return None

    def _plan(self, person: UUID, place: NewPlace, slot: NewSlot) -> Plan:
        channel = self.dice.choices(CHANNELS, CHANNEL_WEIGHTS)[0]
        if place.pool is Pool.REFERRAL:
            channel = Channel.HOSPITAL
        elif place.pool is Pool.ONSITE:
            channel = self.dice.choice((Channel.WINDOW, Channel.KIOSK))
        elif channel is Channel.PHONE and self.crowd.is_elder(
            person, clock.day_of(slot.window.starts_at)
        ):
            channel = self.dice.choice((Channel.PHONE, Channel.TELEPHONE, Channel.WINDOW))
        return Plan(person, place.pool, channel)

    def _visit(self, slot: NewSlot, place: NewPlace, plan: Plan, *, missing: bool = False) -> Visit:
        state, ended_at = self._state(slot.window, planned=plan.person in CAST_IDS)
        if missing:
            state, ended_at = State.NO_SHOW, slot.window.ends_at + timedelta(hours=3)
        elif state is State.NO_SHOW and self.diary.misses[plan.person] >= MISSES_MAX:
            state, ended_at = State.FULFILLED, slot.window.ends_at
        if state is State.NO_SHOW:
            self.diary.misses[plan.person] += 1
        elif state is State.FULFILLED:
            self.diary.seen.setdefault(slot.clinic.id, []).append(plan.person)
        return Visit(self._booking(slot, place, plan, state, ended_at), slot)

    def _state(self, window: Window, *, planned: bool) -> tuple[State, datetime | None]:
        """Say how far a visit has come by now."""
        chance = self.dice.random() * 100
        if window.ends_at + timedelta(minutes=HANDLED_MIN) <= self.now:
            late = window.ends_at + timedelta(hours=3)
            if not planned and late <= self.now and chance < NO_SHOW_PERCENT:
                return State.NO_SHOW, late
            return State.FULFILLED, window.ends_at
        minutes = (window.starts_at - self.now) / timedelta(minutes=1)
        arrived = 75 if minutes <= 0 else 45 if minutes <= 30 else 12 if minutes <= 60 else 0  # noqa: PLR2004
        return (State.ARRIVED if chance < arrived else State.BOOKED), None

    def _booking(
        self,
        slot: NewSlot,
        place: NewPlace,
        plan: Plan,
        state: State,
        ended_at: datetime | None,
        reason: str = "",
    ) -> Booking:
        clinic = slot.clinic
        latest = min(self.now, slot.window.starts_at, ended_at or self.now)
        created_at = place.opens_at + (latest - place.opens_at) * self.dice.random() ** 2
        id_ = ids.derive("demo", "booking", slot.id, place.number, state is State.CANCELLED)
        arrived_at = slot.window.starts_at - timedelta(minutes=id_.bytes[EARLY_BYTE] % EARLY_MIN)
        return Booking(
            id=id_,
            slot_id=slot.id,
            number=place.number,
            pool=place.pool,
            clinic_id=clinic.id,
            organisation_id=clinic.organisation_id,
            department_code=clinic.department_code,
            person_id=plan.person,
            starts_at=slot.window.starts_at,
            state=state,
            channel=plan.channel,
            acted_by=plan.acted_by,
            source=Source.DRAW if clinic.release == "draw" else Source.BOOK,
            follows=None,
            created_at=created_at,
            ended_at=ended_at,
            reason=reason,
            arrived_at=max(created_at, min(arrived_at, self.now)) if state in CAME else None,
        )

    def _cancelled(self, slot: NewSlot, desk: Desk, place: NewPlace) -> Iterator[Visit]:
        """Book a place and give it back: the place stays free."""
        person = self._someone(slot, desk, place.pool)
        if person is None:
            return
        last = min(self.now, slot.window.starts_at - timedelta(hours=1))
        if last <= place.opens_at:
            return
        ended_at = place.opens_at + (last - place.opens_at) * self.dice.uniform(0.3, 1)
        plan = self._plan(person, place, slot)
        reason = self.dice.choice(REASONS)
        yield Visit(self._booking(slot, place, plan, State.CANCELLED, ended_at, reason), slot)


CAME = frozenset({State.ARRIVED, State.FULFILLED})
EARLY_BYTE, EARLY_MIN = 14, 40  # as store/loading.py lets people arrive: by the id, no dice
CAST_IDS = frozenset(cast.person_id(key) for key, *_ in cast.PEOPLE)


def past(
    city: Institutions, scale: Scale, plans: Plans, release: Release, now: datetime
) -> Iterator[tuple[NewSlot, Desk]]:
    """Choose sessions of the last sixty days: the story's own every day, others by their pull.

    Sessions in which somebody of the cast sits are always among them.
    """
    seats = {(clinic, clock.day_of(at)) for clinic, at in plans}
    today = clock.day_of(now)
    star = cast.doctor_id("chenli")
    for back in range(PAST_DAYS, 0, -1):
        day = today - timedelta(days=back)
        weekday = schedule.plan_day(day, ()).weekday
        open_ = [
            (desk, template)
            for desk in city.desks
            for template in desk.templates
            if template.weekday == weekday
        ]
        chosen = [one for one in open_ if one[0].clinic.practitioner_id == star][:1]
        chosen += [one for one in open_ if (one[0].clinic.id, day) in seats]
        throw = dice("past", day)
        weights = [desk.pull for desk, _ in open_]
        windows = scale.past_windows // PAST_DAYS
        wanted = throw.choices(open_, weights, k=windows // 6) if open_ else []
        unique = {template.id: (desk, template) for desk, template in chosen + wanted}
        for desk, template in unique.values():
            for window in schedule.windows_of(template, day):
                before = window.starts_at - timedelta(minutes=1)
                made = schedule.new_slot(desk.clinic, window, template.shares, release, before)
                yield made, desk


def ahead(
    city: Institutions, closures: Sequence[Closure], release: Release, now: datetime
) -> Iterator[tuple[NewSlot, Desk]]:
    """Make all windows of today, begun ones too, and of the coming days, day by day."""
    today = clock.day_of(now)
    midnight = clock.at(today, time.min) - timedelta(minutes=1)
    days = [today + timedelta(days=offset) for offset in range(AHEAD_DAYS)]
    for day in days:
        for desk in city.desks:
            mine = [one for one in closures if one.organisation_id == desk.clinic.organisation_id]
            plan = {day: schedule.plan_day(day, mine)}
            for slot in schedule.slots_of(desk.clinic, desk.templates, plan, release, midnight):
                yield slot, desk


def fullness(desk: Desk, days_ahead: int, scale: Scale) -> float:
    """Say what percentage of a clinic's places is booked that many days ahead."""
    house = desk.clinic.organisation_id
    star = desk.clinic.practitioner_id in (cast.doctor_id("chenli"), cast.doctor_id("wangfang"))
    if star:
        return max(35.0, 100.0 - 11 * max(0, days_ahead - 1))
    if desk.clinic.release == "draw" and days_ahead >= DRAW_DAYS:
        return 0.0
    if house in (cast.organisation_id(cast.RUIJIN), cast.organisation_id(cast.COMMUNITY)):
        return float(70 * 0.85**days_ahead)
    base = 30 if desk.clinic.id.int % 4 == 0 else 5
    return float(base * 0.85**days_ahead) * scale.busy_percent / 100
