"""Pages as answers: frame and template together, redirects after a POST, errors in people's words.

return await respond(request, cx, "booking/day.html", page)
return redirect(request, "/booking", notice=Toast(text=..., undo="/booking/…/undo"))
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlsplit
from uuid import UUID

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from citycare.kernel.context import Context
from citycare.kit.errors import AppError
from citycare.web import i18n, kept, manner, notices, rendering
from citycare.web.edge import cookies, errors, forgery
from citycare.web.edge.clients import parts_of
from citycare.web.edge.exchange import edge_of, exchange_of
from citycare.web.i18n import mark
from citycare.web.parts import Action, ErrorPage
from citycare.web.portals import shells
from citycare.web.portals.model import Portal
from citycare.web.shell import Lang, Shell, Toast

ERROR_PAGE = "error.html"
STALE_PAGE = "errors/stale_form.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPage:
    """A form to send again as it was: it came too late, or its writer had to sign in first."""

    action: str
    fields: list[tuple[str, str]]
    words: str = ""


def is_partial(request: Request) -> bool:
    """Tell whether htmx asks for a part of the page."""
    return request.headers.get("hx-request") == "true" and "hx-boosted" not in request.headers


async def respond(
    request: Request,
    cx: Context,
    template: str,
    page: object,
    *,
    partial: str | None = None,
    status: int = 200,
    portal: Portal | None = None,
) -> Response:
    """Answer with a page; when htmx asks and there is a partial, with that alone."""
    shell = await shells.shell_for(request, cx, portal)
    name = partial if partial is not None and is_partial(request) else template
    return _page(request, name, shell, page, status)


def respond_openly(request: Request, template: str, page: object, status: int = 200) -> Response:
    """Answer with a page that asks the database nothing: sign-in, errors."""
    return _page(request, template, shells.bare_shell(request), page, status)


def redirect(request: Request, to: str, *, notice: Toast | None = None) -> Response:
    """Send the browser on after a POST (303), perhaps with a notice; `to` is an address of ours."""
    target = local(to)
    if is_partial(request):
        response = Response(status_code=204, headers={"HX-Redirect": quote(target, safe=SAFE)})
    else:
        response = Response(status_code=303, headers={"Location": quote(target, safe=SAFE)})
    if notice is not None:
        notices.leave(request, response, notice)
    return response


SAFE = "/?&=#%:;,+@!$'()*[]~"


def local(address: str | None, fallback: str = "/") -> str:
    """Return an address if it is one of ours, else the fallback: no open redirects."""
    if not address or not address.startswith("/") or address.startswith(("//", "/\\")):
        return fallback
    if any(ord(sign) < ord(" ") for sign in address) or "\\" in address:
        return fallback
    parts = urlsplit(address)
    return fallback if parts.scheme or parts.netloc else address


async def error_page(request: Request, error: AppError) -> Response:
    """Answer an error in people's words; a stale form comes back whole, with a fresh token."""
    shell = shells.bare_shell(request)
    fields: list[tuple[str, str]] | None = None
    if isinstance(error, errors.StaleForm) and forgery.is_ours(request):
        fields = await forgery.kept_fields(request)
    status = errors.status_of(error)
    words = i18n.words_of(error, shell.lang)
    if fields is not None:
        stale = KeptPage(words=words, action=request.url.path, fields=fields)
        name = "errors/_stale_form.html" if is_partial(request) else STALE_PAGE
        return _page(request, name, shell, stale, status)
    title, _, rest = words.partition("。" if shell.lang == "zh" else ". ")
    page = ErrorPage(
        status=status,
        title=title,
        words=rest,
        code=error.code,
        request_id=exchange_of(request).request_id,
        action=_way_out(request, error, shell.lang),
    )
    return _page(request, "_error.html" if is_partial(request) else ERROR_PAGE, shell, page, status)


def _way_out(request: Request, error: AppError, lang: Lang) -> Action:
    """Offer the next step: try again where that helps, else back to where one came from."""
    words = i18n.translations(lang)
    if "Retry-After" in errors.headers_of(error) and request.method == "GET":
        return Action(label=words.gettext(mark("再试一次")), href=local(request.url.path))
    if isinstance(error, errors.RoleMissing):
        return Action(label=words.gettext(mark("换一个身份登录")), href="/login")
    return Action(label=words.gettext(mark("返回")), href=_back(request))


async def interrupted(request: Request, error: AppError) -> Response | None:
    """Send a browser that must sign in to do so, and keep its form meanwhile."""
    if error.code not in errors.SIGN_IN_CODES:
        return None
    if "text/html" not in request.headers.get("accept", "") and not is_partial(request):
        return None
    if request.url.path.startswith(("/api/", "/fhir/")):
        return None
    form_id = None
    target = str(request.url.path) + (f"?{request.url.query}" if request.url.query else "")
    if request.method in forgery.UNSAFE:
        form_id = await _keep_form(request)
        target = _back(request)
    elif is_partial(request):
        target = _back(request)
    step = "/login/code" if isinstance(error, errors.SecondFactorNeeded) else "/login"
    address = f"{step}?next={quote(target, safe='/')}"
    response = redirect(request, address + (f"&kept={form_id}" if form_id else ""))
    cookies.settle(request, response, edge_of(request), exchange_of(request))
    return response


async def _keep_form(request: Request) -> UUID | None:
    if not forgery.is_ours(request):
        return None
    fields = await forgery.kept_fields(request)
    if not fields:
        return None
    edge, case = edge_of(request), exchange_of(request)
    visitor = cookies.visitor_of(request, edge, case)
    path = request.url.path
    async with edge.database.transaction() as db:
        return await kept.keep(db, edge.sealer, case.now, visitor, action=path, fields=fields)


def _back(request: Request) -> str:
    """Return where the browser came from, as far as it is a page of ours."""
    parts = parts_of(request.headers.get("hx-current-url") or request.headers.get("referer", ""))
    if parts.netloc not in ("", request.headers.get("host")):
        return "/"
    return local(parts.path + (f"?{parts.query}" if parts.query else ""))


def _page(request: Request, name: str, shell: Shell, page: object, status: int) -> Response:
    env: Environment = edge_of(request).templates
    html = rendering.render(env, name, shell, page, i18n.translations(shell.lang))
    response = HTMLResponse(html, status)
    response.headers["Vary"] = "HX-Request, Accept-Language, Cookie"
    manner.keep(request, response)
    cookies.settle(request, response, edge_of(request), exchange_of(request))
    return response
