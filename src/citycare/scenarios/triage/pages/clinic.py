"""Why the triage said so, for clinicians who treat the person; never shown to a resident."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel.context import Role
from citycare.scenarios.triage.model.answer import Advice
from citycare.scenarios.triage.model.entries import Urgency
from citycare.scenarios.triage.model.heard import Heard, Kind, Mention, Said, When
from citycare.scenarios.triage.pages.base import Speech, speech_of, triage_of
from citycare.scenarios.triage.pages.card import answers_of, who_of
from citycare.scenarios.triage.pages.words import SOON
from citycare.scenarios.triage.service import looking
from citycare.web.edge.contexts import WriteContext, gate
from citycare.web.i18n import mark
from citycare.web.parts import Cell, Column, Fact, Row, Tag, Tone
from citycare.web.respond import respond

router = APIRouter(include_in_schema=False)
SAID = {
    Said.YES: (mark("有"), Tone.OK),
    Said.NO: (mark("没有"), Tone.GRAY),
    Said.UNSURE: (mark("不清楚"), Tone.SOON),
}
WHEN = {
    When.NOW: "",
    When.PAST: mark("以前"),
    When.FAMILY: mark("家里人"),
    When.RECORD: mark("病历里"),
    When.ASKED: mark("只是问问"),
}
KINDS = {
    Kind.FINDING: mark("表现"),
    Kind.NAME: mark("病名"),
    Kind.DRUG: mark("药"),
    Kind.TEST: mark("检查"),
    Kind.CUE: mark("线索"),
    Kind.DEPARTMENT: mark("科室"),
}
LEAST_SHOWN = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyPage:
    """What was said, what was heard in it, what may be behind, and what was advised.

    `behind` and `departments` are name, code and share as written.
    """

    name: str
    who: str
    said: str
    facts: tuple[Fact, ...]
    flags: tuple[tuple[str, str], ...]
    heard_columns: tuple[Column, ...]
    heard: tuple[Row, ...]
    answers: tuple[Fact, ...]
    behind_heads: tuple[str, ...]
    behind: tuple[tuple[str, str, str], ...]
    department_heads: tuple[str, ...]
    departments: tuple[tuple[str, str, str], ...]
    knowledge: str


@router.get(
    "/clinic/triage/{dialogue_id}",
    dependencies=[gate("record.read", roles=[Role.CLINICIAN, Role.COMMUNITY_GP])],
)
async def why(request: Request, cx: WriteContext, dialogue_id: UUID) -> Response:
    """Show why a person's triage came to its advice; the reading is audited."""
    triage = triage_of(request)
    behind = await looking.behind(cx, triage, dialogue_id)
    speech = speech_of(request)
    words = speech.words
    made = behind.dialogue
    told = triage.advise(behind.heard, made.answers, made.proposed)
    page = WhyPage(
        name=behind.person.name,
        who=who_of(made, speech),
        said=made.text,
        facts=_facts(speech, behind.heard, told),
        flags=tuple(speech.alarm(one) for one in told.alarms),
        heard_columns=(
            Column(label=words("原话")),
            Column(label=words("听成")),
            Column(label=words("类别")),
            Column(label=words("有没有")),
        ),
        heard=tuple(_heard(one, speech) for one in behind.heard.mentions if one.words),
        answers=answers_of(made.answers, speech),
        behind_heads=(words("可能的情况"), words("可能性")),
        behind=_conditions(behind.conditions, speech),
        department_heads=(words("科室"), words("可能性")),
        departments=tuple(
            (speech.department(one.code), one.code, _percent(one.probability))
            for one in told.departments
        ),
        knowledge=made.knowledge,
    )
    return await respond(request, cx, "triage/why.html", page)


def _facts(speech: Speech, heard: Heard, told: Advice) -> tuple[Fact, ...]:
    words = speech.words
    tone = Tone.DANGER if told.urgency is Urgency.NOW else SOON[told.urgency][2]
    found = [
        Fact(name=words("多急"), text="", tag=Tag(text=words(SOON[told.urgency][0]), tone=tone))
    ]
    if heard.days is not None:
        days = f"{heard.days:.1f}".removesuffix(".0")
        found.append(Fact(name=words("多久了"), text=words("约 %(n)s 天", n=days)))
    if heard.sudden:
        found.append(Fact(name=words("起病"), text=words("突然")))
    if heard.severe:
        found.append(Fact(name=words("程度"), text=words("说很厉害")))
    if heard.patient.pregnant:
        found.append(Fact(name=words("怀孕"), text=words("说怀着孕")))
    return tuple(found)


def _heard(one: Mention, speech: Speech) -> Row:
    said, tone = SAID[one.said]
    words = speech.words
    when = WHEN[one.when]
    return Row(
        cells=(
            Cell(text=one.words),
            Cell(text=_name(one, speech)),
            Cell(text=words(KINDS[one.kind])),
            Cell(tag=Tag(text=words(said), tone=tone), note=words(when) if when else ""),
        )
    )


def _name(one: Mention, speech: Speech) -> str:
    entries = speech.triage.knowledge.entries
    if one.kind is Kind.FINDING:
        return speech.name(entries.findings[one.index])
    if one.kind is Kind.CUE:
        return entries.cues[one.index].name or entries.cues[one.index].id
    if one.kind is Kind.DEPARTMENT:
        return speech.department(entries.departments[one.index].code)
    condition = entries.conditions[one.index]
    return condition.en if speech.english else condition.name


def _conditions(
    found: tuple[tuple[int, float], ...], speech: Speech
) -> tuple[tuple[str, str, str], ...]:
    conditions = speech.triage.knowledge.entries.conditions
    return tuple(
        (
            conditions[n].en if speech.english else conditions[n].name,
            conditions[n].icd,
            _percent(share),
        )
        for n, share in found
        if share >= LEAST_SHOWN
    )


def _percent(share: float) -> str:
    return f"{share * 100:.0f} %" if share >= LEAST_SHOWN else "< 1 %"
