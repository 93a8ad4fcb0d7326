"""The API's contents as a plain page: no script, nothing from elsewhere."""

from __future__ import annotations

from html import escape
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import iter_route_contexts
from starlette.requests import Request
from starlette.responses import HTMLResponse

from citycare.kernel.context import Channel
from citycare.kit.http import PROBLEM_TYPE

router = APIRouter(include_in_schema=False)

PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457 problem. `code` is stable; `detail` is for people, in Chinese.",
    "required": ["type", "title", "status", "detail", "code", "facts", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string", "description": "the English sentence"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "examples": ["booking.slot_unavailable"]},
        "facts": {"type": "object", "additionalProperties": {"type": "string"}},
        "request_id": {"type": "string"},
    },
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
ANSWERS = {status: {"description": text, "content": CONTENT} for status, text in REFUSALS.items()}
CHANNEL: dict[str, Any] = {
    "name": "X-Channel",
    "in": "header",
    "required": False,
    "description": "through what the person came to us; all but phone are for staff to say",
    "schema": {"enum": [channel.value for channel in Channel], "default": Channel.PHONE.value},
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
        parts["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
        signed_in = _signed_in(app)
        for path, methods in schema.get("paths", {}).items():
            for method, operation in methods.items():
                operation["responses"].update(ANSWERS)
                if (path, method.upper()) in signed_in:
                    operation.setdefault("parameters", []).append(CHANNEL)
                    operation["security"] = [{"bearer": []}]
        return schema

    app.openapi = openapi  # type: ignore[method-assign] # FastAPI's documented way


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
        f"{', required' if item.get('required') else ''}</li>"
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
