"""The triage's pages without script: nobody and somebody, full, wrong, stopped, elder, why."""

from __future__ import annotations

import re
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from citycare.kernel import consent, identity
from citycare.kernel.context import Context, Role
from citycare.kit import ids
from citycare.kit.db import Database
from citycare.scenarios.booking.model.core import Pool
from citycare.scenarios.booking.model.schedule import NewSlot
from citycare.scenarios.booking.service import clinics, schedule
from citycare.web.login.tokens import issue_token
from tests.conftest import NOW
from tests.scenarios.booking.conftest import HOSPITAL, PORTAL, clinic_of, make_person, slot_of
from tests.scenarios.booking.resident import HTML, Browser, House
from tests.scenarios.triage import small

HOUR = timedelta(hours=1)
LUNG = clinic_of(department_code="03.01", department_name="呼吸内科", practitioner_name="周平")
NAMES = ("周平", "主任医师", "呼吸内科", "示例一院", "示例第一医院", "林秀英", "林")


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> House:
    """The application with a small knowledge, so that rules decide what is asked, not data."""
    made = House(database, tmp_path)
    made.app.state.triage = cache(small.triage)
    return made


async def opened(house: House, starts_at: Any = NOW + HOUR) -> NewSlot:
    """Open one place of the chest clinic."""
    slot = slot_of(LUNG, starts_at, {Pool.PUBLIC: 1})

    async def run(cx: Context) -> None:
        await clinics.save_clinics(cx, [LUNG])
        await schedule.load_slots(cx, [slot])

    await house.within(run)
    return slot


async def asked(browser: Browser, text: str, **fields: str) -> str:
    """Say where it hurts; return the address of the dialogue."""
    answer = await browser.post("/triage", "/triage", text=text, **fields)
    assert answer.status_code == 303, answer.text[:400]
    return answer.headers["location"]


async def somebody(house: House) -> tuple[UUID, Browser]:
    person = await house.within(make_person)
    return person, await house.signed_in(person)


async def test_nobody_needs_to_sign_in_to_say_where_it_hurts(house: House) -> None:
    page = await house.stranger().page("/triage")
    assert "哪里不舒服" in page
    assert 'name="age"' in page
    assert 'name="whom"' not in page
    assert page.count('class="spot ') == 21


async def test_a_place_pointed_at_names_complaints_and_one_begins(house: House) -> None:
    browser = house.stranger()
    assert 'value="cough"' in await browser.page("/triage?site=body")
    at = (await browser.post("/triage", "/triage", complaint="cough")).headers["location"]
    assert "因为咳嗽" in await browser.page(f"{at}?other=1")


async def test_nothing_said_is_said_kindly_and_what_was_typed_stays(house: House) -> None:
    browser = house.stranger()
    empty = await browser.post("/triage", "/triage", text="  ", age="40", sex="female")
    assert empty.status_code == 422
    assert "还没有写哪里不舒服" in empty.text
    assert 'value="40"' in empty.text
    wrong = await browser.post("/triage", "/triage", text="咳嗽", age="四十")
    assert wrong.status_code == 422
    assert "年龄写个数字" in wrong.text
    assert ">咳嗽</textarea>" in wrong.text
    long = await browser.post("/triage", "/triage", text="咳" * 20_001)
    assert long.status_code == 422
    assert "两万字以内" in long.text


async def test_questions_one_a_page_with_a_way_back_and_out(house: House) -> None:
    browser = house.stranger()
    at = await asked(browser, "胸口疼", age="60")
    page = await browser.page(at)
    assert "最多 12 问" in page
    assert "?advice=1" in page
    assert f'href="/triage?again={at.rpartition("/")[2]}"' in page
    name = re.findall(r'name="question" value="([^"]*)"', page)[0]
    none = await browser.post(f"{at}/answer", at, question=name, said="ticked")
    assert none.status_code == 422
    done = await browser.post(f"{at}/answer", at, question=name, said="none")
    assert done.status_code == 303
    back = await browser.post(f"{at}/back", at)
    assert back.status_code == 303
    assert f'value="{name}"' in await browser.page(at)
    assert "胸口疼" in await browser.page(f"/triage?again={at.rpartition('/')[2]}")


