"""The red flags as clinicians wrote them, against the written emergencies and look-alikes."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from citycare.scenarios.triage.model.entries import Finding, RedFlag, Urgency
from citycare.scenarios.triage.model.heard import Heard, Patient
from citycare.scenarios.triage.rules import flags
from citycare.scenarios.triage.rules.advise import Triage
from citycare.scenarios.triage.service.knowledge import load

KNOWLEDGE = Path(__file__).resolve().parents[3] / "knowledge"
GROUPS = {
    "adult", "heart_lung", "brain", "abdomen", "child", "infant", "pregnancy", "elder", "mental",
    "trauma", "poisoning",
}  # fmt: skip
SENTENCES_MAX = 3
FALSE_ALARMS_MAX = 0.1


def triage() -> Triage:
    return load(KNOWLEDGE)


def rules() -> list[RedFlag]:
    return list(triage().knowledge.entries.red_flags)


def cases(name: str) -> list[dict[str, Any]]:
    text = (KNOWLEDGE / "cases" / f"{name}.jsonl").read_text(encoding="utf8")
    return [json.loads(line) for line in text.splitlines() if line]


def hear(case: dict[str, Any]) -> Heard:
    return triage().hear(case["text"], age=case.get("age"), sex=case.get("sex") or "")


def stops(heard: Heard) -> list[str]:
    found = flags.alarms(triage().knowledge, heard)
    return [one.id for one in found if one.urgency is Urgency.NOW]


@cache
def first_words(name: str) -> str:
    """Return the first of a finding's words that is understood, written out, as it."""
    knowledge = triage().knowledge
    finding = knowledge.entries.findings[knowledge.finding[name]]
    for said in map(written_out, finding.words):
        yes, _ = flags.present_of(knowledge, triage().hear(said))
        if finding.id in yes:
            return said
    if number := number_of(finding):
        return number
    raise AssertionError(f"nothing said is understood as {name}")


def written_out(word: str) -> str:
    classes = triage().knowledge.entries.classes
    return "".join(
        classes[part[1:-1]][0] if part.startswith("<") else part for part in word.split("~")
    )


def number_of(finding: Finding) -> str:
    numbers = {
        "pressure_160v": "血压170", "baby_cold": "35度", "baby_hot": "38.5度",
    }  # fmt: skip
    return numbers.get(finding.id, "")


def patient_for(rule: RedFlag) -> Patient:
    low, high = rule.age
    age = 35.0 if low <= 35 < high else (low + min(high, 100)) / 2
    return Patient(age=age, sex=rule.sex, pregnant=rule.pregnant)


def test_every_group_has_rules_and_all_are_complete() -> None:
    found = rules()
    assert len(found) >= 80
    assert {one.group for one in found} == GROUPS
    for one in found:
        assert all((one.name, one.en, one.say, one.say_en, one.source)), one.id
        assert one.say.rstrip("。").count("。") < SENTENCES_MAX, one.id


def test_the_red_flags_own_findings_are_all_used() -> None:
    known = triage().knowledge.entries
    used = {name for rule in rules() for group in (*rule.every, rule.none) for name in group}
    idle = [one.id for one in known.findings if one.kind == "alarm" and not one.means]
    assert not set(idle) - used


def test_every_written_emergency_is_sent_to_emergency_care_now() -> None:
    missed = [case["id"] for case in cases("emergencies") if not stops(hear(case))]
    assert not missed


def test_few_look_alikes_are() -> None:
    written = cases("lookalikes")
    stopped = [case["id"] for case in written if stops(hear(case))]
    assert len(stopped) <= FALSE_ALARMS_MAX * len(written), stopped


@pytest.mark.parametrize("place", range(len(rules())), ids=lambda n: rules()[n].id)
def test_each_rule_fires_on_the_first_words_of_its_findings(place: int) -> None:
    rule = rules()[place]
    spoken = "。".join(dict.fromkeys(choose(group, rule) for group in rule.every))
    person = patient_for(rule)
    heard = triage().hear(spoken, age=person.age, sex=person.sex)
    found = flags.alarms(triage().knowledge, heard)
    assert rule.id in [one.id for one in found], spoken


