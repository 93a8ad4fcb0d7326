from dataclasses import replace
from datetime import date, time, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from citycare.kernel import fhir
from citycare.kernel.context import Actor, Context, Grant, Role, policy
from citycare.kit import clock
from citycare.kit.errors import AppError
from citycare.scenarios.booking import tasks
from citycare.scenarios.booking.model.core import PeriodWrong, Pool, SlotPast
from citycare.scenarios.booking.model.schedule import (
    ClinicUnknown,
    Closure,
    SharesWrong,
    TemplateClash,
    WindowTooLong,
)
from citycare.scenarios.booking.service import clinics, schedule

from .city import BONES, CHEN, TEETH, WANG, named, template

MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)
SHARES = {Pool.PUBLIC: 3, Pool.REFERRAL: 1, Pool.ONSITE: 1}


async def rows(cx: Context, query: str, **parameters: object) -> list[dict[str, Any]]:
    return await (await cx.db.execute(query, parameters)).fetchall()


async def place_counts(cx: Context) -> dict[str, int]:
    found = await rows(cx, "SELECT pool, count(*) AS n FROM booking.place GROUP BY pool")
    return {row["pool"]: row["n"] for row in found}


@pytest.fixture
async def two_clinics(cx: Context) -> Context:
    """Chen on Mondays with three pools, Wang on Tuesdays all public."""
    await clinics.save_clinics(cx, [CHEN, WANG])
    await schedule.save_templates(
        cx, [template(CHEN, 1, shares=SHARES), template(WANG, 2, capacity=2)]
    )
    return cx


async def test_slots_are_made_once(two_clinics: Context) -> None:
    cx = two_clinics
    made = await schedule.make_slots(cx, MONDAY, TUESDAY, organisation_id=CHEN.organisation_id)
    assert (made.slots, made.places) == (12, 6 * 5 + 6 * 2)
    assert await place_counts(cx) == {"public": 30, "referral": 6, "onsite": 6}
    again = await schedule.make_slots(cx, MONDAY, TUESDAY, clinic_ids=[CHEN.id, WANG.id])
    assert (again.slots, again.places) == (0, 0)
    assert await place_counts(cx) == {"public": 30, "referral": 6, "onsite": 6}


async def test_each_night_every_house_gets_its_windows_in_a_job_of_its_own(
    two_clinics: Context,
) -> None:
    cx = two_clinics
    extra = await policy.value(cx, "booking.release.days_extra") | {"followup": 28}
    await policy.change(cx, "booking.release.days_extra", extra, source="test", note="")
    await clinics.save_clinics(cx, [BONES, TEETH])
    await schedule.save_templates(cx, [template(BONES, 3)])
    await tasks.extend_schedules(cx)
    jobs = await rows(
        cx, "SELECT args FROM jobs.procrastinate_jobs WHERE task_name = 'booking.extend_schedule'"
    )
    houses = {row["args"]["organisation"] for row in jobs}
    assert houses == {str(CHEN.organisation_id), str(BONES.organisation_id)}
    for house in houses:
        await tasks.extend_schedule(cx, house)
    made = await rows(
        cx,
        "SELECT clinic_id, max(starts_at) AS last FROM booking.slot GROUP BY 1 ORDER BY 2",
    )
    assert {row["clinic_id"] for row in made} == {CHEN.id, WANG.id, BONES.id}
    assert made[0]["last"] > cx.now + timedelta(days=14 + 28 - 7)  # to the furthest release day


async def test_slots_are_published_announced_and_audited(two_clinics: Context) -> None:
    cx = two_clinics
    await schedule.make_slots(cx, MONDAY, MONDAY, clinic_ids=[CHEN.id])
    slot = (await rows(cx, "SELECT id, starts_at FROM booking.slot ORDER BY starts_at"))[0]
    published = await fhir.get(cx, "Slot", str(slot["id"]))
    assert published["schedule"]["reference"] == f"Schedule/{CHEN.id}"
    assert published["status"] == "free"
    assert (await fhir.get(cx, "Schedule", str(CHEN.id)))["actor"][0]["display"] == "陈静"
    events = await rows(
        cx, "SELECT facts FROM events.event WHERE name = 'booking.slots_made' ORDER BY id"
    )
    assert events[-1]["facts"] == {"clinic": str(CHEN.id), "slots": "6"}


async def test_holidays_and_closures_are_left_out_and_named(two_clinics: Context) -> None:
    cx = two_clinics
    stop = Closure(named("stop"), CHEN.organisation_id, MONDAY, "closed", "设备检修", CHEN.id)
    await schedule.save_closures(cx, [stop])
    made = await schedule.make_slots(cx, MONDAY, TUESDAY, clinic_ids=[CHEN.id, WANG.id])
    assert made.slots == 6
    assert [(one.day, one.reason) for one in made.skipped] == [(MONDAY, "设备检修")]


async def test_years_without_a_holiday_calendar_are_named(two_clinics: Context) -> None:
    first = date(2026, 12, 28)
    made = await schedule.make_slots(
        two_clinics, first, first + timedelta(days=14), clinic_ids=[CHEN.id]
    )
    assert made.calendar_unknown == (2027,)
    assert made.slots == 18  # three Mondays


