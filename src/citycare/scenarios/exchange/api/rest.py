"""HTTP to interactions and back: one route for the whole of FHIR's REST.

Who calls is looked up here, for a read and a write alike; what changes something has a transaction,
committed before the answer goes out. Errors are OperationOutcomes.

Source: HL7 FHIR R4 4.0.1 §3.1.0 RESTful API; RFC 6750 (bearer tokens).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any, cast

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from citycare import VERSION
from citycare.kernel import fhir
from citycare.kernel.context import Channel, Context, Role
from citycare.kernel.identity import sessions
from citycare.kit.errors import AppError
from citycare.scenarios.exchange.model.calls import Answer, Call
from citycare.scenarios.exchange.model.errors import BodyBroken
from citycare.scenarios.exchange.model.values import Body, Format, Interaction, Kind
from citycare.scenarios.exchange.rules import headers, refusing, routing
from citycare.scenarios.exchange.service import access as permitting
from citycare.scenarios.exchange.service import capabilities
from citycare.scenarios.exchange.service.access import Access, Find
from citycare.scenarios.exchange.service.serving import READS, Server, Serving
from citycare.scenarios.exchange.service.trail import Trail
from citycare.web.edge import Edge, Exchange, edge_of, exchange_of
from citycare.web.edge.cookies import TOKEN
from citycare.web.edge.errors import SignInNeeded
from citycare.web.gates import gate

ROOT = "/fhir/R4"
ACTION = "record.exchange"
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
PAGE_LIFE = timedelta(hours=1)
SINCE = "2026-11-29"
router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Door:
    """What the route needs, put into `app.state.exchange` by the composition root.

    Attributes:
        server: what all calls share.
        capabilities: the CapabilityStatement as text, written when first asked for.
        find: looks up the token of an app.
    """

    server: Server
    capabilities: Callable[[], str]
    find: Find


class Sealed:
    """Tokens of pages, by the web's own key."""

    def __init__(self, edge: Edge) -> None:
        """Seal with this edge's key, by its clock."""
        self._edge = edge

    def seal(self, purpose: str, value: object) -> str:
        """Write a value for a purpose, for an hour."""
        return self._edge.sealer.seal(purpose, value, self._edge.now(), PAGE_LIFE)

    def open(self, purpose: str, sealed: str) -> object | None:
        """Read it back."""
        return cast("object", self._edge.sealer.open(purpose, sealed, self._edge.now()))


def door(edge: Edge, find: Find) -> Door:
    """Make the door of an application."""
    base = edge.site.base_url + ROOT
    site = capabilities.Site(base, f"城医通 {edge.site.city}", VERSION, SINCE)
    server = Server(base, Trail(edge.database), Sealed(edge))
    return Door(server, partial(capabilities.text, site), find)


@router.api_route(ROOT, methods=METHODS, dependencies=[gate(ACTION)])
@router.api_route(ROOT + "/{path:path}", methods=METHODS, dependencies=[gate(ACTION)])
async def serve(request: Request) -> Response:
    """Answer one interaction of FHIR R4."""
    case = exchange_of(request)
    try:
        kind = headers.accepted(
            request.headers.get("accept", ""), request.query_params.get("_format")
        )
        answer = await _answer(request, case)
    except AppError as error:
        kind = Format.FHIR_JSON
        answer = _refused(error, case)
    told = {"Content-Type": f"{kind}; charset=utf-8"} if answer.body else {}
    return Response(answer.body, answer.status, {**answer.headers, **told})


def _refused(error: AppError, case: Exchange) -> Answer:
    body = fhir.dumps(refusing.outcome_of(error, id=case.request_id))
    return Answer(refusing.status_of(error), body, refusing.headers_of(error))


async def _answer(request: Request, case: Exchange) -> Answer:
    here = cast("Door", request.app.state.exchange)
    asked = routing.interaction(
        request.method,
        request.path_params.get("path", ""),
        request.url.query,
        types=fhir.RESOURCES,
        if_none_exist="if-none-exist" in request.headers,
    )
    if asked.kind is Kind.CAPABILITIES:
        return Answer(200, here.capabilities())
    call = await _call(request, asked)
    async with _entered(request, case, asked) as (cx, access):
        return await Serving(here.server, cx, access, _opener(request, cx)).answer(call)


@asynccontextmanager
async def _entered(
    request: Request, case: Exchange, asked: Interaction
) -> AsyncIterator[tuple[Context, Access]]:
    """Open what the interaction needs of the database, and find out who calls."""
    edge = edge_of(request)
    here = cast("Door", request.app.state.exchange)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not TOKEN.fullmatch(token.strip()):
        raise SignInNeeded(ACTION)
    database = edge.database
    opened = database.autocommit() if asked.kind in READS else database.transaction()
    async with opened as db:
        found = await sessions.actor_of(db, [token.strip()], case.now)
        granted = None if found else await here.find(db, token.strip(), case.now)
        if not found and granted is None:
            raise SignInNeeded(ACTION)
        case.actor = granted.actor if granted else found[token.strip()]
        system = any(one.role is Role.EXCHANGE for one in case.actor.grants)
        case.channel = Channel.HOSPITAL if system else Channel.PHONE
        cx = Context(db, case.actor, case.now, case.request_id, case.channel, ACTION)
        yield cx, await permitting.access_of(cx, granted)


def _opener(request: Request, cx: Context) -> Any:
    """Open a transaction of its own for an entry of a batch, as the same caller."""
    database = edge_of(request).database

    @asynccontextmanager
    async def open_() -> AsyncIterator[Context]:
        async with database.transaction() as db:
            yield replace(cx, db=db)

    def opened() -> AbstractAsyncContextManager[Context]:
        return open_()

    return opened


async def _call(request: Request, asked: Interaction) -> Call:
    """Read the headers and the body."""
    pairs = routing.pairs(asked.query)
    body: Any = None
    if asked.posted:
        headers.sent(request.headers.get("content-type", ""), Body.FORM)
        pairs += routing.pairs(_text(await request.body()))
    elif request.method in ("POST", "PUT", "PATCH"):
        kind = Body.PATCH if request.method == "PATCH" else Body.RESOURCE
        headers.sent(request.headers.get("content-type", ""), kind)
        body = _json(await request.body())
    return Call(
        asked,
        body,
        headers.conditions(request.headers),
        headers.preference(request.headers.get("prefer", "")),
        pairs,
    )


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise BodyBroken(problem="not UTF-8") from error


def _json(raw: bytes) -> Any:
    try:
        return fhir.loads(_text(raw))
    except (ValueError, RecursionError) as error:
        raise BodyBroken(problem=str(error)[:100]) from error
