"""HTTP to interactions and back: one route for the whole of FHIR's REST.

Who calls is looked up here, for a read and a write alike; what changes something has a transaction,
committed before the answer goes out. Errors are OperationOutcomes.

Source: HL7 FHIR R4 4.0.1 §3.1.0 RESTful API; RFC 6750 (bearer tokens).
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any, cast

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from citycare import VERSION
from citycare.kernel import fhir
from citycare.kernel.context import ANONYMOUS, Channel, Context
from citycare.kit.db import Connection, Database
from citycare.kit.errors import AppError
from citycare.kit.reads import Reads
from citycare.scenarios.exchange.api import creating
from citycare.scenarios.exchange.api.holding import Bounded, Held
from citycare.scenarios.exchange.model.calls import Answer, Call
from citycare.scenarios.exchange.model.errors import QueryBroken
from citycare.scenarios.exchange.model.values import Body, Format, Interaction, Kind
from citycare.scenarios.exchange.rules import bodies, headers, refusing, routing
from citycare.scenarios.exchange.service import capabilities, operations
from citycare.scenarios.exchange.service.access import Find
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
BODIES_MAX = 4 * BODY_MAX
"""Bytes of all bodies that a process holds at a time."""
BODY_S_MAX = 120.0
"""Seconds for the rest of a body to arrive: it takes room that others want."""
GATHERED = (Kind.CREATE, Kind.BATCH)
BODILESS = (204, 304)  # of which no length is told: RFC 9110 §8.6
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
        creating: creates, of many at once.
        reads: what reads are read with.
    """

    server: Server
    capabilities: Callable[[], str]
    callers: Callers
    creating: creating.Creating
    reads: Reads


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


def door(edge: Edge, find: Find, security: capabilities.Security | None = None) -> Door:
    """Make the door of an application; `security`: where apps sign in."""
    base = edge.site.base_url + ROOT
    site = capabilities.Site(
        base,
        f"城医通 {edge.site.city}",
        VERSION,
        SINCE,
        operations=operations.declared(base),
        security=security,
    )
    server = Server(base, Trail(edge.database), Sealed(edge))
    creates = creating.Creating(edge.database, base)
    reads = Reads(edge.database)
    return Door(server, partial(capabilities.text, site), Callers(find), creates, reads)


@router.api_route(ROOT, methods=METHODS, dependencies=[gate(ACTION)])
@router.api_route(ROOT + "/{path:path}", methods=METHODS, dependencies=[gate(ACTION)])
async def serve(request: Request) -> Response:
    """Answer one interaction of FHIR R4.

    `FrontDoor` answers before the framework gets here; this declares what it does.
    """
    answer, kind = await respond(request, request.path_params.get("path", ""))
    told = {"Content-Type": f"{kind}; charset=utf-8"} if answer.body else {}
    return Response(answer.body, answer.status, {**answer.headers, **told})


async def respond(request: Request, path: str) -> tuple[Answer, Format]:
    """Answer what is asked at a path below the base; an error is an OperationOutcome."""
    case = exchange_of(request)
    told = _told(request)
    try:
        kind = headers.accepted(told.get("accept", ""), _format(request))
        return await _answer(request, told, case, path), kind
    except AppError as error:
        return await _refused(request, error), Format.FHIR_JSON


def _told(request: Request) -> dict[str, str]:
    """Return the headers, of repeats the first; the framework walks a list for each it is asked."""
    every: list[tuple[bytes, bytes]] = request.scope["headers"]
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(every)}


def _format(request: Request) -> str | None:
    """Return `_format`; few say it, and reading all parameters for it costs as much as a header."""
    if b"_format" not in request.scope["query_string"]:
        return None
    return request.query_params.get("_format")


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
        self._written = _raw(self._headers)
        self._held = Held(BODIES_MAX)

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
        body = Bounded(receive, BODY_MAX, BODY_S_MAX, self._held)
        try:
            answer, kind = await self._answer(Request(scope, body), case, path)
        finally:
            body.release()
        await self._send(answer, kind, case, send)
        took = time.perf_counter() - started
        self._edge.metrics.note(scope["method"], ROOT, answer.status, took)

    async def _answer(self, request: Request, case: Exchange, path: str) -> tuple[Answer, Format]:
        """Answer, whatever happens; with the request its body is let go."""
        try:
            return await respond(request, path[len(ROOT) + 1 :])
        except Exception as error:  # noqa: BLE001 - the last resort, as in the middleware
            log_fault(error, case, request.scope)
            return replace(await _refused(request, Fault()), status=500), Format.FHIR_JSON

    async def _send(self, answer: Answer, kind: Format, case: Exchange, send: Send) -> None:
        """Write the answer: the headers of this door, where the answer has none of that name."""
        told = {name.lower(): value for name, value in answer.headers.items()}
        fixed = self._written
        if not told.keys().isdisjoint(self._headers):
            fixed = _raw({**self._headers, **told})
            told = {}
        body = answer.body.encode()
        if body:
            told["content-type"] = f"{kind}; charset=utf-8"
        if body or answer.status not in BODILESS:
            told["content-length"] = str(len(body))
        told["x-request-id"] = case.request_id
        start = {"type": "http.response.start", "status": answer.status}
        await send(start | {"headers": [*fixed, *_raw(told)]})
        await send({"type": "http.response.body", "body": body})


