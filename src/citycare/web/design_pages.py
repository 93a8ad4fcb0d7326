"""The component pages: every part in every state, for whoever builds pages. Operators only."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from citycare.web import design
from citycare.web.edge.contexts import ReadContext
from citycare.web.edge.errors import RouteUnknown
from citycare.web.edge.exchange import edge_of
from citycare.web.manner import manner_of
from citycare.web.operator.common import operator_gate
from citycare.web.respond import redirect, respond

router = APIRouter(include_in_schema=False)
GATE = operator_gate("operator.design")
WORK = frozenset({"clinic"})  # the screens drawn in the frame of a professional portal


@router.get("/design", dependencies=[GATE])
async def index(request: Request, cx: ReadContext) -> Response:  # noqa: ARG001 - the gate needs it
    """Begin at the list of parts."""
    return redirect(request, "/design/parts")


@router.get("/design/{name}", dependencies=[GATE])
async def screen(request: Request, cx: ReadContext, name: str) -> Response:
    """Show one screen with made-up content."""
    if name not in design.SCREENS:
        raise RouteUnknown(screen=name[:40])
    template, page = design.screen(name, manner_of(request).lang)
    portal = edge_of(request).portals["clinic" if name in WORK else "resident"]
    return await respond(request, cx, template, page, portal=portal)
