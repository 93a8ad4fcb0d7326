"""How a person wants their pages: language and elder mode, chosen by link, kept by cookie.

`?lang=en` and `?elder=1` work on every page without script; the answer keeps the choice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import Response

from citycare.web import i18n
from citycare.web.edge import cookies
from citycare.web.edge.exchange import edge_of
from citycare.web.shell import Lang

Words = Callable[..., str]


@dataclass(frozen=True, slots=True)
class Manner:
    """What was chosen."""

    lang: Lang
    elder: bool


def manner_of(request: Request) -> Manner:
    """Return the choice in the address, else the one kept, else what the browser accepts."""
    edge = edge_of(request)
    lang = i18n.language(
        request.query_params.get("lang"),
        cookies.get(request, edge, cookies.LANGUAGE),
        accepted=request.headers.get("accept-language", ""),
    )
    kept = request.query_params.get("elder") or cookies.get(request, edge, cookies.ELDER)
    return Manner(lang, kept == "1")


def words_of(request: Request) -> Words:
    """Return `_` for this request: looks a Chinese sentence up, facts by name."""
    gettext = i18n.translations(manner_of(request).lang).gettext

    def words(message: str, /, **facts: Any) -> str:
        text = gettext(message)
        return text % facts if facts else text

    return words


def keep(request: Request, response: Response) -> None:
    """Keep a choice that stood in the address."""
    edge = edge_of(request)
    lang = request.query_params.get("lang")
    if lang in i18n.LANGUAGES:
        cookies.put(response, edge, cookies.LANGUAGE, lang, cookies.YEAR_S)
    elder = request.query_params.get("elder")
    if elder in ("0", "1"):
        cookies.put(response, edge, cookies.ELDER, elder, cookies.YEAR_S)


def link(request: Request, name: str, value: str) -> str:
    """Return this page's address with one choice changed."""
    query = [pair for pair in parse_qsl(request.url.query) if pair[0] != name]
    return f"{request.url.path}?{urlencode([*query, (name, value)])}"
