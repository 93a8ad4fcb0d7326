"""One sentence after something was done, with its undo: carried by a sealed cookie, shown once."""

from __future__ import annotations

from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from citycare.web.edge import cookies
from citycare.web.edge.exchange import edge_of, exchange_of
from citycare.web.shell import Toast

LIFE = timedelta(minutes=2)
PURPOSE = "notice"


def leave(request: Request, response: Response, notice: Toast) -> None:
    """Leave a notice for the next page this browser opens."""
    edge, case = edge_of(request), exchange_of(request)
    value = edge.sealer.seal(PURPOSE, [notice.text, notice.undo], case.now, LIFE)
    cookies.put(response, edge, cookies.NOTICE, value, int(LIFE.total_seconds()))


def take(request: Request) -> Toast | None:
    """Return the notice left for this page, if any; the answer removes it."""
    edge, case = edge_of(request), exchange_of(request)
    sealed = cookies.get(request, edge, cookies.NOTICE)
    if sealed is None:
        return None
    case.notice_shown = True
    value = edge.sealer.open(PURPOSE, sealed, case.now)
    return Toast(text=value[0], undo=value[1]) if value is not None else None
