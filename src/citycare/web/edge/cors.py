"""Lets pages of other origins, apps in browsers, speak to the interfaces that no cookie opens.

Whoever calls there shows a token, which a strange page has only if it was given one; so any origin
may ask, and a browser's own credentials never count. The headers are fixed: they cost a call one
list, and answers in a cache fit whoever asks next. Pages that a cookie opens are not among these.

Source: Fetch Living Standard, "CORS protocol"; HL7 SMART App Launch 2.2.0, "Conformance" (apps in
browsers); HL7 FHIR R4 4.0.1 §3.1.0 "http" (headers of requests and answers), §6.1 Security (CORS).
"""

from __future__ import annotations

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
ASKED = (
    "Accept, Authorization, Content-Type, If-Match, If-Modified-Since, If-None-Exist,"
    " If-None-Match, Prefer, X-Request-Id"
)
TOLD = (
    "Content-Location, ETag, Last-Modified, Location, Retry-After, WWW-Authenticate, X-Progress,"
    " X-Request-Id"
)
KEPT_S = "7200"
ANY = {"Access-Control-Allow-Origin": "*"}
PREFLIGHT = {
    **ANY,
    "Access-Control-Allow-Methods": METHODS,
    "Access-Control-Allow-Headers": ASKED,
    "Access-Control-Max-Age": KEPT_S,
}
OPEN = [
    (name.lower().encode(), value.encode())
    for name, value in {**ANY, "Access-Control-Expose-Headers": TOLD}.items()
]


class OpenToPages:
    """Stands before the whole application; touches only what lies at or below some addresses."""

    def __init__(self, app: ASGIApp, *, paths: tuple[str, ...]) -> None:
        """Open these addresses and what is below them."""
        self._app = app
        self._paths = frozenset(paths)
        self._below = tuple(f"{one}/" for one in paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a preflight, or let a call through and open its answer."""
        path = scope.get("path", "")
        if scope["type"] != "http" or not (path.startswith(self._below) or path in self._paths):
            await self._app(scope, receive, send)
            return
        if scope["method"] == "OPTIONS" and is_preflight(scope):
            await Response(status_code=204, headers=PREFLIGHT)(scope, receive, send)
            return

        async def opened(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *OPEN]
            await send(message)

        await self._app(scope, receive, opened)


def is_preflight(scope: Scope) -> bool:
    """Tell whether a browser asks what a page may do, before it lets the page do it."""
    return any(name == b"access-control-request-method" for name, _ in scope["headers"])
