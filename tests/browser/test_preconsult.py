"""Before a visit: the patient answers, the doctor reads, takes it over and orders a test."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import UUID

import pytest

from citycare.kernel.context import Context
from tests.browser.conftest import NewHand
from tests.browser.hand import DESKTOP, Hand
from tests.browser.stage import Stage
from tests.browser.test_structure import FAULTS, TARGET_MIN
from tests.browser.test_triage import answer_all, say
from tests.conftest import NOW

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

FREE = """
    SELECT s.id FROM booking.slot s JOIN booking.clinic c ON c.id = s.clinic_id
     WHERE c.practitioner_name = '陈立' AND s.starts_at > %(now)s AND s.free > 2
       AND s.state = 'open' AND s.release = 'first_come'
     ORDER BY s.starts_at LIMIT 1
"""
SOONER = "UPDATE consent.care SET starts_at = %(from)s WHERE source = %(source)s"


def sound(hand: Hand, filled: int = 1) -> None:
    """Hold a page against the rules of structure and looks."""
    hand.page.set_viewport_size(hand.size)  # type: ignore[arg-type]
    assert hand.page.evaluate(FAULTS, TARGET_MIN) == [], hand.page.url
    hand.look(filled=filled)


def book(hand: Hand, stage: Stage) -> UUID:
    """Book with the doctor of the demo, who may read what is prepared from now on."""
    hand.go(f"/book/{stage.ask(FREE, now=NOW)[0]['id']}")
    hand.tap("预约这个时间", "button")
    hand.sees("约好了")
    made = UUID(hand.page.url.rpartition("/")[2])

    async def sooner(cx: Context) -> None:
        facts = {"from": NOW - timedelta(hours=1), "source": f"Appointment/{made}"}
        await cx.db.execute(SOONER, facts)

    stage.run(sooner)
    return made


def pick(hand: Hand, question: str, answer: str) -> None:
    """Tick an answer; wait until it is kept."""
    box = hand.page.locator("fieldset", has=hand.page.locator("legend", has_text=question)).first
    with hand.page.expect_response(re.compile("/prepare/")):
        box.get_by_text(answer, exact=True).click()


def test_a_patient_answers_and_the_doctor_takes_it_over(new_hand: NewHand, stage: Stage) -> None:
    hand = new_hand(excused=("422",))
    hand.sign_in("suwen", to="/?elder=0")
    say(hand, "走快了胸闷三周了，不发烧")
    answer_all(hand)
    made = book(hand, stage)
    hand.tap("就诊前先答几个问题，约 3 分钟", "link")
    hand.sees("您已经说过的")
    hand.sees("走快了胸闷三周了，不发烧")
    sound(hand)
    pick(hand, "还有下面这些吗", "出冷汗")
    hand.sees("先停一停，这个不能等")
    pick(hand, "还有下面这些吗", "出冷汗")
    hand.page.locator("#alarms .stop").wait_for(state="detached")
    pick(hand, "心跳怎么样", "没觉得不对")
    hand.tap("发给医生", "button")
    hand.sees("有几处要改，您填的都还在")
    sound(hand)
    pick(hand, "现在每天在吃药", "是")
    hand.page.get_by_label("药名").fill("缬沙坦")
    pick(hand, "过敏吗", "否")
    hand.tap("发给医生", "button")
    hand.sees("发给医生了，谢谢")
    sound(hand)

    doctor = new_hand(size=DESKTOP)
    doctor.sign_in("clinician", to="/clinic")
    doctor.go(f"/clinic/prepared/{made}")
    doctor.look()
    doctor.page.locator("summary", has_text="否认心悸").click()
    doctor.sees("心跳怎么样")
    doctor.sees("这次答的")
    assert doctor.page.locator(".tick input:checked").count() == 0
    doctor.tap("采用到病历", "button")
    doctor.sees(re.compile("已采用到病历 · "))
    doctor.page.locator(".tick").first.click()
    doctor.tap("开单", "button")
    doctor.sees("开了 1 项检查")
    doctor.look()
    hand.page.reload()
    hand.sees("医生开的检查")


def test_elders_answer_one_thing_at_a_time(new_hand: NewHand, stage: Stage) -> None:
    hand = new_hand()
    hand.sign_in("hexiaowen", to="/?elder=0")
    made = book(hand, stage)
    hand.go(f"/prepare/{made}?elder=1")
    hand.sees(re.compile("第 1 题"))
    sound(hand)
    hand.page.locator("textarea").fill("胸口闷")
    hand.tap("下一题", "button")
    hand.sees(re.compile("第 2 题"))
    sound(hand)
    hand.tap("上一题", "button")
    assert hand.page.locator("textarea").input_value() == "胸口闷"


def test_without_script_it_works_too(new_hand: NewHand, stage: Stage) -> None:
    hand = new_hand(script=False)
    hand.sign_in("jiangtao", to="/?elder=0")
    made = book(hand, stage)
    hand.go(f"/prepare/{made}")
    hand.page.locator("textarea").first.fill("胸口闷")
    hand.tap("先存着", "button")
    hand.sees("存好了，随时可以接着填。")
    assert hand.page.locator("textarea").first.input_value() == "胸口闷"
