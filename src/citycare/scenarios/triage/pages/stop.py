"""Stop: 120 first, what to do until help is there; or somebody to talk to, before everything."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel.context import Context
from citycare.scenarios.triage.model.answer import Advice
from citycare.scenarios.triage.model.dialogue import Dialogue
from citycare.scenarios.triage.model.entries import Urgency
from citycare.scenarios.triage.model.places import Emergency, Position
from citycare.scenarios.triage.pages import offers
from citycare.scenarios.triage.pages.base import Speech, speech_of
from citycare.scenarios.triage.pages.words import SOON
from citycare.scenarios.triage.service import looking
from citycare.web.respond import respond

ALARMS_MAX = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class StopPage:
    """What it sounds like, what to do until help comes, where the nearest departments are.

    `alarms` are pairs of what was recognised and what to do.
    """

    id: UUID
    title: str
    words: str
    alarms: tuple[tuple[str, str], ...]
    emergencies: tuple[Emergency, ...]
    measured: bool
    may_go_back: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CrisisPage:
    """A person to talk to comes before everything. `phone` is of policy."""

    id: UUID
    phone: str
    emergencies: tuple[Emergency, ...]
    measured: bool
    may_go_back: bool


async def show(
    request: Request, cx: Context, made: Dialogue, told: Advice, near: Position | None
) -> Response:
    """Show what is to be done at once; nothing more is asked."""
    nearest = await offers.emergencies(request, cx, made, near)
    if told.crisis:
        crisis = CrisisPage(
            id=made.id,
            phone=await looking.crisis_phone(cx),
            emergencies=nearest,
            measured=near is not None,
            may_go_back=bool(made.answers),
        )
        return await respond(request, cx, "triage/crisis.html", crisis)
    speech = speech_of(request)
    title, sentence, _ = SOON[Urgency.NOW]
    page = StopPage(
        id=made.id,
        title=speech.words(title),
        words=speech.words(sentence),
        alarms=_alarms(told, speech),
        emergencies=nearest,
        measured=near is not None,
        may_go_back=bool(made.answers),
    )
    return await respond(request, cx, "triage/stop.html", page)


def _alarms(told: Advice, speech: Speech) -> tuple[tuple[str, str], ...]:
    """Say each thing to do once, under the first of what calls for it; few fit in a fright."""
    found: dict[str, str] = {}
    for one in told.alarms:
        if one.urgency is Urgency.NOW:
            name, say = speech.alarm(one)
            found.setdefault(say, name)
    return tuple((name, say) for say, name in list(found.items())[:ALARMS_MAX])
