"""Sentences of the triage: how soon, what was not understood, what helps with a wish."""

from __future__ import annotations

import re
from dataclasses import dataclass

from citycare.scenarios.triage.model.entries import Cue, Urgency
from citycare.scenarios.triage.pages.base import PATH, Speech
from citycare.web.i18n import mark
from citycare.web.parts import Action, Tone

NOTHING_WRONG = re.compile(
    r"没什么不舒服|没有(?:什么|哪里|地方)?不舒服|没有?不舒服|哪(?:里|儿)都(?:不疼|挺?好)|"
    r"nothing (?:hurts|is wrong|wrong)|i(?:'m| am) (?:fine|ok|well)|feel (?:fine|ok|well)\b"
)

SOON: dict[Urgency, tuple[str, str, Tone]] = {  # heading, what it means, how loud
    Urgency.NOW: (
        mark("现在打 120"),
        mark("听起来很急，请不要等，也不要自己开车。"),
        Tone.DANGER,
    ),
    Urgency.TODAY: (
        mark("今天就去看医生"),
        mark("不用慌，但别拖到明天。约不上今天的号，就直接去医院挂急诊。"),
        Tone.SOON,
    ),
    Urgency.WEEK: (
        mark("这一周内去看医生"),
        mark("不用今天就去。挑这几天方便的时间约一个。"),
        Tone.INFO,
    ),
    Urgency.ROUTINE: (
        mark("不急，挑方便的日子去看"),
        mark("约一个您方便的时间就行。变重了就早点去。"),
        Tone.OK,
    ),
    Urgency.SELF_CARE: (
        mark("可以先在家休息观察"),
        mark("三天还不见好，或者变重了，就去看医生。"),
        Tone.OK,
    ),
}
ODD: dict[str, tuple[str, str]] = {  # heading, sentence
    "abuse": (
        mark("您现在可能很着急"),
        mark("我们想帮您。说说身上哪里不舒服，或者直接找人：医院一楼的导诊台，电话 12320。"),
    ),
    "english": (
        mark("这句英文我们没有看懂"),
        mark("换成中文，或者指一指哪里不舒服。"),
    ),
    "nothing": (
        mark("没有不舒服就好"),
        mark("有哪里不对劲，随时再来说。想体检、打疫苗、开药，也可以直接写。"),
    ),
    "nonsense": (
        mark("没有听懂，换个说法试试"),
        mark("说哪里、怎么不舒服、多久了，比如“右边肚子疼，两天了”。也可以指一指。"),
    ),
}
WISHES: dict[str, str] = {
    "renewal": mark("想继续开平时吃的药：带上药盒和以前的病历，社区卫生服务中心的全科就能开。"),
    "report": mark("想请医生看报告：带上报告，约开检查的那个科；不记得是哪科，全科也能帮您看。"),
    "checkup": mark("想体检：预防保健科或体检中心可以做，去之前空腹，问清楚几点前到。"),
    "vaccination": mark("想打疫苗：到社区卫生服务中心的预防接种门诊，带上身份证和接种本。"),
    "contraception": mark("想避孕：计划生育科或妇科可以商量。事后补救越早越好，药店也能买到药。"),
    "end_pregnancy": mark("想终止怀孕：计划生育科或妇科，越早去办法越多。您的情况会保密。"),
    "beauty": mark("想变美：请去有资质的医疗美容科，先面诊，别在美容院打针动刀。"),
    "tcm": mark("想看中医：中医科可以把脉开方。正在吃的西药也告诉医生，别自己停。"),
    "certificate": mark("想开证明：找给您看病的那个科的医生开，带上身份证和病历。"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Odd:
    """What is said where nothing was understood; `switch`: where the page is in English."""

    title: str
    words: str
    switch: bool
    ways: tuple[Action, ...]


def odd_of(why: str, text: str, speech: Speech) -> Odd:
    """Say kindly that nothing was understood, or that nothing is wrong."""
    if NOTHING_WRONG.search(text.lower()):
        why = "nothing"
    title, sentence = ODD.get(why, ODD["nonsense"])
    return Odd(
        title=speech.words(title),
        words=speech.words(sentence),
        switch=why == "english" and not speech.english,
        ways=_ways(why, speech),
    )


def _ways(why: str, speech: Speech) -> tuple[Action, ...]:
    point = Action(
        label=speech.words("指一指哪里不舒服"), href=f"{PATH}?step=body#where", icon="user"
    )
    book = Action(label=speech.words("自己挑科室挂号"), href="/book", icon="booking")
    person = Action(label=speech.words("打 12320，请人帮忙"), href="tel:12320", icon="phone")
    return {"abuse": (person, book), "nothing": (book,)}.get(why, (point, person))


def wishes_of(intents: tuple[str, ...], cues: tuple[Cue, ...], speech: Speech) -> tuple[str, ...]:
    """Say what helps with each wish: what the knowledge says of it, else a sentence of ours."""
    written = {
        one.intent: one.advice_en if speech.english else one.advice for one in cues if one.intent
    }
    return tuple(
        written.get(one) or speech.words(WISHES[one])
        for one in intents
        if written.get(one) or one in WISHES
    )