def _raw(some: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in some.items()]


async def _answer(request: Request, told: Mapping[str, str], case: Exchange, path: str) -> Answer:
    here = cast("Door", request.app.state.exchange)
    asked = routing.interaction(
        request.method,
        path,
        _query(request),
        types=capabilities.SERVED,
        if_none_exist="if-none-exist" in told,
    )
    if asked.kind is Kind.CAPABILITIES:
        return Answer(200, here.capabilities())
    token = _token(told)
    database = edge_of(request).database
    if request.method in WITH_BODY:
        await _known(here, database, case, token)  # before a body of theirs is read
    call = await _call(request, told, asked)
    if request.method in WITH_BODY:
        case.now = edge_of(request).now()  # not before: a body may have taken its time
    if asked.kind in GATHERED:
        caller = await _known(here, database, case, token)
        case.actor, case.channel = caller.actor, caller.channel
        if creating.gathers(call):
            answer = await here.creating.answer(caller, case, call)
            if answer is not None:
                return answer
    async with here.reads.lend() if only_reads(asked) else database.transaction() as db:
        cx = anonymous(db, case)
        caller = await _caller(here, cx, token)
        case.actor, case.channel = caller.actor, caller.channel
        purpose = caller.access.action  # a person reads, a system exchanges
        cx = Context(db, caller.actor, case.now, case.request_id, caller.channel, purpose)
        opener = partial(_opened, database, cx)
        return await Serving(here.server, cx, caller.access, opener).answer(call)


def _query(request: Request) -> str:
    """Return the query as it was sent; the framework would look at Host as well, and stumble."""
    try:
        return cast("bytes", request.scope["query_string"]).decode()
    except UnicodeDecodeError as error:
        raise QueryBroken(problem="not UTF-8") from error


def _token(told: Mapping[str, str]) -> str:
    scheme, _, token = told.get("authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not TOKEN.fullmatch(token):
        raise SignInNeeded(ACTION)
    return token


async def caller_of(request: Request, cx: Context) -> Caller:
    """Return who calls, by the bearer token.

    Raises:
        SignInNeeded: there is none that counts.
    """
    return await _caller(cast("Door", request.app.state.exchange), cx, _token(request.headers))


def anonymous(db: Connection, case: Exchange) -> Context:
    """Return the action of somebody not yet known."""
    return Context(db, ANONYMOUS, case.now, case.request_id, Channel.PHONE, ACTION)


async def _known(here: Door, database: Database, case: Exchange, token: str) -> Caller:
    """Return who calls; mostly that is known from a moment ago, and no connection is needed."""
    caller = here.callers.remembered(token, case.now)
    if caller is not None:
        return caller
    async with database.autocommit() as db:
        return await _caller(here, anonymous(db, case), token)


async def _caller(here: Door, cx: Context, token: str) -> Caller:
    caller = await here.callers.of(cx, token)
    if caller is None:
        raise SignInNeeded(ACTION)
    return caller


@asynccontextmanager
async def _opened(database: Database, cx: Context) -> AsyncIterator[Context]:
    """Open a transaction of its own for an entry of a batch, as the same caller."""
    async with database.transaction() as db:
        yield replace(cx, db=db)


async def _call(request: Request, told: Mapping[str, str], asked: Interaction) -> Call:
    """Read the headers and the body."""
    pairs = routing.pairs(asked.query)
    body: Any = None
    size = 0
    if asked.posted:
        headers.sent(told.get("content-type", ""), Body.FORM)
        pairs += routing.pairs(bodies.text_of(await request.body()))
    elif request.method in WITH_BODY:
        raw = await request.body()
        size = len(raw)
        if raw or asked.kind is not Kind.OPERATION:  # which may have no parameters
            kind = Body.PATCH if request.method == "PATCH" else Body.RESOURCE
            headers.sent(told.get("content-type", ""), kind)
            body = bodies.json_of(raw)
    return Call(
        asked,
        body,
        headers.conditions(told),
        headers.preference(told.get("prefer", "")),
        pairs,
        size,
    )
