"""Draws over JSON: what is published for everybody, and a person's own request.

The list is a stream of lines (NDJSON) in bounded memory; it says nothing about who asked.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from citycare.scenarios.booking.api.once import KeyHeader, once
from citycare.scenarios.booking.api.schemas import (
    CLINIC,
    SLOT,
    HouseId,
    PersonId,
    PoolIs,
    Strict,
    example,
    said,
)
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


DrawId = Annotated[UUID, Path(description="the draw, by id")]
OfPerson = Annotated[UUID, Path(description="whose request, by the person's id")]


class DrawOut(BaseModel):
    """A draw as everybody may see it. Digests, commitment and seed are hex."""

    id: Annotated[UUID, said("the draw")]
    organisation_id: HouseId
    name: Annotated[str, said("what the hospital calls it")]
    pool: PoolIs
    state: Annotated[
        DrawState,
        said("`open`: takes requests; `frozen`: the list is fixed; `drawn`; `done`: all is public"),
    ]
    opens_at: Annotated[datetime, said("from when on it takes requests, UTC")]
    closes_at: Annotated[datetime, said("until when it takes requests, UTC")]
    commitment: Annotated[str, said("sha256 of the seed, public from the opening on")]
    beacon_source: Annotated[str, said("where a public text is announced; empty: none is used")]
    beacon: Annotated[str | None, said("that text, once it is entered")]
    requests: Annotated[int | None, said("how many requests there are, once frozen")]
    list_sha256: Annotated[str | None, said("digest of the published list, once frozen")]
    seed: Annotated[str | None, said("the seed, once done: check it against `commitment`")]
    won: Annotated[int | None, said("how many requests won a place, once drawn")]
    done_at: Annotated[datetime | None, said("when all was public, UTC")]
    list: Annotated[str | None, said("path of the published list, once frozen")]


class DrawsOut(BaseModel):
    """Some draws, oldest first."""

    items: Annotated[list[DrawOut], said("the draws")]
    next: Annotated[UUID | None, said("send it as `after` for the page after this; null: the last")]


class NewDrawIn(Strict):
    """A draw to open."""

    model_config = ConfigDict(
        json_schema_extra=example(
            organisation_id=CLINIC,
            name="专家号摇号",
            opens_at="2026-11-23T07:00:00+08:00",
            closes_at="2026-11-25T18:00:00+08:00",
            slots=[SLOT],
        )
    )

    organisation_id: HouseId
    name: str = Field(min_length=1, max_length=100, description="what people read")
    opens_at: Annotated[AwareDatetime, said("from when on requests are taken, with its zone")]
    closes_at: Annotated[AwareDatetime, said("until when; in the future, before the first window")]
    slots: list[UUID] = Field(
        min_length=1,
        max_length=SLOTS_MAX,
        description="windows of this hospital that are released by draw and in no other draw",
    )
    pool: PoolIs = Pool.PUBLIC
    beacon_source: str = Field(
        "", max_length=200, description="where a public text will be announced; empty: none"
    )


class BeaconIn(Strict):
    """The announced public text."""

    model_config = ConfigDict(json_schema_extra=example(text="03 11 17 22 28 31 + 09"))

    text: str = Field(
        min_length=1,
        max_length=service.BEACON_CHARS_MAX,
        description="exactly as it was announced; spaces at the ends do not count",
    )


class WishesIn(Strict):
    """A person's windows, the most wanted first."""

    model_config = ConfigDict(json_schema_extra=example(wishes=[SLOT]))

    wishes: list[UUID] = Field(
        min_length=1, max_length=WISHES_MAX, description="different windows of this draw"
    )


class RequestOut(BaseModel):
    """A person's request in a draw."""

    draw_id: Annotated[UUID, said("the draw")]
    public_id: Annotated[UUID, said("its name in the published list; says nothing of the person")]
    person_id: PersonId
    wishes: Annotated[list[UUID], said("windows, the most wanted first")]
    changed_at: Annotated[datetime, said("when the wishes were last changed, UTC")]


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
    organisation_id: Annotated[UUID | None, Query(description="only this hospital's")] = None,
    after: Annotated[
        UUID | None, Query(description="`next` of the page before; without it the first")
    ] = None,
    count: Annotated[int, Query(ge=1, le=service.PAGE_MAX, description="how many on a page")] = 50,
) -> Any:
    """List draws, oldest first, of one organisation or all."""
    draws = await service.list_draws(cx.db, organisation_id, after, count)
    following = draws[-1].id if len(draws) == count else None
    return {"items": [_draw_out(draw) for draw in draws], "next": following}


@router.post("", status_code=201, response_model=DrawOut, dependencies=[gate("booking.draw")])
async def open_draw(request: Request, body: NewDrawIn, key: KeyHeader, cx: WriteContext) -> Any:
    """Open a draw over windows that are released by draw; for schedulers of the hospital.

    The commitment is public at once. Refused with 400: `booking.draw_period_wrong`,
    `booking.draw_slots_wrong`.
    """
    new = service.NewDraw(**body.model_dump())

    async def run() -> tuple[int, dict[str, Any]]:
        draw = await service.open_draw(cx, keys_of(request), new)
        return 201, DrawOut.model_validate(_draw_out(draw)).model_dump(mode="json")

    return await once(cx, key, ["open draw", body.model_dump(mode="json")], run)


@router.get("/{draw_id}", response_model=DrawOut, dependencies=[PUBLIC])
async def get_draw(draw_id: DrawId, cx: ReadContext) -> Any:
    """Read a draw: commitment, digest and state; the seed once it is done.

    404 `booking.draw_unknown`.
    """
    return _draw_out(await service.get_draw(cx.db, draw_id))


@router.get(
    "/{draw_id}/list.ndjson",
    response_class=StreamingResponse,
    responses={200: {"content": {NDJSON: {"schema": {"type": "string"}}}}},
    dependencies=[PUBLIC],
)
async def get_draw_list(request: Request, draw_id: DrawId, cx: ReadContext) -> StreamingResponse:
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
async def set_draw_beacon(draw_id: DrawId, body: BeaconIn, cx: WriteContext) -> None:
    """Enter the announced public text, once, after the list is published; for schedulers.

    Refused with 409: `booking.draw_step` (too early, there already, or none was announced),
    `booking.draw_beacon_missing` (nothing but spaces).
    """
    await service.set_beacon(cx, draw_id, body.text)


@router.put(
    "/{draw_id}/requests/{person_id}",
    response_model=RequestOut,
    dependencies=[gate("booking.enter_draw")],
)
async def put_draw_request(
    request: Request, draw_id: DrawId, person_id: OfPerson, body: WishesIn, cx: WriteContext
) -> Any:
    """Enter a person, or change the wishes. Safe to repeat: one request a person.

    The last wishes before the closing count. Refused with 409: `booking.draw_not_open`,
    `booking.already_booked`, `booking.too_many`, `booking.slot_past`, `booking.slot_stopped`; with
    400 `booking.draw_wishes_wrong`; with 403 `booking.on_hold`, `booking.pool_closed` (a draw of
    places kept for others).
    """
    keys = keys_of(request)
    return _request_out(await service.request_places(cx, keys, draw_id, person_id, body.wishes))


@router.delete(
    "/{draw_id}/requests/{person_id}",
    status_code=204,
    dependencies=[gate("booking.enter_draw")],
)
async def withdraw_draw_request(draw_id: DrawId, person_id: OfPerson, cx: WriteContext) -> None:
    """Take a person out of a draw while it is open; again is the same.

    409 `booking.draw_not_open` once the list is closed.
    """
    await service.withdraw(cx, draw_id, person_id)
