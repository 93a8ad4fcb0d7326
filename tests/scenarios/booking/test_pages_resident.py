"""Every page of a resident: stranger, empty, full, wrong, elder, English, without script."""

from __future__ import annotations

import re
from collections.abc import Awaitable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from citycare.kernel.context import Context, Role
from citycare.kit import clock, ids
from citycare.kit.db import Database
from citycare.scenarios.booking.model.core import Booking, Pool
from citycare.scenarios.booking.model.schedule import NewSlot
from citycare.scenarios.booking.service import book, clinics, schedule, stop
from tests.conftest import NOW
from tests.scenarios.booking.conftest import (
    HOSPITAL,
    acting,
    clinic_of,
    make_person,
    resident,
    slot_of,
    staff,
)
from tests.scenarios.booking.resident import (
    CSRF,
    HTML,
    Browser,
    House,
    must_sign_in,
    needs_token,
)

CLINIC = clinic_of()
DAY = timedelta(days=1)
MORNING = NOW + DAY
NAMES = ("陈立", "主任医师", "心血管内科", "示例一院", "示例第一医院", "林秀英", "医生外出", "林")
ELDER_DAY = clock.day_of(MORNING)


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> House:
    return House(database, tmp_path)


async def windows(house: House, *places: int) -> list[NewSlot]:
    """Windows of one clinic from tomorrow 9:00, half an hour apart, with so many places."""
    slots = [
        slot_of(CLINIC, MORNING + timedelta(minutes=30 * n), {Pool.PUBLIC: count})
        for n, count in enumerate(places)
    ]

    async def make(cx: Context) -> None:
        await clinics.save_clinics(cx, [CLINIC])
        await schedule.load_slots(cx, slots)

    await house.within(make)
    return slots


async def booked(house: House, slot: NewSlot, person: UUID) -> Booking:
    def run(cx: Context) -> Awaitable[Booking]:
        return book.book(acting(cx, resident(person)), slot.id, person)

    return await house.within(run)  # type: ignore[no-any-return]


async def somebody(house: House) -> tuple[UUID, Browser]:
    person = await house.within(make_person)
    return person, await house.signed_in(person)


async def stopped(house: House, slot: NewSlot) -> None:
    async def run(cx: Context) -> Any:
        by = acting(cx, staff(Role.SCHEDULER, HOSPITAL))
        window = slot.window
        return await stop.stop_clinic(by, CLINIC.id, window.starts_at, window.ends_at, "医生外出")

    await house.within(run)


async def test_strangers_sign_in_where_it_is_about_a_person(house: House) -> None:
    slot, *_ = await windows(house, 1)
    id_ = ids.new()
    await must_sign_in(
        house,
        [
            f"/book/{slot.id}",
            "/bookings",
            f"/bookings/{id_}",
            f"/bookings/{id_}/cancel",
            f"/bookings/{id_}/slip",
            f"/wait/{CLINIC.id}",
            f"/waiting/{id_}",
            "/messages",
            "/appeal",
        ],
    )
    stranger = house.stranger()
    assert "登录" in await stranger.page("/")
    assert "陈立" in await stranger.page(f"/book?clinic={CLINIC.id}")


async def test_no_form_works_without_its_token(house: House) -> None:
    slot, *_ = await windows(house, 1)
    _, browser = await somebody(house)
    id_ = ids.new()
    paths = [f"/book/{slot.id}", f"/bookings/{id_}/keep", f"/bookings/{id_}/cancel"]
    await needs_token(browser, [*paths, f"/wait/{CLINIC.id}", f"/waiting/{id_}/leave", "/appeal"])


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/", "约一个准确的时间"),
        ("/bookings", "还没有预约"),
        ("/messages", "还没有消息"),
        ("/appeal", "没有暂停"),
        ("/book?q=没有这种门诊", "没有找到"),
    ],
)
async def test_an_empty_page_says_what_will_be_there(house: House, path: str, said: str) -> None:
    _, browser = await somebody(house)
    assert said in await browser.page(path)
    await browser.english(path, (*NAMES, "没有这种门诊"))


async def test_book_look_and_cancel_without_script(house: House) -> None:
    slot, *_ = await windows(house, 1)
    _, browser = await somebody(house)
    path = f"/book/{slot.id}"
    answer = await browser.post(path, path, move="")
    assert answer.status_code == 303
    at = answer.headers["location"]
    page = await browser.page(at)
    assert "约好了" in page
    assert "您的号" in page
    for part in ("/cancel", "/slip"):
        await browser.page(at + part)
    answer = await browser.post(f"{at}/cancel", f"{at}/cancel", reason="")
    assert (answer.status_code, answer.headers["location"]) == (303, "/bookings")
    assert "已取消" in await browser.page("/bookings")


