"""What pages look at beside the advice: complaints of a place, what to watch for, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from citycare.kernel import audit, consent, identity
from citycare.kernel.context import Context, policy
from citycare.scenarios.triage.model.dialogue import Dialogue, DialogueUnknown
from citycare.scenarios.triage.model.entries import Finding
from citycare.scenarios.triage.model.heard import Heard, Kind
from citycare.scenarios.triage.rules import flags
from citycare.scenarios.triage.rules.advise import SHARPNESS, Triage
from citycare.scenarios.triage.rules.evidence import evidence_of
from citycare.scenarios.triage.rules.reason import believe
from citycare.scenarios.triage.store import dialogues as store

READ = "record.read"
COMPLAINTS_MAX = 8
WATCH_MAX = 5
NOT_WATCHED = ("value", "history")  # nobody sees them coming: a count of white cells, an illness
COMPLAINT_KINDS = ("symptom", "sign")
DAYS_A_YEAR = 365.25


@dataclass(frozen=True, slots=True)
class Behind:
    """Why a dialogue ended as it did, for clinicians: never shown to a resident.

    `conditions` are places in the knowledge with probabilities, the likeliest first.
    """

    dialogue: Dialogue
    person: identity.Person
    heard: Heard
    conditions: tuple[tuple[int, float], ...]


def said_words(finding: Finding) -> str:
    """Return how people say a finding, so that it is understood; empty where only patterns do."""
    plain = [word for word in finding.words if "~" not in word and "<" not in word]
    return finding.name if finding.name in plain else next(iter(plain), "")


def complaints(triage: Triage, site: str, count: int = COMPLAINTS_MAX) -> tuple[Finding, ...]:
    """Return what people most often complain of at a place of the body, the commonest first."""
    here = [
        one
        for one in triage.knowledge.entries.findings
        if one.site == site and one.kind in COMPLAINT_KINDS and said_words(one)
    ]
    return tuple(sorted(here, key=lambda one: -one.base)[:count])


def understood(triage: Triage, one: Dialogue) -> Heard:
    """Return what was heard in the first message and in the answers."""
    return triage.with_answers(triage.hear_again(one), one.answers)


def watch_for(triage: Triage, heard: Heard) -> tuple[str, ...]:
    """Return the findings that would make an emergency of what is there: when to worry."""
    knowledge = triage.knowledge
    belief = believe(knowledge, evidence_of(knowledge, heard), SHARPNESS)
    found = flags.to_ask(knowledge, heard, (), belief)
    findings = knowledge.entries.findings
    seen = [one for one in found if findings[knowledge.finding[one]].kind not in NOT_WATCHED]
    return tuple(seen[:WATCH_MAX])


def is_wish_only(heard: Heard) -> bool:
    """Tell whether somebody wants something done (a prescription renewed) and has no complaint."""
    return bool(heard.mentions) and all(one.kind is Kind.CUE for one in heard.mentions)


async def youth_phone(cx: Context) -> str:
    """Return the number a child may call who has nobody at hand."""
    return str(await policy.value(cx, "triage.youth.phone"))


async def crisis_phone(cx: Context) -> str:
    """Return the number of people to talk to for who may hurt themselves."""
    return str(await policy.value(cx, "triage.crisis.phone"))


async def is_minor(cx: Context, age: float | None) -> bool:
    """Tell whether somebody of this age is asked to bring a parent along."""
    if age is None:
        return False
    return age < float(await policy.value(cx, "triage.minor.age"))


async def age_of(cx: Context, person_id: UUID) -> float:
    """Return how old somebody is, in years."""
    born_on = (await identity.get_person(cx, person_id)).born_on
    return float((cx.now.date() - born_on) / timedelta(days=DAYS_A_YEAR))


async def family(cx: Context) -> dict[UUID, str]:
    """Return for whom the actor may ask, with names: oneself first, then who agreed to it."""
    me = cx.actor.person_id
    if me is None or cx.actor.account_id is None:
        return {}
    held = (await identity.relations_of(cx, me)).acts_for
    others = [one.person_id for one in held if identity.ProxyScope.BOOKING in one.scopes]
    found = await identity.list_persons(cx, others)
    return {me: cx.actor.name} | {one: found[one].name for one in others if one in found}


async def behind(cx: Context, triage: Triage, dialogue_id: UUID) -> Behind:
    """Return why a person's dialogue came to its advice; the reading is audited.

    Raises:
        DialogueUnknown: no such dialogue, or it is about nobody we know.
        NotVisible: the actor does not treat the person.
    """
    one = await store.find(cx.db, dialogue_id)
    if one is None or one.person_id is None:
        raise DialogueUnknown
    await consent.require(cx, READ, one.person_id)
    record = f"QuestionnaireResponse/{one.id}"
    await audit.append(cx, [audit.Entry(READ, one.person_id, record)])
    heard = understood(triage, one)
    person = await identity.get_person(cx, one.person_id)
    return Behind(one, person, heard, triage.behind(heard))
