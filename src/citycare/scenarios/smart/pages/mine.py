"""Which apps may read my record and my children's, and taking that back."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel import audit, identity
from citycare.kernel.context import Context
from citycare.scenarios.smart.model import Shared
from citycare.scenarios.smart.pages.words import kinds_in_full
from citycare.scenarios.smart.rules import scopes
from citycare.scenarios.smart.service import approving
from citycare.web.edge.contexts import WriteContext, gate
from citycare.web.family.words import until
from citycare.web.manner import Words, manner_of, words_of
from citycare.web.parts import Fact, Link
from citycare.web.rendering import local_day
from citycare.web.respond import redirect, respond
from citycare.web.shell import Toast

router = APIRouter(include_in_schema=False)

HOME = "/me/apps"
GATE = gate("consent.give")


@dataclass(frozen=True, slots=True, kw_only=True)
class AppsPage:
    """The apps that may read something now."""

    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AppPage:
    """One of them, in plain words."""

    id: UUID
    title: str
    facts: tuple[Fact, ...]


@router.get(HOME, dependencies=[GATE])
async def apps(request: Request, cx: WriteContext) -> Response:
    """List the apps."""
    words = words_of(request)
    shared = await approving.list_shared(cx)
    names = await _names(cx, [one.patient_id for one in shared])
    page = AppsPage(
        links=tuple(
            Link(
                label=one.client_name,
                href=f"{HOME}/{one.id}",
                icon="link",
                note=words(
                    "%(name)s的档案，%(until)s",
                    name=names.get(one.patient_id, ""),
                    until=until(request, one.expires_at, words),
                ),
            )
            for one in shared
        )
    )
    return await respond(request, cx, "smart/apps.html", page)


@router.get(HOME + "/{approval_id}", dependencies=[GATE])
async def app(request: Request, cx: WriteContext, approval_id: UUID) -> Response:
    """Show what one app may read."""
    page = await _page(request, cx, await approving.find_shared(cx, approval_id))
    return await respond(request, cx, "smart/app.html", page)


@router.get(HOME + "/{approval_id}/end", dependencies=[GATE])
async def ask_end(request: Request, cx: WriteContext, approval_id: UUID) -> Response:
    """Ask once before it is taken back."""
    page = await _page(request, cx, await approving.find_shared(cx, approval_id))
    return await respond(request, cx, "smart/end.html", page)


@router.post(HOME + "/{approval_id}/end", dependencies=[GATE])
async def end(request: Request, cx: WriteContext, approval_id: UUID) -> Response:
    """Take it back: the app reads nothing from now on."""
    shared = await approving.find_shared(cx, approval_id)
    await approving.withdraw(cx, shared)
    words = words_of(request)
    text = words("撤回了，“%(app)s”从现在起看不到档案。", app=shared.client_name)
    return redirect(request, HOME, notice=Toast(text=text))


async def _page(request: Request, cx: Context, one: Shared) -> AppPage:
    words: Words = words_of(request)
    names = await _names(cx, [one.patient_id])
    since = local_day(one.given_at, manner_of(request).lang)
    return AppPage(
        id=one.id,
        title=one.client_name,
        facts=(
            Fact(name=words("谁提供"), text=one.publisher),
            Fact(name=words("谁的档案"), text=names.get(one.patient_id, "")),
            Fact(name=words("能看什么"), text=kinds_in_full(scopes.parse(one.scopes), words)),
            Fact(name=words("同意的日子"), text=since),
            Fact(name=words("有效期"), text=until(request, one.expires_at, words)),
        ),
    )


async def _names(cx: Context, patients: list[UUID]) -> dict[UUID, str]:
    """Return the names of whose records they are, and write down that they were read."""
    found = await identity.list_persons(cx, patients)
    entries = [audit.Entry("person.read", one, f"person/{one}") for one in found]
    if entries:
        await audit.append(cx, entries)
    return {one: person.name for one, person in found.items()}
