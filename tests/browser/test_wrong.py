"""When things go wrong: expired, lost, slow, offline, too long, too big."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Route

from tests.browser.conftest import NewHand
from tests.browser.hand import DESKTOP, NARROW, Hand
from tests.browser.stage import Stage, free_port, serve

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

REVOKE = """
    UPDATE identity.session SET revoked_at = now() WHERE account_id IN (
        SELECT id FROM identity.account WHERE subject = %(subject)s)
"""
PAGES = ("/", "/book?q=瑞金", "/bookings", "/messages", "/me", "/me/family", "/me/sessions")
SLOW_MS = 1_500


def start_booking(hand: Hand) -> None:
    hand.go("/book?q=市北 眼科")
    hand.page.locator(".days a.day-open").nth(3).click()
    hand.page.locator("a.chip-free").first.click()


def test_signed_out_meanwhile_nothing_is_lost(new_hand: NewHand, stage: Stage) -> None:
    hand = new_hand(excused=("401",))
    hand.sign_in("daoyi")
    start_booking(hand)
    stage.ask(REVOKE, subject="demo-daoyi")
    hand.tap("预约这个时间", "button")
    hand.sees(re.compile("留好|还在"))
    hand.look()
    hand.page.locator('a[href*="as=daoyi"]').click()
    hand.sees("已登录，您填的内容还在")
    hand.look()
    hand.tap("接着提交", "button")
    hand.sees("约好了")


@pytest.fixture
def lost(stage: Stage) -> Iterator[str]:
    """The application beside a database that is not there."""
    port = free_port()
    url = f"host={stage.home} dbname=nowhere connect_timeout=1"
    process = serve(stage, port, url=url, ready=False)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(150):
            try:
                httpx.get(address + "/health/live", timeout=1)
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(15)


def test_a_lost_database_is_said_in_plain_words(new_hand: NewHand, lost: str) -> None:
    hand = new_hand(excused=("503",))
    hand.page.set_default_timeout(15_000)
    for path in ("/", "/book?q=瑞金"):
        answer = hand.page.goto(lost + path)
        assert answer is not None
        assert answer.status == 503
        assert int(answer.headers["retry-after"]) > 0
        text = hand.page.locator("main").inner_text()
        assert re.search("[稍再].*试", text), text
        for word in ("psycopg", "Traceback", "connection", "database"):
            assert word not in text
        hand.look()


def test_slow_answers_show_bones_not_a_white_page(new_hand: NewHand) -> None:
    hand = new_hand(size=DESKTOP)
    hand.sign_in("clinician", to="/clinic")

    def late(route: Route) -> None:
        hand.page.wait_for_timeout(SLOW_MS)
        route.continue_()

    rows = hand.page.locator("a.row-link")
    name = rows.nth(2).inner_text().split()[0]
    hand.page.route(re.compile(r"/clinic\?.*at="), late)
    rows.nth(2).click(no_wait_after=True)
    hand.page.locator("#panel .bones").first.wait_for()
    hand.page.locator("#panel h2", has_text=name).wait_for()
    assert hand.page.locator("#panel .bones").count() == 0


def test_offline_is_said_and_taken_back(new_hand: NewHand) -> None:
    hand = new_hand(excused=("ERR_INTERNET_DISCONNECTED",))
    hand.go("/book")
    hand.context.set_offline(True)
    hand.page.locator("#offline").wait_for()
    assert "没有网络" in hand.page.locator("#offline").inner_text()
    hand.look()
    hand.context.set_offline(False)
    hand.page.locator("#offline").wait_for(state="hidden")


def test_long_names_and_double_size_fit_everywhere(new_hand: NewHand) -> None:
    """A 640 px window at 200 % is 320 px wide: the same as a very small phone."""
    hand = new_hand(size=NARROW, extra={"device_scale_factor": 2})
    hand.sign_in("longname")
    for path in PAGES:
        hand.go(path)
        hand.look(widths=(320,))
    start_booking(hand)
    hand.look(widths=(320,))
    assert "买买提吐尔逊江" in hand.page.locator("main").inner_text()
    hand.go("/?elder=1")
    hand.look(widths=(320,))


@pytest.mark.parametrize(
    ("path", "status"), [("/nowhere", 404), ("/book/nothing", 404), ("/bookings?page=%00", 400)]
)
def test_a_wrong_address_says_where_to_go(new_hand: NewHand, path: str, status: int) -> None:
    hand = new_hand(excused=("40", "422"))
    hand.sign_in("hexiaowen")
    answer = hand.page.goto(hand.address + path)
    assert answer is not None
    assert answer.status in (status, 422)
    hand.look()
    assert hand.page.locator("main a.btn").count() >= 1


def test_too_much_or_nothing_found_leads_on(new_hand: NewHand) -> None:
    hand = new_hand()
    hand.go("/book?q=" + "无此医院" * 10)
    hand.look()
    text = hand.page.locator("main").inner_text()
    assert "没有找到" in text


def test_a_resident_at_the_desk_is_told_kindly(new_hand: NewHand) -> None:
    hand = new_hand(excused=("403",))
    hand.sign_in("hexiaowen")
    for path in ("/desk", "/clinic", "/scheduler", "/operator"):
        answer = hand.page.goto(hand.address + path)
        assert answer is not None
        assert answer.status == 403, path
        hand.look()
        assert hand.page.locator("main a.btn").count() >= 1
