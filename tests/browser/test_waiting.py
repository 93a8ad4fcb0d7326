"""The waiting list between two people: one gives a place back, the other is asked first."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.browser.conftest import NewHand
from tests.browser.hand import Hand
from tests.browser.stage import Stage

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

DRESSED = """
    SELECT s.id, s.clinic_id, (s.starts_at AT TIME ZONE 'Asia/Shanghai')::date::text AS day
      FROM booking.slot s JOIN booking.clinic c ON c.id = s.clinic_id
     WHERE s.starts_at > '2026-11-24' AND s.release = 'first_come' AND s.queue_id IS NULL
       AND NOT EXISTS (SELECT 1 FROM booking.wait w WHERE w.clinic_id = c.id)
       AND EXISTS (SELECT 1 FROM booking.place p WHERE p.slot_id = s.id AND p.state = 'free'
                   AND p.pool = 'public' AND p.opens_at < '2026-11-22')
     ORDER BY s.starts_at, s.id LIMIT 1
"""
FILL = """
    UPDATE booking.place p SET state = 'taken' FROM booking.slot s
     WHERE s.id = p.slot_id AND p.state = 'free' AND s.clinic_id = %(clinic_id)s
       AND (s.starts_at AT TIME ZONE 'Asia/Shanghai')::date = %(day)s::date
       AND (p.slot_id, p.number) NOT IN (
           SELECT slot_id, number FROM booking.place
            WHERE slot_id = %(id)s AND state = 'free' AND pool = 'public'
            ORDER BY number LIMIT 1)
"""


def book_the_last(hand: Hand, slot: dict[str, Any]) -> None:
    hand.go(f"/book?clinic={slot['clinic_id']}&day={slot['day']}")
    assert hand.page.locator("a.chip-few").count() == 1
    hand.sees("只剩 1")
    hand.page.locator("a.chip-few").click()
    hand.tap("预约这个时间", "button")
    hand.sees("约好了")


def wait_for_a_place(hand: Hand, slot: dict[str, Any]) -> None:
    hand.go(f"/book?clinic={slot['clinic_id']}&day={slot['day']}")
    hand.tap(re.compile("排候补，第 1 位"))
    hand.look()
    assert hand.heading() == "排候补"
    hand.tap("排上候补", "button")
    hand.sees("正在候补")
    hand.sees("您排在第几位")
    hand.look()


def test_a_full_day_a_wait_an_offer_and_a_place(new_hand: NewHand, stage: Stage) -> None:
    slot = stage.ask(DRESSED)[0]
    stage.ask(FILL, **slot)
    first, second = new_hand(), new_hand()
    first.sign_in("suwen")
    book_the_last(first, slot)
    second.sign_in("jiangtao")
    wait_for_a_place(second, slot)
    first.tap("退号")
    first.tap("退号", "button")
    first.sees("退好了")
    second.go("/")
    second.sees("候补有号了")
    second.look()
    second.tap("看看要不要")
    second.sees(re.compile("给您留到"))
    second.look()
    second.tap("要这个号", "button")
    assert re.search(r"/bookings/[0-9a-f-]{36}$", second.page.url)
    second.sees("您的号")
    second.look()
    second.go("/messages")
    second.look()
