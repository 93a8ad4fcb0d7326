"""The pages of a draw: explained, entered, changed, left, closed, won, lost, and public."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from citycare.kernel.context import Context, policy
from citycare.kit import clock, ids
from citycare.kit.db import Database
from citycare.scenarios.booking.model.core import Pool
from citycare.scenarios.booking.service import clinics, draw, draw_run, schedule
from tests.conftest import NOW
from tests.scenarios.booking.conftest import HOSPITAL, clinic_of, make_person, slot_of
from tests.scenarios.booking.resident import House, must_sign_in, needs_token

CLINIC = clinic_of(release="draw")
CLOSES = NOW + timedelta(hours=20)
DAY = timedelta(days=1)


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> House:
    return House(database, tmp_path)


async def windows(house: House, count: int = 4, *, drawn: bool = True) -> list[UUID]:
    """A draw over some windows of one clinic, two places each; or windows without a draw."""
    slots = [
        slot_of(CLINIC, NOW + 3 * DAY + timedelta(minutes=30 * n), {Pool.PUBLIC: 2})
        for n in range(count)
    ]

    async def make(cx: Context) -> None:
        await clinics.save_clinics(cx, [CLINIC])
        await schedule.load_slots(cx, slots)
        if drawn:
            await open_draw(cx, house, [one.id for one in slots], CLOSES)

    await house.within(make)
    return [one.id for one in slots]


async def open_draw(cx: Context, house: House, slots: Sequence[UUID], closes_at: datetime) -> None:
    keys = draw.keys_in(house.app.state.edge.site.home)
    new = draw.NewDraw(HOSPITAL, "陈立专家号", NOW - DAY, closes_at, slots)
    await draw.open_draw(cx, keys, new)


async def draw_id(house: House) -> UUID:
    found = await house.within(lambda cx: draw.list_draws(cx.db, None, None, 5))
    return UUID(str(found[0].id))


async def run(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: CLOSES + timedelta(minutes=1))
    home = house.app.state.edge.site.home
    await draw_run.run_draw(house.database, draw.keys_in(home), await draw_id(house))


async def test_policy_says_how_many_wishes_a_request_may_name(house: House) -> None:
    first, second, *_ = await windows(house)
    browser = await house.signed_in(await house.within(make_person))
    path = f"/draws/of/{first}"
    assert 'name="wish3"' in await browser.page(path)
    await house.within(
        lambda cx: policy.change(cx, "booking.draw.wishes_max", 1, source="test", note="")
    )
    page = await browser.page(path)
    assert 'name="wish1"' in page
    assert 'name="wish2"' not in page
    answer = await browser.post(path, path, wish1=str(first), wish2=str(second))
    assert (answer.status_code, "不要超过规定的个数" in answer.text) == (409, True)
    assert (await browser.post(path, path, wish1=str(second))).status_code == 303


async def test_a_stranger_signs_in_first_and_a_token_is_needed(house: House) -> None:
    slot, *_ = await windows(house)
    await must_sign_in(house, [f"/draws/of/{slot}"])
    browser = await house.signed_in(await house.within(make_person))
    await needs_token(browser, [f"/draws/of/{slot}", f"/draws/{ids.new()}/withdraw"])


async def test_enter_change_and_leave(house: House) -> None:
    first, second, *_ = await windows(house)
    browser = await house.signed_in(await house.within(make_person))
    path = f"/draws/of/{first}"
    page = await browser.page(path)
    assert "人人机会相同，不用抢" in page
    assert f'<option value="{first}" selected>' in page
    answer = await browser.post(path, path, wish1=str(second), wish2=str(first), wish3="")
    assert (answer.status_code, answer.headers["location"]) == (303, path)
    page = await browser.page(path)
    assert "已经登记了" in page
    assert f'<option value="{second}" selected>' in page
    assert "登记好了" in page
    assert "截止登记" in await browser.page("/bookings")
    answer = await browser.post(path, path, wish1=str(first))
    assert answer.status_code == 303
    leave = f"/draws/{await draw_id(house)}/withdraw"
    assert (await browser.post(leave, path, slot_id=str(first))).status_code == 303
    assert "登记摇号" in await browser.page(path)
    assert "截止登记" not in await browser.page("/bookings")


@pytest.mark.parametrize(
    ("wishes", "status", "said"),
    [
        ((0, 0), 422, "同一个时间选了两次"),
        ((), 422, "这里还没有填"),
        ((9,), 409, "请选不同的时段"),
    ],
)
async def test_wrong_wishes_come_back_as_they_were(
    house: House, wishes: tuple[int, ...], status: int, said: str
) -> None:
    slots = await windows(house)
    browser = await house.signed_in(await house.within(make_person))
    path = f"/draws/of/{slots[0]}"
    known = [*slots, *(ids.new() for _ in range(9))]
    fields = {f"wish{n}": str(known[wish]) for n, wish in enumerate(wishes, 1)}
    answer = await browser.post(path, path, **fields)
    assert answer.status_code == status
    assert said in answer.text
    if status == 422 and wishes:
        assert answer.text.count(f'<option value="{slots[0]}" selected>') == 2


async def test_a_window_without_a_draw_and_one_not_yet_open(house: House) -> None:
    slot, *_ = await windows(house, drawn=False)
    browser = await house.signed_in(await house.within(make_person))
    assert "还没有开始登记" in await browser.page(f"/draws/of/{slot}")
    token_page = "/bookings/" + str(ids.new())
    assert (await browser.get(token_page)).status_code == 404
    answer = await browser.get(f"/draws/of/{ids.new()}")
    assert answer.status_code == 404
    assert "booking.slot_unknown" in answer.text


async def test_the_chip_leads_to_the_draw(house: House) -> None:
    slot, *_ = await windows(house)
    browser = house.stranger()
    day = clock.day_of(NOW + 3 * DAY)
    page = await browser.page(f"/book?clinic={CLINIC.id}&day={day}")
    assert f'href="/draws/of/{slot}"' in page


async def test_winners_and_losers_see_it_on_their_pages(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    slot, *_ = await windows(house, 1)
    path = f"/draws/of/{slot}"
    browsers = []
    for _ in range(3):
        browser = await house.signed_in(await house.within(make_person))
        assert (await browser.post(path, path, wish1=str(slot))).status_code == 303
        browsers.append(browser)
    await run(house, monkeypatch)
    pages = [await browser.page(path) for browser in browsers]
    won = [page for page in pages if "摇中了" in page]
    lost = [page for page in pages if "这次没有摇中" in page]
    assert (len(won), len(lost)) == (2, 1)
    assert "/bookings/" in won[0]
    assert f'href="/wait/{CLINIC.id}' in lost[0]
    mine = [await browser.page("/bookings") for browser in browsers]
    assert sum("没有摇中" in page for page in mine) == 1
    late = await house.signed_in(await house.within(make_person))
    assert "这次摇号已经结束" in await late.page(path)
    answer = await late.post(f"/draws/{await draw_id(house)}/withdraw", "/me", slot_id=str(slot))
    assert answer.status_code == 409


async def test_everybody_reads_what_is_published(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    slot, *_ = await windows(house, 1)
    stranger = house.stranger()
    path = f"/draws/{await draw_id(house)}"
    page = await stranger.page(path)
    assert "正在登记" in page
    assert "种子：和结果一起公布" in page
    browser = await house.signed_in(await house.within(make_person))
    await browser.post(f"/draws/of/{slot}", f"/draws/of/{slot}", wish1=str(slot))
    await run(house, monkeypatch)
    page = await stranger.page(path)
    done = await house.within(lambda cx: draw.list_draws(cx.db, None, None, 1))
    for digest in (done[0].commitment, done[0].list_digest, done[0].seed):
        assert digest.hex() in page
    listed = await stranger.get(f"/api/v1{path}/list.ndjson")
    assert listed.text.startswith('{"format":"citycare-draw-1"')
    assert f"/api/v1{path}/list.ndjson" in page
    await stranger.english(path, names=("陈立专家号",))
    assert (await stranger.get(f"/draws/{ids.new()}")).status_code == 404


async def test_elders_are_asked_one_wish_at_a_time(house: House) -> None:
    slots = await windows(house, 7)
    browser = await house.signed_in(await house.within(make_person))
    path = f"/draws/of/{slots[0]}"
    page = await browser.page(f"{path}?elder=1")
    assert "最想要哪个时间" in page
    assert "<select" not in page
    assert "看后面的时间" in page
    page = await browser.page(f"{path}?w={slots[1]}&change=true")
    assert "要不要选一个备选" in page
    assert "不用了，就这些" in page
    page = await browser.page(f"{path}?w={slots[1]}&change=true&sure=true")
    assert "这样登记，对吗" in page
    assert f'name="wish1" value="{slots[1]}"' in page
    answer = await browser.post(path, f"{path}?w={slots[1]}&sure=true", wish1=str(slots[1]))
    assert answer.status_code == 303
    page = await browser.page(path)
    assert "已经登记了" in page
    assert "不摇了，退出登记" in page


async def test_in_english(house: House) -> None:
    slot, *_ = await windows(house)
    browser = await house.signed_in(await house.within(make_person))
    names = ("陈立", "心血管内科", "示例一院", "林秀英", "林")
    await browser.english(f"/draws/of/{slot}", names)
