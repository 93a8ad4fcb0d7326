"""What an export made: its state, its files, its end.

Source: HL7 FHIR Bulk Data Access IG 2.0.0, "Bulk Data Status Request", "Bulk Data Delete Request",
"Bulk Data Output File Request".
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast
from uuid import UUID

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from citycare.kernel.context import Context
from citycare.kernel.fhir import exporting
from citycare.kernel.fhir.integrity import persons_among
from citycare.scenarios.exchange.api import rest
from citycare.scenarios.exchange.rules import responses
from citycare.scenarios.exchange.service.access import EXCHANGE, Access
from citycare.web.edge import Json, edge_of, exchange_of
from citycare.web.gates import gate

ROOT = "/bulk/fhir"
PATH = ROOT + "/{export_id}"
FILE = PATH + "/{number}.ndjson"
RETRY_S = 2
ACCEPTED = 202
router = APIRouter(include_in_schema=False)


@router.get(PATH, dependencies=[gate(EXCHANGE)])
async def state(request: Request, export_id: UUID) -> Response:
    """Tell how far an export is, or which files it has."""
    async with _entered(request, export_id) as (_, __, found):
        pass
    if not found.ended:
        share = f"{found.done}/{len(found.types)} types, {found.count} resources"
        return Response(
            status_code=ACCEPTED, headers={"X-Progress": share, "Retry-After": str(RETRY_S)}
        )
    base = edge_of(request).site.base_url
    output = [
        {
            "type": one.type,
            "url": base + FILE.format(export_id=export_id, number=one.number),
            "count": one.count,
        }
        for one in found.files
    ]
    manifest: dict[str, Any] = {
        "transactionTime": responses.instant(found.transaction_time),
        "request": found.request,
        "requiresAccessToken": True,
        "output": output,
        "error": [],
    }
    return Json(manifest)


@router.delete(PATH, dependencies=[gate(EXCHANGE)])
async def end(request: Request, export_id: UUID) -> Response:
    """Stop an export, or delete what it made."""
    async with _entered(request, export_id, writes=True) as (cx, _, __):
        await exporting.cancel(cx, export_id)
    return Response(status_code=ACCEPTED)


@router.get(FILE, dependencies=[gate(EXCHANGE)])
async def file(request: Request, export_id: UUID, number: int) -> Response:
    """Send a file, piece by piece: a slow client holds no connection of the database.

    Whoever is named in a piece is on record before it is sent, once a file.
    """
    async with _entered(request, export_id, writes=True) as (cx, access, _):
        await exporting.open_file(cx, export_id, number)
    edge = edge_of(request)
    trail = cast("rest.Door", request.app.state.exchange).server.trail
    record = f"fhir.export/{export_id}/{number}"

    async def pieces() -> AsyncIterator[bytes]:
        after: int | None = 0
        named: set[str] = set()
        while after is not None:
            async with edge.database.autocommit() as db:
                piece = await exporting.read(
                    replace(cx, db=db), export_id, number, after, visible=access.seen("r")
                )
            persons = persons_among(piece.resources) - named
            if persons:
                await trail.read(replace(cx, now=edge.now()), access.action, record, persons)
                named |= persons
            yield piece.text
            after = piece.after

    return StreamingResponse(pieces(), media_type="application/fhir+ndjson")


@asynccontextmanager
async def _entered(
    request: Request, export_id: UUID, *, writes: bool = False
) -> AsyncIterator[tuple[Context, Access, exporting.Status]]:
    """Find out who calls, and that the export is theirs.

    Raises:
        ExportNotFound: there is none, or it is another's.
    """
    case = exchange_of(request)
    database = edge_of(request).database
    async with database.transaction() if writes else database.autocommit() as db:
        caller = await rest.caller_of(request, rest.anonymous(db, case))
        case.actor, case.channel = caller.actor, caller.channel
        cx = rest.anonymous(db, case)
        cx = replace(cx, actor=caller.actor, channel=caller.channel)
        found = await exporting.status(cx, export_id)
        if found.account != caller.actor.account_id:
            raise exporting.ExportNotFound(export=export_id)
        yield cx, caller.access, found
