"""Near me: a browser that says where it is, one that may not, one without script."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Request

from tests.browser.conftest import NewHand
from tests.browser.hand import Hand

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

HERE = {"latitude": 31.201234, "longitude": 121.451234}  # a street corner in Xuhui
ALLOWED = {"geolocation": HERE, "permissions": ["geolocation"]}
DISTANCE = re.compile(r"约 ([\d.]+) (公里|米)")
ASKED = "/book?q=附近 眼科"


def metres(hand: Hand) -> list[float]:
    """The distances on the page, in the order of the cards."""
    said = DISTANCE.findall(hand.page.locator("#main").inner_text())
    return [float(far) * (1000 if unit == "公里" else 1) for far, unit in said]


def test_where_i_am_is_asked_once_and_stands_in_no_address(new_hand: NewHand) -> None:
    hand = new_hand(extra=ALLOWED)
    sent: list[Request] = []
    hand.page.on("request", lambda one: sent.append(one))  # noqa: PLW0108 - Playwright marks it
    hand.go(ASKED)
    assert metres(hand) == []
    hand.tap("用我现在的位置", "button")
    hand.sees("离您现在的位置近的先排")
    near = metres(hand)
    assert near
    assert near == sorted(near)
    hand.look()
    hand.tap("下午", "link")  # what the page leads to is near, too
    hand.page.locator(".filter[aria-current]", has_text="下午").wait_for()
    hand.sees("离您现在的位置近的先排")
    assert "half=afternoon" in hand.page.url
    hand.page.go_back()
    hand.page.locator(".filter[aria-current]", has_text="全天").wait_for()
    hand.sees("离您现在的位置近的先排")
    assert metres(hand) == near
    told = [one.all_headers().get("x-position") for one in sent]
    assert {one for one in told if one} == {"31.201,121.451"}
    for one in sent:
        assert "121.45" not in one.url
        assert "121.45" not in one.all_headers().get("referer", "")
    hand.tap("不用我的位置")
    hand.sees("您在哪里？")
    assert metres(hand) == []


def test_no_is_an_answer(new_hand: NewHand) -> None:
    hand = new_hand()  # nobody allows anything: Chromium denies
    hand.go(ASKED)
    hand.tap("用我现在的位置", "button")
    hand.sees("没有得到您的同意")
    assert hand.find("用我现在的位置", "button").is_enabled()
    hand.look()
    hand.tap("静安区", "link")
    hand.sees("离静安区近的先排")
    near = metres(hand)
    assert near
    assert near == sorted(near)
    hand.look()


def test_without_script_the_district_is_the_way(new_hand: NewHand) -> None:
    hand = new_hand(script=False)
    hand.go("/book?q=眼科")
    hand.tap("离我近的先排")
    hand.sees("您在哪里？")
    assert not hand.page.get_by_text("用我现在的位置").is_visible()
    hand.tap("静安区", "link")
    near = metres(hand)
    assert near
    assert near == sorted(near)


def test_a_position_too_rough_is_not_used(new_hand: NewHand) -> None:
    rough = {"geolocation": {**HERE, "accuracy": 20_000}, "permissions": ["geolocation"]}
    hand = new_hand(extra=rough)
    hand.go(ASKED)
    hand.tap("用我现在的位置", "button")
    hand.sees("差好几公里")
    assert metres(hand) == []
