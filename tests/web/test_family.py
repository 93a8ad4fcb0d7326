"""Family and proxies in the browser: asking, answering, ending, a child; nobody learns too much."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from uuid import UUID

import pytest

from citycare.kernel import identity
from citycare.kernel.context import Context
from citycare.kernel.identity import NewPerson, ProxyScope, RelationKind, Sex, documents
from citycare.kit import ids
from citycare.kit.db import Database
from tests.scenarios.booking.resident import Browser, House, must_sign_in, needs_token

BORN = {"林秀英": date(1959, 3, 12), "林静": date(1986, 6, 20), "周子安": date(2018, 9, 8)}
NAMES = ("林秀英", "林静", "周子安", "周小安", "林", "周")
HOME = "/me/family"


@pytest.fixture
def house(database: Database, tmp_path: Path) -> House:
    return House(database, tmp_path)


def number(name: str) -> str:
    return documents.synthetic_number(BORN[name], Sex.FEMALE, 5).number


async def register(house: House, name: str, guardian: UUID | None = None) -> UUID:
    async def run(cx: Context) -> UUID:
        new = NewPerson(name, Sex.FEMALE, BORN[name], guardian_id=guardian)
        paper = documents.synthetic_number(BORN[name], Sex.FEMALE, 5)
        return (await identity.register_person(cx, new, [paper], verified_by="window:t")).id

    return UUID(str(await house.within(run)))


async def family(house: House) -> tuple[UUID, Browser, UUID, Browser]:
    mother, daughter = await register(house, "林秀英"), await register(house, "林静")
    return (
        mother,
        await house.signed_in(mother, "林秀英"),
        daughter,
        await house.signed_in(daughter, "林静"),
    )


def wish(who: str, way: str = "act_for", **changes: str) -> dict[str, str]:
    asked = "name paper number kind scopes span"
    fields = {"way": way, "name": who, "paper": "resident_id", "number": number(who)}
    return {**fields, "kind": "child", "scopes": "booking", "span": "365", "seen": asked, **changes}


async def ask(browser: Browser, **fields: str) -> int:
    return (await browser.post(f"{HOME}/ask", f"{HOME}/ask", **fields)).status_code


async def first(browser: Browser, part: str) -> str:
    found = re.search(rf'href="({HOME}/{part}/[^"/]+)"', await browser.page(HOME))
    assert found is not None, part
    return found.group(1)


async def test_strangers_sign_in_and_forms_need_their_token(house: House) -> None:
    await must_sign_in(
        house,
        [HOME, f"{HOME}/add", f"{HOME}/ask", f"{HOME}/child", f"{HOME}/requests/{ids.new()}"],
    )
    browser = await house.signed_in(await register(house, "林静"), "林静")
    end = f"{HOME}/relations/{ids.new()}/end"
    await needs_token(browser, [f"{HOME}/ask", f"{HOME}/child", end])


async def test_an_account_without_a_person_is_told_what_to_do(house: House) -> None:
    browser = await house.signed_in(None, "某人")
    answer = await browser.get(HOME)
    assert answer.status_code == 403
    assert "family.no_person" in answer.text
    assert "核对过证件" in answer.text


async def test_empty_then_asked_agreed_and_ended(house: House) -> None:
    _, mother, _, daughter = await family(house)
    assert "还没有。加上父母或孩子" in await daughter.page(HOME)
    assert await ask(daughter, **wish("林秀英")) == 303
    page = await daughter.page(HOME)
    assert "等对方同意" in page
    assert number("林秀英") not in page
    assert "1 个请求" in await mother.page("/")
    page = await mother.page(HOME)
    assert "林静 想替林秀英办理" in page
    at = await first(mother, "requests")
    page = await mother.page(at)
    assert "多半是骗子" in page
    assert "林静 是 林秀英 的子女" in page
    answer = await mother.post(f"{at}/agree", at)
    assert (answer.status_code, answer.headers["location"]) == (303, HOME)
    page = await daughter.page(HOME)
    assert "我是子女" in page
    assert "林秀英" in await daughter.page("/me/people")
    relation = await first(mother, "relations")
    page = await mother.page(relation)
    assert "预约、改约、退号、候补、摇号" in page
    assert "11月22日 周一" in page
    assert "结束代办？" in await mother.page(f"{relation}/end")
    assert (await mother.post(f"{relation}/end", f"{relation}/end")).status_code == 303
    assert "林秀英" not in await daughter.page("/me/people")
    assert (await daughter.get(relation)).status_code == 404


async def test_the_proxy_may_end_it_too_and_refusing_changes_nothing(house: House) -> None:
    _, mother, _, daughter = await family(house)
    assert await ask(mother, **wish("林静", "be_acted_for")) == 303
    at = await first(daughter, "requests")
    page = await daughter.page(at)
    assert "林秀英 请您帮忙办理" in page
    assert "林静 是 林秀英 的子女" in page
    assert (await daughter.post(f"{at}/refuse", at)).status_code == 303
    assert "对方没有同意" in await mother.page(HOME)
    late = await daughter.post(f"{at}/agree", "/me")
    assert late.status_code == 409
    assert "identity.request_over" in late.text
    assert await ask(mother, **wish("林静", "be_acted_for")) == 303
    at = await first(daughter, "requests")
    await daughter.post(f"{at}/agree", at)
    relation = await first(daughter, "relations")
    assert "我不再代办了" in await daughter.page(relation)
    assert (await daughter.post(f"{relation}/end", f"{relation}/end")).status_code == 303
    assert "还没有。想让家人帮忙" in await mother.page(HOME)


async def test_nobody_learns_who_is_on_record(house: House) -> None:
    _, _, _, daughter = await family(house)
    sure, wrong = wish("林秀英"), wish("林秀英", name="林秀兰")
    pages = []
    for fields in (sure, wrong):
        answer = await daughter.post(f"{HOME}/ask", f"{HOME}/ask", **fields)
        assert (answer.status_code, answer.headers["location"]) == (303, HOME)
        page = await daughter.page(await first(daughter, "requests"))
        pages.append(re.sub(r"[0-9a-f-]{36}|value=\"[^\"]*\"|林秀[英兰]", "", page))
    assert pages[0] == pages[1]


async def test_only_the_two_sides_see_and_answer(house: House) -> None:
    _, mother, _, daughter = await family(house)
    await ask(daughter, **wish("林秀英"))
    at = await first(daughter, "requests")
    stranger = await house.signed_in(await register(house, "周子安", await _adult(house)), "甲")
    assert (await stranger.get(at)).status_code == 404
    assert (await stranger.post(f"{at}/agree", "/me")).status_code == 404
    assert (await daughter.post(f"{at}/agree", "/me")).status_code == 404
    assert (await mother.post(f"{at}/withdraw", "/me")).status_code == 404
    assert (await daughter.post(f"{at}/withdraw", at)).status_code == 303
    assert "有人请您答复" not in await mother.page(HOME)


async def _adult(house: House) -> UUID:
    async def run(cx: Context) -> UUID:
        new = NewPerson("周明", Sex.MALE, date(1985, 2, 3))
        return (await identity.register_person(cx, new)).id

    return UUID(str(await house.within(run)))


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"name": ""}, "name", "这里还没有填"),
        ({"number": "310101199001011235"}, "number", "最后一位校验码不对"),
        ({"kind": ""}, "kind", "这里还没有填"),
        ({"kind": "king"}, "kind", "请从列表里选一个"),
        ({"scopes": ""}, "scopes", "请至少选一项"),
        ({"scopes": "record"}, "scopes", "请至少选一项"),
        ({"scopes": "payment"}, "scopes", "请至少选一项"),
        ({"span": "9"}, "span", "请从列表里选一个"),
    ],
)
async def test_what_was_typed_is_kept(
    house: House, changes: dict[str, str], field: str, said: str
) -> None:
    _, _, _, daughter = await family(house)
    fields = wish("林秀英", **changes)
    answer = await daughter.post(f"{HOME}/ask", f"{HOME}/ask", **fields)
    assert answer.status_code == 422
    assert said in answer.text
    assert "有几处要改" in answer.text
    assert f'href="#{field}"' in answer.text
    if field != "name":
        assert 'value="林秀英"' in answer.text


async def test_an_error_of_the_whole_keeps_the_form(house: House) -> None:
    _, _, _, daughter = await family(house)
    answer = await daughter.post(f"{HOME}/ask", f"{HOME}/ask", **wish("林静"))
    assert answer.status_code == 409
    assert "代办关系填写不完整" in answer.text
    assert 'value="林静"' in answer.text


async def test_a_guardian_asks_and_answers_for_the_child(house: House) -> None:
    grandmother, granny, mother, daughter = await family(house)
    child = await register(house, "周子安", mother)
    assert "我是监护人" in await daughter.page(HOME)
    relation = await first(daughter, "relations")
    assert "请带证明到任一医院窗口办" in await daughter.page(relation)
    refused = await daughter.post(f"{relation}/end", f"{relation}/end")
    assert refused.status_code == 409
    assert "identity.relation_stays" in refused.text
    fields = wish("林秀英", "be_acted_for", subject=str(child), kind="relative")
    assert await ask(daughter, **fields) == 303
    at = await first(granny, "requests")
    await granny.post(f"{at}/agree", at)
    powers = await house.within(
        lambda cx: identity.list_powers(cx.db, [(grandmother, child)], cx.now)
    )
    assert powers[grandmother, child] == frozenset({"booking"})
    page = await daughter.page(HOME)
    assert "谁可以为周子安办" in page
    other = await daughter.post(
        f"{HOME}/ask",
        f"{HOME}/ask",
        **wish("林秀英", "be_acted_for", subject=str(grandmother), kind="relative"),
    )
    assert other.status_code in (403, 404)


async def test_a_newborn_is_registered_and_can_be_chosen(house: House) -> None:
    _, _, _, daughter = await family(house)
    path = f"{HOME}/child"
    fields = {
        "name": "周小安",
        "sex": "male",
        "born_on": "2026-11-20",
        "paper": "birth_certificate",
        "number": "x31000000",
        "seen": "name sex born_on paper number",
    }
    answer = await daughter.post(path, path, **fields)
    assert answer.status_code == 422
    assert "号码的位数不对" in answer.text
    assert 'value="周小安"' in answer.text
    answer = await daughter.post(path, path, **{**fields, "born_on": "2027-01-01"})
    assert "出生日期在今天之后" in answer.text
    answer = await daughter.post(path, path, **{**fields, "number": "x310000001"})
    assert answer.status_code == 303
    assert "周小安" in await daughter.page("/me/people")
    grown = {**fields, "born_on": "2010-01-01", "paper": "passport", "number": "E12345678"}
    answer = await daughter.post(path, path, **grown)
    assert answer.status_code == 409
    assert "未满 14 周岁" in answer.text


async def test_elders_answer_one_question_a_screen(house: House) -> None:
    _, _, _, daughter = await family(house)
    page = await daughter.page(f"{HOME}/ask?way=act_for&elder=1")
    answered: dict[str, str] = {}
    replies = wish("林秀英")
    for name in ("name", "number", "kind", "scopes", "span"):
        assert f'id="{name}"' in page, name
        assert page.count('class="field') == (2 if name == "number" else 1)
        answered |= {"paper": "resident_id", name: replies[name], "way": "act_for"}
        seen = re.search(r'name="seen" value="([^"]*)"', page)
        assert seen is not None
        answer = await daughter.post(f"{HOME}/ask", f"{HOME}/ask", **answered, seen=seen.group(1))
        assert answer.status_code == 200, answer.text
        page = answer.text
    assert "都对吗？" in page
    assert 'name="sure" value="yes"' in page
    assert await ask(daughter, **wish("林秀英"), sure="yes") == 303


async def test_in_english_with_a_relation_of_each_kind(house: House) -> None:
    mother, _, me, daughter = await family(house)
    await register(house, "周子安", me)

    async def add(cx: Context) -> None:
        await identity.add_relation(cx, mother, me, RelationKind.CHILD, tuple(ProxyScope))

    await house.within(add)
    await ask(daughter, **wish("林秀英"))
    await daughter.page("/?elder=0")
    for path in (HOME, f"{HOME}/add", f"{HOME}/ask", f"{HOME}/ask?way=act_for", f"{HOME}/child"):
        await daughter.english(path, NAMES)
    relation = await first(daughter, "relations")
    for path in (relation, f"{relation}/end", await first(daughter, "requests")):
        await daughter.english(path, NAMES)
