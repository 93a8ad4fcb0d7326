"""Those who work with it: the window, the clinic, the scheduler, the operator; by keyboard."""

from __future__ import annotations

import re

import pytest

from tests.browser.conftest import NewHand
from tests.browser.hand import DESKTOP, PHONE, Hand
from tests.browser.stage import Stage

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

MARKED = "SELECT count(*) AS n FROM booking.booking WHERE state = %(state)s"


def press(hand: Hand, *keys: str) -> int:
    """Press keys one after another, each when the page is ready for it; return how many."""
    for key in keys:
        hand.page.wait_for_load_state("load")
        hand.page.wait_for_selector("html.has-script")
        hand.page.keyboard.press(key)
        hand.page.wait_for_timeout(80)
    return len(keys)


def type_name(hand: Hand, name: str) -> None:
    """Type where the cursor already is."""
    hand.page.wait_for_load_state("load")
    hand.page.wait_for_selector("#search:focus")
    hand.page.keyboard.type(name)
    hand.page.keyboard.press("Enter")


def test_a_clerk_books_with_three_keys_from_the_open_person(new_hand: NewHand) -> None:
    hand = new_hand(size=DESKTOP)
    hand.sign_in("clerk", to="/desk")
    hand.look()
    type_name(hand, "谢军")
    hand.page.locator("h2", has_text="给谢军选号").wait_for()
    hand.look()
    pressed = press(hand, "1")
    hand.page.locator("h1", has_text="给谢军约这个号").wait_for()
    hand.look()
    pressed += press(hand, "Enter")
    hand.page.wait_for_url(re.compile(r"/desk/bookings/.+/slip"))
    assert pressed <= 3
    hand.sees("您的号")
    hand.sees("谢军")
    hand.look()
    press(hand, "/")
    hand.page.wait_for_url(re.compile(r"/desk$"))


def test_a_clerk_is_told_who_is_not_there(new_hand: NewHand) -> None:
    hand = new_hand(size=DESKTOP, excused=("422",))
    hand.sign_in("clerk", to="/desk")
    type_name(hand, "张三丰丰")
    hand.sees("没有找到“张三丰丰”")
    hand.sees("登记新人")
    hand.look()


def test_a_doctor_marks_arrived_and_seen_by_keyboard(new_hand: NewHand, stage: Stage) -> None:
    hand = new_hand(size=DESKTOP)
    hand.sign_in("clinician", to="/clinic")
    hand.look()
    assert "心血管内科" in hand.heading()
    arrived = stage.ask(MARKED, state="arrived")[0]["n"]
    seen = stage.ask(MARKED, state="fulfilled")[0]["n"]
    row = hand.page.locator("tr", has=hand.page.get_by_role("button", name="报到")).first
    name = row.locator(".row-link").inner_text().split()[0]
    row.locator(".row-link").focus()
    press(hand, "Enter")
    hand.page.locator("#panel h2", has_text=name).wait_for()
    press(hand, "a")
    hand.page.locator("#panel > p > .tag", has_text="已到").wait_for()
    assert stage.ask(MARKED, state="arrived")[0]["n"] == arrived + 1
    assert "已到" in hand.page.locator("tr.is-selected").inner_text()
    press(hand, "f")
    hand.page.locator("#panel > p > .tag", has_text="已看完").wait_for()
    assert stage.ask(MARKED, state="fulfilled")[0]["n"] == seen + 1
    hand.look()


def test_a_doctor_takes_seen_back_by_keyboard(new_hand: NewHand, stage: Stage) -> None:
    hand = new_hand(size=DESKTOP)
    hand.sign_in("clinician", to="/clinic")
    seen = stage.ask(MARKED, state="fulfilled")[0]["n"]
    row = hand.page.locator("tr", has=hand.page.get_by_role("button", name="看完")).first
    name = row.locator(".row-link").inner_text().split()[0]
    row.locator(".row-link").focus()
    press(hand, "Enter")
    hand.page.locator("#panel h2", has_text=name).wait_for()
    press(hand, "f")
    hand.page.locator("#panel > p > .tag", has_text="已看完").wait_for()
    hand.sees("平均等到看完")
    press(hand, "u")
    hand.page.locator("#panel > p > .tag", has_text="已到").wait_for()
    assert stage.ask(MARKED, state="fulfilled")[0]["n"] == seen
    hand.look()


def test_a_doctor_with_a_phone_sees_status_and_next_step(new_hand: NewHand) -> None:
    hand = new_hand(size=PHONE)
    hand.sign_in("clinician", to="/clinic")
    step = hand.page.locator("tbody button").first
    step.scroll_into_view_if_needed()
    box = step.bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= PHONE["width"]
    hand.look()


def test_the_chosen_row_of_a_long_list_is_in_sight(new_hand: NewHand) -> None:
    hand = new_hand(size=DESKTOP)
    hand.sign_in("operator", to="/operator/policy/booking.no_show.count")
    row = hand.page.locator("tr.is-selected")
    head = hand.page.locator(".list thead").bounding_box()
    box = row.bounding_box()
    frame = hand.page.locator(".list .table-frame").bounding_box()
    assert head is not None
    assert box is not None
    assert frame is not None
    assert box["y"] >= head["y"] + head["height"]
    assert box["y"] + box["height"] <= frame["y"] + frame["height"]
    assert "约了不来几次就暂停" in row.inner_text()


def test_nothing_of_the_navigation_is_out_of_sight_on_a_phone(new_hand: NewHand) -> None:
    hand = new_hand(size=PHONE)
    hand.sign_in("scheduler", to="/scheduler")
    for link in hand.page.locator(".side ul a").all():
        box = link.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"]


