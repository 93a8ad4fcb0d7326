"""What to do now: how soon, which department and why, and whom one can book with at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel.context import Context
from citycare.kit import clock
from citycare.scenarios.triage.model.answer import Advice, Suggested
from citycare.scenarios.triage.model.dialogue import Dialogue
from citycare.scenarios.triage.model.entries import Urgency
from citycare.scenarios.triage.model.heard import Heard, Kind, Said
from citycare.scenarios.triage.model.places import Emergency, Position
from citycare.scenarios.triage.pages import offers
from citycare.scenarios.triage.pages.base import PATH, Speech, speech_of
from citycare.scenarios.triage.pages.words import SOON, Odd, odd_of, wishes_of
from citycare.scenarios.triage.rules.advise import EMERGENCY, GENERAL_PRACTICE
from citycare.scenarios.triage.rules.flags import present_of
from citycare.scenarios.triage.service import looking
from citycare.web.manner import Words, manner_of
from citycare.web.parts import Action, Link, Tone
from citycare.web.portals import persons
from citycare.web.respond import respond

FEVER = "fever"
OFFERS_FIRST, OFFERS_MORE, OFFERS_ELDER = 3, 2, 2
WORTH_SHOWING = 0.1  # a department less likely than this only confuses


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A department: why, whom one can book with, or why one cannot."""

    name: str
    why: str
    places: tuple[Link, ...]
    none: str
    late: str
    search: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvicePage:
    """The advice, most urgent first. Empty texts: nothing to say there.

    `parts` have their places with them; `also` are departments less likely, as rows.
    """

    id: UUID
    title: str
    words: str
    tone: Tone
    alarms: tuple[tuple[str, str], ...]
    parts: tuple[Part, ...]
    emergencies: tuple[Emergency, ...]
    wishes: tuple[str, ...]
    fever: bool
    fever_clinics: tuple[Emergency, ...]
    unsure: bool
    watch: tuple[str, ...]
    youth: str
    booked_for: str
    measured: bool
    main: Action
    also: tuple[Link, ...]
    going_on: bool
    may_go_back: bool


async def show(
    request: Request,
    cx: Context,
    made: Dialogue,
    told: Advice,
    heard: Heard,
    near: Position | None,
    *,
    others: bool = False,
) -> Response:
    """Show the advice; `others` opens the places of the second and third department too."""
    speech = speech_of(request)
    title, sentence, tone = SOON[told.urgency]
    cues = speech.triage.knowledge.entries.cues
    said = [cues[one.index] for one in heard.mentions if one.kind == "cue"]
    good_at = _good_at(speech, told)
    chosen, said_no = _chosen(told, heard), _denied(speech, heard)
    parts, first_day = [], None
    for n, one in enumerate(chosen if others else chosen[:1]):
        count = OFFERS_FIRST if n == 0 else OFFERS_MORE
        if manner_of(request).elder:
            count = OFFERS_ELDER
        found = offers.Places((), late=False, first_day=None)
        if one.code != EMERGENCY:
            found = await offers.places(
                request, cx, made, one.code,
                urgency=told.urgency, count=count, good_at=good_at, near=near,
            )  # fmt: skip
            first_day = first_day or found.first_day
        parts.append(_part(one, found, speech, told, said_no))
    fever = _is_feverish(speech, heard) and first_day != clock.day_of(cx.now)
    page = AdvicePage(
        id=made.id,
        title=speech.words(title),
        words=speech.words(sentence),
        tone=tone,
        alarms=tuple(speech.alarm(one) for one in told.alarms),
        parts=tuple(parts),
        emergencies=await offers.emergencies(request, cx, made, near)
        if any(one.code == EMERGENCY for one in chosen) or _is_too_late(cx, told, first_day)
        else (),
        wishes=wishes_of(told.intents, tuple(said), speech),
        fever=fever,
        fever_clinics=await offers.emergencies(request, cx, made, near, fever=True)
        if fever
        else (),
        unsure=not told.sure,
        watch=tuple(speech.finding(one) for one in looking.watch_for(speech.triage, heard)),
        youth=await _youth(request, cx, made, heard),
        booked_for=await _booked_for(request, cx, made),
        measured=near is not None,
        main=_main(parts, speech.words),
        also=_also(made, chosen[len(parts) :], speech, said_no),
        going_on=told.question is not None,
        may_go_back=bool(made.answers),
    )
    return await respond(request, cx, "triage/advice.html", page)


def _chosen(told: Advice, heard: Heard) -> tuple[Suggested, ...]:
    """Return the departments to show: a general practitioner first where one is enough."""
    likely = tuple(one for one in told.departments if one.probability >= WORTH_SHOWING)
    found = likely or tuple(told.departments[:1])
    age = heard.patient.age
    if not told.gp or (age is not None and age < offers.CHILD_UNDER):
        return found
    if found[0].code == GENERAL_PRACTICE:
        return found
    rest = tuple(one for one in found if one.code != GENERAL_PRACTICE)
    return (Suggested(GENERAL_PRACTICE, "", 1.0), *rest[:2])


