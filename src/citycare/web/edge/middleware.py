"""The outermost layer: request id, body limit, content types, headers, figures, last resort.

One plain ASGI class, because it runs on every request.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any, cast

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from citycare.kit.errors import AppError
from citycare.web.edge import exchange
from citycare.web.edge.answers import answer
from citycare.web.edge.errors import BodyTooLarge, Fault, TypeNotAccepted
from citycare.web.edge.exchange import Edge, Exchange, Site

log = logging.getLogger("citycare.web")

BODY_BYTES_MAX = 1_000_000
BODY_METHODS = frozenset({"POST", "PUT", "PATCH", "DELETE"})
JSON_TYPES = ("application/json", "application/fhir+json", "application/json-patch+json")
FHIR_TYPES = (*JSON_TYPES, "application/x-www-form-urlencoded")
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " font-src 'self'; media-src 'self'; connect-src 'self'; manifest-src 'self';"
    " worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SAFETY = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(self), geolocation=(self), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
STRICT_TRANSPORT = "max-age=31536000; includeSubDomains"


def safety_headers(site: Site) -> dict[str, str]:
    """Return the headers every answer of this site carries."""
    return {**SAFETY, "Strict-Transport-Security": STRICT_TRANSPORT} if site.is_https else SAFETY


@dataclass(frozen=True, slots=True)
class Limits:
    """How large bodies may be: a default, and larger ones below some path prefixes."""

    default: int = BODY_BYTES_MAX
    by_prefix: tuple[tuple[str, int], ...] = ()

    def of(self, path: str) -> int:
        """Return the limit that holds for a path."""
        return next(
            (top for prefix, top in self.by_prefix if path.startswith(prefix)), self.default
        )


class EdgeMiddleware:
    """Wraps the whole application."""

    def __init__(self, app: ASGIApp, *, edge: Edge, limits: Limits) -> None:
        """Prepare the headers that never change."""
        self._app = app
        self._edge = edge
        self._limits = limits
        self._headers = safety_headers(edge.site)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        case = exchange.new_exchange(headers.get("x-request-id"), self._edge.now())
        scope[exchange.KEY] = case
        scope["app"] = scope.get("app") or _Holder(self._edge)
        started = time.perf_counter()
        answered = _Answered(send, self._headers, case)
        try:
            await self._serve(scope, _Counted(receive), answered, headers)
        except AppError as error:  # from outside a route, or from an error handler
            if answered.status:
                raise
            await self._refuse(error, scope, receive, answered)
        except Exception as error:
            log_fault(error, case, scope)
            if answered.status:
                raise
            await self._refuse(Fault(), scope, receive, answered)
        finally:
            took = time.perf_counter() - started
            self._edge.metrics.note(scope["method"], route_of(scope), answered.status, took)

    async def _serve(self, scope: Scope, receive: _Counted, send: Send, headers: Headers) -> None:
        path: str = scope["path"]
        if scope["method"] in BODY_METHODS:
            receive.bytes_max = self._limits.of(path)
            try:
                _check_head(path, headers, receive.bytes_max)
            except AppError as error:
                await self._refuse(error, scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _refuse(self, error: AppError, scope: Scope, receive: Receive, send: Send) -> None:
        response = await answer(Request(scope, receive), error)
        await response(scope, receive, send)


@dataclass(slots=True)
class _State:
    edge: Edge


class _Holder:
    """Stands in for the application when a request is refused before it gets there."""

    def __init__(self, edge: Edge) -> None:
        self.state = _State(edge)


class _Counted:
    """Hands the body on and stops it at the limit, for bodies that do not state their length."""

    __slots__ = ("_receive", "_seen", "bytes_max")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._seen = 0
        self.bytes_max = BODY_BYTES_MAX

    async def __call__(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._seen += len(message.get("body", b""))
            if self._seen > self.bytes_max:
                raise BodyTooLarge(bytes_max=self.bytes_max)
        return message


class _Answered:
    """Adds the headers every answer has, and remembers the status."""

    __slots__ = ("_case", "_headers", "_send", "status")

    def __init__(self, send: Send, headers: dict[str, str], case: Exchange) -> None:
        self._send = send
        self._headers = headers
        self._case = case
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            found = MutableHeaders(scope=cast("dict[str, Any]", message))
            for name, value in self._headers.items():
                found.setdefault(name, value)
            found.setdefault("Cache-Control", "no-store")
            found["X-Request-Id"] = self._case.request_id
        await self._send(message)


def route_of(scope: Scope) -> str:
    """Return the template of the route that served, for figures and logs: no ids in it."""
    effective = scope.get("fastapi", {}).get("effective_route_context")
    route = effective or scope.get("route")
    return getattr(route, "path_format", None) or getattr(route, "path", None) or "unmatched"


def _check_head(path: str, headers: Headers, bytes_max: int) -> None:
    length = headers.get("content-length")
    if length is not None and (not length.isdecimal() or int(length) > bytes_max):
        raise BodyTooLarge(bytes_max=bytes_max)
    if length == "0" or (length is None and "transfer-encoding" not in headers):
        return
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    accepted = _accepted(path)
    if accepted is not None and kind not in accepted:
        raise TypeNotAccepted(given=kind or "none", accepted=" ".join(accepted))


def _accepted(path: str) -> tuple[str, ...] | None:
    if path.startswith("/api/"):
        return JSON_TYPES
    if path.startswith("/fhir/"):
        return FHIR_TYPES
    return None


def log_fault(error: BaseException, case: Exchange, scope: Scope) -> None:
    """Log where it broke, never the message: database errors quote the rows they stumbled on."""
    chain: list[str] = []
    link: BaseException | None = error
    while link is not None and len(chain) < 5:  # noqa: PLR2004 (deep enough to see the cause)
        trace = link.__traceback__
        places = []
        while trace is not None:
            code = trace.tb_frame.f_code
            places.append(f"{code.co_filename.rpartition('/src/')[2]}:{trace.tb_lineno}")
            trace = trace.tb_next
        chain.append(f"{type(link).__qualname__} at {' > '.join(places[-8:])}")
        link = link.__cause__ or link.__context__
    log.error(
        "fault request=%s method=%s route=%s: %s",
        case.request_id,
        scope["method"],
        route_of(scope),
        " | because ".join(chain),
    )
