"""Elder mode, by herself: few taps, big targets, a way to a human and 120 on every page."""

from __future__ import annotations

import re

import pytest

from tests.browser.conftest import NewHand
from tests.browser.hand import Hand

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

TARGETS = "a:visible, button:visible, .input:visible, .choice:visible"
INLINE = "it => it.closest('p, .notice, h1, h2') !== null && !it.matches('.btn, .sos')"
SIZES = """() => [...document.querySelectorAll('main *, header *, footer *')]
  .filter((it) => it.checkVisibility() && [...it.childNodes].some(
    (node) => node.nodeType === 3 && node.textContent.trim()))
  .map((it) => [parseFloat(getComputedStyle(it).fontSize), it.textContent.trim().slice(0, 20)])"""
TARGET_MIN = 60
FONT_MIN = 18


def looks_for_elders(hand: Hand) -> None:
    """Measure: targets, letters, help and 120 within the screen, read-aloud there."""
    hand.look(widths=(320, 390))
    where = hand.page.url
    for one in hand.page.locator(TARGETS).all():
        box = one.bounding_box()
        if one.evaluate("it => it.matches('.skip')") or one.evaluate(INLINE) or box is None:
            continue
        assert box["height"] >= TARGET_MIN, (where, one.inner_text(), box)
    small = [pair for pair in hand.page.evaluate(SIZES) if pair[0] < FONT_MIN]
    assert [pair for pair in small if "演示" not in pair[1]] == [], where
    for words in ("找人帮忙", "呼救 120"):
        box = hand.find(words).first.bounding_box()
        assert box is not None
        assert 0 <= box["y"] <= hand.size["height"] - box["height"], (where, words, box)
    assert hand.page.locator("[data-read-aloud]:visible").count() == 1, where


def test_again_with_the_same_doctor_in_four_taps(new_hand: NewHand) -> None:
    hand = new_hand()
    hand.sign_in("resident")
    assert "elder" in (hand.page.locator("html").get_attribute("class") or "")
    looks_for_elders(hand)
    hand.page.locator("section.card", has_text="再约上次的医生").locator("a").first.click()
    assert "哪天方便" in hand.heading()
    looks_for_elders(hand)
    hand.page.locator("main a.link-row").nth(2).click()
    assert hand.heading() == "几点来？"
    looks_for_elders(hand)
    hand.page.locator("main a.link-row").first.click()
    looks_for_elders(hand)
    hand.tap("预约这个时间", "button")
    hand.sees("约好了")
    looks_for_elders(hand)


def test_the_first_question_is_about_the_doctor_seen_before(new_hand: NewHand) -> None:
    hand = new_hand()
    hand.sign_in("resident")
    hand.tap("预约挂号", nth=0)
    assert hand.heading() == "还找上次的医生吗？"
    looks_for_elders(hand)
    hand.tap("不，看别的科")
    assert hand.heading() == "要看哪个科？"
    looks_for_elders(hand)
    hand.tap(re.compile("骨科"))
    assert hand.heading() == "哪天方便？"
    looks_for_elders(hand)


def test_it_is_read_aloud_and_pauses(new_hand: NewHand) -> None:
    hand = new_hand()
    hand.sign_in("resident")
    button = hand.page.locator("[data-read-aloud]:visible")
    button.click()
    hand.page.locator(".is-read").first.wait_for()
    assert button.inner_text() == "暂停"
