"""Open windows for machines: a keyset-paged list, and SMART Scheduling Links.

Source: SMART Scheduling Links 1.0 ($bulk-publish manifest, Location, Schedule and Slot files).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import StreamingResponse

from citycare.kernel.context import ANONYMOUS, Context
from citycare.kit.db import Connection
from citycare.kit.pages import PAGE_MAX
from citycare.scenarios.booking.api.bookings import A_PAGE, PageToken
from citycare.scenarios.booking.api.schemas import ManifestOut, SlotsOut
from citycare.scenarios.booking.model.core import Pool, SlotFilter
from citycare.scenarios.booking.service import links, lists
from citycare.web.edge import Json, edge_of
from citycare.web.edge.contexts import ReadContext, gate

router = APIRouter(tags=["booking"])
SPAN_DEFAULT = timedelta(days=15)
NDJSON = "application/fhir+ndjson"
LINKS = "/api/v1/smart-scheduling"


@router.get(
    "/api/v1/slots",
    response_model=SlotsOut,
    dependencies=[gate("booking.slots", anonymous=True)],
)
async def list_slots(
    cx: ReadContext,
    department: Annotated[
        str | None,
        Query(max_length=16, description="code in 《医疗机构诊疗科目名录》, exactly, as 03.04"),
    ] = None,
    doctor: Annotated[UUID | None, Query(description="the doctor, by id")] = None,
    hospital: Annotated[UUID | None, Query(description="the hospital, by id")] = None,
    district: Annotated[
        str | None, Query(max_length=12, description="GB/T 2260 code, as 310106")
    ] = None,
    clinic: Annotated[UUID | None, Query(description="the clinic, by id")] = None,
    starts_from: Annotated[
        datetime | None,
        Query(alias="from", description="windows that begin then or later; now if left out"),
    ] = None,
    starts_to: Annotated[
        datetime | None,
        Query(alias="to", description="windows that begin before then; 15 days on if left out"),
    ] = None,
    pool: Annotated[Pool, Query(description="whose places; see `pool` of a booking")] = Pool.PUBLIC,
    page: PageToken = None,
    count: Annotated[int, Query(ge=1, le=PAGE_MAX, description=A_PAGE)] = 50,
) -> Any:
    """List windows that have a place which can be booked now, by time.

    Public; no person is mentioned. Filters are joined by 'and'. Instants without a zone are UTC.
    """
    wanted = SlotFilter(
        starts_from=_aware(starts_from, cx.now),
        starts_to=_aware(starts_to, cx.now + SPAN_DEFAULT),
        pool=pool,
        department=department,
        practitioner=doctor,
        organisation=hospital,
        district=district,
        clinic=clinic,
    )
    found = await lists.list_open_slots(cx, wanted, page, count)
    return Json({"items": [_out(row) for row in found.items], "next": found.next})


FIELDS = tuple(SlotsOut.model_fields["items"].annotation.__args__[0].model_fields)  # type: ignore[union-attr]


def _out(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in FIELDS}


def _aware(given: datetime | None, default: datetime) -> datetime:
    """Read an instant without zone as UTC."""
    if given is None:
        return default
    return given if given.tzinfo else given.replace(tzinfo=default.tzinfo)


@router.get(
    LINKS + "/$bulk-publish",
    response_model=ManifestOut,
    dependencies=[gate("booking.slots", anonymous=True)],
)
async def bulk_publish(request: Request, cx: ReadContext) -> Any:
    """Return the SMART Scheduling Links manifest: which files hold what.

    For search engines: windows of the next 15 days with the number of places that the public can
    book now, read at the moment of asking.
    """
    base = edge_of(request).site.base_url + LINKS
    return Json(links.manifest(base, cx.now))


@router.get(
    LINKS + "/{kind}.ndjson",
    dependencies=[gate("booking.slots", anonymous=True)],
    response_class=StreamingResponse,
    responses={200: {"content": {NDJSON: {"schema": {"type": "string"}}}}},
)
async def bulk_file(
    kind: Annotated[links.Kind, Path(description="which file of the manifest")], request: Request
) -> StreamingResponse:
    """Stream one file: locations, schedules or slots, one FHIR resource a line."""
    edge = edge_of(request)
    base = edge.site.base_url

    async def lines() -> AsyncIterator[bytes]:
        async with edge.database.transaction() as db:
            cx = _public(db, edge.now(), str(request.url.path))
            async for resource in links.stream(cx, kind, base):
                yield orjson.dumps(resource) + b"\n"

    return StreamingResponse(lines(), media_type=NDJSON)


def _public(db: Connection, now: datetime, path: str) -> Context:
    return Context(db, ANONYMOUS, now, path, purpose="booking.slots")