@pytest.mark.parametrize(
    ("first", "last", "error"),
    [
        (date(2026, 11, 21), MONDAY, SlotPast),
        (TUESDAY, MONDAY, PeriodWrong),
        (MONDAY, date(2027, 6, 1), PeriodWrong),
    ],
)
async def test_wrong_periods_are_refused(
    two_clinics: Context, first: date, last: date, error: type[AppError]
) -> None:
    with pytest.raises(error):
        await schedule.make_slots(two_clinics, first, last, clinic_ids=[CHEN.id])


async def test_wrong_templates_save_nothing(two_clinics: Context) -> None:
    cx = two_clinics
    good = template(CHEN, 3)
    for bad, error in (
        (replace(template(CHEN, 4), window_min=90), WindowTooLong),
        (replace(template(CHEN, 4), shares={Pool.PUBLIC: 9}), SharesWrong),
        (template(CHEN, 1, starts=time(10), ends=time(12)), TemplateClash),
        (template(BONES, 4), ClinicUnknown),
    ):
        with pytest.raises(error):
            await schedule.save_templates(cx, [good, bad])
    kept = await schedule.list_templates(cx, CHEN.id)
    assert [one.weekday for one in kept] == [1]
    assert kept[0].shares == SHARES


async def test_a_template_can_be_changed_previewed_and_deleted(two_clinics: Context) -> None:
    cx = two_clinics
    longer = replace(template(CHEN, 1, shares=SHARES), ends=time(12))
    shown = await schedule.preview(cx, longer)
    assert [(day.day, len(day.windows)) for day in shown] == [
        (MONDAY, 8),
        (date(2026, 11, 30), 8),
    ]
    await schedule.save_templates(cx, [longer])
    assert [one.ends for one in await schedule.list_templates(cx, CHEN.id)] == [time(12)]
    assert await schedule.delete_templates(cx, CHEN.id, [longer.id]) == 1
    assert await schedule.list_templates(cx, CHEN.id) == []


async def test_default_shares_follow_policy(cx: Context) -> None:
    assert await schedule.default_shares(cx, 10) == {
        Pool.PUBLIC: 7,
        Pool.REFERRAL: 2,
        Pool.ELDER: 1,
    }


async def test_no_share_stands_in_two_policy_parameters(cx: Context) -> None:
    values = await policy.values(cx, "booking.share.")
    own = {name.removesuffix("_percent") for name in values if name.endswith("_percent")}
    assert own == {"referral", "elder"}
    assert own.isdisjoint(values["percents"])
    await policy.change(cx, "booking.share.percents", {"onsite": 20}, source="test", note="")
    assert (await schedule.default_shares(cx, 10))[Pool.ONSITE] == 2


async def test_a_scheduler_of_another_hospital_may_not(two_clinics: Context) -> None:
    stranger = Actor(UUID(int=9), None, (Grant(Role.SCHEDULER, BONES.organisation_id),))
    cx = replace(two_clinics, actor=stranger)
    for attempt in (
        schedule.save_templates(cx, [template(CHEN, 3)]),
        schedule.make_slots(cx, MONDAY, MONDAY, clinic_ids=[CHEN.id]),
        clinics.save_clinics(cx, [CHEN]),
        schedule.list_closures(cx, CHEN.organisation_id, MONDAY, MONDAY),
    ):
        with pytest.raises(AppError):
            await attempt
    assert await rows(cx, "SELECT 1 FROM booking.slot") == []


async def test_unused_reserved_places_turn_public_in_time(two_clinics: Context) -> None:
    cx = two_clinics
    await schedule.make_slots(cx, MONDAY, MONDAY, clinic_ids=[CHEN.id])
    assert await schedule.give_back_due(cx) == 3  # referral of 8:00, 8:30, 9:00: a day before
    assert await schedule.give_back_due(cx) == 0
    evening = replace(cx, now=clock.at(MONDAY, time(7)))
    assert await schedule.give_back_due(evening) == 3 + 1  # and the on-site one of 8:00
    counts = await place_counts(cx)
    assert counts == {"public": 18 + 6 + 1, "onsite": 5}
    open_now = await rows(
        cx,
        "SELECT count(*) AS n FROM booking.place WHERE pool = 'public' AND opens_at > %(now)s",
        now=evening.now,
    )
    assert open_now == [{"n": 0}]


async def test_a_taken_place_is_not_given_back(two_clinics: Context) -> None:
    cx = two_clinics
    await schedule.make_slots(cx, MONDAY, MONDAY, clinic_ids=[CHEN.id])
    await cx.db.execute("UPDATE booking.place SET state = 'taken' WHERE pool = 'referral'")
    late = replace(cx, now=clock.at(MONDAY, time(10, 59)))
    assert await schedule.give_back_due(late) == 6
    assert (await place_counts(cx))["referral"] == 6


async def test_control_the_database_refuses_places_beyond_the_capacity(
    two_clinics: Context,
) -> None:
    cx = two_clinics
    await schedule.make_slots(cx, MONDAY, MONDAY, clinic_ids=[CHEN.id])
    with pytest.raises(psycopg.errors.CheckViolation, match="add up"):
        await cx.db.execute(
            "INSERT INTO booking.place (slot_id, number, pool, opens_at)"
            " SELECT slot_id, 6, 'public', opens_at FROM booking.place WHERE number = 1"
        )


async def test_making_windows_of_nothing_is_a_fault_of_the_caller(cx: Context) -> None:
    with pytest.raises(ValueError, match="name clinics or a house"):
        await schedule.make_slots(cx, MONDAY, MONDAY)
