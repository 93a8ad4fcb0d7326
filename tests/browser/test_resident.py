"""A resident finds a doctor and books, moves and cancels; with script and without; for others."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest

from tests.browser.conftest import NewHand
from tests.browser.hand import DESKTOP, Hand
from tests.browser.stage import Stage

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

MINE = re.compile(r"/bookings/[0-9a-f-]{36}$")
FREE = "a.chip-free, a.chip-few"


def path_of(hand: Hand) -> str:
    return urlsplit(hand.page.url).path


def find_ruijin(hand: Hand) -> None:
    """From the home page to the times of cardiology at Ruijin, typed as people say it."""
    hand.tap("开始预约")
    hand.page.get_by_role("combobox").or_(hand.page.get_by_role("searchbox")).fill("瑞金 心内")
    hand.tap("搜索", "button")
    hand.page.locator("h2", has_text="陈立").wait_for()
    hand.look()


def choose(hand: Hand, day: int, nth: int = 0) -> str:
    """Choose one of the days that have places, and a time; return the time."""
    hand.page.locator(".days a.day-open").nth(day).click()
    time = hand.page.locator(FREE).nth(nth)
    words = time.locator("b").inner_text()
    time.click()
    return words


def is_there(hand: Hand, time: str) -> None:
    """See the booking just made: the number, the place, what can be done with it."""
    assert MINE.search(path_of(hand))
    assert re.search(rf"\b{time}–", hand.heading())
    for words in ("您的号", "诊室", "改时间", "放进日历", "打印凭条", "退号"):
        hand.sees(words)


def into_calendar(hand: Hand) -> None:
    """Load the calendar file and read it as a calendar would."""
    with hand.page.expect_download() as loading:
        hand.tap("放进日历")
    text = loading.value.path().read_bytes().decode()
    assert loading.value.suggested_filename.endswith(".ics")
    lines = text.replace("\r\n ", "").split("\r\n")
    event = dict(line.split(":", 1) for line in lines if ":" in line)
    assert lines[0] == "BEGIN:VCALENDAR"
    assert "瑞金医院" in event["SUMMARY"]
    assert re.fullmatch(r"2026112\dT\d{6}Z", event["DTSTART"])
    assert event["DTEND"] > event["DTSTART"]


def print_slip(hand: Hand, time: str) -> None:
    booking = hand.page.url
    hand.tap("打印凭条")
    assert hand.heading() == "预约凭条"
    hand.sees(re.compile(f"{time}–"))
    hand.look(filled=1)
    if hand.script:
        hand.page.emulate_media(media="print")
        assert not hand.page.locator(".no-print:visible").count()
        hand.page.emulate_media(media="screen")
    hand.page.goto(booking)


def whole_story(hand: Hand) -> None:
    hand.look()
    find_ruijin(hand)
    time = choose(hand, 2)
    hand.look()
    hand.tap("预约这个时间", "button")
    is_there(hand, time)
    hand.sees("约好了")
    hand.look()
    into_calendar(hand)
    print_slip(hand, time)
    hand.tap("改时间")
    hand.sees("改到哪个时间？")
    hand.look()
    later = choose(hand, 1, nth=1)
    hand.tap("改到这个时间", "button")
    is_there(hand, later)
    hand.sees("原来的号已经退回")
    hand.tap("退号")
    hand.look()
    hand.tap("退号", "button")
    hand.sees("退好了")
    hand.sees("还没有预约")
    assert hand.page.locator(".booking:not(.booking-ended)").count() == 0
    hand.look()


def test_on_a_phone_from_a_search_to_a_booking_moved_and_given_back(new_hand: NewHand) -> None:
    hand = new_hand()
    hand.sign_in("hexiaowen")
    hand.tab_is_seen()
    whole_story(hand)


def test_the_same_without_script(new_hand: NewHand) -> None:
    hand = new_hand(script=False)
    hand.sign_in("luozhiqiang")
    whole_story(hand)


def test_what_is_typed_is_suggested(new_hand: NewHand) -> None:
    hand = new_hand(size=DESKTOP)
    hand.go("/book")
    hand.page.keyboard.press("/")
    hand.page.keyboard.type("ruijin")
    hand.page.locator(".suggestion", has_text="瑞金").first.wait_for()
    hand.page.keyboard.press("ArrowDown")
    hand.page.keyboard.press("Enter")
    hand.page.wait_for_url(re.compile(r"/book\?.+"))
    hand.page.locator("section.doctor", has_text="瑞金").first.wait_for()


@pytest.mark.parametrize(("name", "search"), [("林秀英", "市北 心内"), ("周子安", "儿科")])
def test_a_daughter_books_for_her_mother_and_her_child(
    new_hand: NewHand, name: str, search: str
) -> None:
    hand = new_hand()
    hand.sign_in("daughter")
    hand.tap(re.compile("换家人"))
    hand.look()
    hand.tap(f"为{name}办理", "button")
    hand.sees(f"现在为{name}办理")
    assert name in hand.page.locator(".who").inner_text()
    hand.go(f"/book?q={search}")
    hand.page.locator(".days a.day-open").nth(3).click()
    hand.page.locator(FREE).first.click()
    assert name in hand.page.locator("main").inner_text()
    hand.look()
    hand.tap("预约这个时间", "button")
    hand.sees("约好了")
    assert name in hand.page.locator("main").inner_text()


def test_a_stranger_meets_not_found_words(new_hand: NewHand, stage: Stage) -> None:
    row = stage.ask(
        "SELECT b.id FROM booking.booking b JOIN identity.person p ON p.id = b.person_id"
        " WHERE p.name = '林秀英' LIMIT 1"
    )[0]
    hand = new_hand(excused=("404",))
    hand.sign_in("hexiaowen")
    hand.go(f"/bookings/{row['id']}")
    text = hand.page.locator("main").inner_text()
    assert "没有找到" in text or "没有这个" in text
    assert "林秀英" not in hand.page.content()
    hand.look()
