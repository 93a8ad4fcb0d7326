"""Why an operator looks at somebody's data: asked once, kept for half an hour, in this browser.

The reason is sealed with the account, so that another who gets hold of the cookie has none. It is
no proof of anything: the trail is, which has it with each look.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from citycare.kernel.context import Context
from citycare.web.edge import cookies
from citycare.web.edge.exchange import edge_of

COOKIE = "cc_record"
PURPOSE = "exchange.reasons"
LIFE = timedelta(minutes=30)
KEPT_MAX = 5
CHARS_MIN, CHARS_MAX = 4, 100

Kept = list[list[object]]  # [until, reason, names]


def of(request: Request, cx: Context) -> Mapping[str, str]:
    """Return the reasons this operator has given, by person or `Type/id`, that still hold."""
    now = cx.now.timestamp()
    found: dict[str, str] = {}
    for until, reason, names in _kept(request, cx):
        if isinstance(until, int) and isinstance(names, list) and until > now:
            found |= {str(name): str(reason) for name in names}
    return found


def give(
    request: Request, response: Response, cx: Context, names: Iterable[str], reason: str
) -> None:
    """Keep a reason with an answer; the oldest of more than KEPT_MAX is forgotten."""
    edge = edge_of(request)
    until = int((cx.now + LIFE).timestamp())
    kept = [*_kept(request, cx), [until, reason[:CHARS_MAX], sorted(names)]][-KEPT_MAX:]
    value = [str(cx.actor.account_id), kept]
    sealed = edge.sealer.seal(PURPOSE, value, cx.now, LIFE)
    cookies.put(response, edge, COOKIE, sealed, int(LIFE.total_seconds()))


def _kept(request: Request, cx: Context) -> Kept:
    edge = edge_of(request)
    value = edge.sealer.open(PURPOSE, cookies.get(request, edge, COOKIE) or "", cx.now)
    if not isinstance(value, list) or value[0] != str(cx.actor.account_id):
        return []
    kept: Kept = value[1]
    return kept
