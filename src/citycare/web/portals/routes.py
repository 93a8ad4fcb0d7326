"""Pages every resident has: "me", and for whom one acts. And a plain root for each portal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel import identity
from citycare.kernel.context import Context
from citycare.kit.errors import NotFound
from citycare.web import i18n
from citycare.web.edge.contexts import ReadContext, WriteContext, gate
from citycare.web.edge.exchange import edge_of
from citycare.web.i18n import mark
from citycare.web.manner import manner_of
from citycare.web.portals import persons
from citycare.web.portals.model import PORTALS, Portal
from citycare.web.respond import local, redirect, respond
from citycare.web.shell import Toast

router = APIRouter(include_in_schema=False)


class PersonNotYours(NotFound):
    """There is nobody here you may act for."""

    code = "portal.person_not_yours"
    words = "没有找到这位家人，或代办关系已经到期。请到窗口重新办理。"


@dataclass(frozen=True, slots=True, kw_only=True)
class MePage:
    """What belongs to the account."""

    name: str
    has_person: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One person one may act for."""

    person_id: UUID
    name: str
    is_self: bool
    is_chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PeoplePage:
    """For whom one acts now."""

    choices: Sequence[Choice]
    next: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HomePage:
    """A portal's places as large links, until a scenario brings a better root."""

    links: Sequence[tuple[str, str, str]]
    is_signed_in: bool


@router.get("/me", dependencies=[gate("portal.me")])
async def me(request: Request, cx: ReadContext) -> Response:
    """Show what belongs to the account."""
    page = MePage(name=cx.actor.name, has_person=cx.actor.person_id is not None)
    return await respond(request, cx, "portals/me.html", page)


@router.get("/me/people", dependencies=[gate("portal.switch_person")])
async def people(request: Request, cx: ReadContext, next: str = "/") -> Response:  # noqa: A002
    """Show for whom one may act."""
    now = await persons.in_hand(request, cx)
    chosen = now.person_id if now is not None else None
    choices = [
        Choice(
            person_id=person_id,
            name=name,
            is_self=person_id == cx.actor.person_id,
            is_chosen=person_id == chosen,
        )
        for person_id, name in (await _allowed(cx)).items()
    ]
    page = PeoplePage(choices=choices, next=local(next))
    return await respond(request, cx, "portals/people.html", page)


@router.post("/me/people", dependencies=[gate("portal.switch_person")])
async def switch(
    request: Request,
    cx: WriteContext,
    person_id: Annotated[UUID, Form()],
    next: Annotated[str, Form(max_length=2000)] = "/",  # noqa: A002
) -> Response:
    """Act for this person from the next page on."""
    name = (await _allowed(cx)).get(person_id)
    if name is None:
        raise PersonNotYours
    words = i18n.translations(manner_of(request).lang)
    text = words.gettext(mark("现在为%(name)s办理。")) % {"name": name}
    response = redirect(request, local(next), notice=Toast(text=text))
    persons.choose(request, response, cx, person_id, name)
    return response


async def _allowed(cx: Context) -> dict[UUID, str]:
    """Return whom the actor may act for, oneself first, with names."""
    mine = cx.actor.person_id
    if mine is None:
        return {}
    relations = await identity.relations_of(cx, mine)
    others = [relation.person_id for relation in relations.acts_for]
    found = await identity.list_persons(cx, others)
    names = {person_id: found[person_id].name for person_id in others if person_id in found}
    return {mine: cx.actor.name, **names}


def home_router() -> APIRouter:
    """Return plain roots for all portals; included last, so a scenario's own root comes first."""
    homes = APIRouter(include_in_schema=False)
    for portal in PORTALS.values():
        homes.add_api_route(
            portal.root,
            _home(portal.name),
            name=f"portal.{portal.name}",
            dependencies=[portal_gate(portal, f"portal.{portal.name}")],
            methods=["GET"],
        )
    return homes


def portal_gate(portal: Portal, action: str) -> Any:
    """Return the gate of a portal's page: its roles; the residents' is open to everybody."""
    return gate(action, roles=portal.roles, anonymous=not portal.roles)


def _home(name: str) -> Callable[..., Awaitable[Response]]:
    async def home(request: Request, cx: ReadContext) -> Response:
        portal = edge_of(request).portals[name]
        words = i18n.translations(manner_of(request).lang)
        links = [
            (words.gettext(entry.label), entry.href, entry.icon)
            for entry in portal.visible_to(cx.actor)
            if entry.href != portal.root
        ]
        page = HomePage(links=links, is_signed_in=cx.actor.account_id is not None)
        template = "portals/home.html" if name == "resident" else "portals/work_home.html"
        return await respond(request, cx, template, page, portal=portal)

    return home
