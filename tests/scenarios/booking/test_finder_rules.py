from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypinyin import Style, pinyin

from citycare.scenarios.booking.model.finder import PartOfDay, WordKind
from citycare.scenarios.booking.rules.finder import (
    best_fitting,
    by_ear,
    segment,
    understand,
    words_of,
)
from citycare.scenarios.booking.rules.names import latin_of, lay_names_of, nicknames_of
from citycare.scenarios.booking.rules.sounds import SOUNDS

from .test_schedule_rules import CLINIC

TODAY = date(2026, 11, 22)  # a Sunday


def day(month: int, number: int) -> date:
    return date(2026, month, number)


@pytest.mark.parametrize(
    ("text", "words", "first", "last"),
    [
        ("瑞金 心内 下周 上午", ("瑞金", "心内"), day(11, 23), day(11, 29)),
        ("下周三下午心内科瑞金", ("心内科瑞金",), day(11, 25), day(11, 25)),
        ("xinneike", ("xinneike",), TODAY, None),
        ("XNK", ("xnk",), TODAY, None),
        ("陈医生 明天", ("陈医生",), day(11, 23), day(11, 23)),
        ("今天 看牙", ("看牙",), TODAY, TODAY),
        ("九院看牙这个周末", ("九院看牙",), TODAY, TODAY),
        ("下周末 儿科", ("儿科",), day(11, 28), day(11, 29)),
        ("这周 眼科", ("眼科",), TODAY, TODAY),
        ("26号 皮肤科", ("皮肤科",), day(11, 26), day(11, 26)),
        ("3号 皮肤科", ("皮肤科",), day(12, 3), day(12, 3)),
        ("12月3日 华山", ("华山",), day(12, 3), day(12, 3)),
        ("1/5 华山", ("华山",), date(2027, 1, 5), date(2027, 1, 5)),
        ("三天内 儿科", ("儿科",), TODAY, day(11, 24)),
        ("我想挂瑞金医院心内科的号", ("瑞金医院心内科",), TODAY, None),
        ("周一鸣医生", ("周一鸣医生",), TODAY, None),
        ("周三陈医生", ("陈医生",), day(11, 25), day(11, 25)),
        ("周浦医院", ("周浦医院",), TODAY, None),
        ("dermatology next week", ("dermatology",), day(11, 23), day(11, 29)),
        ("11.26 眼科", ("眼科",), day(11, 26), day(11, 26)),
        ("6院 骨科", ("六院", "骨科"), TODAY, None),
        ("第10人民医院", ("第十人民医院",), TODAY, None),
        ("妇科专家", ("妇科", "主任医师"), TODAY, None),
        ("瑞金 专家号", ("瑞金", "主任医师"), TODAY, None),
        ("普通号 眼科", ("普通门诊", "眼科"), TODAY, None),
        ("", (), TODAY, None),
        ("!!!、、", (), TODAY, None),
    ],
)
def test_free_text_is_understood(
    text: str, words: tuple[str, ...], first: date, last: date | None
) -> None:
    query = understand(text, TODAY)
    assert (query.words, query.from_day, query.to_day) == (words, first, last)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("上午", PartOfDay.MORNING),
        ("周三下午", PartOfDay.AFTERNOON),
        ("晚上 儿科", PartOfDay.EVENING),
        ("明早 儿科", PartOfDay.MORNING),
        ("今晚", PartOfDay.EVENING),
        ("dentist tonight", PartOfDay.EVENING),
        ("儿科", None),
    ],
)
def test_half_days(text: str, part: PartOfDay | None) -> None:
    assert understand(text, TODAY).part_of_day is part


@pytest.mark.parametrize("text", ["附近的口腔科", "离我近 口腔科", "口腔科 near me", "最近的医院"])
def test_nearness(text: str) -> None:
    assert understand(text, TODAY).near


@given(st.text(max_size=200), st.integers(0, 1000))
def test_anything_typed_is_bounded_and_never_in_the_past(text: str, later: int) -> None:
    today = TODAY + timedelta(days=later)
    query = understand(text, today)
    assert len(query.words) <= 8
    assert all(0 < len(word) <= 40 for word in query.words)
    assert query.from_day >= today
    assert query.to_day is None or query.to_day >= query.from_day


