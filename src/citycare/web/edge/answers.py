"""Errors as answers: a problem for the API, an OperationOutcome for FHIR, a page for people."""

from __future__ import annotations

import logging
from html import escape
from typing import Any, cast

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from citycare.kit.errors import AppError, Incorrect
from citycare.kit.http import PROBLEM_TYPE
from citycare.web.edge import errors
from citycare.web.edge.exchange import edge_of, exchange_of

log = logging.getLogger("citycare.web")

FHIR_TYPE = "application/fhir+json"
MACHINE_PATHS = ("/api/", "/health/", "/metrics")


class Json(Response):
    """JSON written by orjson."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Write the value."""
        return orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS)


async def answer(request: Request, error: AppError) -> Response:
    """Return the answer to a request that met an error, in the form its caller reads."""
    case = exchange_of(request)
    status = errors.status_of(error)
    headers = dict(errors.headers_of(error))
    path = request.url.path
    if path.startswith("/fhir/"):
        body = errors.outcome(error, case.request_id)
        return Json(body, status, headers, media_type=FHIR_TYPE)
    if path.startswith(MACHINE_PATHS) or _wants_json(request):
        return Json(errors.problem(error, case.request_id), status, headers, PROBLEM_TYPE)
    response = await _page(request, error)
    for name, value in headers.items():
        response.headers.setdefault(name, value)
    return response


async def _page(request: Request, error: AppError) -> Response:
    """Draw the error for people; when drawing fails too, say it plainly."""
    draw = edge_of(request).error_page
    if draw is None:
        return plain_page(request, error)
    try:
        return await draw(request, error)
    except Exception as broken:  # noqa: BLE001 (an error page must not end in an error)
        log.warning("error page failed: %s", type(broken).__qualname__)
        return plain_page(request, error)


def plain_page(request: Request, error: AppError) -> Response:
    """Return a page that needs nothing else to work: the last resort."""
    number = escape(exchange_of(request).request_id)
    html = (
        '<!doctype html><html lang="zh-CN"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(error.words)}</title><main><h1>{escape(error.words)}</h1>"
        f'<p lang="en">{escape(error.message())}</p>'
        f'<p><a href="/">返回首页 Home</a></p><p>编号 No. {number}</p></main></html>'
    )
    return Response(html, errors.status_of(error), media_type="text/html")


def register(app: FastAPI) -> None:
    """Answer the expected errors, the framework's own, and bad input."""
    app.add_exception_handler(AppError, _on_app_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(RequestValidationError, _on_bad_input)


async def _on_app_error(request: Request, error: Exception) -> Response:
    edge = edge_of(request)
    expected = cast("AppError", error)
    if edge.on_refused is not None:
        await edge.on_refused(request, expected)
    if edge.on_interrupted is not None:
        response = await edge.on_interrupted(request, expected)
        if response is not None:
            return response
    return await answer(request, expected)


async def _on_http_error(request: Request, error: Exception) -> Response:
    http_error = cast("HTTPException", error)
    cause = error.__cause__
    if isinstance(cause, AppError):  # a body stopped at its limit while it was parsed
        return await answer(request, cause)
    kind = errors.BY_STATUS.get(http_error.status_code)
    if kind is None:
        kind = errors.Fault if http_error.status_code >= 500 else Incorrect  # noqa: PLR2004
    response = await answer(request, kind())
    for name, value in (http_error.headers or {}).items():
        response.headers.setdefault(name, value)
    return response


async def _on_bad_input(request: Request, error: Exception) -> Response:
    found = cast("RequestValidationError", error).errors()
    if any(item["type"] == "json_invalid" for item in found):
        at = next(item["loc"][-1] for item in found if item["type"] == "json_invalid")
        return await answer(request, errors.BodyBroken(at=at))
    facts = {".".join(str(part) for part in item["loc"]): item["msg"] for item in found[:50]}
    return await answer(request, errors.RequestInvalid(**facts))


def _wants_json(request: Request) -> bool:
    accept = request.headers.get("accept", "")
    return "json" in accept and "html" not in accept
