"""For whom a resident acts just now: themselves, or a family member they may act for.

The choice is kept in a sealed cookie and held against the relation on every page: an ended
relation ends the choice. `consent.require` still decides about each deed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel.context import Context
from citycare.kernel.identity import relations
from citycare.web.edge import cookies
from citycare.web.edge.exchange import edge_of, exchange_of

PURPOSE = "person"
LIFE = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class InHand:
    """The person a page is about."""

    person_id: UUID
    name: str
    is_self: bool


async def in_hand(request: Request, cx: Context) -> InHand | None:
    """Return for whom the actor acts on this page; None when the account has no person."""
    me = cx.actor.person_id
    if me is None or cx.actor.account_id is None:
        return None
    edge = edge_of(request)
    sealed = cookies.get(request, edge, cookies.PERSON)
    if sealed is not None:
        value = edge.sealer.open(f"{PURPOSE}/{cx.actor.account_id}", sealed, cx.now)
        if value is not None:
            other = UUID(value[0])
            powers = await relations.list_powers(cx.db, [(me, other)], cx.now)
            if powers.get((me, other)):
                return InHand(other, value[1], is_self=False)
    return InHand(me, cx.actor.name, is_self=True)


def choose(request: Request, response: Response, cx: Context, person_id: UUID, name: str) -> None:
    """Act for this person from the next page on; for oneself the choice is dropped."""
    edge = edge_of(request)
    if person_id == cx.actor.person_id:
        cookies.drop(response, edge, cookies.PERSON)
        return
    purpose = f"{PURPOSE}/{cx.actor.account_id}"
    value = edge.sealer.seal(purpose, [str(person_id), name], exchange_of(request).now, LIFE)
    cookies.put(response, edge, cookies.PERSON, value, int(LIFE.total_seconds()))