async def test_one_sign_of_danger_is_asked_for_plainly_and_stops_all_if_it_is_there(
    house: House,
) -> None:
    browser = house.stranger()
    at = await asked(browser, "胸口疼", age="60")
    page = await browser.page(at)
    assert "有出冷汗吗？" in page
    assert 'type="checkbox"' not in page
    fields = {"question": "danger", "finding": "cold_sweat", "said": "yes"}
    assert (await browser.post(f"{at}/answer", at, **fields)).status_code == 303
    assert "现在打 120" in await browser.page(at)


async def test_an_answer_to_another_question_loses_nothing(house: House) -> None:
    browser = house.stranger()
    at = await asked(browser, "胸口疼", age="60")
    late = await browser.post(f"{at}/answer", at, question="never_asked", said="yes")
    assert late.status_code == 303
    assert "接着答现在的问题" in await browser.page(at)


async def test_the_advice_gives_reasons_and_a_place_that_is_booked_in_one_tap(
    house: House,
) -> None:
    slot = await opened(house)
    person, browser = await somebody(house)
    at = await asked(browser, "咳嗽，肺部不舒服，没有发烧")
    page = await browser.page(f"{at}?advice=1&other=1")
    assert "呼吸内科" in page
    assert "因为咳嗽" in page
    assert "支气管炎" not in page
    assert "冠心病" not in page
    href = f"/book/{slot.id}?from={at.rpartition('/')[2]}"
    assert href in page
    confirm = await browser.page(href)
    assert "预约这个时间" in confirm
    made = await browser.post(
        f"/book/{slot.id}", href, **{"from": at.rpartition("/")[2], "move": ""}
    )
    assert made.status_code == 303
    booking = made.headers["location"].rpartition("/")[2]
    rows = await house.within(lambda cx: _led_to(cx, UUID(booking)))
    assert rows == at.rpartition("/")[2]
    assert person


async def _led_to(cx: Context, booking_id: UUID) -> str:
    statement = "SELECT dialogue_id FROM triage.led_to WHERE booking_id = %(id)s"
    row = await (await cx.db.execute(statement, {"id": booking_id})).fetchone()
    return str(row["dialogue_id"]) if row else ""


async def test_a_strangers_dialogue_in_the_address_of_a_booking_is_passed_over(
    house: House,
) -> None:
    slot = await opened(house)
    at = await asked(house.stranger(), "咳嗽", age="30")
    _, browser = await somebody(house)
    href = f"/book/{slot.id}?from={at.rpartition('/')[2]}"
    made = await browser.post(f"/book/{slot.id}", href, **{"from": at.rpartition("/")[2]})
    assert made.status_code == 303
    booking = UUID(made.headers["location"].rpartition("/")[2])
    assert await house.within(lambda cx: _led_to(cx, booking)) == ""


async def test_without_places_the_page_says_what_to_do(house: House) -> None:
    at = await asked(house.stranger(), "咳嗽", age="30")
    page = await house.stranger().page(f"{at}?advice=1")
    assert "没有能在网上约的号" in page
    assert "12320" in page


async def test_what_is_not_soon_enough_is_said_so(house: House) -> None:
    await opened(house, NOW + timedelta(days=9))
    browser = house.stranger()
    at = await asked(browser, "肺部咳嗽", age="30")
    page = await browser.page(f"{at}?advice=1&other=1")
    assert "周平" in page
    assert "这一周没有号了" in page


