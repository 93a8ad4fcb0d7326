"""Before a visit: the patient answers, the doctor reads and takes it over."""

from __future__ import annotations

import re
from uuid import UUID

import pytest

from citycare.kernel.context import Context
from tests.browser.conftest import NewHand
from tests.browser.hand import DESKTOP, Hand
from tests.browser.stage import Stage
from tests.browser.test_structure import FAULTS, TARGET_MIN
from tests.browser.test_triage import answer_all, say

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

SLOT = """
    SELECT s.id FROM booking.slot s JOIN booking.clinic c ON c.id = s.clinic_id
     WHERE c.practitioner_name = '陈立' AND s.starts_at > %(now)s
       AND EXISTS (SELECT FROM booking.place p WHERE p.slot_id = s.id AND p.booking_id IS NULL
                      AND p.pool = 'public' AND p.opens_at <= %(now)s)
     ORDER BY s.starts_at LIMIT 1
"""


def sound(hand: Hand) -> None:
    """Hold a page against the rules of structure and looks."""
    hand.page.set_viewport_size(hand.size)  # type: ignore[arg-type]
    assert hand.page.evaluate(FAULTS, TARGET_MIN) == [], hand.page.url
    hand.look()


async def _slot(cx: Context) -> UUID:
    row = await (await cx.db.execute(SLOT, {"now": cx.now})).fetchone()
    assert row is not None
    found: UUID = row["id"]
    return found


def book(hand: Hand, stage: Stage) -> str:
    """Book with the doctor of the demo; return the booking's id."""
    hand.go(f"/book/{stage.run(_slot)}")
    hand.tap("预约这个时间", "button")
    hand.sees("约好了")
    return hand.page.url.rpartition("/")[2]


def pick(hand: Hand, question: str, answer: str) -> None:
    """Tick an answer; wait until it is kept."""
    box = hand.page.locator("fieldset", has=hand.page.locator("legend", has_text=question))
    with hand.page.expect_response(re.compile("/prepare/")):
        box.get_by_text(answer, exact=True).click()


def test_a_patient_answers_and_the_doctor_takes_it_over(new_hand: NewHand, stage: Stage) -> None:
    hand = new_hand()
    hand.sign_in("suwen", to="/?elder=0")
    say(hand, "走快了胸闷三周了，不发烧")
    answer_all(hand)
    booking = book(hand, stage)
    hand.tap("就诊前先答几个问题，约 3 分钟", "link")
    sound(hand)
    hand.sees("您已经说过的")
    pick(hand, "心跳怎么样", "没觉得不对")