async def test_full_pages_in_both_languages_and_manners(house: House) -> None:
    first, second, *_ = await windows(house, 2, 1, 1)
    person, browser = await somebody(house)
    made = await booked(house, first, person)
    await booked(house, second, await house.within(make_person))
    paths = [
        "/",
        f"/book?clinic={CLINIC.id}",
        f"/book?clinic={CLINIC.id}&day={ELDER_DAY}",
        f"/book/{second.id}",
        "/bookings",
        f"/bookings/{made.id}",
        f"/bookings/{made.id}/cancel",
        f"/wait/{CLINIC.id}",
        "/messages",
    ]
    for path in paths:
        await browser.english(path, NAMES)
    await browser.page("/?elder=1")
    for path in paths:
        page = await browser.page(path)
        assert "找人帮忙" in page, path
        assert "呼救 120" in page, path


async def test_a_full_window_says_so_and_keeps_everything(house: House) -> None:
    slot, *_ = await windows(house, 1)
    _, browser = await somebody(house)
    shown = await browser.page(f"/book/{slot.id}")
    await booked(house, slot, await house.within(make_person))
    answer = await browser.post(f"/book/{slot.id}", f"/book/{slot.id}", move="")
    assert answer.status_code == 409
    assert "这个时段刚刚约满了" in answer.text
    assert f'href="/wait/{CLINIC.id}' in answer.text
    assert "林秀英" in answer.text
    assert "林秀英" in shown


async def test_what_is_not_there_has_a_stable_code(house: House) -> None:
    _, browser = await somebody(house)
    other = await house.within(make_person)
    slot, *_ = await windows(house, 1)
    theirs = await booked(house, slot, other)
    for path, code in (
        (f"/bookings/{ids.new()}", "booking.unknown"),
        (f"/bookings/{theirs.id}", "booking.unknown"),
        (f"/waiting/{ids.new()}", "booking.unknown"),
        (f"/book/{ids.new()}", "booking.slot_unknown"),
        (f"/wait/{ids.new()}", "booking.clinic_unknown"),
    ):
        answer = await browser.get(path)
        assert answer.status_code == 404, path
        assert code in answer.text, path


async def test_after_a_stop_the_replacement_comes_first_and_can_be_kept(house: House) -> None:
    slot, *_ = await windows(house, 1, 1)
    person, browser = await somebody(house)
    old = await booked(house, slot, person)
    await stopped(house, slot)
    home = await browser.page("/")
    found = re.search(r'href="(/bookings/[^"]+)"[^>]*>看看行不行', home)
    assert found is not None
    at = found.group(1)
    page = await browser.page(at)
    assert "停诊了：医生外出。" in page
    assert "保留这个号" in page
    assert f"move={at.rpartition('/')[2]}" in page
    assert f"{at}/cancel" in page
    await browser.english(at, NAMES)
    assert f'href="{at}"' in await browser.page(f"/bookings/{old.id}")
    answer = await browser.post(f"{at}/keep", at)
    assert (answer.status_code, answer.headers["location"]) == (303, at)
    assert "保留这个号" not in await browser.page(at)
    assert "看看行不行" not in await browser.page("/")
    again = await browser.post(f"{at}/keep", "/me")
    assert again.status_code == 303


async def test_only_the_person_answers_for_a_replacement(house: House) -> None:
    slot, *_ = await windows(house, 1, 1)
    person, browser = await somebody(house)
    old = await booked(house, slot, person)
    await stopped(house, slot)
    instead = await house.within(lambda cx: stop.replaced_by(cx, old.id))
    _, other = await somebody(house)
    answer = await other.post(f"/bookings/{instead}/keep", "/me")
    assert answer.status_code == 404
    plain = await browser.post(f"/bookings/{old.id}/keep", "/me")
    assert plain.status_code == 404


async def test_without_a_replacement_one_is_first_in_line(house: House) -> None:
    slot, *_ = await windows(house, 1)
    person, browser = await somebody(house)
    old = await booked(house, slot, person)
    await stopped(house, slot)
    assert "您排在候补第一批" in await browser.page(f"/bookings/{old.id}")


async def test_elders_answer_one_question_after_the_other(house: House) -> None:
    slot, *_ = await windows(house, 2, 1)
    person, browser = await somebody(house)
    page = await browser.page("/book?elder=1")
    assert "要看哪个科" in page
    assert page.count("<h1") == 1
    page = await browser.page("/book?q=心血管内科")
    assert "哪天方便" in page
    assert "明天" in page
    page = await browser.page(f"/book?q=心血管内科&day={ELDER_DAY}")
    assert "找哪位医生" in page
    page = await browser.page(f"/book?clinic={CLINIC.id}&day={ELDER_DAY}")
    assert "几点来" in page
    assert f'href="/book/{slot.id}"' in page
    assert "<input" not in page.partition("</main>")[0]
    await booked(house, slot, person)
    assert "想找哪里" in await browser.page("/book?step=type")
    assert "想找哪里" in await browser.page(f"/book?clinic={ids.new()}")


