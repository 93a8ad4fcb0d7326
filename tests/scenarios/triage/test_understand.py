from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citycare.scenarios.triage.model.heard import Heard, Kind, Said, When
from citycare.scenarios.triage.rules import person
from citycare.scenarios.triage.rules.reading import read
from citycare.scenarios.triage.rules.sounds import Sounds
from citycare.scenarios.triage.rules.text import TEXT_MAX
from tests.scenarios.triage import small

TRIAGE = small.triage()
NAMES = [one.id for one in TRIAGE.knowledge.entries.findings]


def said(text: str) -> dict[str, Said]:
    return {
        NAMES[one.index]: one.said for one in TRIAGE.hear(text).mentions if one.kind is Kind.FINDING
    }


def whens(text: str) -> dict[str, When]:
    heard = TRIAGE.hear(text)
    return {NAMES[one.index]: one.when for one in heard.mentions if one.kind is Kind.FINDING}


@pytest.mark.parametrize(
    ("text", "there", "gone"),
    [
        ("咳嗽发烧", {"cough", "fever"}, set()),
        ("咳嗽，没有发烧", {"cough"}, {"fever"}),
        ("没有咳嗽、发烧", set(), {"cough", "fever"}),
        ("不发烧但咳嗽", {"cough"}, {"fever"}),
        ("肚子左边有点疼", {"belly_pain"}, set()),
        ("肚子不疼", set(), {"belly_pain"}),
        ("咳嗽不停", {"cough"}, set()),
        ("没疼没痒的一觉醒来咳嗽", {"cough"}, set()),
        ("不哭不闹咳嗽", {"cough"}, set()),
        ("一直不舒服还咳嗽", {"cough"}, set()),
        ("发烧已经好了", set(), {"fever"}),
        ("38.5度", {"fever"}, set()),
        ("36.5度", set(), set()),
        ("ＦＥＶＥＲ　发　热", set(), set()),
        ("干咳", {"dry_cough"}, set()),
        ("冇咳嗽", set(), {"cough"}),
        ("没有咳嗽也没有发烧", set(), {"cough", "fever"}),
        ("没发烧也不停咳嗽", {"cough"}, {"fever"}),
        ("勿发烧", set(), {"fever"}),
        ("没抱稳咳嗽", {"cough"}, set()),
        ("没几分钟就咳嗽", {"cough"}, set()),
        ("十分钟不到就咳嗽", {"cough"}, set()),
        ("差不多天天咳嗽", {"cough"}, set()),
        ("两个月不到就发烧", {"fever"}, set()),
        ("尿不湿上没有，咳嗽正常", set(), {"cough"}),
    ],
)
def test_what_is_there_and_what_is_denied(text: str, there: set[str], gone: set[str]) -> None:
    found = said(text)
    assert {name for name, one in found.items() if one is Said.YES} == there
    assert {name for name, one in found.items() if one is Said.NO} == gone


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("我胸口疼", When.NOW),
        ("去年胸口疼过", When.PAST),
        ("我爷爷胸口疼，我最近睡不好", When.FAMILY),
        ("胸口疼是心梗的前兆吗", When.ASKED),
        ("心绞痛和胸口疼有什么不一样", When.ASKED),
        ("电视剧里那人胸口疼", When.ASKED),
        ("看电影时胸口疼", When.NOW),
        ("跟妈妈吵完架胸口疼", When.NOW),
        ("吃了奶奶的降压药胸口疼", When.NOW),
        ("我睡不好妈妈胸口疼", When.FAMILY),
        ("三岁的时候胸口疼过一次", When.PAST),
        ("胸口疼是不是心梗", When.NOW),
        ("是不是胸口疼", When.ASKED),
        ("我怕得胸口疼然后今天胸口疼", When.NOW),
        ("以前胸口疼现在又胸口疼", When.NOW),
        ("同事说我胸口疼", When.NOW),
        ("二〇一九年夏天，突然胸口疼", When.PAST),
        ("二〇一九年放了支架，今天胸口疼", When.NOW),
    ],
)
def test_when_it_was(text: str, when: When) -> None:
    assert whens(text)["chest_pain"] is when


@pytest.mark.parametrize(
    ("text", "age", "sex", "who"),
    [
        ("我今年35岁，女", 35, "female", "self"),
        ("我妈68岁了", 68, "female", "mother"),
        ("6岁女孩发烧", 6, "female", "child"),
        ("宝宝8个月，咳嗽", 8 / 12, "", "child"),
        ("宝宝出生12天", 12 / 365, "", "child"),
        ("三十二岁男性", 32, "male", "self"),
        ("咳嗽三天", None, "", "self"),
        ("我爸心慌", None, "male", "father"),
        ("老公不在家，我羊水破了", None, "female", "self"),
        ("老公早泄", None, "male", "husband"),
        ("生了孩子以后咳嗽", None, "", "self"),
    ],
)
def test_who_is_ill(text: str, age: float | None, sex: str, who: str) -> None:
    found = person.patient_of(text)
    assert found.age == (pytest.approx(age) if age is not None else None)
    assert (found.sex, found.who) == (sex, who)


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("咳嗽三天", 3),
        ("两个星期了", 14),
        ("半年多了", 182.5),
        ("一个多星期", 7),
        ("昨天开始", 1),
        ("6个月的宝宝拉肚子", None),
        ("咳嗽", None),
        ("疼了10年，这两天加重", 3650),
        ("每天3次", None),
        ("一天七八回，断断续续半年", 182.5),
        ("拉了两天十几次", 2),
    ],
)
def test_how_long_it_has_lasted(text: str, days: float | None) -> None:
    assert person.days_of(text) == days


