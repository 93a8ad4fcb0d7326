"""Where does it hurt? One question, a body to point at, and for whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel.context import Context
from citycare.scenarios.triage.model.dialogue import State, TextMissing
from citycare.scenarios.triage.pages import body
from citycare.scenarios.triage.pages.base import PATH, SEXES, Speech, speech_of, triage_of
from citycare.scenarios.triage.rules.english import original_of, with_chinese
from citycare.scenarios.triage.rules.person import age_of
from citycare.scenarios.triage.rules.text import TEXT_MAX
from citycare.scenarios.triage.service import dialogues, looking
from citycare.web import forms
from citycare.web.edge.contexts import ReadContext, WriteContext, gate
from citycare.web.i18n import mark
from citycare.web.manner import Words, manner_of, words_of
from citycare.web.parts import Action, Link, Option
from citycare.web.portals import persons
from citycare.web.respond import redirect, respond
from citycare.web.shell import Toast

router = APIRouter(include_in_schema=False)
AGE_MAX = 120
BABY = 0.5  # years: somebody under one of whom the words say no month
QUOTED_MAX = 24
OTHER = "other"
TOO_LONG = mark("写得太长了，请挑最要紧的说，两万字以内。您写的都还在。")
AGE_WRONG = mark("年龄写个数字就行，比如 67。不到一岁写 0。")


@dataclass(frozen=True, slots=True, kw_only=True)
class AskPage:
    """The one question, what was typed so far, and what is wrong with it.

    `whom`: for whom one may ask, empty for a stranger; `youth`: whom a child alone may call.
    """

    text: str
    text_max: int
    error: str
    age: str
    age_error: str
    sexes: tuple[Option, ...]
    whom: tuple[Option, ...]
    youth: str
    body: body.Body
    going_on: Action | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacesPage:
    """Elder mode: one list of places, or of complaints at one."""

    title: str
    rows: tuple[Link, ...]
    complaints: tuple[Option, ...]
    others: tuple[Action, ...]
    back: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WhoPage:
    """Elder mode, nobody signed in: how old, woman or man. `text`, `complaint`: said before."""

    text: str
    complaint: str
    age: str
    age_error: str
    sexes: tuple[Option, ...]


@dataclass(slots=True)
class Typed:
    """What somebody has typed, and what is wrong with it (in Chinese, looked up when shown)."""

    text: str = ""
    complaint: str = ""
    age: str = ""
    sex: str = ""
    whom: str = ""
    error: str = ""
    age_error: str = ""

    def years(self) -> float | None:
        """Return the age in years; None where nothing was said; notes what cannot be one."""
        said = self.age.strip()
        if not said:
            return None
        if not said.isdecimal() or not 0 <= int(said) <= AGE_MAX:
            self.age_error = AGE_WRONG
            return None
        if said.strip("0"):
            return float(said)
        return None if age_of(self.text) is not None else BABY


@router.get(PATH, dependencies=[gate("triage.ask", anonymous=True)])
async def ask(
    request: Request,
    cx: ReadContext,
    site: Annotated[str, Query(max_length=20)] = "",
    again: UUID | None = None,
    step: Annotated[str, Query(pattern="^(body)?$")] = "",
    part: Annotated[int, Query(ge=0, le=20)] = 0,
) -> Response:
    """Ask where it hurts; `again` puts what was said in a dialogue back, to say it better."""
    speech = speech_of(request)
    if manner_of(request).elder and (step or site in body.SITES):
        page = _places(speech, site, part)
        return await respond(request, cx, "triage/places.html", page)
    typed = Typed()
    if again is not None:
        before = await dialogues.get(cx, again)
        typed.text, typed.sex = original_of(before.text), before.sex
        if before.person_id is None and before.age_years is not None:
            typed.age = str(int(before.age_years))
        typed.whom = OTHER if before.person_id is None else str(before.person_id)
    return await _show(request, cx, typed, site)


async def _show(
    request: Request, cx: Context, typed: Typed, site: str = "", status: int = 200
) -> Response:
    speech = speech_of(request)
    person = await persons.in_hand(request, cx)
    page = AskPage(
        text=typed.text,
        text_max=TEXT_MAX,
        error=speech.words(typed.error) if typed.error else "",
        age=typed.age,
        age_error=speech.words(typed.age_error) if typed.age_error else "",
        sexes=_sexes(typed.sex, speech.words),
        whom=await _whom(cx, person, typed, speech.words),
        youth=await looking.youth_phone(cx) if await _is_minor(cx, person) else "",
        body=body.body_of(speech, site),
        going_on=await _going_on(cx, person, speech.words),
    )
    return await respond(request, cx, "triage/ask.html", page, status=status)


async def _is_minor(cx: Context, person: persons.InHand | None) -> bool:
    """Tell whether a child is here for themselves, without a parent."""
    if person is None or not person.is_self:
        return False
    return await looking.is_minor(cx, await looking.age_of(cx, person.person_id))


async def _going_on(
    cx: Context, person: persons.InHand | None, words: Words
) -> Action | None:  # fmt: skip
    """Offer the dialogue that somebody left in the middle a while ago."""
    if person is None:
        return None
    before = await dialogues.find_recent(cx, person.person_id)
    if before is None or before.state is not State.ASKING:
        return None
    said = " ".join(original_of(before.text).split())
    quoted = said if len(said) <= QUOTED_MAX else said[:QUOTED_MAX] + "…"
    return Action(label=words("接着问“%(said)s”", said=quoted), href=f"{PATH}/{before.id}")


async def _whom(
    cx: Context, person: persons.InHand | None, typed: Typed, words: Words
) -> tuple[Option, ...]:
    """List for whom one may ask: oneself, family who agreed, or somebody else with an age."""
    if person is None:
        return ()
    chosen = typed.whom or str(person.person_id)
    names = await looking.family(cx) or {person.person_id: person.name}
    own = tuple(
        Option(
            value=str(one),
            label=words("我自己") if one == cx.actor.person_id else name,
            note=name if one == cx.actor.person_id else "",
            selected=chosen == str(one),
        )
        for one, name in names.items()
    )
    return (*own, Option(value=OTHER, label=words("别人"), selected=chosen == OTHER))


def _sexes(chosen: str, words: Words) -> tuple[Option, ...]:
    return tuple(
        Option(value=value, label=words(label), selected=value == chosen) for value, label in SEXES
    )


def _places(speech: Speech, site: str, part: int) -> PlacesPage:
    words = speech.words
    if site in body.SITES:
        return PlacesPage(
            title=words("%(place)s怎么不舒服？", place=words(body.SITES[site])),
            rows=(),
            complaints=body.complaints_of(speech, site)[: body.ROWS_MAX],
            others=(Action(label=words("都不是，我来说"), href=PATH),),
            back=f"{PATH}?step=body",
        )
    rows, more = body.rows_of(speech, part)
    back = f"{PATH}?step=body&part={part - 1}" if part else PATH
    return PlacesPage(
        title=words("哪个地方不舒服？"), rows=rows, complaints=(), others=more, back=back
    )


@router.post(PATH, dependencies=[gate("triage.ask", anonymous=True)])
async def begin(request: Request, cx: WriteContext) -> Response:
    """Take what was said and go on to the first question; nothing typed is ever lost."""
    form = await forms.read(request)
    typed = Typed(
        text=form.values.get("text", ""),
        complaint=form.values.get("complaint", ""),
        age=form.values.get("age", ""),
        sex=form.values.get("sex", ""),
        whom=form.values.get("whom", ""),
    )
    text = _said(request, typed)
    if not text.strip():
        typed.error = TextMissing.words
    elif len(typed.text) > TEXT_MAX:
        typed.error = TOO_LONG
    if typed.error:
        return await _show(request, cx, typed, status=422)
    person = await _person(request, cx, typed.whom)
    years = typed.years() if person is None else None
    if person is None and not typed.whom and manner_of(request).elder:
        if typed.age_error or not form.is_checked("asked"):
            return await _ask_who(request, cx, typed)
    elif typed.age_error:
        return await _show(request, cx, typed, status=422)
    made, _ = await dialogues.begin(
        cx,
        triage_of(request),
        text,
        age=years,
        sex=typed.sex if person is None and typed.sex in ("female", "male") else "",
        person_id=person.person_id if person is not None else None,
        use_record=person is not None and person.is_self and form.is_checked("record"),
        proposer=request.app.state.triage_proposer,
    )
    return await _on(request, cx, person, f"{PATH}/{made.id}")


async def _person(request: Request, cx: Context, whom: str) -> persons.InHand | None:
    """Return whom it is about: whom one chose, else for whom one acts; None: somebody else."""
    person = await persons.in_hand(request, cx)
    if person is None or whom == OTHER:
        return None
    for one, name in (await looking.family(cx)).items():
        if str(one) == whom:
            return persons.InHand(one, name, is_self=one == cx.actor.person_id)
    return person


async def _on(
    request: Request, cx: Context, person: persons.InHand | None, to: str
) -> Response:  # fmt: skip
    """Go on; for somebody of the family, what is booked after it is for them too."""
    before = await persons.in_hand(request, cx)
    if person is None or before is None or person.person_id == before.person_id:
        return redirect(request, to)
    said = words_of(request)("现在为%(name)s办理。", name=person.name)
    response = redirect(request, to, notice=Toast(text=said))
    persons.choose(request, response, cx, person.person_id, person.name)
    return response


def _said(request: Request, typed: Typed) -> str:
    """Return the first message: the complaint tapped with what was typed, English understood."""
    triage = triage_of(request)
    knowledge = triage.knowledge
    tapped = ""
    if typed.complaint in knowledge.finding:
        tapped = looking.said_words(knowledge.entries.findings[knowledge.finding[typed.complaint]])
    typed_text = with_chinese(knowledge.entries, typed.text.strip())
    return "，".join(filter(None, (tapped, typed_text)))


async def _ask_who(request: Request, cx: Context, typed: Typed) -> Response:
    words = speech_of(request).words
    page = WhoPage(
        text=typed.text,
        complaint=typed.complaint,
        age=typed.age,
        age_error=words(typed.age_error) if typed.age_error else "",
        sexes=_sexes(typed.sex, words),
    )
    return await respond(
        request, cx, "triage/who.html", page, status=422 if typed.age_error else 200
    )
