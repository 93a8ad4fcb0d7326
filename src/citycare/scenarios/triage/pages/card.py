"""A slip of what was said and answered, for the nurse at the desk."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from citycare.scenarios.triage.model.answer import Advice
from citycare.scenarios.triage.model.dialogue import Answer, Dialogue
from citycare.scenarios.triage.pages.base import PATH, SEXES, Speech, speech_of, triage_of
from citycare.scenarios.triage.pages.words import SOON
from citycare.scenarios.triage.service import dialogues
from citycare.web.edge.contexts import ReadContext, gate
from citycare.web.parts import Fact
from citycare.web.respond import respond

router = APIRouter(include_in_schema=False)
MONTHS_UNDER = 2  # years: below, an age is said in months


@dataclass(frozen=True, slots=True, kw_only=True)
class CardPage:
    """The slip. `said` is as it was typed; `facts` what was answered and advised."""

    id: UUID
    at: datetime
    who: str
    said: str
    answers: tuple[Fact, ...]
    advised: tuple[Fact, ...]


@router.get(PATH + "/{dialogue_id}/card", dependencies=[gate("triage.ask", anonymous=True)])
async def card(request: Request, cx: ReadContext, dialogue_id: UUID) -> Response:
    """Show the slip to print."""
    made = await dialogues.get(cx, dialogue_id)
    told = dialogues.advise(triage_of(request), made)
    page = _page(request, made, told)
    return await respond(request, cx, "triage/card.html", page)


def _page(request: Request, made: Dialogue, told: Advice) -> CardPage:
    speech = speech_of(request)
    words = speech.words
    departments = words("、").join(speech.department(one.code) for one in told.departments)
    soon = words(SOON[told.urgency][0])
    flags = words("、").join(speech.alarm(one)[0] for one in told.alarms)
    return CardPage(
        id=made.id,
        at=made.updated_at,
        who=who_of(made, speech),
        said=made.text,
        answers=answers_of(made.answers, speech),
        advised=(
            Fact(name=words("多急"), text=soon),
            *([Fact(name=words("危险信号"), text=flags)] if flags else ()),
            Fact(name=words("建议科室"), text=departments),
        ),
    )


def who_of(made: Dialogue, speech: Speech) -> str:
    """Say sex and age, as far as they are known."""
    words = speech.words
    sex = dict(SEXES)[made.sex] if made.sex else ""
    years = made.age_years
    if years is None:
        age = ""
    elif years < MONTHS_UNDER:
        age = words("%(n)d 个月", n=int(years * 12))
    else:
        age = words("%(age)s 岁", age=int(years))
    return words("，").join(filter(None, (words(sex) if sex else "", age)))


def answers_of(answers: tuple[Answer, ...], speech: Speech) -> tuple[Fact, ...]:
    """Return each thing asked for with the answer to it."""
    words = speech.words
    return tuple(
        Fact(
            name=speech.finding(name),
            text=words("有") if name in one.yes
            else words("不清楚") if one.unsure else words("没有"),
        )
        for one in answers
        for name in one.findings
    )  # fmt: skip