def _denied(speech: Speech, heard: Heard) -> frozenset[str]:
    findings = speech.triage.knowledge.entries.findings
    return frozenset(
        findings[one.index].id
        for one in heard.mentions
        if one.kind is Kind.FINDING and one.said is Said.NO
    )


def _also(
    made: Dialogue, rest: Sequence[Suggested], speech: Speech, said_no: frozenset[str]
) -> tuple[Link, ...]:
    """Name the less likely departments; a tap opens the places of all."""
    href = f"{PATH}/{made.id}?advice=1&other=1"
    return tuple(
        Link(label=speech.department(one.code), note=_why(one, speech, said_no), href=href)
        for one in rest
    )


def _part(
    one: Suggested, found: offers.Places, speech: Speech, told: Advice, said_no: frozenset[str]
) -> Part:
    words = speech.words
    name = speech.department(one.code)
    none = late = ""
    if one.code == EMERGENCY:
        none = words("急诊不用预约，带上证件直接去。")
    elif not found.rows:
        none = words("这两周没有能在网上约的号。带证件到医院窗口挂这个科，或打 12320 问一问。")
    elif found.late and told.urgency is Urgency.TODAY:
        late = words("今天没有号了，下面是最早的。等不了就去急诊。")
    elif found.late:
        late = words("这一周没有号了，下面是最早的。")
    return Part(
        name=name,
        why=_why(one, speech, said_no),
        places=found.rows,
        none=none,
        late=late,
        search="" if one.code == EMERGENCY else f"/book?q={name}",
    )


def _why(one: Suggested, speech: Speech, said_no: frozenset[str]) -> str:
    """Say in plain words what speaks for a department; never a disease.

    Of what is not there only what the person said so of, not what follows from it.
    """
    words = speech.words
    if one.code == GENERAL_PRACTICE and not one.name:
        return words("这种情况，社区的全科多半就能看。需要时，医生会帮您转到专科。")
    if not one.because:
        plain = speech.plain(one.code)
        return words("这个科看：%(what)s。", what=plain) if plain else ""
    because = speech.findings(one.because)
    denied = [name for name in one.without if name in said_no]
    if denied:
        without = speech.findings(denied)
        return words("因为%(because)s，而且没有%(without)s。", because=because, without=without)
    return words("因为%(because)s。", because=because)


def _good_at(speech: Speech, told: Advice) -> Sequence[str]:
    """Return what the person has, as doctors write what they are good at: in Chinese."""
    knowledge = speech.triage.knowledge
    return [
        knowledge.entries.findings[knowledge.finding[name]].name
        for name in told.departments[0].because
    ]


def _is_feverish(speech: Speech, heard: Heard) -> bool:
    return FEVER in present_of(speech.triage.knowledge, heard)[0]


def _is_too_late(cx: Context, told: Advice, first_day: object) -> bool:
    return told.urgency is Urgency.TODAY and first_day != clock.day_of(cx.now)


def _main(parts: Sequence[Part], words: Words) -> Action:
    """Return the one thing to do: book the first place, else look for one."""
    first = parts[0]
    if first.places:
        place = first.places[0]
        return Action(label=words("约%(doctor)s", doctor=place.label), href=place.href)
    if first.search:
        return Action(label=words("找这个科的号"), href=first.search, icon="search")
    return Action(label=words("打 120 问哪家能收"), href="tel:120", icon="phone")


async def _youth(request: Request, cx: Context, made: Dialogue, heard: Heard) -> str:
    """Return whom a child alone may call; empty for everybody else."""
    person = await persons.in_hand(request, cx)
    alone = person.is_self if person is not None else heard.patient.who == "self"
    if person is not None and made.person_id != person.person_id:
        alone = False
    if not alone or not await looking.is_minor(cx, heard.patient.age):
        return ""
    return await looking.youth_phone(cx)


async def _booked_for(request: Request, cx: Context, made: Dialogue) -> str:
    """Say in whose name a booking would be, where that is not who it is about."""
    person = await persons.in_hand(request, cx)
    if person is None or made.person_id == person.person_id:
        return ""
    return person.name


@dataclass(frozen=True, slots=True, kw_only=True)
class OddPage:
    """Nothing was understood: what to try."""

    id: UUID
    odd: Odd
    said: str


async def show_odd(request: Request, cx: Context, made: Dialogue, told: Advice) -> Response:
    """Say kindly that nothing was understood, and how to go on."""
    page = OddPage(
        id=made.id, odd=odd_of(told.odd, made.text, speech_of(request)), said=made.text[:200]
    )
    return await respond(request, cx, "triage/odd.html", page)