async def test_elders_are_offered_the_doctor_they_know(house: House) -> None:
    slot, *_ = await windows(house, 1, 1)
    person, browser = await somebody(house)
    await booked(house, slot, person)
    await house.within(
        lambda cx: cx.db.execute(
            "UPDATE booking.booking SET state = 'fulfilled' WHERE person_id = %s", [person]
        )
    )
    page = await browser.page("/book?elder=1")
    assert "还找上次的医生吗" in page
    assert f"clinic={CLINIC.id}" in page
    assert "不，看别的科" in page


async def test_nothing_left_leads_to_the_waiting_list(house: House) -> None:
    slot, *_ = await windows(house, 1)
    await booked(house, slot, await house.within(make_person))
    _, browser = await somebody(house)
    path = f"/book?clinic={CLINIC.id}&day={ELDER_DAY}"
    assert f'href="/wait/{CLINIC.id}' in await browser.page(path)
    page = await browser.page(f"{path}&elder=1")
    assert "这天没有号了" in page
    assert f'href="/wait/{CLINIC.id}' in page


async def test_a_refusal_leads_on_instead_of_offering_the_same_button(house: House) -> None:
    slot, later, *_ = await windows(house, 1, 1)
    person, browser = await somebody(house)
    path = f"/book/{slot.id}"
    page = await browser.page(path)
    assert "预约这个时间" in page
    assert page.count("示例一院") == 1  # said once, above
    await booked(house, slot, await house.within(make_person))
    answer = await browser.post(path, path, move="")
    assert "预约这个时间" not in answer.text
    assert "选别的时间" in answer.text
    await pause(house, person)
    answer = await browser.post(f"/book/{later.id}", path, move="")
    assert "线上预约暂停" in answer.text
    assert 'href="/appeal"' in answer.text
    assert "选别的时间" not in answer.text


async def pause(house: House, person: UUID) -> None:
    statement = """
        INSERT INTO booking.hold (id, person_id, starts_at, ends_at, no_shows)
        VALUES (%s, %s, %s, %s, ARRAY[gen_random_uuid()])
    """
    values = [ids.new(), person, NOW - DAY, NOW + 30 * DAY]
    await house.within(lambda cx: cx.db.execute(statement, values))


async def test_who_is_paused_is_led_to_the_appeal(house: House) -> None:
    person, browser = await somebody(house)
    await pause(house, person)
    home = await browser.page("/")
    assert re.search(r'<a class="btn btn-wide"\s+href="/appeal"', home)
    assert "开始预约" not in home
    await browser.english("/", NAMES)


async def test_who_has_come_waits_to_be_called_and_cannot_give_back(house: House) -> None:
    slot, *_ = await windows(house, 1)
    person, browser = await somebody(house)
    made = await booked(house, slot, person)
    arrive = "UPDATE booking.booking SET state = 'arrived' WHERE id = %s"
    await house.within(lambda cx: cx.db.execute(arrive, [made.id]))
    page = await browser.page(f"/bookings/{made.id}")
    assert "等叫号" in page
    assert "您的号" in page
    assert "再约这个门诊" not in page
    answer = await browser.get(f"/bookings/{made.id}/cancel")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/bookings/{made.id}")
    await browser.english(f"/bookings/{made.id}", NAMES)


async def test_giving_back_says_which_time_and_moving_says_which_makes_way(house: House) -> None:
    first, second, *_ = await windows(house, 1, 1)
    person, browser = await somebody(house)
    made = await booked(house, first, person)
    assert "<dt>时间</dt>" in await browser.page(f"/bookings/{made.id}/cancel")
    page = await browser.page(f"/book/{second.id}?move={made.id}")
    assert "原来的时间" in page
    assert "来源" not in await browser.page(f"/bookings/{made.id}")


async def test_waiting_twice_leads_to_the_place_in_line(house: House) -> None:
    slot, *_ = await windows(house, 1)
    await booked(house, slot, await house.within(make_person))
    _, browser = await somebody(house)
    path = f"/wait/{CLINIC.id}?day={ELDER_DAY}"
    page = await browser.page(path)
    assert f'<option value="{ELDER_DAY}" selected>' in page
    assert "周" in page.partition("</select>")[0]  # days with their weekday, not 11/24/2026
    days = {"from_day": str(ELDER_DAY), "to_day": str(ELDER_DAY)}
    assert (await browser.post(f"/wait/{CLINIC.id}", path, **days)).status_code == 303
    again = await browser.post(f"/wait/{CLINIC.id}", path, **days)
    assert again.status_code == 409
    assert "看我的候补" in again.text
    assert "排上候补" not in again.text
    mine = await browser.page("/bookings")
    assert "还没有预约" not in mine  # what waits is what there is


