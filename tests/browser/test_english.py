"""English, on a desktop, with the keyboard alone; and no Chinese left in what we say."""

from __future__ import annotations

import re

import pytest

from tests.browser.conftest import NewHand
from tests.browser.hand import DESKTOP, FOCUS_SEEN, Hand

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

TABS_MAX = 60
# Names of people and places stay as they are; so do the words of the language switch.
SAID = """() => [...document.querySelectorAll('h1, .btn, label, th, legend, dt, .hint, .notice')]
  .filter((it) => it.checkVisibility() && /[\\u4e00-\\u9fff]/.test(it.textContent))
  .map((it) => it.textContent.trim())"""


def tab_to(hand: Hand, script: str) -> None:
    """Press Tab until the focus is where the script says; it must be seen all the way."""
    for _ in range(TABS_MAX):
        hand.page.keyboard.press("Tab")
        assert hand.page.evaluate(FOCUS_SEEN), hand.page.evaluate(
            "document.activeElement.outerHTML"
        )
        if hand.page.evaluate(
            f"(() => {{ const it = document.activeElement; return {script} }})()"
        ):
            return
    raise AssertionError(f"{script} not reached by Tab on {hand.page.url}")


def enter(hand: Hand, to: str) -> None:
    hand.page.keyboard.press("Enter")
    hand.page.wait_for_url(re.compile(to))


def in_english(hand: Hand) -> None:
    hand.look(lang="en")
    assert hand.page.evaluate(SAID) == [], hand.page.url


def test_a_booking_by_keyboard_in_english(new_hand: NewHand) -> None:
    hand = new_hand(size=DESKTOP, lang="en")
    hand.sign_in("marychen")
    in_english(hand)
    tab_to(hand, "it.matches('main .btn')")
    enter(hand, "/book")
    tab_to(hand, "it.matches('#search')")
    hand.page.keyboard.type("瑞金 皮肤")
    enter(hand, "q=")
    in_english(hand)
    tab_to(hand, "it.matches('.days a.day-open') && it.previousElementSibling !== null")
    enter(hand, "day=")
    tab_to(hand, "it.matches('a.chip-free, a.chip-few')")
    enter(hand, "/book/[0-9a-f-]{36}")
    in_english(hand)
    tab_to(hand, "it.matches('.foot button.btn')")
    assert "Book this time" in hand.page.evaluate("document.activeElement.textContent")
    enter(hand, "/bookings/")
    in_english(hand)
    tab_to(hand, "it.matches('a[href$=cancel]')")
    enter(hand, "/cancel")
    in_english(hand)
    tab_to(hand, "it.matches('button.btn-alarm')")
    enter(hand, "/bookings$")
    in_english(hand)


def test_the_language_is_switched_and_kept(new_hand: NewHand) -> None:
    hand = new_hand(size=DESKTOP)
    hand.go("/")
    hand.tap("EN")
    hand.page.wait_for_url(re.compile("lang=en"))
    hand.go("/book")
    hand.look(lang="en")
    hand.tap("中文")
    hand.page.wait_for_url(re.compile("lang=zh"))
    hand.look()