def choose(group: tuple[str, ...], rule: RedFlag) -> str:
    """Return the first words of the first finding that says nothing the rule excludes."""
    for name in group:
        said = first_words(name)
        yes, _ = flags.present_of(triage().knowledge, triage().hear(said))
        if name in yes and not yes.intersection(rule.none):
            return said
    raise AssertionError(f"{rule.id}: each of {group} says something it excludes")


@pytest.mark.parametrize(
    "text",
    [
        "没有胸痛，没有出冷汗，没有喘不上气",
        "没吐血，也没有黑便，不头晕",
        "没有抽搐，没有口吐白沫，叫得醒",
        "嘴不歪，手脚有劲，说话清楚",
        "没有破水，没有出血，胎动正常",
        "不发烧，脖子不硬，身上没有出血点",
        "没有不想活，没有伤害自己",
        "不想死，就是睡不好",
        "喘气正常，嘴唇没肿",
        "没喝农药，也没吃错药",
        "宝宝不发烧，吃奶好，没有呕吐",
        "肚子不疼，没有便血",
    ],
)
def test_what_is_denied_raises_no_alarm(text: str) -> None:
    assert not stops(triage().hear(text))


@pytest.mark.parametrize(
    "text",
    [
        "二〇一九年夏天，突然胸口压得慌，出大汗，后来放了支架",
        "我爷爷是心梗走的，我自己没啥不舒服",
        "中风有哪些症状",
        "去年喝过农药救回来了，现在都好",
        "我快被工作逼死了，想死的心都有了哈哈",
    ],
)
def test_what_was_is_asked_or_is_a_joke_raises_none(text: str) -> None:
    assert not stops(triage().hear(text))


@pytest.mark.parametrize(
    "text",
    [
        "我不想活了",
        "遗书写好了，今晚就走",
        "我割腕了，流了好多血",
        "站在天台上，跳下去是不是就不难受了",
    ],
)
def test_self_harm_shows_the_crisis_lines_at_once(text: str) -> None:
    advice = triage().advise(triage().hear(text))
    assert advice.urgency is Urgency.NOW
    assert advice.crisis
    assert advice.question is None


def test_the_freshest_trouble_counts_not_the_oldest() -> None:
    heard = triage().hear("高血压十年了，今天右手突然没劲，话也说不清")
    assert flags.acute_days(heard) == pytest.approx(0.5)
    assert stops(heard)


def test_days_counted_from_an_operation_are_not_days_of_trouble() -> None:
    heard = triage().hear("痔疮手术第七天，马桶里全是血，眼冒金星")
    assert flags.acute_days(heard) is None
    assert stops(heard)


def test_how_far_a_pregnancy_is_and_how_old_a_baby_are_no_days_of_trouble() -> None:
    heard = triage().hear("怀孕34周，头痛得厉害，看东西一块黑一块亮", age=30, sex="female")
    assert flags.acute_days(heard) is None
    assert stops(heard)
    heard = triage().hear("九个月，抓了桌上奶奶的心脏药往嘴里塞，药板上缺了两颗", age=0.75)
    assert flags.acute_days(heard) is None
    assert stops(heard)


def test_the_years_of_a_known_illness_are_not_those_of_the_trouble() -> None:
    assert stops(triage().hear("支扩老毛病，咯出来的都是鲜血，已经小半盆了"))
    assert not stops(triage().hear("去年被蛇咬住过院，现在脚偶尔麻"))


def test_a_relative_who_is_the_only_one_spoken_of_is_the_patient() -> None:
    assert stops(triage().hear("妈妈摔跤后大腿根痛得不能站，脚歪着", age=81))
    assert not stops(triage().hear("爸爸心梗走的，会遗传吗"))


def test_a_relative_ill_this_minute_counts() -> None:
    assert stops(triage().hear("我现在在家，我老公刚才突然倒地叫不醒"))
