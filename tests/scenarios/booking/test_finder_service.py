from dataclasses import replace
from datetime import date, time, timedelta

import pytest

from citycare.kernel.context import Context
from citycare.kit import clock, ids
from citycare.kit.pages import TokenBroken
from citycare.scenarios.booking.model.finder import Filters, History, PartOfDay, Point, WordKind
from citycare.scenarios.booking.model.schedule import Clinic
from citycare.scenarios.booking.service import clinics, finder, schedule

from .city import BONES, CHEN, CLINICS, SKIN, TEETH, TEETH_FAR, WANG, template

MONDAY = date(2026, 11, 23)
SONGJIANG = Point(31.01, 121.23)


@pytest.fixture
async def small_city(cx: Context) -> Context:
    """Six clinics: Chen Mondays 8–11, Wang Tuesdays 13–16, the rest Thursdays; bones has none."""
    await clinics.save_clinics(cx, CLINICS)
    await schedule.save_templates(
        cx,
        [
            template(CHEN, 1),
            template(WANG, 2, starts=time(13), ends=time(16)),
            template(TEETH, 4),
            template(TEETH_FAR, 4),
            template(SKIN, 4),
        ],
    )
    await schedule.make_slots(
        cx, MONDAY, MONDAY + timedelta(days=6), clinic_ids=[one.id for one in CLINICS]
    )
    return cx


async def found(cx: Context, text: str, **chosen: object) -> list[Clinic]:
    answer = await finder.find_clinics(cx, text, **chosen)  # type: ignore[arg-type]
    by_id = {one.id: one for one in CLINICS}
    return [by_id[item.clinic.id] for item in answer.items]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("瑞金 心内", [CHEN, WANG]),
        ("瑞金心内陈医生", [CHEN]),
        ("心内科 下周二", [WANG, CHEN]),
        ("xinneike", [CHEN, WANG]),
        ("xnk", [CHEN, WANG]),
        ("XNK 瑞金医院", [CHEN, WANG]),
        ("陈医生", [CHEN]),
        ("陈静医生", [CHEN]),
        ("重阳", [WANG]),
        ("wangchongyang", [WANG]),
        ("wangzhongyang", [WANG]),
        ("shanming", [BONES]),
        ("九院看牙", [TEETH]),
        ("牙科 松江", [TEETH_FAR]),
        ("第六人民医院", [BONES]),
        ("市六 骨科", [BONES]),
        ("jiuyuan", [TEETH]),
        ("血管", [CHEN, WANG]),
        ("早搏", [CHEN]),
        ("瑞金早搏", [CHEN]),
        ("周一鸣医生", [SKIN]),
        ("chenj", [CHEN]),
        ("徐汇", [BONES]),
        ("瑞今 心内", [CHEN, WANG]),
        ("陈景医生", [CHEN]),
        ("dentist", [TEETH, TEETH_FAR]),
        ("skin clinic", [SKIN]),
        ("heart doctor ruijin", [CHEN, WANG]),
        ("6院", [BONES]),
        ("瑞金 骨科", []),
        ("%' OR true --", []),
    ],
)
async def test_people_find_what_they_mean(
    small_city: Context, text: str, expected: list[Clinic]
) -> None:
    assert await found(small_city, text) == expected


async def test_nothing_typed_shows_the_soonest(small_city: Context) -> None:
    assert (await found(small_city, ""))[:2] == [CHEN, WANG]
    assert set(await found(small_city, "")) == set(CLINICS) - {BONES}


async def test_words_that_name_nothing_are_said(small_city: Context) -> None:
    answer = await finder.find_clinics(small_city, "瑞金 心内 便宜")
    assert [item.clinic.id for item in answer.items] == [CHEN.id, WANG.id]
    assert answer.ignored == ("便宜",)


async def test_what_was_only_heard_is_said(small_city: Context) -> None:
    answer = await finder.find_clinics(small_city, "瑞今 心内")
    assert (answer.heard, answer.ignored) == (("瑞今",), ())
    answer = await finder.find_clinics(small_city, "早搏")
    assert answer.heard == ()  # found as it was written


async def test_the_second_page_follows_where_words_were_left_out(small_city: Context) -> None:
    first = await finder.find_clinics(small_city, "心内 便宜", limit=1)
    assert first.next is not None
    second = await finder.find_clinics(small_city, "心内 便宜", after=first.next, limit=1)
    assert [one.clinic.id for one in (*first.items, *second.items)] == [CHEN.id, WANG.id]
    assert second.ignored == ("便宜",)


async def test_the_very_department_comes_before_its_kinds(small_city: Context) -> None:
    kinds = replace(SKIN, id=ids.new(), department_name="中医皮肤科")
    await clinics.save_clinics(small_city, [kinds])
    await schedule.save_templates(small_city, [template(kinds, 1)])
    await schedule.make_slots(small_city, MONDAY, MONDAY + timedelta(days=6), clinic_ids=[kinds.id])
    answer = await finder.find_clinics(small_city, "皮肤科")
    assert [one.clinic.id for one in answer.items] == [SKIN.id, kinds.id]


