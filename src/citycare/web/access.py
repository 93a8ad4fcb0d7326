"""Who looked at my record: when, why, through what, in which role and for whom they work.

Staff are named by name, role and workplace, never more. One's own doings are left out unless
asked for. Records merged into this one count as this one, and so do those of hospitals
that are linked to it, from before they were.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel import audit, consent, identity
from citycare.kernel.audit import Found
from citycare.kernel.identity import AccountCard
from citycare.web.actions import action_words, channel_words
from citycare.web.actors import actor_words, cards_of
from citycare.web.edge.contexts import WriteContext, gate
from citycare.web.edge.errors import SignInNeeded
from citycare.web.manner import Words, words_of
from citycare.web.parts import Option, Tag, Tone
from citycare.web.portals import persons
from citycare.web.respond import respond

router = APIRouter(include_in_schema=False)
ACTION = "record.access_log"
PATH = "/me/access"
SHOWN = 20
DOORS = ("session.opened",)  # one's own sign-ins: nobody looked
REASONED = ("record.break_glass", "operator.record")  # done for a reason typed for that once


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One access, in words the person it is about reads."""

    at: datetime
    what: str
    who: str
    role: str
    how: str
    why: str
    tag: Tag | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessPage:
    """What was done about the person, newest first."""

    name: str
    is_self: bool
    filters: tuple[Option, ...]
    looks: tuple[Look, ...]
    next: str
    is_first: bool


@router.get(PATH, dependencies=[gate(ACTION)])
async def who_looked(
    request: Request, cx: WriteContext, show: str = "", page: str = ""
) -> Response:
    """Show who did what about the person in hand."""
    person = await persons.in_hand(request, cx)
    if person is None:
        raise SignInNeeded(ACTION)
    await consent.require(cx, ACTION, person.person_id)
    everything = show == "all"
    words = words_of(request)
    ids = await identity.audit_ids_of(cx, person.person_id)
    mine = [cx.actor.account_id] if cx.actor.account_id and not everything else []
    doors = () if everything else DOORS
    query = audit.Query(persons=ids, not_by=mine, not_actions=doors)
    found = await audit.search(cx, query, page or None, SHOWN)
    cards = await cards_of(cx, {one.seen.account_id for one in found.items})
    if not person.is_self:
        await audit.append(
            cx, [audit.Entry(ACTION, person.person_id, f"person/{person.person_id}")]
        )
    shown = AccessPage(
        name=person.name,
        is_self=person.is_self,
        filters=(
            Option(value=PATH, label=words("别人看的"), selected=not everything),
            Option(value=f"{PATH}?show=all", label=words("连我自己的"), selected=everything),
        ),
        looks=tuple(_look(one, ids, cx.actor.account_id, cards, words) for one in found.items),
        next=_next(found.next, everything=everything),
        is_first=not page,
    )
    return await respond(request, cx, "portals/access.html", shown)


def _next(token: str | None, *, everything: bool) -> str:
    if token is None:
        return ""
    return f"{PATH}?page={token}" + ("&show=all" if everything else "")


def _look(
    found: Found,
    ids: Collection[UUID],
    me: UUID | None,
    cards: Mapping[UUID, AccountCard],
    words: Words,
) -> Look:
    seen = found.seen
    name, role = actor_words(seen.account_id, seen.actor, cards, words)
    how = channel_words(seen.channel, words)
    app = words("应用“%(app)s”", app=seen.detail["app"]) if "app_id" in seen.detail else ""
    card = cards.get(seen.account_id) if seen.account_id else None
    if seen.account_id is not None and seen.account_id == me:
        name, role = (app, words("您允许的应用")) if app else (words("您自己"), "")
    elif card is not None and not card.is_staff:
        acting = words("代办的家人") if seen.outcome == "ok" else words("别的居民")
        role = words("本人") if card.person_id in ids else acting
    what = action_words(seen.action, words)
    why = action_words(seen.purpose, words)
    reason = seen.detail.get("reason")
    if seen.action in REASONED and reason:
        why = str(reason)
    return Look(
        at=seen.at,
        what=what,
        who=name,
        role=role,
        how=app if app and app != name else how,
        why=why if why != what else "",
        tag=_tag(seen.action, seen.outcome, words),
    )


def _tag(action: str, outcome: str, words: Words) -> Tag | None:
    if outcome != "ok":
        return Tag(text=words("没有看成，已拦下"), tone=Tone.SOON)
    if action == "record.break_glass":
        return Tag(text=words("紧急查阅"), tone=Tone.DANGER)
    return None