@pytest.mark.parametrize(
    ("text", "pregnant"),
    [("怀孕12周咳嗽", True), ("会不会怀孕", None), ("备孕半年没怀孕", None), ("我是孕妇", True)],
)
def test_pregnancy_is_not_the_wish_or_fear_of_it(text: str, pregnant: object) -> None:
    assert person.patient_of(text).pregnant is pregnant


@pytest.mark.parametrize(
    ("text", "odd"), [("", "empty"), ("。。。", "nonsense"), ("my head hurts", "english"),
                      ("你个傻逼", "abuse"), ("asdf啊啊啊", "nonsense"), ("咳嗽", "")],
)  # fmt: skip
def test_what_cannot_be_understood_is_named(text: str, odd: str) -> None:
    assert TRIAGE.hear(text).odd == odd


def test_a_novel_is_cut_and_still_understood() -> None:
    assert "cough" not in said("天" * TEXT_MAX + "。咳嗽")
    assert "cough" in said("咳嗽。" + "今天天气不错。" * 5000)


def test_longer_words_swallow_shorter_ones() -> None:
    heard = TRIAGE.hear("急支糖浆")
    assert [one.kind for one in heard.mentions] == [Kind.DRUG]


ALARMS = {
    **small.FINDINGS,
    "coughs_hard": small.finding("咳得厉害", "咳嗽得厉害", "咳~停不住", kind="alarm",
                                 means=["fever"], unless=["气得咳~停不住"]),
}  # fmt: skip


def named(text: str) -> list[str]:
    made = small.triage(findings=ALARMS)
    heard = made.hear(text)
    return [made.knowledge.entries.findings[one.index].id for one in heard.mentions]


def test_words_of_red_flags_stand_beside_the_words_they_hold() -> None:
    assert set(named("咳嗽得厉害")) == {"cough", "coughs_hard", "fever"}


def test_an_exception_may_have_a_gap_and_is_for_its_finding_alone() -> None:
    assert set(named("咳得停不住")) == {"cough", "coughs_hard", "fever"}
    assert set(named("气得咳得停不住")) == {"cough"}


def test_only_red_flags_own_findings_mean_others() -> None:
    wrong = {**small.FINDINGS, "odd": small.finding("怪", "怪", means=["fever"])}
    _, problems = read(small.documents(findings=wrong))
    assert [one.entry for one in problems] == ["odd"]


def test_whoever_is_too_small_to_write_is_written_about() -> None:
    assert person.patient_of("把妈妈的药片当糖吃了", age=3).who == "child"
    assert person.patient_of("咳嗽", age=9).who == "self"


def test_a_baby_whose_age_was_asked_in_whole_years_has_the_months_it_tells() -> None:
    assert person.patient_of("宝宝11个月大，咳嗽", age=0).age == pytest.approx(11 / 12)
    assert person.patient_of("宝宝咳嗽", age=0).age == 0


SYMPTOMS = st.sampled_from(["咳嗽", "发烧", "胸口疼", "心慌", "肚子疼"])


@given(st.lists(SYMPTOMS, min_size=1, max_size=5, unique=True))
def test_denying_never_adds_a_finding(symptoms: list[str]) -> None:
    found = said("没有" + "、".join(symptoms))
    assert set(found.values()) == {Said.NO}


@given(st.lists(SYMPTOMS, min_size=2, max_size=5, unique=True), st.randoms())
def test_the_order_of_sentences_does_not_matter(symptoms: list[str], dice: object) -> None:
    other = list(symptoms)
    dice.shuffle(other)  # type: ignore[attr-defined]
    assert said("。".join(symptoms)) == said("。".join(other))


@given(st.text(max_size=300))
def test_any_text_is_understood_the_same_way_twice(text: str) -> None:
    first: Heard = TRIAGE.hear(text)
    assert first == TRIAGE.hear(text)
    advice = TRIAGE.advise(first)
    assert 1 <= len(advice.departments) <= 3
    assert all(0 <= one.probability <= 1 for one in advice.departments)


def test_a_word_written_as_it_sounds_is_understood() -> None:
    same = {"dan": "蛋旦", "bie": "憋别", "de": "得的", "fa": "发法", "zi": "紫子", "ke": "咳克"}
    sounds = Sounds(["血红蛋白", "憋得发紫", "咳嗽"], same)
    assert list(sounds.find("查了血红旦白")) == [(2, 6, "血红蛋白")]
    assert list(sounds.find("查了血红蛋白")) == []
    assert list(sounds.find("用别的法子")) == [], "sounds like 憋得发紫, shares nothing with it"
    assert list(sounds.find("克嗽")) == [], "two signs sound like too much else"
    signs = {"fei": "肺", "pao": "泡", "dan": "蛋旦", "bai": "白", "chen": "沉", "ji": "积"}
    heard = small.triage(sounds=signs).hear("医生说是肺泡旦白沉积")
    assert [one.kind for one in heard.mentions] == [Kind.NAME], "the lexicon uses it"


@pytest.mark.parametrize(
    ("text", "who", "age"),
    [
        ("老人小孩要不要查", "self", None),
        ("怀孕32周了宝宝还是臀位", "self", None),
        ("奶水不够宝宝吃怎么办", "self", None),
        ("宝宝3个月了，我奶水不够", "child", 0.25),
        ("孩子咳嗽", "child", 4.0),
    ],
)
def test_a_child_that_is_meant_and_one_that_is_not(text: str, who: str, age: float | None) -> None:
    patient = person.patient_of(text)
    assert (patient.who, patient.age) == (who, age)