def test_words_without_spaces_come_apart() -> None:
    known = {"瑞金", "心内", "陈医生", "金心", "瑞金医院"}
    assert segment("瑞金心内陈医生", known) == ["瑞金", "心内", "陈医生"]
    assert segment("瑞金医院心内", known) == ["瑞金医院", "心内"]
    assert segment("什么", known) == ["什么"]
    assert segment("瑞金早搏", known) == ["瑞金", "早搏"]


@given(st.text("瑞金心内科陈医生", min_size=1, max_size=12))
def test_a_segmented_word_loses_nothing(chunk: str) -> None:
    assert "".join(segment(chunk, {"瑞金", "心内", "科陈"})) == chunk


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("上海交通大学医学院附属瑞金医院", "瑞金"),
        ("上海交通大学医学院附属第九人民医院", "九院"),
        ("上海市第六人民医院", "市六"),
        ("上海市第十人民医院", "十院"),
        ("上海市静安区江宁路街道社区卫生服务中心", "江宁路"),
        ("复旦大学附属儿科医院", "儿科医院"),
    ],
)
def test_nicknames_follow_from_names(name: str, said: str) -> None:
    assert said in nicknames_of(name)


def test_lay_names_and_pinyin() -> None:
    assert "看牙" in lay_names_of("口腔科")
    assert "心内" in lay_names_of("心血管内科")
    assert {"xinneike", "xnk"} <= latin_of("心内科")
    assert {"chongyang", "zhongyang"} <= latin_of("重阳")
    assert latin_of("B超室") == frozenset()


@pytest.mark.parametrize(
    ("chunk", "known", "expected"),
    [
        ("clinic", {"cl"}, ["clinic"]),
        ("cardiology", {"gy", "cardiology"}, ["cardiology"]),
        ("ruijinxinnei", {"ruijin", "xinnei"}, ["ruijin", "xinnei"]),
        ("rjxn", {"rj", "xn"}, ["rj", "xn"]),
        ("ruijinxi", {"ruijin"}, ["ruijin", "xi"]),
    ],
)
def test_letters_come_apart_only_where_that_is_sure(
    chunk: str, known: set[str], expected: list[str]
) -> None:
    assert segment(chunk, known) == expected


@pytest.mark.parametrize(
    ("department", "said"),
    [
        ("口腔科", "dentist"),
        ("眼科", "eye"),
        ("心血管内科", "cardiology"),
        ("儿科", "kids"),
        ("骨科", "orthopedics"),
        ("口腔科", "拔牙"),
        ("消化内科", "胃镜"),
        ("儿科", "儿子"),
        ("神经内科", "脑科"),
    ],
)
def test_departments_have_everyday_and_english_names(department: str, said: str) -> None:
    assert said in lay_names_of(department)


def test_a_name_with_wrong_characters_is_known_by_its_sound() -> None:
    assert by_ear("瑞今医院") == ("ruijinyiyuan", "ruijin")
    assert by_ear("陈力医生") == ("chenliyisheng", "chenli")
    assert by_ear("陈力") == ("chenli",)
    assert by_ear("chenli") == ()
    assert by_ear("力") == ()


def test_the_sounds_are_those_of_the_dictionary() -> None:
    assert len(SOUNDS) == 6763
    wrong = {
        sign: sound
        for sign, sound in SOUNDS.items()
        if pinyin(sign, style=Style.NORMAL)[0][0] != sound
    }
    assert wrong == {}


def test_the_department_of_that_very_name_fits_best() -> None:
    assert best_fitting("骨科", {"骨科", "小儿骨科", "中医骨伤科"}) == {"骨科"}
    assert best_fitting("糖尿病科", {"内分泌科", "小儿内分泌科"}) == {"内分泌科"}
    assert best_fitting("脑科", {"神经内科", "神经外科"}) == {"神经内科", "神经外科"}
    assert best_fitting("瑞金", ()) == frozenset()


def test_a_clinic_is_found_by_hospital_department_doctor_and_district() -> None:
    words = words_of([CLINIC])
    said = {(word.part, word.kind) for word in words}
    for part in ("瑞金", "ruijin", "rj", "瑞金医院"):
        assert (part, WordKind.HOSPITAL) in said
    for part in ("心内", "xnk", "心脏科", "心血管内科", "血管内科"):
        assert (part, WordKind.DEPARTMENT) in said
    for part in ("陈医生", "陈静", "chenjing", "cj", "陈主任"):
        assert (part, WordKind.DOCTOR) in said
    assert ("黄浦", WordKind.DISTRICT) in said
    assert len(words) < 200
