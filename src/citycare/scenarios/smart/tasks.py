"""What happens by itself: tokens that are over are forgotten, a withdrawn consent ends its apps."""

from __future__ import annotations

from uuid import UUID

from citycare.kernel.context import Context
from citycare.kernel.events import Event, Handler, Periodic
from citycare.scenarios.smart.service import approving, tokens


async def purge(cx: Context) -> None:
    """Each ten minutes: what is over by time is forgotten, at most 50,000 of each kind."""
    await tokens.purge(cx)


async def end_withdrawn(cx: Context, event: Event) -> None:
    """After a person took the consent to apps back, wherever that was: their apps are over."""
    if event.facts.get("purpose") == approving.PURPOSE:
        person_id = UUID(str(event.facts["person"]))
        await approving.end_all_of(cx, person_id, event.at or cx.now)


PERIODICS = (Periodic("smart.purge", "*/10 * * * *", purge),)
HANDLERS = (Handler("consent.withdrawn", "smart.end_withdrawn", end_withdrawn),)