async def test_who_is_seen_without_booking_is_told_where(house: House) -> None:
    kind = identity.OrganisationKind.HOSPITAL
    houses = [
        identity.Organisation(ids.new(), name, name, kind, "310106")
        for name in ("甲医院", "乙医院")
    ]

    async def run(cx: Context) -> None:
        for one, code in zip(houses, ("16.02", "20"), strict=True):
            await identity.register_organisation(cx, one)
            await identity.register_department(
                cx, identity.Department(ids.new(), one.id, code, "不用约")
            )

    await house.within(run)
    browser = house.stranger()
    page = await browser.page(f"{await asked(browser, '发烧咳嗽', age='30')}?advice=1")
    assert "甲医院" in page
    assert "乙医院" not in page
    page = await browser.page(await asked(browser, "胸口疼出冷汗", age="60"))
    assert "乙医院" in page
    assert "甲医院" not in page


async def test_a_red_flag_stops_at_once_with_120_first(house: House) -> None:
    browser = house.stranger()
    at = await asked(browser, "胸口疼出冷汗", age="60")
    page = await browser.page(at)
    main = page[page.index("<main") :]
    assert main.index("tel:120") < main.index("救护车来之前")
    assert "btn-alarm" in page
    assert "第 1 问" not in page
    assert (await browser.get(f"{at}?advice=1")).text.count("现在打 120") >= 1


async def test_who_may_hurt_themselves_is_given_a_person_first(house: House) -> None:
    browser = house.stranger()
    page = await browser.page(await asked(browser, "不想活了", age="30"))
    main = page[page.index("<main") :]
    assert main.index("tel:12356") < main.index("tel:120")
    assert "别一个人待着" in main


@pytest.mark.parametrize(
    ("text", "heading"),
    [
        ("asdf qwer zxcv", "这句英文我们没有看懂"),
        ("没什么不舒服", "没有不舒服就好"),
        ("nothing hurts", "没有不舒服就好"),
        ("……。。。", "没有听懂"),
    ],
)
async def test_what_is_not_understood_is_met_kindly(house: House, text: str, heading: str) -> None:
    browser = house.stranger()
    page = await browser.page(await asked(browser, text))
    assert heading in page
    assert "/triage?again=" in page


async def test_a_wish_is_answered_without_questions(house: House) -> None:
    browser = house.stranger()
    page = await browser.page(await asked(browser, "想开药", age="60"))
    assert "带上药盒" in page


async def test_a_child_alone_is_asked_to_show_a_grown_up(house: House) -> None:
    parent, grown = await somebody(house)
    new = identity.NewPerson(
        name="林小雨", sex=identity.Sex.FEMALE, born_on=date(2014, 5, 1), guardian_id=parent
    )
    child = (await house.within(lambda cx: identity.register_person(cx, new, documents=[]))).id
    browser = await house.signed_in(child)
    assert "tel:12355" in await browser.page("/triage")
    at = await asked(browser, "咳嗽")
    assert "tel:12355" in await browser.page(f"{at}?advice=1")
    assert "tel:12355" not in await grown.page("/triage")


async def test_one_may_ask_for_family_and_for_somebody_else(house: House) -> None:
    mother, _ = await somebody(house)
    me = await house.within(make_person)
    scopes = [identity.ProxyScope.BOOKING]
    await house.within(
        lambda cx: identity.add_relation(cx, mother, me, identity.RelationKind.CHILD, scopes)
    )
    browser = await house.signed_in(me, "林静")
    page = await browser.page("/triage")
    assert f'value="{mother}"' in page
    at = await asked(browser, "咳嗽", whom=str(mother))
    assert "现在为林秀英办理" in await browser.page(at)
    other = await asked(browser, "咳嗽", whom="other", age="8")
    assert "名下" in await browser.page(f"{other}?advice=1")
    assert "男" not in re.sub(r"<[^>]*>", "", await browser.page(f"{other}/card"))


async def test_a_persons_dialogue_is_not_there_for_others(house: House) -> None:
    _, browser = await somebody(house)
    at = await asked(browser, "咳嗽")
    _, other = await somebody(house)
    for one in (other, house.stranger()):
        for path in (at, f"{at}/card"):
            assert (await one.get(path)).status_code in (303, 403, 404), path


