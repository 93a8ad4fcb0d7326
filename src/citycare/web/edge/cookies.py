"""Our cookies: the session, the visitor, and what a person chose (language, elder mode, for whom).

Over TLS the names that carry power have the prefix `__Host-`: no other host can set them.
"""

from __future__ import annotations

import re
import secrets

from starlette.requests import Request
from starlette.responses import Response

from citycare.web.edge.exchange import Edge, Exchange

SESSION = "cc_session"
VISITOR = "cc_visitor"
LANGUAGE = "cc_lang"
ELDER = "cc_elder"
PERSON = "cc_person"
NOTICE = "cc_notice"
SIGN_IN = "cc_sign_in"
YEAR_S = 365 * 24 * 3600
TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{16,512}")


def name_of(name: str, edge: Edge) -> str:
    """Return the name a cookie goes by on this site."""
    return f"__Host-{name}" if edge.site.is_https else name


def get(request: Request, edge: Edge, name: str) -> str | None:
    """Return the value of one of our cookies."""
    return request.cookies.get(name_of(name, edge))


def put(response: Response, edge: Edge, name: str, value: str, life_s: int | None) -> None:
    """Set a cookie; `life_s` None: until the browser closes."""
    response.set_cookie(
        name_of(name, edge),
        value,
        max_age=life_s,
        path="/",
        secure=edge.site.is_https,
        httponly=True,
        samesite="lax",
    )


def drop(response: Response, edge: Edge, name: str) -> None:
    """Remove a cookie."""
    response.delete_cookie(
        name_of(name, edge), path="/", secure=edge.site.is_https, httponly=True, samesite="lax"
    )


def find_token(request: Request, edge: Edge) -> tuple[str | None, bool]:
    """Return the caller's token, and whether a cookie brought it. A bearer token wins."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return (given.strip() if TOKEN.fullmatch(given.strip()) else None), False
    token = get(request, edge, SESSION)
    if token is not None and TOKEN.fullmatch(token):
        return token, True
    return None, False


def visitor_of(request: Request, edge: Edge, case: Exchange) -> str:
    """Return the visitor mark of this browser; a new one is set with the answer."""
    if case.visitor is None:
        case.visitor = get(request, edge, VISITOR)
    if case.visitor is None or len(case.visitor) > 64:  # noqa: PLR2004 (not one of ours)
        case.visitor = secrets.token_urlsafe(16)
        case.new_visitor = True
    return case.visitor


def settle(request: Request, response: Response, edge: Edge, case: Exchange) -> None:
    """Set the cookies that came up while the answer was made."""
    if case.new_visitor and case.visitor is not None:
        put(response, edge, VISITOR, case.visitor, YEAR_S)
    if get(request, edge, NOTICE) is not None and case.notice_shown:
        drop(response, edge, NOTICE)
