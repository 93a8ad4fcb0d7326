"""One question at a time, the last answer taken back, and what the answers lead to."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel.context import Context
from citycare.scenarios.triage.model.answer import Advice, Question
from citycare.scenarios.triage.model.dialogue import Dialogue, QuestionNotAsked
from citycare.scenarios.triage.model.entries import Urgency
from citycare.scenarios.triage.pages import advice as advice_pages
from citycare.scenarios.triage.pages import stop
from citycare.scenarios.triage.pages.base import (
    PATH,
    Here,
    Speech,
    position_of,
    speech_of,
    triage_of,
)
from citycare.scenarios.triage.rules.ask import QUESTIONS_MAX
from citycare.scenarios.triage.rules.english import original_of
from citycare.scenarios.triage.service import dialogues, looking
from citycare.web import forms
from citycare.web.edge.contexts import ReadContext, WriteContext, gate
from citycare.web.i18n import mark
from citycare.web.parts import Option
from citycare.web.respond import redirect, respond
from citycare.web.shell import Toast

router = APIRouter(include_in_schema=False)
QUOTED_MAX = 40
ANSWERS = (("yes", mark("有")), ("no", mark("没有")), ("unsure", mark("不清楚")))
TICK = mark("一样也没有点上。有的点一下；都没有，就点“都没有”。")
CHOOSE = mark("请点一个回答。不知道就点“不清楚”。")


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionPage:
    """The question being asked: `several` things to tick, or one `finding`, there or not."""

    id: UUID
    number: int
    all: int
    question: str
    finding: str
    title: str
    several: bool
    options: tuple[Option, ...]
    error: str
    said: str
    may_go_back: bool


@router.get(PATH + "/{dialogue_id}", dependencies=[gate("triage.ask", anonymous=True)])
async def one(
    request: Request,
    cx: ReadContext,
    dialogue_id: UUID,
    advice: bool = False,  # noqa: FBT001, FBT002 - stands in the address as ?advice=1
    other: bool = False,  # noqa: FBT001, FBT002 - same
    here: Here = "",
) -> Response:
    """Show the question being asked, or the advice; a red flag stops everything."""
    made = await dialogues.get(cx, dialogue_id)
    triage = triage_of(request)
    heard = looking.understood(triage, made)
    told = triage.advise(heard, made.answers, made.proposed)
    near = position_of(here)
    if told.urgency is Urgency.NOW:
        return await stop.show(request, cx, made, told, near)
    if told.odd:
        return await advice_pages.show_odd(request, cx, made, told)
    if told.question is None or advice or looking.is_wish_only(heard):
        return await advice_pages.show(request, cx, made, told, heard, near, others=other)
    return await _ask(request, cx, made, told.question)


async def _ask(
    request: Request,
    cx: Context,
    made: Dialogue,
    question: Question,
    *,
    error: str = "",
) -> Response:
    speech = speech_of(request)
    said = " ".join(original_of(made.text).split())
    page = QuestionPage(
        id=made.id,
        number=len(made.answers) + 1,
        all=max(QUESTIONS_MAX, len(made.answers) + 1),
        question=question.id,
        finding=question.findings[0],
        title=speech.question(question),
        several=len(question.findings) > 1,
        options=_options(question, speech),
        error=speech.words(error) if error else "",
        said=said if len(said) <= QUOTED_MAX else said[:QUOTED_MAX] + "…",
        may_go_back=bool(made.answers),
    )
    status = 422 if error else 200
    return await respond(request, cx, "triage/question.html", page, status=status)


def _options(question: Question, speech: Speech) -> tuple[Option, ...]:
    if len(question.findings) > 1:
        return tuple(Option(value=name, label=speech.finding(name)) for name in question.findings)
    return tuple(Option(value=value, label=speech.words(label)) for value, label in ANSWERS)


@router.post(PATH + "/{dialogue_id}/answer", dependencies=[gate("triage.ask", anonymous=True)])
async def answer(request: Request, cx: WriteContext, dialogue_id: UUID) -> Response:
    """Take one answer and go on; pressed twice, it counts once."""
    form = await forms.read(request)
    question = form.values.get("question", "")
    ticked = tuple(form.many.get("yes", ()))
    said = form.values.get("said", "")
    if said not in ("yes", "no", "unsure", "ticked", "none"):
        return await _again(request, cx, dialogue_id, CHOOSE)
    if said == "ticked" and not ticked:
        return await _again(request, cx, dialogue_id, TICK)
    finding = form.values.get("finding") or question
    yes = {"yes": (finding,), "ticked": ticked}.get(said, ())
    try:
        await dialogues.answer(
            cx, triage_of(request), dialogue_id, question, yes=yes, unsure=said == "unsure"
        )
    except QuestionNotAsked as error:
        notice = Toast(text=speech_of(request).words(error.words))
        return redirect(request, f"{PATH}/{dialogue_id}", notice=notice)
    return redirect(request, f"{PATH}/{dialogue_id}")


async def _again(request: Request, cx: Context, dialogue_id: UUID, error: str) -> Response:
    """Ask the same question once more, because nothing was answered."""
    made = await dialogues.get(cx, dialogue_id)
    told: Advice = dialogues.advise(triage_of(request), made)
    if told.question is None:
        return redirect(request, f"{PATH}/{dialogue_id}")
    return await _ask(request, cx, made, told.question, error=error)


@router.post(PATH + "/{dialogue_id}/back", dependencies=[gate("triage.ask", anonymous=True)])
async def back(request: Request, cx: WriteContext, dialogue_id: UUID) -> Response:
    """Take the last answer back; before the first, go back to the words."""
    before = await dialogues.get(cx, dialogue_id)
    if not before.answers:
        return redirect(request, f"{PATH}?again={dialogue_id}")
    await dialogues.back(cx, triage_of(request), dialogue_id)
    return redirect(request, f"{PATH}/{dialogue_id}")
