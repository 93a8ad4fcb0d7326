"""Triage over JSON: say where it hurts, answer questions, read the advice."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from citycare.scenarios.triage.model.dialogue import Dialogue
from citycare.scenarios.triage.rules.advise import Triage
from citycare.scenarios.triage.rules.text import TEXT_MAX
from citycare.scenarios.triage.service import dialogues
from citycare.web.edge.contexts import ReadContext, WriteContext, gate

router = APIRouter(prefix="/api/v1/triage", tags=["triage"])
AGE_MAX = 130
ANSWERS_MAX = 12
ID_CHARS_MAX = 64
DialogueId = Annotated[UUID, Path(description="the dialogue, by the `id` of its first answer")]
Urgency = Literal["now", "today", "week", "routine", "self_care"]


def said(words: str) -> Any:
    """Describe a field in plain words."""
    return Field(description=words)


class Strict(BaseModel):
    """Unknown fields are refused: a typing error must not be ignored."""

    model_config = ConfigDict(extra="forbid")


class NewDialogue(Strict):
    """Where it hurts, in somebody's own words."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"text": "咳嗽三天了,有黄痰", "age": 35, "sex": "female"}]},
    )

    text: Annotated[str, Field(min_length=1, max_length=TEXT_MAX, description="as one says it")]
    age: Annotated[
        float | None, Field(ge=0, le=AGE_MAX, description="years, 0.5 is six months")
    ] = None
    sex: Annotated[Literal["", "female", "male"], said("empty: not said")] = ""
    person_id: Annotated[
        UUID | None,
        said("for whom, of people you may act for: age and sex come from the record then"),
    ] = None
    use_record: Annotated[
        bool, said("the person agrees that illnesses and medicines of the record weigh too")
    ] = False


class NewAnswer(Strict):
    """The answer to the question being asked."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"question": "fever", "yes": ["fever"]}]},
    )

    question: Annotated[str, Field(max_length=ID_CHARS_MAX, description="`next_question.id`")]
    yes: Annotated[
        list[Annotated[str, Field(max_length=ID_CHARS_MAX)]],
        Field(max_length=ANSWERS_MAX, description="ids of the options that are so; none: no"),
    ] = []  # pydantic copies it
    unsure: Annotated[bool, said("not sure")] = False


class DepartmentOut(BaseModel):
    """A department with why."""

    code: Annotated[str, said("code in 《医疗机构诊疗科目名录》")]
    name: Annotated[str, said("its name")]
    probability: Annotated[float, said("how likely it is the right one, 0 to 1")]
    reasons: Annotated[list[str], said("what speaks for it, in plain words")]
    without: Annotated[list[str], said("what is not there and so speaks for it too")]


class FlagOut(BaseModel):
    """A red flag that holds."""

    id: Annotated[str, said("the rule")]
    name: Annotated[str, said("what it is, in plain words")]
    urgency: Annotated[Urgency, said("how soon")]
    say: Annotated[str, said("what to do now")]


class OptionOut(BaseModel):
    """One thing asked for."""

    id: Annotated[str, said("send it in `yes`")]
    name: Annotated[str, said("in plain words")]


class QuestionOut(BaseModel):
    """The next question."""

    id: Annotated[str, said("send it as `question`")]
    text: Annotated[str, said("as one reads it out")]
    danger: Annotated[bool, said("it is about danger: ask it first and plainly")]
    options: Annotated[list[OptionOut], said("one: yes, no or not sure; several: tick what is so")]


class TurnOut(BaseModel):
    """What one turn says. Never a diagnosis."""

    id: Annotated[UUID, said("the dialogue; of nobody's it is all the permission needed")]
    state: Annotated[
        Literal["asking", "advised", "stopped"],
        said("`stopped`: a red flag, nothing more is asked"),
    ]
    departments: Annotated[list[DepartmentOut], said("up to three, the likeliest first")]
    urgency: Annotated[Urgency, said("how soon")]
    red_flags: Annotated[list[FlagOut], said("rules that hold, the most urgent first")]
    next_question: Annotated[QuestionOut | None, said("null: nothing more to ask")]
    sure: Annotated[bool, said("false: ask the triage desk or a general practitioner")]
    gp: Annotated[bool, said("a community general practitioner is enough at first")]
    crisis: Annotated[bool, said("somebody may hurt themselves: a person to talk to comes first")]
    intents: Annotated[list[str], said("wishes that are no symptom, as `renewal`, `report`")]
    odd: Annotated[str, said("why nothing was understood: empty, abuse, english, nonsense; or ''")]
    knowledge: Annotated[str, said("version of the knowledge that says so")]


def triage_of(request: Request) -> Triage:
    """Return the triage this process runs; the first to ask waits while it is read."""
    made: Triage = request.app.state.triage()
    return made


def _out(one: Dialogue) -> dict[str, Any]:
    return {"id": one.id, "state": one.state, **one.advice}


@router.post(
    "",
    status_code=201,
    response_model=TurnOut,
    dependencies=[gate("triage.ask", anonymous=True)],
)
async def begin_dialogue(request: Request, body: NewDialogue, cx: WriteContext) -> Any:
    """Say where it hurts; get departments, how soon, and the next question.

    Nobody needs to sign in. Sent twice it begins two dialogues, which harms nobody. 400
    `triage.text_missing` for blanks.
    """
    made, _ = await dialogues.begin(
        cx,
        triage_of(request),
        body.text,
        age=body.age,
        sex=body.sex,
        person_id=body.person_id,
        use_record=body.use_record,
        proposer=request.app.state.triage_proposer,
    )
    return _out(made)


@router.post(
    "/{dialogue_id}/answers",
    response_model=TurnOut,
    dependencies=[gate("triage.ask", anonymous=True)],
)
async def answer_question(
    request: Request, dialogue_id: DialogueId, body: NewAnswer, cx: WriteContext
) -> Any:
    """Answer the question being asked. Safe to repeat.

    404 `triage.dialogue_unknown`; 409 `triage.question_not_asked` when another one is asked now.
    """
    made, _ = await dialogues.answer(
        cx, triage_of(request), dialogue_id, body.question, yes=tuple(body.yes), unsure=body.unsure
    )
    return _out(made)


@router.get(
    "/{dialogue_id}",
    response_model=TurnOut,
    dependencies=[gate("triage.ask", anonymous=True)],
)
async def get_dialogue(dialogue_id: DialogueId, cx: ReadContext) -> Any:
    """Read where a dialogue stands. 404 `triage.dialogue_unknown`."""
    return _out(await dialogues.get(cx, dialogue_id))
