"""Whether we live, whether we can work, and our figures."""

from __future__ import annotations

import asyncio
from functools import cache
from pathlib import Path

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from psycopg import errors
from starlette.requests import Request
from starlette.responses import Response

from citycare.kit import migrate
from citycare.kit.errors import Unavailable
from citycare.web.edge.answers import Json
from citycare.web.edge.exchange import Edge, edge_of

router = APIRouter(include_in_schema=False)

READY_S_MAX = 2.0
APPLIED = "SELECT name FROM migration.applied"


class NotReady(Unavailable):
    """The database is not at the version this program needs."""

    code = "service.not_ready"
    words = "系统正在升级，您的内容没有丢，请过几分钟再试。"


@router.get("/health/live")
async def live() -> Response:
    """Answer as long as the process runs."""
    return Json({"status": "live"})


@router.get("/health/ready")
async def ready(request: Request) -> Response:
    """Answer 200 when the database is there and has every migration; else 503."""
    edge = edge_of(request)
    try:
        async with asyncio.timeout(READY_S_MAX):
            missing = await _missing(edge)
    except TimeoutError as error:
        raise Unavailable from error
    if missing:
        raise NotReady(missing=" ".join(sorted(missing)))
    return Json({"status": "ready"})


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Return the figures of this process."""
    edge = edge_of(request)
    text = edge.metrics.text(edge.database)
    return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _missing(edge: Edge) -> set[str]:
    async with edge.database.autocommit() as db:
        try:
            rows = await (await db.execute(APPLIED)).fetchall()
        except (errors.UndefinedTable, errors.InsufficientPrivilege):
            rows = []
    return set(_needed(edge.site.migrations)) - {row["name"] for row in rows}


@cache
def _needed(folder: Path) -> tuple[str, ...]:
    return tuple(migration.name for migration in migrate.find(folder, phases=("pre",)))
