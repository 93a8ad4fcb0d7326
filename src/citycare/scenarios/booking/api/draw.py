"""Draws over JSON: what is published for everybody, and a person's own request.

The list is a stream of lines (NDJSON) in bounded memory; it says nothing about who asked.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel, Field

from citycare.scenarios.booking.api.once import KeyHeader, once
from citycare.scenarios.booking.api.schemas import Strict
from citycare.scenarios.booking.model.core import Pool
from citycare.scenarios.booking.model.draw import (
    WISHES_MAX,
    Draw,
    DrawRequest,
    DrawState,
    DrawStep,
    Keys,
)
from citycare.scenarios.booking.service import draw as service
from citycare.web.edge import edge_of
from citycare.web.edge.contexts import ReadContext, WriteContext, gate

router = APIRouter(prefix="/api/v1/draws", tags=["draws"])
NDJSON = "application/x-ndjson"
SLOTS_MAX = 20_000
PUBLIC = gate("booking.read_draw", anonymous=True)


def keys_of(request: Request) -> Keys:
    """Return the secrets of this installation, read from its home once."""
    return service.keys_in(edge_of(request).site.home)


class DrawOut(BaseModel):
    """A draw as everybody may see it. Digests, commitment and seed are hex; instants are UTC."""

    id: UUID
    organisation_id: UUID
    name: str
    pool: Pool
    state: DrawState
    opens_at: datetime
    closes_at: datetime
    commitment: str
    beacon_source: str
    beacon: str | None
    requests: int | None
    list_sha256: str | None
    seed: str | None
    won: int | None
    done_at: datetime | None
    list: str | None


class DrawsOut(BaseModel):
    """Some draws, oldest first; `next` is the `after` of the next page."""

    items: list[DrawOut]
    next: UUID | None


class NewDrawIn(Strict):
    """A draw to open."""

    organisation_id: UUID
    name: str = Field(min_length=1, max_length=100)
    opens_at: AwareDatetime
    closes_at: AwareDatetime
    slots: list[UUID] = Field(min_length=1, max_length=SLOTS_MAX)
    pool: Pool = Pool.PUBLIC
    beacon_source: str = Field("", max_length=200)


class BeaconIn(Strict):
    """The announced public text."""

    text: str = Field(min_length=1, max_length=service.BEACON_CHARS_MAX)


class WishesIn(Strict):
    """A person's windows, the most wanted first."""

    wishes: list[UUID] = Field(min_length=1, max_length=WISHES_MAX)


class RequestOut(BaseModel):
    """A person's request; `public_id` is its name in the published list."""

    draw_id: UUID
    public_id: UUID
    person_id: UUID
    wishes: list[UUID]
    changed_at: datetime


def _draw_out(draw: Draw) -> dict[str, Any]:
    return {
        "id": draw.id,
        "organisation_id": draw.organisation_id,
        "name": draw.name,
        "pool": draw.pool,
        "state": draw.state,
        "opens_at": draw.opens_at,
        "closes_at": draw.closes_at,
        "commitment": draw.commitment.hex(),
        "beacon_source": draw.beacon_source,
        "beacon": draw.beacon,
        "requests": draw.requests,
        "list_sha256": draw.list_digest.hex() if draw.list_digest else None,
        "seed": draw.seed.hex() if draw.seed else None,
        "won": draw.won,
        "done_at": draw.done_at,
        "list": f"{router.prefix}/{draw.id}/list.ndjson" if draw.list_digest else None,
    }


def _request_out(request: DrawRequest) -> dict[str, Any]:
    return {name: getattr(request, name) for name in RequestOut.model_fields}


@router.get("", response_model=DrawsOut, dependencies=[PUBLIC])
async def list_draws(
    cx: ReadContext,
    organisation_id: UUID | None = None,
    after: UUID | None = None,
    count: Annotated[int, Query(ge=1, le=service.PAGE_MAX)] = 50,
) -> Any:
    """List draws, oldest first, of one organisation or all."""
    draws = await service.list_draws(cx.db, organisation_id, after, count)
    following = draws[-1].id if len(draws) == count else None
    return {"items": [_draw_out(draw) for draw in draws], "next": following}


@router.post("", status_code=201, response_model=DrawOut, dependencies=[gate("booking.draw")])
async def open_draw(request: Request, body: NewDrawIn, key: KeyHeader, cx: WriteContext) -> Any:
    """Open a draw over windows that are released by draw; the commitment is public at once."""
    new = service.NewDraw(**body.model_dump())

    async def run() -> tuple[int, dict[str, Any]]:
        draw = await service.open_draw(cx, keys_of(request), new)
        return 201, DrawOut.model_validate(_draw_out(draw)).model_dump(mode="json")

    return await once(cx, key, ["open draw", body.model_dump(mode="json")], run)


@router.get("/{draw_id}", response_model=DrawOut, dependencies=[PUBLIC])
async def get_draw(draw_id: UUID, cx: ReadContext) -> Any:
    """Read a draw: commitment, digest and state; the seed once it is done."""
    return _draw_out(await service.get_draw(cx.db, draw_id))


@router.get(
    "/{draw_id}/list.ndjson",
    response_class=StreamingResponse,
    responses={200: {"content": {NDJSON: {"schema": {"type": "string"}}}}},
    dependencies=[PUBLIC],
)
async def get_list(request: Request, draw_id: UUID, cx: ReadContext) -> StreamingResponse:
    """Read the published list, a JSON object a line; docs/scenarios/draw.md tells how to check it.

    409 `booking.draw_step` before the list is frozen.
    """
    draw = await service.get_draw(cx.db, draw_id)
    if draw.list_digest is None:
        raise DrawStep(draw=draw_id, state=draw.state)
    database = edge_of(request).database

    async def blocks() -> AsyncIterator[bytes]:
        async with database.autocommit() as db:
            async for block in service.published(db, draw_id):
                yield block

    return StreamingResponse(blocks(), media_type=NDJSON)


@router.put("/{draw_id}/beacon", status_code=204, dependencies=[gate("booking.draw")])
async def set_beacon(draw_id: UUID, body: BeaconIn, cx: WriteContext) -> None:
    """Enter the announced public text, once, after the list is published."""
    await service.set_beacon(cx, draw_id, body.text)


@router.put(
    "/{draw_id}/requests/{person_id}",
    response_model=RequestOut,
    dependencies=[gate("booking.enter_draw")],
)
async def put_request(
    request: Request, draw_id: UUID, person_id: UUID, body: WishesIn, cx: WriteContext
) -> Any:
    """Enter a person, or change the wishes. Safe to repeat: one request a person."""
    keys = keys_of(request)
    return _request_out(await service.request_places(cx, keys, draw_id, person_id, body.wishes))


@router.delete(
    "/{draw_id}/requests/{person_id}",
    status_code=204,
    dependencies=[gate("booking.enter_draw")],
)
async def withdraw(draw_id: UUID, person_id: UUID, cx: WriteContext) -> None:
    """Take a person out of a draw while it is open; again is the same."""
    await service.withdraw(cx, draw_id, person_id)
