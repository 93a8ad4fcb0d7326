"""Sign-in and sign-out: to the provider and back, then the second step for staff.

The provider is asked before a database connection is taken, so a slow provider holds none.
"""

from __future__ import annotations

import hmac
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel import identity
from citycare.kernel.context import Actor, Channel, Context, Grant, Role, policy
from citycare.kernel.identity import Account
from citycare.kit import clock
from citycare.kit.errors import Incorrect, NotFound
from citycare.web import kept
from citycare.web.edge import cookies
from citycare.web.edge.clients import client_of
from citycare.web.edge.contexts import ReadContext, WriteContext, gate
from citycare.web.edge.exchange import Edge, Exchange, edge_of, exchange_of
from citycare.web.login import demo_people, factor
from citycare.web.login.provider import Provider, ProviderAway, SignInRefused, Started
from citycare.web.oidc_dev import AUTHORIZE_PATH
from citycare.web.portals.model import home_of
from citycare.web.respond import KeptPage, local, redirect, respond, respond_openly

router = APIRouter(include_in_schema=False)

PENDING = "sign-in"
PENDING_LIFE = timedelta(minutes=10)
SESSION_LIFE = timedelta(hours=12)
# Per address, not per person: a whole hospital may share one. A sign-in counts twice.
ATTEMPTS_BURST = 200
ATTEMPTS_REFILL_S = 0.25
BROWSERS = (
    ("MicroMessenger", "WeChat"),
    ("Edg/", "Edge"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
SYSTEMS = (
    ("Android", "Android"),
    ("HarmonyOS", "HarmonyOS"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "Mac"),
    ("Linux", "Linux"),
)
DOOR = Actor(None, None, (Grant(Role.SYSTEM),), None, "sign-in")
STAFF = frozenset(Role) - {Role.RESIDENT, Role.SYSTEM}


class SignInStale(Incorrect):
    """The sign-in took too long or began in another browser; start again."""

    code = "login.stale"
    words = "登录用的时间太长，或换过浏览器了。请重新登录，填过的内容还在。"


class DemoOnly(NotFound):
    """There is no such address outside the demo."""

    code = "request.route_unknown"
    words = "没有这个页面。请返回首页重新查找。"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginPage:
    """The door: one button, and in the demo one line per role. `kept`: a form waits behind it."""

    start_url: str
    kept: bool
    demo: list[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoosePage:
    """The development provider's page: whom to be."""

    people: list[tuple[str, str]]


@router.get("/login")
async def door(request: Request) -> Response:
    """Show the way to the provider."""
    query = _carried(request)
    provider = edge_of(request).dev_provider
    demo = [
        (one.name, _with_query("/login/demo", {"as": one.hint, **query}))
        for one in (provider.people if provider is not None else ())
    ]
    page = LoginPage(start_url=_with_query("/login/start", query), kept="kept" in query, demo=demo)
    return respond_openly(request, "login/door.html", page)


@router.get("/login/start")
async def start(request: Request) -> Response:
    """Send the browser to the provider."""
    return await _start(request, {})


@router.get("/login/demo")
async def start_demo(request: Request, role: Annotated[str, Query(alias="as")]) -> Response:
    """Sign in as a role of the demo, through the development provider."""
    provider = edge_of(request).dev_provider
    if provider is None:
        raise DemoOnly
    return await _start(request, {"login_hint": demo_people.subject_of(role, provider.people)})


@router.get(AUTHORIZE_PATH)
async def authorize(request: Request) -> Response:
    """Be the development provider: ask whom to be, or take the hint, and go back with a code."""
    dev = edge_of(request).dev_provider
    if dev is None:
        raise DemoOnly
    dev.check(request)
    person = dev.person(request.query_params.get("login_hint", ""))
    if person is not None:
        return Response(status_code=303, headers={"Location": dev.allow(request, person)})
    people = [
        (one.name, str(request.url.include_query_params(login_hint=one.subject).query))
        for one in dev.people
    ]
    links = [(name, f"{AUTHORIZE_PATH}?{query}") for name, query in people]
    return respond_openly(request, "login/choose.html", ChoosePage(people=links))


@router.get("/login/callback")
async def callback(request: Request, state: str = "", code: str = "") -> Response:
    """Take the browser back from the provider, check everything, open the session."""
    edge, case = edge_of(request), exchange_of(request)
    _count_attempt(request, edge, case)
    opened = edge.sealer.open(PENDING, cookies.get(request, edge, cookies.SIGN_IN) or "", case.now)
    if opened is None:
        raise SignInStale
    started = Started(*opened[:3])
    if not code or not hmac.compare_digest(started.state.encode(), state.encode()):
        raise SignInRefused(why="state" if code else "no_code")
    claims = await _provider(edge).finish(code, started, case.now)
    response = await _open(request, edge, case, claims, next_url=opened[3], form_id=opened[4])
    cookies.drop(response, edge, cookies.SIGN_IN)
    return response


@router.get("/login/kept/{form_id}", dependencies=[gate("login.continue")])
async def kept_form(request: Request, form_id: UUID, cx: ReadContext) -> Response:
    """Show the form that was kept, to send it again with one press."""
    edge, case = edge_of(request), exchange_of(request)
    visitor = cookies.visitor_of(request, edge, case)
    form = await kept.find(cx.db, edge.sealer, cx.now, visitor, form_id)
    if form is None:
        return redirect(request, "/")
    page = KeptPage(action=form.action, fields=list(form.fields))
    return await respond(request, cx, "login/kept.html", page)


@router.post("/logout", dependencies=[gate("login.sign_out", anonymous=True)])
async def sign_out(request: Request, cx: WriteContext) -> Response:
    """End this session, here and now."""
    if cx.actor.session_id is not None:
        await identity.revoke_session(cx, cx.actor.session_id)
    response = redirect(request, "/login")
    for name in (cookies.SESSION, cookies.PERSON, cookies.NOTICE, cookies.ELDER, cookies.VISITOR):
        cookies.drop(response, edge_of(request), name)
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


async def _start(request: Request, hints: dict[str, str]) -> Response:
    edge, case = edge_of(request), exchange_of(request)
    _count_attempt(request, edge, case)
    address, started = await _provider(edge).start(case.now, hints)
    query = _carried(request)
    facts = [started.state, started.nonce, started.verifier, query.get("next"), query.get("kept")]
    response = Response(status_code=303, headers={"Location": address})
    sealed = edge.sealer.seal(PENDING, facts, case.now, PENDING_LIFE)
    cookies.put(response, edge, cookies.SIGN_IN, sealed, int(PENDING_LIFE.total_seconds()))
    return response


async def _open(
    request: Request,
    edge: Edge,
    case: Exchange,
    claims: dict[str, Any],
    *,
    next_url: str | None,
    form_id: str | None,
) -> Response:
    secret: str | None = None
    async with edge.database.transaction() as db:
        cx = Context(db, DOOR, case.now, case.request_id, Channel.PHONE, "login.sign_in")
        account = await identity.find_or_make_account(cx, claims["iss"], claims["sub"], claims)
        if edge.site.demo:
            account, secret = await demo_people.complete(cx, edge.ring, account)
        device = device_of(request.headers.get("user-agent", ""))
        token = await identity.open_session(cx, account.id, device, SESSION_LIFE)
        held = await identity.list_grants(cx, account.id)
        elder = await _is_elder(cx, account)
    as_staff = Actor(account.id, account.person_id, held, None, account.name)
    target = f"/login/kept/{form_id}" if form_id else next_url or home_of(edge.portals, as_staff)
    if any(grant.role in STAFF for grant in held):
        target = _with_query("/login/code", {"next": target})
    response = redirect(request, target)
    cookies.put(response, edge, cookies.SESSION, token, int(SESSION_LIFE.total_seconds()))
    if secret is not None:
        factor.show_in_demo(request, response, secret)
    if elder and cookies.get(request, edge, cookies.ELDER) is None:
        cookies.put(response, edge, cookies.ELDER, "1", cookies.YEAR_S)
    return response


async def _is_elder(cx: Context, account: Account) -> bool:
    """Tell whether pages start in elder mode: by age, until the person chooses otherwise."""
    if account.person_id is None:
        return False
    person = await identity.get_person(cx, account.person_id)
    from_age = int(await policy.value(cx, "web.elder.age"))
    return identity.age_on(person.born_on, clock.day_of(cx.now)) >= from_age


def device_of(agent: str) -> str:
    """Name a device so its owner knows it again: `Chrome · Android`. The rest is not kept."""
    parts = [
        next((name for sign, name in signs if sign in agent), "") for signs in (BROWSERS, SYSTEMS)
    ]
    return " · ".join(part for part in parts if part)


def _provider(edge: Edge) -> Provider:
    if edge.provider is None:
        raise ProviderAway(what="none_configured")
    return edge.provider


def _count_attempt(request: Request, edge: Edge, case: Exchange) -> None:
    peer = request.client.host if request.client else None
    forwarded = request.headers.getlist("x-forwarded-for")
    client = client_of(peer, forwarded, edge.site.proxies)
    edge.attempts.take(
        f"sign-in/{client}", case.now, burst=ATTEMPTS_BURST, refill_s=ATTEMPTS_REFILL_S
    )


def _carried(request: Request) -> dict[str, str]:
    """Return what travels along: where to go afterwards, and the form that waits."""
    carried = {}
    target = request.query_params.get("next")
    if target and local(target, "") and not target.startswith("/login"):
        carried["next"] = target
    with suppress(KeyError, ValueError):
        carried["kept"] = str(UUID(request.query_params["kept"]))
    return carried


def _with_query(path: str, query: dict[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path
