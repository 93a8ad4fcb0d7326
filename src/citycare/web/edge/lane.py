"""A lane beside the framework for the one route that a whole city presses in the same second.

Measured (docs/performance.md): routing, dependencies and middleware cost five times what a booking
in a batch costs. The lane reads one POST with a bearer token and a small JSON body, hands it on,
and writes the answer with the same headers and the same problems as the edge. Whatever is not
exactly of that form goes the framework's way, to the same handler. ADR 3.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import orjson
from starlette.types import ASGIApp, Receive, Scope, Send

from citycare.kit.errors import AppError
from citycare.kit.http import PROBLEM_TYPE
from citycare.web.edge import errors, exchange
from citycare.web.edge.exchange import Edge
from citycare.web.edge.middleware import safety_headers

log = logging.getLogger("citycare.web")

BODY_BYTES_MAX = 4_096
BEARER = b"Bearer "
JSON_TYPE = b"application/json"


@dataclass(frozen=True, slots=True)
class Call:
    """One POST: the bearer token, the headers as they came, the whole body."""

    token: str
    headers: Mapping[bytes, bytes]
    body: bytes
    request_id: str

    def header(self, name: bytes, default: str = "") -> str:
        """Return a header's text."""
        value = self.headers.get(name)
        return default if value is None else value.decode("latin-1")


Handler = Callable[[Call], Awaitable[tuple[int, bytes]]]


class Lane:
    """Wraps the whole application; serves POST on one path itself."""

    def __init__(self, app: ASGIApp, edge: Edge, path: str, handler: Handler) -> None:
        self._app = app
        self._edge = edge
        self._path = path
        self._handler = handler
        fixed = {**safety_headers(edge.site), "Cache-Control": "no-store"}
        self._headers = [(k.lower().encode(), v.encode()) for k, v in fixed.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] != self._path or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if not _fits(headers):
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        body = await _read(receive)
        given = headers.get(b"x-request-id")
        case = exchange.new_exchange(given.decode("latin-1") if given else None, self._edge.now())
        token = headers[b"authorization"][len(BEARER) :].decode("latin-1")
        status, kind, text, more = await self._answer(Call(token, headers, body, case.request_id))
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [
                    *self._headers,
                    (b"content-type", kind),
                    (b"content-length", str(len(text)).encode()),
                    (b"x-request-id", case.request_id.encode()),
                    *more,
                ],
            }
        )
        await send({"type": "http.response.body", "body": text})
        self._edge.metrics.note("POST", self._path, status, time.perf_counter() - started)

    async def _answer(self, call: Call) -> tuple[int, bytes, bytes, list[tuple[bytes, bytes]]]:
        try:
            status, text = await self._handler(call)
        except AppError as error:
            refused = error
        except Exception as error:  # noqa: BLE001 - the last resort, as in the middleware
            log.error(  # noqa: TRY400 - the message may hold what a person sent
                "fault %s on the lane, request %s", type(error).__qualname__, call.request_id
            )
            refused = errors.Fault()
        else:
            return status, JSON_TYPE, text, []
        more = [(k.lower().encode(), v.encode()) for k, v in errors.headers_of(refused).items()]
        text = orjson.dumps(errors.problem(refused, call.request_id))
        return errors.status_of(refused), PROBLEM_TYPE.encode(), text, more


def _fits(headers: Mapping[bytes, bytes]) -> bool:
    """Tell whether a request is of the plain form; anything else goes the framework's way."""
    length = headers.get(b"content-length", b"")
    return (
        headers.get(b"authorization", b"").startswith(BEARER)
        and headers.get(b"content-type") == JSON_TYPE
        and length.isdigit()
        and int(length) <= BODY_BYTES_MAX
    )


async def _read(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    return body