async def test_an_offer_says_until_when_on_the_first_page(house: House) -> None:
    slot, *_ = await windows(house, 1)
    other = await house.within(make_person)
    made = await booked(house, slot, other)
    _, browser = await somebody(house)
    path = f"/wait/{CLINIC.id}?day={ELDER_DAY}"
    days = {"from_day": str(ELDER_DAY), "to_day": str(ELDER_DAY)}
    await browser.post(f"/wait/{CLINIC.id}", path, **days)
    await house.within(lambda cx: book.cancel(acting(cx, resident(other)), made.id, ""))
    home = await browser.page("/")
    assert "给您留到" in home
    at = re.search(r'href="(/waiting/[^"]+)"', home)
    assert at is not None
    page = await browser.page(at[1])
    assert page.index("要这个号") < page.index("不要了，给别人")
    await browser.english(at[1], NAMES)


async def test_what_was_only_heard_and_not_knowing_where_are_said(house: House) -> None:
    await windows(house, 1)
    _, browser = await somebody(house)
    assert "读音一样" in await browser.page("/book?q=陈力")
    assert "您在哪里？" in await browser.page("/book?q=附近 心内")
    await browser.english("/book?q=附近 陈力", (*NAMES, "附近", "陈力"))


async def test_too_late_to_give_back_is_said_at_the_booking(house: House) -> None:
    slot, *_ = await windows(house, 1)
    person, browser = await somebody(house)
    made = await booked(house, slot, person)
    at = NOW + timedelta(minutes=5)
    sooner = "UPDATE booking.{} SET starts_at = %s{} WHERE id = %s"
    window = sooner.format("slot", ", ends_at = %s"), [at, at + timedelta(minutes=30), slot.id]
    await house.within(lambda cx: cx.db.execute(*window))
    mine = sooner.format("booking", ""), [at, made.id]
    await house.within(lambda cx: cx.db.execute(*mine))
    path = f"/bookings/{made.id}"
    answer = await browser.post(f"{path}/cancel", "/me", reason="")
    assert answer.status_code == 409
    assert "请打 12320 说一声" in answer.text
    assert "您的号" in answer.text
    assert f'{path}/cancel"' not in answer.text  # pressing again would not help


async def test_a_form_that_was_tampered_with_is_no_fault(house: House) -> None:
    [slot] = await windows(house, 1)
    person = await house.within(make_person)
    browser = await house.signed_in(person)
    page = f"/book/{slot.id}"
    answer = await browser.post(page, page, move="not-a-booking")
    assert answer.status_code == 422
    plain = await browser.post(page, page, move="")
    assert plain.headers["location"].startswith("/bookings/")


@pytest.mark.parametrize("day", ["9999-12-31", "0001-01-01"])
async def test_a_day_no_calendar_has_is_no_fault(house: House, day: str) -> None:
    await windows(house, 1)
    browser = await house.signed_in(await house.within(make_person))
    for path in (f"/book?day={day}", f"/book?q=陈立&day={day}", f"/wait/{CLINIC.id}?day={day}"):
        assert (await browser.get(path)).status_code == 422, path
    past = await browser.get(f"/wait/{CLINIC.id}?day=2199-12-31")
    assert past.status_code == 200


async def test_pressing_twice_leads_to_the_same_booking(house: House) -> None:
    [slot, other] = await windows(house, 1, 1)
    browser = await house.signed_in(await house.within(make_person))
    page = f"/book/{slot.id}"
    form = {"csrf": CSRF.search((await browser.get(page)).text).group(1)}  # type: ignore[union-attr]
    first, again = [await browser.client.post(page, data=form, headers=HTML) for _ in range(2)]
    assert first.status_code == again.status_code == 303
    assert again.headers["location"] == first.headers["location"]
    form["move"] = first.headers["location"].removeprefix("/bookings/")
    page = f"/book/{other.id}"
    moved, again = [await browser.client.post(page, data=form, headers=HTML) for _ in range(2)]
    assert moved.headers["location"] != first.headers["location"]
    assert (again.status_code, again.headers["location"]) == (303, moved.headers["location"])


async def test_moving_into_a_window_one_holds_already_is_refused_not_confirmed(
    house: House,
) -> None:
    [slot] = await windows(house, 2)
    person, browser = await somebody(house)
    await booked(house, slot, person)
    later = slot_of(CLINIC, MORNING + 3 * DAY, {Pool.PUBLIC: 1})
    await house.within(lambda cx: schedule.load_slots(cx, [later]))
    other = await booked(house, later, person)
    answer = await browser.post(f"/book/{slot.id}", f"/book/{slot.id}", move=other.id)
    assert answer.status_code == 409
