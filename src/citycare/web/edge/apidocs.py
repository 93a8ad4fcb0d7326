"""The API's contents as a plain page: no script, nothing from elsewhere."""

from __future__ import annotations

from html import escape
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from fastapi.utils import generate_unique_id
from starlette.requests import Request
from starlette.responses import HTMLResponse

from citycare.kernel.context import Channel
from citycare.kit.http import PROBLEM_TYPE

router = APIRouter(include_in_schema=False)

ABOUT = """
How to use this API, in a minute.

**Sign in**: send `Authorization: Bearer …`. Operations without a lock are public. What you may see
follows from who you are: what you may not see is answered like what does not exist (404), and
lists leave it out.

**Repeat safely**: a POST that changes something takes an `Idempotency-Key`, a name you give the
request. If no answer comes, send the same again with the same key: nothing happens twice and you
get the first answer. PUT, DELETE and joining a queue may be repeated as they are.

**Errors** are problems (RFC 9457). Decide by `code`, which is stable; show `detail`, which is
written for people; quote `request_id` when you ask us. Each operation names the codes that are its
own. After 429 and 503 wait for `Retry-After` seconds.

**Pages**: send the `next` of an answer as `page` (draws: `after`) to go on; null is the end. Tokens
are opaque.

**Times** are instants in UTC; days are days of the city (UTC+8). **Money** is in fen. Ids are
UUIDs. Fields may be added to answers: ignore what you do not know. Unknown fields in a body are
refused.
"""
TAGS = [
    {"name": "booking", "description": "windows, bookings, waiting lists and queues"},
    {"name": "draws", "description": "lotteries over the places of a clinic, open to be checked"},
]
PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "What went wrong (RFC 9457).",
    "required": ["type", "title", "status", "detail", "code", "facts", "request_id"],
    "properties": {
        "type": {"type": "string", "description": "the page of the code"},
        "title": {"type": "string", "description": "the English sentence"},
        "status": {"type": "integer", "description": "the HTTP status once more"},
        "detail": {"type": "string", "description": "what to tell people, with the next step"},
        "code": {"type": "string", "description": "stable: decide by this"},
        "facts": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "ids and numbers; for `request.invalid` each wrong field and why",
        },
        "request_id": {"type": "string", "description": "under which we find it in our log"},
    },
    "examples": [
        {
            "type": "/docs/errors#booking.slot_unavailable",
            "title": "No place is left in this window.",
            "status": 409,
            "detail": "这个时段刚刚约满了。您可以选别的时间，或者排候补。",
            "code": "booking.slot_unavailable",
            "facts": {"slot": "0193a1f0-7d1a-7c3e-9f10-2b6f6c1d4e01"},
            "request_id": "0193a1f0-7d1a-7c3e-9f10-2b6f6c1d4e09",
        }
    ],
}
REFUSALS = {
    "400": "what was sent is not right; `code` says what",
    "401": "sign in first, or give the second factor",
    "403": "you may see it, but may not do this",
    "404": "there is no such thing, or none that you may know of",
    "405": "the address does not answer this method",
    "409": "things have changed since you looked, or the key came before with another content",
    "413": "the body is too large",
    "415": "the body has another content type than this address takes",
    "422": "some fields are missing or wrong; `facts` names them",
    "429": "too many attempts; come back after `Retry-After` seconds",
    "500": "a fault of ours, logged under `request_id`",
    "503": "busy, or something we need is away; come back after `Retry-After` seconds",
}
CONTENT = {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
LATER = {"Retry-After": {"description": "seconds to wait", "schema": {"type": "integer"}}}
ANSWERS: dict[str, dict[str, Any]] = {
    status: {"description": text, "content": CONTENT}
    | ({"headers": LATER} if status in ("429", "503") else {})
    for status, text in REFUSALS.items()
}
BEARER = {
    "type": "http",
    "scheme": "bearer",
    "description": "a token of a session; `citycare token --as ROLE` prints one",
}
CHANNEL: dict[str, Any] = {
    "name": "X-Channel",
    "in": "header",
    "required": False,
    "description": "through what the person came to us; all but phone are for staff to say",
    "schema": {
        "type": "string",
        "enum": [channel.value for channel in Channel],
        "default": Channel.PHONE.value,
    },
}


def describe(app: FastAPI) -> None:
    """Let the interface description say what our errors look like and how one signs in."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is not None:
            return app.openapi_schema
        schema = plain()
        parts = schema.setdefault("components", {})
        schemas = parts.setdefault("schemas", {})
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        schemas["Problem"] = PROBLEM
        parts["securitySchemes"] = {"bearer": BEARER}
        schema["info"]["description"] = ABOUT.strip()
        schema["tags"] = TAGS
        signed_in = _signed_in(app)
        for path, methods in schema.get("paths", {}).items():
            for method, operation in methods.items():
                _say(operation, schemas)
                operation["responses"].update(ANSWERS)
                if (path, method.upper()) in signed_in:
                    operation.setdefault("parameters", []).append(CHANNEL)
                    operation["security"] = [{"bearer": []}]
        return schema

    app.openapi = openapi  # type: ignore[method-assign] # FastAPI's documented way


def _say(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Put the first sentence where the framework puts the function's name, and say what comes."""
    first, _, _ = operation.get("description", operation["summary"]).partition("\n\n")
    operation["summary"] = " ".join(first.split()).partition(". ")[0].rstrip(".")
    for status, answer in operation["responses"].items():
        if status.startswith("2"):
            media: dict[str, Any] = next(iter(answer.get("content", {}).values()), {})
            named = schemas.get(_name_of(media.get("schema", {})), {})
            fallback = "done; there is nothing to say" if status == "204" else "the lines"
            answer["description"] = named.get("description", fallback)


def operation_id(route: APIRoute) -> str:
    """Name an operation of the API by its function, for those who generate clients."""
    return route.name if route.path_format.startswith("/api/") else generate_unique_id(route)


def _signed_in(app: FastAPI) -> set[tuple[str, str]]:
    """Return the operations whose gate asks for somebody who is signed in."""
    found = set()
    for route in iter_route_contexts(app.routes):
        dependencies = getattr(getattr(route, "dependant", None), "dependencies", ())
        gates = [getattr(one.call, "gate", None) for one in dependencies]
        if any(gate is not None and not gate.anonymous for gate in gates):
            found |= {(route.path or "", method) for method in route.methods or ()}
    return found


@router.get("/api/docs")
async def docs(request: Request) -> HTMLResponse:
    """List every operation with its summary, inputs and answers."""
    schema: dict[str, Any] = request.app.openapi()
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width, initial-scale=1'>",
        f"<title>{escape(schema['info']['title'])} API</title></head><body><main>",
        f"<h1>{escape(schema['info']['title'])} API</h1>",
        "<p>Machine-readable: <a href='/api/openapi.json'>/api/openapi.json</a></p>",
        *(f"<p>{escape(part)}</p>" for part in schema["info"]["description"].split("\n\n")),
        "<p>Every operation may refuse with a problem (RFC 9457):</p><ul>",
        *(f"<li>{status} {escape(text)}</li>" for status, text in REFUSALS.items()),
        "</ul>",
    ]
    for path, methods in sorted(schema.get("paths", {}).items()):
        for method, operation in methods.items():
            parts.append(_operation(path, method, operation))
    parts.append("</main></body></html>")
    return HTMLResponse("".join(parts), headers={"Cache-Control": "public, max-age=300"})


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    inputs = [
        f"<li><code>{escape(item['name'])}</code> in {escape(item['in'])}"
        f"{', required' if item.get('required') else ''}"
        f": {escape(item.get('description', ''))}</li>"
        for item in operation.get("parameters", [])
    ]
    for kind, media in operation.get("requestBody", {}).get("content", {}).items():
        name = _name_of(media.get("schema", {}))
        inputs.append(f"<li>body <code>{escape(kind)}</code> {escape(name)}</li>")
    answers = [
        f"<li>{escape(status)} {escape(answer.get('description', ''))}</li>"
        for status, answer in operation.get("responses", {}).items()
        if status not in REFUSALS
    ]
    text = operation.get("description") or operation.get("summary", "")
    return (
        f"<section><h2><code>{escape(method.upper())} {escape(path)}</code></h2>"
        f"<p>{escape(text)}</p><ul>{''.join(inputs)}</ul><ul>{''.join(answers)}</ul></section>"
    )


def _name_of(schema: dict[str, Any]) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2] or str(schema.get("type", ""))