async def test_days_and_half_days_decide_what_is_open(small_city: Context) -> None:
    answer = await finder.find_clinics(small_city, "瑞金 心内 下周二 下午")
    assert [item.clinic.id for item in answer.items] == [WANG.id, CHEN.id]
    assert answer.items[0].next_starts_at == clock.at(date(2026, 11, 24), time(13))
    assert answer.items[1].next_starts_at is None
    only = Filters(only_open=True, part_of_day=PartOfDay.MORNING)
    assert await found(small_city, "心内", filters=only) == [CHEN]


async def test_near_is_near(small_city: Context) -> None:
    assert await found(small_city, "口腔科", near=SONGJIANG) == [TEETH_FAR, TEETH]
    assert await found(small_city, "附近的口腔科", home_district="310117") == [TEETH_FAR, TEETH]
    assert await found(small_city, "附近的口腔科", home_district="310101") == [TEETH, TEETH_FAR]
    answer = await finder.find_clinics(small_city, "口腔科", near=SONGJIANG)
    near, far = (item.distance_m or 0 for item in answer.items)
    assert near < 200
    assert far > 20_000


async def test_ones_own_doctor_comes_first(small_city: Context) -> None:
    assert WANG.practitioner_id is not None
    been = History(practitioners=frozenset({WANG.practitioner_id}))
    assert await found(small_city, "心内", history=been) == [WANG, CHEN]
    department = History(departments=frozenset({(SKIN.organisation_id, SKIN.department_code)}))
    assert (await found(small_city, "", history=department))[0] == SKIN


async def test_a_full_clinic_comes_after_open_ones(small_city: Context) -> None:
    cx = small_city
    await cx.db.execute(
        "UPDATE booking.place p SET state = 'taken' FROM booking.slot s"
        " WHERE s.id = p.slot_id AND s.clinic_id = %(c)s",
        {"c": CHEN.id},
    )
    assert await found(cx, "心内") == [WANG, CHEN]


async def test_places_not_open_yet_or_reserved_do_not_count(small_city: Context) -> None:
    cx = small_city
    later = {"at": cx.now + timedelta(hours=1)}
    await cx.db.execute("UPDATE booking.place SET opens_at = %(at)s WHERE number > 2", later)
    await cx.db.execute("UPDATE booking.place SET pool = 'referral' WHERE number = 2")
    query = (await finder.find_clinics(cx, "心内")).query
    strip = await finder.days_of(cx, [CHEN.id, WANG.id], query)
    assert [(one.day, one.places) for one in strip if one.places] == [
        (MONDAY, 6),
        (date(2026, 11, 24), 6),
    ]
    assert len(strip) == 14
    assert strip[1].by_clinic == {CHEN.id: 6}


async def test_pages_follow_each_other_without_gap_or_repeat(small_city: Context) -> None:
    whole = await found(small_city, "瑞金")
    seen: list[Clinic] = []
    after = None
    while True:
        answer = await finder.find_clinics(small_city, "瑞金", after=after, limit=1)
        seen += [one for one in CLINICS if one.id == answer.items[0].clinic.id]
        after = answer.next
        if after is None:
            break
    assert seen == whole == [CHEN, WANG, SKIN]
    with pytest.raises(TokenBroken):
        await finder.find_clinics(small_city, "瑞金", after="bm9uc2Vuc2U")


async def test_inactive_clinics_are_not_found(small_city: Context) -> None:
    await clinics.save_clinics(small_city, [replace(CHEN, active=False)])
    assert await found(small_city, "心内") == [WANG]


async def test_a_doctor_renamed_is_found_by_the_new_name_only(small_city: Context) -> None:
    await clinics.save_clinics(small_city, [replace(CHEN, practitioner_name="陈晶晶")])
    assert await found(small_city, "陈晶晶") == [CHEN]
    assert await found(small_city, "陈静") == []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("xin", "心血管内科"),
        ("牙", "口腔科"),
        ("瑞", "瑞金医院"),
        ("瑞金 ch", "陈静 · 瑞金医院"),
        ("松", "松江区"),
    ],
)
async def test_suggestions_while_typing(small_city: Context, text: str, name: str) -> None:
    assert name in [one.name for one in await finder.suggest(small_city, text)]


async def test_suggestions_say_what_they_are(small_city: Context) -> None:
    first = (await finder.suggest(small_city, "陈医生"))[0]
    assert (first.kind, first.key) == (WordKind.DOCTOR, str(CHEN.practitioner_id))
    assert await finder.suggest(small_city, "") == []
    assert await finder.suggest(small_city, "没有这个") == []
