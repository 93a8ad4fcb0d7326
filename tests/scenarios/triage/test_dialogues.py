from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID, uuid5

import pytest

from citycare.kernel import fhir, identity
from citycare.kernel.consent import NotVisible
from citycare.kernel.context import ANONYMOUS, Actor, Context, Grant, Role
from citycare.kit import ids
from citycare.scenarios.triage.model.dialogue import (
    DialogueUnknown,
    QuestionNotAsked,
    State,
    TextMissing,
)
from citycare.scenarios.triage.service import dialogues
from tests.scenarios.triage import small

TRIAGE = small.triage()


async def person(cx: Context, name: str = "林秀英") -> UUID:
    new = identity.NewPerson(name=name, sex=identity.Sex.FEMALE, born_on=date(1990, 3, 8))
    return (await identity.register_person(cx, new, documents=[])).id


def as_person(cx: Context, who: UUID) -> Context:
    return replace(cx, actor=Actor(ids.new(), who, (Grant(Role.RESIDENT),), ids.new()))


def as_nobody(cx: Context) -> Context:
    return replace(cx, actor=ANONYMOUS)


async def test_nobody_begins_answers_and_is_advised(cx: Context) -> None:
    cx = as_nobody(cx)
    made, advice = await dialogues.begin(cx, TRIAGE, "咳嗽三天", age=30)
    asked = 0
    while advice.question is not None:
        made, advice = await dialogues.answer(cx, TRIAGE, made.id, advice.question.id)
        asked += 1
    assert made.state is State.ADVISED
    assert len(made.answers) == asked
    assert await dialogues.get(cx, made.id) == made


async def test_a_red_flag_stops_the_dialogue(cx: Context) -> None:
    made, advice = await dialogues.begin(as_nobody(cx), TRIAGE, "胸口疼出冷汗", age=60)
    assert made.state is State.STOPPED
    assert made.advice["red_flags"][0]["id"] == "chest_sweat"
    assert advice.question is None


async def test_the_same_answer_twice_changes_nothing_and_another_is_refused(cx: Context) -> None:
    cx = as_nobody(cx)
    made, advice = await dialogues.begin(cx, TRIAGE, "胸口疼", age=60)
    assert advice.question is not None
    first, _ = await dialogues.answer(cx, TRIAGE, made.id, advice.question.id)
    again, _ = await dialogues.answer(cx, TRIAGE, made.id, advice.question.id)
    assert again == first
    with pytest.raises(QuestionNotAsked):
        await dialogues.answer(cx, TRIAGE, made.id, advice.question.id, yes=("cold_sweat",))
    with pytest.raises(QuestionNotAsked):
        await dialogues.answer(cx, TRIAGE, made.id, "never_asked")


async def test_the_last_answer_can_be_taken_back(cx: Context) -> None:
    cx = as_nobody(cx)
    made, advice = await dialogues.begin(cx, TRIAGE, "胸口疼", age=60)
    assert advice.question is not None
    wrong = await dialogues.answer(
        cx, TRIAGE, made.id, advice.question.id, yes=advice.question.findings
    )
    assert wrong[0].state is State.STOPPED
    right, once_more = await dialogues.back(cx, TRIAGE, made.id)
    assert right.state is State.ASKING
    assert once_more.question == advice.question


async def test_age_and_sex_come_from_the_record_and_the_record_gets_the_answer(
    cx: Context,
) -> None:
    who = await person(cx)
    mine = as_person(cx, who)
    made, _ = await dialogues.begin(mine, TRIAGE, "胸口疼出冷汗", person_id=who)
    assert made.age_years == pytest.approx(36.7, abs=0.1)
    assert made.sex == "female"
    kept = await fhir.get(cx, "QuestionnaireResponse", str(made.id))
    assert kept["subject"] == {"reference": f"Patient/{who}"}
    assert kept["item"][0]["answer"] == [{"valueString": "胸口疼出冷汗"}]


