"""From where it hurts to a place: a cough, a child with a fever, a chest that must not wait."""

from __future__ import annotations

import re

import pytest

from tests.browser.conftest import NewHand
from tests.browser.hand import DESKTOP, PHONE, Hand
from tests.browser.test_elder import looks_for_elders
from tests.browser.test_structure import FAULTS, TARGET_MIN

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

QUESTIONS_MAX = 12


def say(hand: Hand, words: str, age: str = "") -> None:
    hand.go("/triage")
    hand.page.locator("#text").fill(words)
    if age:
        hand.page.locator("#age").fill(age)
    hand.tap("下一步", "button")


def sound(hand: Hand) -> None:
    """Hold a page against the rules of structure and looks."""
    hand.page.set_viewport_size(hand.size)  # type: ignore[arg-type]
    assert hand.page.evaluate(FAULTS, TARGET_MIN) == [], hand.page.url
    hand.look()


def deny(hand: Hand) -> None:
    """Answer the question with no, or with none of these."""
    none = hand.find("都没有", "button")
    (none if none.count() else hand.page.locator("button[value=no]")).click()


def answer_all(hand: Hand) -> int:
    """Say no to everything until the advice is there; return how many questions it took."""
    for count in range(QUESTIONS_MAX + 1):
        if hand.page.locator("#answer").count() == 0:
            return count
        sound(hand)
        deny(hand)
    raise AssertionError(f"more than {QUESTIONS_MAX} questions")


def test_a_cough_ends_with_a_booked_place(new_hand: NewHand) -> None:
    hand = new_hand()
    hand.sign_in("suwen", to="/?elder=0")
    hand.go("/")
    hand.tap("我不舒服", "link", nth=0)
    sound(hand)
    hand.page.locator("#text").fill("咳嗽三天了，有黄痰")
    hand.tap("下一步", "button")
    hand.sees("第 1 问，最多 12 问")
    deny(hand)
    hand.tap("改上一个回答", "button")
    hand.sees("第 1 问，最多 12 问")
    answer_all(hand)
    sound(hand)
    assert re.search("去看医生|方便的日子|休息观察", hand.heading())
    hand.page.locator("section.part a.link-row").first.click()
    assert "/book/" in hand.page.url
    hand.tap("预约这个时间", "button")
    hand.sees("约好了")


def test_a_feverish_child_goes_to_paediatrics(new_hand: NewHand) -> None:
    hand = new_hand(size=DESKTOP)
    say(hand, "孩子发烧两天，三十九度，还咳嗽", "4")
    answer_all(hand)
    sound(hand)
    assert "儿" in hand.page.locator("section.part h2").first.inner_text()
    hand.tap("打印给护士看", "link")
    hand.sees("给分诊台看的条子")
    hand.sees("4 岁")


@pytest.mark.parametrize("script", [True, False])
def test_a_crushing_chest_stops_everything(new_hand: NewHand, *, script: bool) -> None:
    hand = new_hand(script=script)
    say(hand, "胸口压榨样疼半个小时了，出冷汗", "60")
    hand.sees("现在打 120")
    sound(hand)
    call = hand.page.locator("a.btn-alarm")
    box = call.bounding_box()
    assert box is not None
    assert call.get_attribute("href") == "tel:120"
    assert box["y"] + box["height"] < PHONE["height"]
    assert hand.page.locator("#answer").count() == 0


def test_the_body_is_pointed_at_by_keyboard(new_hand: NewHand) -> None:
    hand = new_hand(size=DESKTOP)
    hand.go("/triage")
    sound(hand)
    hand.page.locator("#text").fill("三天了")
    hand.page.locator("a.spot", has_text="胸口").focus()
    hand.page.keyboard.press("Enter")
    hand.page.locator("#complaints").wait_for()
    assert hand.page.locator("#text").input_value() == "三天了"
    hand.tap("咳嗽", "button")
    hand.page.wait_for_url(re.compile("/triage/[0-9a-f-]{36}"))
    sound(hand)


def test_elders_are_asked_one_thing_at_a_time(new_hand: NewHand) -> None:
    hand = new_hand()
    hand.go("/triage?elder=1")
    looks_for_elders(hand)
    hand.tap("指一指哪里不舒服", "link")
    looks_for_elders(hand)
    hand.page.locator("main a.link-row").nth(1).click()
    looks_for_elders(hand)
    hand.page.locator("main button.answer").first.click()
    looks_for_elders(hand)
    hand.page.locator("#age").fill("70")
    hand.tap("下一步", "button")
    looks_for_elders(hand)
    hand.page.goto(hand.page.url.partition("?")[0] + "?advice=1")
    looks_for_elders(hand)


def test_everything_is_there_in_english(new_hand: NewHand) -> None:
    hand = new_hand(lang="en")
    hand.go("/triage?lang=en")
    hand.look(lang="en")
    hand.page.locator("#text").fill("I have a cough and yellow phlegm for three days")
    hand.page.locator("#age").fill("35")
    hand.tap("Next", "button")
    hand.look(lang="en")
    hand.page.goto(hand.page.url.partition("?")[0] + "?advice=1")
    hand.look(lang="en")
    hand.sees("Respiratory medicine")
