"""HTTP to interactions and back: one route for the whole of FHIR's REST.

Who calls is looked up here, for a read and a write alike; what changes something has a transaction,
committed before the answer goes out. Errors are OperationOutcomes.

Source: HL7 FHIR R4 4.0.1 §3.1.0 RESTful API; RFC 6750 (bearer tokens).
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any, cast

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from citycare import VERSION
from citycare.kernel import fhir
from citycare.kernel.context import ANONYMOUS, Channel, Context
from citycare.kit.db import Connection
from citycare.kit.errors import AppError
from citycare.scenarios.exchange.model.calls import Answer, Call
from citycare.scenarios.exchange.model.errors import QueryBroken, TooLarge
from citycare.scenarios.exchange.model.values import Body, Format, Interaction, Kind
from citycare.scenarios.exchange.rules import bodies, headers, refusing, routing
from citycare.scenarios.exchange.service import capabilities, operations
from citycare.scenarios.exchange.service.access import Access, Find
from citycare.scenarios.exchange.service.callers import Caller, Callers
from citycare.scenarios.exchange.service.serving import Server, Serving, only_reads
from citycare.scenarios.exchange.service.trail import Trail
from citycare.web.edge import Edge, Exchange, edge_of, exchange_of
from citycare.web.edge.cookies import TOKEN
from citycare.web.edge.errors import Fault, SignInNeeded
from citycare.web.edge.exchange import KEY, new_exchange
from citycare.web.edge.middleware import log_fault, safety_headers
from citycare.web.gates import gate

ROOT = "/fhir/R4"
ACTION = "record.exchange"
WELL_KNOWN = ROOT + "/.well-known/"
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
WITH_BODY = ("POST", "PUT", "PATCH")
BODY_MAX = 32_000_000
"""Bytes of a body; a Bundle of 20,000 resources. Larger loads come by `citycare import fhir`."""
PAGE_LIFE = timedelta(hours=1)
SINCE = "2026-11-29"
router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Door:
    """What the route needs, put into `app.state.exchange` by the composition root.

    Attributes:
        server: what all calls share.
        capabilities: the CapabilityStatement as text, written when first asked for.
        callers: who stands behind a token.
    """

    server: Server
    capabilities: Callable[[], str]
    callers: Callers


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
    site = capabilities.Site(
        base, f"城医通 {edge.site.city}", VERSION, SINCE, operations=operations.declared()
    )
    server = Server(base, Trail(edge.database), Sealed(edge))
    return Door(server, partial(capabilities.text, site), Callers(find))


@router.api_route(ROOT, methods=METHODS, dependencies=[gate(ACTION)])
@router.api_route(ROOT + "/{path:path}", methods=METHODS, dependencies=[gate(ACTION)])
async def serve(request: Request) -> Response:
    """Answer one interaction of FHIR R4.

    `FrontDoor` answers before the framework gets here; this declares what it does.
    """
    return await respond(request, request.path_params.get("path", ""))


async def respond(request: Request, path: str) -> Response:
    """Answer what is asked at a path below the base; an error is an OperationOutcome."""
    case = exchange_of(request)
    try:
        kind = headers.accepted(
            request.headers.get("accept", ""), request.query_params.get("_format")
        )
        answer = await _answer(request, case, path)
    except AppError as error:
        kind = Format.FHIR_JSON
        answer = await _refused(request, error)
    told = {"Content-Type": f"{kind}; charset=utf-8"} if answer.body else {}
    return Response(answer.body, answer.status, {**answer.headers, **told})


async def _refused(request: Request, error: AppError) -> Answer:
    """Write the refusal, and put one that is about a person on record."""
    on_refused = edge_of(request).on_refused
    if on_refused is not None:
        await on_refused(request, error)
    body = fhir.dumps(refusing.outcome_of(error, id=exchange_of(request).request_id))
    return Answer(refusing.status_of(error), body, refusing.headers_of(error))


class FrontDoor:
    """Answers everything below the base before the framework: a read costs a third of it there.

    Routing, dependencies and the middleware's stack cost more than a read of one row (measured,
    docs/performance.md); headers, figures, limits and the last resort are those of the edge.
    """

    def __init__(self, app: ASGIApp, edge: Edge) -> None:
        """Stand before an application."""
        self._app = app
        self._edge = edge
        fixed = {**safety_headers(edge.site), "Cache-Control": "no-store"}
        self._headers = {name.lower(): value for name, value in fixed.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        path = scope.get("path", "")
        mine = path == ROOT or path.startswith(ROOT + "/")
        if scope["type"] != "http" or not mine or path.startswith(WELL_KNOWN):
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), None)
        case = new_exchange(given.decode("latin-1") if given else None, self._edge.now())
        scope[KEY] = case
        request = Request(scope, Bounded(receive, BODY_MAX))
        try:
            response = await respond(request, path[len(ROOT) + 1 :])
        except Exception as error:  # noqa: BLE001 - the last resort, as in the middleware
            log_fault(error, case, scope)
            response = await _broken(request)
        for name, value in self._headers.items():
            response.headers.setdefault(name, value)
        response.headers["x-request-id"] = case.request_id
        await response(scope, receive, send)
        took = time.perf_counter() - started
        self._edge.metrics.note(scope["method"], ROOT, response.status_code, took)


async def _broken(request: Request) -> Response:
    answer = await _refused(request, Fault())
    return Response(answer.body, 500, media_type=Format.FHIR_JSON)


class Bounded:
    """Hands a body on, and stops it at the limit."""

    __slots__ = ("_most", "_receive", "_seen")

    def __init__(self, receive: Receive, most: int) -> None:
        """Let `most` bytes through."""
        self._receive = receive
        self._most = most
        self._seen = 0

    async def __call__(self) -> Message:
        """Return the next piece.

        Raises:
            TooLarge: it is one too many.
        """
        message = await self._receive()
        self._seen += len(message.get("body", b""))
        if self._seen > self._most:
            raise TooLarge(most=self._most)
        return message


async def _answer(request: Request, case: Exchange, path: str) -> Answer:
    here = cast("Door", request.app.state.exchange)
    asked = routing.interaction(
        request.method,
        path,
        _query(request),
        types=capabilities.SERVED,
        if_none_exist="if-none-exist" in request.headers,
    )
    if asked.kind is Kind.CAPABILITIES:
        return Answer(200, here.capabilities())
    token = _token(request)
    if request.method in WITH_BODY and not here.callers.remembers(token, case.now):
        async with edge_of(request).database.autocommit() as db:
            await _caller(here, anonymous(db, case), token)  # before a body of theirs is read
    call = await _call(request, asked)
    async with _entered(request, case, asked, token) as (cx, access):
        return await Serving(here.server, cx, access, _opener(request, cx)).answer(call)


def _query(request: Request) -> str:
    """Return the query as it was sent; the framework would look at Host as well, and stumble."""
    try:
        return cast("bytes", request.scope["query_string"]).decode()
    except UnicodeDecodeError as error:
        raise QueryBroken(problem="not UTF-8") from error


def _token(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not TOKEN.fullmatch(token):
        raise SignInNeeded(ACTION)
    return token


async def caller_of(request: Request, cx: Context) -> Caller:
    """Return who calls, by the bearer token.

    Raises:
        SignInNeeded: there is none that counts.
    """
    return await _caller(cast("Door", request.app.state.exchange), cx, _token(request))


def anonymous(db: Connection, case: Exchange) -> Context:
    """Return the action of somebody not yet known."""
    return Context(db, ANONYMOUS, case.now, case.request_id, Channel.PHONE, ACTION)


async def _caller(here: Door, cx: Context, token: str) -> Caller:
    caller = await here.callers.of(cx, token)
    if caller is None:
        raise SignInNeeded(ACTION)
    return caller


@asynccontextmanager
async def _entered(
    request: Request, case: Exchange, asked: Interaction, token: str
) -> AsyncIterator[tuple[Context, Access]]:
    """Open what the interaction needs of the database, and find out who calls."""
    here = cast("Door", request.app.state.exchange)
    database = edge_of(request).database
    opened = database.autocommit() if only_reads(asked) else database.transaction()
    async with opened as db:
        cx = anonymous(db, case)
        caller = await _caller(here, cx, token)
        case.actor, case.channel = caller.actor, caller.channel
        yield replace(cx, actor=caller.actor, channel=caller.channel), caller.access


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
        pairs += routing.pairs(bodies.text_of(await request.body()))
    elif request.method in WITH_BODY:
        raw = await request.body()
        if raw or asked.kind is not Kind.OPERATION:  # which may have no parameters
            kind = Body.PATCH if request.method == "PATCH" else Body.RESOURCE
            headers.sent(request.headers.get("content-type", ""), kind)
            body = bodies.json_of(raw)
    return Call(
        asked,
        body,
        headers.conditions(request.headers),
        headers.preference(request.headers.get("prefer", "")),
        pairs,
    )
