"""The scheduler: the week, templates with their preview, closures, stopping, draws."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date, timedelta
from html import unescape
from uuid import UUID

import httpx
import pytest

from citycare.kernel import audit
from citycare.kernel.context import Channel, Context, Role
from citycare.kit import clock, ids
from citycare.kit.db import Database
from citycare.scenarios.booking.model.core import Booking, Pool
from citycare.scenarios.booking.model.queue import Setting
from citycare.scenarios.booking.model.schedule import Clinic, Closure
from citycare.scenarios.booking.service import book, clinics, queue, schedule
from tests.conftest import NOW
from tests.scenarios.booking.conftest import (
    Enter,
    acting,
    clinic_of,
    committed,
    make_person,
    open_slot,
    staff,
)

HX = {"hx-request": "true"}
TODAY = clock.day_of(NOW)
TOMORROW = TODAY + timedelta(days=1)
FORM = {
    "weekday": "3",
    "starts": "08:00",
    "ends": "11:00",
    "window_min": "30",
    "capacity": "10",
    "public": "7",
    "referral": "2",
    "elder": "1",
    "onsite": "0",
    "followup": "",
    "valid_from": "2026-11-01",
    "valid_to": "",
}


@dataclass(frozen=True)
class Stopping:
    """A clinic of tomorrow morning with two people in it, and the same doctor the day after."""

    clinic: Clinic
    bookings: tuple[Booking, ...]


@pytest.fixture
async def clinic(database: Database) -> Clinic:
    made = clinic_of()
    await committed(database, lambda cx: clinics.save_clinics(cx, [made]))
    return made


@pytest.fixture
async def taken(database: Database) -> Stopping:
    made = clinic_of()

    async def fill(cx: Context) -> tuple[Booking, ...]:
        slot = await open_slot(cx, clinic=made)
        later = NOW + timedelta(hours=47, minutes=30)
        await open_slot(cx, clinic=made, starts_at=later, shares={Pool.PUBLIC: 1})
        clerk = acting(cx, staff(Role.CLERK), Channel.WINDOW)
        people = [await make_person(cx), await make_person(cx, date(1980, 1, 1))]
        return tuple([await book.book(clerk, slot.id, one) for one in people])

    return Stopping(made, await committed(database, fill))


async def test_the_week_shows_taken_and_all_places_of_each_pool(
    enter: Enter, database: Database
) -> None:
    shares = {Pool.PUBLIC: 3, Pool.ELDER: 1}

    async def fill(cx: Context) -> None:
        slot = await open_slot(cx, shares=shares)
        clerk = acting(cx, staff(Role.CLERK), Channel.WINDOW)
        await book.book(clerk, slot.id, await make_person(cx), Pool.ELDER)

    await committed(database, fill)
    client = await enter(Role.SCHEDULER)
    page = await client.get("/scheduler", params={"week": TOMORROW.isoformat()})
    for words in ("8:30", "1/4", "公0/3", "长1/1"):
        assert words in page.text


async def test_without_a_clinic_the_page_says_what_will_be_here(enter: Enter) -> None:
    page = await (await enter(Role.SCHEDULER)).get("/scheduler")
    assert page.status_code == 200
    assert "您还没有可以排班的门诊" in page.text


async def test_a_template_is_previewed_saved_and_made_into_windows(
    enter: Enter, clinic: Clinic
) -> None:
    client = await enter(Role.SCHEDULER)
    form = {**FORM, "clinic": str(clinic.id)}
    seen = await client.post("/scheduler/templates/preview", data=form, headers=HX)
    assert "每次 6 个时段，每段 10 个号：公开 7、转诊 2、长者 1" in seen.text
    assert "11月25日 周三" in seen.text
    assert "<html" not in seen.text
    saved = await client.post("/scheduler/templates", data=form)
    assert saved.status_code == 303
    shown = await client.get(saved.headers["location"])
    assert "08:00–11:00" in shown.text
    made = await client.post("/scheduler/make", data={"clinic": str(clinic.id)})
    assert made.status_code == 303
    week = await client.get("/scheduler", params={"clinic": str(clinic.id), "week": "2026-11-25"})
    assert week.text.count("0/10") == 6


@pytest.mark.parametrize(
    ("wrong", "code", "field"),
    [
        ({"window_min": "61"}, "booking.window_too_long", "window_min"),
        ({"public": "9"}, "booking.shares_wrong", "public"),
        ({"ends": "11:10"}, "booking.template_wrong", "ends"),
        ({"capacity": "61", "public": "58"}, "booking.template_wrong", "capacity"),
    ],
)
async def test_what_is_wrong_stands_at_its_field_with_its_code_and_nothing_is_lost(
    enter: Enter, clinic: Clinic, wrong: dict[str, str], code: str, field: str
) -> None:
    client = await enter(Role.SCHEDULER)
    form = {**FORM, **wrong, "clinic": str(clinic.id)}
    answer = await client.post("/scheduler/templates", data=form)
    assert answer.status_code == 400
    assert code in answer.text
    at_field = re.search(rf'id="{field}-error"[^>]*>.*?</p>', answer.text, re.DOTALL)
    assert at_field is not None
    assert code in at_field.group(0)
    for name, value in wrong.items():
        assert re.search(rf'name="{name}"[^>]*value="{value}"', answer.text)


async def test_overlapping_templates_are_refused_at_the_start(enter: Enter, clinic: Clinic) -> None:
    client = await enter(Role.SCHEDULER)
    form = {**FORM, "clinic": str(clinic.id)}
    assert (await client.post("/scheduler/templates", data=form)).status_code == 303
    again = await client.post("/scheduler/templates", data={**form, "starts": "10:00"})
    assert again.status_code == 400
    assert "booking.template_clash" in again.text


async def test_a_template_is_changed_and_deleted(
    enter: Enter, clinic: Clinic, database: Database
) -> None:
    client = await enter(Role.SCHEDULER)
    form = {**FORM, "clinic": str(clinic.id)}
    await client.post("/scheduler/templates", data=form)

    async def read(cx: Context) -> list[UUID]:
        return [one.id for one in await schedule.list_templates(cx, clinic.id)]

    (template,) = await committed(database, read)
    edit = await client.get(
        "/scheduler/templates/edit", params={"clinic": str(clinic.id), "template": str(template)}
    )
    assert 'value="08:00"' in edit.text
    changed = {**form, "template": str(template), "starts": "09:00"}
    assert (await client.post("/scheduler/templates", data=changed)).status_code == 303
    assert len(await committed(database, read)) == 1
    gone = f"/scheduler/templates/{template}/delete"
    assert (await client.post(gone, data={"clinic": str(clinic.id)})).status_code == 303
    assert await committed(database, read) == []


async def test_a_day_off_is_added_and_a_missing_reason_is_told(
    enter: Enter, clinic: Clinic
) -> None:
    client = await enter(Role.SCHEDULER)
    form = {"org": str(clinic.organisation_id), "on_day": "2026-12-01", "kind": "closed"}
    wrong = await client.post("/scheduler/closures", data=form)
    assert wrong.status_code == 422
    assert 'value="2026-12-01"' in wrong.text
    assert (await client.post("/scheduler/closures", data={**form, "reason": "院内检修"})
            ).status_code == 303  # fmt: skip
    page = await client.get("/scheduler/closures")
    assert "院内检修" in page.text
    assert "12月1日 周二" in page.text


async def closure_ids(client: httpx.AsyncClient) -> list[str]:
    page = await client.get("/scheduler/closures")
    return re.findall(r"/scheduler/closures/([0-9a-f-]{36})/delete", page.text)


async def test_a_day_off_is_taken_back_with_its_undo_and_written_down(
    enter: Enter, clinic: Clinic, database: Database
) -> None:
    client = await enter(Role.SCHEDULER)
    form = {"org": str(clinic.organisation_id), "on_day": "2026-12-01", "kind": "closed"}
    await client.post("/scheduler/closures", data={**form, "reason": "院内检修"})
    [one] = await closure_ids(client)
    gone = await client.post(f"/scheduler/closures/{one}/delete")
    assert gone.status_code == 303
    page = await client.get(gone.headers["location"])
    assert "撤回了。那天照常按模板排" in page.text
    [undo] = re.findall(r'action="(/scheduler/closures/again[^"]*)"', page.text)
    assert await closure_ids(client) == []
    again = await client.post(f"/scheduler/closures/{one}/delete")
    assert again.status_code == 404
    await client.post(unescape(undo))
    assert await closure_ids(client) == [one]
    assert "院内检修" in (await client.get("/scheduler/closures")).text
    assert await noted(database, "booking.closures.delete") == 1


async def noted(database: Database, action: str) -> int:
    query = audit.Query(action=action, since=NOW - timedelta(days=1))
    page = await committed(database, lambda cx: audit.search(cx, query))
    return len(page.items)


async def test_a_day_that_is_over_or_of_another_house_is_not_taken_back(
    enter: Enter, clinic: Clinic, database: Database
) -> None:
    over = Closure(ids.new(), clinic.organisation_id, TODAY - timedelta(days=1), "closed", "院庆")
    now = Closure(ids.new(), clinic.organisation_id, TODAY, "closed", "停电")
    other = Closure(ids.new(), ids.new(), TOMORROW, "closed", "检修")
    await committed(database, lambda cx: schedule.save_closures(cx, [over, now, other]))
    client = await enter(Role.SCHEDULER)
    assert await closure_ids(client) == [str(now.id)]
    past = await client.post(f"/scheduler/closures/{over.id}/delete")
    assert past.status_code == 409
    assert "booking.closure_past" in past.text
    foreign = await client.post(f"/scheduler/closures/{other.id}/delete")
    assert foreign.status_code in (403, 404)
    assert (await client.post(f"/scheduler/closures/{now.id}/delete")).status_code == 303


async def test_the_queue_is_switched_on_with_its_pace_and_off_again(
    enter: Enter, clinic: Clinic, database: Database
) -> None:
    client = await enter(Role.SCHEDULER)
    where = {"clinic": str(clinic.id)}
    page = await client.get("/scheduler", params=where)
    assert "放号时排队" in page.text
    assert "每秒 200 位" in page.text
    assert "手快和用外挂都占不到便宜" in page.text
    on = await client.post("/scheduler/queue", data={**where, "queue": "queued", "rate": "20"})
    assert on.status_code == 303

    async def read(cx: Context) -> Setting:
        return (await queue.setting_of(acting(cx, staff(Role.SCHEDULER)), clinic.id))[0]

    found: Setting = await committed(database, read)
    assert (found.queued, found.rate_per_s) == (True, 20)
    off = await client.post("/scheduler/queue", data={**where, "queue": "plain", "rate": ""})
    assert "下次放号不用排队" in (await client.get(off.headers["location"])).text
    found = await committed(database, read)
    assert (found.queued, found.rate_per_s) == (False, None)


async def test_a_pace_that_cannot_be_stays_in_its_field_and_nothing_is_set(
    enter: Enter, clinic: Clinic, database: Database
) -> None:
    client = await enter(Role.SCHEDULER)
    form = {"clinic": str(clinic.id), "queue": "queued", "rate": "很快"}
    wrong = await client.post("/scheduler/queue", data=form)
    assert wrong.status_code == 422
    assert 'value="很快"' in wrong.text
    assert "请填一个整数" in wrong.text

    async def read(cx: Context) -> Setting:
        return (await queue.setting_of(acting(cx, staff(Role.SCHEDULER)), clinic.id))[0]

    found: Setting = await committed(database, read)
    assert not found.queued


async def test_the_pace_reaches_a_queue_that_opens_and_one_that_is_open(cx: Context) -> None:
    opens_at = NOW + timedelta(minutes=5)
    slot = await open_slot(cx, opens_at=opens_at)
    scheduler = acting(cx, staff(Role.SCHEDULER))
    await queue.set_queued(scheduler, slot.clinic.id, queued=True)
    await queue.set_pace(scheduler, slot.clinic.id, 7)
    assert await queue.open_due(cx) == 1
    _, running = await queue.setting_of(scheduler, slot.clinic.id)
    assert running is not None
    assert running["rate_per_s"] == 7
    await queue.set_pace(scheduler, slot.clinic.id, None)
    _, running = await queue.setting_of(scheduler, slot.clinic.id)
    assert running is not None
    assert running["rate_per_s"] == 200


async def test_another_houses_clinic_has_no_queue_to_set(enter: Enter, database: Database) -> None:
    foreign = clinic_of(organisation_id=ids.new())
    await committed(database, lambda cx: clinics.save_clinics(cx, [foreign]))
    client = await enter(Role.SCHEDULER)
    form = {"clinic": str(foreign.id), "queue": "queued"}
    assert (await client.post("/scheduler/queue", data=form)).status_code in (403, 404)


def span(stopping: Stopping) -> dict[str, str]:
    return {
        "clinic": str(stopping.clinic.id),
        "from_day": TOMORROW.isoformat(),
        "from_half": "am",
        "to_day": TOMORROW.isoformat(),
        "to_half": "pm",
    }


async def test_stopping_shows_first_what_each_gets_then_does_it_in_one_press(
    enter: Enter, taken: Stopping
) -> None:
    client = await enter(Role.SCHEDULER)
    shown = await client.get("/scheduler/stop", params=span(taken))
    assert "停诊并通知 2 人" in shown.text
    assert "11月24日 周二 8:30–9:00" in shown.text
    assert "候补最前" in shown.text
    again = await client.get("/scheduler/stop", params=span(taken))
    assert "停诊并通知 2 人" in again.text
    done = await client.post("/scheduler/stop", data={**span(taken), "reason": "医生参加抢救"})
    assert done.status_code == 303
    result = await client.get(done.headers["location"])
    assert "同一位医生" in result.text
    assert "候补中" in result.text
    assert "等答复" in result.text


async def test_without_a_reason_nothing_is_stopped_and_the_list_is_still_there(
    enter: Enter, taken: Stopping
) -> None:
    client = await enter(Role.SCHEDULER)
    answer = await client.post("/scheduler/stop", data={**span(taken), "reason": " "})
    assert answer.status_code == 400
    assert "booking.reason_missing" in answer.text
    assert "停诊并通知 2 人" in answer.text


async def test_a_span_without_windows_is_told(enter: Enter, clinic: Clinic) -> None:
    client = await enter(Role.SCHEDULER)
    asked = {"clinic": str(clinic.id), "from_day": TOMORROW.isoformat()}
    answer = await client.get("/scheduler/stop", params=asked)
    assert answer.status_code == 409
    assert "booking.nothing_to_stop" in answer.text


async def test_another_houses_clinic_is_not_found(enter: Enter, database: Database) -> None:
    other = clinic_of(organisation_id=UUID(int=77))
    await committed(database, lambda cx: clinics.save_clinics(cx, [other]))
    client = await enter(Role.SCHEDULER)
    for path in ("/scheduler", "/scheduler/templates", "/scheduler/stop"):
        answer = await client.get(path, params={"clinic": str(other.id)})
        assert answer.status_code == 403, path


DRAW = {
    "name": "专家号摇号",
    "opens_at": "2026-11-22 07:00",
    "closes_at": "2026-11-24 20:00",
    "from_day": "2026-11-25",
    "to_day": "2026-11-30",
    "beacon_source": "",
}


async def test_a_draw_is_opened_over_the_windows_of_the_clinics_chosen(
    enter: Enter, clinic: Clinic
) -> None:
    client = await enter(Role.SCHEDULER)
    chosen = {"clinic": str(clinic.id), "way": "draw"}
    assert (await client.post("/scheduler/release", data=chosen)).status_code == 303
    form = {**DRAW, "org": str(clinic.organisation_id), "clinics": str(clinic.id)}
    empty = await client.post("/scheduler/draws/new", data=form)
    assert empty.status_code == 422
    assert "没有可摇的时段" in empty.text
    assert 'value="专家号摇号"' in empty.text
    await client.post("/scheduler/templates", data={**FORM, "clinic": str(clinic.id)})
    await client.post("/scheduler/make", data={"clinic": str(clinic.id)})
    made = await client.post("/scheduler/draws/new", data=form)
    assert made.status_code == 303
    page = await client.get(made.headers["location"])
    assert "正在登记" in page.text
    assert re.search(r"<code>[0-9a-f]{64}</code>", page.text)
    listed = await client.get("/scheduler/draws")
    assert "专家号摇号" in listed.text


async def test_a_draw_that_closes_before_it_opens_is_refused_at_its_field(
    enter: Enter, clinic: Clinic, database: Database
) -> None:
    drawn = replace(clinic, release="draw")
    starts_at = NOW + timedelta(days=3)
    await committed(database, lambda cx: open_slot(cx, clinic=drawn, starts_at=starts_at))
    client = await enter(Role.SCHEDULER)
    form = {**DRAW, "org": str(clinic.organisation_id), "clinics": str(clinic.id)}
    answer = await client.post(
        "/scheduler/draws/new", data={**form, "closes_at": "2026-11-21 20:00"}
    )
    assert answer.status_code == 400
    assert "booking.draw_period_wrong" in answer.text