def test_a_scheduler_sets_the_queue_and_takes_a_day_off_back(new_hand: NewHand) -> None:
    hand = new_hand(size=DESKTOP, excused=("422",))
    hand.sign_in("scheduler", to="/scheduler")
    hand.page.get_by_label("先排队再选号").check()
    hand.page.get_by_label("每秒放进几位").fill("许多")
    hand.tap("存下排队方式", "button")
    hand.page.locator("#rate-error").wait_for()
    hand.look()
    hand.page.get_by_label("每秒放进几位").fill("20")
    hand.tap("存下排队方式", "button")
    hand.sees("下次放号先排队再选号")
    assert hand.page.get_by_label("先排队再选号").is_checked()
    hand.go("/scheduler/closures")
    hand.page.get_by_label("哪天").fill("2026-12-09")
    hand.page.get_by_label("为什么").fill("院内检修")
    hand.tap("加上", "button")
    row = hand.page.locator("tr", has_text="院内检修")
    row.wait_for()
    assert hand.page.get_by_label("为什么").input_value() == ""  # sent, so not put back
    hand.look()
    row.get_by_role("button").click()
    hand.sees("那天照常按模板排")
    hand.tap("撤销", "button")
    hand.sees("放回去了")
    row.wait_for()


def test_a_window_of_61_minutes_is_refused_at_its_field(new_hand: NewHand) -> None:
    hand = new_hand(size=DESKTOP, excused=("400",))
    hand.sign_in("scheduler", to="/scheduler")
    hand.look()
    press(hand, "t")
    hand.page.locator("h1", has_text="排班模板").wait_for()
    hand.look()
    press(hand, "n")
    hand.page.get_by_label("每段几分钟").fill("61")
    hand.page.get_by_label("每段几个号").fill("10")
    hand.page.get_by_label("从", exact=True).fill("18:00")
    hand.tap("存下", "button")
    error = hand.page.locator("#window_min-error")
    error.wait_for()
    assert "60" in error.inner_text()
    assert hand.page.get_by_label("每段几分钟").input_value() == "61"
    assert hand.page.get_by_label("从", exact=True).input_value() == "18:00"
    hand.sees("您填的都还在")
    hand.look()
    hand.page.get_by_label("每段几分钟").fill("30")
    hand.page.get_by_label("到", exact=True).fill("20:00")
    hand.tap("存下", "button")
    hand.sees("存好了")


def test_a_stopped_clinic_shows_everyone_the_new_place(new_hand: NewHand, stage: Stage) -> None:
    found = stage.ask(
        "SELECT s.clinic_id, (s.starts_at AT TIME ZONE 'Asia/Shanghai')::date::text AS day,"
        " b.id, b.person_id FROM booking.booking b JOIN booking.slot s ON s.id = b.slot_id"
        " JOIN identity.person p ON p.id = b.person_id JOIN booking.clinic c ON c.id = s.clinic_id"
        " WHERE p.name = '林秀英' AND b.state = 'booked' AND s.starts_at > '2026-11-23'"
        " ORDER BY s.starts_at LIMIT 1"
    )[0]
    boss, patient = new_hand(size=DESKTOP), new_hand()
    boss.sign_in("scheduler", to="/scheduler")
    boss.go(f"/scheduler/stop?clinic={found['clinic_id']}")
    boss.look()
    boss.page.get_by_label("从", exact=True).fill(found["day"])
    boss.page.get_by_label("到", exact=True).fill(found["day"])
    boss.tap("看影响谁", "button")
    boss.page.locator("tr", has_text="林秀英").first.wait_for()
    boss.look()
    boss.page.get_by_label("为什么停").fill("医生参加抢救")
    boss.tap(re.compile(r"停诊并通知 \d+ 人"), "button")
    boss.page.locator("h1", has_text="停诊结果").wait_for()
    boss.look()
    patient.sign_in("daughter")
    patient.tap(re.compile("换家人"))
    patient.tap("为林秀英办理", "button")
    patient.go(f"/bookings/{found['id']}")
    patient.look()
    patient.sees(re.compile("停诊"))
    patient.go("/")
    patient.look()
    patient.sees(re.compile("停诊"))


def break_a_job(stage: Stage) -> None:
    """Leave one job that failed for good, with a letter that says why."""
    stage.ask(
        "WITH job AS (INSERT INTO jobs.procrastinate_jobs"
        " (queue_name, task_name, args, status, attempts)"
        " VALUES ('default', 'events.deliver', '{}', 'failed', 6) RETURNING id)"
        " SELECT id FROM job"
    )


def test_an_operator_proves_looks_and_verifies(new_hand: NewHand, stage: Stage) -> None:
    break_a_job(stage)
    hand = new_hand(size=DESKTOP)
    hand.go("/login?next=/operator")
    hand.page.locator('a[href*="as=operator"]').click()
    assert "6 位动态码" in hand.heading()
    hand.look()
    hand.tap("确定", "button")
    hand.page.wait_for_url(re.compile(r"/operator$"))
    hand.page.locator("figure[data-drawn]").first.wait_for()
    hand.look()
    press(hand, "1")
    hand.page.locator("h1", has_text="后台任务").wait_for()
    hand.page.locator("a.row-link").first.click()
    hand.page.locator("#panel").get_by_role("button", name="重放").wait_for()
    hand.look()
    press(hand, "3")
    hand.page.locator("h1", has_text="规则参数").wait_for()
    hand.page.locator("tr", has_text="UNVERIFIED").or_(
        hand.page.locator("tr", has_text="待核")
    ).first.wait_for()
    hand.look()
    press(hand, "2")
    hand.page.locator("h1", has_text="谁在什么时候做了什么").wait_for()
    hand.look()
    press(hand, "v")
    hand.page.get_by_text(re.compile("条都对得上")).wait_for()
    hand.look()
