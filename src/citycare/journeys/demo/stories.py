"""What the cast has planned: the list at this hour, a child's visit, who waits, who is paused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from citycare.journeys.demo import cast, catalogue
from citycare.journeys.demo.model import Desk, Institutions
from citycare.journeys.demo.visits import Booker, Crowd, Plan, Plans
from citycare.kernel.context import Channel
from citycare.kit import clock, ids
from citycare.scenarios.booking.model.core import Booking, Hold, Pool, Wait
from citycare.scenarios.booking.model.schedule import Closure, Window
from citycare.scenarios.booking.rules import schedule

HOLD_DAYS = 90
WAITING = 6
APPEAL = "三次都是照顾住院的母亲，医院有住院证明，请恢复线上预约。"


def desk_of(city: Institutions, subject: str) -> Desk:
    """Return the clinic of a cast doctor."""
    doctor = cast.doctor_id(subject)
    return next(desk for desk in city.desks if desk.clinic.practitioner_id == doctor)


def children_desk(city: Institutions) -> Desk:
    """Return the general clinic of the children's hospital."""
    return next(
        desk
        for desk in city.desks
        if desk.clinic.organisation_short == "儿科医院"
        and desk.clinic.department_name == "儿内科"
        and desk.clinic.practitioner_id is None
    )


def closures(now: datetime) -> list[Closure]:
    """Close one hospital on one day of the coming weeks; every schedule shows the reason."""
    rule = catalogue.clinic_rules()["holiday"]
    house = cast.organisation_id(rule["organisation"])
    day = clock.day_of(now) + timedelta(days=rule["days_ahead"])
    id_ = ids.derive("demo", "closure", house, day)
    return [Closure(id_, house, day, "closed", rule["reason"])]


def windows_on(desk: Desk, day: date) -> list[Window]:
    """List the windows of a clinic on a day, in order."""
    weekday = schedule.plan_day(day, ()).weekday
    return [
        window
        for template in sorted(desk.templates, key=lambda one: one.starts)
        if template.weekday == weekday
        for window in schedule.windows_of(template, day)
    ]


def plans(city: Institutions, accounts: Mapping[str, UUID], now: datetime) -> Plans:
    """Seat the cast: around this hour, in the past and in the days ahead."""
    desk = desk_of(city, "chenli")
    today = clock.day_of(now)
    seats: Plans = {}

    def seat(of: Desk, window: Window, key: str, pool: Pool, **how: object) -> None:
        plan = Plan(cast.person_id(key), pool, **how)  # type: ignore[arg-type]
        seats.setdefault((of.clinic.id, window.starts_at), []).append(plan)

    windows = windows_on(desk, today)
    present = next((n for n, one in enumerate(windows) if one.ends_at > now), len(windows) - 1)
    if windows:
        this, following = windows[present], windows[min(present + 1, len(windows) - 1)]
        seat(desk, this, "linxiuying", Pool.PUBLIC, acted_by=accounts.get("linjing"))
        referral = {"channel": Channel.HOSPITAL, "acted_by": accounts.get("wuhai")}
        seat(desk, this, "zhoujianguo", Pool.REFERRAL, **referral)
        seat(desk, this, "hemin", Pool.PUBLIC)
        if following is not this:
            by_clerk = {"channel": Channel.WINDOW, "acted_by": accounts.get("zhaofang")}
            seat(desk, following, "xuguoqiang", Pool.PUBLIC, **by_clerk)
            seat(desk, following, "shenjie", Pool.PUBLIC)
            seat(desk, following, "wugang", Pool.PUBLIC)
    for back in (56, 28):
        for window in windows_on(desk, today - timedelta(days=back))[1:2]:
            seat(desk, window, "linxiuying", Pool.PUBLIC)
            seat(desk, window, "hemin", Pool.PUBLIC)
    for window in windows_on(desk, today + timedelta(days=4))[1:2]:
        seat(desk, window, "linxiuying", Pool.PUBLIC, acted_by=accounts.get("linxiuying"))
    gp = desk_of(city, "wuhai")
    for window in windows_on(gp, today - timedelta(days=10))[:1]:
        for key in ("linxiuying", "zhoujianguo", "lijianguo"):
            seat(gp, window, key, Pool.PUBLIC)
    child = children_desk(city)
    for window in windows_on(child, today + timedelta(days=2))[2:3]:
        seat(child, window, "zhouzian", Pool.PUBLIC, acted_by=accounts.get("linjing"))
    return seats


def holds(booker: Booker, now: datetime) -> list[Hold]:
    """Pause whoever missed three visits; the first of them has appealed."""
    found: list[Hold] = []
    for person, missed in booker.missed.items():
        if len(missed) < 3:  # noqa: PLR2004 - policy booking.no_show.count, as of the past
            continue
        starts_at = max(one.starts_at for one in missed) + timedelta(hours=4)
        first = not found
        found.append(
            Hold(
                id=ids.derive("demo", "hold", person),
                person_id=person,
                starts_at=starts_at,
                ends_at=starts_at + timedelta(days=HOLD_DAYS),
                no_shows=[one.id for one in missed],
                appeal=APPEAL if first else None,
                appealed_at=now - timedelta(hours=20) if first else None,
                decision=None,
                decision_reason="",
            )
        )
    return found


def waits(city: Institutions, crowd: Crowd, now: datetime) -> list[Wait]:
    """Let some elders wait for the doctor of the story, the first for two days already."""
    clinic = desk_of(city, "chenli").clinic.id
    today = clock.day_of(now)
    people = [one for one in crowd.by["elder"] if one not in BUSY][:WAITING]
    return [
        Wait(
            id=ids.derive("demo", "wait", person),
            person_id=person,
            clinic_id=clinic,
            from_day=today,
            to_day=today + timedelta(days=1),
            pool=Pool.PUBLIC,
            state="waiting",
            created_at=now - timedelta(hours=50 - 7 * number),
            offer_slot_id=None,
            offer_number=None,
            offer_until=None,
            booking_id=None,
        )
        for number, person in enumerate(people)
    ]


BUSY = frozenset(cast.person_id(key) for key, *_ in cast.PEOPLE)


def messages(
    booker: Booker, paused: Sequence[Hold], now: datetime
) -> list[tuple[UUID, str, dict[str, object], datetime]]:
    """Leave what the jobs would have left: a missed visit, a pause."""
    told: list[tuple[UUID, str, dict[str, object], datetime]] = []
    for hold in paused:
        missed: list[Booking] = booker.missed[hold.person_id]
        for one in missed:
            at = one.ended_at or now
            told.append((hold.person_id, "missed", {"booking": str(one.id)}, at))
        facts: dict[str, object] = {"hold": str(hold.id), "until": hold.ends_at.isoformat()}
        told.append((hold.person_id, "hold", facts, hold.starts_at))
    return told
