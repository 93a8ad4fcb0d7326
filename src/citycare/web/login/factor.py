"""The second step of staff: a six digit code. Without it a session has no staff grants."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from io import BytesIO
from typing import Annotated

import pyotp
import segno
from fastapi import APIRouter, Form
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel import identity
from citycare.kernel.context import Context, Role
from citycare.kernel.identity import factors
from citycare.web import i18n
from citycare.web.edge import cookies
from citycare.web.edge.contexts import ReadContext, WriteContext, gate
from citycare.web.edge.errors import SignInNeeded
from citycare.web.edge.exchange import edge_of
from citycare.web.i18n import mark
from citycare.web.manner import manner_of
from citycare.web.rendering import local_time
from citycare.web.respond import local, redirect, respond

router = APIRouter(include_in_schema=False)

DEMO_CODE = "cc_demo_code"
DEMO_LIFE = timedelta(hours=1)
GATE = gate("login.second_factor")
PAGE = "login/code.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class CodePage:
    """The step. `demo_code`: what the authenticator would show; `uri`, `qr`: a new secret's."""

    next: str
    error: str = ""
    demo_code: str = ""
    can_enrol: bool = False
    secret: str = ""
    qr: Markup | None = None


@router.get("/login/code", dependencies=[GATE])
async def ask(request: Request, cx: ReadContext, next: str = "/") -> Response:  # noqa: A002
    """Ask for the code; somebody without an authenticator may set one up, once."""
    return await respond(request, cx, PAGE, await _page(request, cx, next))


@router.post("/login/code", dependencies=[GATE])
async def prove(
    request: Request,
    cx: WriteContext,
    code: Annotated[str, Form(max_length=20)],
    next: Annotated[str, Form(max_length=2000)] = "/",  # noqa: A002
) -> Response:
    """Check the code. A wrong one is counted, so the transaction commits in either case."""
    if cx.actor.session_id is None:
        raise SignInNeeded(cx.purpose)
    edge = edge_of(request)
    edge.attempts.take(f"code/{cx.actor.account_id}", cx.now)
    verdict = await factors.prove_second_factor(cx, edge.ring, cx.actor.session_id, code)
    if verdict.accepted:
        response = redirect(request, local(next))
        cookies.drop(response, edge, DEMO_CODE)
        return response
    words = i18n.translations(manner_of(request).lang)
    if verdict.locked_until is not None:
        said = words.gettext(mark("错的次数太多了，请%(time)s以后再试。"))
        error = said % {"time": local_time(verdict.locked_until)}
    else:
        error = words.gettext(mark("这个码不对，或已经用过了。请等出现新的 6 位数再输。"))
    return await respond(request, cx, PAGE, await _page(request, cx, next, error=error), status=422)


@router.post("/login/code/enrol", dependencies=[GATE])
async def enrol(
    request: Request,
    cx: WriteContext,
    next: Annotated[str, Form(max_length=2000)] = "/",  # noqa: A002
) -> Response:
    """Show a new secret once, to somebody who has none yet."""
    page = await _page(request, cx, next)
    if not page.can_enrol or cx.actor.account_id is None:
        return redirect(request, "/login/code")
    made = await factors.enrol_second_factor(cx, edge_of(request).ring, cx.actor.account_id)
    page = CodePage(next=page.next, secret=made.secret, qr=_qr(made.uri))
    return await respond(request, cx, PAGE, page)


def show_in_demo(request: Request, response: Response, secret: str) -> None:
    """Let the demo's page show the code, as an authenticator app would."""
    edge = edge_of(request)
    sealed = edge.sealer.seal(DEMO_CODE, secret, edge.now(), DEMO_LIFE)
    cookies.put(response, edge, DEMO_CODE, sealed, int(DEMO_LIFE.total_seconds()))


async def _page(request: Request, cx: Context, target: str, error: str = "") -> CodePage:
    if cx.actor.account_id is None:
        raise SignInNeeded(cx.purpose)
    edge = edge_of(request)
    account = await identity.get_account(cx, cx.actor.account_id)
    held = await identity.list_grants(cx, account.id)
    is_staff = any(grant.role is not Role.RESIDENT for grant in held)
    sealed = cookies.get(request, edge, DEMO_CODE) if edge.site.demo else None
    secret = edge.sealer.open(DEMO_CODE, sealed, cx.now) if sealed else None
    return CodePage(
        next=local(target),
        error=error,
        demo_code=pyotp.TOTP(secret).at(cx.now) if secret else "",
        can_enrol=is_staff and not account.has_second_factor,
    )


def _qr(uri: str) -> Markup:
    """Draw the QR code as inline SVG, which the content policy allows."""
    out = BytesIO()
    segno.make(uri).save(out, kind="svg", xmldecl=False, svgns=True, scale=5, omitsize=False)
    return Markup(out.getvalue().decode())  # noqa: S704 - made here from our own URI