async def test_minutes_and_odd_signs_keep_nobody_from_a_stop(cx: Context) -> None:
    who = await person(cx)
    mine = as_person(cx, who)
    words = "胸口疼\x0b\x00出冷汗\x1b，二十分钟了"
    made, _ = await dialogues.begin(mine, TRIAGE, words, age=60, person_id=who)
    assert made.state is State.STOPPED
    assert made.text == "胸口疼出冷汗，二十分钟了"
    kept = await fhir.get(cx, "QuestionnaireResponse", str(made.id))
    days = next(one for one in kept["item"] if one["linkId"] == "days")
    assert str(days["answer"][0]["valueDecimal"]) == "0.014"


async def test_a_strangers_dialogue_is_not_there(cx: Context) -> None:
    who, other = await person(cx), await person(cx, "赵四海")
    made, _ = await dialogues.begin(as_person(cx, who), TRIAGE, "咳嗽", person_id=who)
    with pytest.raises(NotVisible):
        await dialogues.get(as_person(cx, other), made.id)
    with pytest.raises(NotVisible):
        await dialogues.begin(as_person(cx, other), TRIAGE, "咳嗽", person_id=who)
    with pytest.raises(DialogueUnknown):
        await dialogues.get(cx, uuid5(who, "nothing"))


async def test_blanks_say_nothing(cx: Context) -> None:
    with pytest.raises(TextMissing):
        await dialogues.begin(as_nobody(cx), TRIAGE, " \n ")


async def test_changed_knowledge_keeps_the_answers_that_still_mean_something(cx: Context) -> None:
    cx = as_nobody(cx)
    made, advice = await dialogues.begin(cx, TRIAGE, "胸口疼", age=60)
    assert advice.question is not None
    await dialogues.answer(cx, TRIAGE, made.id, advice.question.id)
    findings = {name: one for name, one in small.FINDINGS.items() if name != "cold_sweat"}
    conditions = {**small.CONDITIONS, "heart": {**small.CONDITIONS["heart"], "some": []}}
    other = small.triage(findings=findings, conditions=conditions, red_flags={})
    now = dialogues.advise(other, await dialogues.get(cx, made.id))
    assert now.departments[0].code == "03.04"


async def test_dialogues_of_nobody_are_forgotten_and_those_of_people_stay(cx: Context) -> None:
    who = await person(cx)
    nobody, _ = await dialogues.begin(as_nobody(cx), TRIAGE, "咳嗽")
    mine, _ = await dialogues.begin(as_person(cx, who), TRIAGE, "咳嗽", person_id=who)
    assert await dialogues.forget_old(cx) == 0
    later = replace(cx, now=cx.now + timedelta(hours=25))
    assert await dialogues.forget_old(later) == 1
    with pytest.raises(DialogueUnknown):
        await dialogues.get(cx, nobody.id)
    assert (await dialogues.get(cx, mine.id)).id == mine.id


def statement(of: UUID, words: str) -> dict[str, object]:
    return {
        "resourceType": "Condition",
        "id": str(ids.new()),
        "subject": {"reference": f"Patient/{of}"},
        "code": {"text": words},
    }


async def test_the_record_weighs_only_when_the_person_says_so(cx: Context) -> None:
    me = await person(cx)
    await fhir.put(cx, [statement(me, "冠心病")])
    mine = as_person(cx, me)
    plain, _ = await dialogues.begin(mine, TRIAGE, "有点心慌", person_id=me)
    made, _ = await dialogues.begin(mine, TRIAGE, "有点心慌", person_id=me, use_record=True)
    assert plain.history == ()
    assert made.history == ("冠心病病史",)
    share = [
        next(d["probability"] for d in one.advice["departments"] if d["code"] == "03.04")
        for one in (plain, made)
    ]
    assert share[0] < share[1]
    assert dialogues.advise(TRIAGE, await dialogues.get(mine, made.id)).departments == (
        dialogues.advise(TRIAGE, made).departments
    )


async def test_nobody_uses_the_record_of_another(cx: Context) -> None:
    me, other = await person(cx), await person(cx, "陈建国")
    with pytest.raises(NotVisible):
        await dialogues.begin(
            as_person(cx, me), TRIAGE, "有点心慌", person_id=other, use_record=True
        )
