"""What a screen reader and a keyboard meet on residents' pages; the frame on a wide screen."""

from __future__ import annotations

import re

import pytest

from tests.browser.conftest import NewHand
from tests.browser.hand import DESKTOP, PHONE, Hand
from tests.browser.test_english import enter, tab_to

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

PAGES = (
    "/",
    "/book",
    "/book?q=没有这种门诊",
    "/bookings",
    "/messages",
    "/me",
    "/me/people",
    "/me/family",
    "/me/family/add",
    "/me/family/ask",
    "/me/family/child",
    "/me/access",
    "/me/sessions",
    "/login",
    "/nowhere",
)
ZOOMED = {"width": 640, "height": 400}  # a window of 1280 px at 200 %
TARGET_MIN = 44
FAULTS = r"""(least) => {
  const out = [], seen = {}, all = (what) => [...document.querySelectorAll(what)];
  const shown = (it) => it.checkVisibility();
  const name = (it) => (it.getAttribute('aria-label') || it.textContent || it.title).trim();
  for (const it of all('[id]')) if ((seen[it.id] = (seen[it.id] ?? 0) + 1) > 1) out.push(it.id);
  let level = 0;
  for (const it of all('h1, h2, h3, h4').filter(shown)) {
    if (+it.tagName[1] > level + 1 || !it.textContent.trim()) out.push('heading: ' + it.outerHTML);
    level = +it.tagName[1];
  }
  if (all('main').length !== 1) out.push('not one main');
  for (const it of all('a[href], button').filter(shown)) if (!name(it)) out.push(it.outerHTML);
  for (const it of all('input:not([type=hidden]), select, textarea').filter(shown))
    if (!it.labels?.length && !it.getAttribute('aria-label')) out.push('label: ' + it.outerHTML);
  for (const it of all('nav').filter(shown)) if (!it.getAttribute('aria-label')) out.push('nav');
  for (const it of all('fieldset')) if (!it.querySelector('legend')) out.push('legend');
  for (const how of ['aria-describedby', 'aria-controls', 'aria-labelledby'])
    for (const it of all(`[${how}]`)) for (const id of it.getAttribute(how).split(' '))
      if (!document.getElementById(id)) out.push(`${how} leads nowhere: ${id}`);
  const small = 'a[href], button, select, input:not([type=hidden], [type=radio], [type=checkbox])';
  for (const it of all(small).filter(shown)) {
    const inText = it.closest('p, h1, h2') && !it.matches('.btn, .top-link');
    if (inText || it.matches('.skip') || it.getBoundingClientRect().height >= least) continue;
    out.push('small: ' + it.outerHTML);
  }
  return out.map((one) => one.slice(0, 140));
}"""


@pytest.mark.parametrize("script", [True, False])
@pytest.mark.parametrize("size", [PHONE, DESKTOP, ZOOMED], ids=["phone", "desktop", "zoomed"])
def test_each_page_is_sound_below_its_looks(
    new_hand: NewHand, size: dict[str, int], *, script: bool
) -> None:
    hand = new_hand(size=size, script=script, excused=("404",))
    hand.sign_in("suwen")
    for path in PAGES:
        hand.go(path)
        assert hand.page.evaluate(FAULTS, TARGET_MIN) == [], path
        hand.look(widths=(size["width"],))


def to_the_booking(hand: Hand) -> None:
    tab_to(hand, "it.matches('main .btn')")
    enter(hand, "/book")
    tab_to(hand, "it.matches('#search')")
    hand.page.keyboard.type("华山 骨科")
    enter(hand, "q=")
    tab_to(hand, "it.matches('.day-open:not([aria-current])')")
    enter(hand, "day=")
    tab_to(hand, "it.matches('a.chip-free, a.chip-few')")
    enter(hand, "/book/[0-9a-f-]{36}")


def test_by_keyboard_alone_without_script(new_hand: NewHand) -> None:
    hand = new_hand(size=DESKTOP, script=False)
    hand.sign_in("suwen")
    to_the_booking(hand)
    assert hand.page.evaluate(FAULTS, TARGET_MIN) == []
    tab_to(hand, "it.matches('.foot button.btn')")
    enter(hand, "/bookings/")
    assert hand.page.evaluate(FAULTS, TARGET_MIN) == []
    tab_to(hand, "it.matches('a[href$=cancel]')")
    enter(hand, "/cancel")
    tab_to(hand, "it.matches('button.btn-alarm')")
    enter(hand, "/bookings$")


def test_a_wide_screen_is_used_from_edge_to_edge(new_hand: NewHand) -> None:
    """Days on the left, clinics beside them, times beside each doctor; the frame is filled."""
    hand = new_hand(size=DESKTOP)
    hand.go("/book?q=瑞金 心内")
    days, first = hand.page.locator(".days"), hand.page.locator(".doctor").first
    left, right = days.bounding_box(), first.bounding_box()
    frame = hand.page.locator(".page").bounding_box()
    assert left is not None
    assert right is not None
    assert frame is not None
    assert left["x"] + left["width"] < right["x"]
    assert abs(left["y"] - right["y"]) < 2
    assert frame["x"] + frame["width"] - (right["x"] + right["width"]) < 30
    assert re.search(r"\d+月\d+日", days.inner_text())
    times = first.locator(".doctor-times").bounding_box()
    name = first.locator("h2").bounding_box()
    assert times is not None
    assert name is not None
    assert name["x"] + name["width"] < times["x"]