async def test_the_slip_holds_what_was_said_and_answered(house: House) -> None:
    browser = house.stranger()
    at = await asked(browser, "胸口疼", age="60", sex="male")
    page = await browser.page(at)
    name = re.findall(r'name="question" value="([^"]*)"', page)[0]
    await browser.post(f"{at}/answer", at, question=name, said="none")
    slip = await browser.page(f"{at}/card")
    for words in ("胸口疼", "出冷汗", "男，60 岁", "不是诊断"):
        assert words in slip, words


async def test_elders_are_asked_one_thing_at_a_time(house: House) -> None:
    browser = house.stranger()
    page = await browser.page("/triage?elder=1")
    assert 'name="age"' not in page
    assert 'class="spot ' not in page
    assert "哪个地方不舒服" in await browser.page("/triage?step=body")
    assert 'value="cough"' in await browser.page("/triage?site=body")
    who = await browser.post("/triage", "/triage", text="胸口疼")
    assert who.status_code == 200
    assert "多大年纪" in who.text
    at = await asked(browser, "胸口疼", age="70", asked="1")
    assert "第 1 问" in await browser.page(at)
    assert "data-read-aloud" in await browser.page(f"{at}?advice=1")


async def clinician(house: House, role: Role = Role.CLINICIAN) -> httpx.AsyncClient:
    at = identity.Organisation(
        HOSPITAL, "示例第一医院", "示例一院", identity.OrganisationKind.HOSPITAL, "310106"
    )
    await house.within(lambda cx: identity.register_organisation(cx, at))
    client = httpx.AsyncClient(transport=httpx.ASGITransport(house.app), base_url=PORTAL)
    token = await issue_token(house.database, role, organisation=HOSPITAL)
    client.headers.update({"authorization": f"Bearer {token}", **HTML})
    return client


async def test_why_is_for_clinicians_who_treat_the_person_and_is_noted(house: House) -> None:
    person, browser = await somebody(house)
    at = await asked(browser, "咳嗽三天，没有发烧")
    why = f"/clinic/triage/{at.rpartition('/')[2]}"
    treating = await clinician(house)
    assert (await treating.get(why)).status_code in (403, 404)
    care = consent.CareRow(person, HOSPITAL, None, "Appointment/x", NOW - HOUR, NOW + HOUR)
    await house.within(lambda cx: consent.open_care(cx, [care]))
    page = (await treating.get(why)).text
    for words in ("支气管炎", "咳嗽", "不是诊断", "可能性"):
        assert words in page, words
    reads = await house.within(lambda cx: _reads(cx, person))
    assert reads == 1
    assert (await browser.get(why)).status_code in (303, 403, 404)
    assert (await house.stranger().get(why)).status_code == 303


async def _reads(cx: Context, person: UUID) -> int:
    statement = """
        SELECT count(*) AS n FROM audit.entry
         WHERE action = 'record.read' AND person_id = %(person)s
           AND line LIKE '%%QuestionnaireResponse/%%'
    """
    row = await (await cx.db.execute(statement, {"person": person})).fetchone()
    return int(row["n"]) if row else 0


async def test_every_page_speaks_english_with_the_real_knowledge(
    database: Database, tmp_path: Path
) -> None:
    house = House(database, tmp_path)
    await opened(house)
    browser = house.stranger()
    await browser.english("/triage?site=chest")
    at = await asked(browser, "I have been coughing for three days", age="35")
    said = ("咳嗽", "（", "）", "天了", "，")
    await browser.english(at, said)
    await browser.english(f"{at}?advice=1&other=1", (*NAMES, *said))
    await browser.english(f"{at}/card", said)


async def test_dialogues_unknown_or_odd_addresses_are_errors_with_words(house: House) -> None:
    browser = house.stranger()
    gone = await browser.get(f"/triage/{ids.new()}")
    assert gone.status_code == 404
    assert "请从头说一遍" in gone.text
    assert (await browser.get("/triage/not-an-id")).status_code in (404, 422)
