"""Near: a district without script, a measured position in a header; hospitals when one says so."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citycare.kernel.context import Context
from citycare.kit import ids
from citycare.kit.db import Database
from citycare.scenarios.booking.model.finder import History, Point
from citycare.scenarios.booking.model.schedule import Clinic
from citycare.scenarios.booking.rules.finder import far_too
from citycare.scenarios.booking.rules.position import DISTRICTS, point_of
from citycare.scenarios.booking.service import clinics, finder, schedule
from citycare.web.edge.middleware import SAFETY
from tests.scenarios.booking.city import CLINICS, TEETH, TEETH_FAR, named, template
from tests.scenarios.booking.resident import HTML, House

MONDAY = date(2026, 11, 23)
ASKED = "/book?q=附近 口腔科"
DISTANCE = re.compile(r"约 ([\d.]+) (公里|米)")
NOWHERE = replace(
    TEETH,
    id=named("clinic", "nowhere"),
    organisation_id=named("organisation", "nowhere"),
    organisation_name="示例没有位置的医院",
    organisation_short="没有位置",
    latitude=None,
    longitude=None,
)
SPRINGS = replace(
    TEETH,
    id=named("clinic", "springs"),
    organisation_id=named("organisation", "springs"),
    organisation_name="上海市松江区中山街道社区卫生服务中心",
    organisation_short="中山街道社区",
    district="310117",
)
ZHONGSHAN = replace(
    TEETH,
    id=named("clinic", "zhongshan"),
    organisation_id=named("organisation", "zhongshan"),
    organisation_name="复旦大学附属中山医院",
    organisation_short="中山医院",
    nicknames=("中山",),
    district="310104",
)


def test_the_published_example_of_the_conversion() -> None:
    point = point_of(39.915, 116.404)
    assert (point.latitude, point.longitude) == pytest.approx(
        (39.91640428150164, 116.41024449916938), abs=1e-12
    )


@given(st.floats(30.7, 31.9), st.floats(120.9, 122.0))
def test_in_the_city_map_and_measure_are_half_a_kilometre_apart(north: float, east: float) -> None:
    point = point_of(north, east)
    apart = (
        111_320 * ((point.latitude - north) ** 2 + ((point.longitude - east) * 0.856) ** 2) ** 0.5
    )
    assert 300 < apart < 700


def test_outside_china_there_is_one_map() -> None:
    assert point_of(51.5, -0.1) == Point(51.5, -0.1)


@pytest.mark.parametrize(
    ("text", "rest"), [("附近 眼科", "眼科"), ("离我近的", ""), ("dentist near me", "dentist")]
)
def test_nearness_can_be_taken_back(text: str, rest: str) -> None:
    assert far_too(text) == rest


def test_the_browser_may_ask_for_the_position_here_and_nowhere_else() -> None:
    assert "geolocation=(self)" in SAFETY["Permissions-Policy"]


async def open_city(cx: Context, *more: Clinic) -> None:
    """Dentists in Huangpu, in Songjiang and nowhere, open on Thursday; Zhongshan has no time."""
    every = (*CLINICS, NOWHERE, *more)
    await clinics.save_clinics(cx, every)
    teeth = [one for one in every if one.department_name == "口腔科" and one is not ZHONGSHAN]
    await schedule.save_templates(cx, [template(one, 4) for one in teeth])
    last = MONDAY + timedelta(days=6)
    await schedule.make_slots(cx, MONDAY, last, clinic_ids=[one.id for one in teeth])


async def found(cx: Context, text: str, **more: object) -> list[object]:
    answer = await finder.find_clinics(cx, text, **more)  # type: ignore[arg-type]
    return [one.clinic.id for one in answer.items]


async def test_what_has_no_position_comes_last(cx: Context) -> None:
    await open_city(cx)
    far = Point(31.01, 121.23)
    nearby = [TEETH_FAR.id, TEETH.id, NOWHERE.id]
    assert await found(cx, "附近的口腔科", near=far) == nearby
    pages = [await finder.find_clinics(cx, "附近的口腔科", near=far, limit=1)]
    while pages[-1].next:
        after = pages[-1].next
        pages.append(await finder.find_clinics(cx, "附近的口腔科", near=far, limit=1, after=after))
    assert [one.clinic.id for page in pages for one in page.items] == nearby


async def test_near_is_nearer_than_known(cx: Context) -> None:
    await open_city(cx)
    history = History(clinics=frozenset({TEETH.id}))
    far = Point(31.01, 121.23)
    assert (await found(cx, "附近的口腔科", near=far, history=history))[0] == TEETH_FAR.id
    assert (await found(cx, "口腔科", near=far, history=history))[0] == TEETH.id
    assert (await found(cx, "附近的口腔科", history=history))[0] == TEETH.id  # near whom?


@pytest.mark.parametrize("text", ["zhongshan yiyuan", "中山 医院", "zhongshan hospital"])
async def test_a_hospital_is_a_hospital_first(cx: Context, text: str) -> None:
    await open_city(cx, SPRINGS, ZHONGSHAN)
    assert await found(cx, text) == [ZHONGSHAN.id, SPRINGS.id]


async def test_districts_are_offered_where_there_is_a_position(cx: Context) -> None:
    await open_city(cx, replace(NOWHERE, id=ids.new(), district="310151"))
    assert await finder.list_areas(cx) == [
        (code, DISTRICTS[code]) for code in ("310101", "310104", "310117")
    ]


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> House:
    house = House(database, tmp_path)
    await house.within(open_city)
    return house


def order(page: str) -> list[str]:
    """The hospitals in the order of their cards."""
    cards = re.findall(r'class="card doctor".*?<p class="muted">(.*?)</p>', page, re.DOTALL)
    names = ("松江中心医院", "九院", "没有位置")
    return [next(name for name in names if name in card) for card in cards]


async def test_without_script_a_district_is_a_link(house: House) -> None:
    browser = house.stranger()
    page = await browser.page(ASKED)
    assert "您在哪里？" in page
    assert not DISTANCE.search(page)
    link = re.search(r'href="(/book\?[^"]*area=310117)"', page)
    assert link is not None
    near = await browser.page(link[1].replace("&amp;", "&"))
    assert "离松江区近的先排" in near
    assert "您在哪里？" not in near
    assert order(near) == ["松江中心医院", "九院", "没有位置"]
    assert [unit for _, unit in DISTANCE.findall(near)] == ["米", "公里"]
    assert 'name="area" value="310117"' in near  # the next search is near the same district
    for address in re.findall(r'class="(?:day|filter)[^>]*href="(/book[^"]*)"', near):
        assert "area=310117" in address
    await browser.english(ASKED, ("口腔科", "普通门诊", "附近", "九院", "松江中心医院", "没有位置"))


async def test_a_position_comes_in_a_header_and_goes_nowhere(house: House) -> None:
    browser = house.stranger()
    here = {**HTML, "X-Position": "31.010,121.230"}
    answer = await browser.client.get(ASKED, headers=here)
    assert "离您现在的位置近的先排" in answer.text
    assert order(answer.text) == ["松江中心医院", "九院", "没有位置"]
    far = [float(number) for number, _ in DISTANCE.findall(answer.text)]
    assert far[0] == 400  # 100 if measured degrees were taken for those of the map
    assert len(far) == 2
    assert "31.01" not in answer.text
    assert not any("31.01" in value for value in answer.headers.values())


@pytest.mark.parametrize(
    "position", ["31.0101,121.23", "31,121", "north", "331.01,121.23", "31.010,121.230;"]
)
async def test_a_position_more_exact_than_needed_or_broken_is_refused(
    house: House, position: str
) -> None:
    answer = await house.stranger().client.get(ASKED, headers={**HTML, "X-Position": position})
    assert answer.status_code == 422


async def test_a_district_nobody_knows_is_asked_again(house: House) -> None:
    page = await house.stranger().page(f"{ASKED}&area=999999")
    assert "您在哪里？" in page


async def test_any_search_can_become_a_near_one(house: House) -> None:
    browser = house.stranger()
    page = await browser.page("/book?q=口腔科")
    assert f"q={quote('附近')}+{quote('口腔科')}" in page
    assert "您在哪里？" not in page


async def test_in_elder_mode_the_district_is_one_question(house: House) -> None:
    browser = house.stranger()
    page = await browser.page(f"{ASKED}&elder=1")
    assert "您在哪个区？" in page
    assert "哪天方便" not in page
    assert "松江区" in page
    anywhere = re.search(r'href="([^"]*)"[^>]*>不看远近', page)
    assert anywhere is not None
    assert "哪天方便" in await browser.page(anywhere[1].replace("&amp;", "&"))
    assert "哪天方便" in await browser.page(f"{ASKED}&area=310117")
