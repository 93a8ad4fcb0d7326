"""An app asks: whose record, which data, for how long; and the answer goes back to it.

A yes takes the browser to the app's own address, so the page's content policy names that address
beside ours as where a form may end. A form that comes from another page of ours (kept over a
sign-in, or too old) would be stopped there by that page's policy: its person is asked once more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel import audit, identity
from citycare.kernel.context import Context
from citycare.kit.errors import AppError
from citycare.scenarios.smart.model import (
    Audience,
    Client,
    Launch,
    NothingAllowed,
    OAuthError,
    Refused,
    StaffOnly,
)
from citycare.scenarios.smart.pages.launch import LAUNCH
from citycare.scenarios.smart.pages.words import WRITE, doing_words, kind_words, kinds_in_full
from citycare.scenarios.smart.rules import addresses, requests
from citycare.scenarios.smart.rules.requests import Request as Asked
from citycare.scenarios.smart.service import approving, clients
from citycare.scenarios.smart.service.approving import Asking
from citycare.web import forms, i18n
from citycare.web.edge.clients import parts_of
from citycare.web.edge.contexts import WriteContext, gate
from citycare.web.edge.errors import SecondFactorNeeded
from citycare.web.edge.exchange import edge_of
from citycare.web.edge.middleware import CONTENT_POLICY
from citycare.web.forms import Form
from citycare.web.manner import Words, manner_of, words_of
from citycare.web.parts import Fact, Option
from citycare.web.respond import redirect, respond

router = APIRouter(include_in_schema=False)

PATH = "/oauth/authorize"
FHIR_PATH = "/fhir/R4"
GATE = gate("consent.give")
PAGE = "smart/authorize.html"
YEAR_DAYS = 365
MANY = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizePage:
    """What an app asks. `facts` need no answer; of `patients`, `kinds`, `days` one chooses.

    `hidden` carries the request on. `is_work`: an app of staff. `is_short`: the kinds of data stand
    in the facts and are not chosen. `stays`: it may come back alone. `writes`: not only reads.
    """

    title: str
    facts: tuple[Fact, ...]
    patients: tuple[Option, ...]
    kinds: tuple[Option, ...]
    days: tuple[Option, ...]
    hidden: tuple[tuple[str, str], ...]
    goes_to: str
    is_work: bool
    is_short: bool
    stays: bool
    writes: bool
    error: str = ""


@router.get(PATH, dependencies=[GATE])
async def asked(request: Request, cx: WriteContext) -> Response:
    """Ask the person what an app asks of them."""
    return await _ask(request, cx, requests.read(request.query_params.multi_items()))


@router.post(PATH, dependencies=[GATE])
async def answered(request: Request, cx: WriteContext) -> Response:
    """Take the answer and go back to the app with a code, or with the refusal."""
    form = await forms.read(request)
    names = (*requests.NAMES, *requests.UNSUPPORTED)
    found = requests.read([(name, one) for name in names for one in form.many.get(name, ())])
    client = await approving.client_of(cx, found)
    if not _may_leave(request, form):
        return redirect(request, f"{PATH}?{urlencode(found.pairs)}")
    if form.values.get("decision") != "allow":
        await approving.deny(cx, client, "said_no")
        return _refused(request, found, Refused(OAuthError.ACCESS_DENIED, "said_no"))
    try:
        asking = await _asking(request, cx, client, found)
        days = form.number("days", 1, 36_500, required=False) or 0
        patient = form.id("patient", required=False)
        code = await approving.allow(cx, asking, patient, form.many.get("data", ()), days)
    except Refused as error:
        await approving.deny(cx, client, error.why)
        return _refused(request, found, error)
    except NothingAllowed as error:
        return await _ask(request, cx, found, error)
    return _back(request, found, {"code": code})


def _may_leave(request: Request, form: Form) -> bool:
    """Tell whether the form was sent from a page whose policy lets it end at the app."""
    page = parts_of(request.headers.get("referer", ""))
    is_first = page.path == PATH and "client_id=" in page.query
    return not page.path or is_first or form.is_checked("again")


async def _ask(
    request: Request, cx: Context, found: Asked, error: AppError | None = None
) -> Response:
    client = await approving.client_of(cx, found)
    try:
        asking = await _asking(request, cx, client, found)
    except Refused as refused:
        await approving.deny(cx, client, refused.why)
        return _refused(request, found, refused)
    page = await _page(request, cx, asking, error)
    response = await respond(request, cx, PAGE, page, status=422 if error else 200)
    target = addresses.form_target(found.redirect_uri)
    policy = CONTENT_POLICY.replace("form-action 'self'", f"form-action 'self' {target}")
    response.headers["Content-Security-Policy"] = policy
    return response


async def _asking(request: Request, cx: Context, client: Client, found: Asked) -> Asking:
    base = edge_of(request).site.base_url + FHIR_PATH
    launch = _launch(request, cx, found.get("launch"))
    try:
        return await approving.ask(cx, client, found, base, launch)
    except StaffOnly:
        await _require_second_factor(cx)
        raise


async def _require_second_factor(cx: Context) -> None:
    """Send staff to the second step of their sign-in rather than away."""
    if cx.actor.account_id is not None and not any(
        grant.role in clients.CLINICAL for grant in cx.actor.grants
    ):
        held = await identity.list_grants(cx, cx.actor.account_id)
        if any(grant.role in clients.CLINICAL for grant in held):
            raise SecondFactorNeeded


def _launch(request: Request, cx: Context, sealed: str) -> Launch | None:
    """Open what `pages.launch` sealed."""
    facts = edge_of(request).sealer.open(LAUNCH, sealed, cx.now) if sealed else None
    return Launch(*(UUID(one) for one in facts)) if facts is not None else None


async def _page(
    request: Request, cx: Context, asking: Asking, error: AppError | None
) -> AuthorizePage:
    """Lay the questions out; elders are asked little: all data, for the shortest time."""
    words, manner = words_of(request), manner_of(request)
    client, is_work = asking.client, asking.client.audience is Audience.STAFF
    is_short = is_work or manner.elder
    names = await _names(cx, asking.patients)
    days = asking.days[:1] if manner.elder else asking.days
    facts = [
        Fact(name=words("应用"), text=client.name),
        Fact(name=words("谁提供"), text=client.publisher),
    ]
    if len(names) == 1:
        facts.append(Fact(name=words("谁的档案"), text=next(iter(names.values()))))
    if is_short or not asking.asked.data:
        facts.append(Fact(name=words("能看什么"), text=kinds_in_full(asking.asked, words)))
    if len(days) < MANY:
        once = words("只有这一次，用完就失效")
        facts.append(Fact(name=words("多久"), text=_days(days[0], words) if days else once))
    return AuthorizePage(
        title=words("允许“%(app)s”查看健康档案？", app=client.name)
        if asking.asked.data
        else words("用城医通登录“%(app)s”？", app=client.name),
        facts=tuple(facts),
        patients=tuple(
            Option(value=str(one), label=name, selected=one == cx.actor.person_id)
            for one, name in names.items()
        ),
        kinds=_kinds(asking, words),
        days=tuple(
            Option(value=str(one), label=_days(one, words), selected=not n)
            for n, one in enumerate(days)
        ),
        hidden=tuple(asking.request.pairs),
        goes_to=urlsplit(asking.request.redirect_uri).netloc or client.name,
        is_work=is_work,
        is_short=is_short,
        stays=bool(days),
        writes=any(one.interactions & WRITE for one in asking.asked.data),
        error=i18n.words_of(error, manner.lang) if error else "",
    )


def _kinds(asking: Asking, words: Words) -> tuple[Option, ...]:
    return tuple(
        Option(
            value=one.text,
            label=kind_words(one, words),
            note=doing_words(one, words),
            selected=True,
        )
        for one in asking.asked.data
    )


def _days(days: int, words: Words) -> str:
    return words("一年") if days == YEAR_DAYS else words("%(n)d 天", n=days)


async def _names(cx: Context, patients: Sequence[UUID]) -> Mapping[UUID, str]:
    """Return the names of whom it can be about, and write down that they were read."""
    found = await identity.list_persons(cx, list(patients))
    entries = [audit.Entry("person.read", one, f"person/{one}") for one in found]
    if entries:
        await audit.append(cx, entries)
    return {one: found[one].name for one in patients if one in found}


def _refused(request: Request, found: Asked, error: Refused) -> Response:
    return _back(request, found, {"error": error.error, "error_description": error.why})


def _back(request: Request, found: Asked, facts: dict[str, str]) -> Response:
    """Go back to the app (RFC 6749 §4.1.2; `iss` against mix-ups: RFC 9207 §2)."""
    more = {"state": found.get("state"), "iss": edge_of(request).site.base_url}
    address = requests.with_query(found.redirect_uri, {**facts, **more})
    return Response(status_code=303, headers={"Location": address})
