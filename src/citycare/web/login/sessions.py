"""My open sessions: see them, end one, end all others."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel import identity
from citycare.kernel.context import Context
from citycare.kernel.identity import Session
from citycare.kit.errors import NotFound
from citycare.web import i18n
from citycare.web.edge.contexts import ReadContext, WriteContext, gate
from citycare.web.edge.errors import SignInNeeded
from citycare.web.i18n import mark
from citycare.web.manner import manner_of
from citycare.web.respond import redirect, respond
from citycare.web.shell import Toast

router = APIRouter(include_in_schema=False)

GATE = gate("login.sessions")


class SessionUnknown(NotFound):
    """There is no such open session of yours."""

    code = "login.session_unknown"
    words = "没有找到这台设备的登录，它可能已经退出。"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionsPage:
    """Where one is signed in; `mine` is the session that looks."""

    sessions: list[Session]
    mine: UUID | None


@router.get("/me/sessions", dependencies=[GATE])
async def list_mine(request: Request, cx: ReadContext) -> Response:
    """Show where one is signed in."""
    page = SessionsPage(sessions=await _mine(cx), mine=cx.actor.session_id)
    return await respond(request, cx, "login/sessions.html", page)


@router.post("/me/sessions/{session_id}/end", dependencies=[GATE])
async def end(request: Request, session_id: UUID, cx: WriteContext) -> Response:
    """End one session of one's own; somebody else's is not found."""
    if session_id not in {session.id for session in await _mine(cx)}:
        raise SessionUnknown
    await identity.revoke_session(cx, session_id)
    return redirect(request, "/me/sessions", notice=_notice(request))


@router.post("/me/sessions/end-others", dependencies=[GATE])
async def end_others(request: Request, cx: WriteContext) -> Response:
    """End every session but this one."""
    for session in await _mine(cx):
        if session.id != cx.actor.session_id:
            await identity.revoke_session(cx, session.id)
    return redirect(request, "/me/sessions", notice=_notice(request))


async def _mine(cx: Context) -> list[Session]:
    if cx.actor.account_id is None:
        raise SignInNeeded(cx.purpose)
    return await identity.list_sessions(cx, cx.actor.account_id)


def _notice(request: Request) -> Toast:
    words = i18n.translations(manner_of(request).lang)
    return Toast(text=words.gettext(mark("已经退出那台设备的登录。")))
