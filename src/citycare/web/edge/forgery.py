"""Form tokens: a POST from a browser session must come from a page of ours.

The token is a time and a signature over the time and the browser's session (or visitor mark). It
is compared in constant time. Bearer calls carry no ambient power and need none. A stale form
loses nothing: the error page holds its fields and a fresh token.

Source: OWASP Cross-Site Request Forgery Prevention, signed double submit; Fetch Metadata (W3C).
"""

from __future__ import annotations

from starlette.datastructures import UploadFile
from starlette.requests import Request

from citycare.web.edge import cookies
from citycare.web.edge.clients import parts_of
from citycare.web.edge.errors import StaleForm
from citycare.web.edge.exchange import Edge, Exchange
from citycare.web.rendering import CSRF_FIELD as FIELD

UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
HEADER = "x-csrf-token"
LIFE_S = 12 * 3600
FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")
KEPT_FIELDS_MAX = 200
KEPT_CHARS_MAX = 64_000


def new_token(request: Request, edge: Edge, case: Exchange) -> str:
    """Return a token for a form on a page that goes to this browser."""
    issued = str(int(case.now.timestamp()))
    return f"{issued}.{edge.sealer.sign('form', f'{issued}.{_holder(request, edge, case)}')}"


async def require(request: Request, edge: Edge, case: Exchange) -> None:
    """Let a request that changes things pass, or raise StaleForm."""
    is_form = request.headers.get("content-type", "").startswith(FORM_TYPES)
    if not case.by_cookie and (case.token is not None or not is_form):
        return
    given = request.headers.get(HEADER)
    if given is None and is_form:
        value = (await request.form()).get(FIELD)
        given = value if isinstance(value, str) else None
    if not is_ours(request) or not _is_good(given or "", request, edge, case):
        raise StaleForm


def _is_good(token: str, request: Request, edge: Edge, case: Exchange) -> bool:
    issued, _, signature = token.partition(".")
    if not (issued.isdecimal() and len(issued) <= 12):  # noqa: PLR2004 (seconds since 1970)
        issued, signature = "0", ""
    holder = _holder(request, edge, case)
    signed = edge.sealer.is_signed("form", f"{issued}.{holder}", signature)
    return signed and case.now.timestamp() - int(issued) <= LIFE_S


def _holder(request: Request, edge: Edge, case: Exchange) -> str:
    if case.by_cookie and case.token is not None:
        return case.token
    return cookies.visitor_of(request, edge, case)


def is_ours(request: Request) -> bool:
    """Tell whether the browser says the request started on a page of ours (or says nothing)."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    if origin is None:
        return True
    return parts_of(origin).netloc == request.headers.get("host")


async def kept_fields(request: Request) -> list[tuple[str, str]] | None:
    """Return the fields of a form, to show it again; None when it is no form or too big."""
    if not request.headers.get("content-type", "").startswith(FORM_TYPES):
        return None
    form = await request.form()
    pairs = [(name, value) for name, value in form.multi_items() if name != FIELD]
    texts = [(name, value) for name, value in pairs if not isinstance(value, UploadFile)]
    size = sum(len(name) + len(value) for name, value in texts)
    if len(texts) != len(pairs) or len(texts) > KEPT_FIELDS_MAX or size > KEPT_CHARS_MAX:
        return None
    return texts
