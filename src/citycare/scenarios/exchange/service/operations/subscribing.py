"""`$status` and `$events` of Subscriptions.

Source: Subscriptions R5 Backport IG 1.1.0, operations backport-subscription-status and
backport-subscription-events.
"""

from __future__ import annotations

from citycare.kernel.context import Context
from citycare.kernel.fhir import finding
from citycare.kernel.fhir.finding import Visible
from citycare.kernel.fhir.searching import reading
from citycare.scenarios.exchange.model.calls import Answer
from citycare.scenarios.exchange.model.subscriptions import Content, Owner, State
from citycare.scenarios.exchange.service.operations.given import wrong
from citycare.scenarios.exchange.service.operations.model import Operating, answer
from citycare.scenarios.exchange.service.reading import visible_version
from citycare.scenarios.exchange.service.subscriptions import asking

STATUS = frozenset(("id", "status"))
EVENTS = frozenset(("eventsSinceNumber", "eventsUntilNumber", "content"))


async def status(asked: Operating) -> Answer:
    """Answer how subscriptions stand that the caller may see: this one, some, or all."""
    asked.access.require("Subscription", "r")
    states = asked.given.listed("status")
    for each in states:
        if each not in set(State):
            raise wrong("status", each, "none of " + " ".join(State))
    if asked.id:
        await visible_version(asked.cx, asked.access, asked.trail, asked.type, asked.id)
        ids = [asked.id]
    else:
        ids = await _visible(asked, asked.given.listed("id"))
    await asked.note()
    return answer(await asking.status(asked.cx, ids, states or None, base=asked.base))


async def _visible(asked: Operating, ids: list[str]) -> list[str]:
    """Return those of these subscriptions, or of all, that the caller may see."""
    pairs = [("_count", str(reading.COUNT_MAX)), *([("_id", ",".join(ids))] if ids else [])]
    query = reading.read(("Subscription",), pairs, now=asked.cx.now, base=asked.base)
    found = await finding.find(asked.cx, query, visible=asked.access.seen("r"))
    return [hit.id for hit in found.matches]


async def events(asked: Operating) -> Answer:
    """Answer what a subscription has had to tell, of which the caller sees what it may see."""
    asked.access.require("Subscription", "r")
    await visible_version(asked.cx, asked.access, asked.trail, asked.type, asked.id)
    given = asked.given
    text = given.text("content")
    if text and text not in set(Content):
        raise wrong("content", text, "none of " + " ".join(Content))
    seen = asked.access.seen("r")

    async def sees(_: Context, __: Owner) -> Visible:
        return seen

    until = given.number("eventsUntilNumber")
    told, persons = await asking.events(
        asked.cx,
        asked.id,
        sees,
        base=asked.base,
        since=given.number("eventsSinceNumber") or 1,
        until=asking.NUMBER_MAX if until is None else until,
        content=Content(text) if text else None,
    )
    await asked.note(persons)
    return answer(told)
