"""The pages without script: the patient answers, the doctor reads and decides."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from citycare.kernel import consent, fhir, identity
from citycare.kernel.context import Context, Role
from citycare.kernel.fhir import Resource
from citycare.kit import ids
from citycare.kit.db import Database
from citycare.web.login.tokens import issue_token
from tests.scenarios.booking.conftest import make_person
from tests.scenarios.booking.resident import Browser, House
from tests.scenarios.preconsult.city import Booked, doctor, fields, prepared_city, sent

CODES = "https://citycare.example/fhir/CodeSystem/preconsult-answer"
FINDINGS = "https://citycare.example/fhir/CodeSystem/triage-finding"
ANSWERS = {
    "q.g-now/heart-beat": f"{CODES}|normal-beat",
    "q.g-now/breath": f"{FINDINGS}|exertion_breath",
    "q.g-medicine/medicine-any": "true",
    "q.g-allergy/allergy-any": "true",
}


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> House:
    return House(database, tmp_path)


async def test_the_thin_path_from_the_booking_to_the_doctor(house: House) -> None:
    made = await prepared_city(house)
    browser = await house.signed_in(made.person)
    assert made.prepare in await browser.page(f"/bookings/{made.id}")
    page = await browser.page(made.prepare)
    assert "走快了胸闷" in page
    assert "您已经说过的" in page
    assert "缬沙坦" in page
    done = await sent(browser, made.prepare, go="send", **ANSWERS)
    assert done.status_code == 303, done.text[-3000:]
    assert "发给医生了" in await browser.page(made.prepare)
    client = await doctor(house)
    read = (await client.get(made.prepared)).text
    for words in ("主诉", "走快了胸闷", "否认心悸", "缬沙坦", "青霉素", "导诊时说的", "病历里的"):
        assert words in read, words


async def answered(house: House, **there: bool) -> tuple[Booked, Browser]:
    """A visit whose patient has sent the answers."""
    made = await prepared_city(house, **there)
    browser = await house.signed_in(made.person)
    done = await sent(browser, made.prepare, go="send", **ANSWERS)
    assert done.status_code == 303
    return made, browser


async def test_what_is_missing_is_said_beside_it_and_nothing_is_lost(house: House) -> None:
    made = await prepared_city(house, record=False)
    browser = await house.signed_in(made.person)
    wrong = await sent(
        browser, made.prepare, go="send", **{"q.g-now/systolic": "一百", "q.g-why/chief": "胸闷"}
    )
    assert wrong.status_code == 422
    assert "有几处要改" in wrong.text
    assert 'value="一百"' in wrong.text
    assert ">胸闷</textarea>" in wrong.text
    assert ">胸闷</textarea>" in await browser.page(made.prepare)


async def test_what_is_wrong_is_said_again_until_it_is_right(house: House) -> None:
    made = await prepared_city(house)
    browser = await house.signed_in(made.person)
    first = await sent(browser, made.prepare, go="send", **ANSWERS, **{"q.g-now/systolic": "一百"})
    assert first.status_code == 422
    as_it_is = fields(first.text) | {"go": "send"}
    again = await browser.post(made.prepare, made.prepare, **as_it_is)
    assert again.status_code == 422
    assert 'value="一百"' in again.text
    right = fields(again.text) | {"go": "send", "q.g-now/systolic": "151"}
    assert (await browser.post(made.prepare, made.prepare, **right)).status_code == 303


async def test_a_draft_is_kept_without_script_and_taken_up_again(house: House) -> None:
    made = await prepared_city(house)
    browser = await house.signed_in(made.person)
    kept = await sent(browser, made.prepare, go="save", **ANSWERS)
    assert kept.headers["location"] == f"{made.prepare}?edit=1"
    page = await browser.page(made.prepare)
    assert f'value="{CODES}|normal-beat"' in page
    assert fields(page)["q.g-now/heart-beat"] == [f"{CODES}|normal-beat"]
    client = await doctor(house)
    read = (await client.get(made.prepared)).text
    assert "填了一半" in read
    assert "走快了胸闷" not in read


async def test_a_page_left_open_changes_only_what_was_changed_on_it(house: House) -> None:
    made = await prepared_city(house)
    browser = await house.signed_in(made.person)
    old = fields(await browser.page(made.prepare))
    new = {"q.g-now/heart-beat": f"{CODES}|normal-beat", "go": "save"}
    await browser.post(made.prepare, made.prepare, **(old | new))
    late = {"q.g-why/chief": ["从另一页改的"], "go": "save"}
    await browser.post(made.prepare, made.prepare, **(old | late))
    now = fields(await browser.page(made.prepare))
    assert now["q.g-now/heart-beat"] == [f"{CODES}|normal-beat"]
    assert now["q.g-why/chief"] == ["从另一页改的"]


async def test_with_script_only_what_changes_comes_back(house: House) -> None:
    made = await prepared_city(house, record=False)
    browser = await house.signed_in(made.person)
    page = await browser.page(made.prepare)
    first = fields(page)
    tick = {"q.g-now/also": [f"{FINDINGS}|cold_sweat"]}
    token = page.split('name="csrf" value="')[1].split('"')[0]
    answer = await browser.client.post(
        made.prepare, data={"csrf": token, **first, **tick}, headers={"hx-request": "true"}
    )
    assert answer.status_code == 200
    assert "存好了" in answer.text
    assert "胸口不舒服、出冷汗" in answer.text  # the triage's red flag, at once
    assert "打 120" in answer.text
    assert 'name="q" value="g-now/also"' not in answer.text  # it stands on the page as it is
    more = {"q.g-medicine/medicine-any": ["true"]}
    answer = await browser.client.post(
        made.prepare, data={"csrf": token, **first, **more}, headers={"hx-request": "true"}
    )
    assert 'name="q" value="g-medicine/medicine[0]/medicine-name"' in answer.text


async def test_rows_are_added_emptied_and_moved_up_without_losing_any(house: House) -> None:
    made = await prepared_city(house, record=False)
    browser = await house.signed_in(made.person)
    await sent(browser, made.prepare, go="save", **{"q.g-medicine/medicine-any": "true"})
    first, second = (f"q.g-medicine/medicine[{n}]/medicine-name" for n in (0, 1))
    add = {"do": "add g-medicine/medicine[0]", first: "阿司匹林"}
    added = await sent(browser, made.prepare, **add)
    assert added.status_code == 200
    both = fields(added.text) | {second: "缬沙坦", "go": "save"}
    await browser.post(made.prepare, made.prepare, **both)
    token = added.text.split('name="csrf" value="')[1].split('"')[0]
    page = fields(await browser.page(made.prepare)) | {first: [""], "csrf": [token]}
    part = await browser.client.post(made.prepare, data=page, headers={"hx-request": "true"})
    assert f'name="{first}"' in part.text  # drawn anew: the second one has moved up
    assert f'name="{second}"' not in part.text
    now = fields(await browser.page(made.prepare))
    assert now[first] == ["缬沙坦"]


async def test_what_must_not_wait_stands_on_every_page(house: House) -> None:
    made, browser = await answered(house, crushing_chest_pain=True, cold_sweat=True)
    page = await browser.page(made.prepare)
    assert "先停一停" in page
    assert "tel:120" in page
    client = await doctor(house)
    assert "请先看" in (await client.get(made.prepared)).text


async def test_somebody_who_may_not_read_the_record_answers_without_seeing_it(
    house: House,
) -> None:
    made = await prepared_city(house)
    proxy = await house.within(lambda cx: _proxy(cx, made.person))
    browser = await house.signed_in(proxy, "林静")
    page = await browser.page(made.prepare)
    assert "走快了胸闷" in page
    assert "缬沙坦" not in page
    assert "青霉素" not in page
    assert "病历里已有的" in page
    done = await sent(browser, made.prepare, go="send", **ANSWERS)
    assert done.status_code == 303
    assert "缬沙坦" not in await browser.page(made.prepare)
    client = await doctor(house)
    read = (await client.get(made.prepared)).text
    assert "家人代答" in read
    assert "缬沙坦" in read


async def _proxy(cx: Context, person: UUID) -> UUID:
    new = identity.NewPerson(name="林静", sex=identity.Sex.FEMALE, born_on=date(1990, 1, 1))
    proxy = (await identity.register_person(cx, new, documents=[])).id
    scopes = (identity.ProxyScope.BOOKING,)
    await identity.add_relation(cx, person, proxy, identity.RelationKind.CHILD, scopes)
    return proxy


async def test_elders_are_asked_one_thing_at_a_time(house: House) -> None:
    made = await prepared_city(house)
    browser = await house.signed_in(made.person)
    await browser.get("/?elder=1")
    at, seen = made.prepare, 0
    while True:
        page = await browser.page(at)
        if "看一遍，发给医生" in page:
            break
        assert page.count('name="q"') == 1, page
        step = page.split('value="to:after-')[1].split('"')[0]
        fitting = {key: value for key, value in ANSWERS.items() if f'name="{key}"' in page}
        gone = await sent(browser, made.prepare, at, go=f"to:after-{step}", **fitting)
        assert gone.status_code == 303, gone.text
        at, seen = gone.headers["location"], seen + 1
        assert seen < 40
    assert seen > 5
    assert "上一题" in page
    one = page.split("?at=slot")[1].split('"')[0]
    assert 'name="q"' in await browser.page(f"{made.prepare}?at=slot{one}")
    done = await sent(browser, made.prepare, at, go="send")
    assert done.status_code == 303, done.text
    assert "发给医生了" in await browser.page(made.prepare)
    client = await doctor(house)
    read = (await client.get(made.prepared)).text
    assert "否认糖尿病史" in read  # the list was shown, with what the record knows, and left so


async def test_after_sending_it_may_be_changed_until_the_doctor_decides(house: House) -> None:
    made, browser = await answered(house)
    edit = f"{made.prepare}?edit=1"
    assert "已经发过一次" in await browser.page(edit)
    await sent(browser, made.prepare, edit, go="save", **{"q.g-why/chief": "改成心慌"})
    assert "后来改的还没有发" in await browser.page(made.prepare)
    client = await doctor(house)
    assert "走快了胸闷" in (await client.get(made.prepared)).text
    await sent(browser, made.prepare, edit, go="send")
    read = (await client.get(made.prepared)).text
    assert "改成心慌" in read
    done = await review(client, made, decision="accepted")
    assert done.status_code == 303
    assert "不能再改" in await browser.page(made.prepare)
    late = await browser.post(made.prepare, f"/bookings/{made.id}/cancel", go="send")
    assert late.status_code == 409
    assert "直接告诉医生" in late.text


async def review(client: httpx.AsyncClient, made: Booked, **how: str) -> httpx.Response:
    """Decide with the key and revision of the page as it is."""
    page = (await client.get(f"{made.prepared}?do=again")).text
    known = {
        name: page.split(f'name="{name}" value="')[1].split('"')[0] for name in ("key", "revision")
    }
    return await client.post(f"{made.prepared}/review", data=known | how)


async def test_the_doctor_takes_it_over_changes_it_or_leaves_it(house: House) -> None:
    made, _ = await answered(house)
    client = await doctor(house)
    editing = (await client.get(f"{made.prepared}?do=edit")).text
    assert "<textarea" in editing
    await review(client, made, decision="edited", kept="主诉：胸闷，三周。")
    page = (await client.get(made.prepared)).text
    assert "改过后已采用" in page
    assert "+主诉：胸闷，三周。" in page
    await review(client, made, decision="rejected", reason="另写")
    page = (await client.get(made.prepared)).text
    assert "没有采用" in page
    assert "另写" in page
    empty = await review(client, made, decision="edited", kept=" ")
    assert empty.status_code == 409
    assert "要留下的文字是空的" in empty.text
    nothing = await client.post(f"{made.prepared}/review", data={"decision": "draft"})
    assert nothing.status_code == 400


async def test_the_part_comes_back_alone_to_htmx(house: House) -> None:
    made, _ = await answered(house)
    client = await doctor(house)
    client.headers["hx-request"] = "true"
    part = (await client.get(made.prepared)).text
    assert "<html" not in part
    assert part.strip().startswith("<section")
    again = await client.post(f"{made.prepared}/order", data={"test": ["chest-pain\t心电图"]})
    assert "开了 1 项检查" in again.text.replace("\u00a0", " ")
    assert "已开" in again.text
    none = await client.post(f"{made.prepared}/order", data={})
    assert "没有开单" in none.text


async def test_the_patient_sees_a_test_only_after_the_order(house: House) -> None:
    made, browser = await answered(house)
    assert "心电图" not in await browser.page(made.prepare)
    client = await doctor(house)
    await client.post(f"{made.prepared}/order", data={"test": ["chest-pain\t心电图"]})
    assert "心电图" in await browser.page(made.prepare)
    found = await house.within(lambda cx: _orders(cx, made))
    assert found["status"] == "active"


async def _orders(cx: Context, made: Booked) -> Resource:
    name = ids.derive("preconsult.order", made.id, "chest-pain", "心电图")
    return await fhir.get(cx, "ServiceRequest", str(name))


async def test_others_see_nothing_and_a_clinician_who_does_not_treat_is_told_when(
    house: House,
) -> None:
    made, browser = await answered(house)
    stranger = await house.signed_in(await house.within(make_person), "别人")
    assert (await stranger.get(made.prepare)).status_code == 404
    assert (await browser.get(made.prepared)).status_code in (303, 403)
    assert (await house.stranger().get(made.prepare)).status_code == 303
    clerk = await doctor(house, Role.CLERK)
    assert (await clerk.get(made.prepare)).status_code == 200  # helps at the window
    assert (await clerk.get(made.prepared)).status_code in (303, 403)
    client = await doctor(house)
    await house.within(lambda cx: consent.close_care(cx, [f"Appointment/{made.id}"]))
    assert (await client.get(made.prepared)).status_code in (403, 404)
    part = await client.get(made.prepared, headers={"hx-request": "true"})
    assert part.status_code == 200
    assert "就诊前一天起才能看" in part.text
    assert "走快了胸闷" not in part.text
    gone = await browser.get(f"/prepare/{ids.new()}")
    assert gone.status_code == 404
    assert "没有找到这次就诊" in gone.text


async def test_the_list_of_the_day_asks_for_what_was_prepared(house: House) -> None:
    made, _ = await answered(house)
    client = await doctor(house)
    page = (await client.get(f"/clinic?at={made.id}")).text
    assert f'hx-get="{made.prepared}"' in page
    assert f'href="{made.prepared}"' in page


async def test_authors_see_how_questionnaires_stand_and_try_them(house: House) -> None:
    await answered(house)
    operator = await doctor(house, Role.OPERATOR)
    token = await issue_token(house.database, Role.OPERATOR)
    operator.headers["authorization"] = f"Bearer {token}"
    page = (await operator.get("/operator/questionnaires")).text
    assert "胸痛、心慌问卷" in page
    assert "未复核" in page
    at = "/operator/questionnaires/chest-palpitation"
    empty = (await operator.get(at)).text
    assert "没有答的一个字也不写" in empty
    tried = await operator.post(
        at, data={**fields(empty), "age": "50", "sex": "male", "q.g-now/also": f"{FINDINGS}|fever"}
    )
    assert "发热" in tried.text
    assert "否认冷汗" in tried.text
    assert (await operator.get("/operator/questionnaires/none")).status_code == 404
    assert (await house.stranger().get(at)).status_code == 303


async def test_the_patients_pages_speak_english(house: House) -> None:
    made = await prepared_city(house)
    browser = await house.signed_in(made.person)
    own = ("林秀英", "走快了胸闷", "缬沙坦", "青霉素", "林", "、")
    await browser.english(made.prepare, own)
    await sent(browser, made.prepare, go="send", **ANSWERS)
    await browser.page(made.prepare)
    await browser.english(made.prepare, own)
    await browser.english(f"{made.prepare}?edit=1", own)
